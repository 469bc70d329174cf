// SPDX-License-Identifier: Apache-2.0
// What is finished is remembered until the fence has passed it: until then a PREPARE may still come
// late, or the outcome of a one-phase branch be asked for. Then it leaves memory, and the horizon
// moves on so that it may leave the journal.
//
// One that its resource manager ended by itself is remembered until the coordinator has that on
// record, whatever the fence; then the resource manager forgets it, and then its record goes.
//
// A branch of an admitted protocol may be asked about again in a newer attempt for as long as its
// transaction has not ended, so it is remembered until that is told, too; then the resource manager
// forgets it, and then its record goes.
#include "base/mutant.h"
#include "core/participant_internal.h"

static void let_go(struct participant *self, struct part *b)
{
    if (b->pinned)
        part_write_aside(self, b, true);
    part_free(self, b);
}

void part_forget(struct participant *self, struct part *b)
{
    bool rows = (part_business(b) || (b->ended && !b->quorum)) && self->config.rm_forgets;
    if (!rows && !part_reports(b)) {
        let_go(self, b);
        return;
    }
    if (b->busy != PART_IDLE) { // 3pc: something is being recorded first
        heap_disarm(&self->finished, &b->fenced);
        return;
    }
    // A crash from here until the record has gone leaves a finished branch: we ask, are told that
    // its transaction has ended, and forgetting is idempotent. What the resource manager did by
    // itself is reported again, and is on record already.
    part_move(self, b, PART_FORGETTING);
    part_call(self, b);
}

// The transaction of a branch that is not known here has ended. There may be rows of it in the
// barrier all the same: those of a sender, or of an action that failed.
void part_forget_unknown(struct participant *self, const struct msg_standing *standing)
{
    if (!part_room(self, 0))
        return; // rows that stay cost room, nothing else
    struct part *b = part_new(self, &standing->gtid, standing->branch, PART_FINISHED);
    if (!b)
        return;
    b->protocol = 0; // is not known
    b->attempt = standing->attempt;
    b->coordinator = self->heard.id;
    b->outcome = standing->outcome;
    b->ended = true;
    // Until then a late copy of what was asked could still be taken up, and make rows anew.
    if (b->attempt < self->heard.fence)
        part_forget(self, b);
    else
        heap_arm(&self->finished, &b->fenced, b->attempt);
}

void part_forgot(struct participant *self, struct part *b, const struct event_called *called)
{
    if (called->result != RM_DONE && b->pinned && !MUTANT(FORGET_ONCE)) {
        self->stats.retries++;
        part_wait(self, b, self->config.retry_min_ms, self->config.retry_max_ms);
        return;
    }
    let_go(self, b);
}

void part_ended(struct participant *self, struct part *b, uint64_t attempt)
{
    part_renew(self, b, attempt);
    b->ended = true;
    heap_disarm(&self->due, &b->timer);
    if (b->attempt < self->heard.fence || MUTANT(FORGOTTEN_AT_END))
        part_forget(self, b);
}

static bool awaits_end(const struct part *b)
{
    return !b->ended && (part_admitted(b) || part_reports(b));
}

// What could not be done while something was being recorded.
void part_let_go_again(struct participant *self, struct part *b)
{
    if (b->state == PART_FINISHED && part_reports(b) && b->ended && b->attempt < self->heard.fence)
        part_forget(self, b);
}

static void release(struct participant *self)
{
    struct timer *first;
    while ((first = heap_first(&self->finished)) && first->due_ms < self->heard.fence) {
        struct part *b = container_of(first, struct part, fenced);
        bool unheard = (part_reports(b) && MUTANT(FORGOTTEN_UNNOTED)) ||
                       (!part_reports(b) && MUTANT(END_UNHEARD));
        if (awaits_end(b) && !unheard)
            heap_disarm(&self->finished, first);
        else
            part_forget(self, b);
    }
}

// Decides for how long a branch that has just come to be FINISHED is remembered.
static void remember(struct participant *self, struct part *b)
{
    bool awaits = part_admitted(b) || part_reports(b);
    if (b->heuristic && !awaits && !MUTANT(WORD_FORGOTTEN))
        return; // for ever: the real decision may come at any time, and is told what was done
    if (awaits)
        part_await_end(self, b);
    if (part_ours(self, b) || MUTANT(FENCE_OF_ANOTHER)) {
        heap_arm(&self->finished, &b->fenced, b->attempt);
        return;
    }
    // The fence of another coordinator does not move while that is not heard, and must not hold
    // back the horizon of all the others: the record is kept by itself.
    heap_disarm(&self->finished, &b->fenced);
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
        else if (!part_ours(self, b))
            part_extend_no_more(self, b);
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
