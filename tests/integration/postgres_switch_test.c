// SPDX-License-Identifier: Apache-2.0
// The XA switch of PostgreSQL: every call, every order that is wrong, and statements that fail.
#include "postgres_branch.h"

#include <dlfcn.h>
#include <pthread.h>
#include <string.h>

// ---- what works ----

static void two_phases(void **state)
{
    (void)state;
    XID xids[XIDS], xid = prepared("g", 1);
    assert_int_equal(count(), 0);
    assert_string_equal(world_text(watch, "SELECT gid FROM pg_prepared_xacts"),
                        "assent:g:0/app/0123abcd");
    assert_int_equal(recover(xids), 1);
    assert_memory_equal(&xids[0], &xid, sizeof xid);
    assert_int_equal(commit(&xid), XA_OK);
    assert_int_equal(count(), 1);
    assert_int_equal(commit(&xid), XAER_NOTA); // as one that never was
    assert_int_equal(rollback(&xid), XAER_NOTA);
    assert_int_equal(xa->xa_forget_entry(&xid, RM, TMNOFLAGS), XAER_NOTA);
    xid = prepared("h", 2);
    assert_int_equal(rollback(&xid), XA_OK);
    assert_int_equal(count(), 1);
    assert_int_equal(recover(xids), 0);
}

static void one_phase_and_none(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    work("INSERT INTO t VALUES (1)");
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(xa->xa_commit_entry(&xid, RM, TMONEPHASE), XA_OK);
    assert_int_equal(count(), 1);
    assert_int_equal(start(&xid), XA_OK);
    work("INSERT INTO t VALUES (2)");
    assert_int_equal(xa->xa_end_entry(&xid, RM, TMFAIL), XA_OK);
    assert_int_equal(rollback(&xid), XA_OK);
    assert_int_equal(start(&xid), XA_OK); // fails, and is prepared all the same
    work("INSERT INTO t VALUES (2)");
    assert_int_equal(xa->xa_end_entry(&xid, RM, TMFAIL), XA_OK);
    assert_int_equal(prepare(&xid), XA_RBROLLBACK);
    assert_int_equal(rollback(&xid), XAER_NOTA);
    assert_int_equal(start(&xid), XA_OK); // nothing was done
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(xa->xa_commit_entry(&xid, RM, TMONEPHASE), XA_OK);
    assert_int_equal(count(), 1);
}

// Whoever stops reading leaves a connection on which nothing more can be said.
static void results_not_taken(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    work("INSERT INTO t VALUES (1)");
    assert_true(PQsendQuery(assent_postgres_connection(RM), "SELECT * FROM t"));
    assert_int_equal(end(&xid), XA_RBPROTO);
    assert_int_equal(rollback(&xid), XA_OK);
    assert_int_equal(count(), 0);
    assert_int_equal(start(&xid), XAER_RMFAIL); // that one is gone: it is to be opened anew
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    assert_int_equal(start(&xid), XA_OK);
    work("INSERT INTO t VALUES (1)");
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_OK);
    assert_int_equal(commit(&xid), XA_OK);
    assert_int_equal(count(), 1);
}

// In the place of libpq's: what a result says that libpq had to make by itself, for want of memory.
static bool without_state;

__attribute__((visibility("default"))) char *PQresultErrorField(const PGresult *result, int field)
{
    char *(*libpq)(const PGresult *, int);
    *(void **)&libpq = dlsym(RTLD_NEXT, "PQresultErrorField");
    return without_state ? NULL : libpq(result, field);
}

static void answers_that_could_not_be_taken(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    world_sql(watch, "CREATE TABLE late (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    for (int i = 0; i < 2; i++) {
        assert_int_equal(start(&xid), XA_OK);
        work("INSERT INTO late VALUES (1), (1)");
        assert_int_equal(end(&xid), XA_OK);
        without_state = i;
        assert_int_equal(xa->xa_commit_entry(&xid, RM, TMONEPHASE),
                         i ? XAER_RMFAIL : XA_RBINTEGRITY);
        without_state = false;
    }
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    world_sql(watch, "DROP TABLE late");
}

