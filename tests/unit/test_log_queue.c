// SPDX-License-Identifier: Apache-2.0
#include "store/log_queue.h"

#include "shelf.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/crash_point.h"

enum { PATIENCE_MS = 30000 };

// A queue over a store of its own.
struct desk {
    struct shelf *shelf; // its store is the queue's
    struct log_queue *queue;
};

// A store in memory has these faults from the start; the log thread alone touches it later.
static void start_faulty(struct desk *desk, struct memory_faults faults,
                         const struct log_queue_options *options)
{
    desk->shelf = shelf_new(false, 0);
    *memory_disk_faults(desk->shelf->disk) = faults;
    desk->queue = log_queue_new(desk->shelf->store, options, NULL);
    assert_non_null(desk->queue);
}

static void start(struct desk *desk, bool leveldb, const struct log_queue_options *options)
{
    desk->shelf = shelf_new(leveldb, 0);
    desk->queue = log_queue_new(desk->shelf->store, options, NULL);
    assert_non_null(desk->queue);
}

static void stop(struct desk *desk)
{
    log_queue_destroy(&desk->queue);
    desk->shelf->store = NULL;
    shelf_destroy(desk->shelf);
}

static void put(struct desk *desk, uint64_t token, const char *key, const char *value,
                unsigned flags)
{
    struct store_put what = shelf_a_put(key, value, flags, token);
    enum haste haste = flags & SHELF_LAZY ? HASTE_LAZY : HASTE_NOW;
    assert_true(log_queue_put(desk->queue, token, &what, haste));
}

static void put_in(struct desk *desk, uint64_t token, const char *key, enum haste haste)
{
    struct store_put what = shelf_a_put(key, "1", 0, token);
    assert_true(log_queue_put(desk->queue, token, &what, haste));
    log_queue_flush(desk->queue);
}

// The next answer; fails the test when none comes.
static struct log_answer next(struct desk *desk)
{
    struct log_answer answer;
    while (!log_queue_next(desk->queue, &answer)) {
        struct pollfd ready = {.fd = log_queue_fd(desk->queue), .events = POLLIN};
        if (poll(&ready, 1, PATIENCE_MS) != 1)
            fail_msg("no answer");
        assert_false(log_queue_failed(desk->queue, NULL));
    }
    return answer;
}

static void expect(struct desk *desk, enum log_op op, uint64_t token)
{
    struct log_answer answer = next(desk);
    assert_int_equal(answer.op, op);
    assert_int_equal(answer.token, token);
    log_answer_free(&answer);
}

static const struct log_queue_options plain = {.lazy_ms = 5};

static void answers_come_in_order(void **state)
{
    (void)state;
    struct desk desk;
    start(&desk, true, &plain);
    for (uint64_t i = 0; i < 500; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)(i % 50));
        if (i % 7 == 3)
            assert_true(log_queue_lookup(desk.queue, i, slice_text(key)));
        else
            put(&desk, i, key, "value", i % 5 == 2 ? SHELF_LAZY : 0);
        if (i % 13 == 0)
            log_queue_flush(desk.queue);
    }
    log_queue_flush(desk.queue);
    for (uint64_t i = 0; i < 500; i++)
        expect(&desk, i % 7 == 3 ? LOG_LOOKUP : LOG_PUT, i);
    struct log_answer none;
    assert_false(log_queue_next(desk.queue, &none));
    stop(&desk);
}

static void nothing_starts_before_the_flush(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats;
    struct log_answer none;
    start(&desk, false, &plain);
    put(&desk, 1, "a", "1", 0);
    assert_false(log_queue_next(desk.queue, &none));
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.depth, 1);
    assert_int_equal(stats.batches, 0);
    log_queue_flush(desk.queue);
    expect(&desk, LOG_PUT, 1);
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.depth, 0);
    assert_int_equal(stats.batches, 1);
    assert_int_equal(stats.keys, 1);
    stop(&desk);
}

static void a_turn_is_one_batch_and_one_sync(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats;
    start(&desk, true, &plain);
    for (uint64_t i = 0; i < 100; i++)
        put(&desk, i, "a", "1", i % 2 ? SHELF_LAZY : 0);
    log_queue_flush(desk.queue);
    for (uint64_t i = 0; i < 100; i++) {
        struct log_answer answer = next(&desk);
        assert_int_equal(answer.head_seq, 101);
    }
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.batches, 1);
    assert_int_equal(stats.syncs, 1);
    assert_int_equal(stats.puts, 100);
    stop(&desk);
}

