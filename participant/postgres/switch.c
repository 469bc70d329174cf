// SPDX-License-Identifier: Apache-2.0
// The XA switch: a branch is a transaction of the thread's connection until it is prepared, and the
// server's from then on.
#include <stdlib.h>
#include <string.h>

#include "threads.h"

static bool xid_is_named(const XID *xid)
{
    char gid[ASSENT_POSTGRES_GID_MAX];
    return assent_postgres_gid(xid, gid, NULL) == ASSENT_OK;
}

static bool xid_equal(const XID *a, const XID *b)
{
    return a->formatID == b->formatID && a->gtrid_length == b->gtrid_length &&
           a->bqual_length == b->bqual_length &&
           memcmp(a->data, b->data, (size_t)(a->gtrid_length + a->bqual_length)) == 0;
}

// What every call begins with: flags, and the thread's session.
static int session_of(int rmid, long flags, long allowed, struct sql_session **ret)
{
    struct sql_session *session = thread_session(rmid);
    if (flags & TMASYNC)
        return XAER_ASYNC;
    if (flags & ~allowed)
        return XAER_INVAL;
    if (!session || !session->opened)
        return XAER_PROTO;
    session->reason.message[0] = '\0';
    *ret = session;
    return XA_OK;
}

static int session_of_branch(int rmid, long flags, long allowed, const XID *xid,
                             struct sql_session **ret)
{
    int code = session_of(rmid, flags, allowed, ret);
    return !code && !xid_is_named(xid) ? XAER_INVAL : code;
}

static bool is_own(const struct sql_session *session, const XID *xid)
{
    return session->branch != BRANCH_NONE && xid_equal(&session->xid, xid);
}

static int say(struct sql_session *session, int xa_code, const char *why)
{
    error_set(&session->reason, ASSENT_STATE, "PostgreSQL: %s", why);
    return xa_code;
}

// ---- open, close ----

static int open_failed(int code)
{
    return code == ASSENT_UNAVAILABLE ? XAER_RMFAIL
           : code == ASSENT_INVALID   ? XAER_INVAL
                                      : XAER_RMERR;
}

static int set_where(struct sql_session *session, const char *where)
{
    if (strcmp(session->where, where) == 0)
        return ASSENT_OK;
    char *copy = strdup(where);
    if (!copy)
        return error_set(&session->reason, ASSENT_NOMEM, "PostgreSQL: out of memory");
    free(session->where);
    session->where = copy;
    postgres_drop(session);
    return ASSENT_OK;
}

static int xa_open(char *info, int rmid, long flags)
{
    if (flags & TMASYNC)
        return XAER_ASYNC;
    if (!info || flags != TMNOFLAGS)
        return XAER_INVAL;
    struct sql_session *session = thread_session(rmid);
    if (session && session->opened && session->branch != BRANCH_NONE)
        return XAER_PROTO;
    if (session && session->opened && strcmp(session->where, info) == 0 &&
        postgres_is_alive(session))
        return XA_OK; // it is open
    if (!session)
        session = thread_session_new(rmid, info);
    if (!session)
        return XAER_RMERR;
    session->opened = false;
    int code = set_where(session, info);
    if (!code)
        code = postgres_connect(session, &session->reason);
    if (!code)
        code = postgres_check(session, &session->reason);
    if (code) {
        postgres_drop(session);
        return open_failed(code);
    }
    session->opened = true;
    session->reason.message[0] = '\0';
    return XA_OK;
}

static int xa_close(char *info, int rmid, long flags)
{
    (void)info;
    struct sql_session *session = thread_session(rmid);
    if (flags & TMASYNC)
        return XAER_ASYNC;
    if (flags != TMNOFLAGS)
        return XAER_INVAL;
    if (!session || !session->opened)
        return XA_OK;
    if (session->branch != BRANCH_NONE)
        return XAER_PROTO;
    postgres_drop(session);
    free(session->scan);
    session->scan = NULL;
    session->opened = false;
    return XA_OK;
}

