// SPDX-License-Identifier: Apache-2.0
// Phase two: every branch is driven to the outcome, for as long as it takes.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

// An operator's word is for the branches that had voted yes, and from when it is on disk.
bool drive_forced(const struct branch *b)
{
    const struct tx *tx = b->tx;
    bool recorded = tx->writing != WRITING_HEURISTIC || MUTANT(HEURISTIC_EARLY);
    return tx->heuristic && tx->heuristic->forced != OUTCOME_NONE && recorded &&
           b->vote == VOTE_YES;
}

// A step without a compensation is only told that it is over.
static bool drive_keeps(const struct branch *b)
{
    return b->planned && b->planned->plan.flags & STEP_KEPT;
}

// Where the decision has this branch end.
static enum outcome drive_decided(const struct branch *b)
{
    return drive_keeps(b) && !MUTANT(KEPT_UNDONE) ? OUTCOME_COMMITTED
                                                  : (enum outcome)b->tx->outcome;
}

// Where this branch is to end: as was decided, or as an operator forced it.
enum outcome drive_goal(const struct branch *b)
{
    return drive_forced(b) ? (enum outcome)b->tx->heuristic->forced : drive_decided(b);
}

// A participant that was never asked anything is owed nothing.
static bool drive_needed(const struct branch *b)
{
    if (b->state == BRANCH_DONE || b->kind == BRANCH_SENDER)
        return false;
    if (b->tx->outcome == OUTCOME_COMMITTED)
        return b->state == BRANCH_PREPARED || b->planned;
    if (MUTANT(UNSURE_LEFT_OUT) && b->kind == BRANCH_STEP)
        return b->vote == VOTE_YES;
    return b->prepare_sent || b->kind == BRANCH_ENLISTED || b->vote == VOTE_YES;
}

// What is to be done only after the decision is asked for like what came before it; what is to be
// undone waits for its turn.
static void drive_start(struct coordinator *c, struct branch *b)
{
    bool committed = b->tx->outcome == OUTCOME_COMMITTED;
    if (b->kind == BRANCH_CONSUMER)
        message_deliver(c, b);
    else if (b->kind != BRANCH_STEP ||
             (committed ? b->state == BRANCH_PREPARED : saga_may_compensate(b)))
        drive_branch(c, b);
}

void drive_branch(struct coordinator *c, struct branch *b)
{
    branch_move(c, b, drive_goal(b) == OUTCOME_COMMITTED ? BRANCH_COMMITTING : BRANCH_ABORTING);
    resend_expect(c, b);
}

static void drive_count(struct coordinator *c, struct tx *tx)
{
    tx->told = true;
    if (tx->outcome == OUTCOME_COMMITTED)
        c->stats.committed++;
    else if (tx->outcome == OUTCOME_ABORTED)
        c->stats.aborted++;
    if (tx->operator_token) {
        coord_answer_operator(c, tx->operator_token, ASSENT_OK, "%s: %s",
                              outcome_name((enum outcome)tx->outcome),
                              "recorded, and the participants are being told");
        tx->operator_token = 0;
    }
}

void drive_branches(struct coordinator *c, struct tx *tx)
{
    tx->owing = 0;
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (drive_needed(b))
            tx->owing++;
        else if (b->state != BRANCH_DONE)
            branch_move(c, b, BRANCH_DONE);
    }
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (b->state != BRANCH_DONE)
            drive_start(c, b);
    }
    if (tx->protocol == PROTOCOL_SAGA && tx->outcome == OUTCOME_COMMITTED)
        saga_advance(c, tx);
}

void drive_begin(struct coordinator *c, struct tx *tx)
{
    drive_count(c, tx);
    drive_branches(c, tx);
    coord_answer_waiters(c, tx);
    if (tx->owing == 0 && tx->ended_ms) { // all read-only: the decision was the end record, too
        tx_move(tx, TX_ENDING);
        tx_bury(c, tx);
        return;
    }
    drive_check_end(c, tx);
}

// Its participant may never have heard of it, or have forgotten.
static void drive_content(const struct branch *b, struct msg_decide *decide)
{
    decide->flags |= DECIDE_CONTENT;
    decide->protocol = b->tx->protocol;
    decide->kind = b->kind;
    decide->payload = b->payload;
    if (b->planned)
        decide->result = b->planned->result;
}

