// SPDX-License-Identifier: Apache-2.0
// What both sides' sockets share: options, events of the monitor, waiting, time.
#ifndef NET_SOCKET_H
#define NET_SOCKET_H

#include <time.h>
#include <zmq.h>

#include "net/cert.h"

static inline uint64_t net_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

// A ROUTER or DEALER with the options that both sides want. NULL: see error.
void *socket_new(void *context, int type, uint32_t frame_bytes_max, assent_error *error);

// ASSENT_INTERNAL when libzmq does not know the option or value.
int socket_set_int(void *socket, int option, int value, assent_error *error);
int socket_set_text(void *socket, int option, const char *value, assent_error *error);

// The socket that reports `events` of `socket`. NULL: see error.
void *socket_monitor(void *socket, void *context, int events, assent_error *error);
void socket_close(void **socket_p, void **monitor_p); // either may be NULL

struct socket_event {
    unsigned event; // ZMQ_EVENT_*
    unsigned value;
};
bool socket_event_next(void *monitor, struct socket_event *ret); // never waits
// What a ZMQ_EVENT_HANDSHAKE_FAILED_* says.
const char *socket_event_text(const struct socket_event *event);

// Receives a whole message of up to `count` parts into initialised zmq_msg_t. Returns the number of
// its parts, which may be more than `count` (those were dropped), or -1 when there is none now.
int socket_receive(void *socket, zmq_msg_t *parts, int count);

// Waits for the sockets' events and the extra descriptors. False on a signal.
struct socket_wait {
    void *socket;
    short events; // ZMQ_POLLIN, ZMQ_POLLOUT
};
enum { SOCKET_WAIT_MAX = 4 };
bool socket_wait(const struct socket_wait *sockets, unsigned count, struct pollfd *extra,
                 unsigned extra_count, int timeout_ms);

// `timeout_ms` (-1: none) or `at_most_ms`, whichever is less.
static inline int socket_timeout(int timeout_ms, uint64_t at_most_ms)
{
    return timeout_ms >= 0 && (uint64_t)timeout_ms <= at_most_ms ? timeout_ms : (int)at_most_ms;
}

#endif
