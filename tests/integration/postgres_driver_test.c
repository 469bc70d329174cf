// SPDX-License-Identifier: Apache-2.0
// assent_sql_postgres, branches on connections of applications, and the names of branches.
#include "postgres_world.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/xa_manager.h"
#include "base/rng.h"

static const struct sql_driver *driver = &assent_sql_postgres;
static struct sql_session *session;
static PGconn *watch;

static int set_up(void **state)
{
    (void)state;
    assent_error error;
    watch = world_connect();
    world_sql(watch, "DROP TABLE IF EXISTS t; CREATE TABLE t (n int "
                     "PRIMARY KEY, x text)");
    if (driver->connect(world_conninfo(), &session, &error) != ASSENT_OK)
        fail_msg("%s", error.message);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(world_prepared(watch), 0);
    driver->close(&session);
    assert_null(session);
    PQfinish(watch);
    return 0;
}

static int execute(const char *sql, struct sql_answer *ret)
{
    return driver->execute(session, sql, NULL, 0, ret, NULL);
}

static void do_sql(const char *sql)
{
    assent_error error = {0};
    if (driver->execute(session, sql, NULL, 0, NULL, &error) != ASSENT_OK)
        fail_msg("%s: %s", sql, error.message);
}

static void begin(void)
{
    assert_int_equal(driver->begin(session, NULL), ASSENT_OK);
}

static int commit(void)
{
    return driver->commit(session, NULL);
}

static int insert(const char *number, const char *text)
{
    const struct sql_value values[] = {{number, strlen(number)}, {text, text ? strlen(text) : 0}};
    struct sql_answer answer;
    int code = driver->execute(session, "INSERT INTO t VALUES ($1, $2)", values, 2, &answer, NULL);
    if (!code)
        assert_int_equal(answer.rows, 1);
    return code;
}

static long count(void)
{
    return world_number(watch, "SELECT count(*) FROM t");
}

// ---- local transactions and statements ----

static void local_transactions(void **state)
{
    (void)state;
    struct sql_answer answer;
    assert_int_equal(commit(), ASSENT_STATE);
    begin();
    assert_int_equal(driver->begin(session, NULL), ASSENT_STATE);
    assert_int_equal(commit(), ASSENT_OK); // of nothing
    begin();
    assert_int_equal(insert("1", "one"), ASSENT_OK);
    assert_int_equal(insert("2", NULL), ASSENT_OK);
    assert_int_equal(count(), 0);
    assert_int_equal(commit(), ASSENT_OK);
    assert_int_equal(count(), 2);
    begin();
    assert_int_equal(insert("3", "three"), ASSENT_OK);
    assert_int_equal(driver->rollback(session, NULL), ASSENT_OK);
    assert_int_equal(driver->rollback(session, NULL), ASSENT_OK);
    assert_int_equal(execute("SELECT x, n FROM t WHERE n = 1", &answer), ASSENT_OK);
    assert_int_equal(answer.rows, 1);
    assert_true(answer.has_first);
    assert_string_equal(answer.first, "one");
    assert_int_equal(execute("SELECT x FROM t WHERE n = 2", &answer), ASSENT_OK);
    assert_int_equal(answer.rows, 1);
    assert_false(answer.has_first);
    assert_int_equal(execute("UPDATE t SET x = 'x'", &answer), ASSENT_OK);
    assert_int_equal(answer.rows, 2);
    assert_false(answer.has_first);
    assert_int_equal(execute("SELECT repeat('y', 1000)", &answer), ASSENT_OK);
    assert_int_equal(strlen(answer.first), sizeof answer.first - 1);
    assert_int_equal(execute("UPDATE t SET n = 7 WHERE n = 1 RETURNING n", &answer), ASSENT_OK);
    assert_string_equal(answer.first, "7");
}

static void visit(void *arg, int columns, const char *const *values)
{
    char *text = arg;
    for (int i = 0; i < columns; i++)
        sprintf(text + strlen(text), "%s,", values[i] ? values[i] : "null");
}

