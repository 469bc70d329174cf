// SPDX-License-Identifier: Apache-2.0
// Asking what stands: for branches in doubt, and for work whose application may have died.
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

void part_inquire(struct participant *self, struct part *b)
{
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
            .prepared = prepared,
        };
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
        if (b->state != PART_PREPARED)
            continue;
        b->tries = 0;
        heap_arm(&self->due, &b->timer, self->now.mono_ms);
    }
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

void part_standing(struct participant *self, const struct msg_standing *standing)
{
    struct part *b = part_find(self, &standing->gtid, standing->branch);
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
