// SPDX-License-Identifier: Apache-2.0
// assent-bench: what Assent reaches, next to what this machine could do at best.
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/assent.h"
#include "bench.h"

static const char usage[] =
    "Usage: assent-bench [OPTION]...\n"
    "Measures Assent with its clients, coordinator and participants as separate processes, next to "
    "the floor\n"
    "of this machine, all in one run.\n"
    "\n"
    "  -i, --in-flight N     closed loop: so many transactions at a time (default 1024)\n"
    "  -r, --rate N          open loop: so many a second, sent on time whatever the answers do\n"
    "  -b, --branches N      of each transaction, each at a participant of its own (default 2)\n"
    "  -p, --payload BYTES   carried to each branch (default 100)\n"
    "  -s, --seconds N       of each measurement (default 5)\n"
    "      --tcp             over tcp on loopback instead of ipc\n"
    "      --no-floor        do not measure the floor\n"
    "  -e, --endpoint E      a coordinator that is running, with participants bench-0, bench-1, "
    "...,\n"
    "                        instead of own ones\n"
    "      --json            print one JSON object\n"
    "  -h, --help            show this help\n"
    "      --version         show the version\n"
    "\n"
    "The floor: pipelined ZeroMQ round trips between two processes, at the same message size and "
    "window;\n"
    "LevelDB records in synced batches; and, one at a time, a round trip and a synced record.\n"
    "A transaction of n branches needs at least 1+2n round trips (the request; prepare and commit "
    "to each\n"
    "branch) and 2+2n records (decision, end; vote and outcome on each branch):\n"
    "    ideal_tx_per_s  = 1 / ((1+2n) / zmq_roundtrips_per_s + (2+2n) / log_records_per_s)\n"
    "and one alone waits at least for two round trips and two syncs, one after the other:\n"
    "    serial_floor_us = 2 * serial_roundtrip_us + 2 * serial_sync_us\n";

struct bench {
    struct load_options load;
    int64_t seconds;
    bool tcp, no_floor, json;
    struct bench_floor floor;
    struct load_result loaded, alone;
};

enum { OPT_TCP = 256, OPT_NO_FLOOR, OPT_JSON, OPT_VERSION };

static const struct option options[] = {
    {"in-flight", required_argument, NULL, 'i'},   {"rate", required_argument, NULL, 'r'},
    {"branches", required_argument, NULL, 'b'},    {"payload", required_argument, NULL, 'p'},
    {"seconds", required_argument, NULL, 's'},     {"tcp", no_argument, NULL, OPT_TCP},
    {"no-floor", no_argument, NULL, OPT_NO_FLOOR}, {"endpoint", required_argument, NULL, 'e'},
    {"json", no_argument, NULL, OPT_JSON},         {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},   {0}};

static long number(const char *option, long most)
{
    char *end;
    errno = 0;
    long value = strtol(optarg, &end, 10);
    if (errno || *end || end == optarg || value < 1 || value > most) {
        fprintf(stderr, "assent-bench: --%s takes a whole number from 1 to %ld, not '%s'\n", option,
                most, optarg);
        exit(2);
    }
    return value;
}

