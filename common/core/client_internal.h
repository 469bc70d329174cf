// SPDX-License-Identifier: Apache-2.0
// What the files of the client's core share:
//   client.c        life, dispatch, time, the session
//   client_ask.c    requests in flight
//   client_lease.c  gtids
#ifndef CORE_CLIENT_INTERNAL_H
#define CORE_CLIENT_INTERNAL_H

#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "core/client.h"

enum { ASK_KEY_BYTES = 1 + LIMIT_GTID_BYTES, ABANDONED_PLACES = 4096 };

// A request in flight. Those with the same kind and gtid stand in one chain under that key, and an
// answer is for all of them that were sent by then.
struct ask {
    struct timer timer; // first: the earlier of the deadline and the next send
    struct list link;   // in client.asks, in order of arrival
    struct ask *next;   // in the chain
    token_t token;
    enum ask_kind kind;
    uint64_t deadline_ms;
    uint64_t coordinator;     // that it was sent to
    uint64_t request;         // number of its first send; what answers an earlier one is not for it
    uint64_t last;            // number of its last send
    uint32_t sends, refusals; // for the backoff
    bool awaiting;            // sent, and neither refused nor answered since
    bool uncertain;           // an earlier send may have had an effect that this one's answer hides
    struct msg_result *held;  // decided but not finished, while the request waits for that. Owned
    struct msg msg;           // what is sent; slices point behind the structure
    uint8_t key_size;
    char key[ASK_KEY_BYTES];
};

enum client_link { LINK_DOWN, LINK_GREETING, LINK_WELCOMED };

struct client {
    struct client_config config;
    struct rng rng;
    struct now now;
    // session
    enum client_link link;
    uint64_t said_ms, heard_ms, pinged_ms;
    uint64_t greet_due_ms; // while greeting
    uint32_t greetings;    // without a welcome
    uint64_t coordinator, incarnation, log_seq, seal;
    int refused_code; // of our greeting; ASSENT_OK: it was not
    uint8_t refused_size;
    char refused_text[LIMIT_REASON_BYTES];
    // leases
    struct gtid_block leases[2]; // the one in use first; count 0: none
    uint32_t lease_size;         // of the last one given
    uint64_t lease_coordinator, lease_incarnation, lease_next; // the lowest number not leased yet
    uint64_t lease_due_ms; // asked for: when to ask again. 0: not asked for
    // requests
    uint64_t request; // number of the last send
    struct heap timers;
    struct map by_key;
    struct list asks;
    size_t ask_count;
    struct ask *dead; // freed at the next step: effects still point into them
    // Hashes of the keys of requests that were sent and ended without their answer, each at its
    // place, where a later one may take over. Asked again, such a request is uncertain from the
    // start: what answers it may be meant for the one before.
    uint64_t abandoned[ABANDONED_PLACES];
    struct effects *fx;
};

// client.c
struct msg *client_send(struct client *c, enum msg_type type);
void client_greet(struct client *c);
uint32_t client_backoff(struct client *c, uint32_t first_ms, uint32_t tries); // with jitter

// client_ask.c
void ask_begin(struct client *c, const struct event_ask *what);
void ask_give_up(struct client *c, token_t token);
void ask_resend_all(struct client *c);
void ask_result(struct client *c, const struct msg_result *result);
void ask_enlisted(struct client *c, const struct msg_enlisted *enlisted);
void ask_refused(struct client *c, const struct msg_refused *refused);
void ask_timer(struct client *c, struct ask *ask);
void ask_free_all(struct client *c);
void ask_free_dead(struct client *c);

// client_lease.c
void lease_welcome(struct client *c, const struct msg_welcome *welcome);
void lease_drop_all(struct client *c);
bool lease_wanted(const struct client *c);
void lease_tick(struct client *c);

#endif
