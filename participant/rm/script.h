// SPDX-License-Identifier: Apache-2.0
// Executing what a call asks for in a session whose transaction is open.
#ifndef RM_SCRIPT_H
#define RM_SCRIPT_H

#include "call.h"
#include "sql/sql_driver.h"

enum outcome {
    OUTCOME_DONE,
    OUTCOME_NO,   // it cannot be done, `why` says what is in the way
    OUTCOME_BUSY, // a deadlock, or the like: roll back, and do all of it again
    OUTCOME_LOST, // the connection, or the database, is gone; likewise
};

// Texts of one run; zeroed at first.
struct script_run {
    const struct sql_driver *driver;
    struct sql_session *session;
    const assent_branch *branch;
    enum operation operation;
    struct slice result;  // compensate: what the action had answered; no data: nobody knows
    assent_answer answer; // action: what it answers
    char why[ASSENT_NO_REASON_MAX + 1];
};

// All procedures of the call in their order; those that undo (cancel, compensate) in the opposite
// one. After other than OUTCOME_DONE the transaction has to be rolled back.
enum outcome script_execute(struct script_run *run, const struct call *call);

// What an error of a driver means for what was tried; the message goes to `why`.
enum outcome script_outcome(const assent_error *error, char *why);

#endif
