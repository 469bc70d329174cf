// SPDX-License-Identifier: Apache-2.0
#include "kit/local.h"

#include <pthread.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "assent/barrier_sqlite.h"
#include "kit/command.h"
#include "kit/pause.h"

enum { BUSY_MS = 10000, OPEN_TRIES = 100 };

struct local {
    sqlite3 *db;
    pthread_mutex_t lock;
};

static int fail(assent_error *error, const char *path, const char *what)
{
    error->code = ASSENT_IO;
    snprintf(error->message, sizeof error->message, "%s: %s", path, what);
    return ASSENT_IO;
}

static int open_flags(const char *path, int flags, struct local **ret, assent_error *error)
{
    struct local *l = calloc(1, sizeof *l);
    if (!l)
        return fail(error, path, "out of memory");
    pthread_mutex_init(&l->lock, NULL);
    if (sqlite3_open_v2(path, &l->db, flags, NULL) != SQLITE_OK ||
        sqlite3_busy_timeout(l->db, BUSY_MS) != SQLITE_OK) {
        fail(error, path, l->db ? sqlite3_errmsg(l->db) : "out of memory");
        local_close(&l);
        return ASSENT_IO;
    }
    *ret = l;
    return ASSENT_OK;
}

int local_look(const char *path, struct local **ret, assent_error *error)
{
    return open_flags(path, SQLITE_OPEN_READWRITE, ret, error);
}

// Another process may be doing the same, or recovering the file, and some of that does not wait.
static bool set_up(struct local *l, const char *sql)
{
    for (int tries = 0; tries < OPEN_TRIES; tries++) {
        int code = sqlite3_exec(l->db, sql, NULL, NULL, NULL);
        if (code != SQLITE_BUSY && code != SQLITE_LOCKED)
            return code == SQLITE_OK;
        pause_ms(50);
    }
    return false;
}

int local_open(const char *path, const char *setup, struct local **ret, assent_error *error)
{
    struct local *l;
    int code = open_flags(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, &l, error);
    if (code != ASSENT_OK)
        return code;
    if (!set_up(l, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL") || !set_up(l, setup))
        code = fail(error, path, sqlite3_errmsg(l->db));
    else
        code = assent_barrier_sqlite_create(l->db, error);
    if (code != ASSENT_OK)
        local_close(&l);
    else
        *ret = l;
    return code;
}

void local_close(struct local **local_p)
{
    struct local *l = *local_p;
    if (!l)
        return;
    *local_p = NULL;
    sqlite3_close(l->db);
    pthread_mutex_destroy(&l->lock);
    free(l);
}

// ---- transactions ----

bool local_begin(struct local *l)
{
    pthread_mutex_lock(&l->lock);
    if (local_run(l, "BEGIN IMMEDIATE"))
        return true;
    pthread_mutex_unlock(&l->lock);
    return false;
}

bool local_enter(struct local *l, const char *gtid, uint16_t branch,
                 assent_barrier_operation operation, assent_barrier_entry *ret)
{
    assent_error error;
    if (!local_begin(l))
        return false;
    if (assent_barrier_sqlite_enter(l->db, gtid, branch, operation, ret, &error) == ASSENT_OK)
        return true;
    complain(EXIT_TROUBLE, "%s", error.message);
    local_rollback(l);
    return false;
}

bool local_keep(struct local *l, const assent_branch *branch, assent_barrier_operation operation,
                const void *answer, size_t size)
{
    assent_error error;
    if (assent_barrier_sqlite_answer(l->db, branch->gtid, branch->branch, operation, answer, size,
                                     &error) == ASSENT_OK)
        return true;
    complain(EXIT_TROUBLE, "%s", error.message);
    return false;
}

void local_commit(struct local *l)
{
    if (!local_run(l, "COMMIT"))
        _exit(EXIT_TROUBLE);
    pthread_mutex_unlock(&l->lock);
}

void local_rollback(struct local *l)
{
    // After some errors SQLite has rolled back by itself.
    if (!sqlite3_get_autocommit(l->db) && !local_run(l, "ROLLBACK"))
        _exit(EXIT_TROUBLE);
    pthread_mutex_unlock(&l->lock);
}

// ---- statements ----

static bool each(struct local *l, void (*visit)(void *arg, int columns, const char *const *values),
                 void *arg, const char *format, va_list arguments)
{
    enum { COLUMNS_MAX = 16 };
    const char *values[COLUMNS_MAX];
    sqlite3_stmt *statement = NULL;
    char *sql = sqlite3_vmprintf(format, arguments);
    int code = sql ? sqlite3_prepare_v2(l->db, sql, -1, &statement, NULL) : SQLITE_NOMEM;
    while (code == SQLITE_OK && (code = sqlite3_step(statement)) == SQLITE_ROW) {
        int columns = sqlite3_column_count(statement);
        for (int i = 0; i < columns && i < COLUMNS_MAX; i++) {
            const unsigned char *text = sqlite3_column_text(statement, i);
            values[i] = text ? (const char *)text : "";
        }
        if (visit)
            visit(arg, columns, values);
        code = SQLITE_OK;
    }
    if (code != SQLITE_DONE)
        complain(EXIT_TROUBLE, "%s: %s", sql ? sql : "?", sqlite3_errmsg(l->db));
    sqlite3_finalize(statement);
    sqlite3_free(sql);
    return code == SQLITE_DONE;
}

bool local_run(struct local *l, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool good = each(l, NULL, NULL, format, arguments);
    va_end(arguments);
    return good;
}

bool local_change(struct local *l, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool good = each(l, NULL, NULL, format, arguments);
    va_end(arguments);
    return good && sqlite3_changes(l->db) == 1;
}

bool local_each(struct local *l, void (*visit)(void *arg, int columns, const char *const *values),
                void *arg, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    bool good = each(l, visit, arg, format, arguments);
    va_end(arguments);
    return good;
}

struct first {
    bool found;
    int64_t number;
};

static void first_visit(void *arg, int columns, const char *const *values)
{
    struct first *first = arg;
    if (first->found || columns < 1)
        return;
    first->found = true;
    first->number = strtoll(values[0], NULL, 10);
}

bool local_number(struct local *l, int64_t *ret, const char *format, ...)
{
    struct first first = {0};
    va_list arguments;
    va_start(arguments, format);
    bool good = each(l, first_visit, &first, format, arguments);
    va_end(arguments);
    if (good && first.found)
        *ret = first.number;
    return good && first.found;
}

// ---- how the barrier's rows go ----

static bool leave(struct local *l, int code, const assent_error *error)
{
    if (code == ASSENT_OK) {
        local_commit(l);
        return true;
    }
    complain(EXIT_TROUBLE, "%s", error->message);
    local_rollback(l);
    return false;
}

bool local_forget(struct local *l, const assent_branch *branch)
{
    assent_error error;
    if (!local_begin(l))
        return false;
    return leave(l, assent_barrier_sqlite_forget(l->db, branch->gtid, branch->branch, &error),
                 &error);
}

bool local_seal(struct local *l, const char *gtid, uint16_t branch,
                assent_barrier_operation forward)
{
    assent_error error;
    if (!local_begin(l))
        return false;
    return leave(l, assent_barrier_sqlite_seal(l->db, gtid, branch, forward, &error), &error);
}

void local_collect(struct local *l, int64_t age_s)
{
    assent_error error;
    uint64_t horizon_ms = (uint64_t)(time(NULL) - age_s) * 1000;
    if (local_begin(l))
        leave(l, assent_barrier_sqlite_collect(l->db, horizon_ms, 0, NULL, &error), &error);
}
