// SPDX-License-Identifier: Apache-2.0
// The participant's core at its edges: limits, memory, echoes, nonsense. Its protocol is told in
// test_participant_stories.c.
#include "bench.h"

static void as_many_as_it_can_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    for (unsigned n = 1; n <= 8; n++)
        bench_vote_yes(&b, n);
    bench_prepare(&b, 9, 0);
    const struct msg *msg = bench_expect_send(&b, MSG_VOTE);
    assert_int_equal(msg->u.vote.vote, VOTE_NO);
    assert_non_null(strstr(msg->u.vote.text.data, "busy"));
    bench_prepare(&b, 9, PREPARE_ONE_PHASE); // there a no would be a promise, which needs room
    assert_int_equal(b.fx.count, 0);
    bench_decide(&b, MSG_ROLLBACK, 9, 0); // needs no room
    bench_called(&b, RM_DONE);
    assert_int_equal(bench_expect_send(&b, MSG_DONE)->u.done.outcome, OUTCOME_ABORTED);
    struct branch_record record = {.gtid = bench_gtid_of(9)};
    struct event working = {.type = EVENT_WORKING, .u.branch = &record};
    struct part_view view;
    bench_step(&b, &working);
    assert_false(participant_find(b.part, &record.gtid, 0, &view));
    assert_int_equal(bench_stats(&b).in_doubt, 8);
    bench_commit(&b, 1); // known branches are always finished
    bench_step(&b, &working);
    assert_true(participant_find(b.part, &record.gtid, 0, &view));
    assert_int_equal(view.state, PART_WORKING);
    bench_close(&b);
}

static void finished_ones_are_bounded_until_the_fence_moves(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    for (unsigned n = 1; n <= 4; n++) {
        bench_vote_yes(&b, n);
        bench_commit(&b, n);
        assert_int_equal(bench_expect_send(&b, MSG_DONE)->u.done.outcome, OUTCOME_COMMITTED);
    }
    assert_int_equal(bench_stats(&b).finished, 4);
    struct part_view view;
    struct gtid gtid = bench_gtid_of(1);
    assert_true(participant_find(b.part, &gtid, 0, &view));
    assert_int_equal(view.record.payload.size, 0); // let go of
    bench_prepare(&b, 5, 0);
    assert_int_equal(bench_expect_send(&b, MSG_VOTE)->u.vote.vote, VOTE_NO);
    b.header.fence = bench_attempt(3);
    bench_welcome(&b);
    assert_int_equal(bench_stats(&b).finished,
                     2); // the third, below which is the fence, and the fourth
    bench_vote_yes(&b, 5);
    b.header.fence = bench_attempt(2); // a frame that comes late
    bench_prepare(&b, 2, 0);
    assert_int_equal(b.fx.count, 0);
    b.header.fence = bench_attempt(6);
    bench_commit(&b, 5);
    struct participant_stats now = bench_stats(&b);
    assert_int_equal(now.branches, 0);
    assert_int_equal(now.prepared, 5);
    assert_int_equal(now.committed, 5);
    bench_close(&b);
}

// The horizon follows the oldest record that is still needed, in steps.
static void the_horizon_follows(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    uint64_t stamps[4];
    for (unsigned n = 1; n <= 3; n++) {
        bench_vote_yes(&b, n);
        bench_decide(&b, MSG_COMMIT, n, 0);
        bench_called(&b, RM_DONE);
        const struct effect_write *write = &bench_expect(&b, EFFECT_WRITE)->u.write;
        assert_false(write->open);
        stamps[n] = write->stamp;
        assert_true(n == 1 || stamps[n] > stamps[n - 1]);
        bench_written(&b);
        assert_int_equal(bench_count(&b, EFFECT_HORIZON), 0);
    }
    assert_int_equal(participant_deadline(b.part), b.config.ping_ms);
    b.now.mono_ms = 500;
    b.header.fence = bench_attempt(3);
    bench_welcome(&b);
    assert_int_equal(bench_count(&b, EFFECT_HORIZON), 0); // not so soon
    assert_int_equal(participant_deadline(b.part), 1000);
    b.now.mono_ms = 1000;
    bench_step(&b, &(struct event){.type = EVENT_TICK});
    assert_int_equal(bench_expect(&b, EFFECT_HORIZON)->u.horizon, stamps[3]);
    b.now.mono_ms = 3000;
    b.header.fence = bench_attempt(4);
    bench_welcome(&b);
    assert_true(bench_expect(&b, EFFECT_HORIZON)->u.horizon > stamps[3]);
    bench_close(&b);
}

