// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "session.h"

enum { CONNECT_MS = 10000, VERSION_MIN = 110000 };

static void be_quiet(void *arg, const PGresult *notice)
{
    (void)arg, (void)notice;
}

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

// connect_timeout of the conninfo, which the library leaves to those who connect in steps.
static int patience_ms(PGconn *conn)
{
    int ms = CONNECT_MS;
    PQconninfoOption *options = PQconninfo(conn);
    for (PQconninfoOption *o = options; o && o->keyword; o++)
        if (strcmp(o->keyword, "connect_timeout") == 0 && o->val && atoi(o->val) > 0)
            ms = atoi(o->val) > 3600 ? 3600000 : atoi(o->val) * 1000;
    PQconninfoFree(options);
    return ms;
}

static PostgresPollingStatusType connect_in_time(PGconn *conn)
{
    PostgresPollingStatusType status = PGRES_POLLING_WRITING;
    int64_t until = now_ms() + patience_ms(conn);
    while (status == PGRES_POLLING_READING || status == PGRES_POLLING_WRITING) {
        struct pollfd wanted = {PQsocket(conn), status == PGRES_POLLING_READING ? POLLIN : POLLOUT,
                                0};
        int64_t left = until - now_ms();
        if (left <= 0)
            break;
        if (poll(&wanted, 1, (int)left) < 0 && errno != EINTR)
            break;
        status = PQconnectPoll(conn);
    }
    return status;
}

// Verbose messages of connecting have the SQLSTATE in them, which no function gives:
// "FATAL:  3D000: database ... does not exist".
static bool has_class(const char *message, const char *class)
{
    for (const char *at = message; (at = strstr(at, ":  ")); at += 3)
        if (strncmp(at + 3, class, strlen(class)) == 0 && strlen(at) > 9 && at[8] == ':')
            return true;
    return false;
}

static int refuse_connect(PGconn *conn, bool in_time, assent_error *error)
{
    const char *message = PQerrorMessage(conn);
    bool settings =
        has_class(message, "28") || has_class(message, "3D") || PQconnectionNeedsPassword(conn);
    size_t size = strcspn(message, "\n");
    if (!in_time && !size)
        return error_set(error, ASSENT_UNAVAILABLE,
                         "PostgreSQL: no connection in time (connect_timeout)");
    return error_set(error, settings ? ASSENT_CONFIG : ASSENT_UNAVAILABLE, "PostgreSQL: %.*s",
                     (int)size, message);
}

static int check_conninfo(const char *where, assent_error *error)
{
    char *message = NULL;
    PQconninfoOption *options = PQconninfoParse(where, &message);
    if (options) {
        PQconninfoFree(options);
        return ASSENT_OK;
    }
    error_set(error, ASSENT_INVALID, "PostgreSQL: the connection string: %.*s",
              (int)strcspn(message ? message : "", "\n"), message ? message : "");
    PQfreemem(message);
    return ASSENT_INVALID;
}

int postgres_connect(struct sql_session *session, assent_error *error)
{
    // A string that is in the place of a database's name is expanded; what it says itself wins.
    const char *const keywords[] = {"fallback_application_name", "dbname", NULL};
    const char *const values[] = {"assent", session->where, NULL};
    postgres_drop(session);
    int code = check_conninfo(session->where, error);
    if (code)
        return code;
    PGconn *conn = PQconnectStartParams(keywords, values, 1);
    if (!conn)
        return error_set(error, ASSENT_NOMEM, "PostgreSQL: out of memory");
    PQsetErrorVerbosity(conn, PQERRORS_VERBOSE);
    PQsetNoticeReceiver(conn, be_quiet, NULL);
    PostgresPollingStatusType status =
        PQstatus(conn) == CONNECTION_BAD ? PGRES_POLLING_FAILED : connect_in_time(conn);
    if (status != PGRES_POLLING_OK) {
        code = refuse_connect(conn, status == PGRES_POLLING_FAILED, error);
        PQfinish(conn);
        return code;
    }
    PQsetErrorVerbosity(conn, PQERRORS_DEFAULT);
    session->conn = conn;
    session->own = true;
    return ASSENT_OK;
}

static void statements_free(struct sql_session *session)
{
    for (int i = 0; i < session->statement_count; i++)
        free(session->statements[i]);
    session->statement_count = 0;
}

void postgres_drop(struct sql_session *session)
{
    if (!session->own)
        return;
    PQfinish(session->conn);
    session->conn = NULL;
    session->stale = false;
    statements_free(session);
}

// What a server that ends says before it does, and the end itself, can be read without waiting.
bool postgres_is_alive(struct sql_session *session)
{
    if (!session->conn)
        return false;
    struct pollfd wanted = {PQsocket(session->conn), POLLIN, 0};
    for (int i = 0; i < 16 && poll(&wanted, 1, 0) > 0; i++)
        if (!PQconsumeInput(session->conn))
            break;
    if (PQstatus(session->conn) == CONNECTION_OK)
        return true;
    postgres_drop(session);
    return false;
}

// Statements that the server has under names that are none here, or not as they were.
static int statements_drop(struct sql_session *session, assent_error *error)
{
    int code = postgres_command(session, "DEALLOCATE ALL", NULL, error);
    statements_free(session);
    session->stale = false;
    return code;
}

int postgres_refresh(struct sql_session *session, assent_error *error)
{
    if (postgres_is_alive(session) && (!session->stale || !statements_drop(session, NULL)))
        return ASSENT_OK;
    return postgres_connect(session, error);
}

int postgres_session_new(const char *where, struct sql_session **ret, assent_error *error)
{
    struct sql_session *session = calloc(1, sizeof *session);
    char *copy = strdup(where ? where : "");
    if (!session || !copy) {
        free(session);
        free(copy);
        return error_set(error, ASSENT_NOMEM, "PostgreSQL: out of memory");
    }
    session->where = copy;
    session->own = true;
    *ret = session;
    return ASSENT_OK;
}

void postgres_session_free(struct sql_session **session_p)
{
    struct sql_session *session = *session_p;
    *session_p = NULL;
    if (!session)
        return;
    postgres_drop(session);
    free(session->scan);
    free(session->where);
    free(session);
}

// ---- what must hold ----

static const char read_settings[] =
    "SELECT CASE WHEN pg_catalog.pg_is_in_recovery() THEN 'standby' "
    "WHEN pg_catalog.current_setting('max_prepared_transactions') = '0' THEN 'none' "
    "ELSE '' END";

int postgres_check(struct sql_session *session, assent_error *error)
{
    struct sql_answer answer;
    int version = PQserverVersion(session->conn);
    if (version && version < VERSION_MIN)
        return error_set(error, ASSENT_CONFIG,
                         "PostgreSQL: the server is version %d.%d; 11 is the oldest that will do",
                         version / 10000, version % 10000);
    int code = postgres_execute(session, read_settings, NULL, 0, &answer, error);
    if (code)
        return code;
    if (strcmp(answer.first, "none") == 0)
        return error_set(error, ASSENT_CONFIG,
                         "PostgreSQL: max_prepared_transactions is 0, so nothing can be prepared: "
                         "set it in postgresql.conf to at least max_connections (ALTER SYSTEM SET "
                         "max_prepared_transactions = 100), and restart the server");
    if (*answer.first)
        return error_set(error, ASSENT_CONFIG,
                         "PostgreSQL: this server is a standby, which cannot write: connect to "
                         "the primary (target_session_attrs=read-write)");
    return ASSENT_OK;
}
