// SPDX-License-Identifier: Apache-2.0
// What is not one load: memory, restarts, silence, a slow neighbour, too much.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "bench.h"
#include "biglog.h"

static void tell(const struct bench *b, json_t *out, const char *name, double value,
                 const char *text)
{
    json_object_set_new(out, name, json_real(value));
    if (!b->json)
        printf("%12.6g  %s\n", value, text);
    fflush(stdout);
}

static void begin(struct bench *b, struct cluster *c, unsigned participants)
{
    c->tcp = b->tcp;
    cluster_dir(c);
    cluster_coordinator(c);
    cluster_participants(c, participants);
}

// ---- memory: transactions that are not voted on ----

// Until all have come in.
static void await_in_flight(const struct cluster *c, unsigned count)
{
    enum { TRIES = 300, PAUSE_US = 200000 };
    double now = 0;
    for (int i = 0; i < TRIES && now != count; i++) {
        bench_pause_us(PAUSE_US);
        now = counters_of(c->endpoint).in_flight;
    }
    if (now != count)
        bench_die("%.0f transactions in flight, not %u", now, count);
}

void memory_run(struct bench *b, json_t *out)
{
    enum { PARTICIPANT_TAKES = 16384 }; // and votes no then
    if (b->transactions > PARTICIPANT_TAKES) {
        fprintf(stderr, "assent-bench: memory: a participant takes %d transactions at a time\n",
                PARTICIPANT_TAKES);
        exit(2);
    }
    struct cluster c = {
        .settings = {"timeouts/phase-one-ms=86400000", "timeouts/default-ms=86400000"}};
    struct load_options held = b->load;
    int fd;
    held.in_flight = b->transactions ? b->transactions : 16000;
    held.wish = PAYLOAD_HELD;
    held.seconds = 86400;
    held.rate = 0;
    begin(b, &c, held.branches);
    held.endpoint = c.endpoint;
    double before = usage_resident_bytes(c.coordinator);
    bench_progress("%u transactions in flight", held.in_flight);
    pid_t clients = load_start(&held, &fd);
    await_in_flight(&c, held.in_flight);
    double now = usage_resident_bytes(c.coordinator);
    kill(clients, SIGKILL);
    waitpid(clients, NULL, 0);
    for (unsigned i = 0; i < c.participant_count; i++)
        kill(c.participants[i], SIGKILL); // their handlers never return
    cluster_stop(&c);
    tell(b, out, "transactions", held.in_flight, "transactions in flight");
    tell(b, out, "resident_bytes", now, "bytes resident at the coordinator");
    tell(b, out, "bytes_per_tx", (now - before) / held.in_flight, "bytes a transaction in flight");
}

// ---- a long log ----

void restart_run(struct bench *b, json_t *out)
{
    struct cluster c = {.tcp = b->tcp};
    unsigned count = b->transactions ? b->transactions : 1000000;
    char data[BENCH_PATH_MAX + 32];
    cluster_dir(&c);
    snprintf(data, sizeof data, "%s/coordinator", c.dir);
    bench_progress("a log of %u unfinished transactions", count);
    biglog_write(data, count, b->load.branches);
    bench_progress("the start");
    uint64_t began_us = bench_now_us();
    cluster_coordinator(&c);
    double took_s = (double)(bench_now_us() - began_us) / 1e6;
    tell(b, out, "transactions", count, "unfinished transactions in the log");
    tell(b, out, "seconds_until_serving", took_s, "seconds until it serves");
    tell(b, out, "resident_bytes", usage_resident_bytes(c.coordinator), "bytes resident then");
    cluster_participants(&c, b->load.branches);
    struct measured m;
    measure(&c, &b->load, "with that log", &m);
    json_object_set_new(out, "loaded", measured_json(&m));
    if (!b->json) {
        measured_head();
        measured_print(&m);
    }
    cluster_stop(&c);
}

// ---- nothing to do ----

static double idle_percent(const struct cluster *c, double seconds)
{
    bench_pause_us(1000000); // until what the start left to do is done
    struct usage before = usage_of(c->coordinator);
    uint64_t began_us = bench_now_us();
    bench_pause_us((uint64_t)(seconds * 1e6));
    double took_us = (double)(bench_now_us() - began_us);
    return 100 * (usage_of(c->coordinator).cpu_us - before.cpu_us) / took_us;
}

