// SPDX-License-Identifier: Apache-2.0
// The transport: frames between one coordinator and its peers. ZeroMQ ROUTER on the coordinator's
// side, DEALER on the others; CURVE with ZAP where the endpoint leaves the machine's file system.
// A server or peer is used by one thread at a time; it may be handed to another thread by anything
// that orders memory (thread creation, a mutex). docs/security.md says what is and is not guarded.
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
    bool allow_loopback;          // tcp on 127.0.0.0/8 without a certificate is allowed
    uint32_t peer_queue_bytes;    // waiting for one peer; past it messages to it are dropped
    uint32_t frame_bytes_max;     // 0 in this and the next two: the limit in base/limits.h
    uint32_t peers_max;
};

// What a certificate's metadata allows. Without CURVE everything is allowed.
struct net_grant {
    bool client, operator_;
    char resources[8][LIMIT_NAME_BYTES + 1]; // "*" for any; a participant may speak for these only
    unsigned resource_count;
};

// May its holder speak for that resource?
bool net_grant_resource(const struct net_grant *grant, struct slice resource);

// A frame and who sent it. All of it is valid until the next call that takes the server, other than
// net_server_send.
struct net_frame {
    peer_t peer;
    struct slice data;      // never empty
    struct slice principal; // name in the certificate; "local" without CURVE
    struct slice address;   // for logs: "10.0.0.7"; over ipc "localhost:uid:gid:pid"
    const struct net_grant *grant;
};

// ipc:// endpoints never use CURVE (the socket file belongs to its owner alone); tcp:// endpoints
// always do when there is a certificate. Missing directories of ipc paths are made, mode 0700;
// briefly changes the process's umask. ASSENT_CONFIG: an endpoint or certificate that is not fit;
// ASSENT_LOCKED: another process listens there; ASSENT_IO, ASSENT_NOMEM.
int net_server_open(const struct net_server_options *options, struct net_server **ret,
                    assent_error *error);
// What net_server_open would refuse with ASSENT_CONFIG, without opening anything.
int net_server_check(const struct net_server_options *options, assent_error *error);
// Frames that were flushed get up to half a second to leave.
void net_server_close(struct net_server **self_p);
// The endpoint really bound (a wildcard port resolved). NULL past the last one.
const char *net_server_endpoint(const struct net_server *self, unsigned index);
// Has the certificate with that public key (Z85) been authorized to speak for the resource?
bool net_server_authorizes(const struct net_server *self, const char *public_key,
                           struct slice resource);
// Re-reads authorized_dir. Peers whose certificate was removed, or grants something else now, are
// reported gone at once. Those without one are refused and counted from then on; the others come
// as new peers with their next frame. ASSENT_CONFIG: a certificate is not valid; it is left out and
// all others apply. Any other code: nothing has changed.
int net_server_reload(struct net_server *self, assent_error *error);
// The next frame, without waiting. False when there is none now (or much garbage: wait, then come
// again).
bool net_server_receive(struct net_server *self, struct net_frame *ret);
// Queues one message; frames are built per peer. False when it was dropped: queue full, no such
// peer, no memory, or a message that cannot be encoded.
bool net_server_send(struct net_server *self, peer_t peer, const struct msg *msg);
// Fills in the header of the next frame to `peer`.
typedef void net_header_for(void *arg, peer_t peer, struct frame_header *ret);
// Sends what is queued, a frame (or more) to each peer; what does not fit into a peer's socket
// stays queued for the next flush. *ret_gone: a peer that turned out to be unreachable, 0 for none;
// call again while it is not 0. Its number is not used again. Peers that were silent for a while
// are looked after here, so it should be called about once a second even when nothing is queued.
void net_server_flush(struct net_server *self, net_header_for *header_for, void *arg,
                      peer_t *ret_gone);
// No more is expected of that peer: its place is free after the next flush, unless it speaks
// before.
void net_server_forget(struct net_server *self, peer_t peer);
// Waits until a frame, one of the `extra` descriptors (POLLIN and POLLOUT; at most NET_EXTRA_MAX;
// their revents are set) or the timeout (-1: none; it may end a little early). False on a signal.
enum { NET_EXTRA_MAX = 12 };
bool net_server_wait(struct net_server *self, struct pollfd *extra, unsigned extra_count,
                     int timeout_ms);

struct net_stats {
    uint64_t frames_in, frames_out, messages_out, bytes_in, bytes_out;
    uint64_t dropped;           // messages out: queue full, connection lost
    uint64_t malformed;         // frames in: empty, or of several parts
    uint64_t refused;           // frames in: no grant, or no place for another peer
    uint64_t handshakes_failed; // connections that did not speak ZMTP, or were not admitted
    uint64_t peers;             // known now
};
void net_server_stats(const struct net_server *self, struct net_stats *ret);

// ---- the other side ----

struct net_peer;

struct net_peer_options {
    const char *endpoint;
    const char *certificate;        // own secret certificate file; NULL: no CURVE
    const char *server_certificate; // public certificate of who is there
    const char *server_key;         // or its public key alone (Z85)
    uint32_t queue_bytes;           // 0 in this and the next: the limit in base/limits.h
    uint32_t frame_bytes_max;       // of frames in both directions
    uint32_t hold_ms;               // what is sent while the link is not up waits for it so long
    struct net_server *beside;      // not NULL: shares its context, and is closed before it
};

enum net_link { NET_LINK_SAME, NET_LINK_UP, NET_LINK_DOWN };

// Starts connecting and returns at once; goes on reconnecting, with backoff, until closed.
// Certificates are not used on an ipc:// endpoint, and needed on tcp:// beyond this machine.
int net_peer_open(const struct net_peer_options *options, struct net_peer **ret,
                  assent_error *error);
void net_peer_close(struct net_peer **self_p); // as net_server_close
// The next frame, without waiting; valid until the next call that takes the peer.
bool net_peer_receive(struct net_peer *self, struct slice *ret);
// False when it was dropped: the link is not up, queue full, no memory, cannot be encoded.
bool net_peer_send(struct net_peer *self, const struct msg *msg);
void net_peer_flush(struct net_peer *self, const struct frame_header *header);
// Something waits for the link or for the socket: come again soon.
bool net_peer_waits(const struct net_peer *self);
// What happened to the connection, one change a call, in order; call until NET_LINK_SAME. Going
// down drops what was queued: nothing that was meant for one connection is sent on another.
enum net_link net_peer_link(struct net_peer *self);
// Why the link is not up: *ret and the code in it; ASSENT_OK while it is up or nothing is known
// yet.
int net_peer_last_error(const struct net_peer *self, assent_error *ret);
// As net_server_wait; wakes also when net_peer_link has news.
bool net_peer_wait(struct net_peer *self, struct pollfd *extra, unsigned extra_count,
                   int timeout_ms);
void net_peer_stats(const struct net_peer *self, struct net_stats *ret);

#endif
