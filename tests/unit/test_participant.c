// SPDX-License-Identifier: Apache-2.0
// The participant's core at its edges: limits, memory, echoes, nonsense. Its protocol is told in
// test_participant_stories.c.
#include "core/participant.h"

#include <stdio.h>
#include <stdlib.h>

#include "unit.h"

enum { COORDINATOR = 77, OTHER = 78, INCARNATION = 3 };

struct bench {
    struct participant_config config;
    struct participant *part;
    struct effects fx;
    struct now now;
    struct frame_header header;
};

static uint64_t attempt(uint64_t counter)
{
    return (uint64_t)INCARNATION << ATTEMPT_COUNTER_BITS | counter;
}

static struct gtid gtid_of(unsigned n)
{
    char text[16];
    struct gtid gtid;
    snprintf(text, sizeof text, "g%u", n);
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

static void step(struct bench *b, struct event *event)
{
    event->now = b->now;
    effects_reset(&b->fx);
    participant_step(b->part, event, &b->fx);
    assert_false(b->fx.failed);
}

static void receive(struct bench *b, const struct msg *msg)
{
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = &b->header;
    event.u.received.msg = msg;
    step(b, &event);
}

static void welcome(struct bench *b)
{
    struct msg msg = {.type = MSG_WELCOME};
    msg.u.welcome.peer_incarnation = b->config.incarnation;
    receive(b, &msg);
}

static void open_bench(struct bench *b)
{
    *b = (struct bench){.header = {.version = WIRE_VERSION,
                                   .from_coordinator = 1,
                                   .coordinator = COORDINATOR,
                                   .incarnation = INCARNATION,
                                   .fence = attempt(1)}};
    participant_config_defaults(&b->config);
    snprintf(b->config.resource, sizeof b->config.resource, "bank");
    b->config.incarnation = 2;
    b->config.journal = 9;
    b->config.branches_max = 8;
    b->config.finished_max = 4;
}

static void start(struct bench *b)
{
    b->part = participant_new(&b->config);
    effects_init(&b->fx);
}

static void go(struct bench *b)
{
    step(b, &(struct event){.type = EVENT_START});
    step(b, &(struct event){.type = EVENT_CONNECTED});
    welcome(b);
}

static void ready(struct bench *b)
{
    open_bench(b);
    start(b);
    go(b);
}

static void close_bench(struct bench *b)
{
    participant_destroy(&b->part);
    assert_null(b->part);
    effects_free(&b->fx);
}

static void prepare(struct bench *b, unsigned n, unsigned flags)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = gtid_of(n),
        .attempt = attempt(n),
        .protocol = PROTOCOL_2PC,
        .kind = BRANCH_CALL,
        .flags = (uint8_t)flags,
        .payload = slice_text("work"),
    };
    receive(b, &msg);
}

static void decide(struct bench *b, enum msg_type type, unsigned n, unsigned flags)
{
    struct msg msg = {.type = type};
    msg.u.decide =
        (struct msg_decide){.gtid = gtid_of(n), .attempt = attempt(n), .flags = (uint8_t)flags};
    receive(b, &msg);
}

// The effect of that type, which must be there.
static const struct effect *expect(const struct bench *b, enum effect_type type)
{
    for (size_t i = 0; i < b->fx.count; i++) {
        if (b->fx.items[i].type == type)
            return &b->fx.items[i];
    }
    fail_msg("no effect of type %d", (int)type);
    return NULL;
}

static const struct msg *expect_send(const struct bench *b, enum msg_type type)
{
    const struct effect *effect = expect(b, EFFECT_SEND);
    assert_int_equal(effect->u.send.msg.type, type);
    return &effect->u.send.msg;
}

static unsigned count(const struct bench *b, enum effect_type type)
{
    unsigned n = 0;
    for (size_t i = 0; i < b->fx.count; i++)
        n += b->fx.items[i].type == type;
    return n;
}

static void called(struct bench *b, enum rm_result result)
{
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = expect(b, EFFECT_CALL)->u.call.token;
    event.u.called.result = result;
    step(b, &event);
}

