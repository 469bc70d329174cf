// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: what clients may ask, and the honest answers to them.
#include "desk.h"

static struct tx_record record_of(const struct gtid *gtid, enum outcome outcome)
{
    return (struct tx_record){.gtid = *gtid,
                              .attempt = 5,
                              .protocol = PROTOCOL_2PC,
                              .stage = STAGE_ENDED,
                              .outcome = (uint8_t)outcome,
                              .owner = slice_text("alice")};
}

static void status(struct desk *d, const struct gtid *gtid, const struct tx_record *found,
                   uint64_t horizon_ms, enum outcome expected)
{
    desk_ask(d, CLIENT, MSG_STATUS, gtid);
    desk_found(d, found, horizon_ms);
    desk_expect_result(d, CLIENT, expected);
    desk_quiet(d);
}

// The table of docs/ARCHITECTURE.md, "What is told of a gtid that is not in memory".
static void test_what_silence_means(void **state)
{
    struct desk *d = *state;
    struct gtid own = desk_own("order-1"), leased = desk_gtid(d), gtid;
    struct tx_record committed = record_of(&leased, OUTCOME_COMMITTED);
    status(d, &leased, &committed, 0, OUTCOME_COMMITTED);
    status(d, &leased, NULL, 0, OUTCOME_UNKNOWN); // this incarnation: it never began
    status(d, &own, NULL, 0, OUTCOME_UNKNOWN);
    struct gtid_parts parts = d->lease;
    parts.coordinator = 8;
    gtid_make(&parts, &gtid);
    status(d, &gtid, NULL, 0, OUTCOME_UNKNOWN); // another coordinator's

    uint64_t leased_ms = d->lease.lease_ms;
    desk_restart(d, NULL, 0);
    desk_hello(d, CLIENT, ROLE_CLIENT, "shop");
    status(d, &leased, NULL, leased_ms, OUTCOME_ABORTED);
    status(d, &leased, NULL, leased_ms + 1, OUTCOME_UNKNOWN); // may have been collected
    status(d, &leased, &committed, leased_ms + 1, OUTCOME_COMMITTED);
    status(d, &own, NULL, 0, OUTCOME_UNKNOWN);
}

static void test_same_request_twice(void **state)
{
    struct desk *d = *state;
    struct gtid own = desk_own("order-1");
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_expect_lookup(d);
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL); // while the register is read
    desk_quiet(d);
    desk_submit(d, CLIENT, &own, "pay more", "bank-a", "bank-b", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    desk_hello(d, OTHER_CLIENT, ROLE_CLIENT, "thief");
    desk_submit(d, OTHER_CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_expect_refused(d, OTHER_CLIENT, ASSENT_DENIED);
    desk_ask(d, OTHER_CLIENT, MSG_CANCEL, &own);
    desk_expect_refused(d, OTHER_CLIENT, ASSENT_DENIED);
    desk_ask(d, OTHER_CLIENT, MSG_STATUS, &own);
    desk_expect_refused(d, OTHER_CLIENT, ASSENT_DENIED);
}

static void test_own_gtid_abort_is_durable_first(void **state)
{
    struct desk *d = *state;
    struct gtid own = desk_own("order-1");
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_found(d, NULL, 0);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_vote(d, PEER_A, &a, VOTE_NO);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_quiet(d);
    desk_written(d);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);

    // After a crash the same request has the same answer; another content has none.
    struct tx_record record = d->record;
    record.stage = STAGE_ENDED;
    record.owner = slice_text("alice");
    desk_restart(d, NULL, 0);
    desk_hello(d, CLIENT, ROLE_CLIENT, "shop");
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_found(d, &record, 0);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_submit(d, CLIENT, &own, "pay more", "bank-a", "bank-b", NULL);
    desk_found(d, &record, 0);
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    desk_hello(d, OTHER_CLIENT, ROLE_CLIENT, "thief");
    desk_submit(d, OTHER_CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_found(d, &record, 0);
    desk_expect_refused(d, OTHER_CLIENT, ASSENT_DENIED);
}

static void test_own_gtid_runs_again_after_crash(void **state)
{
    struct desk *d = *state;
    struct gtid own = desk_own("order-1");
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_found(d, NULL, 0);
    struct msg_prepare old = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_restart(d, NULL, 0);
    desk_hello(d, CLIENT, ROLE_CLIENT, "shop");
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_found(d, NULL, 0);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_expect(d, PEER_B, MSG_PREPARE);
    assert_true(a.attempt > old.attempt);
    desk_vote(d, PEER_A, &old, VOTE_YES); // of the run before the crash
    desk_quiet(d);
    desk_inquire(d, PEER_A, &own, 7, old.attempt, 0);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.attempt, old.attempt);
    desk_inquire(d, PEER_A, &own, 7, a.attempt, 0);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_NONE);
}

