// SPDX-License-Identifier: Apache-2.0
// libassent's participant: handlers, votes, decisions, workers, life.
#include "sdk_rm.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static assent_participant_counts counts(void)
{
    assent_participant_counts ret;
    assent_participant_count(rm.participant, &ret);
    return ret;
}

static void a_branch_is_prepared_and_committed(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("g", 100, "pay");
    struct rm_said vote = rm_await(MSG_VOTE, "g", 1);
    assert_int_equal(vote.msg.u.vote.vote, VOTE_YES);
    assert_int_equal(vote.msg.u.vote.attempt, 100);
    assert_int_equal(vote.msg.u.vote.branch, 1);
    UNTIL(counts().in_doubt == 1);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    struct rm_call call = rm_await_call('c', "g", 1);
    assert_string_equal(call.payload, "pay");
    assert_string_equal(call.id, "g/1/000004k7/64"); // coordinator 4711, attempt 100
    assert_int_equal(call.branch, 1);
    assert_int_equal(call.enlisted, 0);
    UNTIL(counts().committed == 1 && counts().unfinished == 0);
    assert_int_equal(counts().prepared, 1);
    assert_int_equal(counts().records, 2); // vote and outcome
    assert_in_range(counts().syncs, 1, 2);
    assert_true(counts().connected);
    assert_int_equal(counts().failed, ASSENT_OK);
    assert_string_equal(rm_story("g"), "pc");
}

static void a_no_comes_with_its_reason(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("g", 100, "no");
    struct rm_said vote = rm_await(MSG_VOTE, "g", 1);
    assert_int_equal(vote.msg.u.vote.vote, VOTE_NO);
    assert_string_equal(vote.text, "because");
    rm_prepare("h", 101, "read");
    rm_await_vote("h", VOTE_READ_ONLY);
    UNTIL(counts().voted_no == 1 && counts().read_only == 1 && counts().unfinished == 0);
}

static void work_that_was_done_already_is_prepared_without_payload(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare_flags("g", 100, "", 0, BRANCH_ENLISTED);
    rm_await_vote("g", VOTE_YES);
    assert_int_equal(rm_await_call('p', "g", 1).enlisted, 1);
    rm_rollback("g", 100);
    rm_await_done("g", OUTCOME_ABORTED);
    assert_string_equal(rm_story("g"), "pr");
}

static void a_branch_alone_commits_in_one_phase(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare_flags("g", 100, "pay", PREPARE_ONE_PHASE, BRANCH_CALL);
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_string_equal(rm_story("g"), "pc");
    assert_int_equal(rm_count_said(MSG_VOTE, "g"), 0);
}

static void a_commit_that_fails_is_tried_until_done(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("g", 100, "retry");
    rm_await_vote("g", VOTE_YES);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_string_equal(rm_story("g"), "pcccc");
    for (unsigned n = 1; n <= 4; n++)
        assert_int_equal(rm_await_call('c', "g", n).tries, n - 1);
}

static void heuristics_are_told_and_forgotten_when_they_are_noted(void **state)
{
    (void)state;
    static const struct {
        const char *gtid, *payload;
        unsigned heuristic;
    } all[] = {
        {"a", "heur2", HEURISTIC_COMMIT},
        {"b", "heur3", HEURISTIC_ROLLBACK},
        {"c", "heur4", HEURISTIC_MIXED},
        {"d", "heur5", HEURISTIC_HAZARD},
    };
    rm_open(false, false);
    for (unsigned i = 0; i < 4; i++) {
        rm_prepare(all[i].gtid, 100 + i, all[i].payload);
        rm_await_vote(all[i].gtid, VOTE_YES);
        rm_commit(all[i].gtid, 100 + i);
        struct rm_said done = rm_await(MSG_DONE, all[i].gtid, 1);
        assert_int_equal(done.msg.u.done.outcome, OUTCOME_COMMITTED); // what it was told
        assert_int_equal(done.msg.u.done.heuristic, all[i].heuristic);
    }
    rm_fence(200);
    rm_close(); // and all of that is in the journal
    rm_open(false, false);
    for (unsigned i = 0; i < 4; i++) {
        rm_commit(all[i].gtid, 100 + i);
        assert_int_equal(rm_await(MSG_DONE, all[i].gtid, 2).msg.u.done.heuristic, all[i].heuristic);
        assert_string_equal(rm_story(all[i].gtid), "pc");
        rm_noted(all[i].gtid, 100 + i);
        struct rm_call call = rm_await_call('o', all[i].gtid, 2); // it fails at first
        assert_string_equal(call.about, "2pc call forget");
        assert_non_null(strchr(strchr(call.id, '/') + 1, '/')); // with the run in it
    }
}

