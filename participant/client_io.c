// SPDX-License-Identifier: Apache-2.0
// The client's I/O thread: take what users submitted, receive, step, send, hand the answers back.
#include <stdio.h>

#include "client_handle.h"

enum { TURN_FRAMES = 64 };

// ---- answers ----

static void result_text(assent_result *result, struct slice text)
{
    size_t size = text.size < ASSENT_TEXT_MAX ? text.size : ASSENT_TEXT_MAX;
    if (size)
        memcpy(result->text, text.data, size);
    result->text[size] = '\0';
}

static void complete(assent_client *c, struct request *request, int code,
                     const struct msg_result *result, struct slice text)
{
    assent_result *ret = &request->result;
    memset(ret, 0, sizeof *ret);
    memcpy(ret->gtid, request->gtid.text, request->gtid.size);
    ret->branch = -1;
    request->code = code;
    if (code == ASSENT_OK) {
        bool names_branch = result->reason == REASON_VOTED_NO || result->reason == REASON_NO_VOTE;
        ret->outcome = (assent_outcome)result->outcome;
        ret->reason = (assent_reason)result->reason;
        ret->branch = names_branch && result->branch != BRANCH_NONE ? result->branch : -1;
        ret->mixed = result->mixed;
        ret->finished = result->finished;
        text = result->text;
    }
    result_text(ret, text);
    list_remove(&request->link);
    list_append(&c->complete, &request->link);
}

static void complete_all(assent_client *c, struct list *requests, int code, const char *why)
{
    while (!list_empty(requests))
        complete(c, container_of(requests->next, struct request, link), code, NULL,
                 slice_text(why));
}

// ---- the core ----

static void apply(assent_client *c)
{
    for (size_t i = 0; i < c->fx.count; i++) {
        const struct effect *effect = &c->fx.items[i];
        if (effect->type == EFFECT_SEND) {
            // One that is dropped is sent again by the core.
            net_peer_send(c->net, &effect->u.send.msg);
        } else if (effect->type == EFFECT_COMPLETE) {
            const struct effect_complete *done = &effect->u.complete;
            complete(c, (struct request *)(uintptr_t)done->token, done->code, &done->result,
                     done->text);
        }
    }
}

static void step(assent_client *c, struct event *event)
{
    if (c->failed)
        return;
    event->now = c->now;
    effects_reset(&c->fx);
    client_step(c->core, event, &c->fx);
    if (c->fx.failed)
        c->failed = ASSENT_NOMEM;
    else
        apply(c);
}

static void heard(void *arg, const struct frame_header *header, const struct msg *msg)
{
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.header = header;
    event.u.received.msg = msg;
    step(arg, &event);
}

static void follow_link(assent_client *c)
{
    for (enum net_link link; (link = net_peer_link(c->net)) != NET_LINK_SAME;)
        step(c,
             &(struct event){.type = link == NET_LINK_UP ? EVENT_CONNECTED : EVENT_DISCONNECTED});
}

static void ask(assent_client *c, struct request *request)
{
    struct event event = {.type = EVENT_ASK};
    event.u.ask.token = (uintptr_t)request;
    event.u.ask.kind = request->kind;
    event.u.ask.deadline_ms = request->deadline_ms;
    if (request->tx)
        tx_content(request->tx, request, c->branches, &event.u.ask);
    else
        event.u.ask.u.gtid.gtid = request->gtid;
    list_append(&c->in_flight_list, &request->link);
    step(c, &event);
}

// ---- to and from the users ----

static void list_move(struct list *from, struct list *to)
{
    if (list_empty(from))
        return;
    from->next->prev = to->prev;
    to->prev->next = from->next;
    from->prev->next = to;
    to->prev = from->prev;
    list_init(from);
}

static void take(assent_client *c)
{
    struct list submitted;
    list_init(&submitted);
    pthread_mutex_lock(&c->lock);
    c->awake = true;
    list_move(&c->submitted, &submitted);
    pthread_mutex_unlock(&c->lock);
    while (!list_empty(&submitted)) {
        struct request *request = container_of(submitted.next, struct request, link);
        list_remove(&request->link);
        ask(c, request);
    }
}

