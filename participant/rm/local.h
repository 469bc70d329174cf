// SPDX-License-Identifier: Apache-2.0
// Local transactions through the barrier: what tcc, sagas and messages are made of.
#ifndef RM_LOCAL_H
#define RM_LOCAL_H

#include "rm.h"

struct local {
    assent_barrier_operation barrier;
    assent_barrier_verdict verdict; // given
    struct script_run run;          // its operation; answer and reason are given
};

// One operation of a branch: enters the barrier, does what the payload asks for where that is to be
// done, commits. What stands in its way for the moment only (deadlocks, a lost connection) is tried
// again a few times; a commit of which nobody knows is asked about at the barrier by that.
//
//   OUTCOME_DONE  committed: `verdict` and, of an action, the answer
//   OUTCOME_NO    nothing was done: refused by the barrier, or it cannot be; why
//   OUTCOME_BUSY, OUTCOME_LOST  nobody knows; to be tried again
enum outcome local_run(struct rm *rm, const assent_branch *branch, struct local *local);

// Only the barrier: `step` in a local transaction. As above.
enum outcome local_barrier(struct rm *rm, const assent_branch *branch, char *why,
                           int (*step)(const struct rm *rm, struct sql_session *session,
                                       const assent_branch *branch, assent_error *error));

// How often to try, and the pause before the next time.
enum { LOCAL_TRIES = 8 };
void local_pause(unsigned tries);

#endif
