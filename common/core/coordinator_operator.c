// SPDX-License-Identifier: Apache-2.0
// Operators that order: an outcome by force, to forget, to try again.
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "core/coordinator_internal.h"

static bool order_heuristic(struct coordinator *c, struct tx *tx,
                            const struct event_operator *order, enum outcome forced)
{
    struct heuristic *h = tx_alloc(tx, sizeof *h);
    if (!h)
        return false;
    h->forced = (uint8_t)forced;
    h->when_ms = c->stamp_ms;
    h->who = tx_copy(tx, order->who);
    h->why = tx_copy(tx, order->why);
    if (h->who.size != order->who.size || h->why.size != order->why.size)
        return false;
    tx->heuristic = h;
    tx->operator_token = order->token;
    return true;
}

static bool order_eligible(const struct branch *b)
{
    return b->state != BRANCH_DONE && b->vote == VOTE_YES;
}

static unsigned order_eligible_count(const struct tx *tx)
{
    unsigned count = 0;
    for (const struct branch *b = tx->branches; b; b = b->next)
        count += order_eligible(b);
    return count;
}

static void order_refuse(struct coordinator *c, const struct event_operator *order, int code,
                         const char *text)
{
    coord_answer_operator(c, order->token, code, "%s", text);
}

static void order_retry(struct coordinator *c, struct tx *tx)
{
    bool forward = tx->state == TX_PREPARING || tx->state == TX_COMMITTING;
    for (struct branch *b = tx->branches; b; b = b->next) {
        // Not one whose time has not come; and what goes back is compensated in its turn.
        if (forward && b->state == BRANCH_PAUSED && b->planned->failures)
            plan_ask(c, b);
        else
            resend_branch_now(c, b);
    }
}

// Nothing is decided: an operator may abort like the application could. A commit would have to
// answer for votes that were never given.
static void order_undecided(struct coordinator *c, struct tx *tx,
                            const struct event_operator *order)
{
    if (order->verb == OPERATOR_ABORT) {
        if (!order_heuristic(c, tx, order, OUTCOME_NONE))
            order_refuse(c, order, ASSENT_NOMEM, "out of memory");
        else
            decide_abort(c, tx, REASON_OPERATOR, BRANCH_NONE, tx->heuristic->why);
    } else if (order->verb == OPERATOR_COMMIT) {
        order_refuse(
            c, order, ASSENT_STATE,
            "not all branches have voted yes: nothing is in doubt, and nothing to commit yet");
    } else {
        order_refuse(c, order, ASSENT_STATE, "it is not decided: abort it first");
    }
}

// Its one branch decides for itself, so an operator can only have it asked to roll back. That is
// recorded first: if the branch does, it was the operator's doing.
static void order_delegated(struct coordinator *c, struct tx *tx,
                            const struct event_operator *order)
{
    if (order->verb == OPERATOR_COMMIT)
        order_refuse(c, order, ASSENT_STATE, "its one branch decides for itself");
    else if (tx->writing != WRITING_NONE)
        order_refuse(c, order, ASSENT_BUSY, "something is being recorded for it: try again");
    else if (!order_heuristic(c, tx, order, OUTCOME_NONE))
        order_refuse(c, order, ASSENT_NOMEM, "out of memory");
    else
        tx_write(c, tx, WRITING_HEURISTIC, STAGE_DELEGATED, false);
}

static void delegated_written(struct coordinator *c, struct tx *tx)
{
    if (tx->resolving)
        order_retry(c, tx);
    else
        prepare_timeout(c, tx);
    // Where it was never asked to prepare it has been aborted by now, and the order answered.
    if (tx->operator_token)
        coord_answer_operator(
            c, tx->operator_token, ASSENT_OK,
            "recorded; its one branch was asked to roll back, unless it has committed");
    tx->operator_token = 0;
}

static void order_drive(struct coordinator *c, struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (order_eligible(b))
            drive_branch(c, b);
    }
}

