// SPDX-License-Identifier: Apache-2.0
// Clients: many transactions in flight on one thread, over one connection or many.
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"

enum {
    CLIENTS_MAX = 500,      // of one process: each has threads and descriptors of its own
    IN_FLIGHT_MAX = 200000, // past it an open loop lets go of what is due
    OPEN_LOOP_WAIT_MS = 1
};

struct load {
    const struct load_options *options;
    assent_client *clients[CLIENTS_MAX];
    struct pollfd fds[CLIENTS_MAX];
    unsigned client_count, next;
    struct load_result result;
    struct samples samples;
    char *payload, *last_payload;
    uint64_t counted_from_us, ends_us;
    unsigned in_flight;
    struct flight *free;
};

// One transaction on its way.
struct flight {
    struct load *load;
    uint64_t started_us; // open loop: when it should have been sent
    struct flight *next_free;
};

static volatile sig_atomic_t stopped; // load_stop: no more are begun

static void on_stop(int number)
{
    (void)number;
    stopped = 1;
}

static void count_end(struct load *load, int code, const assent_result *result, uint64_t took_us)
{
    bool committed = code == ASSENT_OK && result->outcome == ASSENT_COMMITTED;
    bool aborted = code == ASSENT_OK && result->outcome == ASSENT_ABORTED;
    load->result.committed += committed;
    load->result.aborted += aborted;
    load->result.refused += code == ASSENT_BUSY;
    load->result.failed += !committed && !aborted && code != ASSENT_BUSY;
    if (committed || aborted)
        samples_add(&load->samples, took_us);
}

static bool load_counted(const struct load *load)
{
    const struct load_result *r = &load->result;
    return r->committed + r->aborted + r->refused + r->failed > 0;
}

static void load_done(void *arg, int code, const assent_result *result)
{
    struct flight *flight = arg;
    struct load *load = flight->load;
    uint64_t now = bench_now_us();
    load->in_flight--;
    load->result.all++;
    flight->next_free = load->free;
    load->free = flight;
    if (now >= load->counted_from_us && (now <= load->ends_us || !load_counted(load)))
        count_end(load, code, result, now - flight->started_us);
}

static struct flight *load_flight(struct load *load)
{
    struct flight *flight = load->free;
    if (flight) {
        load->free = flight->next_free;
        return flight;
    }
    flight = calloc(1, sizeof *flight);
    if (!flight)
        bench_die("out of memory");
    flight->load = load;
    return flight;
}

static int load_branch(struct load *load, assent_tx *tx, unsigned i, assent_error *error)
{
    const struct load_options *o = load->options;
    const char *payload = i + 1 == o->branches ? load->last_payload : load->payload;
    char resource[32];
    snprintf(resource, sizeof resource, "bench-%u", o->first + i);
    switch (o->protocol) {
    case ASSENT_SAGA:
        return assent_step(tx, resource, payload, o->payload_bytes, NULL, NULL, error);
    case ASSENT_MESSAGE: return assent_deliver(tx, resource, payload, o->payload_bytes, 0, error);
    default: return assent_call(tx, resource, payload, o->payload_bytes, NULL, error);
    }
}

static int load_sender(const struct load *load, assent_tx *tx, assent_error *error)
{
    char resource[32];
    snprintf(resource, sizeof resource, "bench-%u", load->options->first);
    return assent_sender(tx, resource, error);
}

static void load_send(struct load *load, uint64_t started_us)
{
    const assent_tx_options options = {.protocol = load->options->protocol};
    assent_tx *tx;
    assent_error error;
    assent_client *client = load->clients[load->next];
    load->next = (load->next + 1) % load->client_count;
    if (assent_begin(client, NULL, &options, &tx, &error))
        bench_die("begin: %s", error.message);
    int code = ASSENT_OK;
    if (options.protocol == ASSENT_MESSAGE) // on behalf of its first consumer
        code = load_sender(load, tx, &error);
    for (unsigned i = 0; i < load->options->branches && code == ASSENT_OK; i++)
        code = load_branch(load, tx, i, &error);
    if (code != ASSENT_OK)
        bench_die("call: %s", error.message);
    struct flight *flight = load_flight(load);
    flight->started_us = started_us;
    load->in_flight++;
    code = assent_commit_async(tx, load_done, flight, &error);
    if (code == ASSENT_BUSY)
        load_done(flight, code, NULL);
    else if (code)
        bench_die("commit: %s", error.message);
    assent_tx_destroy(&tx);
}

static void load_dispatch(struct load *load, int timeout_ms)
{
    if (load->client_count == 1) {
        assent_client_dispatch(load->clients[0], timeout_ms);
        return;
    }
    if (poll(load->fds, load->client_count, timeout_ms) <= 0)
        return;
    for (unsigned i = 0; i < load->client_count; i++)
        if (load->fds[i].revents)
            assent_client_dispatch(load->clients[i], 0);
}

// However short the time is: until something has ended in it.
static bool load_goes_on(const struct load *load, uint64_t now_us)
{
    return (now_us < load->ends_us || !load_counted(load)) && !stopped;
}

static void load_closed(struct load *load)
{
    while (load_goes_on(load, bench_now_us())) {
        while (load->in_flight < load->options->in_flight)
            load_send(load, bench_now_us());
        load_dispatch(load, 100);
    }
}

// Sends on time, and counts from when it should have been sent: a stall of the coordinator delays
// all that should have been sent during it, and is seen in full (no coordinated omission).
static void load_open(struct load *load)
{
    double gap_us = 1e6 / load->options->rate, due = (double)bench_now_us();
    for (uint64_t now; load_goes_on(load, now = bench_now_us());) {
        for (; due <= (double)now; due += gap_us)
            if (load->in_flight < IN_FLIGHT_MAX)
                load_send(load, (uint64_t)due);
            else
                load->result.refused++;
        load_dispatch(load, due > (double)now + 1000 ? OPEN_LOOP_WAIT_MS : 0);
    }
}

