// SPDX-License-Identifier: Apache-2.0
// Life, dispatch and time of the client's core, and its session with the coordinator.
#include <stdlib.h>

#include "base/check.h"
#include "base/mutant.h"
#include "core/client_internal.h"

void client_config_defaults(struct client_config *config)
{
    *config = (struct client_config){
        .name = "client",
        .ping_ms = 4000,
        .silent_ms = 12000,
        .resend_ms = 3000,
        .retry_min_ms = 50,
        .retry_max_ms = 10000,
        .asks_max = 65536,
        .role = ROLE_CLIENT,
    };
}

struct client *client_new(const struct client_config *config)
{
    CHECK(config->name[0] && config->retry_min_ms > 0 && config->resend_ms > 0);
    struct client *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->config = *config;
    rng_seed(&c->rng, config->seed);
    heap_init(&c->timers);
    map_init(&c->by_key, rng_next(&c->rng));
    list_init(&c->asks);
    return c;
}

void client_destroy(struct client **self_p)
{
    struct client *c = *self_p;
    if (!c)
        return;
    *self_p = NULL;
    ask_free_all(c);
    ask_free_dead(c);
    map_free(&c->by_key);
    heap_free(&c->timers);
    free(c);
}

struct msg *client_send(struct client *c, enum msg_type type)
{
    struct effect *effect = effects_add(c->fx, EFFECT_SEND);
    effect->u.send.msg.type = type;
    c->said_ms = c->now.mono_ms;
    return &effect->u.send.msg;
}

uint32_t client_backoff(struct client *c, uint32_t first_ms, uint32_t tries)
{
    uint64_t wait_ms = (uint64_t)first_ms << (tries < 20 ? tries : 20);
    if (wait_ms > c->config.retry_max_ms)
        wait_ms = c->config.retry_max_ms > first_ms ? c->config.retry_max_ms : first_ms;
    return (uint32_t)(wait_ms + rng_below(&c->rng, wait_ms / 4 + 1));
}

// ---- session ----

void client_greet(struct client *c)
{
    c->link = LINK_GREETING;
    c->greet_due_ms = c->now.mono_ms + client_backoff(c, c->config.resend_ms, c->greetings++);
    client_send(c, MSG_HELLO)->u.hello = (struct msg_hello){
        .role = c->config.role,
        .version_min = WIRE_VERSION,
        .version_max = WIRE_VERSION,
        .name = slice_text(c->config.name),
    };
}

static void client_connected_now(struct client *c)
{
    c->greetings = 0;
    client_greet(c);
}

static void client_welcome(struct client *c, const struct msg_welcome *welcome)
{
    lease_welcome(c, welcome);
    c->greetings = 0;
    c->refused_code = ASSENT_OK;
    if (c->link == LINK_WELCOMED)
        return;
    c->link = LINK_WELCOMED;
    c->pinged_ms = c->now.mono_ms;
    ask_resend_all(c);
}

static void note_refused(struct client *c, const struct msg_refused *refused)
{
    size_t size = refused->text.size;
    if (size > sizeof c->refused_text)
        size = sizeof c->refused_text;
    if (size)
        memcpy(c->refused_text, refused->text.data, size);
    c->refused_size = (uint8_t)size;
    c->refused_code = refused->code;
}

static void client_heard_refused(struct client *c, const struct msg_refused *refused)
{
    if (refused->about == MSG_LEASE && refused->code != ASSENT_STATE)
        return; // asked for again when lease_due_ms has passed
    // The coordinator no longer knows this connection.
    if (refused->code == ASSENT_STATE && refused->gtid.size == 0) {
        if (c->link == LINK_WELCOMED)
            client_greet(c);
        return;
    }
    if (refused->about == MSG_HELLO)
        note_refused(c, refused);
    ask_refused(c, refused);
}

// What every frame of the coordinator says of itself. False: it is of an earlier run, and was read
// late; its numbers were taken long ago, and what it refuses or answers may be so no more.
static bool client_heard(struct client *c, const struct frame_header *header)
{
    if (header->coordinator == c->coordinator && header->incarnation < c->incarnation)
        return false;
    c->heard_ms = c->now.mono_ms;
    bool other = header->coordinator != c->coordinator;
    if (other || header->incarnation != c->incarnation)
        lease_drop_all(c); // it would take those numbers for used up by a run that crashed
    if (other || header->log_seq > c->log_seq) {
        c->log_seq = header->log_seq;
        c->seal = header->seal;
    }
    c->coordinator = header->coordinator;
    c->incarnation = header->incarnation;
    return true;
}

