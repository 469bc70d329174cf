// SPDX-License-Identifier: Apache-2.0
#include "trace.h"

#include <stdio.h>
#include <stdlib.h>

#include "describe.h"

#define TELL(...) buf_printf(d->out, __VA_ARGS__)

static bool wanted(void)
{
    static int wants = -1;
    if (wants < 0)
        wants = getenv("FUZZ_TRACE") != NULL;
    return wants;
}

static void tell_record(const struct describe *d, const struct tx_record *tx,
                        const struct branch_record *branch)
{
    TELL(" ");
    if (tx)
        describe_tx_record(d, tx);
    else if (branch)
        describe_branch_record(d, branch);
    else
        TELL("nothing");
}

static void tell_event(const struct describe *d, const struct event *event)
{
    static const char *const names[] = {
        [EVENT_RECOVERED] = "recovered",
        [EVENT_FOUND] = "found",
        [EVENT_START] = "start",
        [EVENT_TICK] = "tick",
        [EVENT_CONNECTED] = "connected",
        [EVENT_DISCONNECTED] = "disconnected",
        [EVENT_RECEIVED] = "received",
        [EVENT_WRITTEN] = "written",
        [EVENT_LOOKED_UP] = "looked up",
        [EVENT_CALLED] = "called",
        [EVENT_WORKING] = "working",
        [EVENT_OPERATOR] = "operator",
        [EVENT_ASK] = "ask",
        [EVENT_GIVE_UP] = "give up",
        [EVENT_EXTEND] = "extend",
    };
    TELL("%llu %s", (unsigned long long)event->now.mono_ms, names[event->type]);
    if (event->type == EVENT_RECEIVED) {
        TELL(" from %llu: ", (unsigned long long)event->u.received.peer);
        describe_message(d, event->u.received.msg);
    } else if (event->type == EVENT_WRITTEN) {
        TELL(" token %llu", (unsigned long long)event->u.written.token);
    } else if (event->type == EVENT_LOOKED_UP) {
        TELL(" token %llu", (unsigned long long)event->u.looked_up.token);
        tell_record(d, event->u.looked_up.found, NULL);
    } else if (event->type == EVENT_CALLED) {
        TELL(" token %llu result %d", (unsigned long long)event->u.called.token,
             event->u.called.result);
    } else if (event->type == EVENT_OPERATOR) {
        TELL(" verb %d ", event->u.op.verb);
        describe_gtid(d, &event->u.op.gtid);
    }
    TELL("\n");
}

static void tell_effect(const struct describe *d, const struct effect *effect)
{
    TELL("    ");
    switch (effect->type) {
    case EFFECT_SEND:
        TELL("to %llu: ", (unsigned long long)effect->u.send.peer);
        describe_message(d, &effect->u.send.msg);
        break;
    case EFFECT_WRITE:
        TELL("write token %llu%s%s", (unsigned long long)effect->u.write.token,
             effect->u.write.haste == HASTE_LAZY ? " lazily" : "",
             effect->u.write.open ? " open" : "");
        tell_record(d, effect->u.write.tx, effect->u.write.branch);
        break;
    case EFFECT_LOOKUP:
        TELL("look up token %llu ", (unsigned long long)effect->u.lookup.token);
        describe_gtid(d, &effect->u.lookup.gtid);
        break;
    case EFFECT_CALL:
        TELL("call token %llu op %d ", (unsigned long long)effect->u.call.token, effect->u.call.op);
        describe_branch(d, &effect->u.call.gtid, effect->u.call.branch, effect->u.call.attempt);
        break;
    case EFFECT_HORIZON: TELL("horizon %llu", (unsigned long long)effect->u.horizon); break;
    case EFFECT_ANSWER: TELL("answer %d", effect->u.answer.code); break;
    case EFFECT_COMPLETE: TELL("complete %d", effect->u.complete.code); break;
    case EFFECT_TELL:
        TELL("to %.*s: ", (int)effect->u.tell.resource.size,
             (const char *)effect->u.tell.resource.data);
        describe_message(d, &effect->u.tell.msg);
        break;
    case EFFECT_EXTENDED: TELL("extended %d", effect->u.extended.code); break;
    case EFFECT_STOP: TELL("stop %d", effect->u.stop.code); break;
    }
    TELL("\n");
}

static struct buf *start(void)
{
    static struct buf text;
    buf_init(&text, SIZE_MAX);
    return &text;
}

static void print(struct buf *text)
{
    fprintf(stderr, "%.*s", (int)text->size, (const char *)text->data);
    buf_free(text);
}

void trace_event(const struct event *event)
{
    if (!wanted())
        return;
    const struct describe d = {.out = start()};
    tell_event(&d, event);
    print(d.out);
}

void trace_effects(const struct effects *fx)
{
    if (!wanted() || fx->count == 0)
        return;
    const struct describe d = {.out = start()};
    for (size_t i = 0; i < fx->count; i++)
        tell_effect(&d, &fx->items[i]);
    print(d.out);
}
