// SPDX-License-Identifier: Apache-2.0
#include "kit/serve.h"

#include <stdio.h>
#include <time.h>

#include "kit/command.h"
#include "kit/stop.h"

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
        wake = stop_wait(failed, ready ? 500 : 20);
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
        if (stop_wait(-1, 50) == WAKE_STOP)
            return EXIT_GOOD;
        code = assent_participant_open(&options, s->handlers, s->context, &participant, &error);
    }
    if (code != ASSENT_OK)
        return complain(EXIT_TROUBLE, "%s", error.message);
    int status = serve_wait(s, participant);
    assent_participant_close(&participant);
    return status;
}
