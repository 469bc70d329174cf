// SPDX-License-Identifier: Apache-2.0
#include "cluster_trace.h"

unsigned cluster_trace_actor(const struct actor *a)
{
    return (unsigned)(a - a->cluster->actors);
}

static void see_durable(struct model_trace *trace, const struct sight *sight)
{
    const struct item *item = sight->item;
    struct effect_write write = {.lazy = item->lazy, .forget = item->forget};
    struct tx_record_storage storage;
    struct tx_record tx;
    struct branch_record branch;
    assent_error error;
    if (sight->actor->kind == ACTOR_COORDINATOR) {
        assert_int_equal(record_decode_tx(item->bytes, &storage, &tx, &error), ASSENT_OK);
        write.tx = &tx;
    } else {
        assert_int_equal(record_decode_branch(item->bytes, &branch, &error), ASSENT_OK);
        write.branch = &branch;
    }
    model_trace_durable(trace, cluster_trace_actor(sight->actor), &write);
}

void cluster_trace_see(struct model_trace *trace, const struct sight *sight)
{
    const struct actor *a = sight->actor;
    unsigned actor = cluster_trace_actor(a);
    if (a->kind == ACTOR_CLIENT)
        return;
    if (sight->seen == SEEN_DURABLE)
        see_durable(trace, sight);
    if (sight->seen == SEEN_CALLED)
        model_trace_called(trace, actor, &sight->item->call, sight->result);
    for (size_t i = 0; sight->seen == SEEN_STEP && i < a->fx.count; i++)
        model_trace_effect(trace, actor, &a->fx.items[i]);
}
