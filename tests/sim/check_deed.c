// SPDX-License-Identifier: Apache-2.0
// What must hold of tcc transactions, sagas and messages: of their deeds at the banks, of what is
// said about them, and of how they end.
#include "sim.h"

#define TEXT(tx) (tx)->gtid.size, (tx)->gtid.text

// An operator had a word, and what that has left of the transaction nobody mends. Of a message that
// was dropped by order the local transaction may have happened all the same.
bool check_excused(const struct sim_tx *tx)
{
    return tx->heuristic || tx->forgotten || (tx->ordered && tx->protocol == PROTOCOL_MESSAGE);
}

static bool decided(const struct sim_tx *tx, uint8_t outcome)
{
    const struct register_view *r = &tx->reg;
    return r->stands && (r->stage == STAGE_DECIDED || r->stage == STAGE_ENDED) &&
           r->outcome == outcome;
}

static bool stands(const struct deed *deed)
{
    return deed->ran && !deed->undone;
}

static bool is_kept(const struct sim_tx *tx, unsigned branch)
{
    return tx->branches[branch].plan.flags & STEP_KEPT;
}

static bool comes_after(const struct sim_tx *tx, unsigned later, unsigned earlier)
{
    return tx->branches[later].plan.after >> earlier & 1;
}

// ---- the deeds themselves ----

// All that it comes after, directly or not.
static uint64_t all_before(const struct sim_tx *tx, unsigned branch)
{
    uint64_t before = tx->branches[branch].plan.after;
    for (unsigned i = branch; i-- > 0;)
        before |= before >> i & 1 ? tx->branches[i].plan.after : 0;
    return before;
}

// Once the pivot has succeeded nothing leads back, so all else that is tried before it has.
static void check_pivot(struct world *w, const struct sim_tx *tx, unsigned pivot)
{
    for (unsigned i = 0; i < tx->branch_count; i++)
        REQUIRE(w,
                i == pivot || all_before(tx, i) >> pivot & 1 || tx->deeds[i].ran ||
                    check_excused(tx),
                "nothing can fail after the pivot",
                "step %u of %.*s, its pivot, happens, and step %u has not", pivot, TEXT(tx), i);
}

static uint64_t elapsed_ms(const struct actor *a, uint64_t since_us)
{
    return (a->world->now_us - since_us) * a->speed / 1000000 / 1000;
}

// T1..Tj in an order that the graph allows, and nothing that the end has left behind.
void check_deed_forward(struct world *w, const struct sim_tx *tx, unsigned branch)
{
    const struct deed *deed = &tx->deeds[branch];
    REQUIRE(w, !deed->forgotten, "nothing happens after the end",
            "%.*s/%u has its effect, and its rows are gone already", TEXT(tx), branch);
    REQUIRE(w, tx->reg.stage != STAGE_ENDED || check_excused(tx), "nothing happens after the end",
            "%.*s/%u has its effect", TEXT(tx), branch);
    for (unsigned i = 0; i < tx->branch_count && tx->protocol == PROTOCOL_SAGA; i++)
        REQUIRE(w, !comes_after(tx, branch, i) || stands(&tx->deeds[i]) || check_excused(tx),
                "a saga goes T1..Tn or T1..Tj, Cj..C1",
                "step %u of %.*s happens, and step %u before it has not", branch, TEXT(tx), i);
    if (tx->branches[branch].plan.flags & STEP_PIVOT)
        check_pivot(w, tx, branch);
    if (tx->protocol != PROTOCOL_MESSAGE || branch == 0 || check_excused(tx))
        return;
    uint32_t delay_ms = tx->branches[branch].plan.delay_ms;
    REQUIRE(w, tx->deeds[0].ran, "delivered only if sent",
            "%.*s is delivered, and its local transaction has not happened", TEXT(tx));
    REQUIRE(w,
            elapsed_ms(&w->actors[tx->coordinator], tx->sent_us) + 3 >= delay_ms ||
                w->setup.rate[FAULT_CLOCK_JUMP],
            "delivered in its time", "%.*s/%u is delivered less than %u ms after it was sent",
            TEXT(tx), branch, delay_ms);
}

