// SPDX-License-Identifier: Apache-2.0
// What the files of the client's shell share:
//   client_open.c      life of a client
//   client_io.c        its I/O thread, around the client's core
//   client_request.c   requests on their way to that thread, and their answers
//   client_dispatch.c  answers on their way to callbacks
//   client_tx.c        transactions
//   client_text.c      constant texts
//
// Users' threads and the I/O thread meet under one lock, held for a few instructions: a list of new
// requests one way, lists of answered ones the other way, and a stock of gtids. A bell is rung only
// for a sleeper, so that thousands of requests cost one system call.
#ifndef PARTICIPANT_CLIENT_HANDLE_H
#define PARTICIPANT_CLIENT_HANDLE_H

#include <pthread.h>

#include "assent/client.h"
#include "base/list.h"
#include "core/client.h"
#include "shell.h"

enum { CLIENT_GTID_BLOCK = 256 };

// Owned by its transaction or by the stack of the thread that waits; the I/O thread has it from
// request_send until it is complete.
struct request {
    struct list link; // submitted; then in flight (I/O thread); then complete
    enum ask_kind kind;
    struct gtid gtid;
    uint64_t deadline_ms;
    assent_tx *tx;         // SUBMIT, ENLIST
    pthread_cond_t *waits; // a thread that waits; NULL: asynchronous
    assent_done *done;     // asynchronous
    void *arg;
    bool complete;
    int code;
    assent_result result; // code other than ASSENT_OK: gtid, and in text why
};

struct assent_client {
    // constant once open
    struct shell_place place;
    uint32_t connect_timeout_ms, answer_timeout_ms;
    uint32_t in_flight_max;
    int wake_bell;  // rung by users for the I/O thread
    int ready_bell; // rung by the I/O thread for assent_client_dispatch
    pthread_t thread;

    pthread_mutex_t lock;   // of all that follows down to the next line
    pthread_cond_t changed; // connected, gtids, users, stopping
    struct list submitted;  // requests
    struct list ready;      // complete, for assent_client_dispatch
    struct gtid_block gtids[2];
    uint32_t in_flight;
    uint32_t waiting; // threads in assent_begin and assent_client_wait
    uint32_t users;   // threads inside that close has to wait for
    bool awake;       // the I/O thread will look at `submitted` before it sleeps
    bool refill;      // the stock of gtids runs low
    bool connected, stopping;
    int broken; // why the I/O thread can no longer serve
    assent_error link_error;

    // of the I/O thread alone
    struct net_peer *net;
    struct client *core;
    struct effects fx;
    int failed; // becomes `broken`
    struct shell_inbox inbox;
    struct now now;
    struct list in_flight_list;
    struct list complete;
    struct msg_branch branches[LIMIT_BRANCHES];
};

// ---- client_request.c ----

// False, and the code returned, when it is refused here: it then never left.
int request_send(assent_client *client, struct request *request, assent_error *error);
// Sends and waits. The request's code, and *ret (may be NULL) when that is ASSENT_OK.
int request_run(assent_client *client, struct request *request, assent_result *ret,
                assent_error *error);
// Lock held: calls from now on may use the client, which close waits for.
int client_enter(assent_client *client, assent_error *error);
void client_leave(assent_client *client);
// Lock held.
void client_wake(assent_client *client);

// ---- client_io.c ----

void *client_run(void *client);

// ---- client_tx.c ----

// The content of a transaction, as the core wants it. `branches` has LIMIT_BRANCHES places.
void tx_content(const assent_tx *tx, const struct request *request, struct msg_branch *branches,
                struct event_ask *ret);
void tx_release(assent_tx *tx);
// The answer to an asynchronous commit has come.
void tx_answered(assent_tx *tx);

#endif
