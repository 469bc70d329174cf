// SPDX-License-Identifier: Apache-2.0
// Phase two: the decision is carried out until it is done, made durable, and acknowledged.
#include "base/mutant.h"
#include "core/participant_internal.h"

static void done(struct participant *self, const struct msg_decide *what, enum outcome outcome,
                 unsigned flags)
{
    struct msg spare;
    part_send(self, MSG_DONE, &spare)->u.done = (struct msg_done){
        .gtid = what->gtid,
        .attempt = what->attempt,
        .branch = what->branch,
        .outcome = (uint8_t)outcome,
        .flags = (uint8_t)flags,
    };
}

// How the branch ended. In one phase a no is told as the vote that it was.
void part_done(struct participant *self, const struct part *b)
{
    struct msg spare;
    if (b->voted_no) {
        part_vote(self, b, VOTE_NO, slice_of(b->payload, b->payload_size));
        return;
    }
    if (!part_ours(self, b) && !(b->heuristic & HEURISTIC_OPERATOR))
        return; // another coordinator could take it for an attempt of its own
    bool result = b->kind == BRANCH_STEP && b->outcome == OUTCOME_COMMITTED;
    unsigned flags = (b->heuristic ? DONE_HEURISTIC : 0) | (b->forgotten ? DONE_FORGOTTEN : 0) |
                     (result ? DONE_RESULT : 0);
    part_send(self, MSG_DONE, &spare)->u.done = (struct msg_done){
        .gtid = b->gtid,
        .attempt = b->attempt,
        .branch = b->branch,
        .outcome = b->outcome,
        .flags = (uint8_t)flags,
        .heuristic = b->heuristic,
        .result = result ? part_result(self, b) : slice_of(NULL, 0),
    };
}

void part_drive(struct participant *self, struct part *b)
{
    if (b->read_only || (b->outcome == OUTCOME_COMMITTED && part_steps(b))) {
        part_finish(self, b); // it was done in phase one
        return;
    }
    part_move(self, b, b->outcome == OUTCOME_COMMITTED ? PART_COMMITTING : PART_ROLLING_BACK);
    part_call(self, b);
}

void part_roll_back(struct participant *self, struct part *b)
{
    b->outcome = OUTCOME_ABORTED;
    if (!b->attempt)
        b->coordinator = self->heard.id; // work that nobody asked to prepare
    part_drive(self, b);
}

// An operator's word. It may contradict the decision, so it must be known after a crash that this
// branch was ended so, and by whom: otherwise a resource manager that has obeyed would be asked for
// the opposite later, find nothing to do, and the branch would be reported as what it is not.
static void force(struct participant *self, struct part *b, enum outcome outcome)
{
    if (b->busy != PART_IDLE)
        return; // 3pc: something is being recorded; it will be sent again
    b->heuristic = HEURISTIC_OPERATOR;
    b->answer = true;
    b->outcome = (uint8_t)outcome;
    part_move(self, b, PART_DECIDING);
    if (MUTANT(WORD_UNRECORDED))
        part_drive(self, b);
    else
        part_write(self, b, JOURNAL_DECIDED);
}

enum relation { DECIDE_STALE, DECIDE_SAME, DECIDE_NEWER };

// How the attempt in a decision relates to that of the branch. Only an operator's word counts for
// a branch of another coordinator, and only for exactly that attempt. In admitted protocols a newer
// attempt is about the same branch.
static enum relation relate(struct participant *self, struct part *b, const struct msg_decide *d)
{
    if (b->state == PART_WORKING)
        return DECIDE_NEWER;
    if (b->state == PART_FORGETTING)
        return DECIDE_STALE; // all has been said
    if (b->quorum && d->attempt != b->attempt)
        return DECIDE_STALE; // it has one attempt only
    if (part_business(b) && part_ours(self, b))
        part_renew(self, b, d->attempt);
    if ((d->attempt == b->attempt || MUTANT(DECISION_OF_ANY_RUN)) &&
        (part_ours(self, b) || d->flags & DECIDE_HEURISTIC))
        return DECIDE_SAME;
    return d->attempt > b->attempt && part_ours(self, b) ? DECIDE_NEWER : DECIDE_STALE;
}

