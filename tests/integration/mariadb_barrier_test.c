// SPDX-License-Identifier: Apache-2.0
// The barrier in a MariaDB that runs ($MARIADB_WHERE, of a user who may create databases): all that
// every back end has to pass, each test in a database of its own; then its own traps.
#include "unit.h"

#include <ctype.h>
#include <mysql.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assent/assent.h"
#include "assent/mariadb.h"
#include "barrier_shop.h"
#include "link.h"
#include "where.h"

#define RUN    ASSENT_BARRIER_RUN
#define TRY    ASSENT_BARRIER_TRY
#define CANCEL ASSENT_BARRIER_CANCEL

struct shop {
    char database[64];
    MYSQL *db;
};

static void sql(MYSQL *db, const char *text)
{
    unsigned number = link_run(db, text);
    if (number)
        fail_msg("%s: %u %s", text, number, mysql_error(db));
}

static int number_of(MYSQL *db, const char *query)
{
    long long number = 0;
    assert_int_equal(link_numbers(db, query, &number, 1), 0);
    return number < 0 ? 0 : (int)number;
}

static MYSQL *db_open(void)
{
    static struct where where;
    MYSQL *db;
    assent_error error = {0};
    if (!where.user && where_parse(getenv("MARIADB_WHERE"), &where, &error))
        fail_msg("%s", error.message);
    if (link_open(&where, NULL, &db, NULL, &error))
        fail_msg("%s", error.message);
    return db;
}

static MYSQL *db_ready(const char *database)
{
    char text[256];
    assent_error error = {0};
    MYSQL *db = db_open();
    static char made[64]; // the last one
    if (strcmp(made, database) == 0) {
        assert_int_equal(mysql_select_db(db, database), 0);
        return db;
    }
    snprintf(made, sizeof made, "%s", database);
    snprintf(text, sizeof text, "CREATE DATABASE IF NOT EXISTS %s", database);
    sql(db, text);
    assert_int_equal(mysql_select_db(db, database), 0);
    if (assent_barrier_mariadb_create(db, &error))
        fail_msg("%s", error.message);
    sql(db, "CREATE TABLE IF NOT EXISTS effects (gtid VARCHAR(64) CHARACTER SET ascii, branch INT, "
            "operation INT, times INT, PRIMARY KEY (gtid, branch, operation)) ENGINE = InnoDB");
    return db;
}

static struct shop *shop_of(const char *database)
{
    struct shop *shop = malloc(sizeof *shop);
    assert_non_null(shop);
    snprintf(shop->database, sizeof shop->database, "%s", database);
    shop->db = db_ready(database);
    return shop;
}

static struct shop *shop_open(const char *dir)
{
    char database[64] = "shop";
    size_t size = strlen(database);
    for (const char *at = dir; *at && size < sizeof database - 1; at++)
        if (isalnum((unsigned char)*at))
            database[size++] = *at;
    database[size] = '\0';
    return shop_of(database);
}

static struct shop *shop_again(struct shop *shop)
{
    return shop_of(shop->database);
}

static void shop_close(struct shop **shop_p)
{
    mysql_close((*shop_p)->db);
    free(*shop_p);
    *shop_p = NULL;
}

static int shop_effects(struct shop *shop, const char *gtid, uint16_t branch,
                        assent_barrier_operation operation)
{
    char query[256];
    snprintf(query, sizeof query,
             "SELECT MAX(times) FROM effects WHERE gtid = '%s' AND branch = %u AND operation = %d",
             gtid, branch, operation);
    return number_of(shop->db, query);
}

// As other back ends count them: what ended a branch is a row to them.
static int shop_rows(struct shop *shop)
{
    return number_of(shop->db, "SELECT COUNT(*) + COUNT(ended) FROM assent_barrier "
                               "WHERE gtid <> ''");
}

static void die_if(const struct shop_order *order, enum shop_crash here)
{
    if (order->crash == here)
        kill(getpid(), SIGKILL);
}

