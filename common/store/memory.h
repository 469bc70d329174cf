// SPDX-License-Identifier: Apache-2.0
// A store in memory, with the semantics of the LevelDB back end and faults on demand; for tests and
// the simulator. Deterministic. What a crash leaves is in a memory_disk, which outlives the stores
// that are opened on it.
#ifndef STORE_MEMORY_H
#define STORE_MEMORY_H

#include "store/store.h"

struct memory_disk;

struct memory_faults {
    uint64_t fail_apply_at; // 1: the next apply or collect writes nothing and fails, 2: the one
                            // after it...; 0: none
    uint64_t fail_sync_at;  // likewise the sync of a synced apply: written, but who knows how far
    uint64_t fail_read_at;  // likewise lookups and scans
    bool fenced;            // applies answer STORE_FENCED and write nothing
    uint32_t slow_us;       // a synced apply takes so long, in real time
};

// A new, empty disk. NULL: out of memory.
struct memory_disk *memory_disk_new(void);
void memory_disk_destroy(struct memory_disk **self_p);              // no store may be open on it
struct memory_faults *memory_disk_faults(struct memory_disk *self); // to be changed at will

// Batches (applies and collects that changed something) written since the last sync.
uint64_t memory_disk_unsynced(const struct memory_disk *self);
// The process that had it open dies, and with it the machine: of the unsynced batches the first
// `keep` survive (0: none; UINT64_MAX: all). Releases the store that was open, if any.
void memory_disk_crash(struct memory_disk *self, uint64_t keep);
// Likewise, and half of the next batch's records are there, too: the next open cuts them off.
void memory_disk_tear(struct memory_disk *self, uint64_t keep);

// What befalls a disk that nobody has open.
// Forgets the newest `records` records, durable or not: an older copy was put in its place.
void memory_disk_roll_back(struct memory_disk *self, uint64_t records);
// The newest `records` records are missing, though the witness knows of them. False: there are
// none.
bool memory_disk_lose(struct memory_disk *self, uint64_t records);
// Flips a bit of a record, chosen by `which`. False: there is none.
bool memory_disk_flip(struct memory_disk *self, uint64_t which);
// A copy of all that is durable on it. NULL: out of memory.
struct memory_disk *memory_disk_copy(const struct memory_disk *self);

// ASSENT_LOCKED while another store is open on the disk; ASSENT_IO when it is empty and may not be
// made; ASSENT_CORRUPT where a record is not what was written; ASSENT_BEHIND where the log ends
// before the witness. options->id 0: 1.
int store_open_memory(struct memory_disk *disk, const struct store_options *options,
                      struct store **ret, assent_error *error);

#endif
