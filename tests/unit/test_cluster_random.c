// SPDX-License-Identifier: Apache-2.0
// Whole clusters under random loss, duplication, reordering, delay, crashes and restarts; then
// everything is repaired, and must come to an end: no two branches of a transaction differ, what a
// client was told is what happened, nothing is left over.
//
// SEEDS=n runs so many seeds; SEED=n runs one; TRACE=1 tells its story on standard error.
// MODEL_TRACE=directory leaves there what tests/model/check --trace reads.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "cluster_trace.h"
#include "play.h"

enum {
    SEEDS = 3000,
    TXS_MAX = 12,
    BRANCHES_MAX = 3,
    STEPS = 1200,
    REPAIR_MS = 900000,
};

// Each seed has its own weather, so that what is rare in one is common in another. Percentages.
struct weather {
    unsigned loss, twice, disorder; // of frames
    unsigned no, read_only, retry;  // of resource managers
    unsigned work, patience;        // things happen, rather than new requests; requests, than time
    unsigned calm;                  // time, than disasters
    unsigned own;                   // gtids of the client's own
    unsigned operators;             // orders rather than requests
    bool collect;                   // what has ended leaves the coordinator's log at once
};

struct random_tx {
    struct gtid gtid;
    bool begun, enlisted;
    unsigned branch_count;
    char resources[BRANCHES_MAX][LIMIT_NAME_BYTES + 1];
    unsigned enlisted_count;
    bool read_only[BRANCHES_MAX];
    uint8_t told; // outcome, as any client heard it first
    bool mixed;   // an operator was told, or a client, that branches may differ
};

struct world {
    struct play play; // its cluster, and the story if it is wanted
    struct rng rng;
    struct weather weather;
    bool trace, repaired;
    struct model_trace *model; // NULL: not wanted
    struct random_tx txs[TXS_MAX];
    unsigned tx_count;
};

static struct world w;
static uint64_t seed_now;

static bool chance(unsigned percent)
{
    return rng_below(&w.rng, 100) < percent;
}

static struct actor *any(enum actor_kind kind)
{
    struct cluster *c = &w.play.cluster;
    for (;;) {
        struct actor *a = &c->actors[rng_below(&w.rng, c->count)];
        if (a->kind == kind)
            return a;
    }
}

static struct random_tx *tx_of(const struct gtid *gtid)
{
    for (unsigned i = 0; i < w.tx_count; i++) {
        if (gtid_equal(&w.txs[i].gtid, gtid))
            return &w.txs[i];
    }
    fail_msg("nobody began %.*s", gtid->size, gtid->text);
    return NULL;
}

// ---- what is seen ----

static enum rm_result rm(void *arg, const struct actor *actor, const struct effect_call *call,
                         struct slice *ret_text)
{
    (void)arg;
    (void)actor;
    if (chance(w.repaired ? 0 : w.weather.retry))
        return RM_RETRY;
    if (call->op != RM_PREPARE)
        return RM_DONE;
    *ret_text = slice_text("no such account");
    if (chance(w.weather.no))
        return RM_NO;
    if (!chance(w.weather.read_only))
        return RM_DONE;
    tx_of(&call->gtid)->read_only[call->branch] = true;
    return RM_READ_ONLY;
}

static void told(const struct effect_complete *complete)
{
    const struct msg_result *result = &complete->result;
    if (complete->code != ASSENT_OK)
        return;
    struct random_tx *tx = tx_of(&result->gtid);
    tx->mixed |= result->mixed;
    assert_true(!tx->mixed || w.weather.operators);
    if (result->outcome != OUTCOME_COMMITTED && result->outcome != OUTCOME_ABORTED)
        return;
    if (tx->told != OUTCOME_NONE)
        assert_int_equal(tx->told, result->outcome);
    tx->told = result->outcome;
}

static void see(void *arg, const struct sight *sight)
{
    if (w.trace)
        play_see(arg, sight);
    if (w.model)
        cluster_trace_see(w.model, sight);
    if (sight->seen == SEEN_COMPLETE)
        told(&sight->effect->u.complete);
    if (sight->seen == SEEN_STOP)
        fail_msg("%s stops", sight->actor->name);
}

static void configure(void *arg, struct participant_config *participant,
                      struct coordinator_config *coordinator)
{
    (void)arg;
    if (coordinator)
        coordinator->lease_gtids = 4;
    if (participant)
        participant->inquire_max_ms = 10000;
}

// ---- what happens ----

static void ask(struct actor *a, struct event_ask *ask)
{
    static token_t token;
    ask->token = ++token;
    ask->deadline_ms = UINT64_MAX;
    struct event event = {.type = EVENT_ASK, .u.ask = *ask};
    cluster_step(a, &event);
}

