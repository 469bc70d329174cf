// SPDX-License-Identifier: Apache-2.0
// A participant whose coordinator, journal, resource manager and network do as the bytes tell them.
// With an honest coordinator every branch must come out as was decided, whatever crashes and is
// lost; with any other, nothing may be said before it is durable, and nothing may break.
#include "base/check.h"
#include "fuzz.h"
#include "participant_site.h"

enum { STEPS_MAX = 4000, SETTLE_TURNS = 400 };

static struct msg prepare_of(const struct run *run)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = ledger_gtid(run->key),
        .attempt = run->attempt,
        .branch = ledger_branch(run->key),
        .protocol = PROTOCOL_2PC,
        .kind = BRANCH_CALL,
        .flags = run->one_phase ? PREPARE_ONE_PHASE : 0,
        .timeout_ms = 1000,
        .payload = slice_text("payload"),
    };
    return msg;
}

// What the coordinator says of a run: its decision, an operator's, or, where the branch decides,
// the question.
static struct msg decision_of(const struct run *run)
{
    bool commit = run->forced ? run->forced == OUTCOME_COMMITTED && !run->one_phase
                              : run->decided == OUTCOME_COMMITTED;
    struct msg msg = {.type = commit ? MSG_COMMIT : MSG_ROLLBACK};
    msg.u.decide = (struct msg_decide){
        .gtid = ledger_gtid(run->key),
        .attempt = run->attempt,
        .branch = ledger_branch(run->key),
    };
    if (run->forced)
        msg.u.decide.flags = DECIDE_HEURISTIC;
    else if (run->one_phase && run->decided == OUTCOME_NONE)
        msg.u.decide.flags = DECIDE_RESOLVE;
    return msg;
}

static bool run_undecided(const struct run *run)
{
    return run->decided == OUTCOME_NONE && !run->one_phase;
}

static unsigned pick_key(struct site *s)
{
    return input_below(&s->in, LEDGER_KEYS);
}

static struct run *pick_run(struct site *s)
{
    unsigned back = input_byte(&s->in) % 8u;
    return s->ledger.count ? &s->ledger.runs[s->ledger.count - 1 - back % s->ledger.count] : NULL;
}

// ---- the coordinator ----

static void do_begin(struct site *s)
{
    uint8_t how = input_byte(&s->in);
    struct run *run = ledger_begin(&s->ledger, how % LEDGER_KEYS, how & 0x10);
    if (!run)
        return;
    struct msg msg = prepare_of(run);
    site_send(s, &msg, !(how & 0x20));
}

static void do_decide(struct site *s)
{
    uint8_t how = input_byte(&s->in);
    struct run *run = pick_run(s);
    if (!run)
        return;
    ledger_decide(run, how & 1 ? OUTCOME_COMMITTED : OUTCOME_ABORTED);
    if (run->one_phase && run->decided != OUTCOME_NONE)
        return; // it was the participant that said so
    struct msg msg = decision_of(run);
    site_send(s, &msg, !(how & 0x20));
}

// An operator's word against a decision, for a branch that voted yes and has not acknowledged.
static void do_force(struct site *s)
{
    uint8_t how = input_byte(&s->in);
    struct run *run = pick_run(s);
    if (!run || run->one_phase || !run->voted_yes || run->acknowledged ||
        run->decided == OUTCOME_NONE)
        return;
    if (run->forced == OUTCOME_NONE)
        run->forced = how & 1 ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    struct msg msg = decision_of(run);
    site_send(s, &msg, true);
}

static void welcome(struct site *s)
{
    struct msg msg = {.type = MSG_WELCOME};
    if (!s->greeted)
        return;
    s->greeted = false;
    msg.u.welcome = (struct msg_welcome){.peer_incarnation = s->config.incarnation};
    site_send(s, &msg, true);
}

static struct msg standing_of(const struct msg_inquire *asked, enum outcome outcome)
{
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing = (struct msg_standing){
        .gtid = asked->gtid,
        .attempt = asked->attempt,
        .branch = asked->branch,
        .outcome = (uint8_t)outcome,
    };
    return msg;
}

