// SPDX-License-Identifier: Apache-2.0
// Reading LevelDB's files: what the log, manifest and table readers share.
#ifndef STORE_LDB_BYTES_H
#define STORE_LDB_BYTES_H

#include "base/crc32c.h"
#include "base/slice.h"
#include "store/bytes.h"

enum { LDB_NAME_SIZE = 32 }; // "MANIFEST-" and a number, NUL-terminated

// LevelDB has 56 bits for its sequence numbers, and aborts when they run over; no log lives to see
// half of that.
static const uint64_t LDB_SEQUENCE_MAX = UINT64_C(1) << 55;

enum ldb_entry_type { LDB_DELETED = 0, LDB_VALUE = 1 };

// The last 8 bytes of a key in a table: sequence number << 8 | type.
static inline bool ldb_trailer_good(uint64_t trailer)
{
    return (trailer & 0xff) <= LDB_VALUE && trailer >> 8 <= LDB_SEQUENCE_MAX;
}

// LevelDB stores checksums of data that may itself hold checksums, so it masks them.
static inline uint32_t ldb_mask(uint32_t crc)
{
    return ((crc >> 15) | (crc << 17)) + 0xa282ead8u;
}

// What is left to parse. Every take_ returns false, and takes nothing, when it is not there.
struct ldb_input {
    const uint8_t *at, *end;
};

static inline struct ldb_input ldb_input_of(struct slice s)
{
    const uint8_t *at = s.data;
    return (struct ldb_input){at, at ? at + s.size : at};
}

static inline bool ldb_take_varint(struct ldb_input *in, uint64_t *ret)
{
    uint64_t v = 0;
    const uint8_t *at = in->at;
    for (unsigned shift = 0; shift < 64 && at < in->end; shift += 7) {
        v |= (uint64_t)(*at & 0x7f) << shift;
        if (!(*at++ & 0x80)) {
            *ret = v;
            in->at = at;
            return true;
        }
    }
    return false;
}

static inline bool ldb_take_bytes(struct ldb_input *in, uint64_t size, struct slice *ret)
{
    if ((uint64_t)(in->end - in->at) < size)
        return false;
    *ret = slice_of(in->at, (size_t)size);
    in->at += size;
    return true;
}

static inline bool ldb_take_string(struct ldb_input *in, struct slice *ret)
{
    struct ldb_input copy = *in;
    uint64_t size;
    if (!ldb_take_varint(&copy, &size) || !ldb_take_bytes(&copy, size, ret))
        return false;
    *in = copy;
    return true;
}

#endif
