// SPDX-License-Identifier: Apache-2.0
// assent-bank serve: runs a bank until it is told to stop.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "assent/assent.h"
#include "command.h"
#include "kit/stop.h"
#include "service.h"
#include "store.h"

static const char usage[] =
    "Usage: assent-bank serve [OPTION]... DIR\n"
    "Runs the bank whose directory is DIR, until SIGTERM or SIGINT.\n"
    "\n"
    "  -e, --endpoint ENDPOINT       the coordinator (default: $ASSENT_ENDPOINT, else assentd's\n"
    "                                default)\n"
    "      --rm DATABASE             where its accounts are, as for load (default: what load was "
    "told);\n"
    "                                it is written to DIR/database\n"
    "  -w, --workers N               threads that work for branches (default 8)\n"
    "      --journal-votes           keep votes in the journal too, as a resource manager does "
    "that\n"
    "                                cannot keep prepared work itself\n"
    "      --history                 remember every branch that was applied, for audit --journal\n"
    "                                (databases always do)\n"
    "      --certificate FILE        own secret certificate\n"
    "      --server-certificate FILE the coordinator's public certificate\n"
    "  -h, --help                    show this help\n"
    "\n"
    "Prints 'ready' when the coordinator has welcomed it. Exits with 3 when it cannot go on.\n";

struct serve {
    assent_participant_options options;
    int64_t workers;
    bool history;
    const char *dir;
    const char *rm;
    char journal[4200]; // its directory
};

enum { OPT_RM = 256, OPT_VOTES, OPT_HISTORY, OPT_CERTIFICATE, OPT_SERVER };

// -1: go on; else the exit status.
static int serve_options(int argc, char **argv, struct serve *s)
{
    static const struct option options[] = {
        {"endpoint", required_argument, NULL, 'e'},
        {"workers", required_argument, NULL, 'w'},
        {"rm", required_argument, NULL, OPT_RM},
        {"journal-votes", no_argument, NULL, OPT_VOTES},
        {"history", no_argument, NULL, OPT_HISTORY},
        {"certificate", required_argument, NULL, OPT_CERTIFICATE},
        {"server-certificate", required_argument, NULL, OPT_SERVER},
        {"help", no_argument, NULL, 'h'},
        {0}};
    for (int c; (c = getopt_long(argc, argv, "e:w:h", options, NULL)) != -1;) {
        switch (c) {
        case 'e': s->options.endpoint = optarg; break;
        case 'w':
            if (!number_parse("workers", optarg, 1, 256, &s->workers))
                return EXIT_USAGE;
            break;
        case OPT_RM: s->rm = optarg; break;
        case OPT_VOTES: s->options.rm_durable = 0; break;
        case OPT_HISTORY: s->history = true; break;
        case OPT_CERTIFICATE: s->options.certificate = optarg; break;
        case OPT_SERVER: s->options.server_certificate = optarg; break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: return EXIT_USAGE;
        }
    }
    if (optind != argc - 1)
        return complain(EXIT_USAGE, "serve needs one directory; see assent-bank serve --help");
    s->dir = argv[optind];
    return -1;
}

enum {
    WAITS_BEFORE_SAYING_WHY = 100, // about two seconds
    RETRY_MS = 250,
    RETRIES = 240, // a minute
    WATCH_S = 5,
};

static void watch(const struct bank_store *store, assent_participant *participant, time_t *last)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    if (!store->type->watch || now.tv_sec - *last < WATCH_S)
        return;
    *last = now.tv_sec;
    store->type->watch(store->self, participant);
}

// Until it is told to stop, or until the bank cannot go on.
static int serve_wait(assent_participant *participant, const struct bank_store *store)
{
    int failed = assent_participant_fd(participant);
    bool ready = false;
    time_t watched = 0;
    assent_error error;
    enum wake wake = WAKE_TIME;
    for (unsigned waits = 0; wake == WAKE_TIME; waits++) {
        if (!ready && assent_participant_wait(participant, 0, &error) == ASSENT_OK) {
            ready = true;
            printf("ready\n");
            fflush(stdout);
        } else if (!ready && waits == WAITS_BEFORE_SAYING_WHY) {
            complain(EXIT_GOOD, "waiting: %s", error.message);
        }
        watch(store, participant, &watched);
        wake = stop_wait(failed, ready ? 500 : 20);
        if (store->type->failed(store->self))
            return EXIT_TROUBLE;
    }
    return wake == WAKE_STOP ? EXIT_GOOD : EXIT_TROUBLE;
}

