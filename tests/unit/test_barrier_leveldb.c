// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <leveldb/c.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "assent/assent.h"
#include "barrier_shop.h"

struct house {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_readoptions_t *reading;
    leveldb_writeoptions_t *writing;
    assent_barrier_leveldb *barrier;
    atomic_int users;
};

struct shop {
    struct house *house;
};

static leveldb_t *db_open(struct house *h, const char *dir)
{
    char path[128], *message = NULL;
    snprintf(path, sizeof path, "%s/db", dir);
    h->options = leveldb_options_create();
    leveldb_options_set_create_if_missing(h->options, 1);
    leveldb_options_set_paranoid_checks(h->options, 1);
    h->reading = leveldb_readoptions_create();
    h->writing = leveldb_writeoptions_create();
    leveldb_t *db = leveldb_open(h->options, path, &message);
    if (message)
        fail_msg("%s", message);
    return db;
}

static struct shop *shop_again(struct shop *shop)
{
    struct shop *again = malloc(sizeof *again);
    assert_non_null(again);
    *again = *shop;
    again->house->users++;
    return again;
}

static struct shop *shop_open(const char *dir)
{
    struct house *h = calloc(1, sizeof *h);
    assert_non_null(h);
    h->db = db_open(h, dir);
    assert_int_equal(assent_barrier_leveldb_open(h->db, NULL, &h->barrier, NULL), ASSENT_OK);
    return shop_again(&(struct shop){h});
}

static void shop_close(struct shop **shop_p)
{
    struct house *h = (*shop_p)->house;
    free(*shop_p);
    *shop_p = NULL;
    if (--h->users > 0)
        return;
    assent_barrier_leveldb_close(&h->barrier);
    leveldb_close(h->db);
    leveldb_options_destroy(h->options);
    leveldb_readoptions_destroy(h->reading);
    leveldb_writeoptions_destroy(h->writing);
    free(h);
}

static int number_at(struct house *h, const char *key)
{
    char *message = NULL;
    size_t size;
    char *value = leveldb_get(h->db, h->reading, key, strlen(key), &size, &message);
    assert_null(message);
    int number = value ? value[0] - '0' : 0;
    leveldb_free(value);
    return number;
}

static void effect_key(const char *gtid, uint16_t branch, assent_barrier_operation operation,
                       char key[128])
{
    snprintf(key, 128, "effect/%s/%u/%d", gtid, branch, operation);
}

static int shop_effects(struct shop *shop, const char *gtid, uint16_t branch,
                        assent_barrier_operation operation)
{
    char key[128];
    effect_key(gtid, branch, operation, key);
    return number_at(shop->house, key);
}

static void die_if(const struct shop_order *order, enum shop_crash here)
{
    if (order->crash == here)
        kill(getpid(), SIGKILL);
}

static leveldb_writebatch_t *work(struct house *h, const struct shop_order *order)
{
    char key[128];
    effect_key(order->gtid, order->branch, order->operation, key);
    char value = (char)('1' + number_at(h, key));
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    leveldb_writebatch_put(batch, key, strlen(key), &value, 1);
    die_if(order, SHOP_DIES_WORKED);
    return batch;
}

static int shop_run(struct shop *shop, const struct shop_order *order, assent_barrier_entry *ret)
{
    struct house *h = shop->house;
    assent_barrier_turn *turn;
    leveldb_writebatch_t *batch = NULL;
    int code = assent_barrier_leveldb_enter(h->barrier, order->gtid, order->branch,
                                            order->operation, &turn, ret, NULL);
    if (code)
        return code;
    die_if(order, SHOP_DIES_ENTERED);
    if (ret->verdict == ASSENT_BARRIER_RUN) {
        batch = work(h, order);
        if (order->answer)
            code = assent_barrier_leveldb_answer(turn, order->answer, order->answer_bytes, NULL);
    }
    if (code || order->no)
        assent_barrier_leveldb_abandon(&turn);
    else
        code = assent_barrier_leveldb_commit(&turn, batch, NULL);
    assert_null(turn);
    if (batch)
        leveldb_writebatch_destroy(batch);
    die_if(order, SHOP_DIES_DONE);
    return code;
}

static int shop_forget(struct shop *shop, const char *gtid, uint16_t branch)
{
    return assent_barrier_leveldb_forget(shop->house->barrier, gtid, branch, NULL);
}

