// SPDX-License-Identifier: Apache-2.0
// Collecting: what goes, what stays, and that the log and the disk stay as small as what is kept.
#include "shelf.h"

#include <stdio.h>
#include <string.h>

static uint64_t length_of(const struct shelf *shelf)
{
    struct store_info info = shelf_info(shelf);
    return info.head_seq + 1 - info.base_seq;
}

static void superseded_records_go(void **state)
{
    struct shelf *shelf = *state;
    for (int i = 0; i < 100; i++)
        shelf_put(shelf, "a", "old", 0, 10);
    shelf_put(shelf, "a", "new", 0, 10);
    shelf_collect(shelf, 0);
    assert_int_equal(length_of(shelf), 1);
    assert_string_equal(shelf_value(shelf, "a"), "new");
    assert_int_equal(shelf_info(shelf).horizon, 0);
}

static void closed_records_go_when_the_horizon_has_passed_them(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", 0, 10);
    shelf_put(shelf, "b", "1", 0, 11);
    shelf_put(shelf, "c", "1", 0, 12);
    shelf_collect(shelf, 10);
    assert_string_equal(shelf_list(shelf, false, false, 0), "a=1 b=1 c=1");
    shelf_collect(shelf, 12);
    assert_string_equal(shelf_list(shelf, false, false, 0), "c=1");
    assert_int_equal(shelf_info(shelf).horizon, 12);
    assert_int_equal(shelf_info(shelf).keys, 1);
    shelf_reopen(shelf);
    assert_string_equal(shelf_list(shelf, false, false, 0), "c=1");
    assert_int_equal(shelf_info(shelf).horizon, 12);
}

static void the_horizon_says_what_may_be_gone_and_no_more(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "a", "1", 0, 10);
    shelf_put(shelf, "b", "1", 0, 500);
    shelf_collect(shelf, 400);
    assert_int_equal(shelf_info(shelf).horizon, 11);
    shelf_collect(shelf, 100);
    assert_string_equal(shelf_list(shelf, false, false, 0), "b=1");
}

static void open_records_stay_whatever_the_horizon(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "stuck", "1", SHELF_OPEN, 1);
    for (int i = 0; i < 50; i++)
        shelf_put(shelf, i % 2 ? "x" : "y", "2", 0, 2);
    shelf_put(shelf, "other", "3", SHELF_OPEN, 1);
    shelf_collect(shelf, 1000);
    // Carried to the head, so that they hold nothing back; the age of the two may change.
    assert_int_equal(shelf_info(shelf).keys, 2);
    assert_string_equal(shelf_value(shelf, "stuck"), "1");
    assert_string_equal(shelf_value(shelf, "other"), "3");
    assert_null(shelf_value(shelf, "x"));
    assert_true(length_of(shelf) < 8);
    shelf_reopen(shelf);
    assert_string_equal(shelf_value(shelf, "stuck"), "1");
    assert_int_equal(shelf_info(shelf).open, 2);
}

static void a_carried_decision_still_stands(void **state)
{
    struct shelf *shelf = *state;
    unsigned decide = SHELF_DECIDE | SHELF_DECIDED;
    shelf_put(shelf, "a", "commit", decide | SHELF_OPEN, 1);
    for (int i = 0; i < 50; i++)
        shelf_put(shelf, "x", "2", 0, 2);
    uint64_t base = shelf_info(shelf).base_seq;
    shelf_collect(shelf, 1000);
    assert_true(shelf_info(shelf).base_seq > base + 2);
    assert_int_equal(shelf_put(shelf, "a", "abort", decide, 0), STORE_OTHER);
    shelf_put(shelf, "a", "ended", 0, 5);
    shelf_collect(shelf, 1000);
    assert_null(shelf_value(shelf, "a"));
}

static void a_log_of_open_records_rests(void **state)
{
    struct shelf *shelf = *state;
    char key[16];
    for (int i = 0; i < 300; i++) {
        snprintf(key, sizeof key, "k%d", i);
        shelf_put(shelf, key, "1", SHELF_OPEN, 1);
    }
    shelf_collect(shelf, 1000);
    uint64_t head = shelf_info(shelf).head_seq;
    for (int i = 0; i < 10; i++)
        shelf_collect(shelf, 1000);
    assert_int_equal(shelf_info(shelf).head_seq, head);
    assert_int_equal(shelf_info(shelf).open, 300);
}

static void forgotten_records_leave_nothing(void **state)
{
    struct shelf *shelf = *state;
    for (int i = 0; i < 20; i++) {
        shelf_put(shelf, "a", "1", SHELF_OPEN, 1);
        shelf_put(shelf, "a", "", SHELF_FORGET, 0);
    }
    shelf_collect(shelf, 0);
    assert_int_equal(length_of(shelf), 0);
    shelf_reopen(shelf);
    assert_null(shelf_value(shelf, "a"));
    shelf_put(shelf, "a", "2", 0, 0);
    assert_string_equal(shelf_value(shelf, "a"), "2");
}

