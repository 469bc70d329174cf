// SPDX-License-Identifier: Apache-2.0
#include "tx_world.h"

#include <assent/participant.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tx_switch.h"

static struct {
    char *dir;
    char endpoint[128];
    pid_t coordinator;
    atomic_int killer; // the resource manager whose prepare ends the coordinator; -1: none
    atomic_bool asked[WORLD_RESOURCES]; // to prepare, since the killer was named
    assent_participant *participants[WORLD_RESOURCES];
    int rmids[WORLD_RESOURCES];
    assent_client *client;
    assent_error error;
} w;

// ---- participants ----

static assent_vote prepare(void *context, const assent_branch *branch, char *why)
{
    int rmid = *(int *)context;
    int killer = rmid;
    atomic_store(&w.asked[rmid], true);
    if (atomic_compare_exchange_strong(&w.killer, &killer, -1)) {
        // Who was never asked would not know of its branch, and these have no recover handler.
        for (int i = 0; i < WORLD_RESOURCES; i++) {
            while (!atomic_load(&w.asked[i]))
                world_pause();
        }
        kill(w.coordinator, SIGKILL);
    }
    if (branch_state(rmid, branch->gtid) == 'p')
        return ASSENT_VOTE_YES;
    strcpy(why, "it is not prepared here");
    return ASSENT_VOTE_NO;
}

static assent_done_code commit(void *context, const assent_branch *branch)
{
    return switch_finish(*(int *)context, branch->gtid, 'c');
}

static assent_done_code rollback(void *context, const assent_branch *branch)
{
    return switch_finish(*(int *)context, branch->gtid, 'r');
}

static assent_done_code forget(void *context, const assent_branch *branch)
{
    switch_forget(*(int *)context, branch->gtid);
    return ASSENT_DONE;
}

static void participant_open(int rmid)
{
    static const assent_handlers handlers = {
        .prepare = prepare, .commit = commit, .rollback = rollback, .forget = forget};
    char resource[16], journal[96];
    snprintf(resource, sizeof resource, "rm-%d", rmid);
    snprintf(journal, sizeof journal, "%s/journal-%d", w.dir, rmid);
    assent_participant_options options = {
        .resource = resource, .journal_dir = journal, .endpoint = w.endpoint};
    w.rmids[rmid] = rmid;
    if (assent_participant_open(&options, &handlers, &w.rmids[rmid], &w.participants[rmid],
                                &w.error) ||
        assent_participant_wait(w.participants[rmid], WORLD_PATIENCE_MS, &w.error))
        fail_msg("%s", w.error.message);
}

// ---- the coordinator ----

void world_coordinator_start(void)
{
    char program[512], data[80], number[16], byte;
    int ready[2];
    const char *bin = getenv("ASSENT_BIN_DIR");
    snprintf(program, sizeof program, "%s/assentd", bin ? bin : "bin");
    snprintf(data, sizeof data, "%s/data", w.dir);
    assert_int_equal(pipe(ready), 0);
    snprintf(number, sizeof number, "%d", ready[1]);
    w.coordinator = fork();
    assert_true(w.coordinator >= 0);
    if (w.coordinator == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        close(ready[0]);
        execl(program, "assentd", "--data-dir", data, "--ready-fd", number, "--log-level", "warn",
              (char *)NULL);
        fprintf(stderr, "%s: %s\n", program, strerror(errno));
        _exit(126);
    }
    close(ready[1]);
    ssize_t got = read(ready[0], &byte, 1);
    close(ready[0]);
    if (got != 1)
        fail_msg("%s did not start", program);
}

void world_coordinator_kill(void)
{
    if (w.coordinator <= 0)
        return;
    kill(w.coordinator, SIGKILL);
    waitpid(w.coordinator, NULL, 0);
    w.coordinator = 0;
}

void world_kill_at_prepare(int rmid)
{
    for (int i = 0; i < WORLD_RESOURCES; i++)
        atomic_store(&w.asked[i], false);
    atomic_store(&w.killer, rmid);
}

// ---- all of it ----

void world_configure(unsigned count, const char *more)
{
    char path[96];
    snprintf(path, sizeof path, "%s/tx.conf", w.dir);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, "endpoint = %s\n%s\n", w.endpoint, more);
    for (unsigned i = 0; i < count; i++)
        fprintf(out,
                "resource-manager\n    resource = rm-%u\n    symbol = recording_xa\n"
                "    open = \"where it is\"\n    close = bye\n",
                i);
    assert_int_equal(fclose(out), 0);
    setenv("ASSENT_TX_CONFIG", path, 1);
}

void world_open(unsigned count, const char *more)
{
    memset(&w, 0, sizeof w);
    atomic_store(&w.killer, -1);
    switch_reset();
    w.dir = unit_dir_make();
    snprintf(w.endpoint, sizeof w.endpoint, "ipc://%s/data/assentd.sock", w.dir);
    world_coordinator_start();
    for (int i = 0; i < WORLD_RESOURCES; i++)
        participant_open(i);
    assent_client_options options = {.endpoint = w.endpoint, .name = "tx-test"};
    if (assent_client_open(&options, &w.client, &w.error) ||
        assent_client_wait(w.client, WORLD_PATIENCE_MS, &w.error))
        fail_msg("%s", w.error.message);
    world_configure(count, more);
}

void world_close(void)
{
    assent_client_close(&w.client);
    for (int i = 0; i < WORLD_RESOURCES; i++)
        assent_participant_close(&w.participants[i]);
    world_coordinator_kill();
    unit_dir_remove(&w.dir);
    unsetenv("ASSENT_TX_CONFIG");
}

void world_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

assent_result world_status(const char *gtid)
{
    assent_result result;
    if (assent_status(w.client, gtid, &result, &w.error))
        fail_msg("%s", w.error.message);
    return result;
}

void world_settle(void)
{
    for (int tries = 0; tries < WORLD_PATIENCE_MS / 5; tries++) {
        uint64_t unfinished = 0;
        for (int i = 0; i < WORLD_RESOURCES; i++) {
            assent_participant_counts counts;
            assent_participant_count(w.participants[i], &counts);
            assert_int_equal(counts.failed, ASSENT_OK);
            unfinished += counts.unfinished;
        }
        if (unfinished == 0)
            return;
        world_pause();
    }
    fail_msg("branches do not finish");
}
