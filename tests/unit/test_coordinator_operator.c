// SPDX-License-Identifier: Apache-2.0
// The coordinator's core, event by event: what an operator may force, and what is recorded of it.
#include "desk.h"

// Committing; bank-a has acknowledged, bank-b is gone.
static struct msg_decide stuck(struct desk *d, const struct gtid *gtid)
{
    desk_submit(d, CLIENT, gtid, "pay", "bank-a", "bank-b", NULL);
    struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare b = desk_expect(d, PEER_B, MSG_PREPARE)->u.prepare;
    desk_vote(d, PEER_A, &a, VOTE_YES);
    desk_vote(d, PEER_B, &b, VOTE_YES);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_gone(d, PEER_B);
    desk_written(d);
    struct msg_decide told = desk_expect(d, PEER_A, MSG_COMMIT)->u.decide;
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    desk_finish(d, PEER_A, &told, OUTCOME_COMMITTED, 0);
    desk_quiet(d);
    told.branch = b.branch;
    return told;
}

// The record that was written last, as it will be found: valid until the next call.
static struct tx_record found_later(struct desk *d)
{
    static struct record_branch branches[2];
    struct tx_record record = d->record;
    memcpy(branches, d->record.branches, sizeof branches);
    record.branches = branches;
    record.owner = slice_text("alice");
    record.heuristic.who = slice_text("root@night");
    return record;
}

static void test_abort_undecided(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", "bank-b", NULL);
    desk_expect(d, PEER_A, MSG_PREPARE);
    desk_expect(d, PEER_B, MSG_PREPARE);
    desk_order(d, OPERATOR_COMMIT, &gtid); // votes are missing: nothing to commit
    desk_expect_answer(d, ASSENT_STATE);
    desk_order(d, OPERATOR_FORGET, &gtid);
    desk_expect_answer(d, ASSENT_STATE);
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    assert_true(slice_equal(d->record.heuristic.who, slice_text("root@night")));
    assert_true(slice_equal(d->record.heuristic.why, slice_text("the disk is gone")));
    desk_quiet(d);
    desk_written(d);
    desk_expect_answer(d, ASSENT_OK);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    assert_int_equal(d->msg.u.result.reason, REASON_OPERATOR);
    assert_int_equal(d->msg.u.result.mixed, 0);
}

static void test_against_the_decision(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide b = stuck(d, &gtid);
    desk_order(d, OPERATOR_COMMIT, &gtid); // it is: nothing to force
    desk_expect_answer(d, ASSENT_OK);
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->record.heuristic.forced, OUTCOME_ABORTED);
    assert_int_equal(d->record.mixed, 1);
    assert_false(d->write.decide);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b"); // back, before it is durable
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_written(d);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.flags, DECIDE_HEURISTIC);
    desk_expect_answer(d, ASSENT_OK);
    desk_finish(d, PEER_B, &b, OUTCOME_ABORTED, DONE_HEURISTIC);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_true(d->write.open); // kept until an operator forgets it
    assert_int_equal(d->record.branches[1].outcome, OUTCOME_ABORTED);
    assert_int_equal(d->record.branches[1].heuristic, 1);
    struct tx_record ended = found_later(d);
    desk_written(d);
    desk_ask(d, CLIENT, MSG_STATUS, &gtid);
    desk_found(d, &ended, 0);
    desk_expect_result(d, CLIENT, OUTCOME_COMMITTED);
    assert_int_equal(d->msg.u.result.mixed, 1);
    desk_order(d, OPERATOR_FORGET, &gtid);
    desk_found(d, &ended, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    assert_false(d->write.open);
    desk_expect_answer(d, ASSENT_OK);
}

// The participant had been ended by an operator's word, and learns of the decision afterwards.
static void test_conflict_reported_by_participant(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide b = stuck(d, &gtid);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_finish(d, PEER_B, &b, OUTCOME_ABORTED, DONE_HEURISTIC);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->record.mixed, 1);
    assert_true(d->write.open);
}

