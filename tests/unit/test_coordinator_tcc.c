// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: try, confirm, cancel.
#include "desk.h"

static const struct msg_submit tcc = {.protocol = PROTOCOL_TCC};

static struct msg_branch call(const char *resource)
{
    return (struct msg_branch){
        .kind = BRANCH_CALL, .resource = slice_text(resource), .payload = slice_text("reserve 5")};
}

static struct msg_branch enlisted(const char *resource)
{
    return (struct msg_branch){.kind = BRANCH_ENLISTED, .resource = slice_text(resource)};
}

static void enlist_with(struct desk *d, const struct gtid *gtid, unsigned branch,
                        const char *resource, const char *payload)
{
    struct msg msg = {.type = MSG_ENLIST,
                      .u.enlist = {.gtid = *gtid,
                                   .protocol = PROTOCOL_TCC,
                                   .branch = (uint16_t)branch,
                                   .resource = slice_text(resource),
                                   .payload = slice_text(payload)}};
    desk_receive(d, CLIENT, "alice", &msg);
}

static void enlist(struct desk *d, const struct gtid *gtid, unsigned branch, const char *resource)
{
    enlist_with(d, gtid, branch, resource, "seat 4");
}

// What is confirmed is what the first one brought, so nobody is told that it is something else.
static void test_enlisted_again_with_other_content(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    enlist(d, &gtid, 0, "bank-a");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    desk_expect(d, CLIENT, MSG_ENLISTED);
    enlist_with(d, &gtid, 0, "bank-a", "seat 5");
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    desk_quiet(d);
    enlist(d, &gtid, 0, "bank-a");
    desk_expect(d, CLIENT, MSG_ENLISTED);
}

