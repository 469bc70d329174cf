// SPDX-License-Identifier: Apache-2.0
// Processes start, die, and are started again.
#include <stdio.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "memory.h"
#include "model.h"

enum {
    RESTART_US = 20000,
    RESTART_SPREAD_US = 400000,
    LONG_DOWN_US = 20000000,
    REPAIR_LOG_US = 5000000, // until an operator has put the true log back
};

static void start_later(struct actor *a, uint64_t delay_us)
{
    struct world *w = a->world;
    struct item *item = queue_item(&w->queue, ITEM_START);
    item->actor = a;
    queue_add(&w->queue, item, w->now_us + delay_us);
}

// ---- coordinators ----

static void limits_of(const struct sim_setup *setup, struct coordinator_config *config)
{
    config->lease_gtids = setup->lease_gtids;
    config->phase_one_timeout_ms = 4000;
    config->timeout_default_ms = 15000;
    config->check_back_ms = 3000;
    if (setup->tight) {
        config->transactions_max = TIGHT_TRANSACTIONS;
    }
}

static int recovered(void *arg, const struct store_record *record)
{
    static struct tx_record_storage storage;
    struct actor *a = arg;
    assent_error error = {0};
    struct tx_record tx;
    struct branch_record branch;
    struct event event = {.type = EVENT_RECOVERED};
    int code;
    if (a->kind == ACTOR_COORDINATOR) {
        code = record_decode_tx(record->value, &storage, &tx, &error);
        event.u.tx = &tx;
    } else {
        code = record_decode_branch(record->value, &branch, &error);
        event.u.branch = &branch;
    }
    REQUIRE(a->world, code == ASSENT_OK, "codec", "a record cannot be read: %s", error.message);
    if (a->kind == ACTOR_PARTICIPANT)
        check_heard_before(a, &branch);
    shell_step(a, &event);
    return !a->alive;
}

static void recover(struct actor *a)
{
    assent_error error;
    a->disk.store->ops->scan(a->disk.store, a->kind == ACTOR_COORDINATOR, false, 0, recovered, a,
                             &error);
}

static void start_coordinator(struct actor *a)
{
    struct coordinator_config config;
    struct store_info info;
    a->disk.store->ops->info(a->disk.store, &info);
    coordinator_config_defaults(&config);
    config.id = info.id;
    config.incarnation = info.incarnation;
    memcpy(config.secret, info.secret, sizeof config.secret);
    config.seed = a->world->setup.seed + info.incarnation;
    config.log_seq = info.head_seq;
    limits_of(&a->world->setup, &config);
    memory_charge(&a->blocks);
    a->coordinator = coordinator_new(&config);
    memory_charge(NULL);
    CHECK(a->coordinator);
    a->alive = true;
    recover(a);
    shell_step(a, &(struct event){.type = EVENT_START});
}

// ---- participants and clients ----

static void start_participant(struct actor *a)
{
    struct participant_config config;
    struct store_info info;
    a->disk.store->ops->info(a->disk.store, &info);
    participant_config_defaults(&config);
    snprintf(config.resource, sizeof config.resource, "%s", a->name);
    snprintf(config.address, sizeof config.address, SIM_ADDRESS, a->name);
    config.incarnation = info.incarnation;
    config.journal = info.id;
    config.seed = a->world->setup.seed * 31 + a->index + info.incarnation;
    config.rm_durable = a->rm_durable;
    config.rm_forgets = true;
    config.suspect_ms = 200 + (uint32_t)(a->world->setup.seed * 7919 % 6000); // all alike
    config.stagger_ms = config.suspect_ms / 20;
    config.decided_max = 1024; // cheaper to make than the default, and no run has more
    if (a->world->setup.tight) {
        config.branches_max = TIGHT_BRANCHES;
        config.finished_max = TIGHT_FINISHED;
    }
    memory_charge(&a->blocks);
    a->participant = participant_new(&config);
    memory_charge(NULL);
    CHECK(a->participant);
    a->alive = true;
    recover(a);
    bank_found(a);
    if (!a->alive || shell_dies(a, CRASH_part_in_recovery))
        return;
    shell_step(a, &(struct event){.type = EVENT_START});
    check_heard_of(a);
    bank_working(a);
}