void drive_send(struct coordinator *c, struct branch *b)
{
    const struct tx *tx = b->tx;
    enum msg_type type = b->state == BRANCH_COMMITTING ? MSG_COMMIT : MSG_ROLLBACK;
    struct msg *msg = coord_send(c, b->resource->session->id, type);
    msg->u.decide = (struct msg_decide){
        .gtid = tx->gtid,
        .attempt = b->attempt,
        .branch = b->number,
        .flags = (uint8_t)((drive_forced(b) ? DECIDE_HEURISTIC : 0) |
                           (tx->resolving && !MUTANT(RESOLVE_UNMARKED) ? DECIDE_RESOLVE : 0)),
    };
    if (protocol_business(tx->protocol))
        drive_content(b, &msg->u.decide);
}

static uint8_t done_heuristic(const struct msg_done *done)
{
    return done->flags & DONE_HEURISTIC && !MUTANT(FORCED_UNMARKED) ? done->heuristic : 0;
}

// What the branch really did. One that is forgotten by the journal that held its vote did as was
// decided; in another journal nobody knows. What its resource manager did by itself is known.
static uint8_t done_outcome(const struct branch *b, const struct msg_done *done)
{
    if (note_is(done))
        return (uint8_t)heuristic_outcome(done->heuristic, (enum outcome)done->outcome);
    if (!(done->flags & DONE_FORGOTTEN))
        return done->outcome;
    bool same_journal = b->journal == 0 || b->journal == b->resource->journal;
    return (uint8_t)(same_journal ? drive_decided(b) : OUTCOME_UNKNOWN);
}

static void drive_differs(struct coordinator *c, struct tx *tx)
{
    c->stats.mixed += !tx->mixed;
    tx->mixed = 1;
    tx->keep = true;
}

// One branch alone has committed, or has been found not to have. What its resource manager did by
// itself is how it ended, and differs from nothing, unless it is neither.
static void done_alone(struct coordinator *c, struct branch *b, const struct msg_done *done)
{
    const struct heuristic *h = b->tx->heuristic;
    if (b->tx->writing != WRITING_NONE)
        return; // an operator's word is on its way to the disk: it will be asked again
    b->heuristic = done_heuristic(done);
    b->tx->keep |= note_is(done);
    // It decides, so what it says is what was decided, forgotten or not.
    enum outcome outcome = (enum outcome)(note_is(done) ? done_outcome(b, done) : done->outcome);
    if (outcome == OUTCOME_UNKNOWN) {
        drive_differs(c, b->tx);
        outcome = (enum outcome)done->outcome;
    }
    if (outcome == OUTCOME_COMMITTED)
        drive_one_phase(c, b, outcome, REASON_NONE, slice_of(NULL, 0));
    else if (h)
        drive_one_phase(c, b, outcome, REASON_OPERATOR, h->why);
    else if (done->outcome == OUTCOME_COMMITTED)
        drive_one_phase(c, b, outcome, REASON_MANAGER,
                        slice_text("its resource manager had rolled it back by itself"));
    else
        drive_one_phase(c, b, outcome, REASON_NO_VOTE, slice_text("no answer in time"));
}

static void done_take(struct coordinator *c, struct branch *b, const struct msg_done *done)
{
    struct tx *tx = b->tx;
    b->outcome = done_outcome(b, done);
    b->heuristic = done_heuristic(done);
    tx->keep |= note_is(done) && !MUTANT(HEURISTIC_LET_GO);
    // A step that is kept and has not said that it is done may have been, or not.
    bool as_it_may = drive_keeps(b) && tx->outcome == OUTCOME_ABORTED && b->vote != VOTE_YES;
    if (as_it_may)
        b->outcome = OUTCOME_UNKNOWN;
    else if (b->outcome != drive_decided(b) && !(MUTANT(MANAGER_BELIEVED) && note_is(done)))
        drive_differs(c, tx);
}

// Nothing was waited for from it (any more), and its resource manager had ended it by itself.
static bool done_late(const struct branch *b, const struct msg_done *done)
{
    const struct tx *tx = b->tx;
    return note_is(done) && b->state == BRANCH_DONE && b->outcome == OUTCOME_NONE &&
           (tx->state == TX_COMMITTING || tx->state == TX_ABORTING);
}

