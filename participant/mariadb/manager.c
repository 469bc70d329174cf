// SPDX-License-Identifier: Apache-2.0
// Opening and closing: what a thread has open, and what all threads of the process share.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "pool.h"

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static pthread_mutex_t managers_lock = PTHREAD_MUTEX_INITIALIZER;
static struct manager *managers;

// ---- managers ----

static void manager_free(struct manager *manager)
{
    for (struct sql_session *s = manager->idle, *next; s; s = next) {
        next = s->next;
        pool_discard(s);
    }
    while (!list_empty(&manager->branches)) {
        struct branch *branch = container_of(manager->branches.next, struct branch, link);
        list_remove(&branch->link);
        pool_discard(branch->session);
        free(branch);
    }
    pthread_mutex_destroy(&manager->lock);
    free(manager);
}

static int first_connection(struct manager *manager, assent_error *error)
{
    struct sql_session *session;
    unsigned number, connections;
    int code = pool_run(manager, "DO 1", &session, &number, error);
    if (code)
        return code;
    code = link_check(session->db, &connections, error);
    if (!code) {
        unsigned sensible =
            connections / 2 < WHERE_PARKED_USUAL ? connections / 2 : WHERE_PARKED_USUAL;
        if (!manager->parked_max)
            manager->parked_max = sensible ? sensible : 1;
        if (manager->parked_max > connections)
            code = error_set(error, ASSENT_CONFIG,
                             "MariaDB: parked = %u, but the server takes %u connections in all "
                             "(max_connections)",
                             manager->parked_max, connections);
    }
    if (code)
        pool_discard(session);
    else
        pool_give(manager, session);
    return code;
}

static int manager_new(int rmid, const char *info, struct manager **ret, assent_error *error)
{
    struct manager *manager = calloc(1, sizeof *manager);
    if (!manager)
        return error_set(error, ASSENT_NOMEM, "MariaDB: out of memory");
    manager->rmid = rmid;
    snprintf(manager->info, sizeof manager->info, "%s", info);
    list_init(&manager->branches);
    pthread_mutex_init(&manager->lock, NULL);
    int code = where_parse(info, &manager->where, error);
    if (code && error)
        error->code = code = ASSENT_INVALID; // not the server's fault
    manager->parked_max = manager->where.parked;
    if (!code)
        code = first_connection(manager, error);
    if (code)
        manager_free(manager);
    else
        *ret = manager;
    return code;
}

static struct manager *find(int rmid)
{
    struct manager *manager = managers;
    while (manager && manager->rmid != rmid)
        manager = manager->next;
    return manager;
}

// The manager of that rmid, with one more thread that has it open; `fresh` when there is none.
static struct manager *acquire(int rmid, struct manager *fresh)
{
    pthread_mutex_lock(&managers_lock);
    struct manager *manager = find(rmid);
    if (!manager && fresh) {
        manager = fresh;
        manager->next = managers;
        managers = manager;
    }
    if (manager)
        manager->opens++;
    pthread_mutex_unlock(&managers_lock);
    return manager;
}

static void release(struct manager *manager)
{
    pthread_mutex_lock(&managers_lock);
    bool last = --manager->opens == 0;
    for (struct manager **at = &managers; last && *at; at = &(*at)->next)
        if (*at == manager) {
            *at = manager->next;
            break;
        }
    pthread_mutex_unlock(&managers_lock);
    if (last)
        manager_free(manager);
}

int manager_open(struct opened *opened, const char *info, assent_error *error)
{
    struct manager *fresh = NULL, *manager = acquire(opened->rmid, NULL);
    if (!manager) { // without a lock: a server that does not answer keeps nobody else waiting
        int code = manager_new(opened->rmid, info, &fresh, error);
        if (code)
            return code;
        manager = acquire(opened->rmid, fresh);
        if (manager != fresh)
            manager_free(fresh);
    }
    if (strcmp(manager->info, info) != 0) {
        release(manager);
        return error_set(error, ASSENT_INVALID,
                         "MariaDB: another thread has opened rmid %d with another string",
                         opened->rmid);
    }
    opened->manager = manager;
    return ASSENT_OK;
}

void manager_close(struct opened *opened)
{
    struct manager *manager = opened->manager;
    if (!manager)
        return;
    if (opened->current) // the server rolls it back with its connection
        branch_drop(manager, opened->current, false);
    branch_let_go(manager, opened);
    xids_free(&opened->scan);
    opened->current = NULL;
    opened->scanning = false;
    opened->manager = NULL;
    release(manager);
}

// ---- threads ----

static void thread_end(void *arg)
{
    for (struct opened *opened = arg, *next; opened; opened = next) {
        next = opened->next;
        manager_close(opened);
        free(opened);
    }
}

static void key_make(void)
{
    pthread_key_create(&key, thread_end);
}

struct opened *opened_of(int rmid, bool make)
{
    pthread_once(&once, key_make);
    struct opened *first = pthread_getspecific(key), *opened = first;
    while (opened && opened->rmid != rmid)
        opened = opened->next;
    if (opened || !make)
        return opened;
    opened = calloc(1, sizeof *opened);
    if (!opened)
        return NULL;
    opened->rmid = rmid;
    opened->next = first;
    if (pthread_setspecific(key, opened) == 0)
        return opened;
    free(opened);
    return NULL;
}

struct sql_session *pool_session_of_thread(int rmid)
{
    struct opened *opened = opened_of(rmid, false);
    struct branch *branch = opened && opened->manager ? opened->current : NULL;
    return branch && branch->session->db ? branch->session : NULL;
}
