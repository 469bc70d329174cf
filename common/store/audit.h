// SPDX-License-Identifier: Apache-2.0
// Checks the content of a log, fed entry by entry in the order of the database's keys: dense
// sequence numbers, the hash chain from the base to the head, the index both ways, the meta entry,
// and the witness.
#ifndef STORE_AUDIT_H
#define STORE_AUDIT_H

#include "store/layout.h"
#include "store/witness.h"

// Where an entry lies, for messages. file NULL: not known.
struct audit_where {
    const char *file;
    uint64_t offset;
};

struct audit_result {
    bool empty; // no entry at all
    struct log_meta meta;
    uint64_t records;    // in the chain, the log's own included
    uint64_t keys;       // with a record that stands
    uint64_t open;       // of these, open
    bool witness_within; // the witness's record is here, or the one before the base
};

struct audit_key; // private

struct audit {
    const struct witness *witness; // may be NULL: none
    struct audit_result result;
    struct audit_key *keys; // owned
    size_t capacity, count;
    bool meta_seen;
    uint64_t next_seq;
    uint8_t hash[HASH_BYTES]; // of the record before next_seq
    char last[200];           // where the last good record lies
};

void audit_init(struct audit *self, const struct witness *witness);
void audit_free(struct audit *self);
// ASSENT_CORRUPT, ASSENT_VERSION, ASSENT_NOMEM; an audit that has failed must not be fed again.
int audit_entry(struct audit *self, struct slice key, struct slice value, struct audit_where where,
                assent_error *error);
// After the last entry. ASSENT_CORRUPT, ASSENT_BEHIND.
int audit_finish(struct audit *self, struct audit_result *ret, assent_error *error);

#endif
