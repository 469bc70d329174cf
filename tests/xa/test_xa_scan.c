// SPDX-License-Identifier: Apache-2.0
// What is found of what a resource manager holds: in chunks, ours only, one scan for many threads.
#include "stage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xa_internal.h"

static assent_vote vote(const assent_branch *branch)
{
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    return assent_xa_prepare(stage.xa, branch, why);
}

static void test_chunks(void **state)
{
    (void)state;
    stage_open("recover 128 TMSTARTRSCAN -> 128 99:x|y\n"
               "recover 128 TMNOFLAGS -> 128 " APP_XID " 99:x|z\n"
               "recover 128 TMNOFLAGS -> 0\nrecover 0 TMENDRSCAN -> 0\n"
               // An error in the middle: nothing is known, nor left over for the next.
               "recover 128 TMSTARTRSCAN -> 128 " APP_XID "\n"
               "recover 128 TMNOFLAGS -> XAER_RMERR\n"
               "recover 128 TMSTARTRSCAN -> 127 99:x|y\n"
               "recover 0 TMENDRSCAN -> XAER_RMERR\n" CLOSE);
    assert_int_equal(vote(stage_enlisted()), ASSENT_VOTE_YES);
    assert_int_equal(vote(stage_enlisted()), 0);
    assert_int_equal(vote(stage_enlisted()), ASSENT_VOTE_NO);
    stage_close();
}

// What was found before the connection was lost is not found.
static void test_begun_anew(void **state)
{
    (void)state;
    stage_open("recover 128 TMSTARTRSCAN -> 128 " APP_XID "\n"
               "recover 128 TMNOFLAGS -> XAER_RMFAIL\n" REOPENED NONE_HELD CLOSE);
    assert_int_equal(vote(stage_enlisted()), ASSENT_VOTE_NO);
    stage_close();
}

// In whatever order they come.
static void test_order(void **state)
{
    (void)state;
    stage_open("recover 128 TMSTARTRSCAN -> 5 T9|9/app/" HASH " " CALL_XID " T10|1/app/" HASH
               " T0|0/app/" HASH " " APP_XID "\nrecover 0 TMENDRSCAN -> 0\n" CLOSE);
    assert_int_equal(vote(stage_enlisted()), ASSENT_VOTE_YES);
    stage_close();
}

// Others' branches, and those of ours that belong to other participants.
static void test_foreign(void **state)
{
    (void)state;
    stage_open("recover 128 TMSTARTRSCAN -> 7 1:T1|0/app/" HASH " T1|0/app/00000000 T1|0/app "
               "T1|1/app/" HASH " T2|0/app/" HASH " 99:|x 0:|\nrecover 0 TMENDRSCAN -> 0\n" CLOSE);
    assert_int_equal(vote(stage_enlisted()), ASSENT_VOTE_NO);
    stage_close();
}

static void test_all(void **state)
{
    (void)state;
    struct xid_list held;
    XID mine;
    stage_open("recover 128 TMSTARTRSCAN -> 4 99:x|y " APP_XID " T1|0/app/00000000 " CALL_XID
               "\nrecover 0 TMENDRSCAN -> 0\n"
               "recover 128 TMSTARTRSCAN -> XAER_RMERR\n" CLOSE);
    assert_true(xa_scan_all(stage.xa, &held));
    assert_int_equal(held.count, 2);
    assert_int_equal(assent_xid_enlisted(GTID, 0, RESOURCE, &mine, NULL), ASSENT_OK);
    assert_memory_equal(&held.xids[0], &mine, sizeof mine); // the shorter one first
    assert_int_equal(assent_xid_branch(CALL_ID, RESOURCE, &mine, NULL), ASSENT_OK);
    assert_memory_equal(&held.xids[1], &mine, sizeof mine);
    free(held.xids);
    assert_false(xa_scan_all(stage.xa, &held));
    stage_close();
}

// ---- threads ----

// Each opens for itself; what is left open by one that ends is closed there.
static void *prepare_in_thread(void *arg)
{
    char why[ASSENT_NO_REASON_MAX + 1] = "";
    assent_vote *ret = arg;
    *ret = assent_xa_prepare(stage.xa, stage_call(0), why);
    return NULL;
}

