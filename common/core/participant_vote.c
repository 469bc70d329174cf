// SPDX-License-Identifier: Apache-2.0
// Phase one: the coordinator asks, the resource manager prepares, a yes is made durable and sent.
#include "base/mutant.h"
#include "core/participant_internal.h"

void part_vote(struct participant *self, const struct part *b, enum vote vote, struct slice text)
{
    struct msg spare;
    if (!part_ours(self, b))
        return; // the coordinator that asked is gone; what answers now did not ask
    struct msg_vote *msg = &part_send(self, MSG_VOTE, &spare)->u.vote;
    *msg = (struct msg_vote){
        .gtid = b->gtid,
        .attempt = b->attempt,
        .branch = b->branch,
        .vote = (uint8_t)vote,
    };
    text = slice_cut(text, LIMIT_REASON_BYTES);
    if (text.size > 0)
        msg->text = effects_printf(self->fx, "%.*s", (int)text.size, (const char *)text.data);
}

void part_vote_yes(struct participant *self, const struct part *b)
{
    struct msg spare;
    if (!part_ours(self, b))
        return;
    part_send(self, MSG_VOTE, &spare)->u.vote = (struct msg_vote){
        .gtid = b->gtid,
        .attempt = b->attempt,
        .branch = b->branch,
        .vote = VOTE_YES,
        .text = part_result(self, b),
    };
}

// A no for a branch that was not taken up. It promises nothing, so nothing need be remembered: the
// same PREPARE again may be taken up, and a no that comes late finds the coordinator decided.
// In one phase a no is itself the decision, and binding; so nothing is said, and the coordinator
// will ask again, or give up and have the abort recorded (RESOLVE).
// Of a saga or a message a no would be the end of it, where all that is wrong is wrong for now. Of
// a try it would say that nothing has to be cancelled, and an earlier one may have been made.
void part_refuse(struct participant *self, const struct msg_prepare *p, const char *text)
{
    struct msg spare;
    bool retry = protocol_business(p->protocol) && !MUTANT(BUSY_IS_NO);
    if (p->flags & PREPARE_ONE_PHASE && !retry)
        return;
    self->stats.voted_no += !retry;
    self->stats.retries += retry;
    part_send(self, MSG_VOTE, &spare)->u.vote = (struct msg_vote){
        .gtid = p->gtid,
        .attempt = p->attempt,
        .branch = p->branch,
        .vote = retry ? VOTE_RETRY : VOTE_NO,
        .text = slice_text(text),
    };
}

static bool take_up(struct participant *self, struct part *b, const struct msg_prepare *p)
{
    bool quorum = p->protocol == PROTOCOL_3PC;
    if (!part_keep(b, p->payload, p->inputs) ||
        (quorum && !part_quorum_new(self, b, p->members, NULL)))
        return false; // the coordinator will send it again
    if (b->state == PART_WORKING)
        part_move(self, b, PART_PREPARING);
    b->attempt = p->attempt;
    b->coordinator = self->heard.id;
    b->protocol = p->protocol;
    b->kind = p->kind;
    b->one_phase = p->flags & PREPARE_ONE_PHASE && p->protocol != PROTOCOL_TCC;
    b->answer = b->one_phase;
    if (p->flags & PREPARE_READ_ONLY && b->quorum)
        part_quorum_prepared(self, b, &(struct event_called){.result = RM_READ_ONLY});
    else
        part_call(self, b);
    return true;
}

static bool takes(const struct msg_prepare *p)
{
    return p->protocol == PROTOCOL_2PC || (p->protocol == PROTOCOL_3PC && p->members.size > 0) ||
           (protocol_business(p->protocol) && p->kind != BRANCH_TOPIC &&
            protocol_has_kind(p->protocol, p->kind));
}

