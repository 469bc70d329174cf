// SPDX-License-Identifier: Apache-2.0
// Every code at every stage, and what comes of it, as the specification's reader expects it: the
// manager's own table is not asked here.
#include "stage.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

static const int far_codes[] = {9999, -9999, INT_MAX, INT_MIN};
enum { NEAR_FIRST = -12, NEAR_LAST = 110, FAR = sizeof far_codes / sizeof far_codes[0] };

// All codes of the specification, and some of none.
static bool code_next(int *code, unsigned *cursor)
{
    unsigned near = NEAR_LAST - NEAR_FIRST + 1, at = (*cursor)++;
    if (at >= near + FAR)
        return false;
    *code = at < near ? NEAR_FIRST + (int)at : far_codes[at - near];
    return true;
}

static bool rolled_back(int code)
{
    return code >= XA_RBBASE && code <= XA_RBEND;
}

// ---- commit, rollback, forget ----

typedef assent_done_code handler(assent_xa *xa, const assent_branch *branch);

// Asked of xa_recover after the code: `look`.
static void phase_two(handler *asked, const char *call, int code, const char *look,
                      assent_done_code wanted)
{
    stage_open("%s " CALL_XID " TMNOFLAGS -> %d\n%s" CLOSE, call, code, look);
    assent_done_code done = asked(stage.xa, stage_call(0));
    if (done != wanted)
        fail_msg("%s answers %d: %u, not %u", call, code, done, wanted);
    stage_close();
}

static bool heuristic(int code, assent_done_code *ret)
{
    switch (code) {
    case XA_HEURCOM: *ret = ASSENT_HEURISTIC_COMMIT; return true;
    case XA_HEURRB: *ret = ASSENT_HEURISTIC_ROLLBACK; return true;
    case XA_HEURMIX: *ret = ASSENT_HEURISTIC_MIXED; return true;
    case XA_HEURHAZ: *ret = ASSENT_HEURISTIC_HAZARD; return true;
    default: return false;
    }
}

static void test_commit(void **state)
{
    (void)state;
    assent_done_code done;
    unsigned cursor = 0;
    for (int code; code_next(&code, &cursor);) {
        if (code == XA_OK) {
            phase_two(assent_xa_commit, "commit", code, "", ASSENT_DONE);
        } else if (heuristic(code, &done)) {
            phase_two(assent_xa_commit, "commit", code, "", done);
        } else if (code == XAER_NOTA || code == XAER_RMERR || rolled_back(code)) {
            done = code == XAER_NOTA ? ASSENT_DONE : ASSENT_HEURISTIC_ROLLBACK;
            phase_two(assent_xa_commit, "commit", code, NONE_HELD, done);
            phase_two(assent_xa_commit, "commit", code, HELD(CALL_XID), ASSENT_RETRY);
        } else {
            phase_two(assent_xa_commit, "commit", code, "", ASSENT_RETRY);
        }
    }
}

static void test_rollback(void **state)
{
    (void)state;
    assent_done_code done;
    unsigned cursor = 0;
    for (int code; code_next(&code, &cursor);) {
        if (code == XA_OK || rolled_back(code)) {
            phase_two(assent_xa_rollback, "rollback", code, "", ASSENT_DONE);
        } else if (heuristic(code, &done)) {
            phase_two(assent_xa_rollback, "rollback", code, "", done);
        } else if (code == XAER_NOTA || code == XAER_RMERR) {
            phase_two(assent_xa_rollback, "rollback", code, NONE_HELD, ASSENT_DONE);
            phase_two(assent_xa_rollback, "rollback", code, HELD(CALL_XID), ASSENT_RETRY);
        } else {
            phase_two(assent_xa_rollback, "rollback", code, "", ASSENT_RETRY);
        }
    }
}

static void test_forget(void **state)
{
    (void)state;
    unsigned cursor = 0;
    for (int code; code_next(&code, &cursor);)
        phase_two(assent_xa_forget, "forget", code, "",
                  code == XA_OK || code == XAER_NOTA ? ASSENT_DONE : ASSENT_RETRY);
}

// What cannot be looked up is not concluded from.
static void test_look_fails(void **state)
{
    (void)state;
    phase_two(assent_xa_commit, "commit", XAER_NOTA, "recover 128 TMSTARTRSCAN -> XAER_RMERR\n",
              ASSENT_RETRY);
    phase_two(assent_xa_commit, "commit", XA_RBOTHER, "recover 128 TMSTARTRSCAN -> -55\n",
              ASSENT_RETRY);
    phase_two(assent_xa_rollback, "rollback", XAER_NOTA, "recover 128 TMSTARTRSCAN -> 129\n",
              ASSENT_RETRY);
}

