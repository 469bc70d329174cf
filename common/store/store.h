// SPDX-License-Identifier: Apache-2.0
// The register store: a durable map from keys to their newest record, kept as a log with dense
// sequence numbers and a hash chain. The coordinator keeps its register of transactions in one, a
// participant its journal. docs/disk-format.md has the bytes of the LevelDB back end.
//
// Open records are kept for ever: when the log's tail reaches one, the same record is appended
// again at the head, so that something that is stuck for weeks holds nothing else back. Closed
// records go once the horizon has passed their stamp.
//
// One thread at a time may use a store; see log_queue.h.
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/error.h"
#include "base/slice.h"

struct store; // first member of every back end: const struct store_ops *ops

enum store_answer {
    STORE_STANDS = 0, // what was asked is what stands now
    STORE_OTHER = 1,  // another decision stood already: `standing` has it
    STORE_FENCED = 2, // this process no longer owns the log; nothing was written
};

struct store_put {
    struct slice key;   // 1..LIMIT_KEY_BYTES, without NUL bytes
    struct slice value; // the encoded record
    bool decide;        // only if no record marked `decided` stands under the key
    bool decided;       // mark the key as decided: stays so until it is forgotten
    bool forget;        // remove the key (value is ignored)
    bool open;          // keep until a later put of the key closes or forgets it
    uint64_t stamp;     // closed: may be collected once the horizon is above it
    // answer
    enum store_answer answer;
    uint8_t *standing; // STORE_OTHER: malloc'ed value that stands; the caller frees it
    size_t standing_size;
};

enum { STORE_RECOVERED_SIZE = 160 };

struct store_info {
    uint64_t id;          // random, made with the store
    uint64_t secret[2];   // random, made with the store; never leaves the process
    uint64_t incarnation; // times it was opened, this time included; durable before open returns
    uint64_t head_seq;    // newest durable record
    uint64_t base_seq;    // oldest record kept
    uint64_t keys, open;  // keys under which a record stands; of these, open
    uint64_t horizon;   // closed records with a stamp below it may have been collected, none above
    uint64_t opened_ms; // wall clock of this open
    // What a crash had left half written, never durable, and was cut off at this open; "" if
    // nothing.
    char recovered[STORE_RECOVERED_SIZE];
};

struct store_record {
    struct slice key, value;
    bool open;
    uint64_t stamp;
    uint64_t seq;
};

// Called for each record; returns 0 to go on. Slices are valid during the call.
typedef int store_visit(void *arg, const struct store_record *record);

struct store_ops {
    void (*info)(struct store *self, struct store_info *ret);
    // Applies the puts in order, as one batch. With `sync` they are durable on return, together
    // with everything applied before; no puts and `sync` makes what was applied before durable.
    // Any failure is final: the caller must stop using the store.
    int (*apply)(struct store *self, struct store_put *puts, size_t count, bool sync,
                 assent_error *error);
    // The newest record under a key: *ret_value is malloc'ed, the caller frees it.
    // ASSENT_UNKNOWN when there is none.
    int (*lookup)(struct store *self, struct slice key, uint8_t **ret_value, size_t *ret_size,
                  assent_error *error);
    // Visits newest records in order of their age: open ones only, or all, oldest first, or newest
    // first; beginning with sequence number `from_seq` or the next in that order (0: at the end
    // where the order begins), in time that does not grow with what lies before it.
    int (*scan)(struct store *self, bool open_only, bool newest_first, uint64_t from_seq,
                store_visit *visit, void *arg, assent_error *error);
    // Collects a bounded amount of what may go, closed records with a stamp below `horizon`
    // included (not synced). *ret_more: call again soon.
    int (*collect)(struct store *self, uint64_t horizon, bool *ret_more, assent_error *error);
    void (*close)(struct store *self); // releases everything; unsynced records may be lost
};

struct store {
    const struct store_ops *ops;
};

// ---- LevelDB back end ----

struct store_options {
    bool create;          // make it when it is not there
    uint64_t records_max; // closed records kept at most; older ones go before their time. 0: no cap
    uint64_t wall_ms;     // recorded as the time of this open
    uint64_t id;          // for a new store; 0: random
    size_t buffer_bytes;  // written before a table is made of it; 0: the usual. For tests: little,
                          // so that log files and tables come and go
};

// Opens <dir>/db and its witness <dir>/head, locks <dir>/lock, and checks everything: sequence
// numbers, chain, index, witness. Refuses (ASSENT_CORRUPT, ASSENT_BEHIND, ASSENT_LOCKED, ASSENT_IO)
// with a message that names file, position and what to do. Never repairs by guessing.
int store_open_leveldb(const char *dir, const struct store_options *options, struct store **ret,
                       assent_error *error);

// ---- memory back end (tests, simulator) ----
// See memory.h.

enum { LIMIT_KEY_BYTES = 80 };

#endif