static void a_batch_has_a_limit(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats;
    const struct log_queue_options small = {.lazy_ms = 5, .batch_max = 10};
    start(&desk, false, &small);
    for (uint64_t i = 0; i < 95; i++)
        put(&desk, i, "a", "1", 0);
    log_queue_flush(desk.queue);
    for (uint64_t i = 0; i < 95; i++)
        expect(&desk, LOG_PUT, i);
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.batches, 10);
    stop(&desk);
}

static void what_stands_is_told(void **state)
{
    (void)state;
    struct desk desk;
    unsigned decide = SHELF_DECIDE | SHELF_DECIDED;
    start(&desk, true, &plain);
    put(&desk, 1, "a", "commit", decide);
    put(&desk, 2, "a", "abort", decide);
    assert_true(log_queue_lookup(desk.queue, 3, slice_text("a")));
    assert_true(log_queue_lookup(desk.queue, 4, slice_text("b")));
    log_queue_flush(desk.queue);
    struct log_answer answer = next(&desk);
    assert_int_equal(answer.answer, STORE_STANDS);
    answer = next(&desk);
    assert_int_equal(answer.answer, STORE_OTHER);
    assert_int_equal(answer.value_size, 6);
    assert_memory_equal(answer.value, "commit", 6);
    log_answer_free(&answer);
    answer = next(&desk);
    assert_int_equal(answer.code, ASSENT_OK);
    assert_memory_equal(answer.value, "commit", 6);
    log_answer_free(&answer);
    answer = next(&desk);
    assert_int_equal(answer.code, ASSENT_UNKNOWN);
    assert_null(answer.value);
    stop(&desk);
}

static void lazy_records_are_written_without_a_sync(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats;
    start(&desk, false, &plain);
    put(&desk, 1, "a", "1", SHELF_LAZY);
    log_queue_flush(desk.queue);
    struct log_answer answer = next(&desk);
    assert_int_equal(answer.head_seq, 1); // it is not durable, and nobody says so
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.syncs, 0);
    stop(&desk);
}

static void wait_for_company(enum haste haste)
{
    struct desk desk;
    struct log_queue_stats stats;
    const struct log_queue_options options = {.lazy_ms = PATIENCE_MS, .patient_ms = PATIENCE_MS};
    start(&desk, false, &options);
    put_in(&desk, 1, "a", haste);
    put_in(&desk, 2, "b", haste);
    put(&desk, 3, "c", "1", 0);
    log_queue_flush(desk.queue);
    for (uint64_t i = 1; i <= 3; i++)
        expect(&desk, LOG_PUT, i);
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.batches, 1);
    stop(&desk);
}

static void lazy_records_wait_for_company(void **state)
{
    (void)state;
    wait_for_company(HASTE_LAZY);
}

static void patient_records_wait_for_company(void **state)
{
    (void)state;
    wait_for_company(HASTE_PATIENT);
}

static void patient_records_are_synced_alone_in_the_end(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats;
    const struct log_queue_options options = {.lazy_ms = PATIENCE_MS, .patient_ms = 1};
    start(&desk, false, &options);
    put(&desk, 1, "a", "1", SHELF_LAZY);
    put_in(&desk, 2, "b", HASTE_PATIENT);
    expect(&desk, LOG_PUT, 1);
    struct log_answer answer = next(&desk);
    assert_int_equal(answer.head_seq, 3); // durable, and the lazy one with it
    log_queue_stats(desk.queue, &stats);
    assert_int_equal(stats.syncs, 1);
    stop(&desk);
}

// What a lookup tells goes out into the world.
static void a_lookup_does_not_rest_on_what_may_be_lost(void **state)
{
    (void)state;
    struct desk desk;
    start(&desk, false, &plain);
    put(&desk, 1, "a", "1", SHELF_LAZY);
    log_queue_flush(desk.queue);
    expect(&desk, LOG_PUT, 1);
    assert_true(log_queue_lookup(desk.queue, 2, slice_text("a")));
    log_queue_flush(desk.queue);
    struct log_answer answer = next(&desk);
    assert_int_equal(answer.head_seq, 2);
    log_answer_free(&answer);
    stop(&desk);
}

struct seen {
    int count;
    uint64_t last_seq;
};