static void client_receive(struct client *c, const struct event *event)
{
    const struct msg *msg = event->u.received.msg;
    if (!event->u.received.header->from_coordinator || !client_heard(c, event->u.received.header))
        return;
    switch (msg->type) {
    case MSG_WELCOME: client_welcome(c, &msg->u.welcome); break;
    case MSG_REFUSED: client_heard_refused(c, &msg->u.refused); break;
    case MSG_ENLISTED: ask_enlisted(c, &msg->u.enlisted); break;
    case MSG_RESULT: ask_result(c, &msg->u.result); break;
    case MSG_PONG:
    case MSG_HELLO:
    case MSG_PING:
    case MSG_LEASE:
    case MSG_ENLIST:
    case MSG_SUBMIT:
    case MSG_CANCEL:
    case MSG_STATUS:
    case MSG_PREPARE:
    case MSG_VOTE:
    case MSG_COMMIT:
    case MSG_ROLLBACK:
    case MSG_DONE:
    case MSG_INQUIRE:
    case MSG_STANDING:
    case MSG_EXTEND:
    case MSG_EXTENDED:
    case MSG_ADMIN:
    case MSG_ADMIN_REPLY:
    case MSG_ASK:
    case MSG_STATE:
    case MSG_TRY:
    case MSG_DECIDE: break; // not for clients; being heard from is all they tell
    }
}

static uint64_t min_of(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t ping_due(const struct client *c)
{
    uint64_t quiet_since = min_of(c->said_ms, c->heard_ms);
    return (quiet_since > c->pinged_ms ? quiet_since : c->pinged_ms) + c->config.ping_ms;
}

static uint64_t session_due(const struct client *c)
{
    switch (c->link) {
    case LINK_DOWN: break;
    case LINK_GREETING: return c->greet_due_ms;
    case LINK_WELCOMED: return min_of(ping_due(c), c->heard_ms + c->config.silent_ms);
    }
    return UINT64_MAX;
}

static void session_tick(struct client *c)
{
    if (session_due(c) <= c->now.mono_ms) {
        if (c->link == LINK_WELCOMED && c->heard_ms + c->config.silent_ms > c->now.mono_ms) {
            c->pinged_ms = c->now.mono_ms;
            client_send(c, MSG_PING)->u.ping.stamp = c->now.mono_ms;
        } else {
            client_greet(c);
        }
    }
    lease_tick(c);
}

// ---- steps ----

static void client_tick(struct client *c)
{
    session_tick(c);
    struct timer *t;
    // The rest is done by the next step: the deadline is still due.
    for (int i = 0; i < LIMIT_RESEND_BATCH; i++) {
        t = heap_first(&c->timers);
        if (!t || t->due_ms > c->now.mono_ms)
            break;
        ask_timer(c, (struct ask *)t);
    }
}

void client_step(struct client *c, const struct event *event, struct effects *fx)
{
    c->fx = fx;
    c->now = event->now;
    ask_free_dead(c);
    switch (event->type) {
    case EVENT_START:
    case EVENT_TICK: break;
    case EVENT_CONNECTED: client_connected_now(c); break;
    case EVENT_DISCONNECTED: c->link = LINK_DOWN; break;
    case EVENT_RECEIVED: client_receive(c, event); break;
    case EVENT_ASK: ask_begin(c, &event->u.ask); break;
    case EVENT_GIVE_UP: ask_give_up(c, event->u.give_up); break;
    case EVENT_RECOVERED:
    case EVENT_FOUND:
    case EVENT_EXTEND:
    case EVENT_TOLD:
    case EVENT_WRITTEN:
    case EVENT_LOOKED_UP:
    case EVENT_CALLED:
    case EVENT_WORKING:
    case EVENT_OPERATOR: CHECK(!"an event for a client"); break;
    }
    client_tick(c);
}

uint64_t client_deadline(const struct client *c)
{
    uint64_t due = session_due(c);
    if (lease_wanted(c))
        due = min_of(due, c->lease_due_ms);
    const struct timer *first = heap_first(&c->timers);
    return first ? min_of(due, first->due_ms) : due;
}

void client_header(const struct client *c, struct frame_header *ret)
{
    *ret = (struct frame_header){
        .version = WIRE_VERSION,
        .coordinator = c->coordinator,
        .incarnation = c->incarnation,
        .log_seq = MUTANT(CLIENT_ECHOES_NOTHING) ? 0 : c->log_seq,
        .seal = c->seal,
    };
}

bool client_connected(const struct client *c)
{
    return c->link == LINK_WELCOMED;
}

size_t client_in_flight(const struct client *c)
{
    return c->ask_count;
}

int client_refused(const struct client *c, struct slice *ret_text)
{
    *ret_text = slice_of(c->refused_text, c->refused_code ? c->refused_size : 0);
    return c->refused_code;
}
