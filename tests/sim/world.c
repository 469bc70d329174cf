// SPDX-License-Identifier: Apache-2.0
// One run, from its beginning to its end.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "memory.h"
#include "model.h"

enum {
    LOOK_US = 1000000,                        // how often it is asked whether all is at rest
    REPAIR_US = 2 * 3600 * UINT64_C(1000000), // time that everything has, after the repair, to end
    STEPS_MAX = 3000000,
    STEPS_EACH = 10000, // and so many more for each actor and transaction
};

static _Thread_local jmp_buf run_end;
static _Thread_local struct world *running;

_Noreturn void sim_fail(struct world *w, const char *invariant, const char *format, ...)
{
    memory_charge(NULL); // it may have been a core that broke
    va_list arguments;
    int size = snprintf(w->verdict, sizeof w->verdict, "%s: ", invariant);
    va_start(arguments, format);
    vsnprintf(w->verdict + size, sizeof w->verdict - (size_t)size, format, arguments);
    va_end(arguments);
    w->failed = true;
    longjmp(run_end, 1);
}

// Takes the place of check_failed in the programs that are linked with the simulator: a broken
// invariant of the code itself is a finding like any other.
_Noreturn void __wrap_check_failed(const char *file, int line, const char *function,
                                   const char *condition);
_Noreturn void __real_check_failed(const char *file, int line, const char *function,
                                   const char *condition);
_Noreturn void __wrap_check_failed(const char *file, int line, const char *function,
                                   const char *condition)
{
    if (!running)
        __real_check_failed(file, line, function, condition);
    const char *slash = file;
    for (const char *at = file; *at; at++)
        slash = *at == '/' ? at + 1 : slash;
    sim_fail(running, "invariant of the code", "%s, %s: %s", slash, function, condition);
}

peer_t world_peer(struct world *w, const struct actor *a)
{
    return ++w->peer_next << w->peer_actor_bits | a->index;
}

const struct actor *world_owner_of_peer(const struct world *w, peer_t peer)
{
    return &w->actors[peer & ((1u << w->peer_actor_bits) - 1)];
}

struct actor *world_actor_of_peer(struct world *w, peer_t peer)
{
    struct actor *owner = (struct actor *)world_owner_of_peer(w, peer);
    return owner->link.peer == peer ? owner : NULL;
}

uint64_t *world_apart(const struct world *w, const struct actor *from, const struct actor *to)
{
    return &w->apart_us[(size_t)from->index * w->actor_count + to->index];
}

struct actor *world_any(struct world *w, struct rng *rng, enum actor_kind kind,
                        const struct actor *home)
{
    struct actor *fit[SIM_ACTORS_MAX];
    unsigned count = 0;
    for (unsigned i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        if (a->kind == kind && (!home || a->first_home == home))
            fit[count++] = a;
    }
    CHECK(count > 0);
    return fit[rng_below(rng, count)];
}

// ---- beginning ----

static void *zeroed(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    CHECK(memory);
    return memory;
}

static void add(struct actor *a, enum actor_kind kind, const char *name, unsigned number,
                struct actor *home)
{
    static const uint64_t first_id = 0x1a1a1a1a1a;
    struct world *w = a->world;
    a->kind = kind;
    a->index = (unsigned)(a - w->actors);
    a->home = a->first_home = home;
    a->principal = "app";
    a->speed = 1000000;
    snprintf(a->name, sizeof a->name, "%s-%u", name, number + 1);
    a->id = first_id + a->index;
    a->tick_us = UINT64_MAX;
    a->ask_next = 1;
    effects_init(&a->fx);
    a->out_count = kind == ACTOR_COORDINATOR ? w->actor_count : 1;
    a->out = zeroed(a->out_count, sizeof *a->out);
    for (unsigned i = 0; i < a->out_count; i++)
        buf_init(&a->out[i].frame, LIMIT_FRAME_BYTES);
    if (faults_strike(&w->faults, FAULT_CLOCK_DRIFT))
        a->speed += (uint32_t)faults_below(&w->faults, FAULT_CLOCK_DRIFT, 200001) - 100000;
    if (kind == ACTOR_CLIENT) {
        a->asks = zeroed(SIM_ASKS, sizeof *a->asks);
    } else {
        a->disk.memory = memory_disk_new();
        CHECK(a->disk.memory);
    }
}

