// SPDX-License-Identifier: Apache-2.0
// libassent-tx with a real assentd and two resource managers that can be told what to answer: which
// calls are made, in which order, and what an application is told.
#include <assent/tx_error.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <tx.h>

#include "tx_world.h"

static int setup(void **state)
{
    (void)state;
    world_open(2, "connect-timeout-ms = 300\nanswer-timeout-ms = 300\noutcome-timeout-ms = 300\n");
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (tx_info(NULL) == 1) { // after a test that failed
        tx_set_transaction_control(TX_UNCHAINED);
        tx_rollback();
    }
    tx_close();
    world_close();
    return 0;
}

// The gtid of the present transaction; valid until the next call.
static const char *begun(void)
{
    static _Thread_local char gtid[ASSENT_GTID_MAX + 1];
    TXINFO info;
    assert_int_equal(tx_begin(), TX_OK);
    assert_int_equal(tx_info(&info), 1);
    assert_int_equal(info.xid.bqual_length, 0);
    memcpy(gtid, info.xid.data, (size_t)info.xid.gtrid_length);
    gtid[info.xid.gtrid_length] = '\0';
    return gtid;
}

static void opened(void)
{
    assert_int_equal(tx_open(), TX_OK);
    recorded();
}

static void closed(void)
{
    assert_int_equal(tx_close(), TX_OK);
    assert_int_equal(opens(0) + opens(1), 0);
    recorded();
}

// What was called without the first "start 0, start 1, ".
static void assert_calls(const char *wanted)
{
    static const char begin[] = "start 0, start 1, ";
    const char *calls = recorded();
    if (strncmp(calls, begin, strlen(begin)) != 0)
        fail_msg("begun otherwise: %s", calls);
    assert_string_equal(calls + strlen(begin), wanted);
}

static void assert_branches(const char *gtid, char first, char second)
{
    world_settle();
    assert_int_equal(branch_state(0, gtid), first);
    assert_int_equal(branch_state(1, gtid), second);
}

// ---- the ordinary ways ----

static void two_phases(void **state)
{
    (void)state;
    opened();
    const char *gtid = begun();
    assert_int_equal(tx_commit(), TX_OK);
    assert_string_equal(assent_tx_error(), "");
    assert_calls("end 0, end 1, prepare 0, prepare 1, commit 0, commit 1");
    assert_branches(gtid, 'c', 'c');
    assert_int_equal(world_status(gtid).outcome, ASSENT_COMMITTED);
    gtid = begun();
    assert_int_equal(tx_rollback(), TX_OK);
    assert_calls("end 0, rollback 0, end 1, rollback 1");
    assert_branches(gtid, 'r', 'r');
    closed();
}

static void alone_it_takes_one_phase(void **state)
{
    (void)state;
    world_configure(1, "");
    static const struct {
        int answer, code;
    } cases[] = {
        {XA_OK, TX_OK},          {XA_HEURCOM, TX_OK},       {XA_HEURRB, TX_ROLLBACK},
        {XA_HEURMIX, TX_MIXED},  {XA_HEURHAZ, TX_HAZARD},   {XA_RBROLLBACK, TX_ROLLBACK},
        {XA_RBEND, TX_ROLLBACK}, {XAER_RMERR, TX_ROLLBACK}, {XAER_RMFAIL, TX_FAIL},
        {XAER_NOTA, TX_FAIL},    {XA_RETRY, TX_FAIL},       {XAER_PROTO, TX_FAIL},
        {42, TX_FAIL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        opened();
        const char *gtid = begun();
        answer_next("commit-one-phase", 0, cases[i].answer);
        assert_int_equal(tx_commit(), cases[i].code);
        const char *calls = recorded();
        assert_int_equal(strncmp(calls, "start 0, end 0, commit-one-phase 0",
                                 strlen("start 0, end 0, commit-one-phase 0")),
                         0);
        assert_null(strstr(calls, "forget"));
        // The coordinator was not troubled.
        assert_int_not_equal(world_status(gtid).outcome, ASSENT_COMMITTED);
        closed();
    }
}

static void reading_alone_is_no_second_phase(void **state)
{
    (void)state;
    opened();
    const char *gtid = begun();
    answer_next("prepare", 0, XA_RDONLY);
    assert_int_equal(tx_commit(), TX_OK);
    assert_string_equal(assent_tx_error(), "");
    assert_calls("end 0, end 1, prepare 0, prepare 1, commit 1");
    assert_branches(gtid, 'e', 'c');
    begun();
    answer_next("prepare", 0, XA_RDONLY);
    answer_next("prepare", 1, XA_RDONLY);
    assert_int_equal(tx_commit(), TX_OK);
    assert_calls("end 0, end 1, prepare 0, prepare 1");
    closed();
}

// ---- what is refused ----

static void who_cannot_prepare_has_all_rolled_back(void **state)
{
    (void)state;
    static const int answers[] = {XA_RBDEADLOCK, XAER_RMERR, XAER_RMFAIL,
                                  XAER_NOTA,     XAER_PROTO, 42};
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        opened();
        const char *gtid = begun();
        answer_next("prepare", 1, answers[i]);
        assert_int_equal(tx_commit(), TX_ROLLBACK);
        assert_non_null(strstr(assent_tx_error(), "resource rm-1: xa_prepare answered "));
        assert_calls(answers[i] == XA_RBDEADLOCK
                         ? "end 0, end 1, prepare 0, prepare 1, rollback 0"
                         : "end 0, end 1, prepare 0, prepare 1, rollback 0, rollback 1");
        assert_branches(gtid, 'r', 'r');
        assert_int_equal(world_status(gtid).outcome, ASSENT_ABORTED);
        closed();
    }
}