static void written(struct bench *b)
{
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = expect(b, EFFECT_WRITE)->u.write.token;
    step(b, &event);
}

static void vote_yes(struct bench *b, unsigned n)
{
    prepare(b, n, 0);
    called(b, RM_DONE);
    written(b);
    assert_int_equal(expect_send(b, MSG_VOTE)->u.vote.vote, VOTE_YES);
}

static void commit(struct bench *b, unsigned n)
{
    decide(b, MSG_COMMIT, n, 0);
    called(b, RM_DONE);
    written(b);
}

static struct participant_stats stats(const struct bench *b)
{
    struct participant_stats now;
    participant_stats(b->part, &now);
    return now;
}

static void as_many_as_it_can_hold(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    for (unsigned n = 1; n <= 8; n++)
        vote_yes(&b, n);
    prepare(&b, 9, 0);
    const struct msg *msg = expect_send(&b, MSG_VOTE);
    assert_int_equal(msg->u.vote.vote, VOTE_NO);
    assert_non_null(strstr(msg->u.vote.text.data, "busy"));
    prepare(&b, 9, PREPARE_ONE_PHASE); // there a no would be a promise, which needs room
    assert_int_equal(b.fx.count, 0);
    decide(&b, MSG_ROLLBACK, 9, 0); // it will come again
    assert_int_equal(b.fx.count, 0);
    struct branch_record record = {.gtid = gtid_of(9)};
    struct event working = {.type = EVENT_WORKING, .u.branch = &record};
    struct part_view view;
    step(&b, &working);
    assert_false(participant_find(b.part, &record.gtid, 0, &view));
    assert_int_equal(stats(&b).in_doubt, 8);
    commit(&b, 1); // known branches are always finished
    step(&b, &working);
    assert_true(participant_find(b.part, &record.gtid, 0, &view));
    assert_int_equal(view.state, PART_WORKING);
    close_bench(&b);
}

static void finished_ones_are_bounded_until_the_fence_moves(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    for (unsigned n = 1; n <= 4; n++) {
        vote_yes(&b, n);
        commit(&b, n);
        assert_int_equal(expect_send(&b, MSG_DONE)->u.done.outcome, OUTCOME_COMMITTED);
    }
    assert_int_equal(stats(&b).finished, 4);
    struct part_view view;
    struct gtid gtid = gtid_of(1);
    assert_true(participant_find(b.part, &gtid, 0, &view));
    assert_int_equal(view.record.payload.size, 0); // let go of
    prepare(&b, 5, 0);
    assert_int_equal(expect_send(&b, MSG_VOTE)->u.vote.vote, VOTE_NO);
    b.header.fence = attempt(3);
    welcome(&b);
    assert_int_equal(stats(&b).finished, 2); // the third, below which is the fence, and the fourth
    vote_yes(&b, 5);
    b.header.fence = attempt(2); // a frame that comes late
    prepare(&b, 2, 0);
    assert_int_equal(b.fx.count, 0);
    b.header.fence = attempt(6);
    commit(&b, 5);
    struct participant_stats now = stats(&b);
    assert_int_equal(now.branches, 0);
    assert_int_equal(now.prepared, 5);
    assert_int_equal(now.committed, 5);
    close_bench(&b);
}

// The horizon follows the oldest record that is still needed, in steps.
static void the_horizon_follows(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    uint64_t stamps[4];
    for (unsigned n = 1; n <= 3; n++) {
        vote_yes(&b, n);
        decide(&b, MSG_COMMIT, n, 0);
        called(&b, RM_DONE);
        const struct effect_write *write = &expect(&b, EFFECT_WRITE)->u.write;
        assert_false(write->open);
        stamps[n] = write->stamp;
        assert_true(n == 1 || stamps[n] > stamps[n - 1]);
        written(&b);
        assert_int_equal(count(&b, EFFECT_HORIZON), 0);
    }
    assert_int_equal(participant_deadline(b.part), b.config.ping_ms);
    b.now.mono_ms = 500;
    b.header.fence = attempt(3);
    welcome(&b);
    assert_int_equal(count(&b, EFFECT_HORIZON), 0); // not so soon
    assert_int_equal(participant_deadline(b.part), 1000);
    b.now.mono_ms = 1000;
    step(&b, &(struct event){.type = EVENT_TICK});
    assert_int_equal(expect(&b, EFFECT_HORIZON)->u.horizon, stamps[3]);
    b.now.mono_ms = 3000;
    b.header.fence = attempt(4);
    welcome(&b);
    assert_true(expect(&b, EFFECT_HORIZON)->u.horizon > stamps[3]);
    close_bench(&b);
}

