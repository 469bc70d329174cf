// SPDX-License-Identifier: Apache-2.0
// The bytes of the log inside its database (docs/disk-format.md): records, index, meta, hashes.
#ifndef STORE_LAYOUT_H
#define STORE_LAYOUT_H

#include "base/buf.h"
#include "base/limits.h"
#include "store/store.h"

enum {
    LAYOUT_VERSION = 1,
    HASH_BYTES = 16,
    RECORD_KEY_SIZE = 9,   // 'r' and the sequence number, big-endian so that order is age
    RECORD_HEAD_SIZE = 26, // previous hash, flags, size of the key, stamp
    INDEX_VALUE_SIZE = 9,  // sequence number and flags of the newest record
    META_SIZE = 116,
};

enum record_flag {
    RECORD_OPEN = 1,    // kept until closed
    RECORD_DECIDED = 2, // a decision stands under the key
    RECORD_FORGET = 4,  // the key is gone
    RECORD_CARRIED = 8, // the same record as an older one that reached the tail
    RECORD_OPENED = 16, // the log's own: it was opened (no key)
    RECORD_FLAGS_KNOWN = 31,
};

struct log_record {
    uint64_t seq;
    uint8_t prev[HASH_BYTES]; // hash of the record before
    uint8_t flags;
    uint64_t stamp;
    struct slice key, value;
};

// What there is to know of the log as a whole, written anew with every batch.
struct log_meta {
    uint64_t id;
    uint64_t secret[2];
    uint64_t incarnation;
    uint64_t opened_ms;
    uint64_t base_seq;             // oldest record present; head_seq + 1 when there is none
    uint8_t base_hash[HASH_BYTES]; // of the record before it
    uint64_t head_seq;             // newest record; 0 in a new log
    uint8_t head_hash[HASH_BYTES];
    uint64_t durable_seq; // known to be synced when this was written
    uint64_t horizon;
};

// The value of an OPENED record: which incarnation, and when it was.
enum { OPENED_SIZE = 16 };

void layout_opened_encode(uint64_t incarnation, uint64_t wall_ms, uint8_t ret[OPENED_SIZE]);

void layout_record_key(uint64_t seq, uint8_t ret[RECORD_KEY_SIZE]);
// Appends the record's value (its sequence number is in its key); hash of the whole to ret_hash.
// False: out of memory.
bool layout_record_encode(struct buf *out, const struct log_record *record,
                          uint8_t ret_hash[HASH_BYTES]);
// Slices borrow from `value`. False: malformed.
bool layout_record_decode(uint64_t seq, struct slice value, struct log_record *ret);
void layout_record_hash(uint64_t seq, struct slice value, uint8_t ret[HASH_BYTES]);
// What stands for the hash before a log's first record.
void layout_genesis_hash(uint64_t id, uint8_t ret[HASH_BYTES]);

void layout_index_encode(uint64_t seq, uint8_t flags, uint8_t ret[INDEX_VALUE_SIZE]);
bool layout_index_decode(struct slice value, uint64_t *ret_seq, uint8_t *ret_flags);

void layout_meta_encode(const struct log_meta *meta, uint8_t ret[META_SIZE]);
// ASSENT_CORRUPT, ASSENT_VERSION.
int layout_meta_decode(struct slice value, struct log_meta *ret, assent_error *error);

#endif
