// SPDX-License-Identifier: Apache-2.0
// The shop's participant: what it says when the coordinator asks whether an order was made. It
// needs not run for orders to be taken, only for those to be cleared up whose client has died.
#include <stdio.h>
#include <stdlib.h>

#include "assent/client.h"
#include "kit/local.h"
#include "order.h"

static assent_check_code on_check_back(void *context, const assent_branch *branch, char *why)
{
    (void)why;
    struct local *db = context;
    assent_barrier_entry entry;
    if (!local_enter(db, branch->gtid, branch->branch, ASSENT_BARRIER_CHECK, &entry))
        return ASSENT_CHECK_RETRY;
    // EMPTY: the order was not made, and the fence, once it is committed, keeps it from being made
    // by a client that was only slow.
    local_commit(db);
    return entry.verdict == ASSENT_BARRIER_DUPLICATE ? ASSENT_CHECK_HAPPENED
                                                     : ASSENT_CHECK_DID_NOT_HAPPEN;
}

// A client ran the forward operation itself, and might come back: a fence has to stay.
static assent_done_code on_ended(void *context, const assent_branch *branch)
{
    return local_seal(context, branch->gtid, branch->branch, ASSENT_BARRIER_SEND) ? ASSENT_DONE
                                                                                  : ASSENT_RETRY;
}

// ---- now and then ----

enum { FENCES_KEPT_S = 86400, ROWS_AT_ONCE = 1000 };

struct gtids {
    char (*texts)[ASSENT_GTID_MAX + 1];
    unsigned count;
};

static void see_gtid(void *arg, int columns, const char *const *values)
{
    (void)columns;
    struct gtids *gtids = arg;
    snprintf(gtids->texts[gtids->count++], ASSENT_GTID_MAX + 1, "%s", values[0]);
}

static void seal_decided(struct local *db, const struct gtids *gtids)
{
    assent_client *client;
    assent_error error;
    if (assent_client_open(NULL, &client, &error) != ASSENT_OK)
        return;
    for (unsigned i = 0; i < gtids->count; i++) {
        assent_result result;
        if (assent_status(client, gtids->texts[i], &result, &error) != ASSENT_OK)
            break;
        if (result.outcome == ASSENT_COMMITTED || result.outcome == ASSENT_ABORTED)
            local_seal(db, gtids->texts[i], SENDER_BRANCH, ASSENT_BARRIER_SEND);
    }
    assent_client_close(&client);
}

// A sender that is told of nothing keeps no journal of it, so it hears that a message has ended
// only if it runs at that time. What is left over is asked for: once a message is decided nobody
// asks for its row any more.
static void seal_left_over(struct local *db)
{
    struct gtids gtids = {.texts = calloc(ROWS_AT_ONCE, sizeof *gtids.texts)};
    if (!gtids.texts)
        return;
    if (local_begin(db)) {
        local_each(db, see_gtid, &gtids,
                   "SELECT gtid FROM assent_barrier WHERE operation = 'send' AND state = 'done'"
                   " LIMIT %d",
                   (int)ROWS_AT_ONCE);
        local_rollback(db);
    }
    if (gtids.count)
        seal_decided(db, &gtids);
    free(gtids.texts);
}

void sender_tidy(void *context)
{
    seal_left_over(context);
    // No message is tried for as long as a day, so a fence that is older is not needed.
    local_collect(context, FENCES_KEPT_S);
}

const assent_handlers sender_handlers = {.check_back = on_check_back, .ended = on_ended};