static char *load_payload(const struct load_options *o, bool last)
{
    char *payload = calloc(1, o->payload_bytes + 1);
    if (!payload)
        bench_die("out of memory");
    bool all = o->wish == PAYLOAD_READ_ONLY || o->wish == PAYLOAD_HELD;
    *payload = (char)(o->wish && (last || all) ? o->wish : PAYLOAD_YES);
    return payload;
}

static void load_connect(struct load *load)
{
    assent_client_options options = {.endpoint = load->options->endpoint,
                                     .name = "assent-bench",
                                     .in_flight_max = load->options->in_flight_max
                                                          ? load->options->in_flight_max
                                                          : IN_FLIGHT_MAX};
    assent_error error;
    for (unsigned i = 0; i < load->options->clients; i++) {
        if (assent_client_open(&options, &load->clients[i], &error) ||
            assent_client_wait(load->clients[i], 60000, &error))
            bench_die("%s", error.message);
        load->fds[i] = (struct pollfd){assent_client_fd(load->clients[i]), POLLIN, 0};
        load->client_count++;
    }
}

static void load_here(const struct load_options *options, struct load_result *ret)
{
    static struct load load;
    load = (struct load){.options = options,
                         .payload = load_payload(options, false),
                         .last_payload = load_payload(options, true)};
    load_connect(&load);
    load.counted_from_us = bench_now_us() + (uint64_t)(options->warm_up_seconds * 1e6);
    load.ends_us = load.counted_from_us + (uint64_t)(options->seconds * 1e6);
    if (options->rate > 0)
        load_open(&load);
    else
        load_closed(&load);
    double took_s = (double)(bench_now_us() - load.counted_from_us) / 1e6;
    while (load.in_flight > 0)
        load_dispatch(&load, 1000);
    for (unsigned i = 0; i < load.client_count; i++)
        assent_client_close(&load.clients[i]);
    samples_sort(&load.samples);
    *ret = load.result;
    ret->seconds = stopped || took_s > 2 * options->seconds ? took_s : options->seconds;
    ret->p50_us = samples_percentile(&load.samples, 50);
    ret->p99_us = samples_percentile(&load.samples, 99);
    ret->p999_us = samples_percentile(&load.samples, 99.9);
    samples_free(&load.samples);
    while (load.free) {
        struct flight *flight = load.free;
        load.free = flight->next_free;
        free(flight);
    }
    free(load.payload);
    free(load.last_payload);
}

static double per_second(const struct load_result *r, const struct load_options *o)
{
    return (double)(o->wish == PAYLOAD_NO ? r->aborted : r->committed) / r->seconds;
}

// ---- other processes ----

pid_t load_start(const struct load_options *options, int *ret_fd)
{
    int ends[2];
    if (pipe(ends) != 0)
        bench_die("cannot make a pipe");
    pid_t child = fork();
    if (child < 0)
        bench_die("cannot start a process");
    if (child > 0) {
        close(ends[1]);
        *ret_fd = ends[0];
        return child;
    }
    struct load_result result;
    close(ends[0]);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGTERM, on_stop);
    signal(SIGINT, SIG_DFL);
    load_here(options, &result);
    _exit(write(ends[1], &result, sizeof result) == sizeof result ? 0 : 3);
}

static void load_take(pid_t pid, int fd, struct load_result *ret)
{
    int status;
    ssize_t got = read(fd, ret, sizeof *ret);
    close(fd);
    waitpid(pid, &status, 0);
    if (got != sizeof *ret)
        bench_die("a process of clients ended early");
}

void load_stop(pid_t pid, int fd, struct load_result *ret)
{
    kill(pid, SIGTERM);
    load_take(pid, fd, ret);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

// The percentiles are those of the process that fared worst.
static void load_add(struct load_result *sum, const struct load_result *r)
{
    sum->committed += r->committed;
    sum->aborted += r->aborted;
    sum->refused += r->refused;
    sum->failed += r->failed;
    sum->all += r->all;
    sum->seconds = r->seconds;
    sum->p50_us = larger(sum->p50_us, r->p50_us);
    sum->p99_us = larger(sum->p99_us, r->p99_us);
    sum->p999_us = larger(sum->p999_us, r->p999_us);
}

static void load_spread(const struct load_options *options, unsigned processes,
                        struct load_result *ret)
{
    enum { PROCESSES_MAX = 64 };
    pid_t pids[PROCESSES_MAX];
    int fds[PROCESSES_MAX];
    for (unsigned i = 0; i < processes; i++) {
        struct load_options part = *options;
        part.clients = options->clients / processes;
        part.in_flight = options->in_flight / processes;
        part.rate = options->rate / processes;
        // They connect one after the other: the measurement begins when all are there.
        part.warm_up_seconds += 0.02 * options->clients / processes;
        pids[i] = load_start(&part, &fds[i]);
    }
    for (unsigned i = 0; i < processes; i++) {
        struct load_result result;
        load_take(pids[i], fds[i], &result);
        load_add(ret, &result);
    }
}

void load_run(const struct load_options *options, struct load_result *ret)
{
    *ret = (struct load_result){0};
    unsigned processes = (options->clients + CLIENTS_MAX - 1) / CLIENTS_MAX;
    if (processes > 1)
        load_spread(options, processes, ret);
    else
        load_here(options, ret);
    ret->tx_per_s = per_second(ret, options);
}
