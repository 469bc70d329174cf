// SPDX-License-Identifier: Apache-2.0
// The manager's handlers in a participant of a real assentd.
#include "live_world.h"

#include <dlfcn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "scripted.h"

static void test_calls(void **state)
{
    (void)state;
    live_open_other();
    assent_tx *tx = live_begin("both");
    live_call(tx, "bank", "pay");
    live_call(tx, "other", "pay");
    assert_int_equal(live_commit(tx).outcome, ASSENT_COMMITTED);
    tx = live_begin("alone");
    live_call(tx, "bank", "pay");
    assert_int_equal(live_commit(tx).outcome, ASSENT_COMMITTED);
    tx = live_begin("neither");
    live_call(tx, "bank", "no");
    live_call(tx, "other", "pay");
    assent_result result = live_commit(tx);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_string_equal(result.text, "no is no");
    live_until_idle();
    assert_string_equal(memory_rm_story(), "prepare both;commit both;prepare alone;commit alone;"
                                           "rollback neither;");
    assert_int_equal(memory_rm_held(), 0);
}

// The application does the work and prepares it; the participant looks, and finishes it.
static void test_enlisted(void **state)
{
    (void)state;
    assent_tx *tx = live_begin("app");
    XID xid = live_enlist(tx, "app");
    memory_rm_prepare(&xid);
    live_open_other();
    live_call(tx, "other", "pay");
    assert_int_equal(live_commit(tx).outcome, ASSENT_COMMITTED);
    assert_string_equal(memory_rm_story(), "prepare app;commit app;");
    tx = live_begin("alone");
    xid = live_enlist(tx, "alone");
    memory_rm_prepare(&xid);
    assert_int_equal(live_commit(tx).outcome, ASSENT_COMMITTED);
    assert_int_equal(memory_rm_held(), 0);
    tx = live_begin("forgot");
    live_enlist(tx, "forgot");
    assent_result result = live_commit(tx);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_string_equal(result.text, "not prepared at bank");
}

static int is_gone(void *arg)
{
    return !memory_rm_holds(arg);
}