static void start_client(struct actor *a)
{
    struct client_config config;
    client_config_defaults(&config);
    snprintf(config.name, sizeof config.name, "%s", a->name);
    config.seed = a->world->setup.seed * 17 + a->index + a->life;
    memory_charge(&a->blocks);
    if (a->world->setup.tight)
        config.asks_max = TIGHT_ASKS;
    a->client = client_new(&config);
    memory_charge(NULL);
    CHECK(a->client);
    a->alive = true;
}

// ---- both ----

// The log was damaged while nobody looked, so it must not be opened, or not be served from.
static bool refuses(struct actor *a, int code, const char *why)
{
    struct world *w = a->world;
    if (code == ASSENT_OK)
        return false;
    REQUIRE(w, a->disk.damage == DAMAGE_SHORTER || a->disk.damage == DAMAGE_FLIPPED, "honest log",
            "%s: a log that is whole was refused: %s", a->name, why);
    story_say(a, "refuses its log: %s", why);
    disk_repair(a);
    start_later(a, REPAIR_LOG_US);
    return true;
}

static struct actor *other_than(const struct actor *coordinator)
{
    struct world *w = coordinator->world;
    unsigned count = w->setup.coordinators, step = 1;
    if (count > 2) // of two there is nothing to draw
        step += (unsigned)faults_below(&w->faults, FAULT_MOVED, count - 1);
    return &w->actors[(coordinator->index + step) % count];
}

// Where there is another coordinator, somebody may mistake it for that of this participant.
static void find_home(struct actor *a)
{
    struct world *w = a->world;
    a->home = a->first_home;
    if (w->setup.coordinators > 1 && faults_strike(&w->faults, FAULT_MOVED))
        a->home = other_than(a->first_home);
}

void life_start(struct actor *a)
{
    struct world *w = a->world;
    assent_error error = {0};
    if (a->alive)
        return;
    if (a->kind != ACTOR_CLIENT && refuses(a, disk_open(a, &error), error.message))
        return;
    REQUIRE(w, a->disk.damage == DAMAGE_NONE || a->disk.damage == DAMAGE_OLDER, "honest log",
            "%s: a damaged log was believed (%d)", a->name, a->disk.damage);
    check_memory(a);
    if (a->life > 0)
        model_start(a);
    a->life++;
    a->heard_seq = a->fence = 0;
    a->tick_us = UINT64_MAX;
    a->flushing = a->draining = false;
    if (a->kind == ACTOR_PARTICIPANT)
        find_home(a);
    story_say(a, a->home == a->first_home ? "STARTS" : "STARTS under another coordinator");
    if (a->kind == ACTOR_COORDINATOR)
        start_coordinator(a);
    else if (a->kind == ACTOR_PARTICIPANT)
        start_participant(a);
    else
        start_client(a);
    if (a->alive && a->disk.damage == DAMAGE_OLDER)
        disaster_show_more(a);
    if (a->alive && a->kind != ACTOR_COORDINATOR)
        link_connect(a);
}

void life_end(struct actor *a)
{
    a->alive = false;
    memory_charge(&a->blocks);
    coordinator_destroy(&a->coordinator);
    participant_destroy(&a->participant);
    client_destroy(&a->client);
    memory_charge(NULL);
}

void life_crash(struct actor *a, const char *how)
{
    struct world *w = a->world;
    CHECK(a->alive);
    story_say(a, "DIES %s", how);
    w->crashes++;
    model_crash(a);
    life_end(a);
    for (unsigned i = 0; i < a->out_count; i++)
        buf_reset(&a->out[i].frame);
    a->sent_prepare = a->sent_decide = a->sent_vote = a->sent_done = false;
    if (a->kind == ACTOR_PARTICIPANT)
        bank_crash(a);
    if (a->kind != ACTOR_CLIENT)
        disk_crash(a, faults_strike(&w->faults, FAULT_POWER));
    if (a->kind == ACTOR_COORDINATOR)
        link_down(a);
    else
        link_cut(a, false);
    bool quick = w->repaired || rng_below(&w->rng_time, 4) > 0;
    start_later(a, RESTART_US + rng_below(&w->rng_time, quick ? RESTART_SPREAD_US : LONG_DOWN_US));
}
