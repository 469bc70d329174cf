// SPDX-License-Identifier: Apache-2.0
// Series of measurements: in each, all runs are of one cluster.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

enum { RUNS_MAX = 8, CLIENTS_MANY = 10000 };

// What differs from the options; 0: as they are.
struct run {
    const char *label;
    unsigned in_flight, branches, clients;
    double share; // open loop: of what the first run of the series reached
    size_t payload_bytes;
    char wish;
    int protocol; // enum assent_protocol + 1
};

struct scenario {
    const char *name, *about;
    struct run runs[RUNS_MAX];
    void (*special)(struct bench *b, json_t *out); // instead of runs
};

static const struct scenario scenarios[] = {
    {.name = "in-flight",
     .about = "closed loop: 1, 16, 256, 1,024 and 4,096 at a time",
     .runs = {{.label = "1 in flight", .in_flight = 1},
              {.label = "16 in flight", .in_flight = 16},
              {.label = "256 in flight", .in_flight = 256},
              {.label = "1024 in flight", .in_flight = 1024},
              {.label = "4096 in flight", .in_flight = 4096}}},
    {.name = "open",
     .about = "open loop at 10, 30, 50, 70 and 90 % of what a closed one reaches",
     .runs = {{.label = "the most"},
              {.label = "10 % of it", .share = 0.1},
              {.label = "30 % of it", .share = 0.3},
              {.label = "50 % of it", .share = 0.5},
              {.label = "70 % of it", .share = 0.7},
              {.label = "90 % of it", .share = 0.9}}},
    {.name = "branches",
     .about = "1, 2, 4 and 8 branches; 1 is committed in one phase",
     .runs = {{.label = "1 branch", .branches = 1},
              {.label = "2 branches", .branches = 2},
              {.label = "4 branches", .branches = 4},
              {.label = "8 branches", .branches = 8}}},
    {.name = "kinds",
     .about = "committed, read-only, in one phase, aborted by a no",
     .runs = {{.label = "committed"},
              {.label = "read-only", .wish = PAYLOAD_READ_ONLY},
              {.label = "one phase", .branches = 1},
              {.label = "aborted", .wish = PAYLOAD_NO}}},
    {.name = "payload",
     .about = "100 bytes, 1 KB and 10 KB to each branch",
     .runs = {{.label = "100 bytes", .payload_bytes = 100},
              {.label = "1 KB", .payload_bytes = 1024},
              {.label = "10 KB", .payload_bytes = 10240}}},
    {.name = "protocols",
     .about = "2pc, 3pc, tcc, saga, message",
     .runs = {{.label = "2pc", .protocol = ASSENT_2PC + 1},
              {.label = "3pc", .protocol = ASSENT_3PC + 1},
              {.label = "tcc", .protocol = ASSENT_TCC + 1},
              {.label = "saga", .protocol = ASSENT_SAGA + 1},
              {.label = "message", .protocol = ASSENT_MESSAGE + 1}}},
    {.name = "clients",
     .about = "1 connection against many (10,000, or --clients)",
     .runs = {{.label = "1 client", .clients = 1},
              {.label = "many clients", .clients = CLIENTS_MANY}}},
    {.name = "slow",
     .about = "two participants next to one that takes 50 ms for each vote",
     .special = slow_run},
    {.name = "memory",
     .about = "what a transaction in flight takes at the coordinator (--transactions, 16,000)",
     .special = memory_run},
    {.name = "log",
     .about = "a log of --transactions (1,000,000) unfinished ones: start, then load",
     .special = restart_run},
    {.name = "idle", .about = "processor time and memory of an idle assentd", .special = idle_run},
    {.name = "overload",
     .about = "ten times what it can do, for --seconds: goodput, memory, refusals",
     .special = overload_run},
};

void scenarios_list(void)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++)
        printf("%-10s  %s\n", scenarios[i].name, scenarios[i].about);
}

// ---- runs ----

