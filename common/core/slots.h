// SPDX-License-Identifier: Apache-2.0
// Tokens for things that answers will come back to: a token names a slot and its generation, so
// one that was released never finds what lives in its slot later.
#ifndef CORE_SLOTS_H
#define CORE_SLOTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct slot {
    void *value; // NULL: free
    uint32_t generation;
    uint32_t next_free;
};

struct slots {
    struct slot *items; // owned
    uint32_t count, capacity;
    uint32_t free; // first free one plus one; 0: none
    uint32_t used;
};

void slots_init(struct slots *s);
void slots_free(struct slots *s);
uint64_t slots_add(struct slots *s, void *value);       // 0: out of memory
void *slots_get(const struct slots *s, uint64_t token); // NULL: released or never given
// Another token for the same value; the old one is nobody's from then on.
uint64_t slots_renew(struct slots *s, uint64_t token);
void slots_release(struct slots *s, uint64_t token);

#endif
