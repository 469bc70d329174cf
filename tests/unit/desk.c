// SPDX-License-Identifier: Apache-2.0
#include "desk.h"

#include <stdio.h>

static void desk_config(struct desk *d, uint32_t lease_gtids)
{
    coordinator_config_defaults(&d->config);
    d->config.id = 7;
    d->config.incarnation = 1;
    d->config.seed = 42;
    d->config.secret[0] = 11;
    d->config.secret[1] = 13;
    d->config.lease_gtids = lease_gtids;
}

static void desk_start(struct desk *d, const struct tx_record *records, size_t count)
{
    d->config.log_seq = d->log_seq;
    d->c = coordinator_new(&d->config);
    assert_non_null(d->c);
    for (size_t i = 0; i < count; i++)
        desk_step(d, &(struct event){.type = EVENT_RECOVERED, .u.tx = &records[i]});
    desk_step(d, &(struct event){.type = EVENT_START});
}

void desk_open(struct desk *d)
{
    desk_open_leasing(d, 8);
}

void desk_open_leasing(struct desk *d, uint32_t lease_gtids)
{
    *d = (struct desk){.now = {1000000, UINT64_C(1700000000000)}, .log_seq = 10};
    effects_init(&d->fx);
    desk_config(d, lease_gtids);
    desk_start(d, NULL, 0);
    desk_quiet(d);
}

void desk_close(struct desk *d)
{
    coordinator_destroy(&d->c);
    assert_null(d->c);
    effects_free(&d->fx);
}

