// SPDX-License-Identifier: Apache-2.0
// Tests against a real PostgreSQL, which postgres_test.py starts and these programs may have
// killed.
#ifndef INTEGRATION_POSTGRES_WORLD_H
#define INTEGRATION_POSTGRES_WORLD_H

#include <libpq-fe.h>
#include <stdbool.h>

#include "unit.h"

#include "assent/assent.h"
#include "assent/postgres.h"
#include "sql/sql_driver.h"

extern const struct sql_driver assent_sql_postgres;

// Of the superuser, in the database "postgres"; and of others. Valid until the next call.
const char *world_conninfo(void);
const char *world_conninfo_of(const char *database, const char *user);

PGconn *world_connect(void); // fails the test where it cannot
PGconn *world_connect_to(const char *conninfo);
void world_sql(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
// The one value of a query, as a number; in a text that is valid until the next call.
long world_number(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
const char *world_text(PGconn *conn, const char *sql);
// Waits until the query gives a number other than 0.
void world_wait(PGconn *conn, const char *format, ...) __attribute__((format(printf, 2, 3)));
long world_prepared(PGconn *conn); // how many transactions are

// Has it done: "kill", "immediate" (each with a start after it), "settings NAME=VALUE ..." (and a
// restart; without any: those of the beginning), "psql TEXT", "documented DATABASE" (makes the
// barrier's table there as docs/barrier.md has it).
void world_server(const char *format, ...) __attribute__((format(printf, 1, 2)));

// An XID of an enlisted branch.
XID world_xid(const char *gtid, unsigned branch);

#endif