static void reopened(handler *asked, const char *call)
{
    stage_open("%s " CALL_XID " TMNOFLAGS -> XAER_RMFAIL\n" CLOSE
               "open 7 -> XAER_RMERR\n" // not yet back
               "open 7 -> XA_OK\n"
               "%s " CALL_XID " TMNOFLAGS -> XA_OK\n" CLOSE,
               call, call);
    assert_int_equal(asked(stage.xa, stage_call(0)), ASSENT_RETRY);
    assert_int_equal(asked(stage.xa, stage_call(1)), ASSENT_RETRY);
    assert_int_equal(asked(stage.xa, stage_call(2)), ASSENT_DONE);
    stage_close();
}

static void test_reopened(void **state)
{
    (void)state;
    reopened(assent_xa_commit, "commit");
    reopened(assent_xa_rollback, "rollback");
    reopened(assent_xa_forget, "forget");
}

// ---- which XID ----

static void test_enlisted_branch(void **state)
{
    (void)state;
    stage_open("commit " APP_XID " TMNOFLAGS -> XA_OK\n"
               "rollback " APP_XID " TMNOFLAGS -> XA_OK\n"
               "forget " APP_XID " TMNOFLAGS -> XA_OK\n" CLOSE);
    assert_int_equal(assent_xa_commit(stage.xa, stage_enlisted()), ASSENT_DONE);
    assert_int_equal(assent_xa_rollback(stage.xa, stage_enlisted()), ASSENT_DONE);
    assert_int_equal(assent_xa_forget(stage.xa, stage_enlisted()), ASSENT_DONE);
    stage_close();
}

// A rollback may come for a branch of which not even its kind is known.
static void test_unknown_branch(void **state)
{
    (void)state;
    stage_open("rollback " CALL_XID " TMNOFLAGS -> XAER_NOTA\n" HELD(
        APP_XID) "rollback " APP_XID " TMNOFLAGS -> XA_OK\n" // the application's
                 "rollback " CALL_XID " TMNOFLAGS -> XA_RETRY\n"
                 "commit " CALL_XID " TMNOFLAGS -> XA_OK\n" CLOSE);
    assert_int_equal(assent_xa_rollback(stage.xa, stage_unknown()), ASSENT_DONE);
    assert_int_equal(assent_xa_rollback(stage.xa, stage_unknown()), ASSENT_RETRY);
    assert_int_equal(assent_xa_commit(stage.xa, stage_unknown()), ASSENT_DONE);
    stage_close();
}

// ---- phase one ----

static void check_why(const char *why, const char *call, int code)
{
    char wanted[ASSENT_NO_REASON_MAX];
    snprintf(wanted, sizeof wanted, "xa_%s answers %d (%s)", call, code, assent_xa_code_text(code));
    assert_string_equal(why, wanted);
}

#define START  "start " CALL_XID " TMNOFLAGS -> XA_OK\n"
#define WORK   "work -> XA_OK\n"
#define END    "end " CALL_XID " TMSUCCESS -> XA_OK\n"
#define UNDONE "rollback " CALL_XID " TMNOFLAGS -> XA_OK\n"

// `before`, then the call answers the code, then `after`.
static void phase_one(const char *before, const char *call, const char *flags, int code,
                      const char *after, assent_vote wanted)
{
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    stage.work_votes = ASSENT_VOTE_YES;
    stage_open("%s%s " CALL_XID " %s -> %d\n%s" CLOSE, before, call, flags, code, after);
    assent_vote vote = assent_xa_prepare(stage.xa, stage_call(0), why);
    if (vote != wanted)
        fail_msg("%s answers %d: %u, not %u", call, code, vote, wanted);
    bool yes = vote == ASSENT_VOTE_YES || vote == ASSENT_VOTE_READ_ONLY;
    assert_int_equal(assent_xa_prepare_code(), yes ? XA_OK : code);
    if (vote == ASSENT_VOTE_NO)
        check_why(why, call, code);
    stage_close();
}

static void test_prepare(void **state)
{
    (void)state;
    unsigned cursor = 0;
    for (int code; code_next(&code, &cursor);) {
        const char *after = UNDONE;
        assent_vote vote = ASSENT_VOTE_NO;
        if (code == XA_OK || code == XA_RDONLY || rolled_back(code))
            after = "";
        if (code == XAER_RMFAIL)
            after = REOPENED UNDONE;
        if (code == XA_OK)
            vote = ASSENT_VOTE_YES;
        if (code == XA_RDONLY)
            vote = ASSENT_VOTE_READ_ONLY;
        phase_one(START WORK END, "prepare", "TMNOFLAGS", code, after, vote);
    }
}

