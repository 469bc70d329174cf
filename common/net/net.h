// SPDX-License-Identifier: Apache-2.0
// The transport: frames between one coordinator and its peers. ZeroMQ ROUTER on the coordinator's
// side, DEALER on the others; CURVE with ZAP where the endpoint leaves the machine's file system.
// A socket belongs to the thread that opened it.
#ifndef NET_NET_H
#define NET_NET_H

#include <poll.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/limits.h"
#include "base/slice.h"
#include "core/step.h"

// ---- the coordinator's side ----

struct net_server;

struct net_server_options {
    const char *const *endpoints; // NULL-terminated; "ipc://path" or "tcp://address:port"
    const char *certificate;      // secret certificate file; NULL: no CURVE (ipc and loopback only)
    const char *authorized_dir;   // public certificates of those who may connect, with metadata
    uint32_t peer_queue_bytes;    // waiting for one peer; past it messages to it are dropped
    uint32_t frame_bytes_max;
    uint32_t peers_max;
};

// What is known of who sent a frame. Without CURVE the principal is "local".
struct net_frame {
    peer_t peer;
    struct slice data;      // valid until the next receive
    struct slice principal; // name in the certificate
    const struct net_grant *grant;
};

// What a certificate's metadata allows. Without CURVE everything is allowed.
struct net_grant {
    bool client, operator_;
    char resources[8][LIMIT_NAME_BYTES + 1]; // "*" for any; a participant may speak for these only
    unsigned resource_count;
};

int net_server_open(const struct net_server_options *options, struct net_server **ret,
                    assent_error *error);
void net_server_close(struct net_server **self_p);
// The endpoint really bound (a wildcard port resolved). NULL past the last one.
const char *net_server_endpoint(const struct net_server *self, unsigned index);
// Re-reads authorized_dir; connections of removed certificates lose their grant at once.
int net_server_reload(struct net_server *self, assent_error *error);
// The next frame, without waiting. False when there is none now.
bool net_server_receive(struct net_server *self, struct net_frame *ret);
// Queues one message; frames are built per peer. False when it was dropped (queue full, no such
// peer).
bool net_server_send(struct net_server *self, peer_t peer, const struct msg *msg);
// Fills in the header of the next frame to `peer`.
typedef void net_header_for(void *arg, peer_t peer, struct frame_header *ret);
// Sends what is queued, a frame (or more) to each peer. *ret_gone: a peer that turned out to be
// unreachable, 0 for none; call again while it is not 0.
void net_server_flush(struct net_server *self, net_header_for *header_for, void *arg,
                      peer_t *ret_gone);
void net_server_forget(struct net_server *self, peer_t peer); // no more is expected of it
// Waits until a frame, one of the `extra` descriptors or the timeout (-1: none); false on a signal.
bool net_server_wait(struct net_server *self, struct pollfd *extra, unsigned extra_count,
                     int timeout_ms);

struct net_stats {
    uint64_t frames_in, frames_out, messages_out, bytes_in, bytes_out, dropped, refused;
};
void net_server_stats(const struct net_server *self, struct net_stats *ret);

// ---- the other side ----

struct net_peer;

struct net_peer_options {
    const char *endpoint;
    const char *certificate;        // own secret certificate file; NULL: no CURVE
    const char *server_certificate; // public certificate of the coordinator
    uint32_t queue_bytes;
};

enum net_link { NET_LINK_SAME, NET_LINK_UP, NET_LINK_DOWN };

int net_peer_open(const struct net_peer_options *options, struct net_peer **ret,
                  assent_error *error);
void net_peer_close(struct net_peer **self_p);
bool net_peer_receive(struct net_peer *self, struct slice *ret);
bool net_peer_send(struct net_peer *self, const struct msg *msg);
void net_peer_flush(struct net_peer *self, const struct frame_header *header);
// What happened to the connection since the last call.
enum net_link net_peer_link(struct net_peer *self);
bool net_peer_wait(struct net_peer *self, struct pollfd *extra, unsigned extra_count,
                   int timeout_ms);
void net_peer_stats(const struct net_peer *self, struct net_stats *ret);

#endif