static struct load_options options_of(const struct bench *b, const struct run *run, double most)
{
    struct load_options o = b->load;
    if (run->clients)
        o.clients =
            run->clients == CLIENTS_MANY && b->load.clients > 1 ? b->load.clients : run->clients;
    if (run->in_flight)
        o.in_flight = run->in_flight;
    if (o.in_flight < o.clients)
        o.in_flight = o.clients;
    o.branches = run->branches ? run->branches : o.branches;
    o.payload_bytes = run->payload_bytes ? run->payload_bytes : o.payload_bytes;
    o.rate = run->share > 0 ? run->share * most : 0;
    o.wish = run->wish;
    o.protocol = run->protocol ? (assent_protocol)(run->protocol - 1) : o.protocol;
    return o;
}

static bool went_well(const struct load_result *r)
{
    return r->committed + r->aborted > 0 && r->failed == 0;
}

static int runs_run(struct bench *b, const struct run *runs, json_t *out)
{
    struct cluster cluster = {.tcp = b->tcp};
    unsigned most_branches = b->load.branches;
    double most = 0;
    int status = 0;
    for (const struct run *run = runs; run->label; run++)
        most_branches = run->branches > most_branches ? run->branches : most_branches;
    cluster_dir(&cluster);
    cluster_coordinator(&cluster);
    cluster_participants(&cluster, most_branches);
    if (!b->json)
        measured_head();
    json_t *list = json_array();
    json_object_set_new(out, "runs", list);
    for (const struct run *run = runs; run->label; run++) {
        struct load_options options = options_of(b, run, most);
        struct measured m;
        measure(&cluster, &options, run->label, &m);
        most = run == runs ? m.load.tx_per_s : most;
        status |= !went_well(&m.load);
        json_array_append_new(list, measured_json(&m));
        if (!b->json)
            measured_print(&m);
    }
    cluster_stop(&cluster);
    return status;
}

static json_t *head(const struct bench *b)
{
    return json_pack("{s:i, s:s, s:s}", "schema", 1, "version", assent_version(), "transport",
                     b->tcp ? "tcp" : "ipc");
}

static void finish(const struct bench *b, json_t *out)
{
    if (b->json) {
        json_dumpf(out, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(8));
        putchar('\n');
    }
    json_decref(out);
}

int scenario_run(struct bench *b)
{
    for (size_t i = 0; i < sizeof scenarios / sizeof scenarios[0]; i++) {
        const struct scenario *s = &scenarios[i];
        int status = 0;
        if (strcmp(s->name, b->scenario) != 0)
            continue;
        json_t *out = head(b);
        json_object_set_new(out, "scenario", json_string(s->name));
        if (s->special)
            s->special(b, out);
        else
            status = runs_run(b, s->runs, out);
        finish(b, out);
        return status;
    }
    fprintf(stderr, "assent-bench: there is no scenario '%s'; assent-bench --list tells them\n",
            b->scenario);
    return 2;
}

// ---- the saturated one, with the floor ----

static void floor_print(const struct bench_floor *f, unsigned branches,
                        const struct measured *loaded, const struct measured *alone)
{
    double ideal = floor_ideal(f, branches), serial_us = floor_serial_us(f);
    printf("floor of this machine, in the same run\n");
    printf("  ZeroMQ      %10.0f round trips/s pipelined, %.0f us for one alone\n",
           f->zmq_roundtrips_per_s, f->serial_roundtrip_us);
    printf("  LevelDB     %10.0f records/s in synced batches, %.0f us for one alone\n",
           f->log_records_per_s, f->serial_sync_us);
    printf("ratios\n");
    printf("  ideal       %10.0f transactions/s: %.0f %% reached\n", ideal,
           100 * loaded->load.tx_per_s / ideal);
    printf("  serial      %10.2f ms at least for one alone: p50 is %.2f times that\n",
           serial_us / 1e3, alone->load.p50_us / serial_us);
}

