// SPDX-License-Identifier: Apache-2.0
// The rule of three-phase commit, against its words; and members and lead, step by step.
#include "unit.h"

#include <string.h>

#include "core/quorum.h"

enum { MEMBERS = 3 };

// ---- the rule ----

struct report {
    bool heard;
    enum quorum_state state;
    quorum_number_t attempt;
};

// What a member may report in a run in which attempt 1 was to commit, 2 to `second`, 3 to `third`.
static const struct report kinds[] = {
    {false, QUORUM_IDLE, 0},         {true, QUORUM_WAITING, 0},     {true, QUORUM_PRE_COMMITTED, 1},
    {true, QUORUM_PRE_COMMITTED, 2}, {true, QUORUM_PRE_ABORTED, 2}, {true, QUORUM_PRE_COMMITTED, 3},
    {true, QUORUM_PRE_ABORTED, 3},   {true, QUORUM_COMMITTED, 0},   {true, QUORUM_ABORTED, 0},
};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

// The table of docs/protocols/3pc.md, line by line, with no bit tricks.
static enum quorum_move by_the_book(const struct report *reports, unsigned members)
{
    unsigned heard = 0, committed = 0, aborted = 0, at_top = 0;
    quorum_number_t top = 0;
    bool commits = false;
    for (unsigned i = 0; i < members; i++) {
        heard += reports[i].heard;
        committed += reports[i].state == QUORUM_COMMITTED;
        aborted += reports[i].state == QUORUM_ABORTED;
        if (reports[i].attempt > top)
            top = reports[i].attempt;
    }
    for (unsigned i = 0; i < members; i++)
        if (top && reports[i].attempt == top) {
            at_top++;
            commits = reports[i].state == QUORUM_PRE_COMMITTED;
        }
    if (committed && aborted)
        return QUORUM_BLOCK;
    if (committed || aborted)
        return committed ? QUORUM_COMMIT : QUORUM_ABORT;
    if (2 * at_top > members)
        return commits ? QUORUM_COMMIT : QUORUM_ABORT;
    if (2 * heard <= members)
        return QUORUM_BLOCK;
    return commits ? QUORUM_TRY_COMMIT : QUORUM_TRY_ABORT;
}

// One attempt has one direction: other combinations never come about.
static bool possible(const struct report *reports, unsigned members)
{
    for (unsigned i = 0; i < members; i++)
        for (unsigned j = 0; j < i; j++)
            if (reports[i].attempt && reports[i].attempt == reports[j].attempt &&
                reports[i].state != reports[j].state)
                return false;
    return true;
}

static unsigned check_rule(unsigned members)
{
    unsigned checked = 0, index[7] = {0};
    for (;;) {
        struct report reports[7];
        for (unsigned i = 0; i < members; i++)
            reports[i] = kinds[index[i]];
        if (possible(reports, members)) {
            struct quorum_view up = {0}, down = {0};
            for (unsigned i = 0; i < members; i++)
                if (reports[i].heard)
                    quorum_view_add(&up, i, reports[i].state, reports[i].attempt);
            for (unsigned i = members; i-- > 0;) // in whatever order, and twice
                for (unsigned again = 0; reports[i].heard && again < 2; again++)
                    quorum_view_add(&down, i, reports[i].state, reports[i].attempt);
            assert_int_equal(quorum_rule(&up, members), by_the_book(reports, members));
            assert_int_equal(quorum_rule(&down, members), by_the_book(reports, members));
            checked++;
        }
        unsigned i = 0;
        while (i < members && ++index[i] == KINDS)
            index[i++] = 0;
        if (i == members)
            return checked;
    }
}

static void test_rule(void **state)
{
    (void)state;
    for (unsigned members = 1; members <= 5; members++)
        assert_true(check_rule(members) > 0);
}

// Any two majorities share a member, and no smaller number has that.
static void test_majority(void **state)
{
    (void)state;
    for (unsigned members = 1; members <= LIMIT_BRANCHES; members++) {
        unsigned majority = quorum_majority(members);
        assert_true(2 * majority > members);
        assert_true(2 * (majority - 1) <= members);
    }
}

