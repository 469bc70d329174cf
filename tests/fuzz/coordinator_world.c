// SPDX-License-Identifier: Apache-2.0
#include "coordinator_world.h"

#include <stdio.h>

#include "base/check.h"
#include "trace.h"

const char *const world_resources[ORACLE_RESOURCES] = {"north", "south", "west"};
static const char *const principals[PEERS] = {"alice", "alice", "bob", "p1", "p2", "p3", "ops"};

static unsigned peer_slot(const struct world *w, peer_t id)
{
    unsigned slot = 0;
    while (slot < PEERS && w->peers[slot].id != id)
        slot++;
    return slot;
}

// ---- effects ----

static void keep_command(struct world *w, unsigned peer, const struct msg *msg)
{
    struct command *to = &w->commands[w->command_count++ % COMMANDS];
    *to = (struct command){.peer = peer, .type = msg->type};
    if (msg->type == MSG_PREPARE) {
        to->gtid = msg->u.prepare.gtid;
        to->attempt = msg->u.prepare.attempt;
        to->branch = msg->u.prepare.branch;
        to->flags = msg->u.prepare.flags;
    } else {
        to->gtid = msg->u.decide.gtid;
        to->attempt = msg->u.decide.attempt;
        to->branch = msg->u.decide.branch;
        to->flags = msg->u.decide.flags;
    }
}

static void take_lease(struct world *w, const struct msg_welcome *welcome)
{
    for (unsigned i = 0; i < welcome->lease_count && i < 2; i++) {
        struct gtid_parts parts = {
            .coordinator = w->config.id,
            .incarnation = w->config.incarnation,
            .lease_ms = welcome->lease_ms,
            .number = welcome->lease_first + i,
        };
        gtid_make(&parts, &w->gtids[4 + w->gtid_next++ % (GTIDS - 4)]);
    }
}

static void sent(struct world *w, peer_t id, const struct msg *msg)
{
    unsigned slot = peer_slot(w, id);
    int resource = slot < PEERS ? w->peers[slot].resource : -1;
    oracle_sent(&w->oracle, &w->log, id, resource, msg);
    if (slot == PEERS)
        return;
    if (msg->type == MSG_WELCOME) {
        w->peers[slot].resource = w->hello_resource;
        take_lease(w, &msg->u.welcome);
    } else if (msg->type == MSG_PREPARE || msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK) {
        keep_command(w, slot, msg);
    }
}

static void apply(struct world *w, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: sent(w, effect->u.send.peer, &effect->u.send.msg); break;
    case EFFECT_WRITE:
        oracle_writing(&w->oracle, effect->u.write.tx);
        fake_log_write(&w->log, &effect->u.write);
        break;
    case EFFECT_LOOKUP:
        CHECK(w->lookup_count < LOOKUPS);
        w->lookups[w->lookup_count++] =
            (struct lookup){effect->u.lookup.token, effect->u.lookup.gtid};
        break;
    case EFFECT_ANSWER:
        CHECK(w->orders_open > 0);
        CHECK(effect->u.answer.text.size < ASSENT_ERROR_MESSAGE_MAX);
        w->orders_open--;
        break;
    case EFFECT_STOP:
        CHECK(w->fenced && effect->u.stop.code == ASSENT_FENCED);
        w->stopped = true;
        break;
    case EFFECT_CALL:
    case EFFECT_HORIZON:
    case EFFECT_EXTENDED:
    case EFFECT_COMPLETE: CHECK(!"an effect of another core"); break;
    }
}

void world_look_in(struct world *w)
{
    static struct tx_view view;
    struct gtid gtid;
    struct coordinator_stats stats;
    struct participant_view participant;
    struct foreign_view foreign;
    uint64_t count = 0;
    for (size_t cursor = 0; coordinator_next(w->c, &cursor, &gtid); count++) {
        CHECK(coordinator_view(w->c, &gtid, &view));
        CHECK(view.record.branch_count <= w->config.branches_max || view.record.mixed);
    }
    for (size_t cursor = 0; coordinator_next_participant(w->c, &cursor, &participant);)
        CHECK(participant.resource.size > 0);
    for (size_t cursor = 0; coordinator_next_foreign(w->c, &cursor, &foreign);)
        CHECK(foreign.gtid.size > 0);
    coordinator_stats(w->c, &stats);
    CHECK(stats.transactions == count);
}

void world_step(struct world *w, struct event *event)
{
    if (w->stopped)
        return;
    event->now = w->now;
    effects_reset(&w->fx);
    trace_event(event);
    coordinator_step(w->c, event, &w->fx);
    trace_effects(&w->fx);
    CHECK(!w->fx.failed);
    for (size_t i = 0; i < w->fx.count; i++)
        apply(w, &w->fx.items[i]);
    if (w->stopped)
        return;
    CHECK(coordinator_deadline(w->c) > w->now.mono_ms || w->draining);
    for (unsigned slot = 0; slot < PEERS; slot++) {
        if (w->peers[slot].id == 0)
            continue;
        struct frame_header header;
        coordinator_header(w->c, w->peers[slot].id, &header);
        CHECK(header.log_seq <= w->log.head_seq);
        if (w->peers[slot].resource >= 0)
            oracle_fence(&w->oracle, w->peers[slot].resource, header.fence);
        w->heard = header;
    }
}

