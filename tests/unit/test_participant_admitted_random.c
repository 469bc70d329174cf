// SPDX-License-Identifier: Apache-2.0
// One participant of tcc transactions, sagas and messages, with an honest coordinator, a resource
// manager with a barrier, and everything that can go wrong between them, by seed: crashes of both,
// records and messages lost, PREPAREs that come late. In the end each branch is as was decided,
// nothing was done twice, and nothing is left anywhere.
#include "bench.h"

#include <stdio.h>

#include "base/rng.h"

enum { SEEDS = 2000, STEPS = 1500, LIVE = 4, TRANSACTIONS = 24, QUEUE = 64, LATE = 8 };

// One transaction, of which this participant has branch 0.
struct deal {
    unsigned n; // 0: none
    struct msg_prepare ask;
    char payload[16];
    // the coordinator's view
    uint64_t attempt; // the latest; 0: never asked
    bool asking;      // it may still be prepared: holds the fence
    bool yes, acked, ended;
    enum outcome decided;
    // the resource manager's
    bool acted, undone, confirmed, forgotten;
};

struct pending {
    token_t token;
    bool forget;
    struct branch_record record;
    char payload[16], result[16];
};

struct world {
    struct bench b;
    struct rng rng;
    bool calm;
    unsigned begun;
    uint64_t counter;
    struct deal deals[LIVE];
    struct pending journal[QUEUE], writes[QUEUE];
    unsigned journaled, written;
    struct effect_call calls[QUEUE];
    unsigned called;
    struct msg late[LATE];
    struct msg inquiries[QUEUE];
    unsigned inquired;
};

static bool chance(struct world *w, unsigned in)
{
    return !w->calm && rng_below(&w->rng, in) == 0;
}

static struct deal *deal_of(struct world *w, const struct gtid *gtid)
{
    for (unsigned i = 0; i < LIVE; i++) {
        struct gtid own = bench_gtid_of(w->deals[i].n);
        if (w->deals[i].n && gtid_equal(&own, gtid))
            return &w->deals[i];
    }
    return NULL;
}

static bool one_phase(const struct deal *d)
{
    return d->ask.flags & PREPARE_ONE_PHASE;
}

static bool decides(const struct deal *d) // or is asked only
{
    return d->ask.kind == BRANCH_SENDER || one_phase(d);
}

// ---- what the participant does ----

static void queue_write(struct world *w, const struct effect_write *write)
{
    assert_true(w->written < QUEUE);
    assert_true(write->open);
    struct pending *to = &w->writes[w->written++];
    *to = (struct pending){write->token, write->forget, *write->branch, "", ""};
    const struct branch_record *r = write->branch;
    assert_true(r->payload.size < sizeof to->payload && r->result.size < sizeof to->result);
    if (r->payload.size)
        memcpy(to->payload, r->payload.data, r->payload.size);
    if (r->result.size)
        memcpy(to->result, r->result.data, r->result.size);
}

static void heard_vote(struct world *w, const struct msg_vote *vote)
{
    struct deal *d = deal_of(w, &vote->gtid);
    if (!d || vote->attempt != d->attempt || !d->asking)
        return;
    char result[16];
    d->asking = false;
    if (vote->vote == VOTE_YES && d->ask.kind == BRANCH_STEP) {
        snprintf(result, sizeof result, "result %u", d->n);
        assert_true(slice_equal(vote->text, slice_text(result)));
    }
    assert_true(vote->vote != VOTE_YES || d->acted);
    assert_true(vote->vote != VOTE_NO || !one_phase(d));
    assert_true(vote->vote != VOTE_RETRY || d->ask.protocol != PROTOCOL_TCC);
    if (d->decided != OUTCOME_NONE)
        return;
    d->yes = vote->vote == VOTE_YES;
    if (vote->vote == VOTE_NO)
        d->decided = OUTCOME_ABORTED;
    if (d->ask.kind == BRANCH_SENDER && vote->vote != VOTE_RETRY) {
        d->decided = d->yes ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
        d->acked = true;
    }
}

static void heard_done(struct world *w, const struct msg_done *done)
{
    struct deal *d = deal_of(w, &done->gtid);
    if (!d || done->attempt != d->attempt)
        return;
    assert_int_equal(done->flags & (DONE_HEURISTIC | DONE_FORGOTTEN), 0);
    assert_int_equal(!!(done->flags & DONE_RESULT),
                     d->ask.kind == BRANCH_STEP && done->outcome == OUTCOME_COMMITTED);
    if (d->decided == OUTCOME_NONE)
        d->decided = OUTCOME_COMMITTED;
    assert_int_equal(d->decided, done->outcome);
    d->asking = false;
    d->acked = true;
}

