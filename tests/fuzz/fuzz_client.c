// SPDX-License-Identifier: Apache-2.0
// A client between an application that asks and a coordinator that answers as the bytes tell it:
// answers late, lost or refused, connections that break, deadlines. Whatever happens, an ask ends
// exactly once, what it is told is true, and what is reported as refused has had no effect.
#include "base/check.h"
#include "core/client.h"
#include "fuzz.h"
#include "input.h"
#include "trace.h"
#include "wire/wire.h"

enum { GTIDS = 4, ASKS = 256, QUEUE = 64, STEPS_MAX = 4000, NUMBERS = 1024 };

struct truth { // of one gtid at the coordinator
    uint8_t outcome;
    unsigned executed; // when the SUBMIT that began it was sent: the step; 0: never
    unsigned served;   // when it began: the step
};

struct asked {
    enum ask_kind kind;
    unsigned gtid;
    unsigned since; // the step
    bool open;
};

struct bench {
    struct input in;
    struct client *c;
    struct effects fx;
    struct now now;
    struct truth truths[GTIDS];
    struct asked asks[ASKS];
    unsigned ask_count;
    struct request {
        struct msg msg; // SUBMITs without branches
        unsigned sent;  // the step
    } requests[QUEUE];  // on their way, in order
    struct msg answers[QUEUE];
    unsigned request_count, answer_count;
    unsigned step;
    uint64_t incarnation, lease_next, numbers[NUMBERS];
    unsigned number_count;
    bool linked;
    struct buf frame;
};

static struct gtid gtid_of(unsigned which)
{
    static const char *const names[GTIDS] = {"a", "b", "order-1", "order-2"};
    struct gtid gtid;
    CHECK(gtid_from(slice_text(names[which]), &gtid));
    return gtid;
}

static unsigned index_of(const struct gtid *gtid)
{
    for (unsigned i = 0; i < GTIDS; i++) {
        struct gtid known = gtid_of(i);
        if (gtid_equal(&known, gtid))
            return i;
    }
    CHECK(!"a gtid that nobody asked about");
    return 0;
}

// ---- effects ----

static void sent(struct bench *b, const struct msg *msg)
{
    buf_reset(&b->frame);
    wire_begin(&b->frame);
    CHECK(wire_add(&b->frame, msg) == ASSENT_OK);
    if (b->request_count == QUEUE)
        return; // lost
    struct request *to = &b->requests[b->request_count++];
    *to = (struct request){*msg, b->step};
    if (msg->type == MSG_SUBMIT)
        to->msg.u.submit.branches = NULL;
}

static void completed(struct bench *b, const struct effect_complete *done)
{
    CHECK(done->token > 0 && done->token <= b->ask_count);
    struct asked *ask = &b->asks[done->token - 1];
    const struct truth *truth = &b->truths[ask->gtid];
    CHECK(ask->open);
    ask->open = false;
    if (done->code == ASSENT_OK) {
        uint8_t told = done->result.outcome;
        CHECK(ask->kind == ASK_STATUS || ask->kind == ASK_ENLIST || told != OUTCOME_NONE);
        if (told == OUTCOME_COMMITTED || told == OUTCOME_ABORTED)
            CHECK(told == truth->outcome);
        // Not the answer to an earlier question.
        if (told == OUTCOME_UNKNOWN)
            CHECK(truth->executed == 0 || truth->served >= ask->since);
    } else if (ask->kind == ASK_SUBMIT && done->code != ASSENT_TIMEOUT &&
               done->code != ASSENT_CLOSED) {
        CHECK(truth->executed == 0 || truth->executed < ask->since);
    }
}

static void step(struct bench *b, struct event *event)
{
    event->now = b->now;
    b->step++;
    effects_reset(&b->fx);
    trace_event(event);
    client_step(b->c, event, &b->fx);
    trace_effects(&b->fx);
    CHECK(!b->fx.failed);
    for (size_t i = 0; i < b->fx.count; i++) {
        const struct effect *effect = &b->fx.items[i];
        CHECK(effect->type == EFFECT_SEND || effect->type == EFFECT_COMPLETE);
        if (effect->type == EFFECT_SEND)
            sent(b, &effect->u.send.msg);
        else
            completed(b, &effect->u.complete);
    }
    CHECK(client_deadline(b->c) > b->now.mono_ms);
}

static void receive(struct bench *b, const struct msg *msg)
{
    struct frame_header header = {
        .version = WIRE_VERSION,
        .from_coordinator = 1,
        .coordinator = 0x123456789a,
        .incarnation = b->incarnation,
        .log_seq = b->step,
    };
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = &header;
    event.u.received.msg = msg;
    step(b, &event);
}

