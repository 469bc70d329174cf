// SPDX-License-Identifier: Apache-2.0
// The sentences of `assent explain`: each state says on whom it waits, and what can be done.
#include <stdlib.h>
#include <string.h>

#include "explain_check.h"
#include "unit.h"

#define BRANCH_A_DONE                                                                              \
    "{\"branch\":0,\"participant\":\"bank-a\",\"vote\":\"yes\",\"state\":\"done\","                \
    "\"waiting\":false,\"connected\":true,\"tries\":1}"
#define BRANCH_B(state, connected)                                                                 \
    "{\"branch\":1,\"participant\":\"bank-b\",\"vote\":\"yes\",\"state\":\"" state "\","           \
    "\"waiting\":true,\"connected\":" connected ",\"tries\":7,"                                    \
    "\"since_at_ms\":1699999908000,\"next_retry_ms\":4000}"

static void test_committing(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(
        "{\"state\":\"committing\",\"outcome\":\"committed\",\"decided_at_ms\":1699999908000,"
        "\"branches\":[" BRANCH_A_DONE "," BRANCH_B("committing", "false") "]}"));
    says(story, "facts", "decided", "commit");
    says(story, "facts", "decided", "of its 2 branches 1 has");
    says(story, "facts", "acknowledgement_missing", "bank-b");
    says(story, "facts", "acknowledgement_missing", "3m 12s");
    says(story, "facts", "acknowledgement_missing", "asked 7 times");
    says(story, "facts", "acknowledgement_missing", "not connected");
    says(story, "facts", "acknowledgement_missing", "asked again in 4.0s");
    says(story, "advice", "start_participant", "Start");
    says(story, "advice", "retry", "assent retry order-1");
    says(story, "advice", "heuristic", "assent abort order-1");
    says(story, "advice", "forget", "assent forget order-1");
    assert_null(sentence(story, "advice", "look_at_participant"));
    const json_t *s = sentence(story, "facts", "acknowledgement_missing");
    assert_int_equal(member_count(s, "branch"), 1);
    assert_int_equal(member_count(s, "next_retry_ms"), 4000);
    json_decref(story);
}

static void test_aborting(void **state)
{
    (void)state;
    json_t *story =
        story_of(reply_of("{\"state\":\"aborting\",\"outcome\":\"aborted\",\"decided_at_ms\":1,"
                          "\"branches\":[" BRANCH_B("aborting", "true") "]}"));
    says(story, "facts", "decided", "abort");
    says(story, "facts", "acknowledgement_missing", "rollback");
    says(story, "advice", "look_at_participant", "connected");
    says(story, "advice", "heuristic", "assent commit order-1");
    assert_null(sentence(story, "advice", "start_participant"));
    json_decref(story);
}

static void test_preparing(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of("{\"state\":\"preparing\",\"deadline_ms\":8000,"
                                      "\"branches\":[" BRANCH_B("preparing", "true") "]}"));
    says(story, "facts", "votes", "1 of 1");
    says(story, "facts", "vote_missing", "has not voted");
    says(story, "facts", "deadline", "8.0s");
    says(story, "advice", "abort", "without harm");
    assert_null(sentence(story, "advice", "heuristic"));
    json_decref(story);
}

static void test_active(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of("{\"state\":\"active\",\"owner\":\"shop\",\"deadline_ms\":1,"
                                      "\"started_at_ms\":1700000090000,\"branches\":[]}"));
    says(story, "facts", "application", "principal shop");
    says(story, "facts", "application", "for 10.0s");
    says(story, "facts", "application", "0 branches are");
    json_decref(story);
}

static void test_deciding(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of("{\"state\":\"deciding\",\"branches\":[" BRANCH_A_DONE "]}"));
    says(story, "facts", "disk", "disk");
    json_decref(story);
    story = story_of(reply_of("{\"state\":\"deciding\",\"one_phase\":true,\"branches\":[" BRANCH_B(
        "preparing", "false") "]}"));
    says(story, "facts", "one_phase", "unknown");
    says(story, "facts", "outcome_missing", "bank-b");
    says(story, "advice", "abort", "unless it has committed");
    json_decref(story);
}

static void test_ended(void **state)
{
    (void)state;
    json_t *story = story_of(
        reply_of("{\"state\":\"ended\",\"outcome\":\"aborted\",\"mixed\":true,\"ended_at_ms\":5,"
                 "\"reason\":{\"text\":\"a branch voted no\",\"detail\":\"no money\"},"
                 "\"heuristic\":{\"forced\":\"committed\",\"by\":\"ops (ada@db1)\","
                 "\"why\":\"month end\",\"at_ms\":4},\"branches\":[]}"));
    says(story, "facts", "ended", "waits for nothing");
    says(story, "facts", "reason", "a branch voted no: no money");
    says(story, "facts", "heuristic", "ops (ada@db1) forced a commit");
    says(story, "facts", "heuristic", "month end");
    says(story, "facts", "mixed", "ended differently");
    says(story, "advice", "reconcile", "assent forget order-1");
    json_decref(story);
}

static void test_unknown_and_foreign(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(NULL));
    says(story, "facts", "verdict", "Nobody knows.");
    assert_int_equal(json_array_size(json_object_get(story, "advice")), 0);
    json_decref(story);
    json_t *reply = reply_of(NULL);
    json_array_append_new(json_object_get(reply, "foreign"),
                          json_pack("{s:i, s:s, s:s, s:I}", "branch", 3, "participant", "bank\033x",
                                    "coordinator", "00000008", "first_at_ms",
                                    (json_int_t)1700000040000));
    story = story_of(reply);
    says(story, "facts", "foreign", "Branch 3 at participant bank?x");
    says(story, "facts", "foreign", "1m 00s");
    says(story, "facts", "foreign", "coordinator 00000008");
    says(story, "advice", "connect_elsewhere", "00000008");
    json_decref(story);
}

// Whatever a coordinator of another version says, the command lives.
static void test_nonsense(void **state)
{
    (void)state;
    static const char *const replies[] = {
        "{}",
        "[]",
        "{\"transaction\": 5}",
        "{\"transaction\": {\"state\": 7, \"branches\": {}}}",
        "{\"transaction\": {\"state\": \"committing\", \"branches\": [1, null, {}]}}",
        "{\"transaction\": {\"state\": \"committing\", \"branches\": [{\"waiting\": true}]}}",
        "{\"transaction\": {\"state\": \"dancing\"}}",
        "{\"foreign\": [{}, 5]}",
    };
    for (size_t i = 0; i < sizeof replies / sizeof *replies; i++) {
        json_t *reply = json_loads(replies[i], 0, NULL);
        json_t *story = explain("x", reply);
        assert_non_null(story);
        json_decref(story);
        json_decref(reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_committing),
        cmocka_unit_test(test_aborting),
        cmocka_unit_test(test_preparing),
        cmocka_unit_test(test_active),
        cmocka_unit_test(test_deciding),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_unknown_and_foreign),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests_name("cli_explain", tests, NULL, NULL);
}
