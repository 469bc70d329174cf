// SPDX-License-Identifier: Apache-2.0
// What a campaign has exercised: moves of the state tables, crash points, and which messages were
// met in which states. Plain numbers, so that the counts of several processes can be added up.
#ifndef SIM_COVERAGE_H
#define SIM_COVERAGE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/crash_point.h"
#include "base/sm.h"
#include "core/message.h"
#include "faults.h"

enum { COVERAGE_DOUBTS = 32, COVERAGE_TABLES = 3, COVERAGE_MESSAGES = MSG_ADMIN_REPLY + 1 };

struct coverage {
    uint64_t moves[COVERAGE_TABLES][SM_STATES_MAX][SM_STATES_MAX];
    uint64_t points_passed[CRASH_POINT_COUNT], points_died[CRASH_POINT_COUNT];
    // Messages about a transaction or branch, by its state at the receiver; the last column: it is
    // not in memory.
    uint64_t met[2][COVERAGE_MESSAGES][SM_STATES_MAX + 1];
    uint64_t strikes[FAULT_COUNT];
    // Branches of 2pc and 3pc that were in doubt when their coordinator died, by the binary
    // logarithm of how long that was, in ms.
    uint64_t doubts[2][COVERAGE_DOUBTS];
};

struct actor;
struct event;

void coverage_event(struct coverage *self, const struct actor *a, const struct event *event);
void coverage_add(struct coverage *to, const struct coverage *from);
// Says what was exercised and what was not. False: something that can be reached was not.
// `protocols`, as bits: those of the campaign.
void coverage_doubts(const struct coverage *self, FILE *out);
bool coverage_report(const struct coverage *self, unsigned protocols, FILE *out, bool verbose);

#endif
