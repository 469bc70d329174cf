// SPDX-License-Identifier: Apache-2.0
#include "operation.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char *const verb_names[VERB_COUNT] = {
    [VERB_BALANCE] = "balance", [VERB_DEBIT] = "debit",       [VERB_CREDIT] = "credit",
    [VERB_DEPOSIT] = "deposit", [VERB_TRANSACT] = "transact", [VERB_CHECK] = "check",
};

size_t operation_print(const struct operation *op, char text[OPERATION_TEXT_MAX])
{
    return (size_t)snprintf(text, OPERATION_TEXT_MAX, "%s %" PRIu64 " %" PRId64,
                            verb_names[op->verb], op->account, op->amount);
}

static bool verb_parse(const char *name, enum verb *ret)
{
    for (int i = 0; i < VERB_COUNT; i++) {
        if (strcmp(name, verb_names[i]) == 0) {
            *ret = (enum verb)i;
            return true;
        }
    }
    return false;
}

bool operation_parse(const void *text, size_t size, struct operation *ret)
{
    char copy[OPERATION_TEXT_MAX], name[16];
    int end = 0;
    struct operation op = {0};
    if (size >= sizeof copy || memchr(text, '\0', size))
        return false;
    memcpy(copy, text, size);
    copy[size] = '\0';
    if (sscanf(copy, "%15s %" SCNu64 " %" SCNd64 "%n", name, &op.account, &op.amount, &end) != 3 ||
        (size_t)end != size || !verb_parse(name, &op.verb))
        return false;
    // Only savings may be moved either way by one verb.
    int64_t least = op.verb == VERB_TRANSACT ? -AMOUNT_MAX : 0;
    if (op.amount < least || op.amount > AMOUNT_MAX)
        return false;
    *ret = op;
    return true;
}

struct change operation_change(const struct operation *op, int64_t available)
{
    struct change change = {.account = op->account};
    switch (op->verb) {
    case VERB_BALANCE:
    case VERB_COUNT: break;
    case VERB_DEBIT: change.checking = -op->amount; break;
    case VERB_CREDIT: change.checking = op->amount; break;
    case VERB_DEPOSIT:
        change.checking = op->amount;
        change.cash = -op->amount;
        break;
    case VERB_TRANSACT:
        change.savings = op->amount;
        change.cash = -op->amount;
        break;
    case VERB_CHECK:
        // SmallBank's WriteCheck: paid in any case, with a fee when the account does not cover it.
        change.checking = -op->amount;
        if (available < op->amount)
            change.checking -= OVERDRAFT_FEE;
        change.cash = -change.checking;
        change.overdraft = true;
        break;
    }
    return change;
}