static void queries(void **state)
{
    (void)state;
    char text[256] = "";
    const struct sql_value values[] = {{"2zzz", 1}, {"a\0b", 3}};
    assert_int_equal(driver->query(session, "SELECT i, NULL, 'x' FROM generate_series(1, $1) i",
                                   values, 1, visit, text, NULL),
                     ASSENT_OK);
    assert_string_equal(text, "1,null,x,2,null,x,");
    assert_int_equal(driver->query(session, "SELECT $1", values + 1, 1, visit, text, NULL),
                     ASSENT_INVALID);
    assert_int_equal(driver->query(session, "SELECT n FROM t", NULL, 0, visit, text, NULL),
                     ASSENT_OK);
    assert_int_equal(driver->query(session, NULL, NULL, 0, visit, text, NULL), ASSENT_INVALID);
}

static void errors(void **state)
{
    static const struct {
        const char *sql;
        int code;
        const char *said;
    } cases[] = {
        {"SELEC", ASSENT_INVALID, "syntax error"},
        {"SELECT 1; SELECT 2", ASSENT_INVALID, "multiple commands"},
        {"SELECT * FROM nothing", ASSENT_INVALID, "nothing"},
        {"INSERT INTO t VALUES ('x')", ASSENT_INVALID, "invalid input"},
        {"INSERT INTO t VALUES (1), (1)", ASSENT_CONFLICT, "Key (n)=(1)"},
        {"DO $$ BEGIN RAISE 'not today'; END $$", ASSENT_CONFLICT, "not today"},
        {"DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", ASSENT_BUSY, "40P01"},
        {"COPY t FROM STDIN", ASSENT_INVALID, "COPY"},
        {"COMMIT", ASSENT_INVALID, "ended the transaction"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assent_error error = {0};
        begin();
        assert_int_equal(insert("5", ""), ASSENT_OK);
        assert_int_equal(driver->execute(session, cases[i].sql, NULL, 0, NULL, &error),
                         cases[i].code);
        assert_int_equal(error.code, cases[i].code);
        if (!strstr(error.message, cases[i].said))
            fail_msg("'%s' does not say '%s'", error.message, cases[i].said);
        // What failed is not committed, and is not said to be.
        int committed = commit();
        assert_true(committed == ASSENT_STATE || committed == ASSENT_UNAVAILABLE);
        assert_int_equal(count(), i == 8);
    }
}

static void parameters_are_not_sql(void **state)
{
    (void)state;
    static const char evil[] = "'); DROP TABLE t; --\\'\"$1";
    assert_int_equal(insert("1", evil), ASSENT_OK);
    assert_string_equal(world_text(watch, "SELECT x FROM t"), evil);
}

// ---- statements that are kept ----

static long kept(void)
{
    struct sql_answer answer;
    assert_int_equal(execute("SELECT count(*) FROM pg_prepared_statements", &answer), ASSENT_OK);
    return atol(answer.first) - 1; // without this one
}

static void statements_are_kept(void **state)
{
    (void)state;
    begin();
    for (int i = 0; i < 5; i++)
        do_sql("SELECT count(*) FROM t");
    assert_int_equal(kept(), 1);
    assert_int_equal(commit(), ASSENT_OK);
    for (int i = 0; i < 300; i++) { // more than are kept
        char sql[32];
        snprintf(sql, sizeof sql, "SELECT %d", i);
        do_sql(sql);
    }
    assert_in_range(kept(), 200, 256);
    do_sql("SELECT count(*) FROM t");
    // One that the server cannot even prepare, or that fails each time, takes no other's name.
    for (int i = 0; i < 2; i++) {
        assert_int_equal(execute("SELECT 1 / 0 AS kept", NULL), ASSENT_INVALID);
        assert_int_equal(execute("SELECT no_column", NULL), ASSENT_INVALID);
    }
    do_sql("SELECT count(*) FROM t");
}

static void tables_change_under_statements(void **state)
{
    (void)state;
    begin();
    do_sql("SELECT * FROM t");
    assert_int_equal(commit(), ASSENT_OK);
    world_sql(watch, "ALTER TABLE t ADD COLUMN y int");
    begin();
    assert_int_equal(execute("SELECT * FROM t", NULL), ASSENT_BUSY); // try again
    assert_int_equal(driver->rollback(session, NULL), ASSENT_OK);
    begin();
    do_sql("SELECT * FROM t");
    do_sql("DEALLOCATE ALL");
    assert_int_equal(execute("SELECT * FROM t", NULL), ASSENT_BUSY);
    assert_int_equal(driver->rollback(session, NULL), ASSENT_OK);
    begin();
    do_sql("SELECT * FROM t");
    assert_int_equal(commit(), ASSENT_OK);
}

// ---- connections ----

static void settings_that_are_wrong(void **state)
{
    (void)state;
    struct sql_session *none = NULL;
    assent_error error;
    assert_int_equal(driver->connect("nonsense", &none, &error), ASSENT_CONFIG);
    assert_int_equal(error.code, ASSENT_CONFIG);
    assert_int_equal(driver->connect(world_conninfo_of("nothing", "assent"), &none, &error),
                     ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "nothing"));
    assert_int_equal(driver->connect(world_conninfo_of("postgres", "nobody"), &none, &error),
                     ASSENT_CONFIG);
    assert_int_equal(driver->connect("host=127.0.0.1 port=1", &none, &error), ASSENT_UNAVAILABLE);
    assert_int_equal(driver->connect("host=/nonexistent", &none, NULL), ASSENT_UNAVAILABLE);
    assert_null(none);
    assert_int_equal(driver->check(session, &error), ASSENT_OK);
}

