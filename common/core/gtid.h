// SPDX-License-Identifier: Apache-2.0
// Global transaction identifiers: 1..64 bytes of [A-Za-z0-9._:-].
//
// Those made by a coordinator read "<coordinator>.<incarnation>.<lease>.<number>":
//   coordinator  its id, 8 characters of Crockford's base 32 (40 bits)
//   incarnation  how many times its log had been opened, base 36
//   lease        when the number was handed out, ms since 1970, base 36
//   number       base 36, counted within the incarnation
// so that for a gtid that is in no log the coordinator can tell "aborted" (it was mine, I crashed,
// and nothing as young as that was ever collected) from "unknown".
#ifndef CORE_GTID_H
#define CORE_GTID_H

#include "base/limits.h"
#include "base/slice.h"

struct gtid {
    uint8_t size; // 0: none
    char text[LIMIT_GTID_BYTES];
};

struct gtid_parts {
    uint64_t coordinator; // 40 bits
    uint64_t incarnation;
    uint64_t lease_ms;
    uint64_t number;
};

enum { COORDINATOR_BITS = 40, COORDINATOR_TEXT_BYTES = 9 }; // with its NUL

bool gtid_valid(struct slice text);
// False, and *ret untouched, when the text is not a valid gtid.
bool gtid_from(struct slice text, struct gtid *ret);
void gtid_make(const struct gtid_parts *parts, struct gtid *ret);
// False when the gtid was not made by any coordinator (a client's own).
bool gtid_parse(const struct gtid *g, struct gtid_parts *ret);
void coordinator_text(uint64_t coordinator, char ret[COORDINATOR_TEXT_BYTES]);

static inline struct slice gtid_slice(const struct gtid *g)
{
    return slice_of(g->text, g->size);
}

static inline bool gtid_equal(const struct gtid *a, const struct gtid *b)
{
    return a->size == b->size && memcmp(a->text, b->text, a->size) == 0;
}

#endif
