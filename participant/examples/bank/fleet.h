// SPDX-License-Identifier: Apache-2.0
// A fleet of clients: threads that share one assent_client and do jobs until there are no more.
#ifndef BANK_FLEET_H
#define BANK_FLEET_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

#include "assent/assent.h"
#include "mix.h"
#include "store.h"
#include "tally.h"
#include "transfers.h"

enum { FLEET_BANKS_MAX = 64, FLEET_CLIENTS_MAX = 4096 };

struct fleet {
    // what to do; set before fleet_start
    assent_client *client;
    unsigned bank_count;
    struct {
        char name[STORE_NAME_MAX + 1];
        const char *dir;
    } banks[FLEET_BANKS_MAX];
    struct mix mix;
    struct transfers *transfers; // instead of the mix; may be NULL
    uint64_t seed;
    int64_t count;            // jobs in all; 0: no such limit
    int64_t seconds;          // 0: no such limit
    int64_t timeout_ms;       // of each transaction
    assent_protocol protocol; // likewise; 0: two-phase commit
    int64_t patience_s;       // without the coordinator, or for a lost outcome
    FILE *journal;            // may be NULL

    // how it goes
    atomic_llong taken, done;
    atomic_bool stop;
    atomic_bool gave_up; // the coordinator was away for longer than patience_s
    struct timespec started;
    pthread_mutex_t lock; // guards tally, journal
    struct tally tally;
    int64_t client_count;
    pthread_t threads[FLEET_CLIENTS_MAX];
    atomic_llong running;
};

// False when not even one thread could be started.
bool fleet_start(struct fleet *fleet, int64_t clients);
void fleet_join(struct fleet *fleet);
double fleet_seconds(const struct fleet *fleet); // since the start

#endif
