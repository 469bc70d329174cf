// SPDX-License-Identifier: Apache-2.0
// The XA switch of PostgreSQL: every call, every order that is wrong, and what the database's traps
// make of it.
#include "postgres_world.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assent/xa_manager.h"

enum { RM = 7, OTHER = 8, XIDS = 16 };

static const struct xa_switch_t *xa = &assent_postgres_xa;
static PGconn *watch; // a connection that looks on

static int xa_open(int rmid, const char *conninfo)
{
    char info[512];
    snprintf(info, sizeof info, "%s", conninfo);
    return xa->xa_open_entry(info, rmid, TMNOFLAGS);
}

static int xa_close(int rmid)
{
    char info[] = "";
    return xa->xa_close_entry(info, rmid, TMNOFLAGS);
}

static int start(XID *xid)
{
    return xa->xa_start_entry(xid, RM, TMNOFLAGS);
}

static int end(XID *xid)
{
    return xa->xa_end_entry(xid, RM, TMSUCCESS);
}

static int prepare(XID *xid)
{
    return xa->xa_prepare_entry(xid, RM, TMNOFLAGS);
}

static int commit(XID *xid)
{
    return xa->xa_commit_entry(xid, RM, TMNOFLAGS);
}

static int rollback(XID *xid)
{
    return xa->xa_rollback_entry(xid, RM, TMNOFLAGS);
}

static int execute(const char *sql)
{
    struct sql_session *session = assent_sql_postgres.of_thread(RM);
    assert_non_null(session);
    return assent_sql_postgres.execute(session, sql, NULL, 0, NULL, NULL);
}

static void work(const char *sql)
{
    assert_int_equal(execute(sql), ASSENT_OK);
}

static int insert(int number)
{
    char sql[64];
    snprintf(sql, sizeof sql, "INSERT INTO t VALUES (%d)", number);
    return execute(sql);
}

static long count(void)
{
    return world_number(watch, "SELECT count(*) FROM t");
}

static int set_up(void **state)
{
    (void)state;
    watch = world_connect();
    world_sql(
        watch,
        "SET lock_timeout = '20s'; DROP TABLE IF EXISTS t; CREATE TABLE t (n int PRIMARY KEY)");
    assert_int_equal(world_prepared(watch), 0);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    assert_int_equal(world_prepared(watch), 0);
    assert_int_equal(xa_close(RM), XA_OK);
    PQfinish(watch);
    return 0;
}

static int recover(XID xids[XIDS])
{
    return xa->xa_recover_entry(xids, XIDS, RM, TMSTARTRSCAN | TMENDRSCAN);
}

// A branch with a row in it, prepared.
static XID prepared(const char *gtid, int number)
{
    XID xid = world_xid(gtid, 0);
    assert_int_equal(start(&xid), XA_OK);
    assert_int_equal(insert(number), ASSENT_OK);
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_OK);
    return xid;
}

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
    work("NOTIFY bell");
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

// ---- what others have ----

static void the_same_xid_twice(void **state)
{
    (void)state;
    XID xids[XIDS], xid = prepared("g", 1);
    assert_int_equal(start(&xid), XA_OK);
    assert_int_equal(insert(2), ASSENT_OK);
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XAER_DUPID);
    assert_int_equal(recover(xids), 1); // the first stands
    assert_int_equal(commit(&xid), XA_OK);
    assert_int_equal(world_number(watch, "SELECT n FROM t"), 1);
}

static void leave_one(PGconn *conn, const char *gid)
{
    world_sql(conn, "BEGIN; CREATE TABLE left_over (n int); PREPARE TRANSACTION '%s'", gid);
}

