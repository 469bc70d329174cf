// SPDX-License-Identifier: Apache-2.0
#include "sql/sql_barrier.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/error.h"
#include "core/barrier.h"

enum { COLUMN_OPERATION, COLUMN_STATE, COLUMN_LEASED_MS, COLUMN_ANSWER, COLUMNS };
enum { NUMBER_TEXT = 24, VALUES_MAX = 5 };

struct call {
    const struct sql_barrier *barrier;
    struct sql_session *session;
    struct gtid gtid;
    uint16_t branch;
    assent_barrier_operation operation;
    char branch_text[NUMBER_TEXT], leased_text[NUMBER_TEXT];
    struct sql_value values[VALUES_MAX]; // the first two are the branch
};

static struct sql_value value_text(const char *text)
{
    return (struct sql_value){text, strlen(text)};
}

static struct sql_value value_number(uint64_t number, char text[NUMBER_TEXT])
{
    snprintf(text, NUMBER_TEXT, "%llu", (unsigned long long)number);
    return value_text(text);
}

// Our statements are SQL, and what they are given is in order: it is the table that is not.
static int explain(const struct sql_barrier *barrier, int code, assent_error *error)
{
    if (code != ASSENT_INVALID)
        return code;
    if (error) {
        error->code = ASSENT_CONFIG;
        error_prefix(error, "barrier: %s is missing, or not the barrier's (whose _create makes it)",
                     barrier->table);
    }
    return ASSENT_CONFIG;
}

static int execute(struct call *call, const char *sql, size_t count, struct sql_answer *ret,
                   assent_error *error)
{
    struct sql_answer answer;
    int code = call->barrier->execute(call->session, sql, call->values, count, &answer, error);
    if (code == ASSENT_OK && ret)
        *ret = answer;
    return explain(call->barrier, code, error);
}

// Arguments, and that a transaction is open.
static int call_of(const struct sql_barrier *barrier, struct sql_session *session, const char *gtid,
                   uint16_t branch, assent_barrier_operation operation, struct call *ret,
                   assent_error *error)
{
    if (!session)
        return error_set(error, ASSENT_INVALID, "barrier: there is no connection");
    int code = barrier_arguments(gtid, operation, &ret->gtid, error);
    if (code)
        return code;
    if (!barrier->is_open(session))
        return error_set(error, ASSENT_STATE, "barrier: no transaction is open: BEGIN comes first");
    ret->barrier = barrier;
    ret->session = session;
    ret->branch = branch;
    ret->operation = operation;
    ret->values[0] = (struct sql_value){ret->gtid.text, ret->gtid.size};
    ret->values[1] = value_number(branch, ret->branch_text);
    return ASSENT_OK;
}

