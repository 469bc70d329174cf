// SPDX-License-Identifier: Apache-2.0
// The barrier's table, with one row for each branch: its forward operation, and what ended it
// (confirm, cancel or compensate). One row, because what is not there cannot be locked in InnoDB
// but with the gap around it, in which the neighbours' rows are to be written: transactions of
// other branches would wait for each other, and deadlock. So a branch's turn is to write its row,
// or to find it, and that locks it and nothing else; reading follows, with locks, which is what
// makes it read the newest state instead of the transaction's snapshot.
#include <string.h>

#include "barrier_mariadb.h"

#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "sql/sql_barrier.h"

static const char *const make[] = {
    "CREATE TABLE IF NOT EXISTS assent_barrier (\n"
    "    gtid VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n"
    "    branch SMALLINT UNSIGNED NOT NULL,\n"
    "    operation VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin NOT NULL,\n"
    "    state ENUM ('new', 'done', 'fenced', 'horizon') CHARACTER SET ascii NOT NULL,\n"
    "    leased_ms BIGINT UNSIGNED NOT NULL,\n" // 0: not made by a coordinator
    "    answer VARBINARY(512),\n"
    "    ended VARCHAR(16) CHARACTER SET ascii COLLATE ascii_bin,\n"
    "    ended_answer VARBINARY(512),\n"
    // Only of what _collect removes, so that it looks at nothing else, and no other statement can
    // take the index for a way to its row.
    "    fenced_ms BIGINT UNSIGNED AS (IF(state = 'fenced' AND operation IN ('try', 'send') AND "
    "leased_ms > 0, leased_ms, NULL)) PERSISTENT,\n"
    "    PRIMARY KEY (gtid, branch),\n"
    "    KEY assent_barrier_fences (fenced_ms)\n"
    ") ENGINE = InnoDB",
    // It is there before anyone looks for it, so that looking locks no gap.
    "INSERT IGNORE INTO assent_barrier (gtid, branch, operation, state, leased_ms) "
    "VALUES ('', 0, '', 'horizon', 0)",
    NULL};

static const char read_shape[] =
    "SELECT CONCAT(t.ENGINE, ': ', GROUP_CONCAT(c.COLUMN_NAME, IF(c.COLUMN_KEY = 'PRI', ' key', '')"
    " ORDER BY c.ORDINAL_POSITION SEPARATOR ', ')) "
    "FROM information_schema.TABLES t JOIN information_schema.COLUMNS c "
    "USING (TABLE_SCHEMA, TABLE_NAME) "
    "WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'assent_barrier' GROUP BY t.ENGINE";
static const char shape[] = "InnoDB: gtid key, branch key, operation, state, leased_ms, answer, "
                            "ended, ended_answer, fenced_ms";

// Writes the row, or locks the one that is there.
static const char take_turn[] =
    "INSERT INTO assent_barrier (gtid, branch, operation, state, leased_ms) "
    "VALUES ($1, $2, '', 'new', 0) ON DUPLICATE KEY UPDATE branch = branch";

// By whole keys of rows that are there, so nothing but these is locked.
static const char read_rows[] =
    "(SELECT operation, state, leased_ms, HEX(answer) FROM assent_barrier "
    "WHERE gtid = $1 AND branch = $2 AND state <> 'new' FOR UPDATE) UNION ALL "
    "(SELECT ended, 'done', leased_ms, HEX(ended_answer) FROM assent_barrier "
    "WHERE gtid = $1 AND branch = $2 AND ended IS NOT NULL FOR UPDATE) UNION ALL "
    "(SELECT operation, state, leased_ms, NULL FROM assent_barrier "
    "WHERE gtid = '' AND branch = 0 LOCK IN SHARE MODE)";

#define ENDS "$3 IN ('confirm', 'cancel', 'compensate')"
static const char add_row[] =
    "INSERT INTO assent_barrier (gtid, branch, operation, state, leased_ms) "
    "VALUES ($1, $2, $3, $4, $5) ON DUPLICATE KEY UPDATE "
    "ended = IF(" ENDS ", $3, ended), operation = IF(" ENDS ", operation, $3), "
    "state = IF(" ENDS ", state, $4), leased_ms = $5";