static void echoes_the_highest_position_heard(void **state)
{
    (void)state;
    struct bench b;
    struct frame_header said;
    ready(&b);
    b.header.log_seq = 50;
    b.header.seal = 500;
    prepare(&b, 1, 0);
    b.header.log_seq = 40; // an older frame, later
    b.header.seal = 400;
    called(&b, RM_DONE);
    welcome(&b);
    participant_header(b.part, &said);
    assert_int_equal(said.coordinator, COORDINATOR);
    assert_int_equal(said.incarnation, INCARNATION);
    assert_int_equal(said.log_seq, 50);
    assert_int_equal(said.seal, 500);
    assert_int_equal(said.from_coordinator, 0);
    close_bench(&b);
}

static void the_echo_survives_in_the_journal(void **state)
{
    (void)state;
    struct bench b;
    struct frame_header said;
    ready(&b);
    b.header.log_seq = 50;
    b.header.seal = 500;
    prepare(&b, 1, 0);
    called(&b, RM_DONE);
    struct branch_record kept = *expect(&b, EFFECT_WRITE)->u.write.branch;
    kept.payload = slice_text("work");
    close_bench(&b);
    open_bench(&b);
    start(&b);
    step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &kept});
    struct branch_record other = kept;
    other.gtid = gtid_of(2);
    other.log_seq = 30;
    other.seal = 300;
    step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &other});
    participant_header(b.part, &said);
    assert_int_equal(said.coordinator, COORDINATOR);
    assert_int_equal(said.incarnation, INCARNATION);
    assert_int_equal(said.log_seq, 50);
    assert_int_equal(said.seal, 500);
    go(&b);
    struct part_view view;
    assert_true(participant_find(b.part, &kept.gtid, 0, &view));
    assert_true(slice_equal(view.record.payload, slice_text("work")));
    // Another coordinator's records do not carry this one's position.
    b.header.coordinator = OTHER;
    b.header.incarnation = 1;
    b.header.log_seq = 7;
    b.header.fence = 0;
    welcome(&b);
    participant_header(b.part, &said);
    assert_int_equal(said.log_seq, 7);
    decide(&b, MSG_COMMIT, 1, DECIDE_HEURISTIC);
    assert_int_equal(expect(&b, EFFECT_WRITE)->u.write.branch->log_seq, 0);
    assert_int_equal(expect(&b, EFFECT_WRITE)->u.write.branch->coordinator, COORDINATOR);
    close_bench(&b);
}

static void asks_about_many_in_turns(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b);
    start(&b);
    for (unsigned n = 0; n < 1200; n++) { // more than branches_max: what is there is there
        struct branch_record record = {
            .gtid = gtid_of(n),
            .attempt = attempt(n + 1),
            .coordinator = COORDINATOR,
            .protocol = PROTOCOL_2PC,
            .stage = JOURNAL_PREPARED,
        };
        step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    }
    go(&b);
    assert_int_equal(stats(&b).in_doubt, 1200);
    assert_int_equal(count(&b, EFFECT_SEND), LIMIT_RESEND_BATCH);
    unsigned asked = LIMIT_RESEND_BATCH;
    while (participant_deadline(b.part) <= b.now.mono_ms) {
        step(&b, &(struct event){.type = EVENT_TICK});
        asked += count(&b, EFFECT_SEND);
    }
    assert_int_equal(asked, 1200);
    assert_int_equal(stats(&b).inquiries, 1200);
    close_bench(&b);
}

