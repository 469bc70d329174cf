// SPDX-License-Identifier: Apache-2.0
// What the parts of assent-bench share.
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { BENCH_BRANCHES_MAX = 16, BENCH_PATH_MAX = 512 };

uint64_t bench_now_us(void); // monotonic
// Says it on standard error and exits with 3, after ending what was started.
_Noreturn void bench_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

// ---- samples.c: latencies, all of them kept ----

struct samples {
    uint32_t *us; // owned
    size_t count, capacity;
};

void samples_add(struct samples *s, uint64_t us);
void samples_sort(struct samples *s);
uint32_t samples_percentile(const struct samples *s, double percent); // of sorted ones; 0: none
void samples_free(struct samples *s);

// ---- floor.c: what this machine can do at best ----

struct bench_floor {
    double zmq_roundtrips_per_s; // pipelined, between two processes
    double serial_roundtrip_us;  // one at a time, median
    double log_records_per_s;    // LevelDB, in synced batches
    double serial_sync_us;       // LevelDB, one record and one sync at a time, median
};

void floor_measure(const char *dir, size_t message_bytes, unsigned window, unsigned seconds,
                   struct bench_floor *ret);

// ---- cluster.c: assentd and participants, each a process ----

struct cluster {
    char dir[BENCH_PATH_MAX]; // temporary, removed at the end
    char endpoint[BENCH_PATH_MAX + 32];
    pid_t coordinator;
    pid_t participants[BENCH_BRANCHES_MAX];
    unsigned participant_count;
    bool tcp;
};

void cluster_dir(struct cluster *c);
void cluster_start(struct cluster *c, unsigned participants, bool tcp);
void cluster_stop(struct cluster *c);
// The child: a participant that votes yes to everything, until it is told to stop.
int participant_main(const char *endpoint, const char *resource, const char *journal);

// ---- load.c: clients ----

struct load_options {
    const char *endpoint;
    unsigned in_flight; // closed loop: so many at a time
    double rate; // open loop: so many a second, sent on time whatever the answers do; 0: closed
    unsigned branches;
    size_t payload_bytes;
    double seconds;
    double warm_up_seconds; // run, not counted
};

struct load_result {
    uint64_t committed, aborted, failed;
    double seconds;
    double tx_per_s; // committed
    uint32_t p50_us, p99_us, p999_us;
};

void load_run(const struct load_options *options, struct load_result *ret);

#endif
