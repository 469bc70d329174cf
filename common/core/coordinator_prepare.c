// SPDX-License-Identifier: Apache-2.0
// Phase one: the branches are asked to prepare, and vote.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

// Keeps resource->fence in the order of attempts.
void fence_insert(struct branch *b)
{
    struct list *head = &b->resource->fence;
    struct list *after = head->prev;
    while (after != head && container_of(after, struct branch, fence)->attempt > b->attempt)
        after = after->prev;
    b->fence.prev = after;
    b->fence.next = after->next;
    after->next->prev = &b->fence;
    after->next = &b->fence;
}

// One branch alone decides for itself (one-phase commit, X/Open DTP 1996, 2.3.2). Only when its
// participant is there: what is delegated can no longer simply be aborted. And not an enlisted one:
// a database may hold it bound to the application's connection, so that its participant cannot
// commit before the application has been told the outcome and let go of it.
static bool prepare_may_delegate(const struct tx *tx)
{
    const struct branch *alone = tx_alone(tx);
    return (tx->protocol == PROTOCOL_2PC || MUTANT(TRIED_ALONE)) && alone &&
           alone->kind != BRANCH_ENLISTED && alone->resource->session;
}

// The application says that nothing was changed there: as if it had voted so. Its participant may
// have been told of the work, and waits for nothing now.
static void prepare_read_only(struct coordinator *c, struct branch *b)
{
    b->vote = VOTE_READ_ONLY;
    branch_move(c, b, BRANCH_DONE);
    b->tx->voting--;
    b->tx->owing--;
    drive_standing(c, b, OUTCOME_NONE, STANDING_RELEASED);
}

void prepare_begin(struct coordinator *c, struct tx *tx)
{
    bool three = tx->protocol == PROTOCOL_3PC;
    if (!three) // else it is on record with that number
        tx->attempt = c->attempt_next++;
    tx->voting = tx->owing = tx->branch_count;
    for (struct branch *b = tx->branches; b && !three; b = b->next) {
        b->attempt = tx->attempt;
        if (b->read_only)
            prepare_read_only(c, b);
        else
            fence_insert(b);
    }
    if (prepare_may_delegate(tx)) {
        tx->one_phase = true;
        tx_move(tx, TX_DELEGATING);
        // A crash before this is durable leaves nothing, and nothing was sent: presumed abort. A
        // crash after it leaves a delegated transaction, whose branch will be asked what it did.
        tx_write(c, tx, WRITING_DELEGATION, STAGE_DELEGATED, false);
        if (MUTANT(DELEGATE_EARLY))
            prepare_send(c, tx_alone(tx));
        return;
    }
    tx_move(tx, TX_PREPARING);
    if (tx->voting == 0) {
        decide_commit(c, tx);
        return;
    }
    if (three)
        elect_begin(c, tx);
    for (struct branch *b = tx->branches; b; b = b->next)
        nested_prepare(c, b);
    prepare_arm(c, tx);
}

void prepare_arm(struct coordinator *c, struct tx *tx)
{
    uint64_t due = c->now.mono_ms + c->config.phase_one_timeout_ms;
    heap_arm(&c->timers, &tx->deadline.timer, due < tx->timeout_due_ms ? due : tx->timeout_due_ms);
}

void prepare_delegated(struct coordinator *c, struct tx *tx)
{
    struct branch *alone = tx_alone(tx);
    tx_move(tx, TX_DELEGATED);
    branch_move(c, alone, BRANCH_PREPARING);
    resend_expect(c, alone);
    prepare_arm(c, tx);
}

void prepare_send(struct coordinator *c, struct branch *b)
{
    const struct tx *tx = b->tx;
    const struct timer *deadline = b->planned ? &b->planned->timer.timer : &tx->deadline.timer;
    uint64_t due = deadline->due_ms;
    bool three = tx->protocol == PROTOCOL_3PC;
    if (three && !elect_may_ask(b))
        return;
    b->prepare_sent = true;
    coord_send(c, b->resource->session->id, MSG_PREPARE)->u.prepare = (struct msg_prepare){
        .gtid = tx->gtid,
        .attempt = b->attempt,
        .branch = b->number,
        .protocol = tx->protocol,
        .kind = b->kind,
        .flags = tx->one_phase || tx->state == TX_COMMITTING ||
                         (MUTANT(DECISION_NOT_AWAITED) && tx->state == TX_DECIDING)
                     ? PREPARE_ONE_PHASE
                 : three && b->read_only ? PREPARE_READ_ONLY
                                         : 0,
        .timeout_ms = timer_armed(deadline) && due > c->now.mono_ms
                          ? (uint32_t)(due - c->now.mono_ms)
                          : c->config.phase_one_timeout_ms,
        .payload = b->payload,
        .inputs = plan_inputs(c, b),
        .members = members_for(c, b),
    };
}

