// SPDX-License-Identifier: Apache-2.0
// The client's core: requests in flight, and never a guess about them.
#include "client_story.h"

#include <stdio.h>
#include <string.h>

static void a_request_is_sent_and_answered_once(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "pay", 10000);
    story_is(&s, "-> SUBMIT g 0:bank=pay\n");
    assert_int_equal(client_in_flight(s.client), 1);
    story_result(&s, MSG_SUBMIT, "other", OUTCOME_COMMITTED);
    story_result(&s, MSG_STATUS, "g", OUTCOME_COMMITTED);
    story_is(&s, "");
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){.request = UINT64_MAX,
                                       .gtid = story_gtid("g"),
                                       .about = MSG_SUBMIT,
                                       .outcome = OUTCOME_ABORTED,
                                       .finished = 1,
                                       .text = slice_text("no money")};
    story_hear(&s, &msg);
    story_is(&s, "1: OK aborted finished no money\n");
    story_hear(&s, &msg);
    story_is(&s, "");
    assert_int_equal(client_in_flight(s.client), 0);
    story_end(&s);
}

static void what_is_asked_too_early_is_sent_after_the_welcome(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_submit(&s, 1, "a", "1", 0);
    story_ask(&s, ASK_STATUS, 2, "b", 0);
    story_connect(&s);
    story_ask(&s, ASK_CANCEL, 3, "c", 0);
    story_is(&s, "-> HELLO client\n");
    story_welcome(&s, 1, 100);
    story_is(&s, "-> SUBMIT a 0:bank=1\n-> STATUS b\n-> CANCEL c\n");
    story_end(&s);
}

static void a_reconnection_sends_everything_again(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "a", "1", 0);
    story_enlist(&s, 2, "b", 3, 0);
    story_skip(&s);
    story_disconnect(&s);
    story_wait(&s, 30000);
    story_is(&s, "");
    story_connect(&s);
    story_welcome(&s, 1, 100);
    story_is(&s, "-> HELLO client\n-> SUBMIT a 0:bank=1\n-> ENLIST b 3:bank\n");
    story_result(&s, MSG_SUBMIT, "a", OUTCOME_COMMITTED);
    struct msg msg = {.type = MSG_ENLISTED};
    msg.u.enlisted =
        (struct msg_enlisted){.request = UINT64_MAX, .gtid = story_gtid("b"), .branch = 2};
    story_hear(&s, &msg);
    story_is(&s, "1: OK committed\n");
    msg.u.enlisted.branch = 3;
    story_hear(&s, &msg);
    story_is(&s, "2: OK in progress\n");
    story_end(&s);
}

static void an_unanswered_request_is_sent_again_ever_more_rarely(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "a", "1", 0);
    size_t sends = 0;
    for (int i = 0; i < 600; i++) {
        story_wait(&s, 1000);
        story_hear(&s, &(struct msg){.type = MSG_PONG});
        if (i == 99)
            sends = s.sends;
    }
    const char *text = (const char *)s.text.data;
    size_t again = 0;
    for (const char *at = text; (at = strstr(at, "-> SUBMIT a 0:bank=1\n")); at++)
        again++;
    // 3 + 6 s, then every 10 to 12.5 s.
    assert_in_range(again, 48, 63);
    assert_true(sends < s.sends);
    story_end(&s);
}

static void a_great_many_are_sent_again_in_batches(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    enum { MANY = 3 * LIMIT_RESEND_BATCH + 10 };
    for (int i = 0; i < MANY; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "g%d", i);
        story_submit(&s, (token_t)i, gtid, "x", 0);
    }
    story_connect(&s);
    story_skip(&s);
    s.sends = 0;
    story_welcome(&s, 1, 100000);
    assert_int_equal(s.sends, LIMIT_RESEND_BATCH);
    assert_true(client_deadline(s.client) <= s.now.mono_ms);
    story_wait(&s, 0);
    assert_int_equal(s.sends, MANY);
    for (int i = 0; i < MANY; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "g%d", i);
        story_result(&s, MSG_SUBMIT, gtid, OUTCOME_COMMITTED);
    }
    assert_int_equal(client_in_flight(s.client), 0);
    story_end(&s);
}

static void what_refuses_an_earlier_send_says_nothing_of_the_last(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 20000);
    struct msg busy = {.type = MSG_REFUSED};
    busy.u.refused = (struct msg_refused){
        .request = 1, .about = MSG_SUBMIT, .code = ASSENT_BUSY, .gtid = story_gtid("g")};
    story_hear(&s, &busy);
    story_wait(&s, 1000);
    story_is(&s, "-> SUBMIT g 0:bank=1\n-> SUBMIT g 0:bank=1\n");
    story_hear(&s, &busy); // comes twice
    story_disconnect(&s);
    story_wait(&s, 20000);
    story_is(&s, "1: TIMEOUT\n"); // and not that nothing was done
    story_end(&s);
}

