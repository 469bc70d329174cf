// SPDX-License-Identifier: Apache-2.0
// Clients: many transactions in flight on one thread.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/assent.h"
#include "bench.h"

struct load {
    const struct load_options *options;
    assent_client *client;
    struct load_result result;
    struct samples samples;
    char *payload;
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

static void load_done(void *arg, int code, const assent_result *result)
{
    struct flight *flight = arg;
    struct load *load = flight->load;
    uint64_t now = bench_now_us();
    load->in_flight--;
    flight->next_free = load->free;
    load->free = flight;
    if (now < load->counted_from_us || now > load->ends_us)
        return;
    if (code != ASSENT_OK) {
        load->result.failed++;
    } else if (result->outcome == ASSENT_COMMITTED) {
        load->result.committed++;
        samples_add(&load->samples, now - flight->started_us);
    } else {
        load->result.aborted++;
    }
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

static void load_send(struct load *load, uint64_t started_us)
{
    assent_tx *tx;
    assent_error error;
    if (assent_begin(load->client, NULL, NULL, &tx, &error))
        bench_die("begin: %s", error.message);
    for (unsigned i = 0; i < load->options->branches; i++) {
        char resource[32];
        snprintf(resource, sizeof resource, "bench-%u", i);
        if (assent_call(tx, resource, load->payload, load->options->payload_bytes, NULL, &error))
            bench_die("call: %s", error.message);
    }
    struct flight *flight = load_flight(load);
    flight->started_us = started_us;
    int code = assent_commit_async(tx, load_done, flight, &error);
    if (code)
        bench_die("commit: %s", error.message);
    load->in_flight++;
    assent_tx_destroy(&tx);
}

static void load_closed(struct load *load)
{
    while (bench_now_us() < load->ends_us) {
        while (load->in_flight < load->options->in_flight)
            load_send(load, bench_now_us());
        assent_client_dispatch(load->client, 100);
    }
}

// Sends on time, and counts from when it should have been sent: a stall of the coordinator delays
// all that should have been sent during it, and is seen in full (no coordinated omission).
static void load_open(struct load *load)
{
    double gap_us = 1e6 / load->options->rate, due = (double)bench_now_us();
    for (uint64_t now; (now = bench_now_us()) < load->ends_us;) {
        for (; due <= (double)now && load->in_flight < 50000; due += gap_us)
            load_send(load, (uint64_t)due);
        assent_client_dispatch(load->client, due > (double)now + 1000 ? 1 : 0);
    }
}

void load_run(const struct load_options *options, struct load_result *ret)
{
    struct load load = {.options = options, .payload = calloc(1, options->payload_bytes + 1)};
    assent_client_options client = {.endpoint = options->endpoint, .name = "assent-bench"};
    assent_error error;
    if (!load.payload)
        bench_die("out of memory");
    if (assent_client_open(&client, &load.client, &error) ||
        assent_client_wait(load.client, 10000, &error))
        bench_die("%s", error.message);
    load.counted_from_us = bench_now_us() + (uint64_t)(options->warm_up_seconds * 1e6);
    load.ends_us = load.counted_from_us + (uint64_t)(options->seconds * 1e6);
    if (options->rate > 0)
        load_open(&load);
    else
        load_closed(&load);
    while (load.in_flight > 0)
        assent_client_dispatch(load.client, 1000);
    assent_client_close(&load.client);
    samples_sort(&load.samples);
    *ret = load.result;
    ret->seconds = options->seconds;
    ret->tx_per_s = (double)load.result.committed / options->seconds;
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
}
