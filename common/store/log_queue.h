// SPDX-License-Identifier: Apache-2.0
// The log thread: takes what an engine wants written or read, applies it to a store in groups with
// one sync each (group commit), and hands the answers back. The engine never waits for the disk.
//
// One engine thread submits and drains; the log thread is the only one that touches the store.
#ifndef STORE_LOG_QUEUE_H
#define STORE_LOG_QUEUE_H

#include "core/step.h"
#include "store/store.h"

struct log_queue;

enum log_op { LOG_PUT, LOG_LOOKUP, LOG_SCAN };

struct log_answer {
    enum log_op op;
    uint64_t token;
    int code; // LOOKUP: ASSENT_OK or ASSENT_UNKNOWN
    enum store_answer answer;
    uint8_t *value; // PUT answered OTHER, LOOKUP: owned by the answer; log_answer_free releases it
    size_t value_size;
    uint64_t head_seq; // durable now
    uint64_t horizon;
    void *scan; // SCAN: what the visitor's argument was
};

// Crash points (base/crash_point.h) that the log thread passes with each batch that is synced.
struct log_queue_crash {
    int before_write;
    int after_write; // written, not synced; nothing is written differently unless it is armed
    int after_sync;
};

struct log_queue_options {
    uint32_t lazy_ms;               // lazy records wait at most so long for a batch to ride on
    uint32_t patient_ms;            // likewise patient ones; at most lazy_ms
    uint32_t batch_max;             // puts to a batch; 0: LOG_BATCH_MAX
    uint32_t slow_ms;               // a sync that takes so long is logged; 0: none is
    uint64_t (*horizon)(void *arg); // asked now and then: what may be collected. May be NULL
    void *horizon_arg;
    const struct log_queue_crash *crash; // NULL: none
};

enum { LOG_BATCH_MAX = 1024 };

// Takes ownership of the store, unless it fails: NULL when the thread cannot be made.
struct log_queue *log_queue_new(struct store *store, const struct log_queue_options *options,
                                assent_error *error);
// Writes what was submitted, syncs, stops the thread, closes the store.
void log_queue_destroy(struct log_queue **self_p);

// Key and value are copied. Order is kept. False: out of memory.
// A put is answered when it is durable; a lazy one when it is written, which a power failure may
// undo. A lookup or scan sees every put submitted before it, and perhaps later ones, and is
// answered when all that it saw is durable.
bool log_queue_put(struct log_queue *self, uint64_t token, const struct store_put *put,
                   enum haste haste);
bool log_queue_lookup(struct log_queue *self, uint64_t token, struct slice key);
// Runs the visitor on the log thread.
bool log_queue_scan(struct log_queue *self, uint64_t token, bool open_only, bool newest_first,
                    uint64_t from_seq, store_visit *visit, void *arg);
// Makes everything submitted so far visible to the log thread: call once per turn of the engine.
void log_queue_flush(struct log_queue *self);

int log_queue_fd(const struct log_queue *self); // readable when answers wait
// The next answer; false when there is none now.
bool log_queue_next(struct log_queue *self, struct log_answer *ret);
void log_answer_free(struct log_answer *answer);
// The error that ended the log thread: from then on nothing is durable, and the process must stop.
// log_queue_fd is readable from then on.
bool log_queue_failed(const struct log_queue *self, assent_error *ret);
void log_queue_horizon(struct log_queue *self, uint64_t horizon); // raise it by hand

struct log_queue_stats {
    uint64_t batches, syncs, puts, lookups, bytes; // since the start; lookups: and scans
    uint64_t depth;                                // waiting for their answers now
    uint64_t head_seq, base_seq, keys, open;       // as in store_info
};
void log_queue_stats(const struct log_queue *self, struct log_queue_stats *ret);

#endif