// Cj..C1: what came after it is undone already, or never was.
void check_deed_back(struct world *w, const struct sim_tx *tx, unsigned branch)
{
    const struct deed *deed = &tx->deeds[branch];
    if (check_excused(tx))
        return;
    REQUIRE(w, !deed->confirmed, "confirm or cancel, not both", "%.*s/%u is cancelled", TEXT(tx),
            branch);
    REQUIRE(w, tx->protocol != PROTOCOL_MESSAGE, "nothing of a message is undone", "%.*s/%u",
            TEXT(tx), branch);
    REQUIRE(w, !is_kept(tx, branch), "what is kept is kept", "%.*s/%u is compensated", TEXT(tx),
            branch);
    REQUIRE(w, !decided(tx, OUTCOME_COMMITTED), "AC2, irrevocable",
            "%.*s/%u is undone, and was decided to go forward", TEXT(tx), branch);
    REQUIRE(w, tx->protocol == PROTOCOL_TCC || decided(tx, OUTCOME_ABORTED),
            "durable before visible", "%.*s/%u is compensated, and nothing on disk says so",
            TEXT(tx), branch);
    for (unsigned i = 0; i < tx->branch_count && tx->protocol == PROTOCOL_SAGA; i++)
        REQUIRE(w, !comes_after(tx, i, branch) || !stands(&tx->deeds[i]) || is_kept(tx, i),
                "a saga goes T1..Tn or T1..Tj, Cj..C1",
                "step %u of %.*s is compensated, and step %u after it is not", branch, TEXT(tx), i);
}

void check_deed_confirm(struct world *w, const struct sim_tx *tx, unsigned branch)
{
    const struct deed *deed = &tx->deeds[branch];
    REQUIRE(w, tx->protocol == PROTOCOL_TCC, "only tcc confirms", "%.*s/%u", TEXT(tx), branch);
    REQUIRE(w, deed->ran, "confirm only if every try succeeded",
            "%.*s/%u is confirmed, and was not tried", TEXT(tx), branch);
    if (check_excused(tx))
        return;
    REQUIRE(w, !deed->undone, "confirm or cancel, not both", "%.*s/%u is confirmed", TEXT(tx),
            branch);
    REQUIRE(w, decided(tx, OUTCOME_COMMITTED), "durable before visible",
            "%.*s/%u is confirmed, and nothing on disk says so", TEXT(tx), branch);
    for (unsigned i = 0; i < tx->branch_count; i++)
        REQUIRE(w, stands(&tx->deeds[i]), "confirm only if every try succeeded",
                "%.*s/%u is confirmed, and branch %u was not tried", TEXT(tx), branch, i);
}

void check_deed_forgotten(struct world *w, const struct sim_tx *tx, unsigned branch)
{
    const struct register_view *r = &tx->reg;
    REQUIRE(w, !r->stands || r->stage == STAGE_ENDED || tx->forgotten,
            "nothing that is needed is collected", "rows of %.*s/%u, which has not ended", TEXT(tx),
            branch);
}

// Whatever it is asked for, it comes with what the application wanted; and what is compensated with
// what it has returned, where its journal has that.
void check_deed_payload(struct actor *a, const struct sim_tx *tx, const struct effect_call *call)
{
    const struct deed *deed = &tx->deeds[call->branch];
    uint8_t bytes[BANK_PAYLOAD_BYTES], storage[DEED_RESULT_BYTES];
    struct buf payload = {.data = bytes, .capacity = sizeof bytes, .cap = sizeof bytes};
    struct slice wanted = slice_text("confirm");
    bool other = deed->ran ? deed->variant
                           : call->payload.size > BANK_PAYLOAD_VARIANT &&
                                 ((const uint8_t *)call->payload.data)[BANK_PAYLOAD_VARIANT];
    // Who asks late, when all has ended, is told to undo it, and no more: nothing is left to undo.
    bool over = deed->forgotten || !tx->reg.stands || tx->reg.stage == STAGE_ENDED;
    bool never = call->kind == BRANCH_ENLISTED && !deed->enlisted; // a SUBMIT named it
    if (call->kind == BRANCH_SENDER || over || never)
        return;
    if (call->kind != BRANCH_ENLISTED)
        wanted = bank_payload(&payload, tx, call->branch, other);
    REQUIRE(a->world, slice_equal(call->payload, wanted), "its own content",
            "%.*s/%u is asked for with %zu bytes that are not those that were wanted", TEXT(tx),
            call->branch, call->payload.size);
    if (call->op == RM_ROLLBACK && call->kind == BRANCH_STEP && deed->journal_stage)
        REQUIRE(a->world, slice_equal(call->result, deed_result(deed, storage)), "results",
                "%.*s/%u is compensated with another result than it returned", TEXT(tx),
                call->branch);
}

