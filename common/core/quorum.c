// SPDX-License-Identifier: Apache-2.0
#include "core/quorum_internal.h"

#include "base/mutant.h"

quorum_number_t quorum_number(uint32_t round, unsigned who, uint64_t run)
{
    // Members are 1..LIMIT_BRANCHES: number (round, 0) is nobody's, and below all of its round.
    uint32_t low =
        who == QUORUM_COORDINATOR ? LIMIT_BRANCHES + 1 + (uint32_t)(run & 0x7fffffff) : who + 1;
    return (uint64_t)round << 32 | low;
}

uint32_t quorum_round(quorum_number_t number)
{
    return (uint32_t)(number >> 32);
}

bool quorum_makes_sense(unsigned from, const struct quorum_msg *msg)
{
    if (quorum_round(msg->number) > QUORUM_ROUND_MAX ||
        quorum_round(msg->attempt) > QUORUM_ROUND_MAX)
        return false;
    bool elector = msg->type == QUORUM_TRY || (msg->type == QUORUM_ASK && msg->number);
    uint32_t who = (uint32_t)msg->number;
    return !elector || (from == QUORUM_COORDINATOR ? who > LIMIT_BRANCHES : who == from + 1);
}

unsigned quorum_majority(unsigned members)
{
    if (MUTANT(QUORUM_OF_HALF))
        return members > 1 ? members / 2 : 1;
    return members / 2 + 1;
}

static unsigned count(uint64_t members)
{
    unsigned n = 0;
    for (; members; members &= members - 1)
        n++;
    return n;
}

static bool attempted(enum quorum_state state)
{
    return state == QUORUM_PRE_COMMITTED || state == QUORUM_PRE_ABORTED;
}

void quorum_view_add(struct quorum_view *view, unsigned member, enum quorum_state state,
                     quorum_number_t attempt)
{
    bool commits = state == QUORUM_PRE_COMMITTED;
    view->heard |= quorum_bit(member);
    view->committed |= state == QUORUM_COMMITTED;
    view->aborted |= state == QUORUM_ABORTED;
    if (!attempted(state) || attempt == 0)
        return;
    if (MUTANT(ATTEMPT_IGNORED) || MUTANT(SKEEN)) { // somebody has pre-committed: commit
        view->top = attempt;
        view->top_commits |= commits;
        return;
    }
    if (attempt > view->top) {
        view->top = attempt;
        view->top_commits = commits;
        view->at_top = 0;
    }
    if (attempt == view->top)
        view->at_top |= quorum_bit(member);
}

enum quorum_move quorum_rule(const struct quorum_view *view, unsigned members)
{
    unsigned majority = MUTANT(SKEEN) ? count(view->heard) : quorum_majority(members);
    if (view->committed && view->aborted)
        return QUORUM_BLOCK;
    if (view->committed)
        return QUORUM_COMMIT;
    if (view->aborted)
        return QUORUM_ABORT;
    if (view->at_top && count(view->at_top) >= majority) // it was attempted with success
        return view->top_commits ? QUORUM_COMMIT : QUORUM_ABORT;
    if (count(view->heard) < majority)
        return QUORUM_BLOCK;
    // "IsMaxAttemptCommittable". Nobody with an attempt: the coordinator may have aborted, or may
    // not have all votes, whatever the states are; and it can no longer commit without a majority.
    return view->top && view->top_commits ? QUORUM_TRY_COMMIT : QUORUM_TRY_ABORT;
}

enum outcome quorum_tally_add(struct quorum_tally *tally, unsigned members, unsigned member,
                              enum quorum_state state, quorum_number_t attempt)
{
    if (!attempted(state) || attempt == 0 || attempt < tally->number)
        return OUTCOME_NONE;
    if (attempt > tally->number)
        *tally = (struct quorum_tally){.number = attempt, .commits = state == QUORUM_PRE_COMMITTED};
    tally->members |= quorum_bit(member);
    return count(tally->members) >= quorum_majority(members) ? quorum_outcome(tally->commits)
                                                             : OUTCOME_NONE;
}

const char *quorum_msg_name(enum quorum_msg_type type)
{
    static const char *const names[] = {"?", "VOTE", "ASK", "STATE", "TRY", "DECIDE"};
    return (unsigned)type < sizeof names / sizeof names[0] ? names[type] : "?";
}
