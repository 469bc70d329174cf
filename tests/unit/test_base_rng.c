// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdbool.h>

#include "base/rng.h"

static void is_xoshiro256starstar(void **state)
{
    (void)state;
    // The generator's published first numbers for the state 1, 2, 3, 4.
    struct rng r = {{1, 2, 3, 4}};
    static const uint64_t expected[] = {11520, 0, 1509978240, 1215971899390074240};
    for (int i = 0; i < 4; i++)
        assert_int_equal(rng_next(&r), expected[i]);
}

static void a_seed_repeats_and_seeds_differ(void **state)
{
    (void)state;
    struct rng a, b, c;
    rng_seed(&a, 5);
    rng_seed(&b, 5);
    rng_seed(&c, 6);
    // SplitMix64's first output for the seed 0.
    struct rng zero;
    rng_seed(&zero, 0);
    assert_int_equal(zero.state[0], 0xe220a8397b1dcdaf);
    bool differs = false;
    for (int i = 0; i < 100; i++) {
        uint64_t x = rng_next(&a);
        assert_int_equal(x, rng_next(&b));
        differs |= x != rng_next(&c);
    }
    assert_true(differs);
}

static void below_stays_below_and_is_even(void **state)
{
    (void)state;
    struct rng r;
    unsigned seen[7] = {0};
    rng_seed(&r, 1);
    for (int i = 0; i < 70000; i++) {
        uint64_t x = rng_below(&r, 7);
        assert_true(x < 7);
        seen[x]++;
    }
    for (int i = 0; i < 7; i++)
        assert_in_range(seen[i], 9500, 10500);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(rng_below(&r, 1), 0);
        assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
    }
}

// A bound just above 2^63 shows the bias of a bare remainder at once: the lower half would come
// up twice as often.
static void below_has_no_bias_at_large_bounds(void **state)
{
    (void)state;
    struct rng r;
    uint64_t bound = ((uint64_t)3 << 62);
    unsigned low = 0;
    rng_seed(&r, 2);
    for (int i = 0; i < 30000; i++)
        low += rng_below(&r, bound) < bound / 3;
    assert_in_range(low, 9500, 10500);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_xoshiro256starstar),
        cmocka_unit_test(a_seed_repeats_and_seeds_differ),
        cmocka_unit_test(below_stays_below_and_is_even),
        cmocka_unit_test(below_has_no_bias_at_large_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
