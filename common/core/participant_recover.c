// SPDX-License-Identifier: Apache-2.0
// What the journal and the resource manager held at start.
#include "base/mutant.h"
#include "core/participant_internal.h"

// What the journal says of the coordinator: its newest records are those of the present one.
static void hear_of(struct participant *self, const struct branch_record *record)
{
    struct part_coordinator *heard = &self->heard;
    if (self->config.coordinator != 0 && record->coordinator != self->config.coordinator)
        return;
    if (record->coordinator != heard->id)
        *heard = (struct part_coordinator){.id = record->coordinator};
    if (record->log_seq > heard->log_seq && !MUTANT(ECHO_FORGOTTEN)) {
        heard->log_seq = record->log_seq;
        heard->seal = record->seal;
    }
    uint64_t incarnation = record->attempt >> ATTEMPT_COUNTER_BITS;
    if (incarnation > heard->incarnation)
        heard->incarnation = incarnation;
}

// False: the record makes no sense, so this journal cannot be trusted with anything.
static bool state_of(const struct branch_record *record, enum part_state *ret)
{
    bool decided = record->outcome == OUTCOME_COMMITTED || record->outcome == OUTCOME_ABORTED;
    switch ((enum journal_stage)record->stage) {
    case JOURNAL_PREPARED: *ret = PART_PREPARED; return true;
    case JOURNAL_DECIDED:
        *ret = record->outcome == OUTCOME_COMMITTED ? PART_COMMITTING : PART_ROLLING_BACK;
        return decided;
    case JOURNAL_FINISHED: *ret = PART_FINISHED; return decided;
    }
    return false;
}

static struct part *recreate(struct participant *self, const struct branch_record *record,
                             enum part_state state)
{
    struct slice none = {0};
    struct part *b = part_new(self, &record->gtid, record->branch, state);
    bool quorum = record->protocol == PROTOCOL_3PC && record->quorum_state != QUORUM_IDLE;
    if (b && !(part_keep(b, record->payload, slice_of(NULL, 0)) &&
               part_keep_result(b, MUTANT(RESULT_FORGOTTEN) ? none : record->result) &&
               (!quorum || part_quorum_new(self, b, record->members, record)))) {
        part_free(self, b);
        b = NULL;
    }
    if (!b) {
        self->fx->failed = true; // a vote must not be forgotten: the process cannot start
        return NULL;
    }
    b->attempt = record->attempt;
    b->coordinator = record->coordinator;
    b->protocol = record->protocol;
    b->kind = record->kind;
    b->prepared_ms = record->prepared_ms;
    if (state == PART_PREPARED)
        part_rest(self, b);
    return b;
}

void part_recovered(struct participant *self, const struct branch_record *record)
{
    enum part_state state;
    struct part *b = part_find(self, &record->gtid, record->branch);
    if (!state_of(record, &state)) {
        part_stop(self, ASSENT_CORRUPT, "a record of the journal makes no sense");
        return;
    }
    if (MUTANT(VOTES_FORGOTTEN) && state == PART_PREPARED)
        return;
    if (MUTANT(END_FORGOTTEN) && state == PART_FINISHED && protocol_admitted(record->protocol))
        return;
    if (MUTANT(COMMIT_FORGOTTEN) && state == PART_COMMITTING)
        state = PART_ROLLING_BACK;
    if (b)
        part_free(self, b); // the newest record of a branch is all that matters
    b = recreate(self, record, state);
    if (!b)
        return;
    b->outcome = state == PART_ROLLING_BACK ? OUTCOME_ABORTED : record->outcome;
    b->heuristic = record->heuristic;
    b->journaled = true;
    b->answer = true;
    if (state == PART_FINISHED && (part_admitted(b) || part_reports(b))) {
        b->pinned = true;
    } else if (state == PART_FINISHED && !b->heuristic && !MUTANT(FINISHED_LET_GO)) {
        b->pinned = true;                           // whether its record is open is not known here
        list_append(&self->numbered, &b->numbered); // of an earlier run: before all of ours
    }
    hear_of(self, record);
}

// The journal says finished, the resource manager says not: it is done again. Its record stays, and
// holds the horizon back, until that is in the journal, too.
static void redo(struct participant *self, struct part *b)
{
    part_move(self, b, b->outcome == OUTCOME_COMMITTED ? PART_COMMITTING : PART_ROLLING_BACK);
}

// Prepared, but nothing here knows it. If votes are in the journal none was ever given, and the
// work is rolled back. If they are in the resource manager, this is one: in doubt.
static struct part *held_new(struct participant *self, const struct branch_record *record)
{
    bool vote = self->config.rm_durable && !MUTANT(FOUND_IS_NO_VOTE);
    struct part *b = recreate(self, record, vote ? PART_PREPARED : PART_ROLLING_BACK);
    if (!b)
        return NULL;
    b->outcome = vote ? OUTCOME_NONE : OUTCOME_ABORTED;
    b->prepared_ms = self->now.wall_ms;
    return b;
}

void part_found(struct participant *self, const struct branch_record *record)
{
    struct part *b = part_find(self, &record->gtid, record->branch);
    // What it calls prepared is of 2pc or 3pc; of business the journal knows all there is.
    if (b && b->attempt == record->attempt && !part_business(b)) {
        if (b->state == PART_FINISHED && !MUTANT(LOSS_IGNORED))
            redo(self, b);
        return;
    }
    if (b && (b->state != PART_FINISHED || b->heuristic || part_admitted(b) ||
              record->attempt < b->attempt)) {
        self->stats.stale++;
        return; // its key is held by a branch that matters more; operators see it in the database
    }
    if (b)
        part_free(self, b); // its record goes by itself, or is met again at the next start
    if (!held_new(self, record))
        return;
    // The journal knows better which coordinator is the present one, and how far its log had come.
    if (self->config.rm_durable && (self->heard.id == 0 || self->heard.id == record->coordinator))
        hear_of(self, record);
}

static void resume(struct participant *self, struct part *b)
{
    if (b->quorum)
        part_quorum_start(self, b);
    switch (b->state) {
    case PART_PREPARED: // asked about at the welcome
        part_wait(self, b, self->config.inquire_max_ms, self->config.inquire_max_ms);
        return;
    case PART_COMMITTING: // decided before the crash: done until it is done, whoever listens
    case PART_ROLLING_BACK: heap_arm(&self->due, &b->timer, self->now.mono_ms); return;
    case PART_FINISHED:
    case PART_WORKING:
    case PART_PREPARING:
    case PART_VOTING:
    case PART_DECIDING:
    case PART_FINISHING:
    case PART_FORGETTING: return;
    }
}

// What is known here goes its way, and may have ended since the resource manager was looked at.
// What is not was prepared behind our back: by a resource manager that went on with it when the
// connection was lost, and the branch given up.
void part_held(struct participant *self, const struct branch_record *record)
{
    if (part_find(self, &record->gtid, record->branch) || !part_room(self, 0))
        return; // it is reported again
    struct part *b = held_new(self, record);
    if (b)
        resume(self, b);
}

void part_start(struct participant *self)
{
    self->started = true;
    if (self->parts.count == 0)
        self->horizon = self->number_next;
    size_t cursor = 0;
    for (void *value; map_next(&self->parts, &cursor, &value);)
        resume(self, value);
    part_coordinator_changed(self);
}
