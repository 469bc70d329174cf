// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: phase one, the decision, phase two.
#include "desk.h"

static uint64_t fence_of(const struct desk *d, peer_t peer)
{
    struct frame_header header;
    coordinator_header(d->c, peer, &header);
    return header.fence;
}

static uint64_t in_memory(const struct desk *d)
{
    struct coordinator_stats stats;
    coordinator_stats(d->c, &stats);
    return stats.transactions;
}

struct two {
    struct msg_prepare a, b;
};

static struct two prepare_two(struct desk *d, const struct gtid *gtid)
{
    struct two two;
    desk_submit(d, CLIENT, gtid, "pay", "bank-a", "bank-b", NULL);
    two.a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    two.b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_quiet(d);
    return two;
}

static void test_commit(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    uint64_t fence = fence_of(d, PEER_A);
    struct two two = prepare_two(d, &gtid);
    assert_int_equal(two.a.attempt, fence);
    assert_int_equal(fence_of(d, PEER_A), fence); // may still be prepared

    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_quiet(d);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_true(d->write.decide && d->write.open);
    desk_quiet(d); // nobody hears of it before it is durable
    assert_int_equal(fence_of(d, PEER_A), fence + 1);
    desk_ask(d, CLIENT, MSG_STATUS, &gtid);
    desk_expect_result(d, CLIENT, OUTCOME_NONE);

    desk_written(d);
    struct msg_decide a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    struct msg_decide b = desk_expect(d, PEER_B, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    assert_int_equal(d->msg.u.result.finished, 0);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0); // twice
    desk_quiet(d);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    assert_false(d->write.open);
    assert_int_equal(in_memory(d), 1);
    desk_written(d);
    assert_int_equal(in_memory(d), 0);
}

static void test_no_ends_phase_one(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_B, &two.b, VOTE_NO);
    // Only the other branch is told: a no has let go already.
    struct msg_decide a = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.reason, REASON_VOTED_NO);
    assert_int_equal(d->msg.u.result.branch, 1);
    assert_true(slice_equal(d->msg.u.result.text, slice_text("no money")));
    desk_vote(d, PEER_A, &two.a, VOTE_YES); // too late
    desk_quiet(d);
    desk_finish(d, PEER_A, &a, OUTCOME_ABORTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, true);
    desk_written(d);
    assert_int_equal(in_memory(d), 0);
}

static void test_read_only(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_READ_ONLY);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    desk_expect(d, PEER_B, MSG_COMMIT); // and nothing to bank-a
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);

    gtid = desk_gtid(d);
    two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_READ_ONLY);
    desk_vote(d, PEER_B, &two.b, VOTE_READ_ONLY);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false); // told, so recorded
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_quiet(d);
    assert_int_equal(in_memory(d), 1); // the first one
}

static void test_votes_that_do_not_count(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_B, &two.a, VOTE_YES); // bank-b speaks for bank-a
    desk_vote(d, PEER_A, &two.b, VOTE_YES);
    struct msg_prepare stale = two.a;
    stale.attempt--;
    desk_vote(d, PEER_A, &stale, VOTE_YES); // another attempt
    desk_vote(d, CLIENT, &two.a, VOTE_YES); // not even a participant
    desk_expect_refused(d, CLIENT, ASSENT_DENIED);
    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_vote(d, PEER_A, &two.a, VOTE_YES); // twice is once
    desk_quiet(d);
    struct coordinator_stats stats;
    coordinator_stats(d->c, &stats);
    assert_int_equal(stats.spoofed, 3);
}

static void test_phase_one_timeout(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "nowhere", NULL);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_pass(d, d->config.phase_one_timeout_ms);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.reason, REASON_NO_VOTE);
    assert_int_equal(d->msg.u.result.branch, 1);
    desk_quiet(d); // "nowhere" was never asked and is owed nothing
}

static void test_resend_backs_off(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    struct msg_decide a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);

    // bank-b says nothing, but is connected: resends at growing distances.
    uint64_t last = d->now.mono_ms, pause = 0;
    for (int resends = 0; resends < 5;) {
        struct msg ping = {.type = MSG_PING};
        desk_receive(d, PEER_B, "alice", &ping);
        desk_expect(d, PEER_B, MSG_PONG);
        desk_pass(d, 50);
        if (d->fx.count == 0)
            continue;
        desk_expect(d, PEER_B, MSG_COMMIT);
        assert_true(d->now.mono_ms - last > pause);
        pause = d->now.mono_ms - last;
        last = d->now.mono_ms;
        resends++;
    }
    // Gone: nothing is sent. Back: at once.
    desk_gone(d, PEER_B);
    desk_pass(d, 100000);
    desk_quiet(d);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_quiet(d);
}

