// SPDX-License-Identifier: Apache-2.0
#include "bank.h"

#include <stdio.h>

#include "operation.h"

static struct change change_of(struct ledger *ledger, const struct operation *op)
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
        if (ledger_available(ledger, op->account) < op->amount)
            change.checking -= OVERDRAFT_FEE;
        change.cash = -change.checking;
        change.overdraft = true;
        break;
    }
    return change;
}

static assent_vote bank_prepare(void *context, const assent_branch *branch, char *why)
{
    struct ledger *ledger = context;
    if (branch->enlisted) {
        bool yes = ledger_work_prepare(ledger, branch->gtid, branch->branch, branch->id, why);
        return yes ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
    }
    struct operation op;
    if (!operation_parse(branch->payload, branch->size, &op)) {
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "not an operation of this bank");
        return ASSENT_VOTE_NO;
    }
    if (op.verb == VERB_BALANCE && op.account < ledger_accounts(ledger))
        return ASSENT_VOTE_READ_ONLY;
    struct change change = change_of(ledger, &op);
    return ledger_prepare(ledger, branch->id, &change, why) ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
}

static assent_done_code bank_commit(void *context, const assent_branch *branch)
{
    return ledger_commit(context, branch->id) ? ASSENT_DONE : ASSENT_RETRY;
}

static assent_done_code bank_rollback(void *context, const assent_branch *branch)
{
    ledger_work_drop(context, branch->gtid, branch->branch);
    return ledger_rollback(context, branch->id) ? ASSENT_DONE : ASSENT_RETRY;
}

static int report_prepared(void *recovery, const char *branch_id)
{
    return assent_recovery_add(recovery, branch_id);
}

static int bank_recover(void *context, assent_recovery *recovery)
{
    return ledger_each_prepared(context, report_prepared, recovery);
}

const assent_handlers bank_handlers = {
    .prepare = bank_prepare,
    .commit = bank_commit,
    .rollback = bank_rollback,
    .recover = bank_recover,
};
