// SPDX-License-Identifier: Apache-2.0
// Connections, and the frames that travel on them. Like TCP, a connection keeps the order of what
// is sent one way, unless a fault says otherwise; what was sent on an earlier connection arrives on
// a later one only where it had been received, and was not read yet.
#include <stdlib.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "sim.h"

enum {
    LATENCY_US = 60,
    LATENCY_SPREAD_US = 300,
    DELAY_MAX_US = 10000000,
    CONNECT_US = 50000,
    CONNECT_SPREAD_US = 400000,
};

static struct actor *owner_of(struct actor *from, struct actor *to)
{
    return from->kind == ACTOR_COORDINATOR ? to : from;
}

// ---- frames ----

static uint64_t latency(struct world *w)
{
    uint64_t us = LATENCY_US + rng_below(&w->rng_net, LATENCY_SPREAD_US);
    if (faults_strike(&w->faults, FAULT_DELAY))
        us += faults_below(&w->faults, FAULT_DELAY, DELAY_MAX_US);
    return us;
}

static void travel(struct world *w, struct actor *from, struct actor *to, peer_t peer,
                   struct slice frame)
{
    struct link *link = &owner_of(from, to)->link;
    enum direction direction = from->kind == ACTOR_COORDINATOR ? DOWN : UP;
    uint64_t due_us = w->now_us + latency(w);
    if (due_us < link->blocked_us[direction])
        due_us = link->blocked_us[direction] + latency(w);
    if (due_us <= link->last_us[direction] && !faults_strike(&w->faults, FAULT_DISORDER))
        due_us = link->last_us[direction] + 1;
    if (due_us > link->last_us[direction])
        link->last_us[direction] = due_us;
    struct item *item = queue_item(&w->queue, ITEM_FRAME);
    uint8_t *copy = malloc(frame.size);
    CHECK(copy);
    memcpy(copy, frame.data, frame.size);
    item->bytes = slice_of(copy, frame.size);
    item->actor = to;
    item->life = to->life;
    item->peer = peer;
    item->what = (uint8_t)direction;
    queue_add(&w->queue, item, due_us);
}

void link_send(struct actor *from, struct actor *to, peer_t peer, struct slice frame)
{
    struct world *w = from->world;
    w->frames++;
    story_mix_bytes(w, frame);
    if (owner_of(from, to)->link.peer != peer || !to->alive)
        return; // nobody is at the other end any more
    if (faults_strike(&w->faults, FAULT_LOSS)) {
        story_say(from, "(a frame to %s is lost)", to->name);
        return;
    }
    travel(w, from, to, peer, frame);
    if (faults_strike(&w->faults, FAULT_TWICE))
        travel(w, from, to, peer, frame);
}

static void receive(struct world *w, struct actor *to, peer_t peer, struct slice frame)
{
    struct frame_header header;
    struct msg msg;
    assent_error error = {0};
    int code = wire_open(&w->reader, frame, &header, &error);
    uint64_t life = to->life;
    while (code == ASSENT_OK && to->alive && to->life == life &&
           wire_next(&w->reader, &msg, &code, &error)) {
        story_message(to, peer, &msg);
        if (to->kind == ACTOR_PARTICIPANT &&
            (msg.type == MSG_PREPARE || msg.type == MSG_COMMIT || msg.type == MSG_ROLLBACK) &&
            shell_dies(to, CRASH_part_after_receive))
            return;
        if (msg.type == MSG_SUBMIT)
            check_submitted(w, peer, &msg.u.submit);
        struct event event = {.type = EVENT_RECEIVED};
        event.u.received.peer = to->kind == ACTOR_COORDINATOR ? peer : 0;
        event.u.received.principal = slice_text(
            to->kind == ACTOR_COORDINATOR ? world_owner_of_peer(w, peer)->principal : "");
        event.u.received.header = &header;
        event.u.received.msg = &msg;
        shell_step(to, &event);
        if (to->life == life)
            check_heard(to, &header);
    }
    REQUIRE(w, code == ASSENT_OK, "codec", "a frame cannot be decoded: %s", error.message);
}

void link_deliver(struct world *w, struct item *item)
{
    struct actor *to = item->actor;
    if (!to->alive || to->life != item->life)
        return;
    if (to->kind != ACTOR_COORDINATOR && to->link.peer != item->peer &&
        !faults_strike(&w->faults, FAULT_STRAY))
        return;
    if (to->kind == ACTOR_COORDINATOR && shell_dies(to, CRASH_coord_after_receive))
        return;
    receive(w, to, item->peer, item->bytes);
}

// ---- connections ----

static void connect_later(struct actor *a)
{
    struct world *w = a->world;
    struct item *item = queue_item(&w->queue, ITEM_CONNECT);
    item->actor = a;
    item->life = a->life;
    queue_add(&w->queue, item, w->now_us + CONNECT_US + rng_below(&w->rng_net, CONNECT_SPREAD_US));
}

static bool passable(const struct world *w, const struct link *link)
{
    return link->blocked_us[UP] <= w->now_us && link->blocked_us[DOWN] <= w->now_us;
}