// Against the decision: recorded first, then those that have not acknowledged are told.
static void order_against(struct coordinator *c, struct tx *tx, const struct event_operator *order,
                          enum outcome forced)
{
    if (tx->writing != WRITING_NONE) {
        order_refuse(c, order, ASSENT_BUSY, "something is being recorded for it: try again");
    } else if (tx->heuristic && tx->heuristic->forced != OUTCOME_NONE) {
        order_refuse(c, order, ASSENT_STATE, "an operator has forced its outcome already");
    } else if (order_eligible_count(tx) == 0) {
        order_refuse(c, order, ASSENT_STATE, "no branch is in doubt that could still be changed");
    } else if (!order_heuristic(c, tx, order, forced)) {
        order_refuse(c, order, ASSENT_NOMEM, "out of memory");
    } else {
        c->stats.mixed += !tx->mixed;
        tx->mixed = 1;
        tx->keep = true;
        tx_write(c, tx, WRITING_HEURISTIC, STAGE_DECIDED, false);
        if (MUTANT(HEURISTIC_EARLY))
            order_drive(c, tx);
    }
}

// A branch that has promised to commit and has not acknowledged may ask one day. What it hears then
// from silence is to roll back: so the record stays where that was not decided, or where it is an
// operator's word. A branch of another coordinator's is never answered from the record.
static bool silence_misleads(uint8_t outcome, uint8_t forced)
{
    return outcome == OUTCOME_COMMITTED || forced != OUTCOME_NONE;
}

static bool tx_asked_for(const struct tx *tx)
{
    return order_eligible_count(tx) > 0 && !tx->foreign && !MUTANT(FORGOTTEN_COLLECTED) &&
           silence_misleads(tx->outcome, tx->heuristic->forced);
}

static bool record_asked_for(const struct tx_record *record)
{
    bool asked = false;
    for (unsigned i = 0; i < record->branch_count; i++) {
        const struct record_branch *b = &record->branches[i];
        asked |= b->vote == VOTE_YES && b->outcome == OUTCOME_NONE;
    }
    return asked && record->owner.size > 0 &&
           silence_misleads(record->outcome, record->heuristic.forced);
}

// Nobody will drive the branches any more, and what they will have done is not known. One that
// comes back is told when it asks, because the record stays, unless the operator says that they are
// lost for good.
static void order_forget(struct coordinator *c, struct tx *tx, const struct event_operator *order)
{
    if (tx->writing != WRITING_NONE) {
        order_refuse(c, order, ASSENT_BUSY, "something is being recorded for it: try again");
        return;
    }
    if (tx->protocol == PROTOCOL_3PC && !order->lost) {
        // The others would be told to forget, and refuse who asks them.
        order_refuse(c, order, ASSENT_STATE,
                     "branches that have not acknowledged may still ask the others: to let go of "
                     "it, say that they are lost for good");
        return;
    }
    // Who forced an outcome, and why, is what has to stay on record.
    bool forced = tx->heuristic && tx->heuristic->forced != OUTCOME_NONE;
    if (!forced && !order_heuristic(c, tx, order, OUTCOME_NONE)) {
        order_refuse(c, order, ASSENT_NOMEM, "out of memory");
        return;
    }
    tx->operator_token = order->token;
    if (tx->state == TX_DELEGATED)
        tx->outcome = OUTCOME_UNKNOWN;
    c->stats.mixed += !tx->mixed;
    tx->mixed = 1;
    tx->keep = !order->lost && tx_asked_for(tx);
    tx->owing = 0;
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (b->state != BRANCH_DONE)
            branch_move(c, b, BRANCH_DONE);
    }
    heap_disarm(&c->timers, &tx->deadline.timer);
    tx_move(tx, TX_ENDING);
    tx->ended_ms = c->stamp_ms;
    tx_write(c, tx, WRITING_END, STAGE_ENDED, false);
}

