// SPDX-License-Identifier: Apache-2.0
// What a participant may say, and what it may ask of its resource manager.
#include "sim.h"

#define TEXT(gtid) (gtid)->size, (gtid)->text

static void sent_vote(struct actor *a, const struct msg_vote *m)
{
    struct sim_tx *tx = truth_find(a->world, &m->gtid);
    if (tx && protocol_business(tx->protocol)) {
        check_deed_vote(a, tx, m);
        return;
    }
    struct held *held = truth_held(a->world, &m->gtid, m->attempt, m->branch);
    REQUIRE(a->world, held, "honest answers", "%s votes on %.*s/%u, which nobody began", a->name,
            TEXT(&m->gtid), m->branch);
    if (m->vote == VOTE_YES) {
        bool three = truth_three(truth_find(a->world, &m->gtid));
        held->voted_read_only |=
            three && (held->result_plus == RM_READ_ONLY + 1 || tx->said >> m->branch & 1);
        REQUIRE(a->world,
                held->state == HELD_PREPARED || held->state == HELD_COMMITTED ||
                    held->voted_read_only || (three && (held->forced || truth_aborted(tx))),
                "honest answers", "%s votes yes for %.*s/%u, which is not prepared", a->name,
                TEXT(&m->gtid), m->branch);
        bool kept = a->rm_durable && !three && held->kind != BRANCH_ENLISTED;
        REQUIRE(a->world, kept || held->journal_stage >= JOURNAL_PREPARED, "durable before visible",
                "%s votes yes for %.*s/%u, which is not in its journal", a->name, TEXT(&m->gtid),
                m->branch);
        held->voted_yes = true;
    } else {
        // A no that comes of there being no room says nothing of the resource manager.
        REQUIRE(a->world, !held->voted_yes || held->state != HELD_PREPARED, "AC2, irrevocable",
                "%s takes back its yes for %.*s/%u", a->name, TEXT(&m->gtid), m->branch);
        held->voted_read_only |= m->vote == VOTE_READ_ONLY && held->result_plus == RM_READ_ONLY + 1;
        held->voted_no |= m->vote == VOTE_NO;
        truth_find(a->world, &m->gtid)->said_no |= m->vote == VOTE_NO;
    }
}

// A question that was read when the record was gone: a branch that has committed and was forgotten
// is rolled back, and says so. It has nothing to roll back, and nobody waits to hear it.
static bool in_vain(const struct sim_tx *tx, const struct held *held)
{
    return tx->collected && !tx->reg.stands && held->state == HELD_COMMITTED;
}

// What its resource manager did by itself is told as long as that is not forgotten, and nothing
// else is; and it is in the journal first.
static void sent_own(struct actor *a, const struct msg_done *m, const struct held *held)
{
    uint8_t says = m->flags & DONE_HEURISTIC ? m->heuristic & HEURISTIC_MANAGER : 0;
    if (m->flags & DONE_FORGOTTEN && !says)
        return;
    REQUIRE(a->world, says == (held->own_forgotten && !says ? 0 : held->own), "honest answers",
            "%s says that its resource manager did %u with %.*s/%u by itself, which did %u",
            a->name, says, TEXT(&m->gtid), m->branch, held->own);
    REQUIRE(a->world, says == 0 || held->journal_own == says, "durable before visible",
            "%s tells what its resource manager did with %.*s/%u, which is not in its journal",
            a->name, TEXT(&m->gtid), m->branch);
}

