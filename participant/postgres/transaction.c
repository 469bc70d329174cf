// SPDX-License-Identifier: Apache-2.0
// Transactions: local ones, and those that are prepared.
#include <stdio.h>
#include <string.h>

#include "session.h"

enum { TAG_BYTES = 64, COMMAND_BYTES = ASSENT_POSTGRES_GID_MAX + 32 };

bool postgres_is_open(struct sql_session *session)
{
    PGTransactionStatusType status = PQtransactionStatus(session->conn);
    return session->begin_due || status == PQTRANS_INTRANS || status == PQTRANS_INERROR ||
           (session->begun && !session->conn); // it was, and the statement will say so
}

void postgres_begin(struct sql_session *session)
{
    session->begun = session->begin_due = true;
    session->escaped = session->has_written = false;
    session->sqlstate[0] = '\0';
}

int postgres_begin_now(struct sql_session *session, assent_error *error)
{
    if (!session->begin_due)
        return ASSENT_OK;
    session->begin_due = false;
    return postgres_command(session, "BEGIN", NULL, error);
}

// Whether there is anything to be ended at the server.
static bool end(struct sql_session *session)
{
    bool due = session->begin_due;
    session->begun = session->begin_due = false;
    return !due;
}

int postgres_commit(struct sql_session *session, assent_error *error)
{
    char tag[TAG_BYTES];
    if (!session->begun)
        return error_set(error, ASSENT_STATE, "PostgreSQL: no transaction is open");
    if (!end(session))
        return ASSENT_OK;
    if (session->escaped)
        return error_set(error, ASSENT_STATE, "PostgreSQL: a statement has ended the transaction");
    int code = postgres_command(session, "COMMIT", tag, error);
    // A transaction in which a statement has failed is rolled back by its COMMIT, without an error.
    if (!code && strcmp(tag, "COMMIT") != 0)
        code = error_set(error, ASSENT_STATE,
                         "PostgreSQL: a statement had failed, so the transaction is rolled back");
    return code;
}

int postgres_rollback(struct sql_session *session, assent_error *error)
{
    if (!end(session) || !session->conn || PQtransactionStatus(session->conn) == PQTRANS_IDLE)
        return ASSENT_OK;
    int code = postgres_command(session, "ROLLBACK", NULL, error);
    if (code && session->own) {
        postgres_drop(session); // it ends with its connection
        code = ASSENT_OK;
    }
    return code == ASSENT_UNAVAILABLE ? ASSENT_OK : code;
}

// ---- prepared ones ----

static int explain_prepare(struct sql_session *session, const char *gid, int code,
                           assent_error *error)
{
    const char *state = session->sqlstate;
    if (code == ASSENT_UNAVAILABLE)
        return error_prefix(error, "%s: in doubt, as the connection was lost while it was prepared",
                            gid);
    if (strcmp(state, "55000") == 0)
        return error_set(error, ASSENT_CONFIG,
                         "PostgreSQL: %s is rolled back: max_prepared_transactions is 0: set it "
                         "in postgresql.conf, and restart the server",
                         gid);
    if (strcmp(state, "53200") == 0 && code == ASSENT_BUSY)
        return error_prefix(error,
                            "%s is rolled back: too many branches are prepared (assent doctor "
                            "lists them; max_prepared_transactions limits them)",
                            gid);
    return error_prefix(error, "%s is rolled back", gid);
}

int postgres_prepare(struct sql_session *session, const XID *xid, assent_error *error)
{
    char gid[ASSENT_POSTGRES_GID_MAX], command[COMMAND_BYTES], tag[TAG_BYTES];
    assent_error mine;
    error = error ? error : &mine;
    int code = assent_postgres_gid(xid, gid, error);
    if (code)
        return code;
    snprintf(command, sizeof command, "PREPARE TRANSACTION '%s'", gid); // has nothing to be quoted
    session->sqlstate[0] = '\0';
    // If we or the server crash here, the branch is prepared or it is not, and pg_prepared_xacts
    // tells which; whoever asks for its outcome then finds it there, or nothing to do.
    code = postgres_command(session, command, tag, error);
    if (!code && strcmp(tag, "PREPARE TRANSACTION") == 0)
        return ASSENT_OK;
    if (!code)
        return error_set(error, ASSENT_STATE,
                         "PostgreSQL: %s is rolled back: a statement had failed, or no "
                         "transaction was open",
                         gid);
    if (session->conn && PQtransactionStatus(session->conn) == PQTRANS_INERROR &&
        postgres_command(session, "ROLLBACK", NULL, NULL))
        postgres_drop(session);
    return explain_prepare(session, gid, code, error);
}

