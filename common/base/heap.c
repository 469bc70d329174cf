// SPDX-License-Identifier: Apache-2.0
#include "base/heap.h"

#include <stdlib.h>

#include "base/check.h"

void heap_init(struct heap *h)
{
    *h = (struct heap){0};
}

void heap_free(struct heap *h)
{
    free(h->items);
    heap_init(h);
}

bool heap_reserve(struct heap *h, size_t count)
{
    if (count <= h->capacity)
        return true;
    size_t capacity = h->capacity > SIZE_MAX / 2 ? count : h->capacity * 2;
    if (capacity < count)
        capacity = count;
    if (capacity > SIZE_MAX / sizeof(struct timer *))
        return false;
    struct timer **items = realloc(h->items, capacity * sizeof(struct timer *));
    if (!items)
        return false;
    h->items = items;
    h->capacity = capacity;
    return true;
}

static bool before(const struct timer *a, const struct timer *b)
{
    return a->due_ms != b->due_ms ? a->due_ms < b->due_ms : a->order < b->order;
}

static void put(struct heap *h, size_t at, struct timer *t)
{
    h->items[at] = t;
    t->index = at + 1;
}

static void sift_up(struct heap *h, size_t at, struct timer *t)
{
    while (at > 0 && before(t, h->items[(at - 1) / 2])) {
        put(h, at, h->items[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    put(h, at, t);
}

static void sift_down(struct heap *h, size_t at, struct timer *t)
{
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= h->count)
            break;
        if (child + 1 < h->count && before(h->items[child + 1], h->items[child]))
            child++;
        if (!before(h->items[child], t))
            break;
        put(h, at, h->items[child]);
        at = child;
    }
    put(h, at, t);
}

static void settle(struct heap *h, size_t at, struct timer *t)
{
    if (at > 0 && before(t, h->items[(at - 1) / 2]))
        sift_up(h, at, t);
    else
        sift_down(h, at, t);
}

void heap_arm(struct heap *h, struct timer *t, uint64_t due_ms)
{
    t->due_ms = due_ms;
    t->order = h->order_next++;
    if (timer_armed(t)) {
        settle(h, t->index - 1, t);
        return;
    }
    CHECK(h->count < h->capacity);
    sift_up(h, h->count++, t);
}

void heap_disarm(struct heap *h, struct timer *t)
{
    if (!timer_armed(t))
        return;
    size_t at = t->index - 1;
    CHECK(at < h->count && h->items[at] == t);
    t->index = 0;
    struct timer *last = h->items[--h->count];
    if (last != t)
        settle(h, at, last);
}

struct timer *heap_first(const struct heap *h)
{
    return h->count ? h->items[0] : NULL;
}
