// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: three-phase commit.
#include "core/quorum.h"
#include "desk.h"

static uint64_t fence_of(const struct desk *d, peer_t peer)
{
    struct frame_header header;
    coordinator_header(d->c, peer, &header);
    return header.fence;
}

struct two {
    struct msg_prepare a, b;
};

// Admitted durably, and both branches are asked to vote.
static struct two prepare_two(struct desk *d, const struct gtid *gtid)
{
    const struct msg_branch calls[] = {
        {.kind = BRANCH_CALL, .resource = slice_text("bank-a"), .payload = slice_text("pay")},
        {.kind = BRANCH_CALL, .resource = slice_text("bank-b"), .payload = slice_text("pay")},
    };
    struct two two;
    desk_submit_as(d, CLIENT, gtid, (struct msg_submit){.protocol = PROTOCOL_3PC}, calls, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_quiet(d); // nobody is asked before an election could be held
    desk_written(d);
    two.a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    two.b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_quiet(d);
    assert_int_equal(two.a.protocol, PROTOCOL_3PC);
    return two;
}

// What a member says to an ASK or a TRY.
static void tell(struct desk *d, peer_t peer, const struct msg_quorum *asked,
                 enum quorum_state state, uint64_t attempt)
{
    struct msg msg = {.type = MSG_STATE, .u.quorum = *asked};
    msg.u.quorum.from = asked->to;
    msg.u.quorum.to = BRANCH_NONE;
    msg.u.quorum.last = attempt;
    msg.u.quorum.state = (uint8_t)state;
    msg.u.quorum.outcome = OUTCOME_NONE;
    msg.u.quorum.journal = 0;
    desk_receive(d, peer, peer == PEER_A ? "bank-a" : "bank-b", &msg);
}

// Both have voted yes, and the pre-commit is asked for.
static struct msg_quorum pre_commit(struct desk *d, const struct two *two)
{
    desk_vote(d, PEER_A, &two->a, VOTE_YES);
    desk_quiet(d);
    desk_vote(d, PEER_B, &two->b, VOTE_YES);
    struct msg_quorum try = desk_expect(d, PEER_A, MSG_TRY)->u.quorum;
    assert_int_equal(try.outcome, OUTCOME_COMMITTED);
    assert_int_equal(desk_expect(d, PEER_B, MSG_TRY)->u.quorum.number, try.number);
    desk_quiet(d);
    return try;
}

// The decision's record is lazy: a crash before it is durable has the next run ask the members once
// more. None may have forgotten the branch by then.
static void test_the_fence_waits_for_the_decision(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    assert_int_equal(fence_of(d, PEER_A), two.a.attempt);
    struct msg_quorum try_a = pre_commit(d, &two), try_b = try_a;
    try_b.to = 1;
    tell(d, PEER_A, &try_a, QUORUM_PRE_COMMITTED, try_a.number);
    desk_quiet(d); // one of two is no majority
    tell(d, PEER_B, &try_b, QUORUM_PRE_COMMITTED, try_b.number);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, true);
    struct msg_decide a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    assert_int_equal(fence_of(d, PEER_A), two.a.attempt);
    assert_int_equal(fence_of(d, PEER_B), two.b.attempt);
    desk_written(d);
    assert_true(fence_of(d, PEER_A) > two.a.attempt);
    assert_true(fence_of(d, PEER_B) > two.b.attempt);
}

static void test_the_fence_waits_for_the_abort(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct two two = prepare_two(d, &gtid);
    desk_vote(d, PEER_A, &two.a, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_quiet(d);
    assert_int_equal(fence_of(d, PEER_A), two.a.attempt);
    assert_int_equal(fence_of(d, PEER_B), two.b.attempt);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK); // who refused keeps that until it is told
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    assert_true(fence_of(d, PEER_A) > two.a.attempt);
    assert_true(fence_of(d, PEER_B) > two.b.attempt);
}

// A crash with no more than the admission on disk: the members are asked under the same attempt.
static void test_an_earlier_run_may_have_attempted_it(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct desk_kept kept;
    const struct msg_branch calls[] = {
        {.kind = BRANCH_CALL, .resource = slice_text("bank-a"), .payload = slice_text("pay")},
        {.kind = BRANCH_CALL, .resource = slice_text("bank-b"), .payload = slice_text("pay")},
    };
    desk_submit_as(d, CLIENT, &gtid, (struct msg_submit){.protocol = PROTOCOL_3PC}, calls, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_keep(d, &kept);
    desk_written(d);
    uint64_t attempt = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare.attempt;
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    assert_int_equal(fence_of(d, PEER_A), attempt);
    assert_int_equal(fence_of(d, PEER_B), attempt);
    buf_free(&kept.bytes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_the_fence_waits_for_the_decision),
        T(test_the_fence_waits_for_the_abort),
        T(test_an_earlier_run_may_have_attempted_it),
    };
    return cmocka_run_group_tests_name("coordinator_3pc", tests, NULL, NULL);
}