// Other names, other databases, other users: left alone, and never said to be gone.
static void what_is_not_ours(void **state)
{
    (void)state;
    XID xids[XIDS], xid = world_xid("there", 3);
    static const char ours[] = "assent:there:3/app/0123abcd";
    leave_one(watch, "foreign ''one''");
    assert_int_equal(recover(xids), 0);
    world_sql(watch, "ROLLBACK PREPARED 'foreign ''one'''");

    world_sql(watch, "CREATE DATABASE elsewhere");
    PGconn *elsewhere = world_connect_to(world_conninfo_of("elsewhere", "assent"));
    leave_one(elsewhere, ours);
    assert_int_equal(recover(xids), 0);
    assert_int_equal(commit(&xid), XA_RETRY);
    assert_non_null(strstr(assent_postgres_reason(RM), "another database"));
    assert_int_equal(rollback(&xid), XA_RETRY);
    assert_int_equal(world_prepared(watch), 1);
    world_sql(elsewhere, "ROLLBACK PREPARED '%s'", ours);
    PQfinish(elsewhere);
    world_sql(watch, "DROP DATABASE elsewhere");

    world_sql(watch, "CREATE ROLE clerk LOGIN; CREATE ROLE other LOGIN; GRANT ALL ON t TO clerk");
    PGconn *clerk = world_connect_to(world_conninfo_of("postgres", "clerk"));
    world_sql(clerk, "BEGIN; INSERT INTO t VALUES (1); PREPARE TRANSACTION '%s'", ours);
    assert_int_equal(recover(xids), 1); // a superuser's are all
    assert_int_equal(xa_open(OTHER, world_conninfo_of("postgres", "other")), XA_OK);
    assert_int_equal(xa->xa_recover_entry(xids, XIDS, OTHER, TMSTARTRSCAN | TMENDRSCAN), 0);
    assert_int_equal(xa->xa_commit_entry(&xid, OTHER, TMNOFLAGS), XA_RETRY);
    assert_non_null(strstr(assent_postgres_reason(OTHER), "another user"));
    assert_int_equal(xa_close(OTHER), XA_OK);
    assert_int_equal(xa_open(OTHER, world_conninfo_of("postgres", "clerk")), XA_OK);
    assert_int_equal(xa->xa_recover_entry(xids, XIDS, OTHER, TMSTARTRSCAN), 1);
    assert_int_equal(xa->xa_rollback_entry(&xid, OTHER, TMNOFLAGS), XA_OK);
    assert_int_equal(xa_close(OTHER), XA_OK);
    PQfinish(clerk);
    world_sql(watch, "DROP OWNED BY clerk, other; DROP ROLE clerk, other");
}

static void slots_are_used_up(void **state)
{
    (void)state;
    long slots = world_number(watch, "SHOW max_prepared_transactions");
    XID held[XIDS], xid = world_xid("more", 0);
    char gtid[8];
    for (int i = 0; i < slots; i++) {
        snprintf(gtid, sizeof gtid, "g%d", i);
        held[i] = prepared(gtid, i);
    }
    assert_int_equal(start(&xid), XA_OK);
    assert_int_equal(insert(100), ASSENT_OK);
    assert_int_equal(end(&xid), XA_OK);
    assert_int_equal(prepare(&xid), XA_RBTRANSIENT);
    assert_non_null(strstr(assent_postgres_reason(RM), "max_prepared_transactions"));
    for (int i = 0; i < slots; i++)
        assert_int_equal(commit(&held[i]), XA_OK);
    assert_int_equal(count(), slots);
}

// Sends it, and says whether it then waits for a standby; otherwise it is done.
static bool waits_for_standby(PGconn *conn, const char *sql)
{
    assert_int_equal(PQsendQuery(conn, sql), 1);
    for (;;) {
        if (world_number(watch,
                         "SELECT count(*) FROM pg_stat_activity WHERE pid = %d AND wait_event = "
                         "'SyncRep'",
                         PQbackendPID(conn)))
            return true;
        assert_int_equal(PQconsumeInput(conn), 1);
        if (PQisBusy(conn))
            continue;
        for (PGresult *result; (result = PQgetResult(conn));)
            PQclear(result);
        return false;
    }
}

static void wait_no_more(PGconn *conn)
{
    world_number(watch, "SELECT pg_cancel_backend(%d)::int", PQbackendPID(conn));
    for (PGresult *result; (result = PQgetResult(conn));)
        PQclear(result);
}

