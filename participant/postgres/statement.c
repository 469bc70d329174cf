// SPDX-License-Identifier: Apache-2.0
// Statements: prepared at the server on first use, and kept. What can go together - the BEGIN that
// is due, the preparation, the execution - goes in one round trip.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "session.h"

enum { NAME_BYTES = 24, PARAMETERS_MAX = 256 };

// Parameters as libpq wants them: each ended by a NUL.
struct parameters {
    const char *of[PARAMETERS_MAX];
    int count;
    char *texts; // owned
};

static int parameters_take(const struct sql_value *values, size_t count, struct parameters *ret,
                           assent_error *error)
{
    size_t size = 0;
    if (count > PARAMETERS_MAX)
        return error_set(error, ASSENT_LIMIT, "PostgreSQL: a statement has at most %d parameters",
                         PARAMETERS_MAX);
    for (size_t i = 0; i < count; i++) {
        if (values[i].text && memchr(values[i].text, 0, values[i].size))
            return error_set(error, ASSENT_INVALID,
                             "PostgreSQL: parameter %zu has a byte 0, which no text has", i + 1);
        size += values[i].size + 1;
    }
    char *at = ret->texts = malloc(size + 1);
    ret->count = (int)count;
    if (!at)
        return error_set(error, ASSENT_NOMEM, "PostgreSQL: out of memory");
    for (size_t i = 0; i < count; i++) {
        ret->of[i] = values[i].text ? at : NULL;
        if (values[i].text && values[i].size)
            memcpy(at, values[i].text, values[i].size);
        at[values[i].size] = '\0';
        at += values[i].size + 1;
    }
    return ASSENT_OK;
}

static int statement_find(const struct sql_session *session, const char *sql)
{
    for (int i = 0; i < session->statement_count; i++)
        if (strcmp(session->statements[i], sql) == 0)
            return i;
    return -1;
}

static void statement_name(int number, char ret[NAME_BYTES])
{
    snprintf(ret, NAME_BYTES, "assent_%d", number);
}

static bool statement_keep(struct sql_session *session, const char *sql)
{
    char *copy = strdup(sql);
    if (copy)
        session->statements[session->statement_count++] = copy;
    return copy != NULL;
}

// ---- one round trip ----

// The result of the next command in the pipeline; what follows it is the NULL that ends it.
static PGresult *pipeline_next(PGconn *conn)
{
    PGresult *result = PQgetResult(conn);
    if (result && PQresultStatus(result) != PGRES_PIPELINE_SYNC)
        PQclear(PQgetResult(conn));
    return result;
}

struct trip {
    const char *sql;
    const char *name; // NULL: it has none, and is not kept
    bool prepare;     // under that name, first
    const struct parameters *parameters;
    bool prepared; // it was
};

static bool trip_send(PGconn *conn, bool begin, const struct trip *t)
{
    const struct parameters *p = t->parameters;
    return (!begin || PQsendQueryParams(conn, "BEGIN", 0, NULL, NULL, NULL, NULL, 0)) &&
           (!t->prepare || PQsendPrepare(conn, t->name, t->sql, 0, NULL)) &&
           (t->name ? PQsendQueryPrepared(conn, t->name, p->count, p->of, NULL, NULL, 0)
                    : PQsendQueryParams(conn, t->sql, p->count, NULL, p->of, NULL, NULL, 0)) &&
           PQpipelineSync(conn);
}

