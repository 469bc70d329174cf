// SPDX-License-Identifier: Apache-2.0
// Collecting states under a number of one's own, and attempting an outcome.
#include "core/quorum_internal.h"

#include "base/check.h"
#include "base/mutant.h"

struct quorum_msg *quorum_send(struct quorum_effects *fx, uint64_t members, bool coordinator,
                               enum quorum_msg_type type)
{
    CHECK(fx->send_count < QUORUM_SENDS_MAX);
    struct quorum_send *send = &fx->sends[fx->send_count++];
    *send = (struct quorum_send){.members = members, .coordinator = coordinator};
    send->msg.type = type;
    return &send->msg;
}

void quorum_decide_to(struct quorum_effects *fx, uint64_t members, bool coordinator,
                      enum outcome outcome)
{
    if (members || coordinator)
        quorum_send(fx, members, coordinator, QUORUM_DECIDE)->outcome = outcome;
}

uint64_t quorum_pause(struct rng *rng, const struct quorum_config *config, uint32_t tries)
{
    uint64_t pause = (uint64_t)config->step_ms << (tries < 16 ? tries : 16);
    if (pause > config->pause_ms_max)
        pause = config->pause_ms_max;
    return pause / 2 + rng_below(rng, pause / 2 + 1) + 1;
}

uint64_t quorum_patience(const struct quorum_config *config, const struct quorum_elector *e)
{
    uint32_t elections =
        e->round_seen > QUORUM_ROUND_FIRST ? e->round_seen - QUORUM_ROUND_FIRST : 1;
    uint64_t patience = (uint64_t)config->suspect_ms << (elections < 16 ? elections - 1 : 15);
    if (patience > config->pause_ms_max)
        patience = config->pause_ms_max;
    return patience > config->suspect_ms ? patience : config->suspect_ms;
}

void quorum_elector_saw(struct quorum_elector *e, quorum_number_t number)
{
    if (quorum_round(number) > e->round_seen)
        e->round_seen = quorum_round(number);
}

static void phase(struct quorum_elector *e, enum quorum_phase to)
{
    e->phase = (enum quorum_phase)sm_move(&quorum_phase_table, e->phase, to);
}

void quorum_elector_begin(struct quorum_elector *e, const struct quorum_config *config)
{
    if (e->round_seen < QUORUM_ROUND_FIRST)
        e->round_seen = QUORUM_ROUND_FIRST; // that one is never elected for
    e->round_seen++;
    e->number = quorum_number(e->round_seen, config->self, config->run);
    e->view = (struct quorum_view){0};
    phase(e, QUORUM_ASKING);
}

void quorum_elector_rest(struct quorum_elector *e)
{
    if (e->phase == QUORUM_ASKING || e->phase == QUORUM_TRYING)
        phase(e, QUORUM_RESTING);
}

void quorum_elector_gather(struct quorum_elector *e)
{
    phase(e, QUORUM_GATHERING);
}

void quorum_elector_first(struct quorum_elector *e, const struct quorum_config *config)
{
    e->number = quorum_number(QUORUM_ROUND_FIRST, config->self, config->run);
    e->commits = true;
    phase(e, QUORUM_TRYING);
}

void quorum_elector_end(struct quorum_elector *e)
{
    phase(e, QUORUM_ENDED);
}

void quorum_elector_say(const struct quorum_elector *e, const struct quorum_config *config,
                        const struct quorum_tally *tally, struct quorum_effects *fx)
{
    bool member = config->self != QUORUM_COORDINATOR;
    uint64_t others = quorum_all(config->members) & ~quorum_bit(config->self);
    if (e->phase == QUORUM_ASKING) {
        others &= ~e->view.heard;
        if (others || member)
            quorum_send(fx, others, member, QUORUM_ASK)->number = e->number;
    } else if (e->phase == QUORUM_TRYING) {
        if (tally->number == e->number)
            others &= ~tally->members;
        if (!others)
            return;
        struct quorum_msg *msg = quorum_send(fx, others, false, QUORUM_TRY);
        msg->number = e->number;
        msg->outcome = quorum_outcome(e->commits);
    }
}

static enum quorum_heard follow_rule(struct quorum_elector *e, const struct quorum_config *config)
{
    // A member's number is its own for ever only once its own journal rules it out for a later run:
    // so it attempts nothing before it has joined itself.
    if (config->self != QUORUM_COORDINATOR && !(e->view.heard & quorum_bit(config->self)) &&
        !e->view.committed && !e->view.aborted)
        return QUORUM_HEARD_NOTHING;
    switch (quorum_rule(&e->view, config->members)) {
    case QUORUM_BLOCK: return QUORUM_HEARD_NOTHING;
    case QUORUM_COMMIT: return QUORUM_HEARD_COMMIT;
    case QUORUM_ABORT: return QUORUM_HEARD_ABORT;
    case QUORUM_TRY_COMMIT:
    case QUORUM_TRY_ABORT: break;
    }
    e->commits = e->view.top && e->view.top_commits;
    phase(e, QUORUM_TRYING);
    return QUORUM_HEARD_TRY;
}

enum quorum_heard quorum_elector_heard(struct quorum_elector *e, const struct quorum_config *config,
                                       unsigned from, const struct quorum_msg *state)
{
    quorum_elector_saw(e, state->number);
    if (e->phase != QUORUM_ASKING && e->phase != QUORUM_TRYING)
        return QUORUM_HEARD_NOTHING;
    if (state->number > e->number)
        return QUORUM_HEARD_LOST;
    if (state->number != e->number || e->phase != QUORUM_ASKING)
        return QUORUM_HEARD_NOTHING; // it has not joined yet
    quorum_view_add(&e->view, from, state->state, state->attempt);
    return MUTANT(SKEEN) ? QUORUM_HEARD_NOTHING : follow_rule(e, config);
}

enum quorum_heard quorum_elector_tick(struct quorum_elector *e, const struct quorum_config *config)
{
    e->tries++;
    if (!MUTANT(SKEEN))
        return QUORUM_HEARD_NOTHING;
    // The textbook: who has not answered by now is down, and nobody else is there.
    if (e->phase == QUORUM_TRYING)
        return e->commits ? QUORUM_HEARD_COMMIT : QUORUM_HEARD_ABORT;
    return e->phase == QUORUM_ASKING ? follow_rule(e, config) : QUORUM_HEARD_NOTHING;
}
