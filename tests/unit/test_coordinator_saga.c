// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: sagas.
#include "desk.h"

static const struct msg_submit saga = {.protocol = PROTOCOL_SAGA};
static const struct msg_submit accepted = {.protocol = PROTOCOL_SAGA, .flags = SUBMIT_ACCEPT};

static struct msg_branch step(const char *resource, const char *payload, struct branch_plan plan)
{
    return (struct msg_branch){.kind = BRANCH_STEP,
                               .resource = slice_text(resource),
                               .payload = slice_text(payload),
                               .plan = plan};
}

static const struct branch_plan first = {0};
static const struct branch_plan second = {.after = 1};

#define SEQUENCE step("bank-a", "book", first), step("bank-b", "pay", second)

static uint64_t in_memory(const struct desk *d)
{
    struct coordinator_stats stats;
    coordinator_stats(d->c, &stats);
    return stats.transactions;
}

// Submits and admits it. The step that is asked first is left to be looked at.
static void begin(struct desk *d, const struct gtid *gtid, const struct msg_branch *steps,
                  size_t count)
{
    desk_submit_as(d, CLIENT, gtid, saga, steps, count);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    assert_true(d->write.open && !d->write.decide);
    desk_quiet(d); // nothing is asked for before it is durable
    desk_written(d);
}

// The first step is done, the second is not, and that is decided and told. Returns what is sent to
// the second, which may have been done all the same.
static struct msg_decide give_up(struct desk *d, const struct gtid *gtid,
                                 const struct msg_branch *steps)
{
    begin(d, gtid, steps, 2);
    struct msg_prepare first_step = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &first_step, VOTE_YES);
    struct msg_prepare second_step = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_B, &second_step, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    struct msg_decide undo = desk_expect(d, PEER_B, MSG_ROLLBACK)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    return undo;
}

static void expect_ended(struct desk *d, enum outcome outcome)
{
    desk_expect_write(d, STAGE_ENDED, outcome, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, outcome);
    desk_expect(d, PEER_B, MSG_STANDING);
    desk_quiet(d);
    assert_int_equal(in_memory(d), 0);
}

static void test_forward(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE};
    begin(d, &gtid, steps, 2);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    assert_int_equal(book.flags, 0);
    assert_true(slice_equal(book.payload, slice_text("book")));
    assert_int_equal(book.inputs.size, 0);
    desk_quiet(d);

    desk_vote_text(d, PEER_A, &book, VOTE_YES, "room 12");
    struct msg_prepare pay = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_true(pay.attempt > book.attempt);
    struct step_input input;
    assert_true(step_input_next(&pay.inputs, &input));
    assert_int_equal(input.branch, 0);
    assert_true(slice_equal(input.result, slice_text("room 12")));
    desk_vote_text(d, PEER_A, &book, VOTE_NO, "twice"); // an answer that comes again
    desk_quiet(d);

    desk_vote(d, PEER_B, &pay, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_true(d->write.decide);
    desk_quiet(d);
    desk_written(d);
    struct msg_decide a = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    struct msg_decide b = desk_expect(d, PEER_B, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_finish(d, PEER_A, &a, OUTCOME_COMMITTED, 0);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, 0);
    expect_ended(d, OUTCOME_COMMITTED);
}

