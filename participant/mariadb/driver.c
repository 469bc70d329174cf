// SPDX-License-Identifier: Apache-2.0
// What this database offers to programs that drive any (sql/sql_driver.h).
#include "assent/mariadb.h"
#include "barrier_mariadb.h"
#include "pool.h"

ASSENT_API extern const struct sql_driver assent_sql_mariadb;

const struct sql_driver assent_sql_mariadb = {
    .name = "mariadb",
    .xa = &assent_mariadb_xa,
    .of_thread = pool_session_of_thread,
    .connect = session_connect,
    .close = session_close,
    .check = session_check,
    .begin = session_begin,
    .commit = session_commit,
    .rollback = session_rollback,
    .execute = session_execute,
    .query = session_query,
    .barrier_create = barrier_session_create,
    .barrier_enter = barrier_session_enter,
    .barrier_answer = barrier_session_answer,
    .barrier_forget = barrier_session_forget,
    .barrier_seal = barrier_session_seal,
    .barrier_collect = barrier_session_collect,
    .prepared = session_prepared,
    .prepare = session_prepare,
};
