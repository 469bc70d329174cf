// SPDX-License-Identifier: Apache-2.0
// Invariants that are about neither side alone: what is durable, what clients hear, and how it
// must all end.
#include <stdlib.h>

#include "base/check.h"
#include "model.h"

#define TEXT(tx) (tx)->gtid.size, (tx)->gtid.text

void check_send(struct actor *a, peer_t peer, const struct msg *msg)
{
    if (a->kind == ACTOR_COORDINATOR)
        check_coordinator_send(a, peer, msg);
    else if (a->kind == ACTOR_PARTICIPANT)
        check_participant_send(a, msg);
}

void check_write(struct actor *a, const struct effect_write *write)
{
    if (a->kind == ACTOR_COORDINATOR && !write->forget)
        check_coordinator_write(a, write);
}

// ---- what is durable ----

static void is_durable(struct actor *a, struct slice value)
{
    static struct tx_record_storage storage;
    struct tx_record tx;
    struct branch_record branch;
    assent_error error = {0};
    int code;
    if (a->kind == ACTOR_COORDINATOR) {
        code = record_decode_tx(value, &storage, &tx, &error);
        CHECK(code == ASSENT_OK);
        check_coordinator_durable(a, &tx);
    } else {
        code = record_decode_branch(value, &branch, &error);
        CHECK(code == ASSENT_OK);
        check_participant_durable(a, &branch);
    }
}

void check_synced(struct actor *a)
{
    struct disk *disk = &a->disk;
    for (size_t i = 0; i < disk->late_count; i++) {
        model_durable(a, disk->late[i], true);
        is_durable(a, disk->late[i]);
    }
    for (size_t i = 0; i < disk->batch; i++) {
        const struct log_op *op = &disk->ops[i];
        if (op->lookup || op->forget || op->other)
            continue;
        model_durable(a, op->value, op->lazy);
        is_durable(a, op->value);
    }
}

static int opened(void *arg, const struct store_record *record)
{
    is_durable(arg, record->value);
    return 0;
}

// The log was opened: what it holds is what is durable, no less than what was before, and perhaps
// more.
void check_opened(struct actor *a)
{
    struct world *w = a->world;
    static struct register_view before[SIM_TXS_MAX];
    assent_error error;
    for (unsigned i = 0; i < w->tx_count && a->kind == ACTOR_COORDINATOR; i++) {
        struct sim_tx *tx = &w->txs[i];
        before[i] = tx->reg;
        if (tx->coordinator == a->index && a->disk.damage == DAMAGE_NONE)
            tx->reg = (struct register_view){0};
    }
    if (a->disk.damage == DAMAGE_NONE)
        a->disk.store->ops->scan(a->disk.store, false, false, 0, opened, a, &error);
    for (unsigned i = 0; i < w->tx_count && a->kind == ACTOR_COORDINATOR; i++) {
        const struct sim_tx *tx = &w->txs[i];
        REQUIRE(w,
                !before[i].stands || tx->reg.stands || tx->coordinator != a->index ||
                    (before[i].stage == STAGE_ENDED && w->setup.retention_ms < SIM_LONG_MS),
                "durable before visible", "the record of %.*s did not survive a crash", TEXT(tx));
    }
}

// Who is still in doubt will ask, and silence says nothing of a commit, or of an operator's word;
// unless an operator said that he is lost.
static void check_asked_for(struct world *w, const struct sim_tx *tx)
{
    const struct attempt *attempt = truth_peek((struct sim_tx *)tx, tx->reg.attempt);
    if (!attempt || tx->lost || (!tx->reg.forced && tx->reg.outcome != OUTCOME_COMMITTED))
        return;
    for (unsigned i = 0; i < SIM_BRANCHES_MAX; i++) {
        const struct held *held = &attempt->branches[i];
        REQUIRE(w, held->state != HELD_PREPARED || !held->voted_yes || held->lost,
                "nothing that is needed is collected",
                "the record of %.*s, of which branch %u is in doubt", TEXT(tx), i);
    }
}

