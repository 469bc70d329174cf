// SPDX-License-Identifier: Apache-2.0
// Many runs, on several processors: seeds are handed out in order, what breaks is kept.
#ifndef SIM_CAMPAIGN_H
#define SIM_CAMPAIGN_H

#include "sim.h"

enum { CAMPAIGN_FAILURES = 32, CAMPAIGN_JOBS_MAX = 64 };

// What the command line wants otherwise than the seeds.
struct overrides {
    unsigned coordinators, participants, clients, transactions, branches; // 0: as drawn
    unsigned protocols; // bits; 0: two-phase commit
    bool set[FAULT_COUNT];
    uint32_t rate[FAULT_COUNT];
    const struct strikes *only;
    const bool *dropped;
};
void overrides_apply(const struct overrides *self, struct sim_setup *setup);

struct failure {
    uint64_t seed;
    char verdict[SIM_VERDICT_BYTES];
};

struct campaign_options {
    uint64_t first, last; // seeds
    unsigned jobs;
    unsigned failures_max; // stops after so many, but for seeds below the highest of them
    uint64_t seconds;      // stops after so long; 0: not
    bool progress;         // on standard error
    const struct overrides *overrides;
};

struct totals {
    uint64_t seeds, transactions, committed, aborted, messages, steps, crashes, strikes, virtual_us;
    struct coverage coverage;
};

struct campaign_result {
    struct totals totals;
    double seconds;
    int signal;             // that ended it early; 0: none did
    unsigned failure_count; // of those kept, lowest seed first
    struct failure failures[CAMPAIGN_FAILURES];
};

// False when no process could be started.
bool campaign_run(const struct campaign_options *options, struct campaign_result *ret);

// One run in a process of its own, so that one that breaks leaves nothing behind. `log`, if wanted,
// is filled in; its capacity holds.
void campaign_one(const struct sim_setup *setup, struct sim_result *ret, struct strikes *log);

// The invariant that a verdict names, as a text of its own; valid until the next call.
const char *verdict_invariant(const char *verdict);

#endif
