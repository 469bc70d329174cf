// SPDX-License-Identifier: Apache-2.0
// assent-bench: what Assent reaches, next to what this machine could do at best.
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

static const char usage[] =
    "Usage: assent-bench [OPTION]...\n"
    "Measures Assent with its clients, coordinator and participants as separate processes, next "
    "to\n"
    "the floor of this machine, all in one run.\n"
    "\n"
    "  -S, --scenario NAME   a series of measurements instead; --list tells which there are\n"
    "      --list            list the scenarios\n"
    "  -i, --in-flight N     closed loop: so many transactions at a time (default 1024)\n"
    "  -r, --rate N          open loop: so many a second, sent on time whatever the answers do\n"
    "  -b, --branches N      of each transaction, each at a participant of its own (default 2)\n"
    "  -p, --payload BYTES   carried to each branch (default 100)\n"
    "  -P, --protocol NAME   2pc, 3pc, tcc, saga or message (default 2pc)\n"
    "  -c, --clients N       connections, spread over processes when they are many (default 1)\n"
    "  -s, --seconds N       of each measurement (default 5)\n"
    "  -n, --transactions N  in the log, or in flight, in scenarios about that\n"
    "      --tcp             over tcp on loopback instead of ipc\n"
    "      --no-floor        do not measure the floor\n"
    "  -e, --endpoint E      a coordinator that is running, with participants bench-0, bench-1,\n"
    "                        ..., instead of own ones\n"
    "      --json            print one JSON object\n"
    "  -h, --help            show this help\n"
    "      --version         show the version\n"
    "\n"
    "The floor: pipelined ZeroMQ round trips between two processes, at the same message size and\n"
    "window; LevelDB records in synced batches; and, one at a time, a round trip and a synced\n"
    "record. A transaction of n branches needs at least 1+2n round trips (the request; prepare "
    "and\n"
    "commit to each branch) and 2+2n records (decision, end; vote and outcome on each branch):\n"
    "    ideal_tx_per_s  = 1 / ((1+2n) / zmq_roundtrips_per_s + (2+2n) / log_records_per_s)\n"
    "and one alone waits at least for two round trips and two syncs, one after the other:\n"
    "    serial_floor_us = 2 * serial_roundtrip_us + 2 * serial_sync_us\n"
    "\n"
    "Exit status: 0; 1 when transactions failed, 2 for a wrong option, 3 when something could not\n"
    "be started.\n";

enum { OPT_TCP = 256, OPT_NO_FLOOR, OPT_JSON, OPT_LIST, OPT_VERSION };

static const struct option options[] = {{"scenario", required_argument, NULL, 'S'},
                                        {"list", no_argument, NULL, OPT_LIST},
                                        {"in-flight", required_argument, NULL, 'i'},
                                        {"rate", required_argument, NULL, 'r'},
                                        {"branches", required_argument, NULL, 'b'},
                                        {"payload", required_argument, NULL, 'p'},
                                        {"protocol", required_argument, NULL, 'P'},
                                        {"clients", required_argument, NULL, 'c'},
                                        {"seconds", required_argument, NULL, 's'},
                                        {"transactions", required_argument, NULL, 'n'},
                                        {"tcp", no_argument, NULL, OPT_TCP},
                                        {"no-floor", no_argument, NULL, OPT_NO_FLOOR},
                                        {"endpoint", required_argument, NULL, 'e'},
                                        {"json", no_argument, NULL, OPT_JSON},
                                        {"help", no_argument, NULL, 'h'},
                                        {"version", no_argument, NULL, OPT_VERSION},
                                        {0}};

static double number(const char *option, double least, double most)
{
    char *end;
    errno = 0;
    double value = strtod(optarg, &end);
    bool whole = least < 1 || value == (double)(long)value;
    if (errno || *end || end == optarg || !(value >= least && value <= most) || !whole) {
        fprintf(stderr, "assent-bench: --%s takes a %snumber from %g to %.0f, not '%s'\n", option,
                least < 1 ? "" : "whole ", least, most, optarg);
        exit(2);
    }
    return value;
}

static assent_protocol protocol_named(const char *name)
{
    static const struct {
        const char *name;
        assent_protocol protocol;
    } known[] = {{"2pc", ASSENT_2PC},
                 {"3pc", ASSENT_3PC},
                 {"tcc", ASSENT_TCC},
                 {"saga", ASSENT_SAGA},
                 {"message", ASSENT_MESSAGE}};
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].protocol;
    fprintf(stderr, "assent-bench: there is no protocol '%s': 2pc, 3pc, tcc, saga, message\n",
            name);
    exit(2);
}

static void bench_options(struct bench *b, int argc, char **argv)
{
    for (int c; (c = getopt_long(argc, argv, "S:i:r:b:p:P:c:s:n:e:h", options, NULL)) != -1;) {
        switch (c) {
        case 'S': b->scenario = optarg; break;
        case 'i': b->load.in_flight = (unsigned)number("in-flight", 1, 200000); break;
        case 'r': b->load.rate = number("rate", 1, 10000000); break;
        case 'b': b->load.branches = (unsigned)number("branches", 1, BENCH_BRANCHES_MAX); break;
        case 'p': b->load.payload_bytes = (size_t)number("payload", 1, 65536); break;
        case 'P': b->load.protocol = protocol_named(optarg); break;
        case 'c': b->load.clients = (unsigned)number("clients", 1, 16000); break;
        case 's': b->load.seconds = number("seconds", 0.05, 86400); break;
        case 'n': b->transactions = (unsigned)number("transactions", 1, 10000000); break;
        case 'e': b->load.endpoint = optarg; break;
        case OPT_TCP: b->tcp = true; break;
        case OPT_NO_FLOOR: b->no_floor = true; break;
        case OPT_JSON: b->json = true; break;
        case OPT_LIST: scenarios_list(); exit(0);
        case 'h': fputs(usage, stdout); exit(0);
        case OPT_VERSION: printf("assent-bench %s\n", assent_version()); exit(0);
        default: exit(2);
        }
    }
    if (optind < argc) {
        fprintf(stderr, "assent-bench: '%s' is not an option; see assent-bench --help\n",
                argv[optind]);
        exit(2);
    }
    if (b->scenario && b->load.endpoint) {
        fprintf(stderr,
                "assent-bench: scenarios start a coordinator of their own: no --endpoint\n");
        exit(2);
    }
    if (b->load.warm_up_seconds > b->load.seconds)
        b->load.warm_up_seconds = b->load.seconds;
    if (b->load.in_flight < b->load.clients)
        b->load.in_flight = b->load.clients;
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "participant") == 0)
        return participant_main(argv[2], argv[3], argv[4]);
    struct bench b = {.load = {.clients = 1,
                               .in_flight = 1024,
                               .branches = 2,
                               .payload_bytes = 100,
                               .seconds = 5,
                               .warm_up_seconds = 1}};
    bench_options(&b, argc, argv);
    return b.scenario ? scenario_run(&b) : saturated_run(&b);
}
