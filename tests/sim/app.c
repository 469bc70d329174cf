// SPDX-License-Identifier: Apache-2.0
// Applications: transfers between accounts, with calls or with work of their own, and everything
// that applications do besides: ask again, ask with another content, roll back, die.
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "sim.h"

enum {
    MILLION = 1000000,
    THINK_US = 3000,
    LATE_US = 20000000,
    BEGIN_TRIES = 600,
    BEGIN_AGAIN_US = 100000,
    BUSY_US = 200000,
    PROBE_PATIENCE_MS = 60000,
    PROBE_CUT_US = 3000,
    PROBE_RETENTION_MS = 5000,
    TOKEN_STEP_BITS = 4,
    TOKEN_TX_BITS = 12,
};
_Static_assert(SIM_TXS_MAX <= 1 << TOKEN_TX_BITS, "a token tells which transaction it is about");

static void later(struct world *w, struct sim_tx *tx, enum app_step step, uint64_t delay_us)
{
    struct item *item = queue_item(&w->queue, ITEM_APP);
    item->tx = tx;
    item->what = (uint8_t)step;
    queue_add(&w->queue, item, w->now_us + delay_us);
}

// ---- plans ----

static uint8_t draw_account(struct world *w)
{
    bool hot = rng_below(&w->rng_app, MILLION) < w->setup.hot_rate;
    return (uint8_t)(hot ? 0 : rng_below(&w->rng_app, SIM_ACCOUNTS));
}

// One branch moves money within a bank; of several the first pays, the others receive.
static void plan_branches(struct world *w, struct sim_tx *tx)
{
    struct rng *rng = &w->rng_app;
    const struct actor *home = &w->actors[tx->coordinator];
    int32_t amount = 1 + (int32_t)rng_below(rng, 300), left = amount;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        struct plan_branch *b = &tx->branches[i];
        b->bank = (uint16_t)world_any(w, rng, ACTOR_PARTICIPANT, home)->index;
        b->account = draw_account(w);
        b->account_to = NO_ACCOUNT;
        b->amount = -amount;
        if (tx->branch_count == 1) {
            b->account_to = (uint8_t)((b->account + 1) % SIM_ACCOUNTS);
            b->amount = amount;
        } else if (i > 0) {
            b->amount = i + 1 == tx->branch_count ? left : left / 2;
            left -= b->amount;
        }
    }
}

static void plan_reads(struct world *w, struct sim_tx *tx)
{
    struct rng *rng = &w->rng_app;
    bool all = rng_below(rng, 3) == 0;
    if (!all && tx->branch_count > 2) { // the last one only looks, so the one before gets its part
        tx->branches[tx->branch_count - 2].amount += tx->branches[tx->branch_count - 1].amount;
        tx->branches[tx->branch_count - 1].amount = 0;
    }
    for (unsigned i = 0; i < tx->branch_count; i++)
        tx->branches[i].read_only |= all || tx->branches[i].amount == 0;
}

static void plan_mischief(struct world *w, struct sim_tx *tx, uint64_t start_us)
{
    static const struct {
        enum fault fault;
        enum app_step step;
    } mischief[] = {
        {FAULT_REPEAT, APP_REPEAT},
        {FAULT_OTHER, APP_OTHER},
        {FAULT_CANCEL, APP_CANCEL},
    };
    for (unsigned i = 0; i < sizeof mischief / sizeof mischief[0]; i++) {
        if (faults_strike(&w->faults, mischief[i].fault)) {
            bool soon = faults_below(&w->faults, mischief[i].fault, 2);
            uint64_t after_us =
                faults_below(&w->faults, mischief[i].fault, soon ? 20000 : 20000000);
            later(w, tx, mischief[i].step, start_us + after_us);
        }
    }
    if (faults_strike(&w->faults, FAULT_OPERATOR)) {
        bool soon = faults_below(&w->faults, FAULT_OPERATOR, 2);
        struct item *item = queue_item(&w->queue, ITEM_OPERATOR);
        item->tx = tx;
        queue_add(&w->queue, item,
                  w->now_us + start_us +
                      faults_below(&w->faults, FAULT_OPERATOR, soon ? 20000 : 10000000));
    }
    tx->vanishes = faults_strike(&w->faults, FAULT_VANISH);
}

