// SPDX-License-Identifier: Apache-2.0
#include "net/server.h"

#include <errno.h>

enum {
    GARBAGE_AT_ONCE = 64,    // frames dropped before the caller gets a turn
    SILENT_MS = 30000,       // then it is checked whether a peer is still connected
    SILENT_CROWDED_MS = 500, // likewise when there is no place for another
    SWEEP_MS = 100,          // between checks
    SWEEP_PEERS = 64,        // at each
    BLOCKED_RETRY_MS = 10,   // a ROUTER cannot say when a blocked peer reads again
    EVENTS_AT_ONCE = 256,
};

// Properties of a received frame (RFC 27; libzmq).
static const char peer_address[] = "Peer-Address", user_id[] = "User-Id";

// ---- what hostile or broken peers cause is counted, and logged at a limited rate ----

static bool log_allowed(struct net_server *self, uint64_t *ret_suppressed)
{
    return logger_on(LOG_WARN) && log_limit_allow(&self->log_limit, net_now_ms(), ret_suppressed);
}

static void frame_refused(struct net_server *self, uint64_t *counter, const char *why)
{
    ++*counter;
    uint64_t suppressed;
    if (!log_allowed(self, &suppressed))
        return;
    const char *address = zmq_msg_gets(&self->frame[1], peer_address);
    log_event(LOG_WARN, "frame_refused", KV("why", why), KV("address", address),
              KV("suppressed", suppressed));
}

static void events_read(struct net_server *self)
{
    for (unsigned door = 0; door < DOOR_COUNT; door++) {
        struct socket_event event;
        for (unsigned i = 0; i < EVENTS_AT_ONCE && self->doors[door].monitor; i++) {
            if (!socket_event_next(self->doors[door].monitor, &event))
                break;
            bool accept = event.event == ZMQ_EVENT_ACCEPT_FAILED;
            const char *why = accept ? zmq_strerror((int)event.value) : socket_event_text(&event);
            uint64_t suppressed;
            self->stats.handshakes_failed++;
            if (log_allowed(self, &suppressed))
                log_event(LOG_WARN, "connection_refused", KV("why", why),
                          KV("suppressed", suppressed));
        }
    }
}

static void peer_lose(struct net_server *self, struct server_peer *peer)
{
    self->stats.dropped += outbox_messages(&peer->out);
    peers_lose(&self->peers, peer);
}

// ---- receiving ----

static struct slice msg_slice(zmq_msg_t *msg)
{
    return slice_of(zmq_msg_data(msg), zmq_msg_size(msg));
}

// Who the transport says it is; NULL on the CURVE side when no certificate (any more) says so.
static const struct cert_holder *holder_of(struct net_server *self, unsigned door)
{
    if (door != DOOR_CURVE)
        return NULL;
    const char *key = zmq_msg_gets(&self->frame[1], user_id);
    return key ? authority_find(self->authority, key) : NULL;
}

static struct server_peer *peer_admit(struct net_server *self, unsigned door,
                                      const struct cert_holder *holder)
{
    if (self->peers.count >= self->peers_max) {
        frame_refused(self, &self->stats.refused, "no place for another peer");
        return NULL;
    }
    struct server_peer *peer = peers_add(&self->peers, (uint8_t)door, msg_slice(&self->frame[0]));
    if (!peer) {
        frame_refused(self, &self->stats.refused, "out of memory");
        return NULL;
    }
    outbox_init(&peer->out, &self->queued, self->peer_queue_bytes, self->frame_bytes_max);
    peer->holder = holder;
    const char *address = zmq_msg_gets(&self->frame[1], peer_address);
    size_t size = address ? strnlen(address, sizeof peer->address - 1) : 0;
    memcpy(peer->address, address ? address : "", size);
    return peer;
}