static void test_end(void **state)
{
    (void)state;
    unsigned cursor = 0;
    for (int code; code_next(&code, &cursor);) {
        bool known = rolled_back(code) || code == XAER_RMERR || code == XAER_NOTA ||
                     code == XAER_INVAL; // certainly not on this thread any more
        if (code == XA_OK)
            phase_one(START WORK, "end", "TMSUCCESS", code,
                      "prepare " CALL_XID " TMNOFLAGS -> XA_OK\n", ASSENT_VOTE_YES);
        else
            phase_one(START WORK, "end", "TMSUCCESS", code, known ? UNDONE : REOPENED UNDONE,
                      ASSENT_VOTE_NO);
    }
}

static void test_start(void **state)
{
    (void)state;
    unsigned cursor = 0;
    for (int code; code_next(&code, &cursor);) {
        bool known =
            rolled_back(code) || code == XAER_RMERR || code == XAER_DUPID || code == XAER_INVAL;
        char again[512];
        snprintf(again, sizeof again,
                 REOPENED "start " CALL_XID " TMNOFLAGS -> %d\n" REOPENED UNDONE, code);
        if (code == XA_OK)
            phase_one("", "start", "TMNOFLAGS", code,
                      WORK END "prepare " CALL_XID " TMNOFLAGS -> XA_OK\n", ASSENT_VOTE_YES);
        else
            phase_one("", "start", "TMNOFLAGS", code, known ? UNDONE : again, ASSENT_VOTE_NO);
    }
    // A connection that was lost while nobody used it.
    phase_one("", "start", "TMNOFLAGS", XAER_RMFAIL,
              REOPENED START WORK END "prepare " CALL_XID " TMNOFLAGS -> XA_OK\n", ASSENT_VOTE_YES);
}

static void test_open(void **state)
{
    (void)state;
    unsigned cursor = 0;
    assent_xa_options options;
    for (int code; code_next(&code, &cursor);) {
        if (code == XA_OK)
            continue;
        stage_write("open 7 -> %d\n", code);
        stage_options(&options);
        assert_int_equal(assent_xa_open(&options, &stage.xa, &stage.error), ASSENT_UNAVAILABLE);
        assert_non_null(strstr(stage.error.message, assent_xa_code_text(code)));
        assert_null(stage.xa);
        stage_check("open");
    }
    // Later, of a thread whose connection is gone.
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    stage.work_votes = ASSENT_VOTE_YES;
    stage_open("start " CALL_XID " TMNOFLAGS -> XAER_RMFAIL\n" CLOSE "open 7 -> XAER_RMERR\n");
    assert_int_equal(assent_xa_prepare(stage.xa, stage_call(0), why), ASSENT_VOTE_NO);
    check_why(why, "open", XAER_RMERR);
    stage_close();
}

// ---- undoing ----

// After an xa_prepare that left the branch in doubt.
static void undoing(const char *after, assent_vote wanted)
{
    phase_one(START WORK END, "prepare", "TMNOFLAGS", 4711, after, wanted);
}

#define ROLLBACK(code) "rollback " CALL_XID " TMNOFLAGS -> " code "\n"

static void test_undo(void **state)
{
    (void)state;
    const assent_vote in_doubt = (assent_vote)0;
    undoing(ROLLBACK("XA_RBTIMEOUT"), ASSENT_VOTE_NO);
    undoing(ROLLBACK("XAER_NOTA") NONE_HELD, ASSENT_VOTE_NO);
    undoing(ROLLBACK("XAER_NOTA") HELD(CALL_XID), in_doubt);
    undoing(ROLLBACK("XAER_NOTA") "recover 128 TMSTARTRSCAN -> XAER_INVAL\n", in_doubt);
    undoing(ROLLBACK("XAER_RMERR") HELD(APP_XID), ASSENT_VOTE_NO);
    undoing(ROLLBACK("XAER_PROTO"), in_doubt);
    undoing(ROLLBACK("4711"), in_doubt);
    undoing(ROLLBACK("XAER_RMFAIL") REOPENED ROLLBACK("XA_OK"), ASSENT_VOTE_NO);
    undoing(ROLLBACK("XAER_RMFAIL") REOPENED ROLLBACK("XA_RETRY"), in_doubt);
    undoing(ROLLBACK("XA_HEURRB") "forget " CALL_XID " TMNOFLAGS -> XA_OK\n", ASSENT_VOTE_NO);
    undoing(ROLLBACK("XA_HEURRB") "forget " CALL_XID " TMNOFLAGS -> XAER_RMERR\n", in_doubt);
    // Committed by itself, wholly or in part: no vote would be true.
    undoing(ROLLBACK("XA_HEURCOM"), in_doubt);
    undoing(ROLLBACK("XA_HEURMIX"), in_doubt);
    undoing(ROLLBACK("XA_HEURHAZ"), in_doubt);
}

