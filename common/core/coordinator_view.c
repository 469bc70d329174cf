// SPDX-License-Identifier: Apache-2.0
// Looking into the coordinator's memory, for operators.
#include "core/coordinator_internal.h"

void coordinator_stats(const struct coordinator *c, struct coordinator_stats *ret)
{
    *ret = c->stats;
    ret->transactions = c->txs.count;
    void *value;
    ret->undecided = ret->in_phase_two = 0;
    for (size_t cursor = 0; map_next(&c->txs, &cursor, &value);) {
        const struct tx *tx = value;
        ret->undecided += tx->state < TX_COMMITTING;
        ret->in_phase_two += tx->state == TX_COMMITTING || tx->state == TX_ABORTING;
    }
}

static void view_branch(const struct coordinator *c, const struct branch *b,
                        struct tx_view_branch *ret)
{
    ret->branch = record_branch_of(b);
    ret->state = b->state;
    ret->since_ms = b->since_wall_ms;
    ret->retry_due_ms = resend_due_ms(c, b);
    ret->tries = b->tries;
    if (b->planned) {
        ret->failures = b->planned->failures;
        ret->trouble = slice_of(b->planned->trouble, b->planned->trouble_size);
        if (timer_armed(&b->planned->timer.timer))
            ret->attempt_due_ms = b->planned->timer.timer.due_ms;
    }
    ret->connected = b->resource->session != NULL;
}

bool coordinator_view(const struct coordinator *c, const struct gtid *gtid, struct tx_view *ret)
{
    const struct tx *tx = tx_find(c, gtid);
    if (!tx)
        return false;
    memset(ret, 0, sizeof *ret);
    tx_record_of(tx, &ret->record);
    ret->record.branches = ret->record_branches;
    // Before it may be told, an outcome is none.
    if (!tx->told)
        ret->record.outcome = OUTCOME_NONE;
    ret->record.stage = tx->told        ? STAGE_DECIDED
                        : tx->one_phase ? STAGE_DELEGATED
                        : tx->admitted  ? STAGE_ADMITTED
                                        : 0;
    ret->state = tx->state;
    if (timer_armed(&tx->deadline.timer))
        ret->deadline_ms = tx->deadline.timer.due_ms;
    unsigned i = 0;
    for (const struct branch *b = tx->branches; b && i < LIMIT_BRANCHES; b = b->next, i++) {
        view_branch(c, b, &ret->branches[i]);
        ret->record_branches[i] = ret->branches[i].branch;
    }
    return true;
}

// By slots, which do not move: the cursor outlives any number of steps.
bool coordinator_next(const struct coordinator *c, size_t *cursor, struct gtid *ret)
{
    while (*cursor < c->slots.count) {
        struct pending *pending = c->slots.items[(*cursor)++].value;
        if (pending && pending->kind == PENDING_TX) {
            *ret = container_of(pending, struct tx, pending)->gtid;
            return true;
        }
    }
    return false;
}

bool coordinator_next_participant(const struct coordinator *c, size_t *cursor,
                                  struct participant_view *ret)
{
    void *value;
    if (!map_next(&c->resources, cursor, &value))
        return false;
    const struct resource *r = value;
    *ret = (struct participant_view){
        .resource = slice_text(r->name),
        .connected = r->session != NULL,
        .last_heard_ms = r->heard_wall_ms,
        .peer_incarnation = r->peer_incarnation,
        .journal = r->journal,
        .outstanding = r->outstanding_count,
        .retries = r->unanswered,
        .retry_due_ms = timer_armed(&r->resend.timer) ? r->resend.timer.due_ms : 0,
    };
    return true;
}

bool coordinator_next_foreign(const struct coordinator *c, size_t *cursor, struct foreign_view *ret)
{
    void *value;
    if (!map_next(&c->foreign, cursor, &value))
        return false;
    *ret = ((const struct foreign *)value)->view;
    return true;
}