static void sent_done(struct actor *a, const struct msg_done *m)
{
    struct world *w = a->world;
    struct sim_tx *other = truth_find(w, &m->gtid);
    if (other && protocol_business(other->protocol)) {
        check_deed_done(a, other, m);
        return;
    }
    struct held *held = truth_held(w, &m->gtid, m->attempt, m->branch);
    REQUIRE(w, held, "honest answers", "%s ends %.*s/%u, which nobody began", a->name,
            TEXT(&m->gtid), m->branch);
    sent_own(a, m, held);
    bool committed = m->outcome == OUTCOME_COMMITTED;
    const struct sim_tx *tx = truth_find(w, &m->gtid);
    bool given_up = tx->lost && !tx->reg.stands;
    if (held->forced || (m->flags & DONE_HEURISTIC) || given_up || in_vain(tx, held) || held->own)
        return;
    if (committed)
        REQUIRE(w, held->state == HELD_COMMITTED || held->voted_read_only || m->attempt == 0,
                "honest answers", "%s says that %.*s/%u committed, and it did not", a->name,
                TEXT(&m->gtid), m->branch);
    else
        REQUIRE(w, held->state != HELD_COMMITTED && held->state != HELD_PREPARED, "honest answers",
                "%s says that %.*s/%u rolled back, and it did not", a->name, TEXT(&m->gtid),
                m->branch);
    if (committed && !(m->flags & DONE_FORGOTTEN) && held->state == HELD_COMMITTED)
        REQUIRE(w, held->journal_stage == JOURNAL_FINISHED, "durable before visible",
                "%s acknowledges %.*s/%u, which is not in its journal", a->name, TEXT(&m->gtid),
                m->branch);
}

void check_participant_send(struct actor *a, const struct msg *msg)
{
    if (msg->type == MSG_VOTE)
        sent_vote(a, &msg->u.vote);
    else if (msg->type == MSG_DONE)
        sent_done(a, &msg->u.done);
    else if (msg->type == MSG_STATE || msg->type == MSG_DECIDE)
        check_tell(a, msg);
}

void check_participant_durable(struct actor *a, const struct branch_record *record)
{
    struct sim_tx *tx = truth_find(a->world, &record->gtid);
    if (tx && protocol_business(tx->protocol)) {
        tx->deeds[record->branch].journal_stage = record->stage;
        return;
    }
    struct held *held = truth_held(a->world, &record->gtid, record->attempt, record->branch);
    if (!held)
        return;
    if (record->stage == JOURNAL_PREPARED && !held->doubt_us) {
        held->doubt_us = a->world->now_us;
        held->doubt_life = a->world->actors[tx->coordinator].life;
    }
    held->journal_stage = record->stage;
    held->journal_outcome = record->outcome;
    held->journal_own = record->heuristic & HEURISTIC_MANAGER;
    held->word |= record->heuristic && record->protocol != PROTOCOL_3PC;
    if (held->journal_own) // kept until that is on record
        held->word = false;
    if (record->protocol == PROTOCOL_3PC)
        truth_recorded(a->world, tx, record);
}

// What members and elector tell each other is in their journals, or in those of a majority.
void check_tell(struct actor *a, const struct msg *msg)
{
    const struct msg_quorum *m = &msg->u.quorum;
    struct sim_tx *tx = truth_find(a->world, &m->gtid);
    const struct held *held = truth_held(a->world, &m->gtid, m->attempt, m->from);
    REQUIRE(a->world, tx && held && truth_three(tx), "honest answers",
            "%s speaks of %.*s, which is no transaction of several branches", a->name,
            TEXT(&m->gtid));
    if (msg->type == MSG_STATE && m->last)
        REQUIRE(a->world, held->quorum_attempt == m->last && held->quorum_state == m->state,
                "durable before visible", "%s tells of an attempt at %.*s/%u, not in its journal",
                a->name, TEXT(&m->gtid), m->from);
    if (msg->type == MSG_DECIDE && m->outcome == OUTCOME_COMMITTED)
        REQUIRE(a->world, tx->elected == OUTCOME_COMMITTED, "durable before visible",
                "%s says that %.*s is committed, and no majority has made that durable", a->name,
                TEXT(&m->gtid));
    if (msg->type == MSG_DECIDE && m->outcome == OUTCOME_ABORTED)
        REQUIRE(a->world, truth_aborted(tx) || tx->lost, "durable before visible",
                "%s says that %.*s is aborted, and nothing on disk says so", a->name,
                TEXT(&m->gtid));
}

