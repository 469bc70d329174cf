// SPDX-License-Identifier: Apache-2.0
#include <string.h>

#include "session.h"
#include "sql/sql_barrier.h"

#define TURN                                                                                       \
    "pg_catalog.pg_advisory_xact_lock("                                                            \
    "pg_catalog.hashtextextended($1::text || '/' || $2::text, 1095978580))"

// One statement, so that it is all there or not at all; and one at a time, as IF NOT EXISTS fails
// where another connection is just making it.
static const char make_table[] =
    "DO $make$ BEGIN\n"
    "IF pg_catalog.to_regclass('assent.barrier') IS NULL THEN\n"
    "PERFORM pg_catalog.pg_advisory_xact_lock(1095978580);\n"
    "IF NOT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = 'assent') THEN\n"
    "CREATE SCHEMA IF NOT EXISTS assent; END IF;\n"
    "CREATE TABLE IF NOT EXISTS assent.barrier (\n"
    "    gtid text COLLATE \"C\" NOT NULL,\n"
    "    branch integer NOT NULL,\n"
    "    operation text COLLATE \"C\" NOT NULL,\n"
    "    state text COLLATE \"C\" NOT NULL CHECK (state IN ('done', 'fenced', 'horizon')),\n"
    "    leased_ms bigint NOT NULL,\n" // 0: not made by a coordinator
    "    answer bytea,\n"
    "    PRIMARY KEY (gtid, branch, operation)\n"
    ") WITH (fillfactor = 90);\n"
    "CREATE INDEX IF NOT EXISTS barrier_fences ON assent.barrier (leased_ms)\n"
    "    WHERE state = 'fenced';\n"
    "INSERT INTO assent.barrier VALUES ('', 0, '', 'horizon', 0, NULL) ON CONFLICT DO NOTHING;\n"
    "END IF; END $make$";

// A table that is emptied after a crash (UNLOGGED), or has another key, would be worse than none.
static const char read_shape[] =
    "SELECT pg_catalog.string_agg(a.attname || ' ' || a.atttypid::pg_catalog.regtype::text, ', ' "
    "ORDER BY a.attnum) || ' (' || (SELECT pg_catalog.string_agg(k.attname, ', ' ORDER BY "
    "k.attnum) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_attribute k ON k.attrelid = "
    "i.indexrelid WHERE i.indrelid = a.attrelid AND i.indisprimary AND i.indisvalid) || ')' || "
    "CASE (SELECT c.relpersistence FROM pg_catalog.pg_class c WHERE c.oid = a.attrelid) WHEN 'p' "
    "THEN '' ELSE ' unlogged' END || CASE (SELECT pg_catalog.count(*) FROM assent.barrier WHERE "
    "gtid = '' AND branch = 0) WHEN 1 THEN '' ELSE ' no horizon' END "
    "FROM pg_catalog.pg_attribute a WHERE a.attrelid = "
    "pg_catalog.to_regclass('assent.barrier') AND a.attnum > 0 AND NOT a.attisdropped "
    "GROUP BY a.attrelid";
static const char shape[] = "gtid text, branch integer, operation text, state text, leased_ms "
                            "bigint, answer bytea (gtid, branch, operation)";

// With it goes, for transactions that still read an older snapshot, a new version of the branch's
// other rows: see the guard.
static const char add_row[] =
    "WITH touched AS (UPDATE assent.barrier SET leased_ms = leased_ms "
    "WHERE gtid = $1 AND branch = $2::text::integer) "
    "INSERT INTO assent.barrier (gtid, branch, operation, state, leased_ms, answer) "
    "VALUES ($1, $2::text::integer, $3, $4, $5::bigint, NULL)";

// In REPEATABLE READ and SERIALIZABLE the snapshot is as old as the transaction's first statement.
// Whoever wrote a row of the branch since has touched those that this one sees, or has written the
// same row that it is about to; whoever removed a fence has raised the horizon.
static const char guard[] =
    "WITH horizon AS (SELECT 1 FROM assent.barrier WHERE gtid = '' AND branch = 0 FOR SHARE), "
    "touched AS (UPDATE assent.barrier SET leased_ms = leased_ms WHERE gtid = $1 AND branch = "
    "$2::text::integer RETURNING 1) SELECT (SELECT pg_catalog.count(*) FROM horizon) + "
    "(SELECT pg_catalog.count(*) FROM touched)";

static const char *const make[] = {make_table, NULL};