// The peer that sent the frame just received, admitted if need be. NULL when it is refused.
static struct server_peer *peer_of_frame(struct net_server *self, unsigned door)
{
    const struct cert_holder *holder = holder_of(self, door);
    if (door == DOOR_CURVE && !holder) {
        frame_refused(self, &self->stats.refused, "the certificate is not authorized");
        return NULL;
    }
    struct server_peer *peer = peers_find(&self->peers, (uint8_t)door, msg_slice(&self->frame[0]));
    // A routing id that a peer chose itself may come again with another certificate.
    if (peer && peer->holder != holder) {
        peer_lose(self, peer);
        peer = NULL;
    }
    if (!peer)
        peer = peer_admit(self, door, holder);
    return peer;
}

enum received { RECEIVED_NONE, RECEIVED_GARBAGE, RECEIVED_FRAME };

static enum received door_receive(struct net_server *self, unsigned door, struct net_frame *ret)
{
    if (!self->doors[door].socket)
        return RECEIVED_NONE;
    int parts = socket_receive(self->doors[door].socket, self->frame, 2);
    if (parts < 0)
        return RECEIVED_NONE;
    struct slice data = msg_slice(&self->frame[1]);
    if (parts != 2 || data.size == 0) {
        frame_refused(self, &self->stats.malformed, parts == 2 ? "empty" : "several parts");
        return RECEIVED_GARBAGE;
    }
    struct server_peer *peer = peer_of_frame(self, door);
    if (!peer)
        return RECEIVED_GARBAGE;
    peer->forgotten = false;
    peers_alive(&self->peers, peer, net_now_ms());
    self->stats.frames_in++;
    self->stats.bytes_in += data.size;
    *ret = (struct net_frame){
        .peer = peer->number,
        .data = data,
        .principal = slice_text(peer->holder ? peer->holder->name : "local"),
        .address = slice_text(peer->address),
        .grant = peer->holder ? &peer->holder->grant : &self->everything,
    };
    return RECEIVED_FRAME;
}

bool net_server_receive(struct net_server *self, struct net_frame *ret)
{
    unsigned silent = 0;
    for (unsigned garbage = 0; garbage < GARBAGE_AT_ONCE && silent < DOOR_COUNT;) {
        unsigned door = self->door_next;
        self->door_next = (door + 1) % DOOR_COUNT;
        switch (door_receive(self, door, ret)) {
        case RECEIVED_FRAME: return true;
        case RECEIVED_GARBAGE:
            garbage++;
            silent = 0;
            break;
        case RECEIVED_NONE: silent++; break;
        }
    }
    return false;
}

// ---- sending ----

bool net_server_send(struct net_server *self, peer_t number, const struct msg *msg)
{
    struct server_peer *peer = peers_number(&self->peers, number);
    if (!peer || outbox_add(&peer->out, msg) != ASSENT_OK) {
        self->stats.dropped++;
        return false;
    }
    if (list_empty(&peer->dirty))
        list_append(&self->peers.dirty, &peer->dirty);
    return true;
}

static void peer_flush(struct net_server *self, struct server_peer *peer,
                       net_header_for *header_for, void *arg)
{
    enum outbox_result result = OUTBOX_SENT;
    if (!outbox_empty(&peer->out)) {
        struct frame_header header = {0};
        header_for(arg, peer->number, &header);
        result = outbox_send(&peer->out, self->doors[peer->door].socket, peers_route(peer), &header,
                             &self->stats);
    }
    if (result == OUTBOX_SENT)
        list_remove(&peer->dirty);
    if (peer->forgotten) {
        self->stats.dropped += outbox_messages(&peer->out);
        peers_remove(&self->peers, peer);
    } else if (result == OUTBOX_GONE) {
        peer_lose(self, peer);
    }
}

// Asks the ROUTER whether the peer is connected, which it tells only when something is sent: an
// empty frame, which the other side takes for nothing.
static void peer_probe(struct net_server *self, struct server_peer *peer, uint64_t now_ms)
{
    struct slice route = peers_route(peer);
    void *socket = self->doors[peer->door].socket;
    if (zmq_send(socket, route.data, route.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) >= 0) {
        zmq_send(socket, "", 0, ZMQ_DONTWAIT);
        peers_alive(&self->peers, peer, now_ms);
    } else if (errno == EHOSTUNREACH) {
        peer_lose(self, peer);
    } else {
        peers_alive(&self->peers, peer, now_ms);
    }
}

