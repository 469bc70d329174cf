// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>

#include "net/endpoint.h"
#include "net/outbox.h"
#include "net/server.h"
#include "net/socket.h"

enum {
    RECONNECT_MS = 20, // libzmq doubles it with each failure, and adds jitter
    RECONNECT_MAX_MS = 1000,
    CONNECT_TIMEOUT_MS = 3000,
    // libzmq gives up on an address for good when the other side broke the protocol or refused the
    // certificate. Both may be mended there; so after a pause without any event, dial anew.
    REDIAL_REFUSED_MS = 1000,
    REDIAL_SILENT_MS = 10000,
    MONITORED = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_CONNECT_DELAYED | ZMQ_EVENT_CONNECT_RETRIED |
                ZMQ_EVENT_CLOSED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
};

struct net_peer {
    void *context, *socket, *monitor;
    bool context_borrowed;
    char *endpoint;
    struct outbox out;
    struct outbox_total queued, *total; // the one that lives as long as the context
    zmq_msg_t frame;                    // received last
    bool up;
    bool blocked; // the socket did not take all at the last flush
    uint32_t hold_ms;
    uint64_t held_until_ms; // while not up, and something waits
    uint64_t redial_due_ms; // while not up
    assent_error last_error;
    struct net_stats stats;
};

// ---- opening ----

static int security_check(const struct net_peer_options *options, const struct endpoint *endpoint,
                          bool *ret_curve, assent_error *error)
{
    bool server = options->server_certificate || options->server_key;
    if (!options->certificate != !server)
        return error_set(error, ASSENT_CONFIG,
                         "net: %s is set without %s: one's own secret certificate and the "
                         "coordinator's public one go together",
                         options->certificate ? "a certificate" : "a server certificate",
                         options->certificate ? "a server certificate" : "a certificate");
    *ret_curve = options->certificate && !endpoint->path;
    if (!endpoint->path && !endpoint->loopback && !*ret_curve)
        return error_set(error, ASSENT_CONFIG,
                         "net: %s is beyond this machine and needs certificates (assent keygen)",
                         endpoint->text);
    return ASSENT_OK;
}

static int curve_setup(void *socket, const struct net_peer_options *options, assent_error *error)
{
    struct cert_keys own = {0}, server;
    int code = cert_load_secret(options->certificate, &own, error);
    if (code == ASSENT_OK && !options->server_key)
        code = cert_load_public(options->server_certificate, &server, error);
    if (code == ASSENT_OK)
        code =
            socket_set_text(socket, ZMQ_CURVE_SERVERKEY,
                            options->server_key ? options->server_key : server.public_key, error);
    if (code == ASSENT_OK)
        code = socket_set_text(socket, ZMQ_CURVE_PUBLICKEY, own.public_key, error);
    if (code == ASSENT_OK)
        code = socket_set_text(socket, ZMQ_CURVE_SECRETKEY, own.secret_key, error);
    explicit_bzero(&own, sizeof own);
    return code;
}

static int reconnect_setup(void *socket, assent_error *error)
{
    int code = socket_set_int(socket, ZMQ_RECONNECT_IVL, RECONNECT_MS, error);
    if (code == ASSENT_OK)
        code = socket_set_int(socket, ZMQ_RECONNECT_IVL_MAX, RECONNECT_MAX_MS, error);
    if (code == ASSENT_OK)
        code = socket_set_int(socket, ZMQ_CONNECT_TIMEOUT, CONNECT_TIMEOUT_MS, error);
    // Nothing queues for a connection that is not there.
    if (code == ASSENT_OK)
        code = socket_set_int(socket, ZMQ_IMMEDIATE, 1, error);
    return code;
}

// So that many peers that lost the same coordinator do not all dial at the same time.
static void redial_plan(struct net_peer *self, uint64_t in_ms)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    uint64_t jitter = ((uint64_t)now.tv_nsec ^ (uintptr_t)self >> 4) % (in_ms / 2);
    self->redial_due_ms = net_now_ms() + in_ms + jitter;
}

