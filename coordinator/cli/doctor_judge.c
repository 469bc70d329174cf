// SPDX-License-Identifier: Apache-2.0
#include "doctor_judge.h"

// What has no age was there, for all we know, for ever.
static bool is_old(const struct doctor_truths *t)
{
    return t->age_ms < 0 || (uint64_t)t->age_ms >= t->older_ms || t->watched;
}

static bool is_certainly_old(const struct doctor_truths *t)
{
    return t->watched || t->older_ms == 0 || (t->age_ms >= 0 && (uint64_t)t->age_ms >= t->older_ms);
}

static struct doctor_verdict verdict(const struct doctor_truths *t, enum doctor_kind kind,
                                     const char *why)
{
    return (struct doctor_verdict){.kind = kind, .finding = is_old(t), .why = why};
}

static enum doctor_deed deed_of(enum outcome outcome)
{
    return outcome == OUTCOME_COMMITTED ? DOCTOR_COMMIT
           : outcome == OUTCOME_ABORTED ? DOCTOR_ROLL_BACK
                                        : DOCTOR_LEAVE;
}

// ---- what nobody will commit ----

static const char *orphan_left(const struct doctor_truths *t)
{
    if (!is_certainly_old(t) && t->age_ms < 0)
        return "the database does not tell its age, and it was not seen twice so far apart";
    if (!is_certainly_old(t))
        return "it is young: its coordinator may be about to hear of it";
    // A commit stays on record until it is acknowledged; but what acknowledged it may not be this
    // database, if that was put back to an earlier state.
    if (t->collected && t->asked == DOCTOR_SILENT)
        return "it is older than what the coordinator keeps on record: make sure that the "
               "database was not restored from a backup";
    if (!t->fits)
        return "it is of a resource that was not named";
    if (!t->here)
        return "it is in another database, or another user's";
    // A log that nobody has open may be a copy, and the decision in the one that was not read.
    if (t->offline)
        return "the log was read, and no running coordinator was asked";
    return NULL;
}

static struct doctor_verdict orphan(const struct doctor_truths *t, const char *why)
{
    if (!t->held)
        return verdict(
            t, DOCTOR_STRAGGLER,
            "it never committed, and the database does not hold it; its participant will "
            "hear that when it asks");
    struct doctor_verdict v = verdict(t, DOCTOR_ORPHAN, why);
    v.deed = DOCTOR_ROLL_BACK;
    v.left = orphan_left(t);
    v.roll_back = !v.left;
    return v;
}

// ---- what the coordinator has in memory or on record ----

static struct doctor_verdict undecided(const struct doctor_truths *t)
{
    if (!t->held)
        return verdict(t, DOCTOR_MISMATCHED,
                       "its participant has promised it, and the database does not hold it "
                       "(ended by hand, or restored from a backup)");
    return verdict(t, DOCTOR_IN_DOUBT, "its transaction is not decided yet");
}

static struct doctor_verdict straggler(const struct doctor_truths *t, enum outcome outcome)
{
    bool commit = outcome == OUTCOME_COMMITTED;
    const char *held = commit ? "decided: commit; its participant has not done it yet"
                              : "decided: abort; its participant has not done it yet";
    struct doctor_verdict v =
        verdict(t, DOCTOR_STRAGGLER,
                t->held ? held
                        : "decided, and the database has let go of it; its participant has "
                          "not said so yet");
    v.deed = t->held ? deed_of(outcome) : DOCTOR_LEAVE;
    v.retry = v.finding && t->asked == DOCTOR_KNOWN && !t->offline;
    if (v.finding && !v.retry)
        v.left = "there is no running coordinator that would ask its participant again";
    return v;
}

static struct doctor_verdict finished(const struct doctor_truths *t, enum outcome outcome,
                                      const char *why)
{
    struct doctor_verdict v = verdict(t, DOCTOR_MISMATCHED, why);
    v.deed = deed_of(outcome);
    v.left = "what has finished should not be there: look at how it came back before you end it";
    return v;
}

