// SPDX-License-Identifier: Apache-2.0
#include "pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"

enum { ROOM_TRIES = 20, ROOM_WAIT_NS = 5000000 };

long long pool_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// ---- connections ----

void pool_discard(struct sql_session *session)
{
    if (!session)
        return;
    session_disconnect(session);
    free(session);
}

void pool_give(struct manager *manager, struct sql_session *session)
{
    // With autocommit off (by whoever had it) it could end no branch that is not bound to it.
    bool good = session->db && !link_is_open(session->db);
    struct sql_session *surplus = good ? NULL : session;
    pthread_mutex_lock(&manager->lock);
    if (!surplus && manager->idle_count >= manager->parked_max)
        surplus = session;
    if (!surplus) {
        session->next = manager->idle;
        manager->idle = session;
        manager->idle_count++;
    }
    pthread_mutex_unlock(&manager->lock);
    pool_discard(surplus);
}

static struct sql_session *take_idle(struct manager *manager)
{
    pthread_mutex_lock(&manager->lock);
    struct sql_session *session = manager->idle;
    if (session) {
        manager->idle = session->next;
        manager->idle_count--;
    }
    pthread_mutex_unlock(&manager->lock);
    return session;
}

static int connect_new(struct manager *manager, struct sql_session **ret, unsigned *ret_number,
                       assent_error *error)
{
    *ret_number = ER_NONE;
    struct sql_session *session = calloc(1, sizeof *session);
    if (!session)
        return error_set(error, ASSENT_NOMEM, "MariaDB: out of memory");
    int code = link_open(&manager->where, &session->track, &session->db, ret_number, error);
    if (code) {
        free(session);
        return code;
    }
    session->id = mysql_thread_id(session->db);
    session->connected_ms = pool_now_ms();
    session->changes = 0; // nothing yet
    *ret = session;
    return ASSENT_OK;
}

// The connection of the branch that was prepared longest ago; NULL.
static struct sql_session *take_oldest_parked(struct manager *manager)
{
    for (struct list *l = manager->branches.next; l != &manager->branches; l = l->next) {
        struct branch *branch = container_of(l, struct branch, link);
        if (branch->state != BRANCH_PREPARED || branch->busy)
            continue;
        struct sql_session *session = branch->session;
        list_remove(&branch->link);
        manager->parked_count--;
        free(branch);
        return session;
    }
    return NULL;
}

static bool make_room(struct manager *manager)
{
    pthread_mutex_lock(&manager->lock);
    struct sql_session *session = take_oldest_parked(manager);
    pthread_mutex_unlock(&manager->lock);
    pool_discard(session);
    return session != NULL;
}

static int connect_some(struct manager *manager, struct sql_session **ret, assent_error *error)
{
    unsigned number;
    int code = connect_new(manager, ret, &number, error);
    if (!code || number != ER_CON_COUNT_NUMBER || !make_room(manager))
        return code;
    // The server counts a connection some moments longer than it is open.
    for (int tries = 0; code && number == ER_CON_COUNT_NUMBER && tries < ROOM_TRIES; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = ROOM_WAIT_NS}, NULL);
        code = connect_new(manager, ret, &number, error);
    }
    return code;
}

int pool_run(struct manager *manager, const char *sql, struct sql_session **ret,
             unsigned *ret_number, assent_error *error)
{
    for (;;) {
        struct sql_session *session = take_idle(manager);
        bool fresh = !session;
        int code = fresh ? connect_some(manager, &session, error) : ASSENT_OK;
        if (code)
            return code;
        session->track = (struct link_track){false, false};
        *ret_number = link_run(session->db, sql);
        if (!link_is_lost(*ret_number)) {
            *ret = session;
            return ASSENT_OK;
        }
        if (fresh)
            code = link_refuse(*ret_number, mysql_error(session->db), error);
        pool_discard(session);
        if (fresh)
            return code;
    }
}

// ---- branches ----

static struct branch *branch_find(struct manager *manager, const XID *xid)
{
    for (struct list *l = manager->branches.next; l != &manager->branches; l = l->next) {
        struct branch *branch = container_of(l, struct branch, link);
        if (xids_equal(&branch->xid, xid))
            return branch;
    }
    return NULL;
}

struct branch *branch_new(struct manager *manager, const XID *xid, bool *ret_there)
{
    struct branch *branch = calloc(1, sizeof *branch);
    *ret_there = false;
    if (!branch)
        return NULL;
    branch->xid = *xid;
    branch->state = BRANCH_ACTIVE;
    pthread_mutex_lock(&manager->lock);
    *ret_there = branch_find(manager, xid) != NULL;
    if (!*ret_there)
        list_append(&manager->branches, &branch->link);
    pthread_mutex_unlock(&manager->lock);
    if (!*ret_there)
        return branch;
    free(branch);
    return NULL;
}

void branch_end(struct manager *manager, struct branch *branch)
{
    pthread_mutex_lock(&manager->lock);
    branch->state = BRANCH_ENDED;
    pthread_mutex_unlock(&manager->lock);
}

static enum claim claim_of(const struct branch *branch)
{
    if (!branch)
        return CLAIM_UNKNOWN;
    if (branch->busy)
        return CLAIM_BUSY;
    return branch->state == BRANCH_ACTIVE  ? CLAIM_ACTIVE
           : branch->state == BRANCH_ENDED ? CLAIM_ENDED
                                           : CLAIM_PREPARED;
}

enum claim branch_claim(struct manager *manager, const XID *xid, struct branch **ret)
{
    pthread_mutex_lock(&manager->lock);
    struct branch *branch = branch_find(manager, xid);
    enum claim claim = claim_of(branch);
    *ret = claim == CLAIM_ENDED || claim == CLAIM_PREPARED ? branch : NULL;
    if (*ret)
        branch->busy = true;
    pthread_mutex_unlock(&manager->lock);
    return claim;
}

void branch_release(struct manager *manager, struct branch *branch)
{
    pthread_mutex_lock(&manager->lock);
    branch->busy = false;
    pthread_mutex_unlock(&manager->lock);
}

void branch_park(struct manager *manager, struct branch *branch)
{
    pthread_mutex_lock(&manager->lock);
    list_remove(&branch->link);
    list_append(&manager->branches, &branch->link);
    branch->state = BRANCH_PREPARED;
    branch->busy = false;
    struct sql_session *surplus = NULL;
    if (++manager->parked_count > manager->parked_max)
        surplus = take_oldest_parked(manager);
    pthread_mutex_unlock(&manager->lock);
    pool_discard(surplus); // the server lets go of its branch, which stays prepared
}

void branch_drop(struct manager *manager, struct branch *branch, bool good)
{
    pthread_mutex_lock(&manager->lock);
    list_remove(&branch->link);
    if (branch->state == BRANCH_PREPARED)
        manager->parked_count--;
    pthread_mutex_unlock(&manager->lock);
    if (branch->session && good)
        pool_give(manager, branch->session);
    else
        pool_discard(branch->session);
    free(branch);
}
