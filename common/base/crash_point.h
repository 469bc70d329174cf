// SPDX-License-Identifier: Apache-2.0
// Named points at which a process can be made to die as if by SIGKILL, for the crash tests.
// ASSENT_CRASH_POINT=name[:n][:stop] in the environment arms one: the process kills itself the n-th
// time (first, by default) it passes there; with ":stop" it stops itself as if by SIGSTOP, and goes
// on after SIGCONT. A mistyped name is refused at start.
#ifndef BASE_CRASH_POINT_H
#define BASE_CRASH_POINT_H

#include <stdbool.h>
#include <stdio.h>

#include "base/error.h"

// X(identifier, side, where it is)
#define CRASH_POINTS(X)                                                                            \
    X(coord_after_receive, "coordinator", "a frame was received, nothing done with it")            \
    X(coord_before_prepare, "coordinator", "prepare messages made, not sent")                      \
    X(coord_after_prepare, "coordinator", "prepare messages sent")                                 \
    X(coord_before_log, "coordinator", "a decision is about to be written")                        \
    X(coord_after_write, "coordinator", "a decision is written, not synced")                       \
    X(coord_after_log, "coordinator", "a decision is durable, nobody knows")                       \
    X(coord_before_decide, "coordinator", "commit or rollback messages made, not sent")            \
    X(coord_after_decide, "coordinator", "commit or rollback messages sent")                       \
    X(coord_before_result, "coordinator", "the client's answer made, not sent")                    \
    X(coord_after_admission, "coordinator", "an admission is durable, nothing was asked for")      \
    X(coord_before_end, "coordinator", "all acknowledged, end record not written")                 \
    X(coord_after_end, "coordinator", "end record written")                                        \
    X(part_after_receive, "participant", "a frame was received, nothing done with it")             \
    X(part_before_prepare, "participant", "the resource manager is about to prepare")              \
    X(part_after_prepare, "participant", "the resource manager prepared, vote not in the journal") \
    X(part_after_journal, "participant", "the vote is durable, not sent")                          \
    X(part_after_vote, "participant", "the vote is sent")                                          \
    X(part_before_commit, "participant", "the resource manager is about to commit")                \
    X(part_after_commit, "participant", "the resource manager committed, journal does not know")   \
    X(part_before_rollback, "participant", "the resource manager is about to roll back")           \
    X(part_after_rollback, "participant",                                                          \
      "the resource manager rolled back, journal does not know")                                   \
    X(part_before_done, "participant", "the outcome is durable, acknowledgement not sent")         \
    X(part_after_done, "participant", "the acknowledgement is sent")                               \
    X(part_in_recovery, "participant", "in-doubt branches were read, nobody asked yet")            \
    X(part_after_check, "participant", "a check-back is answered here, the answer not sent")       \
    X(part_before_forget, "participant", "a transaction has ended, the barrier's rows are there")  \
    X(part_after_forget, "participant", "the barrier's rows are gone, the journal does not know")  \
    X(client_after_prepare, "client", "a message is prepared, the application does not know")      \
    X(client_before_submit, "client", "a commit is about to be sent")                              \
    X(tx_after_begin, "tx", "branches were started, no work is done")                              \
    X(tx_after_end, "tx", "the work has ended, nobody was told")                                   \
    X(tx_after_enlist, "tx", "branches are enlisted, none is prepared")                            \
    X(tx_after_prepare, "tx", "a resource manager has prepared")                                   \
    X(tx_after_decision, "tx", "the outcome is known, no branch has ended")                        \
    X(tx_after_commit, "tx", "a resource manager has committed")                                   \
    X(tx_after_rollback, "tx", "a resource manager has rolled back")

enum crash_point {
#define X(name, side, about) CRASH_##name,
    CRASH_POINTS(X)
#undef X
        CRASH_POINT_COUNT
};

// Reads ASSENT_CRASH_POINT. ASSENT_INVALID for a name that does not exist. Call before threads.
int crash_point_arm(assent_error *error);
void crash_point_list(FILE *out); // "name  side  where", a line each
const char *crash_point_name(enum crash_point point);

extern int crash_point_armed; // -1: none
void crash_point_passed(enum crash_point point);

#define CRASH_POINT(name)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(crash_point_armed == CRASH_##name, 0))                                \
            crash_point_passed(CRASH_##name);                                                      \
    } while (0)

#endif
