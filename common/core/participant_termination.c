// SPDX-License-Identifier: Apache-2.0
// Cooperative termination of two-phase commit: while the coordinator is silent, a branch in doubt
// asks the other branches of its transaction, and whoever knows what was decided tells it
// (Bernstein, Hadzilacos, Goodman: "Concurrency Control and Recovery in Database Systems", 1987,
// 7.4). Nothing is decided that way: where nobody knows, all wait for the coordinator.
#include <stdlib.h>

#include "base/mutant.h"
#include "core/participant_internal.h"

// ---- asking ----

// The coordinator of an earlier log is silent for ever.
static bool forsaken(const struct participant *self, const struct part *b)
{
    return b->protocol == PROTOCOL_2PC && b->members_size > 0 &&
           (!part_ours(self, b) || self->now.mono_ms - self->heard_ms >= self->config.suspect_ms);
}

void part_ask_others(struct participant *self, const struct part *b)
{
    if (!forsaken(self, b))
        return;
    struct slice members = part_members(b);
    struct member member;
    for (unsigned to = 0; member_next(&members, &member); to++) {
        struct msg ask = part_word(b, MSG_ASK, to);
        if (to != b->branch)
            part_tell(self, &member, &ask);
    }
}

void part_forsaken(struct participant *self)
{
    size_t cursor = 0;
    for (void *value; map_next(&self->parts, &cursor, &value);) {
        struct part *b = value;
        if (b->state != PART_PREPARED || b->protocol != PROTOCOL_2PC || b->members_size == 0)
            continue;
        b->tries = 0;
        heap_arm(&self->due, &b->timer,
                 self->heard_ms + self->config.suspect_ms +
                     rng_below(&self->rng, self->config.stagger_ms + 1));
    }
}

// Only what was decided. What an operator or the resource manager made of it was not; nor need it
// have been where the journal never had a vote, and what was found prepared was rolled back.
static bool knows_decision(const struct part *b)
{
    if (b->heuristic && !MUTANT(WORD_TOLD_TO_PEERS))
        return false;
    switch (b->state) {
    case PART_WORKING:
    case PART_PREPARING:
    case PART_VOTING:
    case PART_PREPARED:
    case PART_DECIDING:
    case PART_FORGETTING: return false;
    case PART_COMMITTING:
    case PART_ROLLING_BACK:
    case PART_FINISHING:
    case PART_FINISHED: return b->outcome == OUTCOME_COMMITTED || b->journaled;
    }
    return false;
}

// ---- what was decided lately ----

// Finished branches leave memory when the fence has passed them, while others of the transaction
// may be in doubt still. What is left of them is found by the attempt, which is one transaction's,
// and in a place of its own among so many that follow each other.
struct part_decided {
    uint64_t attempt, coordinator;
    uint8_t outcome;
};

bool part_termination_new(struct participant *self)
{
    self->lately = calloc(self->config.decided_max, sizeof *self->lately);
    return self->lately;
}

static struct part_decided *place_of(const struct participant *self, uint64_t attempt)
{
    return &self->lately[attempt % self->config.decided_max];
}

void part_decided(struct participant *self, const struct part *b)
{
    if (b->protocol != PROTOCOL_2PC || b->one_phase || !knows_decision(b))
        return;
    *place_of(self, b->attempt) = (struct part_decided){
        .attempt = b->attempt, .coordinator = b->coordinator, .outcome = b->outcome};
}

static enum outcome decided_lately(const struct participant *self, const struct msg_quorum *m)
{
    const struct part_decided *found = place_of(self, m->attempt);
    bool its = found->attempt == m->attempt && found->coordinator == m->coordinator;
    return its ? (enum outcome)found->outcome : OUTCOME_NONE;
}

// ---- asked, and told ----

static bool is_its(const struct part *b, const struct msg_quorum *m)
{
    return (m->attempt == b->attempt || MUTANT(PEERS_RUN_IGNORED)) &&
           m->coordinator == b->coordinator;
}

static void tell(struct participant *self, const struct msg_quorum *asked, enum outcome outcome)
{
    struct member to = {.resource = asked->resource, .address = asked->address};
    struct msg told = {.type = MSG_DECIDE, .u.quorum = *asked};
    told.u.quorum.from = asked->to;
    told.u.quorum.to = asked->from;
    told.u.quorum.outcome = (uint8_t)outcome;
    part_tell(self, &to, &told);
}

static enum outcome decision_on(const struct participant *self, const struct part *b,
                                const struct msg_quorum *m)
{
    bool its = b && is_its(b, m);
    if (its && MUTANT(DOUBT_TOLD_AS_ABORT) && b->state == PART_PREPARED)
        return OUTCOME_ABORTED;
    if (its && knows_decision(b))
        return (enum outcome)b->outcome;
    return decided_lately(self, m);
}

// As if the coordinator had said it, which will want to hear of it.
static void told(struct participant *self, struct part *b, const struct msg_quorum *m)
{
    self->stats.told_by_peers++;
    b->answer = true;
    b->outcome = m->outcome;
    part_drive(self, b);
}

bool part_met(struct participant *self, struct part *b, const struct msg *msg)
{
    const struct msg_quorum *m = &msg->u.quorum;
    enum outcome decision = decision_on(self, b, m);
    if (m->number != 0 || (b ? b->protocol != PROTOCOL_2PC : decision == OUTCOME_NONE))
        return false;
    if (msg->type == MSG_ASK && decision != OUTCOME_NONE)
        tell(self, m, decision);
    else if (msg->type == MSG_DECIDE && b && is_its(b, m) && b->state == PART_PREPARED &&
             b->busy == PART_IDLE && forsaken(self, b) &&
             slice_equal(part_member(b, m->from).resource, m->resource))
        told(self, b, m);
    else
        self->stats.stale++;
    return true;
}
