// SPDX-License-Identifier: Apache-2.0
// Writes down what a shell around the cores sees of each transaction, in the words of
// tests/model/README.md, so that tests/model/check can say whether it is a run of the model.
//
// Actors are numbered by the shell: 0 is the coordinator, the others are participants. In which
// order to call: the effects of a step in their order, before the next step of anybody; a record
// when it is durable, and a resource manager's answer when it has acted, both before the core hears
// of it. Whatever of a process that died still reaches its disk or its resource manager is told
// after its crash, and before it starts again.
#ifndef MODEL_TRACE_H
#define MODEL_TRACE_H

#include "core/step.h"

struct model_trace;

struct model_trace_config {
    uint64_t coordinator;  // its id: its own gtids carry it
    bool rm_durable;       // of all participants
    const char *directory; // where the files go; there is one
    const char *prefix;    // of their names: <prefix>-<n>.txt
};

// The texts in the configuration are copied. Dies when out of memory, like everything here.
struct model_trace *model_trace_new(const struct model_trace_config *config);
void model_trace_effect(struct model_trace *self, unsigned actor, const struct effect *effect);
void model_trace_durable(struct model_trace *self, unsigned actor,
                         const struct effect_write *write);
void model_trace_called(struct model_trace *self, unsigned actor, const struct effect_call *call,
                        enum rm_result result);
void model_trace_crash(struct model_trace *self, unsigned actor);
void model_trace_start(struct model_trace *self, unsigned actor);
// Writes a file a transaction. Returns how many, or -1 when one could not be written.
int model_trace_close(struct model_trace **self_p);

#endif