static void bench_options(struct bench *b, int argc, char **argv)
{
    for (int c; (c = getopt_long(argc, argv, "i:r:b:p:s:e:h", options, NULL)) != -1;) {
        switch (c) {
        case 'i': b->load.in_flight = (unsigned)number("in-flight", 50000); break;
        case 'r': b->load.rate = (double)number("rate", 10000000); break;
        case 'b': b->load.branches = (unsigned)number("branches", BENCH_BRANCHES_MAX); break;
        case 'p': b->load.payload_bytes = (size_t)number("payload", 65536); break;
        case 's': b->seconds = number("seconds", 86400); break;
        case 'e': b->load.endpoint = optarg; break;
        case OPT_TCP: b->tcp = true; break;
        case OPT_NO_FLOOR: b->no_floor = true; break;
        case OPT_JSON: b->json = true; break;
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
    b->load.seconds = (double)b->seconds;
}

static double ideal(const struct bench *b)
{
    double branches = b->load.branches;
    return 1 / ((1 + 2 * branches) / b->floor.zmq_roundtrips_per_s +
                (2 + 2 * branches) / b->floor.log_records_per_s);
}

static double serial_floor(const struct bench *b)
{
    return 2 * b->floor.serial_roundtrip_us + 2 * b->floor.serial_sync_us;
}

static json_t *load_json(const struct load_result *r)
{
    return json_pack("{s:f, s:I, s:I, s:I, s:f, s:i, s:i, s:i}", "tx_per_s", r->tx_per_s,
                     "committed", (json_int_t)r->committed, "aborted", (json_int_t)r->aborted,
                     "failed", (json_int_t)r->failed, "seconds", r->seconds, "p50_us",
                     (int)r->p50_us, "p99_us", (int)r->p99_us, "p999_us", (int)r->p999_us);
}

static void print_json(const struct bench *b)
{
    json_t *all = json_pack("{s:i, s:s, s:i, s:i, s:i, s:s, s:f, s:o, s:o, s:f, s:i}", "schema", 1,
                            "version", assent_version(), "branches", (int)b->load.branches,
                            "payload_bytes", (int)b->load.payload_bytes, "in_flight",
                            b->load.rate > 0 ? 0 : (int)b->load.in_flight, "transport",
                            b->tcp ? "tcp" : "ipc", "rate", b->load.rate, "loaded",
                            load_json(&b->loaded), "alone", load_json(&b->alone), "tx_per_s",
                            b->loaded.tx_per_s, "p50_us", (int)b->alone.p50_us);
    if (!b->no_floor) {
        json_object_set_new(
            all, "floor",
            json_pack("{s:f, s:f, s:f, s:f}", "zmq_roundtrips_per_s", b->floor.zmq_roundtrips_per_s,
                      "serial_roundtrip_us", b->floor.serial_roundtrip_us, "log_records_per_s",
                      b->floor.log_records_per_s, "serial_sync_us", b->floor.serial_sync_us));
        json_object_set_new(all, "ideal_tx_per_s", json_real(ideal(b)));
        json_object_set_new(all, "share_of_ideal", json_real(b->loaded.tx_per_s / ideal(b)));
        json_object_set_new(all, "serial_floor_us", json_real(serial_floor(b)));
    }
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
    putchar('\n');
    json_decref(all);
}

static void print_text(const struct bench *b)
{
    const struct load_result *l = &b->loaded;
    if (b->load.rate > 0)
        printf("open loop, %.0f/s", b->load.rate);
    else
        printf("closed loop, %u in flight", b->load.in_flight);
    printf(", %u branches, %zu bytes each, %s\n", b->load.branches, b->load.payload_bytes,
           b->tcp ? "tcp" : "ipc");
    printf("  throughput  %10.0f transactions/s (%llu aborted, %llu failed)\n", l->tx_per_s,
           (unsigned long long)l->aborted, (unsigned long long)l->failed);
    printf("  latency     %10.2f ms p50   %.2f ms p99   %.2f ms p99.9\n", l->p50_us / 1e3,
           l->p99_us / 1e3, l->p999_us / 1e3);
    printf("one alone\n  latency     %10.2f ms p50   %.2f ms p99   %.2f ms p99.9\n",
           b->alone.p50_us / 1e3, b->alone.p99_us / 1e3, b->alone.p999_us / 1e3);
    if (b->no_floor)
        return;
    printf("floor of this machine, in the same run\n");
    printf("  ZeroMQ      %10.0f round trips/s pipelined, %.0f us for one alone\n",
           b->floor.zmq_roundtrips_per_s, b->floor.serial_roundtrip_us);
    printf("  LevelDB     %10.0f records/s in synced batches, %.0f us for one alone\n",
           b->floor.log_records_per_s, b->floor.serial_sync_us);
    printf("ratios\n");
    printf("  ideal       %10.0f transactions/s: %.0f %% reached\n", ideal(b),
           100 * l->tx_per_s / ideal(b));
    printf("  serial      %10.2f ms at least for one alone: p50 is %.2f times that\n",
           serial_floor(b) / 1e3, b->alone.p50_us / serial_floor(b));
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "participant") == 0)
        return participant_main(argv[2], argv[3], argv[4]);
    struct bench b = {
        .seconds = 5,
        .load = {.in_flight = 1024, .branches = 2, .payload_bytes = 100, .warm_up_seconds = 1}};
    struct cluster cluster = {0};
    bench_options(&b, argc, argv);
    bool own = b.load.endpoint == NULL;
    cluster_dir(&cluster);
    if (!b.no_floor) {
        // About what a message of ours is long: its names and numbers, and the payload.
        floor_measure(cluster.dir, b.load.payload_bytes + 120,
                      b.load.in_flight < 1024 ? b.load.in_flight : 1024, (unsigned)b.seconds,
                      &b.floor);
    }
    if (own) {
        cluster_start(&cluster, b.load.branches, b.tcp);
        b.load.endpoint = cluster.endpoint;
    }
    load_run(&b.load, &b.loaded);
    struct load_options alone = b.load;
    alone.in_flight = 1;
    alone.rate = 0;
    load_run(&alone, &b.alone);
    cluster_stop(&cluster);
    if (b.json)
        print_json(&b);
    else
        print_text(&b);
    return b.loaded.committed > 0 && b.loaded.failed == 0 ? 0 : 1;
}
