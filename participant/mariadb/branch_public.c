// SPDX-License-Identifier: Apache-2.0
// Branches on a connection of the application's.
#include "assent/mariadb.h"
#include "base/error.h"
#include "link.h"
#include "xids.h"

static int statement_of(MYSQL *db, const char *verb, const XID *xid, char ret[XIDS_STATEMENT_MAX],
                        assent_error *error)
{
    char text[ASSENT_MARIADB_XID_MAX];
    if (!db)
        return error_set(error, ASSENT_INVALID, "MariaDB: there is no connection");
    int code = assent_mariadb_xid_text(xid, text, error);
    if (!code)
        xids_statement(verb, xid, "", ret);
    return code;
}

static int run(MYSQL *db, const char *verb, const XID *xid, unsigned *ret_number,
               assent_error *error)
{
    char sql[XIDS_STATEMENT_MAX];
    *ret_number = ER_NONE;
    int code = statement_of(db, verb, xid, sql, error);
    if (code)
        return code;
    *ret_number = link_run(db, sql);
    return *ret_number ? link_refuse(*ret_number, mysql_error(db), error) : ASSENT_OK;
}

int assent_mariadb_start(MYSQL *db, const XID *xid, assent_error *error)
{
    unsigned number;
    return run(db, "START", xid, &number, error);
}

// What is left of the branch on its connection, if anything, when it could not be prepared.
static void undo(MYSQL *db, const XID *xid)
{
    unsigned number;
    run(db, "END", xid, &number, NULL);
    run(db, "ROLLBACK", xid, &number, NULL);
}

// XA_RB*, and what else XA PREPARE says when it has rolled back.
static int refuse_rolled_back(unsigned number, int code, assent_error *error)
{
    if (number != ER_XA_RBROLLBACK_NUMBER && number != ER_XAER_RMFAIL_NUMBER)
        return code;
    return error_set(error, ASSENT_BUSY,
                     "MariaDB: the server has rolled the branch back (%u): begin again", number);
}

int assent_mariadb_prepare(MYSQL *db, const XID *xid, assent_error *error)
{
    unsigned number;
    int code = run(db, "END", xid, &number, error);
    // NOTA: another branch is open here; RMFAIL: none, or it is ended or prepared already, so that
    // nothing must be undone here.
    bool rolled_back = number && link_is_rolled_back(db);
    if (!rolled_back && (number == ER_XAER_NOTA_NUMBER || number == ER_XAER_RMFAIL_NUMBER))
        return error_set(error, ASSENT_STATE,
                         "MariaDB: that branch was not begun here, or is ended already");
    if (!code)
        code = run(db, "PREPARE", xid, &number, error);
    if (!code || code == ASSENT_UNAVAILABLE)
        return code;
    if (!link_rollback_code(number) && number && !rolled_back) {
        // Neither prepared nor rolled back, by what is known of it.
        return error_set(error, ASSENT_UNAVAILABLE, "MariaDB: %s (%u): close the connection",
                         mysql_error(db), number);
    }
    undo(db, xid);
    return refuse_rolled_back(number, code, error);
}

// What the server's NOTA means.
static int look(MYSQL *db, const XID *xid, assent_error *error)
{
    bool listed;
    unsigned number = xids_is_listed(db, xid, &listed);
    if (number)
        return link_refuse(number, mysql_error(db), error);
    if (listed)
        return error_set(error, ASSENT_BUSY,
                         "MariaDB: the connection that prepared the branch is open: it is finished "
                         "there, or when that is closed");
    return error_set(error, ASSENT_UNKNOWN, "MariaDB: no branch is prepared under that XID");
}

int assent_mariadb_finish(MYSQL *db, const XID *xid, int commit, assent_error *error)
{
    unsigned number;
    int code;
    bool bound = db && link_is_open(db); // to this branch, or something else is open
    if (!commit)
        run(db, "END", xid, &number, NULL); // where it is not ended
    code = run(db, commit ? "COMMIT" : "ROLLBACK", xid, &number, error);
    switch (number) {
    case ER_XAER_NOTA_NUMBER: return look(db, xid, error);
    // It had changed nothing, and its connection is closed: there is nothing to be done. On its own
    // connection it has failed before it was prepared.
    case ER_XA_RBROLLBACK_NUMBER: return commit && bound ? code : ASSENT_OK;
    case ER_XA_RBTIMEOUT_NUMBER:
    case ER_XA_RBDEADLOCK_NUMBER: return commit ? code : ASSENT_OK;
    // The branch is there, and was not touched.
    case ER_XAER_RMERR_NUMBER:
        return error_set(error, ASSENT_BUSY, "MariaDB: %s (%u)", mysql_error(db), number);
    default: return code;
    }
}