// ---- the resource manager is called ----

// AC1, AC2: of one run, no branch ends otherwise than another, and none twice.
static void check_agree(struct actor *a, const struct effect_call *call, uint8_t opposite)
{
    struct world *w = a->world;
    struct sim_tx *tx = truth_find(w, &call->gtid);
    struct attempt *attempt = truth_attempt(w, tx, call->attempt);
    if (tx->heuristic)
        return;
    for (unsigned i = 0; i < SIM_BRANCHES_MAX; i++) {
        const struct held *other = &attempt->branches[i];
        if (other->state != opposite || !other->voted_yes || other->own)
            continue;
        REQUIRE(w, false, "AC1, no two branches differ", "%.*s/%u is to be %s, branch %u was %s",
                TEXT(&call->gtid), call->branch,
                opposite == HELD_COMMITTED ? "rolled back" : "committed", i,
                opposite == HELD_COMMITTED ? "committed" : "rolled back");
    }
}

// What was decided, whether it is still on disk or not.
static bool was_decided(const struct sim_tx *tx, const struct effect_call *call, uint8_t outcome)
{
    const struct register_view *r = tx->reg.stands ? &tx->reg : &tx->gone;
    if (truth_three(tx))
        return outcome == OUTCOME_COMMITTED ? tx->elected == OUTCOME_COMMITTED : truth_aborted(tx);
    return r->stands && r->attempt == call->attempt && r->outcome == outcome;
}

// An operator's word may contradict the decision: then it is in the journal first.
static void check_word(struct actor *a, const struct effect_call *call, const struct held *held,
                       uint8_t outcome)
{
    struct sim_tx *tx = truth_find(a->world, &call->gtid);
    const struct register_view *r = &tx->reg;
    bool decided = was_decided(tx, call, outcome);
    bool presumed = !r->stands || r->attempt != call->attempt;
    bool given_up = !r->stands && tx->forgotten; // by an operator, and its record is gone
    if (held->state != HELD_PREPARED || decided || given_up ||
        (presumed && outcome == OUTCOME_ABORTED))
        return;
    REQUIRE(a->world, held->journal_stage >= JOURNAL_DECIDED && held->journal_outcome == outcome,
            "heuristics are recorded",
            "%.*s/%u is ended by an operator's word, which is not in the journal of %s",
            TEXT(&call->gtid), call->branch, a->name);
}

static void called_commit(struct actor *a, const struct effect_call *call, struct held *held)
{
    struct world *w = a->world;
    struct sim_tx *tx = truth_find(w, &call->gtid);
    const struct register_view *r = &tx->reg;
    REQUIRE(w,
            held->state == HELD_PREPARED || held->state == HELD_COMMITTED || held->forced ||
                held->voted_read_only,
            "AC3, commit only if all voted yes", "%.*s/%u is to be committed, and is not prepared",
            TEXT(&call->gtid), call->branch);
    if (held->forced)
        check_word(a, call, held, OUTCOME_COMMITTED);
    if (held->state != HELD_PREPARED || held->forced || held->lost)
        return;
    bool decided = was_decided(tx, call, OUTCOME_COMMITTED);
    // One branch alone decides by its journal; its register may be gone when an operator gave up.
    bool delegated = r->stands ? r->attempt == call->attempt : tx->forgotten;
    bool alone = delegated && held->journal_stage == JOURNAL_DECIDED &&
                 held->journal_outcome == OUTCOME_COMMITTED;
    bool given_up = !r->stands && tx->lost; // by an operator, and its record is gone
    REQUIRE(w, decided || alone || given_up, "durable before visible",
            "%.*s/%u is to be committed, and nothing on disk says so", TEXT(&call->gtid),
            call->branch);
    check_agree(a, call, HELD_ROLLED_BACK);
    // Two runs of one gtid are one transaction: only one of them may commit.
    for (unsigned i = 0; i < tx->attempt_count; i++) {
        const struct attempt *other = &tx->attempts[i];
        for (unsigned n = 0; n < SIM_BRANCHES_MAX && other->number != call->attempt; n++)
            REQUIRE(w,
                    other->branches[n].state != HELD_COMMITTED || tx->heuristic ||
                        other->branches[n].own,
                    "AC2, irrevocable", "a second run of %.*s commits", TEXT(&call->gtid));
    }
}

