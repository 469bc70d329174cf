// SPDX-License-Identifier: Apache-2.0
// What the log held at start: transactions that were admitted, decided or delegated, and not ended.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

static bool recover_planned(struct coordinator *c, struct branch *b,
                            const struct record_branch *from)
{
    b->prepare_sent = from->asked & ASKED;
    if (from->asked & ASKED_NESTED) {
        b->parent = from->parent;
        b->index = from->index;
    }
    b->payload = tx_copy(b->tx, from->payload);
    if (b->payload.size != from->payload.size)
        return false;
    if (from->kind == BRANCH_CALL || from->kind == BRANCH_ENLISTED)
        return true;
    if (!plan_branch(c, b, &from->plan))
        return false;
    if (!MUTANT(RESULTS_UNREAD))
        b->planned->result = tx_copy(b->tx, from->result);
    return b->planned->result.size == from->result.size || MUTANT(RESULTS_UNREAD);
}

static bool recover_branches(struct coordinator *c, struct tx *tx, const struct tx_record *record)
{
    for (unsigned i = 0; i < record->branch_count; i++) {
        const struct record_branch *from = &record->branches[i];
        struct branch *b = tx_add_branch(c, tx, from->branch, from->kind, from->resource);
        if (!b || (protocol_business(record->protocol) && !recover_planned(c, b, from)))
            return false;
        if (record->stage == STAGE_ADMITTED) {
            // Whatever was asked will be asked again. Should it come to an abort before that, it
            // has to be undone all the same, whether it was asked or not.
            b->prepare_sent = record->submitted && !MUTANT(ASKED_FORGOTTEN);
            b->journal = from->journal; // 3pc: that it was asked in
            continue;
        }
        b->vote = from->vote;
        b->read_only = record->stage == STAGE_DELEGATED && from->vote == VOTE_READ_ONLY;
        b->outcome = MUTANT(BRANCH_END_FORGOTTEN) ? OUTCOME_NONE : from->outcome;
        b->heuristic = from->heuristic;
        b->journal = from->journal;
        // Where a crash may have left it; recover_start drives it on.
        b->prepare_sent |= record->protocol == PROTOCOL_3PC; // perhaps
        b->state = from->vote == VOTE_YES ? BRANCH_PREPARED : BRANCH_ACTIVE;
        if (from->outcome != OUTCOME_NONE || from->vote == VOTE_READ_ONLY ||
            (from->vote == VOTE_NO && !(from->asked & ASKED)) || from->kind == BRANCH_SENDER)
            b->state = BRANCH_DONE;
    }
    return true;
}

static bool recover_texts(struct tx *tx, const struct tx_record *record)
{
    tx->reason_text = tx_copy(tx, record->reason_text);
    const struct record_heuristic *from = &record->heuristic;
    if (from->when_ms == 0 || MUTANT(HEURISTIC_FORGOTTEN))
        return tx->reason_text.size == record->reason_text.size;
    struct heuristic *h = tx_alloc(tx, sizeof *h);
    if (!h)
        return false;
    h->forced = from->forced;
    h->when_ms = from->when_ms;
    h->who = tx_copy(tx, from->who);
    h->why = tx_copy(tx, from->why);
    tx->heuristic = h;
    return h->who.size == from->who.size && h->why.size == from->why.size;
}

static enum tx_state recover_state(const struct tx_record *record)
{
    if (record->stage == STAGE_ADMITTED)
        return TX_ADMITTING;
    if (record->stage == STAGE_DELEGATED)
        return TX_DELEGATED;
    return record->outcome == OUTCOME_COMMITTED ? TX_COMMITTING : TX_ABORTING;
}

