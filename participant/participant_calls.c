// SPDX-License-Identifier: Apache-2.0
// The worker pool: runs the handlers, so that a slow one holds up only its own branch. That calls
// of one branch never overlap is the core's doing: it asks for the next when the last was answered.
#include <stddef.h>
#include <stdlib.h>

#include "participant_handle.h"

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

void calls_flush(assent_participant *p)
{
    if (list_empty(&p->new_calls))
        return;
    unsigned count = 0;
    pthread_mutex_lock(&p->lock);
    while (!list_empty(&p->new_calls)) {
        struct list *first = p->new_calls.next;
        list_remove(first);
        list_append(&p->calls, first);
        count++;
    }
    // Those that are busy look for the next by themselves.
    for (unsigned i = 0; i < count && i < p->idle; i++)
        pthread_cond_signal(&p->to_work);
    pthread_mutex_unlock(&p->lock);
}

// ---- in a worker ----

// Lock held. None begins when the participant is closing or has stopped.
static bool may_begin(const assent_participant *p)
{
    return !list_empty(&p->calls) && !p->closing && !p->failure.code;
}

static void *work(void *arg)
{
    assent_participant *p = arg;
    pthread_mutex_lock(&p->lock);
    for (;;) {
        while (!may_begin(p) && !p->workers_leave) {
            p->idle++;
            pthread_cond_wait(&p->to_work, &p->lock);
            p->idle--;
        }
        if (p->workers_leave)
            break;
        struct call *call = container_of(p->calls.next, struct call, link);
        list_remove(&call->link);
        p->running++;
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
    pthread_cond_broadcast(&p->to_work);
    pthread_mutex_unlock(&p->lock);
    for (unsigned i = 0; i < p->worker_count; i++)
        pthread_join(p->worker_threads[i], NULL);
    free(p->worker_threads);
    p->worker_threads = NULL;
    calls_free(&p->new_calls);
    calls_free(&p->calls);
    calls_free(&p->answers);
}

int calls_open(assent_participant *p, unsigned workers, assent_error *error)
{
    p->worker_threads = calloc(workers, sizeof *p->worker_threads);
    if (!p->worker_threads)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    for (; p->worker_count < workers; p->worker_count++) {
        int code = shell_thread(&p->worker_threads[p->worker_count], work, p, error);
        if (code != ASSENT_OK) {
            calls_close(p);
            return code;
        }
    }
    return ASSENT_OK;
}
