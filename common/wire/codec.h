// SPDX-License-Identifier: Apache-2.0
// The pieces that bytes are made of, shared by messages and records. A *visitor* names the fields
// of a structure once, in order; walked in three modes it measures and checks, writes, or reads, so
// that encoder and decoder cannot drift apart.
//
// The first thing that is wrong is kept; after it reads yield zeros and no more bytes are taken.
// WRITE trusts what MEASURE has checked. Nothing here allocates.
#ifndef WIRE_CODEC_H
#define WIRE_CODEC_H

#include <endian.h>

#include "assent/error.h"
#include "base/slice.h"
#include "core/message.h"

enum codec_mode { CODEC_MEASURE, CODEC_WRITE, CODEC_READ };

struct codec {
    enum codec_mode mode;
    size_t size;              // MEASURE: bytes so far
    uint8_t *to;              // WRITE: where the next byte goes
    const uint8_t *at, *end;  // READ: what is left
    const uint8_t *taken;     // READ: where the last piece began
    int code;                 // ASSENT_OK, or what kind of thing is wrong,
    const char *field;        // where,
    const char *problem;      // and what
    const uint8_t *broken_at; // READ: where that piece began
};

// Keeps the first failure.
void codec_fail(struct codec *c, int code, const char *field, const char *problem);
// The names of resources, programs and verbs: 1..LIMIT_NAME_BYTES of the gtid's characters.
void codec_name(struct codec *c, const char *field, struct slice *value);
void codec_address(struct codec *c, const char *field, struct slice *value); // or none
void codec_gtid(struct codec *c, const char *field, struct gtid *value);
void codec_gtid_or_none(struct codec *c, const char *field, struct gtid *value);
// A length of `length_bytes` bytes, then as many bytes, at most `max`.
void codec_bytes(struct codec *c, const char *field, struct slice *value, unsigned length_bytes,
                 size_t max);

// Of a STEP, a CONSUMER or a TOPIC what it has; of other kinds no bytes.
void codec_plan(struct codec *c, uint8_t kind, struct branch_plan *plan);
// None, or at least two members, of which `branch` is one.
void codec_members(struct codec *c, unsigned branch, struct slice *members);

// READ: the next `size` bytes, or NULL when there are fewer.
static inline const uint8_t *codec_take(struct codec *c, const char *field, size_t size)
{
    c->taken = c->at;
    if (__builtin_expect((size_t)(c->end - c->at) < size, 0)) {
        codec_fail(c, ASSENT_INVALID, field, "cut short");
        return NULL;
    }
    c->at += size;
    return c->taken;
}

static inline uint64_t codec_uint(struct codec *c, const char *field, uint64_t value,
                                  unsigned bytes)
{
    if (c->mode == CODEC_MEASURE) {
        c->size += bytes;
    } else if (c->mode == CODEC_WRITE) {
        uint64_t little = htole64(value);
        memcpy(c->to, &little, bytes);
        c->to += bytes;
    } else {
        const uint8_t *from = codec_take(c, field, bytes);
        uint64_t little = 0;
        if (from)
            memcpy(&little, from, bytes);
        value = le64toh(little);
    }
    return value;
}

static inline void codec_u8(struct codec *c, const char *field, uint8_t *value)
{
    *value = (uint8_t)codec_uint(c, field, *value, 1);
}

static inline void codec_u16(struct codec *c, const char *field, uint16_t *value)
{
    *value = (uint16_t)codec_uint(c, field, *value, 2);
}

static inline void codec_u32(struct codec *c, const char *field, uint32_t *value)
{
    *value = (uint32_t)codec_uint(c, field, *value, 4);
}

static inline void codec_u64(struct codec *c, const char *field, uint64_t *value)
{
    *value = codec_uint(c, field, *value, 8);
}

static inline void codec_check(struct codec *c, bool holds, const char *field, const char *problem)
{
    if (__builtin_expect(!holds, 0))
        codec_fail(c, ASSENT_INVALID, field, problem);
}

// One of the values whose bit is set in `allowed`.
static inline void codec_enum(struct codec *c, const char *field, uint8_t *value, uint32_t allowed)
{
    codec_u8(c, field, value);
    codec_check(c, *value < 32 && (allowed >> *value & 1), field, "not one of its values");
}

static inline void codec_bool(struct codec *c, const char *field, uint8_t *value)
{
    codec_enum(c, field, value, 1u << 0 | 1u << 1);
}

static inline void codec_flags(struct codec *c, const char *field, uint8_t *value, uint8_t allowed)
{
    codec_u8(c, field, value);
    codec_check(c, (*value & ~allowed) == 0, field, "reserved bits are set");
}

static inline void codec_branch(struct codec *c, const char *field, uint16_t *value)
{
    codec_u16(c, field, value);
    codec_check(c, *value < LIMIT_BRANCHES, field, "past the limit of branches");
}

// A coordinator's id; 0: none.
static inline void codec_coordinator(struct codec *c, const char *field, uint64_t *value)
{
    codec_u64(c, field, value);
    codec_check(c, *value >> COORDINATOR_BITS == 0, field, "not a coordinator's id of 40 bits");
}

// BRANCH_NONE as well.
static inline void codec_branch_or_none(struct codec *c, const char *field, uint16_t *value)
{
    codec_u16(c, field, value);
    codec_check(c, *value < LIMIT_BRANCHES || *value == BRANCH_NONE, field,
                "past the limit of branches");
}

#endif