// Some records went. None of them may be needed any more.
void check_collected(struct actor *a)
{
    struct world *w = a->world;
    for (unsigned i = 0; i < w->tx_count && a->kind == ACTOR_COORDINATOR; i++) {
        struct sim_tx *tx = &w->txs[i];
        uint8_t *value;
        size_t size;
        assent_error error;
        if (tx->coordinator != a->index || !tx->reg.stands)
            continue;
        int code =
            a->disk.store->ops->lookup(a->disk.store, gtid_slice(&tx->gtid), &value, &size, &error);
        if (code == ASSENT_OK) {
            free(value);
            continue;
        }
        bool kept = tx->reg.forced || tx->reg.noted;
        REQUIRE(w, tx->reg.stage == STAGE_ENDED && (!kept || tx->forgotten),
                "nothing that is needed is collected", "the record of %.*s", TEXT(tx));
        check_asked_for(w, tx);
        tx->gone = tx->reg;
        tx->reg = (struct register_view){0};
        tx->collected = true;
    }
}

// ---- what clients hear ----

static void told(struct actor *a, struct sim_tx *tx, uint64_t asked_us,
                 const struct msg_result *result)
{
    struct world *w = a->world;
    tx->mixed_told |= result->mixed;
    REQUIRE(w, !result->mixed || tx->heuristic || tx->ordered || tx->managed, "honest answers",
            "%.*s is told mixed, and nobody had a word", TEXT(tx));
    if (result->outcome == OUTCOME_UNKNOWN && a->home->index == tx->coordinator)
        REQUIRE(w,
                tx->told == OUTCOME_NONE || asked_us < tx->told_us || tx->collected ||
                    tx->reg.outcome == OUTCOME_UNKNOWN || !tx->reg.stands,
                "honest answers", "%.*s was told %s, and then unknown", TEXT(tx),
                outcome_name(tx->told));
    if (result->outcome != OUTCOME_COMMITTED && result->outcome != OUTCOME_ABORTED)
        return;
    REQUIRE(w, a->home->index == tx->coordinator, "honest answers",
            "%.*s is told %s by another's coordinator", TEXT(tx), outcome_name(result->outcome));
    REQUIRE(w, tx->told == OUTCOME_NONE || tx->told == result->outcome, "honest answers",
            "%.*s was told %s, and then %s", TEXT(tx), outcome_name(tx->told),
            outcome_name(result->outcome));
    check_reason(a, tx, result);
    if (tx->told == OUTCOME_NONE)
        tx->told_us = w->now_us;
    tx->told = result->outcome;
}

void check_submitted(struct world *w, peer_t peer, const struct msg_submit *submit)
{
    struct sim_tx *tx = truth_find(w, &submit->gtid);
    uint64_t send = peer << 32 | submit->request;
    for (unsigned i = 0; tx && i < SIM_HEARD; i++)
        tx->doubled |= tx->heard[i] == send;
    if (tx)
        tx->heard[tx->heard_count++ % SIM_HEARD] = send;
}

// Who asked for something else than what was done is not told that it was done.
static void check_content(struct world *w, const struct sim_tx *tx, bool other)
{
    const struct deed *deed = &tx->deeds[tx->protocol == PROTOCOL_MESSAGE];
    if (tx->other_plan) {
        REQUIRE(w, !tx->reg.stands || tx->reg.other_plan == other, "honest answers",
                "%.*s is told committed to somebody who asked for another plan", TEXT(tx));
        return;
    }
    REQUIRE(w, !protocol_business(tx->protocol) || !deed->ran || deed->variant == other,
            "honest answers", "%.*s is told committed to somebody who asked for something else",
            TEXT(tx));
    for (unsigned i = 0; i < tx->attempt_count; i++) {
        const struct held *held = &tx->attempts[i].branches[0];
        if (tx->reg.stands && tx->attempts[i].number == tx->reg.attempt && held->result_plus)
            REQUIRE(w, held->variant == other, "honest answers",
                    "%.*s is told committed to somebody who asked for something else", TEXT(tx));
    }
}

