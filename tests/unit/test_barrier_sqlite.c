// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assent/assent.h"
#include "assent/barrier_sqlite.h"
#include "barrier_shop.h"

#define BEGIN  "BEGIN IMMEDIATE"
#define RUN    ASSENT_BARRIER_RUN
#define TRY    ASSENT_BARRIER_TRY
#define CANCEL ASSENT_BARRIER_CANCEL

struct shop {
    char path[128];
    sqlite3 *db;
};

static void sql(sqlite3 *db, const char *text)
{
    char *message = NULL;
    if (sqlite3_exec(db, text, NULL, NULL, &message) != SQLITE_OK)
        fail_msg("%s: %s", text, message);
}

static int take_number(void *arg, int columns, char **values, char **names)
{
    (void)columns, (void)names;
    *(int *)arg = values[0] ? atoi(values[0]) : 0;
    return 0;
}

static int number_of(sqlite3 *db, const char *query)
{
    int number = 0;
    assert_int_equal(sqlite3_exec(db, query, take_number, &number, NULL), SQLITE_OK);
    return number;
}

static sqlite3 *db_open(const char *path)
{
    sqlite3 *db;
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    sqlite3_busy_timeout(db, 60000);
    return db;
}

static sqlite3 *db_ready(const char *path)
{
    sqlite3 *db = db_open(path);
    assent_error error = {0};
    sql(db, "PRAGMA journal_mode = WAL");
    sql(db, "PRAGMA synchronous = FULL");
    if (assent_barrier_sqlite_create(db, &error) != ASSENT_OK)
        fail_msg("%s", error.message);
    sql(db, "CREATE TABLE IF NOT EXISTS effects (gtid, branch, operation, times, "
            "PRIMARY KEY (gtid, branch, operation))");
    return db;
}

static struct shop *shop_of(const char *path)
{
    struct shop *shop = malloc(sizeof *shop);
    assert_non_null(shop);
    snprintf(shop->path, sizeof shop->path, "%s", path);
    shop->db = db_ready(path);
    return shop;
}

static struct shop *shop_open(const char *dir)
{
    char path[128];
    snprintf(path, sizeof path, "%s/db", dir);
    return shop_of(path);
}

static struct shop *shop_again(struct shop *shop)
{
    return shop_of(shop->path);
}

static void shop_close(struct shop **shop_p)
{
    assert_int_equal(sqlite3_close((*shop_p)->db), SQLITE_OK); // nothing of ours is left open
    free(*shop_p);
    *shop_p = NULL;
}

static int shop_effects(struct shop *shop, const char *gtid, uint16_t branch,
                        assent_barrier_operation operation)
{
    char query[256];
    snprintf(query, sizeof query,
             "SELECT times FROM effects WHERE gtid = '%s' AND branch = %u AND operation = %d", gtid,
             branch, operation);
    return number_of(shop->db, query);
}

static int shop_rows(struct shop *shop)
{
    return number_of(shop->db, "SELECT count(*) FROM assent_barrier WHERE gtid <> ''");
}

static void die_if(const struct shop_order *order, enum shop_crash here)
{
    if (order->crash == here)
        kill(getpid(), SIGKILL);
}

static void work(sqlite3 *db, const struct shop_order *order)
{
    char change[256];
    snprintf(change, sizeof change,
             "INSERT INTO effects VALUES ('%s', %u, %d, 1) ON CONFLICT DO UPDATE SET times = "
             "times + 1",
             order->gtid, order->branch, order->operation);
    sql(db, change);
    die_if(order, SHOP_DIES_WORKED);
}

static int transact(sqlite3 *db, const struct shop_order *order, assent_barrier_entry *ret)
{
    int code =
        assent_barrier_sqlite_enter(db, order->gtid, order->branch, order->operation, ret, NULL);
    if (code)
        return code;
    die_if(order, SHOP_DIES_ENTERED);
    if (ret->verdict != RUN)
        return ASSENT_OK;
    work(db, order);
    if (order->answer)
        code = assent_barrier_sqlite_answer(db, order->gtid, order->branch, order->operation,
                                            order->answer, order->answer_bytes, NULL);
    return code;
}