static void test_journal_was_replaced(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide b = stuck(d, &gtid);
    desk_hello_run(d, PEER_B, "bank-b", 4711, 1);
    desk_expect(d, PEER_B, MSG_WELCOME);
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, DONE_FORGOTTEN); // it never knew of it
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->record.mixed, 1);
}

static void order_lost(struct desk *d, const struct gtid *gtid)
{
    desk_step(d, &(struct event){.type = EVENT_OPERATOR,
                                 .u.op = {.token = 99,
                                          .verb = OPERATOR_FORGET,
                                          .lost = true,
                                          .gtid = *gtid,
                                          .who = slice_text("root@night")}});
}

static void test_forget(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    stuck(d, &gtid);
    desk_order(d, OPERATOR_FORGET, &gtid);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_true(d->write.open);           // bank-b may come back and ask
    assert_int_equal(d->record.mixed, 1); // nobody knows what bank-b will do
    assert_true(slice_equal(d->record.heuristic.who, slice_text("root@night")));
    desk_written(d);
    desk_expect_answer(d, ASSENT_OK);
    struct coordinator_stats stats;
    coordinator_stats(d->c, &stats);
    assert_int_equal(stats.transactions, 0);
    assert_int_equal(stats.committed, 1);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_quiet(d);
}

// Who comes back after that is told the decision, however late: its record goes only when the
// operator says that he is lost.
static void test_forgotten_branch_comes_back(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide b = stuck(d, &gtid);
    desk_order(d, OPERATOR_FORGET, &gtid);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    struct tx_record record = found_later(d);
    desk_written(d);
    desk_expect_answer(d, ASSENT_OK);
    desk_order(d, OPERATOR_FORGET, &gtid);
    desk_found(d, &record, 0);
    desk_expect_answer(d, ASSENT_STATE);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_inquire(d, PEER_B, &gtid, d->lease.coordinator, b.attempt, b.branch);
    desk_found(d, &record, 0);
    desk_expect(d, PEER_B, MSG_COMMIT);
    order_lost(d, &gtid);
    desk_found(d, &record, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    assert_false(d->write.open);
    desk_expect_answer(d, ASSENT_OK);
}

static void test_forget_what_is_lost(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    stuck(d, &gtid);
    order_lost(d, &gtid);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_false(d->write.open);
}

// The stamp of a record decides which gtids are presumed aborted once it is gone: when the clock
// was set back before a restart, that of the order would be older than the gtid.
static void test_forget_under_a_clock_set_back(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide b = stuck(d, &gtid);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_finish(d, PEER_B, &b, OUTCOME_COMMITTED, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    struct tx_record record = found_later(d);
    record.ended_ms += 3600000;
    desk_written(d);
    desk_order(d, OPERATOR_FORGET, &gtid);
    desk_found(d, &record, 0);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, true);
    assert_true(d->write.stamp >= record.ended_ms);
    desk_expect_answer(d, ASSENT_OK);
}

// Forced, then let go of: who forced it, and why, stays on record.
static void test_forget_after_force(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    stuck(d, &gtid);
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(d);
    desk_expect_answer(d, ASSENT_OK);
    desk_step(d, &(struct event){.type = EVENT_OPERATOR,
                                 .u.op = {.token = 99,
                                          .verb = OPERATOR_FORGET,
                                          .gtid = gtid,
                                          .who = slice_text("somebody else")}});
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_int_equal(d->record.heuristic.forced, OUTCOME_ABORTED);
    assert_true(slice_equal(d->record.heuristic.who, slice_text("root@night")));
    assert_true(slice_equal(d->record.heuristic.why, slice_text("the disk is gone")));
    desk_written(d);
    desk_expect_answer(d, ASSENT_OK);
    struct coordinator_stats stats;
    coordinator_stats(d->c, &stats);
    assert_int_equal(stats.mixed, 1);
}

static void test_retry(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d), none = {0};
    stuck(d, &gtid);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_order(d, OPERATOR_RETRY, &gtid);
    desk_expect_answer(d, ASSENT_OK);
    desk_expect(d, PEER_B, MSG_COMMIT);
    desk_order(d, OPERATOR_RETRY, &none);
    desk_expect_answer(d, ASSENT_OK);
    desk_expect(d, PEER_B, MSG_COMMIT);
}

