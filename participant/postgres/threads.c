// SPDX-License-Identifier: Apache-2.0
// XA's threads of control: each has its own connections, one for each rmid that it has opened.
#include <pthread.h>
#include <stdlib.h>

#include "threads.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static int key_error;

struct thread {
    struct sql_session *first;
};

static void thread_end(void *arg)
{
    struct thread *thread = arg;
    while (thread->first) {
        struct sql_session *session = thread->first;
        thread->first = session->next;
        postgres_session_free(&session);
    }
    free(thread);
}

static void make_key(void)
{
    key_error = pthread_key_create(&key, thread_end);
}

static struct thread *thread_self(bool make)
{
    pthread_once(&once, make_key);
    if (key_error)
        return NULL;
    struct thread *thread = pthread_getspecific(key);
    if (thread || !make)
        return thread;
    thread = calloc(1, sizeof *thread);
    if (thread && pthread_setspecific(key, thread)) {
        free(thread);
        thread = NULL;
    }
    return thread;
}

struct sql_session *thread_session(int rmid)
{
    struct thread *thread = thread_self(false);
    struct sql_session *session = thread ? thread->first : NULL;
    while (session && session->rmid != rmid)
        session = session->next;
    return session;
}

struct sql_session *thread_session_new(int rmid, const char *where)
{
    struct thread *thread = thread_self(true);
    struct sql_session *session;
    if (!thread || postgres_session_new(where, &session, NULL))
        return NULL;
    session->rmid = rmid;
    session->next = thread->first;
    thread->first = session;
    return session;
}
