// SPDX-License-Identifier: Apache-2.0
// libassent and assentd together: two participants and a client in this process, a real coordinator
// that is killed and restarted. However it ends, both participants must have done the same, and the
// client must not have been told otherwise.

#include "unit.h"

#include <assent/assent.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "assentd.h"

enum { BANKS = 2, ROWS = 1 << 14, PATIENCE_MS = 120000 };

// A resource manager in memory: what became of each gtid.
struct row {
    char gtid[ASSENT_GTID_MAX + 1];
    char state; // 'p' prepared, 'c' committed, 'r' rolled back
};

struct bank {
    assent_participant *participant;
    pthread_mutex_t lock;
    struct row rows[ROWS];
    unsigned wrong; // moves that contradict each other
};

static struct {
    char *dir;
    struct assentd coordinator;
    assent_client *client;
    assent_error error;
    struct bank banks[BANKS];
} w;

// ---- the resource manager ----

static struct row *row_of(struct bank *bank, const char *gtid)
{
    unsigned hash = 5381;
    for (const char *c = gtid; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    for (unsigned i = hash % ROWS;; i = (i + 1) % ROWS) {
        struct row *row = &bank->rows[i];
        if (!row->gtid[0])
            snprintf(row->gtid, sizeof row->gtid, "%s", gtid);
        if (strcmp(row->gtid, gtid) == 0)
            return row;
    }
}

static void move(struct bank *bank, const char *gtid, char to)
{
    pthread_mutex_lock(&bank->lock);
    struct row *row = row_of(bank, gtid);
    bool opposite = (row->state == 'c' && to == 'r') || (row->state == 'r' && to == 'c');
    bank->wrong += opposite;
    // A client's own gtid may be run again after it was rolled back.
    row->state = row->state == 'c' ? 'c' : to;
    pthread_mutex_unlock(&bank->lock);
}

static char state_of(struct bank *bank, const char *gtid)
{
    pthread_mutex_lock(&bank->lock);
    char state = row_of(bank, gtid)->state;
    pthread_mutex_unlock(&bank->lock);
    return state;
}

static assent_vote prepare(void *context, const assent_branch *branch, char *why)
{
    if (branch->size == 2 && memcmp(branch->payload, "no", 2) == 0) {
        strcpy(why, "no is no");
        return ASSENT_VOTE_NO;
    }
    if (branch->size == 4 && memcmp(branch->payload, "read", 4) == 0)
        return ASSENT_VOTE_READ_ONLY;
    move(context, branch->gtid, 'p');
    return ASSENT_VOTE_YES;
}

static assent_done_code commit(void *context, const assent_branch *branch)
{
    move(context, branch->gtid, 'c');
    return ASSENT_DONE;
}

static assent_done_code rollback(void *context, const assent_branch *branch)
{
    move(context, branch->gtid, 'r');
    return ASSENT_DONE;
}

// ---- the world ----

static void open_bank(int i)
{
    char resource[16], journal[96];
    snprintf(resource, sizeof resource, "bank-%d", i);
    snprintf(journal, sizeof journal, "%s/journal-%d", w.dir, i);
    static const assent_handlers handlers = {
        .prepare = prepare, .commit = commit, .rollback = rollback};
    assent_participant_options options = {
        .resource = resource, .journal_dir = journal, .endpoint = w.coordinator.endpoint};
    if (assent_participant_open(&options, &handlers, &w.banks[i], &w.banks[i].participant,
                                &w.error) != ASSENT_OK ||
        assent_participant_wait(w.banks[i].participant, PATIENCE_MS, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    w.dir = unit_dir_make();
    assentd_init(&w.coordinator, w.dir);
    assentd_start(&w.coordinator);
    for (int i = 0; i < BANKS; i++) {
        pthread_mutex_init(&w.banks[i].lock, NULL);
        open_bank(i);
    }
    assent_client_options options = {.endpoint = w.coordinator.endpoint, .name = "sdk-test"};
    if (assent_client_open(&options, &w.client, &w.error) != ASSENT_OK ||
        assent_client_wait(w.client, PATIENCE_MS, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assent_client_close(&w.client);
    for (int i = 0; i < BANKS; i++) {
        assent_participant_close(&w.banks[i].participant);
        pthread_mutex_destroy(&w.banks[i].lock);
    }
    assentd_end(&w.coordinator, SIGKILL);
    unit_dir_remove(&w.dir);
    return 0;
}

// ---- helpers ----

static assent_tx *begin(const char *gtid, uint32_t timeout_ms)
{
    assent_tx *tx;
    assent_tx_options options = {.timeout_ms = timeout_ms, .wait_done = gtid != NULL};
    if (assent_begin(w.client, gtid, &options, &tx, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    return tx;
}

static void call(assent_tx *tx, const char *resource, const char *payload)
{
    assert_int_equal(assent_call(tx, resource, payload, strlen(payload), NULL, &w.error),
                     ASSENT_OK);
}

static assent_result commit_now(assent_tx *tx)
{
    assent_result result;
    if (assent_commit(tx, &result, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    assent_tx_destroy(&tx);
    return result;
}

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}

// Until nothing is in doubt or under way at any bank.
static void settle(void)
{
    for (int tries = 0; tries < PATIENCE_MS / 10; tries++) {
        uint64_t unfinished = 0;
        for (int i = 0; i < BANKS; i++) {
            assent_participant_counts counts;
            assent_participant_count(w.banks[i].participant, &counts);
            assert_int_equal(counts.failed, ASSENT_OK);
            unfinished += counts.unfinished;
        }
        if (unfinished == 0)
            return;
        pause_ms(10);
    }
    fail_msg("branches do not finish");
}

static bool both(const char *gtid, char state)
{
    return state_of(&w.banks[0], gtid) == state && state_of(&w.banks[1], gtid) == state;
}

// ---- one at a time ----

static void all_or_nothing(void **state)
{
    (void)state;
    assent_tx *tx = begin("both", 0);
    call(tx, "bank-0", "pay");
    call(tx, "bank-1", "pay");
    assent_result result = commit_now(tx);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_true(result.finished);
    assert_true(both("both", 'c'));
    tx = begin("neither", 0);
    call(tx, "bank-0", "pay");
    call(tx, "bank-1", "no");
    result = commit_now(tx);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_int_equal(result.reason, ASSENT_REASON_VOTED_NO);
    assert_int_equal(result.branch, 1);
    assert_string_equal(result.text, "no is no");
    settle();
    assert_int_not_equal(state_of(&w.banks[0], "neither"), 'c');
    assert_int_equal(assent_status(w.client, "neither", &result, &w.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_int_equal(assent_status(w.client, "never", &result, &w.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_OUTCOME_UNKNOWN);
}

static void the_short_ways(void **state)
{
    (void)state;
    assent_tx *tx = begin("alone", 0);
    call(tx, "bank-0", "pay");
    assert_int_equal(commit_now(tx).outcome, ASSENT_COMMITTED);
    assert_int_equal(state_of(&w.banks[0], "alone"), 'c');
    tx = begin("half", 0);
    call(tx, "bank-0", "read");
    call(tx, "bank-1", "pay");
    assert_int_equal(commit_now(tx).outcome, ASSENT_COMMITTED);
    assert_int_equal(state_of(&w.banks[1], "half"), 'c');
    tx = begin("reading", 0);
    call(tx, "bank-0", "read");
    call(tx, "bank-1", "read");
    assert_int_equal(commit_now(tx).outcome, ASSENT_COMMITTED);
}

static void the_same_gtid_is_the_same_transaction(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        assent_tx *tx = begin("mine", 0);
        call(tx, "bank-0", "pay");
        call(tx, "bank-1", "pay");
        assert_int_equal(commit_now(tx).outcome, ASSENT_COMMITTED);
    }
    assent_tx *tx = begin("mine", 0);
    call(tx, "bank-0", "pay more");
    call(tx, "bank-1", "pay");
    assert_int_equal(assent_commit(tx, NULL, &w.error), ASSENT_CONFLICT);
    assent_tx_destroy(&tx);
}

static void enlisted_work_is_finished_too(void **state)
{
    (void)state;
    assent_result result;
    uint16_t branch;
    assent_tx *tx = begin("enlisted", 0);
    call(tx, "bank-0", "pay");
    assert_int_equal(assent_enlist(tx, "bank-1", &branch, &w.error), ASSENT_OK);
    assert_int_equal(branch, 1);
    assert_int_equal(
        assent_participant_working(w.banks[1].participant, "enlisted", branch, &w.error),
        ASSENT_OK);
    assert_int_equal(commit_now(tx).outcome, ASSENT_COMMITTED);
    assert_true(both("enlisted", 'c'));
    tx = begin("dropped", 0);
    assert_int_equal(assent_enlist(tx, "bank-1", &branch, &w.error), ASSENT_OK);
    assert_int_equal(
        assent_participant_working(w.banks[1].participant, "dropped", branch, &w.error), ASSENT_OK);
    assert_int_equal(assent_rollback(tx, &result, &w.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assent_tx_destroy(&tx);
    settle();
    assert_int_equal(state_of(&w.banks[1], "dropped"), 'r');
}

static void an_application_that_goes_silent_is_rolled_back(void **state)
{
    (void)state;
    uint16_t branch;
    assent_tx *tx = begin("silent", 300);
    assert_int_equal(assent_enlist(tx, "bank-0", &branch, &w.error), ASSENT_OK);
    assert_int_equal(assent_participant_working(w.banks[0].participant, "silent", branch, &w.error),
                     ASSENT_OK);
    assent_tx_destroy(&tx);
    settle();
    assert_int_equal(state_of(&w.banks[0], "silent"), 'r');
}

static void a_participant_that_is_away_aborts(void **state)
{
    (void)state;
    assent_tx *tx = begin("away", 500);
    call(tx, "bank-0", "pay");
    call(tx, "nobody", "pay");
    assent_result result = commit_now(tx);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_true(result.reason == ASSENT_REASON_NO_VOTE || result.reason == ASSENT_REASON_TIMEOUT);
    tx = begin("enlist-away", 0);
    assert_int_equal(assent_enlist(tx, "nobody", NULL, &w.error), ASSENT_UNAVAILABLE);
    assent_tx_destroy(&tx);
}

// ---- under fire ----

struct asked {
    char gtid[ASSENT_GTID_MAX + 1];
    int code;
    assent_outcome outcome;
    bool answered;
};

enum { ASKED = 4000, IN_FLIGHT = 400 };
static struct asked asked[ASKED];
static int answered;

static void answer(void *arg, int code, const assent_result *result)
{
    struct asked *a = arg;
    assert_false(a->answered);
    assert_string_equal(a->gtid, result->gtid);
    a->answered = true;
    a->code = code;
    a->outcome = result->outcome;
    answered++;
}

static void ask(struct asked *a)
{
    assent_tx *tx;
    if (assent_begin(w.client, NULL, NULL, &tx, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    *a = (struct asked){0};
    snprintf(a->gtid, sizeof a->gtid, "%s", assent_tx_gtid(tx));
    call(tx, "bank-0", "pay");
    call(tx, "bank-1", "pay");
    assert_int_equal(assent_commit_async(tx, answer, a, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
}

static void restart_coordinator(void)
{
    assentd_end(&w.coordinator, SIGKILL);
    assentd_start(&w.coordinator);
}

static void reopen_bank(void)
{
    assent_participant_close(&w.banks[1].participant);
    open_bank(1);
}

static void load(void (*disturb)(void))
{
    int sent = 0;
    answered = 0;
    while (answered < ASKED) {
        while (sent < ASKED && sent - answered < IN_FLIGHT) {
            ask(&asked[sent++]);
            if (disturb && sent % (ASKED / 4) == ASKED / 8)
                disturb();
        }
        assent_client_dispatch(w.client, 100);
    }
    settle();
}

// What was told is what both banks did. What was told as not known is at least the same at both.
static int check_outcomes(void)
{
    int committed = 0;
    for (int i = 0; i < ASKED; i++) {
        char first = state_of(&w.banks[0], asked[i].gtid);
        char second = state_of(&w.banks[1], asked[i].gtid);
        assert_int_equal(first == 'c', second == 'c');
        assert_int_not_equal(first, 'p');
        assert_int_not_equal(second, 'p');
        if (asked[i].code == ASSENT_OK) {
            assert_true(asked[i].outcome == ASSENT_COMMITTED || asked[i].outcome == ASSENT_ABORTED);
            assert_int_equal(first == 'c', asked[i].outcome == ASSENT_COMMITTED);
        }
        committed += first == 'c';
    }
    assert_int_equal(w.banks[0].wrong + w.banks[1].wrong, 0);
    return committed;
}

static void thousands_at_once(void **state)
{
    (void)state;
    load(NULL);
    assert_int_equal(check_outcomes(), ASKED);
}

static void a_coordinator_killed_under_load(void **state)
{
    (void)state;
    load(restart_coordinator);
    assert_true(check_outcomes() > ASKED / 2);
}

static void a_participant_restarted_under_load(void **state)
{
    (void)state;
    load(reopen_bank);
    assert_true(check_outcomes() > ASKED / 2);
}

static void a_coordinator_that_shuts_down_says_so(void **state)
{
    (void)state;
    assentd_end(&w.coordinator, SIGTERM);
    assentd_start(&w.coordinator);
    assert_int_equal(assent_client_wait(w.client, PATIENCE_MS, &w.error), ASSENT_OK);
    assent_tx *tx = begin("after", 0);
    call(tx, "bank-0", "pay");
    call(tx, "bank-1", "pay");
    assert_int_equal(commit_now(tx).outcome, ASSENT_COMMITTED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
        TEST(all_or_nothing),
        TEST(the_short_ways),
        TEST(the_same_gtid_is_the_same_transaction),
        TEST(enlisted_work_is_finished_too),
        TEST(an_application_that_goes_silent_is_rolled_back),
        TEST(a_participant_that_is_away_aborts),
        TEST(thousands_at_once),
        TEST(a_coordinator_killed_under_load),
        TEST(a_participant_restarted_under_load),
        TEST(a_coordinator_that_shuts_down_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