static int peer_connect(struct net_peer *self, const struct net_peer_options *options,
                        assent_error *error)
{
    struct endpoint endpoint;
    bool curve;
    int code = endpoint_parse(options->endpoint, &endpoint, error);
    if (code == ASSENT_OK)
        code = security_check(options, &endpoint, &curve, error);
    if (code != ASSENT_OK)
        return code;
    uint32_t frame_bytes = options->frame_bytes_max;
    if (frame_bytes == 0 || frame_bytes > LIMIT_FRAME_BYTES)
        frame_bytes = LIMIT_FRAME_BYTES;
    uint32_t queue_bytes = options->queue_bytes;
    if (queue_bytes == 0 || queue_bytes > LIMIT_PEER_QUEUE_BYTES)
        queue_bytes = LIMIT_PEER_QUEUE_BYTES;
    outbox_init(&self->out, self->total, queue_bytes, frame_bytes);
    self->socket = socket_new(self->context, ZMQ_DEALER, frame_bytes, error);
    if (!self->socket)
        return ASSENT_INTERNAL;
    code = reconnect_setup(self->socket, error);
    if (code == ASSENT_OK && curve)
        code = curve_setup(self->socket, options, error);
    if (code != ASSENT_OK)
        return code;
    self->monitor = socket_monitor(self->socket, self->context, MONITORED, error);
    if (!self->monitor)
        return ASSENT_INTERNAL;
    if (zmq_connect(self->socket, self->endpoint) != 0)
        return error_set(error, ASSENT_CONFIG, "net: connect %s: %s", self->endpoint,
                         zmq_strerror(errno));
    redial_plan(self, REDIAL_SILENT_MS);
    return ASSENT_OK;
}

int net_peer_open(const struct net_peer_options *options, struct net_peer **ret,
                  assent_error *error)
{
    struct net_peer *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(error, ASSENT_NOMEM, "net: out of memory");
    zmq_msg_init(&self->frame);
    atomic_init(&self->queued.bytes, 0);
    self->queued.max = SIZE_MAX;
    self->total = options->beside ? &options->beside->queued : &self->queued;
    outbox_init(&self->out, self->total, 0, 0);
    self->endpoint = strdup(options->endpoint ? options->endpoint : "");
    self->hold_ms = options->hold_ms;
    self->context_borrowed = options->beside != NULL;
    self->context = options->beside ? options->beside->context : zmq_ctx_new();
    int code = ASSENT_OK;
    if (!self->endpoint || !self->context)
        code = error_set(error, ASSENT_NOMEM, "net: out of memory");
    else if (!options->endpoint)
        code = error_set(error, ASSENT_CONFIG, "net: no endpoint to connect to");
    else
        code = peer_connect(self, options, error);
    if (code == ASSENT_OK)
        *ret = self;
    else
        net_peer_close(&self);
    return code;
}

void net_peer_close(struct net_peer **self_p)
{
    struct net_peer *self = *self_p;
    if (!self)
        return;
    zmq_msg_close(&self->frame);
    socket_close(&self->socket, &self->monitor);
    while (self->context && !self->context_borrowed && zmq_ctx_term(self->context) != 0 &&
           errno == EINTR)
        continue;
    outbox_free(&self->out);
    free(self->endpoint);
    free(self);
    *self_p = NULL;
}

// ---- the link ----

static void redial(struct net_peer *self)
{
    zmq_disconnect(self->socket, self->endpoint); // fails when libzmq has given it up: no matter
    zmq_connect(self->socket, self->endpoint);
    redial_plan(self, REDIAL_SILENT_MS);
}

static void out_drop(struct net_peer *self)
{
    size_t queue_bytes = self->out.queue_bytes, frame_bytes = self->out.frame_bytes;
    self->stats.dropped += outbox_messages(&self->out);
    outbox_free(&self->out);
    outbox_init(&self->out, self->total, (uint32_t)queue_bytes, (uint32_t)frame_bytes);
    self->blocked = false;
    self->held_until_ms = 0;
}

static void handshake_failed(struct net_peer *self, const struct socket_event *event)
{
    bool lost = event->event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL;
    self->stats.handshakes_failed++;
    error_set(&self->last_error, lost ? ASSENT_UNAVAILABLE : ASSENT_DENIED, "net: %s: %s%s",
              self->endpoint, socket_event_text(event),
              lost ? " (with certificates: is the coordinator's the right one?)" : "");
    redial_plan(self, REDIAL_REFUSED_MS);
}