static uint8_t draw_protocol(struct world *w)
{
    static const uint8_t all[] = {PROTOCOL_2PC, PROTOCOL_TCC, PROTOCOL_SAGA, PROTOCOL_MESSAGE,
                                  PROTOCOL_3PC};
    uint8_t there[sizeof all];
    unsigned count = 0;
    for (unsigned i = 0; i < sizeof all; i++) {
        if (w->setup.protocols >> all[i] & 1)
            there[count++] = all[i];
    }
    return count > 1 ? there[rng_below(&w->rng_app, count)] : there[0];
}

// A sequence, or a graph; some steps are tried so many times only, or without a way back.
static void plan_saga(struct world *w, struct sim_tx *tx)
{
    struct rng *rng = &w->rng_app;
    bool graph = rng_below(rng, 2), limited = rng_below(rng, 2);
    for (unsigned i = 0; i < tx->branch_count; i++) {
        struct branch_plan *plan = &tx->branches[i].plan;
        uint64_t before = (UINT64_C(1) << i) - 1;
        plan->after = graph ? rng_below(rng, 16) & before : before & ~(before >> 1);
        plan->attempts = limited ? (uint16_t)rng_below(rng, 4) : 0;
        plan->timeout_ms = rng_below(rng, 2) ? 0 : 300 + (uint32_t)rng_below(rng, 3000);
        plan->backoff_ms = rng_below(rng, 2) ? 0 : 20;
    }
    unsigned one = (unsigned)rng_below(rng, tx->branch_count);
    if (rng_below(rng, 3) == 0)
        tx->branches[one].plan.flags |= STEP_PIVOT;
    if (rng_below(rng, MILLION) < w->setup.kept_rate && tx->branch_count > 1) {
        one = 1 + (unsigned)rng_below(rng, tx->branch_count - 1);
        tx->branches[one].plan.flags |= STEP_KEPT;
        tx->branches[0].amount += tx->branches[one].amount; // what is kept must not cost anything
        tx->branches[one].amount = 0;
    }
}

static void plan_business(struct world *w, struct sim_tx *tx)
{
    struct rng *rng = &w->rng_app;
    const struct sim_setup *setup = &w->setup;
    bool planned = tx->protocol == PROTOCOL_SAGA || tx->protocol == PROTOCOL_MESSAGE;
    tx->enlisted = tx->enlisted && tx->protocol == PROTOCOL_TCC;
    tx->nested = tx->protocol == PROTOCOL_TCC && !tx->enlisted && tx->branch_count > 1 &&
                 rng_below(rng, MILLION) < setup->nested_rate;
    tx->late = rng_below(rng, MILLION) < setup->late_rate;
    tx->hurries = rng_below(rng, MILLION) < setup->hurry_rate;
    tx->other_plan = rng_below(rng, MILLION) < setup->plan_rate && planned;
    tx->accepts = !tx->enlisted && tx->protocol != PROTOCOL_MESSAGE && rng_below(rng, 3) == 0;
    tx->wait_done = tx->wait_done && !tx->accepts;
    if (tx->branch_count == 1) // money from one account to another takes two
        tx->branches[0].amount = 0;
    if (tx->protocol == PROTOCOL_SAGA)
        plan_saga(w, tx);
    for (unsigned i = 1; i < tx->branch_count && tx->protocol == PROTOCOL_MESSAGE; i++)
        tx->branches[i].plan.delay_ms = rng_below(rng, 3) ? 0 : (uint32_t)rng_below(rng, 5000);
}

static bool locks(const struct sim_tx *tx)
{
    return tx->protocol == PROTOCOL_2PC || tx->protocol == PROTOCOL_3PC;
}

// So many branches, the first ones, are enlisted; now and then the last one is a call.
static unsigned to_enlist(const struct sim_tx *tx)
{
    bool calls_last = locks(tx) && tx->branch_count > 1 && tx->index % 4 == 1;
    return tx->enlisted ? tx->branch_count - calls_last : 0;
}

// Which of its enlisted branches the application says to be read-only.
static void plan_said(struct world *w, struct sim_tx *tx)
{
    for (unsigned i = 0; i < to_enlist(tx) && locks(tx); i++) {
        if (tx->branches[i].read_only && rng_below(&w->rng_say, MILLION) < w->setup.say_rate)
            tx->said |= (uint8_t)(1u << i);
    }
}

