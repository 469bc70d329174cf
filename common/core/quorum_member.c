// SPDX-License-Identifier: Apache-2.0
// A branch of a three-phase transaction, at its participant.
//
// What it wants to be runs ahead in memory (`elected`, `attempt`, `state`); what it says waits
// until the journal has caught up. A promise to join nothing below a number is needed by whoever
// counts on it even after this process died. It costs a record only where its round is not below
// the horizon that is kept: a member that was restarted joins nothing below its horizon, so it
// keeps what it promised there, though it has forgotten what that was.
#include "core/quorum_internal.h"

#include "base/mutant.h"

static void heard(struct quorum_member *self, enum quorum_heard what, struct quorum_effects *fx);

static void move(struct quorum_member *self, enum quorum_state to)
{
    self->state = (enum quorum_state)sm_move(&quorum_table, self->state, to);
}

static bool decided(const struct quorum_member *self)
{
    return self->state == QUORUM_COMMITTED || self->state == QUORUM_ABORTED;
}

static bool in_doubt(const struct quorum_member *self)
{
    return self->state == QUORUM_WAITING || self->state == QUORUM_PRE_COMMITTED ||
           self->state == QUORUM_PRE_ABORTED;
}

static void owe(struct quorum_member *self, unsigned to)
{
    if (to == QUORUM_COORDINATOR)
        self->owed_coordinator = true;
    else
        self->owed |= quorum_bit(to);
}

// Silence counts from now. Branches are staggered, so that mostly one elects. How many rounds there
// were tells all alike how much they collide: patience doubles with each, so that one gets through.
static void wait_for_others(struct quorum_member *self, uint64_t now_ms)
{
    uint64_t stagger = self->config.stagger_ms;
    self->due_ms = now_ms + quorum_patience(&self->config, &self->elector) +
                   stagger * self->config.self + rng_below(&self->rng, stagger / 2 + 1);
    if (self->elector.round_seen > QUORUM_ROUND_FIRST)
        self->due_ms += rng_below(&self->rng, quorum_patience(&self->config, &self->elector));
}

static void decide(struct quorum_member *self, enum outcome outcome, struct quorum_effects *fx)
{
    bool elector = self->elector.phase == QUORUM_ASKING || self->elector.phase == QUORUM_TRYING;
    move(self, outcome == OUTCOME_COMMITTED ? QUORUM_COMMITTED : QUORUM_ABORTED);
    fx->decided = outcome;
    self->due_ms = UINT64_MAX;
    quorum_elector_end(&self->elector);
    uint64_t others = quorum_all(self->config.members) & ~quorum_bit(self->config.self);
    quorum_decide_to(fx, elector ? others : self->owed & others, elector || self->owed_coordinator,
                     outcome);
    self->owed = 0;
    self->owed_coordinator = false;
}

// What stands in the journal when it has caught up; state IDLE: nothing.
static struct quorum_record wanted(const struct quorum_member *self)
{
    struct quorum_record record = {
        .state = self->state,
        .horizon = self->horizon,
        .attempt = self->attempt,
    };
    if (self->state == QUORUM_VOTING)
        record.state = QUORUM_WAITING;
    if (self->state == QUORUM_REFUSING)
        record.state = QUORUM_ABORTED;
    return record;
}

static bool kept(const struct quorum_member *self)
{
    struct quorum_record want = wanted(self);
    return self->kept.state == want.state && self->kept.horizon == want.horizon &&
           self->kept.attempt == want.attempt;
}

// Tells who waits for it what is durable here. This member may be one of those.
static void tell(struct quorum_member *self, struct quorum_effects *fx)
{
    bool self_too = self->owed & quorum_bit(self->config.self);
    uint64_t others = self->owed & ~quorum_bit(self->config.self);
    struct quorum_msg state = {
        .type = QUORUM_STATE,
        .number = self->elected,
        .attempt = self->attempt,
        .state = self->state,
    };
    if (others || self->owed_coordinator)
        *quorum_send(fx, others, self->owed_coordinator, QUORUM_STATE) = state;
    self->owed = 0;
    self->owed_coordinator = false;
    enum outcome outcome = quorum_tally_add(&self->tally, self->config.members, self->config.self,
                                            self->state, self->attempt);
    if (outcome)
        decide(self, outcome, fx);
    else if (self_too)
        heard(self, quorum_elector_heard(&self->elector, &self->config, self->config.self, &state),
              fx);
}

static void catch_up(struct quorum_member *self, struct quorum_effects *fx)
{
    if (decided(self) || self->state == QUORUM_IDLE)
        return;
    if (!self->writing && !kept(self)) {
        // If we crash here, the journal has the old record or the new one, and nobody was told of
        // either since.
        self->writing = true;
        self->put = wanted(self);
        fx->write = true;
        fx->record = self->put;
        if (!MUTANT(TRY_EARLY))
            return;
    }
    bool owes = self->owed || self->owed_coordinator;
    if (owes && (!self->writing || MUTANT(TRY_EARLY)) && in_doubt(self))
        tell(self, fx);
}