static void test_leases(void **state)
{
    struct desk *d = *state;
    struct gtid first = desk_gtid(d), second = desk_gtid(d), gtid;
    desk_submit(d, CLIENT, &second, "pay", "bank-a", "bank-b", NULL); // in any order
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_submit(d, CLIENT, &first, "pay", "bank-a", "bank-b", NULL);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_expect(d, PEER_B, MSG_PREPARE);
    // One that was not leased, or to somebody else, does not run.
    struct gtid_parts parts = d->lease;
    parts.number += 1000;
    gtid_make(&parts, &gtid);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL);
    desk_found(d, NULL, 0);
    desk_expect_result(d, CLIENT, OUTCOME_UNKNOWN);
    gtid = desk_gtid(d);
    desk_hello(d, OTHER_CLIENT, ROLE_CLIENT, "thief");
    desk_submit(d, OTHER_CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL);
    desk_expect_refused(d, OTHER_CLIENT, ASSENT_DENIED);
    struct msg more = {.type = MSG_LEASE};
    uint64_t before = d->lease.number;
    desk_receive(d, CLIENT, "alice", &more);
    desk_expect(d, CLIENT, MSG_WELCOME);
    assert_true(d->msg.u.welcome.lease_first > before);
}

static void test_one_phase(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", NULL);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_quiet(d);
    desk_written(d);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    assert_int_equal(a.flags, PREPARE_ONE_PHASE);
    struct msg_decide same = {.gtid = gtid, .attempt = a.attempt, .branch = 0};
    struct frame_header header;
    desk_finish(d, PEER_A, &same, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    coordinator_header(d->c, PEER_A, &header);
    assert_int_equal(header.fence, a.attempt); // its participant must not forget yet
    desk_written(d);
    desk_quiet(d);
    coordinator_header(d->c, PEER_A, &header);
    assert_true(header.fence > a.attempt);

    gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "look", "bank-a", NULL);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_written(d);
    a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_READ_ONLY);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_quiet(d); // its participant remembers nothing: told when it is durable
    desk_written(d);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static void test_one_phase_lost_answer(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", NULL);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_gone(d, PEER_A);
    desk_pass(d, d->config.phase_one_timeout_ms);
    desk_quiet(d); // nothing is told: it may have committed
    desk_ask(d, CLIENT, MSG_STATUS, &gtid);
    desk_expect_result(d, CLIENT, OUTCOME_NONE);
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_decide ask = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    assert_int_equal(ask.flags, DECIDE_RESOLVE);
    desk_finish(d, PEER_A, &ask, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
}

static void test_one_phase_coordinator_crash(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", NULL);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    struct tx_record record = d->record;
    struct record_branch branch = {.kind = BRANCH_CALL, .resource = slice_text("bank-a")};
    record.branches = &branch;
    record.owner = slice_text("alice");
    desk_restart(d, &record, 1);
    struct frame_header header;
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    struct msg_decide ask = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    coordinator_header(d->c, PEER_A, &header);
    assert_int_equal(header.fence, record.attempt);
    desk_hello(d, CLIENT, ROLE_CLIENT, "shop");
    desk_ask(d, CLIENT, MSG_STATUS, &gtid);
    desk_expect_result(d, CLIENT, OUTCOME_NONE); // not "aborted": the branch may have committed
    desk_finish(d, PEER_A, &ask, OUTCOME_ABORTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    desk_ask(d, CLIENT, MSG_STATUS, &gtid);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
}

// What was submitted says which branches there are.
static void test_enlist_after_submit(void **state)
{
    struct desk *d = *state;
    struct gtid own = desk_own("order-1");
    desk_submit(d, CLIENT, &own, "pay", "bank-a", "bank-b", NULL);
    desk_expect_lookup(d);
    desk_enlist(d, &own, 5, "bank-a");
    desk_expect_refused(d, CLIENT, ASSENT_STATE);
    desk_quiet(d);
}

static void test_enlist(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_enlist(d, &gtid, 0, "nowhere");
    desk_expect_refused(d, CLIENT, ASSENT_UNAVAILABLE);
    desk_enlist(d, &gtid, 0, "bank-a");
    desk_expect(d, CLIENT, MSG_ENLISTED);
    desk_enlist(d, &gtid, 0, "bank-a"); // the answer was lost
    desk_expect(d, CLIENT, MSG_ENLISTED);
    desk_enlist(d, &gtid, 0, "bank-b");
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    desk_enlist(d, &gtid, 1, "bank-b");
    desk_expect(d, CLIENT, MSG_ENLISTED);
    // A SUBMIT that leaves out an enlisted branch would orphan it.
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_CONFLICT);
    // The application is gone: its work is undone when its time is up.
    desk_pass(d, d->config.timeout_default_ms);
    desk_quiet(d); // silent peers were dropped, and will come back
    desk_hello(d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_expect(d, PEER_B, MSG_ROLLBACK);
}

static void test_cancel(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_enlist(d, &gtid, 0, "bank-a");
    desk_expect(d, CLIENT, MSG_ENLISTED);
    desk_ask(d, CLIENT, MSG_CANCEL, &gtid);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.reason, REASON_CANCELLED);
    assert_int_equal(d->msg.u.result.branch, BRANCH_NONE);
}

// Who submits what was decided before, and waits for its end, is answered when that has come.
static void test_cancel_before_a_submit_that_waits(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_branch branch = {.kind = BRANCH_ENLISTED, .resource = slice_text("bank-a")};
    struct msg msg = {.type = MSG_SUBMIT,
                      .u.submit = {.gtid = gtid,
                                   .protocol = PROTOCOL_2PC,
                                   .flags = SUBMIT_WAIT_DONE,
                                   .branch_count = 1,
                                   .branches = &branch}};
    desk_enlist(d, &gtid, 0, "bank-a");
    desk_expect(d, CLIENT, MSG_ENLISTED);
    desk_ask(d, CLIENT, MSG_CANCEL, &gtid);
    struct msg_decide rollback = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_receive(d, CLIENT, "alice", &msg);
    desk_quiet(d);
    desk_finish(d, PEER_A, &rollback, OUTCOME_ABORTED, 0);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_true(d->msg.u.result.finished);
}

static void test_inquiries(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_inquire(d, PEER_A, &gtid, 8, 77, 0); // another coordinator's
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_UNKNOWN);
    struct foreign_view view;
    size_t cursor = 0;
    assert_true(coordinator_next_foreign(d->c, &cursor, &view));
    assert_int_equal(view.attempt, 77);
    struct tx_record committed = record_of(&gtid, OUTCOME_COMMITTED);
    committed.attempt = UINT64_C(1) << ATTEMPT_COUNTER_BITS;
    desk_inquire(d, PEER_A, &gtid, 7, committed.attempt, 0);
    desk_found(d, &committed, 0);
    desk_expect(d, PEER_A, MSG_COMMIT);
    // An attempt that this coordinator has not made yet: nothing that it could answer for.
    desk_inquire(d, PEER_A, &gtid, 7, UINT64_MAX, 0);
    desk_expect(d, PEER_A, MSG_STANDING);
    assert_int_equal(d->msg.u.standing.outcome, OUTCOME_UNKNOWN);
}

