// SPDX-License-Identifier: Apache-2.0
// What the files of the store in memory share:
//   memory_disk.c  records, what befalls them, what a crash leaves
//   memory.c       the store that is opened on them
#ifndef STORE_MEMORY_INTERNAL_H
#define STORE_MEMORY_INTERNAL_H

#include "base/map.h"
#include "store/memory.h"

struct memory_record {
    uint64_t seq;
    struct slice key; // both lie behind the structure; no key: the log's own
    struct slice value;
    uint64_t stamp;
    uint32_t sum; // of all of it, and of the record before
    bool open, decided, forget;
};

// The log's extent after a batch.
struct extent {
    uint64_t base_seq, head_seq, horizon;
};

struct memory_store {
    struct store store; // first
    struct memory_disk *disk;
    uint64_t records_max;
    bool failed;
};

struct memory_disk {
    struct memory_faults faults;
    uint64_t id, incarnation, opened_ms;
    // records[0] has sequence number first_seq. What lies before the base is kept until the batch
    // that dropped it is synced.
    struct memory_record **records; // owned
    size_t count, capacity;
    uint64_t first_seq;
    uint32_t first_sum; // of the record before the first
    size_t torn;        // records of an incomplete batch behind the last
    uint64_t witness;   // the newest durable record, known outside of the log
    struct extent now;
    struct extent *unsynced; // owned: before each unsynced batch
    size_t unsynced_count, unsynced_capacity;
    struct map newest; // key to memory_record
    uint64_t open;
    struct memory_store *opened; // NULL: nobody has it open
};

struct memory_record *memory_record_at(const struct memory_disk *self, uint64_t seq);
// The newest record of its key is now this one. False: out of memory.
bool memory_stand(struct memory_disk *self, struct memory_record *record);
// All that was written is durable.
void memory_settle(struct memory_disk *self);
// What lies behind that record goes.
void memory_cut(struct memory_disk *self, uint64_t head_seq);
// A copy at the head of the log; NULL: out of memory.
struct memory_record *memory_append(struct memory_disk *self, const struct memory_record *record);
uint32_t memory_sum_of(const struct memory_record *record, uint32_t before);

#endif
