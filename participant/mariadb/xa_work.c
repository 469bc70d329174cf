// SPDX-License-Identifier: Apache-2.0
// The switch: from xa_start to xa_prepare. A branch that is not prepared lives as long as its
// connection: whatever goes wrong, closing that rolls it back.
#include "base/error.h"
#include "xa_mariadb.h"

// What the server's error at xa_start or xa_end means for the connection's branch.
static int start_code(unsigned number)
{
    switch (number) {
    case ER_NONE: return XA_OK;
    case ER_XAER_DUPID_NUMBER: return XAER_DUPID;
    case ER_XAER_OUTSIDE_NUMBER: return XAER_OUTSIDE;
    case ER_XAER_INVAL_NUMBER: return XAER_INVAL;
    case ER_XAER_RMFAIL_NUMBER: return XAER_RMFAIL;
    default: return XAER_RMERR;
    }
}

static int begin(struct opened *opened, struct branch *branch, const char *sql)
{
    assent_error error = {0};
    unsigned number;
    int code = pool_run(opened->manager, sql, &branch->session, &number, &error);
    if (code) {
        branch_drop(opened->manager, branch, false);
        return switch_refuse_error(opened, XAER_RMFAIL, &error);
    }
    if (number) {
        link_refuse(number, mysql_error(branch->session->db), &error);
        // After DUPID nothing has begun; any other answer says that something is open there.
        branch_drop(opened->manager, branch, number == ER_XAER_DUPID_NUMBER);
        return switch_refuse_error(opened, start_code(number), &error);
    }
    opened->current = branch;
    return XA_OK;
}

int switch_start(XID *xid, int rmid, long flags)
{
    char sql[XIDS_STATEMENT_MAX];
    bool there;
    int code;
    struct opened *opened = switch_enter(rmid, flags, &code);
    if (!opened)
        return code;
    if (flags & ~TMNOWAIT)
        return switch_refuse(opened, XAER_INVAL, "MariaDB: a branch is not joined or resumed");
    if (opened->current)
        return switch_refuse(opened, XAER_PROTO, "MariaDB: xa_end comes first");
    if (!xids_statement("START", xid, "", sql))
        return switch_refuse_xid(opened);
    struct branch *branch = branch_new(opened->manager, xid, &there);
    if (!branch)
        return there ? switch_refuse(opened, XAER_DUPID, "MariaDB: the branch is begun already")
                     : switch_refuse(opened, XAER_RMERR, "MariaDB: out of memory");
    return begin(opened, branch, sql);
}

// ---- the end ----

// The branch can only be rolled back, and its connection, if `lost`, not be used.
static int spoil(struct opened *opened, struct branch *branch, int code, bool lost,
                 const assent_error *error)
{
    branch->rollback_code = code;
    if (lost)
        session_disconnect(branch->session);
    return switch_refuse_error(opened, code, error);
}

// Whether nothing was changed, for certain. The server says when a table is written, but not of all
// statements (a SELECT that calls a function that writes). So where it has said nothing, the
// session's counters of changed rows are compared with what they were when the branch was begun;
// that is known only if they were read then or after the last branch that wrote.
static bool has_changed_nothing(struct sql_session *session)
{
    long long changes, before = session->changes;
    session->changes = -1;
    if (!session->track.reported || session->track.wrote)
        return false;
    if (link_numbers(session->db,
                     "SELECT SUM(CAST(VARIABLE_VALUE AS UNSIGNED)) "
                     "FROM information_schema.SESSION_STATUS WHERE VARIABLE_NAME IN "
                     "('HANDLER_WRITE', 'HANDLER_UPDATE', 'HANDLER_DELETE')",
                     &changes, 1))
        return false;
    session->changes = changes;
    return before >= 0 && changes == before;
}