// What the journal has wins; but it may have nothing of what was enlisted.
static void learn_payload(struct part *b, const struct msg_decide *d)
{
    if (d->flags & DECIDE_CONTENT && d->payload.size > 0 && b->payload_size == 0 &&
        part_business(b) && b->state < PART_FINISHING)
        part_keep(b, d->payload, slice_of(NULL, 0)); // without memory: as it is
}

// Of a three-phase transaction the decision is an outcome that its member hears of like of any
// other. True: nothing else is to be done.
static bool told(struct participant *self, struct part *b, const struct msg_decide *d,
                 enum outcome outcome)
{
    if (!b->quorum || d->flags & DECIDE_HEURISTIC)
        return false;
    bool prepared = b->state == PART_PREPARED;
    b->answer |= prepared;
    part_quorum_told(self, b, outcome);
    return prepared;
}

// ---- commit ----

static void commit_same(struct participant *self, struct part *b, const struct msg_decide *d)
{
    switch (b->state) {
    case PART_WORKING:
    case PART_PREPARING:
    case PART_VOTING: // nobody has heard a yes from us yet
        self->stats.stale++;
        return;
    case PART_PREPARED:
        if (d->flags & DECIDE_HEURISTIC) {
            force(self, b, OUTCOME_COMMITTED);
            return;
        }
        // A crash from here until the outcome is durable leaves the branch in doubt, the resource
        // manager perhaps committed: we ask, are told to commit, and commit is idempotent. The
        // coordinator keeps the decision until we have acknowledged.
        b->answer = true;
        b->outcome = OUTCOME_COMMITTED;
        part_drive(self, b);
        return;
    case PART_DECIDING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK: // an operator's word: the answer will say so
    case PART_FINISHING:
        self->stats.duplicates++;
        b->answer = true;
        if (MUTANT(DONE_FROM_MEMORY))
            part_done(self, b);
        return;
    case PART_FINISHED:
        self->stats.duplicates++;
        part_done(self, b);
        return;
    case PART_FORGETTING: return;
    }
}

// We voted yes (or how could it be committed?) and do not know the branch any more: it was finished
// and collected, or the journal is not the one that holds the vote, which the coordinator checks.
static void commit_forgotten(struct participant *self, const struct msg_decide *d)
{
    self->stats.duplicates++;
    done(self, d, OUTCOME_COMMITTED, DONE_FORGOTTEN);
}

// What the coordinator says of a branch of which nothing is known here. False: out of memory.
static bool learn(struct part *b, const struct msg_decide *d)
{
    // An operator's word is for a branch that voted yes. One that we do not know any more did as
    // was decided, whatever that was; only in admitted protocols it would still be known.
    b->forgotten = d->flags & DECIDE_HEURISTIC && !(d->flags & DECIDE_CONTENT);
    if (!(d->flags & DECIDE_CONTENT) || MUTANT(CONTENT_UNUSED))
        return true;
    if (!part_keep(b, d->payload, slice_of(NULL, 0)) || !part_keep_result(b, d->result))
        return false;
    b->protocol = d->protocol;
    b->kind = d->kind;
    return true;
}

// A branch of which nothing is known here, taken up to end as one that did not happen. NULL: there
// is no memory for it, and the coordinator will send it again.
static struct part *aborted_new(struct participant *self, const struct msg_decide *d)
{
    struct part *b = part_new(self, &d->gtid, d->branch, PART_ROLLING_BACK);
    if (!b)
        return NULL;
    b->attempt = d->attempt;
    b->coordinator = self->heard.id;
    b->outcome = OUTCOME_ABORTED;
    if (!learn(b, d)) {
        part_free(self, b);
        return NULL;
    }
    b->answer = true;
    return b;
}

// A step without a compensation is over, and it may not have been done here, or be on its way
// still. So that it is not done from now on, that is remembered like an end.
static void commit_unknown(struct participant *self, const struct msg_decide *d)
{
    struct part *b = aborted_new(self, d);
    if (b)
        part_finish(self, b);
}

