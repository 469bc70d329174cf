// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "net/endpoint.h"
#include "net/server.h"

enum {
    ENDPOINTS_MAX = 64,
    MONITORED = ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_ACCEPT_FAILED,
};

static int door_check(const struct net_server_options *options, const struct endpoint *endpoint,
                      enum server_door *ret, assent_error *error)
{
    *ret = DOOR_PLAIN;
    if (endpoint->path)
        return ASSENT_OK;
    if (options->certificate) {
        *ret = DOOR_CURVE;
        return ASSENT_OK;
    }
    if (!endpoint->loopback)
        return error_set(
            error, ASSENT_CONFIG,
            "net: %s would be open to everyone: make a certificate (assent keygen) and "
            "name it, or use ipc://",
            endpoint->text);
    if (!options->allow_loopback)
        return error_set(error, ASSENT_CONFIG,
                         "net: %s without a certificate is open to every user of this machine: "
                         "name a certificate, allow loopback, or use ipc://",
                         endpoint->text);
    return ASSENT_OK;
}

static int curve_setup(void *socket, const struct net_server_options *options, assent_error *error)
{
    struct cert_keys keys;
    int code = cert_load_secret(options->certificate, &keys, error);
    if (code != ASSENT_OK)
        return code;
    code = socket_set_int(socket, ZMQ_CURVE_SERVER, 1, error);
    if (code == ASSENT_OK)
        code = socket_set_text(socket, ZMQ_CURVE_SECRETKEY, keys.secret_key, error);
    if (code == ASSENT_OK)
        code = socket_set_text(socket, ZMQ_ZAP_DOMAIN, "assent", error);
    explicit_bzero(&keys, sizeof keys);
    return code;
}

// libzmq numbers connections upwards from a rand() that nobody has seeded, and aborts when a peer
// has claimed the next number as a routing id of its own. So that number must not be guessed.
static int numbers_hide(assent_error *error)
{
    unsigned seed;
    if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
        return error_set(error, ASSENT_INTERNAL, "net: getrandom: %s", strerror(errno));
    srand(seed);
    return ASSENT_OK;
}

static int door_open(struct net_server *self, enum server_door door,
                     const struct net_server_options *options, assent_error *error)
{
    if (self->doors[door].socket)
        return ASSENT_OK;
    int code = numbers_hide(error);
    if (code != ASSENT_OK)
        return code;
    void *socket = socket_new(self->context, ZMQ_ROUTER, self->frame_bytes_max, error);
    if (!socket)
        return ASSENT_INTERNAL;
    self->doors[door].socket = socket;
    // So that a send to who is gone fails, and one to who does not read is not dropped.
    code = socket_set_int(socket, ZMQ_ROUTER_MANDATORY, 1, error);
    if (code == ASSENT_OK && door == DOOR_CURVE) {
        code = curve_setup(socket, options, error);
        if (code == ASSENT_OK)
            code = authority_open(self->context, options->authorized_dir, &self->authority, error);
    }
    if (code != ASSENT_OK)
        return code;
    self->doors[door].monitor = socket_monitor(socket, self->context, MONITORED, error);
    return self->doors[door].monitor ? ASSENT_OK : ASSENT_INTERNAL;
}

static int endpoint_bind(struct net_server *self, void *socket, const struct endpoint *endpoint,
                         assent_error *error)
{
    int code = endpoint_prepare(endpoint, error);
    if (code != ASSENT_OK)
        return code;
    // The socket file must be its owner's alone from the moment it is there.
    mode_t before = umask(S_IRWXG | S_IRWXO | S_IXUSR);
    int rc = zmq_bind(socket, endpoint->text);
    int failure = errno;
    umask(before);
    if (rc != 0)
        return error_set(error, failure == EADDRINUSE ? ASSENT_LOCKED : ASSENT_IO,
                         "net: bind %s: %s", endpoint->text, zmq_strerror(failure));
    char bound[256];
    size_t size = sizeof bound;
    if (zmq_getsockopt(socket, ZMQ_LAST_ENDPOINT, bound, &size) != 0)
        return error_set(error, ASSENT_INTERNAL, "net: %s: %s", endpoint->text,
                         zmq_strerror(errno));
    char *copy = strdup(bound);
    if (!copy)
        return error_set(error, ASSENT_NOMEM, "net: out of memory");
    self->endpoints[self->endpoint_count++] = copy;
    return ASSENT_OK;
}

