// SPDX-License-Identifier: Apache-2.0
#include "tx_thread.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool key_made;

// The thread has ended without tx_close. What was not committed never will be.
static void thread_end(void *arg)
{
    struct tx_thread *t = arg;
    if (tx_in_transaction(t->state) && !t->failed)
        thread_rollback(t);
    if (t->process)
        thread_close(t);
    free(t);
}

static void key_make(void)
{
    key_made = pthread_key_create(&key, thread_end) == 0;
}

struct tx_thread *tx_thread_self(void)
{
    pthread_once(&once, key_make);
    if (!key_made)
        return NULL;
    struct tx_thread *t = pthread_getspecific(key);
    if (t)
        return t;
    t = calloc(1, sizeof *t);
    if (t && pthread_setspecific(key, t) != 0) {
        free(t);
        t = NULL;
    }
    return t;
}

void tx_say(struct tx_thread *t, const char *format, ...)
{
    va_list arguments;
    if (*t->message)
        return;
    va_start(arguments, format);
    vsnprintf(t->message, sizeof t->message, format, arguments);
    va_end(arguments);
}

uint64_t tx_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void tx_pause_ms(uint64_t ms)
{
    nanosleep(
        &(struct timespec){.tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000},
        NULL);
}

bool tx_time_is_up(const struct tx_thread *t)
{
    return t->due_ms != 0 && tx_now_ms() >= t->due_ms;
}
