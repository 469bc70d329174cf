// SPDX-License-Identifier: Apache-2.0
#include "barrier_sqlite_internal.h"

static int code_of(int status)
{
    switch (status & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_INTERRUPT: return ASSENT_BUSY;
    case SQLITE_NOMEM: return ASSENT_NOMEM;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH: return ASSENT_DENIED;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CONSTRAINT: return ASSENT_CORRUPT;
    case SQLITE_TOOBIG: return ASSENT_LIMIT;
    case SQLITE_ERROR:
    case SQLITE_SCHEMA:
    case SQLITE_MISMATCH: return ASSENT_CONFIG;
    case SQLITE_MISUSE: return ASSENT_INVALID;
    default: return ASSENT_IO; // SQLITE_FULL, SQLITE_IOERR, SQLITE_CANTOPEN, ...
    }
}

static const char *advice_of(int code)
{
    if (code == ASSENT_BUSY)
        return ": roll back, and begin again (best with BEGIN IMMEDIATE, and a busy timeout)";
    if (code == ASSENT_CONFIG)
        return ": the table assent_barrier is made by assent_barrier_sqlite_create";
    return ": roll back";
}

int sqlite_refuse(sqlite3 *db, int status, assent_error *error)
{
    int code = code_of(status);
    return error_set(error, code, "barrier: SQLite: %s (%d)%s", sqlite3_errmsg(db),
                     sqlite3_extended_errcode(db), advice_of(code));
}

void query_begin(struct query *q, sqlite3 *db, const char *sql)
{
    *q = (struct query){.db = db};
    q->status = sqlite3_prepare_v2(db, sql, -1, &q->statement, NULL);
}

void query_text(struct query *q, int at, const char *text, size_t size)
{
    if (q->status == SQLITE_OK)
        q->status = sqlite3_bind_text(q->statement, at, text, (int)size, SQLITE_STATIC);
}

void query_number(struct query *q, int at, uint64_t number)
{
    if (q->status == SQLITE_OK)
        q->status = sqlite3_bind_int64(q->statement, at, (sqlite3_int64)number);
}

void query_blob(struct query *q, int at, const void *data, size_t size)
{
    if (q->status == SQLITE_OK)
        q->status = sqlite3_bind_blob(q->statement, at, size ? data : "", (int)size, SQLITE_STATIC);
}

bool query_row(struct query *q)
{
    if (q->status == SQLITE_OK || q->status == SQLITE_ROW)
        q->status = sqlite3_step(q->statement);
    return q->status == SQLITE_ROW;
}

int query_end(struct query *q, assent_error *error)
{
    while (q->status == SQLITE_OK || q->status == SQLITE_ROW)
        q->status = sqlite3_step(q->statement);
    int code = q->status == SQLITE_DONE ? ASSENT_OK : sqlite_refuse(q->db, q->status, error);
    sqlite3_finalize(q->statement);
    q->statement = NULL;
    return code;
}

int query_run(sqlite3 *db, const char *sql, assent_error *error)
{
    struct query q;
    query_begin(&q, db, sql);
    return query_end(&q, error);
}