static struct sim_tx *plan_tx(struct world *w, struct actor *client)
{
    struct rng *rng = &w->rng_app;
    const struct sim_setup *setup = &w->setup;
    unsigned index = w->tx_count++;
    struct sim_tx *tx = &w->txs[index];
    *tx = (struct sim_tx){
        .index = index,
        .client = client->index,
        .coordinator = client->home->index,
        .branch_count = 1 + (unsigned)rng_below(rng, setup->branches_max),
        .enlisted = rng_below(rng, MILLION) < setup->enlist_rate,
        .own = rng_below(rng, MILLION) < setup->own_rate,
        .wait_done = rng_below(rng, 5) == 0,
    };
    tx->protocol = draw_protocol(w);
    if (tx->protocol == PROTOCOL_MESSAGE && tx->branch_count == 1)
        tx->branch_count = 2;
    plan_branches(w, tx);
    if (rng_below(rng, MILLION) < setup->read_only_rate && !protocol_business(tx->protocol))
        plan_reads(w, tx);
    if (protocol_business(tx->protocol))
        plan_business(w, tx);
    plan_said(w, tx);
    return tx;
}

void app_plan(struct world *w)
{
    const struct sim_setup *setup = &w->setup;
    unsigned room = setup->transactions + setup->coordinators * setup->clients;
    w->txs = calloc(room, sizeof *w->txs);
    CHECK(w->txs && room <= SIM_TXS_MAX);
    for (unsigned i = 0; i < setup->transactions; i++) {
        struct sim_tx *tx = plan_tx(w, world_any(w, &w->rng_app, ACTOR_CLIENT, NULL));
        uint64_t start_us = 1000000 + rng_below(&w->rng_app, setup->span_ms * UINT64_C(1000));
        if (setup->dropped && setup->dropped[i])
            continue;
        later(w, tx, APP_BEGIN, start_us);
        plan_mischief(w, tx, start_us);
    }
}

// ---- asking ----

static void ask(struct actor *a, struct sim_tx *tx, enum app_step step, struct event_ask *ask)
{
    ask->token = a->ask_next++ << (TOKEN_STEP_BITS + TOKEN_TX_BITS) |
                 (token_t)tx->index << TOKEN_STEP_BITS | step;
    a->asks[(ask->token >> (TOKEN_STEP_BITS + TOKEN_TX_BITS)) % SIM_ASKS].began_us =
        a->world->now_us;
    ask->deadline_ms =
        shell_now(a).mono_ms + (tx->probe ? PROBE_PATIENCE_MS : a->world->setup.patience_ms);
    shell_step(a, &(struct event){.type = EVENT_ASK, .u.ask = *ask});
}

static uint8_t kind_of(const struct sim_tx *tx, unsigned branch)
{
    switch ((enum protocol)tx->protocol) {
    case PROTOCOL_2PC:
    case PROTOCOL_3PC:
        if (tx->said >> branch & 1)
            return BRANCH_READ_ONLY;
        return branch < to_enlist(tx) ? BRANCH_ENLISTED : BRANCH_CALL;
    case PROTOCOL_TCC: return branch < to_enlist(tx) ? BRANCH_ENLISTED : BRANCH_CALL;
    case PROTOCOL_SAGA: return BRANCH_STEP;
    case PROTOCOL_MESSAGE: return branch ? BRANCH_CONSUMER : BRANCH_SENDER;
    }
    return 0;
}

// A message is sent only once its local transaction has happened.
static uint8_t flags_of(const struct sim_tx *tx, enum app_step step)
{
    bool hold = tx->protocol == PROTOCOL_MESSAGE && (step == APP_PREPARE || !tx->deeds[0].ran);
    return (uint8_t)((hold ? SUBMIT_HOLD : 0) | (tx->accepts ? SUBMIT_ACCEPT : 0) |
                     (tx->wait_done && !hold && !tx->accepts ? SUBMIT_WAIT_DONE : 0));
}

static uint32_t timeout_of(const struct sim_tx *tx)
{
    if (tx->protocol == PROTOCOL_SAGA && tx->index % 2)
        return 0;
    return tx->protocol == PROTOCOL_MESSAGE ? 3000 : 12000;
}

