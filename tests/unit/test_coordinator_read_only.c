// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: branches that the application calls read-only are not
// asked, and nothing waits for them.
#include "desk.h"

static struct msg_branch branch(const char *resource, enum branch_kind kind)
{
    return (struct msg_branch){.kind = kind, .resource = slice_text(resource)};
}

static enum branch_kind kind_of(bool read_only)
{
    return read_only ? BRANCH_READ_ONLY : BRANCH_CALL;
}

static void submit(struct desk *d, const struct gtid *gtid, unsigned protocol, bool a, bool b,
                   const char *third)
{
    const struct msg_branch branches[] = {
        branch("bank-a", kind_of(a)),
        branch("bank-b", kind_of(b)),
        branch(third ? third : "bank-b", BRANCH_CALL),
    };
    desk_submit_as(d, CLIENT, gtid, (struct msg_submit){.protocol = (uint8_t)protocol}, branches,
                   third ? 3 : 2);
}

static void expect_released(struct desk *d, peer_t peer, unsigned number)
{
    const struct msg_standing *standing = &desk_expect(d, peer, MSG_STANDING)->u.standing;
    assert_int_equal(standing->flags, STANDING_RELEASED);
    assert_int_equal(standing->branch, number);
}

static uint64_t fence_of(const struct desk *d, peer_t peer)
{
    struct frame_header header;
    coordinator_header(d->c, peer, &header);
    return header.fence;
}

static void test_one_of_three(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    uint64_t fence = fence_of(d, PEER_B);
    const struct msg_branch branches[] = {
        branch("bank-a", BRANCH_ENLISTED),
        branch("bank-b", BRANCH_READ_ONLY),
        branch("bank-a", BRANCH_ENLISTED),
    };
    desk_submit_as(d, CLIENT, &gtid, (struct msg_submit){.protocol = PROTOCOL_2PC}, branches, 3);
    expect_released(d, PEER_B, 1);
    struct msg_prepare first = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare last = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_quiet(d);
    assert_true(fence_of(d, PEER_B) > fence); // nothing of it holds that back
    assert_int_equal(fence_of(d, PEER_A), first.attempt);
    desk_inquire(d, PEER_B, &gtid, d->config.id, 0, 1); // work that it had heard of
    desk_expect(d, PEER_B, MSG_STANDING);
    desk_vote(d, PEER_A, &first, VOTE_YES);
    desk_vote(d, PEER_A, &last, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->record.branches[1].vote, VOTE_READ_ONLY);
    desk_written(d);
    struct msg_decide told = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_expect(d, PEER_A, MSG_COMMIT);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_inquire(d, PEER_B, &gtid, d->config.id, 0, 1); // it may not have heard: it is to let go
    desk_expect(d, PEER_B, MSG_COMMIT);
    told.branch = 0;
    desk_finish(d, PEER_A, &told, OUTCOME_COMMITTED, 0);
    told.branch = 2;
    desk_finish(d, PEER_A, &told, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
}

static void test_all(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    submit(d, &gtid, PROTOCOL_2PC, true, true, NULL);
    expect_released(d, PEER_A, 0);
    expect_released(d, PEER_B, 1);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_quiet(d);
    submit(d, &gtid, PROTOCOL_2PC, true, true, NULL); // the same again
    desk_quiet(d);
    submit(d, &gtid, PROTOCOL_2PC, true, false, NULL); // and another
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static void one_is_left(struct desk *d, unsigned protocol)
{
    struct gtid gtid = desk_gtid(d);
    submit(d, &gtid, protocol, true, false, NULL);
    expect_released(d, PEER_A, 0);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept); // it can be read: one branch alone decides
    buf_free(&kept.bytes);
    desk_written(d);
    struct msg_prepare p = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(p.flags, PREPARE_ONE_PHASE);
    assert_int_equal(p.branch, 1);
    // What the participant of the other one says of it changes nothing.
    struct msg_prepare never = p;
    never.branch = 0;
    desk_vote(d, PEER_A, &never, VOTE_NO);
    desk_vote(d, PEER_A, &never, VOTE_READ_ONLY);
    desk_did(d, PEER_A, &never, NULL);
    desk_quiet(d);
    desk_did(d, PEER_B, &p, NULL);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_written(d);
}

static void test_one_is_left(void **state)
{
    one_is_left(*state, PROTOCOL_2PC);
    one_is_left(*state, PROTOCOL_3PC);
}

// Its participant could not commit what the application's connection may still hold: it is not
// left to decide.
static void test_an_enlisted_one_is_left(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch branches[] = {branch("bank-a", BRANCH_READ_ONLY),
                                          branch("bank-b", BRANCH_ENLISTED)};
    desk_submit_as(d, CLIENT, &gtid, (struct msg_submit){.protocol = PROTOCOL_2PC}, branches, 2);
    expect_released(d, PEER_A, 0);
    struct msg_prepare p = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(p.flags, 0);
    desk_vote(d, PEER_B, &p, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
}

// The second branch decides alone; the coordinator crashes, and asks it what it did.
static void test_one_is_left_and_a_crash(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    submit(d, &gtid, PROTOCOL_2PC, true, false, NULL);
    expect_released(d, PEER_A, 0);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    uint64_t attempt = kept.record.attempt;
    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_quiet(d);
    assert_true(fence_of(d, PEER_A) > attempt);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    struct msg_decide told = desk_expect(d, PEER_B, MSG_ROLLBACK)->u.decide;
    assert_int_equal(told.flags, DECIDE_RESOLVE);
    assert_int_equal(told.branch, 1);
    assert_int_equal(fence_of(d, PEER_B), attempt);
    desk_finish(d, PEER_B, &told, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    buf_free(&kept.bytes);
}

// In three-phase commit it is a member all the same, and its resource manager is not asked.
static void test_three_phases(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    submit(d, &gtid, PROTOCOL_3PC, true, false, "bank-a");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    assert_int_equal(desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare.flags, PREPARE_READ_ONLY);
    assert_int_equal(desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare.flags, 0);
    assert_int_equal(desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare.flags, 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_one_of_three),
        T(test_all),
        T(test_one_is_left),
        T(test_one_is_left_and_a_crash),
        T(test_an_enlisted_one_is_left),
        T(test_three_phases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
