// SPDX-License-Identifier: Apache-2.0
#include "participant_site.h"

#include "base/check.h"
#include "trace.h"
#include "wire/wire.h"

// ---- effects ----

static const struct branch_record *record_of(const struct site *s, const struct gtid *gtid,
                                             unsigned branch)
{
    char key[RECORD_KEY_BYTES] = {0};
    char storage[RECORD_KEY_BYTES];
    struct slice text = record_key_branch(gtid, branch, storage);
    memcpy(key, text.data, text.size);
    const struct fake_entry *entry = fake_log_find(&s->journal, key);
    return entry ? fake_log_branch(entry) : NULL;
}

// Durable before visible.
static void check_said(const struct site *s, const struct msg *msg)
{
    if (msg->type == MSG_VOTE && msg->u.vote.vote == VOTE_YES && !s->config.rm_durable) {
        const struct branch_record *record = record_of(s, &msg->u.vote.gtid, msg->u.vote.branch);
        CHECK(record && record->attempt == msg->u.vote.attempt);
        CHECK(record->stage == JOURNAL_PREPARED);
    }
    if (msg->type == MSG_DONE && !(msg->u.done.flags & DONE_FORGOTTEN)) {
        const struct branch_record *record = record_of(s, &msg->u.done.gtid, msg->u.done.branch);
        bool same = record && record->attempt == msg->u.done.attempt;
        // A coordinator that lets the fence pass what it still asks about may find it collected.
        CHECK(same || msg->u.done.outcome == OUTCOME_ABORTED || !s->ledger.strict);
        CHECK(!same ||
              (record->stage == JOURNAL_FINISHED && record->outcome == msg->u.done.outcome));
    }
}

static void said(struct site *s, const struct msg *msg)
{
    buf_reset(&s->frame);
    wire_begin(&s->frame);
    CHECK(wire_add(&s->frame, msg) == ASSENT_OK);
    check_said(s, msg);
    if (msg->type == MSG_HELLO)
        s->greeted = true;
    if (s->deaf)
        return;
    if (msg->type == MSG_VOTE)
        ledger_vote(&s->ledger, &msg->u.vote);
    else if (msg->type == MSG_DONE)
        ledger_done(&s->ledger, &msg->u.done);
    else if (msg->type == MSG_INQUIRE)
        s->asked[s->asked_count++ % LINE] = *msg;
}

// Calls for one branch never overlap.
static void calling(struct site *s, const struct effect_call *call)
{
    CHECK(s->call_count < CALLS);
    for (unsigned i = 0; i < s->call_count; i++)
        CHECK(s->calls[i].call.branch != call->branch ||
              !gtid_equal(&s->calls[i].call.gtid, &call->gtid));
    struct call *to = &s->calls[s->call_count++];
    *to = (struct call){call->token, *call};
    to->call.payload = (struct slice){0};
}

static void apply(struct site *s, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: said(s, &effect->u.send.msg); break;
    case EFFECT_WRITE: fake_log_write(&s->journal, &effect->u.write); break;
    case EFFECT_CALL: calling(s, &effect->u.call); break;
    case EFFECT_HORIZON:
        CHECK(effect->u.horizon > s->horizon);
        s->horizon = effect->u.horizon;
        break;
    case EFFECT_TELL: break;
    case EFFECT_LOOKUP:
    case EFFECT_ANSWER:
    case EFFECT_EXTENDED:
    case EFFECT_COMPLETE: CHECK(!"an effect of another core"); break;
    case EFFECT_STOP: CHECK(!"nothing should stop it"); break;
    }
}

static void step(struct site *s, struct event *event)
{
    event->now = s->now;
    effects_reset(&s->fx);
    trace_event(event);
    participant_step(s->p, event, &s->fx);
    trace_effects(&s->fx);
    CHECK(!s->fx.failed);
    for (size_t i = 0; i < s->fx.count; i++)
        apply(s, &s->fx.items[i]);
    if (event->type == EVENT_TICK)
        CHECK(participant_deadline(s->p) > s->now.mono_ms);
}

