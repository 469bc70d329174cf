// SPDX-License-Identifier: Apache-2.0
// Inside of net_server: opening and closing (server_open.c) and traffic (server.c).
#ifndef NET_SERVER_H
#define NET_SERVER_H

#include "base/logger.h"
#include "net/authority.h"
#include "net/peers.h"
#include "net/socket.h"

// ipc, and loopback without a certificate, come in by one socket; those with CURVE by another.
enum server_door { DOOR_PLAIN, DOOR_CURVE, DOOR_COUNT };

struct net_server {
    void *context;
    struct {
        void *socket, *monitor; // NULL when no endpoint needs it
    } doors[DOOR_COUNT];
    unsigned door_next; // so that one does not starve the other
    struct authority *authority;
    char **endpoints; // as bound; NULL-terminated
    size_t endpoint_count;
    uint32_t peer_queue_bytes, frame_bytes_max, peers_max;
    struct peers peers;
    struct outbox_total queued;
    zmq_msg_t frame[2]; // routing id and data of the frame received last
    struct net_grant everything;
    uint64_t swept_ms;
    struct net_stats stats;
    struct log_limit log_limit;
};

#endif