void link_connect(struct actor *a)
{
    struct world *w = a->world;
    if (a->link.peer)
        return;
    if (!a->home->alive || !passable(w, &a->link)) {
        connect_later(a);
        return;
    }
    a->link.peer = world_peer(w, a);
    a->link.last_us[UP] = a->link.last_us[DOWN] = w->now_us;
    story_say(a, "is connected");
    shell_step(a, &(struct event){.type = EVENT_CONNECTED});
}

// The coordinator may learn of it now, later, or only from silence.
static void tell_coordinator(struct actor *a, peer_t peer)
{
    struct world *w = a->world;
    if (!a->home->alive || rng_below(&w->rng_net, 2) == 0)
        return;
    struct item *item = queue_item(&w->queue, ITEM_GONE);
    item->actor = a->home;
    item->life = a->home->life;
    item->peer = peer;
    queue_add(&w->queue, item, w->now_us + latency(w));
}

void link_gone(struct world *w, struct item *item)
{
    struct event event = {.type = EVENT_DISCONNECTED, .u.disconnected = item->peer};
    (void)w;
    shell_step(item->actor, &event);
}

void link_cut(struct actor *a, bool lose_frames)
{
    struct world *w = a->world;
    peer_t peer = a->link.peer;
    if (!peer)
        return;
    a->link.peer = 0;
    if (lose_frames)
        queue_drop_frames(&w->queue, peer);
    tell_coordinator(a, peer);
    if (!a->alive)
        return;
    story_say(a, "is disconnected");
    shell_step(a, &(struct event){.type = EVENT_DISCONNECTED});
    if (a->alive)
        connect_later(a);
}

void link_down(struct actor *coordinator)
{
    struct world *w = coordinator->world;
    for (unsigned i = 0; i < w->actor_count; i++) {
        if (w->actors[i].home == coordinator)
            link_cut(&w->actors[i], false);
    }
}

// ---- between participants ----

static void tell_later(struct actor *from, struct actor *to, struct slice frame)
{
    struct world *w = from->world;
    uint64_t due_us = w->now_us + latency(w);
    uint64_t apart_us = *world_apart(w, from, to);
    if (due_us < apart_us) {
        if (rng_below(&w->rng_net, 4))
            return; // what cannot be sent is not kept for long
        due_us = apart_us + latency(w);
    }
    struct item *item = queue_item(&w->queue, ITEM_TELL);
    uint8_t *copy = malloc(frame.size);
    CHECK(copy);
    item->bytes = slice_of(memcpy(copy, frame.data, frame.size), frame.size);
    item->actor = to;
    item->number = from->index;
    queue_add(&w->queue, item, due_us);
}

void link_tell(struct actor *from, const struct effect_tell *tell)
{
    struct world *w = from->world;
    struct frame_header header;
    struct actor *to = NULL;
    char address[LIMIT_ADDRESS_BYTES + 1];
    for (unsigned i = 0; i < w->actor_count; i++) {
        if (slice_equal(slice_text(w->actors[i].name), tell->resource))
            to = &w->actors[i];
    }
    REQUIRE(w, to && to->kind == ACTOR_PARTICIPANT && to != from, "closed",
            "%s speaks to %.*s, which is no other participant", from->name,
            (int)tell->resource.size, (const char *)tell->resource.data);
    snprintf(address, sizeof address, SIM_ADDRESS, to->name);
    REQUIRE(w, slice_equal(slice_text(address), tell->address), "closed", "%s speaks to %s at %.*s",
            from->name, to->name, (int)tell->address.size, (const char *)tell->address.data);
    REQUIRE(w, slice_equal(tell->msg.u.quorum.resource, slice_text(from->name)), "closed",
            "%s speaks for %.*s", from->name, (int)tell->msg.u.quorum.resource.size,
            (const char *)tell->msg.u.quorum.resource.data);
    check_tell(from, &tell->msg);
    participant_header(from->participant, &header);
    buf_reset(&w->scratch);
    wire_begin(&w->scratch);
    int code = wire_add(&w->scratch, &tell->msg);
    REQUIRE(w, code == ASSENT_OK, "codec", "%s cannot be encoded", msg_name(tell->msg.type));
    wire_end(&w->scratch, &header);
    w->messages++;
    w->frames++;
    story_mix_bytes(w, buf_slice(&w->scratch));
    if (faults_strike(&w->faults, FAULT_LOSS))
        return;
    tell_later(from, to, buf_slice(&w->scratch));
    if (faults_strike(&w->faults, FAULT_TWICE))
        tell_later(from, to, buf_slice(&w->scratch));
}

// It may come to a later run than it was sent to, as long as it takes.
void link_told(struct world *w, struct item *item)
{
    struct actor *to = item->actor;
    struct frame_header header;
    struct msg msg;
    assent_error error = {0};
    if (!to->alive)
        return;
    int code = wire_open(&w->reader, item->bytes, &header, &error);
    bool read = code == ASSENT_OK && wire_next(&w->reader, &msg, &code, &error);
    REQUIRE(w, read, "codec", "a message cannot be decoded: %s", error.message);
    const struct actor *from = &w->actors[item->number];
    story_told(to, from, &msg);
    struct event event = {.type = EVENT_TOLD};
    event.u.told.msg = &msg;
    shell_step(to, &event);
}