static void test_coordinator_crash_before_decision(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_restart(d, NULL, 0);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(d, CLIENT, ROLE_CLIENT, "shop");
    desk_inquire(d, PEER_A, &gtid, 7, two.a.attempt, 0);
    desk_found(d, NULL, 0); // only after the register was read
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.attempt, two.a.attempt);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL); // the lost reply
    desk_found(d, NULL, 0);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.reason, REASON_PRESUMED);
}

static void test_coordinator_crash_after_decision(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    struct record_branch branches[2] = {
        {.branch = 0, .kind = BRANCH_CALL, .vote = VOTE_YES, .resource = slice_text("bank-a")},
        {.branch = 1, .kind = BRANCH_CALL, .vote = VOTE_YES, .resource = slice_text("bank-b")}};
    struct tx_record record = d->record;
    record.branches = branches;
    record.owner = slice_text("alice");
    desk_restart(d, &record, 1);
    desk_quiet(d); // nobody is there yet
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_decide a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    assert_int_equal(a.attempt, two.a.attempt);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    struct msg_decide b = desk_expect(d, PEER_B, MSG_COMMIT)->u.decide;
    desk_hello(d, CLIENT, ROLE_CLIENT, "shop");
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    desk_written(d);
    assert_int_equal(in_memory(d), 0);
}

static void test_another_decision_stands(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    struct tx_record stands = d->record;
    stands.outcome = OUTCOME_ABORTED;
    desk_step(d, &(struct event){
                     .type = EVENT_WRITTEN,
                     .u.written = {.token = d->write.token, .log_seq = 11, .stands = &stands}});
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
}

static void test_what_stands_is_no_decision(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    struct tx_record stands = d->record;
    stands.stage = STAGE_ADMITTED;
    stands.outcome = OUTCOME_NONE;
    desk_step(d, &(struct event){
                     .type = EVENT_WRITTEN,
                     .u.written = {.token = d->write.token, .log_seq = 11, .stands = &stands}});
    desk_expect_stop(d, ASSENT_CORRUPT);
    desk_quiet(d);
}

static void test_fenced(void **state)
{
    struct desk *d = *state;
    desk_step(d, &(struct event){.type = EVENT_WRITTEN, .u.written = {.fenced = true}});
    desk_expect_stop(d, ASSENT_FENCED);
    struct msg ping = {.type = MSG_PING};
    desk_receive(d, CLIENT, "alice", &ping);
    desk_quiet(d); // it is over
}

static void test_echo(void **state)
{
    struct desk *d = *state;
    struct frame_header header;
    struct msg ping = {.type = MSG_PING};
    struct event event = {.type = EVENT_RECEIVED,
                          .u.received = {.peer = PEER_A, .header = &header, .msg = &ping}};
    coordinator_header(d->c, PEER_A, &header);
    header.log_seq += 5; // made up
    desk_step(d, &event);
    desk_quiet(d);

    // Heard from a later state of the same log, which this one has lost.
    struct coordinator_config later = d->config;
    later.log_seq = d->config.log_seq + 5;
    struct coordinator *other = coordinator_new(&later);
    coordinator_header(other, PEER_A, &header);
    coordinator_destroy(&other);
    desk_step(d, &event);
    desk_expect_stop(d, ASSENT_BEHIND);
}

static void test_drain(void **state)
{
    struct desk *d = *state;
    struct gtid working = desk_gtid(d), running = desk_gtid(d), late = desk_gtid(d);
    desk_enlist(d, &working, 0, "bank-a");
    desk_expect(d, CLIENT, MSG_ENLISTED);
    struct two two = prepare_two(d, &running);
    coordinator_drain(d->c);
    assert_false(coordinator_drained(d->c));
    desk_pass(d, 0);
    desk_expect(d, PEER_A, MSG_ROLLBACK); // whose application had not committed yet
    desk_submit(d, CLIENT, &late, "pay", "bank-a", "bank-b", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_CLOSED);
    desk_vote(d, PEER_A, &two.a, VOTE_YES);
    desk_vote(d, PEER_B, &two.b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_false(coordinator_drained(d->c));
    desk_written(d);
    desk_expect(d, PEER_A, MSG_COMMIT);
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    assert_true(coordinator_drained(d->c));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_commit),
        T(test_no_ends_phase_one),
        T(test_read_only),
        T(test_votes_that_do_not_count),
        T(test_phase_one_timeout),
        T(test_resend_backs_off),
        T(test_coordinator_crash_before_decision),
        T(test_coordinator_crash_after_decision),
        T(test_another_decision_stands),
        T(test_what_stands_is_no_decision),
        T(test_fenced),
        T(test_echo),
        T(test_drain),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