// Work is where it was enlisted; who submits it as if it were elsewhere is not told that it is
// done.
static void check_work(struct world *w, const struct sim_tx *tx)
{
    unsigned first = truth_first(tx);
    for (unsigned i = first + 1; i < tx->branch_count; i++)
        REQUIRE(w, tx->branches[i].bank == tx->branches[first].bank || tx->said >> i & 1,
                "honest answers",
                "%.*s is told committed to somebody who submitted it for other banks", TEXT(tx));
}

// Who waits for the end is not answered before it, unless his time is up.
static void check_awaited(struct actor *a, const struct sim_tx *tx, uint64_t asked_us,
                          const struct msg_result *result)
{
    uint64_t waited_us = (a->world->now_us - asked_us) * a->speed / 1000000;
    bool over = waited_us + 2000 >= a->world->setup.patience_ms * UINT64_C(1000);
    REQUIRE(a->world, result->finished || over, "honest answers",
            "%.*s is told %s to somebody who waits for its end", TEXT(tx),
            outcome_name(result->outcome));
}

// Where nothing keeps it from coming, an answer comes at once, and not only when it is asked for
// again; and who submits is told how it ended.
static void check_prompt(struct actor *a, const struct sim_tx *tx, bool asked, uint64_t asked_us,
                         const struct effect_complete *complete)
{
    enum { SOON_US = 2500000 }; // clients ask again after three seconds
    REQUIRE(a->world, a->world->now_us - asked_us < SOON_US, "AC4, no fault and all yes is commit",
            "%s is answered about %.*s after %llu ms", a->name, TEXT(tx),
            (unsigned long long)(a->world->now_us - asked_us) / 1000);
    REQUIRE(a->world,
            !asked || complete->code != ASSENT_OK || complete->result.outcome != OUTCOME_UNKNOWN ||
                tx->collected || a->home->index != tx->coordinator,
            "AC4, no fault and all yes is commit", "%.*s was submitted, and is told unknown",
            TEXT(tx));
}

void check_complete(struct actor *a, struct sim_tx *tx, unsigned step, uint64_t asked_us,
                    const struct effect_complete *complete)
{
    bool asked = step == APP_SUBMIT || step == APP_REPEAT || step == APP_OTHER;
    // Who may not touch it, and asks for that twice, is not certain that he never did.
    bool may = step == APP_STATUS || a->principal == a->world->actors[tx->client].principal;
    if (may && setup_is_quiet(&a->world->setup))
        check_prompt(a, tx, asked, asked_us, complete);
    if (complete->code == ASSENT_OK) {
        if (complete->result.outcome == OUTCOME_NONE &&
            (step == APP_PREPARE || (asked && tx->accepts)))
            REQUIRE(a->world, tx->reg.stands || tx->collected, "durable before visible",
                    "%.*s is said to be accepted, and is not on disk", TEXT(tx));
        REQUIRE(a->world,
                step != APP_SUBMIT || tx->accepts || complete->result.outcome != OUTCOME_NONE,
                "honest answers", "%.*s is told nothing to somebody who waits for its outcome",
                TEXT(tx));
        if (step != APP_ENLIST)
            told(a, tx, asked_us, &complete->result);
        if (step == APP_OTHER && tx->enlisted && complete->result.outcome == OUTCOME_COMMITTED)
            check_work(a->world, tx);
        if (asked && !tx->enlisted && complete->result.outcome == OUTCOME_COMMITTED)
            check_content(a->world, tx, step == APP_OTHER);
        bool held = tx->protocol == PROTOCOL_MESSAGE && step != APP_SUBMIT;
        if (asked && tx->wait_done && !held && complete->result.outcome == OUTCOME_COMMITTED)
            check_awaited(a, tx, asked_us, &complete->result);
        return;
    }
    REQUIRE(a->world, complete->code != ASSENT_DENIED || a->world->setup.strangers, "closed",
            "%.*s is refused to whose it is", TEXT(tx));
    bool certain = complete->code != ASSENT_TIMEOUT && complete->code != ASSENT_CLOSED;
    tx->refused += asked && certain;
}