static void vote_alone(struct coordinator *c, struct branch *b, const struct msg_vote *vote)
{
    if (vote->vote == VOTE_NO)
        drive_one_phase(c, b, OUTCOME_ABORTED, REASON_VOTED_NO, vote->text);
    else if (vote->vote == VOTE_READ_ONLY)
        drive_one_phase(c, b, OUTCOME_COMMITTED, REASON_NONE, slice_of(NULL, 0));
    else
        c->stats.stale++; // it was asked for more than a promise
}

void prepare_vote(struct coordinator *c, struct branch *b, const struct msg_vote *vote)
{
    struct tx *tx = b->tx;
    if (b->planned) {
        plan_vote(c, b, vote);
        return;
    }
    if (vote->vote == VOTE_RETRY) { // nobody gave it the choice
        c->stats.stale++;
        return;
    }
    if (tx->state == TX_DELEGATED && b == tx_alone(tx)) {
        if (tx->writing != WRITING_NONE)
            return; // an operator's word is on its way to the disk: it will be asked again
        b->vote = vote->vote;
        vote_alone(c, b, vote);
        return;
    }
    if (tx->state != TX_PREPARING || b->state != BRANCH_PREPARING || tx->doomed) {
        c->stats.stale++;
        return;
    }
    bool three = tx->protocol == PROTOCOL_3PC;
    if (three && (vote->vote == VOTE_READ_ONLY || !elect_may_ask(b))) {
        c->stats.stale++; // none of its choices, or not the journal that was asked
        return;
    }
    b->vote = vote->vote;
    b->journal = b->resource->journal;
    tx->voting--;
    if (vote->vote == VOTE_YES) {
        branch_move(c, b, BRANCH_PREPARED);
        nested_voted(c, b);
    } else if (vote->vote == VOTE_READ_ONLY || !tx->admitted || MUTANT(NO_NOT_UNDONE)) {
        // No and read-only: the participant has let go of the branch; it drops out of phase two.
        // But who says no to business does not remember it: it may be asked by a late copy, and do
        // it.
        branch_move(c, b, BRANCH_DONE);
        tx->owing--;
    }
    if (vote->vote == VOTE_NO && !MUTANT(NO_IGNORED))
        decide_abort(c, tx, REASON_VOTED_NO, b->number, vote->text);
    else if (three)
        elect_vote(c, b);
    else if (tx->voting == 0)
        decide_commit(c, tx);
}

static void prepare_give_up(struct coordinator *c, struct tx *tx)
{
    if (MUTANT(TIMEOUT_IS_YES)) {
        for (struct branch *late = tx->branches; late; late = late->next) {
            if (late->state == BRANCH_PREPARING)
                prepare_vote(c, late, &(struct msg_vote){.vote = VOTE_YES});
        }
        return;
    }
    const struct branch *b = tx->branches;
    while (b->next && b->state != BRANCH_PREPARING)
        b = b->next;
    enum abort_reason reason =
        c->now.mono_ms >= tx->timeout_due_ms ? REASON_TIMEOUT : REASON_NO_VOTE;
    decide_abort(c, tx, reason, b->number,
                 effects_printf(c->fx,
                                b->prepare_sent ? "no vote from participant %s in time"
                                                : "participant %s is not connected",
                                b->resource->name));
}

// One branch alone did not answer. It may have committed, so all that can be done is to ask: roll
// back, unless you have committed already.
static void prepare_resolve(struct coordinator *c, struct tx *tx)
{
    struct branch *b = tx_alone(tx);
    if (tx->resolving || tx->writing != WRITING_NONE)
        return;
    if (!b->prepare_sent || MUTANT(DELEGATION_REVOKED)) {
        drive_one_phase(c, b, OUTCOME_ABORTED, REASON_NO_VOTE,
                        slice_text("its participant is not connected"));
        return;
    }
    tx->resolving = true;
    branch_move(c, b, BRANCH_ABORTING);
    resend_expect(c, b);
}

void prepare_timeout(struct coordinator *c, struct tx *tx)
{
    if (tx->state == TX_PREPARING && tx->protocol == PROTOCOL_SAGA)
        decide_abort(c, tx, REASON_TIMEOUT, BRANCH_NONE,
                     slice_text("the steps did not succeed in time"));
    else if (tx->state == TX_PREPARING)
        prepare_give_up(c, tx);
    else if (tx->state == TX_DELEGATED)
        prepare_resolve(c, tx);
}