// Lock held. gtids of a coordinator's earlier run are good for nothing but "aborted (presumed)".
static bool stock_gtids(assent_client *c)
{
    bool fresh = false;
    for (int i = 0; i < 2; i++) {
        if (!client_gtids_good(c->core, &c->gtids[i]))
            c->gtids[i].count = 0;
    }
    for (int i = 0; i < 2; i++) {
        if (c->gtids[i].count == 0)
            fresh |= client_gtids(c->core, CLIENT_GTID_BLOCK, &c->gtids[i]);
    }
    c->refill = false;
    return fresh;
}

// Lock held.
static void hand_back(assent_client *c)
{
    bool idle = list_empty(&c->ready);
    while (!list_empty(&c->complete)) {
        struct request *request = container_of(c->complete.next, struct request, link);
        list_remove(&request->link);
        request->complete = true;
        if (request->waits)
            pthread_cond_signal(request->waits);
        else
            list_append(&c->ready, &request->link);
    }
    if (idle && !list_empty(&c->ready))
        shell_ring(c->ready_bell);
}

// What users may know after this turn. True when the thread may sleep now, false when there is more
// to do or, with *ret_stop, nothing any more.
static bool publish(assent_client *c, bool *ret_stop)
{
    pthread_mutex_lock(&c->lock);
    bool news = stock_gtids(c);
    hand_back(c);
    if (c->connected != client_connected(c->core)) {
        c->connected = !c->connected;
        news = true;
    }
    if (news && c->waiting > 0)
        pthread_cond_broadcast(&c->changed);
    c->broken = c->failed;
    *ret_stop = c->stopping;
    bool sleep = !c->stopping && list_empty(&c->submitted);
    c->awake = !sleep;
    pthread_mutex_unlock(&c->lock);
    return sleep;
}

static void note_link_error(assent_client *c)
{
    struct slice text;
    assent_error error = {0};
    int code = client_refused(c->core, &text);
    if (code)
        error_set(&error, code, "refused: %.*s", (int)text.size, (const char *)text.data);
    else
        net_peer_last_error(c->net, &error);
    if (error.code == c->link_error.code)
        return;
    pthread_mutex_lock(&c->lock);
    c->link_error = error;
    pthread_mutex_unlock(&c->lock);
}

// ---- the thread ----

static void turn(assent_client *c, bool *ret_more)
{
    struct frame_header header;
    c->now = shell_now();
    follow_link(c);
    take(c);
    *ret_more = shell_receive(&c->inbox, c->net, TURN_FRAMES, heard, c);
    if (client_deadline(c->core) <= c->now.mono_ms)
        step(c, &(struct event){.type = EVENT_TICK});
    client_header(c->core, &header);
    net_peer_flush(c->net, &header);
    note_link_error(c);
    if (c->failed)
        complete_all(c, &c->in_flight_list, c->failed, "the client ran out of memory");
}

static void serve(assent_client *c)
{
    bool stop = false;
    while (!stop) {
        bool more;
        turn(c, &more);
        bool sleep = publish(c, &stop);
        if (stop)
            break;
        struct pollfd bell = {.fd = c->wake_bell, .events = POLLIN};
        uint64_t due_ms = c->failed ? UINT64_MAX : client_deadline(c->core);
        net_peer_wait(c->net, &bell, 1, sleep && !more ? shell_wait_ms(due_ms) : 0);
        if (bell.revents)
            shell_silence(c->wake_bell);
    }
}

// Nothing is submitted any more. The transactions go on at the coordinator.
static void wind_up(assent_client *c)
{
    static const char why[] = "the client was closed: the outcome is not known here";
    complete_all(c, &c->in_flight_list, ASSENT_CLOSED, why);
    pthread_mutex_lock(&c->lock);
    complete_all(c, &c->submitted, ASSENT_CLOSED, why);
    hand_back(c);
    pthread_mutex_unlock(&c->lock);
}

void *client_run(void *arg)
{
    assent_client *c = arg;
    serve(c);
    wind_up(c);
    return NULL;
}
