// SPDX-License-Identifier: Apache-2.0
#include "participant_ledger.h"

#include "base/check.h"

struct gtid ledger_gtid(unsigned key)
{
    static const char *const names[LEDGER_KEYS / 2] = {"a", "28t5cy4t.1.loyw3v28.1"};
    struct gtid gtid;
    CHECK(gtid_from(slice_text(names[key / 2]), &gtid));
    return gtid;
}

uint16_t ledger_branch(unsigned key)
{
    return key % 2;
}

struct run *ledger_find(struct ledger *l, const struct gtid *gtid, unsigned branch,
                        uint64_t attempt)
{
    for (unsigned i = 0; i < l->count; i++) {
        struct gtid known = ledger_gtid(l->runs[i].key);
        if (l->runs[i].attempt == attempt && ledger_branch(l->runs[i].key) == branch &&
            gtid_equal(&known, gtid))
            return &l->runs[i];
    }
    return NULL;
}

struct run *ledger_last(struct ledger *l, unsigned key)
{
    for (unsigned i = l->count; i-- > 0;)
        if (l->runs[i].key == key)
            return &l->runs[i];
    return NULL;
}

// Nothing more will ever be asked of that run. A commit must have been acknowledged; an abort need
// not be, because who asks about it is told so.
static bool run_over(const struct run *run)
{
    return run->decided == OUTCOME_ABORTED ||
           (run->decided == OUTCOME_COMMITTED && (run->acknowledged || run->read_only));
}

struct run *ledger_begin(struct ledger *l, unsigned key, bool one_phase)
{
    const struct run *last = ledger_last(l, key);
    if (l->count == LEDGER_ATTEMPTS || (last && (!run_over(last) || last->forced)))
        return NULL;
    // What is recorded answers for its gtid until it is collected, which is long after the fence
    // has passed it. Only a run that a crash has aborted leaves nothing, and may come again at
    // once.
    if (last && (last->one_phase || last->decided == OUTCOME_COMMITTED) &&
        last->attempt >= ledger_fence(l))
        return NULL;
    struct run *run = &l->runs[l->count++];
    *run = (struct run){.key = key, .one_phase = one_phase};
    run->attempt = l->incarnation << ATTEMPT_COUNTER_BITS | l->next++;
    return run;
}

void ledger_decide(struct run *run, enum outcome wish)
{
    if (run->decided != OUTCOME_NONE || run->one_phase)
        return;
    bool commit = wish == OUTCOME_COMMITTED && (run->voted_yes || run->read_only);
    run->decided = commit ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
}

void ledger_restart(struct ledger *l)
{
    l->incarnation++;
    l->next = 1;
    for (unsigned i = 0; i < l->count; i++)
        ledger_decide(&l->runs[i], OUTCOME_ABORTED);
}

uint64_t ledger_fence(const struct ledger *l)
{
    uint64_t fence = l->incarnation << ATTEMPT_COUNTER_BITS | l->next;
    for (unsigned i = 0; i < l->count; i++)
        if (l->runs[i].decided == OUTCOME_NONE && l->runs[i].attempt < fence)
            fence = l->runs[i].attempt;
    return fence;
}

void ledger_vote(struct ledger *l, const struct msg_vote *vote)
{
    struct run *run = ledger_find(l, &vote->gtid, vote->branch, vote->attempt);
    CHECK(run || !l->strict);
    if (!run)
        return;
    if (vote->vote == VOTE_YES) {
        CHECK(!l->strict || (run->held != HELD_NOTHING && !run->one_phase));
        run->voted_yes = true;
    } else if (vote->vote == VOTE_READ_ONLY) {
        run->read_only = true;
        if (run->one_phase && run->decided == OUTCOME_NONE)
            run->decided = OUTCOME_COMMITTED;
    } else if (run->one_phase) {
        // The participant's own decision, and it has to keep to it.
        CHECK(!l->strict || run->read_only || run->decided != OUTCOME_COMMITTED);
        CHECK(!l->strict || run->held != HELD_COMMITTED);
        if (run->decided == OUTCOME_NONE)
            run->decided = OUTCOME_ABORTED;
    } else {
        ledger_decide(run, OUTCOME_ABORTED);
    }
}

