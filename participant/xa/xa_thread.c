// SPDX-License-Identifier: Apache-2.0
// XA's thread of control is a thread: each opens the resource manager when it first needs it, and
// closes it when it ends.
#include <stdlib.h>
#include <string.h>

#include "xa_internal.h"

struct xa_thread {
    struct list link;
    assent_xa *xa;
    bool open;
};

static struct xa_thread *thread_own(assent_xa *xa)
{
    struct xa_thread *thread = pthread_getspecific(xa->key);
    if (thread)
        return thread;
    thread = calloc(1, sizeof *thread);
    if (!thread || pthread_setspecific(xa->key, thread)) {
        free(thread);
        return NULL;
    }
    thread->xa = xa;
    list_init(&thread->link);
    pthread_mutex_lock(&xa->lock);
    list_append(&xa->threads, &thread->link);
    pthread_mutex_unlock(&xa->lock);
    return thread;
}

// Switches take strings that they could write to.
static int call_with(int (*entry)(char *, int, long), const char *string, int rmid)
{
    char copy[MAXINFOSIZE];
    memcpy(copy, string, sizeof copy);
    return entry(copy, rmid, TMNOFLAGS);
}

bool xa_thread_ready(assent_xa *xa, int *ret_code)
{
    struct xa_thread *thread = thread_own(xa);
    *ret_code = XAER_RMERR; // without memory
    if (!thread)
        return false;
    if (!thread->open) {
        *ret_code = call_with(xa->xa_switch->xa_open_entry, xa->open_string, xa->rmid);
        thread->open = xa_answered(xa, XA_STAGE_OPEN, *ret_code, NULL) == XA_GO_ON;
    }
    return thread->open;
}

// What xa_close answers changes nothing: the next thing is to open it, or to end.
static void thread_close(struct xa_thread *thread)
{
    const assent_xa *xa = thread->xa;
    if (thread->open)
        call_with(xa->xa_switch->xa_close_entry, xa->close_string, xa->rmid);
    thread->open = false;
}

void xa_thread_lost(assent_xa *xa)
{
    struct xa_thread *thread = pthread_getspecific(xa->key);
    if (thread)
        thread_close(thread);
}

static void thread_ends(void *value)
{
    struct xa_thread *thread = value;
    assent_xa *xa = thread->xa;
    thread_close(thread);
    pthread_mutex_lock(&xa->lock);
    list_remove(&thread->link);
    pthread_mutex_unlock(&xa->lock);
    free(thread);
}

bool xa_threads_init(assent_xa *xa)
{
    list_init(&xa->threads);
    return pthread_key_create(&xa->key, thread_ends) == 0;
}

void xa_threads_free(assent_xa *xa)
{
    xa_thread_lost(xa);
    pthread_key_delete(xa->key);
    while (!list_empty(&xa->threads)) {
        struct xa_thread *thread = container_of(xa->threads.next, struct xa_thread, link);
        list_remove(&thread->link);
        free(thread);
    }
}
