// SPDX-License-Identifier: Apache-2.0
// The barrier in PostgreSQL: what every back end has to pass, and what its own concurrency makes.
#include "postgres_world.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "barrier_shop.h"

#define RUN     ASSENT_BARRIER_RUN
#define TRY     ASSENT_BARRIER_TRY
#define CONFIRM ASSENT_BARRIER_CONFIRM
#define CANCEL  ASSENT_BARRIER_CANCEL

struct shop {
    char dir[128];
    PGconn *conn;
};

static const char *begin = "BEGIN"; // in which isolation

static struct shop *shop_of(const char *dir)
{
    struct shop *shop = malloc(sizeof *shop);
    assert_non_null(shop);
    snprintf(shop->dir, sizeof shop->dir, "%s", dir);
    shop->conn = world_connect();
    return shop;
}

static void make_tables(PGconn *conn)
{
    assent_error error;
    if (assent_barrier_postgres_create(conn, &error) != ASSENT_OK)
        fail_msg("%s", error.message);
    world_sql(conn,
              "CREATE TABLE IF NOT EXISTS public.effects (gtid text, branch int, operation int, "
              "times int, PRIMARY KEY (gtid, branch, operation))");
}

// (In `public`: the user is called as the barrier's schema, and would make it there.)
// A new directory stands for a new database, which would take too long to make.
static struct shop *shop_open(const char *dir)
{
    static bool made;
    char marker[160];
    struct shop *shop = shop_of(dir);
    snprintf(marker, sizeof marker, "%s/made", dir);
    if (access(marker, F_OK) == 0)
        return shop;
    if (!made)
        make_tables(shop->conn);
    made = true;
    world_sql(shop->conn, "DELETE FROM assent.barrier WHERE gtid <> ''; UPDATE assent.barrier SET "
                          "leased_ms = 0; DELETE FROM public.effects");
    FILE *file = fopen(marker, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    return shop;
}

static struct shop *shop_again(struct shop *shop)
{
    return shop_of(shop->dir);
}

static void shop_close(struct shop **shop_p)
{
    PQfinish((*shop_p)->conn);
    free(*shop_p);
    *shop_p = NULL;
}

static int shop_effects(struct shop *shop, const char *gtid, uint16_t branch,
                        assent_barrier_operation operation)
{
    return (int)world_number(
        shop->conn,
        "SELECT times FROM public.effects WHERE gtid = '%s' AND branch = %u AND "
        "operation = %d",
        gtid, branch, operation);
}

static int shop_rows(struct shop *shop)
{
    return (int)world_number(shop->conn, "SELECT count(*) FROM assent.barrier WHERE gtid <> ''");
}

static void die_if(const struct shop_order *order, enum shop_crash here)
{
    if (order->crash == here)
        kill(getpid(), SIGKILL);
}

static int transact(PGconn *conn, const struct shop_order *order, assent_barrier_entry *ret)
{
    int code = assent_barrier_postgres_enter(conn, order->gtid, order->branch, order->operation,
                                             ret, NULL);
    if (code)
        return code;
    die_if(order, SHOP_DIES_ENTERED);
    if (ret->verdict != RUN)
        return ASSENT_OK;
    world_sql(conn,
              "INSERT INTO public.effects VALUES ('%s', %u, %d, 1) ON CONFLICT (gtid, branch, "
              "operation) DO UPDATE SET times = effects.times + 1",
              order->gtid, order->branch, order->operation);
    die_if(order, SHOP_DIES_WORKED);
    if (order->answer)
        code = assent_barrier_postgres_answer(conn, order->gtid, order->branch, order->operation,
                                              order->answer, order->answer_bytes, NULL);
    return code;
}

// Commits, or rolls back. SERIALIZABLE may refuse the commit itself.
static int end(PGconn *conn, bool commit)
{
    PGresult *result = PQexec(conn, commit ? "COMMIT" : "ROLLBACK");
    bool good = PQresultStatus(result) == PGRES_COMMAND_OK &&
                strcmp(PQcmdStatus(result), commit ? "COMMIT" : "ROLLBACK") == 0;
    PQclear(result);
    return good ? ASSENT_OK : ASSENT_BUSY;
}

static int shop_run(struct shop *shop, const struct shop_order *order, assent_barrier_entry *ret)
{
    int code = ASSENT_BUSY;
    for (int i = 0; code == ASSENT_BUSY && i < 1000; i++) {
        assent_barrier_entry entry = *ret;
        world_sql(shop->conn, "%s", begin);
        world_number(shop->conn,
                     "SELECT count(*) FROM public.effects"); // the snapshot is as old as that
        code = transact(shop->conn, order, &entry);
        int ended = end(shop->conn, !code && !order->no);
        code = code ? code : ended;
        if (!code)
            *ret = entry;
    }
    die_if(order, SHOP_DIES_DONE);
    return code;
}

static int shop_forget(struct shop *shop, const char *gtid, uint16_t branch)
{
    world_sql(shop->conn, "%s", begin);
    int code = assent_barrier_postgres_forget(shop->conn, gtid, branch, NULL);
    end(shop->conn, !code);
    return code;
}

static int shop_seal(struct shop *shop, const char *gtid, uint16_t branch,
                     assent_barrier_operation forward)
{
    world_sql(shop->conn, "%s", begin);
    int code = assent_barrier_postgres_seal(shop->conn, gtid, branch, forward, NULL);
    end(shop->conn, !code);
    return code;
}

static int shop_collect(struct shop *shop, uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret)
{
    int code = ASSENT_BUSY;
    while (code == ASSENT_BUSY) {
        world_sql(shop->conn, "%s", begin);
        code = assent_barrier_postgres_collect(shop->conn, horizon_ms, rows_max, ret, NULL);
        int ended = end(shop->conn, !code);
        code = code ? code : ended;
    }
    return code;
}

static struct shop_kind kind = {
    .name = "PostgreSQL",
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
    static const char *const isolations[] = {"BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ",
                                             "BEGIN ISOLATION LEVEL SERIALIZABLE"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        begin = isolations[i];
        assert_true(shop_race(&kind, 40));
        assert_true(shop_late_tries(&kind));
        assert_true(shop_race_horizon(&kind, 15));
    }
    begin = "BEGIN";
}

static void kills(void **state)
{
    (void)state;
    shop_test_kills(&kind, 6);
}

// ---- two connections at one branch ----

static struct shop *start(char **ret_dir)
{
    *ret_dir = unit_dir_make();
    return shop_open(*ret_dir);
}

static void end_shop(struct shop **shop_p, char **dir_p)
{
    shop_close(shop_p);
    unit_dir_remove(dir_p);
}

static int enter(PGconn *conn, const char *gtid, assent_barrier_operation operation,
                 assent_barrier_entry *ret, assent_error *error)
{
    ret->verdict = 77;
    int code = assent_barrier_postgres_enter(conn, gtid, 0, operation, ret, error);
    assert_int_equal(code != ASSENT_OK, ret->verdict == 77);
    return code;
}

struct entering {
    PGconn *conn;
    assent_barrier_operation operation;
    int code;
    assent_barrier_entry entry;
};

static void *enter_there(void *arg)
{
    struct entering *e = arg;
    e->code = enter(e->conn, "two", e->operation, &e->entry, NULL);
    return NULL;
}

// One has entered, and goes on; the other waits until that has ended, and then knows of it. What is
// said to it depends on what became of the first, and on how old its snapshot is.
static void two_at_a_time(const char *isolation, bool commit, int code,
                          assent_barrier_verdict verdict)
{
    char *dir;
    struct shop *shop = start(&dir);
    struct entering other = {.conn = world_connect(), .operation = CANCEL};
    assent_barrier_entry entry;
    pthread_t thread;
    shop_do(&kind, shop, "two", TRY);
    world_sql(other.conn, "BEGIN ISOLATION LEVEL %s", isolation);
    world_number(other.conn, "SELECT count(*) FROM public.effects");
    world_sql(shop->conn, "BEGIN");
    assert_int_equal(enter(shop->conn, "two", CONFIRM, &entry, NULL), ASSENT_OK);
    assert_int_equal(entry.verdict, RUN);
    assert_int_equal(pthread_create(&thread, NULL, enter_there, &other), 0);
    PGconn *watch = world_connect();
    world_wait(watch, "SELECT count(*) FROM pg_locks WHERE pid = %d AND NOT granted",
               PQbackendPID(other.conn));
    world_sql(shop->conn, commit ? "COMMIT" : "ROLLBACK");
    pthread_join(thread, NULL);
    assert_int_equal(other.code, code);
    if (!code)
        assert_int_equal(other.entry.verdict, verdict);
    end(other.conn, !code);
    PQfinish(watch);
    PQfinish(other.conn);
    end_shop(&shop, &dir);
}

static void the_second_waits_for_the_first(void **state)
{
    (void)state;
    two_at_a_time("READ COMMITTED", true, ASSENT_OK, ASSENT_BARRIER_REFUSED);
    two_at_a_time("READ COMMITTED", false, ASSENT_OK, RUN);
    two_at_a_time("REPEATABLE READ", true, ASSENT_BUSY, 0);
    two_at_a_time("REPEATABLE READ", false, ASSENT_OK, RUN);
    two_at_a_time("SERIALIZABLE", true, ASSENT_BUSY, 0);
}

// A snapshot from before the cancel, and before its fence was collected: nothing is seen of either.
static void old_snapshots_are_refused(void **state)
{
    static const char early[] = "00000000.1.10.0";
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    PGconn *old = world_connect();
    assent_barrier_entry entry;
    assent_error error;
    static const char *const isolations[] = {"REPEATABLE READ", "SERIALIZABLE"};
    for (int i = 0; i < 2; i++) {
        char fresh[16];
        snprintf(fresh, sizeof fresh, "fresh-%d", i);
        world_sql(old, "BEGIN ISOLATION LEVEL %s", isolations[i]);
        world_number(old, "SELECT count(*) FROM public.effects");
        assert_int_equal(shop_do(&kind, shop, early, CANCEL), ASSENT_BARRIER_EMPTY);
        uint64_t removed;
        assert_int_equal(shop_collect(shop, 37 + (unsigned)i, 0, &removed), ASSENT_OK);
        assert_int_equal(enter(old, early, TRY, &entry, &error), ASSENT_BUSY);
        world_sql(old, "ROLLBACK");
        world_sql(old, "BEGIN ISOLATION LEVEL %s", isolations[i]);
        world_number(old, "SELECT count(*) FROM public.effects");
        assert_int_equal(shop_do(&kind, shop, fresh, CANCEL), ASSENT_BARRIER_EMPTY);
        assert_int_equal(enter(old, fresh, TRY, &entry, &error), ASSENT_BUSY);
        world_sql(old, "ROLLBACK");
    }
    assert_non_null(strstr(error.message, "begin again"));
    PQfinish(old);
    end_shop(&shop, &dir);
}

static void deadlocks_and_timeouts_are_busy(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    PGconn *other = world_connect();
    assent_barrier_entry entry;
    assent_error error;
    world_sql(shop->conn, "BEGIN");
    assert_int_equal(enter(shop->conn, "a", TRY, &entry, NULL), ASSENT_OK);
    world_sql(other, "SET lock_timeout = '20ms'");
    world_sql(other, "BEGIN");
    assert_int_equal(enter(other, "a", TRY, &entry, &error), ASSENT_BUSY);
    world_sql(other, "ROLLBACK");
    world_sql(other, "SET lock_timeout = 0; SET statement_timeout = '20ms'");
    world_sql(other, "BEGIN");
    assert_int_equal(enter(other, "a", TRY, &entry, &error), ASSENT_BUSY);
    world_sql(other, "ROLLBACK");
    world_sql(shop->conn, "ROLLBACK");
    PQfinish(other);
    end_shop(&shop, &dir);
}

// ---- transactions, tables, settings ----

static void a_transaction_must_be_open(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    PGconn *conn = shop->conn;
    assent_barrier_entry entry;
    assent_error error;
    assert_int_equal(enter(conn, "g", TRY, &entry, &error), ASSENT_STATE);
    assert_non_null(strstr(error.message, "BEGIN"));
    assert_int_equal(assent_barrier_postgres_answer(conn, "g", 0, TRY, "", 0, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_postgres_forget(conn, "g", 0, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_postgres_seal(conn, "g", 0, TRY, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_postgres_collect(conn, 1, 0, NULL, NULL), ASSENT_STATE);
    assert_int_equal(enter(NULL, "g", TRY, &entry, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_postgres_enter(conn, "g", 0, TRY, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_postgres_create(NULL, NULL), ASSENT_INVALID);
    world_sql(conn, "BEGIN"); // one that has failed
    PQclear(PQexec(conn, "SELECT 1 / 0"));
    assert_int_equal(enter(conn, "g", TRY, &entry, &error), ASSENT_STATE);
    world_sql(conn, "ROLLBACK");
    world_sql(conn, "BEGIN READ ONLY");
    assert_int_equal(enter(conn, "g", TRY, &entry, &error), ASSENT_DENIED);
    world_sql(conn, "ROLLBACK");
    assert_int_equal(shop_rows(shop), 0);
    end_shop(&shop, &dir);
}

static void answers_are_kept_once(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    PGconn *conn = shop->conn;
    assent_barrier_entry entry;
    world_sql(conn, "BEGIN");
    assert_int_equal(assent_barrier_postgres_answer(conn, "g", 0, TRY, "a", 1, NULL), ASSENT_STATE);
    assert_int_equal(enter(conn, "g", TRY, &entry, NULL), ASSENT_OK);
    assert_int_equal(assent_barrier_postgres_answer(conn, "g", 0, TRY, NULL, 1, NULL),
                     ASSENT_INVALID);
    assert_int_equal(assent_barrier_postgres_answer(conn, "g", 0, TRY, NULL, 0, NULL), ASSENT_OK);
    assert_int_equal(assent_barrier_postgres_answer(conn, "g", 0, TRY, "b", 1, NULL), ASSENT_STATE);
    world_sql(conn, "COMMIT");
    end_shop(&shop, &dir);
}

static int create(PGconn *conn, const char *said)
{
    assent_error error = {0};
    int code = assent_barrier_postgres_create(conn, &error);
    if (said && !strstr(error.message, said))
        fail_msg("'%s' does not say '%s'", error.message, said);
    return code;
}

static void other_tables_are_refused(void **state)
{
    (void)state;
    static const char *const tables[][2] = {
        {"CREATE TABLE assent.barrier (x int)", "assent.barrier"},
        {("CREATE TABLE assent.barrier (gtid text, branch integer, operation text, state text, "
          "leased_ms bigint, answer bytea)"),
         "assent.barrier"},
        {("CREATE UNLOGGED TABLE assent.barrier (gtid text, branch integer, operation text, state "
          "text, leased_ms bigint, answer bytea, PRIMARY KEY (gtid, branch, operation)); INSERT "
          "INTO assent.barrier VALUES ('', 0, '', 'horizon', 0)"),
         "unlogged"},
        {("CREATE TABLE assent.barrier (gtid text, branch integer, operation text, state text, "
          "leased_ms bigint, answer bytea, PRIMARY KEY (gtid, branch, operation))"),
         "no horizon"},
        {"CREATE VIEW assent.barrier AS SELECT 1 AS gtid, 2 AS branch", "assent.barrier"},
    };
    PGconn *conn = world_connect();
    assent_barrier_entry entry;
    assent_error error = {0};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        world_sql(conn, "DROP SCHEMA IF EXISTS assent CASCADE; CREATE SCHEMA assent");
        world_sql(conn, "%s", tables[i][0]);
        assert_int_equal(create(conn, tables[i][1]), ASSENT_CONFIG);
    }
    world_sql(conn, "DROP SCHEMA assent CASCADE");
    world_sql(conn, "BEGIN");
    assert_int_equal(enter(conn, "g", TRY, &entry, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "does not exist"));
    assert_non_null(strstr(error.message, "_create"));
    world_sql(conn, "ROLLBACK");
    assert_int_equal(enter(conn, "g", TRY, &entry, NULL), ASSENT_STATE);
    // In the transaction of the caller, whatever else there is of that name.
    world_sql(conn, "CREATE TEMP TABLE barrier (x int); SET search_path = pg_temp");
    world_sql(conn, "BEGIN");
    assert_int_equal(create(conn, NULL), ASSENT_OK);
    world_sql(conn, "COMMIT");
    assert_int_equal(create(conn, NULL), ASSENT_OK);
    world_sql(conn, "BEGIN");
    assert_int_equal(enter(conn, "g", TRY, &entry, NULL), ASSENT_OK);
    world_sql(conn, "ROLLBACK");
    world_sql(conn, "SET synchronous_commit = off");
    assert_int_equal(create(conn, "SET synchronous_commit"), ASSENT_CONFIG);
    PQfinish(conn);
}

static void *create_there(void *arg)
{
    PGconn *conn = arg;
    return assent_barrier_postgres_create(conn, NULL) == ASSENT_OK ? conn : NULL;
}

static void many_make_the_table_at_once(void **state)
{
    (void)state;
    enum { MAKERS = 6 };
    PGconn *conns[MAKERS];
    pthread_t threads[MAKERS];
    for (int i = 0; i < MAKERS; i++)
        conns[i] = world_connect();
    for (int round = 0; round < 5; round++) {
        world_sql(conns[0], "DROP SCHEMA IF EXISTS assent CASCADE");
        for (int i = 0; i < MAKERS; i++)
            assert_int_equal(pthread_create(&threads[i], NULL, create_there, conns[i]), 0);
        for (int i = 0; i < MAKERS; i++) {
            void *good;
            pthread_join(threads[i], &good);
            assert_non_null(good);
        }
    }
    for (int i = 0; i < MAKERS; i++)
        PQfinish(conns[i]);
}

static void rights(void **state)
{
    (void)state;
    PGconn *root = world_connect();
    assent_barrier_entry entry;
    assert_int_equal(create(root, NULL), ASSENT_OK);
    world_sql(root, "CREATE ROLE clerk LOGIN");
    PGconn *clerk = world_connect_to(world_conninfo_of("postgres", "clerk"));
    assert_int_equal(create(clerk, "permission denied"), ASSENT_DENIED);
    world_sql(clerk, "BEGIN");
    assert_int_equal(enter(clerk, "clerk", TRY, &entry, NULL), ASSENT_DENIED);
    world_sql(clerk, "ROLLBACK");
    PQfinish(clerk);
    // As the documentation has it.
    world_sql(root, "CREATE DATABASE documented");
    world_server("documented documented");
    clerk = world_connect_to(world_conninfo_of("documented", "clerk"));
    assert_int_equal(create(clerk, NULL), ASSENT_OK);
    world_sql(clerk, "BEGIN");
    assert_int_equal(enter(clerk, "clerk", TRY, &entry, NULL), ASSENT_OK);
    world_sql(clerk, "COMMIT");
    PQfinish(clerk);
    world_sql(root, "DROP DATABASE documented");
    world_sql(root, "DROP ROLE clerk");
    PQfinish(root);
}

static void damaged_rows_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "('g', 0, 'tr', 'done', 0, NULL)",
        "('g', 0, 'try', 'horizon', 0, NULL)",
        "('g', 0, 'try', 'done', 0, decode(repeat('00', 513), 'hex'))",
        "('g', 0, 'deliver', 'fenced', 0, NULL)",
        "('g', 0, 'confirm', 'done', 0, NULL)",
        "('g', 0, 'check', 'done', 0, NULL)",
    };
    static const assent_barrier_operation asked[] = {
        TRY, TRY, TRY, ASSENT_BARRIER_DELIVER, TRY, ASSENT_BARRIER_SEND};
    char *dir;
    struct shop *shop = start(&dir);
    for (size_t i = 0; i < 6; i++) {
        assent_barrier_entry entry;
        assent_error error = {0};
        world_sql(shop->conn, "BEGIN");
        world_sql(shop->conn, "INSERT INTO assent.barrier VALUES %s", rows[i]);
        assert_int_equal(enter(shop->conn, "g", asked[i], &entry, &error), ASSENT_CORRUPT);
        assert_non_null(strstr(error.message, " g"));
        world_sql(shop->conn, "ROLLBACK");
    }
    end_shop(&shop, &dir);
}

// ---- the server dies ----

static void what_was_committed_is_there_after_a_kill(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    assent_barrier_entry entry;
    assent_error error;
    shop_do(&kind, shop, "kept", TRY);
    world_sql(shop->conn, "BEGIN");
    assert_int_equal(enter(shop->conn, "lost", TRY, &entry, NULL), ASSENT_OK);
    world_server("kill");
    assert_int_equal(enter(shop->conn, "lost", TRY, &entry, &error), ASSENT_UNAVAILABLE);
    PQreset(shop->conn);
    assert_int_equal(shop_do(&kind, shop, "kept", TRY), ASSENT_BARRIER_DUPLICATE);
    assert_int_equal(shop_do(&kind, shop, "lost", TRY), RUN);
    end_shop(&shop, &dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TESTS(&kind),
        cmocka_unit_test(races),
        cmocka_unit_test(kills),
        cmocka_unit_test(the_second_waits_for_the_first),
        cmocka_unit_test(old_snapshots_are_refused),
        cmocka_unit_test(deadlocks_and_timeouts_are_busy),
        cmocka_unit_test(a_transaction_must_be_open),
        cmocka_unit_test(answers_are_kept_once),
        cmocka_unit_test(other_tables_are_refused),
        cmocka_unit_test(many_make_the_table_at_once),
        cmocka_unit_test(rights),
        cmocka_unit_test(damaged_rows_are_refused),
        cmocka_unit_test(what_was_committed_is_there_after_a_kill),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
