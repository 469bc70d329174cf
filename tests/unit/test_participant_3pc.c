// SPDX-License-Identifier: Apache-2.0
// The participant's core, event by event: what another participant may make it do.
#include "bench.h"
#include "core/quorum.h"

static struct msg ask(const struct bench *b, unsigned n, uint64_t attempt)
{
    return (struct msg){
        .type = MSG_ASK,
        .u.quorum =
            {
                .gtid = bench_gtid_of(n),
                .attempt = attempt,
                .coordinator = BENCH_COORDINATOR,
                .from = 1,
                .to = 0,
                .number = (uint64_t)2 << 32 | 2,
                .journal = b->config.journal,
                .resource = slice_text("other"),
                .address = slice_text("ipc:///other"),
            },
    };
}

static void hear(struct bench *b, const struct msg *msg)
{
    struct event event = {.type = EVENT_TOLD};
    event.u.told.msg = msg;
    bench_step(b, &event);
}

static void test_what_was_never_asked_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    struct msg msg = ask(&b, 5, bench_attempt(5));
    hear(&b, &msg);
    assert_int_equal(bench_expect(&b, EFFECT_WRITE)->u.write.branch->outcome, OUTCOME_ABORTED);
    assert_int_equal(bench_count(&b, EFFECT_TELL), 0); // not before that is durable
    bench_written(&b);
    const struct effect_tell *tell = &bench_expect(&b, EFFECT_TELL)->u.tell;
    assert_int_equal(tell->msg.type, MSG_DECIDE);
    assert_int_equal(tell->msg.u.quorum.outcome, OUTCOME_ABORTED);
    assert_true(slice_equal(tell->resource, slice_text("other")));
    assert_true(slice_equal(tell->address, slice_text("ipc:///other")));
    bench_close(&b);
}

// The record would make the participant wait for that run after a restart.
static void test_an_attempt_of_a_run_that_was_not_heard_of(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    struct msg msg = ask(&b, 5, (uint64_t)(BENCH_INCARNATION + 1) << 40 | 5);
    hear(&b, &msg);
    assert_int_equal(b.fx.count, 0);
    bench_close(&b);
}

static void test_work_under_way_is_not_stopped(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    struct branch_record record = {.gtid = bench_gtid_of(5)};
    bench_step(&b, &(struct event){.type = EVENT_WORKING, .u.branch = &record});
    struct msg msg = ask(&b, 5, bench_attempt(5));
    hear(&b, &msg);
    assert_int_equal(bench_count(&b, EFFECT_WRITE), 0);
    assert_int_equal(bench_count(&b, EFFECT_CALL), 0);
    bench_close(&b);
}

// However much is asked about, the coordinator finds room.
static void test_no_more_than_there_is_room_for(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    for (unsigned n = 100; n < 200; n++) {
        struct msg msg = ask(&b, n, bench_attempt(n));
        hear(&b, &msg);
        if (bench_count(&b, EFFECT_WRITE) == 0)
            break;
        bench_written(&b);
        bench_called(&b, RM_DONE);
        bench_written(&b);
    }
    assert_int_equal(bench_stats(&b).finished, b.config.finished_max);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_never_asked_is_refused),
        cmocka_unit_test(test_an_attempt_of_a_run_that_was_not_heard_of),
        cmocka_unit_test(test_work_under_way_is_not_stopped),
        cmocka_unit_test(test_no_more_than_there_is_room_for),
    };
    return cmocka_run_group_tests_name("participant_3pc", tests, NULL, NULL);
}
