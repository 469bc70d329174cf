// SPDX-License-Identifier: Apache-2.0
// What was not answered is sent again, to each participant at its own pace, so that one that is
// down or slow costs the others nothing.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

static uint64_t resend_pause(const struct coordinator *c, unsigned level)
{
    uint64_t pause = (uint64_t)c->config.retry_min_ms << level;
    return pause < c->config.retry_max_ms ? pause : c->config.retry_max_ms;
}

static unsigned resend_level(const struct branch *b)
{
    unsigned level = b->tries ? b->tries - 1 : 0;
    return level < RESEND_LEVELS ? level : RESEND_LEVELS - 1;
}

// One that was not sent since its participant came, or since an operator asked for it, is due.
static uint64_t resend_due_at(const struct coordinator *c, const struct branch *b)
{
    return b->tries ? b->sent_ms + resend_pause(c, resend_level(b)) : 0;
}

uint64_t resend_due_ms(const struct coordinator *c, const struct branch *b)
{
    if (list_empty(&b->link) || !b->resource->session)
        return 0;
    return resend_due_at(c, b);
}

void branch_send(struct coordinator *c, struct branch *b)
{
    b->sent_ms = c->now.mono_ms;
    b->tries++;
    if (b->state == BRANCH_PREPARING)
        prepare_send(c, b);
    else
        drive_send(c, b);
}

static void resend_queue(struct coordinator *c, struct branch *b)
{
    struct resource *r = b->resource;
    if (MUTANT(COMMIT_SENT_ONCE) && b->state == BRANCH_COMMITTING && r->session)
        return;
    unsigned level = resend_level(b);
    list_append(&r->outstanding[level], &b->link);
    if (!r->session)
        return;
    uint64_t pause = resend_pause(c, level);
    uint64_t due = b->sent_ms + pause + rng_below(&c->rng, pause / 4 + 1);
    if (!timer_armed(&r->resend.timer) || r->resend.timer.due_ms > due)
        heap_arm(&c->timers, &r->resend.timer, due);
}

void resend_expect(struct coordinator *c, struct branch *b)
{
    b->resource->outstanding_count++;
    if (b->resource->session)
        branch_send(c, b);
    resend_queue(c, b);
}

void resend_answered(struct coordinator *c, struct branch *b)
{
    (void)c;
    if (list_empty(&b->link))
        return;
    list_remove(&b->link);
    b->resource->outstanding_count--;
}

void resend_branch_now(struct coordinator *c, struct branch *b)
{
    if (list_empty(&b->link))
        return;
    list_remove(&b->link);
    b->tries = 0;
    list_append(&b->resource->outstanding[0], &b->link);
    if (b->resource->session)
        heap_arm(&c->timers, &b->resource->resend.timer, c->now.mono_ms);
}

// The participant is back, or an operator asks for it: everything is due.
void resend_now(struct coordinator *c, struct resource *r)
{
    struct list due;
    list_init(&due);
    for (int level = 0; level < RESEND_LEVELS; level++) {
        while (!list_empty(&r->outstanding[level])) {
            struct list *link = r->outstanding[level].next;
            list_remove(link);
            list_append(&due, link);
        }
    }
    while (!list_empty(&due)) {
        struct branch *b = container_of(due.next, struct branch, link);
        list_remove(&b->link);
        b->tries = 0;
        list_append(&r->outstanding[0], &b->link);
    }
    if (r->session && r->outstanding_count)
        heap_arm(&c->timers, &r->resend.timer, c->now.mono_ms);
}

// The earliest time at which something is due; entries that were never sent stand last in their
// list only while nobody is connected.
static uint64_t resend_next(const struct coordinator *c, const struct resource *r)
{
    uint64_t next = UINT64_MAX;
    for (unsigned level = 0; level < RESEND_LEVELS; level++) {
        if (list_empty(&r->outstanding[level]))
            continue;
        const struct branch *b = container_of(r->outstanding[level].next, struct branch, link);
        uint64_t due = resend_due_at(c, b);
        if (due < next)
            next = due;
    }
    return next;
}

void resend_due(struct coordinator *c, struct resource *r)
{
    if (!r->session)
        return;
    unsigned sent = 0;
    for (unsigned level = 0; level < RESEND_LEVELS; level++) {
        while (!list_empty(&r->outstanding[level]) && sent < LIMIT_RESEND_BATCH) {
            struct branch *b = container_of(r->outstanding[level].next, struct branch, link);
            if (resend_due_at(c, b) > c->now.mono_ms)
                break;
            list_remove(&b->link);
            c->stats.resent += b->tries > 0;
            branch_send(c, b);
            resend_queue(c, b);
            sent++;
        }
    }
    if (sent)
        r->unanswered++;
    uint64_t next = resend_next(c, r);
    if (next == UINT64_MAX)
        return;
    if (next <= c->now.mono_ms) // more than one batch: the next turn
        next = c->now.mono_ms + 1;
    heap_arm(&c->timers, &r->resend.timer,
             next + rng_below(&c->rng, c->config.retry_min_ms / 4 + 1));
}
