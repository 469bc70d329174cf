// SPDX-License-Identifier: Apache-2.0
// Orders of operators to the core: commit, abort, forget, retry.
#include <stdio.h>

#include "admin_internal.h"
#include "base/logger.h"

enum { WHO_BYTES = 2 * LIMIT_NAME_BYTES, BY_BYTES = LIMIT_NAME_BYTES - 3 };

// "ops (ada@db1)": the name in the certificate, and who says to be at the keyboard.
static int order_who(const struct call *call, struct slice by, char ret[WHO_BYTES + 1])
{
    struct slice principal = call->caller->principal;
    if (by.size == 0)
        return snprintf(ret, WHO_BYTES + 1, "%.*s", (int)principal.size,
                        (const char *)principal.data);
    return snprintf(ret, WHO_BYTES + 1, "%.*s (%.*s)", (int)principal.size,
                    (const char *)principal.data, (int)by.size, (const char *)by.data);
}

static const char *order_name(enum operator_verb verb)
{
    switch (verb) {
    case OPERATOR_COMMIT: return "commit";
    case OPERATOR_ABORT: return "abort";
    case OPERATOR_FORGET: return "forget";
    case OPERATOR_RETRY: return "retry";
    }
    return "?";
}

void admin_order(const struct call *call, enum operator_verb verb)
{
    struct admin *self = call->admin;
    struct event_operator order = {.verb = verb};
    struct slice by;
    if (!call_gtid(call, verb != OPERATOR_RETRY, &order.gtid) ||
        !call_text(call, "why", LIMIT_WHY_BYTES, &order.why) ||
        !call_text(call, "by", BY_BYTES, &by) || !call_bool(call, "lost", &order.lost))
        return;
    bool forces = verb == OPERATOR_COMMIT || verb == OPERATOR_ABORT;
    if (forces && order.why.size == 0) {
        call_fail(call, ASSENT_INVALID, "say why: the reason is recorded with the order");
        return;
    }
    struct request *request = call_wait(call, REQUEST_ORDER);
    if (!request)
        return;
    request->gtid = order.gtid;
    char who[WHO_BYTES + 1];
    order_who(call, by, who);
    order.who = slice_text(who);
    order.token = request->token;
    log_event(LOG_INFO, "operator_order", KV("order", order_name(verb)),
              KV("gtid", gtid_slice(&order.gtid)), KV("who", who), KV("why", order.why),
              KV("lost", order.lost));
    self->host.order(self->host.arg, &order);
}

void admin_order_done(struct admin *self, struct request *request, int code, struct slice text)
{
    if (code != ASSENT_OK) {
        admin_fail(self, request->peer, request->id, request->verb, code, "%.*s", (int)text.size,
                   (const char *)text.data);
        return;
    }
    struct object o = object_new();
    if (request->gtid.size > 0)
        object_text(&o, "gtid", gtid_slice(&request->gtid));
    else
        object_set(&o, "gtid", json_null());
    object_text(&o, "text", text);
    admin_reply(self, request->peer, request->id, request->verb, code, object_take(&o));
}