static void submit(struct actor *a, struct sim_tx *tx, enum app_step step)
{
    struct world *w = a->world;
    struct msg_branch branches[SIM_BRANCHES_MAX];
    uint8_t bytes[SIM_BRANCHES_MAX * 8];
    struct buf payloads = {.data = bytes, .capacity = sizeof bytes, .cap = sizeof bytes};
    unsigned count = deed_submitted(tx);
    for (unsigned i = 0; i < count; i++) {
        bool other = step == APP_OTHER && !tx->other_plan;
        bool moved = other && tx->protocol != PROTOCOL_MESSAGE;
        unsigned from = (i + moved) % count; // at other banks, if it can be
        branches[i] = (struct msg_branch){
            .branch = (uint16_t)i,
            .kind = kind_of(tx, i),
            .plan = tx->branches[i].plan,
            .resource = slice_text(w->actors[tx->branches[from].bank].name),
        };
        if (i >= to_enlist(tx) && branches[i].kind != BRANCH_SENDER)
            branches[i].payload = bank_payload(&payloads, tx, i, other);
        if (step == APP_OTHER && tx->other_plan)
            *(tx->protocol == PROTOCOL_SAGA ? &branches[i].plan.backoff_max_ms
                                            : &branches[i].plan.delay_ms) = OTHER_PLAN_MS;
    }
    struct event_ask event = {.kind = ASK_SUBMIT};
    event.u.submit = (struct msg_submit){
        .gtid = tx->gtid,
        .protocol = tx->protocol,
        .flags = flags_of(tx, step),
        .timeout_ms = timeout_of(tx),
        .branch_count = (uint16_t)count,
        .branches = branches,
    };
    tx->submits++;
    bank_said(tx);
    ask(a, tx, step, &event);
}

static void begin(struct world *w, struct sim_tx *tx)
{
    struct actor *a = &w->actors[tx->client];
    struct gtid gtid;
    char text[LIMIT_GTID_BYTES];
    bool given = false;
    if (a->alive && tx->own) {
        int size = snprintf(text, sizeof text, "order-%u", tx->index);
        given = gtid_from(slice_of(text, (size_t)size), &gtid);
    } else if (a->alive) {
        given = client_gtid(a->client, &gtid);
        shell_arm(a);
    }
    if (!given) { // not connected, or no lease yet
        REQUIRE(w, !tx->probe || tx->tries < BEGIN_TRIES, "AC5, all decide",
                "%s gets no gtid although all is repaired", a->name);
        if (tx->tries++ < BEGIN_TRIES)
            later(w, tx, APP_BEGIN, BEGIN_AGAIN_US);
        return;
    }
    truth_begin(w, tx, &gtid);
    later(w, tx,
          tx->protocol == PROTOCOL_MESSAGE ? APP_PREPARE
          : tx->enlisted                   ? APP_ENLIST
                                           : APP_SUBMIT,
          rng_below(&w->rng_app, THINK_US));
}

static void vanish(struct actor *a)
{
    if (a->alive && !a->world->repaired)
        life_crash(a, "before it has committed");
}

static void enlist_one(struct actor *a, struct sim_tx *tx, unsigned i)
{
    struct world *w = a->world;
    if (tx->vanishes && i == to_enlist(tx) - 1) {
        vanish(a);
        return;
    }
    struct event_ask event = {.kind = ASK_ENLIST};
    event.u.enlist = (struct msg_enlist){
        .gtid = tx->gtid,
        .protocol = tx->protocol,
        .timeout_ms = 12000,
        .branch = (uint16_t)i,
        .resource = slice_text(w->actors[tx->branches[i].bank].name),
    };
    if (tx->protocol == PROTOCOL_TCC)
        event.u.enlist.payload = slice_text("confirm");
    a->asks[a->ask_next % SIM_ASKS].branch = (uint8_t)i;
    ask(a, tx, APP_ENLIST, &event);
}

static void enlist(struct world *w, struct sim_tx *tx)
{
    struct actor *a = &w->actors[tx->client];
    unsigned last = tx->hurries ? to_enlist(tx) - 1 : tx->enlisted_count;
    // The application that knows of it may be gone.
    for (unsigned i = tx->enlisted_count; i <= last && a->alive && a->life == tx->client_life; i++)
        enlist_one(a, tx, i);
}