static void in_progress_means_waiting_for_a_commit_and_an_answer_to_a_status(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 5000);
    story_ask(&s, ASK_STATUS, 2, "g", 5000);
    story_ask(&s, ASK_CANCEL, 3, "h", 5000);
    story_skip(&s);
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_NONE);
    story_result(&s, MSG_STATUS, "g", OUTCOME_NONE);
    story_result(&s, MSG_CANCEL, "h", OUTCOME_NONE);
    story_is(&s, "2: OK in progress\n");
    story_result(&s, MSG_CANCEL, "h", OUTCOME_UNKNOWN);
    story_is(&s, "3: OK unknown\n");
    story_wait(&s, 4000);
    story_skip(&s);
    story_wait(&s, 1000);
    story_is(&s, "1: TIMEOUT\n");
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_COMMITTED);
    story_is(&s, "");
    story_end(&s);
}

// ---- deadlines ----

static void a_deadline_says_what_is_known(void **state)
{
    (void)state;
    struct story s;
    struct client_config config;
    client_config_defaults(&config);
    config.ping_ms = config.silent_ms = 1000000;
    config.retry_min_ms = config.retry_max_ms = 60000;
    story_begin(&s, &config);
    story_submit(&s, 1, "never-sent", "1", 100);
    story_submit(&s, 2, "late", "1", 300);
    story_wait(&s, 100);
    story_is(&s, "1: UNAVAILABLE\n");
    story_ready(&s);
    story_submit(&s, 3, "busy", "1", 300);
    story_refuse(&s, MSG_SUBMIT, "busy", ASSENT_BUSY);
    story_submit(&s, 4, "unanswered", "1", 300);
    story_skip(&s);
    story_wait(&s, 199);
    story_is(&s, "");
    story_wait(&s, 1);
    story_is(&s, "2: TIMEOUT\n");
    story_wait(&s, 100);
    story_is(&s, "3: BUSY\n4: TIMEOUT\n");
    assert_int_equal(client_in_flight(s.client), 0);
    story_end(&s);
}

static void an_ask_whose_deadline_has_passed_is_not_sent(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    struct event event = {.type = EVENT_ASK, .now = s.now};
    event.u.ask = (struct event_ask){.token = 9, .kind = ASK_STATUS, .deadline_ms = s.now.mono_ms};
    event.u.ask.u.gtid.gtid = story_gtid("g");
    effects_reset(&s.fx);
    client_step(s.client, &event, &s.fx);
    assert_int_equal(s.fx.count, 1);
    assert_int_equal(s.fx.items[0].type, EFFECT_COMPLETE);
    assert_int_equal(s.fx.items[0].u.complete.code, ASSENT_UNAVAILABLE);
    story_end(&s);
}

static void giving_up_completes(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 0);
    story_submit(&s, 2, "g", "1", 0);
    story_skip(&s);
    struct event event = {.type = EVENT_GIVE_UP, .now = s.now};
    event.u.give_up = 1;
    effects_reset(&s.fx);
    client_step(s.client, &event, &s.fx);
    assert_int_equal(s.fx.items[0].u.complete.code, ASSENT_CLOSED);
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_COMMITTED);
    story_is(&s, "2: OK committed\n");
    story_end(&s);
}

// ---- refusals ----

static void busy_is_tried_again_with_backoff(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 0);
    story_skip(&s);
    uint64_t before_ms = 0;
    for (int i = 0; i < 5; i++) {
        story_refuse(&s, MSG_SUBMIT, "g", ASSENT_BUSY);
        story_is(&s, "");
        uint64_t wait_ms = client_deadline(s.client) - s.now.mono_ms;
        assert_true(wait_ms > before_ms);
        before_ms = wait_ms;
        story_wait(&s, wait_ms);
        story_is(&s, "-> SUBMIT g 0:bank=1\n");
    }
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_COMMITTED);
    story_is(&s, "1: OK committed\n");
    story_end(&s);
}

static void other_refusals_complete(void **state)
{
    (void)state;
    static const struct {
        enum assent_code code;
        const char *story;
    } cases[] = {
        {ASSENT_LIMIT, "1: LIMIT\n"},
        {ASSENT_DENIED, "1: DENIED\n"},
        {ASSENT_CONFLICT, "1: CONFLICT\n"},
        {ASSENT_STATE, "1: STATE\n"},
        {ASSENT_UNAVAILABLE, "1: UNAVAILABLE\n"},
        {ASSENT_CLOSED, "1: UNAVAILABLE\n"}, // it is the coordinator that closes, not the caller
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct story s;
        story_begin(&s, NULL);
        story_ready(&s);
        story_submit(&s, 1, "g", "1", 0);
        story_skip(&s);
        story_refuse(&s, MSG_SUBMIT, "h", cases[i].code);
        story_refuse(&s, MSG_STATUS, "g", cases[i].code);
        story_is(&s, "");
        story_refuse(&s, MSG_SUBMIT, "g", cases[i].code);
        story_is(&s, cases[i].story);
        story_end(&s);
    }
}