static enum finish finish_failed(struct sql_session *session, const char *gid, int code,
                                 assent_error *error)
{
    const char *state = session->sqlstate;
    if (code == ASSENT_UNAVAILABLE) {
        error_prefix(error, "%s: the connection was lost while it was ended", gid);
        return FINISH_LOST;
    }
    if (strcmp(state, "42704") == 0) {
        error_set(error, ASSENT_UNKNOWN, "PostgreSQL: %s is not (any more) prepared", gid);
        return FINISH_UNKNOWN;
    }
    if (strcmp(state, "55000") == 0) // "prepared transaction ... is busy"
        error_set(error, ASSENT_BUSY, "PostgreSQL: %s: another connection is ending it", gid);
    else if (strcmp(state, "0A000") == 0)
        error_set(error, ASSENT_CONFIG,
                  "PostgreSQL: %s belongs to another database: connect to that one (it is in "
                  "pg_prepared_xacts)",
                  gid);
    else if (strcmp(state, "42501") == 0)
        error_set(error, ASSENT_DENIED,
                  "PostgreSQL: %s was prepared by another user: connect as that one (it is in "
                  "pg_prepared_xacts), or as a superuser",
                  gid);
    return FINISH_NOT_NOW;
}

enum finish postgres_finish(struct sql_session *session, const XID *xid, bool commit,
                            assent_error *error)
{
    char gid[ASSENT_POSTGRES_GID_MAX], command[COMMAND_BYTES];
    assent_error mine;
    error = error ? error : &mine;
    if (assent_postgres_gid(xid, gid, error))
        return FINISH_NOT_NOW;
    snprintf(command, sizeof command, "%s PREPARED '%s'", commit ? "COMMIT" : "ROLLBACK", gid);
    session->sqlstate[0] = '\0';
    int code = postgres_command(session, command, NULL, error);
    return code ? finish_failed(session, gid, code, error) : FINISH_DONE;
}

// ---- on a connection of the application's ----

static int session_of(PGconn *conn, const XID *xid, struct sql_session *ret, assent_error *error)
{
    char gid[ASSENT_POSTGRES_GID_MAX];
    if (!conn)
        return error_set(error, ASSENT_INVALID, "PostgreSQL: there is no connection");
    int code = assent_postgres_gid(xid, gid, error);
    if (code)
        return code;
    *ret = (struct sql_session){.conn = conn};
    if (PQstatus(conn) != CONNECTION_OK)
        return postgres_refuse_lost(error);
    return ASSENT_OK;
}

static int must_be_idle(PGconn *conn, assent_error *error)
{
    if (PQtransactionStatus(conn) != PQTRANS_IDLE)
        return error_set(error, ASSENT_STATE,
                         "PostgreSQL: a transaction is open on this connection: end it first");
    return ASSENT_OK;
}

static const char read_slots[] = "SELECT pg_catalog.current_setting('max_prepared_transactions')";

int assent_postgres_start(PGconn *conn, const XID *xid, assent_error *error)
{
    struct sql_session session;
    struct sql_answer answer;
    int code = session_of(conn, xid, &session, error);
    if (!code)
        code = must_be_idle(conn, error);
    if (code)
        return code;
    postgres_begin(&session); // goes with the question
    code = postgres_execute(&session, read_slots, NULL, 0, &answer, error);
    if (!code && strcmp(answer.first, "0") != 0)
        return ASSENT_OK;
    if (PQstatus(conn) == CONNECTION_OK)
        postgres_rollback(&session, NULL);
    return code ? code
                : error_set(error, ASSENT_CONFIG,
                            "PostgreSQL: max_prepared_transactions is 0, so nothing can be "
                            "prepared: set it in postgresql.conf, and restart the server");
}

int assent_postgres_prepare(PGconn *conn, const XID *xid, assent_error *error)
{
    struct sql_session session;
    int code = session_of(conn, xid, &session, error);
    if (!code && PQtransactionStatus(conn) == PQTRANS_IDLE)
        code = error_set(error, ASSENT_STATE, "PostgreSQL: no transaction is open");
    return code ? code : postgres_prepare(&session, xid, error);
}

int assent_postgres_finish(PGconn *conn, const XID *xid, int commit, assent_error *error)
{
    struct sql_session session;
    assent_error mine = {.code = ASSENT_INTERNAL};
    error = error ? error : &mine;
    int code = session_of(conn, xid, &session, error);
    if (!code && commit != 0 && commit != 1)
        code = error_set(error, ASSENT_INVALID, "PostgreSQL: commit is 1 or 0");
    if (!code)
        code = must_be_idle(conn, error);
    if (code)
        return code;
    return postgres_finish(&session, xid, commit, error) == FINISH_DONE ? ASSENT_OK : error->code;
}
