// SPDX-License-Identifier: Apache-2.0
// assent-bank serve: runs a bank until it is told to stop.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

#include "assent/assent.h"
#include "bank.h"
#include "command.h"
#include "kit/stop.h"
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

// Until it is told to stop, or until the bank cannot go on.
static int serve_wait(assent_participant *participant, struct ledger *ledger)
{
    int failed = assent_participant_fd(participant);
    bool ready = false;
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
        wake = stop_wait(failed, ready ? 500 : 20);
        if (ledger_failed(ledger))
            return EXIT_TROUBLE;
    }
    return wake == WAKE_STOP ? EXIT_GOOD : EXIT_TROUBLE;
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

// An audit may be reading the ledger just now: that takes a moment, so wait for it. -1: it is open;
// else the exit status.
static int serve_open(const struct serve *s, struct ledger **ret)
{
    assent_error error;
    int code = ledger_open(s->dir, s->history, ret, &error);
    for (int tries = 0; code == ASSENT_LOCKED && tries < 100; tries++) {
        if (stop_wait(-1, 100) == WAKE_STOP)
            return EXIT_GOOD;
        code = ledger_open(s->dir, s->history, ret, &error);
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
    struct ledger *ledger;
    status = serve_open(&s, &ledger);
    if (status >= 0)
        return status;
    status = serve_ledger(&s, ledger);
    ledger_close(&ledger);
    return status;
}
