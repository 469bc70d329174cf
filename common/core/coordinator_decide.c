// SPDX-License-Identifier: Apache-2.0
// The decision and its records.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

struct record_branch record_branch_of(const struct branch *b)
{
    struct record_branch record = {
        .branch = b->number,
        .kind = b->kind,
        .vote = b->vote,
        .outcome = b->outcome,
        .heuristic = b->heuristic,
        .journal = b->journal,
        .resource = slice_text(b->resource->name),
    };
    if (protocol_business(b->tx->protocol)) {
        bool dropped = b->tx->ended_ms || (MUTANT(CONTENT_UNRECORDED) && b->tx->decided_ms);
        bool asked = (b->prepare_sent && !MUTANT(ASKED_UNRECORDED)) || b->kind == BRANCH_ENLISTED;
        record.asked =
            (uint8_t)((asked ? ASKED : 0) | (b->parent == BRANCH_NONE ? 0 : ASKED_NESTED));
        record.parent = b->parent == BRANCH_NONE ? 0 : b->parent;
        record.index = b->index;
        record.payload = dropped ? slice_of(NULL, 0) : b->payload;
    }
    if (b->planned) {
        record.plan = b->planned->plan;
        record.result = b->planned->result;
    }
    return record;
}

static const struct record_branch *record_branches(struct coordinator *c, const struct tx *tx)
{
    struct record_branch *branches = effects_alloc(c->fx, tx->branch_count * sizeof *branches + 1);
    if (!branches)
        return NULL;
    unsigned i = 0;
    for (const struct branch *b = tx->branches; b; b = b->next)
        branches[i++] = record_branch_of(b);
    return branches;
}

void tx_record_of(const struct tx *tx, struct tx_record *ret)
{
    *ret = (struct tx_record){
        .gtid = tx->gtid,
        .attempt = tx->attempt,
        .protocol = tx->protocol,
        .outcome = tx->outcome,
        .reason = tx->reason,
        .mixed = tx->mixed,
        .reason_branch = tx->reason_branch,
        .started_ms = tx->started_ms,
        .decided_ms = tx->decided_ms,
        .ended_ms = tx->ended_ms,
        .owner = tx->owner,
        .reason_text = tx->reason_text,
        .submitted = tx->submitted,
        .timeout_ms = tx->timeout_ms,
        .branch_count = tx->branch_count,
    };
    memcpy(ret->digest, tx->digest, DIGEST_BYTES);
    if (tx->heuristic && !(MUTANT(HEURISTIC_DROPPED) && tx->ended_ms)) {
        ret->heuristic = (struct record_heuristic){
            .forced = tx->heuristic->forced,
            .when_ms = tx->heuristic->when_ms,
            .who = tx->heuristic->who,
            .why = tx->heuristic->why,
        };
    }
}

// Writes the whole state of the transaction; the answer comes back to decide_written.
void tx_write(struct coordinator *c, struct tx *tx, enum tx_writing what, enum tx_stage stage,
              bool lazy)
{
    CHECK(tx->writing == WRITING_NONE);
    tx->writing = what;
    struct tx_record *record = effects_alloc(c->fx, sizeof *record);
    if (!record)
        return;
    tx_record_of(tx, record);
    record->stage = (uint8_t)stage;
    record->branches = record_branches(c, tx);
    struct effect *effect = effects_add(c->fx, EFFECT_WRITE);
    effect->u.write = (struct effect_write){
        .token = tx->pending.token,
        .decide = what == WRITING_DECISION || what == WRITING_DELEGATION,
        .haste =
            lazy || (MUTANT(DECISION_LAZY) && what == WRITING_DECISION) ? HASTE_LAZY : HASTE_NOW,
        .open = MUTANT(DECISION_CLOSED)       ? stage == STAGE_DELEGATED
                : MUTANT(ADMISSION_CLOSED)    ? stage != STAGE_ADMITTED && stage != STAGE_ENDED
                : MUTANT(HEURISTIC_COLLECTED) ? stage != STAGE_ENDED
                                              : stage != STAGE_ENDED || tx->keep,
        .stamp = MUTANT(STAMP_MISSING) ? 0 : c->stamp_ms,
        .tx = record,
    };
}

static void decide_pass_fence(struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next)
        list_remove(&b->fence);
}