static void test_numbers(void **state)
{
    (void)state;
    assert_true(quorum_number(2, 0, 0) < quorum_number(2, 1, 0));
    assert_true(quorum_number(2, LIMIT_BRANCHES - 1, 0) < quorum_number(2, QUORUM_COORDINATOR, 0));
    assert_true(quorum_number(2, QUORUM_COORDINATOR, 8) < quorum_number(2, QUORUM_COORDINATOR, 9));
    assert_true(quorum_number(2, QUORUM_COORDINATOR, 9) < quorum_number(3, 0, 0));
    assert_int_equal(quorum_round(quorum_number(7, QUORUM_COORDINATOR, UINT64_MAX)), 7);
}

static void test_tally(void **state)
{
    (void)state;
    struct quorum_tally tally = {0};
    assert_int_equal(quorum_tally_add(&tally, 3, 0, QUORUM_PRE_COMMITTED, 1), OUTCOME_NONE);
    assert_int_equal(quorum_tally_add(&tally, 3, 0, QUORUM_PRE_COMMITTED, 1), OUTCOME_NONE);
    assert_int_equal(quorum_tally_add(&tally, 3, 1, QUORUM_PRE_ABORTED, 2), OUTCOME_NONE);
    assert_int_equal(quorum_tally_add(&tally, 3, 2, QUORUM_PRE_COMMITTED, 1), OUTCOME_NONE);
    assert_int_equal(quorum_tally_add(&tally, 3, 2, QUORUM_WAITING, 0), OUTCOME_NONE);
    assert_int_equal(quorum_tally_add(&tally, 3, 2, QUORUM_PRE_ABORTED, 2), OUTCOME_ABORTED);
}

// ---- a member, step by step ----

struct desk {
    struct quorum_member member;
    struct quorum_effects fx;
    uint64_t now_ms;
};

static struct quorum_config config_of(unsigned self)
{
    return (struct quorum_config){
        .self = self,
        .members = MEMBERS,
        .run = 5,
        .seed = 1,
        .suspect_ms = 1000,
        .stagger_ms = 100,
        .step_ms = 50,
        .pause_ms_max = 400,
    };
}

static void step(struct desk *d, struct quorum_event event)
{
    event.now_ms = d->now_ms;
    quorum_member_step(&d->member, &event, &d->fx);
}

static void open_desk(struct desk *d, unsigned self, const struct quorum_record *found)
{
    struct quorum_config config = config_of(self);
    d->now_ms = 1;
    quorum_member_init(&d->member, &config, found);
    step(d, (struct quorum_event){.type = QUORUM_START});
}

static void receive(struct desk *d, unsigned from, struct quorum_msg msg)
{
    step(d, (struct quorum_event){.type = QUORUM_RECEIVED, .from = from, .msg = msg});
}

static void written(struct desk *d)
{
    step(d, (struct quorum_event){.type = QUORUM_WRITTEN});
}

// The only message of the last step.
static const struct quorum_send *sent(const struct desk *d, enum quorum_msg_type type)
{
    assert_int_equal(d->fx.send_count, 1);
    assert_string_equal(quorum_msg_name(d->fx.sends[0].msg.type), quorum_msg_name(type));
    return &d->fx.sends[0];
}

static void wrote(const struct desk *d, enum quorum_state state, uint32_t horizon,
                  quorum_number_t attempt)
{
    assert_true(d->fx.write);
    assert_int_equal(d->fx.record.state, state);
    assert_int_equal(d->fx.record.horizon, horizon);
    assert_true(d->fx.record.attempt == attempt);
}

static void silent(const struct desk *d)
{
    assert_int_equal(d->fx.send_count, 0);
}

static void vote_yes(struct desk *d)
{
    step(d, (struct quorum_event){.type = QUORUM_VOTED, .yes = true});
    wrote(d, QUORUM_WAITING, 3, 0);
    silent(d); // before it is durable
    written(d);
    assert_true(sent(d, QUORUM_VOTE)->coordinator);
    assert_int_equal(d->fx.sends[0].msg.outcome, OUTCOME_COMMITTED);
}

