// SPDX-License-Identifier: Apache-2.0
// What really happened to each transaction: kept apart from what any process believes.
#include <stdlib.h>

#include "base/check.h"
#include "core/quorum.h"
#include "sim.h"

struct sim_tx *truth_find(struct world *w, const struct gtid *gtid)
{
    if (w->found && gtid_equal(&w->found->gtid, gtid)) // it is often asked for the same one again
        return w->found;
    struct sim_tx *tx = map_get(&w->by_gtid, gtid_slice(gtid));
    if (tx)
        w->found = tx;
    return tx;
}

struct attempt *truth_peek(struct sim_tx *tx, uint64_t number)
{
    for (unsigned i = tx->attempt_count; i-- > 0;) {
        if (tx->attempts[i].number == number)
            return &tx->attempts[i];
    }
    return NULL;
}

struct attempt *truth_attempt(struct world *w, struct sim_tx *tx, uint64_t number)
{
    struct attempt *attempt = truth_peek(tx, number);
    if (attempt)
        return attempt;
    REQUIRE(w, tx->attempt_count < SIM_ATTEMPTS_MAX, "bounded", "%.*s: more than %d runs",
            tx->gtid.size, tx->gtid.text, SIM_ATTEMPTS_MAX);
    if (!tx->attempts)
        tx->attempts = malloc(SIM_ATTEMPTS_MAX * sizeof *tx->attempts);
    CHECK(tx->attempts);
    attempt = &tx->attempts[tx->attempt_count++];
    *attempt = (struct attempt){.number = number};
    return attempt;
}

struct held *truth_held(struct world *w, const struct gtid *gtid, uint64_t attempt, unsigned branch)
{
    struct sim_tx *tx = truth_find(w, gtid);
    if (!tx || branch >= SIM_BRANCHES_MAX)
        return NULL;
    return &truth_attempt(w, tx, attempt)->branches[branch];
}

void truth_begin(struct world *w, struct sim_tx *tx, const struct gtid *gtid)
{
    tx->gtid = *gtid;
    REQUIRE(w, !truth_find(w, gtid), "unique gtids", "%.*s was given out twice", gtid->size,
            gtid->text);
    bool added = map_insert(&w->by_gtid, gtid_slice(&tx->gtid), tx);
    CHECK(added);
    w->tx_begun++;
}

// ---- three-phase commit ----

// One branch alone runs as in two-phase commit.
bool truth_three(const struct sim_tx *tx)
{
    unsigned count = 0;
    for (unsigned i = 0; tx && i < tx->branch_count; i++)
        count += !(tx->said >> i & 1);
    return tx && tx->protocol == PROTOCOL_3PC && count > 1;
}

unsigned truth_first(const struct sim_tx *tx)
{
    unsigned first = 0;
    while (first + 1 < tx->branch_count && tx->said >> first & 1)
        first++;
    return first;
}

static void elected(struct world *w, struct sim_tx *tx, uint8_t outcome)
{
    REQUIRE(w, tx->elected == OUTCOME_NONE || tx->elected == outcome, "one decision",
            "a majority of the journals has %.*s %s, and another one %s", tx->gtid.size,
            tx->gtid.text, outcome_name(tx->elected), outcome_name(outcome));
    tx->elected = outcome;
}

static void attempted(struct world *w, struct sim_tx *tx, unsigned branch, uint64_t number,
                      bool commits)
{
    unsigned i = 0;
    while (i < SIM_VOTES && tx->votes[i].number && tx->votes[i].number != number)
        i++;
    REQUIRE(w, i < SIM_VOTES, "bounded", "%.*s: more than %d attempts", tx->gtid.size,
            tx->gtid.text, SIM_VOTES);
    tx->votes[i].number = number;
    tx->votes[i].members |= (uint8_t)(1u << branch);
    unsigned count = 0;
    for (unsigned bits = tx->votes[i].members; bits; bits &= bits - 1)
        count++;
    if (count > tx->branch_count / 2)
        elected(w, tx, commits ? OUTCOME_COMMITTED : OUTCOME_ABORTED);
}

void truth_recorded(struct world *w, struct sim_tx *tx, const struct branch_record *record)
{
    struct held *held = truth_held(w, &record->gtid, record->attempt, record->branch);
    uint8_t state = record->quorum_state;
    held->quorum_state = state;
    held->quorum_attempt = record->quorum_attempt;
    if (state == QUORUM_PRE_COMMITTED || state == QUORUM_PRE_ABORTED)
        attempted(w, tx, record->branch, record->quorum_attempt, state == QUORUM_PRE_COMMITTED);
    held->refused |= state == QUORUM_ABORTED && record->quorum_attempt == 0 && !held->voted_yes;
    if (record->heuristic || tx->heuristic || tx->lost)
        return;
    if (state == QUORUM_COMMITTED)
        REQUIRE(w, tx->elected == OUTCOME_COMMITTED, "durable before visible",
                "%.*s/%u is committed, and no majority has made that durable", tx->gtid.size,
                tx->gtid.text, record->branch);
    if (state == QUORUM_ABORTED)
        REQUIRE(w, tx->elected != OUTCOME_COMMITTED, "AC2, irrevocable",
                "%.*s/%u is aborted, and a majority has made the commit durable", tx->gtid.size,
                tx->gtid.text, record->branch);
}

// By a majority, by one that never votes yes, or by the coordinator before it attempted anything.
bool truth_aborted(const struct sim_tx *tx)
{
    bool aborted = tx->elected == OUTCOME_ABORTED;
    const struct register_view *r = tx->reg.stands ? &tx->reg : &tx->gone;
    for (unsigned i = 0; i < tx->attempt_count * SIM_BRANCHES_MAX; i++)
        aborted |= tx->attempts[i / SIM_BRANCHES_MAX].branches[i % SIM_BRANCHES_MAX].refused;
    return aborted || (r->stands && r->outcome == OUTCOME_ABORTED);
}
