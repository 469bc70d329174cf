// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/buf.h"
#include "base/rng.h"

static void appends_grow_the_buffer(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        assert_true(buf_append(&b, "abcdefg", 7));
    assert_int_equal(b.size, 7000);
    for (int i = 0; i < 1000; i++)
        assert_memory_equal(b.data + 7 * i, "abcdefg", 7);
    buf_free(&b);
    assert_null(b.data);
    assert_int_equal(b.size, 0);
}

static void the_cap_is_exact_and_failure_sticks(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 10);
    assert_true(buf_append(&b, "12345", 5));
    assert_true(buf_append(&b, "67890", 5));
    assert_true(buf_append(&b, NULL, 0));
    assert_int_equal(b.capacity, 10);
    assert_false(buf_append(&b, "x", 1));
    assert_true(b.failed);
    assert_false(buf_append(&b, NULL, 0));
    assert_int_equal(b.size, 10);
    buf_reset(&b);
    assert_false(b.failed);
    assert_true(buf_append(&b, "again", 5));
    assert_true(slice_equal(buf_slice(&b), slice_text("again")));
    assert_false(buf_append(&b, "", SIZE_MAX));
    buf_free(&b);
}

static void printf_fills_up_to_the_cap(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 100);
    for (int i = 0; i < 20; i++)
        assert_true(buf_printf(&b, "%05d", i));
    assert_int_equal(b.size, 100);
    assert_memory_equal(b.data + 95, "00019", 5);
    assert_true(buf_printf(&b, "%s", ""));
    assert_false(buf_printf(&b, "%d", 1));
    assert_true(b.failed);
    assert_false(buf_printf(&b, "%s", ""));
    assert_int_equal(b.size, 100);
    buf_free(&b);
}

static void extend_counts_the_room(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 16);
    assert_non_null(buf_extend(&b, 0));
    uint8_t *first = buf_extend(&b, 6);
    memcpy(first, "first-", 6);
    uint8_t *second = buf_extend(&b, 10);
    memcpy(second, "0123456789", 10);
    assert_memory_equal(b.data, "first-0123456789", 16);
    assert_null(buf_extend(&b, 1));
    assert_true(b.failed);
    buf_free(&b);
}

// Random appends of all three kinds against a plain array.
static void agrees_with_an_array(void **state)
{
    (void)state;
    struct rng rng;
    for (uint64_t seed = 0; seed < 200; seed++) {
        rng_seed(&rng, seed);
        char model[512], piece[64];
        size_t size = 0;
        struct buf b;
        buf_init(&b, rng_below(&rng, sizeof model));
        while (!b.failed) {
            size_t length = rng_below(&rng, sizeof piece - 1);
            memset(piece, (int)('a' + rng_below(&rng, 26)), length);
            piece[length] = '\0';
            bool fits = size + length <= b.cap;
            uint64_t how = rng_below(&rng, 3);
            if (how == 0)
                assert_int_equal(buf_append(&b, piece, length), fits);
            else if (how == 1)
                assert_int_equal(buf_printf(&b, "%s", piece), fits);
            else {
                uint8_t *at = length ? buf_extend(&b, length) : NULL;
                assert_int_equal(at != NULL, fits && length);
                if (at)
                    memcpy(at, piece, length);
            }
            if (fits) {
                memcpy(model + size, piece, length);
                size += length;
            }
            assert_int_equal(b.failed, !fits);
        }
        assert_int_equal(b.size, size);
        assert_true(slice_equal(buf_slice(&b), slice_of(model, size)));
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(appends_grow_the_buffer),
        cmocka_unit_test(the_cap_is_exact_and_failure_sticks),
        cmocka_unit_test(printf_fills_up_to_the_cap),
        cmocka_unit_test(extend_counts_the_room),
        cmocka_unit_test(agrees_with_an_array),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