static void test_no_failure(void **state)
{
    (void)state;
    struct desk d = {0};
    quorum_number_t first = quorum_number(1, QUORUM_COORDINATOR, 5);
    open_desk(&d, 1, NULL);
    vote_yes(&d);
    receive(&d, QUORUM_COORDINATOR,
            (struct quorum_msg){.type = QUORUM_TRY, .number = first, .outcome = OUTCOME_COMMITTED});
    wrote(&d, QUORUM_PRE_COMMITTED, 3, first);
    silent(&d);
    written(&d);
    const struct quorum_send *state_sent = sent(&d, QUORUM_STATE);
    assert_true(state_sent->coordinator && state_sent->members == 0);
    assert_true(state_sent->msg.attempt == first);
    receive(&d, QUORUM_COORDINATOR,
            (struct quorum_msg){.type = QUORUM_DECIDE, .outcome = OUTCOME_COMMITTED});
    assert_int_equal(d.fx.decided, OUTCOME_COMMITTED);
    receive(&d, 2, (struct quorum_msg){.type = QUORUM_ASK, .number = quorum_number(2, 2, 0)});
    assert_int_equal(sent(&d, QUORUM_DECIDE)->members, 1 << 2);
}

// Nobody has pre-committed, and the coordinator is silent: the first branch has two of three abort.
static void test_elects(void **state)
{
    (void)state;
    struct desk d = {0};
    quorum_number_t mine = quorum_number(2, 0, 0);
    open_desk(&d, 0, NULL);
    vote_yes(&d);
    d.now_ms = d.member.due_ms;
    assert_in_range(d.now_ms, 1000, 1100);
    step(&d, (struct quorum_event){.type = QUORUM_TICK});
    assert_int_equal(sent(&d, QUORUM_ASK)->members, 6);
    assert_true(d.fx.sends[0].coordinator && d.fx.sends[0].msg.number == mine);
    assert_false(d.fx.write); // round 2 is below the horizon: the promise costs nothing
    receive(&d, 2,
            (struct quorum_msg){.type = QUORUM_STATE, .number = mine, .state = QUORUM_WAITING});
    assert_int_equal(sent(&d, QUORUM_TRY)->members, 6);
    assert_int_equal(d.fx.sends[0].msg.outcome, OUTCOME_ABORTED);
    wrote(&d, QUORUM_PRE_ABORTED, 3, mine);
    written(&d);
    assert_int_equal(sent(&d, QUORUM_STATE)->members, 6);
    receive(
        &d, 2,
        (struct quorum_msg){
            .type = QUORUM_STATE, .number = mine, .attempt = mine, .state = QUORUM_PRE_ABORTED});
    assert_int_equal(d.fx.decided, OUTCOME_ABORTED);
    assert_int_equal(sent(&d, QUORUM_DECIDE)->members, 6);
}

// A promise below the horizon is kept through a restart by joining nothing there.
static void test_promise_outlives(void **state)
{
    (void)state;
    struct desk d = {0};
    open_desk(&d, 1, NULL);
    vote_yes(&d);
    receive(&d, 0, (struct quorum_msg){.type = QUORUM_ASK, .number = quorum_number(2, 0, 0)});
    assert_int_equal(sent(&d, QUORUM_STATE)->members, 1);
    struct quorum_record found = d.member.kept;
    open_desk(&d, 1, &found);
    receive(&d, QUORUM_COORDINATOR,
            (struct quorum_msg){.type = QUORUM_TRY,
                                .number = quorum_number(1, QUORUM_COORDINATOR, 5),
                                .outcome = OUTCOME_COMMITTED});
    assert_false(d.fx.write);
    assert_int_equal(quorum_round(sent(&d, QUORUM_STATE)->msg.number), 3);
    assert_int_equal(d.fx.sends[0].msg.state, QUORUM_WAITING);
    receive(&d, 0, (struct quorum_msg){.type = QUORUM_ASK, .number = quorum_number(4, 0, 0)});
    wrote(&d, QUORUM_WAITING, 5, 0); // above it, a promise is a record
    silent(&d);
    written(&d);
    assert_int_equal(sent(&d, QUORUM_STATE)->members, 1);
}

// Asked by a peer before it has voted, a branch refuses for ever, durably.
static void test_refuses(void **state)
{
    (void)state;
    struct desk d = {0};
    open_desk(&d, 2, NULL);
    receive(&d, 0, (struct quorum_msg){.type = QUORUM_ASK});
    assert_int_equal(sent(&d, QUORUM_STATE)->msg.state, QUORUM_IDLE); // only a question
    receive(&d, 0, (struct quorum_msg){.type = QUORUM_ASK, .number = quorum_number(2, 0, 0)});
    wrote(&d, QUORUM_ABORTED, 3, 0);
    silent(&d);
    step(&d, (struct quorum_event){.type = QUORUM_VOTED, .yes = true}); // too late
    silent(&d);
    written(&d);
    assert_int_equal(d.fx.decided, OUTCOME_ABORTED);
    assert_int_equal(sent(&d, QUORUM_DECIDE)->members, 1);
    assert_true(d.fx.sends[0].coordinator);
    struct quorum_record found = d.member.kept;
    open_desk(&d, 2, &found);
    step(&d, (struct quorum_event){.type = QUORUM_VOTED, .yes = true});
    assert_int_equal(sent(&d, QUORUM_DECIDE)->msg.outcome, OUTCOME_ABORTED);
}

