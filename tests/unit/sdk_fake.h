// SPDX-License-Identifier: Apache-2.0
// A coordinator made of strings: a real transport over ipc, and answers that the test wrote. It
// runs on a thread of its own; what the test says to it is done on that thread.
#ifndef UNIT_SDK_FAKE_H
#define UNIT_SDK_FAKE_H

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>

#include "assent/error.h"
#include "core/message.h"
#include "net/net.h"

enum { FAKE_KINDS = 64 };

struct fake;

// Runs on the fake's thread for each message, before it is counted as seen.
typedef void fake_handler(struct fake *f, peer_t peer, const struct msg *msg);

struct fake {
    char *dir;
    char endpoint[128];
    const char *certificate, *authorized_dir; // borrowed; NULL: none
    fake_handler *handler;
    void *arg; // the handler's own
    uint64_t coordinator, incarnation, fence, log_seq;
    uint32_t lease_count; // of each WELCOME to a client
    uint64_t lease_next;
    _Atomic peer_t participant; // the last that greeted as one
    // Under the lock.
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned seen[FAKE_KINDS]; // messages, by type
    void (*order)(struct fake *f, void *arg);
    void *order_arg;
    bool up, stop;
    // Of the thread.
    pthread_t thread;
    struct net_server *server;
    int bell;
};

void fake_init(struct fake *f, fake_handler *handler, void *arg); // a directory, nothing running
void fake_free(struct fake *f);
void fake_start(struct fake *f);
void fake_stop(struct fake *f);    // as if killed
void fake_restart(struct fake *f); // killed, and started with the next incarnation

// Runs it on the fake's thread, and returns when it has run.
void fake_do(struct fake *f, void (*order)(struct fake *f, void *arg), void *arg);
// From now on another handler is asked.
void fake_handle(struct fake *f, fake_handler *handler);
// Waits until so many messages of the type were seen since fake_init.
void fake_wait_seen(struct fake *f, enum msg_type type, unsigned count);
unsigned fake_seen(struct fake *f, enum msg_type type);

// For handlers and orders.
void fake_reply(struct fake *f, peer_t peer, const struct msg *msg);
void fake_result(struct fake *f, peer_t peer, enum msg_type about, const struct gtid *gtid,
                 enum outcome outcome);
void fake_refuse(struct fake *f, peer_t peer, enum msg_type about, const struct gtid *gtid,
                 enum assent_code code, const char *text);
// What every coordinator does: welcome, lease, pong.
void fake_manners(struct fake *f, peer_t peer, const struct msg *msg);

// Waits, generously, until the expression holds.
#define UNTIL(expression)                                                                          \
    do {                                                                                           \
        for (int until_tries = 0; !(expression); until_tries++) {                                  \
            if (until_tries > 60000)                                                               \
                fail_msg("never: %s", #expression);                                                \
            fake_pause();                                                                          \
        }                                                                                          \
    } while (0)
void fake_pause(void); // a millisecond

#endif
