// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdlib.h>

#include "base/heap.h"
#include "base/rng.h"

static void equal_deadlines_fire_in_order(void **state)
{
    (void)state;
    struct heap h;
    struct timer timers[100] = {0};
    heap_init(&h);
    assert_null(heap_first(&h));
    assert_true(heap_reserve(&h, 100));
    for (int i = 0; i < 100; i++)
        heap_arm(&h, &timers[i], 5);
    heap_arm(&h, &timers[3], 5); // armed again: goes to the end
    for (int i = 0; i < 100; i++) {
        int expected = i < 3 ? i : i < 99 ? i + 1 : 3;
        assert_ptr_equal(heap_first(&h), &timers[expected]);
        heap_disarm(&h, &timers[expected]);
        assert_false(timer_armed(&timers[expected]));
    }
    assert_null(heap_first(&h));
    heap_disarm(&h, &timers[0]);
    heap_free(&h);
}

static int by_due_and_order(const void *a, const void *b)
{
    const struct timer *x = *(struct timer *const *)a, *y = *(struct timer *const *)b;
    if (x->due_ms != y->due_ms)
        return x->due_ms < y->due_ms ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

// Arms, moves and disarms at random, then drains: the order must be that of a sort.
static void drains_as_a_sort_would(void **state)
{
    (void)state;
    enum { TIMERS = 300 };
    for (uint64_t seed = 0; seed < 100; seed++) {
        struct timer timers[TIMERS] = {0}, *sorted[TIMERS];
        struct heap h;
        struct rng rng;
        rng_seed(&rng, seed);
        heap_init(&h);
        assert_true(heap_reserve(&h, TIMERS));
        for (int step = 0; step < 2000; step++) {
            struct timer *t = &timers[rng_below(&rng, TIMERS)];
            if (rng_below(&rng, 3) == 0)
                heap_disarm(&h, t);
            else
                heap_arm(&h, t, rng_below(&rng, 50));
        }
        size_t count = 0;
        for (int i = 0; i < TIMERS; i++)
            if (timer_armed(&timers[i]))
                sorted[count++] = &timers[i];
        assert_int_equal(h.count, count);
        qsort(sorted, count, sizeof sorted[0], by_due_and_order);
        for (size_t i = 0; i < count; i++) {
            assert_ptr_equal(heap_first(&h), sorted[i]);
            heap_disarm(&h, sorted[i]);
        }
        assert_null(heap_first(&h));
        heap_free(&h);
    }
}

static void reserve_keeps_what_is_armed(void **state)
{
    (void)state;
    struct heap h;
    static struct timer timers[5000];
    heap_init(&h);
    for (size_t i = 0; i < 5000; i++) {
        assert_true(heap_reserve(&h, i + 1));
        heap_arm(&h, &timers[i], 5000 - i);
    }
    assert_ptr_equal(heap_first(&h), &timers[4999]);
    assert_false(heap_reserve(&h, SIZE_MAX));
    assert_int_equal(h.count, 5000);
    heap_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_deadlines_fire_in_order),
        cmocka_unit_test(drains_as_a_sort_would),
        cmocka_unit_test(reserve_keeps_what_is_armed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
