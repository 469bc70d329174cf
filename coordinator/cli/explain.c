// SPDX-License-Identifier: Apache-2.0
// Transactions of two-phase commit, and of tcc, which differ in the words for the same; and what is
// said of all.
#include "explain.h"

#include <inttypes.h>
#include <string.h>

#include "story.h"

// What phase one asks for, and what the decision is called.
struct words {
    const char *not_voted;
    const char *commit, *abort;
    const char *not_committed, *not_aborted;
    const char *until_then;
};

static const struct words two_phase_words = {
    .not_voted = "has not voted",
    .commit = "commit",
    .abort = "abort",
    .not_committed = "has not acknowledged the commit",
    .not_aborted = "has not acknowledged the rollback",
    .until_then = "they may hold locks",
};

static const struct words tcc_words = {
    .not_voted = "has not said whether its try succeeded",
    .commit = "confirm",
    .abort = "cancel",
    .not_committed = "has not confirmed",
    .not_aborted = "has not cancelled",
    .until_then = "what they reserved stays reserved",
};

static const struct words *words_of(const struct story *s)
{
    return is(s->t, "protocol", "tcc") ? &tcc_words : &two_phase_words;
}

// One branch that owes an answer, and what it owes.
static void branch_owes(struct story *s, const json_t *b, const char *code, const char *owes)
{
    char how_long[80], again[80];
    uint64_t tries = member_count(b, "tries");
    json_t *sentence = fact(s, code,
                            "Branch %" PRIu64 " at participant %s %s %s; it was asked %" PRIu64
                            " time%s. The participant is %s. %s",
                            member_count(b, "branch"), member_text(b, "participant"), owes,
                            since(s, member_count(b, "since_at_ms"), how_long, sizeof how_long),
                            tries, plural(tries), connected(b), retry(b, again, sizeof again));
    about_branch(sentence, b);
}

// What a branch owes that was told the outcome, its own: an operator may have forced another.
static const char *acknowledgement(const struct story *s, const json_t *b)
{
    const struct words *words = words_of(s);
    return is(b, "state", "committing") ? words->not_committed : words->not_aborted;
}

// `owes` NULL: an acknowledgement.
static void waiting_branches(struct story *s, const char *code, const char *owes)
{
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        if (member_bool(b, "waiting"))
            branch_owes(s, b, code, owes ? owes : acknowledgement(s, b));
    }
}

static void deadline(struct story *s)
{
    char age[AGE_TEXT_BYTES];
    if (member_present(s->t, "deadline_ms"))
        json_object_set(fact(s, "deadline",
                             "If that does not change, the coordinator aborts it in %s.",
                             format_age(member_count(s->t, "deadline_ms"), age)),
                        "deadline_ms", json_object_get(s->t, "deadline_ms"));
}

static void tell_admitting(struct story *s)
{
    tell_disk(s, "What is to be done");
}

static void tell_active(struct story *s)
{
    char how_long[80];
    unsigned branches = branches_count(s).all;
    fact(s, "application",
         "It waits for the application (principal %s), which has neither committed nor rolled it "
         "back %s; %u branch%s enlisted so far.",
         member_text(s->t, "owner"),
         since(s, member_count(s->t, "started_at_ms"), how_long, sizeof how_long), branches,
         branches == 1 ? " is" : "es are");
    deadline(s);
    advise(s, "abort",
           "Nothing is promised yet, so it may be aborted without harm: assent abort %s --reason "
           "TEXT",
           s->gtid);
}

// Who has done what was asked for, of a tcc transaction.
static void tell_tries(struct story *s)
{
    static const struct {
        const char *progress, *text;
    } groups[] = {
        {"tried", "Its try has succeeded at "},
        {"confirmed", "It has been confirmed at "},
        {"cancelled", "It has been cancelled at "},
        {"refused", "Its try was refused at "},
    };
    char names[LIST_TEXT_BYTES];
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++)
        if (names_of(s, groups[i].progress, names, sizeof names) > 0)
            fact(s, groups[i].progress, "%s%s.", groups[i].text, names);
}

static void tell_preparing(struct story *s)
{
    struct count c = branches_count(s);
    if (is(s->t, "protocol", "tcc"))
        fact(s, "votes", "Its branches are being tried: %u of %u have not answered.", c.waiting,
             c.all);
    else
        fact(s, "votes", "It waits for votes: %u of %u branches have not voted.", c.waiting, c.all);
    tell_tries(s);
    waiting_branches(s, "vote_missing", words_of(s)->not_voted);
    if (is(s->t, "protocol", "3pc"))
        tell_three_preparing(s);
    deadline(s);
    advise_participants(s);
    advise(s, "abort",
           "It is not decided, so it may be aborted without harm: assent abort %s --reason TEXT",
           s->gtid);
}

