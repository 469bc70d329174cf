// SPDX-License-Identifier: Apache-2.0
// What doctor makes of what the three say of a branch.
#include <stdio.h>

#include "doctor_judge.h"
#include "unit.h"

enum { YOUNG = 1000, OLDER = 60000, OLD = 100000 };

// Of a call that the database holds here, old, of a coordinator that was asked and knows it not.
#define BASE                                                                                       \
    .older_ms = OLDER, .held = true, .here = true, .age_ms = OLD, .xid = ASSENT_XID_CALL,          \
    .fits = true, .named = true, .same = true, .asked = DOCTOR_SILENT
// And whose transaction it has. (Where a field is named twice the later one counts.)
#define HAS(what) BASE, .asked = DOCTOR_KNOWN, .member = true, .outcome = (what)

#pragma GCC diagnostic ignored "-Woverride-init"
#ifdef __clang__
#pragma clang diagnostic ignored "-Winitializer-overrides"
#endif

static const struct judged {
    const char *what;
    struct doctor_truths truths;
    enum doctor_kind kind;
    bool finding;
    enum doctor_deed deed;
    bool roll_back, retry;
} table[] = {
    // Nobody knows it.
    {"orphan", {BASE}, DOCTOR_ORPHAN, true, DOCTOR_ROLL_BACK, true, false},
    {"just as old", {BASE, .age_ms = OLDER}, DOCTOR_ORPHAN, true, DOCTOR_ROLL_BACK, true, false},
    {"young", {BASE, .age_ms = YOUNG}, DOCTOR_ORPHAN, false, DOCTOR_ROLL_BACK, false, false},
    {"of no age", {BASE, .age_ms = -1}, DOCTOR_ORPHAN, true, DOCTOR_ROLL_BACK, false, false},
    {"seen twice",
     {BASE, .age_ms = -1, .watched = true},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     true,
     false},
    {"any age will do",
     {BASE, .age_ms = -1, .older_ms = 0},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     true,
     false},
    {"elsewhere", {BASE, .here = false}, DOCTOR_ORPHAN, true, DOCTOR_ROLL_BACK, false, false},
    {"of another resource",
     {BASE, .fits = false},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     false,
     false},
    {"out of the retention",
     {BASE, .collected = true},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     false,
     false},
    {"by a log", {BASE, .offline = true}, DOCTOR_ORPHAN, true, DOCTOR_ROLL_BACK, false, false},
    {"enlisted",
     {BASE, .xid = ASSENT_XID_ENLISTED},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     true,
     false},
    {"journal: nothing",
     {BASE, .journal = DOCTOR_JOURNAL_NOTHING},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     true,
     false},
    // It cannot be told, so nothing is rolled back.
    {"client's gtid",
     {BASE, .xid = ASSENT_XID_ENLISTED, .named = false, .same = false},
     DOCTOR_UNCLEAR,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"log of a backup", {BASE, .later = true}, DOCTOR_UNCLEAR, true, DOCTOR_LEAVE, false, false},
    {"not asked",
     {BASE, .asked = DOCTOR_UNASKED},
     DOCTOR_UNCLEAR,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"let go of", {HAS(OUTCOME_UNKNOWN)}, DOCTOR_UNCLEAR, true, DOCTOR_LEAVE, false, false},
    {"later run",
     {HAS(OUTCOME_ABORTED), .run = DOCTOR_RUN_LATER},
     DOCTOR_UNCLEAR,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"no branch of it",
     {HAS(OUTCOME_COMMITTED), .member = false},
     DOCTOR_UNCLEAR,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    // Somebody else's.
    {"another coordinator's",
     {BASE, .same = false},
     DOCTOR_FOREIGN,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"known all the same",
     {HAS(OUTCOME_ABORTED), .same = false},
     DOCTOR_FOREIGN,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"foreign",
     {BASE, .xid = ASSENT_XID_FOREIGN},
     DOCTOR_FOREIGN,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"young foreign",
     {BASE, .xid = ASSENT_XID_FOREIGN, .age_ms = YOUNG},
     DOCTOR_FOREIGN,
     false,
     DOCTOR_LEAVE,
     false,
     false},
    {"foreign of no age",
     {BASE, .xid = ASSENT_XID_FOREIGN, .age_ms = -1},
     DOCTOR_FOREIGN,
     false,
     DOCTOR_LEAVE,
     false,
     false},
    // Not decided.
    {"in doubt",
     {HAS(OUTCOME_NONE), .age_ms = YOUNG},
     DOCTOR_IN_DOUBT,
     false,
     DOCTOR_LEAVE,
     false,
     false},
    {"long in doubt", {HAS(OUTCOME_NONE)}, DOCTOR_IN_DOUBT, true, DOCTOR_LEAVE, false, false},
    {"not yet of it",
     {HAS(OUTCOME_NONE), .member = false},
     DOCTOR_IN_DOUBT,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    {"promised and gone",
     {HAS(OUTCOME_NONE), .held = false, .journal = DOCTOR_JOURNAL_PREPARED},
     DOCTOR_MISMATCHED,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    // Decided.
    {"to commit", {HAS(OUTCOME_COMMITTED)}, DOCTOR_STRAGGLER, true, DOCTOR_COMMIT, false, true},
    {"to abort", {HAS(OUTCOME_ABORTED)}, DOCTOR_STRAGGLER, true, DOCTOR_ROLL_BACK, false, true},
    {"on its way",
     {HAS(OUTCOME_COMMITTED), .age_ms = YOUNG},
     DOCTOR_STRAGGLER,
     false,
     DOCTOR_COMMIT,
     false,
     false},
    {"by a log",
     {HAS(OUTCOME_COMMITTED), .offline = true},
     DOCTOR_STRAGGLER,
     true,
     DOCTOR_COMMIT,
     false,
     false},
    {"by its journal",
     {BASE, .asked = DOCTOR_UNASKED, .journal = DOCTOR_JOURNAL_DECIDED,
      .journal_outcome = OUTCOME_COMMITTED},
     DOCTOR_STRAGGLER,
     true,
     DOCTOR_COMMIT,
     false,
     false},
    {"done, not said",
     {HAS(OUTCOME_COMMITTED), .held = false, .journal = DOCTOR_JOURNAL_DECIDED,
      .journal_outcome = OUTCOME_COMMITTED},
     DOCTOR_STRAGGLER,
     true,
     DOCTOR_LEAVE,
     false,
     true},
    {"aborted, not heard",
     {BASE, .held = false, .journal = DOCTOR_JOURNAL_PREPARED},
     DOCTOR_STRAGGLER,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    // An earlier run never committed, or there would be no later one.
    {"earlier run",
     {HAS(OUTCOME_COMMITTED), .run = DOCTOR_RUN_EARLIER},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     true,
     false},
    {"no branch of an abort",
     {HAS(OUTCOME_ABORTED), .member = false},
     DOCTOR_ORPHAN,
     true,
     DOCTOR_ROLL_BACK,
     true,
     false},
    {"no branch of an abort, perhaps of another's",
     {HAS(OUTCOME_ABORTED), .member = false, .named = false, .same = false},
     DOCTOR_UNCLEAR,
     true,
     DOCTOR_LEAVE,
     false,
     false},
    // Finished, and there all the same.
    {"ended",
     {HAS(OUTCOME_COMMITTED), .ended = true},
     DOCTOR_MISMATCHED,
     true,
     DOCTOR_COMMIT,
     false,
     false},
    {"ended, aborted",
     {HAS(OUTCOME_ABORTED), .ended = true},
     DOCTOR_MISMATCHED,
     true,
     DOCTOR_ROLL_BACK,
     false,
     false},
    {"its journal says so",
     {BASE, .journal = DOCTOR_JOURNAL_FINISHED, .journal_outcome = OUTCOME_COMMITTED},
     DOCTOR_MISMATCHED,
     true,
     DOCTOR_COMMIT,
     false,
     false},
    {"committed, no record",
     {BASE, .journal = DOCTOR_JOURNAL_DECIDED, .journal_outcome = OUTCOME_COMMITTED},
     DOCTOR_MISMATCHED,
     true,
     DOCTOR_COMMIT,
     false,
     false},
};

static void test_each_case(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const struct judged *c = &table[i];
        struct doctor_verdict v = doctor_judge(&c->truths);
        if (v.kind != c->kind || v.finding != c->finding || v.deed != c->deed ||
            v.roll_back != c->roll_back || v.retry != c->retry)
            fail_msg("%s: %s, finding %d, deed %d, roll back %d, retry %d", c->what,
                     doctor_kind_text(v.kind), v.finding, (int)v.deed, v.roll_back, v.retry);
        assert_non_null(v.why);
    }
}

// One of all that can be said, by its number.
static struct doctor_truths nth(unsigned long n)
{
    struct doctor_truths t = {.older_ms = OLDER};
    static const int64_t ages[] = {-1, YOUNG, OLD};
#define PICK(field, type, count)                                                                   \
    t.field = (type)(n % (count));                                                                 \
    n /= (count)
    PICK(held, bool, 2);
    PICK(here, bool, 2);
    t.age_ms = ages[n % 3];
    n /= 3;
    PICK(watched, bool, 2);
    PICK(xid, assent_xid_kind, 3);
    PICK(fits, bool, 2);
    PICK(named, bool, 2);
    PICK(same, bool, 2);
    PICK(later, bool, 2);
    PICK(asked, enum doctor_asked, 3);
    PICK(collected, bool, 2);
    PICK(offline, bool, 2);
    PICK(outcome, enum outcome, 4);
    PICK(run, enum doctor_run, 3);
    PICK(member, bool, 2);
    PICK(ended, bool, 2);
    PICK(journal, enum doctor_journal, 5);
    PICK(journal_outcome, enum outcome, 4);
    return t;
}

// Whatever is said: only what nobody can have committed is rolled back, and nothing by halves.
static void test_what_is_never_done(void **state)
{
    (void)state;
    unsigned long all = 2UL * 2 * 3 * 2 * 3 * 2 * 2 * 2 * 2 * 3 * 2 * 2 * 4 * 3 * 2 * 2 * 5 * 4;
    unsigned long rolled_back = 0;
    for (unsigned long n = 0; n < all; n++) {
        struct doctor_truths t = nth(n);
        struct doctor_verdict v = doctor_judge(&t);
        assert_false(v.roll_back && v.retry);
        assert_false((v.roll_back || v.retry) && !v.finding);
        assert_false(v.retry && (t.offline || t.asked != DOCTOR_KNOWN));
        if (!v.roll_back)
            continue;
        rolled_back++;
        assert_true(t.held && t.here && t.fits && !t.offline && t.xid != ASSENT_XID_FOREIGN);
        assert_true(t.age_ms == OLD || t.watched);
        assert_true(t.asked != DOCTOR_UNASKED &&
                    (t.same || (!t.named && t.run == DOCTOR_RUN_EARLIER)));
        assert_false(t.asked == DOCTOR_SILENT && (!t.named || t.later || t.collected));
        assert_false(t.asked == DOCTOR_KNOWN && t.run == DOCTOR_RUN_SAME && t.member);
        assert_false(t.journal == DOCTOR_JOURNAL_FINISHED);
    }
    assert_true(rolled_back > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_case),
        cmocka_unit_test(test_what_is_never_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