static void ask_about(struct world *w, struct sim_tx *tx, struct actor *a, enum app_step step)
{
    struct event_ask event = {.kind = step == APP_CANCEL ? ASK_CANCEL : ASK_STATUS};
    event.u.gtid.gtid = tx->gtid;
    (void)w;
    if (a->alive)
        ask(a, tx, step, &event);
}

// Who does what its application did not do itself: any client, mostly of the same coordinator.
static struct actor *somebody(struct world *w, const struct sim_tx *tx, bool anywhere)
{
    const struct actor *home = anywhere ? NULL : &w->actors[tx->coordinator];
    return world_any(w, &w->rng_app, ACTOR_CLIENT, home);
}

// What an application does itself: a try at a branch that it has enlisted, a message's local
// transaction. It may come late: nobody keeps a process from standing still in between.
static void work(struct world *w, struct sim_tx *tx, unsigned branch)
{
    struct actor *a = &w->actors[tx->client];
    if (!a->alive || a->life != tx->client_life)
        return;
    bool done = deed_by_application(&w->actors[tx->branches[branch].bank], tx, branch);
    enum app_step next = APP_SUBMIT;
    if (tx->protocol == PROTOCOL_TCC) {
        tx->enlisted_count++;
        if (tx->enlisted_count < tx->branch_count)
            next = APP_ENLIST;
        if (done && next == APP_ENLIST && tx->hurries)
            return; // the others are on their way
    }
    later(w, tx, done ? next : APP_CANCEL, rng_below(&w->rng_app, THINK_US));
}

static void work_soon(struct world *w, struct sim_tx *tx, unsigned branch)
{
    struct item *item = queue_item(&w->queue, ITEM_APP);
    uint64_t delay_us = tx->late && !w->repaired ? rng_below(&w->rng_app, LATE_US) : 0;
    item->tx = tx;
    item->what = APP_WORK;
    item->branch = (uint8_t)branch;
    queue_add(&w->queue, item, w->now_us + delay_us);
}

void app_turn(struct world *w, const struct item *item)
{
    struct sim_tx *tx = item->tx;
    enum app_step step = (enum app_step)item->what;
    struct actor *a = &w->actors[tx->client];
    if (step == APP_BEGIN) {
        tx->client_life = a->life;
        begin(w, tx);
        return;
    }
    if (tx->gtid.size == 0)
        return;
    switch (step) {
    case APP_BEGIN: break;
    case APP_ENLIST: enlist(w, tx); break;
    case APP_WORK: work(w, tx, item->branch); break;
    case APP_SUBMIT:
        if (!a->alive || a->life != tx->client_life)
            break;
        if (tx->vanishes && !tx->enlisted && rng_below(&w->rng_app, 2)) {
            vanish(a);
            break;
        }
        submit(a, tx, step);
        if (tx->vanishes && a->alive)
            later(w, tx, APP_VANISH, rng_below(&w->rng_app, 4000));
        break;
    case APP_VANISH: vanish(a); break;
    case APP_PREPARE:
        if (a->alive && a->life == tx->client_life)
            submit(a, tx, step);
        break;
    case APP_CUT: link_cut(a, true); break;
    case APP_REPEAT:
    case APP_OTHER:
        // A leased gtid may be brought to another coordinator by mistake.
        a = somebody(w, tx, !tx->own && rng_below(&w->rng_app, 4) == 0);
        if (tx->own && a->principal != w->actors[tx->client].principal)
            break; // who brings a gtid of his own first is whose it is
        if (a->alive)
            submit(a, tx, step);
        later(w, tx, APP_STATUS, rng_below(&w->rng_app, 500000));
        break;
    case APP_CANCEL:
        if (tx->protocol == PROTOCOL_MESSAGE && tx->deeds[0].ran)
            break; // that would be a lie
        if (!tx->probe)
            a = somebody(w, tx, false);
        if (tx->protocol == PROTOCOL_MESSAGE && a->principal == w->actors[tx->client].principal)
            deed_bar(tx, 0);
        tx->cancelled |= a->principal == w->actors[tx->client].principal;
        ask_about(w, tx, a, step);
        break;
    case APP_STATUS: ask_about(w, tx, somebody(w, tx, rng_below(&w->rng_app, 4) == 0), step); break;
    }
}