static void said(struct world *w, const struct msg *msg)
{
    if (chance(w, 6))
        return; // lost
    if (msg->type == MSG_VOTE)
        heard_vote(w, &msg->u.vote);
    else if (msg->type == MSG_DONE)
        heard_done(w, &msg->u.done);
    else if (msg->type == MSG_INQUIRE && w->inquired < QUEUE)
        w->inquiries[w->inquired++] = *msg;
}

static void check_call(struct world *w, const struct effect_call *call)
{
    struct deal *d = deal_of(w, &call->gtid);
    assert_non_null(d);
    for (unsigned i = 0; i < w->called; i++) // one at a time for each branch
        assert_false(gtid_equal(&w->calls[i].gtid, &call->gtid));
    if (call->op == RM_FORGET)
        return;
    assert_int_equal(call->protocol, d->ask.protocol);
    assert_int_equal(call->kind, d->ask.kind);
    assert_true(slice_equal(call->payload, slice_text(d->payload)));
}

static void take_effects(struct world *w)
{
    for (size_t i = 0; i < w->b.fx.count; i++) {
        const struct effect *effect = &w->b.fx.items[i];
        if (effect->type == EFFECT_WRITE) {
            queue_write(w, &effect->u.write);
        } else if (effect->type == EFFECT_CALL) {
            check_call(w, &effect->u.call);
            assert_true(w->called < QUEUE);
            w->calls[w->called++] = effect->u.call;
        } else if (effect->type == EFFECT_SEND) {
            said(w, &effect->u.send.msg);
        }
    }
}

// ---- its journal and resource manager ----

static void sync_one(struct world *w, bool alive)
{
    if (w->written == 0)
        return;
    struct pending done = w->writes[0];
    memmove(w->writes, w->writes + 1, --w->written * sizeof *w->writes);
    for (unsigned i = 0; i < w->journaled; i++) {
        if (gtid_equal(&w->journal[i].record.gtid, &done.record.gtid))
            w->journal[i--] = w->journal[--w->journaled];
    }
    if (!done.forget)
        w->journal[w->journaled++] = done;
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = done.token;
    if (alive) {
        bench_step(&w->b, &event);
        take_effects(w);
    }
}

static enum rm_result act(struct world *w, struct deal *d)
{
    if (d->acted)
        return RM_DONE;
    if (d->undone || (chance(w, 6) && !one_phase(d)))
        return RM_NO;
    bool retry = chance(w, 4);
    d->acted = !retry || chance(w, 2); // or nobody knows
    return retry ? RM_RETRY : RM_DONE;
}

static enum rm_result obey(struct world *w, const struct effect_call *call)
{
    struct deal *d = deal_of(w, &call->gtid);
    assert_non_null(d);
    if (call->op != RM_FORGET && call->kind != BRANCH_SENDER)
        assert_false(d->forgotten);
    if (call->op == RM_PREPARE)
        return act(w, d);
    if (chance(w, 4))
        return RM_RETRY;
    switch (call->op) {
    case RM_PREPARE: break;
    case RM_COMMIT:
        assert_true(d->ask.protocol == PROTOCOL_TCC && d->acted && !d->undone);
        assert_int_equal(d->decided, OUTCOME_COMMITTED);
        d->confirmed = true;
        break;
    case RM_ROLLBACK:
        assert_int_equal(d->decided, OUTCOME_ABORTED);
        assert_false(d->confirmed);
        d->undone = true;
        break;
    case RM_FORGET:
        assert_true(d->ended);
        d->forgotten = true;
        break;
    }
    return RM_DONE;
}

static void call_one(struct world *w)
{
    char result[16];
    if (w->called == 0)
        return;
    unsigned which = (unsigned)rng_below(&w->rng, w->called);
    struct effect_call call = w->calls[which];
    w->calls[which] = w->calls[--w->called];
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = call.token;
    event.u.called.result = obey(w, &call);
    snprintf(result, sizeof result, "result %u", deal_of(w, &call.gtid)->n);
    event.u.called.text = slice_text(result);
    bench_step(&w->b, &event);
    take_effects(w);
}

static void crash(struct world *w)
{
    participant_destroy(&w->b.part);
    effects_free(&w->b.fx);
    while (w->written > 0 && chance(w, 2))
        sync_one(w, false);
    for (unsigned i = 0; i < w->called; i++) {
        if (chance(w, 2))
            obey(w, &w->calls[i]);
    }
    w->written = w->called = w->inquired = 0;
    memset(w->late, 0, sizeof w->late);
    w->b.config.incarnation++;
    bench_start(&w->b);
    for (unsigned i = 0; i < w->journaled; i++) {
        struct pending *from = &w->journal[i];
        from->record.payload = slice_text(from->payload);
        from->record.result = slice_text(from->result);
        bench_step(&w->b, &(struct event){.type = EVENT_RECOVERED, .u.branch = &from->record});
    }
    bench_go(&w->b);
    take_effects(w);
}

