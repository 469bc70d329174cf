// SPDX-License-Identifier: Apache-2.0
// Two resource managers in memory, behind one XA switch, and what their participants do there.
#include <assent/xopen/xa.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "tx_switch.h"

enum { BRANCHES_MAX = 512, ANSWERS_MAX = 16, RECORD_BYTES = 4096 };

struct branch {
    char gtid[ASSENT_GTID_MAX + 1];
    char state;
    bool bound; // to the connection of `owner`: its participant cannot get at it
    pthread_t owner;
};

struct answer {
    const char *call; // NULL: given already
    int rmid, code;
};

static struct {
    pthread_mutex_t lock;
    struct branch branches[WORLD_RESOURCES][BRANCHES_MAX];
    struct answer answers[ANSWERS_MAX];
    unsigned opens[WORLD_RESOURCES];
    char record[RECORD_BYTES], shown[RECORD_BYTES];
} s = {.lock = PTHREAD_MUTEX_INITIALIZER};

// ---- lock held ----

static void note(const char *call, int rmid)
{
    size_t size = strlen(s.record);
    snprintf(s.record + size, sizeof s.record - size, "%s%s %d", size ? ", " : "", call, rmid);
}

// The branch of that name, or room for it.
static struct branch *branch_of(int rmid, const char *gtid, size_t size)
{
    for (struct branch *b = s.branches[rmid]; b < s.branches[rmid] + BRANCHES_MAX; b++) {
        if (!*b->gtid) {
            snprintf(b->gtid, sizeof b->gtid, "%.*s", (int)size, gtid);
            b->state = '-';
        }
        if (strlen(b->gtid) == size && memcmp(b->gtid, gtid, size) == 0)
            return b;
    }
    fail_msg("too many branches for this test");
    return NULL;
}

static int heuristic(struct branch *b, int code)
{
    char state = code == XA_HEURCOM   ? 'C'
                 : code == XA_HEURRB  ? 'R'
                 : code == XA_HEURMIX ? 'M'
                 : code == XA_HEURHAZ ? 'H'
                                      : b->state;
    b->state = code >= XA_RBBASE ? 'r' : state;
    return code;
}

static bool answer_take(const char *call, int rmid, int *ret)
{
    for (struct answer *a = s.answers; a < s.answers + ANSWERS_MAX; a++) {
        if (!a->call || strcmp(a->call, call) != 0 || a->rmid != rmid)
            continue;
        a->call = NULL;
        *ret = a->code;
        return true;
    }
    return false;
}

// ---- the switch ----

// From one state, or another, to a third.
static int step(const char *call, XID *xid, int rmid, const char *from, char to)
{
    pthread_mutex_lock(&s.lock);
    struct branch *b = branch_of(rmid, xid->data, (size_t)xid->gtrid_length);
    int code = XA_OK;
    note(call, rmid);
    if (answer_take(call, rmid, &code))
        heuristic(b, code);
    else if (strchr(from, b->state))
        b->state = to;
    else
        code = XAER_NOTA;
    bool left_open = b->state == 'p' && code != XAER_NOTA;
    b->bound = b->state == 'a' || b->state == 'e' || left_open;
    b->owner = pthread_self();
    pthread_mutex_unlock(&s.lock);
    return code;
}

static int door(const char *call, int rmid, int change)
{
    pthread_mutex_lock(&s.lock);
    int code = XA_OK;
    note(call, rmid);
    answer_take(call, rmid, &code);
    if (code == XA_OK)
        s.opens[rmid] += (unsigned)change;
    for (struct branch *b = s.branches[rmid]; change < 0 && *b->gtid; b++) {
        if (pthread_equal(b->owner, pthread_self()))
            b->bound = false;
    }
    pthread_mutex_unlock(&s.lock);
    return code;
}

static int on_open(char *info, int rmid, long flags)
{
    (void)flags;
    return strcmp(info, "where it is") == 0 ? door("open", rmid, 1) : XAER_INVAL;
}

static int on_close(char *info, int rmid, long flags)
{
    (void)flags;
    return strcmp(info, "bye") == 0 ? door("close", rmid, -1) : XAER_INVAL;
}

static int on_start(XID *xid, int rmid, long flags)
{
    return flags == TMNOFLAGS ? step("start", xid, rmid, "-", 'a') : XAER_INVAL;
}

static int on_end(XID *xid, int rmid, long flags)
{
    return flags == TMSUCCESS || flags == TMFAIL ? step("end", xid, rmid, "a", 'e') : XAER_INVAL;
}