// A peer's number decides its place in the cores' maps: with four bits at least, the runs of small
// worlds do not depend on how small they are.
static unsigned bits_for(unsigned actors)
{
    unsigned bits = 4;
    while (actors > 1u << bits)
        bits++;
    return bits;
}

static void make_room(struct world *w)
{
    const struct sim_setup *setup = &w->setup;
    w->actor_count = setup->coordinators * (1 + setup->participants + setup->clients);
    CHECK(w->actor_count <= SIM_ACTORS_MAX);
    w->actors = zeroed(w->actor_count, sizeof *w->actors);
    w->apart_us = zeroed((size_t)w->actor_count * w->actor_count, sizeof *w->apart_us);
    w->peer_actor_bits = bits_for(w->actor_count);
    for (unsigned i = 0; i < w->actor_count; i++)
        w->actors[i].world = w;
}

static void populate(struct world *w)
{
    const struct sim_setup *setup = &w->setup;
    make_room(w);
    struct actor *homes = w->actors, *a = w->actors;
    for (unsigned i = 0; i < setup->coordinators; i++)
        add(a++, ACTOR_COORDINATOR, "coordinator", i, NULL);
    for (unsigned i = 0; i < setup->coordinators * setup->participants; i++, a++) {
        add(a, ACTOR_PARTICIPANT, "bank", i, &homes[i / setup->participants]);
        a->rm_durable = setup->rm_durable && (i % 2 || setup->alike);
        for (unsigned n = 0; n < SIM_ACCOUNTS; n++)
            a->bank.accounts[n].balance = SIM_BALANCE;
    }
    for (unsigned i = 0; i < setup->coordinators * setup->clients; i++, a++) {
        add(a, ACTOR_CLIENT, "app", i, &homes[i / setup->clients]);
        a->principal = setup->strangers && i % setup->clients ? "stranger" : "app";
    }
}

static void later(struct world *w, enum item_kind kind, uint64_t due_us)
{
    queue_add(&w->queue, queue_item(&w->queue, kind), due_us);
}

static void open_world(struct world *w, const struct sim_setup *setup, struct sim_extras *extras)
{
    *w = (struct world){.setup = *setup, .hash = setup->seed};
    faults_init(&w->faults, setup->seed);
    memcpy(w->faults.rate, setup->rate, sizeof setup->rate);
    w->faults.only = setup->only;
    w->faults.log = extras->log;
    w->story = extras->story;
    w->coverage = extras->coverage;
    rng_seed(&w->rng_app, setup->seed ^ 0xa1);
    rng_seed(&w->rng_net, setup->seed ^ 0xa2);
    rng_seed(&w->rng_disk, setup->seed ^ 0xa3);
    rng_seed(&w->rng_rm, setup->seed ^ 0xa4);
    rng_seed(&w->rng_time, setup->seed ^ 0xa5);
    rng_seed(&w->rng_say, setup->seed ^ 0xa6);
    queue_init(&w->queue);
    buf_init(&w->scratch, LIMIT_FRAME_BYTES);
    map_init(&w->by_gtid, setup->seed);
    populate(w);
    if (extras->model)
        model_begin(w, extras->model);
    for (unsigned i = 0; i < w->actor_count; i++)
        life_start(&w->actors[i]);
    app_plan(w);
    later(w, ITEM_DISASTER, LOOK_US / 4);
    later(w, ITEM_REPAIR, (setup->span_ms + UINT64_C(2000)) * 1000);
}

// ---- end ----

static void close_actor(struct actor *a)
{
    bool failed = a->world->failed;
    if (!failed) // a core that broke off in a step cannot be taken apart
        life_end(a);
    effects_free(&a->fx);
    for (unsigned i = 0; i < a->out_count; i++)
        buf_free(&a->out[i].frame);
    free(a->out);
    free(a->asks);
    if (!failed)
        disk_free(&a->disk);
    bank_free(a);
}

