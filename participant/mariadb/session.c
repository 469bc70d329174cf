// SPDX-License-Identifier: Apache-2.0
#include "session.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "xids.h"

void session_disconnect(struct sql_session *session)
{
    statements_free(&session->kept);
    if (session->db && !session->borrowed)
        mysql_close(session->db);
    session->db = NULL;
}

static int refuse_lost(assent_error *error)
{
    return error_set(error, ASSENT_UNAVAILABLE, "MariaDB: the connection is lost");
}

static int reconnect(struct sql_session *session, assent_error *error)
{
    session_disconnect(session);
    if (!session->where)
        return refuse_lost(error);
    return link_open(session->where, NULL, &session->db, NULL, error);
}

int session_connect(const char *where, struct sql_session **ret, assent_error *error)
{
    struct sql_session *session = calloc(1, sizeof *session);
    struct where *parsed = malloc(sizeof *parsed);
    int code = session && parsed ? where_parse(where, parsed, error)
                                 : error_set(error, ASSENT_NOMEM, "MariaDB: out of memory");
    if (!code)
        code = link_open(parsed, NULL, &session->db, NULL, error);
    if (code) {
        free(parsed);
        free(session);
        return code;
    }
    session->where = parsed;
    *ret = session;
    return ASSENT_OK;
}

void session_close(struct sql_session **session_p)
{
    struct sql_session *session = *session_p;
    *session_p = NULL;
    if (!session)
        return;
    session_disconnect(session);
    free(session->where);
    free(session);
}

int session_check(struct sql_session *session, assent_error *error)
{
    int code = session->db ? ASSENT_OK : reconnect(session, error);
    if (!code)
        code = link_check(session->db, NULL, error);
    if (code == ASSENT_UNAVAILABLE)
        session_disconnect(session); // so that it is made anew the next time
    return code;
}

// ---- local transactions ----

// What follows from an error within one. After a deadlock the server has rolled all of it back; and
// what comes next would be a transaction of its own.
static void note_error(struct sql_session *session, unsigned number, int code)
{
    if (link_is_lost(number))
        session_disconnect(session);
    if (session->local && (code == ASSENT_BUSY || code == ASSENT_UNAVAILABLE))
        session->failed = true;
}

static int command(struct sql_session *session, const char *sql, assent_error *error)
{
    if (!session->db)
        return refuse_lost(error);
    unsigned number = link_run(session->db, sql);
    if (!number)
        return ASSENT_OK;
    int code = link_refuse(number, mysql_error(session->db), error);
    note_error(session, number, code);
    return code;
}

int session_begin(struct sql_session *session, assent_error *error)
{
    if (!session->where || session->local)
        return error_set(error, ASSENT_STATE, "MariaDB: a transaction is open already");
    session->failed = false;
    int code = command(session, "START TRANSACTION", error);
    if (code == ASSENT_UNAVAILABLE) { // perhaps long since: nothing has begun
        code = reconnect(session, error);
        if (!code)
            code = command(session, "START TRANSACTION", error);
    }
    session->local = code == ASSENT_OK;
    return code;
}

int session_commit(struct sql_session *session, assent_error *error)
{
    if (!session->local)
        return error_set(error, ASSENT_STATE, "MariaDB: no transaction is open");
    if (session->failed)
        return session->db ? error_set(error, ASSENT_STATE,
                                       "MariaDB: an error has ended the transaction: roll back")
                           : refuse_lost(error);
    int code = command(session, "COMMIT", error);
    session->local = code && code != ASSENT_UNAVAILABLE;
    session->failed = session->local;
    return code;
}

int session_rollback(struct sql_session *session, assent_error *error)
{
    if (!session->local)
        return error_set(error, ASSENT_STATE, "MariaDB: no transaction is open");
    session->local = session->failed = false;
    if (!session->db)
        return ASSENT_OK; // the server rolls back what its client does not commit
    // What is still open the next transaction would commit: it ends with its connection.
    int code = command(session, "ROLLBACK", error);
    if (code && !session->borrowed) {
        session_disconnect(session);
        code = ASSENT_OK;
    }
    return code == ASSENT_UNAVAILABLE ? ASSENT_OK : code;
}