// What writes has to wait for one that is not there; reading the setting takes the server a while.
static void want_standby(PGconn *conn)
{
    world_sql(watch, "CREATE TABLE w (n int)");
    world_sql(watch, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'");
    world_sql(watch, "SELECT pg_reload_conf()");
    while (!waits_for_standby(conn, "INSERT INTO w VALUES (1)"))
        usleep(1000);
    wait_no_more(conn);
}

static void want_none(void)
{
    world_sql(watch, "ALTER SYSTEM RESET synchronous_standby_names");
    world_sql(watch, "SELECT pg_reload_conf()");
    world_sql(watch, "DROP TABLE w");
}

// A COMMIT PREPARED that waits for a standby has the branch locked.
static void another_connection_is_at_it(void **state)
{
    (void)state;
    XID xid = prepared("g", 1);
    PGconn *slow = world_connect();
    want_standby(slow);
    assert_true(waits_for_standby(slow, "COMMIT PREPARED 'assent:g:0/app/0123abcd'"));
    assert_int_equal(commit(&xid), XA_RETRY);
    assert_int_equal(rollback(&xid), XA_RETRY);
    wait_no_more(slow);
    want_none();
    assert_int_equal(commit(&xid), XAER_NOTA);
    assert_int_equal(count(), 1);
    PQfinish(slow);
}

// ---- connections that are lost ----

static void terminate(void)
{
    world_number(watch, "SELECT pg_terminate_backend(%d, 60000)::int",
                 PQbackendPID(assent_postgres_connection(RM)));
}

static void lost_within_a_branch(void **state)
{
    (void)state;
    XID xid = world_xid("g", 0);
    assert_int_equal(start(&xid), XA_OK);
    assert_int_equal(insert(1), ASSENT_OK);
    terminate();
    assert_int_equal(insert(2), ASSENT_UNAVAILABLE);
    assert_int_equal(insert(2), ASSENT_UNAVAILABLE); // and not outside of the branch
    assert_int_equal(end(&xid), XA_RBCOMMFAIL);
    assert_int_equal(prepare(&xid), XA_RBCOMMFAIL);
    assert_int_equal(start(&xid), XAER_RMFAIL);
    assert_int_equal(commit(&xid), XAER_RMFAIL);
    assert_int_equal(xa->xa_recover_entry(&xid, 1, RM, TMSTARTRSCAN), XAER_RMFAIL);
    assert_null(assent_postgres_connection(RM));
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    assert_int_equal(start(&xid), XA_OK);
    assert_int_equal(insert(1), ASSENT_OK);
    terminate();
    assert_int_equal(end(&xid), XA_OK);           // nobody has noticed
    assert_int_equal(prepare(&xid), XAER_RMFAIL); // and nobody knows
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    assert_int_equal(rollback(&xid), XAER_NOTA);
    assert_int_equal(count(), 0);
}

// The connection of a prepare that is on its way goes, as soon as `seen` shows something of it.
static void prepare_is_lost(XID *xid, const char *seen)
{
    char kill_it[512];
    assert_int_equal(start(xid), XA_OK);
    assert_int_equal(insert(1), ASSENT_OK);
    int pid = PQbackendPID(assent_postgres_connection(RM));
    snprintf(kill_it, sizeof kill_it,
             "DO $$ BEGIN WHILE NOT EXISTS (SELECT %s AND pid = %d) LOOP PERFORM pg_sleep(0.002); "
             "PERFORM pg_stat_clear_snapshot(); END LOOP; PERFORM pg_terminate_backend(%d); END $$",
             seen, pid, pid);
    assert_int_equal(PQsendQuery(watch, kill_it), 1);
    assert_int_equal(end(xid), XA_OK);
    assert_int_equal(prepare(xid), XAER_RMFAIL);
    for (PGresult *result; (result = PQgetResult(watch));)
        PQclear(result);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
}

// Then nobody knows, and nobody guesses: what is prepared is asked.
static void lost_while_it_is_prepared(void **state)
{
    (void)state;
    XID xids[XIDS], xid = world_xid("g", 0);
    world_sql(watch, "CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM "
                     "pg_advisory_xact_lock(1); RETURN NULL; END $$; CREATE CONSTRAINT TRIGGER w "
                     "AFTER INSERT ON t DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE "
                     "FUNCTION wait(); SELECT pg_advisory_lock(1)");
    prepare_is_lost(&xid, "FROM pg_locks WHERE NOT granted");
    assert_int_equal(recover(xids), 0); // it had not come so far
    assert_int_equal(rollback(&xid), XAER_NOTA);
    world_sql(watch, "SELECT pg_advisory_unlock_all(); DROP FUNCTION wait CASCADE");
    PGconn *other = world_connect();
    want_standby(other);
    prepare_is_lost(&xid, "FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    want_none();
    assert_int_equal(recover(xids), 1); // it had
    assert_int_equal(rollback(&xid), XA_OK);
    PQfinish(other);
}

static void killed_between(const char *how, const char *gtid, int number)
{
    XID xids[XIDS], xid = prepared(gtid, number);
    world_server("%s", how);
    PQreset(watch);
    assert_int_equal(commit(&xid), XAER_RMFAIL);
    assert_int_equal(commit(&xid), XAER_RMFAIL);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    assert_int_equal(recover(xids), 1);
    assert_memory_equal(&xids[0], &xid, sizeof xid);
    assert_int_equal(commit(&xid), XA_OK);
    assert_int_equal(count(), number);
    assert_int_equal(commit(&xid), XAER_NOTA);
}

static void the_server_dies_between_prepare_and_commit(void **state)
{
    (void)state;
    killed_between("kill", "g", 1);
    killed_between("immediate", "h", 2);
}

static void nothing_can_be_prepared(void **state)
{
    (void)state;
    char no_such[] = "host=/nonexistent";
    assert_int_equal(xa_open(OTHER, "no conninfo at all"), XAER_INVAL);
    assert_int_equal(xa->xa_open_entry(NULL, OTHER, TMNOFLAGS), XAER_INVAL);
    assert_int_equal(xa->xa_open_entry(no_such, OTHER, TMASYNC), XAER_ASYNC);
    assert_int_equal(xa_open(OTHER, no_such), XAER_RMFAIL);
    assert_non_null(strstr(assent_postgres_reason(OTHER), "/nonexistent"));
    assert_int_equal(xa_open(OTHER, world_conninfo_of("nothing", "assent")), XAER_RMERR);
    assert_non_null(strstr(assent_postgres_reason(OTHER), "nothing"));
    assert_int_equal(xa_open(OTHER, world_conninfo_of("postgres", "nobody")), XAER_RMERR);
    XID xid = world_xid("g", 0);
    assert_int_equal(xa->xa_start_entry(&xid, OTHER, TMNOFLAGS), XAER_PROTO);
    world_server("settings max_prepared_transactions=0");
    PQreset(watch);
    assert_int_equal(xa_open(OTHER, world_conninfo()), XAER_RMERR);
    assert_non_null(strstr(assent_postgres_reason(OTHER), "max_prepared_transactions"));
    assert_non_null(strstr(assent_postgres_reason(OTHER), "restart"));
    assert_int_equal(assent_postgres_start(watch, &xid, NULL), ASSENT_CONFIG);
    assert_int_equal(PQtransactionStatus(watch), PQTRANS_IDLE);
    world_sql(watch, "BEGIN; CREATE TABLE never (n int)"); // nobody has asked before
    assent_error error;
    assert_int_equal(assent_postgres_prepare(watch, &xid, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "max_prepared_transactions"));
    world_server("settings");
    PQreset(watch);
    assert_int_equal(start(&xid), XAER_RMFAIL);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
}

// ---- threads ----

static long connections(void)
{
    return world_number(watch, "SELECT count(*) FROM pg_stat_activity WHERE application_name = "
                               "'assent'");
}

static void *one_thread(void *arg)
{
    int number = *(int *)arg;
    XID xid = world_xid("thread", (unsigned)number);
    assert_null(assent_sql_postgres.of_thread(RM)); // another's is not ours
    assert_int_equal(start(&xid), XAER_PROTO);
    assert_int_equal(xa_open(RM, world_conninfo()), XA_OK);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(start(&xid), XA_OK);
        assert_int_equal(insert(number * 100 + i), ASSENT_OK);
        assert_int_equal(end(&xid), XA_OK);
        assert_int_equal(prepare(&xid), XA_OK);
        assert_int_equal(commit(&xid), XA_OK);
    }
    return NULL; // with what it has open
}

static void each_thread_for_itself(void **state)
{
    enum { THREADS = 4 };
    (void)state;
    pthread_t threads[THREADS];
    int numbers[THREADS];
    for (int i = 0; i < THREADS; i++) {
        numbers[i] = i + 1;
        assert_int_equal(pthread_create(&threads[i], NULL, one_thread, &numbers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(count(), THREADS * 5);
    for (int i = 0; connections() != 1 && i < 10000; i++) // the server takes its time
        usleep(1000);
    assert_int_equal(connections(), 1);
    // What one has prepared, any other may finish.
    XID xid = prepared("migrates", 1000);
    assert_int_equal(xa_open(OTHER, world_conninfo()), XA_OK);
    assert_int_equal(xa->xa_commit_entry(&xid, OTHER, TMNOFLAGS), XA_OK);
    assert_int_equal(xa_close(OTHER), XA_OK);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(two_phases),
        TEST(one_phase_and_none),
        TEST(read_only),
        TEST(orders_that_are_wrong),
        TEST(scans),
        TEST(statements_that_fail),
        TEST(deadlocks),
        TEST(prepares_that_fail),
        TEST(what_cannot_be_prepared),
        TEST(statements_that_escape),
        TEST(aborted_on_the_plain_connection),
        TEST(the_same_xid_twice),
        TEST(what_is_not_ours),
        TEST(slots_are_used_up),
        TEST(another_connection_is_at_it),
        TEST(lost_within_a_branch),
        TEST(lost_while_it_is_prepared),
        TEST(the_server_dies_between_prepare_and_commit),
        TEST(nothing_can_be_prepared),
        TEST(each_thread_for_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