static int see(void *arg, const struct store_record *record)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last_seq = record->seq;
    return seen->count == 3;
}

static void scans_run_on_the_log_thread(void **state)
{
    (void)state;
    struct desk desk;
    struct seen seen = {0};
    start(&desk, true, &plain);
    for (uint64_t i = 0; i < 5; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)i);
        put(&desk, i, key, "1", i % 2 ? 0 : SHELF_OPEN);
    }
    assert_true(log_queue_scan(desk.queue, 9, false, true, 0, see, &seen));
    log_queue_flush(desk.queue);
    for (uint64_t i = 0; i < 5; i++)
        expect(&desk, LOG_PUT, i);
    struct log_answer answer = next(&desk);
    assert_int_equal(answer.op, LOG_SCAN);
    assert_ptr_equal(answer.scan, &seen);
    assert_int_equal(seen.count, 3);
    assert_int_equal(seen.last_seq, 4);
    stop(&desk);
}

static void what_was_submitted_is_written_at_the_end(void **state)
{
    (void)state;
    struct desk desk;
    start(&desk, true, &(const struct log_queue_options){.lazy_ms = PATIENCE_MS});
    put(&desk, 1, "flushed", "1", SHELF_LAZY);
    log_queue_flush(desk.queue);
    put(&desk, 2, "not flushed", "1", SHELF_LAZY);
    log_queue_destroy(&desk.queue);
    desk.shelf->store = NULL;
    shelf_open(desk.shelf);
    assert_string_equal(shelf_list(desk.shelf, false, false, 0), "flushed=1 not flushed=1");
    shelf_destroy(desk.shelf);
}

// ---- collecting ----

static _Atomic uint64_t horizon_now;

static uint64_t tell_horizon(void *arg)
{
    (void)arg;
    return atomic_load(&horizon_now);
}

static void it_collects_under_load(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats;
    const struct log_queue_options options = {.lazy_ms = 5, .horizon = tell_horizon};
    start(&desk, true, &options);
    put(&desk, 0, "stuck", "1", SHELF_OPEN);
    for (uint64_t i = 1; i <= 5000; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)i);
        put(&desk, i, key, "value", 0);
        if (i % 50 == 0)
            log_queue_flush(desk.queue);
        atomic_store(&horizon_now, i > 300 ? i - 300 : 0);
    }
    for (uint64_t i = 0; i <= 5000; i++)
        expect(&desk, LOG_PUT, i);
    log_queue_stats(desk.queue, &stats);
    assert_true(stats.head_seq >= 5001);
    assert_true(stats.head_seq - stats.base_seq < 1500);
    assert_int_equal(stats.open, 1);
    stop(&desk);
}

static void it_collects_when_idle(void **state)
{
    (void)state;
    struct desk desk;
    struct log_queue_stats stats = {0};
    start(&desk, false, &plain);
    put(&desk, 1, "a", "1", 0);
    log_queue_flush(desk.queue);
    expect(&desk, LOG_PUT, 1);
    log_queue_horizon(desk.queue, 100);
    log_queue_horizon(desk.queue, 7); // it only rises
    for (int waited = 0; waited < PATIENCE_MS && (stats.keys || !stats.head_seq); waited += 10) {
        poll(NULL, 0, 10);
        log_queue_stats(desk.queue, &stats);
    }
    assert_int_equal(stats.keys, 0);
    stop(&desk);
}

// ---- failures ----

static void wait_for_failure(struct desk *desk, assent_error *error)
{
    struct log_answer answer;
    for (int i = 0; i < 1000 && !log_queue_failed(desk->queue, error); i++) {
        struct pollfd ready = {.fd = log_queue_fd(desk->queue), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, PATIENCE_MS), 1);
        assert_false(log_queue_next(desk->queue, &answer));
    }
    assert_true(log_queue_failed(desk->queue, error));
}

