// SPDX-License-Identifier: Apache-2.0
// A ledger as a bank's store: how the branches of global transactions act on it.
#include "store.h"

#include <stdio.h>

#include "base/error.h"
#include "ledger.h"

static assent_vote on_prepare(void *context, const assent_branch *branch, char *why)
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
    int64_t available = op.verb == VERB_CHECK ? ledger_available(ledger, op.account) : 0;
    struct change change = operation_change(&op, available);
    return ledger_prepare(ledger, branch->id, &change, why) ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
}

static assent_done_code on_commit(void *context, const assent_branch *branch)
{
    return ledger_commit(context, branch->id) ? ASSENT_DONE : ASSENT_RETRY;
}

static assent_done_code on_rollback(void *context, const assent_branch *branch)
{
    ledger_work_drop(context, branch->gtid, branch->branch);
    return ledger_rollback(context, branch->id) ? ASSENT_DONE : ASSENT_RETRY;
}

static int report_prepared(void *recovery, const char *branch_id)
{
    return assent_recovery_add(recovery, branch_id);
}

static int on_recover(void *context, assent_recovery *recovery)
{
    return ledger_each_prepared(context, report_prepared, recovery);
}

static const assent_handlers handlers = {
    .prepare = on_prepare,
    .commit = on_commit,
    .rollback = on_rollback,
    .recover = on_recover,
};

static int create(const char *dir, const char *address, const struct bank_new *bank,
                  assent_error *error)
{
    (void)address;
    return ledger_create(dir, bank->name, bank->accounts, bank->balance, error);
}

static int open_ledger(const char *dir, const char *address, bool history, void **ret_self,
                       assent_error *error)
{
    (void)address;
    struct ledger *ledger;
    int code = ledger_open(dir, history, &ledger, error);
    if (code == ASSENT_OK)
        *ret_self = ledger;
    return code;
}

static void close_ledger(void *self)
{
    struct ledger *ledger = self;
    ledger_close(&ledger);
}

static const char *name(const void *self)
{
    return ledger_name(self);
}

static bool failed(void *self)
{
    return ledger_failed(self);
}

static int totals(void *self, struct totals *ret, assent_error *error)
{
    (void)error;
    ledger_totals(self, ret);
    return ASSENT_OK;
}

static int applied(void *self, const char *gtid, unsigned branch, bool *ret, assent_error *error)
{
    (void)error;
    *ret = ledger_applied(self, gtid, branch);
    return ASSENT_OK;
}

static int drain(void *self, const char *gtid, unsigned branch, uint64_t account,
                 int64_t *ret_amount, assent_error *error)
{
    int64_t amount = ledger_work_drain(self, gtid, branch, account);
    if (amount < 0)
        return error_set(error, ASSENT_INVALID, "no such account");
    *ret_amount = amount;
    return ASSENT_OK;
}

const struct bank_store_type ledger_store = {
    .handlers = &handlers,
    .create = create,
    .open = open_ledger,
    .close = close_ledger,
    .name = name,
    .failed = failed,
    .totals = totals,
    .applied = applied,
    .drain = drain,
};
