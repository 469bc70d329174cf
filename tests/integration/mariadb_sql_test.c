// SPDX-License-Identifier: Apache-2.0
// The SQL driver for MariaDB, and branches on a connection of the application's, with a server that
// runs ($MARIADB_WHERE, of a user who may create databases); and what needs no server: open
// strings, parameters, XIDs.
#include "unit.h"

#include <mysql.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/mariadb.h"
#include "marks.h"
#include "session.h"
#include "sql/sql_driver.h"
#include "xids.h"

extern const struct sql_driver assent_sql_mariadb;

static const struct sql_driver *const driver = &assent_sql_mariadb;

static const char *where(void)
{
    static char text[1024];
    snprintf(text, sizeof text, "%s database=driver", getenv("MARIADB_WHERE"));
    return text;
}

static struct sql_session *open_session(void)
{
    struct sql_session *session;
    assent_error error = {0};
    if (driver->connect(where(), &session, &error))
        fail_msg("%s", error.message);
    return session;
}

static struct sql_value value(const char *text)
{
    return (struct sql_value){text, text ? strlen(text) : 0};
}

static int run(struct sql_session *session, const char *sql, const char *one, const char *two,
               struct sql_answer *ret, assent_error *error)
{
    const struct sql_value values[] = {value(one), value(two)};
    return driver->execute(session, sql, values, 2, ret, error);
}

static void good(struct sql_session *session, const char *sql)
{
    assent_error error = {0};
    if (run(session, sql, NULL, NULL, NULL, &error))
        fail_msg("%s: %s", sql, error.message);
}

static const char *first(struct sql_session *session, const char *sql, const char *one)
{
    static struct sql_answer answer;
    assent_error error = {0};
    if (run(session, sql, one, NULL, &answer, &error))
        fail_msg("%s: %s", sql, error.message);
    return answer.has_first ? answer.first : "(none)";
}

static void kill_connection(struct sql_session *victim)
{
    struct sql_session *other = open_session();
    char text[64];
    snprintf(text, sizeof text, "KILL CONNECTION %lu", mysql_thread_id(victim->db));
    good(other, text);
    driver->close(&other);
}

static int set_up(void **state)
{
    struct sql_session *session;
    (void)state;
    assert_int_equal(driver->connect(getenv("MARIADB_WHERE"), &session, NULL), ASSENT_OK);
    good(session, "CREATE DATABASE IF NOT EXISTS driver");
    driver->close(&session);
    session = open_session();
    good(session, "DROP TABLE IF EXISTS t");
    good(session, "CREATE TABLE t (k VARCHAR(20) PRIMARY KEY, v BIGINT NOT NULL, w LONGTEXT)");
    driver->close(&session);
    return 0;
}

// ---- without a server ----

static void parameters(void **state)
{
    (void)state;
    struct marks marks;
    static const struct {
        const char *sql;
        size_t count;
    } all[] = {
        {"SELECT $1, $2, $1", 3},
        {"SELECT '$1', \"$2\", `$1`, $1", 1},
        {"SELECT 'it''s $1', '\\'$1', $2", 1},
        {"SELECT $1 -- $2\n + $2 # $1", 2},
        {"SELECT 5--$1", 1},
        {"SELECT /* $1 ' */ $2 /* */", 1},
        {"SELECT a$1, b_$2, $1", 1},
        {"SELECT '$1", 0},
        {"SELECT /* $1", 0},
        {"SELECT ($1),($2)", 2},
    };
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        assert_int_equal(marks_find(all[i].sql, 2, true, &marks, NULL), ASSENT_OK);
        if (marks.count != all[i].count)
            fail_msg("%s: %zu", all[i].sql, marks.count);
    }
    assert_int_equal(marks_find("SELECT '\\', $1", 1, false, &marks, NULL), ASSENT_OK);
    assert_int_equal(marks.count, 1); // a backslash is a letter like any other
    static const char *const bad[] = {"SELECT $3", "SELECT $0",  "SELECT $",
                                      "SELECT ?",  "SELECT $1x", "SELECT $99999999999999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(marks_find(bad[i], 2, true, &marks, NULL), ASSENT_INVALID);
}