void recover_record(struct coordinator *c, const struct tx_record *record)
{
    uint64_t stamps[] = {record->started_ms, record->decided_ms, record->ended_ms};
    for (unsigned i = 0; i < sizeof stamps / sizeof stamps[0]; i++) {
        if (stamps[i] > c->stamp_ms && !MUTANT(CLOCK_FORGOTTEN))
            c->stamp_ms = stamps[i];
    }
    if (MUTANT(DELEGATION_FORGOTTEN) && record->stage == STAGE_DELEGATED)
        return;
    if (MUTANT(ADMISSION_FORGOTTEN) && record->stage == STAGE_ADMITTED)
        return;
    if (record->stage == STAGE_ENDED)
        return; // kept for the operator's sake; answered from the register
    struct slice owner = MUTANT(OWNER_FORGOTTEN) ? slice_text("?") : record->owner;
    struct tx *tx = tx_new(c, &record->gtid, owner, recover_state(record));
    if (tx)
        tx->protocol = record->protocol;
    if (!tx || !recover_branches(c, tx, record) || !recover_texts(tx, record)) {
        coord_stop(c, ASSENT_NOMEM, "out of memory while reading the log");
        return;
    }
    tx->attempt = record->attempt;
    tx->outcome = record->outcome;
    tx->reason = record->reason;
    tx->reason_branch = MUTANT(REASON_FORGOTTEN) ? BRANCH_NONE : record->reason_branch;
    tx->mixed = record->mixed;
    tx->started_ms = record->started_ms;
    tx->decided_ms = record->decided_ms;
    tx->admitted = protocol_admitted(record->protocol);
    bool business = protocol_business(record->protocol);
    tx->submitted = !business || record->submitted;
    tx->timeout_ms = record->timeout_ms;
    tx->one_phase = tx->resolving = record->stage == STAGE_DELEGATED;
    tx->told = !tx->one_phase && record->stage != STAGE_ADMITTED;
    tx->keep = tx->mixed || (tx->heuristic && tx->heuristic->forced != OUTCOME_NONE);
    for (const struct branch *b = tx->branches; b; b = b->next)
        tx->keep |= (b->heuristic & HEURISTIC_MANAGER) != 0;
    tx->foreign = record->owner.size == 0;
    memcpy(tx->digest, record->digest, DIGEST_BYTES);
    for (struct branch *b = tx->branches; b; b = b->next)
        b->attempt = business ? c->attempt_next++ : tx->attempt;
    if (tx->one_phase && !MUTANT(FENCE_FORGOTTEN))
        fence_insert(tx_alone(tx)); // before any frame leaves: its participant must not forget
    // Nor may a branch be taken for one that was forgotten, as long as its member may be asked.
    bool elects = record->protocol == PROTOCOL_3PC && record->stage == STAGE_ADMITTED;
    for (struct branch *b = tx->branches; b && elects; b = b->next)
        fence_insert(b);
}

static bool recover_owes(const struct branch *b)
{
    if (b->state == BRANCH_DONE)
        return false;
    // A call that never voted: should its participant have prepared, it will ask.
    return b->tx->one_phase || b->vote == VOTE_YES ||
           (b->tx->outcome == OUTCOME_ABORTED && b->kind == BRANCH_ENLISTED);
}

static void recover_drive(struct coordinator *c, struct tx *tx)
{
    tx->owing = 0;
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (recover_owes(b)) {
            tx->owing++;
            b->prepare_sent = true;
            if (tx->one_phase) {
                branch_move(c, b, BRANCH_ABORTING);
                resend_expect(c, b);
            } else {
                drive_branch(c, b);
            }
        } else if (b->state != BRANCH_DONE) {
            branch_move(c, b, BRANCH_DONE);
        }
    }
    if (MUTANT(DECISION_FORGOTTEN))
        tx->owing = 0;
    if (!tx->one_phase)
        drive_check_end(c, tx);
}

static void recover_go_on(struct coordinator *c, struct tx *tx)
{
    if (!tx->admitted) {
        recover_drive(c, tx);
    } else if (tx->told) {
        drive_branches(c, tx);
        drive_check_end(c, tx);
    } else {
        admit_recovered(c, tx);
    }
}

void recover_start(struct coordinator *c)
{
    c->started = true;
    void *value;
    for (size_t cursor = 0; map_next(&c->txs, &cursor, &value);)
        recover_go_on(c, value);
}