static void check_done(const struct run *run, const struct msg_done *done)
{
    bool committed = done->outcome == OUTCOME_COMMITTED;
    if (done->flags & DONE_FORGOTTEN)
        return;
    CHECK(run->held != HELD_PREPARED);
    uint8_t says = done->flags & DONE_HEURISTIC ? done->heuristic & HEURISTIC_MANAGER : 0;
    CHECK(says == run->own || (run->own_forgotten && says == 0));
    if (run->forced || run->read_only || run->own)
        return;
    CHECK(committed == (run->held == HELD_COMMITTED));
    CHECK((done->flags & DONE_HEURISTIC) == 0);
    CHECK(run->decided == OUTCOME_NONE ? run->one_phase : run->decided == done->outcome);
}

void ledger_done(struct ledger *l, const struct msg_done *done)
{
    struct run *run = ledger_find(l, &done->gtid, done->branch, done->attempt);
    if (!l->strict || done->attempt == 0)
        return;
    CHECK(run);
    check_done(run, done);
    run->acknowledged = true;
    run->own_told |= done->flags & DONE_HEURISTIC && done->heuristic & HEURISTIC_MANAGER;
    if (run->decided == OUTCOME_NONE)
        run->decided = done->outcome;
}

void ledger_commit(struct ledger *l, const struct effect_call *call)
{
    struct run *run = ledger_find(l, &call->gtid, call->branch, call->attempt);
    // An operator's word that comes after the decision was carried out, but before that was
    // durable, finds nothing: the journal still says prepared. It is recorded as mixed in any case.
    // Nor is it more than a nuisance when what was read-only at first is not so when asked again.
    if (run && (run->forced || run->read_only) && run->held == HELD_ROLLED_BACK)
        return;
    if (l->strict) {
        CHECK(run && (run->held == HELD_PREPARED || run->held == HELD_COMMITTED));
        CHECK(run->one_phase || run->decided == OUTCOME_COMMITTED || run->forced);
        CHECK(!run->one_phase || run->decided != OUTCOME_ABORTED || run->read_only);
    }
    if (run)
        run->held = HELD_COMMITTED;
}

void ledger_rollback(struct ledger *l, const struct effect_call *call)
{
    struct run *run = ledger_find(l, &call->gtid, call->branch, call->attempt);
    if (!run)
        return; // work that was never prepared
    if (l->strict && !run->forced && !run->read_only) {
        CHECK(run->held != HELD_COMMITTED);
        CHECK(!run->voted_yes || run->decided == OUTCOME_ABORTED);
    }
    if (run->held != HELD_COMMITTED)
        run->held = HELD_ROLLED_BACK;
}

// Only what is on record.
void ledger_forget(struct ledger *l, const struct effect_call *call)
{
    struct run *run = ledger_find(l, &call->gtid, call->branch, call->attempt);
    if (!call->heuristic || !l->strict)
        return;
    CHECK(run && run->own == call->heuristic && run->own_told);
    run->own_forgotten = true;
}

uint8_t ledger_own(struct ledger *l, const struct effect_call *call, uint8_t will)
{
    struct run *run = ledger_find(l, &call->gtid, call->branch, call->attempt);
    if (!run || run->own_forgotten || (!run->own && (!will || run->held != HELD_PREPARED)))
        return 0;
    if (run->own)
        return run->own;
    if (call->op == RM_COMMIT)
        ledger_commit(l, call);
    else
        ledger_rollback(l, call);
    run->own = will;
    if (heuristic_outcome(will, OUTCOME_UNKNOWN) != OUTCOME_UNKNOWN)
        run->held = will == HEURISTIC_COMMIT ? HELD_COMMITTED : HELD_ROLLED_BACK;
    return run->own;
}

void ledger_settled(const struct ledger *l)
{
    for (unsigned i = 0; i < l->count; i++) {
        const struct run *run = &l->runs[i];
        CHECK(run->held != HELD_PREPARED);
        if (run->read_only || run->forced || run->own)
            continue;
        CHECK(run->decided != OUTCOME_NONE);
        CHECK((run->decided == OUTCOME_COMMITTED) == (run->held == HELD_COMMITTED));
    }
}