static void echoes_the_highest_position_heard(void **state)
{
    (void)state;
    struct bench b;
    struct frame_header said;
    bench_ready(&b);
    b.header.log_seq = 50;
    b.header.seal = 500;
    bench_prepare(&b, 1, 0);
    b.header.log_seq = 40; // an older frame, later
    b.header.seal = 400;
    bench_called(&b, RM_DONE);
    bench_welcome(&b);
    participant_header(b.part, &said);
    assert_int_equal(said.coordinator, BENCH_COORDINATOR);
    assert_int_equal(said.incarnation, BENCH_INCARNATION);
    assert_int_equal(said.log_seq, 50);
    assert_int_equal(said.seal, 500);
    assert_int_equal(said.from_coordinator, 0);
    bench_close(&b);
}

static void the_echo_survives_in_the_journal(void **state)
{
    (void)state;
    struct bench b;
    struct frame_header said;
    bench_ready(&b);
    b.header.log_seq = 50;
    b.header.seal = 500;
    bench_prepare(&b, 1, 0);
    bench_called(&b, RM_DONE);
    struct branch_record kept = *bench_expect(&b, EFFECT_WRITE)->u.write.branch;
    kept.payload = slice_text("work");
    bench_close(&b);
    bench_open(&b);
    b.config.rm_durable = true;
    bench_start(&b);
    bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &kept});
    struct branch_record other = kept;
    other.gtid = bench_gtid_of(2);
    other.log_seq = 30;
    other.seal = 300;
    bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &other});
    struct branch_record found = {
        .gtid = bench_gtid_of(3), .attempt = bench_attempt(3), .coordinator = BENCH_OTHER};
    bench_step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &found});
    participant_header(b.part, &said);
    assert_int_equal(said.coordinator, BENCH_COORDINATOR);
    assert_int_equal(said.incarnation, BENCH_INCARNATION);
    assert_int_equal(said.log_seq, 50);
    assert_int_equal(said.seal, 500);
    bench_go(&b);
    struct part_view view;
    assert_true(participant_find(b.part, &kept.gtid, 0, &view));
    assert_true(slice_equal(view.record.payload, slice_text("work")));
    // Another coordinator's records do not carry this one's position.
    b.header.coordinator = BENCH_OTHER;
    b.header.incarnation = 1;
    b.header.log_seq = 7;
    b.header.fence = 0;
    bench_welcome(&b);
    participant_header(b.part, &said);
    assert_int_equal(said.log_seq, 7);
    bench_decide(&b, MSG_COMMIT, 1, DECIDE_HEURISTIC);
    assert_int_equal(bench_expect(&b, EFFECT_WRITE)->u.write.branch->log_seq, 0);
    assert_int_equal(bench_expect(&b, EFFECT_WRITE)->u.write.branch->coordinator,
                     BENCH_COORDINATOR);
    bench_close(&b);
}

static void asks_about_many_in_turns(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    bench_start(&b);
    for (unsigned n = 0; n < 1200; n++) { // more than branches_max: what is there is there
        struct branch_record record = {
            .gtid = bench_gtid_of(n),
            .attempt = bench_attempt(n + 1),
            .coordinator = BENCH_COORDINATOR,
            .protocol = PROTOCOL_2PC,
            .stage = JOURNAL_PREPARED,
        };
        bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    }
    bench_go(&b);
    assert_int_equal(bench_stats(&b).in_doubt, 1200);
    assert_int_equal(bench_count(&b, EFFECT_SEND), LIMIT_RESEND_BATCH);
    unsigned asked = LIMIT_RESEND_BATCH;
    while (participant_deadline(b.part) <= b.now.mono_ms) {
        bench_step(&b, &(struct event){.type = EVENT_TICK});
        asked += bench_count(&b, EFFECT_SEND);
    }
    assert_int_equal(asked, 1200);
    assert_int_equal(bench_stats(&b).inquiries, 1200);
    bench_close(&b);
}

