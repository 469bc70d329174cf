// SPDX-License-Identifier: Apache-2.0
#include "live_world.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

struct live live;

enum { PATIENCE_MS = 120000 };

// ---- handlers ----

static assent_vote work(void *context, const assent_branch *branch, char *why)
{
    (void)context;
    if (branch->size == 2 && memcmp(branch->payload, "no", 2) == 0) {
        strcpy(why, "no is no");
        return ASSENT_VOTE_NO;
    }
    return ASSENT_VOTE_YES;
}

static assent_vote prepare(void *context, const assent_branch *branch, char *why)
{
    return assent_xa_prepare(context, branch, why);
}

static assent_done_code commit(void *context, const assent_branch *branch)
{
    return assent_xa_commit(context, branch);
}

static assent_done_code rollback(void *context, const assent_branch *branch)
{
    return assent_xa_rollback(context, branch);
}

static assent_done_code forget(void *context, const assent_branch *branch)
{
    assent_result result;
    if (assent_status(live.client, branch->gtid, &result, NULL) == ASSENT_OK)
        live.mixed_at_forget = result.mixed;
    return assent_xa_forget(context, branch);
}

static int recover(void *context, assent_recovery *recovery)
{
    return assent_xa_recover(context, recovery);
}

static assent_vote other_prepare(void *context, const assent_branch *branch, char *why)
{
    (void)context, (void)branch, (void)why;
    return ASSENT_VOTE_YES;
}

static assent_done_code other_finish(void *context, const assent_branch *branch)
{
    (void)context, (void)branch;
    return ASSENT_DONE;
}

// ---- life ----

static assent_participant *open_as(const char *resource, const assent_handlers *handlers,
                                   void *context, int durable)
{
    char journal[128];
    assent_participant *participant;
    snprintf(journal, sizeof journal, "%s/journal-%s", live.dir, resource);
    const assent_participant_options options = {.resource = resource,
                                                .journal_dir = journal,
                                                .endpoint = live.coordinator.endpoint,
                                                .rm_durable = durable};
    if (assent_participant_open(&options, handlers, context, &participant, &live.error) ||
        assent_participant_wait(participant, PATIENCE_MS, &live.error))
        fail_msg("%s", live.error.message);
    return participant;
}

void live_open_bank(int durable)
{
    static const assent_handlers handlers = {.prepare = prepare,
                                             .commit = commit,
                                             .rollback = rollback,
                                             .forget = forget,
                                             .recover = recover};
    const assent_xa_options options = {
        .resource = "bank", .xa_switch = &memory_rm_switch, .work = work};
    if (assent_xa_open(&options, &live.xa, &live.error))
        fail_msg("%s", live.error.message);
    live.bank = open_as("bank", &handlers, live.xa, durable);
}

void live_close_bank(void)
{
    assent_participant_close(&live.bank);
    assent_xa_close(&live.xa);
}

void live_open_other(void)
{
    static const assent_handlers handlers = {
        .prepare = other_prepare, .commit = other_finish, .rollback = other_finish};
    live.other = open_as("other", &handlers, NULL, 0);
}

int live_setup(void **state)
{
    (void)state;
    memset(&live, 0, sizeof live);
    memory_rm_reset();
    live.dir = unit_dir_make();
    assentd_init(&live.coordinator, live.dir);
    assentd_start(&live.coordinator);
    live_open_bank(0);
    const assent_client_options options = {.endpoint = live.coordinator.endpoint};
    if (assent_client_open(&options, &live.client, &live.error) ||
        assent_client_wait(live.client, PATIENCE_MS, &live.error))
        fail_msg("%s", live.error.message);
    return 0;
}

int live_teardown(void **state)
{
    (void)state;
    assent_client_close(&live.client);
    assent_participant_close(&live.other);
    live_close_bank();
    assentd_end(&live.coordinator, SIGKILL);
    unit_dir_remove(&live.dir);
    return 0;
}

// ---- transactions ----

assent_tx *live_begin(const char *gtid)
{
    assent_tx *tx;
    const assent_tx_options options = {.wait_done = 1};
    if (assent_begin(live.client, gtid, &options, &tx, &live.error))
        fail_msg("%s", live.error.message);
    return tx;
}

void live_call(assent_tx *tx, const char *resource, const char *payload)
{
    if (assent_call(tx, resource, payload, strlen(payload), NULL, &live.error))
        fail_msg("%s", live.error.message);
}

XID live_enlist(assent_tx *tx, const char *gtid)
{
    uint16_t branch;
    XID xid;
    if (assent_enlist(tx, "bank", &branch, &live.error))
        fail_msg("%s", live.error.message);
    assert_int_equal(assent_xid_enlisted(gtid, branch, "bank", &xid, NULL), ASSENT_OK);
    return xid;
}

assent_result live_commit(assent_tx *tx)
{
    assent_result result;
    if (assent_commit(tx, &result, &live.error))
        fail_msg("%s", live.error.message);
    assent_tx_destroy(&tx);
    return result;
}

// ---- waiting ----

assent_participant_counts live_counts(void)
{
    assent_participant_counts counts;
    assent_participant_count(live.bank, &counts);
    assert_int_equal(counts.failed, ASSENT_OK);
    return counts;
}

void live_until(int (*condition)(void *arg), void *arg, const char *what)
{
    for (int tries = 0; tries < PATIENCE_MS; tries++) {
        if (condition(arg))
            return;
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    }
    fail_msg("waited too long until %s", what);
}

static int idle(void *arg)
{
    (void)arg;
    return live_counts().unfinished == 0;
}

void live_until_idle(void)
{
    live_until(idle, NULL, "nothing is unfinished");
}

static int in_doubt(void *arg)
{
    return live_counts().in_doubt == *(unsigned *)arg;
}

void live_until_in_doubt(unsigned count)
{
    live_until(in_doubt, &count, "so many are in doubt");
}
