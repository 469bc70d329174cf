// SPDX-License-Identifier: Apache-2.0
#include "core/slots.h"

#include <stdlib.h>

#include "base/check.h"

void slots_init(struct slots *s)
{
    *s = (struct slots){0};
}

void slots_free(struct slots *s)
{
    free(s->items);
    slots_init(s);
}

static bool slots_grow(struct slots *s)
{
    if (s->count < s->capacity)
        return true;
    uint32_t capacity = s->capacity ? s->capacity * 2 : 64;
    struct slot *items = realloc(s->items, capacity * sizeof *items);
    if (!items)
        return false;
    s->items = items;
    s->capacity = capacity;
    return true;
}

uint64_t slots_add(struct slots *s, void *value)
{
    CHECK(value);
    if (!s->free) {
        if (!slots_grow(s))
            return 0;
        s->items[s->count] = (struct slot){.generation = 1};
        s->free = ++s->count;
    }
    uint32_t index = s->free - 1;
    struct slot *slot = &s->items[index];
    s->free = slot->next_free;
    slot->value = value;
    s->used++;
    return (uint64_t)slot->generation << 32 | index;
}

static struct slot *slots_find(const struct slots *s, uint64_t token)
{
    uint32_t index = (uint32_t)token;
    if (index >= s->count)
        return NULL;
    struct slot *slot = &s->items[index];
    return slot->value && slot->generation == token >> 32 ? slot : NULL;
}

void *slots_get(const struct slots *s, uint64_t token)
{
    struct slot *slot = slots_find(s, token);
    return slot ? slot->value : NULL;
}

// The top bit of a token is the shell's (core/step.h).
static uint32_t generation_after(uint32_t generation)
{
    return generation == UINT32_MAX >> 1 ? 1 : generation + 1;
}

uint64_t slots_renew(struct slots *s, uint64_t token)
{
    struct slot *slot = slots_find(s, token);
    CHECK(slot);
    slot->generation = generation_after(slot->generation);
    return (uint64_t)slot->generation << 32 | (uint32_t)token;
}

void slots_release(struct slots *s, uint64_t token)
{
    struct slot *slot = slots_find(s, token);
    CHECK(slot);
    slot->value = NULL;
    slot->generation = generation_after(slot->generation);
    slot->next_free = s->free;
    s->free = (uint32_t)(slot - s->items) + 1;
    s->used--;
}