static void says_why_it_is_not_welcome(void **state)
{
    (void)state;
    struct bench b;
    struct slice text;
    bench_open(&b);
    bench_start(&b);
    bench_step(&b, &(struct event){.type = EVENT_START});
    bench_step(&b, &(struct event){.type = EVENT_CONNECTED});
    const struct msg_hello *hello = &bench_expect_send(&b, MSG_HELLO)->u.hello;
    assert_int_equal(hello->role, ROLE_PARTICIPANT);
    assert_int_equal(hello->journal, 9);
    assert_int_equal(hello->peer_incarnation, 2);
    assert_int_equal(participant_refused(b.part, &text), ASSENT_OK);
    struct msg msg = {.type = MSG_REFUSED};
    char longer[LIMIT_REASON_BYTES + 40];
    memset(longer, 'x', sizeof longer);
    msg.u.refused.about = MSG_HELLO;
    msg.u.refused.code = ASSENT_DENIED;
    msg.u.refused.text = slice_of(longer, sizeof longer);
    bench_receive(&b, &msg);
    assert_int_equal(participant_refused(b.part, &text), ASSENT_DENIED);
    assert_int_equal(text.size, LIMIT_REASON_BYTES);
    assert_false(bench_stats(&b).connected);
    b.header.fence = bench_attempt(9); // of somebody who does not know us
    bench_receive(&b, &msg);
    b.header.fence = bench_attempt(1);
    struct msg wrong = {.type = MSG_WELCOME};
    wrong.u.welcome.peer_incarnation = 1; // meant for an earlier run
    bench_receive(&b, &wrong);
    assert_false(bench_stats(&b).connected);
    bench_welcome(&b);
    assert_true(bench_stats(&b).connected);
    assert_int_equal(participant_refused(b.part, &text), ASSENT_OK);
    assert_int_equal(text.size, 0);
    bench_vote_yes(&b, 1); // the fence did not move
    b.header.fence = bench_attempt(9);
    bench_step(&b, &(struct event){.type = EVENT_DISCONNECTED});
    bench_step(&b, &(struct event){.type = EVENT_CONNECTED});
    bench_receive(&b, &wrong);
    assert_false(bench_stats(&b).connected);
    bench_receive(&b, &msg);
    b.header.fence = bench_attempt(1);
    bench_welcome(&b);
    bench_vote_yes(&b, 2);
    bench_close(&b);
}

static void nonsense_changes_nothing(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    bench_vote_yes(&b, 1);
    for (int type = 0; type < 40; type++) { // none of these is for a participant
        struct msg msg = {.type = (enum msg_type)type};
        if ((type >= MSG_PREPARE && type <= MSG_STANDING && type != MSG_VOTE && type != MSG_DONE &&
             type != MSG_INQUIRE) ||
            type == MSG_WELCOME || type == MSG_REFUSED)
            continue;
        bench_receive(&b, &msg);
        assert_int_equal(b.fx.count, 0);
    }
    struct event event = {.type = EVENT_CALLED}; // answers that nobody waits for
    for (token_t token = 0; token < 100; token++) {
        event.type = EVENT_CALLED;
        event.u.called = (struct event_called){.token = token | token << 32};
        bench_step(&b, &event);
        assert_int_equal(b.fx.count, 0);
        event.type = EVENT_WRITTEN;
        event.u.written.token = token | token << 32;
        event.u.written.fenced = false;
        bench_step(&b, &event);
        assert_int_equal(b.fx.count, 0);
    }
    struct branch_record record = {.gtid = bench_gtid_of(2)};
    struct event working = {.type = EVENT_WORKING, .u.branch = &record};
    bench_step(&b, &working);
    struct msg standing = {.type = MSG_STANDING};
    standing.u.standing = (struct msg_standing){
        .gtid = bench_gtid_of(2), .attempt = bench_attempt(1), .outcome = OUTCOME_UNKNOWN};
    bench_receive(&b, &standing); // about another run
    assert_int_equal(b.fx.count, 0);
    standing.u.standing.attempt = 0;
    standing.u.standing.outcome = OUTCOME_COMMITTED; // that is said by COMMIT
    bench_receive(&b, &standing);
    assert_int_equal(b.fx.count, 0);
    b.header.from_coordinator = 0; // another peer's frame
    bench_decide(&b, MSG_COMMIT, 1, 0);
    b.header.from_coordinator = 1;
    b.header.incarnation--; // of a run that has ended
    bench_decide(&b, MSG_COMMIT, 1, 0);
    assert_int_equal(b.fx.count, 0);
    assert_int_equal(bench_stats(&b).in_doubt, 1);
    bench_close(&b);
}

static void another_protocol_is_refused(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = bench_gtid_of(1), .attempt = bench_attempt(1), .protocol = PROTOCOL_2PC + 1};
    bench_receive(&b, &msg);
    assert_int_equal(bench_expect_send(&b, MSG_VOTE)->u.vote.vote, VOTE_NO);
    assert_int_equal(bench_stats(&b).branches, 0);
    bench_close(&b);
}

