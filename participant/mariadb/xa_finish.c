// SPDX-License-Identifier: Apache-2.0
// The switch: xa_commit and xa_rollback. On the parked connection where this process has prepared
// the branch, else on any.
#include <time.h>

#include "base/error.h"
#include "xa_mariadb.h"

// The server lets go of a branch some moments after its connection was closed.
enum { DETACH_TRIES = 4, DETACH_WAIT_NS = 2000000 };

struct finish {
    struct opened *opened;
    struct manager *manager;
    const XID *xid;
    bool commit;
    char sql[XIDS_STATEMENT_MAX];
    assent_error error; // of the statement
};

static int tell(struct finish *f, int code)
{
    return switch_refuse_error(f->opened, code, &f->error);
}

static unsigned run(struct finish *f, MYSQL *db)
{
    unsigned number = link_run(db, f->sql);
    if (number)
        link_refuse(number, mysql_error(db), &f->error);
    return number;
}

// ---- here, not prepared ----

static int finish_ended(struct finish *f, struct branch *branch, long flags)
{
    bool good = false;
    unsigned number = ER_NONE;
    int code = f->commit ? branch->rollback_code : XA_OK;
    if (f->commit && !(flags & TMONEPHASE)) {
        branch_release(f->manager, branch);
        return switch_refuse(f->opened, XAER_PROTO, "MariaDB: the branch is not prepared");
    }
    if (f->commit && !code)
        xids_statement("COMMIT", f->xid, " ONE PHASE", f->sql);
    else
        xids_statement("ROLLBACK", f->xid, "", f->sql);
    if (branch->session->db) {
        number = run(f, branch->session->db);
        good = number == ER_NONE;
    }
    branch_drop(f->manager, branch, good); // if not `good`, closing it rolls it back
    if (good || !f->commit || code)
        return code;
    // Committed or not: what is not certainly rolled back is in doubt.
    code = link_rollback_code(number);
    return tell(f, code ? code : XAER_RMFAIL);
}

// ---- somewhere else, prepared ----

// Nothing proves the end of a branch but that it is not listed.
static int look(struct finish *f, MYSQL *db, int listed, int gone)
{
    bool there;
    unsigned number = xids_is_listed(db, f->xid, &there);
    if (number) {
        link_refuse(number, mysql_error(db), &f->error);
        return tell(f, XAER_RMFAIL);
    }
    return tell(f, there ? listed : gone);
}

// What XA COMMIT or ROLLBACK by a connection that the branch is not bound to says.
static int judge(struct finish *f, MYSQL *db, unsigned number)
{
    switch (number) {
    case ER_NONE: return XA_OK;
    // Bound to a connection that lives, in whatever process: not now.
    case ER_XAER_NOTA_NUMBER: return look(f, db, XA_RETRY, XAER_NOTA);
    // So the server answers for a branch that had changed nothing when its connection was closed,
    // and for no other that is prepared: all of that nothing is committed.
    case ER_XA_RBROLLBACK_NUMBER: return XA_OK;
    case ER_XA_RBTIMEOUT_NUMBER:
    case ER_XA_RBDEADLOCK_NUMBER: return f->commit ? tell(f, link_rollback_code(number)) : XA_OK;
    default: break;
    }
    // An error that is not known here, and no branch any more: it ended, nobody knows how.
    return link_is_lost(number) ? tell(f, XAER_RMFAIL)
                                : look(f, db, XA_RETRY, f->commit ? XA_HEURHAZ : XAER_RMERR);
}

static int try_elsewhere(struct finish *f)
{
    struct sql_session *session;
    unsigned number;
    // Executed twice, if a connection was lost: then the second answer says what the first did.
    if (pool_run(f->manager, f->sql, &session, &number, &f->error))
        return tell(f, XAER_RMFAIL);
    if (number)
        link_refuse(number, mysql_error(session->db), &f->error);
    int code = judge(f, session->db, number);
    if (code == XAER_RMFAIL)
        pool_discard(session);
    else
        pool_give(f->manager, session);
    return code;
}

static int finish_elsewhere(struct finish *f, long flags)
{
    if (flags & TMONEPHASE)
        return switch_refuse(f->opened, XAER_NOTA, "MariaDB: there is no such branch here");
    // As long as the server may still be about to prepare it, that it is not listed says nothing.
    int code = losses_check(f->manager, f->xid, &f->error);
    if (code)
        return tell(f, code == ASSENT_BUSY ? XA_RETRY : XAER_RMFAIL);
    code = try_elsewhere(f);
    for (int tries = 1; code == XA_RETRY && tries < DETACH_TRIES; tries++) {
        nanosleep(&(struct timespec){.tv_nsec = DETACH_WAIT_NS}, NULL);
        code = try_elsewhere(f);
    }
    return code;
}

// ---- here, prepared ----

static bool is_listed(MYSQL *db, const XID *xid)
{
    bool listed;
    return xids_is_listed(db, xid, &listed) == ER_NONE && listed;
}

static int finish_parked(struct finish *f, struct branch *branch, long flags)
{
    if (flags & TMONEPHASE) {
        branch_release(f->manager, branch);
        return switch_refuse(f->opened, XAER_PROTO, "MariaDB: the branch is prepared");
    }
    unsigned number = run(f, branch->session->db);
    if (!number) {
        branch_drop(f->manager, branch, true);
        return XA_OK;
    }
    if (link_says_rolled_back(number)) {
        branch_drop(f->manager, branch, false);
        return f->commit ? tell(f, link_rollback_code(number)) : XA_OK;
    }
    // A backup, say, keeps commits out: it is as it was.
    if (!link_is_lost(number) && number != ER_XAER_NOTA_NUMBER &&
        is_listed(branch->session->db, f->xid)) {
        branch_release(f->manager, branch);
        return tell(f, XA_RETRY);
    }
    // Lost, or not as it should be: without the connection the branch is anybody's, if it is there.
    branch_drop(f->manager, branch, false);
    return finish_elsewhere(f, flags);
}

static int finish(XID *xid, int rmid, long flags, bool commit)
{
    int code;
    struct finish f = {.xid = xid, .commit = commit};
    f.opened = switch_enter(rmid, flags, &code);
    if (!f.opened)
        return code;
    f.manager = f.opened->manager;
    if (flags & ~(TMNOWAIT | (commit ? TMONEPHASE : 0)))
        return switch_refuse(f.opened, XAER_INVAL, "MariaDB: no such flags");
    if (!xids_statement(commit ? "COMMIT" : "ROLLBACK", xid, "", f.sql))
        return switch_refuse_xid(f.opened);
    struct branch *branch;
    switch (branch_claim(f.manager, xid, &branch)) {
    case CLAIM_UNKNOWN: return finish_elsewhere(&f, flags);
    case CLAIM_BUSY:
        return switch_refuse(f.opened, XA_RETRY, "MariaDB: another thread is at this branch");
    case CLAIM_ENDED: return finish_ended(&f, branch, flags);
    case CLAIM_PREPARED: return finish_parked(&f, branch, flags);
    case CLAIM_ACTIVE: break;
    }
    return switch_refuse(f.opened, XAER_PROTO, "MariaDB: the branch is not ended");
}

int switch_commit(XID *xid, int rmid, long flags)
{
    return finish(xid, rmid, flags, true);
}

int switch_rollback(XID *xid, int rmid, long flags)
{
    return finish(xid, rmid, flags, false);
}
