// SPDX-License-Identifier: Apache-2.0
#include "story.h"

#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

enum { SENTENCE_BYTES = 1000 };

__attribute__((format(printf, 4, 0))) static json_t *sentence_add(struct story *s, json_t *where,
                                                                  const char *code,
                                                                  const char *format,
                                                                  va_list arguments)
{
    char text[SENTENCE_BYTES], safe[SENTENCE_BYTES];
    vsnprintf(text, sizeof text, format, arguments);
    json_t *sentence =
        json_pack("{s:s, s:s}", "code", code, "text", format_clean(text, safe, sizeof safe));
    if (json_array_append_new(where, sentence) == 0)
        return sentence;
    s->failed = true;
    return NULL;
}

json_t *fact(struct story *s, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    json_t *sentence = sentence_add(s, s->facts, code, format, arguments);
    va_end(arguments);
    return sentence;
}

void advise(struct story *s, const char *code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    sentence_add(s, s->advice, code, format, arguments);
    va_end(arguments);
}

const json_t *story_branches(const struct story *s)
{
    return json_object_get(s->t, "branches");
}

const char *since(const struct story *s, uint64_t at_ms, char *ret, size_t size)
{
    char time[TIME_TEXT_BYTES], age[AGE_TEXT_BYTES];
    uint64_t ms = s->now_ms > at_ms ? s->now_ms - at_ms : 0;
    if (at_ms == 0)
        snprintf(ret, size, "for an unknown time");
    else
        snprintf(ret, size, "for %s (since %s)", format_age(ms, age), format_time(at_ms, time));
    return ret;
}

const char *retry(const json_t *branch, char *ret, size_t size)
{
    char age[AGE_TEXT_BYTES];
    if (member_present(branch, "next_retry_ms"))
        snprintf(ret, size, "It is asked again in %s.",
                 format_age(member_count(branch, "next_retry_ms"), age));
    else if (!member_bool(branch, "connected"))
        snprintf(ret, size, "It is asked again as soon as it connects.");
    else
        snprintf(ret, size, "No retry is planned yet.");
    return ret;
}

const char *connected(const json_t *branch)
{
    return member_bool(branch, "connected") ? "connected" : "not connected";
}

const char *plural(uint64_t count)
{
    return count == 1 ? "" : "s";
}

const char *ordinal(uint64_t number, char *ret, size_t size)
{
    uint64_t tens = number / 10 % 10, ones = number % 10;
    const char *ending = tens == 1   ? "th"
                         : ones == 1 ? "st"
                         : ones == 2 ? "nd"
                         : ones == 3 ? "rd"
                                     : "th";
    snprintf(ret, size, "%" PRIu64 "%s", number, ending);
    return ret;
}

unsigned names_where(const struct story *s, branch_test *test, const void *arg, char *ret,
                     size_t size)
{
    unsigned count = 0;
    size_t used = 0, i;
    const json_t *b;
    ret[0] = '\0';
    json_array_foreach(story_branches(s), i, b)
    {
        if (!test(b, arg))
            continue;
        const char *name = member_text(b, "participant");
        if (used + strlen(name) + 3 < size)
            used += (size_t)snprintf(ret + used, size - used, "%s%s", count ? ", " : "", name);
        count++;
    }
    return count;
}

static bool has_progress(const json_t *b, const void *progress)
{
    return is(b, "progress", progress);
}

unsigned names_of(const struct story *s, const char *progress, char *ret, size_t size)
{
    return names_where(s, has_progress, progress, ret, size);
}

void about_branch(json_t *sentence, const json_t *branch)
{
    static const char *const keys[] = {"branch",  "participant", "connected",     "in_doubt",
                                       "tries",   "since_at_ms", "next_retry_ms", "failures",
                                       "trouble", "progress",    "after",         "next_attempt_ms",
                                       NULL};
    for (size_t i = 0; keys[i]; i++) {
        json_t *value = json_object_get(branch, keys[i]);
        if (value)
            json_object_set(sentence, keys[i], value);
    }
}

struct count branches_count(const struct story *s)
{
    struct count c = {0};
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        c.all++;
        c.waiting += member_bool(b, "waiting");
        c.connected += member_bool(b, "waiting") && member_bool(b, "connected");
        c.paused += is(b, "state", "paused");
        c.yes += is(b, "vote", "yes");
        c.done += is(b, "state", "done");
    }
    return c;
}

void advise_participants(struct story *s)
{
    struct count c = branches_count(s);
    if (c.waiting > c.connected)
        advise(s, "start_participant",
               "Start the participants that are not connected, or see why they cannot reach this "
               "coordinator: what they owe is asked for at once when they connect.");
    if (c.connected > 0)
        advise(s, "look_at_participant",
               "A participant that is connected and does not answer is slow, or its resource "
               "manager fails and is tried again: its own log says why.");
    if (c.waiting > c.paused)
        advise(s, "retry", "To ask now instead of later: assent retry %s", s->gtid);
}

void advise_forget(struct story *s)
{
    advise(s, "forget",
           "Only if a participant and its data are gone for good: assent forget %s gives up "
           "waiting for it, and records the transaction as mixed.",
           s->gtid);
}

void tell_disk(struct story *s, const char *what)
{
    fact(s, "disk",
         "%s is being written to the coordinator's disk. That takes milliseconds; should it take "
         "longer, the disk is slow or full.",
         what);
    advise(s, "look_at_disk", "See the coordinator's own log, and assent status (log).");
}

// "It is tried for the 3rd time in 4.0s.", or how long this time has been going on.
static const char *attempt_time(const struct story *s, const json_t *b, const char *is_done,
                                char *ret, size_t size)
{
    char age[AGE_TEXT_BYTES], how_long[PART_BYTES], nth[PART_BYTES];
    uint64_t failures = member_count(b, "failures");
    ordinal(failures + 1, nth, sizeof nth);
    if (member_present(b, "next_attempt_ms"))
        snprintf(ret, size, "It %s for the %s time in %s.", is_done, nth,
                 format_age(member_count(b, "next_attempt_ms"), age));
    else if (member_present(b, "attempt_ends_ms"))
        snprintf(ret, size, "It %s for the %s time, %s; without an answer that fails in %s.",
                 is_done, nth, since(s, member_count(b, "since_at_ms"), how_long, sizeof how_long),
                 format_age(member_count(b, "attempt_ends_ms"), age));
    else
        snprintf(ret, size, "It %s for the %s time.", is_done, nth);
    return ret;
}

void tell_attempt(struct story *s, const json_t *b, const char *code, const char *what,
                  const char *is_done)
{
    char time[LIST_TEXT_BYTES], failed[LIST_TEXT_BYTES] = "";
    uint64_t failures = member_count(b, "failures");
    const char *trouble = member_text(b, "trouble");
    if (failures > 0)
        snprintf(failed, sizeof failed, " failed %" PRIu64 " time%s, the last time because: %s.",
                 failures, plural(failures), *trouble ? trouble : "no reason was given");
    attempt_time(s, b, is_done, time, sizeof time);
    json_t *sentence = fact(s, code, "%s %" PRIu64 " at participant %s%s %s The participant is %s.",
                            what, member_count(b, "branch"), member_text(b, "participant"),
                            *failed ? failed : ":", time, connected(b));
    about_branch(sentence, b);
}
