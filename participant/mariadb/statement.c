// SPDX-License-Identifier: Apache-2.0
#include "statement.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "link.h"
#include "marks.h"

enum { COLUMN_BYTES = 256 };

struct statement {
    struct statement *next;
    char *sql; // as it was given
    MYSQL_STMT *handle;
    size_t count; // of parameters
    unsigned parameters[MARKS_MAX];
};

static void statement_free(struct statement *s)
{
    if (s->handle)
        mysql_stmt_close(s->handle);
    free(s->sql);
    free(s);
}

void statements_free(struct statements *statements)
{
    for (struct statement *s = statements->first, *next; s; s = next) {
        next = s->next;
        statement_free(s);
    }
    *statements = (struct statements){NULL, 0};
}

// Out of the list, the one of that text; NULL.
static struct statement *take(struct statements *kept, const char *sql)
{
    for (struct statement **at = &kept->first, *s; (s = *at); at = &s->next) {
        if (strcmp(s->sql, sql) != 0)
            continue;
        *at = s->next;
        kept->count--;
        return s;
    }
    return NULL;
}

static void put(struct statements *kept, struct statement *s)
{
    s->next = kept->first;
    kept->first = s;
    if (++kept->count <= STATEMENT_KEPT_MAX)
        return;
    struct statement **last = &kept->first;
    while ((*last)->next)
        last = &(*last)->next;
    statement_free(*last);
    *last = NULL;
    kept->count--;
}

// The text with the database's own marks.
static char *text_of(const char *sql, const struct marks *marks)
{
    char *text = malloc(strlen(sql) + 1), *to = text; // "?" is shorter than "$1"
    if (!text)
        return NULL;
    for (size_t i = 0; i < marks->count; i++) {
        size_t size = (size_t)(marks->list[i].from - sql);
        memcpy(to, sql, size);
        to += size;
        *to++ = '?';
        sql = marks->list[i].to;
    }
    memcpy(to, sql, strlen(sql) + 1);
    return text;
}

static int out_of_memory(assent_error *error)
{
    return error_set(error, ASSENT_NOMEM, "MariaDB: out of memory");
}

static struct statement *statement_new(MYSQL *db, const char *sql, const struct marks *marks)
{
    struct statement *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->sql = strdup(sql);
    s->handle = mysql_stmt_init(db);
    s->count = marks->count;
    for (size_t i = 0; i < marks->count; i++)
        s->parameters[i] = marks->list[i].number;
    if (s->sql && s->handle)
        return s;
    statement_free(s);
    return NULL;
}

static int prepare(MYSQL *db, const char *sql, size_t count, struct statement **ret,
                   unsigned *ret_number, assent_error *error)
{
    unsigned status = 0;
    struct marks marks;
    mariadb_get_infov(db, MARIADB_CONNECTION_SERVER_STATUS, &status);
    int code =
        marks_find(sql, count, !(status & SERVER_STATUS_NO_BACKSLASH_ESCAPES), &marks, error);
    if (code)
        return code;
    struct statement *s = statement_new(db, sql, &marks);
    char *text = text_of(sql, &marks);
    if (!s || !text)
        code = out_of_memory(error);
    else if (mysql_stmt_prepare(s->handle, text, strlen(text))) {
        *ret_number = mysql_stmt_errno(s->handle);
        code = link_refuse(*ret_number, mysql_stmt_error(s->handle), error);
    }
    free(text);
    if (code && s)
        statement_free(s);
    else
        *ret = s;
    return code;
}

// ---- rows ----

struct column {
    char bytes[COLUMN_BYTES], *longer; // `longer`: owned, where `bytes` is too short
    unsigned long size;
    my_bool null, cut;
};

static bool column_take(MYSQL_STMT *handle, struct column *c, unsigned at, const char **ret)
{
    *ret = NULL;
    if (c->null)
        return true;
    *ret = c->bytes;
    if (c->size < COLUMN_BYTES) {
        c->bytes[c->size] = '\0';
        return true;
    }
    free(c->longer);
    c->longer = malloc(c->size + 1);
    MYSQL_BIND bind = {.buffer_type = MYSQL_TYPE_STRING,
                       .buffer = c->longer,
                       .buffer_length = c->size,
                       .length = &c->size,
                       .is_null = &c->null};
    if (!c->longer || mysql_stmt_fetch_column(handle, &bind, at, 0))
        return false;
    c->longer[c->size] = '\0';
    *ret = c->longer;
    return true;
}

