// SPDX-License-Identifier: Apache-2.0
// The worker pool: runs the handlers, so that a slow one holds up only its own branch. That calls
// of one branch never overlap is the core's doing: it asks for the next when the last was answered.
//
// Of idle workers the one that was busy last gets the next call: what it needs, say a session of a
// database, is still warm. So as few of them work as can.
#include <stddef.h>
#include <stdlib.h>

#include "participant_handle.h"

enum { HAND_OUT = 16 };

struct worker {
    struct list link; // among the idle
    assent_participant *participant;
    pthread_t thread;
    pthread_cond_t wake; // it has a call, or is to leave
    struct call *call;
};

// Lock held. None begins when the participant is closing or has stopped.
static struct call *call_take(assent_participant *p)
{
    if (list_empty(&p->calls) || p->closing || p->failure.code)
        return NULL;
    struct call *call = container_of(p->calls.next, struct call, link);
    list_remove(&call->link);
    p->running++;
    return call;
}

// ---- from the engine ----

// Puts the bytes behind what is there already.
static const void *put(struct call *call, size_t *used, struct slice bytes)
{
    uint8_t *to = call->content + *used;
    if (bytes.size)
        memcpy(to, bytes.data, bytes.size);
    *used += bytes.size;
    return to;
}

bool calls_add(assent_participant *p, const struct effect_call *effect)
{
    size_t size = effect->payload.size + effect->inputs.size + effect->result.size, used = 0;
    struct call *call = malloc(sizeof *call + size);
    if (!call)
        return false;
    memset(call, 0, offsetof(struct call, content)); // the content, up to 64 KiB, is put there
    call->token = effect->token;
    call->op = effect->op;
    call->protocol = effect->protocol;
    call->kind = effect->kind;
    call->heuristic = effect->heuristic;
    memcpy(call->gtid, effect->gtid.text, effect->gtid.size);
    branch_id_make(effect, call->id);
    call->branch = (assent_branch){
        .participant = p,
        .gtid = call->gtid,
        .branch = effect->branch,
        .enlisted = effect->kind == BRANCH_ENLISTED,
        .payload = put(call, &used, effect->payload),
        .size = effect->payload.size,
        .id = call->id,
        .tries = effect->tries,
        .protocol = effect->protocol ? protocol_name(effect->protocol) : "",
        .kind = effect->kind ? branch_kind_name((enum branch_kind)effect->kind) : "",
        .operation = handlers_operation(call),
        .inputs = put(call, &used, effect->inputs),
        .inputs_size = effect->inputs.size,
        .result = put(call, &used, effect->result),
        .result_size = effect->result.size,
    };
    list_init(&call->link);
    list_append(&p->new_calls, &call->link);
    return true;
}

// Gives calls to idle workers, to some at a time, and wakes them when the lock is free. False: that
// was all.
static bool hand_out(assent_participant *p)
{
    struct worker *woken[HAND_OUT];
    unsigned count = 0;
    struct call *call = NULL;
    pthread_mutex_lock(&p->lock);
    while (!list_empty(&p->new_calls)) {
        struct list *first = p->new_calls.next;
        list_remove(first);
        list_append(&p->calls, first);
    }
    while (count < HAND_OUT && !list_empty(&p->idle) && (call = call_take(p))) {
        struct worker *worker = container_of(p->idle.prev, struct worker, link);
        list_remove(&worker->link);
        worker->call = call;
        woken[count++] = worker;
    }
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < count; i++)
        pthread_cond_signal(&woken[i]->wake);
    return count == HAND_OUT;
}

// Workers that are busy look for the next call by themselves.
void calls_flush(assent_participant *p)
{
    bool more = !list_empty(&p->new_calls);
    while (more)
        more = hand_out(p);
}

// ---- in a worker ----

// Lock held. NULL: it is to leave.
static struct call *wait_for_call(assent_participant *p, struct worker *self)
{
    struct call *call = call_take(p);
    if (call || p->workers_leave)
        return call;
    list_append(&p->idle, &self->link);
    while (!self->call && !p->workers_leave)
        pthread_cond_wait(&self->wake, &p->lock);
    call = self->call;
    self->call = NULL;
    if (!call)
        list_remove(&self->link);
    return call;
}

static void *work(void *arg)
{
    struct worker *self = arg;
    assent_participant *p = self->participant;
    pthread_mutex_lock(&p->lock);
    for (struct call *call; (call = wait_for_call(p, self));) {
        pthread_mutex_unlock(&p->lock);
        call->result = handlers_run(p, call);
        pthread_mutex_lock(&p->lock);
        p->running--;
        list_append(&p->answers, &call->link);
        engine_wake(p);
    }
    pthread_mutex_unlock(&p->lock);
    return NULL;
}

// ---- life ----

static void calls_free(struct list *calls)
{
    while (!list_empty(calls)) {
        struct call *call = container_of(calls->next, struct call, link);
        list_remove(&call->link);
        free(call);
    }
}

void calls_close(assent_participant *p)
{
    pthread_mutex_lock(&p->lock);
    p->workers_leave = true;
    for (unsigned i = 0; i < p->worker_count; i++)
        pthread_cond_signal(&p->workers[i].wake);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->worker_count; i++) {
        pthread_join(p->workers[i].thread, NULL);
        pthread_cond_destroy(&p->workers[i].wake);
    }
    free(p->workers);
    p->workers = NULL;
    p->worker_count = 0;
    calls_free(&p->new_calls);
    calls_free(&p->calls);
    calls_free(&p->answers);
}

int calls_open(assent_participant *p, unsigned workers, assent_error *error)
{
    p->workers = calloc(workers, sizeof *p->workers);
    if (!p->workers)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    for (unsigned i = 0; i < workers; i++) {
        struct worker *worker = &p->workers[i];
        worker->participant = p;
        pthread_cond_init(&worker->wake, NULL);
        int code = shell_thread(&worker->thread, work, worker, error);
        if (code != ASSENT_OK) {
            pthread_cond_destroy(&worker->wake);
            calls_close(p);
            return code;
        }
        p->worker_count++;
    }
    return ASSENT_OK;
}