void drive_done(struct coordinator *c, struct branch *b, const struct msg_done *done)
{
    struct tx *tx = b->tx;
    if (note_is(done) && protocol_business(tx->protocol)) {
        c->stats.spoofed++; // there is no resource manager that could
        return;
    }
    if (tx->state == TX_DELEGATED && b == tx_alone(tx)) {
        done_alone(c, b, done);
        return;
    }
    if (b->planned && b->state == BRANCH_PREPARING && tx->state == TX_COMMITTING) {
        plan_done(c, b, done);
        return;
    }
    if (done_late(b, done)) {
        done_take(c, b, done);
        return;
    }
    if (b->state != BRANCH_COMMITTING && b->state != BRANCH_ABORTING) {
        c->stats.stale++;
        return;
    }
    done_take(c, b, done);
    branch_move(c, b, BRANCH_DONE);
    tx->owing = MUTANT(END_EARLY) ? 0 : tx->owing - 1;
    if (tx->protocol == PROTOCOL_SAGA && tx->state == TX_ABORTING)
        saga_compensated(c, tx);
    else if (tx->protocol == PROTOCOL_SAGA) // an operator had it undone: those after it go on
        saga_advance(c, tx);
    drive_check_end(c, tx);
}

// One branch alone has said what it did. While an operator's word is on its way to the disk it is
// not heard, and will be asked again.
void drive_one_phase(struct coordinator *c, struct branch *b, enum outcome outcome,
                     enum abort_reason reason, struct slice text)
{
    struct tx *tx = b->tx;
    if (tx->writing != WRITING_NONE)
        return;
    heap_disarm(&c->timers, &tx->deadline.timer);
    branch_move(c, b, BRANCH_DONE);
    b->outcome = (uint8_t)heuristic_outcome(b->heuristic, outcome);
    tx->owing = 0;
    tx->outcome = (uint8_t)outcome;
    tx->reason = (uint8_t)reason;
    if (reason != REASON_NONE)
        tx->reason_branch = b->number;
    tx->reason_text = tx_copy(tx, text);
    tx->decided_ms = tx->ended_ms = c->stamp_ms;
    tx_move(tx, TX_ENDING);
    // A crash before this is durable leaves the delegation, and the branch is asked again. It would
    // say the same, but for a read-only one, which remembers nothing: that is told only when it is
    // durable. Until then the fence stays, so that the participant cannot forget.
    tx_write(c, tx, WRITING_END, STAGE_ENDED, false);
    if (b->vote != VOTE_READ_ONLY || MUTANT(READ_ONLY_TOLD_EARLY)) {
        drive_count(c, tx);
        coord_answer_waiters(c, tx);
    }
}

void drive_check_end(struct coordinator *c, struct tx *tx)
{
    if (tx->owing > 0 || tx->writing != WRITING_NONE)
        return;
    tx_move(tx, TX_ENDING);
    tx->ended_ms = c->stamp_ms;
    coord_answer_waiters(c, tx);
    // A crash before this is written leaves the decision, and the branches are told once more. Only
    // what an operator did must not be lost; and where participants are told that they may forget,
    // nobody may ask again.
    bool lazy =
        !tx->keep && !tx->heuristic && (!protocol_admitted(tx->protocol) || MUTANT(END_LAZY));
    tx_write(c, tx, WRITING_END, STAGE_ENDED, lazy);
}

void drive_standing(struct coordinator *c, const struct branch *b, enum outcome outcome,
                    unsigned flags)
{
    if (b->resource->session)
        coord_send(c, b->resource->session->id, MSG_STANDING)->u.standing = (struct msg_standing){
            .gtid = b->tx->gtid,
            .attempt = b->attempt,
            .branch = b->number,
            .outcome = (uint8_t)outcome,
            .flags = (uint8_t)flags,
        };
}

// Of admitted protocols nobody will ask about the branches any more, so they may be forgotten; of
// any, what resource managers did by themselves is on record. One that does not hear this asks.
static void drive_tell_ended(struct coordinator *c, struct tx *tx)
{
    for (const struct branch *b = tx->branches; b; b = b->next) {
        bool noted = b->heuristic & HEURISTIC_MANAGER;
        if (noted || protocol_admitted(tx->protocol))
            drive_standing(c, b, tx->outcome, noted ? STANDING_NOTED : 0);
    }
}

void drive_ended(struct coordinator *c, struct tx *tx)
{
    if (tx->operator_token) // who ordered to forget it
        coord_answer_operator(c, tx->operator_token, ASSENT_OK,
                              "recorded as %s, mixed; its branches are no longer waited for%s",
                              outcome_name((enum outcome)tx->outcome),
                              tx->keep ? ", and told so when they ask" : "");
    tx->operator_token = 0;
    if (!tx->told)
        drive_count(c, tx);
    coord_answer_waiters(c, tx);
    drive_tell_ended(c, tx);
    tx_bury(c, tx);
}