void idle_run(struct bench *b, json_t *out)
{
    struct cluster c = {0};
    begin(b, &c, 0);
    bench_progress("idle");
    tell(b, out, "cpu_percent", idle_percent(&c, b->load.seconds), "percent of a processor");
    bench_progress("idle, with participants");
    cluster_participants(&c, b->load.branches);
    tell(b, out, "cpu_percent_connected", idle_percent(&c, b->load.seconds),
         "percent, with participants that are idle, too");
    tell(b, out, "resident_bytes", usage_resident_bytes(c.coordinator), "bytes resident");
    cluster_stop(&c);
}

// ---- a slow participant ----

void slow_run(struct bench *b, json_t *out)
{
    enum { SLOW_IN_FLIGHT = 64 };
    struct cluster c = {0};
    struct measured before, beside;
    struct load_result result;
    struct load_options slow = b->load;
    int fd;
    begin(b, &c, 4);
    b->load.first = 1; // 1 and 2; those of the slow one are 3 and 0
    b->load.branches = 2;
    slow.endpoint = c.endpoint;
    slow.first = 3;
    slow.branches = 1;
    slow.in_flight = SLOW_IN_FLIGHT;
    slow.wish = PAYLOAD_SLOW;
    slow.seconds = 86400;
    measure(&c, &b->load, "alone", &before);
    pid_t clients = load_start(&slow, &fd);
    measure(&c, &b->load, "next to a slow one", &beside);
    load_stop(clients, fd, &result);
    cluster_stop(&c);
    json_object_set_new(out, "runs",
                        json_pack("[o, o]", measured_json(&before), measured_json(&beside)));
    if (!b->json) {
        measured_head();
        measured_print(&before);
        measured_print(&beside);
    }
    tell(b, out, "slow_tx_per_s", (double)result.committed / result.seconds,
         "transactions/s at the slow one");
    tell(b, out, "ratio", beside.load.tx_per_s / before.load.tx_per_s,
         "of the throughput of the others, next to it");
}

// ---- ten times too much ----

void overload_run(struct bench *b, json_t *out)
{
    enum { PARTS = 8, FLOOD_IN_FLIGHT = 2048 }; // twice what the coordinator takes
    struct cluster c = {.settings = {"limits/transactions=8192"}};
    struct load_options flood = b->load;
    struct measured most, m = {.label = "ten times that"};
    begin(b, &c, b->load.branches);
    b->load.in_flight = 4096;
    measure(&c, &b->load, "the most", &most);
    flood.endpoint = c.endpoint;
    flood.in_flight_max = FLOOD_IN_FLIGHT;
    flood.rate = 10 * most.load.tx_per_s / PARTS;
    double peak = 0, early = 0;
    pid_t pids[PARTS];
    int fds[PARTS];
    bench_progress("ten times that, by %d processes", PARTS);
    for (int i = 0; i < PARTS; i++)
        pids[i] = load_start(&flood, &fds[i]);
    uint64_t began_us = bench_now_us();
    double seconds = flood.seconds + flood.warm_up_seconds;
    for (double at = 0; at < seconds; at = (double)(bench_now_us() - began_us) / 1e6) {
        double resident = usage_resident_bytes(c.coordinator);
        early = at < seconds / 3 && resident > early ? resident : early;
        peak = resident > peak ? resident : peak;
        bench_pause_us(100000);
    }
    for (int i = 0; i < PARTS; i++) {
        struct load_result r;
        load_stop(pids[i], fds[i], &r);
        m.load.committed += r.committed;
        m.load.refused += r.refused;
        m.load.failed += r.failed;
        m.load.aborted += r.aborted;
    }
    tell(b, out, "in_flight_most", 8192, "transactions in flight at most (limits/transactions)");
    tell(b, out, "most_tx_per_s", most.load.tx_per_s, "transactions/s, closed loop");
    tell(b, out, "offered_per_s", flood.rate * PARTS, "offered a second");
    tell(b, out, "goodput_per_s", (double)m.load.committed / flood.seconds, "committed a second");
    tell(b, out, "refused", (double)m.load.refused, "refused, and told so");
    tell(b, out, "aborted", (double)m.load.aborted, "aborted");
    tell(b, out, "failed", (double)m.load.failed, "failed otherwise");
    tell(b, out, "resident_first_third", early, "bytes resident, most of the first third");
    tell(b, out, "resident_peak", peak, "bytes resident at most");
    cluster_stop(&c);
}
