// SPDX-License-Identifier: Apache-2.0
// What `assent explain` says of a three-phase transaction in each of its stages:
// tests/data/stories/explain-3pc.txt is what to read.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/buf.h"
#include "explain_check.h"
#include "unit.h"

#define STORIES TEST_DATA "/stories/explain-3pc.txt"
#define BRANCH(number, name, state, vote, more)                                                    \
    "{\"branch\":" number ",\"participant\":\"" name "\",\"kind\":\"call\",\"state\":\"" state     \
    "\",\"vote\":\"" vote "\",\"tries\":2,\"since_at_ms\":1700000098000," more "}"
#define THREE(state, more, branches)                                                               \
    "{\"protocol\":\"3pc\",\"state\":\"" state "\",\"majority\":2," more                           \
    ",\"branches\":[" branches "]}"
#define WAITS      "\"waiting\":true,\"connected\":true,\"journal_lost\":false"
#define AWAY       "\"waiting\":true,\"connected\":false,\"journal_lost\":false"
#define LOST       "\"waiting\":true,\"connected\":true,\"journal_lost\":true"
#define SAID       "\"waiting\":false,\"connected\":true,\"journal_lost\":false"
#define ASKS(what) "\"election\":{\"asks\":\"" what "\"},\"next_retry_ms\":1200"
#define STATES(a, b, c)                                                                            \
    THREE("deciding", ASKS("states"),                                                              \
          BRANCH("0", "air", "preparing", "none",                                                  \
                 a) "," BRANCH("1", "hotel", "preparing", "none",                                  \
                               b) "," BRANCH("2", "car", "preparing", "none", c))

static const struct {
    const char *title, *transaction;
} stages[] = {
    {"Admitted: nothing is asked before that is durable.",
     THREE("admitting", "\"election\":null", BRANCH("0", "air", "active", "none", SAID))},
    {"Votes are gathered.", THREE("preparing", "\"election\":null,\"deadline_ms\":8000",
                                  BRANCH("0", "air", "prepared", "yes", SAID) "," BRANCH(
                                      "1", "hotel", "preparing", "none",
                                      AWAY) "," BRANCH("2", "car", "prepared", "yes", SAID))},
    {"All have voted yes: pre-commits are asked for.",
     THREE("deciding", ASKS("pre_commit"),
           BRANCH("0", "air", "prepared", "yes",
                  WAITS) "," BRANCH("1", "hotel", "prepared", "yes",
                                    WAITS) "," BRANCH("2", "car", "prepared", "yes", AWAY))},
    {"Likewise, and only a minority is there.",
     THREE("deciding", ASKS("pre_commit"),
           BRANCH("0", "air", "prepared", "yes",
                  WAITS) "," BRANCH("1", "hotel", "prepared", "yes",
                                    AWAY) "," BRANCH("2", "car", "prepared", "yes", AWAY))},
    {"The coordinator was started again: states are asked for.", STATES(WAITS, WAITS, WAITS)},
    {"Likewise, and one journal is lost.", STATES(WAITS, AWAY, LOST)},
    {"Likewise, and a majority of the journals is lost.", STATES(WAITS, LOST, LOST)},
    {"An abort is on its way to the disk.",
     THREE("deciding", "\"election\":null", BRANCH("0", "air", "prepared", "yes", SAID))},
    {"Committed by a majority; one has not acknowledged.",
     THREE("committing",
           "\"election\":null,\"outcome\":\"committed\",\"decided_at_ms\":1700000099000",
           BRANCH("0", "air", "done", "yes",
                  SAID) "," BRANCH("1", "hotel", "done", "yes",
                                   SAID) "," BRANCH("2", "car", "committing", "yes", AWAY))},
    {"Aborted by its branches while the coordinator was away: votes are not known.",
     THREE("aborting", "\"election\":null,\"outcome\":\"aborted\",\"decided_at_ms\":1700000099000",
           BRANCH("0", "air", "aborting", "none", WAITS) "," BRANCH("1", "hotel", "done", "none",
                                                                    SAID))},
    {"An operator forced the missing one.",
     THREE("committing",
           "\"election\":null,\"outcome\":\"committed\",\"decided_at_ms\":1700000099000,"
           "\"mixed\":true,\"heuristic\":{\"forced\":\"aborted\",\"by\":\"ops\",\"why\":\"locks "
           "must go\",\"at_ms\":1700000099500}",
           BRANCH("0", "air", "done", "yes", SAID) "," BRANCH("1", "hotel", "aborting", "yes",
                                                              AWAY))},
    {"Ended.",
     THREE("ended", "\"election\":null,\"outcome\":\"committed\",\"ended_at_ms\":1700000099000",
           BRANCH("0", "air", "done", "yes", SAID))},
    {"Ended without one that was given up as lost.",
     THREE("ended",
           "\"election\":null,\"outcome\":\"committed\",\"ended_at_ms\":1700000099000,"
           "\"mixed\":true,\"heuristic\":{\"forced\":null,\"by\":\"ops\",\"why\":\"disk is gone\","
           "\"at_ms\":1700000099500}",
           BRANCH("0", "air", "done", "yes", SAID) "," BRANCH("1", "hotel", "forgotten", "yes",
                                                              SAID))},
};

static void tell(struct buf *out, const json_t *story, const char *where)
{
    const json_t *s;
    size_t i;
    json_array_foreach(json_object_get(story, where), i, s)
        buf_printf(out, "- %s: %s\n", json_string_value(json_object_get(s, "code")),
                   json_string_value(json_object_get(s, "text")));
}

static void test_every_stage(void **state)
{
    (void)state;
    struct buf out;
    buf_init(&out, 1 << 16);
    for (size_t i = 0; i < sizeof stages / sizeof *stages; i++) {
        json_t *story = story_of(reply_of(stages[i].transaction));
        buf_printf(&out, "%s# %s\n", i ? "\n" : "", stages[i].title);
        tell(&out, story, "facts");
        buf_printf(&out, "What can be done\n");
        tell(&out, story, "advice");
        json_decref(story);
    }
    buf_append(&out, "", 1);
    assert_false(out.failed);
    if (getenv("UPDATE_STORIES")) {
        FILE *file = fopen(STORIES, "w");
        assert_non_null(file);
        fputs((const char *)out.data, file);
        fclose(file);
    }
    char *expected = unit_text_of(STORIES);
    assert_string_equal((const char *)out.data, expected);
    free(expected);
    buf_free(&out);
}

// What is refused is not advised.
static void test_orders_that_would_be_refused(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(STATES(WAITS, AWAY, AWAY)));
    static const char *const orders[] = {"abort", "heuristic", "forget", "retry"};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++)
        assert_null(sentence(story, "advice", orders[i]));
    says(story, "advice", "refused", "are refused until it is decided");
    says(story, "advice", "start_participant", "any 1 more");
    json_decref(story);
}

static void test_nonsense(void **state)
{
    (void)state;
    static const char *const parts[] = {"\"election\":7", "\"election\":{}",
                                        "\"election\":{\"asks\":3},\"majority\":\"x\"",
                                        "\"election\":{},\"branches\":[1,null,{}]"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++) {
        char text[200];
        snprintf(text, sizeof text, "{\"protocol\":\"3pc\",\"state\":\"deciding\",%s}", parts[i]);
        json_decref(story_of(reply_of(text)));
    }
}

int main(void)
{
    setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_stage),
        cmocka_unit_test(test_orders_that_would_be_refused),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests_name("cli_explain_3pc", tests, NULL, NULL);
}