static void submit(struct actor *a, const struct random_tx *tx)
{
    struct msg_branch branches[BRANCHES_MAX];
    for (unsigned i = 0; i < tx->branch_count; i++) {
        branches[i] = (struct msg_branch){
            .branch = (uint16_t)i,
            .kind = tx->enlisted ? BRANCH_ENLISTED : BRANCH_CALL,
            .resource = slice_text(tx->resources[i]),
            .payload = tx->enlisted ? slice_of(NULL, 0) : slice_text("work"),
        };
    }
    struct event_ask event = {.kind = ASK_SUBMIT};
    event.u.submit = (struct msg_submit){
        .gtid = tx->gtid,
        .protocol = PROTOCOL_2PC,
        .flags = chance(20) ? SUBMIT_WAIT_DONE : 0,
        .timeout_ms = 20000,
        .branch_count = (uint16_t)tx->branch_count,
        .branches = branches,
    };
    ask(a, &event);
}

static void enlist(struct actor *a, struct random_tx *tx)
{
    unsigned i = tx->enlisted_count++;
    struct event_ask event = {.kind = ASK_ENLIST};
    event.u.enlist = (struct msg_enlist){
        .gtid = tx->gtid,
        .protocol = PROTOCOL_2PC,
        .timeout_ms = 20000,
        .branch = (uint16_t)i,
        .resource = slice_text(tx->resources[i]),
    };
    ask(a, &event);
    struct branch_record record = {.gtid = tx->gtid, .branch = (uint16_t)i};
    struct event working = {.type = EVENT_WORKING, .u.branch = &record};
    if (chance(50))
        cluster_step(cluster_actor(&w.play.cluster, tx->resources[i]), &working);
}

static void begin(struct actor *a)
{
    struct random_tx *tx = &w.txs[w.tx_count];
    char text[LIMIT_GTID_BYTES];
    snprintf(text, sizeof text, "own-%u", w.tx_count);
    if (chance(w.weather.own))
        tx->gtid = play_gtid(text);
    else if (!client_gtid(a->client, &tx->gtid))
        return;
    w.tx_count++;
    tx->enlisted = chance(30);
    tx->branch_count = 1 + (unsigned)rng_below(&w.rng, BRANCHES_MAX);
    for (unsigned i = 0; i < tx->branch_count; i++)
        snprintf(tx->resources[i], sizeof tx->resources[i], "%s", any(ACTOR_PARTICIPANT)->name);
}

static void operator(const struct random_tx *tx)
{
    struct event event = {.type = EVENT_OPERATOR};
    event.u.op.verb = (enum operator_verb)(OPERATOR_COMMIT + rng_below(&w.rng, 4));
    event.u.op.token = 1;
    event.u.op.gtid = tx->gtid;
    event.u.op.who = slice_text("ann");
    event.u.op.why = slice_text("why not");
    cluster_step(cluster_coordinator(&w.play.cluster), &event);
}

// Begins, enlists, submits, submits again, cancels or asks.
static void application(void)
{
    struct actor *a = any(ACTOR_CLIENT);
    if (w.tx_count > 0 && chance(w.weather.operators))
        operator(&w.txs[rng_below(&w.rng, w.tx_count)]);
    if (!a->alive)
        return;
    if (w.tx_count < TXS_MAX && chance(30)) {
        begin(a);
        return;
    }
    if (w.tx_count == 0)
        return;
    struct random_tx *tx = &w.txs[rng_below(&w.rng, w.tx_count)];
    struct event_ask event = {.kind = chance(50) ? ASK_CANCEL : ASK_STATUS};
    event.u.gtid.gtid = tx->gtid;
    if (tx->enlisted && tx->enlisted_count < tx->branch_count)
        enlist(a, tx);
    else if (chance(90))
        submit(a, tx);
    else
        ask(a, &event);
}

static struct item *random_item(void)
{
    struct list *items = &w.play.cluster.items;
    size_t count = 0;
    for (struct list *l = items->next; l != items; l = l->next)
        count++;
    if (count == 0)
        return NULL;
    // Mostly the old ones, so that things get done; sometimes any.
    size_t at = rng_below(&w.rng, !chance(w.weather.disorder) && count > 3 ? 3 : count);
    struct list *l = items->next;
    while (at-- > 0)
        l = l->next;
    return container_of(l, struct item, link);
}

static void item_happens(void)
{
    struct item *item = random_item();
    if (!item)
        return;
    bool frame = item->kind == ITEM_FRAME;
    if (frame && chance(w.weather.loss)) {
        cluster_lose(item);
        return;
    }
    if (frame && chance(w.weather.twice))
        cluster_again(&w.play.cluster, item);
    cluster_happen(&w.play.cluster, item);
}

