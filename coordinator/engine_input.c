// SPDX-License-Identifier: Apache-2.0
// Frames, and who sent them. What makes no sense is counted, said at a limited rate, and dropped;
// who sent it is not forgotten for it, so nobody can be talked out of a connection.
#include <stdlib.h>

#include "authorize.h"
#include "base/crash_point.h"
#include "engine_internal.h"

enum { TURN_FRAMES = 512, SILENT_TIMES = 4 };

static const char *const garbage_names[GARBAGE_KINDS] = {"version", "frame", "message",
                                                         "direction"};

static void garbage(struct engine *e, enum garbage kind, const struct net_frame *frame,
                    const char *what)
{
    uint64_t suppressed;
    e->garbage[kind]++;
    if (log_limit_allow(&e->garbage_limit, e->now.mono_ms, &suppressed))
        log_event(LOG_WARN, "garbage", KV("kind", garbage_names[kind]), KV("peer", frame->peer),
                  KV("principal", frame->principal), KV("address", frame->address),
                  KV("bytes", frame->data.size), KV("reason", what), KV("suppressed", suppressed));
}

static struct engine_peer *peer_new(struct engine *e, peer_t id)
{
    struct engine_peer *peer = calloc(1, sizeof *peer);
    if (!peer)
        return NULL;
    peer->id = id;
    if (!map_insert(&e->peers, slice_of(&peer->id, sizeof peer->id), peer)) {
        free(peer);
        return NULL;
    }
    list_init(&peer->age);
    return peer;
}

static struct engine_peer *peer_heard(struct engine *e, peer_t id)
{
    struct engine_peer *peer = map_get(&e->peers, slice_of(&id, sizeof id));
    if (!peer)
        peer = peer_new(e, id);
    if (!peer)
        return NULL;
    peer->heard_ms = e->now.mono_ms;
    list_remove(&peer->age);
    list_append(&e->peers_by_age, &peer->age);
    return peer;
}

static void peer_free(struct engine *e, struct engine_peer *peer)
{
    map_remove(&e->peers, slice_of(&peer->id, sizeof peer->id));
    list_remove(&peer->age);
    free(peer);
}

static const char *role_name(uint8_t role)
{
    switch ((enum role)role) {
    case ROLE_CLIENT: return "client";
    case ROLE_PARTICIPANT: return "participant";
    case ROLE_OPERATOR: return "operator";
    }
    return "none";
}

// Participants matter to whoever reads the log; clients come and go.
static enum log_level peer_level(uint8_t role)
{
    return role == ROLE_PARTICIPANT ? LOG_INFO : LOG_DEBUG;
}

void engine_peer_gone(struct engine *e, peer_t id)
{
    struct engine_peer *peer = map_get(&e->peers, slice_of(&id, sizeof id));
    if (peer) {
        log_event(peer_level(peer->role), "disconnected", KV("peer", id),
                  KV("role", role_name(peer->role)), KV("name", peer->name));
        peer_free(e, peer);
    }
    struct event event = {.type = EVENT_DISCONNECTED, .u.disconnected = id};
    engine_step(e, &event);
}

// The core has long taken these for gone; their places are for others.
void engine_forget_silent(struct engine *e)
{
    while (!list_empty(&e->peers_by_age) && !e->stopped) {
        struct engine_peer *peer = container_of(e->peers_by_age.next, struct engine_peer, age);
        if (e->now.mono_ms - peer->heard_ms < SILENT_TIMES * e->config->peer_silent_ms)
            return;
        net_server_forget(e->net, peer->id);
        engine_peer_gone(e, peer->id);
    }
}

void engine_peers_free(struct engine *e)
{
    while (!list_empty(&e->peers_by_age))
        peer_free(e, container_of(e->peers_by_age.next, struct engine_peer, age));
    map_free(&e->peers);
}

static const struct gtid *gtid_of(const struct msg *msg)
{
    switch (msg->type) {
    case MSG_ENLIST: return &msg->u.enlist.gtid;
    case MSG_SUBMIT: return &msg->u.submit.gtid;
    case MSG_CANCEL:
    case MSG_STATUS: return &msg->u.gtid.gtid;
    case MSG_VOTE: return &msg->u.vote.gtid;
    case MSG_DONE: return &msg->u.done.gtid;
    case MSG_INQUIRE: return &msg->u.inquire.gtid;
    default: return NULL;
    }
}

