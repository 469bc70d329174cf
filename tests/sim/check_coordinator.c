// SPDX-License-Identifier: Apache-2.0
// What a coordinator may say and write, judged by what is durable and by what its participants
// really did.
#include "sim.h"

#define TEXT(tx) (tx)->gtid.size, (tx)->gtid.text

static bool register_committed(const struct sim_tx *tx, uint64_t attempt)
{
    const struct register_view *r = &tx->reg;
    if (truth_three(
            tx)) // there the register is what the members say, written down when there is time
        return tx->elected == OUTCOME_COMMITTED;
    return r->stands && r->stage != STAGE_DELEGATED && r->outcome == OUTCOME_COMMITTED &&
           (attempt == 0 || r->attempt == attempt);
}

// One branch alone decides: what it did is the outcome.
static const struct held *delegate_of(struct sim_tx *tx)
{
    static const struct held never_asked;
    const struct register_view *r = &tx->reg;
    if (!r->stands || (r->stage != STAGE_DELEGATED && r->outcome != OUTCOME_UNKNOWN))
        return NULL;
    struct attempt *attempt = truth_peek(tx, r->attempt);
    return attempt ? &attempt->branches[truth_first(tx)] : &never_asked;
}

static bool in_memory(struct actor *a, const struct gtid *gtid)
{
    static struct tx_view view;
    return coordinator_view(a->coordinator, gtid, &view);
}

// A transaction that is not in memory is spoken of only with the register read in the same step.
static void require_look(struct actor *a, const struct sim_tx *tx, const char *what)
{
    REQUIRE(a->world, in_memory(a, &tx->gtid) || slice_equal(a->looked_up, gtid_slice(&tx->gtid)),
            "presumed abort only after the register was read", "%s says %s of %.*s unread", a->name,
            what, TEXT(tx));
}

static void sent_prepare(struct actor *a, struct sim_tx *tx, const struct msg_prepare *m)
{
    const struct register_view *r = &tx->reg;
    truth_attempt(a->world, tx, m->attempt);
    REQUIRE(a->world, !(tx->said >> m->branch & 1) || m->flags & PREPARE_READ_ONLY,
            "read-only is not asked", "%.*s/%u is asked to vote, and is said to be read-only",
            TEXT(tx), m->branch);
    if (m->protocol == PROTOCOL_3PC)
        REQUIRE(a->world, r->stands && r->attempt == m->attempt, "durable before visible",
                "%.*s is asked for before it is admitted on disk", TEXT(tx));
    if (m->flags & PREPARE_ONE_PHASE)
        REQUIRE(a->world, r->stands && r->stage == STAGE_DELEGATED && r->attempt == m->attempt,
                "durable before visible", "%.*s is delegated before that is on disk", TEXT(tx));
}

static void sent_commit(struct actor *a, struct sim_tx *tx, const struct msg_decide *m)
{
    const struct register_view *r = &tx->reg;
    struct held *held = truth_held(a->world, &m->gtid, m->attempt, m->branch);
    if (m->flags & DECIDE_HEURISTIC) {
        REQUIRE(a->world, r->stands && r->forced == OUTCOME_COMMITTED, "heuristics are recorded",
                "%.*s is forced to commit and no record says so", TEXT(tx));
        held->forced = true;
        return;
    }
    const struct held *delegate = delegate_of(tx);
    REQUIRE(a->world,
            register_committed(tx, m->attempt) || (delegate && delegate->state == HELD_COMMITTED),
            "durable before visible", "%s tells %.*s/%u to commit, which is not decided on disk",
            a->name, TEXT(tx), m->branch);
}

static void sent_rollback(struct actor *a, struct sim_tx *tx, const struct msg_decide *m)
{
    const struct register_view *r = &tx->reg;
    struct held *held = truth_held(a->world, &m->gtid, m->attempt, m->branch);
    if (m->flags & DECIDE_HEURISTIC) {
        REQUIRE(a->world, r->stands && r->forced == OUTCOME_ABORTED, "heuristics are recorded",
                "%.*s is forced to roll back and no record says so", TEXT(tx));
        held->forced = true;
        return;
    }
    bool gone = tx->collected && !r->stands; // nobody waits to hear it any more
    REQUIRE(a->world, gone || !register_committed(tx, m->attempt), "AC2, irrevocable",
            "%s tells %.*s/%u to roll back, which is decided to commit", a->name, TEXT(tx),
            m->branch);
    require_look(a, tx, "rollback");
    if (m->flags & DECIDE_RESOLVE)
        REQUIRE(a->world, r->stands, "durable before visible",
                "%.*s is resolved, and no record says that it was delegated", TEXT(tx));
}

