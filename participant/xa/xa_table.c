// SPDX-License-Identifier: Apache-2.0
#include "xa_table.h"

static const char *const stages[XA_STAGES] = {
    [XA_STAGE_OPEN] = "xa_open",       [XA_STAGE_START] = "xa_start",
    [XA_STAGE_END] = "xa_end",         [XA_STAGE_PREPARE] = "xa_prepare",
    [XA_STAGE_COMMIT] = "xa_commit",   [XA_STAGE_ROLLBACK] = "xa_rollback",
    [XA_STAGE_RECOVER] = "xa_recover", [XA_STAGE_FORGET] = "xa_forget",
};

static const struct {
    const char *word, *about;
} deeds[XA_DEEDS] = {
    [XA_GO_ON] = {"go on", "to the next call; after the last one the stage is done"},
    [XA_COUNT] = {"count", "so many branches; when it is less than was asked for, the last ones"},
    [XA_NO] = {"no", "nothing is left of the branch: the vote is no, with the code as its reason"},
    [XA_UNDO] = {"undo", "in doubt, before any vote: xa_rollback, and the vote is no once it is "
                         "certain that nothing is held; until then there is no vote, and it is "
                         "tried again"},
    [XA_READ_ONLY] = {"read-only", "nothing is held: the vote is read-only"},
    [XA_AGAIN] = {"not now", "in doubt: nothing is concluded, and the same call comes again later, "
                             "for ever"},
    [XA_REOPEN] = {"reopen",
                   "the thread's connection is lost, or nobody knows what it is in: it is "
                   "closed and opened anew. Then xa_start and xa_recover are called "
                   "once more, xa_end and xa_prepare are undone, all else is not now"},
    [XA_LOOK] = {"look", "xa_recover lists the branch: not now; else it is done"},
    [XA_LOOK_GONE] = {"look, gone", "xa_recover lists the branch: not now; else the resource "
                                    "manager rolled it back by itself"},
    [XA_COMMITTED] = {"heuristic commit", "the resource manager had committed by itself: on record "
                                          "at the coordinator, and then xa_forget"},
    [XA_ROLLED_BACK] = {"heuristic rollback", "it had rolled back by itself; likewise"},
    [XA_MIXED] = {"heuristic mixed", "it had done some of both; likewise"},
    [XA_HAZARD] = {"heuristic hazard", "it may have done any of these; likewise"},
};

// XA_NOMIGRATE and XAER_ASYNC answer flags that are never given, XA_RETRY of xa_commit only.
#define ROW(first, last, name, a, b, c, d, e, f, g, h)                                             \
    {                                                                                              \
        first, last, name,                                                                         \
        {                                                                                          \
            XA_##a, XA_##b, XA_##c, XA_##d, XA_##e, XA_##f, XA_##g, XA_##h                         \
        }                                                                                          \
    }
#define CODE(code, ...) ROW(code, code, "`" #code "`", __VA_ARGS__)
// clang-format off
static const struct {
    int first, last;
    const char *name;
    unsigned char deeds[XA_STAGES];
} rules[] = {
    //                 open   start   end     prepare    commit       rollback     recover  forget
    CODE(XA_OK,        GO_ON, GO_ON,  GO_ON,  GO_ON,     GO_ON,       GO_ON,       COUNT,   GO_ON),
    CODE(XA_RDONLY,    AGAIN, REOPEN, REOPEN, READ_ONLY, AGAIN,       AGAIN,       COUNT,   AGAIN),
    CODE(XA_RETRY,     AGAIN, REOPEN, REOPEN, UNDO,      AGAIN,       AGAIN,       COUNT,   AGAIN),
    CODE(XA_HEURMIX,   AGAIN, REOPEN, REOPEN, UNDO,      MIXED,       MIXED,       COUNT,   AGAIN),
    CODE(XA_HEURRB,    AGAIN, REOPEN, REOPEN, UNDO,      ROLLED_BACK, ROLLED_BACK, COUNT,   AGAIN),
    CODE(XA_HEURCOM,   AGAIN, REOPEN, REOPEN, UNDO,      COMMITTED,   COMMITTED,   COUNT,   AGAIN),
    CODE(XA_HEURHAZ,   AGAIN, REOPEN, REOPEN, UNDO,      HAZARD,      HAZARD,      COUNT,   AGAIN),
    ROW(XA_RBBASE, XA_RBEND, "`XA_RB*`",
                       AGAIN, UNDO,   UNDO,   NO,        LOOK_GONE,   GO_ON,       COUNT,   AGAIN),
    CODE(XAER_RMERR,   AGAIN, UNDO,   UNDO,   UNDO,      LOOK_GONE,   LOOK,        AGAIN,   AGAIN),
    CODE(XAER_NOTA,    AGAIN, REOPEN, UNDO,   UNDO,      LOOK,        LOOK,        AGAIN,   GO_ON),
    CODE(XAER_INVAL,   AGAIN, UNDO,   UNDO,   UNDO,      AGAIN,       AGAIN,       AGAIN,   AGAIN),
    CODE(XAER_PROTO,   AGAIN, REOPEN, REOPEN, UNDO,      AGAIN,       AGAIN,       REOPEN,  AGAIN),
    CODE(XAER_RMFAIL,  AGAIN, REOPEN, REOPEN, REOPEN,    REOPEN,      REOPEN,      REOPEN,  REOPEN),
    CODE(XAER_DUPID,   AGAIN, UNDO,   REOPEN, UNDO,      AGAIN,       AGAIN,       AGAIN,   AGAIN),
    CODE(XAER_OUTSIDE, AGAIN, REOPEN, REOPEN, UNDO,      AGAIN,       AGAIN,       AGAIN,   AGAIN),
    ROW(0, -1, "any other",
                       AGAIN, REOPEN, REOPEN, UNDO,      AGAIN,       AGAIN,       AGAIN,   AGAIN),
};
// clang-format on

enum { RULES = sizeof rules / sizeof rules[0], ANY_OTHER = RULES - 1 };

enum xa_deed xa_deed_of(enum xa_stage stage, int code)
{
    int rule = 0;
    while (rule < ANY_OTHER && (code < rules[rule].first || code > rules[rule].last))
        rule++;
    return (enum xa_deed)rules[rule].deeds[stage];
}

const char *xa_stage_name(enum xa_stage stage)
{
    return stages[stage];
}

void xa_table_print(struct buf *out)
{
    buf_printf(out, "| |");
    for (int stage = 0; stage < XA_STAGES; stage++)
        buf_printf(out, " %s |", stages[stage]);
    buf_printf(out, "\n|---|");
    for (int stage = 0; stage < XA_STAGES; stage++)
        buf_printf(out, "---|");
    for (int rule = 0; rule < RULES; rule++) {
        buf_printf(out, "\n| %s |", rules[rule].name);
        for (int stage = 0; stage < XA_STAGES; stage++)
            buf_printf(out, " %s |", deeds[rules[rule].deeds[stage]].word);
    }
    buf_printf(out, "\n\n| word | what is done |\n|---|---|\n");
    for (int deed = 0; deed < XA_DEEDS; deed++)
        buf_printf(out, "| %s | %s |\n", deeds[deed].word, deeds[deed].about);
}
