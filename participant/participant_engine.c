// SPDX-License-Identifier: Apache-2.0
// The participant's engine thread: what is durable, what handlers answered, what was received goes
// into the core; calls, records and messages come out. It never waits for a disk or a handler.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "base/logger.h"
#include "participant_handle.h"
#include "participant_peers.h"
#include "wire/record_codec.h"

enum { TURN_FRAMES = 64 };

void engine_wake(assent_participant *p)
{
    if (p->awake)
        return;
    p->awake = true;
    shell_ring(p->wake_bell);
}

// From now on nothing is answered. What was not made durable was promised to nobody.
static void stop(assent_participant *p, int code, const char *text)
{
    if (p->stopped)
        return;
    p->stopped = true;
    log_event(LOG_ERROR, "participant_stopped", KV("resource", p->resource),
              KV("code", assent_code_name(code)), KV("reason", text));
    pthread_mutex_lock(&p->lock);
    error_set(&p->failure, code, "%s: stopped for good: %s", p->resource, text);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    shell_ring(p->stop_bell);
}

void engine_stop(assent_participant *p, int code, const char *format, ...)
{
    char text[ASSENT_ERROR_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    stop(p, code, text);
}

// ---- effects ----

static void apply_send(assent_participant *p, const struct msg *msg)
{
    bool yes = msg->type == MSG_VOTE && msg->u.vote.vote == VOTE_YES;
    if (yes)
        CRASH_POINT(part_after_journal);
    if (msg->type == MSG_DONE)
        CRASH_POINT(part_before_done);
    p->sent_vote |= yes;
    p->sent_done |= msg->type == MSG_DONE;
    // One that is dropped is asked for again by the coordinator.
    net_peer_send(p->net, msg);
}

static void apply_write(assent_participant *p, const struct effect_write *write)
{
    char key[RECORD_KEY_BYTES];
    struct store_put put = {
        .key = record_key_branch(&write->branch->gtid, write->branch->branch, key),
        .forget = write->forget,
        .open = write->open,
        .stamp = write->stamp,
    };
    if (!write->forget) {
        buf_reset(&p->record);
        int code = record_encode_branch(&p->record, write->branch);
        if (code != ASSENT_OK) {
            engine_stop(p, code, "a record cannot be encoded");
            return;
        }
        put.value = buf_slice(&p->record);
    }
    // A crash from here until the log thread has synced leaves no such record, and nothing that
    // rests on it has left the process.
    if (!log_queue_put(p->log, write->token, &put, write->haste))
        engine_stop(p, ASSENT_NOMEM, "out of memory for a record");
    else if (write->haste != HASTE_LAZY)
        p->writes_due++;
}

static void apply_effect(assent_participant *p, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: apply_send(p, &effect->u.send.msg); return;
    case EFFECT_WRITE: apply_write(p, &effect->u.write); return;
    case EFFECT_CALL:
        if (!calls_add(p, &effect->u.call))
            engine_stop(p, ASSENT_NOMEM, "out of memory for a call");
        return;
    case EFFECT_EXTENDED: nested_answered(p, &effect->u.extended); return;
    case EFFECT_TELL: peers_tell(p, &effect->u.tell); return;
    case EFFECT_HORIZON: log_queue_horizon(p->log, effect->u.horizon); return;
    case EFFECT_STOP:
        engine_stop(p, effect->u.stop.code, "%.*s", (int)effect->u.stop.text.size,
                    (const char *)effect->u.stop.text.data);
        return;
    case EFFECT_LOOKUP:
    case EFFECT_ANSWER:
    case EFFECT_COMPLETE: break; // of other cores
    }
    CHECK(!"an effect of a participant");
}