int desk_setup(void **state)
{
    static struct desk d;
    desk_open(&d);
    desk_hello(&d, CLIENT, ROLE_CLIENT, "shop");
    desk_hello(&d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    desk_hello(&d, PEER_B, ROLE_PARTICIPANT, "bank-b");
    desk_quiet(&d);
    *state = &d;
    return 0;
}

int desk_teardown(void **state)
{
    desk_close(*state);
    return 0;
}

void desk_restart(struct desk *d, const struct tx_record *records, size_t count)
{
    coordinator_destroy(&d->c);
    d->config.incarnation++;
    d->log_seq++;
    desk_start(d, records, count);
}

void desk_keep(struct desk *d, struct desk_kept *ret)
{
    buf_init(&ret->bytes, LIMIT_RECORD_BYTES);
    assert_int_equal(record_encode_tx(&ret->bytes, d->write.tx), ASSENT_OK);
    assert_int_equal(record_decode_tx(buf_slice(&ret->bytes), &ret->storage, &ret->record, NULL),
                     ASSENT_OK);
}

void desk_step(struct desk *d, struct event *event)
{
    assert_true(d->at == d->fx.count); // look at everything before going on
    effects_reset(&d->fx);
    d->at = 0;
    event->now = d->now;
    coordinator_step(d->c, event, &d->fx);
    assert_false(d->fx.failed);
}

void desk_receive(struct desk *d, peer_t peer, const char *principal, const struct msg *msg)
{
    struct frame_header header = {.version = WIRE_VERSION};
    desk_step(d, &(struct event){.type = EVENT_RECEIVED,
                                 .u.received = {.peer = peer,
                                                .principal = slice_text(principal),
                                                .header = &header,
                                                .msg = msg}});
}

static const char *desk_principal(peer_t peer)
{
    return peer == OTHER_CLIENT ? "mallory" : "alice";
}

void desk_hello(struct desk *d, peer_t peer, enum role role, const char *name)
{
    struct msg msg = {.type = MSG_HELLO,
                      .u.hello = {.role = (uint8_t)role,
                                  .version_min = WIRE_VERSION,
                                  .version_max = WIRE_VERSION,
                                  .peer_incarnation = 1,
                                  .journal = role == ROLE_PARTICIPANT ? 100 + peer : 0,
                                  .name = slice_text(name)}};
    desk_receive(d, peer, desk_principal(peer), &msg);
    const struct msg_welcome *welcome = &desk_expect(d, peer, MSG_WELCOME)->u.welcome;
    if (role == ROLE_CLIENT) {
        assert_int_equal(welcome->lease_count, d->config.lease_gtids);
        d->lease = (struct gtid_parts){d->config.id, d->config.incarnation, welcome->lease_ms,
                                       welcome->lease_first};
    }
}

void desk_hello_run(struct desk *d, peer_t peer, const char *name, uint64_t journal,
                    uint64_t incarnation)
{
    struct msg msg = {.type = MSG_HELLO,
                      .u.hello = {.role = ROLE_PARTICIPANT,
                                  .version_min = WIRE_VERSION,
                                  .version_max = WIRE_VERSION,
                                  .peer_incarnation = incarnation,
                                  .journal = journal,
                                  .name = slice_text(name)}};
    desk_receive(d, peer, "alice", &msg);
}

void desk_pass(struct desk *d, uint64_t ms)
{
    d->now.mono_ms += ms;
    d->now.wall_ms += ms;
    desk_step(d, &(struct event){.type = EVENT_TICK});
}

void desk_gone(struct desk *d, peer_t peer)
{
    desk_step(d, &(struct event){.type = EVENT_DISCONNECTED, .u.disconnected = peer});
}

struct gtid desk_gtid(struct desk *d)
{
    struct gtid gtid;
    gtid_make(&d->lease, &gtid);
    d->lease.number++;
    return gtid;
}

struct gtid desk_own(const char *text)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

void desk_submit(struct desk *d, peer_t peer, const struct gtid *gtid, const char *payload, ...)
{
    struct msg_branch branches[LIMIT_BRANCHES];
    uint16_t count = 0;
    va_list arguments;
    va_start(arguments, payload);
    for (const char *name; (name = va_arg(arguments, const char *)); count++)
        branches[count] = (struct msg_branch){.branch = count,
                                              .kind = BRANCH_CALL,
                                              .resource = slice_text(name),
                                              .payload = slice_text(payload)};
    va_end(arguments);
    struct msg msg = {
        .type = MSG_SUBMIT,
        .u.submit = {
            .gtid = *gtid, .protocol = PROTOCOL_2PC, .branch_count = count, .branches = branches}};
    desk_receive(d, peer, desk_principal(peer), &msg);
}

void desk_submit_as(struct desk *d, peer_t peer, const struct gtid *gtid, struct msg_submit submit,
                    const struct msg_branch *branches, size_t count)
{
    struct msg_branch numbered[LIMIT_BRANCHES];
    for (size_t i = 0; i < count; i++) {
        numbered[i] = branches[i];
        numbered[i].branch = (uint16_t)i;
    }
    struct msg msg = {.type = MSG_SUBMIT, .u.submit = submit};
    msg.u.submit.gtid = *gtid;
    msg.u.submit.branch_count = (uint16_t)count;
    msg.u.submit.branches = numbered;
    desk_receive(d, peer, desk_principal(peer), &msg);
}

void desk_enlist(struct desk *d, const struct gtid *gtid, unsigned branch, const char *resource)
{
    struct msg msg = {.type = MSG_ENLIST,
                      .u.enlist = {.gtid = *gtid,
                                   .protocol = PROTOCOL_2PC,
                                   .branch = (uint16_t)branch,
                                   .resource = slice_text(resource)}};
    desk_receive(d, CLIENT, "alice", &msg);
}

void desk_ask(struct desk *d, peer_t peer, enum msg_type type, const struct gtid *gtid)
{
    struct msg msg = {.type = type, .u.gtid.gtid = *gtid};
    desk_receive(d, peer, desk_principal(peer), &msg);
}

void desk_vote(struct desk *d, peer_t peer, const struct msg_prepare *prepare, enum vote vote)
{
    desk_vote_text(d, peer, prepare, vote, vote == VOTE_NO ? "no money" : "");
}

void desk_did(struct desk *d, peer_t peer, const struct msg_prepare *prepare, const char *result)
{
    struct msg msg = {.type = MSG_DONE,
                      .u.done = {.gtid = prepare->gtid,
                                 .attempt = prepare->attempt,
                                 .branch = prepare->branch,
                                 .outcome = OUTCOME_COMMITTED,
                                 .flags = prepare->kind == BRANCH_STEP ? DONE_RESULT : 0,
                                 .result = slice_text(result)}};
    desk_receive(d, peer, "alice", &msg);
}

void desk_vote_text(struct desk *d, peer_t peer, const struct msg_prepare *prepare, enum vote vote,
                    const char *text)
{
    struct msg msg = {.type = MSG_VOTE,
                      .u.vote = {.gtid = prepare->gtid,
                                 .attempt = prepare->attempt,
                                 .branch = prepare->branch,
                                 .vote = (uint8_t)vote,
                                 .text = slice_text(text)}};
    desk_receive(d, peer, "alice", &msg);
}

void desk_finish(struct desk *d, peer_t peer, const struct msg_decide *decide, enum outcome outcome,
                 unsigned flags)
{
    struct msg msg = {.type = MSG_DONE,
                      .u.done = {.gtid = decide->gtid,
                                 .attempt = decide->attempt,
                                 .branch = decide->branch,
                                 .outcome = (uint8_t)outcome,
                                 .flags = (uint8_t)flags,
                                 .heuristic = flags & DONE_HEURISTIC ? HEURISTIC_OPERATOR : 0}};
    desk_receive(d, peer, "alice", &msg);
}

void desk_inquire(struct desk *d, peer_t peer, const struct gtid *gtid, uint64_t coordinator,
                  uint64_t attempt, unsigned branch)
{
    struct msg msg = {.type = MSG_INQUIRE,
                      .u.inquire = {.gtid = *gtid,
                                    .attempt = attempt,
                                    .coordinator = coordinator,
                                    .branch = (uint16_t)branch,
                                    .prepared = attempt != 0}};
    desk_receive(d, peer, "alice", &msg);
}

void desk_order(struct desk *d, enum operator_verb verb, const struct gtid *gtid)
{
    desk_step(d, &(struct event){.type = EVENT_OPERATOR,
                                 .u.op = {.token = 99,
                                          .verb = verb,
                                          .gtid = *gtid,
                                          .who = slice_text("root@night"),
                                          .why = slice_text("the disk is gone")}});
}

static const struct effect *desk_next(struct desk *d, enum effect_type type)
{
    if (d->at == d->fx.count)
        fail_msg("an effect of type %d was expected, there is none", type);
    const struct effect *effect = &d->fx.items[d->at++];
    if (effect->type != type)
        fail_msg("an effect of type %d was expected, there is %d (%s)", type, effect->type,
                 effect->type == EFFECT_SEND ? msg_name(effect->u.send.msg.type) : "");
    return effect;
}

const struct msg *desk_expect(struct desk *d, peer_t peer, enum msg_type type)
{
    const struct effect *effect = desk_next(d, EFFECT_SEND);
    assert_string_equal(msg_name(effect->u.send.msg.type), msg_name(type));
    assert_int_equal(effect->u.send.peer, peer);
    d->msg = effect->u.send.msg;
    d->msg_peer = peer;
    return &d->msg;
}

void desk_expect_result(struct desk *d, peer_t peer, enum outcome outcome)
{
    desk_expect(d, peer, MSG_RESULT);
    assert_string_equal(outcome_name(d->msg.u.result.outcome), outcome_name(outcome));
}

void desk_expect_refused(struct desk *d, peer_t peer, int code)
{
    desk_expect(d, peer, MSG_REFUSED);
    assert_string_equal(assent_code_name(d->msg.u.refused.code), assent_code_name(code));
}

void desk_expect_write(struct desk *d, enum tx_stage stage, enum outcome outcome, bool lazy)
{
    d->write = desk_next(d, EFFECT_WRITE)->u.write;
    d->record = *d->write.tx;
    assert_int_equal(d->record.stage, stage);
    assert_string_equal(outcome_name(d->record.outcome), outcome_name(outcome));
    assert_int_equal(d->write.haste, lazy ? HASTE_LAZY : HASTE_NOW);
}

void desk_expect_answer(struct desk *d, int code)
{
    const struct effect *effect = desk_next(d, EFFECT_ANSWER);
    assert_int_equal(effect->u.answer.token, 99);
    assert_string_equal(assent_code_name(effect->u.answer.code), assent_code_name(code));
}

void desk_expect_stop(struct desk *d, int code)
{
    assert_int_equal(desk_next(d, EFFECT_STOP)->u.stop.code, code);
}

token_t desk_expect_lookup(struct desk *d)
{
    return desk_next(d, EFFECT_LOOKUP)->u.lookup.token;
}

void desk_quiet(struct desk *d)
{
    if (d->at < d->fx.count) {
        const struct effect *effect = &d->fx.items[d->at];
        fail_msg("nothing was expected, there is an effect of type %d (%s)", effect->type,
                 effect->type == EFFECT_SEND ? msg_name(effect->u.send.msg.type) : "");
    }
}

void desk_written(struct desk *d)
{
    d->log_seq++;
    desk_step(d, &(struct event){.type = EVENT_WRITTEN,
                                 .u.written = {.token = d->write.token, .log_seq = d->log_seq}});
}

void desk_found(struct desk *d, const struct tx_record *found, uint64_t horizon_ms)
{
    const struct effect *effect = desk_next(d, EFFECT_LOOKUP);
    struct event event = {
        .type = EVENT_LOOKED_UP,
        .u.looked_up = {.token = effect->u.lookup.token, .found = found, .horizon_ms = horizon_ms}};
    desk_step(d, &event);
}