static void test_foreign_in_doubt(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_own("lost-one");
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_found(d, NULL, 0);
    desk_expect_answer(d, ASSENT_UNKNOWN);
    desk_inquire(d, PEER_A, &gtid, 8, 77, 3);
    desk_expect(d, PEER_A, MSG_STANDING);
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_found(d, NULL, 0);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_quiet(d);
    desk_written(d);
    desk_expect(d, PEER_A, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.attempt, 77);
    assert_int_equal(d->msg.u.decide.branch, 3);
    assert_int_equal(d->msg.u.decide.flags, DECIDE_HEURISTIC);
    desk_expect_answer(d, ASSENT_OK);
    struct msg_decide told = {.gtid = gtid, .attempt = 77, .branch = 3};
    desk_finish(d, PEER_A, &told, OUTCOME_ABORTED, DONE_HEURISTIC);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    assert_true(d->write.open);
    size_t cursor = 0;
    struct foreign_view view;
    assert_false(coordinator_next_foreign(d->c, &cursor, &view));
}

// A crash after the operator's word was recorded: it is carried out all the same.
static void test_crash_after_force(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    struct msg_decide b = stuck(d, &gtid);
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_expect_write(d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    struct record_branch branches[2] = {d->record.branches[0], d->record.branches[1]};
    branches[0].resource = slice_text("bank-a");
    branches[1].resource = slice_text("bank-b");
    struct tx_record record = d->record;
    record.branches = branches;
    record.owner = slice_text("alice");
    record.heuristic.who = slice_text("root@night");
    record.heuristic.why = slice_text("why not");
    desk_restart(d, &record, 1);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.flags, DECIDE_HEURISTIC);
    desk_finish(d, PEER_B, &b, OUTCOME_ABORTED, DONE_HEURISTIC);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_COMMITTED, false);
    assert_true(d->write.open);
}

// An operator's word is for the branches that voted yes. One whose vote was lost hears the
// decision, and not that it was an operator's word: it would be on record as that for ever.
static void test_force_is_not_for_those_that_did_not_vote(void **state)
{
    struct desk *d = *state;
    struct record_branch branches[] = {
        {.branch = 0, .kind = BRANCH_CALL, .vote = VOTE_YES, .resource = slice_text("bank-a")},
        {.branch = 1, .kind = BRANCH_CALL, .vote = VOTE_NONE, .resource = slice_text("bank-b")},
    };
    struct tx_record record = {
        .gtid = desk_own("forced"),
        .attempt = 1,
        .protocol = PROTOCOL_2PC,
        .stage = STAGE_DECIDED,
        .outcome = OUTCOME_ABORTED,
        .reason = REASON_NO_VOTE,
        .mixed = 1,
        .owner = slice_text("alice"),
        .heuristic = {OUTCOME_COMMITTED, 5, slice_text("root@night"), slice_text("why not")},
        .branch_count = 2,
        .branches = branches,
    };
    desk_restart(d, &record, 1);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_inquire(d, PEER_B, &record.gtid, d->config.id, record.attempt, 1);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.flags, 0);
    record.stage = STAGE_ENDED;
    desk_restart(d, &record, 1);
    desk_hello(d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_inquire(d, PEER_B, &record.gtid, d->config.id, record.attempt, 1);
    desk_found(d, &record, 0);
    desk_expect(d, PEER_B, MSG_ROLLBACK);
    assert_int_equal(d->msg.u.decide.flags, 0);
    record.owner = slice_of(NULL, 0); // another coordinator's: there is no other word on it
    record.outcome = OUTCOME_COMMITTED;
    desk_inquire(d, PEER_B, &record.gtid, d->config.id, record.attempt, 7);
    desk_found(d, &record, 0);
    desk_expect(d, PEER_B, MSG_COMMIT);
    assert_int_equal(d->msg.u.decide.flags, DECIDE_HEURISTIC);
    desk_inquire(d, PEER_B, &record.gtid, d->config.id, record.attempt, 0);
    desk_found(d, &record, 0);
    desk_expect(d, PEER_B, MSG_COMMIT);
    assert_int_equal(d->msg.u.decide.flags, DECIDE_HEURISTIC);
}