void world_receive(struct world *w, unsigned slot, const struct msg *msg)
{
    struct frame_header header = w->heard;
    header.from_coordinator = 0;
    header.fence = 0;
    if (w->peers[slot].id == 0)
        w->peers[slot] = (struct peer){.id = w->peer_next++, .resource = -1};
    if (msg->type == MSG_INQUIRE)
        oracle_asked(&w->oracle, w->peers[slot].id, &msg->u.inquire);
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.peer = w->peers[slot].id;
    event.u.received.principal = slice_text(principals[slot]);
    event.u.received.header = &header;
    event.u.received.msg = msg;
    world_step(w, &event);
}

// ---- what the disk does ----

bool world_sync(struct world *w)
{
    struct event event = {.type = EVENT_WRITTEN};
    const struct fake_entry *stands;
    if (!fake_log_sync(&w->log, &event.u.written.token, &stands))
        return false;
    event.u.written.log_seq = w->log.head_seq;
    if (stands)
        event.u.written.stands = fake_log_tx(stands);
    world_step(w, &event);
    return true;
}

bool world_look_up(struct world *w, unsigned which)
{
    if (w->lookup_count == 0)
        return false;
    struct lookup *place = &w->lookups[which % w->lookup_count];
    struct lookup lookup = *place;
    *place = w->lookups[--w->lookup_count];
    char key[LIMIT_GTID_BYTES + 1];
    snprintf(key, sizeof key, "%.*s", lookup.gtid.size, lookup.gtid.text);
    const struct fake_entry *found = fake_log_find(&w->log, key);
    struct event event = {.type = EVENT_LOOKED_UP};
    event.u.looked_up.token = lookup.token;
    event.u.looked_up.found = found ? fake_log_tx(found) : NULL;
    event.u.looked_up.horizon_ms = w->log.horizon;
    world_step(w, &event);
    return true;
}

static void start(struct world *w)
{
    w->config.incarnation++;
    w->config.log_seq = ++w->log.head_seq; // opening a log writes to it
    w->c = coordinator_new(&w->config);
    CHECK(w->c);
    for (unsigned i = 0; i < FAKE_LOG_ENTRIES; i++) {
        struct event event = {.type = EVENT_RECOVERED};
        if (!w->log.entries[i].key[0] || !w->log.entries[i].open)
            continue;
        event.u.tx = fake_log_tx(&w->log.entries[i]);
        world_step(w, &event);
    }
    struct event event = {.type = EVENT_START};
    world_step(w, &event);
}

static void lose_peer(struct world *w, unsigned slot)
{
    oracle_gone(&w->oracle, w->peers[slot].id);
    w->peers[slot] = (struct peer){.resource = -1};
}

void world_crash(struct world *w)
{
    coordinator_destroy(&w->c);
    fake_log_crash(&w->log);
    for (unsigned slot = 0; slot < PEERS; slot++)
        lose_peer(w, slot);
    w->lookup_count = 0;
    w->orders_open = 0;
    w->draining = false;
    start(w);
}

void world_collect(struct world *w)
{
    char key[RECORD_KEY_BYTES];
    if (fake_log_collect(&w->log, w->now.wall_ms, key))
        oracle_collected(&w->oracle, key);
}

void world_disconnect(struct world *w, unsigned slot)
{
    struct event event = {.type = EVENT_DISCONNECTED};
    if (w->peers[slot].id == 0)
        return;
    event.u.disconnected = w->peers[slot].id;
    lose_peer(w, slot);
    world_step(w, &event);
}

void world_order(struct world *w, enum operator_verb verb, bool lost, const struct gtid *gtid,
                 struct slice why)
{
    struct event event = {.type = EVENT_OPERATOR};
    event.u.op.token = ++w->order_next;
    event.u.op.verb = verb;
    event.u.op.lost = lost;
    event.u.op.gtid = *gtid;
    event.u.op.who = slice_text("admin");
    event.u.op.why = why;
    w->orders_open++;
    world_step(w, &event);
}

void world_fence(struct world *w)
{
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.fenced = true;
    w->fenced = true;
    world_step(w, &event);
    CHECK(w->stopped);
}

void world_pass(struct world *w, uint64_t ms)
{
    struct event event = {.type = EVENT_TICK};
    w->now.mono_ms += ms;
    w->now.wall_ms += ms;
    world_step(w, &event);
}

void world_open(struct world *w)
{
    static const char *const own[] = {"a", "order-1", "zz", "00000001.1.0.1"};
    *w = (struct world){.peer_next = 1, .hello_resource = -1};
    effects_init(&w->fx);
    for (unsigned i = 0; i < GTIDS; i++)
        CHECK(gtid_from(slice_text(own[i % 4]), &w->gtids[i]));
    for (unsigned slot = 0; slot < PEERS; slot++)
        w->peers[slot].resource = -1;
    w->now = (struct now){.mono_ms = 1000, .wall_ms = 1700000000000};
    coordinator_config_defaults(&w->config);
    w->config.id = 0x123456789a;
    oracle_init(&w->oracle, w->config.id);
    w->config.secret[0] = 7;
    w->config.seed = 1;
    w->config.transactions_max = 6;
    w->config.branches_max = 4;
    w->config.peers_max = 6;
    w->config.payload_bytes_max = 6;
    w->config.lease_gtids = 3;
    w->config.timeout_max_ms = 60000;
    start(w);
}

void world_close(struct world *w)
{
    coordinator_destroy(&w->c);
    fake_log_free(&w->log);
    oracle_free(&w->oracle);
    effects_free(&w->fx);
}