// A branch that only reads takes no slot, and is not heard of again.
static void read_only(void **state)
{
    static const char *const reads[] = {NULL, "SELECT * FROM t", "UPDATE t SET n = 5 WHERE n = 4",
                                        "SHOW work_mem"};
    (void)state;
    XID xid = world_xid("g", 0);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(start(&xid), XA_OK);
        if (reads[i])
            work(reads[i]);
        assert_int_equal(end(&xid), XA_OK);
        assert_int_equal(prepare(&xid), XA_RDONLY);
        assert_int_equal(commit(&xid), XAER_NOTA);
    }
    // Locks are work: they have to be held until the outcome.
    world_sql(watch, "INSERT INTO t VALUES (1)");
    assert_int_equal(start(&xid), XA_OK);
    work("SELECT n FROM t FOR SHARE");
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_OK);
    assert_int_equal(rollback(&xid), XA_OK);
    // On the plain connection, of which the switch sees nothing.
    PGconn *conn;
    for (int write = 0; write < 2; write++) {
        assert_int_equal(start(&xid), XA_OK);
        conn = assent_postgres_connection(RM);
        world_sql(conn, write ? "INSERT INTO t VALUES (2)" : "SELECT * FROM t");
        assert_int_equal(end(&xid), XA_OK);
        assert_null(assent_postgres_connection(RM));
        assert_int_equal(prepare(&xid), write ? XA_OK : XA_RDONLY);
    }
    assert_int_equal(commit(&xid), XA_OK);
    assert_int_equal(count(), 2);
    // PostgreSQL itself would take one (so it was us who saved it).
    world_sql(watch, "BEGIN; SELECT 1; PREPARE TRANSACTION 'plain'");
    assert_int_equal(world_prepared(watch), 1);
    world_sql(watch, "ROLLBACK PREPARED 'plain'");
}

// ---- what is wrong ----

static void orders_that_are_wrong(void **state)
{
    (void)state;
    XID a = world_xid("a", 0), b = world_xid("b", 0), bad = a, null = {.formatID = -1};
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK); // again, and no harm
    assert_int_equal(xa->xa_start_entry(&a, 99, TMNOFLAGS), XAER_PROTO);
    assert_int_equal(xa->xa_recover_entry(NULL, 0, 99, TMSTARTRSCAN), XAER_PROTO);
    assert_int_equal(xa_close(99), XA_OK);
    assert_int_equal(end(&a), XAER_NOTA);
    assert_int_equal(prepare(&a), XAER_NOTA);
    assert_int_equal(xa->xa_commit_entry(&a, RM, TMONEPHASE), XAER_NOTA);
    bad.gtrid_length = 0;
    assert_int_equal(start(&bad), XAER_INVAL);
    assert_int_equal(start(&null), XAER_INVAL);
    assert_int_equal(start(NULL), XAER_INVAL);
    assert_int_equal(xa->xa_start_entry(&a, RM, TMJOIN), XAER_INVAL);
    assert_int_equal(xa->xa_start_entry(&a, RM, TMRESUME), XAER_INVAL);
    assert_int_equal(xa->xa_start_entry(&a, RM, TMASYNC), XAER_ASYNC);
    assert_int_equal(xa->xa_commit_entry(&a, RM, TMFAIL), XAER_INVAL);
    assert_int_equal(start(&a), XA_OK);
    work("INSERT INTO t VALUES (1)");
    assert_int_equal(start(&b), XAER_PROTO);
    assert_int_equal(xa_open(RM, world_conninfo()), XAER_PROTO);
    assert_int_equal(xa_close(RM), XAER_PROTO);
    assert_int_equal(prepare(&a), XAER_PROTO);
    assert_int_equal(rollback(&a), XAER_PROTO);
    assert_int_equal(commit(&a), XAER_PROTO);
    assert_int_equal(commit(&b), XAER_PROTO);
    assert_int_equal(end(&b), XAER_NOTA);
    assert_int_equal(xa->xa_end_entry(&a, RM, TMSUSPEND), XAER_INVAL);
    assert_int_equal(xa->xa_end_entry(&a, RM, TMSUCCESS | TMFAIL), XAER_INVAL);
    assert_int_equal(xa->xa_recover_entry(NULL, 0, RM, TMSTARTRSCAN), XAER_PROTO);
    assert_int_equal(end(&a), XA_OK);
    assert_int_equal(end(&a), XAER_PROTO);
    assert_int_equal(commit(&a), XAER_PROTO);  // one phase, or prepare first
    assert_int_equal(insert(2), ASSENT_STATE); // it has ended
    assert_int_equal(rollback(&a), XA_OK);
    assert_int_equal(xa->xa_complete_entry(NULL, NULL, RM, TMNOFLAGS), XAER_PROTO);
    // Work outside of any branch.
    PGconn *conn = assent_postgres_connection(RM);
    world_sql(conn, "BEGIN");
    assert_int_equal(start(&a), XAER_OUTSIDE);
    assert_int_equal(commit(&a), XAER_PROTO);
    world_sql(conn, "ROLLBACK");
    assert_int_equal(count(), 0);
}

