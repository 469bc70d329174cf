// SPDX-License-Identifier: Apache-2.0
// Phase one of sagas and messages, where the resource manager acts rather than prepares; and what
// is common to admitted protocols: the same branch is asked about again, in a newer attempt.
#include "base/mutant.h"
#include "core/participant_internal.h"

// ---- the action, delivery or question was answered ----

static void not_this_time(struct participant *self, struct part *b, struct slice why)
{
    self->stats.retries++;
    part_vote(self, b, VOTE_RETRY, why);
    part_free(self, b);
}

// What was done stays done, so the branch has ended. A crash before that is durable leaves an
// action, or a delivery, of which we know nothing: it is asked for again, and the barrier knows.
static void end(struct participant *self, struct part *b)
{
    b->outcome = OUTCOME_COMMITTED;
    if (MUTANT(DELIVERED_EARLY))
        part_done(self, b);
    part_drive(self, b);
}

static void acted(struct participant *self, struct part *b, struct slice result)
{
    if (b->kind == BRANCH_SENDER) {
        // No record: the barrier in the sender's own database keeps this answer what it is.
        self->stats.prepared++;
        part_vote_yes(self, b);
        part_free(self, b);
        return;
    }
    // Without its result the action cannot be voted for, and it must not be forgotten either.
    if (b->kind == BRANCH_STEP && !part_keep_result(b, result)) {
        self->fx->failed = true;
        return;
    }
    b->prepared_ms = self->now.wall_ms;
    if (b->inputs_size > 0) // may be many, and a saga may take long
        part_keep(b, slice_of(b->payload, b->payload_size), slice_of(NULL, 0));
    if (b->one_phase) {
        end(self, b);
    } else if (b->abort) {
        part_roll_back(self, b);
    } else {
        // A crash before the record is durable: as above, the coordinator asks again.
        part_move(self, b, PART_VOTING);
        part_write(self, b, JOURNAL_PREPARED);
    }
}

// It did not happen, and the coordinator has given it up already.
static void not_acted(struct participant *self, struct part *b, enum rm_result result)
{
    if (result == RM_RETRY) { // or perhaps it did
        part_roll_back(self, b);
        return;
    }
    b->outcome = OUTCOME_ABORTED;
    part_finish(self, b);
}

void part_acted(struct participant *self, struct part *b, const struct event_called *called)
{
    if (called->result == RM_DONE || called->result == RM_READ_ONLY) {
        acted(self, b, called->text);
    } else if (b->abort) {
        not_acted(self, b, called->result);
    } else if (called->result == RM_RETRY || b->one_phase) {
        // In one phase nothing can be compensated any more: a no is no answer.
        not_this_time(self, b, called->text);
    } else {
        self->stats.voted_no++;
        part_vote(self, b, VOTE_NO, called->text);
        part_free(self, b);
    }
}

// ---- the same branch, asked about again ----

void part_renew(struct participant *self, struct part *b, uint64_t attempt)
{
    if (attempt <= b->attempt)
        return;
    b->attempt = attempt;
    if (MUTANT(RENEWED_UNFENCED))
        return;
    if (timer_armed(&b->fenced))
        heap_arm(&self->finished, &b->fenced, attempt);
    else if (b->state == PART_FINISHED && attempt >= self->heard.fence)
        heap_arm(&self->finished, &b->fenced, attempt); // the fence had passed the one before
}

// What was asked for in two phases may be asked for again when the saga can only go forward.
static void make_final(struct part *b, const struct msg_prepare *p)
{
    if (p->flags & PREPARE_ONE_PHASE && part_steps(b))
        b->one_phase = b->answer = true;
}

void part_asked_again(struct participant *self, struct part *b, const struct msg_prepare *p)
{
    if (p->protocol != b->protocol || p->kind != b->kind) {
        part_refuse(self, p, "this branch is known here as one of another kind");
        return;
    }
    self->stats.duplicates++;
    part_renew(self, b, p->attempt);
    switch (b->state) {
    case PART_PREPARING:
        make_final(b, p);
        part_extend_again(self, b); // in the newer attempt; the older is answered no more
        return;
    case PART_VOTING: make_final(b, p); return;
    case PART_PREPARED:
        make_final(b, p);
        if (b->one_phase)
            end(self, b);
        else
            part_vote_yes(self, b);
        return;
    case PART_FINISHED: part_done(self, b); return;
    case PART_WORKING: // is of no protocol yet
    case PART_DECIDING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK:
    case PART_FINISHING: // the answer is on its way
    case PART_FORGETTING: return;
    }
}
