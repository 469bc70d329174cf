// SPDX-License-Identifier: Apache-2.0
#include "memory_rm.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { BRANCHES = 64 };

struct branch {
    XID xid;
    char state; // '\0' none, 'a' active, 'p' prepared, 'h' ended by itself
    pthread_t by;
};

static struct {
    pthread_mutex_t lock;
    struct branch branches[BRANCHES];
    int heuristic;
    char story[4096], copy[4096];
} rm = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct branch *find(const XID *xid, char state)
{
    for (int i = 0; i < BRANCHES; i++) {
        struct branch *b = &rm.branches[i];
        if (state ? b->state == state && memcmp(&b->xid, xid, sizeof *xid) == 0 : !b->state)
            return b;
    }
    return NULL;
}

static void tell(const char *what, const XID *xid)
{
    size_t used = strlen(rm.story);
    snprintf(rm.story + used, sizeof rm.story - used, "%s %.*s;", what, (int)xid->gtrid_length,
             xid->data);
}

static int done(int code)
{
    pthread_mutex_unlock(&rm.lock);
    return code;
}

static int do_open(char *info, int rmid, long flags)
{
    (void)info, (void)rmid, (void)flags;
    return XA_OK;
}

static int do_close(char *info, int rmid, long flags)
{
    (void)info, (void)rmid, (void)flags;
    pthread_mutex_lock(&rm.lock);
    for (int i = 0; i < BRANCHES; i++) {
        if (rm.branches[i].state == 'a' && pthread_equal(rm.branches[i].by, pthread_self()))
            rm.branches[i].state = '\0';
    }
    return done(XA_OK);
}

static int do_start(XID *xid, int rmid, long flags)
{
    (void)rmid, (void)flags;
    pthread_mutex_lock(&rm.lock);
    if (find(xid, 'a') || find(xid, 'p') || find(xid, 'h'))
        return done(XAER_DUPID);
    struct branch *b = find(xid, '\0');
    if (!b)
        return done(XAER_RMERR);
    *b = (struct branch){.xid = *xid, .state = 'a', .by = pthread_self()};
    return done(XA_OK);
}

static int do_end(XID *xid, int rmid, long flags)
{
    (void)rmid, (void)flags;
    pthread_mutex_lock(&rm.lock);
    return done(find(xid, 'a') ? XA_OK : XAER_NOTA);
}

static int do_prepare(XID *xid, int rmid, long flags)
{
    (void)rmid, (void)flags;
    pthread_mutex_lock(&rm.lock);
    struct branch *b = find(xid, 'a');
    if (!b)
        return done(XAER_NOTA);
    b->state = 'p';
    tell("prepare", xid);
    return done(XA_OK);
}

static int finish(const char *what, const XID *xid)
{
    pthread_mutex_lock(&rm.lock);
    struct branch *b = find(xid, 'p');
    if (find(xid, 'h'))
        return done(rm.heuristic);
    if (!b)
        b = find(xid, 'a');
    if (!b)
        return done(XAER_NOTA);
    tell(what, xid);
    b->state = rm.heuristic ? 'h' : '\0';
    return done(rm.heuristic);
}

static int do_commit(XID *xid, int rmid, long flags)
{
    (void)rmid, (void)flags;
    return finish("commit", xid);
}

static int do_rollback(XID *xid, int rmid, long flags)
{
    (void)rmid, (void)flags;
    return finish("rollback", xid);
}

static int do_recover(XID *xids, long count, int rmid, long flags)
{
    int found = 0;
    (void)rmid;
    if (!(flags & TMSTARTRSCAN) || count < BRANCHES)
        return 0;
    pthread_mutex_lock(&rm.lock);
    for (int i = 0; i < BRANCHES; i++) {
        if (rm.branches[i].state == 'p')
            xids[found++] = rm.branches[i].xid;
    }
    return done(found);
}

static int do_forget(XID *xid, int rmid, long flags)
{
    (void)rmid, (void)flags;
    pthread_mutex_lock(&rm.lock);
    struct branch *b = find(xid, 'h');
    if (!b)
        return done(XAER_NOTA);
    b->state = '\0';
    tell("forget", xid);
    return done(XA_OK);
}

const struct xa_switch_t memory_rm_switch = {
    .name = "memory",
    .xa_open_entry = do_open,
    .xa_close_entry = do_close,
    .xa_start_entry = do_start,
    .xa_end_entry = do_end,
    .xa_rollback_entry = do_rollback,
    .xa_prepare_entry = do_prepare,
    .xa_commit_entry = do_commit,
    .xa_recover_entry = do_recover,
    .xa_forget_entry = do_forget,
};

// ---- for tests ----

void memory_rm_reset(void)
{
    pthread_mutex_lock(&rm.lock);
    memset(rm.branches, 0, sizeof rm.branches);
    rm.heuristic = XA_OK;
    rm.story[0] = '\0';
    pthread_mutex_unlock(&rm.lock);
}

void memory_rm_prepare(const XID *xid)
{
    XID copy = *xid;
    do_start(&copy, 0, TMNOFLAGS);
    do_prepare(&copy, 0, TMNOFLAGS);
}

bool memory_rm_holds(const XID *xid)
{
    pthread_mutex_lock(&rm.lock);
    bool holds = find(xid, 'p') != NULL;
    pthread_mutex_unlock(&rm.lock);
    return holds;
}

unsigned memory_rm_held(void)
{
    unsigned held = 0;
    pthread_mutex_lock(&rm.lock);
    for (int i = 0; i < BRANCHES; i++)
        held += rm.branches[i].state != '\0';
    pthread_mutex_unlock(&rm.lock);
    return held;
}

void memory_rm_heuristic(int code)
{
    pthread_mutex_lock(&rm.lock);
    rm.heuristic = code;
    pthread_mutex_unlock(&rm.lock);
}

const char *memory_rm_story(void)
{
    pthread_mutex_lock(&rm.lock);
    memcpy(rm.copy, rm.story, sizeof rm.copy);
    pthread_mutex_unlock(&rm.lock);
    return rm.copy;
}
