// SPDX-License-Identifier: Apache-2.0
// Every seed has weather of its own: what is rare in one is common in another, and most kinds of
// faults are absent from most runs, so that each is met alone, in company, and in crowds.
#include <string.h>

#include "sim.h"

enum { MILLION = 1000000 };

// Highest rates; a run draws below it, mostly far below.
static const uint32_t rate_max[FAULT_COUNT] = {
    [FAULT_LOSS] = 100000,       [FAULT_TWICE] = 100000,      [FAULT_DISORDER] = 200000,
    [FAULT_DELAY] = 30000,       [FAULT_STRAY] = MILLION,     [FAULT_CUT] = 200000,
    [FAULT_PARTITION] = 100000,  [FAULT_ONE_WAY] = 100000,    [FAULT_CRASH] = 20000,
    [FAULT_CRASH_EFFECT] = 8000, [FAULT_CRASH_IDLE] = 100000, [FAULT_POWER] = MILLION,
    [FAULT_TORN] = MILLION,      [FAULT_SLOW_DISK] = 30000,   [FAULT_FAIL_WRITE] = 10000,
    [FAULT_FAIL_SYNC] = 10000,   [FAULT_SHORTER] = 300000,    [FAULT_FLIPPED] = 300000,
    [FAULT_OLDER] = 300000,      [FAULT_CLOCK_JUMP] = 40000,  [FAULT_CLOCK_DRIFT] = MILLION,
    [FAULT_MOVED] = 300000,      [FAULT_DRAIN] = 60000,       [FAULT_VANISH] = 150000,
    [FAULT_REPEAT] = 300000,     [FAULT_OTHER] = 200000,      [FAULT_CANCEL] = 200000,
    [FAULT_SLOW_RM] = 30000,     [FAULT_RM_RETRY] = 150000,   [FAULT_RM_UNSURE] = 100000,
    [FAULT_RM_TWICE] = 100000,   [FAULT_RM_MIND] = 300000,    [FAULT_RM_LOSES] = 300000,
    [FAULT_OPERATOR] = 300000,   [FAULT_FORGED] = 200000,     [FAULT_RM_HEURISTIC] = 400000,
};

static unsigned percent(struct rng *rng, unsigned chance)
{
    return rng_below(rng, 100) < chance;
}

static uint32_t up_to(struct rng *rng, uint32_t bound)
{
    uint64_t part = rng_below(rng, bound + UINT64_C(1));
    return (uint32_t)(percent(rng, 60) ? part / 8 : part);
}

static void draw_rates(struct sim_setup *setup, struct rng *rng)
{
    bool calm = percent(rng, 5);
    unsigned crowd = 10 + 20 * (unsigned)rng_below(rng, 4); // percent of kinds that are there
    for (unsigned i = 0; i < FAULT_RM_HEURISTIC; i++) {
        uint32_t rate = up_to(rng, rate_max[i]);
        bool there = percent(rng, i == FAULT_OPERATOR ? crowd / 3 : crowd);
        setup->rate[i] = there && !calm ? rate : 0;
    }
}

// Nothing but many applications that ask the same, and want to know soon.
static void draw_quiet(struct sim_setup *setup)
{
    memset(setup->rate, 0, sizeof setup->rate);
    setup->clients = 2;
    setup->transactions = 120;
    setup->lease_gtids = 100;
    setup->hot_rate = 0;
    setup->retention_ms = SIM_LONG_MS;
    setup->patience_ms = 60000;
    setup->tight = false;
    setup->rate[FAULT_REPEAT] = 600000;
    setup->rate[FAULT_CANCEL] = 300000;
}