const struct sql_barrier postgres_barrier = {
    .table = "the table assent.barrier",
    .is_open = postgres_is_open,
    .execute = postgres_execute,
    .query = postgres_query,
    .make = make,
    .read_shape = read_shape,
    .shape = shape,
    .take_turn = "SELECT CASE WHEN pg_catalog.current_setting('transaction_isolation') IN "
                 "('read committed', 'read uncommitted') THEN '' ELSE 'snapshot' END FROM " TURN,
    .guard = guard,
    .read_rows = "SELECT operation, state, leased_ms, pg_catalog.encode(answer, 'hex') "
                 "FROM assent.barrier WHERE gtid = $1 AND branch = $2::text::integer UNION ALL "
                 "SELECT operation, state, leased_ms, NULL FROM assent.barrier "
                 "WHERE gtid = '' AND branch = 0",
    .add_row = add_row,
    .keep_answer = "UPDATE assent.barrier SET answer = pg_catalog.decode($4, 'hex') WHERE "
                   "gtid = $1 AND branch = $2::text::integer AND operation = $3 AND "
                   "state = 'done' AND answer IS NULL",
    .forget_rows = "DELETE FROM assent.barrier WHERE gtid = $1 AND branch = $2::text::integer",
    .raise_horizon = "UPDATE assent.barrier SET leased_ms = GREATEST(leased_ms, $1::bigint) "
                     "WHERE gtid = '' AND branch = 0",
    .remove_fences = "DELETE FROM assent.barrier WHERE (gtid, branch, operation) IN ("
                     "SELECT gtid, branch, operation FROM assent.barrier WHERE "
                     "state = 'fenced' AND leased_ms > 0 AND leased_ms < $1::bigint AND "
                     "operation IN ('try', 'send') LIMIT $2::bigint)",
};

static const char read_durable[] = "SELECT pg_catalog.current_setting('synchronous_commit')";

int postgres_barrier_create(struct sql_session *session, assent_error *error)
{
    struct sql_answer answer;
    int code = sql_barrier_create(&postgres_barrier, session, error);
    if (!code)
        code = postgres_execute(session, read_durable, NULL, 0, &answer, error);
    if (!code && strcmp(answer.first, "off") == 0)
        code = error_set(error, ASSENT_CONFIG,
                         "barrier: with synchronous_commit off a commit may be lost when the "
                         "server crashes: SET synchronous_commit = on, here and for the user");
    return code;
}

// ---- on a connection of the application's ----

// For one call: nothing is kept. False: there is no connection.
static struct sql_session *lend(PGconn *conn, struct sql_session *session)
{
    *session = (struct sql_session){.conn = conn};
    return conn ? session : NULL;
}

int assent_barrier_postgres_create(PGconn *conn, assent_error *error)
{
    struct sql_session session;
    if (!lend(conn, &session))
        return error_set(error, ASSENT_INVALID, "barrier: there is no connection");
    return postgres_barrier_create(&session, error);
}

int assent_barrier_postgres_enter(PGconn *conn, const char *gtid, uint16_t branch,
                                  assent_barrier_operation operation, assent_barrier_entry *ret,
                                  assent_error *error)
{
    struct sql_session session;
    return sql_barrier_enter(&postgres_barrier, lend(conn, &session), gtid, branch, operation, ret,
                             error);
}

int assent_barrier_postgres_answer(PGconn *conn, const char *gtid, uint16_t branch,
                                   assent_barrier_operation operation, const void *answer,
                                   size_t size, assent_error *error)
{
    struct sql_session session;
    return sql_barrier_answer(&postgres_barrier, lend(conn, &session), gtid, branch, operation,
                              answer, size, error);
}

int assent_barrier_postgres_forget(PGconn *conn, const char *gtid, uint16_t branch,
                                   assent_error *error)
{
    struct sql_session session;
    return sql_barrier_forget(&postgres_barrier, lend(conn, &session), gtid, branch, error);
}

int assent_barrier_postgres_seal(PGconn *conn, const char *gtid, uint16_t branch,
                                 assent_barrier_operation forward, assent_error *error)
{
    struct sql_session session;
    return sql_barrier_seal(&postgres_barrier, lend(conn, &session), gtid, branch, forward, error);
}

int assent_barrier_postgres_collect(PGconn *conn, uint64_t horizon_ms, uint64_t rows_max,
                                    uint64_t *ret_removed, assent_error *error)
{
    struct sql_session session;
    return sql_barrier_collect(&postgres_barrier, lend(conn, &session), horizon_ms, rows_max,
                               ret_removed, error);
}
