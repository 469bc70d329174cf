// SPDX-License-Identifier: Apache-2.0
// A connection with what it has prepared: of the SQL driver, of the switch's pool, or of the
// application.
#ifndef MARIADB_SESSION_H
#define MARIADB_SESSION_H

#include <mysql.h>

#include "link.h"
#include "sql/sql_driver.h"
#include "statement.h"

struct sql_session {
    MYSQL *db; // NULL: not connected (any more)
    struct statements kept;
    struct where *where; // owned by a session of the driver's own; NULL: it does not connect anew
    bool borrowed;       // the connection is the application's, and stays open
    bool local;          // a transaction of session_begin is open
    bool failed;         // and can only be rolled back

    // Of the switch's pool.
    struct sql_session *next;
    struct link_track track;
    long long changes;      // what the session had changed when it was last asked; -1: not asked
    unsigned long id;       // of the connection, at the server
    long long connected_ms; // when it was made, CLOCK_MONOTONIC
};

int session_execute(struct sql_session *session, const char *sql, const struct sql_value *values,
                    size_t count, struct sql_answer *ret, assent_error *error);
int session_query(struct sql_session *session, const char *sql, const struct sql_value *values,
                  size_t count, void (*visit)(void *arg, int columns, const char *const *values),
                  void *arg, assent_error *error);
// Closes the connection, and forgets what it had prepared.
void session_disconnect(struct sql_session *session);

// As sql_driver.
int session_connect(const char *where, struct sql_session **ret, assent_error *error);
void session_close(struct sql_session **session_p);
int session_check(struct sql_session *session, assent_error *error);
int session_begin(struct sql_session *session, assent_error *error);
int session_commit(struct sql_session *session, assent_error *error);
int session_rollback(struct sql_session *session, assent_error *error);
int session_prepared(struct sql_session *session,
                     void (*visit)(void *arg, const struct sql_prepared *prepared), void *arg,
                     assent_error *error);
int session_prepare(struct sql_session *session, const char *sql, size_t count,
                    assent_error *error);

#endif
