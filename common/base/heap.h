// SPDX-License-Identifier: Apache-2.0
// A timer heap: intrusive binary min-heap ordered by (due_ms, order of insertion), so that equal
// deadlines fire in a repeatable order. Not thread-safe.
#ifndef BASE_HEAP_H
#define BASE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct timer {
    uint64_t due_ms;
    uint64_t order;
    size_t index; // position in the heap plus one; 0 while not armed
};

struct heap {
    struct timer **items; // owned
    size_t count;
    size_t capacity;
    uint64_t order_next;
};

void heap_init(struct heap *h);
void heap_free(struct heap *h);
// Makes room for `count` timers in all, so that arming up to so many cannot fail. False: no memory.
bool heap_reserve(struct heap *h, size_t count);
// Arms the timer, or moves it when it is armed already. Room must have been reserved.
void heap_arm(struct heap *h, struct timer *t, uint64_t due_ms);
void heap_disarm(struct heap *h, struct timer *t); // does nothing when it is not armed
struct timer *heap_first(const struct heap *h);    // NULL when empty

static inline bool timer_armed(const struct timer *t)
{
    return t->index != 0;
}

#endif
