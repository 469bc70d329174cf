// SPDX-License-Identifier: Apache-2.0
// The table, and what must hold for its rows to be durable when a commit returns.
#include <stdio.h>

#include "barrier_sqlite_internal.h"

static const char make_table[] = //
    "CREATE TABLE IF NOT EXISTS main.assent_barrier (\n"
    "    gtid TEXT NOT NULL,\n"
    "    branch INTEGER NOT NULL,\n"
    "    operation TEXT NOT NULL,\n"
    "    state TEXT NOT NULL CHECK (state IN ('done', 'fenced', 'horizon')),\n"
    "    leased_ms INTEGER NOT NULL,\n" // 0: not made by a coordinator
    "    answer BLOB,\n"
    "    PRIMARY KEY (gtid, branch, operation)\n"
    ") WITHOUT ROWID";

static const char make_index[] = "CREATE INDEX IF NOT EXISTS main.assent_barrier_fences "
                                 "ON assent_barrier (leased_ms) WHERE state = 'fenced'";

static const char read_shape[] =
    "SELECT group_concat(name || ' ' || pk, ', ') FROM pragma_table_info('assent_barrier', 'main')";
static const char shape[] = "gtid 1, branch 2, operation 3, state 0, leased_ms 0, answer 0";

// The one value that a query gives, as text; empty for none.
static int read_text(sqlite3 *db, const char *sql, char *ret, size_t size, assent_error *error)
{
    struct query q;
    ret[0] = '\0';
    query_begin(&q, db, sql);
    if (query_row(&q)) {
        const unsigned char *text = sqlite3_column_text(q.statement, 0);
        snprintf(ret, size, "%s", text ? (const char *)text : "");
    }
    return query_end(&q, error);
}

static int check_shape(sqlite3 *db, assent_error *error)
{
    char found[256];
    int code = read_text(db, read_shape, found, sizeof found, error);
    if (!code && strcmp(found, shape) != 0)
        code = error_set(error, ASSENT_CONFIG,
                         "barrier: SQLite: the table assent_barrier is not the barrier's: its "
                         "columns, and places in the key, are '%s', not '%s'",
                         found, shape);
    return code;
}

// DELETE without EXTRA: the journal's removal is not synced, and after a power failure it may be
// there again, and roll back what was committed.
static int check_durable(sqlite3 *db, assent_error *error)
{
    char mode[16], synchronous[16];
    const char *file = sqlite3_db_filename(db, "main");
    if (!file || !*file)
        return ASSENT_OK;
    int code = read_text(db, "PRAGMA main.journal_mode", mode, sizeof mode, error);
    if (!code)
        code = read_text(db, "PRAGMA main.synchronous", synchronous, sizeof synchronous, error);
    if (code)
        return code;
    int level = synchronous[0] - '0'; // 0 off, 1 normal, 2 full, 3 extra
    bool full = level >= 2 && (strcmp(mode, "wal") == 0 || strcmp(mode, "truncate") == 0 ||
                               strcmp(mode, "persist") == 0);
    bool extra = level >= 3 && strcmp(mode, "delete") == 0;
    if (full || extra)
        return ASSENT_OK;
    return error_set(
        error, ASSENT_CONFIG,
        "barrier: SQLite: with journal_mode %s and synchronous %s a commit may be lost "
        "when the power fails: PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
        mode, synchronous);
}

int assent_barrier_sqlite_create(sqlite3 *db, assent_error *error)
{
    if (!db)
        return error_set(error, ASSENT_INVALID, "barrier: there is no database");
    int code = check_durable(db, error);
    if (!code)
        code = query_run(db, make_table, error);
    if (!code)
        code = check_shape(db, error);
    if (!code)
        code = query_run(db, make_index, error);
    return code;
}
