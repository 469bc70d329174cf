// SPDX-License-Identifier: Apache-2.0
// Branches of admitted protocols at the edges of the participant's core: what a step returns, kinds
// that do not go together, memory.
#include "bench.h"

static struct msg ask(unsigned n, enum protocol protocol, enum branch_kind kind, unsigned flags)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = bench_gtid_of(n),
        .attempt = bench_attempt(n),
        .protocol = (uint8_t)protocol,
        .kind = (uint8_t)kind,
        .flags = (uint8_t)flags,
        .payload = slice_text("work"),
    };
    return msg;
}

static void done_with(struct bench *b, struct slice text)
{
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = bench_expect(b, EFFECT_CALL)->u.call.token;
    event.u.called.text = text;
    bench_step(b, &event);
}

// Any bytes, cut at their limit; a reason is text.
static void results_are_bytes(void **state)
{
    (void)state;
    struct bench b;
    uint8_t bytes[LIMIT_RESULT_BYTES + 40];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 7);
    struct slice kept = slice_of(bytes, LIMIT_RESULT_BYTES);
    bench_ready(&b);
    struct msg msg = ask(1, PROTOCOL_SAGA, BRANCH_STEP, 0);
    msg.u.prepare.inputs = slice_of("\3\0\2\0ab", 6);
    bench_receive(&b, &msg);
    struct slice inputs = bench_expect(&b, EFFECT_CALL)->u.call.inputs;
    assert_true(slice_equal(inputs, msg.u.prepare.inputs));
    done_with(&b, slice_of(bytes, sizeof bytes));
    const struct effect_write *write = &bench_expect(&b, EFFECT_WRITE)->u.write;
    assert_true(write->open);
    assert_true(slice_equal(write->branch->result, kept));
    assert_true(slice_equal(write->branch->payload, slice_text("work")));
    bench_written(&b);
    assert_true(slice_equal(bench_expect_send(&b, MSG_VOTE)->u.vote.text, kept));
    bench_decide(&b, MSG_COMMIT, 1, 0);
    assert_int_equal(bench_count(&b, EFFECT_CALL), 0);
    write = &bench_expect(&b, EFFECT_WRITE)->u.write;
    assert_true(write->open);
    assert_true(slice_equal(write->branch->result, kept));
    assert_int_equal(write->branch->payload.size, 0);
    bench_written(&b);
    const struct msg_done *done = &bench_expect_send(&b, MSG_DONE)->u.done;
    assert_int_equal(done->flags, DONE_RESULT);
    assert_true(slice_equal(done->result, kept));
    msg = ask(2, PROTOCOL_SAGA, BRANCH_STEP, 0);
    bench_receive(&b, &msg);
    struct event event = {.type = EVENT_CALLED};
    memset(bytes, 'x', sizeof bytes);
    event.u.called = (struct event_called){.token = bench_expect(&b, EFFECT_CALL)->u.call.token,
                                           .result = RM_NO,
                                           .text = slice_of(bytes, sizeof bytes)};
    bench_step(&b, &event);
    assert_int_equal(bench_expect_send(&b, MSG_VOTE)->u.vote.text.size, LIMIT_REASON_BYTES);
    bench_close(&b);
}

static void kinds_belong_to_protocols(void **state)
{
    (void)state;
    static const struct {
        enum protocol protocol;
        enum branch_kind kind;
        enum vote vote;
    } wrong[] = {
        {PROTOCOL_TCC, BRANCH_STEP, VOTE_RETRY},      {PROTOCOL_SAGA, BRANCH_CALL, VOTE_RETRY},
        {PROTOCOL_MESSAGE, BRANCH_STEP, VOTE_RETRY},  {PROTOCOL_SAGA, BRANCH_CONSUMER, VOTE_RETRY},
        {PROTOCOL_MESSAGE, BRANCH_TOPIC, VOTE_RETRY}, {PROTOCOL_3PC, BRANCH_STEP, VOTE_NO},
        {PROTOCOL_MESSAGE + 1, BRANCH_CALL, VOTE_NO},
    };
    struct bench b;
    bench_ready(&b);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct msg msg = ask(1, wrong[i].protocol, wrong[i].kind, 0);
        bench_receive(&b, &msg);
        assert_int_equal(bench_expect_send(&b, MSG_VOTE)->u.vote.vote, wrong[i].vote);
        assert_int_equal(bench_stats(&b).branches, 0);
    }
    struct branch_record record = {.gtid = bench_gtid_of(1)};
    bench_step(&b, &(struct event){.type = EVENT_WORKING, .u.branch = &record});
    struct msg msg = ask(1, PROTOCOL_SAGA, BRANCH_CALL, 0);
    bench_receive(&b, &msg);
    assert_int_equal(bench_expect_send(&b, MSG_VOTE)->u.vote.vote, VOTE_RETRY);
    assert_int_equal(bench_stats(&b).branches, 1);
    bench_close(&b);
}

static struct branch_record kept(unsigned n, enum journal_stage stage, enum outcome outcome)
{
    return (struct branch_record){
        .gtid = bench_gtid_of(n),
        .attempt = bench_attempt(n),
        .coordinator = BENCH_COORDINATOR,
        .protocol = PROTOCOL_SAGA,
        .kind = BRANCH_STEP,
        .stage = (uint8_t)stage,
        .outcome = (uint8_t)outcome,
        .payload = slice_text("work"),
        .result = slice_text("ticket"),
    };
}

static void the_journal_has_it_all(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.config.rm_durable = true;
    bench_start(&b);
    struct branch_record records[] = {
        kept(1, JOURNAL_PREPARED, OUTCOME_NONE),
        kept(2, JOURNAL_DECIDED, OUTCOME_COMMITTED), // by an operator's word
        kept(3, JOURNAL_FINISHED, OUTCOME_COMMITTED),
    };
    records[1].heuristic = true;
    for (unsigned i = 0; i < 3; i++)
        bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &records[i]});
    // Nothing that a resource manager calls prepared is one of these.
    for (unsigned i = 0; i < 3; i++)
        bench_step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &records[i]});
    assert_int_equal(bench_stats(&b).in_doubt, 1);
    assert_int_equal(bench_stats(&b).finished, 1);
    bench_step(&b, &(struct event){.type = EVENT_START});
    // What is decided is finished, and no resource manager is asked.
    assert_int_equal(bench_count(&b, EFFECT_CALL), 0);
    bench_written(&b);
    assert_int_equal(bench_stats(&b).finished, 2);
    bench_step(&b, &(struct event){.type = EVENT_CONNECTED});
    bench_welcome(&b);
    assert_int_equal(bench_expect_send(&b, MSG_INQUIRE)->u.inquire.prepared, INQUIRE_PREPARED);
    bench_decide(&b, MSG_ROLLBACK, 1, 0);
    const struct effect_call *call = &bench_expect(&b, EFFECT_CALL)->u.call;
    assert_int_equal(call->op, RM_ROLLBACK);
    assert_true(slice_equal(call->payload, slice_text("work")));
    assert_true(slice_equal(call->result, slice_text("ticket")));
    struct msg msg = ask(3, PROTOCOL_SAGA, BRANCH_STEP, 0);
    msg.u.prepare.attempt = bench_attempt(9);
    bench_receive(&b, &msg);
    const struct msg_done *done = &bench_expect_send(&b, MSG_DONE)->u.done;
    assert_int_equal(done->attempt, bench_attempt(9));
    assert_true(slice_equal(done->result, slice_text("ticket")));
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(results_are_bytes),
        cmocka_unit_test(kinds_belong_to_protocols),
        cmocka_unit_test(the_journal_has_it_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