// It is asked for what the application wanted, with what the steps before it have returned.
void check_deed_content(struct actor *a, struct sim_tx *tx, const struct effect_call *call)
{
    struct world *w = a->world;
    struct deed *deed = &tx->deeds[call->branch];
    uint8_t storage[DEED_RESULT_BYTES];
    struct slice inputs = call->inputs;
    uint64_t seen = 0;
    if (!deed->ran && call->payload.size > BANK_PAYLOAD_VARIANT)
        deed->variant = ((const uint8_t *)call->payload.data)[BANK_PAYLOAD_VARIANT];
    for (struct step_input input; step_input_next(&inputs, &input);) {
        REQUIRE(w, input.branch < tx->branch_count, "results", "%.*s/%u: of step %u", TEXT(tx),
                call->branch, input.branch);
        seen |= UINT64_C(1) << input.branch;
        REQUIRE(w, slice_equal(input.result, deed_result(&tx->deeds[input.branch], storage)),
                "results", "%.*s/%u is given another result of step %u than it returned", TEXT(tx),
                call->branch, input.branch);
    }
    if (call->kind == BRANCH_STEP)
        REQUIRE(w, (tx->branches[call->branch].plan.after & ~seen) == 0, "results",
                "%.*s/%u lacks the result of a step before it", TEXT(tx), call->branch);
}

// ---- what the coordinator says ----

static void sent_prepare(struct actor *a, struct sim_tx *tx, const struct msg_prepare *m)
{
    struct world *w = a->world;
    struct deed *deed = &tx->deeds[m->branch];
    deed->asked = true;
    deed->asked_final |= m->flags & PREPARE_ONE_PHASE;
    REQUIRE(w, tx->reg.stands, "durable before visible",
            "%.*s/%u is asked for, and is not admitted on disk", TEXT(tx), m->branch);
    REQUIRE(w, tx->reg.branches >> m->branch & 1, "durable before visible",
            "%.*s/%u is asked for, and is not in the record", TEXT(tx), m->branch);
    if (m->flags & PREPARE_ONE_PHASE)
        REQUIRE(w, decided(tx, OUTCOME_COMMITTED), "durable before visible",
                "%.*s/%u is asked for as if it were decided", TEXT(tx), m->branch);
    else
        REQUIRE(w, !decided(tx, OUTCOME_ABORTED), "no step forward once it goes back",
                "%.*s/%u is asked for", TEXT(tx), m->branch);
}

static void sent_decide(struct actor *a, struct sim_tx *tx, const struct msg *msg)
{
    const struct msg_decide *m = &msg->u.decide;
    struct world *w = a->world;
    if (check_excused(tx))
        return;
    if (msg->type == MSG_COMMIT)
        REQUIRE(w,
                decided(tx, OUTCOME_COMMITTED) ||
                    (is_kept(tx, m->branch) && decided(tx, OUTCOME_ABORTED)),
                "durable before visible", "%.*s/%u is told to commit, which is not decided on disk",
                TEXT(tx), m->branch);
    else
        REQUIRE(w, !decided(tx, OUTCOME_COMMITTED), "AC2, irrevocable",
                "%.*s/%u is told to roll back, which is decided to commit", TEXT(tx), m->branch);
}

static void sent_standing(struct actor *a, struct sim_tx *tx, const struct msg_standing *m)
{
    if (m->outcome != OUTCOME_COMMITTED && m->outcome != OUTCOME_ABORTED)
        return;
    REQUIRE(a->world, !tx->reg.stands || tx->reg.stage == STAGE_ENDED,
            "nothing that is needed is collected", "%.*s is said to have ended", TEXT(tx));
}

static bool all_finished(const struct sim_tx *tx, bool committed)
{
    for (unsigned i = 0; i < tx->branch_count; i++) {
        const struct deed *deed = &tx->deeds[i];
        bool done = committed ? stands(deed) && (tx->protocol != PROTOCOL_TCC || deed->confirmed)
                              : !stands(deed) || is_kept(tx, i) || tx->protocol == PROTOCOL_MESSAGE;
        if (!done)
            return false;
    }
    return true;
}

