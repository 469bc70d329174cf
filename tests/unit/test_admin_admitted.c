// SPDX-License-Identifier: Apache-2.0
// What operators are told of tcc transactions, sagas and messages: in memory, and on record.
#include <stdio.h>
#include <stdlib.h>

#include "admin_desk.h"

static struct msg_branch branch(unsigned number, enum branch_kind kind, const char *resource)
{
    return (struct msg_branch){.branch = (uint16_t)number,
                               .kind = (uint8_t)kind,
                               .resource = slice_text(resource),
                               .payload = slice_text(kind == BRANCH_SENDER ? "" : "content")};
}

static void begin(struct admin_desk *a, const char *gtid, enum protocol protocol, unsigned flags,
                  const struct msg_branch *branches, unsigned count)
{
    struct msg msg = {.type = MSG_SUBMIT,
                      .u.submit = {.gtid = desk_own(gtid),
                                   .protocol = (uint8_t)protocol,
                                   .flags = (uint8_t)flags,
                                   .branch_count = (uint16_t)count,
                                   .branches = branches}};
    a->d.at = a->d.fx.count;
    desk_receive(&a->d, CLIENT, "alice", &msg);
    desk_found(&a->d, NULL, 0);
    desk_expect_write(&a->d, STAGE_ADMITTED, OUTCOME_NONE, false);
}

static const json_t *show(struct admin_desk *a, const char *gtid)
{
    char json[100];
    a->d.at = a->d.fx.count;
    snprintf(json, sizeof json, "{\"gtid\": \"%s\"}", gtid);
    return at(admin_expect(a, "show", json, ASSENT_OK), "transaction");
}

static void says(const json_t *json, const char *path, const char *text)
{
    assert_string_equal(text_at(json, path), text);
}

static void answer(struct admin_desk *a, peer_t peer, const struct msg_prepare *prepare,
                   enum vote vote, struct slice text)
{
    struct msg msg = {.type = MSG_VOTE,
                      .u.vote = {.gtid = prepare->gtid,
                                 .attempt = prepare->attempt,
                                 .branch = prepare->branch,
                                 .vote = (uint8_t)vote,
                                 .text = text}};
    a->d.at = a->d.fx.count;
    desk_receive(&a->d, peer, "alice", &msg);
}

static struct msg_prepare asked(struct admin_desk *a, peer_t peer)
{
    return desk_expect(&a->d, peer, MSG_PREPARE)->u.prepare;
}