static void admit(struct participant *self, const struct msg_prepare *p)
{
    if (!part_room(self, p->attempt)) {
        part_refuse(self, p, "busy: this participant has as many branches as it can hold");
        return;
    }
    if (!takes(p)) {
        part_refuse(self, p, "this participant does not know that protocol");
        return;
    }
    struct part *b = part_new(self, &p->gtid, p->branch, PART_PREPARING);
    if (b && !take_up(self, b, p))
        part_free(self, b);
}

// The PREPARE of a run of the transaction that comes after the one that we know. There would be no
// newer one had the older been committed.
static void supersede(struct participant *self, struct part *b, const struct msg_prepare *p)
{
    switch (b->state) {
    case PART_WORKING:
        if (!takes(p)) {
            part_refuse(self, p, "this participant does not know that protocol");
            return;
        }
        take_up(self, b, p);
        return;
    case PART_PREPARING:
    case PART_VOTING: b->abort = !b->one_phase; return;
    case PART_PREPARED: // the PREPARE will come again
        if (!MUTANT(YES_OF_EARLIER_RUN)) {
            part_roll_back(self, b);
            return;
        }
        b->attempt = p->attempt;
        part_vote_yes(self, b);
        return;
    case PART_DECIDING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK:
    case PART_FINISHING: return; // likewise
    case PART_FINISHED:
        if (b->heuristic) {
            part_refuse(self, p,
                        part_reports(b) ? "its resource manager ended an earlier run by itself"
                                        : "an operator ended an earlier run of this branch");
            return;
        }
        part_forget(self, b);
        admit(self, p);
        return;
    case PART_FORGETTING: return;
    }
}

static void repeat(struct participant *self, struct part *b, const struct msg_prepare *p)
{
    self->stats.duplicates++;
    switch (b->state) {
    case PART_VOTING:
        if (MUTANT(VOTE_FROM_MEMORY))
            part_vote_yes(self, b);
        return;
    case PART_WORKING: // has no attempt
    case PART_PREPARING:
    case PART_DECIDING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK:
    case PART_FINISHING: return; // the answer is on its way
    case PART_PREPARED:
        if (!(p->flags & PREPARE_ONE_PHASE)) {
            part_vote_yes(self, b);
            return;
        }
        // Only a durable resource manager brings us here: it held the branch prepared after a
        // crash, and the journal had no word of it.
        b->one_phase = b->answer = true;
        b->outcome = OUTCOME_COMMITTED;
        part_move(self, b, PART_DECIDING);
        part_write(self, b, JOURNAL_DECIDED);
        return;
    case PART_FINISHED: part_done(self, b); return;
    case PART_FORGETTING: return; // of admitted protocols only
    }
}

void part_prepare(struct participant *self, const struct msg_prepare *p)
{
    struct part *b = part_find(self, &p->gtid, p->branch);
    // Below the fence phase one is over: this is a late duplicate, and the branch may have been
    // finished and forgotten.
    if ((p->attempt < self->heard.fence && !MUTANT(FENCE_IGNORED)) ||
        (b && p->attempt < b->attempt && part_ours(self, b)) ||
        (b && (b->state == PART_FORGETTING || b->ended))) {
        self->stats.stale++;
        return;
    }
    if (!b)
        admit(self, p);
    else if (b->state != PART_WORKING && !part_ours(self, b))
        part_refuse(self, p, "this branch is held for another coordinator");
    else if (b->state != PART_WORKING && (b->quorum || p->protocol == PROTOCOL_3PC))
        part_quorum_again(self, b, p);
    else if (part_business(b) && !MUTANT(RENEWED_IS_NEW))
        part_asked_again(self, b, p);
    else if (p->attempt == b->attempt)
        repeat(self, b, p);
    else
        supersede(self, b, p);
}

// Prepared, and to be rolled back all the same: the word came while the call ran.
static void prepared_too_late(struct participant *self, struct part *b, enum rm_result result)
{
    if (result == RM_DONE || result == RM_RETRY) {
        part_roll_back(self, b);
        return;
    }
    b->outcome = OUTCOME_ABORTED; // nothing is held
    part_finish(self, b);
}

