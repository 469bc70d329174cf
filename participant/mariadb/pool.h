// SPDX-License-Identifier: Apache-2.0
// What the switch has open: for each rmid of the process its connections and branches, shared by
// all threads, and for each thread what it has opened.
#ifndef MARIADB_POOL_H
#define MARIADB_POOL_H

#include <pthread.h>

#include "assent/mariadb.h"
#include "base/list.h"
#include "session.h"
#include "xids.h"

enum branch_state {
    BRANCH_ACTIVE,   // between xa_start and xa_end
    BRANCH_ENDED,    // not prepared: it is gone with its connection
    BRANCH_PREPARED, // its connection is parked
};

// A branch that was begun in this process and is not finished.
struct branch {
    struct list link; // of the manager; those that were prepared longest ago come first
    XID xid;
    enum branch_state state;
    bool busy;                   // a thread is at it, outside of the lock
    struct sql_session *session; // owned
    int rollback_code;           // XA_RB*: it can only be rolled back
    bool read_only;              // it has changed nothing, for certain
};

struct manager {
    struct manager *next;
    int rmid;
    unsigned opens;         // threads that have it open; under the lock of all managers
    char info[MAXINFOSIZE]; // the open string
    struct where where;
    unsigned parked_max;
    pthread_mutex_t lock;     // of what follows
    struct sql_session *idle; // the one used last first
    unsigned idle_count, parked_count;
    struct list branches;
};

// What a thread has opened, or failed to.
struct opened {
    struct opened *next;
    int rmid;
    struct manager *manager; // NULL: not open
    struct branch *current;  // between xa_start and xa_end
    struct xids scan;        // of xa_recover
    size_t scan_at;
    bool scanning;
    char reason[ASSENT_ERROR_MESSAGE_MAX];
};

// The calling thread's; NULL: out of memory, or, where it need not be made, none.
struct opened *opened_of(int rmid, bool make);
struct sql_session *pool_session_of_thread(int rmid);

// Opens it for this thread: connects and checks where no other thread has. Codes of
// assent_error.
int manager_open(struct opened *opened, const char *info, assent_error *error);
// Rolls back what the thread is in, and with the last thread closes all connections.
void manager_close(struct opened *opened);

// Executes a statement on a connection that is free, a new one if there is none: where that is
// found to be lost, on the next one, so it must be one that may be executed twice. Other errors are
// in *ret_number, and the connection is the caller's all the same. ASSENT_UNAVAILABLE, ...: there
// is no connection.
int pool_run(struct manager *manager, const char *sql, struct sql_session **ret,
             unsigned *ret_number, assent_error *error);
// Back to those that are free; `session` has nothing open.
void pool_give(struct manager *manager, struct sql_session *session);
void pool_discard(struct sql_session *session);

// NULL: out of memory, or there is such a branch (*ret_there).
struct branch *branch_new(struct manager *manager, const XID *xid, bool *ret_there);
// It has been ended by the thread that began it; from then on it is anybody's.
void branch_end(struct manager *manager, struct branch *branch);
// The branch of that XID: where it is ended or prepared, for the calling thread alone until
// branch_release, _park or _drop; otherwise *ret is NULL.
enum claim { CLAIM_UNKNOWN, CLAIM_BUSY, CLAIM_ACTIVE, CLAIM_ENDED, CLAIM_PREPARED };
enum claim branch_claim(struct manager *manager, const XID *xid, struct branch **ret);
void branch_release(struct manager *manager, struct branch *branch);
// It is prepared: closes the connections of others, when there are too many.
void branch_park(struct manager *manager, struct branch *branch);
// Forgets it. Its connection is free again, or, where `good` is false, closed.
void branch_drop(struct manager *manager, struct branch *branch, bool good);

void losses_add(struct manager *manager, const struct branch *branch);
// Whether the server is still at a connection that was lost while preparing this branch: until it
// has let go of it, the branch may be prepared at any time. ASSENT_BUSY: so it is;
// ASSENT_UNAVAILABLE,
// ...: it cannot be asked.
int losses_check(struct manager *manager, const XID *xid, assent_error *error);

long long pool_now_ms(void);

#endif