static int participate(const struct serve *s, const struct bank_store *store,
                       assent_participant **ret, assent_error *error)
{
    return assent_participant_open(&s->options, store->type->handlers, store->self, ret, error);
}

// Of a database: its predecessor, killed a moment ago, may still hold the journal; and it may be
// away again when it is asked what it holds. -1: it participates; else the exit status.
static int serve_participate(const struct serve *s, const struct bank_store *store,
                             assent_participant **ret)
{
    assent_error error;
    int code = participate(s, store, ret, &error);
    for (int tries = 0;
         (code == ASSENT_LOCKED || code == ASSENT_STATE) && store->type->shared && tries < RETRIES;
         tries++) {
        if (stop_wait(-1, RETRY_MS) == WAKE_STOP)
            return EXIT_GOOD;
        code = participate(s, store, ret, &error);
    }
    return code ? complain(EXIT_TROUBLE, "%s", error.message) : -1;
}

static int serve_store(struct serve *s, const struct bank_store *store)
{
    assent_error error;
    assent_participant *participant;
    struct service *service;
    snprintf(s->journal, sizeof s->journal, "%s/journal", s->dir);
    s->options.resource = store->type->name(store->self);
    s->options.journal_dir = s->journal;
    s->options.workers = (unsigned)s->workers;
    int status = serve_participate(s, store, &participant);
    if (status >= 0)
        return status;
    status = EXIT_TROUBLE;
    if (service_start(s->dir, store, participant, &service, &error)) {
        complain(EXIT_TROUBLE, "%s", error.message);
    } else {
        status = serve_wait(participant, store);
        service_stop(&service);
    }
    if (status == EXIT_TROUBLE)
        complain(status, "%s cannot go on; start it again once the cause is mended",
                 s->options.resource);
    assent_participant_close(&participant);
    return status;
}

static int open_once(const struct serve *s, struct bank_store *ret, assent_error *error)
{
    int code = store_open(s->dir, s->rm, s->history, ret, error);
    if (code || !ret->type->participate)
        return code;
    code = ret->type->participate(ret->self, error);
    if (code)
        store_close(ret);
    return code;
}

// An audit may be reading a ledger just now: that takes a moment, so wait for it. A database that
// is away will be back. -1: it is open; else the exit status.
static int serve_open(const struct serve *s, struct bank_store *ret)
{
    assent_error error;
    int code = open_once(s, ret, &error);
    for (int tries = 0; code == ASSENT_UNAVAILABLE || code == ASSENT_BUSY ||
                        (code == ASSENT_LOCKED && tries < RETRIES);
         tries++) {
        if (tries % RETRIES == 0 && code != ASSENT_LOCKED)
            complain(EXIT_GOOD, "waiting: %s", error.message);
        if (stop_wait(-1, code == ASSENT_LOCKED ? 100 : RETRY_MS) == WAKE_STOP)
            return EXIT_GOOD;
        code = open_once(s, ret, &error);
    }
    return code == ASSENT_OK ? -1 : complain(EXIT_TROUBLE, "%s", error.message);
}

int command_serve(int argc, char **argv)
{
    struct serve s = {.workers = 8, .options.rm_durable = 1};
    int status = serve_options(argc, argv, &s);
    if (status >= 0)
        return status;
    if (!stop_signals())
        return complain(EXIT_TROUBLE, "signals: %s", strerror(errno));
    struct bank_store store;
    status = serve_open(&s, &store);
    if (status >= 0)
        return status;
    status = serve_store(&s, &store);
    store_close(&store);
    return status;
}