void part_commit(struct participant *self, const struct msg_decide *d)
{
    struct part *b = part_find(self, &d->gtid, d->branch);
    enum relation relation = b ? relate(self, b, d) : DECIDE_NEWER;
    if (relation == DECIDE_SAME) {
        learn_payload(b, d);
        if (!told(self, b, d, OUTCOME_COMMITTED))
            commit_same(self, b, d);
    } else if (!b && d->flags & DECIDE_CONTENT && d->kind == BRANCH_STEP &&
               d->attempt >= self->heard.fence && !MUTANT(KEPT_NOT_BARRED)) {
        commit_unknown(self, d);
    } else if (relation == DECIDE_NEWER && (!b || b->state == PART_FINISHED)) {
        commit_forgotten(self, d);
    } else if (relation == DECIDE_NEWER && b->state == PART_WORKING) {
        // The transaction has ended; what the application did since is in nobody's hands.
        commit_forgotten(self, d);
        part_roll_back(self, b);
    } else {
        self->stats.stale++;
    }
}

// ---- roll back ----

static void asked_to_roll_back(struct part *b, const struct msg_decide *d)
{
    b->answer = true;
    b->resolve |= (d->flags & DECIDE_RESOLVE) != 0;
}

// Nothing is known of the branch, but the application may have worked here, or the resource manager
// may be preparing it for a run of ours that has died: it is asked to roll back, which is
// idempotent. That needs no room: how much can be asked for is bounded by what the coordinator
// holds, and until it is answered the fence stands still, so that room would never be made.
static void rollback_unknown(struct participant *self, const struct msg_decide *d)
{
    if (MUTANT(ROLLBACK_NEEDS_ROOM) && !part_room(self, 0))
        return;
    struct part *b = aborted_new(self, d);
    if (!b)
        return;
    asked_to_roll_back(b, d);
    part_call(self, b);
}

static void rollback_same(struct participant *self, struct part *b, const struct msg_decide *d)
{
    switch (b->state) {
    case PART_WORKING: return; // has no attempt of its own
    case PART_PREPARING:
    case PART_VOTING:
        b->abort = true;
        part_extend_no_more(self, b);
        asked_to_roll_back(b, d);
        if (MUTANT(ROLLBACK_NOT_AWAITED))
            done(self, d, OUTCOME_ABORTED, 0);
        if (b->busy == PART_IDLE)
            part_roll_back(self, b);
        return;
    case PART_PREPARED:
        if (d->flags & DECIDE_HEURISTIC) {
            force(self, b, OUTCOME_ABORTED);
            return;
        }
        // A crash from here until the outcome is durable leaves the branch in doubt: we ask, and
        // are told to roll back, by record or by presumption.
        asked_to_roll_back(b, d);
        part_roll_back(self, b);
        return;
    case PART_FORGETTING: return;
    case PART_ROLLING_BACK: asked_to_roll_back(b, d); return;
    case PART_DECIDING:
    case PART_COMMITTING: // in one phase the commit came first: the answer will say so
    case PART_FINISHING:
        self->stats.duplicates++;
        b->answer = true;
        return;
    case PART_FINISHED:
        self->stats.duplicates++;
        b->voted_no = false; // asked for the outcome, it answers with the outcome
        part_done(self, b);
        return;
    }
}

// The rollback of a later run of the transaction than the one that we know.
static void rollback_newer(struct participant *self, struct part *b, const struct msg_decide *d)
{
    switch (b->state) {
    case PART_WORKING:
        if (!learn(b, d))
            return;
        b->attempt = d->attempt;
        b->coordinator = self->heard.id;
        asked_to_roll_back(b, d);
        part_roll_back(self, b);
        return;
    case PART_PREPARING:
    case PART_VOTING: b->abort = !b->one_phase; return;
    case PART_PREPARED: part_roll_back(self, b); return; // the ROLLBACK will come again
    case PART_DECIDING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK:
    case PART_FINISHING: return; // likewise
    case PART_FINISHED:
        if (b->heuristic) { // it was refused: nothing of that run is here
            done(self, d, OUTCOME_ABORTED, 0);
            return;
        }
        part_forget(self, b);
        rollback_unknown(self, d);
        return;
    case PART_FORGETTING: return;
    }
}

// Work that was never prepared (attempt 0), under a name that is held for ever, by an operator's
// word or for another coordinator: nothing of it was let in, and it must not be asked for for ever.
static void rollback_stale(struct participant *self, const struct part *b,
                           const struct msg_decide *d)
{
    if (d->attempt == 0 && (b->heuristic || !part_ours(self, b)))
        done(self, d, OUTCOME_ABORTED, 0);
    else
        self->stats.stale++;
}