static void prepared_yes(struct participant *self, struct part *b, bool durable)
{
    b->prepared_ms = self->now.wall_ms;
    if (b->one_phase) {
        // One branch alone decides for itself. A crash before the record is durable leaves work
        // that was never promised, which recovery rolls back; the coordinator asks again.
        b->outcome = OUTCOME_COMMITTED;
        part_move(self, b, PART_DECIDING);
        if (MUTANT(ONE_PHASE_UNRECORDED))
            part_drive(self, b);
        else
            part_write(self, b, JOURNAL_DECIDED);
    } else if (durable && self->config.rm_durable && !part_admitted(b) &&
               (b->kind != BRANCH_ENLISTED || MUTANT(ENLISTED_UNJOURNALED))) {
        part_move(self, b, PART_PREPARED);
        part_voted(self, b);
    } else {
        // A crash before the record is durable leaves a branch that never voted: recovery rolls
        // it back, and the coordinator, which heard no vote, aborts or asks again. What the
        // application did itself a durable resource manager holds under a name that has no attempt
        // in it: recovery could not find that vote, so it is in the journal, too.
        part_move(self, b, PART_VOTING);
        if (MUTANT(VOTE_EARLY))
            part_vote_yes(self, b);
        part_write(self, b, JOURNAL_PREPARED);
    }
}

static void prepared_no(struct participant *self, struct part *b, struct slice text)
{
    self->stats.voted_no++;
    if (b->one_phase && !MUTANT(ONE_PHASE_NO_FORGOTTEN)) {
        // This no is the decision, and the client will be told of it: it must be durable before it
        // is sent, or a late copy of the PREPARE could commit after a crash.
        part_keep_reason(b, text);
        b->voted_no = true;
        b->outcome = OUTCOME_ABORTED;
        part_finish(self, b);
        return;
    }
    part_vote(self, b, VOTE_NO, text);
    part_free(self, b);
}

void part_prepared(struct participant *self, struct part *b, const struct event_called *called)
{
    part_extend_no_more(self, b); // who asked has returned
    if (part_steps(b)) {
        part_acted(self, b, called);
        return;
    }
    if (b->quorum) {
        part_quorum_prepared(self, b, called);
        return;
    }
    if (b->abort) {
        prepared_too_late(self, b, called->result);
        return;
    }
    switch (MUTANT(RETRY_IS_YES) && called->result == RM_RETRY ? RM_DONE : called->result) {
    case RM_DONE:
        if (MUTANT(READ_ONLY_MISTAKEN) && b->branch == 1)
            goto read_only;
        prepared_yes(self, b, called->durable);
        return;
    case RM_NO: prepared_no(self, b, called->text); return;
    case RM_READ_ONLY:
    read_only:
        self->stats.read_only++;
        part_vote(self, b, VOTE_READ_ONLY, slice_of(NULL, 0));
        part_free(self, b);
        return;
    case RM_HEURISTIC_COMMIT: // no answers to this
    case RM_HEURISTIC_ROLLBACK:
    case RM_HEURISTIC_MIXED:
    case RM_HEURISTIC_HAZARD:
    case RM_RETRY:
        self->stats.retries++;
        part_wait(self, b, self->config.retry_min_ms, self->config.retry_max_ms);
        return;
    }
}

// A crash from here on leaves the branch in doubt: recovery finds the record (or the resource
// manager's own), and asks.
void part_voted(struct participant *self, struct part *b)
{
    self->stats.prepared++;
    if (b->abort) {
        part_roll_back(self, b);
        return;
    }
    if (b->one_phase && part_steps(b)) { // asked for again so meanwhile
        b->outcome = OUTCOME_COMMITTED;
        part_drive(self, b);
        return;
    }
    part_rest(self, b);
    part_vote_yes(self, b);
    part_wait(self, b, self->config.inquire_min_ms, self->config.inquire_max_ms);
}