static void tell_deciding(struct story *s)
{
    if (member_present(s->t, "election")) {
        tell_three_electing(s);
        return;
    }
    if (!member_bool(s->t, "one_phase") || branches_count(s).waiting == 0) {
        tell_disk(s, "Its decision");
        return;
    }
    fact(s, "one_phase",
         "It has one branch, which was asked to commit in one phase: the participant decides, and "
         "has not said how. Until it does, the outcome is unknown.");
    waiting_branches(s, "outcome_missing", "has not said whether it committed");
    advise_participants(s);
    advise(s, "abort",
           "To have it rolled back unless it has committed already: assent abort %s --reason TEXT",
           s->gtid);
}

static void advise_force(struct story *s, bool commit)
{
    advise(s, "heuristic",
           "Only if a participant can never be told, and what it holds must be freed: assent %s %s "
           "--reason TEXT forces those that have not acknowledged to the opposite, which makes the "
           "transaction mixed for ever.",
           commit ? "abort" : "commit", s->gtid);
}

static void tell_decided(struct story *s)
{
    struct count c = branches_count(s);
    const struct words *words = words_of(s);
    bool commit = is(s->t, "state", "committing");
    char time[TIME_TEXT_BYTES];
    fact(s, "decided",
         "It is decided: %s, since %s. That stands. It is not finished: of its %u branch%s %u "
         "ha%s not acknowledged.",
         commit ? words->commit : words->abort,
         format_time(member_count(s->t, "decided_at_ms"), time), c.all, c.all == 1 ? "" : "es",
         c.all - c.done, c.all - c.done == 1 ? "s" : "ve");
    tell_tries(s);
    bool three = is(s->t, "protocol", "3pc");
    if (three)
        tell_three_decided(s);
    waiting_branches(s, "acknowledgement_missing", NULL);
    if (!member_bool(s->t, "mixed"))
        fact(s, "by_itself",
             "Nothing needs to be done for consistency: once they are back the branches end by "
             "themselves. Until then %s.",
             words->until_then);
    advise_participants(s);
    bool forced = member_present(json_object_get(s->t, "heuristic"), "forced");
    if (c.yes > 0 && !forced)
        advise_force(s, commit);
    (three ? advise_three_forget : advise_forget)(s);
}

static bool any_forgotten(const struct story *s)
{
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        if (is(b, "state", "forgotten"))
            return true;
    }
    return false;
}

static void advise_reconcile(struct story *s)
{
    if (any_forgotten(s) && is(s->t, "protocol", "3pc"))
        advise_three_reconcile(s);
    else if (any_forgotten(s))
        advise(s, "reconcile",
               "Its record stays for the branches that were given up: one that comes back is told "
               "the decision when it asks. Once that can never happen, to let the record go when "
               "the retention is over: assent forget %s --lost",
               s->gtid);
    else
        advise(s, "reconcile",
               "Put the data of the branches right by hand; then, to let the record go "
               "when the retention is over: assent forget %s",
               s->gtid);
}

// What resource managers did by themselves.
static void tell_managers(struct story *s)
{
    static const struct {
        const char *did, *words;
    } all[] = {
        {"committed", "committed it"},
        {"rolled back", "rolled it back"},
        {"mixed", "committed some of it and rolled some of it back"},
        {"hazard", "ended it, nobody knows how,"},
    };
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        for (size_t n = 0; n < sizeof all / sizeof *all; n++) {
            if (is(b, "by_manager", all[n].did))
                about_branch(fact(s, "by_manager",
                                  "Branch %" PRIu64 " at participant %s: the resource manager %s "
                                  "by a decision of its own.",
                                  member_count(b, "branch"), member_text(b, "participant"),
                                  all[n].words),
                             b);
        }
    }
}

static void tell_heuristic(struct story *s)
{
    const json_t *h = json_object_get(s->t, "heuristic");
    char time[TIME_TEXT_BYTES];
    if (json_is_object(h) && member_present(h, "forced"))
        fact(s, "heuristic", "Operator %s forced %s at %s, saying: %s", member_text(h, "by"),
             is(h, "forced", "committed") ? "a commit" : "an abort",
             format_time(member_count(h, "at_ms"), time), member_text(h, "why"));
    else if (json_is_object(h))
        fact(s, member_bool(s->t, "mixed") ? "forgotten" : "operator", "Operator %s %s at %s%s%s",
             member_text(h, "by"),
             member_bool(s->t, "mixed") ? "gave up waiting for its branches" : "aborted it",
             format_time(member_count(h, "at_ms"), time),
             *member_text(h, "why") ? ", saying: " : ".", member_text(h, "why"));
    tell_managers(s);
    if (!member_bool(s->t, "mixed"))
        return;
    fact(s, "mixed",
         "It is mixed: branches ended differently, or may have. assent show %s says "
         "what each of them did.",
         s->gtid);
    if (is(s->t, "state", "ended"))
        advise_reconcile(s);
}