// The reply of a first send was lost. What comes then is a refusal of the second, but the first may
// have committed, so "refused, no effect" would be a lie.
static void a_refusal_does_not_hide_what_an_earlier_send_did(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 20000);
    story_disconnect(&s);
    story_connect(&s);
    story_welcome(&s, 1, 100);
    story_skip(&s);
    story_refuse(&s, MSG_SUBMIT, "g", ASSENT_LIMIT);
    story_is(&s, "");
    story_wait(&s, 100);
    story_is(&s, "-> SUBMIT g 0:bank=1\n");
    story_refuse(&s, MSG_SUBMIT, "g", ASSENT_BUSY);
    story_disconnect(&s);
    story_wait(&s, 20000);
    story_is(&s, "1: TIMEOUT\n");
    story_end(&s);
}

// The same request twice is one transaction: what refuses the second send says nothing of the
// first, whoever of the two asked it.
static void nor_what_another_of_the_same_did(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 20000);
    story_submit(&s, 2, "g", "1", 20000);
    story_skip(&s);
    story_refuse(&s, MSG_SUBMIT, "g", ASSENT_CLOSED);
    story_is(&s, "");
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_COMMITTED);
    story_is(&s, "1: OK committed\n2: OK committed\n");
    story_end(&s);
}

// Another coordinator answers at the same place: its log says nothing of what the first one did.
static void what_one_coordinator_was_asked_another_is_not(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "sent", "1", 20000);
    story_ask(&s, ASK_STATUS, 2, "question", 20000);
    story_submit(&s, 3, "refused", "1", 20000);
    story_refuse(&s, MSG_SUBMIT, "refused", ASSENT_BUSY);
    story_disconnect(&s);
    story_submit(&s, 4, "unsent", "1", 20000);
    story_skip(&s);
    s.header.coordinator++;
    story_connect(&s);
    story_welcome(&s, 1, 100);
    story_is(&s, "-> HELLO client\n1: TIMEOUT\n-> STATUS question\n"
                 "-> SUBMIT refused 0:bank=1\n-> SUBMIT unsent 0:bank=1\n");
    story_end(&s);
}

static void a_refusal_after_in_progress_is_no_proof_either(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 20000);
    story_skip(&s);
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_NONE);
    story_refuse(&s, MSG_SUBMIT, "g", ASSENT_CLOSED);
    story_is(&s, "");
    // A conflict was read from the register: under this gtid stands something else.
    story_refuse(&s, MSG_SUBMIT, "g", ASSENT_CONFLICT);
    story_is(&s, "1: CONFLICT\n");
    story_end(&s);
}

static void a_refused_session_refuses_what_was_never_sent(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "sent", "1", 0);
    story_disconnect(&s);
    story_submit(&s, 2, "unsent", "1", 0);
    story_connect(&s);
    story_skip(&s);
    story_refuse(&s, MSG_HELLO, NULL, ASSENT_BUSY);
    story_is(&s, "");
    story_refuse(&s, MSG_HELLO, NULL, ASSENT_DENIED);
    story_is(&s, "2: DENIED\n");
    story_wait(&s, 4000);
    story_is(&s, "-> HELLO client\n");
    story_end(&s);
}

// ---- several for one gtid ----

// A question has no effect that a refusal could hide.
static void a_question_that_two_ask_is_refused_to_both(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_ask(&s, ASK_STATUS, 1, "g", 20000);
    story_ask(&s, ASK_STATUS, 2, "g", 20000);
    story_skip(&s);
    story_refuse(&s, MSG_STATUS, "g", ASSENT_DENIED);
    story_is(&s, "1: DENIED\n2: DENIED\n");
    story_end(&s);
}

static void the_same_request_twice_gets_the_same_answer(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "1", 0);
    story_submit(&s, 2, "g", "1", 0);
    story_submit(&s, 3, "g", "1", 200);
    story_skip(&s);
    story_submit(&s, 4, "g", "2", 0);
    story_is(&s, "4: CONFLICT\n");
    story_wait(&s, 200);
    story_is(&s, "3: TIMEOUT\n");
    story_result(&s, MSG_SUBMIT, "g", OUTCOME_COMMITTED);
    story_is(&s, "1: OK committed\n2: OK committed\n");
    story_submit(&s, 5, "g", "2", 0);
    story_is(&s, "-> SUBMIT g 0:bank=2\n");
    story_end(&s);
}