// ---- the coordinator ----

static void reply(struct bench *b, const struct msg *msg)
{
    if (b->answer_count < QUEUE)
        b->answers[b->answer_count++] = *msg;
}

static struct msg refusal_of(const struct msg *request, const struct gtid *gtid, int code)
{
    struct msg msg = {.type = MSG_REFUSED};
    msg.u.refused.request = msg_request(request);
    msg.u.refused.about = (uint8_t)request->type;
    msg.u.refused.code = (uint16_t)code;
    if (gtid)
        msg.u.refused.gtid = *gtid;
    return msg;
}

static void reply_result(struct bench *b, const struct msg *request, const struct gtid *gtid,
                         uint8_t how)
{
    const struct truth *truth = &b->truths[index_of(gtid)];
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){
        .request = msg_request(request),
        .gtid = *gtid,
        .about = (uint8_t)request->type,
        .outcome = how & 0x40        ? OUTCOME_NONE
                   : truth->executed ? truth->outcome
                                     : OUTCOME_UNKNOWN,
        .finished = how >> 5 & 1,
        .branch = BRANCH_NONE,
        .text = slice_text("text"),
    };
    reply(b, &msg);
}

static void serve_submit(struct bench *b, const struct msg *request, unsigned sent_at, uint8_t how)
{
    static const int codes[] = {ASSENT_BUSY, ASSENT_BUSY, ASSENT_LIMIT, ASSENT_CLOSED};
    struct truth *truth = &b->truths[index_of(&request->u.submit.gtid)];
    // Refused although it runs: a restarted coordinator that is draining does not look.
    if (how % 4 == 3 && (truth->executed == 0 || how & 0x10)) {
        struct msg msg = refusal_of(request, &request->u.submit.gtid, codes[how >> 2 & 3]);
        reply(b, &msg);
        return;
    }
    if (truth->executed == 0) {
        truth->executed = sent_at;
        truth->served = b->step;
        truth->outcome = how & 4 ? OUTCOME_ABORTED : OUTCOME_COMMITTED;
    }
    reply_result(b, request, &request->u.submit.gtid, how);
}

static void serve(struct bench *b, const struct msg *request, unsigned sent_at, uint8_t how)
{
    struct msg msg = {.type = MSG_PONG};
    if (request->type == MSG_HELLO || request->type == MSG_LEASE) {
        msg.type = MSG_WELCOME;
        msg.u.welcome = (struct msg_welcome){
            .lease_first = b->lease_next, .lease_count = how % 8, .lease_ms = b->now.wall_ms};
        b->lease_next += msg.u.welcome.lease_count;
        if (how >= 0xf0)
            msg = refusal_of(request, NULL, how & 1 ? ASSENT_DENIED : ASSENT_STATE);
        reply(b, &msg);
    } else if (request->type == MSG_SUBMIT) {
        serve_submit(b, request, sent_at, how);
    } else if (request->type == MSG_CANCEL || request->type == MSG_STATUS) {
        reply_result(b, request, &request->u.gtid.gtid, how);
    } else if (request->type == MSG_ENLIST) {
        msg.type = MSG_ENLISTED;
        msg.u.enlisted.request = msg_request(request);
        msg.u.enlisted.gtid = request->u.enlist.gtid;
        reply(b, &msg);
    } else {
        reply(b, &msg);
    }
}

static bool serve_next(struct bench *b, uint8_t how)
{
    if (b->request_count == 0)
        return false;
    struct request request = b->requests[0];
    b->request_count--;
    memmove(b->requests, b->requests + 1, b->request_count * sizeof request);
    serve(b, &request.msg, request.sent, how);
    return true;
}

static bool answer_next(struct bench *b, bool lost)
{
    if (b->answer_count == 0)
        return false;
    struct msg answer = b->answers[0];
    b->answer_count--;
    memmove(b->answers, b->answers + 1, b->answer_count * sizeof answer);
    if (!lost && b->linked)
        receive(b, &answer);
    return true;
}

// ---- the application and the line ----

// One at a time of a kind and gtid, so that it is clear whose effect is whose.
static bool is_open(const struct bench *b, enum ask_kind kind, unsigned gtid)
{
    for (unsigned i = 0; i < b->ask_count; i++)
        if (b->asks[i].open && b->asks[i].kind == kind && b->asks[i].gtid == gtid)
            return true;
    return false;
}

