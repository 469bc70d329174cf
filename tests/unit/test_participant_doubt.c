// SPDX-License-Identifier: Apache-2.0
// The participant's core, event by event: branches of two-phase commit that ask each other what was
// decided, while the coordinator is silent.
#include "bench.h"

enum { OTHER_JOURNAL = 4711 };

// Branch 0 is ours, branch 1 that of "other".
static struct slice members(uint8_t bytes[static 2 * (MEMBER_HEAD_BYTES + 32)])
{
    uint8_t *to = member_put(bytes, &(struct member){.resource = slice_text("bank")});
    to = member_put(to, &(struct member){.journal = OTHER_JOURNAL,
                                         .resource = slice_text("other"),
                                         .address = slice_text("ipc:///other")});
    return slice_of(bytes, (size_t)(to - bytes));
}

static void vote_yes(struct bench *b, unsigned n)
{
    uint8_t bytes[2 * (MEMBER_HEAD_BYTES + 32)];
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = bench_gtid_of(n),
        .attempt = bench_attempt(n),
        .protocol = PROTOCOL_2PC,
        .kind = BRANCH_CALL,
        .members = members(bytes),
    };
    bench_receive(b, &msg);
    bench_called(b, RM_DONE);
    bench_written(b);
    assert_int_equal(bench_expect_send(b, MSG_VOTE)->u.vote.vote, VOTE_YES);
}

static struct msg word(enum msg_type type, unsigned n)
{
    return (struct msg){
        .type = type,
        .u.quorum =
            {
                .gtid = bench_gtid_of(n),
                .attempt = bench_attempt(n),
                .coordinator = BENCH_COORDINATOR,
                .from = 1,
                .to = 0,
                .outcome = type == MSG_DECIDE ? OUTCOME_COMMITTED : OUTCOME_NONE,
                .resource = slice_text("other"),
                .address = slice_text("ipc:///elsewhere"),
            },
    };
}

static void hear(struct bench *b, const struct msg *msg)
{
    struct event event = {.type = EVENT_TOLD};
    event.u.told.msg = msg;
    bench_step(b, &event);
}

static void tick(struct bench *b, uint64_t ms)
{
    b->now.mono_ms += ms;
    bench_step(b, &(struct event){.type = EVENT_TICK});
}

static void test_the_others_are_asked_when_the_coordinator_is_silent(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    vote_yes(&b, 5);
    bench_step(&b, &(struct event){.type = EVENT_DISCONNECTED});
    tick(&b, b.config.suspect_ms - 1);
    assert_int_equal(bench_count(&b, EFFECT_TELL), 0);
    tick(&b, b.config.stagger_ms + 1);
    const struct effect_tell *tell = &bench_expect(&b, EFFECT_TELL)->u.tell;
    assert_true(slice_equal(tell->resource, slice_text("other")));
    assert_true(slice_equal(tell->address, slice_text("ipc:///other")));
    assert_int_equal(tell->msg.type, MSG_ASK);
    assert_int_equal(tell->msg.u.quorum.to, 1);
    assert_int_equal(tell->msg.u.quorum.number, 0); // a question, and no election
    tick(&b, b.config.inquire_max_ms);
    assert_int_equal(bench_count(&b, EFFECT_TELL), 1); // and again
    bench_close(&b);
}

static void test_while_it_is_heard_nobody_else_is_asked(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    vote_yes(&b, 5);
    struct msg pong = {.type = MSG_PONG};
    for (unsigned i = 0; i < 100; i++) {
        bench_receive(&b, &pong);
        tick(&b, b.config.suspect_ms / 2);
        assert_int_equal(bench_count(&b, EFFECT_TELL), 0);
    }
    bench_close(&b);
}

static void test_whoever_was_restarted_asks_those_in_its_journal(void **state)
{
    (void)state;
    uint8_t bytes[2 * (MEMBER_HEAD_BYTES + 32)];
    struct bench b;
    bench_open(&b);
    bench_start(&b);
    struct branch_record record = {
        .gtid = bench_gtid_of(5),
        .attempt = bench_attempt(5),
        .coordinator = BENCH_COORDINATOR,
        .protocol = PROTOCOL_2PC,
        .kind = BRANCH_CALL,
        .stage = JOURNAL_PREPARED,
        .members = members(bytes),
    };
    b.now.mono_ms = b.config.suspect_ms;
    bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    bench_step(&b, &(struct event){.type = EVENT_START});
    tick(&b, b.config.inquire_min_ms);
    assert_int_equal(bench_expect(&b, EFFECT_TELL)->u.tell.msg.type, MSG_ASK);
    struct msg told = word(MSG_DECIDE, 5);
    hear(&b, &told);
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.op, RM_COMMIT);
    bench_close(&b);
}