static void what_was_rolled_back_at_its_end_is_not_prepared(void **state)
{
    (void)state;
    opened();
    begun();
    answer_next("end", 0, XA_RBTIMEOUT);
    assert_int_equal(tx_commit(), TX_ROLLBACK);
    assert_calls("end 0, end 1, rollback 0, rollback 1");
    assert_string_equal(assent_tx_error(), "resource rm-0: xa_end answered XA_RBTIMEOUT (106)");
    closed();
}

static void a_beginning_that_fails_leaves_nothing(void **state)
{
    (void)state;
    opened();
    answer_next("start", 1, XAER_OUTSIDE);
    assert_int_equal(tx_begin(), TX_OUTSIDE);
    assert_string_equal(recorded(), "start 0, start 1, end 0, rollback 0");
    assert_string_equal(assent_tx_error(), "resource rm-1: xa_start answered XAER_OUTSIDE (-9)");
    // A connection that was lost is made anew, once.
    answer_next("start", 1, XAER_RMFAIL);
    const char *gtid = begun();
    assert_string_equal(recorded(), "start 0, start 1, close 1, open 1, start 1");
    assert_int_equal(tx_commit(), TX_OK);
    assert_branches(gtid, 'c', 'c');
    answer_next("start", 1, XAER_RMFAIL);
    answer_next("start", 1, XAER_RMFAIL);
    assert_int_equal(tx_begin(), TX_ERROR);
    assert_non_null(strstr(assent_tx_error(), "rm-1"));
    answer_next("start", 1, XAER_RMFAIL);
    answer_next("open", 1, XAER_RMERR);
    assert_int_equal(tx_begin(), TX_ERROR);
    recorded();
    begun(); // which opens what was closed
    assert_string_equal(recorded(), "start 0, open 1, start 1");
    assert_int_equal(tx_commit(), TX_OK);
    closed();
}

// ---- the second phase ----

static void second_phases(void **state)
{
    (void)state;
    static const struct {
        int answers[2], code;
        bool closes; // the connection, so that the participant gets at the branch
    } cases[] = {
        {{XA_HEURCOM, XA_OK}, TX_OK, false},
        {{XA_HEURRB, XA_OK}, TX_MIXED, false},
        {{XA_HEURRB, XA_HEURRB}, TX_ROLLBACK, false},
        {{XA_HEURRB, XAER_RMFAIL}, TX_HAZARD, true},
        {{XA_OK, XA_HEURMIX}, TX_MIXED, false},
        {{XA_OK, XA_HEURHAZ}, TX_HAZARD, false},
        {{XA_OK, XAER_NOTA}, TX_OK, false},
        {{XA_OK, XAER_RMFAIL}, TX_OK, true},
        {{XA_OK, XAER_RMERR}, TX_OK, true},
        {{XA_OK, XA_RDONLY}, TX_OK, true}, // no code of xa_commit: the participant finds out
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        opened();
        const char *gtid = begun();
        for (int rmid = 0; rmid < 2; rmid++) {
            if (cases[i].answers[rmid] != XA_OK)
                answer_next("commit", rmid, cases[i].answers[rmid]);
        }
        assert_int_equal(tx_commit(), cases[i].code);
        assert_calls(cases[i].closes
                         ? "end 0, end 1, prepare 0, prepare 1, commit 0, commit 1, close 1"
                         : "end 0, end 1, prepare 0, prepare 1, commit 0, commit 1");
        world_settle();
        assert_int_equal(world_status(gtid).outcome, ASSENT_COMMITTED);
        // What was not done here was done by the participant, and heuristics were forgotten by it.
        for (int rmid = 0; rmid < 2; rmid++) {
            int answer = cases[i].answers[rmid];
            bool heuristic = answer >= XA_HEURMIX && answer <= XA_HEURHAZ;
            while (heuristic && branch_state(rmid, gtid) != 'f')
                world_pause();
            assert_int_equal(branch_state(rmid, gtid), heuristic ? 'f' : 'c');
        }
        closed();
    }
}