static int shop_run(struct shop *shop, const struct shop_order *order, assent_barrier_entry *ret)
{
    sql(shop->db, BEGIN);
    int code = transact(shop->db, order, ret);
    sql(shop->db, code || order->no ? "ROLLBACK" : "COMMIT");
    die_if(order, SHOP_DIES_DONE);
    return code;
}

static int shop_forget(struct shop *shop, const char *gtid, uint16_t branch)
{
    sql(shop->db, BEGIN);
    int code = assent_barrier_sqlite_forget(shop->db, gtid, branch, NULL);
    sql(shop->db, "COMMIT");
    return code;
}

static int shop_seal(struct shop *shop, const char *gtid, uint16_t branch,
                     assent_barrier_operation forward)
{
    sql(shop->db, BEGIN);
    int code = assent_barrier_sqlite_seal(shop->db, gtid, branch, forward, NULL);
    sql(shop->db, code ? "ROLLBACK" : "COMMIT");
    return code;
}

static int shop_collect(struct shop *shop, uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret)
{
    sql(shop->db, BEGIN);
    int code = assent_barrier_sqlite_collect(shop->db, horizon_ms, rows_max, ret, NULL);
    sql(shop->db, code ? "ROLLBACK" : "COMMIT");
    return code;
}

static struct shop_kind kind = {
    .name = "SQLite",
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
    assert_true(shop_race(&kind, 100));
    assert_true(shop_late_tries(&kind));
    assert_true(shop_race_horizon(&kind, 40));
}

static void kills(void **state)
{
    (void)state;
    shop_test_kills(&kind, 10);
}

// ---- what SQLite's has besides ----

static struct shop *start(char **ret_dir)
{
    *ret_dir = unit_dir_make();
    return shop_open(*ret_dir);
}

static void end(struct shop **shop_p, char **dir_p)
{
    shop_close(shop_p);
    unit_dir_remove(dir_p);
}

static int enter(sqlite3 *db, const char *gtid, assent_barrier_operation operation,
                 assent_error *error)
{
    assent_barrier_entry entry = {.verdict = 77};
    int code = assent_barrier_sqlite_enter(db, gtid, 0, operation, &entry, error);
    assert_int_equal(code != ASSENT_OK, entry.verdict == 77);
    return code;
}