// Asked again after no vote, it is not done again, but undone until that is certain.
static void test_asked_again(void **state)
{
    (void)state;
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    stage.work_votes = ASSENT_VOTE_YES;
    stage_open(ROLLBACK("XAER_NOTA") HELD(CALL_XID) ROLLBACK("XA_OK") CLOSE);
    assert_int_equal(assent_xa_prepare(stage.xa, stage_call(1), why), 0);
    assert_int_equal(assent_xa_prepare(stage.xa, stage_call(2), why), ASSENT_VOTE_NO);
    assert_string_equal(why, RESOURCE " could not prepare it");
    stage_close();
}

// ---- the work ----

static void test_work(void **state)
{
    (void)state;
    static const struct {
        int votes;
        assent_vote wanted;
    } works[] = {{ASSENT_VOTE_NO, ASSENT_VOTE_NO},
                 {ASSENT_VOTE_READ_ONLY, ASSENT_VOTE_READ_ONLY},
                 {77, ASSENT_VOTE_NO}};
    char why[ASSENT_NO_REASON_MAX + 1];
    stage.work_says = "no money";
    for (size_t i = 0; i < sizeof works / sizeof works[0]; i++) {
        stage.work_votes = (assent_vote)works[i].votes;
        stage_open(START WORK "end " CALL_XID " TMFAIL -> XA_RBROLLBACK\n" UNDONE CLOSE);
        assert_int_equal(assent_xa_prepare(stage.xa, stage_call(0), why), works[i].wanted);
        assert_string_equal(why, "no money");
        assert_int_equal(assent_xa_prepare_code(), XA_OK);
        stage_close();
    }
    stage.work_votes = ASSENT_VOTE_NO; // and nobody knows whether it is undone
    stage_open(START WORK "end " CALL_XID " TMFAIL -> XA_OK\n" ROLLBACK("XAER_INVAL") CLOSE);
    assert_int_equal(assent_xa_prepare(stage.xa, stage_call(0), why), 0);
    stage_close();
}

static void test_no_work(void **state)
{
    (void)state;
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    stage_open(CLOSE);
    assert_int_equal(assent_xa_prepare(stage.xa, stage_call(0), why), ASSENT_VOTE_NO);
    assert_string_equal(why, RESOURCE " takes no calls: branches are enlisted there");
    stage_close();
}

// ---- recover ----

static void enlisted(const char *scan, assent_vote wanted)
{
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    stage_open("%s", scan);
    assent_vote vote = assent_xa_prepare(stage.xa, stage_enlisted(), why);
    if (vote != wanted)
        fail_msg("%s: %u, not %u", scan, vote, wanted);
    if (vote == ASSENT_VOTE_NO)
        assert_string_equal(why, "not prepared at " RESOURCE);
    stage_close();
}

static void test_recover(void **state)
{
    (void)state;
    char scan[512];
    unsigned cursor = 0;
    enlisted(HELD(APP_XID) CLOSE, ASSENT_VOTE_YES);
    enlisted(NONE_HELD CLOSE, ASSENT_VOTE_NO);
    for (int code; code_next(&code, &cursor);) {
        if (code >= 0 && code <= 128)
            continue; // a count
        bool lost = code == XAER_RMFAIL || code == XAER_PROTO;
        snprintf(scan, sizeof scan, "recover 128 TMSTARTRSCAN -> %d\n%s" CLOSE, code,
                 lost ? REOPENED HELD(APP_XID) : "");
        enlisted(scan, lost ? ASSENT_VOTE_YES : (assent_vote)0);
    }
    enlisted("recover 128 TMSTARTRSCAN -> XAER_RMFAIL\n" REOPENED
             "recover 128 TMSTARTRSCAN -> XAER_RMFAIL\n" CLOSE,
             (assent_vote)0);
    enlisted("recover 128 TMSTARTRSCAN -> XAER_RMFAIL\n" CLOSE "open 7 -> XAER_RMERR\n",
             (assent_vote)0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_commit),      TEST(test_rollback),       TEST(test_forget),
        TEST(test_look_fails),  TEST(test_reopened),       TEST(test_enlisted_branch),
        TEST(test_prepare),     TEST(test_unknown_branch), TEST(test_end),
        TEST(test_start),       TEST(test_open),           TEST(test_undo),
        TEST(test_asked_again), TEST(test_work),           TEST(test_no_work),
        TEST(test_recover),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
