// SPDX-License-Identifier: Apache-2.0
// What the parts of assent-bench share.
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "assent/assent.h"

enum { BENCH_BRANCHES_MAX = 16, BENCH_PATH_MAX = 512, BENCH_SETTINGS_MAX = 8 };

uint64_t bench_now_us(void); // monotonic
void bench_pause_us(uint64_t us);
void bench_progress(const char *format, ...) __attribute__((format(printf, 1, 2)));
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

void floor_measure(const char *dir, size_t message_bytes, unsigned window, double seconds,
                   struct bench_floor *ret);
double floor_ideal(const struct bench_floor *floor, unsigned branches); // transactions a second
double floor_serial_us(const struct bench_floor *floor);

// ---- cluster.c: assentd and participants, each a process ----

struct cluster {
    char dir[BENCH_PATH_MAX]; // temporary, removed at the end
    char endpoint[BENCH_PATH_MAX + 32];
    const char *settings[BENCH_SETTINGS_MAX + 1]; // KEY=VALUE for assentd, up to a NULL
    pid_t coordinator;
    pid_t participants[BENCH_BRANCHES_MAX];
    unsigned participant_count;
    bool tcp;
};

void cluster_dir(struct cluster *c); // made, and removed whatever happens
void cluster_program(const char *name, char path[BENCH_PATH_MAX]); // the one next to this one
void cluster_coordinator(struct cluster *c);                       // started, and listening
void cluster_participants(struct cluster *c, unsigned count);
void cluster_processes_stop(struct cluster *c);
void cluster_stop(struct cluster *c);

// ---- participant.c ----

// What the first byte of a payload has a participant do; anything else: yes.
enum {
    PAYLOAD_YES = 'y',
    PAYLOAD_NO = 'n',
    PAYLOAD_READ_ONLY = 'r',
    PAYLOAD_SLOW = 's',
    PAYLOAD_HELD = 'h'
};
enum { PARTICIPANT_SLOW_US = 50000 };

// The child: a participant of every protocol, until it is told to stop (SIGTERM).
int participant_main(const char *endpoint, const char *resource, const char *journal);

// ---- usage.c: what processes have used ----

struct usage {
    double cpu_us;
    double switches; // of threads, voluntary or not
    double written_bytes;
};

struct counters { // the coordinator's own
    double messages, frames, syncs, records, log_bytes, net_bytes;
    double in_flight; // now
};

struct usage usage_of(pid_t pid);
double usage_resident_bytes(pid_t pid);
struct counters counters_of(const char *endpoint);

// ---- load.c: clients ----

struct load_options {
    const char *endpoint;
    unsigned clients;       // connections; as many processes as it takes
    unsigned in_flight;     // closed loop: so many at a time, of all clients
    unsigned in_flight_max; // past it the client library refuses; 0: as many as there are
    double rate; // open loop: so many a second, sent on time whatever the answers do; 0: closed
    unsigned first, branches; // at the participants from `first` on
    size_t payload_bytes;
    char wish; // first byte of the payload of the last branch, or of all if it is READ_ONLY
    assent_protocol protocol;
    double seconds;
    double warm_up_seconds; // run, not counted
};

struct load_result {
    uint64_t committed, aborted, refused, failed; // counted
    uint64_t all;                                 // with those that were not counted
    double seconds;
    double tx_per_s; // that have ended as was wished
    uint32_t p50_us, p99_us, p999_us;
};

void load_run(const struct load_options *options, struct load_result *ret);
// In a process of its own, until load_stop.
pid_t load_start(const struct load_options *options, int *ret_fd);
void load_stop(pid_t pid, int fd, struct load_result *ret);

// ---- measure.c ----

struct measured {
    const char *label;
    struct load_options options;
    struct load_result load;
    struct usage client, coordinator, participants; // of all transactions
    struct counters counters;                       // likewise
};

void measure(const struct cluster *c, const struct load_options *options, const char *label,
             struct measured *ret);
double measured_syncs(const struct measured *m); // of the coordinator, a transaction
json_t *measured_json(const struct measured *m);
void measured_head(void);
void measured_print(const struct measured *m);

// ---- scenarios.c ----

struct bench {
    struct load_options load;
    bool tcp, no_floor, json;
    const char *scenario;  // NULL: the saturated one
    unsigned transactions; // in the log, or in flight, where that is what is measured
};

void scenarios_list(void);
// Exit status: 0, 1 when transactions failed, 2 when there is no such scenario.
int scenario_run(struct bench *b);
int saturated_run(struct bench *b);

// ---- special.c: what is not a load alone; each adds to `out`, and prints unless it is JSON ----

void memory_run(struct bench *b, json_t *out);
void restart_run(struct bench *b, json_t *out);
void idle_run(struct bench *b, json_t *out);
void slow_run(struct bench *b, json_t *out);
void overload_run(struct bench *b, json_t *out);

#endif