static void a_journal_that_makes_no_sense_stops_it(void **state)
{
    (void)state;
    static const struct branch_record bad[] = {
        {.stage = 0},
        {.stage = 4},
        {.stage = JOURNAL_DECIDED},
        {.stage = JOURNAL_FINISHED, .outcome = OUTCOME_UNKNOWN}};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct bench b;
        struct branch_record record = bad[i];
        bench_open(&b);
        bench_start(&b);
        record.gtid = bench_gtid_of(1);
        bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
        assert_int_equal(bench_expect(&b, EFFECT_STOP)->u.stop.code, ASSENT_CORRUPT);
        bench_step(&b, &(struct event){.type = EVENT_START});
        assert_int_equal(b.fx.count, 0);
        bench_close(&b);
    }
}

static void a_fenced_journal_stops_it(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    bench_prepare(&b, 1, 0);
    bench_called(&b, RM_DONE);
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = bench_expect(&b, EFFECT_WRITE)->u.write.token;
    event.u.written.fenced = true;
    bench_step(&b, &event);
    assert_int_equal(bench_expect(&b, EFFECT_STOP)->u.stop.code, ASSENT_FENCED);
    assert_int_equal(bench_count(&b, EFFECT_SEND), 0);
    bench_close(&b);
}

// An answer that comes twice is not taken for the answer to the next call.
static void each_call_is_answered_once(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    bench_prepare(&b, 1, 0);
    struct event answer = {.type = EVENT_CALLED};
    answer.u.called.token = bench_expect(&b, EFFECT_CALL)->u.call.token;
    bench_step(&b, &answer);
    struct event written = {.type = EVENT_WRITTEN};
    written.u.written.token = bench_expect(&b, EFFECT_WRITE)->u.write.token;
    bench_step(&b, &written);
    bench_expect_send(&b, MSG_VOTE);
    bench_decide(&b, MSG_COMMIT, 1, 0);
    token_t commit = bench_expect(&b, EFFECT_CALL)->u.call.token;
    bench_step(&b, &answer);
    bench_step(&b, &written);
    assert_int_equal(b.fx.count, 0);
    answer.u.called.token = commit;
    bench_step(&b, &answer);
    written.u.written.token = bench_expect(&b, EFFECT_WRITE)->u.write.token;
    bench_step(&b, &answer);
    assert_int_equal(b.fx.count, 0);
    bench_step(&b, &written);
    bench_expect_send(&b, MSG_DONE);
    bench_close(&b);
}

// What the coordinator wants rolled back is answered even where there is no room for anything new:
// the fence stands still until it is, and so nothing that is remembered could ever be let go of.
static void a_rollback_needs_no_room(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.config.finished_max = 1;
    bench_start(&b);
    bench_go(&b);
    bench_vote_yes(&b, 2);
    bench_commit(&b, 2);
    bench_decide(&b, MSG_ROLLBACK, 1, DECIDE_RESOLVE);
    bench_called(&b, RM_DONE);
    bench_written(&b);
    assert_int_equal(bench_expect_send(&b, MSG_DONE)->u.done.outcome, OUTCOME_ABORTED);
    bench_decide(&b, MSG_ROLLBACK, 3, 0);
    bench_called(&b, RM_DONE);
    bench_expect_send(&b, MSG_DONE);
    bench_close(&b);
}

// Nor does the oldest attempt that may still be prepared: room is made only when that has ended.
static void the_oldest_attempt_needs_no_room(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    b.config.finished_max = 1;
    bench_start(&b);
    bench_go(&b);
    bench_vote_yes(&b, 3);
    bench_commit(&b, 3);
    bench_prepare(&b, 2, PREPARE_ONE_PHASE);
    assert_int_equal(b.fx.count, 0);
    bench_prepare(&b, 1, PREPARE_ONE_PHASE); // the fence stands at 1
    bench_called(&b, RM_DONE);
    bench_written(&b);
    bench_called(&b, RM_DONE);
    bench_written(&b);
    assert_int_equal(bench_expect_send(&b, MSG_DONE)->u.done.outcome, OUTCOME_COMMITTED);
    bench_close(&b);
}

// A resource manager that claims to be durable is believed only if it was configured to be: else
// nobody would ask it what it holds after a crash.
static void a_vote_is_durable_somewhere(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    bench_prepare(&b, 1, 0);
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = bench_expect(&b, EFFECT_CALL)->u.call.token;
    event.u.called.durable = true;
    bench_step(&b, &event);
    assert_int_equal(bench_expect(&b, EFFECT_WRITE)->u.write.branch->stage, JOURNAL_PREPARED);
    assert_int_equal(bench_count(&b, EFFECT_SEND), 0);
    bench_close(&b);
}