static bool is_copy(const PGresult *result)
{
    ExecStatusType status = PQresultStatus(result);
    return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

static void trip_end(PGconn *conn)
{
    bool last = false;
    while (!last && PQstatus(conn) == CONNECTION_OK) {
        PGresult *rest = PQgetResult(conn);
        // (A COPY has no end; its connection is given up.)
        last = !rest || PQresultStatus(rest) == PGRES_PIPELINE_SYNC || is_copy(rest);
        PQclear(rest);
    }
    PQexitPipelineMode(conn);
}

// Sends what is due, and gives the result of the last, or of the first that fails.
static PGresult *trip_run(struct sql_session *session, struct trip *t)
{
    PGconn *conn = session->conn;
    bool begin = session->begin_due, failed = false;
    PGresult *result = NULL;
    if (!PQenterPipelineMode(conn))
        return NULL;
    session->begin_due = false;
    int commands = trip_send(conn, begin, t) ? begin + t->prepare + 1 : 0;
    for (int i = 0; i < commands; i++) {
        PGresult *next = pipeline_next(conn);
        ExecStatusType status = PQresultStatus(next); // of NULL: a fatal error
        if (t->prepare && i == begin)
            t->prepared = status == PGRES_COMMAND_OK;
        PQclear(failed ? next : result);
        result = failed ? result : next;
        failed = failed || (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK);
    }
    trip_end(conn);
    return result;
}

static PGresult *statement_run(struct sql_session *session, const char *sql,
                               const struct parameters *p)
{
    char name[NAME_BYTES];
    int number = session->own ? statement_find(session, sql) : -1;
    bool keep = session->own && number < 0 && session->statement_count < STATEMENTS_MAX;
    statement_name(keep ? session->statement_count : number, name);
    if (!session->begin_due && number >= 0)
        return PQexecPrepared(session->conn, name, p->count, p->of, NULL, NULL, 0);
    if (!session->begin_due && !keep)
        return PQexecParams(session->conn, sql, p->count, NULL, p->of, NULL, NULL, 0);
    struct trip trip = {sql, keep || number >= 0 ? name : NULL, keep, p, false};
    PGresult *result = trip_run(session, &trip);
    if (trip.prepared && !statement_keep(session, sql))
        session->stale = true; // or its name would be taken
    return result;
}

// ---- what came of it ----

static bool has_word(const char *sql, const char *word)
{
    for (; *sql; sql++)
        if (strncasecmp(sql, word, strlen(word)) == 0)
            return true;
    return false;
}

// What only reads need not be prepared. What it notifies others of would have to wait for the
// outcome, which PostgreSQL refuses at the prepare; so that has to come to it.
static bool is_write(const char *sql, PGresult *result)
{
    const char *tag = PQcmdStatus(result), *count = PQcmdTuples(result);
    static const char *const rows[] = {"INSERT ", "UPDATE ", "DELETE ", "MERGE "};
    if (has_word(sql, "notify"))
        return true;
    if (strncmp(tag, "SELECT ", 7) == 0 || strcmp(tag, "SHOW") == 0)
        return false;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (strncmp(tag, rows[i], strlen(rows[i])) == 0)
            return strcmp(count, "0") != 0;
    return true;
}

// A statement that is COMMIT, say, or calls a procedure that does.
static int check_escaped(struct sql_session *session, assent_error *error)
{
    if (!session->begun || PQtransactionStatus(session->conn) != PQTRANS_IDLE)
        return ASSENT_OK;
    session->escaped = true;
    return error_set(error, ASSENT_INVALID,
                     "PostgreSQL: the statement ended the transaction, which is not its to end");
}

static int take_result(struct sql_session *session, const char *sql, PGresult *result,
                       assent_error *error)
{
    ExecStatusType status = PQresultStatus(result);
    if (status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK || status == PGRES_EMPTY_QUERY) {
        session->has_written = session->has_written || is_write(sql, result);
        return check_escaped(session, error);
    }
    if (is_copy(result)) {
        postgres_drop(session); // which would wait for data for ever
        return error_set(error, ASSENT_INVALID,
                         "PostgreSQL: COPY to or from the client cannot be executed here");
    }
    int code = postgres_refuse(session, result, error);
    // "cached plan must not change result type", or DEALLOCATE: the next try prepares it anew.
    bool stale = strcmp(session->sqlstate, "0A000") == 0 || strcmp(session->sqlstate, "26000") == 0;
    if (session->own && stale && statement_find(session, sql) >= 0) {
        session->stale = true;
        return error_set(error, ASSENT_BUSY,
                         "PostgreSQL: a table has changed under the prepared statement: roll back "
                         "and try again");
    }
    return code;
}

static int run(struct sql_session *session, const char *sql, const struct sql_value *values,
               size_t count, PGresult **ret, assent_error *error)
{
    struct parameters parameters;
    *ret = NULL;
    if (!sql)
        return error_set(error, ASSENT_INVALID, "PostgreSQL: there is no statement");
    if (session->branch == BRANCH_ENDED)
        return error_set(error, ASSENT_STATE, "PostgreSQL: the branch has ended: xa_start first");
    if (session->own && !session->begun) {
        int code = postgres_refresh(session, error);
        if (code)
            return code;
    }
    if (!session->conn)
        return postgres_refuse_lost(error);
    int code = parameters_take(values, count, &parameters, error);
    if (code)
        return code;
    *ret = statement_run(session, sql, &parameters);
    free(parameters.texts);
    code = take_result(session, sql, *ret, error);
    if (code) {
        PQclear(*ret);
        *ret = NULL;
    }
    return code;
}

int postgres_execute(struct sql_session *session, const char *sql, const struct sql_value *values,
                     size_t count, struct sql_answer *ret, assent_error *error)
{
    PGresult *result;
    int code = run(session, sql, values, count, &result, error);
    if (code)
        return code;
    bool rows = PQresultStatus(result) == PGRES_TUPLES_OK;
    bool first = rows && PQntuples(result) > 0 && PQnfields(result) > 0;
    if (ret) {
        ret->rows = rows ? (uint64_t)PQntuples(result) : strtoull(PQcmdTuples(result), NULL, 10);
        ret->has_first = first && !PQgetisnull(result, 0, 0);
        snprintf(ret->first, sizeof ret->first, "%s", first ? PQgetvalue(result, 0, 0) : "");
    }
    PQclear(result);
    return ASSENT_OK;
}

enum { COLUMNS_MAX = 1664 }; // of PostgreSQL

int postgres_query(struct sql_session *session, const char *sql, const struct sql_value *values,
                   size_t count, void (*visit)(void *arg, int columns, const char *const *values),
                   void *arg, assent_error *error)
{
    PGresult *result;
    const char *row[COLUMNS_MAX];
    int code = run(session, sql, values, count, &result, error);
    if (code)
        return code;
    int columns = PQnfields(result) < COLUMNS_MAX ? PQnfields(result) : COLUMNS_MAX;
    for (int i = 0; i < PQntuples(result); i++) {
        for (int k = 0; k < columns; k++)
            row[k] = PQgetisnull(result, i, k) ? NULL : PQgetvalue(result, i, k);
        visit(arg, columns, row);
    }
    PQclear(result);
    return ASSENT_OK;
}

int postgres_command(struct sql_session *session, const char *sql, char ret_tag[64],
                     assent_error *error)
{
    if (!session->conn)
        return postgres_refuse_lost(error);
    PGresult *result = PQexec(session->conn, sql);
    int code = ASSENT_OK;
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        code = postgres_refuse(session, result, error);
    else if (ret_tag)
        snprintf(ret_tag, 64, "%s", PQcmdStatus(result));
    PQclear(result);
    return code;
}