static void do_ask(struct bench *b)
{
    static const struct msg_branch branches[2] = {
        {.branch = 0, .kind = BRANCH_CALL, .resource = {"north", 5}, .payload = {"+10", 3}},
        {.branch = 1, .kind = BRANCH_ENLISTED, .resource = {"south", 5}},
    };
    uint8_t how = input_byte(&b->in);
    enum ask_kind kind = (enum ask_kind)(ASK_ENLIST + how % 4);
    unsigned gtid = how >> 2 & 3;
    if (b->ask_count == ASKS || is_open(b, kind, gtid))
        return;
    struct event event = {.type = EVENT_ASK};
    event.u.ask.token = ++b->ask_count;
    event.u.ask.kind = kind;
    event.u.ask.deadline_ms = how & 0x10 ? b->now.mono_ms + (how >> 5) * 1000 : UINT64_MAX;
    b->asks[b->ask_count - 1] = (struct asked){kind, gtid, b->step + 1, true};
    if (kind == ASK_SUBMIT)
        event.u.ask.u.submit = (struct msg_submit){.gtid = gtid_of(gtid),
                                                   .protocol = PROTOCOL_2PC,
                                                   .flags = how >> 7,
                                                   .branch_count = 2,
                                                   .branches = branches};
    else if (kind == ASK_ENLIST)
        event.u.ask.u.enlist = (struct msg_enlist){
            .gtid = gtid_of(gtid), .protocol = PROTOCOL_2PC, .resource = slice_text("south")};
    else
        event.u.ask.u.gtid.gtid = gtid_of(gtid);
    step(b, &event);
}

static void give_up(struct bench *b, unsigned which)
{
    struct event event = {.type = EVENT_GIVE_UP};
    event.u.give_up = which + 1;
    step(b, &event);
}

// Numbers are never handed out twice within a run of the coordinator.
static void do_number(struct bench *b)
{
    struct gtid_block block;
    if (b->number_count == NUMBERS || !client_gtids(b->c, 1, &block))
        return;
    uint64_t number = block.incarnation << 32 | block.first;
    for (unsigned i = 0; i < b->number_count; i++)
        CHECK(b->numbers[i] != number);
    b->numbers[b->number_count++] = number;
}

static void do_link(struct bench *b, uint8_t how)
{
    struct event event = {.type = b->linked ? EVENT_DISCONNECTED : EVENT_CONNECTED};
    b->linked = !b->linked;
    // What had arrived is still served; the answers, and what had not, are lost.
    for (unsigned n = how % 4; n > 0 && serve_next(b, how); n--) {
    }
    b->request_count = b->answer_count = 0;
    if (how >= 0x80 && b->linked) {
        b->incarnation++; // the coordinator was restarted; what it did, it has not forgotten
        b->lease_next = 1;
    }
    step(b, &event);
}

static void pass(struct bench *b, uint64_t ms)
{
    struct event event = {.type = EVENT_TICK};
    b->now.mono_ms += ms;
    b->now.wall_ms += ms;
    step(b, &event);
}

static void play(struct bench *b)
{
    static const uint32_t spans[] = {1, 60, 500, 2000, 4000, 13000, 60000, 700000};
    switch (input_below(&b->in, 12)) {
    case 0:
    case 1:
    case 2: do_ask(b); break;
    case 3: give_up(b, input_byte(&b->in)); break;
    case 4:
    case 5:
    case 6: serve_next(b, input_byte(&b->in)); break;
    case 7: answer_next(b, false); break;
    case 8: answer_next(b, input_below(&b->in, 2)); break;
    case 9: do_link(b, input_byte(&b->in)); break;
    case 10: pass(b, spans[input_below(&b->in, 8)]); break;
    case 11: do_number(b); break;
    }
}

// With a coordinator that answers, every ask ends by itself.
static void settle(struct bench *b)
{
    if (b->linked)
        do_link(b, 0);
    do_link(b, 0);
    for (unsigned turn = 0; turn < 200 && client_in_flight(b->c) > 0; turn++) {
        while (serve_next(b, 0x20) || answer_next(b, false)) {
        }
        pass(b, 1000);
    }
    CHECK(client_in_flight(b->c) == 0);
    for (unsigned i = 0; i < b->ask_count; i++)
        CHECK(!b->asks[i].open);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct bench b;
    struct client_config config;
    b = (struct bench){.in = {data, size, 0}, .incarnation = 1, .lease_next = 1};
    b.now = (struct now){.mono_ms = 1000, .wall_ms = 1700000000000};
    effects_init(&b.fx);
    buf_init(&b.frame, LIMIT_FRAME_BYTES);
    client_config_defaults(&config);
    config.asks_max = 8;
    b.c = client_new(&config);
    CHECK(b.c);
    for (unsigned n = 0; n < STEPS_MAX && input_left(&b.in); n++)
        play(&b);
    settle(&b);
    client_destroy(&b.c);
    buf_free(&b.frame);
    effects_free(&b.fx);
    return 0;
}