static enum net_link event_apply(struct net_peer *self, const struct socket_event *event)
{
    switch (event->event) {
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        if (self->up)
            return NET_LINK_SAME;
        self->up = true;
        self->held_until_ms = 0;
        self->last_error = (assent_error){0};
        return NET_LINK_UP;
    case ZMQ_EVENT_DISCONNECTED:
        if (!self->up)
            return NET_LINK_SAME;
        self->up = false;
        out_drop(self);
        error_set(&self->last_error, ASSENT_UNAVAILABLE, "net: %s: the connection was lost",
                  self->endpoint);
        redial_plan(self, REDIAL_REFUSED_MS);
        return NET_LINK_DOWN;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH: handshake_failed(self, event); return NET_LINK_SAME;
    case ZMQ_EVENT_CLOSED:
        if (self->last_error.code == ASSENT_OK)
            error_set(&self->last_error, ASSENT_UNAVAILABLE, "net: %s: nobody answers there",
                      self->endpoint);
        return NET_LINK_SAME;
    default: // connecting, or about to: libzmq is at it
        redial_plan(self, REDIAL_SILENT_MS);
        return NET_LINK_SAME;
    }
}

enum net_link net_peer_link(struct net_peer *self)
{
    struct socket_event event;
    while (socket_event_next(self->monitor, &event)) {
        enum net_link change = event_apply(self, &event);
        if (change != NET_LINK_SAME)
            return change;
    }
    if (!self->up && net_now_ms() >= self->redial_due_ms)
        redial(self);
    return NET_LINK_SAME;
}

int net_peer_last_error(const struct net_peer *self, assent_error *ret)
{
    if (self->last_error.code != ASSENT_OK && ret)
        *ret = self->last_error;
    return self->last_error.code;
}

// ---- traffic ----

bool net_peer_receive(struct net_peer *self, struct slice *ret)
{
    // An empty frame is the coordinator's way to see whether this connection is there.
    for (int parts; (parts = socket_receive(self->socket, &self->frame, 1)) >= 0;) {
        size_t size = zmq_msg_size(&self->frame);
        if (parts == 1 && size > 0) {
            self->stats.frames_in++;
            self->stats.bytes_in += size;
            *ret = slice_of(zmq_msg_data(&self->frame), size);
            return true;
        }
        if (parts > 1)
            self->stats.malformed++;
    }
    return false;
}

bool net_peer_send(struct net_peer *self, const struct msg *msg)
{
    if ((self->up || self->hold_ms > 0) && outbox_add(&self->out, msg) == ASSENT_OK)
        return true;
    self->stats.dropped++;
    return false;
}

bool net_peer_waits(const struct net_peer *self)
{
    return !outbox_empty(&self->out);
}

void net_peer_flush(struct net_peer *self, const struct frame_header *header)
{
    if (outbox_empty(&self->out))
        return;
    if (!self->up) {
        uint64_t now_ms = net_now_ms();
        if (self->held_until_ms == 0)
            self->held_until_ms = now_ms + self->hold_ms;
        else if (now_ms >= self->held_until_ms)
            out_drop(self);
        return;
    }
    self->blocked = outbox_send(&self->out, self->socket, slice_of(NULL, 0), header,
                                &self->stats) != OUTBOX_SENT;
}

bool net_peer_wait(struct net_peer *self, struct pollfd *extra, unsigned extra_count,
                   int timeout_ms)
{
    short events = (short)(ZMQ_POLLIN | (self->blocked ? ZMQ_POLLOUT : 0));
    struct socket_wait sockets[] = {{self->socket, events}, {self->monitor, ZMQ_POLLIN}};
    if (!self->up) {
        uint64_t now_ms = net_now_ms();
        uint64_t left_ms = self->redial_due_ms > now_ms ? self->redial_due_ms - now_ms : 0;
        timeout_ms = socket_timeout(timeout_ms, left_ms);
    }
    return socket_wait(sockets, 2, extra, extra_count, timeout_ms);
}

void net_peer_stats(const struct net_peer *self, struct net_stats *ret)
{
    *ret = self->stats;
    ret->peers = self->up ? 1 : 0;
}
