// SPDX-License-Identifier: Apache-2.0
#include "core/step.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BLOCK_BYTES = 64 << 10, EFFECTS_FIRST = 64 };

struct effects_block {
    struct effects_block *next;
    size_t used, capacity;
    _Alignas(max_align_t) uint8_t data[];
};

void effects_init(struct effects *fx)
{
    *fx = (struct effects){0};
}

void effects_free(struct effects *fx)
{
    for (struct effects_block *block = fx->blocks, *next; block; block = next) {
        next = block->next;
        free(block);
    }
    free(fx->items);
    effects_init(fx);
}

void effects_reset(struct effects *fx)
{
    fx->count = 0;
    fx->failed = false;
    fx->current = fx->blocks;
    if (fx->current)
        fx->current->used = 0;
}

static bool effects_grow(struct effects *fx)
{
    size_t capacity = fx->capacity ? fx->capacity * 2 : EFFECTS_FIRST;
    if (capacity > SIZE_MAX / sizeof *fx->items)
        return false;
    struct effect *items = realloc(fx->items, capacity * sizeof *items);
    if (!items)
        return false;
    fx->items = items;
    fx->capacity = capacity;
    return true;
}

struct effect *effects_add(struct effects *fx, enum effect_type type)
{
    struct effect *effect = &fx->spare;
    if (fx->count < fx->capacity || effects_grow(fx))
        effect = &fx->items[fx->count++];
    else
        fx->failed = true;
    *effect = (struct effect){.type = type};
    return effect;
}

static bool block_fits(const struct effects_block *block, size_t size)
{
    return block && size <= block->capacity - block->used;
}

// The link that holds the first free block of that capacity, or the NULL at the end.
static struct effects_block **block_find(struct effects_block **link, size_t size)
{
    while (*link && (*link)->capacity < size)
        link = &(*link)->next;
    return link;
}

static struct effects_block *block_new(size_t size)
{
    size_t capacity = size > BLOCK_BYTES ? size : BLOCK_BYTES;
    struct effects_block *block = malloc(sizeof *block + capacity);
    if (block)
        *block = (struct effects_block){.capacity = capacity};
    return block;
}

// Puts a block with room for `size` behind the current one and makes it current. A free one that is
// too small is passed over, and stays for a later need.
static bool block_advance(struct effects *fx, size_t size)
{
    struct effects_block **after = fx->current ? &fx->current->next : &fx->blocks;
    struct effects_block **link = block_find(after, size);
    struct effects_block *block = *link;
    if (block)
        *link = block->next;
    else
        block = block_new(size);
    if (!block)
        return false;
    block->used = 0;
    block->next = *after;
    *after = block;
    fx->current = block;
    return true;
}

void *effects_alloc(struct effects *fx, size_t size)
{
    const size_t unit = _Alignof(max_align_t);
    bool sane = size <= SIZE_MAX / 2;
    size_t rounded = (size + unit - 1) / unit * unit;
    if (!sane || (!block_fits(fx->current, rounded) && !block_advance(fx, rounded))) {
        fx->failed = true;
        return NULL;
    }
    void *at = fx->current->data + fx->current->used;
    fx->current->used += rounded;
    return at;
}

struct slice effects_keep(struct effects *fx, struct slice bytes)
{
    void *to = bytes.size ? effects_alloc(fx, bytes.size) : NULL;
    return to ? slice_of(memcpy(to, bytes.data, bytes.size), bytes.size) : slice_of(NULL, 0);
}

struct slice effects_printf(struct effects *fx, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = size < 0 ? NULL : effects_alloc(fx, (size_t)size + 1);
    if (text)
        vsnprintf(text, (size_t)size + 1, format, again);
    va_end(again);
    return text ? slice_of(text, (size_t)size) : slice_of("", 0);
}
