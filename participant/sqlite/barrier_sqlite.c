// SPDX-License-Identifier: Apache-2.0
#include "assent/barrier_sqlite.h"

#include <time.h>

#include "barrier_sqlite_internal.h"

// Changes nothing, but begins to write: from then on this transaction sees the newest state, and is
// the only one that writes. What is read before that may be out of date.
static const char take_lock[] = "DELETE FROM main.assent_barrier WHERE gtid = '' AND branch = 1";

static const char read_rows[] =
    "SELECT operation, state, leased_ms, answer FROM main.assent_barrier "
    "WHERE gtid = ?1 AND branch = ?2 UNION ALL "
    "SELECT operation, state, leased_ms, answer FROM main.assent_barrier "
    "WHERE gtid = '' AND branch = 0";
enum { COLUMN_OPERATION, COLUMN_STATE, COLUMN_LEASED_MS, COLUMN_ANSWER };

static const char add_row[] = "INSERT INTO main.assent_barrier "
                              "(gtid, branch, operation, state, leased_ms, answer) "
                              "VALUES (?1, ?2, ?3, ?4, ?5, NULL)";

static const char keep_answer[] =
    "UPDATE main.assent_barrier SET answer = ?4 WHERE gtid = ?1 AND branch = ?2 AND "
    "operation = ?3 AND state = 'done' AND answer IS NULL";

static const char forget_rows[] = "DELETE FROM main.assent_barrier WHERE gtid = ?1 AND branch = ?2";

static const char raise_horizon[] =
    "INSERT INTO main.assent_barrier (gtid, branch, operation, state, leased_ms, answer) "
    "VALUES ('', 0, '', 'horizon', ?1, NULL) ON CONFLICT (gtid, branch, operation) "
    "DO UPDATE SET leased_ms = max(leased_ms, excluded.leased_ms)";

static const char remove_fences[] =
    "DELETE FROM main.assent_barrier WHERE (gtid, branch, operation) IN ("
    "SELECT gtid, branch, operation FROM main.assent_barrier WHERE state = 'fenced' AND "
    "leased_ms > 0 AND leased_ms < ?1 AND operation IN ('try', 'send') LIMIT ?2)";

struct call {
    sqlite3 *db;
    struct gtid gtid;
    uint16_t branch;
    assent_barrier_operation operation;
};

// Arguments, and that a transaction is open.
static int call_of(sqlite3 *db, const char *gtid, uint16_t branch,
                   assent_barrier_operation operation, struct call *ret, assent_error *error)
{
    struct call call = {.db = db, .branch = branch, .operation = operation};
    if (!db)
        return error_set(error, ASSENT_INVALID, "barrier: there is no database");
    int code = barrier_arguments(gtid, operation, &call.gtid, error);
    if (code)
        return code;
    if (sqlite3_get_autocommit(db))
        return error_set(error, ASSENT_STATE,
                         "barrier: no transaction is open: BEGIN IMMEDIATE comes first");
    *ret = call;
    return ASSENT_OK;
}

static void query_call(struct query *q, const struct call *call, const char *sql)
{
    query_begin(q, call->db, sql);
    query_text(q, 1, call->gtid.text, call->gtid.size);
    query_number(q, 2, call->branch);
}

static void query_word(struct query *q, int at, const char *word)
{
    query_text(q, at, word, strlen(word));
}

static struct slice column(const struct query *q, int at)
{
    const void *data = sqlite3_column_blob(q->statement, at);
    return slice_of(data, (size_t)sqlite3_column_bytes(q->statement, at));
}

struct found {
    struct barrier_rows rows;
    assent_barrier_entry answers[BARRIER_OPERATIONS]; // by operation
};

// False when the row is none that the barrier writes.
static bool row_take(const struct query *q, struct found *ret)
{
    struct slice state = column(q, COLUMN_STATE), answer = column(q, COLUMN_ANSWER);
    sqlite3_int64 leased_ms = sqlite3_column_int64(q->statement, COLUMN_LEASED_MS);
    assent_barrier_operation operation = barrier_operation_of(column(q, COLUMN_OPERATION));
    if (slice_equal(state, slice_text("horizon"))) {
        ret->rows.horizon_ms = (uint64_t)leased_ms;
        return !operation && leased_ms >= 0;
    }
    bool done = slice_equal(state, slice_text("done"));
    bool fenced = slice_equal(state, slice_text("fenced"));
    if (!operation || !(done || fenced) || answer.size > ASSENT_BARRIER_ANSWER_MAX)
        return false;
    ret->rows.of[operation] = done ? BARRIER_DONE : BARRIER_FENCED;
    ret->answers[operation].answer_bytes = answer.size;
    if (answer.size)
        memcpy(ret->answers[operation].answer, answer.data, answer.size);
    return true;
}

