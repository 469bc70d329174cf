// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/error.h"
#include "kit/pause.h"
#include "service.h"

enum { VIEW_TIMEOUT_MS = 5000, VIEW_PATIENCE_MS = 10000, VIEW_RETRY_MS = 100 };

struct view {
    struct bank_store store; // that can be opened: `self` is not NULL
    struct counter *counter; // else: the bank that has it
    char name[STORE_NAME_MAX + 1];
};

static int misunderstood(assent_error *error, const char *answer)
{
    if (error) {
        error->code = ASSENT_CORRUPT;
        snprintf(error->message, sizeof error->message, "an answer that is not understood: %s",
                 answer);
    }
    return ASSENT_CORRUPT;
}

// From the bank that has the ledger.
static int ask(struct view *v, const char *dir, struct totals *ret, const assent_error *offline,
               assent_error *error)
{
    int code = v->counter ? ASSENT_OK : counter_open(dir, &v->counter, error);
    if (code == ASSENT_OK)
        code = view_totals(v, ret, error);
    // Why the ledger could not be opened says more.
    if (code == ASSENT_UNAVAILABLE)
        error_set(error, code, "%s, and no bank answers there", offline->message);
    return code;
}

// Whoever can open a ledger is alone with it. Otherwise the bank is running, and is asked.
static int open_or_ask(struct view *v, const char *dir, struct totals *ret, assent_error *error)
{
    assent_error offline;
    int code = store_open(dir, NULL, false, &v->store, &offline);
    if (code == ASSENT_LOCKED)
        return ask(v, dir, ret, &offline, error);
    if (code != ASSENT_OK)
        return error_set(error, code, "%s", offline.message);
    snprintf(v->name, sizeof v->name, "%s", v->store.type->name(v->store.self));
    return view_totals(v, ret, error);
}

int view_open(const char *dir, struct view **ret, struct totals *ret_totals, assent_error *error)
{
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return ASSENT_NOMEM;
    // A database may be away for a moment; a bank that starts has its ledger before it answers.
    int code = open_or_ask(v, dir, ret_totals, error);
    for (uint64_t until_ms = monotonic_ms() + VIEW_PATIENCE_MS;
         code == ASSENT_UNAVAILABLE && monotonic_ms() < until_ms;) {
        store_close(&v->store);
        pause_ms(VIEW_RETRY_MS);
        code = open_or_ask(v, dir, ret_totals, error);
    }
    if (code != ASSENT_OK)
        view_close(&v);
    *ret = v;
    return code;
}

void view_close(struct view **view_p)
{
    struct view *v = *view_p;
    if (!v)
        return;
    *view_p = NULL;
    store_close(&v->store);
    counter_close(&v->counter);
    free(v);
}

const char *view_name(const struct view *v)
{
    return v->name;
}

int view_totals(struct view *v, struct totals *ret, assent_error *error)
{
    char answer[256];
    if (v->store.self)
        return v->store.type->totals(v->store.self, ret, error);
    int code = counter_ask(v->counter, VIEW_TIMEOUT_MS, answer, error, "totals");
    if (code)
        return code;
    int fields = sscanf(answer,
                        "%64s %" SCNu64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64
                        " %" SCNu64,
                        v->name, &ret->accounts, &ret->checking, &ret->savings, &ret->cash,
                        &ret->loaded, &ret->reserved, &ret->prepared);
    return fields == 8 ? ASSENT_OK : misunderstood(error, answer);
}

int view_applied(struct view *v, const char *gtid, unsigned branch, bool *ret, assent_error *error)
{
    char answer[256];
    if (v->store.self)
        return v->store.type->applied(v->store.self, gtid, branch, ret, error);
    int code =
        counter_ask(v->counter, VIEW_TIMEOUT_MS, answer, error, "applied %s %u", gtid, branch);
    if (code == ASSENT_OK)
        *ret = answer[0] == '1';
    return code;
}
