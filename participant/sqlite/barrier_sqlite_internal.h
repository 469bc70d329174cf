// SPDX-License-Identifier: Apache-2.0
#ifndef BARRIER_SQLITE_INTERNAL_H
#define BARRIER_SQLITE_INTERNAL_H

#include <sqlite3.h>

#include "assent/barrier_sqlite.h"
#include "base/error.h"
#include "core/barrier.h"

// A statement of SQL and what is bound to it: 1 gtid, 2 branch, and what else the SQL names.
struct query {
    sqlite3 *db;
    sqlite3_stmt *statement;
    int status; // of SQLite; what fails is skipped, and told by query_end
};

// Says what went wrong, from a status of SQLite and the connection's message.
int sqlite_refuse(sqlite3 *db, int status, assent_error *error);

void query_begin(struct query *q, sqlite3 *db, const char *sql);
void query_text(struct query *q, int at, const char *text, size_t size); // borrowed until the end
void query_number(struct query *q, int at, uint64_t number);
void query_blob(struct query *q, int at, const void *data, size_t size); // likewise
bool query_row(struct query *q);                                         // whether there is another
int query_end(struct query *q, assent_error *error);
int query_run(sqlite3 *db, const char *sql, assent_error *error); // one with nothing bound to it

#endif