static void scans(void **state)
{
    (void)state;
    XID xids[XIDS], held[5];
    char gtid[8];
    for (int i = 0; i < 5; i++) {
        snprintf(gtid, sizeof gtid, "g%d", i);
        held[i] = prepared(gtid, i);
    }
    assert_int_equal(xa->xa_recover_entry(xids, 2, RM, TMNOFLAGS), XAER_INVAL);
    assert_int_equal(xa->xa_recover_entry(NULL, 2, RM, TMSTARTRSCAN), XAER_INVAL);
    assert_int_equal(xa->xa_recover_entry(xids, -1, RM, TMSTARTRSCAN), XAER_INVAL);
    assert_int_equal(xa->xa_recover_entry(xids, 2, RM, TMSTARTRSCAN), 2);
    assert_int_equal(xa->xa_recover_entry(xids + 2, 2, RM, TMNOFLAGS), 2);
    assert_int_equal(xa->xa_recover_entry(xids + 4, 2, RM, TMNOFLAGS), 1);
    assert_int_equal(xa->xa_recover_entry(xids + 5, 2, RM, TMENDRSCAN), 0);
    assert_int_equal(xa->xa_recover_entry(xids + 5, 2, RM, TMNOFLAGS), XAER_INVAL);
    for (int i = 0; i < 5; i++) {
        assert_memory_equal(&xids[i], &held[i], sizeof held[i]);
        assert_int_equal(rollback(&held[i]), XA_OK);
    }
}

// ---- statements that fail ----

// The branch in which `sql` fails ends as `code`, is rolled back by a rollback, or by a prepare.
static void fails_as(const char *sql, int code)
{
    XID xid = world_xid("g", 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(start(&xid), XA_OK);
        work("INSERT INTO t VALUES (50)");
        assert_int_not_equal(execute(sql), ASSENT_OK);
        assert_int_equal(end(&xid), code);
        assert_int_equal(again ? rollback(&xid) : prepare(&xid), again ? XA_OK : code);
        assert_int_equal(rollback(&xid), XAER_NOTA);
    }
    assert_int_equal(world_number(watch, "SELECT count(*) FROM t WHERE n = 50"), 0);
}

static void statements_that_fail(void **state)
{
    (void)state;
    world_sql(watch, "INSERT INTO t VALUES (1)");
    fails_as("INSERT INTO t VALUES (1)", XA_RBINTEGRITY);
    fails_as("SELECT nothing", XA_RBOTHER);
    fails_as("SELECT 1 / (n - 1) FROM t WHERE n = 1", XA_RBOTHER);
    fails_as("DO $$ BEGIN RAISE SQLSTATE '40001'; END $$", XA_RBTRANSIENT);
    fails_as("DO $$ BEGIN RAISE SQLSTATE '40P01'; END $$", XA_RBDEADLOCK);
    world_sql(watch, "BEGIN; LOCK TABLE t");
    PGconn *lock = watch;
    watch = world_connect();
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    work("SET LOCAL lock_timeout = '10ms'");
    assert_int_equal(insert(60), ASSENT_BUSY);
    assert_int_equal(end(&xid), XA_RBTIMEOUT);
    assert_int_equal(rollback(&xid), XA_OK);
    PQfinish(lock);
    assert_int_equal(start(&xid), XA_OK); // which waits for data: its connection is given up
    assert_int_equal(execute("COPY t FROM STDIN"), ASSENT_INVALID);
    assert_int_equal(end(&xid), XA_RBCOMMFAIL);
    assert_int_equal(rollback(&xid), XA_OK);
    assert_int_equal(start(&xid), XAER_RMFAIL);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
}

static void *insert_there(void *arg)
{
    PGconn *conn = arg;
    PQclear(PQexec(conn, "UPDATE t SET n = n WHERE n = 1"));
    PQclear(PQexec(conn, "ROLLBACK"));
    return NULL;
}

// A real deadlock: whichever side is chosen, both come out of it.
static void deadlocks(void **state)
{
    (void)state;
    PGconn *other = world_connect();
    XID xid = world_xid("g", 0);
    pthread_t thread;
    world_sql(watch, "INSERT INTO t VALUES (1), (2)");
    world_sql(other, "SET deadlock_timeout = '1h'; BEGIN; UPDATE t SET n = n WHERE n = 2");
    assert_int_equal(start(&xid), XA_OK);
    work("SET LOCAL deadlock_timeout = '50ms'");
    work("UPDATE t SET n = n WHERE n = 1");
    assert_int_equal(pthread_create(&thread, NULL, insert_there, other), 0);
    world_wait(watch, "SELECT count(*) FROM pg_locks WHERE pid = %d AND NOT granted",
               PQbackendPID(other));
    assert_int_equal(execute("UPDATE t SET n = n WHERE n = 2"), ASSENT_BUSY);
    assert_int_equal(end(&xid), XA_RBDEADLOCK);
    assert_int_equal(rollback(&xid), XA_OK);
    pthread_join(thread, NULL);
    PQfinish(other);
}