// ---- start, end ----

// Nothing is sent: BEGIN goes with the first statement.
static int xa_start(XID *xid, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of_branch(rmid, flags, TMNOWAIT, xid, &session);
    if (code)
        return code;
    if (session->branch != BRANCH_NONE)
        return XAER_PROTO;
    if (!postgres_is_alive(session)) {
        postgres_refuse_lost(&session->reason);
        return XAER_RMFAIL;
    }
    if (PQtransactionStatus(session->conn) != PQTRANS_IDLE)
        return say(session, XAER_OUTSIDE, "a transaction is open that is not the switch's");
    if (session->stale && postgres_refresh(session, &session->reason))
        return XAER_RMFAIL;
    session->xid = *xid;
    session->branch = BRANCH_ACTIVE;
    session->rollback_only = false;
    postgres_begin(session);
    return XA_OK;
}

static int end_code(struct sql_session *session)
{
    if (session->begin_due)
        return XA_OK;
    if (!session->conn || PQstatus(session->conn) != CONNECTION_OK)
        return say(session, XA_RBCOMMFAIL, "the connection was lost, so the branch is rolled back");
    PGTransactionStatusType status = PQtransactionStatus(session->conn);
    if (session->escaped || status == PQTRANS_IDLE)
        return say(session, XA_RBPROTO, "a statement has ended the branch's transaction");
    if (status == PQTRANS_INERROR)
        return say(session, postgres_rollback_code(session->sqlstate),
                   "a statement has failed, so the branch can only be rolled back");
    return XA_OK;
}

static int xa_end(XID *xid, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of_branch(rmid, flags, TMSUCCESS | TMFAIL, xid, &session);
    if (code)
        return code;
    if (flags != TMSUCCESS && flags != TMFAIL)
        return XAER_INVAL;
    if (session->branch != BRANCH_ACTIVE)
        return is_own(session, xid) ? XAER_PROTO : XAER_NOTA;
    if (!is_own(session, xid))
        return XAER_NOTA;
    if (session->conn && PQtransactionStatus(session->conn) == PQTRANS_ACTIVE) {
        postgres_drop(session); // which rolls it back
        session->branch = BRANCH_ENDED;
        session->rollback_only = true;
        return say(session, XA_RBPROTO, "the result of a statement was not taken");
    }
    code = end_code(session);
    session->branch = BRANCH_ENDED;
    session->rollback_only = code != XA_OK || flags == TMFAIL;
    return code;
}

// ---- prepare, commit, rollback ----

static void branch_gone(struct sql_session *session)
{
    session->branch = BRANCH_NONE;
    session->begun = session->begin_due = false;
}

static int roll_back_own(struct sql_session *session)
{
    if (postgres_rollback(session, &session->reason))
        postgres_drop(session); // the server does it then
    branch_gone(session);
    return XA_OK;
}

static const char read_assigned[] = "SELECT pg_catalog.txid_current_if_assigned() IS NULL";

// A transaction that has written has a number; also one that has locked rows.
static int has_only_read(struct sql_session *session, bool *ret)
{
    struct sql_answer answer;
    *ret = session->begin_due;
    if (session->begin_due || session->has_written)
        return ASSENT_OK;
    session->branch = BRANCH_ACTIVE; // once more
    int code = postgres_execute(session, read_assigned, NULL, 0, &answer, &session->reason);
    session->branch = BRANCH_ENDED;
    *ret = !code && strcmp(answer.first, "t") == 0;
    return code;
}

static int rolled_back(struct sql_session *session, int code)
{
    branch_gone(session);
    return code == ASSENT_STATE ? XA_RBROLLBACK : postgres_rollback_code(session->sqlstate);
}