static void sent_result(struct actor *a, struct sim_tx *tx, const struct msg_result *m)
{
    struct world *w = a->world;
    if (a->index != tx->coordinator)
        return;
    if (m->outcome == OUTCOME_NONE && m->about == MSG_SUBMIT)
        REQUIRE(w, tx->reg.stands || tx->collected, "durable before visible",
                "%.*s is said to be accepted, and is not on disk", TEXT(tx));
    if (m->outcome == OUTCOME_COMMITTED) {
        REQUIRE(w, decided(tx, OUTCOME_COMMITTED), "durable before visible",
                "%.*s is told committed, which is not on disk", TEXT(tx));
        REQUIRE(w, !m->finished || all_finished(tx, true) || check_excused(tx), "honest answers",
                "%.*s is told finished, and is not", TEXT(tx));
    } else if (m->outcome == OUTCOME_ABORTED) {
        bool begun = false;
        for (unsigned i = 0; i < tx->branch_count; i++)
            begun |= tx->deeds[i].asked;
        REQUIRE(w, decided(tx, OUTCOME_ABORTED) || (!tx->reg.stands && (!begun || tx->collected)),
                "durable before visible", "%.*s is told aborted, which is not on disk", TEXT(tx));
    }
}

static void sent_enlisted(struct actor *a, const struct sim_tx *tx, const struct msg_enlisted *m)
{
    REQUIRE(a->world, tx->reg.branches >> m->branch & 1 || tx->collected, "durable before visible",
            "%.*s/%u is said to be enlisted, and is not on disk", TEXT(tx), m->branch);
}

static void sent_extended(struct actor *a, const struct sim_tx *tx, const struct msg_extended *m)
{
    REQUIRE(a->world, m->code != ASSENT_OK || tx->reg.branches >> m->number & 1,
            "durable before visible", "%.*s/%u is said to be nested in %u, and is not on disk",
            TEXT(tx), m->number, m->branch);
    REQUIRE(a->world, m->code != ASSENT_OK || m->number == tx->branch_count - 1, "honest answers",
            "%.*s: the nested branch is said to be %u", TEXT(tx), m->number);
}

void check_deed_send(struct actor *a, struct sim_tx *tx, const struct msg *msg)
{
    switch (msg->type) {
    case MSG_PREPARE: sent_prepare(a, tx, &msg->u.prepare); break;
    case MSG_COMMIT:
    case MSG_ROLLBACK: sent_decide(a, tx, msg); break;
    case MSG_STANDING: sent_standing(a, tx, &msg->u.standing); break;
    case MSG_RESULT: sent_result(a, tx, &msg->u.result); break;
    case MSG_ENLISTED: sent_enlisted(a, tx, &msg->u.enlisted); break;
    case MSG_EXTENDED: sent_extended(a, tx, &msg->u.extended); break;
    default: break;
    }
}

static void writes_forward(struct world *w, const struct sim_tx *tx)
{
    bool pivot = false, all = true;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        all &= stands(&tx->deeds[i]);
        pivot |= tx->branches[i].plan.flags & STEP_PIVOT && stands(&tx->deeds[i]);
    }
    if (tx->protocol == PROTOCOL_MESSAGE)
        REQUIRE(w, tx->deeds[0].ran, "delivered only if sent",
                "%.*s is to be delivered, and its local transaction has not happened", TEXT(tx));
    else
        REQUIRE(w, all || (pivot && tx->protocol == PROTOCOL_SAGA),
                "AC3, commit only if all voted yes", "%.*s is to go forward, and not all is done",
                TEXT(tx));
}

void check_deed_write(struct actor *a, struct sim_tx *tx, const struct effect_write *write)
{
    const struct tx_record *record = write->tx;
    struct world *w = a->world;
    const struct register_view *r = &tx->reg;
    if (a->disk.damage == DAMAGE_OLDER) // until somebody tells it that there is more
        return;
    bool was = r->stands && r->stage != STAGE_ADMITTED;
    if (was && r->outcome != record->outcome)
        REQUIRE(w, write->decide && record->stage != STAGE_ADMITTED, "one decision",
                "%.*s was %s on disk, and becomes %s", TEXT(tx), outcome_name(r->outcome),
                outcome_name(record->outcome));
    if (r->stands && r->forced)
        REQUIRE(w, record->heuristic.forced == r->forced && record->mixed,
                "heuristics are recorded", "an operator's word on %.*s is written over", TEXT(tx));
    if (write->decide && tx->sent_us == 0)
        tx->sent_us = w->now_us;
    if (check_excused(tx) || tx->ordered) // this may be what makes it heuristic
        return;
    if (write->decide && record->outcome == OUTCOME_COMMITTED)
        writes_forward(w, tx);
    if (write->decide && record->outcome == OUTCOME_ABORTED && tx->protocol == PROTOCOL_MESSAGE)
        REQUIRE(w, !tx->deeds[0].ran, "sent if its local transaction happened", "%.*s is dropped",
                TEXT(tx));
    if (record->stage == STAGE_ENDED)
        REQUIRE(w, all_finished(tx, record->outcome == OUTCOME_COMMITTED),
                "no end before all acknowledged", "%.*s is to be ended", TEXT(tx));
}