static void a_cap_on_closed_records_raises_the_horizon(void **state)
{
    struct shelf *shelf = *state;
    char key[16];
    shelf->options.records_max = 10;
    shelf_reopen(shelf);
    shelf_put(shelf, "open", "1", SHELF_OPEN, 0);
    for (unsigned i = 0; i < 30; i++) {
        snprintf(key, sizeof key, "k%u", i);
        shelf_put(shelf, key, "1", 0, 100 + i);
    }
    shelf_collect(shelf, 0);
    assert_null(shelf_value(shelf, "k19"));
    assert_string_equal(shelf_value(shelf, "k20"), "1");
    assert_string_equal(shelf_value(shelf, "open"), "1");
    assert_int_equal(shelf_info(shelf).keys, 11);
    assert_int_equal(shelf_info(shelf).horizon, 120);
}

// A stamp from a clock that was wrong once must not keep everything behind it for years.
static void a_stamp_from_the_future_holds_nothing_back(void **state)
{
    struct shelf *shelf = *state;
    shelf_put(shelf, "future", "1", 0, 1000000);
    for (unsigned i = 0; i < 3000; i++) {
        shelf_put(shelf, "x", "1", SHELF_LAZY, i);
        if (i % 500 == 499) {
            shelf_put(shelf, "y", "1", 0, i);
            shelf_collect(shelf, i);
        }
    }
    assert_string_equal(shelf_value(shelf, "future"), "1");
    assert_true(length_of(shelf) < 1600);
}

static void what_is_not_durable_is_left_alone(void **state)
{
    struct shelf *shelf = *state;
    for (int i = 0; i < 10; i++)
        shelf_put(shelf, "a", "1", SHELF_LAZY, 1);
    shelf_collect(shelf, 1000);
    assert_int_equal(shelf_info(shelf).base_seq, 2);
    assert_string_equal(shelf_value(shelf, "a"), "1");
}

static void one_call_does_a_bounded_amount(void **state)
{
    struct shelf *shelf = *state;
    bool more = false;
    for (int i = 0; i < 1000; i++)
        shelf_put(shelf, "a", "1", SHELF_LAZY, 1);
    shelf_put(shelf, "a", "1", 0, 1);
    assert_int_equal(shelf->store->ops->collect(shelf->store, 0, &more, NULL), ASSENT_OK);
    assert_true(more);
    assert_true(shelf_info(shelf).base_seq < 300);
}

// ---- steady load ----

enum { TRANSACTIONS = 40000, RETAINED = 500, VALUE_SIZE = 600 };

static void one_transaction(struct shelf *shelf, unsigned number, unsigned flags)
{
    static char value[VALUE_SIZE + 1];
    char key[32];
    memset(value, 'v', VALUE_SIZE);
    snprintf(key, sizeof key, "coordinator.1.%u", number);
    shelf_put(shelf, key, value, SHELF_DECIDE | SHELF_DECIDED | SHELF_OPEN | flags, number);
    shelf_put(shelf, key, value, SHELF_DECIDED | SHELF_LAZY, number);
}

// What is kept is about 1000 records of 700 bytes; 40,000 transactions write 56 MB.
static void steady_load_keeps_log_and_disk_small(void **state)
{
    struct shelf *shelf = *state;
    uint64_t bytes_max = 0, length_max = 0;
    bool more;
    shelf_put(shelf, "stuck for weeks", "1", SHELF_OPEN, 0);
    for (unsigned i = 0; i < TRANSACTIONS; i++) {
        one_transaction(shelf, i, i % 20 ? SHELF_LAZY : 0);
        if (i % 20 == 0)
            shelf->store->ops->collect(shelf->store, i > RETAINED ? i - RETAINED : 0, &more, NULL);
        if (i % 2000 == 0) {
            uint64_t bytes = shelf->dir ? shelf_dir_bytes(shelf->dir) : 0;
            bytes_max = bytes > bytes_max ? bytes : bytes_max;
            length_max = length_of(shelf) > length_max ? length_of(shelf) : length_max;
        }
    }
    assert_true(length_max < 2 * RETAINED + 200);
    assert_in_range(bytes_max, 0, 24 << 20);
    shelf_reopen(shelf);
    assert_string_equal(shelf_value(shelf, "stuck for weeks"), "1");
    assert_true(shelf_info(shelf).keys >= RETAINED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHELF_ON_BOTH(superseded_records_go),
        SHELF_ON_BOTH(closed_records_go_when_the_horizon_has_passed_them),
        SHELF_ON_BOTH(the_horizon_says_what_may_be_gone_and_no_more),
        SHELF_ON_BOTH(open_records_stay_whatever_the_horizon),
        SHELF_ON_BOTH(a_carried_decision_still_stands),
        SHELF_ON_BOTH(a_log_of_open_records_rests),
        SHELF_ON_BOTH(forgotten_records_leave_nothing),
        SHELF_ON_BOTH(a_cap_on_closed_records_raises_the_horizon),
        SHELF_ON_BOTH(a_stamp_from_the_future_holds_nothing_back),
        SHELF_ON_BOTH(what_is_not_durable_is_left_alone),
        SHELF_ON_BOTH(one_call_does_a_bounded_amount),
        SHELF_ON_BOTH(steady_load_keeps_log_and_disk_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
