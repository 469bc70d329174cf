// SPDX-License-Identifier: Apache-2.0
// The manager of an XA switch:
//   xa_open.c     loads and checks the switch
//   xa_thread.c   each thread of control has the resource manager open for itself
//   xa_scan.c     which branches it holds prepared
//   xa_branch.c   the handlers
//   xa_table.c    what is done about every code
#ifndef XA_INTERNAL_H
#define XA_INTERNAL_H

#include <pthread.h>

#include "base/list.h"
#include "base/slice.h"
#include "xa_table.h"

struct xid_list {
    XID *xids;
    size_t count, room;
};

struct assent_xa {
    char resource[65], hash[9];
    const struct xa_switch_t *xa_switch;
    char switch_name[RMNAMESZ + 1];
    void *library; // NULL: the application's own switch
    char open_string[MAXINFOSIZE], close_string[MAXINFOSIZE];
    int rmid;
    assent_vote (*work)(void *context, const assent_branch *branch, char *why);
    void *context;
    pthread_key_t key; // struct xa_thread of each thread

    pthread_mutex_t lock; // of what follows
    struct list threads;
    pthread_cond_t scanned;
    uint64_t scans_begun, scans_done;
    unsigned scan_waiters;
    bool scanning, scan_good; // of the last one that is done
    struct xid_list held;     // and what it found; sorted
};

// Looks up what is to be done, and logs what an operator should know of. `xid` may be NULL.
enum xa_deed xa_answered(const assent_xa *xa, enum xa_stage stage, int code, const XID *xid);

// ---- xa_thread.c ----

bool xa_threads_init(assent_xa *xa); // false: there are no keys left
// Opens the resource manager on the calling thread unless it is open. False: *ret_code is what
// xa_open has answered.
bool xa_thread_ready(assent_xa *xa, int *ret_code);
// Closes it: the next xa_thread_ready opens it anew.
void xa_thread_lost(assent_xa *xa);
// Closes it on the calling thread, and lets go of what others have left.
void xa_threads_free(assent_xa *xa);

// ---- xa_scan.c ----

enum xa_held { XA_HELD_NO, XA_HELD_YES, XA_HELD_UNKNOWN };

// Whether the resource manager holds the branch prepared, by a scan that begins after the call. One
// scan serves all threads that wait for one.
enum xa_held xa_scan_holds(assent_xa *xa, const XID *xid);
// All branches of this resource that are held, as above. The caller frees ret->xids. False: they
// cannot be had now.
bool xa_scan_all(assent_xa *xa, struct xid_list *ret);

#endif