void engine_step(assent_participant *p, struct event *event)
{
    if (p->stopped)
        return;
    event->now = p->now;
    effects_reset(&p->fx);
    participant_step(p->core, event, &p->fx);
    // Some effects are missing, so none may be applied.
    if (p->fx.failed)
        engine_stop(p, ASSENT_NOMEM, "out of memory");
    for (size_t i = 0; i < p->fx.count && !p->stopped; i++)
        apply_effect(p, &p->fx.items[i]);
}

// ---- events ----

static void heard(void *arg, const struct frame_header *header, const struct msg *msg)
{
    if (msg->type == MSG_PREPARE || msg->type == MSG_COMMIT || msg->type == MSG_ROLLBACK)
        CRASH_POINT(part_after_receive);
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = header;
    event.u.received.msg = msg;
    engine_step(arg, &event);
}

static void follow_link(assent_participant *p)
{
    for (enum net_link link; (link = net_peer_link(p->net)) != NET_LINK_SAME;)
        engine_step(
            p, &(struct event){.type = link == NET_LINK_UP ? EVENT_CONNECTED : EVENT_DISCONNECTED});
}

static void hear_log(assent_participant *p)
{
    struct log_answer answer;
    while (!p->stopped && log_queue_next(p->log, &answer)) {
        struct event event = {.type = EVENT_WRITTEN};
        event.u.written.token = answer.token;
        event.u.written.log_seq = answer.head_seq;
        event.u.written.fenced = answer.answer == STORE_FENCED;
        // Lazy records carry no token.
        if (answer.token && p->writes_due > 0)
            p->writes_due--;
        log_answer_free(&answer);
        engine_step(p, &event);
    }
    assent_error error;
    if (!p->stopped && log_queue_failed(p->log, &error))
        engine_stop(p, error.code, "the journal failed: %s", error.message);
}

static void answered(assent_participant *p, struct call *call)
{
    struct event event = {.type = EVENT_CALLED};
    event.u.called.token = call->token;
    event.u.called.result = call->result;
    event.u.called.durable = p->rm_durable;
    bool acted = call->result == RM_DONE && call->op == RM_PREPARE;
    event.u.called.text =
        acted ? slice_of(call->answer.data, call->answer.size) : slice_text(call->why);
    engine_step(p, &event);
    free(call);
}

static void started(assent_participant *p, struct working *work)
{
    struct branch_record record = {.gtid = work->gtid, .branch = work->branch};
    struct event event = {.type = work->held ? EVENT_FOUND : EVENT_WORKING,
                          .u.branch = work->held ? work->held : &record};
    struct part_view view;
    engine_step(p, &event);
    if (p->stopped)
        work->code = ASSENT_CLOSED;
    else if (!participant_find(p->core, &work->gtid, work->branch, &view))
        work->code = ASSENT_BUSY;
    else
        work->code = work->held || view.state == PART_WORKING ? ASSENT_OK : ASSENT_STATE;
}

static void take(assent_participant *p)
{
    pthread_mutex_lock(&p->lock);
    p->awake = true;
    while (!list_empty(&p->answers)) {
        struct call *call = container_of(p->answers.next, struct call, link);
        list_remove(&call->link);
        pthread_mutex_unlock(&p->lock);
        answered(p, call);
        pthread_mutex_lock(&p->lock);
    }
    while (!list_empty(&p->works)) {
        struct working *work = container_of(p->works.next, struct working, link);
        list_remove(&work->link);
        pthread_mutex_unlock(&p->lock);
        started(p, work);
        pthread_mutex_lock(&p->lock);
        participant_stats(p->core, &p->stats); // whoever is told sees it counted
        work->answered = true;
        pthread_cond_broadcast(&p->changed);
    }
    nested_take(p);
    peers_take(p);
    pthread_mutex_unlock(&p->lock);
}

// ---- turns ----

static void flush(assent_participant *p)
{
    struct frame_header header;
    calls_flush(p);
    log_queue_flush(p->log);
    participant_header(p->core, &header);
    net_peer_flush(p->net, &header);
    if (p->sent_vote)
        CRASH_POINT(part_after_vote);
    if (p->sent_done)
        CRASH_POINT(part_after_done);
    p->sent_vote = p->sent_done = false;
}

