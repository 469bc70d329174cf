// SPDX-License-Identifier: Apache-2.0
// What a bank tells its participant at start.
#include "sim.h"

// A bank names to its participant what is prepared, and what it ended by itself and has not
// forgotten.
static bool is_listed(const struct actor *a, const struct held *held)
{
    return held->bank == a->index &&
           (held->state == HELD_PREPARED || (held->own && !held->own_forgotten));
}

static struct branch_record record_of(const struct world *w, const struct sim_tx *tx,
                                      uint64_t attempt, unsigned branch)
{
    return (struct branch_record){
        .gtid = tx->gtid,
        .attempt = attempt,
        .coordinator = w->actors[tx->coordinator].id,
        .branch = (uint16_t)branch,
        .protocol = PROTOCOL_2PC,
    };
}

void bank_found(struct actor *a)
{
    struct world *w = a->world;
    for (unsigned i = 0; i < w->tx_count && a->alive; i++) {
        const struct sim_tx *tx = &w->txs[i];
        for (unsigned n = 0; n < tx->attempt_count * SIM_BRANCHES_MAX && a->alive; n++) {
            const struct attempt *attempt = &tx->attempts[n / SIM_BRANCHES_MAX];
            const struct held *held = &attempt->branches[n % SIM_BRANCHES_MAX];
            if (!is_listed(a, held) || bank_nameless(a, held))
                continue;
            struct branch_record record = record_of(w, tx, attempt->number, n % SIM_BRANCHES_MAX);
            shell_step(a, &(struct event){.type = EVENT_FOUND, .u.branch = &record});
        }
    }
}

void bank_working(struct actor *a)
{
    struct world *w = a->world;
    for (unsigned i = 0; i < w->tx_count && a->alive; i++) {
        const struct sim_tx *tx = &w->txs[i];
        for (unsigned n = 0; n < tx->attempt_count * SIM_BRANCHES_MAX && a->alive; n++) {
            const struct attempt *attempt = &tx->attempts[n / SIM_BRANCHES_MAX];
            const struct held *held = &attempt->branches[n % SIM_BRANCHES_MAX];
            struct branch_record record = record_of(w, tx, 0, n % SIM_BRANCHES_MAX);
            if (is_listed(a, held) && bank_nameless(a, held))
                shell_step(a, &(struct event){.type = EVENT_WORKING, .u.branch = &record});
        }
    }
}