static void says_why_it_is_not_welcome(void **state)
{
    (void)state;
    struct bench b;
    struct slice text;
    open_bench(&b);
    start(&b);
    step(&b, &(struct event){.type = EVENT_START});
    step(&b, &(struct event){.type = EVENT_CONNECTED});
    const struct msg_hello *hello = &expect_send(&b, MSG_HELLO)->u.hello;
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
    receive(&b, &msg);
    assert_int_equal(participant_refused(b.part, &text), ASSENT_DENIED);
    assert_int_equal(text.size, LIMIT_REASON_BYTES);
    assert_false(stats(&b).connected);
    b.header.fence = attempt(9); // of somebody who does not know us
    receive(&b, &msg);
    b.header.fence = attempt(1);
    struct msg wrong = {.type = MSG_WELCOME};
    wrong.u.welcome.peer_incarnation = 1; // meant for an earlier run
    receive(&b, &wrong);
    assert_false(stats(&b).connected);
    welcome(&b);
    assert_true(stats(&b).connected);
    assert_int_equal(participant_refused(b.part, &text), ASSENT_OK);
    assert_int_equal(text.size, 0);
    vote_yes(&b, 1); // the fence did not move
    b.header.fence = attempt(9);
    step(&b, &(struct event){.type = EVENT_DISCONNECTED});
    step(&b, &(struct event){.type = EVENT_CONNECTED});
    receive(&b, &wrong);
    assert_false(stats(&b).connected);
    receive(&b, &msg);
    b.header.fence = attempt(1);
    welcome(&b);
    vote_yes(&b, 2);
    close_bench(&b);
}

static void nonsense_changes_nothing(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    vote_yes(&b, 1);
    for (int type = 0; type < 40; type++) { // none of these is for a participant
        struct msg msg = {.type = (enum msg_type)type};
        if ((type >= MSG_PREPARE && type <= MSG_STANDING && type != MSG_VOTE && type != MSG_DONE &&
             type != MSG_INQUIRE) ||
            type == MSG_WELCOME || type == MSG_REFUSED)
            continue;
        receive(&b, &msg);
        assert_int_equal(b.fx.count, 0);
    }
    struct event event = {.type = EVENT_CALLED}; // answers that nobody waits for
    for (token_t token = 0; token < 100; token++) {
        event.type = EVENT_CALLED;
        event.u.called = (struct event_called){.token = token | token << 32};
        step(&b, &event);
        assert_int_equal(b.fx.count, 0);
        event.type = EVENT_WRITTEN;
        event.u.written.token = token | token << 32;
        event.u.written.fenced = false;
        step(&b, &event);
        assert_int_equal(b.fx.count, 0);
    }
    struct branch_record record = {.gtid = gtid_of(2)};
    struct event working = {.type = EVENT_WORKING, .u.branch = &record};
    step(&b, &working);
    struct msg standing = {.type = MSG_STANDING};
    standing.u.standing = (struct msg_standing){
        .gtid = gtid_of(2), .attempt = attempt(1), .outcome = OUTCOME_UNKNOWN};
    receive(&b, &standing); // about another run
    assert_int_equal(b.fx.count, 0);
    standing.u.standing.attempt = 0;
    standing.u.standing.outcome = OUTCOME_COMMITTED; // that is said by COMMIT
    receive(&b, &standing);
    assert_int_equal(b.fx.count, 0);
    b.header.from_coordinator = 0; // another peer's frame
    decide(&b, MSG_COMMIT, 1, 0);
    b.header.from_coordinator = 1;
    b.header.incarnation--; // of a run that has ended
    decide(&b, MSG_COMMIT, 1, 0);
    assert_int_equal(b.fx.count, 0);
    assert_int_equal(stats(&b).in_doubt, 1);
    close_bench(&b);
}

static void another_protocol_is_refused(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = gtid_of(1), .attempt = attempt(1), .protocol = PROTOCOL_2PC + 1};
    receive(&b, &msg);
    assert_int_equal(expect_send(&b, MSG_VOTE)->u.vote.vote, VOTE_NO);
    assert_int_equal(stats(&b).branches, 0);
    close_bench(&b);
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
        open_bench(&b);
        start(&b);
        record.gtid = gtid_of(1);
        step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
        assert_int_equal(expect(&b, EFFECT_STOP)->u.stop.code, ASSENT_CORRUPT);
        step(&b, &(struct event){.type = EVENT_START});
        assert_int_equal(b.fx.count, 0);
        close_bench(&b);
    }
}

