// SPDX-License-Identifier: Apache-2.0
// Runs told in the words of the Promela model (tests/model), which has to allow them.
#ifndef SIM_MODEL_H
#define SIM_MODEL_H

#include "sim.h"

// Leaves out what the model does not have: other coordinators, limits, other contents, power that
// fails, logs that are damaged, resource managers that break their word or have one of their own,
// branches that applications call read-only.
void model_restrict(struct sim_setup *setup);
// From now on, until model_end, which writes a file a transaction; -1: one could not be written.
void model_begin(const struct world *w, const char *directory);
int model_end(void);

void model_effect(const struct actor *a, const struct effect *effect);
void model_durable(const struct actor *a, struct slice value, bool lazy);
void model_called(const struct actor *a, const struct effect_call *call, enum rm_result result);
void model_crash(const struct actor *a);
void model_start(const struct actor *a);

#endif
