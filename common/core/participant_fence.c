// SPDX-License-Identifier: Apache-2.0
// What is finished is remembered until the fence has passed it: until then a PREPARE may still come
// late, or the outcome of a one-phase branch be asked for. Then it leaves memory, and the horizon
// moves on so that it may leave the journal.
#include "base/mutant.h"
#include "core/participant_internal.h"

void part_forget(struct participant *self, struct part *b)
{
    if (b->pinned)
        part_write_aside(self, b, true);
    part_free(self, b);
}

static void release(struct participant *self)
{
    struct timer *first;
    while ((first = heap_first(&self->finished)) && first->due_ms < self->heard.fence)
        part_forget(self, container_of(first, struct part, timer));
}

// Decides for how long a branch that has just come to be FINISHED is remembered.
static void remember(struct participant *self, struct part *b)
{
    if (b->heuristic && !MUTANT(WORD_FORGOTTEN))
        return; // for ever: the real decision may come at any time, and is told what was done
    if (part_ours(self, b) || MUTANT(FENCE_OF_ANOTHER)) {
        heap_arm(&self->finished, &b->timer, b->attempt);
        return;
    }
    // The fence of another coordinator does not move while that is not heard, and must not hold
    // back the horizon of all the others: the record is kept by itself.
    heap_disarm(&self->finished, &b->timer);
    list_remove(&b->numbered);
    if (!b->pinned)
        part_write_aside(self, b, false);
    b->pinned = true;
}

void part_remember(struct participant *self, struct part *b)
{
    remember(self, b);
    release(self);
}

void part_fence(struct participant *self, uint64_t fence)
{
    if (fence <= self->heard.fence)
        return;
    self->heard.fence = fence;
    release(self);
}

void part_coordinator_changed(struct participant *self)
{
    size_t cursor = 0;
    for (void *value; map_next(&self->parts, &cursor, &value);) {
        struct part *b = value;
        if (b->state == PART_FINISHED)
            remember(self, b);
    }
}

static uint64_t horizon_now(const struct participant *self)
{
    if (list_empty(&self->numbered) || MUTANT(HORIZON_EARLY))
        return self->number_next;
    return container_of(self->numbered.next, struct part, numbered)->number;
}

void part_horizon(struct participant *self)
{
    uint64_t now = horizon_now(self);
    if (now <= self->horizon)
        return;
    bool far = now - self->horizon >= PART_HORIZON_STEP;
    if (!far && self->now.mono_ms - self->horizon_ms < PART_HORIZON_MS)
        return;
    self->horizon = now;
    self->horizon_ms = self->now.mono_ms;
    effects_add(self->fx, EFFECT_HORIZON)->u.horizon = now;
}

uint64_t part_horizon_deadline(const struct participant *self)
{
    return horizon_now(self) > self->horizon ? self->horizon_ms + PART_HORIZON_MS : UINT64_MAX;
}