static int read_only(struct sql_session *session)
{
    int code = postgres_commit(session, &session->reason);
    return code ? rolled_back(session, code) : (branch_gone(session), XA_RDONLY);
}

static int prepare(struct sql_session *session)
{
    bool only_read;
    int code = has_only_read(session, &only_read);
    if (code) { // nothing that would prepare it was sent
        roll_back_own(session);
        return code == ASSENT_UNAVAILABLE ? XA_RBCOMMFAIL
                                          : postgres_rollback_code(session->sqlstate);
    }
    if (only_read)
        return read_only(session);
    code = postgres_prepare(session, &session->xid, &session->reason);
    branch_gone(session);
    if (code == ASSENT_OK)
        return XA_OK;
    if (code == ASSENT_UNAVAILABLE)
        return XAER_RMFAIL; // in doubt
    if (strcmp(session->sqlstate, "42710") == 0)
        return XAER_DUPID; // ours is rolled back; the other one is not ours to judge
    return code == ASSENT_STATE ? XA_RBROLLBACK : postgres_rollback_code(session->sqlstate);
}

static int xa_prepare(XID *xid, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of_branch(rmid, flags, TMNOFLAGS, xid, &session);
    if (code)
        return code;
    if (!is_own(session, xid))
        return XAER_NOTA;
    if (session->branch != BRANCH_ENDED)
        return XAER_PROTO;
    if (!session->rollback_only)
        return prepare(session);
    code = session->conn ? postgres_rollback_code(session->sqlstate) : XA_RBCOMMFAIL;
    roll_back_own(session);
    return code;
}

// One that is prepared, by whatever connection.
static int finish(struct sql_session *session, const XID *xid, bool commit)
{
    if (session->branch != BRANCH_NONE)
        return say(session, XAER_PROTO, "this thread is in another branch: end that first");
    if (!postgres_is_alive(session)) {
        postgres_refuse_lost(&session->reason);
        return XAER_RMFAIL;
    }
    if (PQtransactionStatus(session->conn) != PQTRANS_IDLE)
        return say(session, XAER_PROTO, "a transaction is open that is not the switch's");
    switch (postgres_finish(session, xid, commit, &session->reason)) {
    case FINISH_DONE: return XA_OK;
    case FINISH_UNKNOWN: return XAER_NOTA;
    case FINISH_NOT_NOW: return XA_RETRY; // XAER_RMERR would say that its work is gone
    case FINISH_LOST: return XAER_RMFAIL;
    }
    return XAER_RMFAIL;
}

static int commit_one_phase(struct sql_session *session)
{
    if (session->rollback_only) {
        int code = postgres_rollback_code(session->sqlstate);
        roll_back_own(session);
        return code;
    }
    int code = postgres_commit(session, &session->reason);
    branch_gone(session);
    if (code == ASSENT_UNAVAILABLE)
        return XAER_RMFAIL; // nobody knows
    return code == ASSENT_OK      ? XA_OK
           : code == ASSENT_STATE ? XA_RBROLLBACK
                                  : postgres_rollback_code(session->sqlstate);
}

static int xa_commit(XID *xid, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of_branch(rmid, flags, TMONEPHASE | TMNOWAIT, xid, &session);
    if (code)
        return code;
    bool own = is_own(session, xid);
    if (!(flags & TMONEPHASE))
        return own ? XAER_PROTO : finish(session, xid, true);
    if (!own)
        return XAER_NOTA;
    return session->branch == BRANCH_ENDED ? commit_one_phase(session) : XAER_PROTO;
}

static int xa_rollback(XID *xid, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of_branch(rmid, flags, TMNOFLAGS, xid, &session);
    if (code)
        return code;
    if (!is_own(session, xid))
        return finish(session, xid, false);
    return session->branch == BRANCH_ENDED ? roll_back_own(session) : XAER_PROTO;
}

// ---- recover ----