static void test_thread_of_control(void **state)
{
    (void)state;
    assent_vote voted;
    pthread_t thread;
    stage.work_votes = ASSENT_VOTE_YES;
    stage_open("2: open 7 -> XA_OK\n2: start " CALL_XID " TMNOFLAGS -> XA_OK\n2: work -> XA_OK\n"
               "2: end " CALL_XID " TMSUCCESS -> XA_OK\n"
               "2: prepare " CALL_XID " TMNOFLAGS -> XA_OK\n2: close 7 bye -> XA_OK\n"
               "commit " CALL_XID " TMNOFLAGS -> XA_OK\n" CLOSE);
    assert_int_equal(pthread_create(&thread, NULL, prepare_in_thread, &voted), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(voted, ASSENT_VOTE_YES);
    // Another thread commits.
    assert_int_equal(assent_xa_commit(stage.xa, stage_call(0)), ASSENT_DONE);
    stage_close();
}

// ---- one scan for many ----

enum { THREADS = 8 };

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool held_up; // scans wait
    unsigned scans;
    XID held;
    bool holds, endless;
} rm = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static int rm_open(char *info, int rmid, long flags)
{
    (void)info, (void)rmid, (void)flags;
    return XA_OK;
}

static int rm_branch(XID *xid, int rmid, long flags)
{
    (void)xid, (void)rmid, (void)flags;
    return XAER_RMERR;
}

static int rm_recover(XID *xids, long count, int rmid, long flags)
{
    (void)rmid;
    if (rm.endless)
        return (int)count;
    if (flags != TMSTARTRSCAN || count < 1)
        return 0;
    pthread_mutex_lock(&rm.lock);
    int found = rm.holds;
    xids[0] = rm.held;
    rm.scans++;
    pthread_cond_broadcast(&rm.changed);
    while (rm.held_up)
        pthread_cond_wait(&rm.changed, &rm.lock);
    pthread_mutex_unlock(&rm.lock);
    return found;
}

static const struct xa_switch_t rm_switch = {
    .name = "memory",
    .xa_open_entry = rm_open,
    .xa_close_entry = rm_open,
    .xa_start_entry = rm_branch,
    .xa_end_entry = rm_branch,
    .xa_rollback_entry = rm_branch,
    .xa_prepare_entry = rm_branch,
    .xa_commit_entry = rm_branch,
    .xa_recover_entry = rm_recover,
    .xa_forget_entry = rm_branch,
};

static void *look(void *arg)
{
    assent_vote *ret = arg;
    char why[ASSENT_NO_REASON_MAX + 1];
    assent_branch branch = {.gtid = GTID, .enlisted = 1, .kind = "enlisted", .id = ""};
    *ret = assent_xa_prepare(stage.xa, &branch, why);
    return NULL;
}

static void until_waiting(unsigned count)
{
    for (;;) {
        pthread_mutex_lock(&stage.xa->lock);
        unsigned waiting = stage.xa->scan_waiters;
        pthread_mutex_unlock(&stage.xa->lock);
        if (waiting == count)
            return;
        nanosleep(&(struct timespec){.tv_nsec = 100000}, NULL);
    }
}

// One scan runs, and found nothing yet; whoever comes after that may rely on the next one only.
static void test_shared(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    assent_vote votes[THREADS];
    const assent_xa_options options = {.resource = RESOURCE, .xa_switch = &rm_switch};
    assert_int_equal(assent_xid_enlisted(GTID, 0, RESOURCE, &rm.held, NULL), ASSENT_OK);
    assert_int_equal(assent_xa_open(&options, &stage.xa, &stage.error), ASSENT_OK);
    rm.held_up = true;
    assert_int_equal(pthread_create(&threads[0], NULL, look, &votes[0]), 0);
    pthread_mutex_lock(&rm.lock);
    while (rm.scans < 1)
        pthread_cond_wait(&rm.changed, &rm.lock);
    rm.holds = true;
    pthread_mutex_unlock(&rm.lock);
    for (int i = 1; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, look, &votes[i]), 0);
    until_waiting(THREADS - 1);
    pthread_mutex_lock(&rm.lock);
    rm.held_up = false;
    pthread_cond_broadcast(&rm.changed);
    pthread_mutex_unlock(&rm.lock);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_int_equal(votes[0], ASSENT_VOTE_NO);
    for (int i = 1; i < THREADS; i++)
        assert_int_equal(votes[i], ASSENT_VOTE_YES);
    assert_int_equal(rm.scans, 2);
    assent_xa_close(&stage.xa);
}

// A switch that forgets where it was begins again and again.
static void test_endless(void **state)
{
    (void)state;
    assent_vote voted;
    const assent_xa_options options = {.resource = RESOURCE, .xa_switch = &rm_switch};
    assert_int_equal(assent_xa_open(&options, &stage.xa, &stage.error), ASSENT_OK);
    rm.endless = true;
    look(&voted);
    rm.endless = false;
    assert_int_equal(voted, 0);
    assent_xa_close(&stage.xa);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_chunks),
        TEST(test_begun_anew),
        TEST(test_order),
        TEST(test_endless),
        TEST(test_foreign),
        TEST(test_all),
        TEST(test_thread_of_control),
        TEST(test_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