static void floor_json(const struct bench_floor *f, unsigned branches,
                       const struct measured *loaded, json_t *out)
{
    double ideal = floor_ideal(f, branches);
    json_object_set_new(out, "floor",
                        json_pack("{s:f, s:f, s:f, s:f}", "zmq_roundtrips_per_s",
                                  f->zmq_roundtrips_per_s, "serial_roundtrip_us",
                                  f->serial_roundtrip_us, "log_records_per_s", f->log_records_per_s,
                                  "serial_sync_us", f->serial_sync_us));
    json_object_set_new(out, "ideal_tx_per_s", json_real(ideal));
    json_object_set_new(out, "share_of_ideal", json_real(loaded->load.tx_per_s / ideal));
    json_object_set_new(out, "serial_floor_us", json_real(floor_serial_us(f)));
}

// About what a message of ours is long: its names and numbers, and the payload.
static void floor_take(const struct bench *b, const struct cluster *c, struct bench_floor *ret)
{
    enum { MESSAGE_BYTES = 120, WINDOW_MAX = 1024 };
    unsigned window = b->load.in_flight < WINDOW_MAX ? b->load.in_flight : WINDOW_MAX;
    bench_progress("the floor");
    floor_measure(c->dir, b->load.payload_bytes + MESSAGE_BYTES, window, b->load.seconds, ret);
}

static void pair_measure(struct bench *b, struct cluster *c, struct measured *loaded,
                         struct measured *alone)
{
    struct load_options one = b->load;
    one.clients = one.in_flight = 1;
    one.rate = 0;
    if (!b->load.endpoint) {
        cluster_coordinator(c);
        cluster_participants(c, b->load.branches);
    }
    measure(c, &one, c->tcp ? "one alone, tcp" : "one alone", alone);
    measure(c, &b->load,
            b->load.rate > 0 ? "open loop"
            : c->tcp         ? "closed loop, tcp"
                             : "closed loop",
            loaded);
    cluster_stop(c);
}

static void load_head(const struct bench *b)
{
    if (b->load.rate > 0)
        printf("open loop, %.0f/s", b->load.rate);
    else
        printf("closed loop, %u in flight", b->load.in_flight);
    printf(", %u branches, %zu bytes each\n", b->load.branches, b->load.payload_bytes);
}

// Over ipc, or what was asked for; and over tcp as well when nothing was.
int saturated_run(struct bench *b)
{
    struct cluster cluster = {.tcp = b->tcp}, tcp = {.tcp = true};
    struct bench_floor floor;
    struct measured loaded, alone, tcp_loaded, tcp_alone;
    bool both = !b->tcp && !b->load.endpoint && b->load.rate == 0;
    cluster_dir(&cluster);
    if (!b->no_floor)
        floor_take(b, &cluster, &floor);
    pair_measure(b, &cluster, &loaded, &alone);
    int status = went_well(&loaded.load) && went_well(&alone.load) ? 0 : 1;
    json_t *out = head(b);
    json_object_set_new(out, "tx_per_s", json_real(loaded.load.tx_per_s));
    json_object_set_new(out, "p50_us", json_integer(alone.load.p50_us));
    json_object_set_new(out, "loaded", measured_json(&loaded));
    json_object_set_new(out, "alone", measured_json(&alone));
    if (both) {
        cluster_dir(&tcp);
        pair_measure(b, &tcp, &tcp_loaded, &tcp_alone);
        status |= !went_well(&tcp_loaded.load) || !went_well(&tcp_alone.load);
        json_object_set_new(out, "loaded_tcp", measured_json(&tcp_loaded));
        json_object_set_new(out, "alone_tcp", measured_json(&tcp_alone));
    }
    if (!b->no_floor)
        floor_json(&floor, b->load.branches, &loaded, out);
    if (!b->json) {
        load_head(b);
        measured_head();
        measured_print(&loaded);
        measured_print(&alone);
        if (both) {
            measured_print(&tcp_loaded);
            measured_print(&tcp_alone);
        }
        if (!b->no_floor)
            floor_print(&floor, b->load.branches, &loaded, &alone);
    }
    finish(b, out);
    return status;
}