// ---- being answered ----

static void enlisted(struct actor *a, struct sim_tx *tx, unsigned branch,
                     const struct effect_complete *complete)
{
    struct world *w = a->world;
    if (complete->code == ASSENT_BUSY && tx->probe) {
        later(w, tx, APP_ENLIST, BUSY_US);
        return;
    }
    if (complete->code != ASSENT_OK) {
        later(w, tx, APP_CANCEL, rng_below(&w->rng_app, THINK_US));
        return;
    }
    if (tx->protocol == PROTOCOL_TCC) {
        tx->deeds[branch].enlisted = true;
        work_soon(w, tx, branch);
        return;
    }
    bank_work(&w->actors[tx->branches[tx->enlisted_count].bank], tx, tx->enlisted_count);
    tx->enlisted_count++;
    later(w, tx, tx->enlisted_count < to_enlist(tx) ? APP_ENLIST : APP_SUBMIT,
          rng_below(&w->rng_app, THINK_US));
}

// The message is prepared: now the local transaction, and then it is sent.
static void prepared(struct actor *a, struct sim_tx *tx, const struct effect_complete *complete)
{
    struct world *w = a->world;
    if (complete->code != ASSENT_OK || complete->result.outcome != OUTCOME_NONE)
        return;
    if (tx->vanishes && rng_below(&w->rng_app, 2)) {
        vanish(a);
        return;
    }
    work_soon(w, tx, 0);
}

void app_complete(struct actor *a, const struct effect_complete *complete)
{
    struct world *w = a->world;
    unsigned index = (unsigned)(complete->token >> TOKEN_STEP_BITS) & ((1u << TOKEN_TX_BITS) - 1);
    enum app_step step = (enum app_step)(complete->token & ((1u << TOKEN_STEP_BITS) - 1));
    token_t serial = complete->token >> (TOKEN_STEP_BITS + TOKEN_TX_BITS);
    CHECK(index < w->tx_count);
    struct sim_tx *tx = &w->txs[index];
    story_complete(a, tx, step, complete);
    const struct asked *asked = &a->asks[serial % SIM_ASKS];
    check_complete(a, tx, step, asked->began_us, complete);
    bool begins = step == APP_SUBMIT || step == APP_PREPARE;
    if (begins && tx->probe && complete->code == ASSENT_BUSY)
        later(w, tx, step, BUSY_US);
    if (step == APP_ENLIST)
        enlisted(a, tx, asked->branch, complete);
    else if (step == APP_PREPARE)
        prepared(a, tx, complete);
    else if (step == APP_SUBMIT && rng_below(&w->rng_app, 4) == 0)
        later(w, tx, APP_STATUS, rng_below(&w->rng_app, 2000000));
}

// ---- after the repair ----

void app_probe(struct world *w)
{
    for (unsigned i = 0; i < w->actor_count; i++) {
        if (w->actors[i].kind != ACTOR_CLIENT)
            continue;
        struct sim_tx *tx = plan_tx(w, &w->actors[i]);
        tx->probe = true;
        tx->own = tx->accepts = tx->late = tx->hurries = false;
        tx->nested = tx->nested && !w->setup.tight; // all at once there may be no room for it
        for (unsigned n = 0; n < tx->branch_count; n++)
            tx->branches[n].plan.attempts = 0, tx->branches[n].plan.delay_ms = 0;
        app_turn(w, &(struct item){.tx = tx, .what = APP_BEGIN});
        // What was asked before a connection was lost is not lost, if it is still on record.
        if (w->setup.retention_ms >= PROBE_RETENTION_MS && rng_below(&w->rng_app, 2))
            later(w, tx, APP_CUT, rng_below(&w->rng_app, PROBE_CUT_US));
    }
}

void app_status(struct world *w)
{
    for (unsigned i = 0; i < w->tx_count; i++) {
        struct sim_tx *tx = &w->txs[i];
        if (tx->gtid.size)
            ask_about(w, tx, &w->actors[tx->client], APP_STATUS);
    }
}