// The resource manager holds what the journal calls finished: it is done again.
static void the_manager_is_believed(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    bench_start(&b);
    struct branch_record record = {
        .gtid = bench_gtid_of(1),
        .attempt = bench_attempt(1),
        .coordinator = BENCH_COORDINATOR,
        .stage = JOURNAL_FINISHED,
        .outcome = OUTCOME_COMMITTED,
    };
    bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    struct branch_record found = {
        .gtid = bench_gtid_of(1), .attempt = bench_attempt(1), .coordinator = BENCH_COORDINATOR};
    bench_step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &found});
    record.gtid = found.gtid = bench_gtid_of(2);
    bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    found.attempt = bench_attempt(0); // an older one, that should not be there
    bench_step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &found});
    bench_step(&b, &(struct event){.type = EVENT_START});
    assert_int_equal(bench_count(&b, EFFECT_CALL), 1);
    assert_int_equal(bench_stats(&b).finished, 1);
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.op, RM_COMMIT);
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.attempt, bench_attempt(1));
    bench_called(&b, RM_DONE);
    assert_int_equal(bench_expect(&b, EFFECT_WRITE)->u.write.branch->stage, JOURNAL_FINISHED);
    bench_close(&b);
}

// Until it is done again its record stays: after another crash nobody else would know what to do.
static void what_is_done_again_stays_in_the_journal(void **state)
{
    (void)state;
    struct bench b;
    bench_open(&b);
    bench_start(&b);
    struct branch_record record = {
        .gtid = bench_gtid_of(1),
        .attempt = bench_attempt(1),
        .coordinator = BENCH_COORDINATOR,
        .stage = JOURNAL_FINISHED,
        .outcome = OUTCOME_COMMITTED,
    };
    bench_step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    bench_step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &record});
    bench_step(&b, &(struct event){.type = EVENT_START});
    assert_int_equal(bench_count(&b, EFFECT_HORIZON), 0);
    b.now.mono_ms += 5000;
    bench_step(&b, &(struct event){.type = EVENT_TICK});
    assert_int_equal(bench_count(&b, EFFECT_HORIZON), 0);
    bench_close(&b);
}

static void the_call_says_what_it_is_about(void **state)
{
    (void)state;
    struct bench b;
    bench_ready(&b);
    bench_prepare(&b, 1, 0);
    const struct effect_call *call = &bench_expect(&b, EFFECT_CALL)->u.call;
    assert_int_equal(call->op, RM_PREPARE);
    assert_int_equal(call->kind, BRANCH_CALL);
    assert_int_equal(call->coordinator, BENCH_COORDINATOR);
    assert_int_equal(call->attempt, bench_attempt(1));
    assert_true(slice_equal(call->payload, slice_text("work")));
    bench_called(&b, RM_RETRY);
    b.now.mono_ms = participant_deadline(b.part);
    bench_step(&b, &(struct event){.type = EVENT_TICK});
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.tries, 1);
    bench_called(&b, RM_DONE);
    bench_written(&b);
    bench_decide(&b, MSG_COMMIT, 1, 0);
    call = &bench_expect(&b, EFFECT_CALL)->u.call;
    assert_int_equal(call->op, RM_COMMIT);
    assert_int_equal(call->tries, 0);
    assert_true(slice_equal(call->payload, slice_text("work")));
    bench_decide(&b, MSG_ROLLBACK, 2, 0);
    assert_int_equal(bench_expect(&b, EFFECT_CALL)->u.call.kind, 0);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_as_it_can_hold),
        cmocka_unit_test(finished_ones_are_bounded_until_the_fence_moves),
        cmocka_unit_test(the_horizon_follows),
        cmocka_unit_test(echoes_the_highest_position_heard),
        cmocka_unit_test(the_echo_survives_in_the_journal),
        cmocka_unit_test(asks_about_many_in_turns),
        cmocka_unit_test(says_why_it_is_not_welcome),
        cmocka_unit_test(nonsense_changes_nothing),
        cmocka_unit_test(another_protocol_is_refused),
        cmocka_unit_test(a_journal_that_makes_no_sense_stops_it),
        cmocka_unit_test(a_fenced_journal_stops_it),
        cmocka_unit_test(each_call_is_answered_once),
        cmocka_unit_test(a_rollback_needs_no_room),
        cmocka_unit_test(the_oldest_attempt_needs_no_room),
        cmocka_unit_test(a_vote_is_durable_somewhere),
        cmocka_unit_test(the_manager_is_believed),
        cmocka_unit_test(what_is_done_again_stays_in_the_journal),
        cmocka_unit_test(the_call_says_what_it_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