static void test_loses(void **state)
{
    (void)state;
    struct desk d = {0};
    open_desk(&d, 0, NULL);
    vote_yes(&d);
    d.now_ms = d.member.due_ms;
    step(&d, (struct quorum_event){.type = QUORUM_TICK});
    quorum_number_t theirs = quorum_number(2, 1, 0);
    receive(&d, 2,
            (struct quorum_msg){.type = QUORUM_STATE, .number = theirs, .state = QUORUM_WAITING});
    assert_int_equal(d.member.elector.phase, QUORUM_RESTING);
    assert_true(d.member.due_ms > d.now_ms);
    d.now_ms = d.member.due_ms;
    step(&d, (struct quorum_event){.type = QUORUM_TICK});
    assert_int_equal(quorum_round(sent(&d, QUORUM_ASK)->msg.number), 3);
}

// ---- the lead ----

static void lead_receive(struct quorum_lead *lead, struct quorum_effects *fx, unsigned from,
                         struct quorum_msg msg)
{
    struct quorum_event event = {.type = QUORUM_RECEIVED, .now_ms = 10, .from = from, .msg = msg};
    quorum_lead_step(lead, &event, fx);
}

static void test_lead(void **state)
{
    (void)state;
    struct quorum_lead lead;
    struct quorum_effects fx;
    struct quorum_config config = config_of(QUORUM_COORDINATOR);
    quorum_lead_init(&lead, &config, false);
    struct quorum_event event = {.type = QUORUM_START, .now_ms = 1};
    quorum_lead_step(&lead, &event, &fx);
    assert_int_equal(fx.send_count, 0);
    struct quorum_msg yes = {.type = QUORUM_VOTE, .outcome = OUTCOME_COMMITTED};
    for (unsigned i = 0; i < MEMBERS; i++)
        lead_receive(&lead, &fx, i, yes);
    assert_int_equal(fx.sends[0].msg.type, QUORUM_TRY);
    quorum_number_t first = fx.sends[0].msg.number;
    assert_int_equal(quorum_round(first), 1);
    event.type = QUORUM_CANCEL; // too late
    quorum_lead_step(&lead, &event, &fx);
    assert_int_equal(fx.decided, OUTCOME_NONE);
    struct quorum_msg done = {
        .type = QUORUM_STATE, .number = first, .attempt = first, .state = QUORUM_PRE_COMMITTED};
    lead_receive(&lead, &fx, 0, done);
    assert_int_equal(fx.decided, OUTCOME_NONE);
    lead_receive(&lead, &fx, 2, done);
    assert_int_equal(fx.decided, OUTCOME_COMMITTED);
    assert_int_equal(fx.sends[0].msg.type, QUORUM_DECIDE);
    assert_int_equal(fx.sends[0].members, 7);
}

static void test_lead_no(void **state)
{
    (void)state;
    struct quorum_lead lead;
    struct quorum_effects fx;
    struct quorum_config config = config_of(QUORUM_COORDINATOR);
    quorum_lead_init(&lead, &config, false);
    lead_receive(&lead, &fx, 1,
                 (struct quorum_msg){.type = QUORUM_VOTE, .outcome = OUTCOME_ABORTED});
    assert_int_equal(fx.decided, OUTCOME_ABORTED);
    lead_receive(&lead, &fx, 2,
                 (struct quorum_msg){.type = QUORUM_ASK, .number = quorum_number(2, 2, 0)});
    assert_int_equal(fx.sends[0].msg.outcome, OUTCOME_ABORTED);
}

