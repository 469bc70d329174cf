// SPDX-License-Identifier: Apache-2.0
// assent_sql_postgres: what programs that drive any database find here.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "session.h"
#include "sql/sql_barrier.h"

ASSENT_API extern const struct sql_driver assent_sql_postgres;

static int driver_connect(const char *where, struct sql_session **ret, assent_error *error)
{
    struct sql_session *session = NULL;
    int code = postgres_session_new(where, &session, error);
    if (!code)
        code = postgres_connect(session, error);
    if (code == ASSENT_OK)
        *ret = session;
    else
        postgres_session_free(&session);
    if (code == ASSENT_INVALID && error)
        error->code = ASSENT_CONFIG; // there it is a setting
    return code == ASSENT_INVALID ? ASSENT_CONFIG : code;
}

static int driver_check(struct sql_session *session, assent_error *error)
{
    return postgres_check(session, error);
}

static int driver_begin(struct sql_session *session, assent_error *error)
{
    if (session->begun)
        return error_set(error, ASSENT_STATE, "PostgreSQL: a transaction is open");
    int code = postgres_refresh(session, error);
    if (!code)
        postgres_begin(session);
    return code;
}

static int refuse_branch(const struct sql_session *session, assent_error *error)
{
    if (session->branch != BRANCH_NONE)
        return error_set(error, ASSENT_STATE, "PostgreSQL: the branch is the switch's to end");
    return ASSENT_OK;
}

static int driver_commit(struct sql_session *session, assent_error *error)
{
    int code = refuse_branch(session, error);
    return code ? code : postgres_commit(session, error);
}

static int driver_rollback(struct sql_session *session, assent_error *error)
{
    int code = refuse_branch(session, error);
    return code ? code : postgres_rollback(session, error);
}

// The server prepares it, under no name.
static int driver_prepare(struct sql_session *session, const char *sql, size_t count,
                          assent_error *error)
{
    int code = postgres_refresh(session, error);
    if (code)
        return code;
    PGresult *prepared = PQprepare(session->conn, "", sql, 0, NULL);
    if (PQresultStatus(prepared) == PGRES_COMMAND_OK) {
        PGresult *described = PQdescribePrepared(session->conn, "");
        size_t parameters = (size_t)PQnparams(described);
        PQclear(described);
        if (parameters != count)
            code = error_set(error, ASSENT_INVALID,
                             "PostgreSQL: the statement has %zu parameters, not %zu", parameters,
                             count);
    } else {
        code = postgres_refuse(session, prepared, error);
    }
    PQclear(prepared);
    return code;
}

static int barrier_enter(struct sql_session *session, const char *gtid, uint16_t branch,
                         assent_barrier_operation operation, assent_barrier_entry *ret,
                         assent_error *error)
{
    return sql_barrier_enter(&postgres_barrier, session, gtid, branch, operation, ret, error);
}

static int barrier_answer(struct sql_session *session, const char *gtid, uint16_t branch,
                          assent_barrier_operation operation, const void *answer, size_t size,
                          assent_error *error)
{
    return sql_barrier_answer(&postgres_barrier, session, gtid, branch, operation, answer, size,
                              error);
}

static int barrier_forget(struct sql_session *session, const char *gtid, uint16_t branch,
                          assent_error *error)
{
    return sql_barrier_forget(&postgres_barrier, session, gtid, branch, error);
}

static int barrier_seal(struct sql_session *session, const char *gtid, uint16_t branch,
                        assent_barrier_operation forward, assent_error *error)
{
    return sql_barrier_seal(&postgres_barrier, session, gtid, branch, forward, error);
}

static int barrier_collect(struct sql_session *session, uint64_t horizon_ms, uint64_t rows_max,
                           uint64_t *ret_removed, assent_error *error)
{
    return sql_barrier_collect(&postgres_barrier, session, horizon_ms, rows_max, ret_removed,
                               error);
}

// ---- what is prepared ----

// The commands are psql's: in another database with the change to that one before it.
static const char read_all[] =
    "SELECT gid, pg_catalog.floor(EXTRACT(epoch FROM pg_catalog.now() - prepared))::bigint, owner, "
    "database = pg_catalog.current_database() AND (owner = current_user OR (SELECT rolsuper FROM "
    "pg_catalog.pg_roles WHERE rolname = current_user)), "
    "CASE WHEN database = pg_catalog.current_database() THEN '' ELSE '\\connect ' || "
    "pg_catalog.quote_ident(database) || ' \\\\ ' END, "
    "'PREPARED ' || pg_catalog.quote_literal(gid) || ';' "
    "FROM pg_catalog.pg_prepared_xacts ORDER BY prepared, gid";
enum { COLUMN_GID, COLUMN_AGE, COLUMN_OWNER, COLUMN_HERE, COLUMN_CONNECT, COLUMN_WHAT, COLUMNS };

struct visitor {
    void (*visit)(void *arg, const struct sql_prepared *prepared);
    void *arg;
};

static void prepared_visit(void *arg, int columns, const char *const *values)
{
    const struct visitor *visitor = arg;
    struct sql_prepared p;
    if (columns != COLUMNS || !values[COLUMN_GID])
        return;
    memset(&p, 0, sizeof p);
    if (assent_postgres_xid(values[COLUMN_GID], &p.xid, NULL))
        p.xid.formatID = -1;
    snprintf(p.name, sizeof p.name, "%s", values[COLUMN_GID]);
    p.age_s = values[COLUMN_AGE] ? atoll(values[COLUMN_AGE]) : -1;
    p.age_s = p.age_s < 0 ? 0 : p.age_s; // a clock that was put back
    snprintf(p.owner, sizeof p.owner, "%s", values[COLUMN_OWNER] ? values[COLUMN_OWNER] : "");
    p.here = values[COLUMN_HERE] && strcmp(values[COLUMN_HERE], "t") == 0;
    snprintf(p.commit, sizeof p.commit, "%sCOMMIT %s", values[COLUMN_CONNECT], values[COLUMN_WHAT]);
    snprintf(p.rollback, sizeof p.rollback, "%sROLLBACK %s", values[COLUMN_CONNECT],
             values[COLUMN_WHAT]);
    visitor->visit(visitor->arg, &p);
}

static int driver_prepared(struct sql_session *session,
                           void (*visit)(void *arg, const struct sql_prepared *prepared), void *arg,
                           assent_error *error)
{
    struct visitor visitor = {visit, arg};
    return postgres_query(session, read_all, NULL, 0, prepared_visit, &visitor, error);
}

const struct sql_driver assent_sql_postgres = {
    .name = "postgres",
    .xa = &assent_postgres_xa,
    .of_thread = postgres_of_thread,
    .connect = driver_connect,
    .close = postgres_session_free,
    .check = driver_check,
    .begin = driver_begin,
    .commit = driver_commit,
    .rollback = driver_rollback,
    .execute = postgres_execute,
    .query = postgres_query,
    .barrier_create = postgres_barrier_create,
    .barrier_enter = barrier_enter,
    .barrier_answer = barrier_answer,
    .barrier_forget = barrier_forget,
    .barrier_seal = barrier_seal,
    .barrier_collect = barrier_collect,
    .prepared = driver_prepared,
    .prepare = driver_prepare,
};