static void order_decided(struct coordinator *c, struct tx *tx, const struct event_operator *order)
{
    enum outcome wanted = order->verb == OPERATOR_COMMIT ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    if (order->verb == OPERATOR_FORGET) {
        order_forget(c, tx, order);
    } else if (tx->outcome == wanted && !(tx->heuristic && tx->heuristic->forced)) {
        order_retry(c, tx);
        order_refuse(c, order, ASSENT_OK, "that is decided already: told the participants again");
    } else {
        order_against(c, tx, order, wanted);
    }
}

static void order_tx(struct coordinator *c, struct tx *tx, const struct event_operator *order)
{
    if (order->verb == OPERATOR_RETRY) {
        order_retry(c, tx);
        order_refuse(c, order, ASSENT_OK, "what was not answered is being sent again");
        return;
    }
    switch (tx->state) {
    case TX_LOOKING:
    case TX_ADMITTING:
    case TX_DECIDING:
    case TX_DELEGATING: order_refuse(c, order, ASSENT_BUSY, "waits for the disk: try again"); break;
    case TX_ACTIVE:
    case TX_PREPARING: order_undecided(c, tx, order); break;
    case TX_ELECTING:
        order_refuse(c, order, ASSENT_STATE,
                     "its branches have it in hand: a majority of them decides");
        break;
    case TX_DELEGATED:
        if (order->verb == OPERATOR_FORGET)
            order_forget(c, tx, order);
        else
            order_delegated(c, tx, order);
        break;
    case TX_COMMITTING:
    case TX_ABORTING: order_decided(c, tx, order); break;
    case TX_ENDING:
    case TX_ENDED: order_refuse(c, order, ASSENT_STATE, "it has ended"); break;
    }
}

// ---- what is not in memory ----

static void order_look(struct coordinator *c, const struct event_operator *from)
{
    struct order *order = pending_new(c, sizeof *order, PENDING_OPERATOR);
    if (!order) {
        order_refuse(c, from, ASSENT_BUSY, "too many requests");
        return;
    }
    order->order = *from;
    snprintf(order->who, sizeof order->who, "%.*s", (int)from->who.size,
             (const char *)from->who.data);
    snprintf(order->why, sizeof order->why, "%.*s", (int)from->why.size,
             (const char *)from->why.data);
    order->order.who = slice_text(order->who);
    order->order.why = slice_text(order->why);
    coord_lookup(c, order->pending.token, &from->gtid);
}

void operator_order(struct coordinator *c, const struct event_operator *order)
{
    if (order->verb == OPERATOR_RETRY && order->gtid.size == 0) {
        void *value;
        for (size_t cursor = 0; map_next(&c->resources, &cursor, &value);)
            resend_now(c, value);
        order_refuse(c, order, ASSENT_OK, "what was not answered is being sent again");
        return;
    }
    struct tx *tx = tx_find(c, &order->gtid);
    if (tx)
        order_tx(c, tx, order);
    else
        order_look(c, order);
}

// Adds the branches that participants reported in doubt under this gtid, all of one attempt.
static bool order_foreign_branches(struct coordinator *c, struct tx *tx)
{
    void *value;
    for (size_t cursor = 0; map_next(&c->foreign, &cursor, &value);) {
        const struct foreign *f = value;
        if (!gtid_equal(&f->view.gtid, &tx->gtid))
            continue;
        if (tx->attempt != 0 && f->view.attempt != tx->attempt)
            continue;
        tx->attempt = f->view.attempt;
        struct branch *b =
            tx_add_branch(c, tx, f->view.branch, BRANCH_CALL, slice_text(f->resource));
        if (!b)
            return false;
        b->vote = VOTE_YES;
        b->attempt = tx->attempt;
        b->state = BRANCH_PREPARED;
    }
    return true;
}