static void close_world(struct world *w)
{
    for (unsigned i = 0; i < w->actor_count; i++)
        close_actor(&w->actors[i]);
    free(w->actors);
    free(w->apart_us);
    for (unsigned i = 0; i < w->tx_count; i++)
        free(w->txs[i].attempts);
    free(w->txs);
    map_free(&w->by_gtid);
    queue_free(&w->queue);
    buf_free(&w->scratch);
}

// After the repair: rest, a transfer at each client, rest, everybody's questions, rest, the end.
static bool look(struct world *w, struct item *item)
{
    uint64_t phase = item->number;
    if (phase == 0) {
        disaster_repair(w);
        w->repair_us = w->now_us;
    } else if (!check_at_rest(w)) {
        REQUIRE(w, w->now_us < w->repair_us + REPAIR_US, "AC5, all decide",
                "it does not come to an end: %s", check_unrest(w));
        phase--;
    } else if (phase == 1) {
        app_probe(w);
    } else if (phase == 2) {
        app_status(w);
    } else {
        return true;
    }
    item->number = phase + 1;
    queue_add(&w->queue, item, w->now_us + LOOK_US);
    return false;
}

// False: it was the end.
static bool happen(struct world *w, struct item *item)
{
    struct actor *a = item->actor;
    if (a && item->life && (!a->alive || item->life != a->life) && item->kind != ITEM_FRAME) {
        queue_release(&w->queue, item);
        return true;
    }
    switch ((enum item_kind)item->kind) {
    case ITEM_FRAME: link_deliver(w, item); break;
    case ITEM_GONE: link_gone(w, item); break;
    case ITEM_TELL: link_told(w, item); break;
    case ITEM_CONNECT: link_connect(a); break;
    case ITEM_TICK: shell_tick(a, item->number); break;
    case ITEM_FLUSH: shell_flush(a); break;
    case ITEM_DISK: disk_turn(a); break;
    case ITEM_CALL: bank_do(a, item->number); break;
    case ITEM_ANSWER: bank_answer(a, item); break;
    case ITEM_START: life_start(a); break;
    case ITEM_APP: app_turn(w, item); break;
    case ITEM_OPERATOR: disaster_operator(w, item); break;
    case ITEM_DISASTER: disaster_turn(w); break;
    case ITEM_REPAIR: return look(w, item) ? (queue_release(&w->queue, item), false) : true;
    }
    queue_release(&w->queue, item);
    return true;
}

static void play(struct world *w)
{
    uint64_t steps_max = STEPS_MAX + STEPS_EACH * (uint64_t)(w->actor_count + w->tx_count);
    for (struct item *item; (item = queue_take(&w->queue));) {
        w->now_us = item->due_us;
        story_mix(w, item->due_us * 31 + item->kind);
        if (!happen(w, item))
            break;
        REQUIRE(w, w->steps < steps_max, "bounded", "more than %llu steps",
                (unsigned long long)steps_max);
    }
    check_end(w);
}

void sim_run(const struct sim_setup *setup, struct sim_extras *extras, struct sim_result *ret)
{
    static struct world world;
    struct world *w = &world;
    if (setjmp(run_end) == 0) {
        running = w;
        open_world(w, setup, extras);
        play(w);
    }
    running = NULL;
    if (model_end() < 0 && !w->failed) {
        w->failed = true;
        snprintf(w->verdict, sizeof w->verdict, "traces: %s cannot be written to", extras->model);
    }
    *ret = (struct sim_result){
        .failed = w->failed,
        .hash = w->hash,
        .virtual_us = w->now_us,
        .steps = w->steps,
        .messages = w->messages,
        .crashes = w->crashes,
        .strikes = w->faults.total,
        .transactions = w->tx_begun,
    };
    for (unsigned i = 0; i < w->tx_count; i++) {
        ret->committed += w->txs[i].told == OUTCOME_COMMITTED;
        ret->aborted += w->txs[i].told == OUTCOME_ABORTED;
    }
    for (unsigned i = 0; i < FAULT_COUNT && w->coverage; i++)
        w->coverage->strikes[i] += w->faults.happened[i];
    memcpy(ret->verdict, w->verdict, sizeof ret->verdict);
    close_world(w);
}