static void lost_connections(void **state)
{
    (void)state;
    assent_error error;
    begin();
    assert_int_equal(insert("1", ""), ASSENT_OK);
    world_server("kill");
    assert_int_equal(driver->commit(session, &error), ASSENT_UNAVAILABLE);
    PQreset(watch);
    assert_int_equal(count(), 0);
    begin(); // connects anew
    assert_int_equal(insert("1", ""), ASSENT_OK);
    world_number(watch,
                 "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE "
                 "application_name = 'assent'");
    assert_int_equal(insert("2", ""), ASSENT_UNAVAILABLE);
    assert_int_equal(insert("2", ""), ASSENT_UNAVAILABLE);
    assert_int_equal(driver->rollback(session, NULL), ASSENT_OK);
    assert_int_equal(insert("3", ""), ASSENT_OK); // a transaction of its own
    world_number(watch,
                 "SELECT count(pg_terminate_backend(pid, 60000)) FROM pg_stat_activity WHERE "
                 "application_name = 'assent'");
    begin(); // has noticed
    assert_int_equal(insert("4", ""), ASSENT_OK);
    assert_int_equal(commit(), ASSENT_OK);
    assert_int_equal(count(), 2);
}

// ---- what is prepared ----

struct seen {
    int count;
    struct sql_prepared of[4];
};

static void see(void *arg, const struct sql_prepared *prepared)
{
    struct seen *seen = arg;
    assert_true(seen->count < 4);
    seen->of[seen->count++] = *prepared;
}