// One branch alone decides. An operator can have it asked to roll back, and that is on record
// first.
static void test_abort_delegated(void **state)
{
    struct desk *d = *state;
    for (int round = 0; round < 2; round++) {
        enum outcome outcome = round == 0 ? OUTCOME_ABORTED : OUTCOME_COMMITTED;
        struct gtid gtid = desk_gtid(d);
        desk_submit(d, CLIENT, &gtid, "pay", "bank-a", NULL);
        desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
        desk_written(d);
        struct msg_prepare a = desk_expect(d, PEER_A, MSG_PREPARE)->u.prepare;
        desk_order(d, OPERATOR_COMMIT, &gtid);
        desk_expect_answer(d, ASSENT_STATE);
        desk_order(d, OPERATOR_ABORT, &gtid);
        desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
        assert_true(slice_equal(d->record.heuristic.who, slice_text("root@night")));
        desk_vote(d, PEER_A, &a, VOTE_NO); // not heard just now
        desk_order(d, OPERATOR_ABORT, &gtid);
        desk_expect_answer(d, ASSENT_BUSY);
        desk_written(d);
        struct msg_decide ask = desk_expect(d, PEER_A, MSG_ROLLBACK)->u.decide;
        assert_int_equal(ask.flags, DECIDE_RESOLVE);
        desk_expect_answer(d, ASSENT_OK);
        desk_order(d, OPERATOR_ABORT, &gtid); // a vote on record would be taken for an answer
        desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
        assert_int_equal(d->record.branches[0].vote, VOTE_NONE);
        desk_written(d);
        desk_expect_answer(d, ASSENT_OK);
        desk_expect(d, PEER_A, MSG_ROLLBACK);
        desk_finish(d, PEER_A, &ask, outcome, 0);
        desk_expect_write(d, STAGE_ENDED, outcome, false);
        assert_true(slice_equal(d->record.heuristic.why, slice_text("the disk is gone")));
        desk_expect_result(d, CLIENT, outcome);
        assert_int_equal(d->msg.u.result.reason, round == 0 ? REASON_OPERATOR : REASON_NONE);
        assert_int_equal(d->msg.u.result.mixed, 0);
        desk_written(d);
    }
}

// The branch that was to decide was never asked to, as its participant is gone: it is aborted at
// once, and the order is answered once.
static void test_abort_delegated_unasked(void **state)
{
    struct desk *d = *state;
    struct gtid gtid = desk_gtid(d);
    desk_submit(d, CLIENT, &gtid, "pay", "bank-a", NULL);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_gone(d, PEER_A);
    desk_written(d);
    desk_order(d, OPERATOR_ABORT, &gtid);
    desk_expect_write(d, STAGE_DELEGATED, OUTCOME_NONE, false);
    desk_written(d);
    desk_expect_write(d, STAGE_ENDED, OUTCOME_ABORTED, false);
    desk_expect_answer(d, ASSENT_OK);
    desk_expect_result(d, CLIENT, OUTCOME_ABORTED);
    desk_quiet(d);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, desk_setup, desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_abort_undecided),
        T(test_force_is_not_for_those_that_did_not_vote),
        T(test_abort_delegated),
        T(test_abort_delegated_unasked),
        T(test_against_the_decision),
        T(test_conflict_reported_by_participant),
        T(test_journal_was_replaced),
        T(test_forget),
        T(test_forgotten_branch_comes_back),
        T(test_forget_what_is_lost),
        T(test_forget_under_a_clock_set_back),
        T(test_forget_after_force),
        T(test_retry),
        T(test_foreign_in_doubt),
        T(test_crash_after_force),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
