// SPDX-License-Identifier: Apache-2.0
// The worker pool: runs the handlers, so that a slow one holds up only its own branch. That calls
// of one branch never overlap is the core's doing: it asks for the next when the last was answered.
#include <stdlib.h>

#include "base/crash_point.h"
#include "participant_handle.h"

// ---- from the engine ----

bool calls_add(assent_participant *p, const struct effect_call *effect)
{
    struct call *call = malloc(sizeof *call + effect->payload.size);
    if (!call)
        return false;
    call->token = effect->token;
    call->op = effect->op;
    memcpy(call->gtid, effect->gtid.text, effect->gtid.size);
    call->gtid[effect->gtid.size] = '\0';
    branch_id_make(effect, call->id);
    memset(call->why, 0, sizeof call->why);
    if (effect->payload.size)
        memcpy(call->payload, effect->payload.data, effect->payload.size);
    call->branch = (assent_branch){
        .gtid = call->gtid,
        .branch = effect->branch,
        .enlisted = effect->kind == BRANCH_ENLISTED,
        .payload = call->payload,
        .size = effect->payload.size,
        .id = call->id,
        .tries = effect->tries,
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

static enum rm_result run_prepare(const assent_participant *p, struct call *call)
{
    CRASH_POINT(part_before_prepare);
    assent_vote vote = p->handlers.prepare(p->context, &call->branch, call->why);
    call->why[ASSENT_NO_REASON_MAX] = '\0';
    switch (vote) {
    case ASSENT_VOTE_YES: CRASH_POINT(part_after_prepare); return RM_DONE;
    case ASSENT_VOTE_NO: return RM_NO;
    case ASSENT_VOTE_READ_ONLY: return RM_READ_ONLY;
    }
    // No vote at all: what the handler has done is not known. "Again" settles nothing by itself, so
    // the branch is asked again until it votes or the coordinator rolls it back.
    return RM_RETRY;
}

static enum rm_result run_commit(const assent_participant *p, struct call *call)
{
    CRASH_POINT(part_before_commit);
    if (p->handlers.commit(p->context, &call->branch) != ASSENT_DONE)
        return RM_RETRY;
    // A crash here leaves a branch in doubt that is committed: it is committed once more.
    CRASH_POINT(part_after_commit);
    return RM_DONE;
}

static enum rm_result run_rollback(const assent_participant *p, struct call *call)
{
    CRASH_POINT(part_before_rollback);
    if (p->handlers.rollback(p->context, &call->branch) != ASSENT_DONE)
        return RM_RETRY;
    CRASH_POINT(part_after_rollback);
    return RM_DONE;
}

static enum rm_result run(const assent_participant *p, struct call *call)
{
    switch (call->op) {
    case RM_PREPARE: return run_prepare(p, call);
    case RM_COMMIT: return run_commit(p, call);
    case RM_ROLLBACK:
    case RM_FORGET: break;
    }
    return run_rollback(p, call);
}

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
        call->result = run(p, call);
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