static int shop_seal(struct shop *shop, const char *gtid, uint16_t branch,
                     assent_barrier_operation forward)
{
    return assent_barrier_leveldb_seal(shop->house->barrier, gtid, branch, forward, NULL);
}

static int shop_collect(struct shop *shop, uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret)
{
    return assent_barrier_leveldb_collect(shop->house->barrier, horizon_ms, rows_max, ret, NULL);
}

static int shop_rows(struct shop *shop)
{
    int count = 0;
    leveldb_iterator_t *at = leveldb_create_iterator(shop->house->db, shop->house->reading);
    for (leveldb_iter_seek_to_first(at); leveldb_iter_valid(at); leveldb_iter_next(at)) {
        size_t size;
        const char *key = leveldb_iter_key(at, &size);
        count += size > 22 && memcmp(key, "assent_barrier/", 15) == 0;
    }
    leveldb_iter_destroy(at);
    return count;
}

static struct shop_kind kind = {
    .name = "LevelDB",
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
    assert_true(shop_race(&kind, 400));
    assert_true(shop_late_tries(&kind));
    assert_true(shop_race_horizon(&kind, 300));
}

static void kills(void **state)
{
    (void)state;
    shop_test_kills(&kind, 15);
}

// ---- what LevelDB's has besides ----

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

static void put(struct shop *shop, const char *key, const char *value)
{
    char *message = NULL;
    leveldb_put(shop->house->db, shop->house->writing, key, strlen(key), value, strlen(value),
                &message);
    assert_null(message);
}

static int enter(struct shop *shop, const char *gtid, assent_barrier_operation operation,
                 assent_error *error)
{
    assent_barrier_turn *turn = NULL;
    assent_barrier_entry entry;
    int code = assent_barrier_leveldb_enter(shop->house->barrier, gtid, 0, operation, &turn, &entry,
                                            error);
    assert_int_equal(turn != NULL, code == ASSENT_OK);
    assent_barrier_leveldb_abandon(&turn);
    return code;
}

static void rows_are_as_documented(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    assent_barrier_entry entry;
    struct shop_order order = {
        .gtid = "g", .operation = ASSENT_BARRIER_TRY, .answer = "hello", .answer_bytes = 5};
    assert_int_equal(shop_run(shop, &order, &entry), ASSENT_OK);
    char *message = NULL;
    size_t size;
    char *value = leveldb_get(shop->house->db, shop->house->reading, "assent_barrier/g/0/try", 22,
                              &size, &message);
    assert_int_equal(size, 6);
    assert_memory_equal(value, "dhello", 6);
    leveldb_free(value);
    put(shop, "assent_barrier/f/0/send", "f");
    assert_int_equal(shop_do(&kind, shop, "f", ASSENT_BARRIER_SEND), ASSENT_BARRIER_REFUSED);
    put(shop, "assent_barrier/horizon", "37");
    assert_int_equal(shop_do(&kind, shop, "00000000.1.10.5", ASSENT_BARRIER_TRY),
                     ASSENT_BARRIER_REFUSED);
    end(&shop, &dir);
}

static void damaged_rows_are_refused(void **state)
{
    (void)state;
    char *dir, longer[515];
    struct shop *shop = start(&dir);
    assent_error error;
    memset(longer, 'd', sizeof longer - 1);
    longer[sizeof longer - 1] = '\0';
    const char *const wrong[] = {"", "x", "ff", "D", longer};
    for (size_t i = 0; i < 5; i++) {
        put(shop, "assent_barrier/g/0/try", wrong[i]);
        assert_int_equal(enter(shop, "g", ASSENT_BARRIER_TRY, &error), ASSENT_CORRUPT);
        assert_non_null(strstr(error.message, "assent_barrier/g/0/try"));
    }
    put(shop, "assent_barrier/g/0/try", "d");
    put(shop, "assent_barrier/g/0/confirm", "d");
    put(shop, "assent_barrier/g/0/cancel", "d");
    assert_int_equal(enter(shop, "g", ASSENT_BARRIER_TRY, &error), ASSENT_CORRUPT);
    assert_non_null(strstr(error.message, "contradict"));
    const char *const horizons[] = {"", "-1", "x", "037", "99999999999999999999999"};
    for (size_t i = 0; i < 5; i++) {
        put(shop, "assent_barrier/horizon", horizons[i]);
        assert_int_equal(enter(shop, "h", ASSENT_BARRIER_TRY, &error), ASSENT_CORRUPT);
        assert_int_equal(shop_collect(shop, 1, 0, NULL), ASSENT_CORRUPT);
    }
    end(&shop, &dir);
}

