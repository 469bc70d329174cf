// SPDX-License-Identifier: Apache-2.0
// Asking what stands: for branches in doubt, for work whose application may have died, and whether
// what is finished may be forgotten.
#include "base/mutant.h"
#include "core/participant_internal.h"

void part_working(struct participant *self, const struct gtid *gtid, unsigned branch)
{
    if (part_find(self, gtid, branch) || !part_room(self, 0))
        return;
    struct part *b = part_new(self, gtid, branch, PART_WORKING);
    if (!b)
        return;
    b->kind = BRANCH_ENLISTED;
    part_wait(self, b, self->config.inquire_max_ms, self->config.inquire_max_ms);
}

static enum inquire_state asked_as(const struct part *b)
{
    if (b->state == PART_FINISHED)
        return INQUIRE_FINISHED;
    return b->state == PART_PREPARED ? INQUIRE_PREPARED : INQUIRE_WORKING;
}

// Nobody waits for the end of a transaction, and it may be long in coming: a saga takes its time.
// It is told when it comes; asking is for when that was lost.
static void wait_for_end(struct participant *self, struct part *b)
{
    part_wait(self, b, self->config.inquire_max_ms, self->config.inquire_max_ms * PART_ENDED_PAUSE);
}

// What the resource manager did by itself, until it is on record.
static void report(struct participant *self, struct part *b)
{
    self->stats.inquiries++;
    part_done(self, b);
    part_wait(self, b, self->config.inquire_min_ms, self->config.inquire_max_ms);
}

void part_inquire(struct participant *self, struct part *b)
{
    if (part_reports(b)) {
        report(self, b);
        return;
    }
    bool prepared = b->state == PART_PREPARED;
    if (MUTANT(DOUBT_ENDS_IN_ROLLBACK) && prepared && b->tries > 2) {
        part_roll_back(self, b);
        return;
    }
    if (self->welcomed && !(MUTANT(DOUBT_NEVER_ASKS) && prepared)) {
        struct msg spare;
        self->stats.inquiries++;
        part_send(self, MSG_INQUIRE, &spare)->u.inquire = (struct msg_inquire){
            .gtid = b->gtid,
            .attempt = b->attempt,
            .coordinator = b->attempt ? b->coordinator : self->heard.id,
            .branch = b->branch,
            .prepared = (uint8_t)asked_as(b),
        };
    }
    if (b->state == PART_FINISHED) {
        wait_for_end(self, b);
        return;
    }
    // Work that was not prepared holds nobody up, and while the coordinator is away the next
    // welcome is what brings the questions out.
    bool soon = prepared && self->welcomed;
    part_wait(self, b, soon ? self->config.inquire_min_ms : self->config.inquire_max_ms,
              self->config.inquire_max_ms);
}

void part_inquire_all(struct participant *self)
{
    size_t cursor = 0;
    for (void *value; map_next(&self->parts, &cursor, &value);) {
        struct part *b = value;
        if (b->state == PART_PREPARED) {
            b->tries = 0;
            heap_arm(&self->due, &b->timer, self->now.mono_ms);
        } else if (b->state == PART_PREPARING) {
            part_extend_again(self, b);
        } else if (b->state == PART_FINISHED && timer_armed(&b->timer)) {
            // May be very many, and there is no hurry: spread.
            b->tries = 0;
            uint64_t pause = rng_below(&self->rng, self->config.inquire_max_ms);
            heap_arm(&self->due, &b->timer, self->now.mono_ms + pause);
        }
    }
}

void part_await_end(struct participant *self, struct part *b)
{
    if (part_reports(b) && part_ours(self, b) && !b->ended)
        part_wait(self, b, self->config.inquire_min_ms, self->config.inquire_max_ms);
    else if (part_ours(self, b) && !b->ended && !MUTANT(END_NEVER_ASKED))
        wait_for_end(self, b);
    else
        heap_disarm(&self->due, &b->timer);
}

static void unknown_there(struct participant *self, struct part *b)
{
    if (b->state == PART_WORKING || MUTANT(UNKNOWN_IS_ROLLBACK)) {
        part_roll_back(self, b); // nothing was promised, and nobody will ever ask for it
        return;
    }
    // Another coordinator's, or of a log that is gone. Only that coordinator, or an operator, can
    // end it.
    part_wait(self, b, self->config.inquire_max_ms, self->config.inquire_max_ms);
}

// A finished branch of an admitted protocol. An older attempt is that of an earlier transaction of
// the same gtid.
static void end_standing(struct participant *self, struct part *b, const struct msg_standing *s)
{
    if (!part_ours(self, b) || s->attempt < b->attempt) {
        self->stats.stale++;
        return;
    }
    switch ((enum outcome)s->outcome) {
    case OUTCOME_NONE:
    case OUTCOME_UNKNOWN: return; // the next question is planned already, and it is a rare one
    case OUTCOME_COMMITTED:
    case OUTCOME_ABORTED: part_ended(self, b, s->attempt); return;
    }
}

// The coordinator answers what was reported.
static void noted(struct participant *self, struct part *b, const struct msg_standing *s)
{
    bool about = part_ours(self, b) && s->attempt == b->attempt;
    if (about && s->flags & STANDING_NOTED)
        part_ended(self, b, s->attempt);
    else
        self->stats.stale++;
}

void part_standing(struct participant *self, const struct msg_standing *standing)
{
    struct part *b = part_find(self, &standing->gtid, standing->branch);
    if (b && b->state == PART_FINISHED && part_reports(b)) {
        noted(self, b, standing);
        return;
    }
    if (standing->flags & STANDING_RELEASED && b && b->state == PART_WORKING) {
        part_roll_back(self, b); // of nothing, if the application is right
        return;
    }
    if (standing->flags) { // again, or it is being recorded, or was never known here
        self->stats.stale++;
        return;
    }
    bool ended = standing->outcome == OUTCOME_COMMITTED || standing->outcome == OUTCOME_ABORTED;
    if (!b && ended && self->config.rm_forgets) {
        part_forget_unknown(self, standing);
        return;
    }
    if (b && b->state == PART_FINISHED && part_admitted(b)) {
        end_standing(self, b, standing);
        return;
    }
    if (!b || b->attempt != standing->attempt ||
        (b->state != PART_PREPARED && b->state != PART_WORKING)) {
        self->stats.stale++;
        return;
    }
    switch ((enum outcome)standing->outcome) {
    case OUTCOME_NONE: return; // the next question is planned already
    case OUTCOME_UNKNOWN: unknown_there(self, b); return;
    case OUTCOME_COMMITTED:
    case OUTCOME_ABORTED: self->stats.stale++; return; // those come as COMMIT and ROLLBACK
    }
}