// ---- the line ----

void site_receive_from(struct site *s, const struct frame_header *header, const struct msg *msg)
{
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = header;
    event.u.received.msg = msg;
    step(s, &event);
}

static void deliver(struct site *s, const struct letter *letter)
{
    if (s->linked)
        site_receive_from(s, &letter->header, &letter->msg);
}

void site_send(struct site *s, const struct msg *msg, bool arrives)
{
    struct letter letter = {.msg = *msg};
    letter.header = (struct frame_header){
        .version = WIRE_VERSION,
        .from_coordinator = 1,
        .coordinator = s->coordinator,
        .incarnation = s->ledger.incarnation,
        .log_seq = s->ledger.count,
        .seal = ~(uint64_t)s->ledger.count,
        .fence = ledger_fence(&s->ledger),
    };
    s->line[s->line_count++ % LINE] = letter;
    if (arrives)
        deliver(s, &letter);
}

void site_deliver(struct site *s, unsigned which)
{
    unsigned count = s->line_count < LINE ? s->line_count : LINE;
    if (count == 0)
        return;
    struct letter letter = s->line[(s->line_count - 1 - which % count) % LINE];
    deliver(s, &letter);
}

void site_link(struct site *s, bool up)
{
    struct event event = {.type = up ? EVENT_CONNECTED : EVENT_DISCONNECTED};
    if (up == s->linked)
        return;
    s->linked = up;
    s->greeted = false;
    step(s, &event);
}

// ---- the disk and the resource manager ----

bool site_sync(struct site *s)
{
    struct event event = {.type = EVENT_WRITTEN};
    const struct fake_entry *stands;
    if (!fake_log_sync(&s->journal, &event.u.written.token, &stands))
        return false;
    CHECK(!stands);
    event.u.written.log_seq = s->journal.head_seq;
    step(s, &event);
    return true;
}

// What the resource manager does. A second PREPARE of what it holds finds it there.
static void execute(struct site *s, const struct effect_call *call, enum rm_result result)
{
    struct run *run = ledger_find(&s->ledger, &call->gtid, call->branch, call->attempt);
    CHECK(run || !s->ledger.strict || (call->attempt == 0 && call->op == RM_ROLLBACK));
    if (call->op == RM_PREPARE) {
        CHECK(!s->ledger.strict || run->held != HELD_COMMITTED || run->read_only);
        if (run)
            run->held = result == RM_DONE ? HELD_PREPARED : HELD_NOTHING;
    } else if (call->op == RM_FORGET) {
        if (result == RM_DONE)
            ledger_forget(&s->ledger, call);
    } else if (result == RM_DONE && call->op == RM_COMMIT) {
        ledger_commit(&s->ledger, call);
    } else if (result == RM_DONE) {
        ledger_rollback(&s->ledger, call);
    }
}

// Answers that are none to a commit or rollback stand for a decision of its own.
static uint8_t will_of(enum rm_result result, bool unclear)
{
    if (result == RM_NO)
        return unclear ? HEURISTIC_MIXED : HEURISTIC_ROLLBACK;
    if (result == RM_READ_ONLY)
        return unclear ? HEURISTIC_HAZARD : HEURISTIC_COMMIT;
    return 0;
}

bool site_called(struct site *s, unsigned which, enum rm_result result, struct slice text)
{
    if (s->call_count == 0)
        return false;
    struct call *place = &s->calls[which % s->call_count];
    struct call call = *place;
    *place = s->calls[--s->call_count];
    bool ends = call.call.op == RM_COMMIT || call.call.op == RM_ROLLBACK;
    uint8_t own = ends ? ledger_own(&s->ledger, &call.call, will_of(result, text.size > 100)) : 0;
    if (call.call.op != RM_PREPARE && result != RM_DONE)
        result = RM_RETRY;
    if (own)
        result = (enum rm_result)(RM_HEURISTIC_COMMIT + own / HEURISTIC_COMMIT - 1);
    else
        execute(s, &call.call, result);
    struct event event = {.type = EVENT_CALLED};
    event.u.called = (struct event_called){
        .token = call.token,
        .result = result,
        .durable = s->config.rm_durable,
        .text = text,
    };
    step(s, &event);
    return true;
}

