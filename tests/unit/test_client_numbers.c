// SPDX-License-Identifier: Apache-2.0
// The client's core, and answers that name the request that they answer: late ones, repeated ones,
// and ones for another.
#include "client_story.h"

static void hear_refused(struct story *s, enum msg_type about, uint64_t request, const char *gtid,
                         enum assent_code code)
{
    struct msg msg = {.type = MSG_REFUSED};
    msg.u.refused =
        (struct msg_refused){.request = request, .about = (uint8_t)about, .code = (uint16_t)code};
    if (gtid)
        msg.u.refused.gtid = story_gtid(gtid);
    story_hear(s, &msg);
}

// An answer that was long under way: the client has asked the same again meanwhile, and what was
// true for the first request need not be for the second.
static void an_answer_is_for_what_was_sent_by_then(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_ask(&s, ASK_STATUS, 1, "g", 20000);
    story_ask(&s, ASK_STATUS, 2, "g", 20000);
    story_skip(&s);
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){
        .request = 1, .gtid = story_gtid("g"), .about = MSG_STATUS, .outcome = OUTCOME_UNKNOWN};
    story_hear(&s, &msg);
    story_is(&s, "1: OK unknown\n");
    story_hear(&s, &msg);
    story_is(&s, "");
    msg.u.result.request = 2;
    msg.u.result.outcome = OUTCOME_COMMITTED;
    story_hear(&s, &msg);
    story_is(&s, "2: OK committed\n");
    // Another content, and an answer to the first.
    story_submit(&s, 3, "h", "1", 100);
    story_wait(&s, 100);
    story_submit(&s, 4, "h", "2", 20000);
    story_is(&s, "-> SUBMIT h 0:bank=1\n3: TIMEOUT\n-> SUBMIT h 0:bank=2\n");
    msg.u.result = (struct msg_result){
        .request = 3, .gtid = story_gtid("h"), .about = MSG_SUBMIT, .outcome = OUTCOME_COMMITTED};
    story_hear(&s, &msg);
    struct msg refused = {.type = MSG_REFUSED};
    refused.u.refused = (struct msg_refused){
        .request = 3, .about = MSG_SUBMIT, .code = ASSENT_LIMIT, .gtid = story_gtid("h")};
    story_hear(&s, &refused);
    story_is(&s, "");
    refused.u.refused.request = 4;
    refused.u.refused.code = ASSENT_CONFLICT;
    story_hear(&s, &refused);
    story_is(&s, "4: CONFLICT\n");
    story_end(&s);
}

// A request is asked for again after the refusal of its first send. That refusal comes once more:
// it says nothing of the second send, which is under way and may have an effect.
static void a_refusal_is_of_the_send_that_it_names(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 3000);
    hear_refused(&s, MSG_SUBMIT, 1, "g", ASSENT_BUSY);
    story_wait(&s, 100);
    story_is(&s, "-> SUBMIT g 0:bank=1\n-> SUBMIT g 0:bank=1\n");
    hear_refused(&s, MSG_SUBMIT, 1, "g", ASSENT_BUSY);
    hear_refused(&s, MSG_SUBMIT, 1, "g", ASSENT_LIMIT);
    hear_refused(&s, MSG_SUBMIT, 1, "g", ASSENT_STATE);
    story_disconnect(&s);
    story_wait(&s, 3000);
    story_is(&s, "1: TIMEOUT\n");
    story_end(&s);
}

// Answers that were long under way may name a request of an ask that has ended, too.
static void an_ask_that_has_ended_leaves_its_answer_to_nobody(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_ask(&s, ASK_STATUS, 1, "g", 100);
    story_wait(&s, 100);
    story_ask(&s, ASK_STATUS, 2, "g", 20000);
    story_is(&s, "-> STATUS g\n1: TIMEOUT\n-> STATUS g\n");
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){
        .request = 1, .gtid = story_gtid("g"), .about = MSG_STATUS, .outcome = OUTCOME_NONE};
    story_hear(&s, &msg);
    msg.u.result.outcome = OUTCOME_UNKNOWN;
    story_hear(&s, &msg);
    hear_refused(&s, MSG_STATUS, 1, "g", ASSENT_DENIED);
    hear_refused(&s, MSG_STATUS, 0, "g", ASSENT_DENIED);
    hear_refused(&s, MSG_STATUS, 1, NULL, ASSENT_DENIED);
    story_is(&s, "");
    msg.u.result.request = 2;
    story_hear(&s, &msg);
    story_is(&s, "2: OK unknown\n");
    story_end(&s);
}

// What is wrong with one branch is not wrong with another that is being enlisted next to it.
static void a_conflict_is_of_one_branch(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_enlist(&s, 1, "g", 0, 0);
    story_enlist(&s, 2, "g", 1, 0);
    story_is(&s, "-> ENLIST g 0:bank\n-> ENLIST g 1:bank\n");
    hear_refused(&s, MSG_ENLIST, 2, "g", ASSENT_CONFLICT);
    story_is(&s, "2: CONFLICT\n");
    // The coordinator answers a whole transaction once, by the newest number.
    hear_refused(&s, MSG_ENLIST, 2, "g", ASSENT_STATE);
    story_is(&s, "1: STATE\n");
    story_end(&s);
}

static void a_refusal_without_a_gtid_is_for_its_request(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "a", "1", 0);
    story_submit(&s, 2, "b", "1", 0);
    story_ask(&s, ASK_STATUS, 3, "a", 0);
    story_skip(&s);
    hear_refused(&s, MSG_SUBMIT, 3, NULL, ASSENT_DENIED); // that is the STATUS
    story_is(&s, "");
    hear_refused(&s, MSG_SUBMIT, 2, NULL, ASSENT_DENIED);
    story_is(&s, "2: DENIED\n");
    hear_refused(&s, MSG_SUBMIT, 1, NULL, ASSENT_DENIED);
    story_is(&s, "1: DENIED\n");
    assert_int_equal(client_in_flight(s.client), 1);
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_is_for_what_was_sent_by_then),
        cmocka_unit_test(a_refusal_is_of_the_send_that_it_names),
        cmocka_unit_test(an_ask_that_has_ended_leaves_its_answer_to_nobody),
        cmocka_unit_test(a_conflict_is_of_one_branch),
        cmocka_unit_test(a_refusal_without_a_gtid_is_for_its_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