static void prefixes_are_apart(void **state)
{
    (void)state;
    char *dir, prefix[66] = {0};
    struct shop *shop = start(&dir);
    assent_barrier_leveldb *other = NULL;
    memset(prefix, 'p', 65);
    assert_int_equal(assent_barrier_leveldb_open(shop->house->db, prefix, &other, NULL),
                     ASSENT_INVALID);
    assert_int_equal(assent_barrier_leveldb_open(NULL, NULL, &other, NULL), ASSENT_INVALID);
    assert_null(other);
    prefix[64] = '\0';
    char gtid[65] = {0};
    memset(gtid, 'z', 64);
    shop_do(&kind, shop, gtid, ASSENT_BARRIER_CANCEL);
    assert_int_equal(assent_barrier_leveldb_open(shop->house->db, prefix, &other, NULL), ASSENT_OK);
    assent_barrier_leveldb *first = shop->house->barrier;
    shop->house->barrier = other;
    struct shop_order order = {
        .gtid = gtid, .branch = 65535, .operation = ASSENT_BARRIER_COMPENSATE};
    assent_barrier_entry entry;
    assert_int_equal(shop_run(shop, &order, &entry), ASSENT_OK);
    assert_int_equal(shop_do(&kind, shop, gtid, ASSENT_BARRIER_TRY), ASSENT_BARRIER_RUN);
    shop->house->barrier = first;
    assent_barrier_leveldb_close(&other);
    assent_barrier_leveldb_close(&other);
    end(&shop, &dir);
}

struct waiter {
    struct shop *shop;
    atomic_bool through;
};

static void *wait_for_a_turn(void *arg)
{
    struct waiter *w = arg;
    shop_do(&kind, w->shop, "g", ASSENT_BARRIER_CANCEL);
    w->through = true;
    return NULL;
}

static void turns_are_one_after_the_other(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    struct waiter waiter = {.shop = shop};
    assent_barrier_leveldb *barrier = shop->house->barrier;
    assent_barrier_turn *turn, *another = NULL, *third;
    assent_barrier_entry entry;
    assent_error error;
    assert_int_equal(
        assent_barrier_leveldb_enter(barrier, "g", 0, ASSENT_BARRIER_TRY, &turn, &entry, NULL),
        ASSENT_OK);
    assert_int_equal(
        assent_barrier_leveldb_enter(barrier, "g", 0, ASSENT_BARRIER_TRY, &another, &entry, &error),
        ASSENT_STATE);
    assert_null(another);
    assert_int_equal(shop_forget(shop, "g", 0), ASSENT_STATE);
    // Other branches are not waited for.
    assert_int_equal(
        assent_barrier_leveldb_enter(barrier, "g", 1, ASSENT_BARRIER_TRY, &third, &entry, NULL),
        ASSENT_OK);
    assent_barrier_leveldb_abandon(&third);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, wait_for_a_turn, &waiter), 0);
    usleep(20000); // it may not come through, whether it is there already or not
    assert_false(waiter.through);
    assert_int_equal(assent_barrier_leveldb_commit(&turn, NULL, NULL), ASSENT_OK);
    pthread_join(thread, NULL);
    assert_int_equal(shop_effects(shop, "g", 0, ASSENT_BARRIER_CANCEL), 1);
    end(&shop, &dir);
}

