// SPDX-License-Identifier: Apache-2.0
// What operators read afterwards: who did what, when and why, and how each branch ended; and the
// reasons that clients are given.
#include "sim.h"

#define TEXT(tx) (tx)->gtid.size, (tx)->gtid.text

static bool text_is(struct slice text, const char *expected)
{
    return slice_equal(text, slice_text(expected));
}

static bool text_begins(struct slice text, const char *expected)
{
    struct slice begin = slice_text(expected);
    return text.size > begin.size && slice_equal(slice_of(text.data, begin.size), begin);
}

static void check_operator(struct actor *a, const struct sim_tx *tx, const struct tx_record *record)
{
    const struct record_heuristic *h = &record->heuristic;
    const struct register_view *r = &tx->reg;
    if (h->when_ms == 0)
        return;
    REQUIRE(a->world, text_is(h->who, SIM_WHO) && text_is(h->why, SIM_WHY),
            "heuristics are recorded", "%.*s: not by whom, or why", TEXT(tx));
    REQUIRE(a->world, h->when_ms >= record->started_ms, "heuristics are recorded", "%.*s: not when",
            TEXT(tx));
    REQUIRE(a->world, !r->stands || !r->forced || h->when_ms == r->forced_ms,
            "heuristics are recorded", "%.*s: another time than before", TEXT(tx));
}

static void check_times(struct actor *a, const struct sim_tx *tx, const struct tx_record *record)
{
    uint64_t decided_ms = record->decided_ms;
    bool decided = record->outcome == OUTCOME_COMMITTED || record->outcome == OUTCOME_ABORTED;
    REQUIRE(a->world,
            !decided || (decided_ms >= record->started_ms &&
                         (record->stage != STAGE_ENDED || record->ended_ms >= decided_ms)),
            "honest log", "%.*s: when it began, was decided and ended is not on record", TEXT(tx));
}

// Where a resource manager did otherwise than was decided it is mixed.
static void check_managed(struct actor *a, const struct sim_tx *tx, const struct tx_record *record)
{
    for (unsigned i = 0; i < record->branch_count; i++)
        REQUIRE(a->world,
                record->mixed || !record_branch_differs(&record->branches[i], record->outcome) ||
                    record->outcome == OUTCOME_UNKNOWN,
                "heuristics are recorded", "%.*s is not on record as mixed, and its branch %u is",
                TEXT(tx), record->branches[i].branch);
}

// How a branch ended that had voted yes. Where nobody knows, somebody gave it up.
static void check_branch_record(struct actor *a, const struct sim_tx *tx,
                                const struct tx_record *record, const struct record_branch *b)
{
    if (b->vote != VOTE_YES || tx->forgotten || tx->protocol != PROTOCOL_2PC)
        return;
    REQUIRE(a->world, b->outcome != OUTCOME_NONE, "honest log",
            "%.*s has ended, and not on record is how its branch %u did", TEXT(tx), b->branch);
    REQUIRE(a->world,
            b->outcome == record->outcome || b->heuristic || b->outcome == OUTCOME_UNKNOWN,
            "heuristics are recorded", "%.*s is %s, its branch %u %s, and not that it was forced",
            TEXT(tx), outcome_name(record->outcome), b->branch, outcome_name(b->outcome));
}

// A record is durable.
void check_record(struct actor *a, const struct sim_tx *tx, const struct tx_record *record)
{
    check_operator(a, tx, record);
    check_times(a, tx, record);
    check_managed(a, tx, record);
    for (unsigned i = 0; i < record->branch_count && record->stage == STAGE_ENDED; i++)
        check_branch_record(a, tx, record, &record->branches[i]);
}

// A client is told that a branch refused: it did, and what it said is what is told.
void check_reason(struct actor *a, struct sim_tx *tx, const struct msg_result *result)
{
    bool said = false;
    if (result->outcome != OUTCOME_ABORTED || result->reason != REASON_VOTED_NO ||
        tx->protocol != PROTOCOL_2PC)
        return;
    for (unsigned i = 0; i < tx->attempt_count && result->branch < SIM_BRANCHES_MAX; i++)
        said |= tx->attempts[i].branches[result->branch].voted_no;
    REQUIRE(a->world, said, "honest answers", "%.*s is told that branch %u refused, which did not",
            TEXT(tx), result->branch);
    REQUIRE(a->world,
            text_is(result->text, SIM_NO) || text_begins(result->text, "busy: ") ||
                text_begins(result->text, "an operator ended ") ||
                text_begins(result->text, "its resource manager ended ") ||
                text_begins(result->text, "this branch is held "),
            "honest answers", "%.*s is told that branch %u said: %.*s", TEXT(tx), result->branch,
            (int)result->text.size, (const char *)result->text.data);
}