// What the application may know after this turn. True when the thread may sleep now.
static bool publish(assent_participant *p, bool *ret_closing)
{
    struct slice text;
    struct participant_stats stats;
    assent_error error = {0};
    participant_stats(p->core, &stats);
    int refused = participant_refused(p->core, &text);
    if (refused)
        error_set(&error, refused, "refused: %.*s", (int)text.size, (const char *)text.data);
    else if (!stats.connected)
        net_peer_last_error(p->net, &error);
    pthread_mutex_lock(&p->lock);
    bool news = stats.connected != p->stats.connected;
    p->stats = stats;
    p->link_error = error;
    if (news)
        pthread_cond_broadcast(&p->changed);
    *ret_closing = p->closing;
    bool sleep = list_empty(&p->answers) && list_empty(&p->works) && list_empty(&p->nested_new) &&
                 list_empty(&p->heard) && !p->closing;
    p->awake = !sleep;
    pthread_mutex_unlock(&p->lock);
    return sleep;
}

static void wait_for_news(assent_participant *p, int timeout_ms)
{
    struct pollfd fds[] = {
        {.fd = p->wake_bell, .events = POLLIN},
        {.fd = log_queue_fd(p->log), .events = POLLIN},
    };
    net_peer_wait(p->net, fds, 2, timeout_ms);
    if (fds[0].revents)
        shell_silence(p->wake_bell);
}

static void serve(assent_participant *p)
{
    bool closing = false;
    while (!closing && !p->stopped) {
        p->now = shell_now();
        follow_link(p);
        hear_log(p);
        take(p);
        bool more = shell_receive(&p->inbox, p->net, TURN_FRAMES, heard, p);
        if (participant_deadline(p->core) <= p->now.mono_ms)
            engine_step(p, &(struct event){.type = EVENT_TICK});
        if (!p->stopped)
            flush(p);
        bool sleep = publish(p, &closing);
        if (sleep && !more && !p->stopped)
            wait_for_news(p, shell_wait_ms(participant_deadline(p->core)));
    }
}

// Calls that run are waited for, and what they did is made durable and, if the link is still up,
// told. No new ones begin: what is prepared stays in doubt, what is decided goes on at the next
// start.
static void drain(assent_participant *p)
{
    bool running = true;
    while (!p->stopped && (running || p->writes_due > 0)) {
        p->now = shell_now();
        follow_link(p);
        hear_log(p);
        take(p);
        if (p->stopped)
            return;
        flush(p);
        pthread_mutex_lock(&p->lock);
        running = p->running > 0 || !list_empty(&p->answers);
        bool sleep = list_empty(&p->answers);
        p->awake = !sleep;
        pthread_mutex_unlock(&p->lock);
        if (sleep && (running || p->writes_due > 0))
            wait_for_news(p, -1);
    }
}

// Lock held.
static void turn_away(assent_participant *p)
{
    while (!list_empty(&p->works)) {
        struct working *work = container_of(p->works.next, struct working, link);
        list_remove(&work->link);
        work->code = ASSENT_CLOSED;
        work->answered = true;
    }
    pthread_cond_broadcast(&p->changed);
}

// Stopped for good, or drained. The place at the coordinator is free for others at once.
static void wind_up(assent_participant *p)
{
    net_peer_close(&p->net);
    pthread_mutex_lock(&p->lock);
    p->stats.connected = false;
    turn_away(p);
    while (!p->closing)
        pthread_cond_wait(&p->changed, &p->lock);
    turn_away(p);
    pthread_mutex_unlock(&p->lock);
}

void *engine_run(void *arg)
{
    assent_participant *p = arg;
    p->now = shell_now();
    engine_step(p, &(struct event){.type = EVENT_START});
    serve(p);
    drain(p);
    wind_up(p);
    return NULL;
}