// ---- the end ----

// Branches that an operator ended are remembered for ever; everything else must be forgotten.
static bool forgotten(const struct participant *participant)
{
    struct part_view view;
    for (size_t cursor = 0; participant_next(participant, &cursor, &view);) {
        if (view.state != PART_FINISHED || !(view.record.heuristic & HEURISTIC_OPERATOR))
            return false;
    }
    return true;
}

static bool all_bound(const struct coordinator *coordinator)
{
    struct participant_view view;
    for (size_t cursor = 0; coordinator_next_participant(coordinator, &cursor, &view);) {
        if (!view.connected)
            return false;
    }
    return true;
}

static bool rests(const struct actor *a)
{
    const struct sim_setup *setup = &a->world->setup;
    struct coordinator_stats stats;
    struct participant_stats part;
    if (!a->alive || a->disk.count > 0 || a->disk.busy || a->link.last_us[UP] > a->world->now_us ||
        a->link.last_us[DOWN] > a->world->now_us)
        return false;
    if (a->kind == ACTOR_CLIENT)
        return client_in_flight(a->client) == 0 && client_connected(a->client);
    if (a->kind == ACTOR_PARTICIPANT) {
        participant_stats(a->participant, &part);
        return part.connected && forgotten(a->participant);
    }
    coordinator_stats(a->coordinator, &stats);
    return stats.transactions == 0 && stats.participants == setup->participants &&
           all_bound(a->coordinator);
}

bool check_at_rest(const struct world *w)
{
    for (unsigned i = 0; i < w->actor_count; i++) {
        if (!rests(&w->actors[i]))
            return false;
    }
    for (unsigned i = 0; i < w->tx_count; i++) {
        if (w->txs[i].probe && w->txs[i].told == OUTCOME_NONE && !w->txs[i].ordered)
            return false;
    }
    return true;
}

const char *check_unrest(const struct world *w)
{
    for (unsigned i = 0; i < w->actor_count; i++) {
        if (!rests(&w->actors[i]))
            return w->actors[i].name;
    }
    return "a last transaction";
}

static void check_branch(struct world *w, const struct sim_tx *tx, unsigned i, uint8_t *ret_state)
{
    *ret_state = HELD_NONE;
    for (unsigned n = 0; n < tx->attempt_count; n++) {
        const struct held *held = &tx->attempts[n].branches[i];
        REQUIRE(w, held->state != HELD_PREPARED && held->state != HELD_WORKING, "AC5, all decide",
                "%.*s/%u is left %s", TEXT(tx), i,
                held->state == HELD_PREPARED ? "prepared" : "at work");
        if (held->own)
            *ret_state = HELD_WORKING; // by nobody's decision
        else if (held->state == HELD_COMMITTED)
            *ret_state = HELD_COMMITTED;
        else if (held->voted_read_only && *ret_state == HELD_NONE)
            *ret_state = HELD_WORKING; // nothing was held, and nothing differs
    }
}

