// SPDX-License-Identifier: Apache-2.0
// What assent-rm has open.
#ifndef RM_RM_H
#define RM_RM_H

#include "assent/xa_manager.h"
#include "procedures.h"
#include "rm_options.h"
#include "script.h"
#include "sessions.h"

enum { RM_ID = 1 }; // XA's rmid: there is one in the process

enum exit_code { EXIT_GOOD = 0, EXIT_FOUND_WRONG = 1, EXIT_USAGE = 2, EXIT_TROUBLE = 3 };

struct rm {
    const struct rm_options *options;
    const struct sql_driver *driver; // NULL: an XA switch is all that is known of it
    const char *where;
    struct procedures procedures;
    struct sessions sessions;
    assent_xa *xa;
};

// Loads the driver and the procedures; touches no database. Errors as theirs.
int rm_load(struct rm *ret, const struct rm_options *options, assent_error *error);
// Opens the database: checks its settings, makes the barrier's table where it is missing, opens the
// XA switch. ASSENT_UNAVAILABLE: it is not there yet, try again.
int rm_open(struct rm *rm, assent_error *error);
// The last part of that: the switch.
int rm_open_xa(struct rm *rm, assent_error *error);
void rm_close(struct rm *rm);

// The handlers of a participant whose context is a struct rm.
void rm_handlers(const struct rm *rm, assent_handlers *ret);
// The work of a call, between xa_start and xa_end on this thread; `context` is a struct rm.
assent_vote rm_work(void *context, const assent_branch *branch, char *why);
// Participates until SIGTERM or SIGINT. An exit status.
int rm_serve(struct rm *rm);

// To be called now and then: fences of the barrier that are a day old go.
void rm_collect(struct rm *rm);

// Says on standard output what is wrong, or "good". An exit status.
int rm_check(struct rm *rm);

#endif