static void duplicates_are_answered_without_calling_again(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("g", 100, "pay");
    rm_await(MSG_VOTE, "g", 1);
    rm_prepare("g", 100, "pay");
    rm_await(MSG_VOTE, "g", 2);
    rm_commit("g", 100);
    rm_await(MSG_DONE, "g", 1);
    rm_commit("g", 100);
    rm_await(MSG_DONE, "g", 2);
    assert_string_equal(rm_story("g"), "pc");
}

static void a_slow_handler_holds_up_nobody_else(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("slow", 100, "slow");
    rm_await_slow(1);
    for (int i = 0; i < 20; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "g%d", i);
        rm_prepare(gtid, 101 + (uint64_t)i, "pay");
        rm_await_vote(gtid, VOTE_YES);
        rm_commit(gtid, 101 + (uint64_t)i);
        rm_await_done(gtid, OUTCOME_COMMITTED);
    }
    assert_int_equal(rm_count_said(MSG_VOTE, "slow"), 0);
    rm_let_go();
    rm_await_vote("slow", VOTE_YES);
}

static void calls_of_one_branch_never_overlap(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("g", 100, "slow");
    rm_await_slow(1);
    rm_rollback("g", 100);
    rm_prepare("h", 101, "pay"); // all of that has been heard when this is answered
    rm_await_vote("h", VOTE_YES);
    assert_string_equal(rm_story("g"), "p");
    rm_let_go();
    rm_await_done("g", OUTCOME_ABORTED);
    assert_string_equal(rm_story("g"), "pr");
    assert_int_equal(rm.overlaps, 0);
}

static void a_rollback_of_what_is_not_known_is_done(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_rollback("g", 100);
    rm_await_done("g", OUTCOME_ABORTED);
    assert_string_equal(rm_story("g"), "r");
}

// ---- work that the application started ----

static void started_work_is_known_until_it_has_ended(void **state)
{
    (void)state;
    rm_open(false, false);
    assert_int_equal(assent_participant_working(rm.participant, "g", 1, &rm.error), ASSENT_OK);
    assert_int_equal(counts().unfinished, 1);
    assert_int_equal(assent_participant_working(rm.participant, "g", 1, &rm.error), ASSENT_OK);
    rm_rollback("g", 100);
    rm_await_call('r', "g", 1);
    UNTIL(counts().unfinished == 0);
    rm_prepare("h", 101, "pay");
    rm_await_vote("h", VOTE_YES);
    assert_int_equal(assent_participant_working(rm.participant, "h", 1, &rm.error), ASSENT_STATE);
    assert_int_equal(assent_participant_working(rm.participant, "", 1, NULL), ASSENT_INVALID);
    assert_int_equal(assent_participant_working(rm.participant, "g", LIMIT_BRANCHES, NULL),
                     ASSENT_INVALID);
}

// ---- life ----

static void *close_it(void *arg)
{
    (void)arg;
    rm_close();
    return NULL;
}

static void closing_waits_for_handlers_and_keeps_what_they_did(void **state)
{
    (void)state;
    pthread_t thread;
    rm_open(false, false);
    rm_prepare("g", 100, "slow");
    rm_await_slow(1);
    assert_int_equal(pthread_create(&thread, NULL, close_it, NULL), 0);
    rm_let_go();
    pthread_join(thread, NULL);
    rm_open(false, false);
    // The vote is in the journal: asked about, and finished as the coordinator says.
    assert_int_equal(rm_await(MSG_INQUIRE, "g", 1).msg.u.inquire.prepared, 1);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_string_equal(rm_await_call('c', "g", 1).payload, "slow");
}

