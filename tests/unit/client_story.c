// SPDX-License-Identifier: Apache-2.0
#include "client_story.h"

#include <stdio.h>
#include <string.h>

void story_begin(struct story *s, const struct client_config *config)
{
    struct client_config defaults;
    client_config_defaults(&defaults);
    *s = (struct story){
        .now = {.mono_ms = 1000, .wall_ms = 1700000000000},
        .header = {.version = WIRE_VERSION,
                   .from_coordinator = 1,
                   .coordinator = STORY_COORDINATOR,
                   .incarnation = 5,
                   .log_seq = 40,
                   .seal = 77},
    };
    effects_init(&s->fx);
    buf_init(&s->text, 1 << 24);
    s->client = client_new(config ? config : &defaults);
    assert_non_null(s->client);
}

void story_end(struct story *s)
{
    client_destroy(&s->client);
    effects_free(&s->fx);
    buf_free(&s->text);
}

static void tell_submit(struct story *s, const struct msg_submit *m)
{
    buf_printf(&s->text, " %.*s", m->gtid.size, m->gtid.text);
    for (unsigned i = 0; i < m->branch_count; i++) {
        const struct msg_branch *b = &m->branches[i];
        buf_printf(&s->text, " %u:%.*s=%.*s", b->branch, (int)b->resource.size,
                   (const char *)b->resource.data, (int)b->payload.size,
                   (const char *)b->payload.data);
    }
}

static void tell_send(struct story *s, const struct msg *msg)
{
    s->sends++;
    buf_printf(&s->text, "-> %s", msg_name(msg->type));
    if (msg->type == MSG_SUBMIT)
        tell_submit(s, &msg->u.submit);
    else if (msg->type == MSG_ENLIST)
        buf_printf(&s->text, " %.*s %u:%.*s", msg->u.enlist.gtid.size, msg->u.enlist.gtid.text,
                   msg->u.enlist.branch, (int)msg->u.enlist.resource.size,
                   (const char *)msg->u.enlist.resource.data);
    else if (msg->type == MSG_CANCEL || msg->type == MSG_STATUS)
        buf_printf(&s->text, " %.*s", msg->u.gtid.gtid.size, msg->u.gtid.gtid.text);
    else if (msg->type == MSG_HELLO)
        buf_printf(&s->text, " %.*s", (int)msg->u.hello.name.size,
                   (const char *)msg->u.hello.name.data);
    buf_printf(&s->text, "\n");
}

static void tell_complete(struct story *s, const struct effect_complete *done)
{
    buf_printf(&s->text, "%llu: %s", (unsigned long long)done->token, assent_code_name(done->code));
    if (done->code == ASSENT_OK)
        buf_printf(&s->text, " %s%s%s%.*s", outcome_name(done->result.outcome),
                   done->result.finished ? " finished" : "", done->result.text.size ? " " : "",
                   (int)done->result.text.size, (const char *)done->result.text.data);
    buf_printf(&s->text, "\n");
}

static void story_step(struct story *s, struct event *event)
{
    event->now = s->now;
    effects_reset(&s->fx);
    client_step(s->client, event, &s->fx);
    assert_false(s->fx.failed);
    for (size_t i = 0; i < s->fx.count; i++) {
        if (s->fx.items[i].type == EFFECT_SEND)
            tell_send(s, &s->fx.items[i].u.send.msg);
        else if (s->fx.items[i].type == EFFECT_COMPLETE)
            tell_complete(s, &s->fx.items[i].u.complete);
        else
            fail_msg("effect %d", s->fx.items[i].type);
    }
}

void story_is(struct story *s, const char *expected)
{
    char end = '\0';
    assert_true(buf_append(&s->text, &end, 1));
    assert_string_equal((const char *)s->text.data, expected);
    buf_reset(&s->text);
}

void story_skip(struct story *s)
{
    buf_reset(&s->text);
}

void story_connect(struct story *s)
{
    story_step(s, &(struct event){.type = EVENT_CONNECTED});
}

