// SPDX-License-Identifier: Apache-2.0
// With FUZZ_TRACE in the environment, what happens is told on standard error, a line each.
#ifndef FUZZ_TRACE_H
#define FUZZ_TRACE_H

#include "core/step.h"

void trace_event(const struct event *event);
void trace_effects(const struct effects *fx);

#endif
