// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/logger.h"
#include "base/notify.h"
#include "rm.h"

enum {
    WATCH_S = 5, // how often enlisted branches are looked for
    COLLECT_S = 3600,
    SAY_WHY_S = 10,
    POLL_MS = 500,
    POLL_EARLY_MS = 20,
};

struct serve {
    struct rm *rm;
    assent_participant *participant;
    int stop_fd; // readable once the process is told to stop
    time_t started, watched, collected, said;
    bool ready;
};

// SIGTERM and SIGINT interrupt nothing: they make a descriptor readable, so that every wait that
// looks at it ends at once, whenever they came.
static bool catch_signals(struct serve *s)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTERM);
    sigaddset(&stop, SIGINT);
    pthread_sigmask(SIG_BLOCK, &stop, NULL); // in all threads
    s->stop_fd = signalfd(-1, &stop, SFD_CLOEXEC);
    return s->stop_fd >= 0;
}

enum wake { WAKE_TIME, WAKE_STOP, WAKE_FAILED };

static enum wake wait_for(const struct serve *s, int failed, int ms)
{
    struct pollfd fds[] = {{.fd = s->stop_fd, .events = POLLIN}, {.fd = failed, .events = POLLIN}};
    if (poll(fds, 2, ms) <= 0)
        return WAKE_TIME;
    return fds[0].revents ? WAKE_STOP : WAKE_FAILED;
}

static time_t now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec;
}

static bool due(time_t *last, time_t every_s)
{
    time_t now = now_s();
    if (*last && now - *last < every_s)
        return false;
    *last = now;
    return true;
}

static int trouble(const assent_error *error)
{
    fprintf(stderr, "assent-rm: %s\n", error->message);
    return EXIT_TROUBLE;
}

// A database that is down will be back. -1: it is open; else the exit status.
static int open_database(struct serve *s)
{
    assent_error error;
    int code = rm_open(s->rm, &error);
    while (code == ASSENT_UNAVAILABLE || code == ASSENT_BUSY) {
        if (due(&s->said, SAY_WHY_S))
            log_event(LOG_WARN, "waiting_for_database", KV("why", error.message));
        if (wait_for(s, -1, POLL_MS) == WAKE_STOP)
            return EXIT_GOOD;
        code = rm_open(s->rm, &error);
    }
    return code ? trouble(&error) : -1;
}

// Likewise. Its predecessor, killed a moment ago, may still hold the journal; and the database may
// be gone again when it is asked what it holds.
static int open_participant(struct serve *s)
{
    const struct rm_options *o = s->rm->options;
    assent_participant_options options = {
        .resource = o->resource,
        .journal_dir = o->journal,
        .endpoint = o->endpoint,
        .certificate = o->certificate,
        .server_certificate = o->server_certificate,
        .workers = o->workers,
        .rm_durable = 1,
    };
    assent_handlers handlers;
    assent_error error;
    rm_handlers(s->rm, &handlers);
    int code = assent_participant_open(&options, &handlers, s->rm, &s->participant, &error);
    for (int tries = 0; tries < 20 && (code == ASSENT_LOCKED || code == ASSENT_STATE); tries++) {
        if (wait_for(s, -1, 250) == WAKE_STOP)
            return EXIT_GOOD;
        code = assent_participant_open(&options, &handlers, s->rm, &s->participant, &error);
    }
    return code ? trouble(&error) : -1;
}

static void say_ready(struct serve *s)
{
    assent_error error;
    if (s->ready)
        return;
    if (assent_participant_wait(s->participant, 0, &error) == ASSENT_OK) {
        s->ready = true;
        printf("ready\n");
        fflush(stdout);
        notify_send("STATUS=Participating");
    } else if (now_s() - s->started >= 2 && due(&s->said, SAY_WHY_S)) {
        log_event(LOG_WARN, "waiting_for_coordinator", KV("why", error.message));
    }
}

static int participate(struct serve *s)
{
    enum wake wake = WAKE_TIME;
    s->started = now_s();
    s->said = 0;
    notify_send("READY=1\nSTATUS=Waiting for the coordinator");
    while (wake == WAKE_TIME) {
        say_ready(s);
        if (due(&s->watched, WATCH_S))
            assent_xa_watch(s->rm->xa, s->participant);
        if (s->rm->options->barrier && due(&s->collected, COLLECT_S))
            rm_collect(s->rm);
        wake =
            wait_for(s, assent_participant_fd(s->participant), s->ready ? POLL_MS : POLL_EARLY_MS);
    }
    notify_send("STOPPING=1");
    assent_error error;
    if (wake == WAKE_FAILED && assent_participant_failure(s->participant, &error))
        return trouble(&error);
    return EXIT_GOOD;
}

int rm_serve(struct rm *rm)
{
    struct serve s = {.rm = rm};
    if (!catch_signals(&s)) {
        fprintf(stderr, "assent-rm: signals: %s\n", strerror(errno));
        return EXIT_TROUBLE;
    }
    int status = open_database(&s);
    if (status < 0)
        status = open_participant(&s);
    if (status < 0) {
        status = participate(&s);
        assent_participant_close(&s.participant);
    }
    close(s.stop_fd);
    return status;
}
