// SPDX-License-Identifier: Apache-2.0
// What happens in a fake cluster, for tests/model/check.
#ifndef UNIT_CLUSTER_TRACE_H
#define UNIT_CLUSTER_TRACE_H

#include "cluster.h"
#include "model_trace.h"

// To be called from `see`.
void cluster_trace_see(struct model_trace *trace, const struct sight *sight);
// Which one it is, before it crashes and before it starts.
unsigned cluster_trace_actor(const struct actor *a);

#endif