static void inquiry_answer(struct site *s, const struct msg_inquire *asked, bool arrives)
{
    struct run *run = ledger_find(&s->ledger, &asked->gtid, asked->branch, asked->attempt);
    struct msg msg;
    if (!run)
        msg = standing_of(asked, OUTCOME_UNKNOWN);
    else if (run->decided == OUTCOME_NONE)
        msg = standing_of(asked, OUTCOME_NONE);
    else
        msg = decision_of(run);
    site_send(s, &msg, arrives);
}

// What a resource manager did by itself, and its participant has told, is on record.
static void note(struct site *s, struct run *run)
{
    if (!run->own_told || run->own_forgotten)
        return;
    struct gtid gtid = ledger_gtid(run->key);
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing = (struct msg_standing){
        .gtid = gtid,
        .attempt = run->attempt,
        .branch = ledger_branch(run->key),
        .outcome = run->decided,
        .flags = STANDING_NOTED,
    };
    site_send(s, &msg, true);
}

static void do_answer(struct site *s)
{
    uint8_t how = input_byte(&s->in);
    for (unsigned key = 0; how & 0x40 && key < LEDGER_KEYS; key++) {
        struct run *run = ledger_last(&s->ledger, key);
        if (run)
            note(s, run);
    }
    unsigned count = s->asked_count < LINE ? s->asked_count : LINE;
    if (count == 0)
        return;
    struct msg asked = s->asked[(s->asked_count - 1 - (how & 7) % count) % LINE];
    inquiry_answer(s, &asked.u.inquire, !(how & 0x20));
}

// ---- everybody else ----

static void do_call(struct site *s)
{
    static const char text[300] = "the reason of a no";
    static const enum rm_result results[] = {RM_DONE, RM_DONE, RM_NO, RM_READ_ONLY, RM_RETRY};
    uint8_t how = input_byte(&s->in);
    site_called(s, how >> 5, results[how % 5], slice_of(text, how & 0x10 ? sizeof text : 18));
}

static void do_pass(struct site *s)
{
    static const uint32_t spans[] = {1, 50, 300, 1500, 5000, 9000, 31000, 100000};
    site_pass(s, spans[input_below(&s->in, 8)]);
}

static void do_link(struct site *s)
{
    uint8_t how = input_byte(&s->in);
    site_link(s, !s->linked);
    s->deaf = how % 16 == 15;
}

static void do_collect(struct site *s)
{
    char key[RECORD_KEY_BYTES];
    while (fake_log_collect(&s->journal, s->horizon, key)) {
    }
}

// A coordinator that is none: only where nothing is expected to come out right.
static void do_nonsense(struct site *s)
{
    static const enum msg_type types[] = {MSG_PREPARE,  MSG_COMMIT, MSG_ROLLBACK, MSG_COMMIT,
                                          MSG_STANDING, MSG_PONG,   MSG_VOTE,     MSG_WELCOME};
    uint8_t how = input_byte(&s->in);
    unsigned key = pick_key(s);
    struct run made = {
        .key = key,
        .attempt = s->ledger.incarnation << ATTEMPT_COUNTER_BITS | input_below(&s->in, 8),
        .one_phase = how & 8,
        .decided = how & 0x10 ? OUTCOME_ABORTED : OUTCOME_NONE,
        .forced = how & 0x20 ? OUTCOME_ABORTED : OUTCOME_NONE,
    };
    struct msg msg = types[how % 8] == MSG_PREPARE ? prepare_of(&made) : decision_of(&made);
    if (how % 8 == 4) {
        struct msg_inquire about = {.gtid = ledger_gtid(key),
                                    .attempt = made.attempt & ~UINT64_C(7),
                                    .branch = ledger_branch(key)};
        msg = standing_of(&about, how & 0x10 ? OUTCOME_UNKNOWN : OUTCOME_NONE);
    }
    msg.type = types[how % 8];
    if (msg.type == MSG_WELCOME || msg.type == MSG_PONG)
        msg.u = (struct msg){.type = MSG_PONG}.u;
    struct frame_header header = {
        .version = WIRE_VERSION,
        .from_coordinator = !(how & 0x40),
        .coordinator = how & 0x80 ? 5 : s->coordinator,
        .incarnation = s->ledger.incarnation,
        .fence = made.attempt > 2 ? made.attempt - 2 : 0,
    };
    if (s->linked)
        site_receive_from(s, &header, &msg);
}

