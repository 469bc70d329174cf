// SPDX-License-Identifier: Apache-2.0
// Private to the LevelDB back end: its state, shared by opening, writing, reading and collecting.
#ifndef STORE_LEVELDB_STORE_H
#define STORE_LEVELDB_STORE_H

#include "store/kv.h"
#include "store/layout.h"
#include "store/witness.h"

struct leveldb_store {
    struct store store; // first
    struct kv *kv;
    int lock_fd;
    struct witness witness;
    struct log_meta meta; // as of the last batch; durable_seq as of the last sync
    uint64_t records_max;
    uint64_t keys, open; // with a record that stands; of these, open
    bool failed;         // a write failed: nothing more is written
    assent_error failure;
    struct buf scratch;
    char recovered[STORE_RECOVERED_SIZE];
};

extern const struct store_ops leveldb_ops;

// A batch under construction: the log as it will be. Adopted when the batch is written.
struct log_batch {
    struct leveldb_store *self;
    struct log_meta meta;
    uint64_t keys, open;
};

void batch_begin(struct log_batch *batch, struct leveldb_store *self);
// Gives the record its place at the head. Its seq and prev are filled in. ASSENT_NOMEM.
int batch_append(struct log_batch *batch, struct log_record *record, assent_error *error);
void batch_index(struct log_batch *batch, const struct log_record *record);
void batch_unindex(struct log_batch *batch, struct slice key);
// Writes the batch with the meta entry, then the witness when synced. A failure is final.
int batch_commit(struct log_batch *batch, bool sync, assent_error *error);

// What stands under a key: *ret_seq 0 when nothing does.
int store_index_get(struct leveldb_store *self, struct slice key, uint64_t *ret_seq,
                    uint8_t *ret_flags, assent_error *error);
int store_fail(struct leveldb_store *self, assent_error *error, const assent_error *why);

int leveldb_collect(struct store *store, uint64_t horizon, bool *ret_more, assent_error *error);

#endif