// The participant was never asked to prepare, and does not know what kind of branch it is.
static void test_enlisted_and_dropped(void **state)
{
    (void)state;
    assent_tx *tx = live_begin("dropped");
    XID xid = live_enlist(tx, "dropped");
    memory_rm_prepare(&xid);
    assert_int_equal(assent_rollback(tx, NULL, &live.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    live_until(is_gone, &xid, "it is rolled back");
}

static int unfinished(void *arg)
{
    return live_counts().unfinished == *(unsigned *)arg;
}

// Prepared work of an application that has died, perhaps: its participant hears of it, and asks the
// coordinator every so many seconds. Here the coordinator speaks first.
static void test_orphan(void **state)
{
    (void)state;
    XID xid, others;
    unsigned one = 1;
    assent_tx *tx = live_begin("orphan");
    xid = live_enlist(tx, "orphan");
    memory_rm_prepare(&xid);
    assert_int_equal(assent_xid_enlisted("orphan", 1, "bank-2", &others, NULL), ASSENT_OK);
    memory_rm_prepare(&others);
    for (int i = 0; i < 2; i++)
        assent_xa_watch(live.xa, live.bank);
    live_until(unfinished, &one, "the participant knows of one");
    assert_int_equal(assent_rollback(tx, NULL, &live.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    live_until_idle();
    assert_false(memory_rm_holds(&xid));
    assert_true(memory_rm_holds(&others));
    // One that is needed is left alone.
    tx = live_begin("needed");
    xid = live_enlist(tx, "needed");
    memory_rm_prepare(&xid);
    assent_xa_watch(live.xa, live.bank);
    assert_int_equal(live_commit(tx).outcome, ASSENT_COMMITTED);
}

static int story_is(void *arg)
{
    return strcmp(memory_rm_story(), arg) == 0;
}

static void outcome(void *arg, int code, const assent_result *result)
{
    *(assent_outcome *)arg = code == ASSENT_OK ? result->outcome : ASSENT_OUTCOME_UNKNOWN;
}

// A vote is kept across a restart: that of an enlisted branch too, which `recover` cannot report.
static void restart_in_doubt(int durable, const char *gtid)
{
    assent_tx *tx = live_begin(gtid);
    XID xid = live_enlist(tx, gtid);
    memory_rm_prepare(&xid);
    live_call(tx, "bank", "pay");
    live_call(tx, "other", "pay");
    live_close_bank();
    live_open_bank(durable);
    assent_outcome told = ASSENT_OUTCOME_UNKNOWN;
    assert_int_equal(assent_commit_async(tx, outcome, &told, &live.error), ASSENT_OK);
    live_until_in_doubt(2);
    live_close_bank();
    live_open_bank(durable);
    assert_int_equal(live_counts().in_doubt, 2);
    assent_tx_destroy(&tx);
    live_open_other();
    assert_int_equal(assent_client_dispatch(live.client, -1), 1);
    assert_int_equal(told, ASSENT_COMMITTED);
    assert_int_equal(memory_rm_held(), 0);
    assent_participant_close(&live.other);
}

static void test_restart(void **state)
{
    (void)state;
    restart_in_doubt(0, "first");
    restart_in_doubt(1, "second");
    const char *story = memory_rm_story();
    assert_null(strstr(story, "rollback"));
    for (int i = 0; i < 2; i++) {
        assert_non_null(strstr(story, "commit first;"));
        assert_non_null(strstr(story, "commit second;"));
    }
}

// What the resource manager did by itself: on record, told to the client, and then forgotten.
static void heuristic(const char *gtid, int code, int mixed)
{
    char story[128];
    memory_rm_reset();
    memory_rm_heuristic(code);
    live.mixed_at_forget = -1;
    assent_tx *tx = live_begin(gtid);
    live_call(tx, "bank", "pay");
    live_call(tx, "other", "pay");
    assent_result result = live_commit(tx);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_int_equal(result.mixed, mixed);
    live_until_idle();
    snprintf(story, sizeof story, "prepare %s;commit %s;forget %s;", gtid, gtid, gtid);
    live_until(story_is, story, "it is forgotten");
    assert_int_equal(live.mixed_at_forget, mixed); // not before the coordinator has it
    assert_int_equal(assent_status(live.client, gtid, &result, &live.error), ASSENT_OK);
    assert_int_equal(result.mixed, mixed);
}

static void test_heuristics(void **state)
{
    (void)state;
    live_open_other();
    heuristic("rolled-back", XA_HEURRB, ASSENT_MIXED_BY_MANAGER);
    heuristic("mixed", XA_HEURMIX, ASSENT_MIXED_BY_MANAGER);
    heuristic("hazard", XA_HEURHAZ, ASSENT_MIXED_BY_MANAGER);
    heuristic("committed", XA_HEURCOM, 0); // as was decided
}

static int not_held(void *arg)
{
    return !memory_rm_holds(arg);
}

// Prepared, but the vote was never given.
static void test_recover(void **state)
{
    (void)state;
    XID xid;
    live_close_bank();
    assert_int_equal(assent_xid_branch("T9/0/0123abcd/1", "bank", &xid, NULL), ASSENT_OK);
    memory_rm_prepare(&xid);
    live_open_bank(0);
    live_until(not_held, &xid, "it is rolled back");
    assert_string_equal(memory_rm_story(), "prepare T9;rollback T9;");
}

// The connection broke while the resource manager prepared, the branch was looked for in vain and
// voted no; and then it was prepared after all.
static void test_prepared_behind_our_back(void **state)
{
    (void)state;
    XID xid;
    assent_tx *tx = live_begin("busy");
    live_call(tx, "bank", "pay");
    live_call(tx, "other", "pay");
    assent_outcome told = ASSENT_OUTCOME_UNKNOWN;
    assert_int_equal(assent_commit_async(tx, outcome, &told, &live.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    live_until_in_doubt(1);
    assert_int_equal(assent_xid_branch("T9/0/0123abcd/1", "bank", &xid, NULL), ASSENT_OK);
    memory_rm_prepare(&xid);
    assert_int_equal(memory_rm_held(), 2);
    assent_xa_watch(live.xa, live.bank);
    live_until(not_held, &xid, "it is rolled back");
    live_open_other();
    assert_int_equal(assent_client_dispatch(live.client, -1), 1);
    assert_int_equal(told, ASSENT_COMMITTED);
    assert_string_equal(memory_rm_story(), "prepare busy;prepare T9;rollback T9;commit busy;");
    assert_int_equal(assent_participant_held(live.bank, "T9/0", &live.error), ASSENT_INVALID);
}

// ---- a switch from a shared object, in order ----

static assent_vote note(void *context, const assent_branch *branch, char *why)
{
    (void)branch, (void)why;
    scripted_note_function *told = (scripted_note_function *)dlsym(context, "scripted_note");
    return told && told("work") == XA_OK ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
}

static assent_vote scripted_prepare(void *context, const assent_branch *branch, char *why)
{
    return assent_xa_prepare(context, branch, why);
}

static assent_done_code scripted_commit(void *context, const assent_branch *branch)
{
    return assent_xa_commit(context, branch);
}

static assent_done_code scripted_rollback(void *context, const assent_branch *branch)
{
    return assent_xa_rollback(context, branch);
}

static int scripted_recover(void *context, assent_recovery *recovery)
{
    return assent_xa_recover(context, recovery);
}

static const char script[] = "open 5 -> XA_OK\n"
                             "recover 128 TMSTARTRSCAN -> 1 99:not|ours\n"
                             "recover 0 TMENDRSCAN -> 0\n"
                             "2: open 5 -> XA_OK\n"
                             "2: start scripted|0/*/* TMNOFLAGS -> XA_OK\n"
                             "2: work -> XA_OK\n"
                             "2: end scripted|0/*/* TMSUCCESS -> XA_OK\n"
                             "2: prepare scripted|0/*/* TMNOFLAGS -> XA_OK\n"
                             "2: commit scripted|0/*/* TMNOFLAGS -> XAER_RMFAIL\n"
                             "2: close 5  -> XAER_RMFAIL\n"
                             "2: open 5 -> XA_OK\n"
                             "2: commit scripted|0/*/* TMNOFLAGS -> XA_RETRY\n"
                             "2: commit scripted|0/*/* TMNOFLAGS -> 4711\n"
                             "2: commit scripted|0/*/* TMNOFLAGS -> XAER_NOTA\n"
                             "2: recover 128 TMSTARTRSCAN -> 0\n"
                             "2: recover 0 TMENDRSCAN -> 0\n"
                             "2: close 5  -> XA_OK\n"
                             "close 5  -> XA_OK\n";

static void test_scripted(void **state)
{
    (void)state;
    char path[128], journal[128];
    assent_xa *xa;
    assent_participant *participant;
    void *library = dlopen(XA_SCRIPTED, RTLD_NOW);
    assert_non_null(library);
    snprintf(path, sizeof path, "%s/script", live.dir);
    snprintf(journal, sizeof journal, "%s/journal-scripted", live.dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(script, file);
    assert_int_equal(fclose(file), 0);
    const assent_xa_options options = {.resource = "scripted",
                                       .library = XA_SCRIPTED,
                                       .symbol = "scripted_xa",
                                       .open_string = path,
                                       .rmid = 5,
                                       .work = note,
                                       .context = library};
    const assent_handlers handlers = {.prepare = scripted_prepare,
                                      .commit = scripted_commit,
                                      .rollback = scripted_rollback,
                                      .recover = scripted_recover};
    const assent_participant_options place = {.resource = "scripted",
                                              .journal_dir = journal,
                                              .endpoint = live.coordinator.endpoint,
                                              .workers = 1};
    assert_int_equal(assent_xa_open(&options, &xa, &live.error), ASSENT_OK);
    assert_int_equal(assent_participant_open(&place, &handlers, xa, &participant, &live.error),
                     ASSENT_OK);
    assent_tx *tx = live_begin("scripted");
    live_call(tx, "scripted", "pay");
    live_call(tx, "bank", "pay");
    assent_result result = live_commit(tx); // waits until it is done everywhere
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_int_equal(result.finished, 1);
    assent_participant_close(&participant);
    assent_xa_close(&xa);
    scripted_end_function *end = (scripted_end_function *)dlsym(library, "scripted_end");
    assert_string_equal(end(), "");
    dlclose(library);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, live_setup, live_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_calls),      TEST(test_enlisted), TEST(test_enlisted_and_dropped),
        TEST(test_orphan),     TEST(test_restart),  TEST(test_recover),
        TEST(test_heuristics), TEST(test_scripted), TEST(test_prepared_behind_our_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
