// SPDX-License-Identifier: Apache-2.0
// Sagas (Garcia-Molina & Salem, "Sagas", SIGMOD 1987), over a graph of steps. Which step is next,
// forward; and which compensation is, back: after those of all steps that came after it.
#include "base/mutant.h"
#include "core/coordinator_internal.h"

static bool step_succeeded(const struct branch *b)
{
    switch (b->state) {
    case BRANCH_PREPARED:
    case BRANCH_COMMITTING: return true;
    case BRANCH_DONE: return b->vote == VOTE_YES || b->outcome == OUTCOME_COMMITTED;
    case BRANCH_ACTIVE:
    case BRANCH_PREPARING:
    case BRANCH_PAUSED:
    case BRANCH_ABORTING: return false;
    }
    return false;
}

static const struct branch *saga_pivot(const struct tx *tx)
{
    const struct branch *b = tx->branches;
    while (b && !(b->planned->plan.flags & STEP_PIVOT))
        b = b->next;
    return b;
}

// All steps that this one comes after, directly or not.
uint64_t saga_before(const struct branch *b)
{
    uint64_t before = b->planned->plan.after;
    for (uint64_t known = 0; known != before;) {
        known = before;
        for (const struct branch *other = b->tx->branches; other; other = other->next) {
            if (known >> other->number & 1)
                before |= other->planned->plan.after;
        }
    }
    return before;
}

// The pivot decides, so whatever does not come after it must have succeeded before it is tried.
static uint64_t saga_needs(const struct branch *b)
{
    if (!(b->planned->plan.flags & STEP_PIVOT) || MUTANT(PIVOT_EARLY))
        return b->planned->plan.after;
    uint64_t needs = 0;
    for (const struct branch *other = b->tx->branches; other; other = other->next) {
        if (other != b && !(saga_before(other) >> b->number & 1))
            needs |= UINT64_C(1) << other->number;
    }
    return needs;
}

void saga_advance(struct coordinator *c, struct tx *tx)
{
    uint64_t succeeded = 0;
    for (const struct branch *b = tx->branches; b; b = b->next) {
        if (step_succeeded(b))
            succeeded |= UINT64_C(1) << b->number;
    }
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (b->state != BRANCH_ACTIVE)
            continue;
        uint64_t needs = saga_needs(b), missing = needs & ~succeeded;
        if (missing == 0 || (MUTANT(STEP_EARLY) && needs & succeeded))
            plan_ask(c, b);
    }
}

void saga_succeeded(struct coordinator *c, struct branch *b)
{
    struct tx *tx = b->tx;
    const struct branch *pivot = saga_pivot(tx);
    const struct branch *waiting = tx->branches;
    while (waiting && step_succeeded(waiting))
        waiting = waiting->next;
    if (b == pivot || !waiting)
        decide_commit(c, tx);
    else
        saga_advance(c, tx);
    if (MUTANT(DECISION_NOT_AWAITED) && tx->state == TX_DECIDING)
        saga_advance(c, tx);
}

bool saga_may_compensate(const struct branch *b)
{
    for (const struct branch *other = b->tx->branches; other; other = other->next) {
        if (other->planned->plan.after >> b->number & 1 && other->state != BRANCH_DONE &&
            !MUTANT(COMPENSATED_ANYHOW))
            return false;
    }
    return true;
}

void saga_compensated(struct coordinator *c, struct tx *tx)
{
    for (struct branch *b = tx->branches; b; b = b->next) {
        bool waits =
            b->state != BRANCH_DONE && b->state != BRANCH_ABORTING && b->state != BRANCH_COMMITTING;
        if (waits && saga_may_compensate(b))
            drive_branch(c, b);
    }
}

bool saga_sound(const struct msg_submit *submit, const char **ret_why)
{
    uint64_t all = submit->branch_count < 64 ? (UINT64_C(1) << submit->branch_count) - 1 : ~0ull;
    unsigned pivots = 0;
    for (unsigned i = 0; i < submit->branch_count; i++) {
        const struct branch_plan *plan = &submit->branches[i].plan;
        if (plan->after & ~all)
            return *ret_why = "a step comes after one that there is not", false;
        pivots += (plan->flags & STEP_PIVOT) != 0;
    }
    if (pivots > 1)
        return *ret_why = "more than one step is the pivot", false;
    // Takes away, again and again, what waits for nothing: a circle would be left.
    for (uint64_t left = all, before; left;) {
        before = left;
        for (unsigned i = 0; i < submit->branch_count; i++) {
            if ((submit->branches[i].plan.after & left) == 0)
                left &= ~(UINT64_C(1) << i);
        }
        if (left == before)
            return *ret_why = "steps wait for each other in a circle", false;
    }
    return true;
}