void part_rollback(struct participant *self, const struct msg_decide *d)
{
    struct part *b = part_find(self, &d->gtid, d->branch);
    bool known = b && b->state != PART_WORKING;
    // The outcome of a one-phase branch holds the fence until it is known: this is a late
    // duplicate.
    if (!known && d->flags & DECIDE_RESOLVE && d->attempt < self->heard.fence) {
        self->stats.stale++;
        return;
    }
    if (!b) {
        rollback_unknown(self, d);
        return;
    }
    switch (relate(self, b, d)) {
    case DECIDE_SAME:
        learn_payload(b, d);
        if (!told(self, b, d, OUTCOME_ABORTED))
            rollback_same(self, b, d);
        return;
    case DECIDE_NEWER: rollback_newer(self, b, d); return;
    case DECIDE_STALE: rollback_stale(self, b, d); return;
    }
}

// ---- the end ----

// What the resource manager did by a decision of its own. 0: nothing of the kind.
static uint8_t heuristic_of(enum rm_result result)
{
    switch (result) {
    case RM_HEURISTIC_COMMIT: return HEURISTIC_COMMIT;
    case RM_HEURISTIC_ROLLBACK: return HEURISTIC_ROLLBACK;
    case RM_HEURISTIC_MIXED: return HEURISTIC_MIXED;
    case RM_HEURISTIC_HAZARD: return HEURISTIC_HAZARD;
    case RM_DONE:
    case RM_NO:
    case RM_READ_ONLY:
    case RM_RETRY: break;
    }
    return 0;
}

// The resource manager answered a commit or a rollback. Anything but "done", or that it had done
// something by itself, proves nothing, so it is asked again, for ever.
void part_driven(struct participant *self, struct part *b, const struct event_called *called)
{
    uint8_t heuristic = part_business(b) ? 0 : heuristic_of(called->result);
    if (called->result != RM_DONE && !heuristic && !MUTANT(RETRY_IS_DONE)) {
        self->stats.retries++;
        part_wait(self, b, self->config.retry_min_ms, self->config.retry_max_ms);
        return;
    }
    if (heuristic && !MUTANT(HEURISTIC_UNHEARD))
        b->heuristic = (uint8_t)((b->heuristic & HEURISTIC_OPERATOR) | heuristic);
    part_finish(self, b);
}

// The resource manager has done it. The acknowledgement lets the coordinator forget, so whatever
// could make us ask again must be out of the journal first: a crash before that leaves the branch
// prepared or decided in the journal, and the same is done again. An abort of which the journal
// never knew needs no record: to a PREPARE that comes late we would vote again, in vain. In one
// phase that vote would be a decision; so there the abort is recorded. So it is in admitted
// protocols: what makes a compensation happen once only may not go before it is told to. And what a
// resource manager did by itself is told until it is on record at the coordinator.
void part_finish(struct participant *self, struct part *b)
{
    enum outcome end = heuristic_outcome(b->heuristic, (enum outcome)b->outcome);
    self->stats.committed += end == OUTCOME_COMMITTED;
    self->stats.rolled_back += end == OUTCOME_ABORTED;
    if (b->outcome != OUTCOME_COMMITTED)
        part_keep_result(b, slice_of(NULL, 0)); // nobody asks for it any more
    if (part_admitted(b) || b->outcome == OUTCOME_COMMITTED || part_reports(b) ||
        (b->journaled && !MUTANT(ROLLBACK_UNRECORDED)) || b->one_phase ||
        (b->resolve && !MUTANT(RESOLVE_FORGOTTEN))) {
        part_move(self, b, PART_FINISHING);
        if (MUTANT(DONE_EARLY) && b->answer)
            part_done(self, b);
        part_write(self, b, JOURNAL_FINISHED);
        return;
    }
    if (b->answer)
        part_done(self, b);
    part_free(self, b);
}

// A crash from here on leaves a finished branch, which answers duplicates.
void part_finished(struct participant *self, struct part *b)
{
    part_move(self, b, PART_FINISHED);
    if (b->answer || part_reports(b))
        part_done(self, b);
    if (!b->voted_no && !MUTANT(PAYLOAD_KEPT))
        part_keep(b, slice_of(NULL, 0), slice_of(NULL, 0));
    if (MUTANT(FINISHED_FORGOTTEN))
        part_forget(self, b);
    else
        part_remember(self, b);
}
