// SPDX-License-Identifier: Apache-2.0
#include "kit/crowd.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "kit/command.h"
#include "kit/pause.h"

enum { CLIENTS_MAX = 1024 };

struct member {
    struct crowd *crowd;
    pthread_t thread;
    uint64_t random;
};

static atomic_bool interrupted; // any thread may be the one that takes the signal

static void on_signal(int number)
{
    (void)number;
    interrupted = true;
}

static double seconds_since(const struct timespec *then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then->tv_sec) + (double)(now.tv_nsec - then->tv_nsec) / 1e9;
}

int64_t crowd_draw(uint64_t *random, int64_t below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (int64_t)((*random >> 33) % (uint64_t)below);
}

// ---- one transaction ----

bool crowd_begin(struct crowd *c, const assent_tx_options *options, assent_tx **ret)
{
    struct timespec since;
    clock_gettime(CLOCK_MONOTONIC, &since);
    while (assent_begin(c->client, NULL, options, ret, NULL) != ASSENT_OK) {
        if (atomic_load(&c->stop) || interrupted)
            return false;
        if (seconds_since(&since) >= (double)c->patience_s) {
            atomic_store(&c->gave_up, true);
            atomic_store(&c->stop, true);
            return false;
        }
        pause_ms(50);
    }
    return true;
}

void crowd_record(struct crowd *c, const assent_result *result)
{
    bool committed = result->outcome == ASSENT_COMMITTED;
    if (!committed && result->outcome != ASSENT_ABORTED) {
        c->unresolved++;
        atomic_store(&c->gave_up, true);
        atomic_store(&c->stop, true);
        return;
    }
    (*(committed ? &c->committed : &c->aborted))++;
    if (!c->told_file)
        return;
    pthread_mutex_lock(&c->lock);
    fprintf(c->told_file, "%s %s\n", result->gtid, committed ? "committed" : "aborted");
    pthread_mutex_unlock(&c->lock);
}

void crowd_settle(struct crowd *c, const char *gtid)
{
    struct timespec since;
    assent_result result = {.outcome = ASSENT_IN_PROGRESS};
    clock_gettime(CLOCK_MONOTONIC, &since);
    while (seconds_since(&since) < (double)c->patience_s) {
        if (assent_status(c->client, gtid, &result, NULL) == ASSENT_OK &&
            result.outcome != ASSENT_IN_PROGRESS)
            break;
        pause_ms(100);
    }
    crowd_record(c, &result);
}

void crowd_commit(struct crowd *c, assent_tx *tx)
{
    assent_result result;
    int code = assent_commit(tx, &result, NULL);
    if (code == ASSENT_OK && result.outcome != ASSENT_IN_PROGRESS)
        crowd_record(c, &result);
    else if (code == ASSENT_OK || code == ASSENT_TIMEOUT || code == ASSENT_CLOSED)
        crowd_settle(c, assent_tx_gtid(tx));
    else
        crowd_refused(c);
}

void crowd_refused(struct crowd *c)
{
    c->refused++;
    pause_ms(50);
}

// ---- all of them ----

static void *member_run(void *arg)
{
    struct member *m = arg;
    struct crowd *c = m->crowd;
    while (!atomic_load(&c->stop) && !interrupted) {
        if (c->count && c->taken++ >= c->count)
            break;
        if (c->seconds && seconds_since(&c->started) >= (double)c->seconds)
            break;
        c->once(c, &m->random);
    }
    return NULL;
}

static void report(struct crowd *c)
{
    double seconds = seconds_since(&c->started);
    long long committed = c->committed, aborted = c->aborted;
    if (c->json)
        printf("{\"schema\":1,\"seconds\":%.3f,\"committed\":%lld,\"aborted\":%lld,"
               "\"refused\":%lld,\"unresolved\":%lld}\n",
               seconds, committed, aborted, (long long)c->refused, (long long)c->unresolved);
    else
        printf("%lld committed, %lld aborted, %lld refused, %lld unresolved, in %.1f s\n",
               committed, aborted, (long long)c->refused, (long long)c->unresolved, seconds);
    fflush(stdout);
}

static int crowd_members(struct crowd *c)
{
    struct member *members = calloc((size_t)c->clients, sizeof *members);
    int64_t started = 0;
    if (!members)
        return complain(EXIT_TROUBLE, "out of memory");
    clock_gettime(CLOCK_MONOTONIC, &c->started);
    for (; started < c->clients; started++) {
        struct member *m = &members[started];
        m->crowd = c;
        m->random = (uint64_t)(c->seed * 1000003 + started);
        if (pthread_create(&m->thread, NULL, member_run, m) != 0)
            break;
    }
    for (int64_t i = 0; i < started; i++)
        pthread_join(members[i].thread, NULL);
    free(members);
    return started ? EXIT_GOOD : complain(EXIT_TROUBLE, "no thread could be started");
}

int crowd_run(struct crowd *c)
{
    assent_error error;
    assent_client_options options = {.connect_timeout_ms = 1000};
    if (c->count < 0)
        c->count = c->seconds ? 0 : 100;
    if (c->told && !(c->told_file = fopen(c->told, "a")))
        return complain(EXIT_TROUBLE, "%s: %s", c->told, strerror(errno));
    if (c->told_file)
        setvbuf(c->told_file, NULL, _IOLBF, 0); // what was told is there even if this is killed
    if (assent_client_open(&options, &c->client, &error))
        return complain(EXIT_TROUBLE, "%s", error.message);
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    pthread_mutex_init(&c->lock, NULL);
    int status = crowd_members(c);
    report(c);
    if (c->gave_up)
        status = complain(EXIT_TROUBLE, "no coordinator, or no answer, for %lld s",
                          (long long)c->patience_s);
    assent_client_close(&c->client);
    if (c->told_file && fclose(c->told_file) != 0)
        status = complain(EXIT_TROUBLE, "%s: %s", c->told, strerror(errno));
    return status;
}

void crowd_defaults(struct crowd *c)
{
    c->clients = 8;
    c->count = -1;
    c->patience_s = 60;
    c->seed = 1;
}

bool crowd_option(struct crowd *c, int option, const char *value, bool *ret_good)
{
    *ret_good = true;
    switch (option) {
    case 'c': *ret_good = number_parse("clients", value, 1, CLIENTS_MAX, &c->clients); return true;
    case 'n': *ret_good = number_parse("count", value, 1, INT64_MAX, &c->count); return true;
    case 's': *ret_good = number_parse("seconds", value, 1, 1000000, &c->seconds); return true;
    case 'p': *ret_good = number_parse("patience", value, 1, 86400, &c->patience_s); return true;
    case 'S': *ret_good = number_parse("seed", value, 0, INT32_MAX, &c->seed); return true;
    case 't': c->told = value; return true;
    case 'j': c->json = true; return true;
    default: return false;
    }
}