// A branch in doubt of a coordinator that is not us, by its participant's own report. Whether its
// coordinator decided otherwise nobody here can know, so it counts as mixed.
static bool order_foreign(struct coordinator *c, const struct event_operator *order)
{
    enum outcome forced = order->verb == OPERATOR_COMMIT ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    if (order->verb == OPERATOR_FORGET || order->verb == OPERATOR_RETRY)
        return false;
    bool known = false;
    void *value;
    for (size_t cursor = 0; !known && map_next(&c->foreign, &cursor, &value);)
        known = gtid_equal(&((struct foreign *)value)->view.gtid, &order->gtid);
    if (!known)
        return false;
    struct tx *tx = tx_new(c, &order->gtid, slice_of(NULL, 0),
                           forced == OUTCOME_COMMITTED ? TX_COMMITTING : TX_ABORTING);
    if (!tx) {
        order_refuse(c, order, ASSENT_NOMEM, "out of memory");
        return true;
    }
    tx->foreign = tx->keep = tx->told = true;
    tx->mixed = 1;
    tx->outcome = (uint8_t)forced;
    tx->decided_ms = c->stamp_ms;
    if (!order_foreign_branches(c, tx) || !order_heuristic(c, tx, order, forced)) {
        coord_stop(c, ASSENT_NOMEM, "out of memory");
        return true;
    }
    c->stats.mixed++;
    tx->owing = tx->branch_count;
    tx_write(c, tx, WRITING_HEURISTIC, STAGE_DECIDED, false);
    return true;
}

// An operator lets go of a record that was kept because of a heuristic, or of branches that he gave
// up waiting for.
static void order_forget_record(struct coordinator *c, const struct event_operator *order,
                                const struct tx_record *found)
{
    if (!order->lost && record_asked_for(found)) {
        order_refuse(c, order, ASSENT_STATE,
                     "branches that have not acknowledged may still ask what became of it: to let "
                     "go of its record, say that they are lost for good");
        return;
    }
    struct tx_record *record = effects_alloc(c->fx, sizeof *record);
    if (!record)
        return;
    *record = *found;
    // The stamp must not be from before its gtid was leased, as that of a clock that was set back
    // since might be: what is gone would be taken for what never was, and aborted.
    uint64_t stamp = found->ended_ms > c->stamp_ms ? found->ended_ms : c->stamp_ms;
    struct effect *effect = effects_add(c->fx, EFFECT_WRITE);
    effect->u.write = (struct effect_write){.stamp = stamp, .tx = record, .haste = HASTE_LAZY};
    order_refuse(c, order, ASSENT_OK, "its record will go when the retention is over");
}

void operator_looked_up(struct coordinator *c, struct order *pending, const struct tx_record *found)
{
    const struct event_operator *order = &pending->order;
    struct tx *tx = tx_find(c, &order->gtid);
    if (tx) {
        order_tx(c, tx, order);
    } else if (map_get(&c->notes, gtid_slice(&order->gtid))) {
        order_refuse(c, order, ASSENT_BUSY, "something is being recorded for it: try again");
    } else if (found && order->verb == OPERATOR_FORGET) {
        order_forget_record(c, order, found);
    } else if (order_foreign(c, order)) {
        return;
    } else if (found) {
        coord_answer_operator(c, order->token, ASSENT_STATE, "it has ended: %s%s",
                              outcome_name((enum outcome)found->outcome),
                              found->mixed ? " (mixed)" : "");
    } else {
        order_refuse(c, order, ASSENT_UNKNOWN, "nothing is known of that gtid here");
    }
}

// The operator's word is durable: now the branches that have not acknowledged may hear it.
void operator_written(struct coordinator *c, struct tx *tx)
{
    if (tx->state == TX_DELEGATED) {
        delegated_written(c, tx);
        return;
    }
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (order_eligible(b)) {
            enum tx_branch_state goal =
                drive_goal(b) == OUTCOME_COMMITTED ? BRANCH_COMMITTING : BRANCH_ABORTING;
            if (b->state != goal)
                drive_branch(c, b);
        }
        if (tx->foreign)
            foreign_drop(c, &tx->gtid, b->number);
    }
    if (tx->operator_token)
        coord_answer_operator(c, tx->operator_token, ASSENT_OK,
                              "recorded; the branches that were in doubt are being told");
    tx->operator_token = 0;
    drive_check_end(c, tx);
}
