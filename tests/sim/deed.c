// SPDX-License-Identifier: Apache-2.0
// Business at a bank under an admitted protocol: a try and its confirmation or cancellation, an
// action and its compensation, a message's local transaction and its deliveries. Each is one local
// transaction with the barrier in it, so it has its effect once, or never.
#include "base/check.h"
#include "sim.h"

#define TEXT(tx) (tx)->gtid.size, (tx)->gtid.text

enum { NO_RATE_OF = 1000000 };

struct slice deed_result(const struct deed *deed, uint8_t storage[DEED_RESULT_BYTES])
{
    for (int i = 0; i < DEED_RESULT_BYTES; i++)
        storage[i] = (uint8_t)(deed->serial >> 8 * i);
    return slice_of(storage, deed->serial ? DEED_RESULT_BYTES : 0);
}

static struct account *account_of(struct actor *a, const struct plan_branch *plan)
{
    return &a->bank.accounts[plan->account];
}

// ---- the effects ----

static bool can_pay(const struct account *account, int32_t amount)
{
    return amount >= 0 || account->balance - account->reserved >= -amount;
}

static bool do_forward(struct actor *a, const struct sim_tx *tx, const struct plan_branch *plan)
{
    struct account *account = account_of(a, plan);
    if (!can_pay(account, plan->amount))
        return false;
    if (tx->protocol == PROTOCOL_TCC)
        account->reserved += plan->amount < 0 ? -plan->amount : 0;
    else
        account->balance += plan->amount;
    return true;
}

static void do_back(struct actor *a, const struct sim_tx *tx, const struct plan_branch *plan)
{
    struct account *account = account_of(a, plan);
    if (tx->protocol == PROTOCOL_TCC)
        account->reserved -= plan->amount < 0 ? -plan->amount : 0;
    else
        account->balance -= plan->amount;
}

static void do_confirm(struct actor *a, const struct plan_branch *plan)
{
    struct account *account = account_of(a, plan);
    account->reserved -= plan->amount < 0 ? -plan->amount : 0;
    account->balance += plan->amount;
}

int64_t deed_sum(const struct sim_tx *tx)
{
    int64_t sum = 0;
    for (unsigned i = 0; i < tx->branch_count; i++) {
        const struct deed *deed = &tx->deeds[i];
        bool stands = deed->ran && !deed->undone;
        if (tx->protocol == PROTOCOL_TCC ? deed->confirmed : stands)
            sum += tx->branches[i].amount;
    }
    return sum;
}

int32_t deed_reserved(const struct world *w, unsigned bank, unsigned account)
{
    int32_t reserved = 0;
    for (unsigned t = 0; t < w->tx_count; t++) {
        const struct sim_tx *tx = &w->txs[t];
        for (unsigned i = 0; i < tx->branch_count && tx->protocol == PROTOCOL_TCC; i++) {
            const struct deed *deed = &tx->deeds[i];
            const struct plan_branch *plan = &tx->branches[i];
            if (deed->ran && !deed->undone && !deed->confirmed && deed->bank == bank &&
                plan->account == account && plan->amount < 0)
                reserved -= plan->amount;
        }
    }
    return reserved;
}

// ---- through the barrier ----

static enum rm_result forward(struct actor *a, struct sim_tx *tx, unsigned branch, bool may_refuse)
{
    struct world *w = a->world;
    const struct plan_branch *plan = &tx->branches[branch];
    struct deed *deed = &tx->deeds[branch];
    if (deed->barred)
        return RM_NO;
    if (deed->ran)
        return RM_DONE; // a duplicate
    check_deed_forward(w, tx, branch);
    bool refused = may_refuse && rng_below(&w->rng_rm, NO_RATE_OF) < w->setup.no_rate;
    if (refused || !do_forward(a, tx, plan)) {
        tx->said_no |= may_refuse;
        return may_refuse ? RM_NO : RM_RETRY;
    }
    deed->ran = true;
    deed->bank = (uint8_t)a->index;
    deed->serial = ++w->deed_serial;
    return RM_DONE;
}

// What asks whether it has happened makes sure that it cannot happen later.
static enum rm_result look_back(struct deed *deed)
{
    deed->barred |= !deed->ran;
    return deed->ran ? RM_DONE : RM_NO;
}

static enum rm_result back(struct actor *a, struct sim_tx *tx, unsigned branch)
{
    struct deed *deed = &tx->deeds[branch];
    if (deed->forgotten) // its rows are gone: nothing to undo is found, and nothing is undone
        return RM_DONE;
    check_deed_back(a->world, tx, branch);
    if (deed->confirmed) // an operator's word came too late
        return RM_DONE;
    deed->barred |= !deed->ran;
    if (deed->ran && !deed->undone)
        do_back(a, tx, &tx->branches[branch]);
    deed->undone |= deed->ran;
    return RM_DONE;
}

static enum rm_result confirm(struct actor *a, struct sim_tx *tx, unsigned branch)
{
    struct deed *deed = &tx->deeds[branch];
    check_deed_confirm(a->world, tx, branch);
    if (deed->undone) // an operator's word came too late
        return RM_DONE;
    if (!deed->confirmed)
        do_confirm(a, &tx->branches[branch]);
    deed->confirmed = true;
    return RM_DONE;
}

void deed_bar(struct sim_tx *tx, unsigned branch)
{
    tx->deeds[branch].barred |= !tx->deeds[branch].ran;
}

static enum rm_result forget(struct actor *a, struct sim_tx *tx, unsigned branch)
{
    check_deed_forgotten(a->world, tx, branch);
    tx->deeds[branch].forgotten = true;
    // What the application would do itself it may do at any time: there a fence is left.
    if (tx->enlisted || (tx->protocol == PROTOCOL_MESSAGE && branch == 0))
        deed_bar(tx, branch);
    return RM_DONE;
}

unsigned deed_submitted(const struct sim_tx *tx)
{
    return tx->branch_count - tx->nested;
}

uint8_t deed_nested_kind(const struct sim_tx *tx)
{
    return tx->index % 2 ? BRANCH_CALL : BRANCH_ENLISTED;
}

bool deed_nests(const struct sim_tx *tx, const struct effect_call *call)
{
    const struct deed *deed = &tx->deeds[0];
    return tx->nested && call->branch == 0 && call->op == RM_PREPARE && !deed->ran && !deed->barred;
}

enum rm_result deed_do(struct actor *a, struct sim_tx *tx, const struct effect_call *call)
{
    struct deed *deed = &tx->deeds[call->branch];
    if (call->op == RM_FORGET)
        return forget(a, tx, call->branch);
    check_deed_payload(a, tx, call);
    if (call->op == RM_COMMIT)
        return confirm(a, tx, call->branch);
    if (call->op == RM_ROLLBACK)
        return back(a, tx, call->branch);
    if (call->kind == BRANCH_SENDER || call->kind == BRANCH_ENLISTED)
        return look_back(deed);
    check_deed_content(a, tx, call);
    // After the pivot, and of a delivery, a no would be no answer.
    bool final = call->kind == BRANCH_CONSUMER || deed->asked_final;
    return forward(a, tx, call->branch, !final);
}

bool deed_by_application(struct actor *a, struct sim_tx *tx, unsigned branch)
{
    return forward(a, tx, branch, true) == RM_DONE;
}