static void called_rollback(struct actor *a, const struct effect_call *call, struct held *held)
{
    struct world *w = a->world;
    struct sim_tx *tx = truth_find(w, &call->gtid);
    const struct register_view *r = &tx->reg;
    if (held->forced) {
        check_word(a, call, held, OUTCOME_ABORTED);
        return;
    }
    if (tx->lost && (!r->stands || truth_three(tx)))
        return; // an operator gave it up, and its record is gone: nobody knows better
    if (in_vain(tx, held))
        return;
    REQUIRE(w, held->state != HELD_COMMITTED, "AC2, irrevocable",
            "%.*s/%u is to be rolled back, and is committed", TEXT(&call->gtid), call->branch);
    if (held->state != HELD_PREPARED)
        return;
    if (held->voted_yes) {
        REQUIRE(w, !was_decided(tx, call, OUTCOME_COMMITTED), "AC2, irrevocable",
                "%.*s/%u is to be rolled back, and is decided to commit", TEXT(&call->gtid),
                call->branch);
        check_agree(a, call, HELD_COMMITTED);
    }
}

// How long it was in doubt, where its coordinator has died meanwhile.
static void doubt_ends(struct actor *a, const struct effect_call *call, struct held *held)
{
    const struct world *w = a->world;
    const struct sim_tx *tx = truth_find(a->world, &call->gtid);
    const struct actor *coordinator = &w->actors[tx->coordinator];
    bool died = !coordinator->alive || coordinator->life != held->doubt_life;
    if (call->op == RM_PREPARE || !held->doubt_us || held->doubt_us == UINT64_MAX)
        return;
    unsigned log = 0;
    for (uint64_t ms = (w->now_us - held->doubt_us) / 1000; ms && log < COVERAGE_DOUBTS - 1;
         ms /= 2)
        log++;
    held->doubt_us = UINT64_MAX;
    if (died && w->coverage)
        w->coverage->doubts[truth_three(tx)][log]++;
}

// It is forgotten when it is on record, for ever, and not before.
static void called_forget(struct actor *a, const struct effect_call *call, const struct held *held)
{
    const struct sim_tx *tx = truth_find(a->world, &call->gtid);
    if (!call->heuristic)
        return; // what was never known here has ended
    REQUIRE(a->world, held->own && call->heuristic == held->own, "heuristics are recorded",
            "%.*s/%u is to be forgotten, which was not ended so by %s itself", TEXT(&call->gtid),
            call->branch, a->name);
    REQUIRE(a->world, tx->noted[call->branch] >> held->own & 1, "heuristics are recorded",
            "%.*s/%u is to be forgotten, and what %s did with it is not on record",
            TEXT(&call->gtid), call->branch, a->name);
}

void check_call(struct actor *a, const struct effect_call *call, struct held *held)
{
    doubt_ends(a, call, held);
    if (held->own && (call->op == RM_COMMIT || call->op == RM_ROLLBACK))
        return; // asked once more, it says once more what it did
    switch (call->op) {
    case RM_PREPARE:
        // After a rollback it may come again, late: it is in doubt then, and rolled back once more.
        REQUIRE(a->world, held->state != HELD_COMMITTED, "AC2, irrevocable",
                "%.*s/%u is to be prepared, and has committed", TEXT(&call->gtid), call->branch);
        break;
    case RM_COMMIT: called_commit(a, call, held); break;
    case RM_ROLLBACK: called_rollback(a, call, held); break;
    case RM_FORGET: called_forget(a, call, held); break;
    }
}
