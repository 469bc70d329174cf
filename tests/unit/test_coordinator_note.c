// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: what a resource manager did by a decision of its own is
// on record, whenever it is told, before the participant hears that it is.
#include "desk.h"

static void tell_of(struct desk *d, peer_t peer, const struct gtid *gtid, uint64_t attempt,
                    unsigned branch, enum outcome asked, unsigned heuristic)
{
    struct msg msg = {.type = MSG_DONE,
                      .u.done = {.gtid = *gtid,
                                 .attempt = attempt,
                                 .branch = (uint16_t)branch,
                                 .outcome = (uint8_t)asked,
                                 .flags = DONE_HEURISTIC,
                                 .heuristic = (uint8_t)heuristic}};
    desk_receive(d, peer, "alice", &msg);
}

static void tell(struct desk *d, peer_t peer, const struct msg_decide *decide, enum outcome asked,
                 unsigned heuristic)
{
    tell_of(d, peer, &decide->gtid, decide->attempt, decide->branch, asked, heuristic);
}

static void expect_noted(struct desk *d, peer_t peer, unsigned branch)
{
    const struct msg_standing *standing = &desk_expect(d, peer, MSG_STANDING)->u.standing;
    assert_int_equal(standing->flags, STANDING_NOTED);
    assert_int_equal(standing->branch, branch);
}