static void names_of_branches(void **state)
{
    (void)state;
    static const char *const rows[][4] = {
        {"1", "1", "0", "'a'"},
        {"7", "3", "1", "'a b','c',7"},
        {"1", "2", "0", "X'41ff'"},
        {"9", "1", "2", "X'00',X'2727',9"},
        {"2147483647", "1", "0", "'a','',2147483647"},
    };
    static const char *const bad[][4] = {
        {"1", "2", "0", "'a'"},  {"1", "1", "0", "X'4'"}, {"1", "65", "0", "'a'"},
        {"-1", "1", "0", "'a'"}, {"1", "1", "1", "'a'"},  {"1", "1", "0", "X'zz'"},
        {"1", "1", "0", NULL},   {"1", "0", "0", "''"},   {"1", "1", "0", "a"},
    };
    XID xid;
    char text[ASSENT_MARIADB_XID_MAX];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        assert_true(xids_parse(rows[i], &xid));
        assert_int_equal(assent_mariadb_xid_text(&xid, text, NULL), ASSENT_OK);
    }
    assert_string_equal(text, "X'61',X'',2147483647");
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(xids_parse(bad[i], &xid));
    xid = (XID){.formatID = 2147483648L, .gtrid_length = 1};
    assert_int_equal(assent_mariadb_xid_text(&xid, text, NULL), ASSENT_INVALID);
    assert_int_equal(assent_mariadb_xid_text(NULL, text, NULL), ASSENT_INVALID);
}

static void open_strings(void **state)
{
    (void)state;
    struct where found;
    assert_int_equal(
        where_parse(" host=h port=3306\tuser='o\\'neil' password='a b\\\\' ", &found, NULL),
        ASSENT_OK);
    assert_string_equal(found.host, "h");
    assert_int_equal(found.port, 3306);
    assert_string_equal(found.user, "o'neil");
    assert_string_equal(found.password, "a b\\");
    assert_null(found.database);
    assert_int_equal(where_parse("port=1 user=''", &found, NULL), ASSENT_OK);
    assert_string_equal(found.host, "127.0.0.1"); // not the socket
    assert_string_equal(found.user, "");
    assert_int_equal(where_parse("", &found, NULL), ASSENT_OK);
    assert_int_equal(where_parse("user='a'b", &found, NULL), ASSENT_CONFIG);
    assert_int_equal(where_parse(NULL, &found, NULL), ASSENT_CONFIG);
}

// ---- the driver ----

