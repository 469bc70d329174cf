// SPDX-License-Identifier: Apache-2.0
// How the actors of a fake cluster begin, die and come back.
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "cluster.h"

enum { FIRST_ID = 0x1a1a1a1a1a };

static struct actor *add(struct cluster *c, enum actor_kind kind, const char *name)
{
    CHECK(c->count < CLUSTER_ACTORS_MAX);
    struct actor *a = &c->actors[c->count++];
    *a = (struct actor){.cluster = c, .kind = kind, .id = FIRST_ID + c->count - 1};
    snprintf(a->name, sizeof a->name, "%s", name);
    a->rm_durable = c->options.rm_durable;
    effects_init(&a->fx);
    return a;
}

void cluster_open(struct cluster *c, const struct cluster_options *options)
{
    *c = (struct cluster){.options = *options, .peer_next = 1};
    c->now.wall_ms = 1000000;
    list_init(&c->items);
    if (options->coordinator)
        add(c, ACTOR_COORDINATOR, "coordinator");
    char name[16];
    for (unsigned i = 0; i < options->participants; i++) {
        snprintf(name, sizeof name, "bank-%c", 'a' + (int)i);
        add(c, ACTOR_PARTICIPANT, name);
    }
    for (unsigned i = 0; i < options->clients; i++) {
        snprintf(name, sizeof name, i ? "app-%u" : "app", i + 1);
        add(c, ACTOR_CLIENT, name);
    }
    for (unsigned i = 0; i < c->count; i++)
        cluster_start(&c->actors[i]);
}

// ---- disks ----

static void forget_records(struct actor *a)
{
    for (size_t i = 0; i < a->record_count; i++)
        free((void *)a->records[i].bytes.data);
    free(a->records);
    a->records = NULL;
    a->record_count = 0;
}

void cluster_wipe(struct actor *a)
{
    CHECK(!a->alive);
    forget_records(a);
    a->id += 0x100;
    a->incarnation = a->log_seq = a->horizon = 0;
}

static void copy_records(struct actor *to, const struct actor *from)
{
    forget_records(to);
    to->records = calloc(from->record_count + 1, sizeof *to->records);
    CHECK(to->records);
    for (size_t i = 0; i < from->record_count; i++) {
        uint8_t *bytes = malloc(from->records[i].bytes.size);
        CHECK(bytes);
        memcpy(bytes, from->records[i].bytes.data, from->records[i].bytes.size);
        to->records[i] = from->records[i];
        to->records[i].bytes.data = bytes;
    }
    to->record_count = from->record_count;
    to->id = from->id;
    to->incarnation = from->incarnation;
    to->log_seq = from->log_seq;
    to->horizon = from->horizon;
}

void cluster_copy(const struct actor *a)
{
    copy_records(&a->cluster->copy, a);
}

void cluster_restore(struct actor *a)
{
    CHECK(!a->alive);
    copy_records(a, &a->cluster->copy);
}

// ---- beginning and end ----

static void forget_memory(struct actor *a)
{
    a->alive = false;
    coordinator_destroy(&a->coordinator);
    participant_destroy(&a->participant);
    client_destroy(&a->client);
}

void cluster_close(struct cluster *c)
{
    while (!list_empty(&c->items))
        cluster_lose(container_of(c->items.next, struct item, link));
    for (unsigned i = 0; i < c->count; i++) {
        struct actor *a = &c->actors[i];
        forget_memory(a);
        effects_free(&a->fx);
        forget_records(a);
        free(a->holdings);
    }
    forget_records(&c->copy);
}

struct actor *cluster_actor(struct cluster *c, const char *name)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (strcmp(c->actors[i].name, name) == 0)
            return &c->actors[i];
    }
    fail_msg("there is no %s", name);
    return NULL;
}

struct actor *cluster_coordinator(struct cluster *c)
{
    return c->options.coordinator ? &c->actors[0] : NULL;
}

// ---- starting ----

static void configure(struct actor *a, struct participant_config *participant,
                      struct coordinator_config *coordinator)
{
    const struct cluster_options *options = &a->cluster->options;
    if (options->configure)
        options->configure(options->arg, participant, coordinator);
}