static void refuse(struct engine *e, const struct net_frame *frame, const struct msg *msg,
                   const assent_error *error)
{
    uint64_t suppressed;
    e->denied++;
    if (log_limit_allow(&e->denied_limit, e->now.mono_ms, &suppressed))
        log_event(LOG_WARN, "denied", KV("message", msg_name(msg->type)), KV("peer", frame->peer),
                  KV("principal", frame->principal), KV("address", frame->address),
                  KV("reason", error->message), KV("suppressed", suppressed));
    struct msg reply = {.type = MSG_REFUSED};
    reply.u.refused.request = msg_request(msg);
    reply.u.refused.about = (uint8_t)msg->type;
    reply.u.refused.code = (uint16_t)error->code;
    reply.u.refused.text = slice_cut(slice_text(error->message), LIMIT_REASON_BYTES);
    const struct gtid *gtid = gtid_of(msg);
    if (gtid)
        reply.u.refused.gtid = *gtid;
    net_server_send(e->net, frame->peer, &reply);
}

static void take_admin(struct engine *e, const struct net_frame *frame,
                       const struct engine_peer *peer, const struct msg_admin *request)
{
    struct admin_caller caller = {
        .peer = frame->peer,
        .role = peer->role,
        .grant = frame->grant,
        .principal = frame->principal,
    };
    admin_receive(e->admin, &caller, request);
}

static void welcomed(struct engine_peer *peer, const struct net_frame *frame,
                     const struct msg_hello *hello)
{
    bool again = peer->role == hello->role && slice_equal(slice_text(peer->name), hello->name);
    peer->role = hello->role;
    slice_to_text(slice_cut(hello->name, LIMIT_NAME_BYTES), peer->name);
    if (!again)
        log_event(peer_level(peer->role), "connected", KV("peer", peer->id),
                  KV("role", role_name(peer->role)), KV("name", peer->name),
                  KV("principal", frame->principal), KV("address", frame->address));
}

static void step_message(struct engine *e, const struct net_frame *frame, struct engine_peer *peer,
                         const struct frame_header *header, const struct msg *msg)
{
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.peer = frame->peer;
    event.u.received.principal = frame->principal;
    event.u.received.header = header;
    event.u.received.msg = msg;
    e->hello = msg->type == MSG_HELLO ? frame->peer : 0;
    e->welcomed = false;
    engine_step(e, &event);
    if (e->welcomed)
        welcomed(peer, frame, &msg->u.hello);
    e->hello = 0;
}

static void take_message(struct engine *e, const struct net_frame *frame, struct engine_peer *peer,
                         const struct frame_header *header, const struct msg *msg)
{
    assent_error error;
    if (!authorize_direction(msg->type))
        garbage(e, GARBAGE_DIRECTION, frame, msg_name(msg->type));
    else if (msg->type == MSG_ADMIN)
        take_admin(e, frame, peer, &msg->u.admin);
    else if (authorize(frame->grant, peer->role, slice_text(peer->name), msg, &error))
        refuse(e, frame, msg, &error);
    else
        step_message(e, frame, peer, header, msg);
}

static void take_frame(struct engine *e, const struct net_frame *frame)
{
    struct frame_header header;
    struct msg msg;
    assent_error error;
    CRASH_POINT(coord_after_receive);
    int code = wire_open(&e->reader, frame->data, &header, &error);
    if (code) {
        garbage(e, code == ASSENT_VERSION ? GARBAGE_VERSION : GARBAGE_FRAME, frame, error.message);
        return;
    }
    if (header.from_coordinator) {
        garbage(e, GARBAGE_DIRECTION, frame, "a coordinator's frame");
        return;
    }
    struct engine_peer *peer = peer_heard(e, frame->peer);
    if (!peer)
        return; // no memory: as if the frame had been lost
    while (!e->stopped && wire_next(&e->reader, &msg, &code, &error)) {
        e->messages_in++;
        take_message(e, frame, peer, &header, &msg);
    }
    if (!e->stopped && code)
        garbage(e, GARBAGE_MESSAGE, frame, error.message);
}

void engine_receive(struct engine *e)
{
    struct net_frame frame;
    unsigned taken = 0;
    while (!e->stopped && taken < TURN_FRAMES && net_server_receive(e->net, &frame)) {
        take_frame(e, &frame);
        taken++;
    }
    e->busy |= taken == TURN_FRAMES;
}
