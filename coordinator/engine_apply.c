// SPDX-License-Identifier: Apache-2.0
// What the core wants done is done here, in order: messages go into the queues of their peers,
// records and lookups into the queue of the log thread. Both leave at the end of the turn.
#include "base/check.h"
#include "base/crash_point.h"
#include "engine_internal.h"

static void crash_before_send(struct engine *e, const struct msg *msg)
{
    bool decide = msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK;
    if (msg->type == MSG_PREPARE)
        CRASH_POINT(coord_before_prepare);
    if (decide)
        CRASH_POINT(coord_before_decide);
    if (msg->type == MSG_RESULT && msg->u.result.about == MSG_SUBMIT)
        CRASH_POINT(coord_before_result);
    e->sent_prepare |= msg->type == MSG_PREPARE;
    e->sent_decide |= decide;
}

// Of the end records under way, and of the admissions, one is waited for, which is enough to come
// by.
static void crash_before_write(struct engine *e, const struct effect_write *write)
{
    if (write->tx && write->tx->stage == STAGE_ADMITTED && !e->admission_token)
        e->admission_token = write->token;
    if (!write->tx || write->tx->stage != STAGE_ENDED)
        return;
    CRASH_POINT(coord_before_end);
    if (!e->end_token)
        e->end_token = write->token;
}

void engine_crash_written(struct engine *e, token_t token)
{
    if (token == e->admission_token) {
        e->admission_token = 0;
        // A crash here leaves what is to be done, and recovery begins it.
        CRASH_POINT(coord_after_admission);
    }
    if (token != e->end_token)
        return;
    e->end_token = 0;
    CRASH_POINT(coord_after_end);
}

void engine_crash_flushed(struct engine *e)
{
    if (e->sent_prepare)
        CRASH_POINT(coord_after_prepare);
    if (e->sent_decide)
        CRASH_POINT(coord_after_decide);
    e->sent_prepare = e->sent_decide = false;
}

static void apply_send(struct engine *e, peer_t peer, const struct msg *msg)
{
    crash_before_send(e, msg);
    if (peer == e->hello && msg->type == MSG_WELCOME)
        e->welcomed = true;
    // One that is dropped, for whatever reason, is counted by the transport; the core sends again.
    net_server_send(e->net, peer, msg);
}

static void log_write(const struct effect_write *write)
{
    const struct tx_record *tx = write->tx;
    if (!tx || !write->decide)
        return;
    log_event(LOG_DEBUG, "decision", KV("gtid", gtid_slice(&tx->gtid)), KV("attempt", tx->attempt),
              KV("outcome", outcome_name(tx->outcome)),
              KV("delegated", tx->stage == STAGE_DELEGATED), KV("branches", tx->branch_count));
}

static void apply_write(struct engine *e, const struct effect_write *write)
{
    struct store_put put = {
        .key = record_key_tx(&write->tx->gtid),
        .decide = write->decide,
        .decided = tx_stage_decides(write->tx->stage),
        .forget = write->forget,
        .open = write->open,
        .stamp = write->stamp,
    };
    if (!write->forget) {
        buf_reset(&e->record);
        if (record_encode_tx(&e->record, write->tx)) {
            engine_stop(e, EXIT_FAILED, "a record could not be encoded");
            return;
        }
        put.value = buf_slice(&e->record);
    }
    log_write(write);
    crash_before_write(e, write);
    // A crash from here until the log thread has synced leaves no record: the transaction is as if
    // undecided, and nothing that says otherwise has left the process.
    if (!log_queue_put(e->log, write->token, &put, write->haste))
        engine_stop(e, EXIT_FAILED, "out of memory for a record");
}

static void apply_answer(struct engine *e, token_t token, int code, struct slice text)
{
    if (token & ADMIN_TOKEN)
        admin_answered(e->admin, token, code, text);
}

static void apply_stop(struct engine *e, int code, struct slice text)
{
    log_event(LOG_ERROR, "core_stopped", KV("code", assent_code_name(code)), KV("reason", text));
    engine_stop(e, code == ASSENT_BEHIND ? EXIT_REFUSED : EXIT_FAILED, "the core has stopped");
}

static void apply_effect(struct engine *e, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: apply_send(e, effect->u.send.peer, &effect->u.send.msg); return;
    case EFFECT_WRITE: apply_write(e, &effect->u.write); return;
    case EFFECT_LOOKUP:
        if (!log_queue_lookup(e->log, effect->u.lookup.token,
                              record_key_tx(&effect->u.lookup.gtid)))
            engine_stop(e, EXIT_FAILED, "out of memory for a look into the log");
        return;
    case EFFECT_ANSWER:
        apply_answer(e, effect->u.answer.token, effect->u.answer.code, effect->u.answer.text);
        return;
    case EFFECT_STOP: apply_stop(e, effect->u.stop.code, effect->u.stop.text); return;
    case EFFECT_CALL:
    case EFFECT_HORIZON:
    case EFFECT_EXTENDED:
    case EFFECT_TELL:
    case EFFECT_COMPLETE: break; // of other cores
    }
    CHECK(!"an effect of a coordinator");
}

void engine_apply(struct engine *e)
{
    // Memory ran out in the midst of the step: some effects are missing, so none may be applied.
    if (e->fx.failed) {
        engine_stop(e, EXIT_FAILED, "out of memory");
        return;
    }
    for (size_t i = 0; i < e->fx.count && !e->stopped; i++)
        apply_effect(e, &e->fx.items[i]);
}