void story_disconnect(struct story *s)
{
    story_step(s, &(struct event){.type = EVENT_DISCONNECTED});
}

void story_wait(struct story *s, uint64_t ms)
{
    uint64_t end_ms = s->now.mono_ms + ms;
    uint64_t due_ms;
    while ((due_ms = client_deadline(s->client)) <= end_ms) {
        if (due_ms > s->now.mono_ms)
            s->now.mono_ms = due_ms;
        story_step(s, &(struct event){.type = EVENT_TICK});
    }
    s->now.mono_ms = end_ms;
}

void story_hear(struct story *s, const struct msg *msg)
{
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = &s->header;
    event.u.received.msg = msg;
    story_step(s, &event);
}

void story_welcome(struct story *s, uint64_t first, uint32_t count)
{
    struct msg msg = {.type = MSG_WELCOME};
    msg.u.welcome = (struct msg_welcome){
        .lease_first = first, .lease_count = count, .lease_ms = s->now.wall_ms};
    story_hear(s, &msg);
}

void story_ready(struct story *s)
{
    story_connect(s);
    story_welcome(s, 1, 100);
    story_skip(s);
}

struct gtid story_gtid(const char *text)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

static uint64_t deadline_in(const struct story *s, uint64_t ms)
{
    return ms ? s->now.mono_ms + ms : UINT64_MAX;
}

void story_submit(struct story *s, token_t token, const char *gtid, const char *payload,
                  uint64_t ms)
{
    char text[64];
    snprintf(text, sizeof text, "%s", payload);
    struct msg_branch branch = {
        .kind = BRANCH_CALL, .resource = slice_text("bank"), .payload = slice_text(text)};
    struct event event = {.type = EVENT_ASK};
    event.u.ask =
        (struct event_ask){.token = token, .kind = ASK_SUBMIT, .deadline_ms = deadline_in(s, ms)};
    event.u.ask.u.submit = (struct msg_submit){
        .gtid = story_gtid(gtid), .protocol = PROTOCOL_2PC, .branch_count = 1, .branches = &branch};
    story_step(s, &event);
    // What the event borrowed is gone now.
    memset(text, 'x', sizeof text);
    memset(&branch, 0, sizeof branch);
}

void story_ask(struct story *s, enum ask_kind kind, token_t token, const char *gtid, uint64_t ms)
{
    struct event event = {.type = EVENT_ASK};
    event.u.ask =
        (struct event_ask){.token = token, .kind = kind, .deadline_ms = deadline_in(s, ms)};
    event.u.ask.u.gtid.gtid = story_gtid(gtid);
    story_step(s, &event);
}

void story_enlist(struct story *s, token_t token, const char *gtid, uint16_t branch, uint64_t ms)
{
    struct event event = {.type = EVENT_ASK};
    event.u.ask =
        (struct event_ask){.token = token, .kind = ASK_ENLIST, .deadline_ms = deadline_in(s, ms)};
    event.u.ask.u.enlist = (struct msg_enlist){.gtid = story_gtid(gtid),
                                               .protocol = PROTOCOL_2PC,
                                               .branch = branch,
                                               .resource = slice_text("bank")};
    story_step(s, &event);
}

void story_result(struct story *s, enum msg_type about, const char *gtid, enum outcome outcome)
{
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){.request = UINT64_MAX,
                                       .gtid = story_gtid(gtid),
                                       .about = (uint8_t)about,
                                       .outcome = (uint8_t)outcome,
                                       .branch = BRANCH_NONE};
    story_hear(s, &msg);
}

void story_refuse(struct story *s, enum msg_type about, const char *gtid, enum assent_code code)
{
    struct msg msg = {.type = MSG_REFUSED};
    msg.u.refused = (struct msg_refused){
        .request = UINT64_MAX, .about = (uint8_t)about, .code = (uint16_t)code};
    if (gtid)
        msg.u.refused.gtid = story_gtid(gtid);
    story_hear(s, &msg);
}
