// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/pause.h"
#include "service.h"

enum { VIEW_TIMEOUT_MS = 5000, VIEW_RETRY_MS = 100 };

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

// A database may be away for a moment.
static int open_patiently(const char *dir, struct bank_store *ret, assent_error *error)
{
    int code = store_open(dir, NULL, false, ret, error);
    for (int ms = 0; code == ASSENT_UNAVAILABLE && ms < VIEW_TIMEOUT_MS; ms += VIEW_RETRY_MS) {
        pause_ms(VIEW_RETRY_MS);
        code = store_open(dir, NULL, false, ret, error);
    }
    return code;
}

int view_open(const char *dir, struct view **ret, assent_error *error)
{
    struct totals totals;
    assent_error offline;
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return ASSENT_NOMEM;
    // Whoever can open a ledger is alone with it. Otherwise the bank is running, and is asked.
    int code = open_patiently(dir, &v->store, &offline);
    if (code == ASSENT_OK) {
        snprintf(v->name, sizeof v->name, "%s", v->store.type->name(v->store.self));
        *ret = v;
        return ASSENT_OK;
    }
    if (code == ASSENT_LOCKED)
        code = counter_open(dir, &v->counter, error);
    else if (error)
        *error = offline;
    if (code == ASSENT_OK)
        code = view_totals(v, &totals, error);
    if (code) {
        // Why the ledger could not be opened says more.
        if (code == ASSENT_UNAVAILABLE && v->counter && error)
            snprintf(error->message, sizeof error->message, "%s, and no bank answers there",
                     offline.message);
        view_close(&v);
        return code;
    }
    *ret = v;
    return ASSENT_OK;
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