static void everything_that_is_prepared(void **state)
{
    (void)state;
    struct seen seen = {0};
    XID xid = world_xid("g", 3);
    world_sql(watch, "CREATE DATABASE \"Other \"\"DB\"");
    PGconn *other = world_connect_to(world_conninfo_of("'Other \"DB'", "assent"));
    world_sql(watch, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION 'it''s \\ theirs'");
    world_sql(watch, "BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION "
                     "'assent:g:3/app/0123abcd'");
    world_sql(other, "BEGIN; CREATE TABLE o (n int); PREPARE TRANSACTION 'xa:1:YQ:'");
    PQfinish(other);
    assert_int_equal(driver->prepared(session, see, &seen, NULL), ASSENT_OK);
    assert_int_equal(seen.count, 3);
    const struct sql_prepared *p = seen.of;
    assert_int_equal(p[0].xid.formatID, -1);
    assert_string_equal(p[0].name, "it's \\ theirs");
    assert_string_equal(p[0].owner, "assent");
    assert_in_range(p[0].age_s, 0, 600);
    assert_true(p[0].here);
    assert_string_equal(p[0].rollback, "ROLLBACK PREPARED E'it''s \\\\ theirs';");
    assert_memory_equal(&p[1].xid, &xid, sizeof xid);
    assert_string_equal(p[1].commit, "COMMIT PREPARED 'assent:g:3/app/0123abcd';");
    assert_int_equal(p[2].xid.formatID, 1);
    assert_int_equal(p[2].xid.gtrid_length, 1);
    assert_int_equal(p[2].xid.bqual_length, 0);
    assert_false(p[2].here);
    assert_string_equal(p[2].commit, "\\connect \"Other \"\"DB\" \\\\ COMMIT PREPARED 'xa:1:YQ:';");
    // They are psql's.
    world_server("psql %s", p[0].rollback);
    world_server("psql %s", p[1].commit);
    world_server("psql %s", p[2].rollback);
    assert_int_equal(count(), 1);
    world_sql(watch, "DROP DATABASE \"Other \"\"DB\"");
}

// ---- the barrier, as the driver has it ----

static void the_barrier(void **state)
{
    (void)state;
    assent_barrier_entry entry;
    assert_int_equal(driver->barrier_create(session, NULL), ASSENT_OK);
    world_sql(watch, "DELETE FROM assent.barrier WHERE gtid <> ''");
    for (int again = 0; again < 2; again++) {
        begin();
        assert_int_equal(driver->barrier_enter(session, "g", 1, ASSENT_BARRIER_TRY, &entry, NULL),
                         ASSENT_OK);
        assert_int_equal(entry.verdict, again ? ASSENT_BARRIER_DUPLICATE : ASSENT_BARRIER_RUN);
        assert_int_equal(entry.answer_bytes, again ? 2 : 0);
        if (!again)
            assert_int_equal(
                driver->barrier_answer(session, "g", 1, ASSENT_BARRIER_TRY, "ab", 2, NULL),
                ASSENT_OK);
        assert_int_equal(commit(), ASSENT_OK);
    }
    begin();
    assert_int_equal(driver->barrier_seal(session, "g", 1, ASSENT_BARRIER_TRY, NULL), ASSENT_OK);
    assert_int_equal(driver->barrier_enter(session, "g", 1, ASSENT_BARRIER_TRY, &entry, NULL),
                     ASSENT_OK);
    assert_int_equal(entry.verdict, ASSENT_BARRIER_REFUSED);
    assert_int_equal(driver->barrier_forget(session, "g", 1, NULL), ASSENT_OK);
    assert_int_equal(driver->barrier_collect(session, 1, 0, NULL, NULL), ASSENT_OK);
    assert_int_equal(commit(), ASSENT_OK);
    assert_int_equal(driver->barrier_enter(session, "g", 1, ASSENT_BARRIER_TRY, &entry, NULL),
                     ASSENT_STATE);
    assert_int_equal(world_number(watch, "SELECT count(*) FROM assent.barrier"), 1);
}

// ---- branches of applications ----

static void a_branch_of_ones_own(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0), bad = {.formatID = 1};
    PGconn *conn = world_connect();
    assent_error error;
    assert_int_equal(assent_postgres_start(conn, &bad, NULL), ASSENT_INVALID);
    assert_int_equal(assent_postgres_start(NULL, &xid, NULL), ASSENT_INVALID);
    assert_int_equal(assent_postgres_start(conn, &xid, NULL), ASSENT_OK);
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_INTRANS);
    assert_int_equal(assent_postgres_start(conn, &xid, NULL), ASSENT_STATE);
    world_sql(conn, "INSERT INTO t VALUES (1)");
    assert_int_equal(assent_postgres_finish(conn, &xid, 1, NULL), ASSENT_STATE);
    assert_int_equal(assent_postgres_prepare(conn, &xid, &error), ASSENT_OK);
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
    assert_int_equal(assent_postgres_prepare(conn, &xid, &error), ASSENT_STATE);
    PQfinish(conn); // it is no longer the connection's
    assert_int_equal(assent_postgres_finish(watch, &xid, 2, NULL), ASSENT_INVALID);
    assert_int_equal(assent_postgres_finish(watch, &xid, 1, NULL), ASSENT_OK);
    assert_int_equal(assent_postgres_finish(watch, &xid, 1, &error), ASSENT_UNKNOWN);
    assert_non_null(strstr(error.message, "assent:g:0/app/0123abcd"));
    assert_int_equal(count(), 1);
}

