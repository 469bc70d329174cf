// SPDX-License-Identifier: Apache-2.0
// What a service does for a branch, as a participant of sagas and of tcc transactions. Each handler
// is one local transaction, with the barrier entered first: so a handler that is called twice, late
// or before its time does no harm, and none of them has to think about it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/local.h"
#include "travel.h"

const char travel_setup[] =
    "CREATE TABLE IF NOT EXISTS offers ("
    " item INTEGER PRIMARY KEY, capacity INTEGER NOT NULL, free INTEGER NOT NULL CHECK (free >= "
    "0));"
    "CREATE TABLE IF NOT EXISTS bookings ("
    " number INTEGER PRIMARY KEY AUTOINCREMENT, gtid TEXT NOT NULL UNIQUE, protocol TEXT NOT NULL,"
    " item INTEGER NOT NULL, state TEXT NOT NULL)"; // reserved, booked, ticketed

int64_t travel_arrival(int64_t day)
{
    return day + day % 2;
}

// ---- what is asked for ----

// "book ITEM", "book @STEP" (the item that this step has returned), "ticket @STEP" (for the booking
// that it has returned).
struct wish {
    bool ticket;
    int64_t value; // an item, or the number of a booking
};

// What a step returns: "<number of the booking> <item for the next>".
static bool input_read(const assent_branch *branch, unsigned step, bool number, int64_t *ret)
{
    char text[ASSENT_ANSWER_MAX + 1];
    int64_t booking, item;
    size_t size;
    const void *input = assent_branch_input(branch, (uint16_t)step, &size);
    if (!input || size > ASSENT_ANSWER_MAX)
        return false;
    memcpy(text, input, size);
    text[size] = '\0';
    if (sscanf(text, "%" SCNd64 " %" SCNd64, &booking, &item) != 2)
        return false;
    *ret = number ? booking : item;
    return true;
}

static bool wish_read(const assent_branch *branch, struct wish *ret)
{
    char text[64];
    unsigned step;
    if (branch->size >= sizeof text)
        return false;
    memcpy(text, branch->payload, branch->size);
    text[branch->size] = '\0';
    *ret = (struct wish){.ticket = strncmp(text, "ticket ", 7) == 0};
    if (sscanf(text, "book @%u", &step) == 1 || sscanf(text, "ticket @%u", &step) == 1)
        return input_read(branch, step, ret->ticket, &ret->value);
    return sscanf(text, "book %" SCNd64, &ret->value) == 1;
}

// ---- what is done, within a local transaction ----

enum outcome { DONE, NONE_FREE, NOT_NOW };

static enum outcome book(struct local *db, const assent_branch *branch, int64_t item,
                         const char *state, int64_t *ret_number)
{
    int64_t free;
    if (!local_number(db, &free, "SELECT free FROM offers WHERE item = %lld", (long long)item) ||
        free == 0)
        return NONE_FREE;
    bool good =
        local_change(db, "UPDATE offers SET free = free - 1 WHERE item = %lld", (long long)item) &&
        local_change(db,
                     "INSERT INTO bookings (gtid, protocol, item, state)"
                     " VALUES (%Q, %Q, %lld, %Q)",
                     branch->gtid, branch->protocol, (long long)item, state) &&
        local_number(db, ret_number, "SELECT last_insert_rowid()");
    return good ? DONE : NOT_NOW;
}

static bool unbook(struct local *db, const assent_branch *branch)
{
    return local_change(db,
                        "UPDATE offers SET free = free + 1 WHERE item ="
                        " (SELECT item FROM bookings WHERE gtid = %Q)",
                        branch->gtid) &&
           local_change(db, "DELETE FROM bookings WHERE gtid = %Q", branch->gtid);
}

static bool set_state(struct local *db, const char *gtid, const char *from, const char *to)
{
    return local_change(db, "UPDATE bookings SET state = %Q WHERE gtid = %Q AND state = %Q", to,
                        gtid, from);
}

static void say_full(char *why, int64_t item)
{
    snprintf(why, ASSENT_NO_REASON_MAX + 1, "nothing is left of %" PRId64, item);
}

// ---- saga ----

