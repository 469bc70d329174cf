// SPDX-License-Identifier: Apache-2.0
// Three-phase commit: what is different from two phases, and what a majority of the branches is at
// (docs/protocols/3pc.md).
#include <inttypes.h>
#include <string.h>

#include "story.h"

static bool lost(const json_t *b)
{
    return member_bool(b, "journal_lost");
}

// One that can answer what it is asked now.
static bool there(const json_t *b, const void *arg)
{
    (void)arg;
    return member_bool(b, "connected") && !lost(b);
}

static bool away(const json_t *b, const void *arg)
{
    (void)arg;
    return !member_bool(b, "connected") && !lost(b);
}

void tell_three_preparing(struct story *s)
{
    uint64_t majority = member_count(s->t, "majority");
    fact(s, "next",
         "When all have voted yes they are asked to pre-commit; it is committed once %" PRIu64
         " of %u have made that durable. Until they are asked this coordinator can abort it alone; "
         "after that only its branches can.",
         majority, branches_count(s).all);
    fact(s, "without_coordinator",
         "Branches that have voted yes and hear nothing of this coordinator may end it among "
         "themselves, a majority of them: it is aborted then.");
}

static void tell_asked(struct story *s, uint64_t majority, unsigned all)
{
    if (is(json_object_get(s->t, "election"), "asks", "pre_commit"))
        fact(s, "pre_commit",
             "All of its %u branches have voted yes, and were asked to pre-commit: it is committed "
             "once a majority, %" PRIu64 " of %u, has made that durable. This coordinator can no "
             "longer abort it.",
             all, majority, all);
    else
        fact(s, "states",
             "An earlier run of this coordinator admitted it, and may have asked for pre-commits: "
             "how far it came only its %u branches know. They are asked for their states. When a "
             "majority, %" PRIu64 " of %u, has answered: an outcome that one of them knows stands; "
             "else it is committed if the last attempt that they know of was a pre-commit, and "
             "aborted if it was a pre-abort, or if there was none.",
             all, majority, all);
}

static void tell_lost(struct story *s)
{
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        if (!lost(b))
            continue;
        about_branch(fact(s, "journal_lost",
                          "Participant %s has another journal than the one in which branch %" PRIu64
                          " was asked: what it promised is lost, and it counts as away for ever.",
                          member_text(b, "participant"), member_count(b, "branch")),
                     b);
    }
}

// How near a majority is.
struct quorum_count {
    unsigned here, away;
    uint64_t missing;
    bool never; // too many journals are lost
};

static struct quorum_count tell_majority(struct story *s, uint64_t majority, unsigned all)
{
    char here[LIST_TEXT_BYTES], gone[LIST_TEXT_BYTES];
    struct quorum_count c = {.here = names_where(s, there, NULL, here, sizeof here),
                             .away = names_where(s, away, NULL, gone, sizeof gone)};
    c.missing = majority > c.here ? majority - c.here : 0;
    c.never = c.missing > c.away;
    fact(s, "majority", "Of its %u branches %u can be asked now%s%s%s%s. %s", all, c.here,
         c.here ? ": at " : "", here, c.away ? "; not connected: " : "", gone,
         c.missing == 0 ? "That is a majority: it is decided when they have answered."
                        : "That is no majority: unless one of them knows the outcome, it is not "
                          "decided before more are back.");
    if (c.never)
        fact(s, "never",
             "So many journals are lost that no majority can come together any more: unless one "
             "of those that are left knows the outcome, it will never be decided.");
    return c;
}

static void tell_again(struct story *s)
{
    char age[AGE_TEXT_BYTES];
    if (member_present(s->t, "next_retry_ms"))
        json_object_set(fact(s, "asked_again", "They are asked again in %s.",
                             format_age(member_count(s->t, "next_retry_ms"), age)),
                        "next_retry_ms", json_object_get(s->t, "next_retry_ms"));
}

static void advise_election(struct story *s, const struct quorum_count *c)
{
    char gone[LIST_TEXT_BYTES];
    names_where(s, away, NULL, gone, sizeof gone);
    if (c->missing > 0 && !c->never)
        advise(s, "start_participant",
               "Start the participants that are not connected (%s), or see why they cannot reach "
               "this coordinator: any %" PRIu64 " more of these branches %s enough.",
               gone, c->missing, c->missing == 1 ? "is" : "are");
    else if (c->missing == 0)
        advise(s, "look_at_participant",
               "A participant that is connected and does not answer is slow, or its disk is: its "
               "own log says why.");
    advise(s, "refused",
           "assent commit, abort and forget are refused until it is decided: some of its branches "
           "may have pre-committed, and others may be about to finish it.");
    advise(s, "keep_journals",
           "Do not remove the journal of a participant, or put an older copy in its place: what a "
           "branch has promised there cannot be given a second time.");
}

void tell_three_electing(struct story *s)
{
    uint64_t majority = member_count(s->t, "majority");
    unsigned all = branches_count(s).all;
    tell_asked(s, majority, all);
    tell_lost(s);
    struct quorum_count c = tell_majority(s, majority, all);
    tell_again(s);
    if (!c.never)
        fact(s, "without_coordinator",
             "A majority of its branches may finish it without this coordinator, which learns the "
             "outcome from them. A minority waits, and may hold locks until then.");
    advise_election(s, &c);
}

void tell_three_decided(struct story *s)
{
    if (is(s->t, "outcome", "committed") && branches_count(s).all > 1)
        fact(s, "majority_committed",
             "A majority of its branches has made that durable: those that are missing can learn "
             "it from them, or from this coordinator.");
}

void advise_three_forget(struct story *s)
{
    advise(s, "forget",
           "Only if a participant and its data are gone for good: assent forget %s --lost gives up "
           "waiting for it, and records the transaction as mixed. Never of one that may come back: "
           "the others are told to forget, and have nothing to tell it.",
           s->gtid);
}

void advise_three_reconcile(struct story *s)
{
    advise(s, "reconcile",
           "Put the data of the branches right by hand; those that were given up as lost, too. One "
           "that comes back before the retention is over is told the decision when it asks; after "
           "that it is told to roll back, whatever was decided.");
}
