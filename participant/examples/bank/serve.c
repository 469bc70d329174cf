// SPDX-License-Identifier: Apache-2.0
// assent-bank serve: runs a bank until it is told to stop.
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "assent/assent.h"
#include "bank.h"
#include "command.h"
#include "service.h"

static const char usage[] =
    "Usage: assent-bank serve [OPTION]... DIR\n"
    "Runs the bank whose ledger is in DIR, until SIGTERM or SIGINT.\n"
    "\n"
    "  -e, --endpoint ENDPOINT       the coordinator (default: $ASSENT_ENDPOINT, else assentd's\n"
    "                                default)\n"
    "  -w, --workers N               threads that call the ledger (default 8)\n"
    "      --journal-votes           keep votes in the journal too, as a resource manager does "
    "that\n"
    "                                cannot keep prepared work itself\n"
    "      --history                 remember every branch that was applied, for audit --journal\n"
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
};

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

enum { OPT_VOTES = 256, OPT_HISTORY, OPT_CERTIFICATE, OPT_SERVER };

// -1: go on; else the exit status.
static int serve_options(int argc, char **argv, struct serve *s)
{
    static const struct option options[] = {
        {"endpoint", required_argument, NULL, 'e'},
        {"workers", required_argument, NULL, 'w'},
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

enum { WAITS_BEFORE_SAYING_WHY = 100 }; // about two seconds

// Until a signal, or until the bank cannot go on. SIGTERM and SIGINT are let in only while it
// waits.
static int serve_wait(assent_participant *participant, struct ledger *ledger)
{
    sigset_t open;
    sigemptyset(&open);
    int failed = assent_participant_fd(participant);
    bool ready = false;
    assent_error error;
    for (unsigned waits = 0; !stopping; waits++) {
        if (!ready && assent_participant_wait(participant, 0, &error) == ASSENT_OK) {
            ready = true;
            printf("ready\n");
            fflush(stdout);
        } else if (!ready && waits == WAITS_BEFORE_SAYING_WHY) {
            complain(EXIT_GOOD, "waiting: %s", error.message);
        }
        struct timespec pause = {.tv_nsec = ready ? 500000000 : 20000000};
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(failed, &readable);
        if (pselect(failed + 1, &readable, NULL, NULL, &pause, &open) > 0 || ledger_failed(ledger))
            return EXIT_TROUBLE;
    }
    return EXIT_GOOD;
}

static int serve_ledger(struct serve *s, struct ledger *ledger)
{
    char journal[4200];
    assent_error error;
    assent_participant *participant;
    struct service *service;
    snprintf(journal, sizeof journal, "%s/journal", s->dir);
    s->options.resource = ledger_name(ledger);
    s->options.journal_dir = journal;
    s->options.workers = (unsigned)s->workers;
    if (assent_participant_open(&s->options, &bank_handlers, ledger, &participant, &error))
        return complain(EXIT_TROUBLE, "%s", error.message);
    int status = EXIT_TROUBLE;
    if (service_start(s->dir, ledger, participant, &service, &error)) {
        complain(EXIT_TROUBLE, "%s", error.message);
    } else {
        status = serve_wait(participant, ledger);
        service_stop(&service);
    }
    if (status != EXIT_GOOD)
        complain(status, "%s cannot go on; start it again once the cause is mended",
                 ledger_name(ledger));
    assent_participant_close(&participant);
    return status;
}

// An audit may be reading the ledger just now: that takes a moment, so wait for it.
static int serve_open(const struct serve *s, struct ledger **ret, assent_error *error)
{
    int code = ledger_open(s->dir, s->history, ret, error);
    for (int tries = 0; code == ASSENT_LOCKED && tries < 100 && !stopping; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
        code = ledger_open(s->dir, s->history, ret, error);
    }
    return code;
}

int command_serve(int argc, char **argv)
{
    struct serve s = {.workers = 8, .options.rm_durable = 1};
    int status = serve_options(argc, argv, &s);
    if (status >= 0)
        return status;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); // in all threads that are made from here on
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);

    assent_error error;
    struct ledger *ledger;
    if (serve_open(&s, &ledger, &error))
        return complain(EXIT_TROUBLE, "%s", error.message);
    status = serve_ledger(&s, ledger);
    ledger_close(&ledger);
    return status;
}
