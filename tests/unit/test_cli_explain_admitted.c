// SPDX-License-Identifier: Apache-2.0
// The sentences of `assent explain` about tcc transactions, sagas and messages.
#include <stdlib.h>
#include <string.h>

#include "explain_check.h"
#include "unit.h"

#define STEP(number, name, progress, more)                                                         \
    "{\"branch\":" number ",\"participant\":\"" name                                               \
    "\",\"kind\":\"step\",\"progress\":\"" progress "\"," more "}"
#define SAGA(state, more, branches)                                                                \
    "{\"protocol\":\"saga\",\"state\":\"" state "\"," more ",\"branches\":[" branches "]}"
#define WAITS(after)                                                                               \
    "\"state\":\"active\",\"waiting\":false,\"connected\":true,\"after\":[" after "]"
#define SUCCEEDED "\"state\":\"prepared\",\"waiting\":false,\"connected\":true,\"after\":[]"

static void test_a_step_fails(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(SAGA(
        "preparing", "\"deadline_ms\":9000",
        STEP("0", "air", "succeeded", SUCCEEDED) "," STEP(
            "1", "hotel", "pausing",
            "\"state\":\"paused\",\"waiting\":true,\"connected\":true,\"after\":[0],"
            "\"attempts\":5,\"failures\":2,\"trouble\":\"no rooms\","
            "\"next_attempt_ms\":4000") "," STEP("2", "car", "waiting",
                                                 WAITS("0,1")) "," STEP("3", "card", "waiting",
                                                                        "\"pivot\":true," WAITS(
                                                                            "0")))));
    says(story, "facts", "forward", "1 of its 4 steps have succeeded");
    says(story, "facts", "deadline", "9.0s");
    says(story, "facts", "step_pausing",
         "Step 1 at participant hotel failed 2 times, the last time because: no rooms. It is tried "
         "for the 3rd time in 4.0s. The participant is connected.");
    says(story, "facts", "attempts", "After 5 failed attempts of step 1");
    says(story, "facts", "step_waiting", "Step 2 at participant car waits for step 1.");
    says(story, "facts", "step_waiting", "Step 3 at participant card is the pivot");
    says(story, "advice", "abort", "assent abort order-1");
    assert_null(sentence(story, "advice", "retry")); // an attempt that failed is not repeated by it
    assert_null(sentence(story, "advice", "forget"));
    const json_t *s = sentence(story, "facts", "step_pausing");
    assert_int_equal(member_count(s, "failures"), 2);
    assert_int_equal(member_count(s, "next_attempt_ms"), 4000);
    json_decref(story);
}

static void test_a_step_is_tried(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(
        SAGA("preparing", "\"outcome\":null",
             STEP("0", "air", "trying",
                  "\"state\":\"preparing\",\"waiting\":true,\"connected\":false,\"after\":[],"
                  "\"failures\":0,\"since_at_ms\":1700000098000,\"attempt_ends_ms\":8000"))));
    says(story, "facts", "step_trying",
         "Step 0 at participant air: It is being tried for the 1st time, for 2.0s");
    says(story, "facts", "step_trying", "without an answer that fails in 8.0s");
    says(story, "facts", "step_trying", "not connected");
    says(story, "advice", "start_participant", "Start");
    says(story, "advice", "retry", "assent retry order-1");
    json_decref(story);
}

static void test_forward_after_the_pivot(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(
        SAGA("committing", "\"outcome\":\"committed\",\"decided_at_ms\":1699999908000",
             STEP("0", "air", "succeeded",
                  "\"state\":\"committing\",\"waiting\":true,\"connected\":false,\"tries\":3,"
                  "\"since_at_ms\":1700000098000") "," STEP("1", "mail", "pausing",
                                                            "\"state\":\"paused\",\"waiting\":true,"
                                                            "\"connected\":true,\"attempts\":2,"
                                                            "\"failures\":12,\"trouble\":\"\","
                                                            "\"next_attempt_ms\":1"))));
    says(story, "facts", "decided", "forward");
    says(story, "facts", "decided", "of its 2 steps 1 have");
    says(story, "facts", "closing", "Step 0 at participant air succeeded, and has not");
    says(story, "facts", "step_pausing", "no reason was given");
    says(story, "facts", "step_pausing", "for the 13th time");
    assert_null(sentence(story, "facts", "attempts")); // it is no longer given up
    assert_null(sentence(story, "advice", "heuristic"));
    says(story, "advice", "forget", "assent forget order-1");
    json_decref(story);
}