static void start(struct actor *a)
{
    if (w.model)
        model_trace_start(w.model, cluster_trace_actor(a));
    cluster_start(a);
}

static void crash(struct actor *a)
{
    if (w.trace)
        fprintf(stderr, "%llu ms %s CRASHES\n", (unsigned long long)w.play.cluster.now.mono_ms,
                a->name);
    if (w.model)
        model_trace_crash(w.model, cluster_trace_actor(a));
    cluster_crash(a, rng_below(&w.rng, 3), chance(50));
}

static void disaster(void)
{
    struct cluster *c = &w.play.cluster;
    struct actor *a = &c->actors[rng_below(&w.rng, c->count)];
    if (!a->alive) {
        start(a);
    } else if (chance(50)) {
        crash(a);
        if (chance(50))
            cluster_cut(a);
    } else if (a->peer) {
        cluster_disconnect(a);
    } else {
        cluster_connect(a);
    }
}

static void pass(uint64_t ms)
{
    w.play.cluster.now.mono_ms += ms;
    w.play.cluster.now.wall_ms += ms;
    for (unsigned limit = 100; cluster_tick(&w.play.cluster); limit--)
        assert_true(limit > 0); // a tick must move the deadline
}

// Ended records leave the coordinator's log long before their time. Its own gtids must stand that;
// a client's own may only come again while the log remembers them.
static void collect(void)
{
    struct actor *coordinator = cluster_coordinator(&w.play.cluster);
    if (w.weather.collect)
        cluster_collect(coordinator, w.play.cluster.now.wall_ms);
}

static void storm(void)
{
    for (unsigned i = 0; i < STEPS; i++) {
        if (chance(w.weather.work))
            item_happens();
        else if (chance(w.weather.patience))
            application();
        else if (chance(w.weather.calm))
            pass(rng_below(&w.rng, chance(10) ? 5000 : 300));
        else
            disaster();
        collect();
    }
}

static struct weather draw_weather(void)
{
    struct weather weather = {
        .loss = (unsigned)rng_below(&w.rng, 20),
        .twice = (unsigned)rng_below(&w.rng, 20),
        .disorder = (unsigned)rng_below(&w.rng, 100),
        .no = (unsigned)rng_below(&w.rng, 20),
        .read_only = (unsigned)rng_below(&w.rng, chance(20) ? 60 : 10),
        .retry = (unsigned)rng_below(&w.rng, 20),
        .work = 60 + (unsigned)rng_below(&w.rng, 35),
        .patience = 20 + (unsigned)rng_below(&w.rng, 60),
        .calm = 50 + (unsigned)rng_below(&w.rng, 50),
        .own = (unsigned)rng_below(&w.rng, 100),
        .collect = chance(30),
    };
    if (weather.collect)
        weather.own = 0;
    else if (chance(20))
        weather.operators = 30;
    return weather;
}

// ---- the end ----

// Branches that an operator ended are remembered for ever; everything else must be forgotten.
static bool forgotten(const struct participant *participant)
{
    struct part_view view;
    for (size_t cursor = 0; participant_next(participant, &cursor, &view);) {
        if (view.state != PART_FINISHED || !view.record.heuristic)
            return false;
    }
    return true;
}

static bool at_rest(void)
{
    struct cluster *c = &w.play.cluster;
    struct coordinator_stats stats;
    coordinator_stats(c->actors[0].coordinator, &stats);
    for (unsigned i = 1; i < c->count; i++) {
        struct actor *a = &c->actors[i];
        if (a->participant ? !forgotten(a->participant) : client_in_flight(a->client) > 0)
            return false;
    }
    return stats.transactions == 0 && list_empty(&c->items);
}

static void settle(void)
{
    struct cluster *c = &w.play.cluster;
    uint64_t end = c->now.mono_ms + REPAIR_MS;
    while (!at_rest()) {
        while (!list_empty(&c->items))
            cluster_happen(c, container_of(c->items.next, struct item, link));
        if (at_rest())
            break;
        uint64_t next = cluster_deadline(c);
        pass(next > c->now.mono_ms ? next - c->now.mono_ms : 0);
        if (c->now.mono_ms > end)
            fail_msg("it does not come to an end");
    }
}

