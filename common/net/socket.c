// SPDX-License-Identifier: Apache-2.0
#include "net/socket.h"

#include <errno.h>
#include <stdio.h>

#include "base/check.h"

enum {
    LINGER_MS = 500,
    // Frames, not messages: bytes are bounded elsewhere on the way out. On the way in a connection
    // that is not read keeps this many here, the rest stays with its sender.
    SEND_FRAMES = 1000,
    RECEIVE_FRAMES = 128,
    HEARTBEAT_MS = 2000,
    HEARTBEAT_TIMEOUT_MS = 6000,
    HANDSHAKE_MS = 5000,
    KEEPALIVE_IDLE_S = 30,
    KEEPALIVE_INTERVAL_S = 10,
    KEEPALIVE_COUNT = 3,
    BACKLOG = 1024,
    MONITOR_EVENTS = 65536, // one that is full holds up libzmq's I/O thread
};

int socket_set_int(void *socket, int option, int value, assent_error *error)
{
    if (zmq_setsockopt(socket, option, &value, sizeof value) == 0)
        return ASSENT_OK;
    return error_set(error, ASSENT_INTERNAL, "net: socket option %d: %s", option,
                     zmq_strerror(errno));
}

int socket_set_text(void *socket, int option, const char *value, assent_error *error)
{
    if (zmq_setsockopt(socket, option, value, strlen(value)) == 0)
        return ASSENT_OK;
    return error_set(error, ASSENT_INTERNAL, "net: socket option %d: %s", option,
                     zmq_strerror(errno));
}

// Whoever has dialled finds out with libzmq's heartbeats that nobody is there. The other side has
// no timer for a connection: libzmq (4.3) looks through all of a thread's to end one, with every
// message. It goes by what it has heard, and when.
static int options_set(void *socket, int type, uint32_t frame_bytes_max, assent_error *error)
{
    const struct {
        int option, value;
    } options[] = {
        {ZMQ_LINGER, LINGER_MS},
        {ZMQ_SNDHWM, SEND_FRAMES},
        {ZMQ_RCVHWM, RECEIVE_FRAMES},
        {ZMQ_IPV6, 0},
        {ZMQ_BACKLOG, BACKLOG},
        {ZMQ_HANDSHAKE_IVL, HANDSHAKE_MS},
        {ZMQ_HEARTBEAT_IVL, type == ZMQ_ROUTER ? 0 : HEARTBEAT_MS},
        {ZMQ_HEARTBEAT_TIMEOUT, HEARTBEAT_TIMEOUT_MS},
        {ZMQ_HEARTBEAT_TTL, 0},
        {ZMQ_TCP_KEEPALIVE, 1},
        {ZMQ_TCP_KEEPALIVE_IDLE, KEEPALIVE_IDLE_S},
        {ZMQ_TCP_KEEPALIVE_INTVL, KEEPALIVE_INTERVAL_S},
        {ZMQ_TCP_KEEPALIVE_CNT, KEEPALIVE_COUNT},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        int code = socket_set_int(socket, options[i].option, options[i].value, error);
        if (code != ASSENT_OK)
            return code;
    }
    int64_t bytes = frame_bytes_max;
    if (zmq_setsockopt(socket, ZMQ_MAXMSGSIZE, &bytes, sizeof bytes) == 0)
        return ASSENT_OK;
    return error_set(error, ASSENT_INTERNAL, "net: ZMQ_MAXMSGSIZE: %s", zmq_strerror(errno));
}

void *socket_new(void *context, int type, uint32_t frame_bytes_max, assent_error *error)
{
    void *socket = zmq_socket(context, type);
    if (!socket) {
        error_set(error, ASSENT_INTERNAL, "net: socket: %s", zmq_strerror(errno));
        return NULL;
    }
    if (options_set(socket, type, frame_bytes_max, error) == ASSENT_OK)
        return socket;
    zmq_close(socket);
    return NULL;
}

// ---- the monitor ----

