// SPDX-License-Identifier: Apache-2.0
#include "bench.h"

#include <stdio.h>

uint64_t bench_attempt(uint64_t counter)
{
    return (uint64_t)BENCH_INCARNATION << ATTEMPT_COUNTER_BITS | counter;
}

struct gtid bench_gtid_of(unsigned n)
{
    char text[16];
    struct gtid gtid;
    snprintf(text, sizeof text, "g%u", n);
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

void bench_step(struct bench *b, struct event *event)
{
    event->now = b->now;
    effects_reset(&b->fx);
    participant_step(b->part, event, &b->fx);
    assert_false(b->fx.failed);
}

void bench_receive(struct bench *b, const struct msg *msg)
{
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = &b->header;
    event.u.received.msg = msg;
    bench_step(b, &event);
}

void bench_welcome(struct bench *b)
{
    struct msg msg = {.type = MSG_WELCOME};
    msg.u.welcome.peer_incarnation = b->config.incarnation;
    bench_receive(b, &msg);
}

void bench_open(struct bench *b)
{
    *b = (struct bench){.header = {.version = WIRE_VERSION,
                                   .from_coordinator = 1,
                                   .coordinator = BENCH_COORDINATOR,
                                   .incarnation = BENCH_INCARNATION,
                                   .fence = bench_attempt(1)}};
    participant_config_defaults(&b->config);
    snprintf(b->config.resource, sizeof b->config.resource, "bank");
    b->config.incarnation = 2;
    b->config.journal = 9;
    b->config.branches_max = 8;
    b->config.finished_max = 4;
}

void bench_start(struct bench *b)
{
    b->part = participant_new(&b->config);
    effects_init(&b->fx);
}

void bench_go(struct bench *b)
{
    bench_step(b, &(struct event){.type = EVENT_START});
    bench_step(b, &(struct event){.type = EVENT_CONNECTED});
    bench_welcome(b);
}

void bench_ready(struct bench *b)
{
    bench_open(b);
    bench_start(b);
    bench_go(b);
}

void bench_close(struct bench *b)
{
    participant_destroy(&b->part);
    assert_null(b->part);
    effects_free(&b->fx);
}

void bench_prepare(struct bench *b, unsigned n, unsigned flags)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = bench_gtid_of(n),
        .attempt = bench_attempt(n),
        .protocol = PROTOCOL_2PC,
        .kind = BRANCH_CALL,
        .flags = (uint8_t)flags,
        .payload = slice_text("work"),
    };
    bench_receive(b, &msg);
}

void bench_decide(struct bench *b, enum msg_type type, unsigned n, unsigned flags)
{
    struct msg msg = {.type = type};
    msg.u.decide = (struct msg_decide){
        .gtid = bench_gtid_of(n), .attempt = bench_attempt(n), .flags = (uint8_t)flags};
    bench_receive(b, &msg);
}

// The effect of that type, which must be there.
const struct effect *bench_expect(const struct bench *b, enum effect_type type)
{
    for (size_t i = 0; i < b->fx.count; i++) {
        if (b->fx.items[i].type == type)
            return &b->fx.items[i];
    }
    fail_msg("no effect of type %d", (int)type);
    return NULL;
}

const struct msg *bench_expect_send(const struct bench *b, enum msg_type type)
{
    const struct effect *effect = bench_expect(b, EFFECT_SEND);
    assert_int_equal(effect->u.send.msg.type, type);
    return &effect->u.send.msg;
}

unsigned bench_count(const struct bench *b, enum effect_type type)
{
    unsigned n = 0;
    for (size_t i = 0; i < b->fx.count; i++)
        n += b->fx.items[i].type == type;
    return n;
}

void bench_called(struct bench *b, enum rm_result result)
{
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = bench_expect(b, EFFECT_CALL)->u.call.token;
    event.u.called.result = result;
    bench_step(b, &event);
}

void bench_written(struct bench *b)
{
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = bench_expect(b, EFFECT_WRITE)->u.write.token;
    bench_step(b, &event);
}

void bench_vote_yes(struct bench *b, unsigned n)
{
    bench_prepare(b, n, 0);
    bench_called(b, RM_DONE);
    bench_written(b);
    assert_int_equal(bench_expect_send(b, MSG_VOTE)->u.vote.vote, VOTE_YES);
}

void bench_commit(struct bench *b, unsigned n)
{
    bench_decide(b, MSG_COMMIT, n, 0);
    bench_called(b, RM_DONE);
    bench_written(b);
}

struct participant_stats bench_stats(const struct bench *b)
{
    struct participant_stats now;
    participant_stats(b->part, &now);
    return now;
}
