// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: transactional messages.
#include "desk.h"

static const struct msg_submit held = {.protocol = PROTOCOL_MESSAGE, .flags = SUBMIT_HOLD};
static const struct msg_submit sent = {.protocol = PROTOCOL_MESSAGE};

static struct msg_branch sender(void)
{
    return (struct msg_branch){.kind = BRANCH_SENDER, .resource = slice_text("bank-a")};
}

static struct msg_branch consumer(uint32_t delay_ms)
{
    return (struct msg_branch){.kind = BRANCH_CONSUMER,
                               .resource = slice_text("bank-b"),
                               .payload = slice_text("paid 5"),
                               .plan = {.delay_ms = delay_ms}};
}

// Prepared, and durable.
static struct gtid prepare(struct desk *d, const struct msg_branch *branches, size_t count)
{
    struct gtid gtid = desk_gtid(d);
    desk_submit_as(d, CLIENT, &gtid, held, branches, count);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    assert_false(d->write.tx->submitted);
    desk_quiet(d);
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_NONE);
    desk_quiet(d);
    return gtid;
}

static void test_prepared_then_sent(void **state)
{
    struct desk *d = *state;
    const struct msg_branch branches[] = {sender(), consumer(0)};
    struct gtid gtid = prepare(d, branches, 2);
    desk_submit_as(d, CLIENT, &gtid, held, branches, 2); // twice
    desk_expect_result(d, CLIENT, OUTCOME_NONE);
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 2);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_quiet(d);
    desk_written(d);
    struct msg_prepare deliver = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(deliver.flags, PREPARE_ONE_PHASE);
    assert_true(slice_equal(deliver.payload, slice_text("paid 5")));
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_vote_text(d, PEER_B, &deliver, VOTE_RETRY, "full");
    desk_quiet(d);
    desk_pass(d, 1000);
    deliver = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_did(d, PEER_B, &deliver, "");
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_STANDING);
    desk_expect(d, PEER_B, MSG_STANDING);
    desk_quiet(d);
}

static void test_sent_at_once_costs_one_record(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch branches[] = {sender(), consumer(0)};
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 2);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static struct msg_prepare check_back(struct desk *d)
{
    desk_pass(d, d->config.check_back_ms);
    struct msg_prepare check = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    assert_int_equal(check.kind, BRANCH_SENDER);
    desk_quiet(d);
    return check;
}

static void test_checked_back(void **state)
{
    struct desk *d = *state;
    const struct msg_branch branches[] = {sender(), consumer(0)};
    prepare(d, branches, 2);
    struct msg_prepare check = check_back(d);
    desk_vote(d, PEER_A, &check, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    struct msg_prepare deliver = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_did(d, PEER_B, &deliver, "");
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);

    struct gtid gtid = prepare(d, branches, 2);
    check = check_back(d);
    desk_vote_text(d, PEER_A, &check, VOTE_RETRY, "the database is down");
    desk_quiet(d); // nothing is guessed
    desk_pass(d, 1000);
    check = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &check, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_true(gtid_equal(&d->write.tx->gtid, &gtid));
    desk_written(d);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false); // nobody is owed anything
}

static void test_sent_while_the_sender_is_asked(void **state)
{
    struct desk *d = *state;
    const struct msg_branch branches[] = {sender(), consumer(0)};
    struct gtid gtid = prepare(d, branches, 2);
    struct msg_prepare check = check_back(d);
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 2);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_vote(d, PEER_A, &check, VOTE_YES);
    desk_quiet(d);
    desk_written(d);
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static void test_crash_while_held(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch branches[] = {sender(), consumer(0)};
    desk_submit_as(d, CLIENT, &gtid, held, branches, 2);
    desk_expect_write(d, STAGE_ADMITTED, OUTCOME_NONE, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_quiet(d);
    check_back(d);
    buf_free(&kept.bytes);
}

static void test_crash_while_delivering(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    const struct msg_branch branches[] = {sender(), consumer(0), consumer(8000)};
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 3);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    struct desk_kept kept;
    desk_keep(d, &kept);
    desk_pass(d, 2000);
    desk_restart(d, &kept.record, 1);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    struct msg_prepare now = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_did(d, PEER_B, &now, "");
    desk_quiet(d);
    desk_pass(d, 5900);
    desk_quiet(d);
    desk_pass(d, 100); // as long after it was submitted as was asked for
    struct msg_prepare later = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    assert_int_equal(later.branch, 2);
    desk_did(d, PEER_B, &later, "");
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    buf_free(&kept.bytes);
}

static void test_cancelled(void **state)
{
    struct desk *d = *state;
    const struct msg_branch branches[] = {sender(), consumer(0)};
    struct gtid gtid = prepare(d, branches, 2);
    desk_ask(d, CLIENT, MSG_CANCEL, &gtid);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 2); // too late
    desk_quiet(d);
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
}

static void test_topics(void **state)
{
    struct desk *d = *state;
    static const char *const consumers[] = {"bank-a", "bank-b"};
    static const struct coordinator_topic topics[] = {{"payments", consumers, 2}};
    d->config.topics = topics;
    d->config.topic_count = 1;
    coordinator_configure(d->c, &d->config);
    struct gtid gtid = desk_gtid(d);
    struct msg_branch branches[] = {sender(), consumer(0)};
    branches[1].kind = BRANCH_TOPIC;
    branches[1].resource = slice_text("payments");
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 2);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->write.tx->branch_count, 3);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    gtid = desk_gtid(d);
    branches[1].resource = slice_text("refunds");
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 2);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
    desk_submit_as(d, CLIENT, &gtid, sent, branches, 1); // to nobody
    desk_expect_refused(d, CLIENT, ASSENT_LIMIT);
    const struct msg_branch backwards[] = {consumer(0), sender()};
    desk_submit_as(d, CLIENT, &gtid, sent, backwards, 2);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
}

static void test_shutdown_waits_for_no_message(void **state)
{
    struct desk *d = *state;
    const struct msg_branch branches[] = {sender(), consumer(0)};
    prepare(d, branches, 2);
    coordinator_drain(d->c);
    desk_pass(d, 1);
    desk_quiet(d); // it is kept, not aborted
    assert_true(coordinator_drained(d->c));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_prepared_then_sent, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_sent_at_once_costs_one_record, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_checked_back, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_sent_while_the_sender_is_asked, desk_setup,
                                        desk_teardown),
        cmocka_unit_test_setup_teardown(test_crash_while_held, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_crash_while_delivering, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_cancelled, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_topics, desk_setup, desk_teardown),
        cmocka_unit_test_setup_teardown(test_shutdown_waits_for_no_message, desk_setup,
                                        desk_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