static void refuse(struct site *s, uint8_t how)
{
    struct msg msg = {.type = MSG_REFUSED};
    msg.u.refused.about = how & 1 ? MSG_HELLO : MSG_PING;
    msg.u.refused.code = ASSENT_STATE;
    msg.u.refused.text = slice_text("because");
    site_send(s, &msg, true);
}

static void do_rare(struct site *s)
{
    uint8_t how = input_byte(&s->in);
    switch (how % 6) {
    case 0:
    case 1: site_crash(s, how & 0x10); break;
    case 2: ledger_restart(&s->ledger); break;
    case 3: do_collect(s); break;
    case 4: refuse(s, how >> 4); break;
    case 5:
        if (!s->ledger.strict)
            do_nonsense(s);
        else
            site_working(s, pick_key(s));
        break;
    }
}

static void play(struct site *s)
{
    switch (input_below(&s->in, 16)) {
    case 0:
    case 1: do_begin(s); break;
    case 2:
    case 3: do_decide(s); break;
    case 4: do_force(s); break;
    case 5: welcome(s); break;
    case 6: do_answer(s); break;
    case 7:
    case 8: do_call(s); break;
    case 9:
    case 10: site_sync(s); break;
    case 11: site_deliver(s, input_byte(&s->in)); break;
    case 12: do_pass(s); break;
    case 13: do_link(s); break;
    case 14:
        if (!s->ledger.strict)
            do_nonsense(s);
        break;
    case 15: do_rare(s); break;
    }
}

// ---- the end: all is well again, and everything must end ----

// The coordinator drives what it has not heard the end of. False when there is nothing of the kind.
static bool settle_drive(struct site *s)
{
    bool any = false;
    for (unsigned i = 0; i < s->ledger.count; i++) {
        struct run *run = &s->ledger.runs[i];
        if (run_undecided(run))
            ledger_decide(run, OUTCOME_ABORTED);
        bool owed = run->one_phase ? run->decided == OUTCOME_NONE
                                   : run->decided == OUTCOME_COMMITTED && run->voted_yes;
        if (!owed || run->acknowledged)
            continue;
        struct msg msg = decision_of(run);
        site_send(s, &msg, true);
        any = true;
    }
    return any;
}

static bool settle_turn(struct site *s)
{
    struct participant_stats stats;
    site_pass(s, 1000);
    site_send(s, &(struct msg){.type = MSG_PONG}, true);
    welcome(s);
    bool owed = settle_drive(s);
    unsigned asked = s->asked_count < LINE ? s->asked_count : LINE;
    s->asked_count = 0;
    for (unsigned i = 0; i < asked; i++)
        inquiry_answer(s, &s->asked[i].u.inquire, true);
    for (unsigned i = 0; i < s->ledger.count; i++)
        note(s, &s->ledger.runs[i]);
    for (unsigned n = 0; n < 64 && (site_sync(s) || site_called(s, 0, RM_DONE, slice_text("")));
         n++) {
    }
    participant_stats(s->p, &stats);
    return !owed && stats.branches == stats.finished;
}

static void settle(struct site *s)
{
    s->deaf = false;
    site_link(s, false);
    site_link(s, true);
    unsigned turns = 0;
    while (!settle_turn(s) || turns < 3) {
        turns++;
        CHECK(turns < SETTLE_TURNS);
    }
    ledger_settled(&s->ledger);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct site s;
    uint8_t mode = size > 0 ? data[0] : 0;
    site_open(&s, mode & 1, mode & 2);
    s.in = (struct input){data, size, 1};
    for (unsigned n = 0; n < STEPS_MAX && input_left(&s.in); n++) {
        play(&s);
        if (n % 16 == 0)
            site_look_in(&s);
    }
    if (s.ledger.strict)
        settle(&s);
    site_close(&s);
    return 0;
}
