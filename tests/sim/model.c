// SPDX-License-Identifier: Apache-2.0
#include "model.h"

#include <stdio.h>

#include "base/check.h"
#include "model_trace.h"

static struct model_trace *trace; // NULL: nobody wants it

void model_restrict(struct sim_setup *setup)
{
    static const enum fault none[] = {
        FAULT_OTHER, FAULT_POWER,   FAULT_TORN,     FAULT_SHORTER, FAULT_FLIPPED,
        FAULT_OLDER, FAULT_RM_MIND, FAULT_RM_LOSES, FAULT_STRAY,   FAULT_RM_HEURISTIC};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        setup->rate[none[i]] = 0;
    setup->coordinators = 1;
    setup->say_rate = 0;
    if (setup->rm_durable) // there the votes on what is enlisted are journaled all the same
        setup->enlist_rate = 0;
    setup->tight = false;
    setup->alike = true;
}

void model_begin(const struct world *w, const char *directory)
{
    char prefix[32];
    snprintf(prefix, sizeof prefix, "seed-%llu", (unsigned long long)w->setup.seed);
    struct model_trace_config config = {
        .coordinator = w->actors[0].id,
        .rm_durable = w->setup.rm_durable,
        .directory = directory,
        .prefix = prefix,
    };
    trace = model_trace_new(&config);
}

int model_end(void)
{
    return trace ? model_trace_close(&trace) : 0;
}

void model_effect(const struct actor *a, const struct effect *effect)
{
    if (trace && a->kind != ACTOR_CLIENT)
        model_trace_effect(trace, a->index, effect);
}

void model_durable(const struct actor *a, struct slice value, bool lazy)
{
    static struct tx_record_storage storage;
    struct tx_record tx;
    struct branch_record branch;
    assent_error error;
    struct effect_write write = {.haste = lazy ? HASTE_LAZY : HASTE_NOW};
    if (!trace)
        return;
    if (a->kind == ACTOR_COORDINATOR) {
        CHECK(record_decode_tx(value, &storage, &tx, &error) == ASSENT_OK);
        write.tx = &tx;
    } else {
        CHECK(record_decode_branch(value, &branch, &error) == ASSENT_OK);
        write.branch = &branch;
    }
    model_trace_durable(trace, a->index, &write);
}

void model_called(const struct actor *a, const struct effect_call *call, enum rm_result result)
{
    if (trace)
        model_trace_called(trace, a->index, call, result);
}

void model_crash(const struct actor *a)
{
    if (trace && a->kind != ACTOR_CLIENT)
        model_trace_crash(trace, a->index);
}

void model_start(const struct actor *a)
{
    if (trace && a->kind != ACTOR_CLIENT)
        model_trace_start(trace, a->index);
}
