// SPDX-License-Identifier: Apache-2.0
// Which step of a saga is tried, for the how-many-th time, and what waits for it; which is
// compensated, and what waits for that.
#include <inttypes.h>
#include <string.h>

#include "story.h"

// "step 1", "steps 0, 1 and 4"; at most as many as fit.
static const char *steps_text(const uint64_t *numbers, size_t count, char *ret, size_t size)
{
    size_t used = (size_t)snprintf(ret, size, "step%s", plural(count));
    for (size_t i = 0; i < count && used + 30 < size; i++)
        used += (size_t)snprintf(ret + used, size - used, "%s%" PRIu64,
                                 i == 0           ? " "
                                 : i + 1 == count ? " and "
                                                  : ", ",
                                 numbers[i]);
    return ret;
}

static const json_t *step_numbered(const struct story *s, uint64_t number)
{
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        if (member_count(b, "branch") == number)
            return b;
    }
    return NULL;
}

static bool has_succeeded(const json_t *b)
{
    return is(b, "progress", "succeeded");
}

static bool comes_after(const json_t *b, uint64_t number)
{
    const json_t *before;
    size_t i;
    json_array_foreach(json_object_get(b, "after"), i, before)
    {
        if (json_is_integer(before) && (uint64_t)json_integer_value(before) == number)
            return true;
    }
    return false;
}

// Of the steps that it comes after, those that have not succeeded; a pivot waits for all that do
// not come after it.
static void tell_waiting(struct story *s, const json_t *b)
{
    enum { STEPS_MAX = 64 };
    uint64_t numbers[STEPS_MAX];
    size_t count = 0, i;
    const json_t *before;
    char text[LIST_TEXT_BYTES];
    json_array_foreach(json_object_get(b, "after"), i, before)
    {
        uint64_t number = (uint64_t)json_integer_value(before);
        if (count < STEPS_MAX && !has_succeeded(step_numbered(s, number)))
            numbers[count++] = number;
    }
    if (count > 0)
        about_branch(fact(s, "step_waiting", "Step %" PRIu64 " at participant %s waits for %s.",
                          member_count(b, "branch"), member_text(b, "participant"),
                          steps_text(numbers, count, text, sizeof text)),
                     b);
    else if (member_bool(b, "pivot"))
        about_branch(fact(s, "step_waiting",
                          "Step %" PRIu64
                          " at participant %s is the pivot: it waits for every step "
                          "that does not come after it.",
                          member_count(b, "branch"), member_text(b, "participant")),
                     b);
}

// A step is compensated after all that came after it.
static void tell_to_compensate(struct story *s, const json_t *b)
{
    enum { STEPS_MAX = 64 };
    uint64_t numbers[STEPS_MAX], number = member_count(b, "branch");
    size_t count = 0, i;
    const json_t *later;
    char text[LIST_TEXT_BYTES];
    json_array_foreach(story_branches(s), i, later)
    {
        if (count < STEPS_MAX && comes_after(later, number) && !is(later, "state", "done"))
            numbers[count++] = member_count(later, "branch");
    }
    about_branch(fact(s, "compensation_waiting",
                      "Step %" PRIu64 " at participant %s is compensated after %s.", number,
                      member_text(b, "participant"), steps_text(numbers, count, text, sizeof text)),
                 b);
}

static void tell_owing(struct story *s, const json_t *b, const char *code, const char *what)
{
    char how_long[PART_BYTES], again[PART_BYTES];
    uint64_t tries = member_count(b, "tries");
    about_branch(fact(s, code,
                      "Step %" PRIu64 " at participant %s %s %s; it was asked %" PRIu64
                      " time%s. The participant is %s. %s",
                      member_count(b, "branch"), member_text(b, "participant"), what,
                      since(s, member_count(b, "since_at_ms"), how_long, sizeof how_long), tries,
                      plural(tries), connected(b), retry(b, again, sizeof again)),
                 b);
}

static void tell_given_up(struct story *s, const json_t *b)
{
    uint64_t attempts = member_count(b, "attempts");
    if (attempts > 0 && member_count(b, "failures") > 0 && is(s->t, "state", "preparing"))
        fact(s, "attempts",
             "After %" PRIu64 " failed attempts of step %" PRIu64
             " the saga is given up, and compensated.",
             attempts, member_count(b, "branch"));
}