// ---- statements ----

// What commits implicitly has done so, before it ran: the rest would be on its own.
static int check_still_open(struct sql_session *session, assent_error *error)
{
    if (!session->local || link_is_open(session->db))
        return ASSENT_OK;
    session->failed = true;
    return error_set(error, ASSENT_INVALID,
                     "MariaDB: that statement has committed the transaction implicitly, as CREATE, "
                     "ALTER, TRUNCATE, LOCK TABLES and others do: it has no place in one");
}

static int run(struct sql_session *session, const char *sql, const struct sql_value *values,
               size_t count, struct statement_answer *answer, assent_error *error)
{
    unsigned number;
    if (!session->db)
        return refuse_lost(error);
    if (session->failed)
        return error_set(error, ASSENT_STATE,
                         "MariaDB: an error has ended the transaction: roll back");
    int code =
        statement_execute(session->db, &session->kept, sql, values, count, answer, &number, error);
    if (code)
        note_error(session, number, code);
    return code ? code : check_still_open(session, error);
}

static void keep_first(void *arg, int columns, const char *const *values)
{
    struct sql_answer *answer = arg;
    if (answer->rows++ || columns < 1 || !values[0])
        return;
    answer->has_first = true;
    strncat(answer->first, values[0], sizeof answer->first - 1);
}

int session_execute(struct sql_session *session, const char *sql, const struct sql_value *values,
                    size_t count, struct sql_answer *ret, assent_error *error)
{
    struct sql_answer found = {.rows = 0};
    struct statement_answer answer = {.visit = keep_first, .arg = &found};
    int code = run(session, sql, values, count, &answer, error);
    if (code)
        return code;
    found.rows = answer.rows;
    if (ret)
        *ret = found;
    return ASSENT_OK;
}

int session_query(struct sql_session *session, const char *sql, const struct sql_value *values,
                  size_t count, void (*visit)(void *arg, int columns, const char *const *values),
                  void *arg, assent_error *error)
{
    struct statement_answer answer = {.visit = visit, .arg = arg};
    return run(session, sql, values, count, &answer, error);
}

int session_prepare(struct sql_session *session, const char *sql, size_t count, assent_error *error)
{
    unsigned number;
    int code = session->db ? ASSENT_OK : reconnect(session, error);
    if (code)
        return code;
    code = statement_check(session->db, sql, count, &number, error);
    if (code)
        note_error(session, number, code);
    return code;
}

// ---- what is prepared ----

static void describe(const XID *xid, struct sql_prepared *ret)
{
    char text[ASSENT_MARIADB_XID_MAX];
    *ret = (struct sql_prepared){.xid = *xid, .age_s = -1, .here = true};
    xids_text(xid, text);
    snprintf(ret->name, sizeof ret->name, "%s", text);
    snprintf(ret->commit, sizeof ret->commit, "XA COMMIT %s;", text);
    snprintf(ret->rollback, sizeof ret->rollback, "XA ROLLBACK %s;", text);
}

int session_prepared(struct sql_session *session,
                     void (*visit)(void *arg, const struct sql_prepared *prepared), void *arg,
                     assent_error *error)
{
    struct xids xids;
    struct sql_prepared prepared;
    int code = session->db ? ASSENT_OK : reconnect(session, error);
    if (code)
        return code;
    unsigned number = xids_recover(session->db, &xids);
    if (link_is_lost(number) && !session->local && !reconnect(session, NULL))
        number = xids_recover(session->db, &xids);
    if (number) {
        code =
            session->db ? link_refuse(number, mysql_error(session->db), error) : refuse_lost(error);
        note_error(session, number, code);
        return code;
    }
    for (size_t i = 0; i < xids.count; i++) {
        describe(&xids.list[i], &prepared);
        visit(arg, &prepared);
    }
    xids_free(&xids);
    return ASSENT_OK;
}
