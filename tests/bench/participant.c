// SPDX-License-Identifier: Apache-2.0
// The participant: does nothing, for every protocol, and votes as the payload wishes.
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "bench.h"

static char wish_of(const assent_branch *branch)
{
    return branch->size ? *(const char *)branch->payload : PAYLOAD_YES;
}

static assent_vote vote(void *context, const assent_branch *branch, char *why)
{
    (void)context, (void)why;
    switch (wish_of(branch)) {
    case PAYLOAD_NO: return ASSENT_VOTE_NO;
    case PAYLOAD_READ_ONLY: return ASSENT_VOTE_READ_ONLY;
    case PAYLOAD_SLOW: bench_pause_us(PARTICIPANT_SLOW_US); return ASSENT_VOTE_YES;
    case PAYLOAD_HELD:
        for (;;) // until this process is killed
            pause();
    default: return ASSENT_VOTE_YES;
    }
}

static assent_done_code done(void *context, const assent_branch *branch)
{
    (void)context, (void)branch;
    return ASSENT_DONE;
}

static assent_action_code act(void *context, const assent_branch *branch, assent_answer *answer,
                              char *why)
{
    (void)context, (void)answer, (void)why;
    return wish_of(branch) == PAYLOAD_NO ? ASSENT_ACTION_FAILED : ASSENT_ACTION_DONE;
}

static assent_done_code take(void *context, const assent_branch *branch, char *why)
{
    (void)context, (void)branch, (void)why;
    return ASSENT_DONE;
}

static assent_check_code happened(void *context, const assent_branch *branch, char *why)
{
    (void)context, (void)branch, (void)why;
    return ASSENT_CHECK_HAPPENED;
}

int participant_main(const char *endpoint, const char *resource, const char *journal)
{
    static const assent_handlers handlers = {
        .prepare = vote,
        .commit = done,
        .rollback = done,
        .try_ = vote,
        .confirm = done,
        .cancel = done,
        .action = act,
        .compensate = done,
        .deliver = take,
        .check_back = happened,
    };
    assent_participant_options options = {
        .resource = resource, .journal_dir = journal, .endpoint = endpoint, .workers = 2};
    assent_participant *participant;
    assent_error error;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    if (assent_participant_open(&options, &handlers, NULL, &participant, &error) ||
        assent_participant_wait(participant, 10000, &error)) {
        fprintf(stderr, "assent-bench: %s: %s\n", resource, error.message);
        return 3;
    }
    int got;
    if (write(3, "+", 1) != 1)
        return 3;
    close(3);
    sigwait(&stop, &got);
    assent_participant_close(&participant);
    return 0;
}