static void second_phases_that_are_tried_again(void **state)
{
    (void)state;
    opened();
    const char *gtid = begun();
    answer_next("commit", 0, XA_RETRY);
    assert_int_equal(tx_commit(), TX_OK);
    assert_string_equal(assent_tx_error(), "");
    assert_calls("end 0, end 1, prepare 0, prepare 1, commit 0, commit 0, commit 1");
    assert_branches(gtid, 'c', 'c');
    gtid = begun();
    for (int i = 0; i < 8; i++)
        answer_next("commit", 0, XA_RETRY);
    assert_int_equal(tx_commit(), TX_OK);
    assert_calls("end 0, end 1, prepare 0, prepare 1, commit 0, commit 0, commit 0, commit 0, "
                 "commit 0, commit 0, commit 0, commit 0, close 0, commit 1");
    assert_branches(gtid, 'c', 'c');
    closed();
}

static void a_no_of_a_participant(void **state)
{
    (void)state;
    opened();
    const char *gtid = begun();
    answer_next("prepare", 1, XA_OK); // it says so, and has not prepared
    assert_int_equal(tx_commit(), TX_ROLLBACK);
    assert_non_null(strstr(assent_tx_error(), "it is not prepared here"));
    assert_calls("end 0, end 1, prepare 0, prepare 1, rollback 0, rollback 1");
    assert_branches(gtid, 'r', 'r');
    closed();
}

static void logged_is_enough(void **state)
{
    (void)state;
    opened();
    TXINFO info;
    assert_int_equal(tx_set_commit_return(TX_COMMIT_DECISION_LOGGED), TX_OK);
    assert_int_equal(tx_info(&info), 0);
    assert_int_equal(info.when_return, TX_COMMIT_DECISION_LOGGED);
    const char *gtid = begun();
    answer_next("commit", 1, XAER_RMFAIL);
    assert_int_equal(tx_commit(), TX_OK);
    assert_branches(gtid, 'c', 'c');
    closed();
    assert_int_equal(tx_open(), TX_OK);
    assert_int_equal(tx_info(&info), 0);
    assert_int_equal(info.when_return, TX_COMMIT_COMPLETED); // as it is after every tx_open
    closed();
}

// ---- time ----

static void its_time_is_up(void **state)
{
    (void)state;
    TXINFO info;
    opened();
    assert_int_equal(tx_set_transaction_timeout(1), TX_OK);
    const char *gtid = begun();
    do {
        world_pause();
        assert_int_equal(tx_info(&info), 1);
        assert_int_equal(info.transaction_timeout, 1);
    } while (info.transaction_state == TX_ACTIVE);
    assert_int_equal(info.transaction_state, TX_TIMEOUT_ROLLBACK_ONLY);
    assert_int_equal(tx_commit(), TX_ROLLBACK);
    assert_non_null(strstr(assent_tx_error(), "its time was up"));
    assert_calls("end 0, rollback 0, end 1, rollback 1");
    assert_branches(gtid, 'r', 'r');
    closed();
}

// ---- without a coordinator ----

static void nobody_to_commit_with(void **state)
{
    (void)state;
    opened();
    const char *gtid = begun();
    world_coordinator_kill();
    assert_int_equal(tx_commit(), TX_ROLLBACK);
    assert_true(strstr(assent_tx_error(), "no coordinator") || // or it has not been noticed yet
                strstr(assent_tx_error(), "no answer in time"));
    assert_calls("end 0, end 1, rollback 0, rollback 1");
    assert_int_equal(branch_state(0, gtid), 'r');
    assert_int_equal(branch_state(1, gtid), 'r');
    world_coordinator_start();
    world_settle();
    closed();
}