static void there_is_a_limit(void **state)
{
    (void)state;
    struct story s;
    struct client_config config;
    client_config_defaults(&config);
    config.asks_max = 2;
    story_begin(&s, &config);
    story_ready(&s);
    story_submit(&s, 1, "a", "1", 0);
    story_submit(&s, 2, "b", "1", 0);
    story_skip(&s);
    story_submit(&s, 3, "c", "1", 0);
    story_is(&s, "3: BUSY\n");
    story_result(&s, MSG_SUBMIT, "a", OUTCOME_COMMITTED);
    story_skip(&s);
    story_submit(&s, 3, "c", "1", 0);
    story_is(&s, "-> SUBMIT c 0:bank=1\n");
    story_end(&s);
}

// ---- waiting for the end ----

static void submit_to_the_end(struct story *s, uint64_t ms)
{
    struct msg_branch branch = {.kind = BRANCH_CALL, .resource = slice_text("bank")};
    struct event event = {.type = EVENT_ASK, .now = s->now};
    event.u.ask =
        (struct event_ask){.token = 1, .kind = ASK_SUBMIT, .deadline_ms = s->now.mono_ms + ms};
    event.u.ask.u.submit = (struct msg_submit){.gtid = story_gtid("g"),
                                               .protocol = PROTOCOL_2PC,
                                               .flags = SUBMIT_WAIT_DONE,
                                               .branch_count = 1,
                                               .branches = &branch};
    effects_reset(&s->fx);
    client_step(s->client, &event, &s->fx);
    assert_int_equal(s->fx.count, 1);
}

static void hear_committed(struct story *s, bool finished)
{
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){.request = UINT64_MAX,
                                       .gtid = story_gtid("g"),
                                       .about = MSG_SUBMIT,
                                       .outcome = OUTCOME_COMMITTED,
                                       .finished = finished,
                                       .text = slice_text("so be it")};
    story_hear(s, &msg);
}

static void who_waits_for_the_end_gets_the_end(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    submit_to_the_end(&s, 20000);
    hear_committed(&s, false);
    story_is(&s, "");
    hear_committed(&s, true);
    story_is(&s, "1: OK committed finished so be it\n");
    story_end(&s);
}

static void an_end_that_cannot_come_still_has_an_outcome(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    submit_to_the_end(&s, 20000);
    hear_committed(&s, false);
    s.header.coordinator++;
    story_disconnect(&s);
    story_connect(&s);
    story_skip(&s);
    story_welcome(&s, 1, 100);
    story_is(&s, "1: OK committed so be it\n");
    story_end(&s);
}

static void an_end_that_does_not_come_still_has_an_outcome(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    submit_to_the_end(&s, 2000);
    hear_committed(&s, false);
    story_disconnect(&s);
    story_wait(&s, 1999);
    story_is(&s, "");
    story_wait(&s, 1);
    story_is(&s, "1: OK committed so be it\n");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_sent_and_answered_once),
        cmocka_unit_test(what_is_asked_too_early_is_sent_after_the_welcome),
        cmocka_unit_test(a_reconnection_sends_everything_again),
        cmocka_unit_test(an_unanswered_request_is_sent_again_ever_more_rarely),
        cmocka_unit_test(a_great_many_are_sent_again_in_batches),
        cmocka_unit_test(what_refuses_an_earlier_send_says_nothing_of_the_last),
        cmocka_unit_test(in_progress_means_waiting_for_a_commit_and_an_answer_to_a_status),
        cmocka_unit_test(a_deadline_says_what_is_known),
        cmocka_unit_test(an_ask_whose_deadline_has_passed_is_not_sent),
        cmocka_unit_test(giving_up_completes),
        cmocka_unit_test(busy_is_tried_again_with_backoff),
        cmocka_unit_test(other_refusals_complete),
        cmocka_unit_test(a_refusal_does_not_hide_what_an_earlier_send_did),
        cmocka_unit_test(nor_what_another_of_the_same_did),
        cmocka_unit_test(what_one_coordinator_was_asked_another_is_not),
        cmocka_unit_test(a_refusal_after_in_progress_is_no_proof_either),
        cmocka_unit_test(a_refused_session_refuses_what_was_never_sent),
        cmocka_unit_test(a_question_that_two_ask_is_refused_to_both),
        cmocka_unit_test(the_same_request_twice_gets_the_same_answer),
        cmocka_unit_test(there_is_a_limit),
        cmocka_unit_test(who_waits_for_the_end_gets_the_end),
        cmocka_unit_test(an_end_that_cannot_come_still_has_an_outcome),
        cmocka_unit_test(an_end_that_does_not_come_still_has_an_outcome),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
