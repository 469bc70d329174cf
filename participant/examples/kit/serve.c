// SPDX-License-Identifier: Apache-2.0
#include "kit/serve.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/signalfd.h>
#include <time.h>

#include "kit/command.h"

static int stop_fd = -1; // readable once the process is told to stop

bool serve_signals(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); // in all threads: they go to stop_fd
    stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    return stop_fd >= 0;
}

enum wake { WAKE_TIME, WAKE_STOP, WAKE_FAILED };

// `failed`: a file descriptor that becomes readable when the participant cannot go on; or -1.
static enum wake serve_pause(int failed, int milliseconds)
{
    struct pollfd fds[] = {{.fd = stop_fd, .events = POLLIN}, {.fd = failed, .events = POLLIN}};
    if (poll(fds, 2, milliseconds) <= 0)
        return WAKE_TIME;
    return fds[0].revents ? WAKE_STOP : WAKE_FAILED;
}

static int serve_wait(const struct serve *s, assent_participant *participant)
{
    int failed = assent_participant_fd(participant);
    bool ready = false;
    time_t tidied = time(NULL);
    enum wake wake;
    do {
        if (!ready && assent_participant_wait(participant, 0, NULL) == ASSENT_OK) {
            ready = true;
            printf("ready\n");
            fflush(stdout);
        }
        if (s->tidy && time(NULL) - tidied >= s->tidy_s) {
            s->tidy(s->context);
            tidied = time(NULL);
        }
        wake = serve_pause(failed, ready ? 500 : 20);
    } while (wake == WAKE_TIME);
    if (wake == WAKE_STOP)
        return EXIT_GOOD;
    assent_error error;
    assent_participant_failure(participant, &error);
    return complain(EXIT_TROUBLE, "%s", error.message);
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
    for (int tries = 0; code == ASSENT_LOCKED && tries < 100; tries++) {
        if (serve_pause(-1, 50) == WAKE_STOP)
            return EXIT_GOOD;
        code = assent_participant_open(&options, s->handlers, s->context, &participant, &error);
    }
    if (code != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    int status = serve_wait(s, participant);
    assent_participant_close(&participant);
    return status;
}
