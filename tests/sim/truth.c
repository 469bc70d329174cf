// SPDX-License-Identifier: Apache-2.0
// What really happened to each transaction: kept apart from what any process believes.
#include <stdlib.h>

#include "base/check.h"
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