static void a_failure_is_final(void **state)
{
    (void)state;
    const struct memory_faults faults[] = {
        {.fail_apply_at = 1}, {.fail_sync_at = 1}, {.fail_read_at = 1}};
    for (int kind = 0; kind < 3; kind++) {
        struct desk desk;
        assent_error error = {0};
        start_faulty(&desk, faults[kind], &plain);
        if (kind < 2)
            put(&desk, 2, "b", "1", 0);
        else
            assert_true(log_queue_lookup(desk.queue, 2, slice_text("a")));
        log_queue_flush(desk.queue);
        wait_for_failure(&desk, &error);
        assert_int_equal(error.code, ASSENT_IO);
        assert_non_null(strstr(error.message, "fails"));
        // And no answer ever again, though the disk would do by now; it stays readable.
        put(&desk, 3, "c", "1", 0);
        log_queue_flush(desk.queue);
        struct log_answer answer;
        assert_false(log_queue_next(desk.queue, &answer));
        struct pollfd ready = {.fd = log_queue_fd(desk.queue), .events = POLLIN};
        assert_int_equal(poll(&ready, 1, 0), 1);
        stop(&desk);
    }
}

static void a_fence_is_an_answer(void **state)
{
    (void)state;
    struct desk desk;
    start_faulty(&desk, (struct memory_faults){.fenced = true}, &plain);
    put(&desk, 1, "a", "1", 0);
    log_queue_flush(desk.queue);
    struct log_answer answer = next(&desk);
    assert_int_equal(answer.answer, STORE_FENCED);
    assert_true(log_queue_lookup(desk.queue, 2, slice_text("a")));
    log_queue_flush(desk.queue);
    answer = next(&desk);
    assert_int_equal(answer.code, ASSENT_UNKNOWN);
    stop(&desk);
}

// ---- crash points ----

static const struct log_queue_crash crash_points = {.before_write = CRASH_coord_before_log,
                                                    .after_write = CRASH_coord_after_write,
                                                    .after_sync = CRASH_coord_after_log};

// In a process of its own: dies on the way of its second synced batch.
static int dying_child(const char *dir)
{
    const struct log_queue_options options = {.lazy_ms = 1, .crash = &crash_points};
    struct store_options store_options = {.create = true};
    struct store *store;
    struct desk desk;
    if (crash_point_arm(NULL) != ASSENT_OK ||
        store_open_leveldb(dir, &store_options, &store, NULL) != ASSENT_OK)
        return 3;
    desk.queue = log_queue_new(store, &options, NULL);
    for (uint64_t i = 0; i < 10; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", (int)i);
        put(&desk, i, key, "1", i ? 0 : SHELF_LAZY);
        log_queue_flush(desk.queue);
        expect(&desk, LOG_PUT, i);
    }
    return 4;
}

// What a process that died there leaves.
static const char *crash_at(const char *point)
{
    static struct shelf shelf;
    char command[512];
    shelf = (struct shelf){.dir = unit_dir_make(), .options = {.wall_ms = 1}};
    snprintf(command, sizeof command, "ASSENT_CRASH_POINT=%s:2 exec /proc/%ld/exe die %s", point,
             (long)getpid(), shelf.dir);
    int status = system(command);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    shelf_open(&shelf);
    shelf_list(&shelf, false, false, 0);
    shelf_close(&shelf);
    unit_dir_remove(&shelf.dir);
    return shelf.text;
}

static void it_dies_where_it_is_told_to(void **state)
{
    (void)state;
    assert_string_equal(crash_at("coord_before_log"), "k0=1 k1=1");
    assert_string_equal(crash_at("coord_after_write"), "k0=1 k1=1 k2=1");
    assert_string_equal(crash_at("coord_after_log"), "k0=1 k1=1 k2=1");
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return dying_child(argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_dies_where_it_is_told_to),
        cmocka_unit_test(answers_come_in_order),
        cmocka_unit_test(nothing_starts_before_the_flush),
        cmocka_unit_test(a_turn_is_one_batch_and_one_sync),
        cmocka_unit_test(a_batch_has_a_limit),
        cmocka_unit_test(what_stands_is_told),
        cmocka_unit_test(lazy_records_are_written_without_a_sync),
        cmocka_unit_test(lazy_records_wait_for_company),
        cmocka_unit_test(patient_records_wait_for_company),
        cmocka_unit_test(patient_records_are_synced_alone_in_the_end),
        cmocka_unit_test(a_lookup_does_not_rest_on_what_may_be_lost),
        cmocka_unit_test(scans_run_on_the_log_thread),
        cmocka_unit_test(what_was_submitted_is_written_at_the_end),
        cmocka_unit_test(it_collects_under_load),
        cmocka_unit_test(it_collects_when_idle),
        cmocka_unit_test(a_failure_is_final),
        cmocka_unit_test(a_fence_is_an_answer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