static void test_confirm(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch calls[] = {call("bank-a"), call("bank-b")};
    desk_submit_as(d, CLIENT, &gtid, tcc, calls, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_quiet(d);
    desk_written(d);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(a.protocol, PROTOCOL_TCC);
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_vote(d, PEER_B, &b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_true(slice_equal(d->write.tx->branches[0].payload, slice_text("reserve 5")));
    desk_written(d);
    struct msg_decide confirm = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    assert_int_equal(confirm.flags, DECIDE_CONTENT);
    assert_true(slice_equal(confirm.payload, slice_text("reserve 5")));
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static void test_one_branch_does_not_decide_for_itself(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch calls[] = {call("bank-a")};
    desk_submit_as(d, CLIENT, &gtid, tcc, calls, 1);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    assert_int_equal(desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare.flags, 0);
    desk_quiet(d);
}

static void test_unknown_try_is_cancelled(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch calls[] = {call("bank-a"), call("bank-b")};
    desk_submit_as(d, CLIENT, &gtid, tcc, calls, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_PREPARE);
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_B, &b, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    buf_free(&kept.bytes);
    desk_keep(d, &kept);
    desk_written(d);
    assert_int_equal(desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide.branch, 0);
    assert_int_equal(desk_expect(d, PEER_B, MSG_ROLLBACK)->u.decide.branch, 1); // a no, too
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_quiet(d);

    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_decide cancel = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_true(slice_equal(cancel.payload, slice_text("reserve 5")));
    desk_finish(d, PEER_A, &cancel, OUTCOME_ABORTED, 0);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    cancel = desk_expect(d, PEER_B, MSG_ROLLBACK)->u.decide;
    desk_finish(d, PEER_B, &cancel, OUTCOME_ABORTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    buf_free(&kept.bytes);
}

static void test_crash_in_phase_one_goes_on(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch calls[] = {call("bank-a"), call("bank-b")};
    struct msg_submit timed = tcc;
    timed.timeout_ms = 1000;
    desk_submit_as(d, CLIENT, &gtid, timed, calls, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_YES);
    // The application asks again, with the same content: it waits for the outcome.
    desk_hello(d, CLIENT, ROLE_CLIENT, "app");
    desk_submit_as(d, CLIENT, &gtid, tcc, calls, 2);
    desk_quiet(d);
    desk_pass(d, 1000); // bank-b never came
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    buf_free(&kept.bytes);
}

static void test_enlisted_means_durable(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    enlist(d, &gtid, 0, "bank-a");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    assert_false(d->write.tx->submitted);
    token_t first = d->write.token;
    enlist(d, &gtid, 1, "bank-b"); // while that is on its way to the disk
    desk_quiet(d);
    d->write.token = first;
    desk_written(d);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    assert_int_equal(d->write.tx->branch_count, 2);
    desk_quiet(d);
    desk_written(d);
    assert_int_equal(desk_expect(d, CLIENT, MSG_ENLISTED)->u.enlisted.branch, 0);
    assert_int_equal(desk_expect(d, CLIENT, MSG_ENLISTED)->u.enlisted.branch, 1);
    enlist(d, &gtid, 1, "bank-b"); // known, and durable
    desk_expect(d, CLIENT, MSG_ENLISTED);

    // The application is done, and adds a call: that has to be durable, too.
    const struct msg_branch all[] = {enlisted("bank-a"), enlisted("bank-b"), call("bank-a")};
    desk_submit_as(d, CLIENT, &gtid, tcc, all, 3);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    assert_true(d->write.tx->submitted);
    desk_quiet(d);
    desk_written(d);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    assert_int_equal(a.kind, BRANCH_ENLISTED);
    assert_true(slice_equal(a.payload, slice_text("seat 4")));
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_quiet(d);
}

static void test_application_vanishes(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    enlist(d, &gtid, 0, "bank-a");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_written(d);
    desk_expect(d, CLIENT, MSG_ENLISTED);
    desk_pass(d, d->config.timeout_default_ms / 2);
    desk_restart(d, &kept.record, 1); // half of its time is over
    desk_pass(d, d->config.timeout_default_ms / 2);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_int_equal(d->write.tx->reason, REASON_TIMEOUT);
    desk_written(d);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_decide cancel = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_true(slice_equal(cancel.payload, slice_text("seat 4")));
    assert_int_equal(cancel.kind, BRANCH_ENLISTED);
    buf_free(&kept.bytes);
}

static void test_cancelled_while_it_is_admitted(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    enlist(d, &gtid, 0, "bank-a");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_ask(d, CLIENT, MSG_CANCEL, &gtid);
    desk_quiet(d);
    desk_written(d);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    // The application may have worked there, for all that is known.
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_expect_refused(d, CLIENT, ASSENT_STATE); // the ENLIST
}

static void test_protocols_do_not_mix(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_enlist(d, &gtid, 0, "bank-a"); // two-phase commit
    desk_expect(d, CLIENT, MSG_ENLISTED);
    enlist(d, &gtid, 1, "bank-b");
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    const struct msg_branch all[] = {enlisted("bank-a")};
    desk_submit_as(d, CLIENT, &gtid, tcc, all, 1);
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
}

static void test_may_be_forgotten(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch calls[] = {call("bank-a")};
    desk_submit_as(d, CLIENT, &gtid, tcc, calls, 1);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    struct msg_decide confirm = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    struct msg inquire = {.type = MSG_INQUIRE,
                          .u.inquire = {.gtid = gtid,
                                        .attempt = a.attempt,
                                        .coordinator = d->config.id,
                                        .prepared = INQUIRE_FINISHED}};
    desk_receive(d, PEER_A, "alice", &inquire);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_NONE); // not yet
    desk_finish(d, PEER_A, &confirm, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_receive(d, PEER_A, "alice", &inquire);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_NONE); // the end is not durable
    desk_written(d);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_COMMITTED);
    desk_receive(d, PEER_A, "alice", &inquire); // it did not hear that
    desk_found(d, &kept.record, 0);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_COMMITTED);
    desk_receive(d, PEER_A, "alice", &inquire); // nor that, for a very long time
    desk_found(d, NULL, 0);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_not_equal(d->msg.u.standing.outcome, OUTCOME_NONE);
    buf_free(&kept.bytes);
}

// ---- nested branches ----

static void extend(struct desk *d, const struct msg_prepare *parent, unsigned index,
                   enum branch_kind kind, const char *resource)
{
    struct msg msg = {.type = MSG_EXTEND,
                      .u.extend = {.gtid = parent->gtid,
                                   .attempt = parent->attempt,
                                   .branch = parent->branch,
                                   .index = (uint16_t)index,
                                   .kind = (uint8_t)kind,
                                   .resource = slice_text(resource),
                                   .payload = slice_text("nested")}};
    desk_receive(d, PEER_A, "alice", &msg);
}

static struct msg_prepare begin_one(struct desk *d, const struct gtid *gtid)
{
    const struct msg_branch calls[] = {call("bank-a")};
    desk_submit_as(d, CLIENT, gtid, tcc, calls, 1);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    return desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
}

static void test_nested_call(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare a = begin_one(d, &gtid);
    extend(d, &a, 0, BRANCH_CALL, "bank-b");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    assert_int_equal(d->write.tx->branches[1].asked, ASKED_NESTED);
    desk_quiet(d); // neither asked for nor answered before it is durable
    token_t writing = d->write.token;
    extend(d, &a, 0, BRANCH_CALL, "bank-b"); // again, meanwhile
    desk_quiet(d);
    d->write.token = writing;
    desk_written(d);
    desk_expect(d, PEER_A, MSG_EXTENDED);
    assert_int_equal(d->msg.u.extended.number, 1);
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_true(slice_equal(b.payload, slice_text("nested")));
    extend(d, &a, 0, BRANCH_CALL, "bank-b"); // the same is the same branch
    desk_expect(d, PEER_A, MSG_EXTENDED);
    assert_int_equal(d->msg.u.extended.number, 1);
    extend(d, &a, 0, BRANCH_CALL, "bank-a"); // and no other
    desk_expect(d, PEER_A, MSG_EXTENDED);
    assert_int_equal(d->msg.u.extended.code, ASSENT_CONFLICT);
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_quiet(d); // the nested one has not voted
    extend(d, &a, 1, BRANCH_CALL, "bank-b");
    desk_expect(d, PEER_A, MSG_EXTENDED);
    assert_int_equal(d->msg.u.extended.code, ASSENT_STATE); // its try is over
    desk_vote(d, PEER_B, &b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_COMMIT);
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

// Nobody keeps the fence of a participant that is in it only later from passing what was asked of
// the others.
static void test_nested_is_not_behind_the_fence(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare a = begin_one(d, &gtid);
    struct frame_header header;
    coordinator_header(d->c, PEER_B, &header);
    extend(d, &a, 0, BRANCH_CALL, "bank-b");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_EXTENDED);
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_true(b.attempt >= header.fence);
    coordinator_header(d->c, PEER_B, &header);
    assert_int_equal(header.fence, b.attempt);
}

static void test_nested_enlisted(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare a = begin_one(d, &gtid);
    extend(d, &a, 3, BRANCH_ENLISTED, "bank-b");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_EXTENDED);
    desk_quiet(d); // the parent is at work there
    desk_vote(d, PEER_A, &a, VOTE_YES);
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_B, &b, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
}