static int work(MYSQL *db, const struct shop_order *order)
{
    char change[256];
    snprintf(change, sizeof change,
             "INSERT INTO effects VALUES ('%s', %u, %d, 1) ON DUPLICATE KEY UPDATE times = "
             "times + 1",
             order->gtid, order->branch, order->operation);
    unsigned number = link_run(db, change);
    die_if(order, SHOP_DIES_WORKED);
    return number ? link_code(number) : ASSENT_OK;
}

static int transact(MYSQL *db, const struct shop_order *order, assent_barrier_entry *ret)
{
    int code =
        assent_barrier_mariadb_enter(db, order->gtid, order->branch, order->operation, ret, NULL);
    if (code)
        return code;
    die_if(order, SHOP_DIES_ENTERED);
    if (ret->verdict != RUN)
        return ASSENT_OK;
    code = work(db, order);
    if (!code && order->answer)
        code = assent_barrier_mariadb_answer(db, order->gtid, order->branch, order->operation,
                                             order->answer, order->answer_bytes, NULL);
    return code;
}

static int shop_run(struct shop *shop, const struct shop_order *order, assent_barrier_entry *ret)
{
    int code;
    do {
        sql(shop->db, "START TRANSACTION");
        code = transact(shop->db, order, ret);
        sql(shop->db, code || order->no ? "ROLLBACK" : "COMMIT");
    } while (code == ASSENT_BUSY);
    die_if(order, SHOP_DIES_DONE);
    return code;
}

static int shop_forget(struct shop *shop, const char *gtid, uint16_t branch)
{
    sql(shop->db, "START TRANSACTION");
    int code = assent_barrier_mariadb_forget(shop->db, gtid, branch, NULL);
    sql(shop->db, "COMMIT");
    return code;
}

static int shop_seal(struct shop *shop, const char *gtid, uint16_t branch,
                     assent_barrier_operation forward)
{
    int code;
    do {
        sql(shop->db, "START TRANSACTION");
        code = assent_barrier_mariadb_seal(shop->db, gtid, branch, forward, NULL);
        sql(shop->db, code ? "ROLLBACK" : "COMMIT");
    } while (code == ASSENT_BUSY);
    return code;
}

static int shop_collect(struct shop *shop, uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret)
{
    int code;
    do {
        sql(shop->db, "START TRANSACTION");
        code = assent_barrier_mariadb_collect(shop->db, horizon_ms, rows_max, ret, NULL);
        sql(shop->db, code ? "ROLLBACK" : "COMMIT");
    } while (code == ASSENT_BUSY);
    return code;
}

static struct shop_kind kind = {
    .name = "MariaDB",
    .open = shop_open,
    .again = shop_again,
    .close = shop_close,
    .run = shop_run,
    .forget = shop_forget,
    .seal = shop_seal,
    .collect = shop_collect,
    .effects = shop_effects,
    .rows = shop_rows,
    .durable = true,
};

static void races(void **state)
{
    (void)state;
    assert_true(shop_race(&kind, 25));
    assert_true(shop_late_tries(&kind));
    assert_true(shop_race_horizon(&kind, 10));
}

static void kills(void **state)
{
    (void)state;
    shop_test_kills(&kind, 3);
}

// ---- what MariaDB's has besides ----

static int enter(MYSQL *db, const char *gtid, assent_barrier_operation operation,
                 assent_barrier_verdict *ret, assent_error *error)
{
    assent_barrier_entry entry = {.verdict = 77};
    int code = assent_barrier_mariadb_enter(db, gtid, 0, operation, &entry, error);
    assert_int_equal(code != ASSENT_OK, entry.verdict == 77);
    if (ret)
        *ret = entry.verdict;
    return code;
}

static void expect(MYSQL *db, const char *gtid, assent_barrier_operation operation,
                   assent_barrier_verdict verdict)
{
    assent_error error = {0};
    assent_barrier_verdict found = 0;
    if (enter(db, gtid, operation, &found, &error))
        fail_msg("%s", error.message);
    assert_int_equal(found, verdict);
}

