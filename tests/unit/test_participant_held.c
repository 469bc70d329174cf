// SPDX-License-Identifier: Apache-2.0
// What the resource manager turns out to hold prepared while the participant runs.
#include "bench.h"

static void held(struct bench *b, unsigned n)
{
    struct branch_record record = {
        .gtid = bench_gtid_of(n), .attempt = bench_attempt(n), .coordinator = BENCH_COORDINATOR};
    bench_step(b, &(struct event){.type = EVENT_FOUND, .u.branch = &record});
}

static void tick(struct bench *b, uint64_t ms)
{
    b->now.mono_ms += ms;
    bench_step(b, &(struct event){.type = EVENT_TICK});
}

// Votes are in the journal, and there is none: it is rolled back.
static void the_unknown_is_rolled_back(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    held(&b, 1);
    tick(&b, 0);
    const struct effect_call *call = &bench_expect(&b, EFFECT_CALL)->u.call;
    assert_int_equal(call->op, RM_ROLLBACK);
    assert_int_equal(call->attempt, bench_attempt(1));
    held(&b, 1); // while that runs
    assert_int_equal(bench_stats(&b).branches, 1);
    bench_close(&b);
}

// Votes are in the resource manager, and this is one: the coordinator is asked.
static void where_it_is_a_vote_it_is_asked_about(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.config.rm_durable = true;
    bench_start(&b);
    bench_go(&b);
    held(&b, 1);
    assert_int_equal(bench_stats(&b).in_doubt, 1);
    bench_step(&b, &(struct event){.type = EVENT_CONNECTED});
    bench_welcome(&b);
    const struct msg_inquire *asked = &bench_expect_send(&b, MSG_INQUIRE)->u.inquire;
    assert_int_equal(asked->prepared, INQUIRE_PREPARED);
    assert_int_equal(asked->attempt, bench_attempt(1));
    bench_decide(&b, MSG_ROLLBACK, 1, 0);
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.op, RM_ROLLBACK);
    bench_close(&b);
}

// By the time it is told it may be over.
static void the_known_goes_its_way(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    bench_prepare(&b, 1, 0);
    bench_vote_yes(&b, 2);
    bench_vote_yes(&b, 3);
    bench_commit(&b, 3);
    struct participant_stats before = bench_stats(&b);
    for (unsigned n = 1; n <= 3; n++) {
        held(&b, n);
        assert_int_equal(b.fx.count, 0);
        tick(&b, 0);
        assert_int_equal(bench_count(&b, EFFECT_CALL), 0);
    }
    assert_int_equal(bench_stats(&b).branches, before.branches);
    assert_int_equal(bench_stats(&b).finished, before.finished);
    bench_close(&b);
}

static void there_has_to_be_room(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.config.branches_max = 2;
    bench_start(&b);
    bench_go(&b);
    for (unsigned n = 1; n <= 3; n++)
        held(&b, n);
    assert_int_equal(bench_stats(&b).branches, 2);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_unknown_is_rolled_back),
        cmocka_unit_test(where_it_is_a_vote_it_is_asked_about),
        cmocka_unit_test(the_known_goes_its_way),
        cmocka_unit_test(there_has_to_be_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