// Who hears that all has ended must not find anything prepared any more.
static void told_finished(struct actor *a, struct sim_tx *tx)
{
    const struct register_view *r = &tx->reg;
    const struct attempt *attempt = r->stands ? truth_peek(tx, r->attempt) : NULL;
    for (unsigned i = 0; attempt && i < SIM_BRANCHES_MAX; i++) {
        const struct held *held = &attempt->branches[i];
        bool open = held->state == HELD_PREPARED && held->voted_yes && !held->lost;
        REQUIRE(a->world, !open || tx->heuristic || tx->ordered, "honest answers",
                "%.*s is told finished, and branch %u is still prepared", TEXT(tx), i);
    }
}

// Whether a resource manager ended some branch otherwise than it was decided, or nobody knows how.
static bool manager_differs(const struct sim_tx *tx, enum outcome decided)
{
    bool differs = false;
    for (unsigned i = 0; i < tx->attempt_count * SIM_BRANCHES_MAX; i++) {
        const struct attempt *attempt = &tx->attempts[i / SIM_BRANCHES_MAX];
        const struct held *held = &attempt->branches[i % SIM_BRANCHES_MAX];
        differs |= held->own && heuristic_outcome(held->own, decided) != decided;
        differs |= held->own == HEURISTIC_COMMIT && attempt->number < tx->reg.attempt; // never was
    }
    return differs;
}

static void sent_final(struct actor *a, struct sim_tx *tx, const struct msg_result *m)
{
    struct world *w = a->world;
    const struct register_view *r = &tx->reg;
    const struct held *delegate = delegate_of(tx);
    REQUIRE(w, !r->manager || m->mixed & MIXED_BY_MANAGER, "honest answers",
            "%.*s is told %s, and not what a resource manager did by itself", TEXT(tx),
            outcome_name(m->outcome));
    REQUIRE(w, !(m->mixed & MIXED_BY_MANAGER) || manager_differs(tx, (enum outcome)m->outcome),
            "honest answers", "%.*s is told mixed by a resource manager, which obeyed", TEXT(tx));
    REQUIRE(w, !r->mixed || m->mixed, "honest answers",
            "%.*s is told %s, and not that its branches may differ", TEXT(tx),
            outcome_name(m->outcome));
    if (m->finished && m->outcome == OUTCOME_COMMITTED)
        told_finished(a, tx);
    if (m->outcome == OUTCOME_COMMITTED) {
        REQUIRE(w, register_committed(tx, 0) || (delegate && delegate->state == HELD_COMMITTED),
                "durable before visible", "%.*s is told committed, which is not on disk", TEXT(tx));
        return;
    }
    REQUIRE(w, !register_committed(tx, 0), "honest answers",
            "%.*s is told aborted, and is committed on disk", TEXT(tx));
    REQUIRE(w, !delegate || delegate->state != HELD_COMMITTED || tx->heuristic, "honest answers",
            "%.*s is told aborted, and its one branch has committed", TEXT(tx));
    // The same gtid may come again after a crash, and must be answered alike.
    if (tx->own && !delegate)
        REQUIRE(w,
                (r->stands && r->outcome == OUTCOME_ABORTED) ||
                    (truth_three(tx) && truth_aborted(tx)),
                "durable before visible",
                "%.*s, a client's own, is told aborted, which is not on disk", TEXT(tx));
    if (m->reason == REASON_PRESUMED && !r->stands)
        require_look(a, tx, "aborted");
}

static void sent_result(struct actor *a, struct sim_tx *tx, const struct msg_result *m)
{
    const struct register_view *r = &tx->reg;
    if (m->outcome == OUTCOME_COMMITTED || m->outcome == OUTCOME_ABORTED) {
        sent_final(a, tx, m);
        return;
    }
    bool here = a->index == tx->coordinator && in_memory(a, &tx->gtid);
    if (m->outcome == OUTCOME_NONE)
        REQUIRE(a->world, here, "honest answers", "%.*s is told in progress, and nobody drives it",
                TEXT(tx));
    else if (a->index == tx->coordinator)
        REQUIRE(a->world, !r->stands || r->outcome == OUTCOME_UNKNOWN, "honest answers",
                "%.*s is told unknown, and is on disk", TEXT(tx));
}

// NULL: it is about none.
static const struct gtid *gtid_of(const struct msg *msg)
{
    switch (msg->type) {
    case MSG_PREPARE: return &msg->u.prepare.gtid;
    case MSG_RESULT: return &msg->u.result.gtid;
    case MSG_STANDING: return &msg->u.standing.gtid;
    case MSG_ENLISTED: return &msg->u.enlisted.gtid;
    case MSG_EXTENDED: return &msg->u.extended.gtid;
    case MSG_COMMIT:
    case MSG_ROLLBACK: return &msg->u.decide.gtid;
    default: return NULL;
    }
}