static void only_what_runs_is_written(void **state)
{
    (void)state;
    char *dir;
    struct shop *shop = start(&dir);
    assent_barrier_leveldb *barrier = shop->house->barrier;
    assent_barrier_turn *turn = NULL;
    assent_barrier_entry entry;
    leveldb_writebatch_t *batch = leveldb_writebatch_create();
    leveldb_writebatch_put(batch, "business", 8, "1", 1);
    assert_int_equal(assent_barrier_leveldb_commit(&turn, batch, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_leveldb_answer(NULL, "", 0, NULL), ASSENT_INVALID);
    assert_int_equal(
        assent_barrier_leveldb_enter(barrier, "g", 0, ASSENT_BARRIER_CANCEL, &turn, &entry, NULL),
        ASSENT_OK);
    assert_int_equal(entry.verdict, ASSENT_BARRIER_EMPTY);
    assert_int_equal(assent_barrier_leveldb_answer(turn, "a", 1, NULL), ASSENT_STATE);
    assert_int_equal(assent_barrier_leveldb_commit(&turn, batch, NULL), ASSENT_STATE);
    assert_null(turn);
    assert_int_equal(number_at(shop->house, "business"), 0);
    assert_int_equal(shop_rows(shop), 0);
    assert_int_equal(
        assent_barrier_leveldb_enter(barrier, "g", 0, ASSENT_BARRIER_TRY, &turn, &entry, NULL),
        ASSENT_OK);
    assert_int_equal(assent_barrier_leveldb_answer(turn, NULL, 1, NULL), ASSENT_INVALID);
    assert_int_equal(assent_barrier_leveldb_answer(turn, NULL, 0, NULL), ASSENT_OK);
    assert_int_equal(assent_barrier_leveldb_answer(turn, "b", 1, NULL), ASSENT_STATE);
    // Much business at once.
    static char much[1 << 20];
    for (int i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "much-%d", i);
        leveldb_writebatch_put(batch, key, strlen(key), much, sizeof much);
    }
    assert_int_equal(assent_barrier_leveldb_commit(&turn, batch, NULL), ASSENT_OK);
    assert_int_equal(number_at(shop->house, "business"), 1);
    leveldb_writebatch_destroy(batch);
    end(&shop, &dir);
}

// In a process of its own: its files may not grow any further, so the next write fails.
static void until_the_disk_is_full(const char *dir)
{
    struct shop *shop = shop_open(dir);
    assent_barrier_entry entry;
    assent_error error = {0};
    assert_int_equal(shop_do(&kind, shop, "before", ASSENT_BARRIER_TRY), ASSENT_BARRIER_RUN);
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){.rlim_cur = 200, .rlim_max = RLIM_INFINITY});
    int code = ASSENT_OK;
    for (int i = 0; i < 100 && !code; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "full-%d", i);
        struct shop_order order = {.gtid = gtid, .operation = ASSENT_BARRIER_TRY};
        code = shop_run(shop, &order, &entry);
    }
    assert_int_equal(code, ASSENT_IO);
    // Room again, but what the failed write left is not known: nobody gets in.
    setrlimit(RLIMIT_FSIZE, &(struct rlimit){RLIM_INFINITY, RLIM_INFINITY});
    assert_int_equal(enter(shop, "before", ASSENT_BARRIER_TRY, &error), ASSENT_IO);
    assert_non_null(strstr(error.message, "has failed before"));
    assert_int_equal(shop_forget(shop, "before", 0), ASSENT_IO);
    assert_int_equal(shop_collect(shop, 1, 0, NULL), ASSENT_IO);
    _exit(0);
}

static void a_failed_write_is_told_and_the_last(void **state)
{
    (void)state;
    char *dir = unit_dir_make();
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        until_the_disk_is_full(dir);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    struct shop *shop = shop_open(dir);
    int done = 0;
    for (int i = 0; i < 100; i++) { // each is there with its effect, or is not
        char gtid[16];
        snprintf(gtid, sizeof gtid, "full-%d", i);
        int effects = shop_effects(shop, gtid, 0, ASSENT_BARRIER_TRY);
        assert_int_equal(shop_do(&kind, shop, gtid, ASSENT_BARRIER_TRY),
                         effects ? ASSENT_BARRIER_DUPLICATE : ASSENT_BARRIER_RUN);
        done += effects;
    }
    assert_true(done < 100);
    assert_int_equal(shop_do(&kind, shop, "before", ASSENT_BARRIER_TRY), ASSENT_BARRIER_DUPLICATE);
    end(&shop, &dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHOP_TESTS(&kind),
        cmocka_unit_test(races),
        cmocka_unit_test(kills),
        cmocka_unit_test(rows_are_as_documented),
        cmocka_unit_test(damaged_rows_are_refused),
        cmocka_unit_test(prefixes_are_apart),
        cmocka_unit_test(turns_are_one_after_the_other),
        cmocka_unit_test(only_what_runs_is_written),
        cmocka_unit_test(a_failed_write_is_told_and_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
