// SPDX-License-Identifier: Apache-2.0
// A crowd of clients: threads that share one assent_client and do the same, again and again; and
// what became of it.
#ifndef KIT_CROWD_H
#define KIT_CROWD_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <time.h>

#include "assent/assent.h"

struct crowd {
    // What to do.
    void (*once)(struct crowd *crowd, uint64_t *random); // one transaction, from begin to end
    const void *context;                                 // of `once`
    int64_t clients, count, seconds;                     // count or seconds 0: no such limit
    int64_t patience_s; // without a coordinator, or for an answer that was lost
    int64_t seed;
    const char *told; // file that gets "<gtid> committed" or "<gtid> aborted", a line each; or NULL
    bool json;

    // How it goes.
    assent_client *client;
    FILE *told_file;
    pthread_mutex_t lock; // guards told_file
    struct timespec started;
    atomic_llong taken;
    atomic_bool stop, gave_up;
    atomic_llong committed, aborted, refused, unresolved;
};

// The options that all crowds have, for getopt_long: clients, count, seconds, patience, seed, told,
// json. CROWD_OPTIONS in the long ones; crowd_option says whether it was one of them, and
// *ret_good.
#define CROWD_OPTIONS                                                                              \
    {"clients", required_argument, NULL, 'c'}, {"count", required_argument, NULL, 'n'},            \
        {"seconds", required_argument, NULL, 's'}, {"patience", required_argument, NULL, 'p'},     \
        {"seed", required_argument, NULL, 'S'}, {"told", required_argument, NULL, 't'},            \
        {"json", no_argument, NULL, 'j'},                                                          \
    {                                                                                              \
        "help", no_argument, NULL, 'h'                                                             \
    }
#define CROWD_USAGE                                                                                \
    "      --clients N        at the same time (default 8)\n"                                      \
    "      --count N          so many in all (default 100; with --seconds: no limit)\n"            \
    "      --seconds N        for so long\n"                                                       \
    "      --patience N       seconds without the coordinator (default 60)\n"                      \
    "      --seed N           of what is asked for\n"                                              \
    "      --told FILE        append what became of each, for audit --told\n"                      \
    "      --json             print one JSON object\n"
bool crowd_option(struct crowd *crowd, int option, const char *value, bool *ret_good);
void crowd_defaults(struct crowd *crowd);

// Runs it until it is done, SIGTERM or SIGINT; prints the report. Returns an exit status.
int crowd_run(struct crowd *crowd);

// For `once`: begins, waiting for a coordinator as long as patience allows.
bool crowd_begin(struct crowd *crowd, const assent_tx_options *options, assent_tx **ret);
// Commits, asks again where the answer was lost, and counts what became of it.
void crowd_commit(struct crowd *crowd, assent_tx *tx);
// It was not even begun, or could not be.
void crowd_refused(struct crowd *crowd);
// What became of it, by itself or otherwise.
void crowd_settle(struct crowd *crowd, const char *gtid);
void crowd_record(struct crowd *crowd, const assent_result *result);

// 0 .. below - 1.
int64_t crowd_draw(uint64_t *random, int64_t below);

#endif