// Two steps; the second fails at first, then for good; the first is compensated.
static void test_saga(void **state)
{
    struct admin_desk *a = *state;
    struct msg_branch steps[] = {branch(0, BRANCH_STEP, "bank-a"),
                                 branch(1, BRANCH_STEP, "bank-b")};
    steps[1].plan = (struct branch_plan){.after = 1, .attempts = 2, .backoff_ms = 1000};
    begin(a, "trip", PROTOCOL_SAGA, 0, steps, 2);
    const json_t *t = show(a, "trip");
    says(t, "state", "admitting");
    says(t, "protocol", "saga");
    desk_written(&a->d);
    struct msg_prepare prepare = asked(a, PEER_A);
    t = show(a, "trip");
    says(t, "state", "preparing");
    assert_true(json_is_false(at(t, "in_doubt")));
    says(t, "branches.0.kind", "step");
    says(t, "branches.0.progress", "trying");
    assert_int_equal(number_at(t, "branches.0.attempt_ends_ms"), 10000);
    says(t, "branches.1.progress", "waiting");
    assert_int_equal(number_at(t, "branches.1.after.0"), 0);
    assert_int_equal(number_at(t, "branches.1.attempts"), 2);
    assert_int_equal(number_at(t, "branches.1.payload_bytes"), 7);
    answer(a, PEER_A, &prepare, VOTE_YES, slice_text("seat 12"));
    prepare = asked(a, PEER_B);
    t = show(a, "trip");
    says(t, "branches.0.progress", "succeeded");
    says(t, "branches.0.result", "seat 12");
    assert_true(json_is_null(at(t, "trouble")));
    answer(a, PEER_B, &prepare, VOTE_RETRY, slice_text("no rooms"));
    t = show(a, "trip");
    says(t, "branches.1.progress", "pausing");
    says(t, "branches.1.trouble", "no rooms");
    assert_int_equal(number_at(t, "branches.1.failures"), 1);
    assert_in_range(number_at(t, "branches.1.next_attempt_ms"), 1000, 1250);
    says(t, "trouble.participant", "bank-b");
    says(t, "trouble.text", "no rooms");
    says(t, "waiting_for.0", "bank-b");
    assert_in_range(number_at(t, "next_retry_ms"), 1000, 1250);
    desk_pass(&a->d, 1250);
    prepare = asked(a, PEER_B);
    answer(a, PEER_B, &prepare, VOTE_RETRY, slice_text("still none"));
    desk_expect_write(&a->d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(&a->d);
    t = show(a, "trip");
    says(t, "state", "aborting");
    says(t, "branches.0.progress", "to_compensate"); // after the other
    says(t, "branches.1.progress", "compensating");
    says(t, "reason.detail", "step 1 failed 2 times: still none");
}

static void test_results_that_are_no_text(void **state)
{
    struct admin_desk *a = *state;
    struct msg_branch steps[] = {branch(0, BRANCH_STEP, "bank-a"),
                                 branch(1, BRANCH_STEP, "bank-b")};
    steps[1].plan.after = 1;
    begin(a, "raw", PROTOCOL_SAGA, 0, steps, 2);
    desk_written(&a->d);
    struct msg_prepare prepare = asked(a, PEER_A);
    answer(a, PEER_A, &prepare, VOTE_YES, slice_of("\x01\xff\0", 3));
    const json_t *t = show(a, "raw");
    assert_true(json_is_null(at(t, "branches.0.result")));
    says(t, "branches.0.result_hex", "01ff00");
}

static void test_message(void **state)
{
    struct admin_desk *a = *state;
    struct msg_branch branches[] = {branch(0, BRANCH_SENDER, "bank-a"),
                                    branch(1, BRANCH_CONSUMER, "bank-b")};
    branches[1].plan.delay_ms = 700;
    begin(a, "note", PROTOCOL_MESSAGE, SUBMIT_HOLD, branches, 2);
    desk_written(&a->d);
    const json_t *t = show(a, "note");
    says(t, "state", "held");
    assert_true(json_is_null(at(t, "deadline_ms")));
    assert_int_equal(number_at(t, "check_back_ms"), 10000);
    says(t, "branches.0.progress", "waiting");
    admin_expect(a, "list", "{\"states\": [\"held\"], \"protocols\": [\"message\"]}", ASSENT_OK);
    assert_int_equal(json_array_size(at(a->reply, "transactions")), 1);
    admin_expect(a, "list", "{\"protocols\": [\"saga\", \"2pc\", \"tcc\"]}", ASSENT_OK);
    assert_int_equal(json_array_size(at(a->reply, "transactions")), 0);
    admin_expect(a, "list", "{\"protocols\": [\"pigeon\"]}", ASSENT_INVALID);
    desk_pass(&a->d, 10000);
    struct msg_prepare prepare = asked(a, PEER_A);
    t = show(a, "note");
    says(t, "state", "preparing");
    says(t, "branches.0.progress", "asked");
    answer(a, PEER_A, &prepare, VOTE_YES, slice_text(""));
    desk_expect_write(&a->d, STAGE_DECIDED, OUTCOME_COMMITTED, false);
    desk_written(&a->d);
    t = show(a, "note");
    says(t, "branches.0.progress", "sent");
    says(t, "branches.1.progress", "delayed");
    assert_int_equal(number_at(t, "branches.1.delay_ms"), 700);
    assert_int_equal(number_at(t, "branches.1.next_attempt_ms"), 700);
    desk_pass(&a->d, 700);
    prepare = asked(a, PEER_B);
    says(show(a, "note"), "branches.1.progress", "delivering");
    answer(a, PEER_B, &prepare, VOTE_RETRY, slice_text("table is locked"));
    t = show(a, "note");
    says(t, "branches.1.progress", "pausing");
    says(t, "trouble.text", "table is locked");
}

static void test_tcc(void **state)
{
    struct admin_desk *a = *state;
    struct msg_branch branches[] = {branch(0, BRANCH_CALL, "bank-a"),
                                    branch(1, BRANCH_CALL, "bank-b")};
    begin(a, "pay", PROTOCOL_TCC, 0, branches, 2);
    desk_written(&a->d);
    struct msg_prepare first = asked(a, PEER_A), second = asked(a, PEER_B);
    says(show(a, "pay"), "branches.0.progress", "trying");
    answer(a, PEER_A, &first, VOTE_YES, slice_text(""));
    const json_t *t = show(a, "pay");
    says(t, "branches.0.progress", "tried");
    assert_true(json_is_true(at(t, "in_doubt")));
    answer(a, PEER_B, &second, VOTE_NO, slice_text("no money"));
    desk_expect_write(&a->d, STAGE_DECIDED, OUTCOME_ABORTED, false);
    desk_written(&a->d);
    t = show(a, "pay");
    says(t, "branches.0.progress", "cancelling");
    says(t, "branches.1.progress", "cancelling"); // a late copy of the try may have reached it
    says(t, "branches.1.vote", "no");
}

// ---- every allocation of the JSON library fails in turn ----

static long allocations_left;

static void *failing_malloc(size_t size)
{
    return allocations_left > 0 && allocations_left-- > 0 ? malloc(size) : NULL;
}

static int ask_with_failures(struct admin_desk *a, const char *verb, const char *json, long k)
{
    unsigned before = a->replies;
    allocations_left = k;
    json_set_alloc_funcs(failing_malloc, free);
    const struct admin_caller caller = {
        .peer = OPERATOR_PEER, .role = ROLE_OPERATOR, .grant = &a->grant};
    const struct msg_admin request = {.id = 1, .verb = slice_text(verb), .json = slice_text(json)};
    admin_receive(a->admin, &caller, &request);
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(a->replies, before + 1);
    return a->code;
}

static void test_memory_runs_out(void **state)
{
    struct admin_desk *a = *state;
    struct msg_branch steps[] = {branch(0, BRANCH_STEP, "bank-a"),
                                 branch(1, BRANCH_STEP, "bank-b")};
    steps[1].plan.after = 1;
    begin(a, "trip", PROTOCOL_SAGA, 0, steps, 2);
    desk_written(&a->d);
    struct msg_prepare prepare = asked(a, PEER_A);
    answer(a, PEER_A, &prepare, VOTE_YES, slice_of("\x01", 1));
    prepare = asked(a, PEER_B);
    answer(a, PEER_B, &prepare, VOTE_RETRY, slice_text("no rooms"));
    static const char *const cases[][2] = {{"show", "{\"gtid\": \"trip\"}"},
                                           {"list", "{\"protocols\": [\"saga\"]}"}};
    for (size_t i = 0; i < 2; i++) {
        long k = 0;
        for (int code; (code = ask_with_failures(a, cases[i][0], cases[i][1], k)); k++)
            assert_true(code == ASSENT_NOMEM || code == ASSENT_INVALID);
        assert_true(k > 50);
    }
}

// ---- on record ----

static const json_t *recorded(struct admin_desk *a, const struct tx_record *record)
{
    char json[100];
    snprintf(json, sizeof json, "{\"gtid\": \"%.*s\"}", record->gtid.size, record->gtid.text);
    assert_null(admin_ask(a, "show", json));
    admin_found(a, record, 0);
    assert_int_equal(a->code, ASSENT_OK);
    return at(a->reply, "transaction");
}

static void test_saga_on_record(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record record = admin_record("old", OUTCOME_ABORTED, a->d.now.wall_ms - 1000);
    struct record_branch steps[6];
    for (unsigned i = 0; i < 6; i++)
        steps[i] = (struct record_branch){.branch = (uint16_t)i,
                                          .kind = BRANCH_STEP,
                                          .resource = slice_text("bank-a"),
                                          .asked = i < 4};
    steps[0].vote = VOTE_YES;
    steps[0].outcome = OUTCOME_ABORTED;
    steps[0].result = slice_text("seat 12");
    steps[1].vote = VOTE_YES;
    steps[1].outcome = OUTCOME_COMMITTED;
    steps[1].plan.flags = STEP_KEPT;
    steps[2].vote = VOTE_NO;
    steps[2].plan = (struct branch_plan){.after = 3, .flags = STEP_PIVOT};
    record.protocol = PROTOCOL_SAGA;
    record.submitted = 1;
    record.branches = steps;
    // It cannot be undone, and never said whether it was done.
    steps[5].outcome = OUTCOME_UNKNOWN;
    steps[5].plan.flags = STEP_KEPT;
    record.branch_count = 6;
    const json_t *t = recorded(a, &record);
    says(t, "state", "ended");
    says(t, "branches.0.progress", "compensated");
    says(t, "branches.0.result", "seat 12");
    says(t, "branches.1.progress", "kept");
    assert_true(json_is_true(at(t, "branches.1.kept")));
    says(t, "branches.2.progress", "refused");
    assert_true(json_is_true(at(t, "branches.2.pivot")));
    assert_int_equal(json_array_size(at(t, "branches.2.after")), 2);
    says(t, "branches.3.progress", "forgotten"); // asked, and never said what it did
    says(t, "branches.3.state", "forgotten");
    says(t, "branches.4.progress", "untouched");
    says(t, "branches.5.progress", "unknown");
}

static void test_message_on_record(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record record = admin_record("sent", OUTCOME_COMMITTED, a->d.now.wall_ms - 1000);
    struct record_branch branches[] = {
        {.kind = BRANCH_SENDER, .resource = slice_text("shop"), .vote = VOTE_YES},
        {.branch = 1, .kind = BRANCH_CONSUMER, .resource = slice_text("mail")},
        {.branch = 2, .kind = BRANCH_CONSUMER, .resource = slice_text("stock")},
    };
    branches[1].outcome = OUTCOME_COMMITTED;
    record.protocol = PROTOCOL_MESSAGE;
    record.branches = branches;
    record.branch_count = 3;
    const json_t *t = recorded(a, &record);
    says(t, "branches.0.progress", "sent");
    says(t, "branches.0.state", "done");
    says(t, "branches.1.progress", "delivered");
    says(t, "branches.2.progress", "forgotten");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, admin_desk_setup, admin_desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_saga),
        T(test_results_that_are_no_text),
        T(test_message),
        T(test_tcc),
        T(test_saga_on_record),
        T(test_message_on_record),
        T(test_memory_runs_out),
    };
    return cmocka_run_group_tests_name("admin_admitted", tests, NULL, NULL);
}
