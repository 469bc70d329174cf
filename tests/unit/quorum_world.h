// SPDX-License-Identifier: Apache-2.0
// One three-phase transaction in virtual time: the cores of its members and of its coordinator, a
// network that loses, doubles and disorders and falls apart, processes that die and keep only what
// is durable. A plan says what happens, so a run can be had again, and shrunk.
#ifndef UNIT_QUORUM_WORLD_H
#define UNIT_QUORUM_WORLD_H

#include <stdio.h>

#include "core/quorum.h"

enum { WORLD_MEMBERS_MAX = 7, WORLD_STRIKES_MAX = 12 };

// From `at_ms` on, or from when `whose` has made so many steps, and for `for_ms`: the network is
// split between `who` and the others, or those are down. Bits are branches; the coordinator's is
// the one behind the last branch's.
struct world_strike {
    bool crash;
    uint64_t at_ms, for_ms;
    unsigned steps, whose; // steps 0: it goes by the time
    unsigned who;
};

struct world_plan {
    uint64_t seed;
    unsigned members;
    unsigned loss, twice;  // per cent, of messages
    uint64_t delay_ms_max; // of a message
    uint64_t sync_ms_max;  // of a journal
    bool steady;           // all delays are the longest
    unsigned no;           // members that will vote no
    uint64_t cancel_ms;    // when the application rolls back; 0: never
    uint64_t finish_ms;    // how long until an outcome is in a journal, too
    uint64_t repair_ms;    // from then on nothing fails
    uint32_t suspect_ms;   // as in struct quorum_config; the others follow from it
    unsigned strike_count;
    struct world_strike strikes[WORLD_STRIKES_MAX];
};

struct world_result {
    char broken[160];                            // empty: nothing
    enum outcome outcome[WORLD_MEMBERS_MAX + 1]; // of each member and of the coordinator
    uint64_t decided_ms[WORLD_MEMBERS_MAX + 1];  // when it first knew
    unsigned syncs[WORLD_MEMBERS_MAX];
    uint64_t suspected_ms; // when somebody first elected
    unsigned elections, messages;
};

// Tells the story on `trace`, if not NULL.
void world_run(const struct world_plan *plan, FILE *trace, struct world_result *ret);
void world_plan_print(const struct world_plan *plan, FILE *out);

#endif
