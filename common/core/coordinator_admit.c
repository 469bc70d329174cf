// SPDX-License-Identifier: Apache-2.0
// Admission: of some protocols everything that is to be done is durable before any of it is asked
// for. A crash from then on leaves the transaction to be gone on with; nobody has to bring it
// again.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

bool admit_size(const struct tx *tx, size_t more)
{
    for (const struct branch *b = tx->branches; b; b = b->next)
        more += b->payload.size;
    return more <= LIMIT_ADMITTED_BYTES;
}

void admit_changed(struct coordinator *c, struct tx *tx)
{
    if (tx->writing == WRITING_ADMISSION) {
        tx->changed = !MUTANT(CHANGE_UNWRITTEN);
        return;
    }
    tx->changed = false;
    nested_writing(tx);
    tx_write(c, tx, WRITING_ADMISSION, STAGE_ADMITTED, MUTANT(ADMISSION_LAZY));
}

void admit(struct coordinator *c, struct tx *tx)
{
    tx->admitted = true;
    if (tx->state != TX_ADMITTING)
        tx_move(tx, TX_ADMITTING);
    admit_changed(c, tx);
    if (MUTANT(ACCEPTED_EARLY))
        coord_answer_waiters(c, tx);
    if (MUTANT(ASKED_EARLY) && tx->submitted)
        begin_on(c, tx);
}

void admit_written(struct coordinator *c, struct tx *tx)
{
    if (tx->doomed) {
        tx->doomed = false;
        decide_abort(c, tx, (enum abort_reason)tx->reason, tx->reason_branch, tx->reason_text);
        return;
    }
    nested_written(c, tx);
    if (tx->changed)
        admit_changed(c, tx);
    else if (tx->state == TX_ADMITTING)
        begin_on(c, tx);
}

// It was admitted in an earlier run of this coordinator. What its branches have answered since is
// not on record: they are asked again, in new attempts, and answer the same.
void admit_recovered(struct coordinator *c, struct tx *tx)
{
    if (tx->protocol == PROTOCOL_3PC) {
        elect_recovered(c, tx);
        return;
    }
    uint64_t gone_ms = c->stamp_ms - tx->started_ms;
    tx->admitted = true;
    tx->timeout_due_ms = !tx->timeout_ms            ? UINT64_MAX
                         : gone_ms < tx->timeout_ms ? c->now.mono_ms + tx->timeout_ms - gone_ms
                                                    : c->now.mono_ms;
    begin_on(c, tx);
}