// ---- the coordinator ----

static void receive(struct world *w, const struct msg *msg)
{
    uint64_t fence = w->b.header.incarnation << ATTEMPT_COUNTER_BITS | w->counter;
    for (unsigned i = 0; i < LIVE; i++) {
        const struct deal *d = &w->deals[i];
        if (d->n && d->asking && d->attempt < fence)
            fence = d->attempt;
    }
    w->b.header.fence = fence;
    if (chance(w, 8))
        return; // lost
    bench_receive(&w->b, msg);
    take_effects(w);
}

static void welcome(struct world *w)
{
    struct msg msg = {.type = MSG_WELCOME};
    msg.u.welcome.peer_incarnation = w->b.config.incarnation;
    receive(w, &msg);
}

static void begin(struct world *w, struct deal *d)
{
    static const struct msg_prepare kinds[] = {
        {.protocol = PROTOCOL_TCC, .kind = BRANCH_CALL},
        {.protocol = PROTOCOL_SAGA, .kind = BRANCH_STEP},
        {.protocol = PROTOCOL_SAGA, .kind = BRANCH_STEP, .flags = PREPARE_ONE_PHASE},
        {.protocol = PROTOCOL_MESSAGE, .kind = BRANCH_SENDER},
        {.protocol = PROTOCOL_MESSAGE, .kind = BRANCH_CONSUMER, .flags = PREPARE_ONE_PHASE},
    };
    if (w->calm || w->begun == TRANSACTIONS)
        return;
    *d = (struct deal){.n = ++w->begun, .ask = kinds[rng_below(&w->rng, 5)]};
    snprintf(d->payload, sizeof d->payload, "payload %u", d->n);
}

static void ask(struct world *w, struct deal *d)
{
    bool settled = one_phase(d) ? d->acked : d->yes || d->decided != OUTCOME_NONE;
    if (settled)
        return;
    if (!d->asking || chance(w, 3)) { // anew; else again
        d->attempt = w->b.header.incarnation << ATTEMPT_COUNTER_BITS | w->counter++;
        d->asking = true;
    }
    struct msg msg = {.type = MSG_PREPARE, .u.prepare = d->ask};
    msg.u.prepare.gtid = bench_gtid_of(d->n);
    msg.u.prepare.attempt = d->attempt;
    msg.u.prepare.payload = slice_text(d->payload);
    receive(w, &msg);
    w->late[rng_below(&w->rng, LATE)] = msg;
}

static void drive(struct world *w, struct deal *d)
{
    char result[16];
    if (d->decided == OUTCOME_NONE || d->acked)
        return;
    snprintf(result, sizeof result, "result %u", d->n);
    bool commit = d->decided == OUTCOME_COMMITTED;
    d->asking = false;
    struct msg msg = {.type = commit ? MSG_COMMIT : MSG_ROLLBACK};
    msg.u.decide = (struct msg_decide){
        .gtid = bench_gtid_of(d->n),
        .attempt = d->attempt,
        .flags = DECIDE_CONTENT,
        .protocol = d->ask.protocol,
        .kind = d->ask.kind,
        .payload = slice_text(d->payload),
        .result = d->yes && d->ask.kind == BRANCH_STEP ? slice_text(result) : slice_of(NULL, 0),
    };
    receive(w, &msg);
}

static void standing(struct world *w, struct deal *d, uint64_t attempt)
{
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing = (struct msg_standing){
        .gtid = bench_gtid_of(d->n),
        .attempt = attempt,
        .outcome = d->ended ? (uint8_t)d->decided : OUTCOME_NONE,
    };
    receive(w, &msg);
}

static void decide(struct world *w, struct deal *d)
{
    if (!d->attempt || decides(d) || d->decided != OUTCOME_NONE)
        return;
    if (d->yes || chance(w, 4)) {
        d->decided = d->yes && chance(w, 2) ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
        if (w->calm)
            d->decided = OUTCOME_COMMITTED;
    }
}

static void end(struct world *w, struct deal *d)
{
    if (d->acked && !d->ended) {
        d->ended = true;
        standing(w, d, d->attempt);
    }
}