static int rows_read(const struct call *call, struct found *ret, assent_error *error)
{
    struct query q;
    bool good = true;
    query_call(&q, call, read_rows);
    while (good && query_row(&q))
        good = row_take(&q, ret);
    int code = query_end(&q, error);
    if (!code && !good)
        code =
            error_set(error, ASSENT_CORRUPT,
                      "barrier: a row of branch %u of %.*s in assent_barrier is not the barrier's",
                      call->branch, call->gtid.size, call->gtid.text);
    return code;
}

static int row_add(const struct call *call, assent_barrier_operation operation,
                   enum barrier_state state, assent_error *error)
{
    struct query q;
    query_call(&q, call, add_row);
    query_word(&q, 3, assent_barrier_operation_text(operation));
    query_word(&q, 4, state == BARRIER_DONE ? "done" : "fenced");
    query_number(&q, 5, barrier_lease_ms(&call->gtid));
    return query_end(&q, error);
}

static int enter(const struct call *call, struct found *found, assent_barrier_entry *ret,
                 assent_error *error)
{
    struct barrier_ruling ruling;
    int code = query_run(call->db, take_lock, error);
    if (!code)
        code = rows_read(call, found, error);
    if (!code)
        code = barrier_rule(call->operation, &call->gtid, &found->rows, &ruling, error);
    // With the business's changes or not at all: a crash before the commit leaves neither, one
    // after it both.
    if (!code && ruling.writes)
        code = row_add(call, ruling.writes, ruling.state, error);
    if (code)
        return code;
    *ret = found->answers[ruling.answer]; // of none: no bytes
    ret->verdict = ruling.verdict;
    return ASSENT_OK;
}

int assent_barrier_sqlite_enter(sqlite3 *db, const char *gtid, uint16_t branch,
                                assent_barrier_operation operation, assent_barrier_entry *ret,
                                assent_error *error)
{
    struct call call;
    struct found found = {.rows = {.horizon_ms = 0}};
    if (!ret)
        return error_set(error, ASSENT_INVALID, "barrier: there is no place for the verdict");
    int code = call_of(db, gtid, branch, operation, &call, error);
    return code ? code : enter(&call, &found, ret, error);
}

int assent_barrier_sqlite_answer(sqlite3 *db, const char *gtid, uint16_t branch,
                                 assent_barrier_operation operation, const void *answer,
                                 size_t size, assent_error *error)
{
    struct call call;
    struct query q;
    int code = call_of(db, gtid, branch, operation, &call, error);
    if (code)
        return code;
    code = barrier_answer_check(answer, size, error);
    if (code)
        return code;
    query_call(&q, &call, keep_answer);
    query_word(&q, 3, assent_barrier_operation_text(operation));
    query_blob(&q, 4, answer, size);
    code = query_end(&q, error);
    return !code && sqlite3_changes(db) != 1 ? barrier_answer_refuse(error) : code;
}

int assent_barrier_sqlite_forget(sqlite3 *db, const char *gtid, uint16_t branch,
                                 assent_error *error)
{
    struct call call;
    struct query q;
    int code = call_of(db, gtid, branch, ASSENT_BARRIER_TRY, &call, error);
    if (code)
        return code;
    query_call(&q, &call, forget_rows);
    return query_end(&q, error);
}

int assent_barrier_sqlite_seal(sqlite3 *db, const char *gtid, uint16_t branch,
                               assent_barrier_operation forward, assent_error *error)
{
    struct call call;
    int code = barrier_seal_check(forward, error);
    if (!code)
        code = assent_barrier_sqlite_forget(db, gtid, branch, error);
    if (!code)
        code = call_of(db, gtid, branch, forward, &call, error);
    return code ? code : row_add(&call, forward, BARRIER_FENCED, error);
}

int assent_barrier_sqlite_collect(sqlite3 *db, uint64_t horizon_ms, uint64_t rows_max,
                                  uint64_t *ret_removed, assent_error *error)
{
    struct call call;
    struct query q;
    struct timespec now;
    int code = call_of(db, "-", 0, ASSENT_BARRIER_TRY, &call, error);
    if (code)
        return code;
    clock_gettime(CLOCK_REALTIME, &now);
    code = barrier_horizon_check(
        horizon_ms, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, error);
    if (code)
        return code;
    query_begin(&q, db, raise_horizon);
    query_number(&q, 1, horizon_ms);
    code = query_end(&q, error);
    if (code)
        return code;
    query_begin(&q, db, remove_fences);
    query_number(&q, 1, horizon_ms);
    query_number(&q, 2, rows_max ? rows_max : INT64_MAX);
    code = query_end(&q, error);
    if (!code && ret_removed)
        *ret_removed = (uint64_t)sqlite3_changes(db);
    return code;
}
