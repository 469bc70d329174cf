// SPDX-License-Identifier: Apache-2.0
// The trace of a run: in words for people who ask for it, and always as a hash, by which two runs
// of one seed are compared.
#include <stdarg.h>

#include "base/crc32c.h"
#include "describe.h"
#include "sim.h"

void story_mix(struct world *w, uint64_t value)
{
    w->hash = (w->hash ^ value) * UINT64_C(0x9e3779b97f4a7c15);
    w->hash ^= w->hash >> 32;
}

void story_mix_bytes(struct world *w, struct slice bytes)
{
    story_mix(w, crc32c((uint32_t)bytes.size, bytes.data, bytes.size));
}

static void line(struct actor *a)
{
    uint64_t us = a->world->now_us;
    buf_printf(a->world->story, "%6llu.%06llu  %-14s ", (unsigned long long)(us / 1000000),
               (unsigned long long)(us % 1000000), a->name);
}

void story_say(struct actor *a, const char *format, ...)
{
    char text[300];
    struct world *w = a->world;
    if (!w->story)
        return;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    line(a);
    buf_printf(w->story, "%s\n", text);
}

static bool is_chatter(enum msg_type type)
{
    return type == MSG_PING || type == MSG_PONG || type == MSG_LEASE;
}

void story_message(struct actor *to, peer_t peer, const struct msg *msg)
{
    struct world *w = to->world;
    if (!w->story || is_chatter(msg->type))
        return;
    const struct actor *from = to->home;
    if (to->kind == ACTOR_COORDINATOR)
        from = world_actor_of_peer(w, peer);
    const struct describe describe = {.out = w->story};
    line(to);
    buf_printf(w->story, "<- %s: ", from ? from->name : "(gone)");
    describe_message(&describe, msg);
    buf_printf(w->story, "\n");
}

void story_told(struct actor *to, const struct actor *from, const struct msg *msg)
{
    struct world *w = to->world;
    if (!w->story)
        return;
    const struct describe describe = {.out = w->story};
    line(to);
    buf_printf(w->story, "<- %s: ", from->name);
    describe_message(&describe, msg);
    buf_printf(w->story, "\n");
}

static void tell_write(struct actor *a, const struct effect_write *write)
{
    const struct describe describe = {.out = a->world->story};
    line(a);
    buf_printf(a->world->story, "  %s ", write->forget ? "removes" : "writes");
    if (write->tx)
        describe_tx_record(&describe, write->tx);
    else
        describe_branch_record(&describe, write->branch);
    buf_printf(a->world->story, "%s%s\n", write->haste == HASTE_LAZY ? ", when convenient" : "",
               write->open ? "" : ", closed");
}

void story_effects(struct actor *a)
{
    if (!a->world->story)
        return;
    for (size_t i = 0; i < a->fx.count; i++) {
        if (a->fx.items[i].type == EFFECT_WRITE)
            tell_write(a, &a->fx.items[i].u.write);
        else if (a->fx.items[i].type == EFFECT_LOOKUP)
            story_say(a, "  looks up %.*s", a->fx.items[i].u.lookup.gtid.size,
                      a->fx.items[i].u.lookup.gtid.text);
    }
}

void story_called(struct actor *a, const struct effect_call *call, enum rm_result result)
{
    static const char *const ops[] = {"?", "prepare", "commit", "roll back", "forget"};
    static const char *const results[] = {"done",           "no",
                                          "read-only",      "try again",
                                          "committed it",   "rolled it back",
                                          "did some of it", "ended it somehow"};
    story_mix(a->world, call->token * 16 + call->op * 4 + result);
    story_say(a, "resource manager: %s %.*s/%u: %s", ops[call->op], call->gtid.size,
              call->gtid.text, call->branch, results[result]);
}

void story_complete(struct actor *a, const struct sim_tx *tx, unsigned step,
                    const struct effect_complete *complete)
{
    static const char *const steps[] = {
        "begin",  "enlist", "submit", "submit (again)", "submit (other content)",
        "cancel", "status", "vanish", "prepare"};
    story_mix(a->world,
              complete->token * 64 + (uint64_t)complete->code * 8 + complete->result.outcome);
    if (complete->code != ASSENT_OK)
        story_say(a, "is told of its %s %.*s: %s: %.*s", steps[step], tx->gtid.size, tx->gtid.text,
                  assent_code_name(complete->code), (int)complete->text.size,
                  (const char *)complete->text.data);
    else if (step == APP_ENLIST)
        story_say(a, "is told: enlisted %.*s", tx->gtid.size, tx->gtid.text);
    else
        story_say(a, "is told of its %s %.*s: %s%s", steps[step], tx->gtid.size, tx->gtid.text,
                  outcome_name(complete->result.outcome), complete->result.mixed ? ", mixed" : "");
}
