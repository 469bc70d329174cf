// SPDX-License-Identifier: Apache-2.0
#include "kit/serve.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/select.h>
#include <time.h>

#include "kit/command.h"

static volatile sig_atomic_t stopping;

static void on_signal(int number)
{
    (void)number;
    stopping = 1;
}

void serve_signals(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); // in all threads; serve_run lets them in
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

static int serve_wait(const struct serve *s, assent_participant *participant)
{
    sigset_t open;
    sigemptyset(&open);
    int failed = assent_participant_fd(participant);
    bool ready = false;
    time_t tidied = time(NULL);
    while (!stopping) {
        if (!ready && assent_participant_wait(participant, 0, NULL) == ASSENT_OK) {
            ready = true;
            printf("ready\n");
            fflush(stdout);
        }
        if (s->tidy && time(NULL) - tidied >= s->tidy_s) {
            s->tidy(s->context);
            tidied = time(NULL);
        }
        struct timespec pause = {.tv_nsec = ready ? 500000000 : 20000000};
        fd_set readable;
        FD_ZERO(&readable);
        FD_SET(failed, &readable);
        if (pselect(failed + 1, &readable, NULL, NULL, &pause, &open) > 0) {
            assent_error error;
            assent_participant_failure(participant, &error);
            return complain(EXIT_TROUBLE, "%s", error.message);
        }
    }
    return EXIT_GOOD;
}

int serve_run(const struct serve *s)
{
    char journal[4096];
    assent_error error;
    assent_participant *participant;
    snprintf(journal, sizeof journal, "%s/journal", s->dir);
    assent_participant_options options = {.resource = s->resource, .journal_dir = journal};
    int code = assent_participant_open(&options, s->handlers, s->context, &participant, &error);
    // Its predecessor, which was killed a moment ago, may still hold the journal.
    for (int tries = 0; code == ASSENT_LOCKED && tries < 100 && !stopping; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
        code = assent_participant_open(&options, s->handlers, s->context, &participant, &error);
    }
    if (code != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    int status = serve_wait(s, participant);
    assent_participant_close(&participant);
    return status;
}