void *socket_monitor(void *socket, void *context, int events, assent_error *error)
{
    char address[64];
    snprintf(address, sizeof address, "inproc://monitor-%p", socket);
    void *monitor = zmq_socket(context, ZMQ_PAIR);
    if (monitor && socket_set_int(monitor, ZMQ_RCVHWM, MONITOR_EVENTS, error) == ASSENT_OK &&
        socket_set_int(monitor, ZMQ_LINGER, 0, error) == ASSENT_OK &&
        zmq_socket_monitor(socket, address, events) == 0 && zmq_connect(monitor, address) == 0)
        return monitor;
    error_set(error, ASSENT_INTERNAL, "net: monitor: %s", zmq_strerror(errno));
    if (monitor)
        zmq_close(monitor);
    return NULL;
}

void socket_close(void **socket_p, void **monitor_p)
{
    if (*socket_p && *monitor_p)
        zmq_socket_monitor(*socket_p, NULL, 0);
    if (*monitor_p)
        zmq_close(*monitor_p);
    if (*socket_p)
        zmq_close(*socket_p);
    *socket_p = *monitor_p = NULL;
}

bool socket_event_next(void *monitor, struct socket_event *ret)
{
    zmq_msg_t parts[2]; // event and value; the endpoint
    zmq_msg_init(&parts[0]);
    zmq_msg_init(&parts[1]);
    bool valid = socket_receive(monitor, parts, 2) == 2 && zmq_msg_size(&parts[0]) == 6;
    if (valid) {
        uint16_t event;
        uint32_t value;
        const char *data = zmq_msg_data(&parts[0]);
        memcpy(&event, data, sizeof event);
        memcpy(&value, data + sizeof event, sizeof value);
        *ret = (struct socket_event){event, value};
    }
    zmq_msg_close(&parts[0]);
    zmq_msg_close(&parts[1]);
    return valid;
}

const char *socket_event_text(const struct socket_event *event)
{
    if (event->event == ZMQ_EVENT_HANDSHAKE_FAILED_AUTH)
        return "the certificate is not authorized";
    if (event->event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        return "the connection was closed during the handshake";
    switch (event->value) {
    case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        return "one side uses certificates and the other does not";
    case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
        return "the certificates of the two sides do not fit";
    default: return "the other side does not speak ZMTP as it should";
    }
}

// ---- receiving and waiting ----

int socket_receive(void *socket, zmq_msg_t *parts, int count)
{
    zmq_msg_t spare;
    zmq_msg_init(&spare);
    int received = 0;
    for (bool more = true; more; received++) {
        zmq_msg_t *to = received < count ? &parts[received] : &spare;
        int rc;
        do
            rc = zmq_msg_recv(to, socket, ZMQ_DONTWAIT);
        while (rc < 0 && errno == EINTR);
        if (rc < 0) // parts of a message arrive together, so this is before the first
            break;
        more = zmq_msg_more(to) != 0;
    }
    zmq_msg_close(&spare);
    return received > 0 ? received : -1;
}

bool socket_wait(const struct socket_wait *sockets, unsigned count, struct pollfd *extra,
                 unsigned extra_count, int timeout_ms)
{
    CHECK(count <= SOCKET_WAIT_MAX && extra_count <= NET_EXTRA_MAX);
    zmq_pollitem_t items[SOCKET_WAIT_MAX + NET_EXTRA_MAX] = {0};
    for (unsigned i = 0; i < count; i++)
        items[i] = (zmq_pollitem_t){.socket = sockets[i].socket, .events = sockets[i].events};
    for (unsigned i = 0; i < extra_count; i++) {
        int events = (extra[i].events & POLLIN ? ZMQ_POLLIN : 0) |
                     (extra[i].events & POLLOUT ? ZMQ_POLLOUT : 0);
        items[count + i] = (zmq_pollitem_t){.fd = extra[i].fd, .events = (short)events};
        extra[i].revents = 0;
    }
    int rc = zmq_poll(items, (int)(count + extra_count), timeout_ms);
    for (unsigned i = 0; i < extra_count && rc > 0; i++) {
        int revents = (items[count + i].revents & ZMQ_POLLIN ? POLLIN : 0) |
                      (items[count + i].revents & ZMQ_POLLOUT ? POLLOUT : 0) |
                      (items[count + i].revents & ZMQ_POLLERR ? POLLERR : 0);
        extra[i].revents = (short)revents;
    }
    return rc >= 0 || errno != EINTR;
}
