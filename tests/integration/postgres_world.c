// SPDX-License-Identifier: Apache-2.0
#include "postgres_world.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assent/xa_manager.h"

enum { TEXT_BYTES = 2048 };

#define FORMATTED(text, format)                                                                    \
    do {                                                                                           \
        va_list args;                                                                              \
        va_start(args, format);                                                                    \
        vsnprintf(text, sizeof(text), format, args);                                               \
        va_end(args);                                                                              \
    } while (0)

const char *world_conninfo(void)
{
    const char *conninfo = getenv("ASSENT_TEST_POSTGRES");
    if (!conninfo)
        fail_msg("postgres_test.py starts this");
    return conninfo;
}

const char *world_conninfo_of(const char *database, const char *user)
{
    static char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%s dbname=%s user=%s", world_conninfo(), database, user);
    return text;
}

static void be_quiet(void *arg, const PGresult *notice)
{
    (void)arg, (void)notice;
}

PGconn *world_connect_to(const char *conninfo)
{
    PGconn *conn = PQconnectdb(conninfo);
    if (PQstatus(conn) != CONNECTION_OK)
        fail_msg("%s: %s", conninfo, PQerrorMessage(conn));
    PQsetNoticeReceiver(conn, be_quiet, NULL);
    return conn;
}

PGconn *world_connect(void)
{
    return world_connect_to(world_conninfo());
}

void world_sql(PGconn *conn, const char *format, ...)
{
    char sql[TEXT_BYTES];
    FORMATTED(sql, format);
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_COMMAND_OK && PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    PQclear(result);
}

const char *world_text(PGconn *conn, const char *sql)
{
    static char text[TEXT_BYTES];
    PGresult *result = PQexec(conn, sql);
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        fail_msg("%s: %s", sql, PQerrorMessage(conn));
    snprintf(text, sizeof text, "%s", PQntuples(result) ? PQgetvalue(result, 0, 0) : "");
    PQclear(result);
    return text;
}

long world_number(PGconn *conn, const char *format, ...)
{
    char sql[TEXT_BYTES];
    FORMATTED(sql, format);
    return atol(world_text(conn, sql));
}

void world_wait(PGconn *conn, const char *format, ...)
{
    char sql[TEXT_BYTES];
    FORMATTED(sql, format);
    for (int i = 0; i < 12000; i++) {
        if (world_number(conn, "%s", sql))
            return;
        usleep(5000);
    }
    fail_msg("waited too long for: %s", sql);
}

long world_prepared(PGconn *conn)
{
    return world_number(conn, "SELECT count(*) FROM pg_prepared_xacts");
}

void world_server(const char *format, ...)
{
    char text[TEXT_BYTES], answer[TEXT_BYTES] = "";
    FORMATTED(text, format);
    const char *fds = getenv("ASSENT_TEST_CONTROL");
    int to, from;
    assert_non_null(fds);
    assert_int_equal(sscanf(fds, "%d,%d", &to, &from), 2);
    size_t size = strlen(text);
    text[size++] = '\n';
    assert_int_equal(write(to, text, size), size);
    ssize_t got = read(from, answer, sizeof answer - 1);
    if (got < 3 || strncmp(answer, "ok\n", 3) != 0)
        fail_msg("%.*s: %s", (int)size - 1, text, answer);
}

XID world_xid(const char *gtid, unsigned branch)
{
    XID xid;
    memset(&xid, 0, sizeof xid);
    xid.formatID = ASSENT_XA_FORMAT;
    xid.gtrid_length = (long)strlen(gtid);
    memcpy(xid.data, gtid, strlen(gtid));
    xid.bqual_length =
        snprintf(xid.data + xid.gtrid_length, MAXBQUALSIZE, "%u/app/0123abcd", branch);
    return xid;
}