static void a_transaction_must_be_open(void **state)
{
    (void)state;
    MYSQL *db = db_ready("states");
    assent_error error;
    assert_int_equal(enter(db, "g", TRY, NULL, &error), ASSENT_STATE);
    assert_int_equal(assent_barrier_mariadb_answer(db, "g", 0, TRY, "", 0, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_mariadb_forget(db, "g", 0, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_mariadb_seal(db, "g", 0, TRY, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_mariadb_collect(db, 1, 0, NULL, NULL), ASSENT_STATE);
    assert_int_equal(enter(NULL, "g", TRY, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_mariadb_enter(db, "g", 0, TRY, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_mariadb_create(NULL, NULL), ASSENT_INVALID);
    // And to make the table none may be: MariaDB would commit it.
    sql(db, "START TRANSACTION");
    assert_int_equal(assent_barrier_mariadb_create(db, &error), ASSENT_STATE);
    sql(db, "ROLLBACK");
    // In a branch it is a transaction like any other.
    sql(db, "XA START 'b'");
    expect(db, "x", TRY, RUN);
    sql(db, "XA END 'b'");
    sql(db, "XA PREPARE 'b'");
    sql(db, "XA COMMIT 'b'");
    sql(db, "SET autocommit = 0");
    expect(db, "x", TRY, ASSENT_BARRIER_DUPLICATE);
    mysql_close(db);
}

// The snapshot of REPEATABLE READ is older than what another transaction has committed: what the
// barrier reads is not the snapshot.
static void old_snapshots(void **state)
{
    (void)state;
    static const char *const levels[] = {"READ UNCOMMITTED", "READ COMMITTED", "REPEATABLE READ",
                                         "SERIALIZABLE"};
    MYSQL *old = db_ready("snapshots"), *other = db_ready("snapshots");
    for (int i = 0; i < 4; i++) {
        char text[96], gtid[16];
        snprintf(text, sizeof text, "SET SESSION TRANSACTION ISOLATION LEVEL %s", levels[i]);
        snprintf(gtid, sizeof gtid, "g-%d", i);
        sql(old, text);
        sql(old, "START TRANSACTION WITH CONSISTENT SNAPSHOT");
        sql(old, "SELECT * FROM effects");
        sql(other, "START TRANSACTION");
        expect(other, gtid, CANCEL, ASSENT_BARRIER_EMPTY);
        sql(other, "COMMIT");
        expect(old, gtid, TRY, ASSENT_BARRIER_REFUSED);
        sql(old, "ROLLBACK");
    }
    mysql_close(old);
    mysql_close(other);
}

// Entered branches keep nobody out but callers of the same branch: neither neighbours in the key's
// order, nor gtids that are still to come.
static void branches_are_apart(void **state)
{
    (void)state;
    static const char *const gtids[] = {"m-5", "m-3", "m-4", "m-7", "m-6", "a", "z", "m-5.1"};
    enum { COUNT = sizeof gtids / sizeof gtids[0] };
    MYSQL *dbs[COUNT];
    for (int i = 0; i < COUNT; i++) {
        dbs[i] = db_ready("apart");
        sql(dbs[i], "SET SESSION innodb_lock_wait_timeout = 2");
        sql(dbs[i], "START TRANSACTION");
        expect(dbs[i], gtids[i], i % 2 ? CANCEL : TRY, i % 2 ? ASSENT_BARRIER_EMPTY : RUN);
    }
    // The same branch waits, and is told to begin again.
    MYSQL *late = db_ready("apart");
    assent_error error;
    sql(late, "SET SESSION innodb_lock_wait_timeout = 1");
    sql(late, "START TRANSACTION");
    assert_int_equal(enter(late, "m-5", CANCEL, NULL, &error), ASSENT_BUSY);
    assert_non_null(strstr(error.message, "begin again"));
    sql(late, "ROLLBACK");
    for (int i = 0; i < COUNT; i++) {
        sql(dbs[i], "COMMIT");
        sql(dbs[i], "START TRANSACTION"); // once more, with the rows there
        expect(dbs[i], gtids[i], CANCEL, i % 2 ? ASSENT_BARRIER_EMPTY : RUN);
    }
    for (int i = 0; i < COUNT; i++)
        mysql_close(dbs[i]);
    mysql_close(late);
}

static void verdicts_without_a_row_leave_none(void **state)
{
    (void)state;
    MYSQL *db = db_ready("traces");
    sql(db, "START TRANSACTION");
    expect(db, "g", ASSENT_BARRIER_CONFIRM, ASSENT_BARRIER_REFUSED);
    assert_int_equal(assent_barrier_mariadb_forget(db, "h", 0, NULL), ASSENT_OK);
    sql(db, "COMMIT");
    assert_int_equal(number_of(db, "SELECT COUNT(*) FROM assent_barrier WHERE gtid <> ''"), 0);
    mysql_close(db);
}

static void rows_and_tables_of_others_are_refused(void **state)
{
    (void)state;
    MYSQL *db = db_ready("damage");
    assent_error error;
    sql(db, "INSERT INTO assent_barrier (gtid, branch, operation, state, leased_ms) VALUES "
            "('odd', 0, 'dance', 'done', 0)");
    sql(db, "START TRANSACTION");
    assert_int_equal(enter(db, "odd", TRY, NULL, &error), ASSENT_CORRUPT);
    expect(db, "g", TRY, RUN);
    assert_int_equal(enter(db, "g", ASSENT_BARRIER_DELIVER, NULL, &error), ASSENT_CONFLICT);
    sql(db, "ROLLBACK");
    sql(db, "ALTER TABLE assent_barrier ENGINE = Aria");
    assert_int_equal(assent_barrier_mariadb_create(db, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "Aria: gtid key"));
    sql(db, "DROP TABLE assent_barrier");
    sql(db, "START TRANSACTION");
    assert_int_equal(enter(db, "g", TRY, NULL, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "_create"));
    sql(db, "ROLLBACK");
    mysql_close(db);
}

static void commits_must_be_durable(void **state)
{
    (void)state;
    MYSQL *db = db_ready("durable");
    assent_error error;
    sql(db, "SET GLOBAL innodb_flush_log_at_trx_commit = 2");
    int code = assent_barrier_mariadb_create(db, &error);
    sql(db, "SET GLOBAL innodb_flush_log_at_trx_commit = 1");
    assert_int_equal(code, ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "set it to 1"));
    mysql_close(db);
}

static void lost_connections(void **state)
{
    (void)state;
    MYSQL *db = db_ready("lost"), *other = db_open();
    assent_error error;
    char text[64];
    sql(db, "START TRANSACTION");
    snprintf(text, sizeof text, "KILL CONNECTION %lu", mysql_thread_id(db));
    sql(other, text);
    assert_int_equal(enter(db, "g", TRY, NULL, &error), ASSENT_UNAVAILABLE);
    mysql_close(db); // still the application's
    mysql_close(other);
}

// Two transactions that enter two branches each, the other way round: one is told to begin again.
static void *enter_second(void *arg)
{
    return enter(arg, "one", CANCEL, NULL, NULL) == ASSENT_BUSY ? arg : NULL;
}

static void deadlocks(void **state)
{
    (void)state;
    MYSQL *a = db_ready("deadlocks"), *b = db_ready("deadlocks");
    pthread_t thread;
    void *refused;
    sql(a, "START TRANSACTION");
    sql(b, "START TRANSACTION");
    expect(a, "one", TRY, RUN);
    expect(b, "two", TRY, RUN);
    pthread_create(&thread, NULL, enter_second, b);
    bool busy = enter(a, "two", CANCEL, NULL, NULL) == ASSENT_BUSY;
    if (busy) // which the server has rolled back; else b's
        sql(a, "ROLLBACK");
    else
        sql(a, "COMMIT");
    pthread_join(thread, &refused);
    assert_true(busy != (refused != NULL));
    mysql_close(a);
    mysql_close(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TESTS(&kind),
        cmocka_unit_test(races),
        cmocka_unit_test(kills),
        cmocka_unit_test(a_transaction_must_be_open),
        cmocka_unit_test(old_snapshots),
        cmocka_unit_test(branches_are_apart),
        cmocka_unit_test(verdicts_without_a_row_leave_none),
        cmocka_unit_test(rows_and_tables_of_others_are_refused),
        cmocka_unit_test(commits_must_be_durable),
        cmocka_unit_test(lost_connections),
        cmocka_unit_test(deadlocks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
