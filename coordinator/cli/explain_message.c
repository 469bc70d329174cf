// SPDX-License-Identifier: Apache-2.0
// Whether a message is to be sent, who is asked about it; whom it was delivered to, who is missing.
#include <inttypes.h>
#include <string.h>

#include "story.h"

static const json_t *sender_of(const struct story *s)
{
    const json_t *b;
    size_t i;
    json_array_foreach(story_branches(s), i, b)
    {
        if (is(b, "kind", "sender"))
            return b;
    }
    return NULL;
}

static void tell_held(struct story *s)
{
    char how_long[PART_BYTES], age[AGE_TEXT_BYTES];
    fact(
        s, "application",
        "It was prepared, and waits for the application (principal %s), which has neither sent nor "
        "dropped it %s.",
        member_text(s->t, "owner"),
        since(s, member_count(s->t, "started_at_ms"), how_long, sizeof how_long));
    if (member_present(s->t, "check_back_ms"))
        fact(s, "check_back",
             "If that does not change, its sender, participant %s, is asked in %s whether it is to "
             "be sent.",
             member_text(sender_of(s), "participant"),
             format_age(member_count(s->t, "check_back_ms"), age));
    advise(s, "abort",
           "To drop it now, although its sender may have done what it tells of: assent abort %s "
           "--reason TEXT",
           s->gtid);
}

static void tell_asked(struct story *s)
{
    const json_t *sender = sender_of(s);
    fact(s, "check_back",
         "The application has neither sent nor dropped it, so its sender, participant %s, is asked "
         "whether it is to be sent. Until it answers, nothing is delivered.",
         member_text(sender, "participant"));
    if (sender)
        tell_attempt(s, sender, "sender_asked", "Sender",
                     is(sender, "progress", "pausing") ? "is asked" : "is being asked");
    advise_participants(s);
    advise(s, "abort",
           "To drop it, although its sender may have done what it tells of: assent abort %s "
           "--reason TEXT",
           s->gtid);
}

static void tell_consumer(struct story *s, const json_t *b)
{
    char age[AGE_TEXT_BYTES];
    if (is(b, "progress", "delayed"))
        about_branch(fact(s, "delayed",
                          "To participant %s it is delivered in %s: it was to be delayed by "
                          "%" PRIu64 "ms.",
                          member_text(b, "participant"),
                          format_age(member_count(b, "next_attempt_ms"), age),
                          member_count(b, "delay_ms")),
                     b);
    else if (is(b, "progress", "delivering") || is(b, "progress", "pausing"))
        tell_attempt(s, b, "delivery_missing", "Consumer",
                     is(b, "progress", "pausing") ? "is delivered to" : "is being delivered to");
}

static void tell_sent(struct story *s)
{
    char time[TIME_TEXT_BYTES], names[LIST_TEXT_BYTES];
    const json_t *b;
    size_t i;
    unsigned all = branches_count(s).all, delivered = names_of(s, "delivered", names, sizeof names);
    fact(s, "decided",
         "It is sent, since %s. That stands: it is delivered to every consumer, for as long as it "
         "takes. Of %u consumer%s %u ha%s it%s%s.",
         format_time(member_count(s->t, "decided_at_ms"), time), all ? all - 1 : 0,
         plural(all ? all - 1 : 0), delivered, delivered == 1 ? "s" : "ve", delivered ? ": " : "",
         names);
    json_array_foreach(story_branches(s), i, b) tell_consumer(s, b);
    advise_participants(s);
    advise_forget(s);
}

void tell_message(struct story *s)
{
    static const struct {
        const char *state;
        void (*tell)(struct story *s);
    } tellers[] = {{"held", tell_held}, {"preparing", tell_asked}, {"committing", tell_sent}};
    if (is(s->t, "state", "admitting"))
        tell_disk(s, "What is to be delivered");
    if (is(s->t, "state", "aborting"))
        fact(s, "decided", "It is dropped: nothing is delivered.");
    for (size_t i = 0; i < sizeof tellers / sizeof *tellers; i++)
        if (is(s->t, "state", tellers[i].state))
            tellers[i].tell(s);
}