static int prepare_after(PGconn *conn, const XID *xid, const char *sql, const char *said)
{
    assent_error error = {0};
    assert_int_equal(assent_postgres_start(conn, xid, NULL), ASSENT_OK);
    PQclear(PQexec(conn, sql));
    int code = assent_postgres_prepare(conn, xid, &error);
    if (code && !strstr(error.message, said))
        fail_msg("'%s' does not say '%s'", error.message, said);
    assert_int_equal(PQtransactionStatus(conn), PQTRANS_IDLE);
    return code;
}

static void prepares_that_are_refused(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    PGconn *conn = world_connect();
    assert_int_equal(prepare_after(conn, &xid, "INSERT INTO t VALUES ('x')", "had failed"),
                     ASSENT_STATE);
    assert_int_equal(prepare_after(conn, &xid, "CREATE TEMP TABLE x (n int)", "temporary"),
                     ASSENT_INVALID);
    assert_int_equal(prepare_after(conn, &xid, "NOTIFY x", "NOTIFY"), ASSENT_INVALID);
    assert_int_equal(prepare_after(conn, &xid, "INSERT INTO t VALUES (1)", ""), ASSENT_OK);
    assert_int_equal(prepare_after(conn, &xid, "INSERT INTO t VALUES (2)", "already in use"),
                     ASSENT_CONFLICT);
    world_sql(watch, "CREATE ROLE clerk LOGIN");
    PGconn *clerk = world_connect_to(world_conninfo_of("postgres", "clerk"));
    assert_int_equal(assent_postgres_finish(clerk, &xid, 1, NULL), ASSENT_DENIED);
    PQfinish(clerk);
    world_sql(watch, "DROP ROLE clerk");
    PGconn *other = world_connect_to(world_conninfo_of("template1", "assent"));
    assert_int_equal(assent_postgres_finish(other, &xid, 1, NULL), ASSENT_CONFIG);
    PQfinish(other);
    assert_int_equal(assent_postgres_finish(conn, &xid, 0, NULL), ASSENT_OK);
    assert_int_equal(assent_postgres_start(conn, &xid, NULL), ASSENT_OK);
    world_number(watch, "SELECT pg_terminate_backend(%d, 60000)::int", PQbackendPID(conn));
    assert_int_equal(assent_postgres_prepare(conn, &xid, NULL), ASSENT_UNAVAILABLE);
    assert_int_equal(assent_postgres_finish(conn, &xid, 0, NULL), ASSENT_UNAVAILABLE);
    PQfinish(conn);
    assert_int_equal(count(), 0);
}

// ---- names ----

static void check_name(const XID *xid, const char *expected)
{
    char gid[ASSENT_POSTGRES_GID_MAX];
    XID again;
    memset(&again, 77, sizeof again);
    assert_int_equal(assent_postgres_gid(xid, gid, NULL), ASSENT_OK);
    assert_true(strlen(gid) < 200);
    assert_int_equal(strspn(gid, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                 ".:_-/"),
                     strlen(gid));
    if (expected)
        assert_string_equal(gid, expected);
    assert_int_equal(assent_postgres_xid(gid, &again, NULL), ASSENT_OK);
    assert_int_equal(again.formatID, xid->formatID);
    assert_int_equal(again.gtrid_length, xid->gtrid_length);
    assert_int_equal(again.bqual_length, xid->bqual_length);
    assert_memory_equal(again.data, xid->data, (size_t)(xid->gtrid_length + xid->bqual_length));
}

static XID xid_of(long format, const char *gtrid, const char *bqual)
{
    XID xid = {.formatID = format};
    xid.gtrid_length = (long)strlen(gtrid);
    xid.bqual_length = (long)strlen(bqual);
    memcpy(xid.data, gtrid, strlen(gtrid));
    memcpy(xid.data + strlen(gtrid), bqual, strlen(bqual));
    return xid;
}