// After a restart it asks, even where it could have all votes again.
static void test_lead_recovers(void **state)
{
    (void)state;
    struct quorum_lead lead;
    struct quorum_effects fx;
    struct quorum_config config = config_of(QUORUM_COORDINATOR);
    quorum_lead_init(&lead, &config, true);
    struct quorum_event event = {.type = QUORUM_CANCEL, .now_ms = 1};
    quorum_lead_step(&lead, &event, &fx);
    assert_int_equal(fx.decided, OUTCOME_NONE);
    event.type = QUORUM_START;
    quorum_lead_step(&lead, &event, &fx);
    assert_int_equal(fx.sends[0].msg.type, QUORUM_ASK);
    assert_true(fx.sends[0].msg.number == quorum_number(2, QUORUM_COORDINATOR, 5));
    struct quorum_msg waiting = {
        .type = QUORUM_STATE, .number = fx.sends[0].msg.number, .state = QUORUM_WAITING};
    lead_receive(&lead, &fx, 0, waiting);
    lead_receive(&lead, &fx, 1, waiting);
    assert_int_equal(fx.sends[0].msg.type, QUORUM_TRY);
    assert_int_equal(fx.sends[0].msg.outcome, OUTCOME_ABORTED);
}

// ---- whatever is said, in whatever order ----

static struct quorum_msg nonsense(struct rng *rng, unsigned from)
{
    static const enum outcome outcomes[] = {OUTCOME_NONE, OUTCOME_COMMITTED, OUTCOME_ABORTED,
                                            OUTCOME_UNKNOWN};
    uint32_t round = rng_below(rng, 20) ? (uint32_t)rng_below(rng, 6) : (uint32_t)rng_next(rng);
    unsigned who = rng_below(rng, 4) ? from : (unsigned)rng_below(rng, QUORUM_COORDINATOR + 1);
    return (struct quorum_msg){
        .type = (enum quorum_msg_type)(1 + rng_below(rng, 5)),
        .number = rng_below(rng, 8) ? quorum_number(round, who, 5) : 0,
        .attempt = rng_below(rng, 3) ? quorum_number((uint32_t)rng_below(rng, 6), who, 5) : 0,
        .state = (enum quorum_state)rng_below(rng, QUORUM_ABORTED + 2),
        .outcome = outcomes[rng_below(rng, 4)],
    };
}

static struct quorum_event something(struct rng *rng, uint64_t now_ms)
{
    unsigned from = (unsigned)rng_below(rng, MEMBERS + 2);
    from = from < MEMBERS ? from : from == MEMBERS ? QUORUM_COORDINATOR : LIMIT_BRANCHES - 1;
    return (struct quorum_event){
        .type =
            rng_below(rng, 3) ? QUORUM_RECEIVED : (enum quorum_event_type)(2 + rng_below(rng, 6)),
        .now_ms = now_ms,
        .from = from,
        .msg = nonsense(rng, from),
        .yes = rng_below(rng, 2),
    };
}

// Nothing that is heard breaks an invariant: a member only ever goes where its table lets it, and
// an outcome that it knows stays.
static void test_nonsense(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 7);
    for (unsigned run = 0; run < 5000; run++) {
        struct desk d = {0};
        struct quorum_lead lead;
        struct quorum_effects fx;
        struct quorum_config member = config_of(1), coordinator = config_of(QUORUM_COORDINATOR);
        enum outcome known = OUTCOME_NONE;
        quorum_member_init(&d.member, &member, NULL);
        quorum_lead_init(&lead, &coordinator, run % 2);
        for (unsigned n = 0; n < 60; n++) {
            d.now_ms += rng_below(&rng, 400);
            struct quorum_event event = something(&rng, d.now_ms);
            quorum_lead_step(&lead, &event, &fx);
            if (event.type == QUORUM_WRITTEN && !d.member.writing)
                continue; // the shell's word, and not a stranger's
            quorum_member_step(&d.member, &event, &d.fx);
            assert_true(!known || !d.fx.decided || d.fx.decided == known);
            known = d.fx.decided ? d.fx.decided : known;
            assert_true(d.member.horizon >= QUORUM_HORIZON_FRESH);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule),
        cmocka_unit_test(test_majority),
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_tally),
        cmocka_unit_test(test_no_failure),
        cmocka_unit_test(test_elects),
        cmocka_unit_test(test_promise_outlives),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_loses),
        cmocka_unit_test(test_lead),
        cmocka_unit_test(test_lead_no),
        cmocka_unit_test(test_lead_recovers),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