static int end(struct opened *opened, struct branch *branch, bool good)
{
    struct sql_session *session = branch->session;
    char sql[XIDS_STATEMENT_MAX];
    assent_error error = {.message = "MariaDB: the connection was lost, and the branch with it"};
    unsigned last = session->db ? mysql_errno(session->db) : ER_NONE; // of the work
    if (session->db)
        branch->read_only = good && has_changed_nothing(session);
    if (!session->db)
        return spoil(opened, branch, XA_RBCOMMFAIL, true, &error);
    xids_statement("END", &branch->xid, "", sql);
    unsigned number = link_run(session->db, sql);
    if (!number) {
        branch->rollback_code = good ? 0 : XA_RBROLLBACK;
        return XA_OK;
    }
    link_refuse(number, mysql_error(session->db), &error);
    int code = link_rollback_code(number);
    if (!code && link_is_rolled_back(session->db)) // by a deadlock, say, which is long forgotten
        code = link_rollback_code(last) ? link_rollback_code(last) : XA_RBROLLBACK;
    bool lost = !code;
    if (lost)
        code = link_is_lost(number) ? XA_RBCOMMFAIL : XA_RBOTHER;
    return spoil(opened, branch, code, lost, &error);
}

int switch_end(XID *xid, int rmid, long flags)
{
    int code;
    struct opened *opened = switch_enter(rmid, flags, &code);
    if (!opened)
        return code;
    if (!xid || (flags != TMSUCCESS && flags != TMFAIL))
        return switch_refuse(opened, XAER_INVAL, "MariaDB: a branch is not suspended");
    struct branch *branch = opened->current;
    if (!branch)
        return switch_refuse(opened, XAER_PROTO, "MariaDB: xa_start comes first");
    if (!xids_equal(&branch->xid, xid))
        return switch_refuse(opened, XAER_NOTA, "MariaDB: another branch is begun in this thread");
    opened->current = NULL;
    code = end(opened, branch, flags == TMSUCCESS);
    branch_end(opened->manager, branch);
    return code;
}

// ---- prepare ----

// It has not been prepared; its connection is free then, or closed, which rolls it back as well.
static void undo(struct manager *manager, struct branch *branch)
{
    char sql[XIDS_STATEMENT_MAX];
    bool good = false;
    xids_statement("ROLLBACK", &branch->xid, "", sql);
    if (branch->session->db)
        good = link_run(branch->session->db, sql) == ER_NONE;
    branch_drop(manager, branch, good);
}

static int prepare(struct opened *opened, struct branch *branch)
{
    char sql[XIDS_STATEMENT_MAX];
    assent_error error = {0};
    xids_statement("PREPARE", &branch->xid, "", sql);
    unsigned number = link_run(branch->session->db, sql);
    if (!number) {
        branch_park(opened->manager, branch);
        return XA_OK;
    }
    link_refuse(number, mysql_error(branch->session->db), &error);
    int code = link_rollback_code(number);
    if (!code) {
        // The server may have prepared it, or may still be about to: in doubt. A connection that is
        // closed holds on to no branch, and xa_recover will tell.
        losses_add(opened->manager, branch);
        code = XAER_RMFAIL;
    }
    branch_drop(opened->manager, branch, false);
    return switch_refuse_error(opened, code, &error);
}

int switch_prepare(XID *xid, int rmid, long flags)
{
    int code;
    struct branch *branch;
    struct opened *opened = switch_enter(rmid, flags, &code);
    if (!opened)
        return code;
    if (!xid || flags != TMNOFLAGS)
        return switch_refuse(opened, XAER_INVAL, "MariaDB: xa_prepare takes no flags");
    switch (branch_claim(opened->manager, xid, &branch)) {
    case CLAIM_UNKNOWN:
        return switch_refuse(opened, XAER_NOTA, "MariaDB: there is no such branch here");
    case CLAIM_BUSY:
        return switch_refuse(opened, XAER_PROTO, "MariaDB: another thread is at this branch");
    case CLAIM_ACTIVE: return switch_refuse(opened, XAER_PROTO, "MariaDB: the branch is not ended");
    case CLAIM_PREPARED:
        branch_release(opened->manager, branch);
        return switch_refuse(opened, XAER_PROTO, "MariaDB: the branch is prepared already");
    case CLAIM_ENDED: break;
    }
    code = branch->rollback_code ? branch->rollback_code : XA_RDONLY;
    if (!branch->rollback_code && !branch->read_only)
        return prepare(opened, branch);
    undo(opened->manager, branch);
    return code;
}
