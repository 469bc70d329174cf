// SPDX-License-Identifier: Apache-2.0
// The floor: the same messages and the same records, with nothing of ours in between.
#include <leveldb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zmq.h>

#include "bench.h"

enum { RECORD_BYTES = 200, BATCH_RECORDS = 256 };

static void *floor_socket(void *context, int type, const char *endpoint, bool bind)
{
    int none = 0, linger = 0;
    void *socket = zmq_socket(context, type);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_RCVHWM, &none, sizeof none);
    zmq_setsockopt(socket, ZMQ_LINGER, &linger, sizeof linger);
    if ((bind ? zmq_bind(socket, endpoint) : zmq_connect(socket, endpoint)) != 0)
        bench_die("%s: %s", endpoint, zmq_strerror(zmq_errno()));
    return socket;
}

// The child: sends everything back to where it came from, until a message of one byte.
static void floor_echo(const char *endpoint)
{
    void *context = zmq_ctx_new();
    void *socket = floor_socket(context, ZMQ_DEALER, endpoint, false);
    for (;;) {
        zmq_msg_t msg;
        zmq_msg_init(&msg);
        if (zmq_msg_recv(&msg, socket, 0) < 0)
            break;
        if (zmq_msg_size(&msg) == 1)
            break;
        zmq_msg_send(&msg, socket, 0);
    }
    _exit(0);
}

static void floor_send(void *socket, const char *data, size_t size)
{
    if (zmq_send(socket, data, size, 0) < 0)
        bench_die("the floor's message: %s", zmq_strerror(zmq_errno()));
}

static void floor_receive(void *socket, char *data, size_t size)
{
    if (zmq_recv(socket, data, size, 0) < 0)
        bench_die("the floor's answer: %s", zmq_strerror(zmq_errno()));
}

// Keeps `window` messages on the way for so long; returns round trips a second.
static double floor_pipelined(void *socket, char *data, size_t size, unsigned window,
                              double seconds)
{
    uint64_t count = 0, started = bench_now_us(), until = started + (uint64_t)(seconds * 1e6);
    uint64_t now = started;
    for (unsigned i = 0; i < window; i++)
        floor_send(socket, data, size);
    while (now < until) {
        for (int i = 0; i < 64; i++, count++) {
            floor_receive(socket, data, size);
            floor_send(socket, data, size);
        }
        now = bench_now_us();
    }
    for (unsigned i = 0; i < window; i++)
        floor_receive(socket, data, size);
    return (double)count * 1e6 / (double)(now - started);
}

static double floor_serial(void *socket, char *data, size_t size)
{
    struct samples samples = {0};
    for (int i = 0; i < 3000; i++) {
        uint64_t started = bench_now_us();
        floor_send(socket, data, size);
        floor_receive(socket, data, size);
        samples_add(&samples, bench_now_us() - started);
    }
    samples_sort(&samples);
    double median = samples_percentile(&samples, 50);
    samples_free(&samples);
    return median;
}

static void floor_zmq(const char *dir, size_t size, unsigned window, double seconds,
                      struct bench_floor *ret)
{
    char endpoint[BENCH_PATH_MAX + 32], last = 0;
    snprintf(endpoint, sizeof endpoint, "ipc://%s/floor.sock", dir);
    char *data = calloc(1, size);
    pid_t child = fork();
    if (child == 0)
        floor_echo(endpoint);
    if (child < 0 || !data)
        bench_die("cannot start a process");
    void *context = zmq_ctx_new();
    void *socket = floor_socket(context, ZMQ_DEALER, endpoint, true);
    ret->serial_roundtrip_us = floor_serial(socket, data, size);
    ret->zmq_roundtrips_per_s = floor_pipelined(socket, data, size, window, seconds);
    floor_send(socket, &last, 1);
    waitpid(child, NULL, 0);
    zmq_close(socket);
    zmq_ctx_term(context);
    free(data);
}

static void floor_put(leveldb_writebatch_t *batch, uint64_t number)
{
    char key[32], value[RECORD_BYTES] = {0};
    int size = snprintf(key, sizeof key, "r%016llx", (unsigned long long)number);
    memcpy(value, &number, sizeof number);
    leveldb_writebatch_put(batch, key, (size_t)size, value, sizeof value);
}

// Synced batches for so long; returns the time of each in *samples and the records a second.
static double floor_batches(leveldb_t *db, const leveldb_writeoptions_t *synced, unsigned records,
                            double seconds, struct samples *samples)
{
    static uint64_t number;
    char *message = NULL;
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    uint64_t count = 0, started = bench_now_us(), now = started;
    while ((double)(now - started) < seconds * 1e6) {
        leveldb_writebatch_clear(batch);
        for (unsigned i = 0; i < records; i++, count++)
            floor_put(batch, number++);
        uint64_t before = bench_now_us();
        leveldb_write(db, synced, batch, &message);
        if (message)
            bench_die("the floor's log: %s", message);
        now = bench_now_us();
        samples_add(samples, now - before);
    }
    leveldb_writebatch_destroy(batch);
    return (double)count * 1e6 / (double)(now - started);
}

static void floor_log(const char *dir, double seconds, struct bench_floor *ret)
{
    char path[BENCH_PATH_MAX + 32], *message = NULL;
    snprintf(path, sizeof path, "%s/floor.db", dir);
    leveldb_options_t *options = leveldb_options_create();
    leveldb_options_set_create_if_missing(options, 1);
    leveldb_options_set_compression(options, leveldb_no_compression);
    leveldb_writeoptions_t *synced = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(synced, 1);
    leveldb_t *db = leveldb_open(options, path, &message);
    if (!db)
        bench_die("the floor's log: %s", message);
    struct samples samples = {0};
    floor_batches(db, synced, 1, seconds, &samples);
    samples_sort(&samples);
    ret->serial_sync_us = samples_percentile(&samples, 50);
    ret->log_records_per_s = floor_batches(db, synced, BATCH_RECORDS, seconds, &samples);
    samples_free(&samples);
    leveldb_close(db);
    leveldb_writeoptions_destroy(synced);
    leveldb_options_destroy(options);
}

void floor_measure(const char *dir, size_t message_bytes, unsigned window, double seconds,
                   struct bench_floor *ret)
{
    floor_zmq(dir, message_bytes, window, seconds, ret);
    floor_log(dir, seconds, ret);
}

double floor_ideal(const struct bench_floor *floor, unsigned branches)
{
    double n = branches;
    return 1 / ((1 + 2 * n) / floor->zmq_roundtrips_per_s + (2 + 2 * n) / floor->log_records_per_s);
}

double floor_serial_us(const struct bench_floor *floor)
{
    return 2 * floor->serial_roundtrip_us + 2 * floor->serial_sync_us;
}
