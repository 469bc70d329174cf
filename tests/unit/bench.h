// SPDX-License-Identifier: Apache-2.0
// A participant's core on a bench: events are fed by hand, one by one, and the effects of the last
// step looked at.
#ifndef UNIT_BENCH_H
#define UNIT_BENCH_H

#include "core/participant.h"
#include "unit.h"

enum { BENCH_COORDINATOR = 77, BENCH_OTHER = 78, BENCH_INCARNATION = 3 };

struct bench {
    struct participant_config config;
    struct participant *part;
    struct effects fx;
    struct now now;
    struct frame_header header;
};

uint64_t bench_attempt(uint64_t counter);
struct gtid bench_gtid_of(unsigned n);
// A step, which must not run out of memory. Its effects stay until the next one.
void bench_step(struct bench *b, struct event *event);
void bench_receive(struct bench *b, const struct msg *msg);
void bench_welcome(struct bench *b);
// open: the configuration; start: the core; go: started, connected, welcomed. ready: all three.
void bench_open(struct bench *b);
void bench_start(struct bench *b);
void bench_go(struct bench *b);
void bench_ready(struct bench *b);
void bench_close(struct bench *b);
// The coordinator's word on transaction n, whose attempt is n.
void bench_prepare(struct bench *b, unsigned n, unsigned flags);
void bench_decide(struct bench *b, enum msg_type type, unsigned n, unsigned flags);
// The first effect of that type, which must be there; the first message, which must be of that
// type.
const struct effect *bench_expect(const struct bench *b, enum effect_type type);
const struct msg *bench_expect_send(const struct bench *b, enum msg_type type);
unsigned bench_count(const struct bench *b, enum effect_type type);
// Answers the call, or the write, among the effects of the last step.
void bench_called(struct bench *b, enum rm_result result);
void bench_written(struct bench *b);
// All the steps to a vote of yes; from there to finished.
void bench_vote_yes(struct bench *b, unsigned n);
void bench_commit(struct bench *b, unsigned n);
struct participant_stats bench_stats(const struct bench *b);

#endif