static void a_fenced_journal_stops_it(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    prepare(&b, 1, 0);
    called(&b, RM_DONE);
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = expect(&b, EFFECT_WRITE)->u.write.token;
    event.u.written.fenced = true;
    step(&b, &event);
    assert_int_equal(expect(&b, EFFECT_STOP)->u.stop.code, ASSENT_FENCED);
    assert_int_equal(count(&b, EFFECT_SEND), 0);
    close_bench(&b);
}

// A resource manager that claims to be durable is believed only if it was configured to be: else
// nobody would ask it what it holds after a crash.
static void a_vote_is_durable_somewhere(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    prepare(&b, 1, 0);
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = expect(&b, EFFECT_CALL)->u.call.token;
    event.u.called.durable = true;
    step(&b, &event);
    assert_int_equal(expect(&b, EFFECT_WRITE)->u.write.branch->stage, JOURNAL_PREPARED);
    assert_int_equal(count(&b, EFFECT_SEND), 0);
    close_bench(&b);
}

// The resource manager holds what the journal calls finished: it is done again.
static void the_manager_is_believed(void **state)
{
    (void)state;
    struct bench b;
    open_bench(&b);
    start(&b);
    struct branch_record record = {
        .gtid = gtid_of(1),
        .attempt = attempt(1),
        .coordinator = COORDINATOR,
        .stage = JOURNAL_FINISHED,
        .outcome = OUTCOME_COMMITTED,
    };
    step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    struct branch_record found = {
        .gtid = gtid_of(1), .attempt = attempt(1), .coordinator = COORDINATOR};
    step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &found});
    record.gtid = found.gtid = gtid_of(2);
    step(&b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &record});
    found.attempt = attempt(0); // an older one, that should not be there
    step(&b, &(struct event){.type = EVENT_FOUND, .u.branch = &found});
    step(&b, &(struct event){.type = EVENT_START});
    assert_int_equal(count(&b, EFFECT_CALL), 1);
    assert_int_equal(stats(&b).finished, 1);
    assert_int_equal(expect(&b, EFFECT_CALL)->u.call.op, RM_COMMIT);
    assert_int_equal(expect(&b, EFFECT_CALL)->u.call.attempt, attempt(1));
    called(&b, RM_DONE);
    assert_int_equal(expect(&b, EFFECT_WRITE)->u.write.branch->stage, JOURNAL_FINISHED);
    close_bench(&b);
}

static void the_call_says_what_it_is_about(void **state)
{
    (void)state;
    struct bench b;
    ready(&b);
    prepare(&b, 1, 0);
    const struct effect_call *call = &expect(&b, EFFECT_CALL)->u.call;
    assert_int_equal(call->op, RM_PREPARE);
    assert_int_equal(call->kind, BRANCH_CALL);
    assert_int_equal(call->coordinator, COORDINATOR);
    assert_int_equal(call->attempt, attempt(1));
    assert_true(slice_equal(call->payload, slice_text("work")));
    called(&b, RM_RETRY);
    b.now.mono_ms = participant_deadline(b.part);
    step(&b, &(struct event){.type = EVENT_TICK});
    assert_int_equal(expect(&b, EFFECT_CALL)->u.call.tries, 1);
    called(&b, RM_DONE);
    written(&b);
    decide(&b, MSG_COMMIT, 1, 0);
    call = &expect(&b, EFFECT_CALL)->u.call;
    assert_int_equal(call->op, RM_COMMIT);
    assert_int_equal(call->tries, 0);
    assert_true(slice_equal(call->payload, slice_text("work")));
    decide(&b, MSG_ROLLBACK, 2, 0);
    assert_int_equal(expect(&b, EFFECT_CALL)->u.call.kind, 0);
    close_bench(&b);
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
        cmocka_unit_test(a_vote_is_durable_somewhere),
        cmocka_unit_test(the_manager_is_believed),
        cmocka_unit_test(the_call_says_what_it_is_about),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