// libzmq does not say when a connection ends. Peers that were silent are looked after, the longest
// silent first, so that those that are gone make place.
static void sweep(struct net_server *self)
{
    uint64_t now_ms = net_now_ms();
    if (now_ms - self->swept_ms < SWEEP_MS)
        return;
    self->swept_ms = now_ms;
    bool crowded = self->peers.count >= self->peers_max;
    uint64_t silent_ms = crowded ? SILENT_CROWDED_MS : SILENT_MS;
    for (unsigned i = 0; i < SWEEP_PEERS && !list_empty(&self->peers.alive); i++) {
        struct server_peer *peer = container_of(self->peers.alive.next, struct server_peer, member);
        if (now_ms - peer->alive_ms < silent_ms)
            break;
        peer_probe(self, peer, now_ms);
    }
}

void net_server_flush(struct net_server *self, net_header_for *header_for, void *arg,
                      peer_t *ret_gone)
{
    struct list *dirty = &self->peers.dirty;
    for (struct list *node = dirty->next, *next; node != dirty; node = next) {
        next = node->next;
        peer_flush(self, container_of(node, struct server_peer, dirty), header_for, arg);
    }
    sweep(self);
    *ret_gone = peers_take_gone(&self->peers);
}

void net_server_forget(struct net_server *self, peer_t number)
{
    struct server_peer *peer = peers_number(&self->peers, number);
    if (!peer)
        return;
    peer->forgotten = true;
    if (list_empty(&peer->dirty))
        list_append(&self->peers.dirty, &peer->dirty);
}

// ---- the rest ----

static bool holder_same(const struct cert_holder *a, const struct cert_holder *b)
{
    return strcmp(a->name, b->name) == 0 && a->grant.client == b->grant.client &&
           a->grant.operator_ == b->grant.operator_ &&
           a->grant.resource_count == b->grant.resource_count &&
           memcmp(a->grant.resources, b->grant.resources, sizeof a->grant.resources) == 0;
}

// Whose rights have changed must greet again, as another peer, so that nothing which was granted to
// it before outlasts them.
static void peers_review(struct net_server *self)
{
    struct list *alive = &self->peers.alive;
    for (struct list *node = alive->next, *next; node != alive; node = next) {
        next = node->next;
        struct server_peer *peer = container_of(node, struct server_peer, member);
        if (!peer->holder)
            continue;
        const struct cert_holder *now = authority_find(self->authority, peer->holder->public_key);
        if (now && holder_same(peer->holder, now))
            peer->holder = now;
        else
            peer_lose(self, peer);
    }
}

bool net_server_authorizes(const struct net_server *self, const char *public_key,
                           struct slice resource)
{
    const struct cert_holder *holder =
        self->authority ? authority_find(self->authority, public_key) : NULL;
    return holder && net_grant_resource(&holder->grant, resource);
}

int net_server_reload(struct net_server *self, assent_error *error)
{
    bool changed = false;
    int code = self->authority ? authority_reload(self->authority, &changed, error) : ASSENT_OK;
    if (changed)
        peers_review(self);
    return code;
}

bool net_server_wait(struct net_server *self, struct pollfd *extra, unsigned extra_count,
                     int timeout_ms)
{
    struct socket_wait sockets[2 * DOOR_COUNT];
    unsigned count = 0;
    for (unsigned door = 0; door < DOOR_COUNT; door++) {
        if (!self->doors[door].socket)
            continue;
        sockets[count++] = (struct socket_wait){self->doors[door].socket, ZMQ_POLLIN};
        sockets[count++] = (struct socket_wait){self->doors[door].monitor, ZMQ_POLLIN};
    }
    if (!list_empty(&self->peers.dirty))
        timeout_ms = socket_timeout(timeout_ms, BLOCKED_RETRY_MS);
    bool waited = socket_wait(sockets, count, extra, extra_count, timeout_ms);
    events_read(self);
    return waited;
}

void net_server_stats(const struct net_server *self, struct net_stats *ret)
{
    *ret = self->stats;
    ret->peers = self->peers.count;
}