static void tell_kept(struct story *s, const json_t *b)
{
    about_branch(fact(s, "kept",
                      "Step %" PRIu64
                      " at participant %s has no compensation: what it did is kept.",
                      member_count(b, "branch"), member_text(b, "participant")),
                 b);
}

static void tell_unknown(struct story *s, const json_t *b)
{
    about_branch(fact(s, "step_unknown",
                      "Whether step %" PRIu64
                      " at participant %s was done is not known, and it will not be undone.",
                      member_count(b, "branch"), member_text(b, "participant")),
                 b);
}

void tell_saga_ended(struct story *s)
{
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        if (is(b, "progress", "kept"))
            tell_kept(s, b);
        else if (is(b, "progress", "unknown"))
            tell_unknown(s, b);
    }
}

static void tell_step(struct story *s, const json_t *b)
{
    if (is(b, "progress", "trying") || is(b, "progress", "pausing")) {
        tell_attempt(s, b, is(b, "progress", "trying") ? "step_trying" : "step_pausing", "Step",
                     is(b, "progress", "trying") ? "is being tried" : "is tried");
        tell_given_up(s, b);
    } else if (is(b, "progress", "waiting")) {
        tell_waiting(s, b);
    } else if (is(b, "progress", "compensating")) {
        tell_owing(s, b, "compensating",
                   is(b, "vote", "no")
                       ? "refused, and has been asked to undo what it may have done "
                         "all the same"
                       : "has been asked to compensate");
    } else if (is(b, "progress", "to_compensate")) {
        tell_to_compensate(s, b);
    } else if (is(b, "progress", "kept")) {
        tell_kept(s, b);
    } else if (is(b, "progress", "unknown")) {
        tell_unknown(s, b);
    } else if (is(b, "state", "committing")) {
        tell_owing(s, b, "closing", "succeeded, and has not acknowledged that this stands");
    }
}

static unsigned count_progress(const struct story *s, const char *progress)
{
    unsigned count = 0;
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b) count += is(b, "progress", progress);
    return count;
}

static void tell_forward(struct story *s)
{
    char age[AGE_TEXT_BYTES];
    unsigned all = branches_count(s).all;
    fact(s, "forward", "It is going forward: %u of its %u step%s succeeded.",
         count_progress(s, "succeeded"), all, all == 1 ? " has" : "s have");
    if (member_present(s->t, "deadline_ms"))
        fact(s, "deadline", "If the steps have not succeeded in %s, it is compensated.",
             format_age(member_count(s->t, "deadline_ms"), age));
}

static void tell_decided(struct story *s, bool forward)
{
    char time[TIME_TEXT_BYTES];
    const json_t *reason = json_object_get(s->t, "reason");
    const char *detail = member_text(reason, "detail");
    format_time(member_count(s->t, "decided_at_ms"), time);
    if (forward)
        fact(
            s, "decided",
            "It is decided: forward, since %s. That stands: of its %u steps %u have succeeded, and "
            "those that are left are tried for as long as it takes.",
            time, branches_count(s).all, count_progress(s, "succeeded"));
    else
        fact(
            s, "decided",
            "It is decided: compensate, since %s%s%s%s%s. That stands: what its steps did is being "
            "undone, for as long as it takes.",
            time, json_is_object(reason) ? ", because " : "", member_text(reason, "text"),
            *detail ? ": " : "", detail);
}

static void advise_saga(struct story *s)
{
    advise_participants(s);
    if (is(s->t, "state", "preparing"))
        advise(s, "abort", "To give it up, and have it compensated: assent abort %s --reason TEXT",
               s->gtid);
    if (is(s->t, "state", "aborting") && count_progress(s, "compensating") > 0 &&
        !member_present(json_object_get(s->t, "heuristic"), "forced"))
        advise(
            s, "heuristic",
            "Only if a step can never be compensated: assent commit %s --reason TEXT leaves what "
            "was not compensated yet as it is, which makes the saga mixed for ever.",
            s->gtid);
    if (!is(s->t, "state", "preparing"))
        advise_forget(s);
}

void tell_saga(struct story *s)
{
    const json_t *b;
    size_t i;
    if (is(s->t, "state", "admitting")) {
        tell_disk(s, "What is to be done");
        return;
    }
    if (is(s->t, "state", "preparing"))
        tell_forward(s);
    else
        tell_decided(s, is(s->t, "state", "committing"));
    json_array_foreach(story_branches(s), i, b) tell_step(s, b);
    advise_saga(s);
}