static void repair(void)
{
    struct cluster *c = &w.play.cluster;
    w.repaired = true;
    for (unsigned i = 0; i < c->count; i++) {
        if (!c->actors[i].alive)
            start(&c->actors[i]);
    }
    for (unsigned i = 0; i < c->count; i++)
        cluster_connect(&c->actors[i]);
    settle();
    struct actor *app = any(ACTOR_CLIENT);
    for (unsigned i = 0; i < w.tx_count; i++) {
        struct event_ask event = {.kind = ASK_STATUS, .u.gtid.gtid = w.txs[i].gtid};
        ask(app, &event);
    }
    settle();
}

static unsigned commits_of(const struct random_tx *tx, unsigned branch)
{
    const struct actor *a = cluster_actor(&w.play.cluster, tx->resources[branch]);
    unsigned commits = 0;
    for (size_t i = 0; i < a->holding_count; i++) {
        const struct holding *h = &a->holdings[i];
        if (!gtid_equal(&h->gtid, &tx->gtid) || h->branch != branch)
            continue;
        assert_int_not_equal(h->held, HELD_PREPARED);
        commits += h->commits;
    }
    return commits;
}

static void check_tx(const struct random_tx *tx)
{
    unsigned commits[BRANCHES_MAX], changed = 0;
    bool committed = tx->told == OUTCOME_COMMITTED;
    if (tx->mixed)
        return;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        commits[i] = commits_of(tx, i);
        changed += commits[i];
    }
    // Nobody was told, and nobody can be any more: all or nothing, whichever.
    if (tx->told == OUTCOME_NONE && w.weather.collect)
        committed = changed > 0;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        assert_true(commits[i] <= 1);
        if (!committed)
            assert_int_equal(commits[i], 0);
        else if (!tx->read_only[i])
            assert_int_equal(commits[i], 1);
    }
}

// Nothing is left open, but for what an operator did.
static void check_disks(void)
{
    struct cluster *c = &w.play.cluster;
    for (unsigned i = 0; i < c->count; i++) {
        for (size_t r = 0; r < c->actors[i].record_count; r++)
            assert_true(!c->actors[i].records[r].open || w.weather.operators);
    }
}

enum { COORDINATOR_ID = 0x1a1a1a1a1a };

static void open_model(uint64_t seed, bool rm_durable)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, "seed-%llu", (unsigned long long)seed);
    struct model_trace_config config = {
        .coordinator = COORDINATOR_ID,
        .rm_durable = rm_durable,
        .directory = getenv("MODEL_TRACE"),
        .prefix = prefix,
    };
    w.model = config.directory ? model_trace_new(&config) : NULL;
}

static void run(uint64_t seed)
{
    w = (struct world){.trace = getenv("TRACE") != NULL};
    seed_now = seed;
    rng_seed(&w.rng, seed);
    buf_init(&w.play.text, 64 << 20);
    struct cluster_options options = {
        .coordinator = true,
        .participants = 1 + (unsigned)rng_below(&w.rng, 3),
        .clients = 1 + (unsigned)rng_below(&w.rng, 2),
        .rm_durable = chance(30),
        .seed = seed,
        .rm = rm,
        .see = see,
        .configure = configure,
        .arg = &w.play,
    };
    w.weather = draw_weather();
    open_model(seed, options.rm_durable);
    cluster_open(&w.play.cluster, &options);
    storm();
    repair();
    for (unsigned i = 0; i < w.tx_count; i++)
        check_tx(&w.txs[i]);
    check_disks();
    assert_true(model_trace_close(&w.model) >= 0);
    cluster_close(&w.play.cluster);
    if (w.trace)
        fprintf(stderr, "%.*s", (int)w.play.text.size, (const char *)w.play.text.data);
    buf_free(&w.play.text);
    seed_now = 0;
}

static void random_clusters(void **state)
{
    (void)state;
    const char *one = getenv("SEED"), *many = getenv("SEEDS");
    if (one) {
        run(strtoull(one, NULL, 10));
        return;
    }
    uint64_t count = many ? strtoull(many, NULL, 10) : SEEDS;
    for (uint64_t seed = 1; seed <= count; seed++)
        run(seed);
}

static void say_seed(int signal_number)
{
    char text[64];
    int size = snprintf(text, sizeof text, "SEED=%llu\n", (unsigned long long)seed_now);
    if (seed_now && size > 0 && write(2, text, (size_t)size) < 0)
        _exit(1);
    if (seed_now && w.trace && write(2, w.play.text.data, w.play.text.size) < 0)
        _exit(1);
    if (signal_number) {
        signal(signal_number, SIG_DFL);
        raise(signal_number);
    }
}

static int say_seed_after(void **state)
{
    (void)state;
    say_seed(0);
    return 0;
}

int main(void)
{
    signal(SIGABRT, say_seed);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(random_clusters, say_seed_after),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
