// SPDX-License-Identifier: Apache-2.0
// Keys and values of a barrier in LevelDB, all of them text but for the answers:
//
//     <prefix><gtid>/<branch>/<operation>   "d" and the answer: done; "f": fenced
//     <prefix>horizon                       ms since 1970, decimal
#ifndef BARRIER_LEVELDB_INTERNAL_H
#define BARRIER_LEVELDB_INTERNAL_H

#include <leveldb/c.h>
#include <pthread.h>
#include <stdbool.h>

#include "assent/barrier_leveldb.h"
#include "base/error.h"
#include "core/barrier.h"

enum {
    BARRIER_KEY_BYTES = LIMIT_BARRIER_PREFIX_BYTES + LIMIT_GTID_BYTES + 24,
    BARRIER_VALUE_BYTES = 1 + ASSENT_BARRIER_ANSWER_MAX,
};
#define BARRIER_VALUE_DONE   'd'
#define BARRIER_VALUE_FENCED 'f'

struct assent_barrier_leveldb {
    leveldb_t *db; // the caller's
    leveldb_writeoptions_t *synced, *lazy;
    char prefix[LIMIT_BARRIER_PREFIX_BYTES];
    size_t prefix_bytes;
    pthread_mutex_t collecting; // the horizon is read and raised by one at a time
    pthread_mutex_t lock;       // guards what follows
    pthread_cond_t left;        // a turn has ended
    assent_barrier_turn *turns; // one a branch; as many as threads are within
    bool failed;
};

struct assent_barrier_turn {
    assent_barrier_turn *next;
    assent_barrier_leveldb *barrier;
    struct gtid gtid;
    uint16_t branch;
    assent_barrier_operation operation;
    pthread_t thread;
    struct barrier_ruling ruling;
    bool answered;
    size_t answer_bytes;
    char value[BARRIER_VALUE_BYTES]; // of the row to be written, the answer from its second byte
};

// Frees LevelDB's message.
int barrier_leveldb_refuse(char *message, assent_error *error);

// All rows of the turn's branch and the horizon, as of one moment.
int barrier_rows_read(const assent_barrier_turn *turn, struct barrier_rows *ret,
                      assent_error *error);
// The answer in a row that is there.
int barrier_answer_read(const assent_barrier_turn *turn, assent_barrier_operation operation,
                        assent_barrier_entry *ret, assent_error *error);
// With the first bytes of turn->value.
void barrier_row_put(const assent_barrier_turn *turn, assent_barrier_operation operation,
                     size_t value_bytes, leveldb_writebatch_t *batch);
void barrier_row_delete(const assent_barrier_turn *turn, assent_barrier_operation operation,
                        leveldb_writebatch_t *batch);

// The higher of the horizon that stands and this one.
int barrier_horizon_put(const assent_barrier_leveldb *b, uint64_t horizon_ms,
                        leveldb_writebatch_t *batch, assent_error *error);

// A walk over the barrier's fences as they were when it began.
struct barrier_fences;
struct barrier_fences *barrier_fences_new(const assent_barrier_leveldb *b);
void barrier_fences_destroy(struct barrier_fences **fences_p);
// Adds to the batch the removal of at most `most` fences behind the horizon; *ret: how many, 0 at
// the end.
int barrier_fences_next(struct barrier_fences *fences, uint64_t horizon_ms, uint64_t most,
                        leveldb_writebatch_t *batch, uint64_t *ret, assent_error *error);

#endif