static int on_rollback(XID *xid, int rmid, long flags)
{
    (void)flags;
    return step("rollback", xid, rmid, "ep", 'r');
}

static int on_prepare(XID *xid, int rmid, long flags)
{
    (void)flags;
    return step("prepare", xid, rmid, "e", 'p');
}

static int on_commit(XID *xid, int rmid, long flags)
{
    return flags == TMONEPHASE ? step("commit-one-phase", xid, rmid, "e", 'c')
                               : step("commit", xid, rmid, "p", 'c');
}

static int on_recover(XID *xids, long count, int rmid, long flags)
{
    (void)xids, (void)count, (void)rmid, (void)flags;
    return 0;
}

static int on_forget(XID *xid, int rmid, long flags)
{
    (void)flags;
    return step("forget", xid, rmid, "", '-');
}

static int on_complete(int *handle, int *retval, int rmid, long flags)
{
    (void)handle, (void)retval, (void)rmid, (void)flags;
    return XAER_PROTO;
}

#define SWITCH(its_name, its_flags, its_version)                                                   \
    __attribute__((visibility("default"))) struct xa_switch_t its_name = {                         \
        .name = #its_name,                                                                         \
        .flags = its_flags,                                                                        \
        .version = its_version,                                                                    \
        .xa_open_entry = on_open,                                                                  \
        .xa_close_entry = on_close,                                                                \
        .xa_start_entry = on_start,                                                                \
        .xa_end_entry = on_end,                                                                    \
        .xa_rollback_entry = on_rollback,                                                          \
        .xa_prepare_entry = on_prepare,                                                            \
        .xa_commit_entry = on_commit,                                                              \
        .xa_recover_entry = on_recover,                                                            \
        .xa_forget_entry = on_forget,                                                              \
        .xa_complete_entry = on_complete,                                                          \
    }

extern struct xa_switch_t recording_xa, recording_xa_dynamic, recording_xa_newer;
SWITCH(recording_xa, TMNOFLAGS, 0);
SWITCH(recording_xa_dynamic, TMREGISTER, 0);
SWITCH(recording_xa_newer, TMNOFLAGS, 1);

// ---- for tests ----

const char *recorded(void)
{
    pthread_mutex_lock(&s.lock);
    memcpy(s.shown, s.record, sizeof s.shown);
    *s.record = '\0';
    pthread_mutex_unlock(&s.lock);
    return s.shown;
}

void answer_next(const char *call, int rmid, int code)
{
    pthread_mutex_lock(&s.lock);
    struct answer *a = s.answers;
    while (a->call)
        a++;
    *a = (struct answer){call, rmid, code};
    pthread_mutex_unlock(&s.lock);
}

char branch_state(int rmid, const char *gtid)
{
    pthread_mutex_lock(&s.lock);
    char state = branch_of(rmid, gtid, strlen(gtid))->state;
    pthread_mutex_unlock(&s.lock);
    return state;
}

unsigned opens(int rmid)
{
    pthread_mutex_lock(&s.lock);
    unsigned count = s.opens[rmid];
    pthread_mutex_unlock(&s.lock);
    return count;
}

void switch_reset(void)
{
    memset(s.branches, 0, sizeof s.branches);
    memset(s.answers, 0, sizeof s.answers);
    memset(s.opens, 0, sizeof s.opens);
    *s.record = '\0';
}

// ---- for the participants ----

assent_done_code switch_finish(int rmid, const char *gtid, char to)
{
    pthread_mutex_lock(&s.lock);
    struct branch *b = branch_of(rmid, gtid, strlen(gtid));
    assent_done_code done = b->state == 'C'   ? ASSENT_HEURISTIC_COMMIT
                            : b->state == 'R' ? ASSENT_HEURISTIC_ROLLBACK
                            : b->state == 'M' ? ASSENT_HEURISTIC_MIXED
                            : b->state == 'H' ? ASSENT_HEURISTIC_HAZARD
                            : b->bound        ? ASSENT_RETRY
                                              : ASSENT_DONE;
    if (b->state == 'p' && !b->bound)
        b->state = to;
    pthread_mutex_unlock(&s.lock);
    return done;
}

void switch_forget(int rmid, const char *gtid)
{
    pthread_mutex_lock(&s.lock);
    branch_of(rmid, gtid, strlen(gtid))->state = 'f';
    pthread_mutex_unlock(&s.lock);
}