// Of a branch hears only whose it is.
static void sent_to(struct actor *a, peer_t peer, struct sim_tx *tx, const struct msg *msg)
{
    const struct actor *to = world_owner_of_peer(a->world, peer);
    bool prepare = msg->type == MSG_PREPARE;
    unsigned branch = prepare ? msg->u.prepare.branch : msg->u.decide.branch;
    const struct attempt *attempt = truth_peek(tx, msg->u.decide.attempt);
    bool right = to->kind == ACTOR_PARTICIPANT;
    if (prepare) // or, with another content, one that follows
        right &= to->index == tx->branches[branch].bank ||
                 to->index == tx->branches[(branch + 1) % tx->branch_count].bank;
    else if (attempt && branch < SIM_BRANCHES_MAX && attempt->branches[branch].result_plus)
        right &= to->index == attempt->branches[branch].bank;
    REQUIRE(a->world, right, "closed", "%s hears of %.*s/%u, which is another's", to->name,
            TEXT(tx), branch);
}

// Of a transaction hears only whose it is. What was never recorded may be presumed aborted, whoever
// asks.
static void told_to(struct actor *a, peer_t peer, const struct sim_tx *tx,
                    const struct msg_result *m)
{
    const struct actor *to = world_owner_of_peer(a->world, peer);
    bool owns = to->principal == a->world->actors[tx->client].principal;
    bool presumed =
        m->outcome == OUTCOME_UNKNOWN ||
        (m->outcome == OUTCOME_ABORTED && (!tx->reg.stands || m->reason == REASON_PRESUMED));
    REQUIRE(a->world, owns || presumed, "closed", "%s hears of %.*s, which is another's", to->name,
            TEXT(tx));
    REQUIRE(a->world, m->reason != REASON_CANCELLED || tx->cancelled, "closed",
            "%.*s is told rolled back by its application, which did not", TEXT(tx));
}

void check_coordinator_send(struct actor *a, peer_t peer, const struct msg *msg)
{
    const struct gtid *gtid = gtid_of(msg);
    if (!gtid)
        return;
    struct sim_tx *tx = truth_find(a->world, gtid);
    if (tx && protocol_business(tx->protocol))
        check_deed_send(a, tx, msg);
    if (msg->type == MSG_STANDING || msg->type == MSG_ENLISTED || msg->type == MSG_EXTENDED ||
        (tx && protocol_business(tx->protocol)))
        return;
    REQUIRE(a->world, tx, "honest answers", "%s speaks of %.*s, which nobody began", a->name,
            gtid->size, gtid->text);
    if (msg->type == MSG_RESULT) {
        told_to(a, peer, tx, &msg->u.result);
        sent_result(a, tx, &msg->u.result);
        return;
    }
    sent_to(a, peer, tx, msg);
    REQUIRE(a->world, tx->coordinator == a->index, "closed", "%s drives %.*s, which is another's",
            a->name, TEXT(tx));
    if (msg->type == MSG_PREPARE)
        sent_prepare(a, tx, &msg->u.prepare);
    else if (msg->type == MSG_COMMIT)
        sent_commit(a, tx, &msg->u.decide);
    else
        sent_rollback(a, tx, &msg->u.decide);
}

// ---- records ----

// AC3: commit only if every branch has voted yes, or had nothing to commit.
static void writes_commit(struct actor *a, struct sim_tx *tx, const struct tx_record *record)
{
    struct attempt *attempt = truth_attempt(a->world, tx, record->attempt);
    for (unsigned i = 0; i < record->branch_count; i++) {
        const struct held *held = &attempt->branches[record->branches[i].branch];
        bool said = tx->said >> record->branches[i].branch & 1;
        REQUIRE(a->world, held->voted_yes || held->voted_read_only || said,
                "AC3, commit only if all voted yes",
                "%.*s is to be committed, branch %u has not "
                "voted yes",
                TEXT(tx), record->branches[i].branch);
    }
}

// No end before all have acknowledged: by then each has really done it.
static void writes_end(struct actor *a, struct sim_tx *tx, const struct tx_record *record)
{
    struct attempt *attempt = truth_attempt(a->world, tx, record->attempt);
    uint8_t goal = record->outcome == OUTCOME_COMMITTED ? HELD_COMMITTED : HELD_ROLLED_BACK;
    for (unsigned i = 0; i < record->branch_count; i++) {
        const struct held *held = &attempt->branches[record->branches[i].branch];
        if (record->branches[i].vote != VOTE_YES || record->mixed || tx->heuristic || held->own)
            continue;
        bool done = held->state == goal || held->voted_read_only ||
                    (goal == HELD_ROLLED_BACK && held->undone);
        REQUIRE(a->world, done || held->lost, "no end before all acknowledged",
                "%.*s is to be ended, branch %u has not finished", TEXT(tx),
                record->branches[i].branch);
    }
}