static void test_nested_and_crashed(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare a = begin_one(d, &gtid);
    extend(d, &a, 0, BRANCH_CALL, "bank-b");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(b.branch, 1);
    extend(d, &a, 0, BRANCH_CALL, "bank-b"); // the try runs again, and asks again
    desk_expect(d, PEER_A, MSG_EXTENDED);
    assert_int_equal(d->msg.u.extended.number, 1);
    desk_quiet(d);
    buf_free(&kept.bytes);
}

static void test_no_while_a_nested_one_is_admitted(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_prepare a = begin_one(d, &gtid);
    extend(d, &a, 0, BRANCH_CALL, "bank-b");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    token_t writing = d->write.token;
    desk_vote(d, PEER_A, &a, VOTE_NO);
    desk_quiet(d);                      // what is being written has to be written first
    desk_vote(d, PEER_A, &a, VOTE_YES); // a late copy had it acted on: that changes nothing
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_quiet(d);
    d->write.token = writing;
    desk_written(d);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK); // and nothing to bank-b, which was never asked
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_quiet(d);
}

// The same, and who said no is asked by a late copy, and says yes.
static void test_yes_after_a_no_while_a_nested_one_is_admitted(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch calls[] = {call("bank-a"), call("bank-b")};
    desk_submit_as(d, CLIENT, &gtid, tcc, calls, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    desk_written(d);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    extend(d, &a, 0, BRANCH_CALL, "bank-b");
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    token_t writing = d->write.token;
    desk_vote(d, PEER_B, &b, VOTE_NO);
    desk_vote(d, PEER_B, &b, VOTE_YES);
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_quiet(d);
    d->write.token = writing;
    desk_written(d);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect(d, PEER_B, MSG_ROLLBACK); // the try, which may have been made
}

// A late copy had the try run, when all has ended. It must not wait for ever.
static void test_nested_in_nothing(void **state)
{
    struct desk *d = *state;
    const struct msg_prepare late = {.gtid = desk_gtid(d), .attempt = 7};
    extend(d, &late, 0, BRANCH_CALL, "bank-b");
    desk_expect(d, PEER_A, MSG_EXTENDED);
    assert_int_equal(d->msg.u.extended.code, ASSENT_STATE);
    assert_int_equal(d->msg.u.extended.attempt, 7);
    desk_quiet(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_confirm, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_one_branch_does_not_decide_for_itself, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_unknown_try_is_cancelled, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_crash_in_phase_one_goes_on, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_enlisted_means_durable, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_enlisted_again_with_other_content, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_application_vanishes, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_cancelled_while_it_is_admitted, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_protocols_do_not_mix, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_may_be_forgotten, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_nested_call, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_nested_is_not_behind_the_fence, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_nested_enlisted, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_yes_after_a_no_while_a_nested_one_is_admitted,
                                        desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_nested_in_nothing, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_nested_and_crashed, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_no_while_a_nested_one_is_admitted, desk_setup,
                                        desk_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
