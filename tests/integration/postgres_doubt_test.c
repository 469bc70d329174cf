// SPDX-License-Identifier: Apache-2.0
// The XA switch of PostgreSQL: branches of others, connections and servers that are lost, threads.
#include "postgres_branch.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