static void statements(void **state)
{
    (void)state;
    struct sql_session *s = open_session();
    struct sql_answer answer;
    char longer[1200];
    assert_int_equal(driver->check(s, NULL), ASSENT_OK);
    assert_int_equal(
        run(s, "INSERT INTO t VALUES ($1, $2, NULL), ('b', $2, $1)", "a", "7", &answer, NULL),
        ASSENT_OK);
    assert_int_equal(answer.rows, 2);
    assert_false(answer.has_first);
    // As many as it was for, whatever they held before; a number from a text.
    assert_int_equal(run(s, "UPDATE t SET v = $2 WHERE v >= $1", "7", "7", &answer, NULL),
                     ASSENT_OK);
    assert_int_equal(answer.rows, 2);
    assert_string_equal(first(s, "SELECT v + $1 FROM t WHERE k = 'a'", "1"), "8");
    assert_string_equal(first(s, "SELECT w FROM t WHERE k = $1", "a"), "(none)");
    assert_string_equal(first(s, "SELECT k FROM t WHERE w = $1", "a"), "b");
    assert_string_equal(first(s, "SELECT k FROM t ORDER BY k DESC LIMIT $1", "1"), "b");
    assert_int_equal(run(s, "SELECT * FROM t", NULL, NULL, &answer, NULL), ASSENT_OK);
    assert_int_equal(answer.rows, 2);
    memset(longer, 'x', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    assert_int_equal(run(s, "UPDATE t SET w = $1 WHERE k = 'a'", longer, NULL, NULL, NULL),
                     ASSENT_OK);
    assert_string_equal(first(s, "SELECT LENGTH(w) FROM t WHERE k = $1", "a"), "1199");
    assert_int_equal(strlen(first(s, "SELECT w FROM t WHERE k = $1", "a")), 255); // is cut
    for (int i = 0; i < 3 * STATEMENT_KEPT_MAX; i++) { // more than are kept
        char text[64];
        snprintf(text, sizeof text, "SELECT %d + $1", i % (2 * STATEMENT_KEPT_MAX));
        first(s, text, "1");
    }
    assert_int_equal(s->kept.count, STATEMENT_KEPT_MAX);
    driver->close(&s);
    assert_null(s);
}

static void take_row(void *arg, int columns, const char *const *values)
{
    char *text = arg;
    for (int i = 0; i < columns; i++)
        snprintf(text + strlen(text), 4096 - strlen(text), "%.4s,", values[i] ? values[i] : "-");
}

static void rows(void **state)
{
    (void)state;
    struct sql_session *s = open_session();
    const struct sql_value values[] = {value("a")};
    char text[4096] = "";
    good(s, "REPLACE INTO t VALUES ('a', 1, REPEAT('y', 70000)), ('b', 2, NULL)");
    assert_int_equal(driver->query(s, "SELECT *, LENGTH(w) FROM t WHERE k >= $1 ORDER BY k", values,
                                   1, take_row, text, NULL),
                     ASSENT_OK);
    assert_string_equal(text, "a,1,yyyy,7000,b,2,-,-,");
    text[0] = '\0';
    good(s, "CREATE OR REPLACE PROCEDURE two() BEGIN SELECT 1; SELECT 2; END");
    assert_int_equal(driver->query(s, "CALL two()", NULL, 0, take_row, text, NULL), ASSENT_OK);
    assert_true(strncmp(text, "1,", 2) == 0);
    good(s, "SELECT 1");
    driver->close(&s);
}

static void errors_of_statements(void **state)
{
    (void)state;
    struct sql_session *s = open_session();
    assent_error error;
    good(s, "REPLACE INTO t VALUES ('a', 1, NULL)");
    assert_int_equal(run(s, "SELEKT 1", NULL, NULL, NULL, &error), ASSENT_INVALID);
    assert_int_equal(run(s, "INSERT INTO t VALUES ('a', 1, '')", NULL, NULL, NULL, &error),
                     ASSENT_CONFLICT);
    assert_int_equal(run(s, "INSERT INTO t VALUES ('x', $1, '')", "NULL", NULL, NULL, &error),
                     ASSENT_INVALID); // no number
    assert_int_equal(run(s, "INSERT INTO t VALUES ('x', $1, '')", NULL, NULL, NULL, &error),
                     ASSENT_CONFLICT);
    assert_int_equal(run(s, "SELECT $3", "1", "2", NULL, &error), ASSENT_INVALID);
    assert_non_null(strstr(error.message, "'$3'"));
    const struct sql_value one[] = {value("1")};
    good(s, "SELECT $1, $2"); // is kept, and then given less
    assert_int_equal(driver->execute(s, "SELECT $1, $2", one, 1, NULL, &error), ASSENT_INVALID);
    driver->close(&s);
    assert_int_equal(driver->connect("socket=/nowhere", &s, &error), ASSENT_UNAVAILABLE);
    assert_int_equal(driver->connect("sockets=/nowhere", &s, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "'sockets'"));
}

static void local_transactions(void **state)
{
    (void)state;
    struct sql_session *s = open_session();
    assent_error error;
    assert_int_equal(driver->commit(s, NULL), ASSENT_STATE);
    assert_int_equal(driver->begin(s, NULL), ASSENT_OK);
    assert_int_equal(driver->begin(s, NULL), ASSENT_STATE);
    good(s, "REPLACE INTO t VALUES ('l', 1, NULL)");
    assert_int_equal(driver->rollback(s, NULL), ASSENT_OK);
    assert_string_equal(first(s, "SELECT COUNT(*) FROM t WHERE k = $1", "l"), "0");
    driver->begin(s, NULL);
    good(s, "REPLACE INTO t VALUES ('l', 1, NULL)");
    assert_int_equal(driver->commit(s, NULL), ASSENT_OK);
    assert_string_equal(first(s, "SELECT COUNT(*) FROM t WHERE k = $1", "l"), "1");
    // What commits implicitly is told, and the rest not done.
    driver->begin(s, NULL);
    assert_int_equal(run(s, "CREATE OR REPLACE TABLE u (a INT)", NULL, NULL, NULL, &error),
                     ASSENT_INVALID);
    assert_non_null(strstr(error.message, "implicitly"));
    assert_int_equal(run(s, "DELETE FROM t", NULL, NULL, NULL, &error), ASSENT_STATE);
    assert_int_equal(driver->commit(s, NULL), ASSENT_STATE);
    assert_int_equal(driver->rollback(s, NULL), ASSENT_OK);
    assert_string_equal(first(s, "SELECT COUNT(*) FROM t WHERE k = $1", "l"), "1");
    driver->close(&s);
}

static void a_lock_timeout_ends_the_transaction(void **state)
{
    (void)state;
    struct sql_session *s = open_session(), *other = open_session();
    good(s, "REPLACE INTO t VALUES ('x', 1, NULL), ('y', 1, NULL)");
    good(s, "SET SESSION innodb_lock_wait_timeout = 1");
    driver->begin(other, NULL);
    good(other, "UPDATE t SET v = 2 WHERE k = 'x'");
    driver->begin(s, NULL);
    good(s, "UPDATE t SET v = 3 WHERE k = 'y'");
    assert_int_equal(run(s, "UPDATE t SET v = 3 WHERE k = 'x'", NULL, NULL, NULL, NULL),
                     ASSENT_BUSY);
    assert_int_equal(run(s, "UPDATE t SET v = 4 WHERE k = 'y'", NULL, NULL, NULL, NULL),
                     ASSENT_STATE);
    assert_int_equal(driver->commit(s, NULL), ASSENT_STATE);
    assert_int_equal(driver->rollback(s, NULL), ASSENT_OK);
    driver->commit(other, NULL);
    assert_string_equal(first(s, "SELECT SUM(v) FROM t WHERE k IN ('x', $1)", "y"), "3");
    driver->close(&s);
    driver->close(&other);
}

static void lost_connections(void **state)
{
    (void)state;
    struct sql_session *s = open_session();
    driver->begin(s, NULL);
    good(s, "REPLACE INTO t VALUES ('lost', 1, NULL)");
    kill_connection(s);
    assert_int_equal(run(s, "SELECT 1", NULL, NULL, NULL, NULL), ASSENT_UNAVAILABLE);
    assert_int_equal(driver->commit(s, NULL), ASSENT_UNAVAILABLE);
    assert_int_equal(driver->rollback(s, NULL), ASSENT_OK);
    assert_int_equal(driver->begin(s, NULL), ASSENT_OK); // connects anew
    assert_string_equal(first(s, "SELECT COUNT(*) FROM t WHERE k = $1", "lost"), "0");
    driver->commit(s, NULL);
    kill_connection(s);
    assert_int_equal(driver->begin(s, NULL), ASSENT_OK); // though it did not know
    driver->rollback(s, NULL);
    kill_connection(s);
    assert_int_equal(driver->prepared(s, NULL, NULL, NULL), ASSENT_OK); // none
    driver->close(&s);
}

// ---- branches ----

static XID xid_of(const char *gtrid)
{
    XID xid = {.formatID = 5, .gtrid_length = (long)strlen(gtrid)};
    memcpy(xid.data, gtrid, strlen(gtrid));
    return xid;
}

static void take_prepared(void *arg, const struct sql_prepared *prepared)
{
    *(struct sql_prepared *)arg = *prepared;
}

// The barrier and statements on the thread's session; what is prepared, and the commands for it.
static void sessions_of_the_switch(void **state)
{
    (void)state;
    char info[MAXINFOSIZE];
    XID xid = xid_of("driven");
    struct sql_prepared prepared = {.name = ""};
    assent_barrier_entry entry;
    struct sql_session *own = open_session();
    assert_int_equal(driver->barrier_create(own, NULL), ASSENT_OK);
    good(own, "REPLACE INTO t VALUES ('of', 1, NULL)");
    snprintf(info, sizeof info, "%s", where());
    assert_null(driver->of_thread(3));
    assert_int_equal(driver->xa->xa_open_entry(info, 3, TMNOFLAGS), XA_OK);
    assert_null(driver->of_thread(3));
    assert_int_equal(driver->xa->xa_start_entry(&xid, 3, TMNOFLAGS), XA_OK);
    struct sql_session *s = driver->of_thread(3);
    assert_non_null(s);
    assert_int_equal(driver->begin(s, NULL), ASSENT_STATE);
    assert_int_equal(driver->commit(s, NULL), ASSENT_STATE);
    good(s, "UPDATE t SET v = v + 1 WHERE k = 'of'");
    assert_int_equal(driver->barrier_enter(s, "g", 1, ASSENT_BARRIER_DELIVER, &entry, NULL),
                     ASSENT_OK);
    assert_int_equal(entry.verdict, ASSENT_BARRIER_RUN);
    assert_int_equal(driver->barrier_answer(s, "g", 1, ASSENT_BARRIER_DELIVER, "ok", 2, NULL),
                     ASSENT_OK);
    assert_int_equal(run(s, "CREATE TABLE v (a INT)", NULL, NULL, NULL, NULL), ASSENT_STATE);
    assert_int_equal(driver->xa->xa_end_entry(&xid, 3, TMSUCCESS), XA_OK);
    assert_null(driver->of_thread(3));
    assert_int_equal(driver->xa->xa_prepare_entry(&xid, 3, TMNOFLAGS), XA_OK);
    assert_int_equal(driver->prepared(own, take_prepared, &prepared, NULL), ASSENT_OK);
    assert_true(xids_equal(&prepared.xid, &xid) && prepared.here && prepared.age_s == -1);
    assert_string_equal(prepared.commit, "XA COMMIT X'64726976656e',X'',5;");
    assert_string_equal(prepared.rollback, "XA ROLLBACK X'64726976656e',X'',5;");
    assert_int_equal(driver->xa->xa_commit_entry(&xid, 3, TMNOFLAGS), XA_OK);
    driver->begin(own, NULL);
    assert_int_equal(driver->barrier_enter(own, "g", 1, ASSENT_BARRIER_DELIVER, &entry, NULL),
                     ASSENT_OK);
    assert_int_equal(entry.verdict, ASSENT_BARRIER_DUPLICATE);
    assert_memory_equal(entry.answer, "ok", entry.answer_bytes);
    driver->rollback(own, NULL);
    assert_string_equal(first(own, "SELECT v FROM t WHERE k = $1", "of"), "2");
    assert_int_equal(driver->xa->xa_close_entry(info, 3, TMNOFLAGS), XA_OK);
    driver->close(&own);
}

static void branches_of_applications(void **state)
{
    (void)state;
    struct sql_session *a = open_session(), *b = open_session();
    XID one = xid_of("one"), two = xid_of("two");
    good(a, "REPLACE INTO t VALUES ('app', 0, NULL)");
    assert_int_equal(assent_mariadb_start(NULL, &one, NULL), ASSENT_INVALID);
    assert_int_equal(assent_mariadb_start(a->db, &one, NULL), ASSENT_OK);
    assert_int_equal(assent_mariadb_start(b->db, &one, NULL), ASSENT_CONFLICT);
    assert_int_equal(assent_mariadb_start(a->db, &two, NULL), ASSENT_STATE);
    good(a, "UPDATE t SET v = v + 1 WHERE k = 'app'");
    assert_int_equal(assent_mariadb_prepare(a->db, &two, NULL), ASSENT_STATE);
    assert_int_equal(assent_mariadb_prepare(a->db, &one, NULL), ASSENT_OK);
    assert_int_equal(assent_mariadb_prepare(a->db, &one, NULL), ASSENT_STATE); // and nothing else
    // The connection keeps it, until it finishes it or is closed.
    assent_error error;
    assert_int_equal(assent_mariadb_finish(b->db, &one, 1, &error), ASSENT_BUSY);
    assert_non_null(strstr(error.message, "closed"));
    assert_int_equal(assent_mariadb_finish(a->db, &one, 1, NULL), ASSENT_OK);
    assert_int_equal(assent_mariadb_finish(a->db, &one, 1, NULL), ASSENT_UNKNOWN);
    assert_int_equal(assent_mariadb_start(a->db, &two, NULL), ASSENT_OK);
    good(a, "UPDATE t SET v = v + 1 WHERE k = 'app'");
    assert_int_equal(assent_mariadb_prepare(a->db, &two, NULL), ASSENT_OK);
    driver->close(&a);
    int code = ASSENT_BUSY;
    while (code == ASSENT_BUSY) // until the server has let go of it
        code = assent_mariadb_finish(b->db, &two, 1, NULL);
    assert_int_equal(code, ASSENT_OK);
    assert_string_equal(first(b, "SELECT v FROM t WHERE k = $1", "app"), "2");
    // Not prepared: rolled back, and only that.
    assert_int_equal(assent_mariadb_start(b->db, &one, NULL), ASSENT_OK);
    good(b, "UPDATE t SET v = v + 1 WHERE k = 'app'");
    assert_int_equal(assent_mariadb_finish(b->db, &one, 1, NULL), ASSENT_STATE);
    assert_int_equal(assent_mariadb_finish(b->db, &one, 0, NULL), ASSENT_OK);
    assert_string_equal(first(b, "SELECT v FROM t WHERE k = $1", "app"), "2");
    kill_connection(b);
    assert_int_equal(assent_mariadb_start(b->db, &one, NULL), ASSENT_UNAVAILABLE);
    driver->close(&b);
}

static void *lock_the_other(void *arg)
{
    return link_run(arg, "UPDATE t SET v = v + 1 WHERE k = 'd1'") == ER_LOCK_DEADLOCK_NUMBER ? arg
                                                                                             : NULL;
}

// Of a branch that a deadlock has rolled back nothing is prepared, and nothing said to be
// committed.
static void a_deadlock_of_applications(void **state)
{
    (void)state;
    struct sql_session *a = open_session(), *b = open_session();
    XID one = xid_of("dead"), two = xid_of("lock");
    pthread_t thread;
    void *refused;
    good(a, "REPLACE INTO t VALUES ('d1', 0, NULL), ('d2', 0, NULL)");
    assert_int_equal(assent_mariadb_start(a->db, &one, NULL), ASSENT_OK);
    assert_int_equal(assent_mariadb_start(b->db, &two, NULL), ASSENT_OK);
    good(a, "UPDATE t SET v = v + 1 WHERE k = 'd1'");
    good(b, "UPDATE t SET v = v + 1 WHERE k = 'd2'");
    pthread_create(&thread, NULL, lock_the_other, b->db);
    unsigned number = link_run(a->db, "UPDATE t SET v = v + 1 WHERE k = 'd2'");
    pthread_join(thread, &refused);
    assert_true((number == ER_LOCK_DEADLOCK_NUMBER) != (refused != NULL));
    MYSQL *loser = refused ? b->db : a->db, *winner = refused ? a->db : b->db;
    const XID *lost = refused ? &two : &one, *won = refused ? &one : &two;
    assert_int_equal(assent_mariadb_prepare(loser, lost, NULL), ASSENT_BUSY);
    assert_int_equal(assent_mariadb_finish(loser, lost, 1, NULL), ASSENT_UNKNOWN);
    assert_int_equal(assent_mariadb_start(loser, lost, NULL), ASSENT_OK); // it is as good as new
    assert_int_equal(assent_mariadb_finish(loser, lost, 0, NULL), ASSENT_OK);
    assert_int_equal(assent_mariadb_prepare(winner, won, NULL), ASSENT_OK);
    assert_int_equal(assent_mariadb_finish(winner, won, 1, NULL), ASSENT_OK);
    assert_string_equal(first(a, "SELECT SUM(v) FROM t WHERE k IN ('d2', $1)", "d1"), "2");
    driver->close(&a);
    driver->close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parameters),
        cmocka_unit_test(names_of_branches),
        cmocka_unit_test(open_strings),
        cmocka_unit_test(statements),
        cmocka_unit_test(rows),
        cmocka_unit_test(errors_of_statements),
        cmocka_unit_test(local_transactions),
        cmocka_unit_test(a_lock_timeout_ends_the_transaction),
        cmocka_unit_test(lost_connections),
        cmocka_unit_test(sessions_of_the_switch),
        cmocka_unit_test(branches_of_applications),
        cmocka_unit_test(a_deadlock_of_applications),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