static void closing_begins_no_new_calls(void **state)
{
    (void)state;
    enum { MANY = 40 };
    pthread_t thread;
    rm_open(false, false);
    for (int i = 0; i < MANY; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "g%d", i);
        rm_prepare(gtid, 100 + (uint64_t)i, i < 2 ? "slow" : "pay");
    }
    rm_await_slow(2); // both workers; the others wait
    assent_participant *participant = rm.participant;
    assert_int_equal(pthread_create(&thread, NULL, close_it, NULL), 0);
    UNTIL(assent_participant_wait(participant, 0, NULL) == ASSENT_CLOSED);
    rm_let_go();
    pthread_join(thread, NULL);
    assert_int_equal(rm.call_count, 2);
}

static void a_coordinator_that_restarts_is_greeted_again(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    unsigned inquiries = rm_count_said(MSG_INQUIRE, "g");
    fake_restart(&rm.fake);
    rm_await(MSG_INQUIRE, "g", inquiries + 1);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
}

static void options_are_checked(void **state)
{
    (void)state;
    assent_participant_options options;
    assent_participant *p = NULL;
    assent_handlers half = *rm_handlers(false);
    const assent_handlers *all = rm_handlers(false);
    half.rollback = NULL;
    rm_options(&options);
    assert_int_equal(assent_participant_open(&options, &half, NULL, &p, NULL), ASSENT_INVALID);
    options.rm_durable = 1;
    assert_int_equal(assent_participant_open(&options, all, NULL, &p, NULL), ASSENT_INVALID);
    rm_options(&options);
    options.resource = "no spaces";
    assert_int_equal(assent_participant_open(&options, all, NULL, &p, NULL), ASSENT_INVALID);
    rm_options(&options);
    options.resource = NULL;
    assert_int_equal(assent_participant_open(&options, all, NULL, &p, NULL), ASSENT_INVALID);
    rm_options(&options);
    options.workers = 100000;
    assert_int_equal(assent_participant_open(&options, all, NULL, &p, NULL), ASSENT_INVALID);
    rm_options(&options);
    options.journal_dir = NULL;
    assert_int_equal(assent_participant_open(&options, all, NULL, &p, NULL), ASSENT_INVALID);
    rm_options(&options);
    options.endpoint = "carrier://pigeon";
    assert_int_equal(assent_participant_open(&options, all, NULL, &p, NULL), ASSENT_CONFIG);
    assert_null(p);
    assent_participant_close(&p);
}

static void one_journal_serves_one_participant(void **state)
{
    (void)state;
    assent_participant_options options;
    assent_participant *second = NULL;
    rm_open(false, false);
    rm_options(&options);
    assert_int_equal(
        assent_participant_open(&options, rm_handlers(false), NULL, &second, &rm.error),
        ASSENT_LOCKED);
    assert_non_null(strstr(rm.error.message, "journal"));
    assert_null(second);
}

static int refuse_to_recover(void *context, assent_recovery *recovery)
{
    (void)context;
    (void)recovery;
    return 5;
}

static void a_recover_that_fails_fails_the_open(void **state)
{
    (void)state;
    assent_participant_options options;
    assent_participant *p = NULL;
    assent_handlers handlers = *rm_handlers(false);
    handlers.recover = refuse_to_recover;
    rm_options(&options);
    assert_int_equal(assent_participant_open(&options, &handlers, NULL, &p, &rm.error),
                     ASSENT_STATE);
    assert_null(p);
    rm_open(false, false); // nothing is left locked
}

int main(int argc, char **argv)
{
    rm_maybe_serve(argc, argv);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_setup, rm_teardown)
        TEST(a_branch_is_prepared_and_committed),
        TEST(a_no_comes_with_its_reason),
        TEST(work_that_was_done_already_is_prepared_without_payload),
        TEST(a_branch_alone_commits_in_one_phase),
        TEST(a_commit_that_fails_is_tried_until_done),
        TEST(heuristics_are_told_and_forgotten_when_they_are_noted),
        TEST(duplicates_are_answered_without_calling_again),
        TEST(a_slow_handler_holds_up_nobody_else),
        TEST(calls_of_one_branch_never_overlap),
        TEST(a_rollback_of_what_is_not_known_is_done),
        TEST(started_work_is_known_until_it_has_ended),
        TEST(closing_waits_for_handlers_and_keeps_what_they_did),
        TEST(closing_begins_no_new_calls),
        TEST(a_coordinator_that_restarts_is_greeted_again),
        TEST(options_are_checked),
        TEST(one_journal_serves_one_participant),
        TEST(a_recover_that_fails_fails_the_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