// Constraints that are looked at last, and the serialization of SERIALIZABLE: errors of the
// prepare.
static void prepares_that_fail(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    world_sql(watch, "CREATE TABLE d (n int UNIQUE DEFERRABLE INITIALLY DEFERRED)");
    assert_int_equal(start(&xid), XA_OK);
    work("INSERT INTO d VALUES (1), (1)");
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_RBINTEGRITY);
    assert_non_null(strstr(assent_postgres_reason(RM), "duplicate key"));
    world_sql(watch, "DROP TABLE d; INSERT INTO t VALUES (1), (2)");
    PGconn *other = world_connect();
    world_sql(other, "BEGIN ISOLATION LEVEL SERIALIZABLE; SELECT sum(n) FROM t");
    assert_int_equal(start(&xid), XA_OK);
    work("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE");
    work("SELECT sum(n) FROM t");
    work("INSERT INTO t VALUES (10)");
    world_sql(other, "INSERT INTO t VALUES (11); COMMIT");
    int ended = end(&xid);
    assert_int_equal(ended, XA_OK);
    assert_int_equal(prepare(&xid), XA_RBTRANSIENT);
    PQfinish(other);
}

// Nothing of these can be prepared, and PostgreSQL says so; it is rolled back.
static void what_cannot_be_prepared(void **state)
{
    static const char *const parts[][2] = {
        {"CREATE TEMP TABLE mine (n int)", "temporary"},
        {"NOTIFY bell", "NOTIFY"},
        {"LISTEN bell", "LISTEN"},
        {"SELECT pg_notify('bell', '')", "NOTIFY"},
        {"DECLARE c CURSOR WITH HOLD FOR SELECT 1", "WITH HOLD"},
        {"SELECT pg_export_snapshot()", "exported snapshots"},
        {"SELECT pg_advisory_lock(1), pg_advisory_xact_lock(1)", "session-level"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        XID xid = world_xid("g", 0);
        assert_int_equal(start(&xid), XA_OK);
        work(parts[i][0]);
        work("INSERT INTO t VALUES (1)");
        assert_int_equal(end(&xid), XA_OK);
        assert_int_equal(prepare(&xid), XA_RBOTHER);
        if (!strstr(assent_postgres_reason(RM), parts[i][1]))
            fail_msg("'%s' of %s", assent_postgres_reason(RM), parts[i][0]);
        assert_int_equal(commit(&xid), XAER_NOTA);
        assert_int_equal(count(), 0);
    }
    work("SELECT pg_advisory_unlock_all()");
    // A notification alone writes nothing, and must not go out before the outcome either.
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    work("SELECT pg_notify('bell', '')");
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_RBOTHER);
}

// Statements that end the transaction: found, and nothing more is done in the branch's name.
static void statements_that_escape(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    work("INSERT INTO t VALUES (1)");
    assert_int_equal(execute("ROLLBACK"), ASSENT_INVALID);
    assert_int_equal(end(&xid), XA_RBPROTO);
    assert_int_equal(rollback(&xid), XA_OK);
    assert_int_equal(start(&xid), XA_OK);
    world_sql(assent_postgres_connection(RM), "INSERT INTO t VALUES (1)");
    world_sql(assent_postgres_connection(RM), "ROLLBACK");
    assert_int_equal(end(&xid), XA_RBPROTO);
    assert_int_equal(prepare(&xid), XA_RBROLLBACK);
    assert_int_equal(count(), 0);
}

// PREPARE TRANSACTION where a statement has failed answers ROLLBACK, and no error.
static void aborted_on_the_plain_connection(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    PGconn *conn = assent_postgres_connection(RM);
    world_sql(conn, "INSERT INTO t VALUES (1)");
    PQclear(PQexec(conn, "SELECT nothing"));
    assert_int_equal(end(&xid), XA_RBROLLBACK);
    assert_int_equal(prepare(&xid), XA_RBROLLBACK);
    assert_int_equal(count(), 0);
    assert_int_equal(start(&xid), XA_OK); // and the connection is good for the next
    assert_int_equal(insert(1), ASSENT_OK);
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(xa->xa_commit_entry(&xid, RM, TMONEPHASE), XA_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_phases),
        TEST(one_phase_and_none),
        TEST(results_not_taken),
        TEST(answers_that_could_not_be_taken),
        TEST(read_only),
        TEST(orders_that_are_wrong),
        TEST(scans),
        TEST(statements_that_fail),
        TEST(deadlocks),
        TEST(prepares_that_fail),
        TEST(what_cannot_be_prepared),
        TEST(statements_that_escape),
        TEST(aborted_on_the_plain_connection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