static void answer(struct world *w)
{
    if (w->inquired == 0)
        return;
    struct msg asked = w->inquiries[--w->inquired];
    struct deal *d = deal_of(w, &asked.u.inquire.gtid);
    if (!d)
        return; // it came late
    assert_true(asked.u.inquire.prepared != INQUIRE_WORKING);
    if (asked.u.inquire.prepared == INQUIRE_FINISHED || d->decided == OUTCOME_NONE)
        standing(w, d, asked.u.inquire.attempt);
    else
        drive(w, d);
}

static void coordinator_restart(struct world *w)
{
    w->b.header.incarnation++;
    w->counter = 1;
    w->inquired = 0;
    memset(w->late, 0, sizeof w->late);
    for (unsigned i = 0; i < LIVE; i++) {
        w->deals[i].asking = false;
        w->deals[i].yes &= w->deals[i].decided != OUTCOME_NONE;
    }
    bench_step(&w->b, &(struct event){.type = EVENT_DISCONNECTED});
    bench_step(&w->b, &(struct event){.type = EVENT_CONNECTED});
    bench_welcome(&w->b);
    take_effects(w);
}

static void check_over(struct world *w, struct deal *d)
{
    struct part_view view;
    struct gtid gtid = bench_gtid_of(d->n);
    bool journaled = false;
    for (unsigned i = 0; i < w->journaled; i++)
        journaled |= gtid_equal(&w->journal[i].record.gtid, &gtid);
    for (unsigned i = 0; i < w->written; i++)
        journaled |= gtid_equal(&w->writes[i].record.gtid, &gtid);
    if (!d->ended || journaled || participant_find(w->b.part, &gtid, 0, &view))
        return;
    bool committed = d->decided == OUTCOME_COMMITTED;
    if (d->ask.kind != BRANCH_SENDER) {
        assert_int_equal(d->acted && !d->undone, committed);
        assert_int_equal(d->confirmed, committed && d->ask.protocol == PROTOCOL_TCC);
        assert_true(d->forgotten || !w->b.config.rm_forgets);
    }
    for (unsigned i = 0; i < LATE; i++) { // the fence has passed them
        if (w->late[i].type && gtid_equal(&w->late[i].u.prepare.gtid, &gtid)) {
            if (d->ask.kind != BRANCH_SENDER) // who is asked once more, to no effect
                receive(w, &w->late[i]);
            assert_false(participant_find(w->b.part, &gtid, 0, &view));
            w->late[i] = (struct msg){.type = 0};
        }
    }
    d->n = 0;
}

static void late(struct world *w)
{
    struct msg msg = w->late[rng_below(&w->rng, LATE)];
    if (msg.type && deal_of(w, &msg.u.prepare.gtid))
        receive(w, &msg);
}

static void turn(struct world *w)
{
    struct deal *d = &w->deals[rng_below(&w->rng, LIVE)];
    switch (rng_below(&w->rng, 16)) {
    case 0:
    case 1:
    case 2: call_one(w); return;
    case 3:
    case 4: sync_one(w, true); return;
    case 5: answer(w); return;
    case 6: late(w); return;
    case 7:
        w->b.now.mono_ms += rng_below(&w->rng, 3000);
        bench_step(&w->b, &(struct event){.type = EVENT_TICK});
        take_effects(w);
        welcome(w);
        return;
    case 8:
        if (chance(w, 8))
            crash(w);
        if (chance(w, 24))
            coordinator_restart(w);
        return;
    default: break;
    }
    if (!d->n) {
        begin(w, d);
        return;
    }
    switch (rng_below(&w->rng, 6)) {
    case 0: ask(w, d); break;
    case 1: decide(w, d); break;
    case 2: drive(w, d); break;
    case 3: end(w, d); break;
    case 4: check_over(w, d); break;
    case 5:
        if (chance(w, 4))
            d->asking = false; // no longer: its time is up
        break;
    }
}

static void run(uint64_t seed)
{
    static struct world w;
    w = (struct world){.counter = 1};
    rng_seed(&w.rng, seed);
    bench_open(&w.b);
    w.b.config.seed = seed;
    w.b.config.rm_forgets = seed % 4;
    bench_start(&w.b);
    bench_go(&w.b);
    for (unsigned n = 0; n < STEPS; n++)
        turn(&w);
    w.calm = true;
    for (unsigned n = 0; n < 60 * STEPS && bench_stats(&w.b).branches + w.journaled > 0; n++)
        turn(&w);
    for (unsigned n = 0; n < 2 * STEPS; n++)
        turn(&w);
    if (bench_stats(&w.b).branches + w.journaled + w.written + w.called > 0)
        fail_msg("seed %u: something is left", (unsigned)seed);
    for (unsigned i = 0; i < LIVE; i++)
        assert_int_equal(w.deals[i].n, 0);
    bench_close(&w.b);
}

static void random_days(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++)
        run(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_days)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