static void test_what_a_member_tells_is_done_and_acknowledged(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    vote_yes(&b, 5);
    struct msg told = word(MSG_DECIDE, 5);
    hear(&b, &told);
    assert_int_equal(b.fx.count, 0); // while the coordinator is heard, that alone counts
    b.now.mono_ms += b.config.suspect_ms;
    hear(&b, &told);
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.op, RM_COMMIT);
    bench_called(&b, RM_DONE);
    bench_written(&b);
    assert_int_equal(bench_expect_send(&b, MSG_DONE)->u.done.outcome, OUTCOME_COMMITTED);
    assert_int_equal(bench_stats(&b).told_by_peers, 1);
    bench_close(&b);
}

static void test_who_is_no_member_and_what_is_of_another_run_do_not_count(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    vote_yes(&b, 5);
    struct msg stranger = word(MSG_DECIDE, 5), other_run = word(MSG_DECIDE, 5),
               other_log = word(MSG_DECIDE, 5), not_there = word(MSG_DECIDE, 5);
    stranger.u.quorum.resource = slice_text("stranger");
    other_run.u.quorum.attempt--;
    other_log.u.quorum.coordinator = BENCH_OTHER;
    not_there.u.quorum.from = 2;
    b.now.mono_ms += b.config.suspect_ms;
    const struct msg *const all[] = {&stranger, &other_run, &other_log, &not_there};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        hear(&b, all[i]);
        assert_int_equal(b.fx.count, 0);
    }
    assert_int_equal(bench_stats(&b).in_doubt, 1);
    bench_close(&b);
}

static void test_who_knows_answers_to_where_the_question_came_from(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    vote_yes(&b, 5);
    bench_commit(&b, 5);
    struct msg ask = word(MSG_ASK, 5);
    hear(&b, &ask);
    const struct effect_tell *tell = &bench_expect(&b, EFFECT_TELL)->u.tell;
    assert_true(slice_equal(tell->resource, slice_text("other")));
    assert_true(slice_equal(tell->address, slice_text("ipc:///elsewhere")));
    assert_int_equal(tell->msg.type, MSG_DECIDE);
    assert_int_equal(tell->msg.u.quorum.outcome, OUTCOME_COMMITTED);
    assert_int_equal(tell->msg.u.quorum.to, 1);
    assert_true(tell->msg.u.quorum.attempt == bench_attempt(5));
    bench_close(&b);
}

// In doubt itself, never asked, its work under way, ended by an operator: none of these knows what
// was decided.
static void test_who_does_not_know_says_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    vote_yes(&b, 5);
    vote_yes(&b, 6);
    bench_decide(&b, MSG_ROLLBACK, 6, DECIDE_HEURISTIC);
    bench_written(&b);
    bench_called(&b, RM_DONE);
    bench_written(&b);
    struct branch_record working = {.gtid = bench_gtid_of(7)};
    bench_step(&b, &(struct event){.type = EVENT_WORKING, .u.branch = &working});
    for (unsigned n = 5; n <= 8; n++) {
        struct msg ask = word(MSG_ASK, n);
        hear(&b, &ask);
        assert_int_equal(b.fx.count, 0);
    }
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_others_are_asked_when_the_coordinator_is_silent),
        cmocka_unit_test(test_while_it_is_heard_nobody_else_is_asked),
        cmocka_unit_test(test_whoever_was_restarted_asks_those_in_its_journal),
        cmocka_unit_test(test_what_a_member_tells_is_done_and_acknowledged),
        cmocka_unit_test(test_who_is_no_member_and_what_is_of_another_run_do_not_count),
        cmocka_unit_test(test_who_knows_answers_to_where_the_question_came_from),
        cmocka_unit_test(test_who_does_not_know_says_nothing),
    };
    return cmocka_run_group_tests_name("participant_doubt", tests, NULL, NULL);
}