static void check_tx(struct world *w, const struct sim_tx *tx)
{
    if (protocol_business(tx->protocol)) {
        check_deed_end(w, tx);
        return;
    }
    unsigned committed = 0, not = 0;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        uint8_t state;
        check_branch(w, tx, i, &state);
        if (tx->said >> i & 1 && state == HELD_NONE)
            continue;
        committed += state == HELD_COMMITTED;
        not += state != HELD_COMMITTED && state != HELD_WORKING;
    }
    if (tx->heuristic) {
        if (committed && not )
            REQUIRE(w, tx->reg.stands || tx->collected || tx->ordered, "heuristics are recorded",
                    "%.*s is mixed, and there is no record", TEXT(tx));
        return;
    }
    if (tx->told == OUTCOME_COMMITTED)
        REQUIRE(w, not == 0, "AC1, no two branches differ",
                "%.*s was told committed, and %u of its branches are not", TEXT(tx), not );
    if (tx->told == OUTCOME_ABORTED)
        REQUIRE(w, committed == 0, "AC1, no two branches differ",
                "%.*s was told aborted, and %u of its branches are committed", TEXT(tx), committed);
    REQUIRE(w, committed == 0 || not == 0, "AC1, no two branches differ",
            "%u branches of %.*s are committed, %u are not", committed, TEXT(tx), not );
    if (tx->refused && tx->refused == tx->submits && !tx->doubled)
        REQUIRE(w, committed == 0, "honest answers", "%.*s was refused, and has committed",
                TEXT(tx));
}

// AC4: with no fault and every vote yes, it commits.
static void check_committed(struct world *w, const struct sim_tx *tx)
{
    if (tx->ordered || (!tx->probe && !(setup_is_calm(&w->setup) && tx->gtid.size)))
        return;
    REQUIRE(w,
            tx->told == OUTCOME_COMMITTED || tx->said_no ||
                (tx->told == OUTCOME_NONE && tx->collected),
            "AC4, no fault and all yes is commit", "%.*s was told %s", TEXT(tx),
            outcome_name(tx->told));
}

static void check_money(struct world *w)
{
    int64_t before = 0;
    bool heuristic = false;
    for (unsigned i = 0; i < w->tx_count; i++) {
        const struct sim_tx *tx = &w->txs[i];
        if (!protocol_business(tx->protocol))
            heuristic |= tx->heuristic || tx->managed;
        else if (check_excused(tx)) // what it has left is neither undone nor confirmed any more
            before += deed_sum(tx);
    }
    for (unsigned i = 0; i < w->actor_count; i++) {
        const struct actor *a = &w->actors[i];
        for (unsigned n = 0; a->kind == ACTOR_PARTICIPANT && n < SIM_ACCOUNTS; n++) {
            before += SIM_BALANCE;
            REQUIRE(w, a->bank.accounts[n].reserved == deed_reserved(w, i, n),
                    "nothing is left reserved", "%s, account %u: %d", a->name, n,
                    a->bank.accounts[n].reserved);
        }
    }
    REQUIRE(w, heuristic || bank_total(w) == before, "totals are conserved", "%lld were, %lld are",
            (long long)before, (long long)bank_total(w));
}

static int left_open(void *arg, const struct store_record *record)
{
    struct actor *a = arg;
    struct gtid gtid;
    const char *slash = memchr(record->key.data, '/', record->key.size);
    size_t size = slash ? (size_t)(slash - (const char *)record->key.data) : record->key.size;
    const struct sim_tx *tx = NULL;
    if (gtid_from(slice_of(record->key.data, size), &gtid))
        tx = truth_find(a->world, &gtid);
    REQUIRE(a->world, tx && (tx->heuristic || tx->ordered || tx->managed), "AC5, all decide",
            "%s: a record of %.*s is left open", a->name, (int)record->key.size,
            (const char *)record->key.data);
    return 0;
}

void check_end(struct world *w)
{
    assent_error error;
    for (unsigned i = 0; i < w->tx_count; i++) {
        check_tx(w, &w->txs[i]);
        check_committed(w, &w->txs[i]);
        check_words(w, &w->txs[i]);
        check_noted(w, &w->txs[i]);
    }
    check_money(w);
    for (unsigned i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        check_memory(a);
        if (a->kind != ACTOR_CLIENT)
            a->disk.store->ops->scan(a->disk.store, true, false, 0, left_open, a, &error);
    }
}