// Some bugs need several rare things at once. Each theme makes one such meeting common.
static void draw_theme(struct sim_setup *setup, struct rng *rng)
{
    switch (rng_below(rng, 20)) {
    case 0: // one gtid, several runs, and what an earlier run left behind
    case 1:
        setup->coordinators = 1;
        setup->participants = 3;
        setup->branches_max = 3;
        setup->own_rate = MILLION;
        setup->retention_ms = SIM_LONG_MS;
        setup->span_ms = 20000;
        setup->tight = false;
        setup->rate[FAULT_OTHER] = 400000;
        setup->rate[FAULT_REPEAT] = 400000;
        setup->rate[FAULT_CANCEL] = setup->rate[FAULT_OPERATOR] = 0;
        setup->rate[FAULT_SLOW_RM] = 200000;
        setup->rate[FAULT_LOSS] = 50000;
        setup->rate[FAULT_TWICE] = 300000;
        setup->rate[FAULT_DELAY] = 200000;
        setup->rate[FAULT_DISORDER] = 300000;
        setup->rate[FAULT_CRASH] = 8000;
        setup->rate[FAULT_CRASH_IDLE] = 100000;
        break;
    case 2: // operators, and processes that die while what they said is being carried out
        setup->rate[FAULT_OPERATOR] = 600000;
        setup->rate[FAULT_PARTITION] = 200000;
        setup->rate[FAULT_CRASH_IDLE] = 300000;
        setup->rate[FAULT_SLOW_RM] = 100000;
        break;
    case 3: // answers that are lost, and a coordinator that is told to stop
        setup->rate[FAULT_DRAIN] = 200000;
        setup->rate[FAULT_LOSS] = 250000;
        setup->rate[FAULT_REPEAT] = 400000;
        break;
    case 4: // one branch alone, and messages that come far too late
        setup->branches_max = 1;
        setup->rate[FAULT_DELAY] = 150000;
        setup->rate[FAULT_TWICE] = 300000;
        setup->rate[FAULT_DISORDER] = 500000;
        break;
    case 5: // clocks that are set, and records that are not kept for long
        setup->retention_ms = 5000;
        setup->span_ms = 20000;
        setup->rate[FAULT_CLOCK_JUMP] = 300000;
        setup->rate[FAULT_CRASH_IDLE] = 200000;
        setup->rate[FAULT_REPEAT] = 400000;
        setup->rate[FAULT_SLOW_RM] = 100000;
        break;
    case 6: // participants that are started under the wrong coordinator
        setup->coordinators = 2;
        setup->participants = 2;
        setup->rate[FAULT_MOVED] = 400000;
        setup->rate[FAULT_CRASH_IDLE] = 300000;
        setup->rate[FAULT_SLOW_RM] = 100000;
        break;
    case 7: // operators who forget, and branches that are heard of when the record has gone
        setup->tight = false;
        setup->retention_ms = 1000;
        setup->span_ms = 20000;
        setup->branches_max = 3;
        setup->rate[FAULT_OPERATOR] = 900000;
        setup->rate[FAULT_PARTITION] = 150000;
        setup->rate[FAULT_CRASH_IDLE] = 150000;
        setup->rate[FAULT_VANISH] = setup->rate[FAULT_CANCEL] = 0;
        break;
    case 8: draw_quiet(setup); break;
    default: break;
    }
}

// Seeds stay what they were before there was this.
void setup_later(struct sim_setup *setup)
{
    struct rng rng;
    rng_seed(&rng, setup->seed ^ 0x1a7e);
    setup->say_rate = percent(&rng, 40) ? up_to(&rng, MILLION) : 0;
    if (percent(&rng, 15) && !setup_is_calm(setup) && !setup_is_quiet(setup))
        setup->rate[FAULT_RM_HEURISTIC] = up_to(&rng, rate_max[FAULT_RM_HEURISTIC]);
}