static void test_compensating(void **state)
{
    (void)state;
    json_t *story = story_of(
        reply_of(SAGA("aborting",
                      "\"outcome\":\"aborted\",\"decided_at_ms\":1699999908000,"
                      "\"reason\":{\"text\":\"a branch voted no\",\"detail\":\"card refused\"}",
                      STEP("0", "air", "to_compensate", SUCCEEDED) "," STEP(
                          "1", "hotel", "compensating",
                          "\"state\":\"aborting\",\"waiting\":true,\"connected\":true,"
                          "\"after\":[0],"
                          "\"tries\":7,\"since_at_ms\":1699999908000,"
                          "\"next_retry_ms\":4000") "," STEP("2", "mail", "kept",
                                                             "\"state\":\"done\",\"after\":["
                                                             "0]") "," STEP("3", "card", "refused",
                                                                            "\"state\":"
                                                                            "\"done\","
                                                                            "\"after\":["
                                                                            "1]"))));
    says(story, "facts", "decided", "compensate");
    says(story, "facts", "decided", "because a branch voted no: card refused");
    says(story, "facts", "compensating",
         "Step 1 at participant hotel has been asked to compensate");
    says(story, "facts", "compensating", "asked 7 times");
    says(story, "facts", "compensating", "asked again in 4.0s");
    says(story, "facts", "compensation_waiting",
         "Step 0 at participant air is compensated after step 1.");
    says(story, "facts", "kept", "Step 2 at participant mail");
    says(story, "advice", "heuristic", "assent commit order-1");
    says(story, "advice", "retry", "assent retry order-1");
    json_decref(story);
}

static void test_ended(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(SAGA("ended", "\"outcome\":\"aborted\",\"ended_at_ms\":5",
                                           STEP("0", "mail", "kept", "\"state\":\"done\"") "," STEP(
                                               "1", "sms", "unknown", "\"state\":\"done\""))));
    says(story, "facts", "ended", "aborted, that is, it was compensated");
    says(story, "facts", "kept", "Step 0 at participant mail");
    says(story, "facts", "step_unknown", "Whether step 1 at participant sms was done");
    json_decref(story);
    story = story_of(reply_of("{\"protocol\":\"message\",\"state\":\"ended\","
                              "\"outcome\":\"committed\",\"branches\":[]}"));
    says(story, "facts", "ended", "delivered to all");
    json_decref(story);
    story = story_of(reply_of("{\"protocol\":\"tcc\",\"state\":\"ended\",\"mixed\":true,"
                              "\"outcome\":\"committed\",\"branches\":[]}"));
    says(story, "facts", "ended", "committed. It waits");
    json_decref(story);
}

#define SENDER(progress, more)                                                                     \
    "{\"branch\":0,\"participant\":\"shop\",\"kind\":\"sender\",\"progress\":\"" progress          \
    "\",\"connected\":true" more "}"

static void test_message_held(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(
        "{\"protocol\":\"message\",\"state\":\"held\",\"owner\":\"web\",\"check_back_ms\":9000,"
        "\"started_at_ms\":1700000099000,\"branches\":[" SENDER("waiting", "") "]}"));
    says(story, "facts", "application", "principal web");
    says(story, "facts", "application", "for 1.0s");
    says(story, "facts", "check_back", "participant shop, is asked in 9.0s");
    says(story, "advice", "abort", "assent abort order-1");
    json_decref(story);
}

static void test_message_checked_back(void **state)
{
    (void)state;
    json_t *story =
        story_of(reply_of("{\"protocol\":\"message\",\"state\":\"preparing\",\"branches\":[" SENDER(
            "pausing", ",\"waiting\":true,\"state\":\"paused\",\"failures\":1,"
                       "\"trouble\":\"database is down\",\"next_attempt_ms\":700") "]}"));
    says(story, "facts", "check_back", "participant shop, is asked");
    says(story, "facts", "sender_asked",
         "Sender 0 at participant shop failed 1 time, the last time because: database is down. It "
         "is asked for the 2nd time in 700ms.");
    json_decref(story);
}

#define CONSUMER(number, name, progress, more)                                                     \
    "{\"branch\":" number ",\"participant\":\"" name                                               \
    "\",\"kind\":\"consumer\",\"progress\":\"" progress "\"" more "}"