static void decide_leave_phase_one(struct coordinator *c, struct tx *tx, enum outcome outcome)
{
    heap_disarm(&c->timers, &tx->deadline.timer);
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (b->planned)
            heap_disarm(&c->timers, &b->planned->timer.timer);
        resend_answered(c, b);
    }
    // Until the outcome of three-phase commit is durable the next run may ask its members under the
    // same attempt, and none of them may have forgotten it.
    if (tx->protocol != PROTOCOL_3PC)
        decide_pass_fence(tx);
    tx->outcome = (uint8_t)outcome;
    tx->decided_ms = c->stamp_ms;
}

static void decide_stands(struct coordinator *c, struct tx *tx, const struct tx_record *stands)
{
    if (stands && !tx_stage_decides(stands->stage)) {
        coord_stop(c, ASSENT_CORRUPT, "the log holds what is no decision for one");
        return;
    }
    if (stands) { // somebody else decided first, and everyone follows that
        tx->outcome = stands->outcome;
        tx->reason = stands->reason;
    }
    tx_move(tx, tx->outcome == OUTCOME_COMMITTED ? TX_COMMITTING : TX_ABORTING);
    drive_begin(c, tx);
}

void decide_commit(struct coordinator *c, struct tx *tx)
{
    decide_leave_phase_one(c, tx, OUTCOME_COMMITTED);
    tx_move(tx, TX_DECIDING);
    bool all_read_only =
        tx->owing == 0 && tx->protocol != PROTOCOL_SAGA && tx->protocol != PROTOCOL_MESSAGE;
    if (all_read_only)
        tx->ended_ms = c->stamp_ms;
    if (MUTANT(READ_ONLY_UNRECORDED) && all_read_only) {
        decide_stands(c, tx, NULL);
        return;
    }
    // A crash before this is durable leaves nothing in the log: presumed abort, and nobody was
    // told. A crash after it leaves the decision, from which recovery drives the branches to
    // commit.
    tx_write(c, tx, WRITING_DECISION, all_read_only ? STAGE_ENDED : STAGE_DECIDED, false);
    if (MUTANT(DECIDE_EARLY) && !all_read_only)
        decide_stands(c, tx, NULL);
}

// A crash before the record is written leaves the admission, and recovery hears the outcome from
// the members. It is only for the next run's convenience, and for the record.
void decide_elected(struct coordinator *c, struct tx *tx, enum outcome outcome)
{
    decide_leave_phase_one(c, tx, outcome);
    tx_move(tx, outcome == OUTCOME_COMMITTED ? TX_COMMITTING : TX_ABORTING);
    tx_write(c, tx, WRITING_DECISION, STAGE_DECIDED, true);
    drive_begin(c, tx);
}

void decide_abort(struct coordinator *c, struct tx *tx, enum abort_reason reason, unsigned branch,
                  struct slice text)
{
    if (tx->writing == WRITING_ADMISSION) { // then as soon as that is written
        if (tx->doomed)
            return;
        tx->doomed = true;
    } else {
        decide_leave_phase_one(c, tx, OUTCOME_ABORTED);
    }
    tx->reason = (uint8_t)reason;
    tx->reason_branch = (uint16_t)branch;
    tx->reason_text = tx_copy(tx, slice_cut(text, LIMIT_REASON_BYTES));
    if (tx->doomed)
        return;
    if ((tx->own_gtid || MUTANT(ABORT_UNRECORDED)) && !tx->heuristic && !tx->admitted) {
        // Presumed abort: a crash from here on leaves no record, and that means the same.
        tx_move(tx, TX_ABORTING);
        drive_begin(c, tx);
        return;
    }
    // A client's own gtid may be brought again after a crash, and what its client was told must
    // still hold then. An operator's word is recorded before it is acted upon.
    tx_move(tx, TX_DECIDING);
    tx_write(c, tx, WRITING_DECISION, STAGE_DECIDED, false);
}

void decide_written(struct coordinator *c, struct tx *tx, const struct tx_record *stands)
{
    enum tx_writing what = tx->writing;
    tx->writing = WRITING_NONE;
    switch (what) {
    case WRITING_NONE: CHECK(!"nothing was being written"); break;
    case WRITING_ADMISSION: admit_written(c, tx); break;
    case WRITING_DELEGATION:
        if (stands)
            decide_stands(c, tx, stands);
        else
            prepare_delegated(c, tx);
        break;
    case WRITING_DECISION:
        decide_pass_fence(tx);
        if (tx->state != TX_DECIDING) // it stood before
            drive_check_end(c, tx);
        else
            decide_stands(c, tx, stands);
        break;
    case WRITING_HEURISTIC: operator_written(c, tx); break;
    case WRITING_END: drive_ended(c, tx); break;
    }
}