void setup_draw(struct sim_setup *ret, uint64_t seed)
{
    struct rng rng;
    rng_seed(&rng, seed);
    *ret = (struct sim_setup){
        .seed = seed,
        .coordinators = percent(&rng, 12) ? 2 : 1,
        .participants = 1 + (unsigned)rng_below(&rng, 3),
        .clients = 1 + (unsigned)rng_below(&rng, 2),
        .transactions = 30 + (unsigned)rng_below(&rng, 8),
        .branches_max = 1 + (unsigned)rng_below(&rng, SIM_BRANCHES_MAX),
        .no_rate = up_to(&rng, 200000),
        .read_only_rate = up_to(&rng, 400000),
        .enlist_rate = percent(&rng, 60) ? up_to(&rng, MILLION) : 0,
        .own_rate = percent(&rng, 60) ? up_to(&rng, MILLION) : 0,
        .hot_rate = up_to(&rng, MILLION),
        .span_ms = percent(&rng, 50)   ? 2000
                   : percent(&rng, 50) ? 20000
                                       : 90000,
        .retention_ms = percent(&rng, 25) ? (uint32_t)rng_below(&rng, 20000) : SIM_LONG_MS,
        .patience_ms = percent(&rng, 30) ? 500 + (uint32_t)rng_below(&rng, 10000) : 60000,
        .rm_durable = percent(&rng, 40),
        .tight = percent(&rng, 15),
        .protocols = 1u << PROTOCOL_2PC,
        .lease_gtids = 8,
    };
    draw_rates(ret, &rng);
    draw_theme(ret, &rng);
    ret->strangers = ret->clients > 1 && percent(&rng, 30);
    if (ret->tight)
        ret->lease_gtids = 3;
    if (ret->tight) // what an operator did is remembered for ever, and would fill the little room
        ret->rate[FAULT_OPERATOR] = 0;
    // A record that is gone answers no more: whoever brings a gtid of his own again after that
    // begins another transaction.
    if (ret->retention_ms < SIM_LONG_MS)
        ret->own_rate = 0;
    setup_later(ret);
}

// The same for what is not drawn where only two-phase commit is played: seeds of that stay what
// they were.
void setup_business(struct sim_setup *setup)
{
    struct rng rng;
    rng_seed(&rng, setup->seed ^ 0xb0);
    setup->hurry_rate = percent(&rng, 50) ? up_to(&rng, MILLION) : 0;
    setup->plan_rate = MILLION / 2;
    setup->nested_rate = percent(&rng, 50) ? up_to(&rng, MILLION) : 0;
    setup->kept_rate = MILLION / 4;
    if (setup_is_calm(setup)) // who is late is too late
        return;
    setup->late_rate = percent(&rng, 30) ? up_to(&rng, 400000) : 0;
    switch (rng_below(&rng, 20)) {
    case 0: // steps and deliveries that fail for now, again and again, and processes that die
        setup->span_ms = 20000;
        setup->rate[FAULT_RM_RETRY] = 500000;
        setup->rate[FAULT_RM_UNSURE] = 200000;
        setup->rate[FAULT_SLOW_RM] = 100000;
        setup->rate[FAULT_CRASH_IDLE] = 150000;
        break;
    case 1: // applications that go on long after their time is up, and messages asked back
    case 2:
        setup->span_ms = 20000;
        setup->enlist_rate = 700000;
        setup->late_rate = 600000;
        setup->rate[FAULT_LOSS] = 50000;
        setup->rate[FAULT_REPEAT] = 400000;
        break;
    case 3: // what comes far too late, when all has ended
    case 4:
        setup->participants = 1 + (unsigned)rng_below(&rng, 2);
        setup->tight = false;
        setup->span_ms = 20000;
        setup->no_rate = 150000;
        setup->kept_rate = MILLION * 3 / 4;
        setup->rate[FAULT_CANCEL] = 200000;
        setup->rate[FAULT_SLOW_RM] = 100000;
        setup->rate[FAULT_TWICE] = 300000;
        setup->rate[FAULT_DELAY] = 100000;
        setup->rate[FAULT_DISORDER] = 300000;
        break;
    case 5: // several who ask for the same, or not quite
        setup->rate[FAULT_OTHER] = 500000;
        setup->rate[FAULT_REPEAT] = 500000;
        setup->rate[FAULT_CANCEL] = 100000;
        setup->rate[FAULT_DELAY] = 100000;
        setup->rate[FAULT_SLOW_DISK] = 100000;
        break;
    default: break;
    }
}

bool setup_is_quiet(const struct sim_setup *setup)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (setup->rate[i] && i != FAULT_REPEAT && i != FAULT_CANCEL)
            return false;
    }
    return !setup->tight && setup->protocols == 1u << PROTOCOL_2PC;
}

bool setup_is_calm(const struct sim_setup *setup)
{
    for (unsigned i = 0; i < FAULT_COUNT; i++) {
        if (setup->rate[i])
            return false;
    }
    return !setup->tight;
}
