// SPDX-License-Identifier: Apache-2.0
#include "view.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "service.h"

enum { VIEW_TIMEOUT_MS = 5000 };

struct view {
    struct ledger *ledger;   // the bank is not running
    struct counter *counter; // it is
    char name[LEDGER_NAME_MAX + 1];
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

int view_open(const char *dir, struct view **ret, assent_error *error)
{
    struct totals totals;
    assent_error offline;
    struct view *v = calloc(1, sizeof *v);
    if (!v)
        return ASSENT_NOMEM;
    // Whoever can open the ledger is alone with it. Otherwise the bank is running, and is asked.
    int code = ledger_open(dir, false, &v->ledger, &offline);
    if (code == ASSENT_OK) {
        snprintf(v->name, sizeof v->name, "%s", ledger_name(v->ledger));
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
        if (code == ASSENT_UNAVAILABLE && error) // why the ledger could not be opened says more
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
    ledger_close(&v->ledger);
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
    if (v->ledger) {
        ledger_totals(v->ledger, ret);
        return ASSENT_OK;
    }
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
    if (v->ledger) {
        *ret = ledger_applied(v->ledger, gtid, branch);
        return ASSENT_OK;
    }
    int code =
        counter_ask(v->counter, VIEW_TIMEOUT_MS, answer, error, "applied %s %u", gtid, branch);
    if (code == ASSENT_OK)
        *ret = answer[0] == '1';
    return code;
}