static void test_compensated_in_reverse(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE,
                                       step("bank-a", "mail", (struct branch_plan){.after = 2})};
    begin(d, &gtid, steps, 3);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote_text(d, PEER_A, &book, VOTE_YES, "room 12");
    struct msg_prepare pay = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_B, &pay, VOTE_YES);
    struct msg_prepare mail = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &mail, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false); // though the gtid is ours
    desk_quiet(d);
    desk_written(d);

    // A no is not remembered, and may have been taken back by a late copy of what was asked.
    struct msg_decide undo_mail = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_int_equal(undo_mail.branch, 2);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.branch, 2);
    desk_quiet(d); // the payment waits for it
    desk_finish(d, PEER_A, &undo_mail, OUTCOME_ABORTED, 0);
    struct msg_decide undo_pay = desk_expect(d, PEER_B, MSG_ROLLBACK)->u.decide;
    assert_int_equal(undo_pay.flags, DECIDE_CONTENT);
    assert_true(slice_equal(undo_pay.payload, slice_text("pay")));
    desk_quiet(d); // the booking waits for it
    desk_finish(d, PEER_B, &undo_pay, OUTCOME_ABORTED, 0);
    struct msg_decide undo_book = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_int_equal(undo_book.branch, 0);
    assert_true(slice_equal(undo_book.result, slice_text("room 12")));
    desk_finish(d, PEER_A, &undo_book, OUTCOME_ABORTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_int_equal(d->write.tx->branches[0].payload.size, 0); // needed no longer
}

static void test_unknown_outcome_is_compensated_too(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {
        step("bank-a", "book", (struct branch_plan){.attempts = 1, .timeout_ms = 200})};
    begin(d, &gtid, steps, 1);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    assert_int_equal(book.timeout_ms, 200);
    desk_pass(d, 200);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_true(d->write.tx->branches[0].asked);
    desk_written(d);
    struct msg_decide undo = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_true(undo.attempt == book.attempt);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_vote(d, PEER_A, &book, VOTE_YES); // too late
    desk_quiet(d);
}

static void test_retries(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {
        step("bank-a", "book",
             (struct branch_plan){.attempts = 3, .backoff_ms = 100, .backoff_max_ms = 150})};
    begin(d, &gtid, steps, 1);
    uint64_t attempt = 0;
    for (int i = 0; i < 3; i++) {
        struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
        assert_true(book.attempt > attempt); // each its own, so that answers are never mixed up
        attempt = book.attempt;
        desk_vote_text(d, PEER_A, &book, VOTE_RETRY, "no connection");
        if (i < 2) {
            desk_quiet(d);
            struct tx_view view;
            assert_true(coordinator_view(d->c, &gtid, &view));
            assert_int_equal(view.branches[0].state, BRANCH_PAUSED);
            assert_int_equal(view.branches[0].failures, i + 1);
            assert_true(slice_equal(view.branches[0].trouble, slice_text("no connection")));
            desk_pass(d, 190);
        }
    }
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_true(
        slice_equal(d->write.tx->reason_text, slice_text("step 0 failed 3 times: no connection")));
}

static void test_a_long_reason_is_cut(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {step("bank-a", "book", (struct branch_plan){.attempts = 1})};
    begin(d, &gtid, steps, 1);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    char longest[LIMIT_REASON_BYTES + 1] = {0};
    memset(longest, 'x', LIMIT_REASON_BYTES);
    desk_vote_text(d, PEER_A, &book, VOTE_RETRY, longest);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    static const char begins[] = "step 0 failed 1 times: xxx";
    assert_int_equal(kept.record.reason_text.size, LIMIT_REASON_BYTES);
    assert_memory_equal(kept.record.reason_text.data, begins, sizeof begins - 1);
    buf_free(&kept.bytes);
}

static void test_operator_retries(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {step(
        "bank-a", "book", (struct branch_plan){.backoff_ms = 3600000, .backoff_max_ms = 3600000})};
    begin(d, &gtid, steps, 1);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote_text(d, PEER_A, &book, VOTE_RETRY, "no connection");
    desk_quiet(d);
    desk_order(d, OPERATOR_RETRY, &gtid);
    assert_true(desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare.attempt > book.attempt);
    desk_expect_answer(d, ASSENT_OK);
}

static void test_operator_does_not_retry_what_goes_back(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {
        step("bank-a", "book", (struct branch_plan){.attempts = 1}),
        step("bank-b", "pay", second),
    };
    begin(d, &gtid, steps, 2);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote_text(d, PEER_A, &book, VOTE_RETRY, "no connection");
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_order(d, OPERATOR_RETRY, &gtid);
    desk_expect_answer(d, ASSENT_OK);
    desk_quiet(d); // the step is not asked for any more, while that is written
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
}