static void an_outcome_that_nobody_knows(void **state)
{
    (void)state;
    opened();
    assert_int_equal(tx_set_transaction_timeout(1), TX_OK);
    const char *gtid = begun();
    world_kill_at_prepare(1);
    assert_int_equal(tx_commit(), TX_FAIL);
    assert_non_null(strstr(assent_tx_error(), "it is not known whether "));
    assert_non_null(strstr(assent_tx_error(), gtid));
    assert_calls("end 0, end 1, prepare 0, prepare 1, close 0, close 1");
    assert_int_equal(branch_state(0, gtid), 'p'); // neither is claimed, or done
    assert_int_equal(branch_state(1, gtid), 'p');
    assert_int_equal(tx_begin(), TX_FAIL);
    assert_int_equal(tx_info(NULL), TX_FAIL);
    assert_int_equal(tx_open(), TX_FAIL);
    closed();
    world_coordinator_kill();
    world_coordinator_start();
    for (int tries = 0; tries < WORLD_PATIENCE_MS / 5; tries++) {
        if (branch_state(0, gtid) != 'p' && branch_state(1, gtid) != 'p')
            break;
        world_pause();
    }
    assert_branches(gtid, 'r', 'r');
    opened();
    gtid = begun();
    assert_int_equal(tx_commit(), TX_OK);
    assert_branches(gtid, 'c', 'c');
    closed();
}

// ---- threads, configurations ----

static void *one_of_many(void *arg)
{
    int *committed = arg;
    if (tx_open() != TX_OK)
        return NULL;
    for (int i = 0; i < 20; i++)
        *committed += tx_begin() == TX_OK && tx_commit() == TX_OK;
    if (tx_begin() != TX_OK) // and ends in it
        *committed = -1;
    return NULL;
}

static void threads_have_their_own(void **state)
{
    (void)state;
    pthread_t threads[4];
    int committed[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, one_of_many, &committed[i]), 0);
    assert_int_equal(tx_info(NULL), TX_PROTOCOL_ERROR);
    for (int i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(committed[i], 20);
    }
    assert_int_equal(opens(0) + opens(1), 0);
    recorded();
}

static void assert_no_open(const char *more, const char *why)
{
    world_configure(0, more);
    assert_int_equal(tx_open(), TX_FAIL);
    if (!strstr(assent_tx_error(), why))
        fail_msg("'%s' is not in: %s", why, assent_tx_error());
    assert_int_equal(tx_info(NULL), TX_PROTOCOL_ERROR);
}

static void configurations_that_will_not_do(void **state)
{
    (void)state;
#define RM "resource-manager\n    resource = pg\n    "
    assert_no_open(RM "library = /nonexistent/lib.so\n    symbol = x\n", "/nonexistent/lib.so");
    assert_no_open(RM "symbol = no_such_switch\n", "no XA switch no_such_switch in the program");
    assert_no_open(RM "symbol = recording_xa_dynamic\n", "registers dynamically");
    assert_no_open(RM "symbol = recording_xa_newer\n", "not an XA switch of version 0");
    assert_no_open(RM "symbol = recording_xa\n    open = elsewhere\n",
                   "xa_open answered XAER_INVAL");
    assert_no_open("colour = blue\n", "tx.conf:2: colour: no such key");
    assert_no_open("endpoint = nowhere\n", "given twice");
    unsetenv("ASSENT_TX_CONFIG");
    assert_int_equal(tx_open(), TX_FAIL);
    assert_non_null(strstr(assent_tx_error(), "ASSENT_TX_CONFIG is not set"));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(two_phases),
        TEST(alone_it_takes_one_phase),
        TEST(reading_alone_is_no_second_phase),
        TEST(who_cannot_prepare_has_all_rolled_back),
        TEST(what_was_rolled_back_at_its_end_is_not_prepared),
        TEST(a_beginning_that_fails_leaves_nothing),
        TEST(second_phases),
        TEST(second_phases_that_are_tried_again),
        TEST(a_no_of_a_participant),
        TEST(logged_is_enough),
        TEST(its_time_is_up),
        TEST(nobody_to_commit_with),
        TEST(an_outcome_that_nobody_knows),
        TEST(threads_have_their_own),
        TEST(configurations_that_will_not_do),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