static void a_transaction_must_be_open(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    assent_error error;
    assert_int_equal(enter(shop->db, "g", TRY, &error), ASSENT_STATE);
    assert_non_null(strstr(error.message, "BEGIN IMMEDIATE"));
    assert_int_equal(assent_barrier_sqlite_answer(shop->db, "g", 0, TRY, "", 0, NULL),
                     ASSENT_STATE);
    assert_int_equal(assent_barrier_sqlite_forget(shop->db, "g", 0, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_sqlite_seal(shop->db, "g", 0, TRY, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_sqlite_collect(shop->db, 1, 0, NULL, NULL), ASSENT_STATE);
    assert_int_equal(enter(NULL, "g", TRY, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_sqlite_enter(shop->db, "g", 0, TRY, NULL, NULL),
                     ASSENT_INVALID);
    assert_int_equal(assent_barrier_sqlite_create(NULL, NULL), ASSENT_INVALID);
    assert_int_equal(shop_rows(shop), 0);
    end(&shop, &dir);
}

// A plain BEGIN: the barrier begins to write before it reads, so what it reads is the newest state,
// or it is refused.
static void deferred_transactions_are_safe(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir), *other = shop_again(shop);
    assent_error error;
    sql(shop->db, "BEGIN");
    assert_int_equal(enter(shop->db, "fresh", TRY, NULL), ASSENT_OK);
    assert_int_equal(sqlite3_txn_state(shop->db, "main"), SQLITE_TXN_WRITE);
    sqlite3_busy_timeout(other->db, 0);
    sql(other->db, "BEGIN");
    assert_int_equal(enter(other->db, "fresh", CANCEL, &error), ASSENT_BUSY);
    assert_non_null(strstr(error.message, "begin again"));
    sql(other->db, "ROLLBACK");
    sql(shop->db, "COMMIT");
    // One that takes the lock for a verdict that writes nothing, too.
    sql(shop->db, "BEGIN");
    assert_int_equal(enter(shop->db, "fresh", TRY, NULL), ASSENT_OK);
    assert_int_equal(sqlite3_txn_state(shop->db, "main"), SQLITE_TXN_WRITE);
    sql(shop->db, "ROLLBACK");
    // One that has read before another wrote.
    sql(shop->db, "BEGIN");
    assert_int_equal(number_of(shop->db, "SELECT count(*) FROM effects"), 0);
    assert_int_equal(shop_do(&kind, other, "stale", CANCEL), ASSENT_BARRIER_EMPTY);
    assert_int_equal(enter(shop->db, "stale", TRY, &error), ASSENT_BUSY);
    sql(shop->db, "ROLLBACK");
    assert_int_equal(shop_do(&kind, shop, "stale", TRY), ASSENT_BARRIER_REFUSED);
    shop_close(&other);
    end(&shop, &dir);
}

static void answers_are_kept_once(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    sql(shop->db, BEGIN);
    assert_int_equal(assent_barrier_sqlite_answer(shop->db, "g", 0, TRY, "a", 1, NULL),
                     ASSENT_STATE);
    assert_int_equal(enter(shop->db, "g", TRY, NULL), ASSENT_OK);
    assert_int_equal(assent_barrier_sqlite_answer(shop->db, "g", 0, TRY, NULL, 1, NULL),
                     ASSENT_INVALID);
    assert_int_equal(assent_barrier_sqlite_answer(shop->db, "g", 0, TRY, NULL, 0, NULL), ASSENT_OK);
    assert_int_equal(assent_barrier_sqlite_answer(shop->db, "g", 0, TRY, "b", 1, NULL),
                     ASSENT_STATE);
    assert_int_equal(
        assent_barrier_sqlite_answer(shop->db, "g", 0, ASSENT_BARRIER_CHECK, "b", 1, NULL),
        ASSENT_STATE);
    sql(shop->db, "COMMIT");
    end(&shop, &dir);
}

// ---- settings and tables ----

static int create_with(const char *journal, const char *synchronous, assent_error *error)
{
    char *dir = unit_dir_make(), path[128], pragma[64];
    snprintf(path, sizeof path, "%s/db", dir);
    sqlite3 *db = db_open(path);
    snprintf(pragma, sizeof pragma, "PRAGMA journal_mode = %s", journal);
    sql(db, pragma);
    snprintf(pragma, sizeof pragma, "PRAGMA synchronous = %s", synchronous);
    sql(db, pragma);
    int code = assent_barrier_sqlite_create(db, error);
    assert_int_equal(assent_barrier_sqlite_create(db, error), code); // again, and the same
    assert_int_equal(number_of(db, "SELECT count(*) FROM sqlite_master"), code ? 0 : 2);
    sqlite3_close(db);
    unit_dir_remove(&dir);
    return code;
}

static void commits_must_be_durable(void **state)
{
    (void)state;
    assent_error error;
    assert_int_equal(create_with("WAL", "FULL", NULL), ASSENT_OK);
    assert_int_equal(create_with("WAL", "EXTRA", NULL), ASSENT_OK);
    assert_int_equal(create_with("TRUNCATE", "FULL", NULL), ASSENT_OK);
    assert_int_equal(create_with("PERSIST", "FULL", NULL), ASSENT_OK);
    assert_int_equal(create_with("DELETE", "EXTRA", NULL), ASSENT_OK);
    assert_int_equal(create_with("DELETE", "FULL", &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "PRAGMA"));
    assert_int_equal(create_with("WAL", "NORMAL", NULL), ASSENT_CONFIG);
    assert_int_equal(create_with("WAL", "OFF", NULL), ASSENT_CONFIG);
    assert_int_equal(create_with("MEMORY", "EXTRA", NULL), ASSENT_CONFIG);
    assert_int_equal(create_with("OFF", "EXTRA", NULL), ASSENT_CONFIG);
    sqlite3 *db = db_open(":memory:");
    assert_int_equal(assent_barrier_sqlite_create(db, NULL), ASSENT_OK);
    sqlite3_close(db);
}

// What stands under the name of the table, and what is said of it.
static void other_tables_are_refused(void **state)
{
    (void)state;
    static const char *const tables[] = {
        "CREATE TABLE assent_barrier (x)",
        "CREATE TABLE assent_barrier (gtid, branch, operation, state, leased_ms, answer)",
        ("CREATE TABLE assent_barrier (gtid, branch, operation, state, leased_ms, answer, "
         "PRIMARY KEY (gtid, branch))"),
        "CREATE VIEW assent_barrier AS SELECT 1 AS gtid, 2 AS branch",
    };
    for (size_t i = 0; i < 4; i++) {
        sqlite3 *db = db_open(":memory:");
        assent_error error = {0};
        sql(db, tables[i]);
        assert_int_equal(assent_barrier_sqlite_create(db, &error), ASSENT_CONFIG);
        assert_non_null(strstr(error.message, "assent_barrier"));
        if (i == 0 || i == 3) {
            sql(db, BEGIN);
            assert_int_equal(enter(db, "g", TRY, &error), ASSENT_CONFIG);
        }
        sqlite3_close(db);
    }
    sqlite3 *db = db_open(":memory:");
    assent_error error = {0};
    sql(db, BEGIN);
    assert_int_equal(enter(db, "g", TRY, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "no such table"));
    assert_non_null(strstr(error.message, "assent_barrier_sqlite_create"));
    assert_int_equal(assent_barrier_sqlite_create(db, NULL), ASSENT_OK); // within it
    // A temporary table of that name hides nothing.
    sql(db, "CREATE TEMP TABLE assent_barrier (x)");
    assert_int_equal(enter(db, "g", TRY, NULL), ASSENT_OK);
    assert_int_equal(assent_barrier_sqlite_create(db, NULL), ASSENT_OK);
    sqlite3_close(db);
}

static void damaged_rows_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "('g', 0, 'tr', 'done', 0, NULL)",           "('g', 0, 'try', 'horizon', 0, NULL)",
        "('g', 0, 'try', 'done', 0, zeroblob(513))", "('g', 0, 'deliver', 'fenced', 0, NULL)",
        "('g', 0, 'confirm', 'done', 0, NULL)",      "('g', 0, 'check', 'done', 0, NULL)",
        "('', 0, '', 'horizon', -1, NULL)",
    };
    static const assent_barrier_operation asked[] = {
        TRY, TRY, TRY, ASSENT_BARRIER_DELIVER, TRY, ASSENT_BARRIER_SEND, TRY};
    for (size_t i = 0; i < 7; i++) {
        char insert[128];
        sqlite3 *db = db_ready(":memory:");
        assent_error error = {0};
        snprintf(insert, sizeof insert, "INSERT INTO assent_barrier VALUES %s", rows[i]);
        sql(db, insert);
        sql(db, BEGIN);
        assert_int_equal(enter(db, "g", asked[i], &error), ASSENT_CORRUPT);
        assert_non_null(strstr(error.message, " g"));
        sqlite3_close(db);
    }
}