// Those of this database that this user may end; of them those whose names are XIDs.
static const char read_prepared[] =
    "SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() "
    "AND (owner = current_user OR (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = "
    "current_user)) ORDER BY prepared, gid";

static void scan_add(void *arg, int columns, const char *const *values)
{
    struct sql_session *session = arg;
    XID xid;
    (void)columns;
    if (session->scan_count < 0 || assent_postgres_xid(values[0], &xid, NULL))
        return;
    XID *more = realloc(session->scan, (size_t)(session->scan_count + 1) * sizeof *more);
    if (more) {
        session->scan = more;
        session->scan[session->scan_count++] = xid;
    } else {
        session->scan_count = -1;
    }
}

static void scan_end(struct sql_session *session)
{
    free(session->scan);
    session->scan = NULL;
    session->scan_count = session->scan_at = 0;
    session->scanning = false;
}

static int scan_start(struct sql_session *session)
{
    scan_end(session);
    if (!postgres_is_alive(session)) {
        postgres_refuse_lost(&session->reason);
        return XAER_RMFAIL;
    }
    int code = postgres_query(session, read_prepared, NULL, 0, scan_add, session, &session->reason);
    if (code || session->scan_count < 0) {
        scan_end(session);
        return code == ASSENT_UNAVAILABLE ? XAER_RMFAIL : XAER_RMERR;
    }
    session->scanning = true;
    return XA_OK;
}

static int xa_recover(XID *xids, long count, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of(rmid, flags, TMSTARTRSCAN | TMENDRSCAN, &session);
    if (code)
        return code;
    if (count < 0 || (count > 0 && !xids))
        return XAER_INVAL;
    if (session->branch != BRANCH_NONE)
        return XAER_PROTO;
    if (flags & TMSTARTRSCAN)
        code = scan_start(session);
    else if (!session->scanning)
        code = XAER_INVAL;
    if (code)
        return code;
    long left = session->scan_count - session->scan_at, given = left < count ? left : count;
    if (given)
        memcpy(xids, session->scan + session->scan_at, (size_t)given * sizeof *xids);
    session->scan_at += given;
    if (flags & TMENDRSCAN)
        scan_end(session);
    return (int)given;
}

// The server never ends a branch by a decision of its own.
static int xa_forget(XID *xid, int rmid, long flags)
{
    struct sql_session *session;
    int code = session_of_branch(rmid, flags, TMNOFLAGS, xid, &session);
    return code ? code : XAER_NOTA;
}

static int xa_complete(int *handle, int *retval, int rmid, long flags)
{
    (void)handle, (void)retval, (void)rmid, (void)flags;
    return XAER_PROTO; // nothing is asynchronous
}

struct xa_switch_t assent_postgres_xa = {
    .name = "Assent PostgreSQL",
    .flags = TMNOMIGRATE,
    .xa_open_entry = xa_open,
    .xa_close_entry = xa_close,
    .xa_start_entry = xa_start,
    .xa_end_entry = xa_end,
    .xa_rollback_entry = xa_rollback,
    .xa_prepare_entry = xa_prepare,
    .xa_commit_entry = xa_commit,
    .xa_recover_entry = xa_recover,
    .xa_forget_entry = xa_forget,
    .xa_complete_entry = xa_complete,
};

// ---- what goes with it ----

struct sql_session *postgres_of_thread(int rmid)
{
    struct sql_session *session = thread_session(rmid);
    return session && session->opened ? session : NULL;
}

PGconn *assent_postgres_connection(int rmid)
{
    struct sql_session *session = postgres_of_thread(rmid);
    if (!session || !session->conn || session->branch == BRANCH_ENDED)
        return NULL;
    // What is executed there from now on is not seen here, and has to find the transaction begun.
    postgres_begin_now(session, &session->reason);
    return session->conn;
}

const char *assent_postgres_reason(int rmid)
{
    struct sql_session *session = thread_session(rmid);
    return session ? session->reason.message : "";
}