static const char keep_answer[] =
    "UPDATE assent_barrier SET "
    "answer = IF(operation = $3, UNHEX($4), answer), "
    "ended_answer = IF(ended = $3, UNHEX($4), ended_answer) "
    "WHERE gtid = $1 AND branch = $2 AND state = 'done' AND "
    "((operation = $3 AND answer IS NULL) OR (ended = $3 AND ended_answer IS NULL))";

static const char forget_rows[] = "DELETE FROM assent_barrier WHERE gtid = $1 AND branch = $2";

static const char raise_horizon[] =
    "UPDATE assent_barrier SET leased_ms = GREATEST(leased_ms, CAST($1 AS UNSIGNED)) "
    "WHERE gtid = '' AND branch = 0";

static const char remove_fences[] =
    "DELETE FROM assent_barrier WHERE fenced_ms < CAST($1 AS UNSIGNED) LIMIT $2";

static const char leave_turn[] =
    "DELETE FROM assent_barrier WHERE gtid = $1 AND branch = $2 AND state = 'new'";

static bool is_open(struct sql_session *session)
{
    return session->db && link_is_open(session->db);
}

static const struct sql_barrier barrier = {
    .table = "assent_barrier",
    .is_open = is_open,
    .execute = session_execute,
    .query = session_query,
    .make = make,
    .read_shape = read_shape,
    .shape = shape,
    .take_turn = take_turn,
    .read_rows = read_rows,
    .add_row = add_row,
    .keep_answer = keep_answer,
    .forget_rows = forget_rows,
    .raise_horizon = raise_horizon,
    .remove_fences = remove_fences,
};

int barrier_session_create(struct sql_session *session, assent_error *error)
{
    if (!session->db)
        return error_set(error, ASSENT_UNAVAILABLE, "MariaDB: the connection is lost");
    if (is_open(session))
        return error_set(error, ASSENT_STATE,
                         "barrier: MariaDB commits a transaction when it makes a table: not within "
                         "one");
    int code = link_check_durable(session->db, error);
    return code ? code : sql_barrier_create(&barrier, session, error);
}

// Where the verdict writes nothing of a branch that had no row, the row of its turn must not stay.
static int leave(struct sql_session *session, const char *gtid, uint16_t branch,
                 assent_error *error)
{
    char number[8];
    snprintf(number, sizeof number, "%u", branch);
    const struct sql_value values[] = {{gtid, strlen(gtid)}, {number, strlen(number)}};
    return session_execute(session, leave_turn, values, 2, NULL, error);
}

int barrier_session_enter(struct sql_session *session, const char *gtid, uint16_t branch,
                          assent_barrier_operation operation, assent_barrier_entry *ret,
                          assent_error *error)
{
    assent_barrier_entry entry = {.answer_bytes = 0};
    int code =
        sql_barrier_enter(&barrier, session, gtid, branch, operation, ret ? &entry : NULL, error);
    if (!code && (entry.verdict == ASSENT_BARRIER_EMPTY || entry.verdict == ASSENT_BARRIER_REFUSED))
        code = leave(session, gtid, branch, error);
    if (!code && ret) // which it is not without
        *ret = entry;
    return code;
}

int barrier_session_answer(struct sql_session *session, const char *gtid, uint16_t branch,
                           assent_barrier_operation operation, const void *answer, size_t size,
                           assent_error *error)
{
    return sql_barrier_answer(&barrier, session, gtid, branch, operation, answer, size, error);
}

int barrier_session_forget(struct sql_session *session, const char *gtid, uint16_t branch,
                           assent_error *error)
{
    return sql_barrier_forget(&barrier, session, gtid, branch, error);
}

int barrier_session_seal(struct sql_session *session, const char *gtid, uint16_t branch,
                         assent_barrier_operation forward, assent_error *error)
{
    return sql_barrier_seal(&barrier, session, gtid, branch, forward, error);
}

int barrier_session_collect(struct sql_session *session, uint64_t horizon_ms, uint64_t rows_max,
                            uint64_t *ret_removed, assent_error *error)
{
    return sql_barrier_collect(&barrier, session, horizon_ms, rows_max, ret_removed, error);
}