void check_coordinator_write(struct actor *a, const struct effect_write *write)
{
    const struct tx_record *record = write->tx;
    struct sim_tx *tx = truth_find(a->world, &record->gtid);
    REQUIRE(a->world, tx, "honest answers", "a record of %.*s, which nobody began",
            record->gtid.size, record->gtid.text);
    if (protocol_business(tx->protocol)) {
        check_deed_write(a, tx, write);
        return;
    }
    const struct register_view *r = &tx->reg;
    bool admitted = truth_three(tx) && r->stage == STAGE_ADMITTED; // or nothing is synced since
    if (r->stands && r->stage != STAGE_DELEGATED && !admitted && r->outcome != record->outcome &&
        r->attempt == record->attempt)
        REQUIRE(a->world, write->decide, "one decision", "%.*s was %s on disk, and becomes %s",
                TEXT(tx), outcome_name(r->outcome), outcome_name(record->outcome));
    if (r->stands && r->forced)
        REQUIRE(a->world, record->heuristic.forced == r->forced && record->mixed,
                "heuristics are recorded", "an operator's word on %.*s is written over", TEXT(tx));
    bool delegated = record->stage == STAGE_DELEGATED || (r->stands && r->stage == STAGE_DELEGATED);
    if (write->decide && record->outcome == OUTCOME_COMMITTED && !delegated)
        writes_commit(a, tx, record);
    if (record->stage == STAGE_ENDED && !delegated)
        writes_end(a, tx, record);
}

// What a resource manager is said to have done by itself it has done.
static void noted(struct actor *a, struct sim_tx *tx, const struct record_branch *b)
{
    uint8_t says = b->heuristic & HEURISTIC_MANAGER;
    bool did = !says;
    unsigned branch = record_branch_earlier(b) ? b->journal % LIMIT_BRANCHES : b->branch;
    for (unsigned i = 0; i < tx->attempt_count && branch < SIM_BRANCHES_MAX; i++)
        did |= tx->attempts[i].branches[branch].own == says;
    REQUIRE(a->world, did, "heuristics are recorded",
            "%.*s/%u is said to have been ended by its resource manager, which obeyed", TEXT(tx),
            branch);
    REQUIRE(a->world, !says || b->outcome == heuristic_outcome(says, (enum outcome)b->outcome),
            "heuristics are recorded", "%.*s/%u is on record as %s, and as ended otherwise",
            TEXT(tx), branch, outcome_name(b->outcome));
    if (says)
        tx->noted[branch] |= (uint16_t)(1u << says);
}

void check_coordinator_durable(struct actor *a, const struct tx_record *record)
{
    struct sim_tx *tx = truth_find(a->world, &record->gtid);
    struct register_view *r = &tx->reg;
    check_record(a, tx, record);
    *r = (struct register_view){
        .stands = true,
        .stage = record->stage,
        .outcome = record->outcome,
        .forced = record->heuristic.forced,
        .mixed = record->mixed,
        .attempt = record->attempt,
        .forced_ms = record->heuristic.when_ms,
    };
    for (unsigned i = 0; i < record->branch_count; i++) {
        r->branches |= UINT64_C(1) << record->branches[i].branch;
        r->manager |= record_branch_differs(&record->branches[i], record->outcome);
        noted(a, tx, &record->branches[i]);
        r->noted |= record->branches[i].heuristic & HEURISTIC_MANAGER;
        const struct branch_plan *plan = &record->branches[i].plan;
        r->other_plan |= plan->backoff_max_ms == OTHER_PLAN_MS || plan->delay_ms == OTHER_PLAN_MS;
    }
    // What is forgotten is recorded as mixed, though nobody may end it otherwise than was decided.
    bool manager = r->manager && !record->heuristic.when_ms; // the others end as was decided
    tx->heuristic |=
        r->forced != OUTCOME_NONE || (r->mixed && !manager && (!tx->forgotten || tx->lost));
}

// An order that was carried out is on disk before the operator hears of it.
void check_ordered(struct actor *a, struct sim_tx *tx, int code, struct slice text)
{
    static const char recorded[] = "recorded;";
    const struct register_view *r = &tx->reg;
    bool says = code == ASSENT_OK && text.size > sizeof recorded &&
                memcmp(text.data, recorded, sizeof recorded - 1) == 0;
    if (says && !delegate_of(tx))
        REQUIRE(a->world, r->stands && r->forced, "heuristics are recorded",
                "an order about %.*s is said to be recorded, and is not", TEXT(tx));
}