struct found {
    struct barrier_rows rows;
    assent_barrier_entry answers[BARRIER_OPERATIONS]; // by operation
    bool bad; // there is a row that the barrier does not write
};

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool hex_decode(const char *hex, assent_barrier_entry *ret)
{
    size_t size = hex ? strlen(hex) : 0;
    if (size % 2 || size / 2 > ASSENT_BARRIER_ANSWER_MAX)
        return false;
    for (size_t i = 0; i < size / 2; i++) {
        int high = hex_digit(hex[2 * i]), low = hex_digit(hex[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        ret->answer[i] = (unsigned char)(high * 16 + low);
    }
    ret->answer_bytes = size / 2;
    return true;
}

static bool row_take(const char *const *values, struct found *ret)
{
    struct slice state = slice_text(values[COLUMN_STATE]);
    assent_barrier_operation operation = barrier_operation_of(slice_text(values[COLUMN_OPERATION]));
    if (slice_equal(state, slice_text("horizon"))) {
        long long leased_ms = values[COLUMN_LEASED_MS] ? atoll(values[COLUMN_LEASED_MS]) : -1;
        ret->rows.horizon_ms = (uint64_t)leased_ms;
        return !operation && leased_ms >= 0;
    }
    bool done = slice_equal(state, slice_text("done"));
    if (!operation || !(done || slice_equal(state, slice_text("fenced"))))
        return false;
    ret->rows.of[operation] = done ? BARRIER_DONE : BARRIER_FENCED;
    return hex_decode(values[COLUMN_ANSWER], &ret->answers[operation]);
}

static void row_visit(void *arg, int columns, const char *const *values)
{
    struct found *found = arg;
    if (columns != COLUMNS || !row_take(values, found))
        found->bad = true;
}

static int rows_read(struct call *call, struct found *ret, assent_error *error)
{
    const struct sql_barrier *barrier = call->barrier;
    int code =
        barrier->query(call->session, barrier->read_rows, call->values, 2, row_visit, ret, error);
    if (code)
        return explain(barrier, code, error);
    if (ret->bad)
        return error_set(error, ASSENT_CORRUPT,
                         "barrier: a row of branch %u of %.*s in %s is not the barrier's",
                         call->branch, (int)call->gtid.size, call->gtid.text, barrier->table);
    return ASSENT_OK;
}

static int row_add(struct call *call, assent_barrier_operation operation, enum barrier_state state,
                   assent_error *error)
{
    call->values[2] = value_text(assent_barrier_operation_text(operation));
    call->values[3] = value_text(state == BARRIER_DONE ? "done" : "fenced");
    call->values[4] = value_number(barrier_lease_ms(&call->gtid), call->leased_text);
    int code = execute(call, call->barrier->add_row, 5, NULL, error);
    if (code == ASSENT_CONFLICT)
        return error_set(error, ASSENT_BUSY,
                         "barrier: branch %u of %.*s was entered since this transaction began: "
                         "roll back, and begin again",
                         call->branch, (int)call->gtid.size, call->gtid.text);
    return code;
}

static int turn_take(struct call *call, assent_error *error)
{
    const struct sql_barrier *barrier = call->barrier;
    struct sql_answer answer = {.rows = 0};
    if (!barrier->take_turn)
        return ASSENT_OK;
    int code = execute(call, barrier->take_turn, 2, &answer, error);
    if (!code && barrier->guard && answer.has_first && answer.first[0])
        code = execute(call, barrier->guard, 2, NULL, error);
    return code;
}

static int enter(struct call *call, struct found *found, assent_barrier_entry *ret,
                 assent_error *error)
{
    struct barrier_ruling ruling;
    int code = turn_take(call, error);
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

int sql_barrier_enter(const struct sql_barrier *barrier, struct sql_session *session,
                      const char *gtid, uint16_t branch, assent_barrier_operation operation,
                      assent_barrier_entry *ret, assent_error *error)
{
    struct call call;
    struct found found = {.bad = false};
    if (!ret)
        return error_set(error, ASSENT_INVALID, "barrier: there is no place for the verdict");
    int code = call_of(barrier, session, gtid, branch, operation, &call, error);
    return code ? code : enter(&call, &found, ret, error);
}

static void hex_encode(const void *data, size_t size, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++) {
        *ret++ = digits[bytes[i] >> 4];
        *ret++ = digits[bytes[i] & 15];
    }
    *ret = '\0';
}

int sql_barrier_answer(const struct sql_barrier *barrier, struct sql_session *session,
                       const char *gtid, uint16_t branch, assent_barrier_operation operation,
                       const void *answer, size_t size, assent_error *error)
{
    struct call call;
    struct sql_answer done = {.rows = 0};
    char hex[2 * ASSENT_BARRIER_ANSWER_MAX + 1];
    int code = call_of(barrier, session, gtid, branch, operation, &call, error);
    if (!code)
        code = barrier_answer_check(answer, size, error);
    if (code)
        return code;
    hex_encode(answer, size, hex);
    call.values[2] = value_text(assent_barrier_operation_text(operation));
    call.values[3] = value_text(hex);
    code = execute(&call, barrier->keep_answer, 4, &done, error);
    return !code && done.rows != 1 ? barrier_answer_refuse(error) : code;
}

// Both wait for their turn: what another transaction is about to write has to go, too.
static int forget(struct call *call, assent_error *error)
{
    int code = turn_take(call, error);
    return code ? code : execute(call, call->barrier->forget_rows, 2, NULL, error);
}

int sql_barrier_forget(const struct sql_barrier *barrier, struct sql_session *session,
                       const char *gtid, uint16_t branch, assent_error *error)
{
    struct call call;
    int code = call_of(barrier, session, gtid, branch, ASSENT_BARRIER_TRY, &call, error);
    return code ? code : forget(&call, error);
}

int sql_barrier_seal(const struct sql_barrier *barrier, struct sql_session *session,
                     const char *gtid, uint16_t branch, assent_barrier_operation forward,
                     assent_error *error)
{
    struct call call;
    int code = barrier_seal_check(forward, error);
    if (!code)
        code = call_of(barrier, session, gtid, branch, forward, &call, error);
    if (!code)
        code = forget(&call, error);
    return code ? code : row_add(&call, forward, BARRIER_FENCED, error);
}

int sql_barrier_collect(const struct sql_barrier *barrier, struct sql_session *session,
                        uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret_removed,
                        assent_error *error)
{
    struct call call;
    struct sql_answer answer = {.rows = 0};
    struct timespec now;
    char horizon[NUMBER_TEXT], most[NUMBER_TEXT];
    int code = call_of(barrier, session, "-", 0, ASSENT_BARRIER_TRY, &call, error);
    if (code)
        return code;
    clock_gettime(CLOCK_REALTIME, &now);
    code = barrier_horizon_check(
        horizon_ms, (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000, error);
    if (code)
        return code;
    call.values[0] = value_number(horizon_ms, horizon);
    call.values[1] = value_number(rows_max ? rows_max : INT64_MAX, most);
    code = execute(&call, barrier->raise_horizon, 1, NULL, error);
    if (!code)
        code = execute(&call, barrier->remove_fences, 2, &answer, error);
    if (!code && ret_removed)
        *ret_removed = answer.rows;
    return code;
}

int sql_barrier_create(const struct sql_barrier *barrier, struct sql_session *session,
                       assent_error *error)
{
    struct sql_answer answer;
    int code = ASSENT_OK;
    if (!session)
        return error_set(error, ASSENT_INVALID, "barrier: there is no connection");
    for (const char *const *make = barrier->make; !code && *make; make++)
        code = barrier->execute(session, *make, NULL, 0, &answer, error);
    if (!code)
        code =
            explain(barrier,
                    barrier->execute(session, barrier->read_shape, NULL, 0, &answer, error), error);
    if (!code && strcmp(answer.first, barrier->shape) != 0)
        code = error_set(error, ASSENT_CONFIG,
                         "barrier: %s is not the barrier's: it is '%s', not '%s'", barrier->table,
                         answer.first, barrier->shape);
    return code;
}