// ---- failures ----

static void a_full_disk_has_no_effect(void **state)
{
    (void)state;
    char *dir, gtid[32], answer[ASSENT_BARRIER_ANSWER_MAX] = {0};
    struct shop *shop = start(&dir);
    assent_error error = {0};
    sql(shop->db, "PRAGMA max_page_count = 12");
    int code = ASSENT_OK, i = 0;
    for (; !code && i < 1000; i++) {
        snprintf(gtid, sizeof gtid, "full-%d", i);
        sql(shop->db, BEGIN);
        code = enter(shop->db, gtid, TRY, &error);
        if (!code)
            code =
                assent_barrier_sqlite_answer(shop->db, gtid, 0, TRY, answer, sizeof answer, &error);
        sqlite3_exec(shop->db, code ? "ROLLBACK" : "COMMIT", NULL, NULL, NULL);
    }
    assert_int_equal(code, ASSENT_IO);
    assert_non_null(strstr(error.message, "full"));
    assert_int_equal(shop_rows(shop), i - 1);
    assert_true(sqlite3_get_autocommit(shop->db));
    sql(shop->db, "PRAGMA max_page_count = 1000000");
    assert_int_equal(shop_do(&kind, shop, gtid, TRY), RUN);
    assert_int_equal(shop_do(&kind, shop, "full-0", TRY), ASSENT_BARRIER_DUPLICATE);
    end(&shop, &dir);
}