static void names(void **state)
{
    (void)state;
    XID xid = xid_of(ASSENT_XA_FORMAT, "a:b.c", "0/x_-");
    check_name(&xid, "assent:a:b.c:0/x_-");
    xid = xid_of(ASSENT_XA_FORMAT, "a", "b:c");
    check_name(&xid, "xa:1095978580:YQ:Yjpj");
    xid = xid_of(ASSENT_XA_FORMAT, "it's", "b");
    check_name(&xid, "xa:1095978580:aXQncw:Yg");
    xid = xid_of(0, "\xff\xfe", "");
    check_name(&xid, "xa:0:__4:");
    struct rng rng;
    rng_seed(&rng, 5);
    for (int i = 0; i < 2000; i++) {
        memset(&xid, 0, sizeof xid);
        xid.formatID = i % 3 == 0 ? ASSENT_XA_FORMAT : i % 3 == 1 ? LONG_MIN : (long)rng_next(&rng);
        xid.gtrid_length = i % 5 ? 1 + (long)(rng_next(&rng) % MAXGTRIDSIZE) : MAXGTRIDSIZE;
        xid.bqual_length = i % 5 ? (long)(rng_next(&rng) % (MAXBQUALSIZE + 1)) : MAXBQUALSIZE;
        for (long k = 0; k < xid.gtrid_length + xid.bqual_length; k++)
            xid.data[k] = (char)(i % 2 ? 'a' + rng_next(&rng) % 26 : rng_next(&rng));
        check_name(&xid, NULL);
    }
}

static void names_that_are_none(void **state)
{
    static const char *const gids[] = {
        "",
        "assent",
        "assent:",
        "assent:g",
        "assent::b",
        "assent:g:",
        "assent:g/h:0",
        "assent:g:0 ",
        "ASSENT:g:0",
        "xa:",
        "xa:1:YQ",
        "xa:1::Yg",
        "xa:01:YQ:Yg",
        "xa:+1:YQ:Yg",
        "xa: 1:YQ:Yg",
        "xa:1:YQ==:Yg",
        "xa:1:YR:Yg",
        "xa:1:Y:Yg",
        "xa:1:YQ:Yg:",
        "xa:-1:YQ:Yg",
        "xa:99999999999999999999:YQ:Yg",
        "xa:1095978580:YQ:Yg",
    };
    (void)state;
    XID xid = {.formatID = 77};
    char gid[ASSENT_POSTGRES_GID_MAX];
    for (size_t i = 0; i < sizeof gids / sizeof gids[0]; i++)
        if (assent_postgres_xid(gids[i], &xid, NULL) != ASSENT_INVALID)
            fail_msg("'%s' is a name", gids[i]);
    char longest[400];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    memcpy(longest, "assent:", 7);
    longest[100] = ':';
    assert_int_equal(assent_postgres_xid(longest, &xid, NULL), ASSENT_INVALID);
    memcpy(longest, "xa:1:aa:", 8);
    longest[100] = 'a';
    assert_int_equal(assent_postgres_xid(longest, &xid, NULL), ASSENT_INVALID);
    assert_int_equal(assent_postgres_xid(NULL, &xid, NULL), ASSENT_INVALID);
    assert_int_equal(xid.formatID, 77);
    XID bad[] = {xid_of(-1, "a", "b"), xid_of(1, "", "b"), xid_of(1, "a", "b"),
                 xid_of(1, "a", "b")};
    bad[2].gtrid_length = 65;
    bad[3].bqual_length = -1;
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(assent_postgres_gid(&bad[i], gid, NULL), ASSENT_INVALID);
    assert_int_equal(assent_postgres_gid(NULL, gid, NULL), ASSENT_INVALID);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names),
        cmocka_unit_test(names_that_are_none),
        TEST(local_transactions),
        TEST(queries),
        TEST(errors),
        TEST(parameters_are_not_sql),
        TEST(statements_are_kept),
        TEST(tables_change_under_statements),
        TEST(settings_that_are_wrong),
        TEST(lost_connections),
        TEST(everything_that_is_prepared),
        TEST(the_barrier),
        TEST(a_branch_of_ones_own),
        TEST(prepares_that_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