static void test_an_order_waits_for_its_record(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE};
    struct msg_decide undo = give_up(d, &gtid, steps);
    desk_order(d, OPERATOR_COMMIT, &gtid);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_int_equal(d->write.tx->heuristic.forced, OUTCOME_COMMITTED);
    // Its turn has come, and a crash now would leave no trace of the order.
    desk_finish(d, PEER_B, &undo, OUTCOME_ABORTED, 0);
    undo = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_int_equal(undo.flags & DECIDE_HEURISTIC, 0);
    desk_quiet(d);
    desk_written(d);
    struct msg_decide force = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    assert_int_equal(force.flags & DECIDE_HEURISTIC, DECIDE_HEURISTIC);
    desk_expect_answer(d, ASSENT_OK);
}

static void test_pivot(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    // 0 and 1 side by side, the pivot 2 after 0, then 3.
    const struct msg_branch steps[] = {
        step("bank-a", "book", first),
        step("bank-b", "reserve", first),
        step("bank-a", "pay", (struct branch_plan){.after = 1, .flags = STEP_PIVOT}),
        step("bank-b", "ship", (struct branch_plan){.after = 4, .attempts = 1}),
    };
    begin(d, &gtid, steps, 4);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare reserve = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &book, VOTE_YES);
    desk_quiet(d); // what does not come after the pivot comes before it
    desk_vote(d, PEER_B, &reserve, VOTE_YES);
    struct msg_prepare pay = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &pay, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    struct msg_decide close[3];
    close[0] = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    close[1] = desk_expect(d, PEER_B, MSG_COMMIT)->u.decide;
    close[2] = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    struct msg_prepare ship = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(ship.flags, PREPARE_ONE_PHASE);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    for (int i = 0; i < 3; i++)
        desk_finish(d, i == 1 ? PEER_B : PEER_A, &close[i], OUTCOME_COMMITTED, 0);
    desk_quiet(d);
    // Nothing leads back: a no is a try that failed, and the limit of tries is none.
    desk_vote(d, PEER_B, &ship, VOTE_NO);
    desk_quiet(d);
    desk_pass(d, 2000);
    ship = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_B, &ship, VOTE_YES); // it was asked for more than a promise
    desk_quiet(d);
    desk_did(d, PEER_B, &ship, "parcel 9");
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_true(slice_equal(d->write.tx->branches[3].result, slice_text("parcel 9")));
}

