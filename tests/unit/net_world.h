// SPDX-License-Identifier: Apache-2.0
// A server and some peers in one thread, for the tests of the transport. The world is stepped until
// what a test waits for is so. Peers send PINGs with rising stamps; the server checks their order
// and, if told so, echoes them as PONGs.
#ifndef UNIT_NET_WORLD_H
#define UNIT_NET_WORLD_H

#include "net/net.h"
#include "unit.h"

enum { WORLD_PEERS = 4, WORLD_GONE = 64, WORLD_WAIT_MS = 60000 };

struct world_peer {
    struct net_peer *net; // NULL: not open
    bool paused;          // receives nothing
    bool up;
    unsigned ups, downs;
    uint64_t stamp_sent;
    uint64_t messages; // received
    uint64_t stamp_heard;
    size_t frame_bytes; // of the frame received last
};

struct net_world {
    char *dir;
    char endpoint[160];
    struct net_server *server;
    bool paused; // the server receives nothing
    bool echo;
    struct world_peer peers[WORLD_PEERS];
    // What the server has seen.
    uint64_t frames, messages, garbage;
    peer_t from; // of the frame received last, as are the next four
    char principal[LIMIT_NAME_BYTES + 1], address[64];
    struct net_grant grant;
    struct frame_header header;
    uint64_t stamp[WORLD_GONE]; // per peer number: the last PING's
    peer_t gone[WORLD_GONE];
    unsigned gone_count;
};

void world_init(struct net_world *w); // a temporary directory, and an ipc endpoint in it
void world_free(struct net_world *w);
char *world_path(struct net_world *w, const char *name); // in the directory; malloc'ed

// Certificates lie in the directory, too, beside the directory of those that are authorized.
char *world_cert_path(struct net_world *w, const char *name, const char *suffix); // malloc'ed
void world_keygen(struct net_world *w, const char *name, const char *role, const char *resources);

// Opens the server with these options; the endpoint is the world's when options->endpoints is NULL.
void world_serve(struct net_world *w, struct net_server_options options);
// Opens a peer; options.endpoint NULL: where the server was bound.
struct world_peer *world_join(struct net_world *w, struct net_peer_options options);
void world_leave(struct world_peer *peer);

void world_step(struct net_world *w);
uint64_t world_now_ms(void);

// Steps until the condition holds; fails the test after a generous time.
#define world_until(w, condition)                                                                  \
    do {                                                                                           \
        uint64_t world_limit_ms = world_now_ms() + WORLD_WAIT_MS;                                  \
        while (!(condition)) {                                                                     \
            world_step(w);                                                                         \
            if (world_now_ms() > world_limit_ms)                                                   \
                fail_msg("%s:%d: never came true: %s", __FILE__, __LINE__, #condition);            \
        }                                                                                          \
    } while (0)

bool world_ping(struct world_peer *peer); // queues a PING with the next stamp
void world_flush(struct world_peer *peer);
// Pings through the whole way and back.
void world_check_alive(struct net_world *w, struct world_peer *peer);

// The code is returned, and stands in the error as well.
#define assert_code(expected, call, error)                                                         \
    do {                                                                                           \
        int assert_code_is = (call);                                                               \
        if (assert_code_is != (expected) ||                                                        \
            (assert_code_is != ASSENT_OK && (error)->code != assert_code_is))                      \
            fail_msg("%s:%d: %s, not %s: %d %s", __FILE__, __LINE__,                               \
                     assent_code_name(assert_code_is), assent_code_name(expected), (error)->code,  \
                     (error)->message);                                                            \
    } while (0)

#endif
