// SPDX-License-Identifier: Apache-2.0
// A participant that says what it is asked to do, and when; and an application:
//
//   integration-party serve RESOURCE JOURNAL_DIR [SUSPECT_MS]
//       "ready", then "OPERATION GTID MICROSECONDS" for each call, on the monotonic clock. Votes
//       wait until the file $ASSENT_PARTY_HOLD, where one is named, is there
//   integration-party commit PROTOCOL GTID RESOURCE...
//       "committed", "aborted", ...; or "no answer: WHY"
//
// Endpoints and certificates come from the environment.
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "assent/assent.h"
#include "assent/participant.h"

static int fail(const assent_error *error)
{
    fprintf(stderr, "integration-party: %s\n", error->message);
    return 1;
}

static void say(const assent_branch *branch)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    printf("%s %s %" PRIu64 "\n", branch->operation, branch->gtid,
           (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
    fflush(stdout);
}

static assent_vote prepare(void *context, const assent_branch *branch, char *why)
{
    (void)context, (void)why;
    const char *hold = getenv("ASSENT_PARTY_HOLD");
    say(branch);
    while (hold && access(hold, F_OK) != 0)
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return ASSENT_VOTE_YES;
}

static assent_done_code finish(void *context, const assent_branch *branch)
{
    (void)context;
    say(branch);
    return ASSENT_DONE;
}

static int serve(const char *resource, const char *dir, unsigned suspect_ms)
{
    static const assent_handlers handlers = {
        .prepare = prepare, .commit = finish, .rollback = finish};
    const assent_participant_options options = {
        .resource = resource, .journal_dir = dir, .suspect_ms = suspect_ms};
    assent_participant *participant;
    assent_error error;
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigprocmask(SIG_BLOCK, &stop, NULL);
    int stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    if (assent_participant_open(&options, &handlers, NULL, &participant, &error))
        return fail(&error);
    printf("ready\n");
    fflush(stdout);
    struct pollfd fds[] = {
        {.fd = stop_fd, .events = POLLIN},
        {.fd = assent_participant_fd(participant), .events = POLLIN},
    };
    while (poll(fds, 2, -1) < 0)
        continue;
    int failed = fds[1].revents && assent_participant_failure(participant, &error);
    assent_participant_close(&participant);
    return failed ? fail(&error) : 0;
}

static int commit(assent_protocol protocol, const char *gtid, char **resources, int count)
{
    static const char *const outcomes[] = {"in progress", "committed", "aborted", "unknown"};
    const assent_tx_options options = {.protocol = protocol};
    assent_client *client;
    assent_tx *tx;
    assent_result result;
    assent_error error;
    if (assent_client_open(NULL, &client, &error))
        return fail(&error);
    int code = assent_begin(client, gtid, &options, &tx, &error);
    if (code != ASSENT_OK) {
        assent_client_close(&client);
        return fail(&error);
    }
    for (int i = 0; i < count && code == ASSENT_OK; i++)
        code = assent_call(tx, resources[i], "pay", 3, NULL, &error);
    if (code == ASSENT_OK)
        code = assent_commit(tx, &result, &error);
    if (code == ASSENT_OK)
        printf("%s\n", outcomes[result.outcome]);
    else
        printf("no answer: %s\n", error.message);
    assent_tx_destroy(&tx);
    assent_client_close(&client);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "serve") == 0)
        return serve(argv[2], argv[3], argc > 4 ? (unsigned)atoi(argv[4]) : 0);
    if (argc >= 5 && strcmp(argv[1], "commit") == 0)
        return commit(strcmp(argv[2], "3pc") == 0 ? ASSENT_3PC : ASSENT_2PC, argv[3], argv + 4,
                      argc - 4);
    fprintf(stderr, "usage: see the source\n");
    return 2;
}