static bool rows_visit(MYSQL_STMT *handle, struct column *columns, const char **values,
                       unsigned count, struct statement_answer *answer)
{
    for (;;) {
        int got = mysql_stmt_fetch(handle);
        if (got == MYSQL_NO_DATA)
            return true;
        if (got != 0 && got != MYSQL_DATA_TRUNCATED)
            return false;
        for (unsigned i = 0; i < count; i++)
            if (!column_take(handle, &columns[i], i, &values[i]))
                return false;
        if (answer->visit)
            answer->visit(answer->arg, (int)count, values);
        answer->rows++;
    }
}

static bool rows_take(MYSQL_STMT *handle, unsigned count, struct statement_answer *answer)
{
    struct column *columns = calloc(count, sizeof *columns);
    MYSQL_BIND *binds = calloc(count, sizeof *binds);
    const char **values = calloc(count, sizeof *values);
    bool good = columns && binds && values;
    for (unsigned i = 0; good && i < count; i++)
        binds[i] = (MYSQL_BIND){.buffer_type = MYSQL_TYPE_STRING,
                                .buffer = columns[i].bytes,
                                .buffer_length = COLUMN_BYTES,
                                .length = &columns[i].size,
                                .is_null = &columns[i].null,
                                .error = &columns[i].cut};
    good = good && !mysql_stmt_bind_result(handle, binds) && !mysql_stmt_store_result(handle) &&
           rows_visit(handle, columns, values, count, answer);
    for (unsigned i = 0; columns && i < count; i++)
        free(columns[i].longer);
    free(columns);
    free(binds);
    free(values);
    return good;
}

// ---- execution ----

static bool bind(struct statement *s, const struct sql_value *values)
{
    MYSQL_BIND binds[MARKS_MAX];
    memset(binds, 0, sizeof binds);
    for (size_t i = 0; i < s->count; i++) {
        const struct sql_value *value = &values[s->parameters[i] - 1];
        binds[i].buffer_type = value->text ? MYSQL_TYPE_STRING : MYSQL_TYPE_NULL;
        binds[i].buffer = (void *)(uintptr_t)value->text;
        binds[i].buffer_length = value->size;
    }
    return s->count == 0 || !mysql_stmt_bind_param(s->handle, binds);
}

// Of a procedure there may be several sets of rows; the first is the answer.
static bool results_take(MYSQL_STMT *handle, struct statement_answer *ret)
{
    unsigned columns = mysql_stmt_field_count(handle);
    bool good = true;
    if (columns)
        good = rows_take(handle, columns, ret);
    else
        ret->rows = mysql_stmt_affected_rows(handle);
    if (!good)
        return false; // what is wrong would be forgotten by the next call
    mysql_stmt_free_result(handle);
    for (;;) {
        int more = mysql_stmt_next_result(handle);
        if (more)
            return more < 0;
        mysql_stmt_free_result(handle);
    }
}

static int run(struct statement *s, const struct sql_value *values, struct statement_answer *ret,
               unsigned *ret_number, assent_error *error)
{
    if (!bind(s, values))
        return out_of_memory(error);
    if (!mysql_stmt_execute(s->handle) && results_take(s->handle, ret))
        return ASSENT_OK;
    *ret_number = mysql_stmt_errno(s->handle);
    if (!*ret_number)
        return out_of_memory(error);
    return link_refuse(*ret_number, mysql_stmt_error(s->handle), error);
}

static int run_text(MYSQL *db, const char *sql, unsigned *ret_number, assent_error *error)
{
    *ret_number = link_run(db, sql);
    return *ret_number ? link_refuse(*ret_number, mysql_error(db), error) : ASSENT_OK;
}

int statement_execute(MYSQL *db, struct statements *kept, const char *sql,
                      const struct sql_value *values, size_t count, struct statement_answer *ret,
                      unsigned *ret_number, assent_error *error)
{
    struct statement *s = take(kept, sql);
    int code = ASSENT_OK;
    *ret_number = ER_NONE;
    ret->rows = 0;
    for (size_t i = 0; s && i < s->count; i++)
        if (s->parameters[i] > count)
            code = error_set(error, ASSENT_INVALID,
                             "MariaDB: '$%u' in a statement that is given %zu parameters",
                             s->parameters[i], count);
    if (!s)
        code = prepare(db, sql, count, &s, ret_number, error);
    if (*ret_number == ER_UNSUPPORTED_PS_NUMBER && !count)
        return run_text(db, sql, ret_number, error);
    if (!code)
        code = run(s, values, ret, ret_number, error);
    if (s && code) // whatever state it is in now
        statement_free(s);
    else if (s)
        put(kept, s);
    return code;
}

int statement_check(MYSQL *db, const char *sql, size_t count, unsigned *ret_number,
                    assent_error *error)
{
    struct statement *s;
    *ret_number = ER_NONE;
    int code = prepare(db, sql, count, &s, ret_number, error);
    if (code == ASSENT_OK)
        statement_free(s);
    return code;
}
