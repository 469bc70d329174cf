// SPDX-License-Identifier: Apache-2.0
// Branches that are asked for one by one, as their plan says, and again when they fail: steps of
// sagas, senders and consumers of messages. Each time is an attempt of its own.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

bool plan_branch(struct coordinator *c, struct branch *b, const struct branch_plan *plan)
{
    struct planned *p = tx_alloc(b->tx, sizeof *p);
    if (!p || !coord_timer_reserve(c))
        return false;
    p->timer.kind = TIMER_BRANCH;
    p->branch = b;
    p->plan = *plan;
    b->planned = p;
    return true;
}

void plan_bury(struct coordinator *c, struct branch *b)
{
    heap_disarm(&c->timers, &b->planned->timer.timer);
    c->timer_count--;
}

// Before the decision it is a promise that is asked for, after it the deed.
static bool plan_final(const struct branch *b)
{
    return b->tx->state == TX_COMMITTING;
}

void plan_ask(struct coordinator *c, struct branch *b)
{
    const struct branch_plan *plan = &b->planned->plan;
    if (!b->attempt || !MUTANT(ATTEMPT_REUSED))
        b->attempt = c->attempt_next++;
    fence_insert(b);
    branch_move(c, b, BRANCH_PREPARING);
    heap_arm(&c->timers, &b->planned->timer.timer,
             c->now.mono_ms +
                 (plan->timeout_ms ? plan->timeout_ms : c->config.phase_one_timeout_ms));
    resend_expect(c, b);
}

void plan_ask_after(struct coordinator *c, struct branch *b, uint64_t pause_ms)
{
    branch_move(c, b, BRANCH_PAUSED);
    heap_arm(&c->timers, &b->planned->timer.timer, c->now.mono_ms + pause_ms);
}

void plan_answered(struct coordinator *c, struct branch *b)
{
    heap_disarm(&c->timers, &b->planned->timer.timer);
    resend_answered(c, b);
    list_remove(&b->fence); // a late copy of what was asked counts no more
}

static uint64_t plan_pause(struct coordinator *c, const struct planned *p)
{
    uint64_t first = p->plan.backoff_ms ? p->plan.backoff_ms : c->config.retry_min_ms;
    uint64_t most = p->plan.backoff_max_ms ? p->plan.backoff_max_ms : c->config.retry_max_ms;
    unsigned doublings = p->failures - 1 < 20 ? p->failures - 1 : 20;
    uint64_t pause = first << doublings;
    if (pause > most)
        pause = most;
    return pause + rng_below(&c->rng, pause / 4 + 1);
}

static void plan_failed(struct coordinator *c, struct branch *b, enum abort_reason reason,
                        struct slice why)
{
    struct planned *p = b->planned;
    p->failures++;
    p->trouble_size = (uint8_t)slice_cut(why, sizeof p->trouble).size;
    if (p->trouble_size)
        memcpy(p->trouble, why.data, p->trouble_size);
    plan_answered(c, b);
    plan_ask_after(c, b, plan_pause(c, p));
    if (!plan_final(b) && p->plan.attempts && p->failures >= p->plan.attempts)
        decide_abort(c, b->tx, reason, b->number,
                     effects_printf(c->fx, "step %u failed %u times: %.*s", b->number, p->failures,
                                    (int)why.size, (const char *)why.data));
}

// False: out of memory. Nothing has been heard then: it is asked for again, and says the same.
static bool plan_keep(struct branch *b, struct slice result)
{
    b->planned->result = tx_copy(b->tx, result);
    return b->planned->result.size == result.size;
}

static void plan_promised(struct coordinator *c, struct branch *b, const struct msg_vote *vote)
{
    if (b->kind == BRANCH_STEP && !plan_keep(b, vote->text))
        return;
    plan_answered(c, b);
    b->vote = VOTE_YES;
    b->journal = b->resource->journal;
    if (b->kind == BRANCH_SENDER) { // it has promised nothing: it has told what is so
        branch_move(c, b, BRANCH_DONE);
        decide_commit(c, b->tx);
        return;
    }
    branch_move(c, b, BRANCH_PREPARED);
    saga_succeeded(c, b);
}