static void test_who_serves_a_resource(void **state)
{
    struct desk *d = *state;
    desk_hello_run(d, 20, "bank-a", 999, 1); // another journal while the first lives
    desk_expect_refused(d, 20, ASSENT_CONFLICT);
    desk_hello_run(d, 21, "bank-a", 100 + PEER_A, 2); // the next run of the same one
    desk_expect(d, 21, MSG_WELCOME);
    desk_hello_run(d, PEER_A, "bank-a", 100 + PEER_A, 1); // the run before it is late
    desk_expect_refused(d, PEER_A, ASSENT_CONFLICT);
    desk_gone(d, 21);
    desk_hello_run(d, 22, "bank-a", 999, 1);
    desk_expect(d, 22, MSG_WELCOME);
}

static void test_limits(void **state)
{
    struct desk *d = *state;
    d->config.transactions_max = 1;
    d->config.payload_bytes_max = 4;
    d->config.branches_max = 2;
    coordinator_configure(d->c, &d->config);
    struct gtid a = desk_gtid(d), b = desk_gtid(d);
    desk_submit(d, CLIENT, &a, "too long", "bank-a", "bank-b", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_LIMIT);
    desk_submit(d, CLIENT, &a, "pay", "bank-a", "bank-b", "bank-c", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_LIMIT);
    desk_submit(d, CLIENT, &a, "pay", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_LIMIT);
    desk_submit(d, CLIENT, &a, "pay", "bank-a", "bank-b", NULL);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_submit(d, CLIENT, &b, "pay", "bank-a", "bank-b", NULL);
    desk_expect_refused(d, CLIENT, ASSENT_BUSY);
}