static const char *outcome_means(const struct story *s)
{
    static const struct {
        const char *protocol, *committed, *aborted;
    } meanings[] = {
        {"tcc", ", that is, confirmed", ", that is, cancelled"},
        {"saga", ", that is, all steps were done", ", that is, it was compensated"},
        {"message", ", that is, delivered to all", ", that is, dropped"},
    };
    for (size_t i = 0; i < sizeof meanings / sizeof *meanings && !member_bool(s->t, "mixed"); i++) {
        if (!is(s->t, "protocol", meanings[i].protocol))
            continue;
        if (is(s->t, "outcome", "committed"))
            return meanings[i].committed;
        if (is(s->t, "outcome", "aborted"))
            return meanings[i].aborted;
    }
    return "";
}

static void tell_ended(struct story *s)
{
    const json_t *reason = json_object_get(s->t, "reason");
    const char *detail = member_text(reason, "detail");
    char time[TIME_TEXT_BYTES];
    uint64_t at_ms = member_count(s->t, "ended_at_ms");
    fact(s, "ended", "It has ended: %s%s%s%s. It waits for nothing.",
         is(s->t, "outcome", "") ? "unknown" : member_text(s->t, "outcome"), outcome_means(s),
         at_ms ? " at " : "", at_ms ? format_time(at_ms, time) : "");
    if (is(s->t, "protocol", "saga"))
        tell_saga_ended(s);
    if (json_is_object(reason))
        fact(s, "reason", "It aborted because %s%s%s.", member_text(reason, "text"),
             *detail ? ": " : "", detail);
}

static void tell_transaction(struct story *s)
{
    static const struct {
        const char *state;
        void (*tell)(struct story *s);
    } tellers[] = {
        {"admitting", tell_admitting}, {"active", tell_active},    {"preparing", tell_preparing},
        {"committing", tell_decided},  {"aborting", tell_decided},
    };
    if (is(s->t, "state", "deciding"))
        tell_deciding(s);
    else if (is(s->t, "state", "ended"))
        tell_ended(s);
    else if (is(s->t, "protocol", "saga"))
        tell_saga(s);
    else if (is(s->t, "protocol", "message"))
        tell_message(s);
    else
        for (size_t i = 0; i < sizeof tellers / sizeof *tellers; i++)
            if (is(s->t, "state", tellers[i].state))
                tellers[i].tell(s);
    tell_heuristic(s);
}

static void tell_foreign(struct story *s, const json_t *f)
{
    char how_long[80];
    json_t *sentence =
        fact(s, "foreign",
             "Branch %" PRIu64 " at participant %s is in doubt about it, %s. It was prepared for "
             "coordinator %s, and only that one can know the outcome.",
             member_count(f, "branch"), member_text(f, "participant"),
             since(s, member_count(f, "first_at_ms"), how_long, sizeof how_long),
             member_text(f, "coordinator"));
    about_branch(sentence, f);
    json_object_set(sentence, "coordinator", json_object_get(f, "coordinator"));
    advise(s, "connect_elsewhere",
           "Let participant %s connect to coordinator %s again (its endpoint may have been "
           "changed): then it ends by itself.",
           member_text(f, "participant"), member_text(f, "coordinator"));
    advise(s, "heuristic",
           "Only if that coordinator and its log are gone for good: find out from the other "
           "participants' data what became of %s, then assent commit or abort it here with "
           "--reason.",
           s->gtid);
}

static void tell_all(struct story *s, const json_t *reply)
{
    const json_t *verdict = json_object_get(reply, "verdict"), *f;
    size_t i;
    if (s->t)
        tell_transaction(s);
    else
        fact(s, "verdict", "%s", member_text(verdict, "text"));
    json_array_foreach(json_object_get(reply, "foreign"), i, f) tell_foreign(s, f);
}

json_t *explain(const char *gtid, const json_t *reply)
{
    struct story s = {.gtid = gtid, .facts = json_array(), .advice = json_array()};
    if (member_present(reply, "transaction"))
        s.t = json_object_get(reply, "transaction");
    s.now_ms = member_count(reply, "now_ms");
    s.failed = !s.facts || !s.advice;
    if (!s.failed)
        tell_all(&s, reply);
    json_t *ret = s.failed ? NULL : json_pack("{s:O, s:O}", "facts", s.facts, "advice", s.advice);
    json_decref(s.facts);
    json_decref(s.advice);
    return ret;
}
