// SPDX-License-Identifier: Apache-2.0
// The barrier on a connection of the application's: a session that lasts for one call.
#include "assent/mariadb.h"
#include "barrier_mariadb.h"
#include "base/error.h"

static int session_of(MYSQL *db, struct sql_session *ret, assent_error *error)
{
    *ret = (struct sql_session){.db = db, .borrowed = true};
    return db ? ASSENT_OK : error_set(error, ASSENT_INVALID, "barrier: there is no connection");
}

// The connection is the caller's, whatever has become of it; its statements are ours.
static int leave(struct sql_session *session, int code)
{
    statements_free(&session->kept);
    return code;
}

int assent_barrier_mariadb_create(MYSQL *db, assent_error *error)
{
    struct sql_session session;
    int code = session_of(db, &session, error);
    return code ? code : leave(&session, barrier_session_create(&session, error));
}

int assent_barrier_mariadb_enter(MYSQL *db, const char *gtid, uint16_t branch,
                                 assent_barrier_operation operation, assent_barrier_entry *ret,
                                 assent_error *error)
{
    struct sql_session session;
    int code = session_of(db, &session, error);
    return code ? code
                : leave(&session,
                        barrier_session_enter(&session, gtid, branch, operation, ret, error));
}

int assent_barrier_mariadb_answer(MYSQL *db, const char *gtid, uint16_t branch,
                                  assent_barrier_operation operation, const void *answer,
                                  size_t size, assent_error *error)
{
    struct sql_session session;
    int code = session_of(db, &session, error);
    return code ? code
                : leave(&session, barrier_session_answer(&session, gtid, branch, operation, answer,
                                                         size, error));
}

int assent_barrier_mariadb_forget(MYSQL *db, const char *gtid, uint16_t branch, assent_error *error)
{
    struct sql_session session;
    int code = session_of(db, &session, error);
    return code ? code : leave(&session, barrier_session_forget(&session, gtid, branch, error));
}

int assent_barrier_mariadb_seal(MYSQL *db, const char *gtid, uint16_t branch,
                                assent_barrier_operation forward, assent_error *error)
{
    struct sql_session session;
    int code = session_of(db, &session, error);
    return code ? code
                : leave(&session, barrier_session_seal(&session, gtid, branch, forward, error));
}

int assent_barrier_mariadb_collect(MYSQL *db, uint64_t horizon_ms, uint64_t rows_max,
                                   uint64_t *ret_removed, assent_error *error)
{
    struct sql_session session;
    int code = session_of(db, &session, error);
    return code ? code
                : leave(&session, barrier_session_collect(&session, horizon_ms, rows_max,
                                                          ret_removed, error));
}
