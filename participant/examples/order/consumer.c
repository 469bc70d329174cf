// SPDX-License-Identifier: Apache-2.0
// Who is told of orders. Payment books the amount, stock the pieces; both in the local transaction
// that the barrier lets happen once, however often the message comes.
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "kit/local.h"
#include "order.h"

static bool order_read(const assent_branch *branch, struct order *ret)
{
    char text[ORDER_TEXT_MAX];
    if (branch->size >= sizeof text)
        return false;
    memcpy(text, branch->payload, branch->size);
    text[branch->size] = '\0';
    return sscanf(text, "%" SCNd64 " %" SCNd64 " %" SCNd64 " %" SCNd64, &ret->customer,
                  &ret->amount, &ret->article, &ret->pieces) == 4;
}

// `item`: a customer or an article. A message that came twice would show: in both tables.
static bool book(struct local *db, const char *gtid, int64_t item, int64_t quantity)
{
    return local_run(db, "INSERT INTO received VALUES (%Q, %lld, %lld)", gtid, (long long)item,
                     (long long)quantity) &&
           local_run(db,
                     "INSERT INTO totals VALUES (%lld, %lld) ON CONFLICT (item)"
                     " DO UPDATE SET quantity = quantity + excluded.quantity",
                     (long long)item, (long long)quantity);
}

static assent_done_code take(struct local *db, const assent_branch *branch, int64_t item,
                             int64_t quantity)
{
    assent_barrier_entry entry;
    if (!local_enter(db, branch->gtid, branch->branch, ASSENT_BARRIER_DELIVER, &entry))
        return ASSENT_RETRY;
    if (entry.verdict == ASSENT_BARRIER_RUN && !book(db, branch->gtid, item, quantity)) {
        local_rollback(db);
        return ASSENT_RETRY;
    }
    local_commit(db);
    return ASSENT_DONE;
}

static assent_done_code refuse(char *why)
{
    snprintf(why, ASSENT_NO_REASON_MAX + 1, "not an order"); // operators see it, and may forget it
    return ASSENT_RETRY;
}

static assent_done_code payment_deliver(void *context, const assent_branch *branch, char *why)
{
    struct order order;
    if (!order_read(branch, &order))
        return refuse(why);
    return take(context, branch, order.customer, order.amount);
}

static assent_done_code stock_deliver(void *context, const assent_branch *branch, char *why)
{
    struct order order;
    if (!order_read(branch, &order))
        return refuse(why);
    return take(context, branch, order.article, order.pieces);
}

static assent_done_code on_ended(void *context, const assent_branch *branch)
{
    return local_forget(context, branch) ? ASSENT_DONE : ASSENT_RETRY;
}

const assent_handlers payment_handlers = {.deliver = payment_deliver, .ended = on_ended};
const assent_handlers stock_handlers = {.deliver = stock_deliver, .ended = on_ended};