static int endpoint_open(struct net_server *self, const char *text,
                         const struct net_server_options *options, assent_error *error)
{
    struct endpoint endpoint;
    enum server_door door;
    int code = endpoint_parse(text, &endpoint, error);
    if (code == ASSENT_OK)
        code = door_check(options, &endpoint, &door, error);
    if (code == ASSENT_OK)
        code = door_open(self, door, options, error);
    if (code == ASSENT_OK)
        code = endpoint_bind(self, self->doors[door].socket, &endpoint, error);
    return code;
}

static int options_check(const struct net_server_options *options, size_t *ret_count,
                         assent_error *error)
{
    size_t count = 0;
    while (options->endpoints && options->endpoints[count])
        count++;
    if (count == 0 || count > ENDPOINTS_MAX)
        return error_set(error, ASSENT_CONFIG, "net: %zu endpoints; 1 to %d are allowed", count,
                         ENDPOINTS_MAX);
    if (options->certificate && !options->authorized_dir)
        return error_set(error, ASSENT_CONFIG,
                         "net: a certificate needs a directory of authorized certificates");
    *ret_count = count;
    return ASSENT_OK;
}

int net_server_check(const struct net_server_options *options, assent_error *error)
{
    size_t count;
    struct endpoint endpoint;
    enum server_door door;
    struct cert_keys keys = {0};
    int code = options_check(options, &count, error);
    for (size_t i = 0; code == ASSENT_OK && i < count; i++) {
        code = endpoint_parse(options->endpoints[i], &endpoint, error);
        if (code == ASSENT_OK)
            code = door_check(options, &endpoint, &door, error);
    }
    if (code == ASSENT_OK && options->certificate)
        code = cert_load_secret(options->certificate, &keys, error);
    explicit_bzero(&keys, sizeof keys);
    return code;
}

static uint32_t limit(uint32_t configured, uint32_t most)
{
    return configured > 0 && configured < most ? configured : most;
}

static void limits_set(struct net_server *self, const struct net_server_options *options)
{
    self->peer_queue_bytes = limit(options->peer_queue_bytes, LIMIT_PEER_QUEUE_BYTES);
    self->frame_bytes_max = limit(options->frame_bytes_max, LIMIT_FRAME_BYTES);
    self->peers_max = limit(options->peers_max, LIMIT_PEERS);
    atomic_init(&self->queued.bytes, 0);
    self->queued.max = LIMIT_QUEUE_BYTES;
    self->everything = (struct net_grant){
        .client = true, .operator_ = true, .resources = {"*"}, .resource_count = 1};
    self->log_limit = (struct log_limit){.burst = 5, .per_ms = 10000};
}

int net_server_open(const struct net_server_options *options, struct net_server **ret,
                    assent_error *error)
{
    size_t count;
    int code = options_check(options, &count, error);
    if (code != ASSENT_OK)
        return code;
    struct net_server *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(error, ASSENT_NOMEM, "net: out of memory");
    code = peers_init(&self->peers, error);
    if (code != ASSENT_OK) {
        free(self);
        return code;
    }
    zmq_msg_init(&self->frame[0]);
    zmq_msg_init(&self->frame[1]);
    limits_set(self, options);
    self->endpoints = calloc(count + 1, sizeof *self->endpoints);
    self->context = zmq_ctx_new();
    if (!self->endpoints || !self->context)
        code = error_set(error, ASSENT_NOMEM, "net: out of memory");
    for (size_t i = 0; i < count && code == ASSENT_OK; i++)
        code = endpoint_open(self, options->endpoints[i], options, error);
    if (code == ASSENT_OK)
        *ret = self;
    else
        net_server_close(&self);
    return code;
}

void net_server_close(struct net_server **self_p)
{
    struct net_server *self = *self_p;
    if (!self)
        return;
    zmq_msg_close(&self->frame[0]);
    zmq_msg_close(&self->frame[1]);
    // While it is still ours: nobody else binds where somebody listens.
    for (size_t i = 0; i < self->endpoint_count; i++)
        endpoint_remove(self->endpoints[i]);
    for (unsigned i = 0; i < DOOR_COUNT; i++)
        socket_close(&self->doors[i].socket, &self->doors[i].monitor);
    if (self->context) {
        zmq_ctx_shutdown(self->context);
        authority_close(&self->authority);
        // Lingers until the last frames are out; after it libzmq holds none of our memory.
        while (zmq_ctx_term(self->context) != 0 && errno == EINTR)
            continue;
    }
    peers_free(&self->peers);
    for (size_t i = 0; i < self->endpoint_count; i++)
        free(self->endpoints[i]);
    free(self->endpoints);
    free(self);
    *self_p = NULL;
}

const char *net_server_endpoint(const struct net_server *self, unsigned index)
{
    return index < self->endpoint_count ? self->endpoints[index] : NULL;
}
