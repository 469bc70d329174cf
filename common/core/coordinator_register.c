// SPDX-License-Identifier: Apache-2.0
// Reading the register, and what its silence means. Silence is never an answer by itself: the
// register has been read before anything here is called.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

enum outcome coordinator_silence(const struct coordinator *c, const struct gtid *gtid,
                                 uint64_t horizon_ms)
{
    struct gtid_parts parts;
    if (!tx_made_here(c, gtid, &parts))
        return OUTCOME_UNKNOWN;
    if ((parts.incarnation >= c->config.incarnation && !MUTANT(SILENCE_OF_THIS_RUN)) ||
        (parts.lease_ms < horizon_ms && !MUTANT(HORIZON_IGNORED)))
        return OUTCOME_UNKNOWN;
    // Ours, of a run that crashed, and nothing so young was ever collected: had it committed, its
    // record would be there. Presumed abort.
    return OUTCOME_ABORTED;
}

static void ask_answered(struct coordinator *c, struct ask *ask, const struct tx_record *found,
                         uint64_t horizon_ms)
{
    struct session *s = session_find(c, ask->peer);
    struct tx *tx = tx_find(c, &ask->gtid);
    if (!s)
        return;
    c->request = ask->request;
    if (tx) { // it began meanwhile
        if (ask->about == MSG_CANCEL)
            begin_cancel(c, s, &ask->gtid);
        else
            begin_status(c, s, &ask->gtid);
        return;
    }
    if (found && s->role != ROLE_OPERATOR && !note_only(found) &&
        !slice_equal(found->owner, slice_text(s->principal))) {
        coord_refuse(c, s->id, ask->about, &ask->gtid, ASSENT_DENIED,
                     "another client's transaction");
        return;
    }
    if (found) {
        coord_result_of_record(c, s->id, ask->about, found);
        return;
    }
    enum outcome outcome = coordinator_silence(c, &ask->gtid, horizon_ms);
    struct msg_result *result = coord_result(c, s->id, ask->about, &ask->gtid, outcome);
    if (outcome == OUTCOME_ABORTED)
        result->reason = REASON_PRESUMED;
}

// A transaction was waiting to hear whether its gtid had been used before.
static void tx_answered(struct coordinator *c, struct tx *tx, const struct tx_record *found,
                        uint64_t horizon_ms)
{
    if (tx->state != TX_LOOKING)
        return;
    if (found)
        begin_found(c, tx, found);
    else if (!tx->own_gtid && !begin_foreign_gtid(c, &tx->gtid))
        begin_go(c, tx);
    else
        begin_silent(c, tx, coordinator_silence(c, &tx->gtid, horizon_ms));
}

void register_answered(struct coordinator *c, struct pending *pending,
                       const struct tx_record *found, uint64_t horizon_ms)
{
    switch (pending->kind) {
    case PENDING_TX:
        tx_answered(c, container_of(pending, struct tx, pending), found, horizon_ms);
        return; // the transaction frees itself
    case PENDING_ASK:
        ask_answered(c, container_of(pending, struct ask, pending), found, horizon_ms);
        break;
    case PENDING_INQUIRY:
        inquire_answer(c, container_of(pending, struct inquiry, pending), found);
        break;
    case PENDING_OPERATOR:
        operator_looked_up(c, container_of(pending, struct order, pending), found);
        break;
    case PENDING_NOTE:
        note_looked_up(c, container_of(pending, struct note, pending), found);
        return; // it frees itself
    }
    pending_free(c, pending);
}