static void start_coordinator(struct actor *a)
{
    struct coordinator_config config;
    coordinator_config_defaults(&config);
    config.id = a->id;
    config.incarnation = a->incarnation;
    config.secret[0] = a->id ^ 0x5eed;
    config.seed = a->cluster->options.seed + a->incarnation;
    config.log_seq = a->log_seq;
    configure(a, NULL, &config);
    a->coordinator = coordinator_new(&config);
    a->alive = a->coordinator != NULL;
    struct tx_record_storage storage;
    struct tx_record record;
    assent_error error;
    struct event event = {.type = EVENT_RECOVERED, .u.tx = &record};
    for (size_t i = 0; i < a->record_count; i++) {
        if (!a->records[i].open)
            continue;
        assert_int_equal(record_decode_tx(a->records[i].bytes, &storage, &record, &error), 0);
        cluster_step(a, &event);
    }
}

static void start_participant(struct actor *a)
{
    struct participant_config config;
    participant_config_defaults(&config);
    snprintf(config.resource, sizeof config.resource, "%s", a->name);
    snprintf(config.address, sizeof config.address, "at-%s", a->name);
    config.incarnation = a->incarnation;
    config.journal = a->id;
    config.seed = a->cluster->options.seed * 31 + a->id + a->incarnation;
    config.rm_durable = a->rm_durable;
    configure(a, &config, NULL);
    a->participant = participant_new(&config);
    a->alive = a->participant != NULL;
    struct branch_record record;
    assent_error error;
    struct event event = {.type = EVENT_RECOVERED, .u.branch = &record};
    for (size_t i = 0; i < a->record_count; i++) {
        assert_int_equal(record_decode_branch(a->records[i].bytes, &record, &error), 0);
        cluster_step(a, &event);
    }
    event.type = EVENT_FOUND;
    for (size_t i = 0; i < a->holding_count; i++) {
        const struct holding *h = &a->holdings[i];
        if (h->held != HELD_PREPARED)
            continue;
        record = (struct branch_record){
            .gtid = h->gtid,
            .attempt = h->attempt,
            .coordinator = h->coordinator,
            .branch = h->branch,
            .protocol = PROTOCOL_2PC,
        };
        cluster_step(a, &event);
    }
}

static void start_client(struct actor *a)
{
    struct client_config config;
    client_config_defaults(&config);
    snprintf(config.name, sizeof config.name, "%s", a->name);
    config.seed = a->cluster->options.seed * 17 + a->id + a->incarnation;
    a->client = client_new(&config);
    a->alive = a->client != NULL;
}

void cluster_start(struct actor *a)
{
    struct cluster *c = a->cluster;
    CHECK(!a->alive);
    cluster_cut(a);
    cluster_collect(a, 0);
    a->incarnation++;
    if (a->kind == ACTOR_COORDINATOR)
        start_coordinator(a);
    else if (a->kind == ACTOR_PARTICIPANT)
        start_participant(a);
    else
        start_client(a);
    if (a->kind != ACTOR_CLIENT)
        cluster_step(a, &(struct event){.type = EVENT_START});
    if (a->kind != ACTOR_COORDINATOR) {
        cluster_connect(a);
        return;
    }
    for (unsigned i = 0; i < c->count; i++) {
        if (c->actors[i].kind != ACTOR_COORDINATOR)
            cluster_connect(&c->actors[i]);
    }
}

// ---- dying ----

static bool reaches(const struct item *item, size_t *kept, bool calls)
{
    if (item->kind == ITEM_CALL)
        return calls;
    return item->kind == ITEM_WRITE && *kept > 0 && (*kept)--;
}

void cluster_crash(struct actor *a, size_t kept, bool calls)
{
    struct cluster *c = a->cluster;
    if (!a->alive)
        return;
    forget_memory(a);
    for (struct list *l = c->items.next, *next; l != &c->items; l = next) {
        next = l->next;
        struct item *item = container_of(l, struct item, link);
        if (item->kind == ITEM_FRAME ? item->to != a : item->from != a)
            continue;
        if (item->kind != ITEM_FRAME && reaches(item, &kept, calls))
            cluster_happen(c, item); // nobody lives to hear of it
        else
            cluster_lose(item);
    }
}