// ---- what a participant says ----

void check_deed_vote(struct actor *a, struct sim_tx *tx, const struct msg_vote *m)
{
    struct world *w = a->world;
    struct deed *deed = &tx->deeds[m->branch];
    bool sender = tx->protocol == PROTOCOL_MESSAGE && m->branch == 0;
    if (m->vote == VOTE_YES) {
        uint8_t storage[DEED_RESULT_BYTES];
        REQUIRE(w, stands(deed) || check_excused(tx), "honest answers",
                "%s votes yes for %.*s/%u, which did not happen", a->name, TEXT(tx), m->branch);
        REQUIRE(w, sender || deed->journal_stage >= JOURNAL_PREPARED, "durable before visible",
                "%s votes yes for %.*s/%u, which is not in its journal", a->name, TEXT(tx),
                m->branch);
        REQUIRE(w,
                tx->protocol != PROTOCOL_SAGA || slice_equal(m->text, deed_result(deed, storage)),
                "results", "%s tells another result of %.*s/%u", a->name, TEXT(tx), m->branch);
    } else if (m->vote == VOTE_NO) {
        REQUIRE(w, !stands(deed) || check_excused(tx), "honest answers",
                "%s votes no on %.*s/%u, which did happen", a->name, TEXT(tx), m->branch);
        REQUIRE(w, !sender || deed->barred, "what did not happen cannot happen later",
                "%s says that %.*s was not sent, and it still may be", a->name, TEXT(tx));
    }
}

void check_deed_done(struct actor *a, struct sim_tx *tx, const struct msg_done *m)
{
    struct world *w = a->world;
    const struct deed *deed = &tx->deeds[m->branch];
    bool given_up = is_kept(tx, m->branch) && decided(tx, OUTCOME_ABORTED); // and nobody knows
    if (check_excused(tx) || deed->forgotten || m->flags & (DONE_HEURISTIC | DONE_FORGOTTEN))
        return;
    REQUIRE(w, deed->journal_stage == JOURNAL_FINISHED, "durable before visible",
            "%s acknowledges %.*s/%u, which is not in its journal", a->name, TEXT(tx), m->branch);
    if (given_up)
        return;
    if (m->outcome == OUTCOME_COMMITTED)
        REQUIRE(w, stands(deed) && (tx->protocol != PROTOCOL_TCC || deed->confirmed),
                "honest answers", "%s says that %.*s/%u is done, and it is not", a->name, TEXT(tx),
                m->branch);
    else
        REQUIRE(w, !stands(deed), "honest answers", "%s says that %.*s/%u is undone, and it is not",
                a->name, TEXT(tx), m->branch);
}

// ---- the end ----

void check_deed_end(struct world *w, const struct sim_tx *tx)
{
    bool forward = true, backward = true;
    if (tx->gtid.size == 0 || check_excused(tx))
        return;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        const struct deed *deed = &tx->deeds[i];
        bool tcc = tx->protocol == PROTOCOL_TCC;
        forward &= stands(deed) && (!tcc || deed->confirmed);
        backward &= !stands(deed) || is_kept(tx, i);
    }
    REQUIRE(w, forward || backward, "AC1, no two branches differ",
            "%.*s is neither done nor undone as a whole", TEXT(tx));
    if (tx->told == OUTCOME_COMMITTED)
        REQUIRE(w, forward, "AC1, no two branches differ", "%.*s was told committed, and is not",
                TEXT(tx));
    if (tx->told == OUTCOME_ABORTED)
        REQUIRE(w, backward, "AC1, no two branches differ", "%.*s was told aborted, and is not",
                TEXT(tx));
    for (unsigned i = 0; i < tx->branch_count; i++) {
        const struct deed *deed = &tx->deeds[i];
        // Of what no journal knows the rows go only if the participant hears of the end.
        bool unknown = tx->enlisted || (tx->protocol == PROTOCOL_MESSAGE && i == 0) ||
                       (is_kept(tx, i) && tx->told != OUTCOME_COMMITTED);
        REQUIRE(w, !stands(deed) || deed->forgotten || unknown, "nothing is left behind",
                "the rows of %.*s/%u", TEXT(tx), i);
    }
}
