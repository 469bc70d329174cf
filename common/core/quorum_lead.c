// SPDX-License-Identifier: Apache-2.0
// The coordinator of a three-phase transaction: gathers votes, attempts a commit without an
// election, once, and is an elector like the others from then on. Its register has the transaction
// admitted before anything is said; the outcome is the members', and it records what they say.
#include "core/quorum_internal.h"

#include "base/mutant.h"

static void decide(struct quorum_lead *self, enum outcome outcome, struct quorum_effects *fx)
{
    self->outcome = outcome;
    fx->decided = outcome;
    self->due_ms = UINT64_MAX;
    quorum_elector_end(&self->elector);
    quorum_decide_to(fx, quorum_all(self->config.members), false, outcome);
}

static void say(struct quorum_lead *self, uint64_t now_ms, struct quorum_effects *fx)
{
    self->due_ms = now_ms + quorum_pause(&self->rng, &self->config, self->elector.tries);
    quorum_elector_say(&self->elector, &self->config, &self->tally, fx);
}

static void voted(struct quorum_lead *self, unsigned from, enum outcome vote, uint64_t now_ms,
                  struct quorum_effects *fx)
{
    if (self->elector.phase != QUORUM_GATHERING) {
        self->stale++;
        return;
    }
    if (vote != OUTCOME_COMMITTED) {
        decide(self, OUTCOME_ABORTED, fx); // nobody can ever have attempted a commit
        return;
    }
    self->yes |= quorum_bit(from);
    if (self->yes != quorum_all(self->config.members))
        return;
    // From here on the outcome is no longer ours alone.
    quorum_elector_first(&self->elector, &self->config);
    say(self, now_ms, fx);
}

static void told_state(struct quorum_lead *self, unsigned from, const struct quorum_msg *msg,
                       uint64_t now_ms, struct quorum_effects *fx)
{
    enum outcome outcome =
        quorum_tally_add(&self->tally, self->config.members, from, msg->state, msg->attempt);
    if (outcome) {
        decide(self, outcome, fx);
        return;
    }
    switch (quorum_elector_heard(&self->elector, &self->config, from, msg)) {
    case QUORUM_HEARD_NOTHING: return;
    case QUORUM_HEARD_LOST: // they are about to finish it themselves
        quorum_elector_rest(&self->elector);
        self->due_ms = now_ms + quorum_patience(&self->config, &self->elector) +
                       rng_below(&self->rng, quorum_patience(&self->config, &self->elector));
        return;
    case QUORUM_HEARD_TRY: say(self, now_ms, fx); return;
    case QUORUM_HEARD_COMMIT: decide(self, OUTCOME_COMMITTED, fx); return;
    case QUORUM_HEARD_ABORT: decide(self, OUTCOME_ABORTED, fx); return;
    }
}

static void told_outcome(struct quorum_lead *self, enum outcome outcome, struct quorum_effects *fx)
{
    if (outcome == OUTCOME_COMMITTED || outcome == OUTCOME_ABORTED)
        decide(self, outcome, fx);
    else
        self->stale++;
}

static void received(struct quorum_lead *self, const struct quorum_event *event,
                     struct quorum_effects *fx)
{
    const struct quorum_msg *msg = &event->msg;
    if (event->from >= self->config.members || !quorum_makes_sense(event->from, msg)) {
        self->stale++;
        return;
    }
    if (self->outcome) {
        if (msg->type == QUORUM_ASK || msg->type == QUORUM_VOTE)
            quorum_decide_to(fx, quorum_bit(event->from), false, self->outcome);
        return;
    }
    switch (msg->type) {
    case QUORUM_VOTE: voted(self, event->from, msg->outcome, event->now_ms, fx); return;
    case QUORUM_STATE: told_state(self, event->from, msg, event->now_ms, fx); return;
    case QUORUM_DECIDE: told_outcome(self, msg->outcome, fx); return;
    case QUORUM_ASK: quorum_elector_saw(&self->elector, msg->number); return; // we do not know
    case QUORUM_TRY: self->stale++; return;
    }
}

static void tick(struct quorum_lead *self, uint64_t now_ms, struct quorum_effects *fx)
{
    if (now_ms < self->due_ms || self->outcome || self->elector.phase == QUORUM_GATHERING)
        return;
    if (self->elector.phase == QUORUM_RESTING)
        quorum_elector_begin(&self->elector, &self->config);
    else if (MUTANT(SKEEN)) {
        enum quorum_heard what = quorum_elector_tick(&self->elector, &self->config);
        if (what == QUORUM_HEARD_COMMIT || what == QUORUM_HEARD_ABORT) {
            decide(self, quorum_outcome(what == QUORUM_HEARD_COMMIT), fx);
            return;
        }
    } else
        quorum_elector_tick(&self->elector, &self->config);
    say(self, now_ms, fx);
}

static void cancel(struct quorum_lead *self, struct quorum_effects *fx)
{
    // Nobody has attempted a commit, and nobody will. Once it was attempted it is the members'
    // business: a minority may have joined it, and would be followed.
    if (!self->outcome &&
        (self->elector.phase == QUORUM_GATHERING || MUTANT(COORDINATOR_ABORTS_LATE)))
        decide(self, OUTCOME_ABORTED, fx);
}

void quorum_lead_init(struct quorum_lead *self, const struct quorum_config *config, bool recovered)
{
    *self = (struct quorum_lead){.config = *config, .due_ms = recovered ? 0 : UINT64_MAX};
    rng_seed(&self->rng, config->seed);
    if (!recovered)
        quorum_elector_gather(&self->elector);
}

void quorum_lead_step(struct quorum_lead *self, const struct quorum_event *event,
                      struct quorum_effects *fx)
{
    *fx = (struct quorum_effects){0};
    switch (event->type) {
    case QUORUM_START:
    case QUORUM_TICK: tick(self, event->now_ms, fx); return;
    case QUORUM_RECEIVED: received(self, event, fx); return;
    case QUORUM_CANCEL: cancel(self, fx); return;
    case QUORUM_WRITTEN:
    case QUORUM_VOTED:
    case QUORUM_ALIVE: self->stale++; return;
    }
}