// Both have voted yes; the COMMITs are in *ret_a and *ret_b.
static void committing(struct desk *d, const struct gtid *gtid, struct msg_decide *ret_a,
                       struct msg_decide *ret_b)
{
    desk_submit(d, CLIENT, gtid, "pay", "bank-a", "bank-b", NULL);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_vote(d, PEER_B, &b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    *ret_a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    *ret_b = desk_expect(d, PEER_B, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static void test_otherwise_than_decided(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide a, b;
    committing(d, &gtid, &a, &b);
    tell(d, PEER_B, &b, OUTCOME_COMMITTED, HEURISTIC_ROLLBACK);
    desk_quiet(d); // nothing is on record yet
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_true(d->write.open);
    assert_int_equal(d->record.mixed, 1);
    assert_int_equal(d->record.branches[1].outcome, OUTCOME_ABORTED);
    assert_int_equal(d->record.branches[1].heuristic, HEURISTIC_ROLLBACK);
    struct desk_kept ended;
    desk_keep(d, &ended);
    desk_quiet(d);
    desk_written(d);
    expect_noted(d, PEER_B, 1);
    desk_quiet(d);
    desk_ask(d, CLIENT, MSG_STATUS, &gtid);
    desk_found(d, &ended.record, 0);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    assert_int_equal(d->msg.u.result.mixed, MIXED_BY_MANAGER);
    assert_true(slice_equal(d->msg.u.result.text,
                            slice_text("branch 1 was ended by its resource manager: rolled back")));
    tell(d, PEER_B, &b, OUTCOME_COMMITTED, HEURISTIC_ROLLBACK); // it did not hear that
    desk_found(d, &ended.record, 0);
    expect_noted(d, PEER_B, 1);
    desk_quiet(d);
    buf_free(&ended.bytes);
}

static void test_as_decided(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide a, b;
    committing(d, &gtid, &a, &b);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    tell(d, PEER_B, &b, OUTCOME_COMMITTED, HEURISTIC_COMMIT);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false); // synced, and kept
    assert_true(d->write.open);
    assert_int_equal(d->record.mixed, 0);
    assert_int_equal(d->record.branches[1].outcome, OUTCOME_COMMITTED);
    assert_int_equal(d->record.branches[1].heuristic, HEURISTIC_COMMIT);
    desk_written(d);
    expect_noted(d, PEER_B, 1);
}

static void test_neither(void **state)
{
    struct desk *d = *state;
    static const uint8_t all[] = {HEURISTIC_MIXED, HEURISTIC_HAZARD};
    for (size_t i = 0; i < sizeof all; i++) {
        struct gtid gtid = desk_gtid(d);
        struct msg_decide a, b;
        committing(d, &gtid, &a, &b);
        desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
        tell(d, PEER_B, &b, OUTCOME_COMMITTED, all[i]);
        desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
        assert_int_equal(d->record.mixed, 1);
        assert_int_equal(d->record.branches[1].outcome, OUTCOME_UNKNOWN);
        desk_written(d);
        expect_noted(d, PEER_B, 1);
    }
}

static struct msg_prepare delegated(struct desk *d, const struct gtid *gtid)
{
    desk_submit(d, CLIENT, gtid, "pay", "bank-a", NULL);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_written(d);
    return desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
}

static void test_alone(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare p = delegated(d, &gtid);
    tell_of(d, PEER_A, &gtid, p.attempt, 0, OUTCOME_COMMITTED, HEURISTIC_ROLLBACK);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_true(d->write.open);
    assert_int_equal(d->record.mixed, 0); // it differs from nothing
    assert_int_equal(d->record.branches[0].heuristic, HEURISTIC_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.reason, REASON_MANAGER);
    desk_quiet(d);
    desk_written(d);
    expect_noted(d, PEER_A, 0);
    gtid = desk_gtid(d);
    p = delegated(d, &gtid);
    tell_of(d, PEER_A, &gtid, p.attempt, 0, OUTCOME_COMMITTED, HEURISTIC_HAZARD);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->record.mixed, 1);
    assert_int_equal(d->record.branches[0].outcome, OUTCOME_UNKNOWN);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    assert_int_equal(d->msg.u.result.mixed, MIXED_BY_MANAGER);
}

// It was presumed aborted, so there is no record: now there is one, by the participant's word
// alone.
static void test_presumed(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL);
    uint64_t attempt = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare.attempt;
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_restart(d, NULL, 0);
    desk_hello(d, CLIENT, ROLE_CLIENT, "app");
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    tell_of(d, PEER_A, &gtid, attempt, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, NULL, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_true(d->write.open);
    assert_int_equal(d->record.mixed, 1);
    assert_int_equal(d->record.reason, REASON_PRESUMED);
    assert_int_equal(d->record.branch_count, 1);
    struct desk_kept kept;
    desk_keep(d, &kept);
    tell_of(d, PEER_B, &gtid, attempt, 1, OUTCOME_ABORTED, HEURISTIC_ROLLBACK); // one at a time
    desk_quiet(d);
    desk_order(d, OPERATOR_FORGET, &gtid); // it would be written over
    desk_found(d, &kept.record, 0);
    desk_expect_answer(d, ASSENT_BUSY);
    desk_quiet(d);
    desk_written(d);
    expect_noted(d, PEER_A, 0);
    tell_of(d, PEER_B, &gtid, attempt, 1, OUTCOME_ABORTED, HEURISTIC_ROLLBACK);
    desk_found(d, &kept.record, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_int_equal(d->record.branch_count, 2);
    assert_int_equal(d->record.branches[0].heuristic, HEURISTIC_COMMIT);
    assert_int_equal(d->record.branches[1].heuristic, HEURISTIC_ROLLBACK);
    desk_written(d);
    expect_noted(d, PEER_B, 1);
    desk_ask(d, CLIENT, MSG_STATUS, &gtid); // nobody's record is told to anybody, like its silence
    desk_found(d, &kept.record, 0);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.mixed, MIXED_BY_MANAGER);
    buf_free(&kept.bytes);
}

// What was done in an earlier run of the gtid stands beside the branches of the one on record.
static void test_earlier_run(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_own("order-7");
    const struct record_branch branches[] = {
        {.branch = 0, .kind = BRANCH_CALL, .vote = VOTE_NO, .resource = slice_text("bank-b")},
    };
    struct tx_record record = {
        .gtid = gtid,
        .attempt = (UINT64_C(1) << ATTEMPT_COUNTER_BITS) + 9,
        .protocol = PROTOCOL_2PC,
        .stage = STAGE_ENDED,
        .outcome = OUTCOME_ABORTED,
        .reason_branch = BRANCH_NONE,
        .owner = slice_text("alice"),
        .branch_count = 1,
        .branches = branches,
    };
    desk_restart(d, NULL, 0);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    tell_of(d, PEER_A, &gtid, record.attempt - 4, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, &record, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_int_equal(d->record.branch_count, 2);
    assert_int_equal(d->record.mixed, 1);
    assert_int_equal(d->record.branches[0].heuristic, 0);
    assert_true(record_branch_earlier(&d->record.branches[1]));
    assert_int_equal(d->record.branches[1].branch, LIMIT_BRANCHES - 1);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_written(d);
    expect_noted(d, PEER_A, 0);
    tell_of(d, PEER_A, &gtid, record.attempt - 4, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, &kept.record, 0);
    expect_noted(d, PEER_A, 0);
    // Another's branch of the run on record, and a run that never was.
    tell_of(d, PEER_A, &gtid, record.attempt, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, &kept.record, 0);
    desk_quiet(d);
    tell_of(d, PEER_A, &gtid, UINT64_MAX, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, &kept.record, 0);
    desk_quiet(d);
    buf_free(&kept.bytes);
}

// It decides, so there is nobody else who could have decided what it says that it has forgotten.
static void test_alone_and_forgotten(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare p = delegated(d, &gtid);
    const struct msg_decide what = {.gtid = gtid, .attempt = p.attempt};
    desk_finish(d, PEER_A, &what, OUTCOME_COMMITTED, DONE_FORGOTTEN);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static uint64_t spoofed(const struct desk *d)
{
    struct coordinator_stats stats;
    coordinator_stats(d->c, &stats);
    return stats.spoofed;
}

// Business has no resource manager, and its records no place for what one did by itself.
static void test_of_business(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_own("order-3");
    const struct msg_branch call = {
        .kind = BRANCH_CALL, .resource = slice_text("bank-a"), .payload = slice_text("reserve")};
    desk_submit_as(d, CLIENT, &gtid, (struct msg_submit){.protocol = PROTOCOL_TCC}, &call, 1);
    desk_found(d, NULL, 0);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    struct msg_prepare p = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &p, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    struct msg_decide confirm = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    uint64_t before = spoofed(d);
    tell(d, PEER_A, &confirm, OUTCOME_COMMITTED, HEURISTIC_ROLLBACK);
    desk_quiet(d);
    desk_finish(d, PEER_A, &confirm, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    struct desk_kept ended;
    desk_keep(d, &ended);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_STANDING);
    tell_of(d, PEER_B, &gtid, 1, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT); // of any run, by anybody
    desk_found(d, &ended.record, 0);
    desk_quiet(d);
    assert_int_equal(spoofed(d), before + 2);
    buf_free(&ended.bytes);
}

// A record under it would stand when the transaction is to be decided.
static void test_a_gtid_that_may_yet_begin(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    tell_of(d, PEER_A, &gtid, 1, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, NULL, 0);
    desk_quiet(d);
    struct msg_decide a, b;
    committing(d, &gtid, &a, &b);
}

// A gtid of the coordinator's own runs once: nobody can have been in an earlier run of it.
static void test_no_earlier_run_of_its_own(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide a, b;
    committing(d, &gtid, &a, &b);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    struct desk_kept ended;
    desk_keep(d, &ended);
    desk_written(d);
    tell_of(d, PEER_A, &gtid, 1, 0, OUTCOME_ABORTED, HEURISTIC_COMMIT);
    desk_found(d, &ended.record, 0);
    desk_quiet(d);
    buf_free(&ended.bytes);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_otherwise_than_decided),
        T(test_as_decided),
        T(test_neither),
        T(test_alone),
        T(test_presumed),
        T(test_earlier_run),
        T(test_alone_and_forgotten),
        T(test_of_business),
        T(test_a_gtid_that_may_yet_begin),
        T(test_no_earlier_run_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