static void test_kept(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {
        step("bank-a", "mail", (struct branch_plan){.flags = STEP_KEPT}),
        step("bank-b", "pay", second)};
    struct msg_decide undo = give_up(d, &gtid, steps);
    desk_finish(d, PEER_B, &undo, OUTCOME_ABORTED, 0);
    struct msg_decide close = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_finish(d, PEER_A, &close, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_false(d->write.tx->mixed); // it is what was asked for
}

static void test_accepted_means_durable(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE};
    desk_submit_as(d, CLIENT, &gtid, accepted, steps, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_quiet(d);
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_NONE);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_submit_as(d, CLIENT, &gtid, accepted, steps, 2); // again: at once
    desk_expect_result(d, CLIENT, OUTCOME_NONE);
    desk_submit_as(d, CLIENT, &gtid, saga, steps, 2); // and waiting for the outcome
    desk_quiet(d);
    const struct msg_branch other[] = {
        step("bank-a", "book", first),
        step("bank-b", "pay", (struct branch_plan){.after = 1, .attempts = 1})};
    desk_submit_as(d, CLIENT, &gtid, saga, other, 2);
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    desk_vote(d, PEER_A, &book, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    struct msg_decide undo = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_finish(d, PEER_A, &undo, OUTCOME_ABORTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
}

static void test_crash_while_going_forward(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE};
    desk_submit_as(d, CLIENT, &gtid, saga, steps, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_written(d);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote_text(d, PEER_A, &book, VOTE_YES, "room 12");
    desk_expect(d, PEER_B, MSG_PREPARE);

    desk_restart(d, &kept.record, 1);
    desk_quiet(d);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_prepare again = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    assert_true(again.attempt > book.attempt);
    assert_true(slice_equal(again.payload, slice_text("book")));
    desk_vote_text(d, PEER_A, &book, VOTE_YES, "room 12"); // to the run that is over
    desk_quiet(d);
    desk_vote_text(d, PEER_A, &again, VOTE_YES, "room 12");
    desk_quiet(d); // bank-b is not there
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    struct msg_prepare pay = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_true(pay.inputs.size > 0);
    desk_vote(d, PEER_B, &pay, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    buf_free(&kept.bytes);
}

static void test_crash_while_compensating(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE,
                                       step("bank-a", "mail", (struct branch_plan){.after = 2})};
    begin(d, &gtid, steps, 3);
    struct msg_prepare book = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote_text(d, PEER_A, &book, VOTE_YES, "room 12");
    struct msg_prepare pay = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_B, &pay, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    struct desk_kept kept;
    desk_keep(d, &kept);

    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_quiet(d); // the mail was never asked for, and the booking waits for the payment
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    struct msg_decide undo = desk_expect(d, PEER_B, MSG_ROLLBACK)->u.decide;
    desk_finish(d, PEER_B, &undo, OUTCOME_ABORTED, 0);
    undo = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_int_equal(undo.branch, 0);
    assert_true(undo.attempt > book.attempt);
    assert_true(slice_equal(undo.result, slice_text("room 12")));
    desk_quiet(d);
    desk_finish(d, PEER_A, &undo, OUTCOME_ABORTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    buf_free(&kept.bytes);
}

static void test_cancel_and_time(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch steps[] = {SEQUENCE};
    desk_submit_as(d, CLIENT, &gtid, accepted, steps, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_ask(d, CLIENT, MSG_CANCEL, &gtid); // while the admission is on its way to the disk
    desk_quiet(d);
    desk_written(d);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);

    gtid = desk_gtid(d);
    struct msg_submit timed = saga;
    timed.timeout_ms = 700;
    desk_submit_as(d, CLIENT, &gtid, timed, steps, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_pass(d, 300);
    desk_expect(d, PEER_A, MSG_PREPARE); // again
    desk_pass(d, 400);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_int_equal(d->write.tx->reason, REASON_TIMEOUT);
}

static void test_unsound_plans_are_refused(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch circle[] = {step("bank-a", "", second), step("bank-b", "", second)};
    desk_submit_as(d, CLIENT, &gtid, saga, circle, 2);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
    const struct msg_branch beyond[] = {step("bank-a", "", (struct branch_plan){.after = 4})};
    desk_submit_as(d, CLIENT, &gtid, saga, beyond, 1);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
    const struct branch_plan pivot = {.flags = STEP_PIVOT};
    const struct msg_branch pivots[] = {step("bank-a", "", pivot), step("bank-b", "", pivot)};
    desk_submit_as(d, CLIENT, &gtid, saga, pivots, 2);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
    static char half[LIMIT_ADMITTED_BYTES / 2 + 2];
    memset(half, 'x', sizeof half - 1);
    const struct msg_branch large[] = {step("bank-a", half, first), step("bank-b", half, second)};
    desk_submit_as(d, CLIENT, &gtid, saga, large, 2);
    desk_expect_refused(d, CLIENT, ASSENT_LIMIT);
    assert_int_equal(in_memory(d), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_forward, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_compensated_in_reverse, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_outcome_is_compensated_too, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_retries, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_a_long_reason_is_cut, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_operator_retries, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_operator_does_not_retry_what_goes_back, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_an_order_waits_for_its_record, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_pivot, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_kept, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_accepted_means_durable, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_crash_while_going_forward, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_crash_while_compensating, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_cancel_and_time, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_unsound_plans_are_refused, desk_setup, desk_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