static void join(struct quorum_member *self, quorum_number_t number)
{
    self->elected = number;
    if (quorum_round(number) >= self->horizon)
        self->horizon = quorum_round(number) + 1;
}

static void refuse(struct quorum_member *self, unsigned from, struct quorum_effects *fx)
{
    // "We have not voted, and never will": as good as a no, once a late can-commit would find it.
    owe(self, from);
    if (self->state == QUORUM_IDLE) {
        move(self, QUORUM_REFUSING);
        if (MUTANT(REFUSAL_UNRECORDED))
            decide(self, OUTCOME_ABORTED, fx);
        else
            catch_up(self, fx);
    }
}

static void asked(struct quorum_member *self, unsigned from, quorum_number_t number,
                  uint64_t now_ms, struct quorum_effects *fx)
{
    if (number == 0 && self->state == QUORUM_IDLE) {
        quorum_send(fx, quorum_bit(from), from == QUORUM_COORDINATOR, QUORUM_STATE);
        return;
    }
    if (number == 0) {
        owe(self, from);
        catch_up(self, fx);
        return;
    }
    if (self->state == QUORUM_IDLE || self->state == QUORUM_REFUSING) {
        refuse(self, from, fx);
        return;
    }
    owe(self, from);
    quorum_elector_saw(&self->elector, number);
    if (number > self->elected) {
        join(self, number);
        if (from != self->config.self) {
            quorum_elector_rest(&self->elector);
            if (in_doubt(self))
                wait_for_others(self, now_ms);
        }
    }
    catch_up(self, fx);
}

static void tried(struct quorum_member *self, unsigned from, const struct quorum_msg *msg,
                  uint64_t now_ms, struct quorum_effects *fx)
{
    bool commits = msg->outcome == OUTCOME_COMMITTED;
    if (self->state == QUORUM_IDLE && !commits) {
        refuse(self, from, fx);
        return;
    }
    if (!in_doubt(self) || msg->number == 0) {
        self->stale++; // a vote that is not durable yet: it will be said again
        return;
    }
    quorum_elector_saw(&self->elector, msg->number);
    owe(self, from); // an elector that was overtaken hears of it, too
    if (msg->number >= self->elected && msg->number > self->attempt) {
        if (msg->number > self->elected)
            join(self, msg->number);
        self->attempt = msg->number;
        move(self, commits ? QUORUM_PRE_COMMITTED : QUORUM_PRE_ABORTED);
        if (from != self->config.self) {
            quorum_elector_rest(&self->elector);
            wait_for_others(self, now_ms);
        }
    }
    // The answer to a member's attempt goes to all: so all know as soon as the elector does.
    if (from != QUORUM_COORDINATOR && msg->number == self->attempt) {
        self->owed = quorum_all(self->config.members);
        self->owed_coordinator = true;
    }
    catch_up(self, fx);
}

static void say(struct quorum_member *self, uint64_t now_ms, struct quorum_effects *fx)
{
    self->due_ms = now_ms + quorum_pause(&self->rng, &self->config, self->elector.tries);
    quorum_elector_say(&self->elector, &self->config, &self->tally, fx);
}

static void heard(struct quorum_member *self, enum quorum_heard what, struct quorum_effects *fx)
{
    switch (what) {
    case QUORUM_HEARD_NOTHING: return;
    case QUORUM_HEARD_LOST: quorum_elector_rest(&self->elector); return;
    case QUORUM_HEARD_COMMIT: decide(self, OUTCOME_COMMITTED, fx); return;
    case QUORUM_HEARD_ABORT: decide(self, OUTCOME_ABORTED, fx); return;
    case QUORUM_HEARD_TRY: break;
    }
    struct quorum_msg try = {
        .type = QUORUM_TRY,
        .number = self->elector.number,
        .outcome = quorum_outcome(self->elector.commits),
    };
    quorum_elector_say(&self->elector, &self->config, &self->tally, fx);
    tried(self, self->config.self, &try, 0, fx);
}

static void told_state(struct quorum_member *self, unsigned from, const struct quorum_msg *msg,
                       uint64_t now_ms, struct quorum_effects *fx)
{
    if (!in_doubt(self) || from == QUORUM_COORDINATOR) {
        self->stale++;
        return;
    }
    enum outcome outcome =
        quorum_tally_add(&self->tally, self->config.members, from, msg->state, msg->attempt);
    if (outcome) {
        decide(self, outcome, fx);
        return;
    }
    enum quorum_heard what = quorum_elector_heard(&self->elector, &self->config, from, msg);
    heard(self, what, fx);
    if (what == QUORUM_HEARD_LOST)
        wait_for_others(self, now_ms);
    else if (what == QUORUM_HEARD_TRY && !decided(self))
        self->due_ms = now_ms + quorum_pause(&self->rng, &self->config, self->elector.tries);
}

static void told_outcome(struct quorum_member *self, enum outcome outcome,
                         struct quorum_effects *fx)
{
    // A commit without our durable yes cannot be. A refusal that is on its way is an abort anyway.
    bool ready = in_doubt(self) || (outcome == OUTCOME_ABORTED && self->state != QUORUM_REFUSING);
    if (outcome != OUTCOME_COMMITTED && outcome != OUTCOME_ABORTED)
        ready = false;
    if (ready)
        decide(self, outcome, fx);
    else
        self->stale++;
}