static int interrupt(void *arg)
{
    (void)arg;
    return 1;
}

static void read_only_and_interrupted(void **state)
{
    (void)state;
    char *dir, path[128];
    struct shop *shop = start(&dir);
    assent_error error;
    snprintf(path, sizeof path, "%s", shop->path);
    sql(shop->db, BEGIN);
    sqlite3_progress_handler(shop->db, 1, interrupt, NULL);
    assert_int_equal(enter(shop->db, "g", TRY, &error), ASSENT_BUSY);
    sqlite3_progress_handler(shop->db, 0, NULL, NULL);
    sqlite3_exec(shop->db, "ROLLBACK", NULL, NULL, NULL);
    sqlite3 *db;
    assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    assert_int_equal(assent_barrier_sqlite_create(db, NULL), ASSENT_OK); // it is there
    sql(db, "BEGIN");
    assert_int_equal(enter(db, "g", TRY, &error), ASSENT_DENIED);
    sqlite3_close(db);
    end(&shop, &dir);
}

static sqlite3_mem_methods real;
static int allocations_left = -1; // -1: any number

static bool out_of_memory(void)
{
    return allocations_left == 0 || (allocations_left > 0 && --allocations_left == 0);
}

static void *failing_malloc(int size)
{
    return out_of_memory() ? NULL : real.xMalloc(size);
}

static void *failing_realloc(void *data, int size)
{
    return out_of_memory() ? NULL : real.xRealloc(data, size);
}

// The k-th allocation of SQLite, and all after it, fail, for each k: no memory, and nothing done.
static void every_allocation_fails(void **state)
{
    (void)state;
    sqlite3 *db = db_ready(":memory:");
    sql(db, "BEGIN; INSERT INTO assent_barrier VALUES ('g', 0, 'try', 'done', 0, 'answer')");
    sql(db, "COMMIT");
    int code = ASSENT_NOMEM, failed = 0;
    for (int k = 1; code != ASSENT_OK; k++, failed++) {
        assent_error error = {0};
        sql(db, BEGIN);
        allocations_left = k;
        code = enter(db, "g", CANCEL, &error);
        if (code == ASSENT_OK)
            code = assent_barrier_sqlite_answer(db, "g", 0, CANCEL, "x", 1, &error);
        if (code == ASSENT_OK)
            code = assent_barrier_sqlite_collect(db, 1, 0, NULL, &error);
        if (code == ASSENT_OK)
            code = assent_barrier_sqlite_create(db, &error);
        allocations_left = -1;
        assert_true(code == ASSENT_OK || code == ASSENT_NOMEM);
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
        assert_int_equal(number_of(db, "SELECT count(*) FROM assent_barrier"), 1);
    }
    assert_true(failed > 20);
    print_message("%d allocations\n", failed);
    sqlite3_close(db);
}

static void the_allocator_is_ours(void)
{
    sqlite3_shutdown();
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real);
    sqlite3_mem_methods failing = real;
    failing.xMalloc = failing_malloc;
    failing.xRealloc = failing_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &failing);
    sqlite3_config(SQLITE_CONFIG_LOOKASIDE, 0, 0); // so that there is something to fail
    sqlite3_initialize();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TESTS(&kind),
        cmocka_unit_test(races),
        cmocka_unit_test(kills),
        cmocka_unit_test(a_transaction_must_be_open),
        cmocka_unit_test(deferred_transactions_are_safe),
        cmocka_unit_test(answers_are_kept_once),
        cmocka_unit_test(commits_must_be_durable),
        cmocka_unit_test(other_tables_are_refused),
        cmocka_unit_test(damaged_rows_are_refused),
        cmocka_unit_test(a_full_disk_has_no_effect),
        cmocka_unit_test(read_only_and_interrupted),
        cmocka_unit_test(every_allocation_fails),
    };
    the_allocator_is_ours();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