static enum outcome act(struct local *db, const assent_branch *branch, const struct wish *wish,
                        assent_answer *answer)
{
    int64_t number = wish->value;
    enum outcome outcome = DONE;
    if (!wish->ticket)
        outcome = book(db, branch, wish->value, "booked", &number);
    else if (!set_state(db, branch->gtid, "booked", "ticketed"))
        outcome = NOT_NOW;
    if (outcome != DONE)
        return outcome;
    int size = snprintf((char *)answer->data, sizeof answer->data, "%" PRId64 " %" PRId64, number,
                        travel_arrival(wish->value));
    answer->size = (size_t)size;
    bool kept = local_keep(db, branch, ASSENT_BARRIER_ACTION, answer->data, answer->size);
    return kept ? DONE : NOT_NOW;
}

static assent_action_code on_action(void *context, const assent_branch *branch,
                                    assent_answer *answer, char *why)
{
    struct local *db = context;
    assent_barrier_entry entry;
    struct wish wish;
    if (!wish_read(branch, &wish)) {
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "not understood");
        return ASSENT_ACTION_FAILED;
    }
    if (!local_enter(db, branch->gtid, branch->branch, ASSENT_BARRIER_ACTION, &entry))
        return ASSENT_ACTION_RETRY;
    enum outcome outcome = DONE;
    if (entry.verdict == ASSENT_BARRIER_RUN) {
        outcome = act(db, branch, &wish, answer);
    } else if (entry.verdict == ASSENT_BARRIER_DUPLICATE) {
        answer->size = entry.answer_bytes;
        memcpy(answer->data, entry.answer, entry.answer_bytes);
    }
    if (outcome == DONE && entry.verdict != ASSENT_BARRIER_REFUSED) {
        local_commit(db);
        return ASSENT_ACTION_DONE;
    }
    answer->size = 0;
    local_rollback(db);
    if (outcome == NOT_NOW)
        return ASSENT_ACTION_RETRY;
    if (outcome == NONE_FREE)
        say_full(why, wish.value);
    return ASSENT_ACTION_FAILED;
}

// ---- tcc ----

static assent_vote on_try(void *context, const assent_branch *branch, char *why)
{
    struct local *db = context;
    assent_barrier_entry entry;
    struct wish wish;
    int64_t number;
    if (!wish_read(branch, &wish) || wish.ticket) {
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "not understood");
        return ASSENT_VOTE_NO;
    }
    if (!local_enter(db, branch->gtid, branch->branch, ASSENT_BARRIER_TRY, &entry))
        return ASSENT_VOTE_NO;
    enum outcome outcome = DONE;
    if (entry.verdict == ASSENT_BARRIER_RUN)
        outcome = book(db, branch, wish.value, "reserved", &number);
    if (outcome == DONE && entry.verdict != ASSENT_BARRIER_REFUSED) {
        local_commit(db);
        return ASSENT_VOTE_YES;
    }
    local_rollback(db);
    if (outcome == NONE_FREE)
        say_full(why, wish.value);
    return ASSENT_VOTE_NO;
}

// confirm, cancel and compensate are alike: what was done before is changed, once.
static assent_done_code finish(struct local *db, const assent_branch *branch,
                               assent_barrier_operation operation)
{
    assent_barrier_entry entry;
    if (!local_enter(db, branch->gtid, branch->branch, operation, &entry))
        return ASSENT_RETRY;
    bool good = entry.verdict != ASSENT_BARRIER_REFUSED;
    if (entry.verdict == ASSENT_BARRIER_RUN && operation == ASSENT_BARRIER_CONFIRM)
        good = set_state(db, branch->gtid, "reserved", "booked");
    else if (entry.verdict == ASSENT_BARRIER_RUN)
        good = unbook(db, branch);
    if (good) {
        // EMPTY, too: the fence that it leaves is what keeps a late try out.
        local_commit(db);
        return ASSENT_DONE;
    }
    local_rollback(db);
    return ASSENT_RETRY;
}

static assent_done_code on_confirm(void *context, const assent_branch *branch)
{
    return finish(context, branch, ASSENT_BARRIER_CONFIRM);
}

static assent_done_code on_cancel(void *context, const assent_branch *branch)
{
    return finish(context, branch, ASSENT_BARRIER_CANCEL);
}

static assent_done_code on_compensate(void *context, const assent_branch *branch)
{
    return finish(context, branch, ASSENT_BARRIER_COMPENSATE);
}

// ---- both ----

static assent_done_code on_ended(void *context, const assent_branch *branch)
{
    return local_forget(context, branch) ? ASSENT_DONE : ASSENT_RETRY;
}

const assent_handlers travel_handlers = {
    .action = on_action,
    .compensate = on_compensate,
    .try_ = on_try,
    .confirm = on_confirm,
    .cancel = on_cancel,
    .ended = on_ended,
};