static void test_message_delivered(void **state)
{
    (void)state;
    json_t *story = story_of(reply_of(
        "{\"protocol\":\"message\",\"state\":\"committing\",\"decided_at_ms\":1,\"branches\":"
        "[" SENDER("sent", "") "," CONSUMER("1", "mail", "delivered", "") "," CONSUMER(
            "2", "stock", "pausing",
            ",\"waiting\":true,\"connected\":true,\"failures\":21,\"trouble\":\"full\","
            "\"next_attempt_ms\":100") "," CONSUMER("3", "later", "delayed",
                                                    ",\"next_attempt_ms\":60000,"
                                                    "\"delay_ms\":90000") "]}"));
    says(story, "facts", "decided", "Of 3 consumers 1 has it: mail");
    says(story, "facts", "delivery_missing", "stock failed 21 times");
    says(story, "facts", "delivery_missing", "for the 22nd time in 100ms");
    says(story, "facts", "delayed", "participant later it is delivered in 1m 00s");
    says(story, "advice", "forget", "assent forget order-1");
    json_decref(story);
}

#define TRY(number, name, state, more)                                                             \
    "{\"branch\":" number ",\"participant\":\"" name "\",\"kind\":\"call\",\"state\":\"" state     \
    "\",\"vote\":\"yes\"," more "}"

static void test_tcc(void **state)
{
    (void)state;
    static const char waiting[] =
        TRY("0", "pay", "done", "\"progress\":\"confirmed\",\"waiting\":false") "," TRY(
            "1", "stock", "committing",
            "\"waiting\":true,\"connected\":true,\"tries\":2,\"since_at_ms\":1699999908000");
    char text[1000];
    snprintf(
        text, sizeof text,
        "{\"protocol\":\"tcc\",\"state\":\"committing\",\"decided_at_ms\":1,\"branches\":[%s]}",
        waiting);
    json_t *story = story_of(reply_of(text));
    says(story, "facts", "decided", "confirm");
    says(story, "facts", "acknowledgement_missing", "stock has not confirmed");
    says(story, "facts", "by_itself", "reserved");
    says(story, "facts", "confirmed", "It has been confirmed at pay.");
    json_decref(story);
    story = story_of(reply_of("{\"protocol\":\"tcc\",\"state\":\"aborting\",\"branches\":[" TRY(
        "0", "pay", "aborting", "\"waiting\":true") "]}"));
    says(story, "facts", "decided", "cancel");
    says(story, "facts", "acknowledgement_missing", "pay has not cancelled");
    json_decref(story);
    story = story_of(reply_of("{\"protocol\":\"tcc\",\"state\":\"preparing\",\"branches\":[" TRY(
        "0", "pay", "preparing", "\"waiting\":true") "]}"));
    says(story, "facts", "votes", "being tried: 1 of 1");
    says(story, "facts", "vote_missing", "whether its try succeeded");
    json_decref(story);
}

static void test_on_its_way_to_the_disk(void **state)
{
    (void)state;
    static const char *const protocols[] = {"tcc", "saga", "message"};
    for (size_t i = 0; i < 3; i++) {
        char text[100];
        snprintf(text, sizeof text, "{\"protocol\":\"%s\",\"state\":\"admitting\"}", protocols[i]);
        json_t *story = story_of(reply_of(text));
        says(story, "facts", "disk", "is being written");
        json_decref(story);
    }
}

static void test_nonsense(void **state)
{
    (void)state;
    static const char *const parts[] = {
        "\"branches\": {}",
        "\"branches\": [1, null, {}]",
        "\"branches\": [{\"progress\": \"waiting\", \"after\": [\"x\", 77, -1]}]",
        "\"branches\": [{\"progress\": \"to_compensate\", \"after\": 3}]",
        "\"branches\": [{\"progress\": \"pausing\", \"failures\": \"many\"}]",
        "\"reason\": 5, \"branches\": []",
    };
    static const char *const states[] = {"held", "preparing", "committing", "aborting", "ended"};
    for (size_t i = 0; i < sizeof parts / sizeof *parts; i++)
        for (size_t j = 0; j < 10; j++) {
            char text[300];
            snprintf(text, sizeof text, "{\"protocol\":\"%s\",\"state\":\"%s\",%s}",
                     j % 2 ? "saga" : "message", states[j / 2], parts[i]);
            json_decref(story_of(reply_of(text)));
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_step_fails),
        cmocka_unit_test(test_a_step_is_tried),
        cmocka_unit_test(test_forward_after_the_pivot),
        cmocka_unit_test(test_compensating),
        cmocka_unit_test(test_ended),
        cmocka_unit_test(test_message_held),
        cmocka_unit_test(test_message_checked_back),
        cmocka_unit_test(test_message_delivered),
        cmocka_unit_test(test_tcc),
        cmocka_unit_test(test_on_its_way_to_the_disk),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests_name("cli_explain_admitted", tests, NULL, NULL);
}
