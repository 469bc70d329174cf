// SPDX-License-Identifier: Apache-2.0
#include "queue.h"

#include <stdlib.h>

#include "base/check.h"

enum { BLOCK_ITEMS = 256 };

void queue_init(struct queue *q)
{
    *q = (struct queue){0};
}

void queue_free(struct queue *q)
{
    for (size_t i = 0; i < q->count; i++)
        free((void *)q->heap[i]->bytes.data);
    for (size_t i = 0; i < q->block_count; i++)
        free(q->blocks[i]);
    free(q->blocks);
    free(q->heap);
    *q = (struct queue){0};
}

static void grow(struct queue *q)
{
    struct item **blocks = realloc(q->blocks, (q->block_count + 1) * sizeof(struct item *));
    struct item *block = calloc(BLOCK_ITEMS, sizeof *block);
    CHECK(blocks && block);
    q->blocks = blocks;
    q->blocks[q->block_count++] = block;
    for (size_t i = 0; i < BLOCK_ITEMS; i++) {
        block[i].next_free = q->free;
        q->free = &block[i];
    }
}

struct item *queue_item(struct queue *q, enum item_kind kind)
{
    if (!q->free)
        grow(q);
    struct item *item = q->free;
    q->free = item->next_free;
    *item = (struct item){.kind = (uint8_t)kind};
    return item;
}

void queue_release(struct queue *q, struct item *item)
{
    free((void *)item->bytes.data);
    item->bytes = slice_of(NULL, 0);
    item->next_free = q->free;
    q->free = item;
}

static bool before(const struct item *a, const struct item *b)
{
    return a->due_us != b->due_us ? a->due_us < b->due_us : a->order < b->order;
}

static void sift_up(struct queue *q, size_t at)
{
    struct item *item = q->heap[at];
    while (at > 0 && before(item, q->heap[(at - 1) / 2])) {
        q->heap[at] = q->heap[(at - 1) / 2];
        at = (at - 1) / 2;
    }
    q->heap[at] = item;
}

static void sift_down(struct queue *q, size_t at)
{
    struct item *item = q->heap[at];
    for (size_t child; (child = 2 * at + 1) < q->count; at = child) {
        if (child + 1 < q->count && before(q->heap[child + 1], q->heap[child]))
            child++;
        if (!before(q->heap[child], item))
            break;
        q->heap[at] = q->heap[child];
    }
    q->heap[at] = item;
}

void queue_add(struct queue *q, struct item *item, uint64_t due_us)
{
    if (q->count == q->capacity) {
        q->capacity = q->capacity ? 2 * q->capacity : 256;
        q->heap = realloc(q->heap, q->capacity * sizeof *q->heap);
        CHECK(q->heap);
    }
    item->due_us = due_us;
    item->order = q->order_next++;
    q->heap[q->count] = item;
    sift_up(q, q->count++);
}

struct item *queue_take(struct queue *q)
{
    if (q->count == 0)
        return NULL;
    struct item *first = q->heap[0];
    q->heap[0] = q->heap[--q->count];
    if (q->count > 0)
        sift_down(q, 0);
    return first;
}

void queue_drop_frames(struct queue *q, uint64_t peer)
{
    size_t kept = 0;
    for (size_t i = 0; i < q->count; i++) {
        struct item *item = q->heap[i];
        if (item->kind == ITEM_FRAME && item->peer == peer)
            queue_release(q, item);
        else
            q->heap[kept++] = item;
    }
    q->count = kept;
    for (size_t i = kept / 2; i-- > 0;)
        sift_down(q, i);
}
