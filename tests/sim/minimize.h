// SPDX-License-Identifier: Apache-2.0
// Shrinks a run that breaks an invariant to one that a person can read: fewer faults, fewer
// transactions, fewer actors, as long as the same invariant breaks (delta debugging: Zeller and
// Hildebrandt, IEEE TSE 28(2), 2002).
#ifndef SIM_MINIMIZE_H
#define SIM_MINIMIZE_H

#include "campaign.h"

struct minimized {
    struct overrides overrides;
    struct strikes strikes;    // owned: those that are needed
    bool dropped[SIM_TXS_MAX]; // transactions that are not
    unsigned transactions_left;
    unsigned trials;
    struct sim_result result;
};

// False when the seed breaks nothing. The progress is told on standard error if wanted.
bool minimize(uint64_t seed, const struct overrides *overrides, bool progress,
              struct minimized *ret);
void minimized_free(struct minimized *self);

#endif