static void received(struct quorum_member *self, const struct quorum_event *event,
                     struct quorum_effects *fx)
{
    const struct quorum_msg *msg = &event->msg;
    unsigned from = event->from;
    if ((from >= self->config.members && from != QUORUM_COORDINATOR) || from == self->config.self ||
        !quorum_makes_sense(from, msg)) {
        self->stale++;
        return;
    }
    if (decided(self)) {
        if (msg->type == QUORUM_ASK || msg->type == QUORUM_TRY)
            quorum_decide_to(fx, quorum_bit(from), from == QUORUM_COORDINATOR,
                             quorum_outcome(self->state == QUORUM_COMMITTED));
        return;
    }
    switch (msg->type) {
    case QUORUM_ASK: asked(self, from, msg->number, event->now_ms, fx); return;
    case QUORUM_TRY: tried(self, from, msg, event->now_ms, fx); return;
    case QUORUM_STATE: told_state(self, from, msg, event->now_ms, fx); return;
    case QUORUM_DECIDE: told_outcome(self, msg->outcome, fx); return;
    case QUORUM_VOTE: self->stale++; return;
    }
}

static void written(struct quorum_member *self, uint64_t now_ms, struct quorum_effects *fx)
{
    self->writing = false;
    self->kept = self->put;
    if (self->state == QUORUM_REFUSING) {
        owe(self, QUORUM_COORDINATOR); // as a no
        decide(self, OUTCOME_ABORTED, fx);
        return;
    }
    if (self->state == QUORUM_VOTING) {
        move(self, QUORUM_WAITING);
        quorum_send(fx, 0, true, QUORUM_VOTE)->outcome = OUTCOME_COMMITTED;
        wait_for_others(self, now_ms);
    }
    catch_up(self, fx);
}

static void voted(struct quorum_member *self, bool yes, struct quorum_effects *fx)
{
    if (self->state != QUORUM_IDLE) {
        // Asked again: said again. What was refused stays refused.
        if (in_doubt(self))
            quorum_send(fx, 0, true, QUORUM_VOTE)->outcome = OUTCOME_COMMITTED;
        else if (self->state == QUORUM_ABORTED)
            quorum_decide_to(fx, 0, true, OUTCOME_ABORTED);
        return;
    }
    move(self, yes ? QUORUM_VOTING : QUORUM_REFUSING);
    catch_up(self, fx);
}

static void tick(struct quorum_member *self, uint64_t now_ms, struct quorum_effects *fx)
{
    if (now_ms < self->due_ms || !in_doubt(self))
        return;
    if (self->elector.phase == QUORUM_RESTING) {
        if (quorum_round(self->elected) > self->elector.round_seen)
            self->elector.round_seen = quorum_round(self->elected);
        quorum_elector_begin(&self->elector, &self->config);
        say(self, now_ms, fx);
        asked(self, self->config.self, self->elector.number, now_ms, fx);
        return;
    }
    heard(self, quorum_elector_tick(&self->elector, &self->config), fx);
    if (!decided(self))
        say(self, now_ms, fx);
}

void quorum_member_init(struct quorum_member *self, const struct quorum_config *config,
                        const struct quorum_record *found)
{
    *self = (struct quorum_member){
        .config = *config,
        .state = QUORUM_IDLE,
        .horizon = QUORUM_HORIZON_FRESH,
        .due_ms = UINT64_MAX,
    };
    rng_seed(&self->rng, config->seed);
    if (!found || found->state == QUORUM_IDLE)
        return;
    self->kept = *found;
    self->state = found->state;
    self->horizon = found->horizon;
    self->attempt = found->attempt;
    // What was promised below the horizon is forgotten, so nothing below it is joined any more.
    self->elected = MUTANT(PROMISE_FORGOTTEN) ? found->attempt : (uint64_t)found->horizon << 32;
    if (decided(self))
        self->elector.phase = QUORUM_ENDED;
}

void quorum_member_step(struct quorum_member *self, const struct quorum_event *event,
                        struct quorum_effects *fx)
{
    *fx = (struct quorum_effects){0};
    switch (event->type) {
    case QUORUM_START:
        if (in_doubt(self)) // it may have been long: ask at once, but not all of them together
            self->due_ms = event->now_ms + quorum_pause(&self->rng, &self->config, 0);
        if (decided(self))
            fx->decided = quorum_outcome(self->state == QUORUM_COMMITTED);
        return;
    case QUORUM_TICK: tick(self, event->now_ms, fx); return;
    case QUORUM_RECEIVED: received(self, event, fx); return;
    case QUORUM_WRITTEN: written(self, event->now_ms, fx); return;
    case QUORUM_VOTED: voted(self, event->yes, fx); return;
    case QUORUM_ALIVE:
        if (in_doubt(self) && self->elector.phase == QUORUM_RESTING)
            wait_for_others(self, event->now_ms);
        return;
    case QUORUM_CANCEL: self->stale++; return;
    }
}