void plan_vote(struct coordinator *c, struct branch *b, const struct msg_vote *vote)
{
    struct tx *tx = b->tx;
    if (b->state != BRANCH_PREPARING || (tx->state != TX_PREPARING && !plan_final(b))) {
        c->stats.stale++;
    } else if (MUTANT(RETRY_IS_PROMISE) && vote->vote == VOTE_RETRY && !plan_final(b)) {
        plan_promised(c, b, vote);
    } else if (MUTANT(RETRY_IS_DELIVERED) && vote->vote == VOTE_RETRY && plan_final(b)) {
        plan_done(c, b, &(struct msg_done){.outcome = OUTCOME_COMMITTED});
    } else if (vote->vote == VOTE_RETRY || (vote->vote == VOTE_NO && plan_final(b))) {
        plan_failed(c, b, REASON_VOTED_NO, vote->text);
    } else if (plan_final(b)) {
        c->stats.stale++; // it was asked for more than a promise
    } else if (vote->vote == VOTE_NO) {
        plan_answered(c, b);
        b->vote = VOTE_NO;
        // It does not remember that: a late copy of what was asked may have it act all the same. So
        // it is compensated like the others.
        if (b->kind == BRANCH_SENDER || MUTANT(NO_NOT_UNDONE))
            branch_move(c, b, BRANCH_DONE);
        if (MUTANT(SENT_ANYWAY) && b->kind == BRANCH_SENDER)
            decide_commit(c, tx);
        else
            decide_abort(c, tx, REASON_VOTED_NO, b->number, vote->text);
    } else {
        plan_promised(c, b, vote);
    }
}

// What was asked for after the decision is done.
void plan_done(struct coordinator *c, struct branch *b, const struct msg_done *done)
{
    struct tx *tx = b->tx;
    if (!plan_keep(b, done->result))
        return;
    plan_answered(c, b);
    b->outcome = done->outcome;
    b->journal = b->resource->journal;
    branch_move(c, b, BRANCH_DONE);
    tx->owing--;
    if (tx->protocol == PROTOCOL_SAGA)
        saga_advance(c, tx);
    drive_check_end(c, tx);
}

void plan_timer(struct coordinator *c, struct branch *b)
{
    if (b->state == BRANCH_PAUSED)
        plan_ask(c, b);
    else if (MUTANT(SILENCE_IS_NO) && b->kind == BRANCH_SENDER)
        plan_vote(c, b, &(struct msg_vote){.vote = VOTE_NO});
    else
        plan_failed(c, b, REASON_NO_VOTE,
                    effects_printf(c->fx,
                                   b->resource->session ? "no answer from participant %s in time"
                                                        : "participant %s is not connected",
                                   b->resource->name));
}

// What the steps before this one have returned.
struct slice plan_inputs(struct coordinator *c, const struct branch *b)
{
    uint64_t before = b->kind == BRANCH_STEP ? saga_before(b) : 0;
    if (!before)
        return slice_of(NULL, 0);
    size_t size = 0;
    for (const struct branch *from = b->tx->branches; from; from = from->next) {
        if (before >> from->number & 1)
            size += STEP_INPUT_HEAD_BYTES + (MUTANT(RESULT_OF_ANOTHER)
                                                 ? b->tx->branches->planned->result.size
                                                 : from->planned->result.size);
    }
    uint8_t *inputs = size ? effects_alloc(c->fx, size) : NULL;
    if (!inputs)
        return slice_of(NULL, 0);
    uint8_t *to = inputs;
    for (const struct branch *from = b->tx->branches; from; from = from->next) {
        if (before >> from->number & 1)
            to = step_input_put(to, from->number,
                                MUTANT(RESULT_OF_ANOTHER) ? b->tx->branches->planned->result
                                                          : from->planned->result);
    }
    return slice_of(inputs, size);
}