static void test_a_protocol_that_is_not_known(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_branch branch = {.kind = BRANCH_CALL, .resource = slice_text("bank-a")};
    struct msg msg = {.type = MSG_SUBMIT};
    msg.u.submit = (struct msg_submit){
        .gtid = gtid, .protocol = PROTOCOL_MESSAGE + 1, .branch_count = 1, .branches = &branch};
    desk_receive(d, CLIENT, "alice", &msg);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
    msg = (struct msg){.type = MSG_ENLIST};
    msg.u.enlist = (struct msg_enlist){
        .gtid = gtid, .protocol = PROTOCOL_MESSAGE + 1, .resource = slice_text("bank-a")};
    desk_receive(d, CLIENT, "alice", &msg);
    desk_expect_refused(d, CLIENT, ASSENT_INVALID);
    desk_quiet(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL); // nothing is left of it
    desk_expect(d, PEER_A, MSG_PREPARE);
}

// Every answer names the request that it answers: of a repetition, the newest.
static void test_answers_name_their_request(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_own("numbered");
    struct msg ask = {.type = MSG_STATUS, .u.gtid = {.request = 5, .gtid = gtid}};
    desk_receive(d, CLIENT, "alice", &ask);
    desk_found(d, NULL, 0);
    desk_expect_result(d, CLIENT, OUTCOME_UNKNOWN);
    assert_int_equal(d->msg.u.result.request, 5);
    struct msg_branch branch = {.kind = BRANCH_CALL, .resource = slice_text("bank-a")};
    struct msg submit = {.type = MSG_SUBMIT};
    submit.u.submit = (struct msg_submit){.request = 6,
                                          .gtid = gtid,
                                          .protocol = PROTOCOL_2PC,
                                          .branch_count = 1,
                                          .branches = &branch};
    desk_receive(d, CLIENT, "alice", &submit);
    token_t look = desk_expect_lookup(d);
    submit.u.submit.request = 7;
    desk_receive(d, CLIENT, "alice", &submit);
    submit.u.submit.request = 6; // on a line that does not keep the order
    desk_receive(d, CLIENT, "alice", &submit);
    ask.u.gtid.request = 8;
    desk_receive(d, OTHER_CLIENT, "alice", &ask);
    desk_expect_refused(d, OTHER_CLIENT, ASSENT_STATE); // it has not said HELLO
    assert_int_equal(d->msg.u.refused.request, 8);
    struct event event = {.type = EVENT_LOOKED_UP, .u.looked_up.token = look};
    desk_step(d, &event);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_written(d);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_NO);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.request, 7);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_what_silence_means),
        T(test_answers_name_their_request),
        T(test_same_request_twice),
        T(test_own_gtid_abort_is_durable_first),
        T(test_own_gtid_runs_again_after_crash),
        T(test_leases),
        T(test_one_phase),
        T(test_one_phase_lost_answer),
        T(test_one_phase_coordinator_crash),
        T(test_enlist_after_submit),
        T(test_enlist),
        T(test_cancel),
        T(test_cancel_before_a_submit_that_waits),
        T(test_inquiries),
        T(test_who_serves_a_resource),
        T(test_limits),
        T(test_a_protocol_that_is_not_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