static struct doctor_verdict member(const struct doctor_truths *t)
{
    if (t->outcome == OUTCOME_NONE)
        return undecided(t);
    if (t->outcome != OUTCOME_COMMITTED && t->outcome != OUTCOME_ABORTED)
        return verdict(t, DOCTOR_UNCLEAR,
                       "an operator let go of its transaction before its outcome was known");
    if (t->ended && t->held)
        return finished(t, t->outcome,
                        "the coordinator counts it as ended, and the database still holds it");
    return straggler(t, t->outcome);
}

static struct doctor_verdict no_member(const struct doctor_truths *t)
{
    // A gtid that an application chose may be in use at another coordinator, too.
    if (t->outcome == OUTCOME_ABORTED && t->same)
        return orphan(t, "its transaction was aborted and has no such branch");
    if (t->outcome == OUTCOME_NONE)
        return verdict(t, DOCTOR_IN_DOUBT,
                       "its transaction is not decided yet, and has no such branch so far");
    return verdict(t, DOCTOR_UNCLEAR, "its transaction has ended, and has no such branch");
}

static struct doctor_verdict known(const struct doctor_truths *t)
{
    if (t->run == DOCTOR_RUN_EARLIER)
        return orphan(t, "it is of an earlier run of its gtid, which never committed");
    if (t->run == DOCTOR_RUN_LATER)
        return verdict(t, DOCTOR_UNCLEAR,
                       "it is of a later run of its gtid than the coordinator has on record");
    return t->member ? member(t) : no_member(t);
}

// ---- what it knows nothing of ----

static struct doctor_verdict silent(const struct doctor_truths *t)
{
    if (!t->named)
        return verdict(t, DOCTOR_UNCLEAR,
                       "an application chose its gtid, which names no coordinator, and the one "
                       "asked does not know it");
    if (t->later)
        return verdict(t, DOCTOR_UNCLEAR,
                       "it is of a run of the coordinator that its log has not had: that log is "
                       "older (restored from a backup?)");
    if (t->journal == DOCTOR_JOURNAL_DECIDED && t->journal_outcome == OUTCOME_COMMITTED)
        return finished(t, t->journal_outcome,
                        "its journal says commit, and the coordinator has no record of it");
    // What is committed stays on record until every branch has acknowledged it.
    return orphan(t, "its coordinator has it neither in memory nor in its log, so it never "
                     "committed");
}

static struct doctor_verdict unasked(const struct doctor_truths *t)
{
    if (t->journal == DOCTOR_JOURNAL_DECIDED)
        return straggler(t, t->journal_outcome);
    return verdict(t, DOCTOR_UNCLEAR, "the coordinator could not be asked");
}

struct doctor_verdict doctor_judge(const struct doctor_truths *t)
{
    if (t->xid == ASSENT_XID_FOREIGN) {
        struct doctor_verdict v = verdict(t, DOCTOR_FOREIGN,
                                          "no name that Assent makes: ask "
                                          "whoever made it");
        v.finding = is_certainly_old(t);
        return v;
    }
    if (t->held && t->journal == DOCTOR_JOURNAL_FINISHED)
        return finished(t, t->journal_outcome,
                        "its journal says that it has ended, and the database still holds it");
    if (t->asked != DOCTOR_UNASKED && t->named && !t->same) {
        struct doctor_verdict v =
            verdict(t, DOCTOR_FOREIGN, "another coordinator's: only that one knows its outcome");
        v.finding = is_certainly_old(t);
        return v;
    }
    return t->asked == DOCTOR_KNOWN ? known(t) : t->asked == DOCTOR_SILENT ? silent(t) : unasked(t);
}

const char *doctor_kind_text(enum doctor_kind kind)
{
    switch (kind) {
    case DOCTOR_ORPHAN: return "orphan";
    case DOCTOR_STRAGGLER: return "straggler";
    case DOCTOR_IN_DOUBT: return "in doubt";
    case DOCTOR_MISMATCHED: return "mismatched";
    case DOCTOR_FOREIGN: return "foreign";
    case DOCTOR_UNCLEAR: return "unclear";
    }
    return "?";
}