void site_working(struct site *s, unsigned key)
{
    struct branch_record record = {.gtid = ledger_gtid(key), .branch = ledger_branch(key)};
    struct event event = {.type = EVENT_WORKING, .u.branch = &record};
    step(s, &event);
}

// ---- life ----

static void recover(struct site *s)
{
    for (unsigned i = 0; i < FAKE_LOG_ENTRIES; i++) {
        struct event event = {.type = EVENT_RECOVERED};
        if (!s->journal.entries[i].key[0])
            continue;
        event.u.branch = fake_log_branch(&s->journal.entries[i]);
        step(s, &event);
    }
    for (unsigned i = 0; i < s->ledger.count; i++) {
        const struct run *run = &s->ledger.runs[i];
        struct branch_record record = {
            .gtid = ledger_gtid(run->key),
            .branch = ledger_branch(run->key),
            .attempt = run->attempt,
            .coordinator = s->coordinator,
            .protocol = PROTOCOL_2PC,
            .kind = BRANCH_CALL,
        };
        struct event event = {.type = EVENT_FOUND, .u.branch = &record};
        if (run->held == HELD_PREPARED)
            step(s, &event);
    }
}

static void start(struct site *s)
{
    s->config.incarnation++;
    s->p = participant_new(&s->config);
    CHECK(s->p);
    recover(s);
    struct event event = {.type = EVENT_START};
    step(s, &event);
    struct event tick = {.type = EVENT_TICK};
    step(s, &tick);
}

void site_crash(struct site *s, bool called)
{
    participant_destroy(&s->p);
    fake_log_crash(&s->journal);
    for (unsigned i = 0; called && i < s->call_count; i++)
        if (!ledger_own(&s->ledger, &s->calls[i].call, 0))
            execute(s, &s->calls[i].call, RM_DONE);
    s->call_count = 0;
    s->line_count = 0; // the transport does not deliver to a later run what was for an earlier one
    s->asked_count = 0;
    s->linked = s->greeted = false;
    start(s);
}

void site_pass(struct site *s, uint64_t ms)
{
    struct event event = {.type = EVENT_TICK};
    s->now.mono_ms += ms;
    s->now.wall_ms += ms;
    step(s, &event);
}

void site_look_in(const struct site *s)
{
    struct participant_stats stats;
    struct part_view view, again;
    uint64_t count = 0;
    for (size_t cursor = 0; participant_next(s->p, &cursor, &view); count++) {
        CHECK(participant_find(s->p, &view.record.gtid, view.record.branch, &again));
        CHECK(again.state == view.state && again.record.attempt == view.record.attempt);
    }
    participant_stats(s->p, &stats);
    CHECK(stats.branches == count);
}

void site_open(struct site *s, bool strict, bool rm_durable)
{
    *s = (struct site){.coordinator = 0x123456789a};
    effects_init(&s->fx);
    buf_init(&s->frame, LIMIT_FRAME_BYTES);
    s->ledger.strict = strict;
    s->ledger.incarnation = 1;
    s->ledger.next = 1;
    s->now = (struct now){.mono_ms = 1000, .wall_ms = 1700000000000};
    participant_config_defaults(&s->config);
    memcpy(s->config.resource, "north", 6);
    s->config.journal = 77;
    s->config.seed = 1;
    s->config.rm_durable = rm_durable;
    s->config.branches_max = 3;
    s->config.finished_max = 4;
    s->config.decided_max = 4;
    start(s);
}

void site_close(struct site *s)
{
    participant_destroy(&s->p);
    fake_log_free(&s->journal);
    buf_free(&s->frame);
    effects_free(&s->fx);
}
