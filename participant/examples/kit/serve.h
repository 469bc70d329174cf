// SPDX-License-Identifier: Apache-2.0
// Runs a participant until the process is told to stop (kit/stop.h).
#ifndef KIT_SERVE_H
#define KIT_SERVE_H

#include <stdint.h>

#include "assent/participant.h"

struct serve {
    const char *resource;
    const char *dir; // the journal goes to DIR/journal
    const assent_handlers *handlers;
    void *context;
    void (*tidy)(void *context); // called now and then; may be NULL
    int64_t tidy_s;              // every so many seconds
};

// Prints "ready" when the coordinator has welcomed it. Returns an exit status.
int serve_run(const struct serve *serve);

#endif
