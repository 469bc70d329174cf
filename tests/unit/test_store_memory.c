// SPDX-License-Identifier: Apache-2.0
// What only the store in memory has: crashes and faults on demand.
#include "shelf.h"

#include <stdlib.h>

static void crash(struct shelf *shelf, uint64_t keep)
{
    memory_disk_crash(shelf->disk, keep);
    shelf->store = NULL;
    shelf_open(shelf);
}

static void a_crash_takes_what_was_not_synced(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", 0, 0);
    shelf_put(shelf, "a", "2", SHELF_LAZY | SHELF_OPEN, 0);
    shelf_put(shelf, "b", "1", SHELF_LAZY, 0);
    assert_int_equal(memory_disk_unsynced(shelf->disk), 2);
    crash(shelf, 0);
    assert_string_equal(shelf_list(shelf, false, false, 0), "a=1");
    assert_int_equal(shelf_info(shelf).open, 0);
    assert_int_equal(shelf_info(shelf).incarnation, 2);
    assert_int_equal(shelf_info(shelf).head_seq, 3);
}

static void or_takes_a_part_of_it_or_nothing(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", SHELF_LAZY, 0);
    shelf_put(shelf, "b", "1", SHELF_LAZY, 0);
    crash(shelf, 1);
    assert_string_equal(shelf_list(shelf, false, false, 0), "a=1");
    shelf_put(shelf, "b", "2", SHELF_LAZY, 0);
    crash(shelf, UINT64_MAX);
    assert_string_equal(shelf_list(shelf, false, false, 0), "a=1 b=2");
    crash(shelf, 0); // what an open has found is durable
    assert_string_equal(shelf_list(shelf, false, false, 0), "a=1 b=2");
}

static void what_was_collected_comes_back_with_a_crash(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "stuck", "1", SHELF_OPEN, 0);
    shelf_put(shelf, "a", "1", 0, 5);
    shelf_put(shelf, "a", "2", 0, 5);
    shelf_collect(shelf, 10);
    assert_string_equal(shelf_list(shelf, false, false, 0), "stuck*=1");
    assert_int_equal(shelf_info(shelf).horizon, 6);
    crash(shelf, 0);
    assert_string_equal(shelf_list(shelf, false, false, 0), "stuck*=1 a=2");
    assert_int_equal(shelf_info(shelf).horizon, 0);
    shelf_collect(shelf, 10);
    crash(shelf, UINT64_MAX);
    assert_string_equal(shelf_list(shelf, false, false, 0), "stuck*=1");
    assert_int_equal(shelf_info(shelf).horizon, 6);
}

static void an_older_copy_can_be_put_in_its_place(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", 0, 0);
    shelf_put(shelf, "a", "2", 0, 0);
    shelf_close(shelf);
    memory_disk_roll_back(shelf->disk, 1);
    shelf_open(shelf);
    assert_string_equal(shelf_value(shelf, "a"), "1");
}

static void one_process_at_a_time(void **state)
{
    struct shelf *shelf = *state;
    struct store *store = NULL;
    assert_int_equal(store_open_memory(shelf->disk, &shelf->options, &store, NULL), ASSENT_LOCKED);
    assert_null(store);
}

static int try_put(struct shelf *shelf, const char *key)
{
    struct store_put put = shelf_a_put(key, "1", 0, 0);
    return shelf->store->ops->apply(shelf->store, &put, 1, true, NULL);
}

static void the_kth_apply_fails_and_all_after_it(void **state)
{
    struct shelf *shelf = *state;
    bool more;
    memory_disk_faults(shelf->disk)->fail_apply_at = 3;
    assert_int_equal(try_put(shelf, "a"), ASSENT_OK);
    assert_int_equal(try_put(shelf, "b"), ASSENT_OK);
    assert_int_equal(try_put(shelf, "c"), ASSENT_IO);
    assert_int_equal(try_put(shelf, "d"), ASSENT_IO);
    assert_int_equal(shelf->store->ops->collect(shelf->store, 0, &more, NULL), ASSENT_IO);
    crash(shelf, 0);
    assert_string_equal(shelf_list(shelf, false, false, 0), "a=1 b=1");
    assert_int_equal(try_put(shelf, "e"), ASSENT_OK);
}

static void after_a_failed_sync_the_batch_may_be_there_or_not(void **state)
{
    for (uint64_t keep = 0; keep < 2; keep++) {
        struct shelf *shelf = *state;
        memory_disk_faults(shelf->disk)->fail_sync_at = 1;
        assert_int_equal(try_put(shelf, "a"), ASSENT_IO);
        assert_int_equal(try_put(shelf, "b"), ASSENT_IO);
        crash(shelf, keep);
        assert_string_equal(shelf_list(shelf, false, false, 0), keep ? "a=1" : "");
    }
}

static void the_kth_read_fails(void **state)
{
    struct shelf *shelf = *state;
    uint8_t *value;
    size_t size;
    try_put(shelf, "a");
    memory_disk_faults(shelf->disk)->fail_read_at = 2;
    for (int i = 0; i < 3; i++) {
        int code = shelf->store->ops->lookup(shelf->store, slice_text("a"), &value, &size, NULL);
        assert_int_equal(code, i == 1 ? ASSENT_IO : ASSENT_OK);
        if (code == ASSENT_OK)
            free(value);
    }
}

static void when_fenced_it_writes_nothing(void **state)
{
    struct shelf *shelf = *state;
    memory_disk_faults(shelf->disk)->fenced = true;
    assert_int_equal(shelf_put(shelf, "a", "1", 0, 0), STORE_FENCED);
    assert_null(shelf_value(shelf, "a"));
    assert_int_equal(shelf_info(shelf).head_seq, 1);
}

#define IN_MEMORY(test)                                                                            \
    {                                                                                              \
#test, test, shelf_setup_memory, shelf_teardown, NULL                                      \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_MEMORY(a_crash_takes_what_was_not_synced),
        IN_MEMORY(or_takes_a_part_of_it_or_nothing),
        IN_MEMORY(what_was_collected_comes_back_with_a_crash),
        IN_MEMORY(an_older_copy_can_be_put_in_its_place),
        IN_MEMORY(one_process_at_a_time),
        IN_MEMORY(the_kth_apply_fails_and_all_after_it),
        IN_MEMORY(after_a_failed_sync_the_batch_may_be_there_or_not),
        IN_MEMORY(the_kth_read_fails),
        IN_MEMORY(when_fenced_it_writes_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
