// SPDX-License-Identifier: Apache-2.0
// Reads a data directory that nobody has open, changing nothing in it: for `assent log verify` and
// `assent log dump`. Meanwhile nobody can open it.
#ifndef STORE_INSPECT_H
#define STORE_INSPECT_H

#include "store/store.h"

struct inspect_summary {
    uint64_t id;
    uint64_t incarnation;
    uint64_t opened_ms; // of the newest incarnation
    uint64_t first_seq, last_seq;
    uint64_t records; // in the log, those of its own and those superseded included
    uint64_t keys;    // under which a record stands
    uint64_t open;    // of these, open
    uint64_t horizon;
    bool witness_found;   // the file head could be read
    uint64_t witness_seq; // newest record that it knows
    // The end of a file that a crash left half written; nothing durable is in it, and the next open
    // cuts it off. "" if none.
    char tear[STORE_RECOVERED_SIZE];
};

struct inspect_record {
    uint64_t seq;
    struct slice key, value; // no key: the log's own
    uint64_t stamp;
    bool stands; // the newest record of its key
    bool open, decided, forget, carried;
    bool opened;          // the log's own: it was opened,
    uint64_t incarnation; // for the so-manieth time,
    uint64_t wall_ms;     // then
    const char *file;     // where it lies
    uint64_t offset;
};

// One damage: "FILE at byte N: what" with FILE relative to the directory.
typedef void inspect_damage(void *arg, const char *text);
// Returns 0 to go on. The record is valid during the call.
typedef int inspect_visit(void *arg, const struct inspect_record *record);

// Checks everything that opening checks. When that fails, goes through all files and reports every
// one that is damaged (`damage` may be NULL), then returns what opening would say: ASSENT_CORRUPT,
// ASSENT_BEHIND, ASSENT_VERSION; ASSENT_LOCKED, ASSENT_IO, ASSENT_NOMEM.
int store_verify(const char *dir, inspect_damage *damage, void *arg, struct inspect_summary *ret,
                 assent_error *error);

// Visits the records from `from_seq` on, oldest first. What can be read before a damage is visited;
// then it returns as store_verify does. *ret may be NULL.
int store_dump(const char *dir, uint64_t from_seq, inspect_visit *visit, void *arg,
               struct inspect_summary *ret, assent_error *error);

#endif
