// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/rng.h"
#include "core/step.h"

static void effects_come_zeroed_and_in_order(void **state)
{
    (void)state;
    struct effects fx;
    effects_init(&fx);
    for (int round = 0; round < 3; round++) {
        for (uint64_t i = 0; i < 1000; i++) {
            struct effect *effect = effects_add(&fx, EFFECT_HORIZON);
            assert_int_equal(effect->u.horizon, 0);
            effect->u.horizon = i + 1;
        }
        assert_int_equal(fx.count, 1000);
        for (uint64_t i = 0; i < 1000; i++) {
            assert_int_equal(fx.items[i].type, EFFECT_HORIZON);
            assert_int_equal(fx.items[i].u.horizon, i + 1);
        }
        effects_reset(&fx);
        assert_int_equal(fx.count, 0);
    }
    assert_false(fx.failed);
    effects_free(&fx);
}

static void memory_holds_until_the_reset(void **state)
{
    (void)state;
    enum { PIECES = 400 };
    struct effects fx;
    struct rng rng;
    effects_init(&fx);
    rng_seed(&rng, 1);
    for (int round = 0; round < 20; round++) {
        uint8_t *pieces[PIECES];
        size_t sizes[PIECES];
        for (int i = 0; i < PIECES; i++) {
            sizes[i] = rng_below(&rng, rng_below(&rng, 20) ? 300 : 200000);
            pieces[i] = effects_alloc(&fx, sizes[i]);
            assert_non_null(pieces[i]);
            assert_int_equal((uintptr_t)pieces[i] % _Alignof(max_align_t), 0);
            memset(pieces[i], i, sizes[i]);
        }
        for (int i = 0; i < PIECES; i++)
            for (size_t at = 0; at < sizes[i]; at++)
                assert_int_equal(pieces[i][at], (uint8_t)i);
        effects_reset(&fx);
    }
    effects_free(&fx);
}

static void one_step(struct effects *fx, void *ret_seen[40])
{
    effects_reset(fx);
    for (int i = 0; i < 40; i++) {
        effects_add(fx, EFFECT_SEND);
        ret_seen[i] = effects_alloc(fx, i == 20 ? 100000 : 5000);
        assert_non_null(ret_seen[i]);
    }
}

// The same step twice lands on the same memory: nothing is allocated any more.
static void a_steady_state_allocates_nothing(void **state)
{
    (void)state;
    struct effects fx;
    void *first[40], *second[40];
    effects_init(&fx);
    one_step(&fx, first);
    const struct effect *items = fx.items;
    for (int i = 0; i < 10; i++) {
        one_step(&fx, second);
        assert_memory_equal(first, second, sizeof first);
        assert_ptr_equal(fx.items, items);
    }
    effects_free(&fx);
}

static void text_is_formatted_into_it(void **state)
{
    (void)state;
    struct effects fx;
    effects_init(&fx);
    struct slice a = effects_printf(&fx, "branch %d of %s", 7, "order-1");
    struct slice b = effects_printf(&fx, "%s", "");
    assert_true(slice_equal(a, slice_text("branch 7 of order-1")));
    assert_string_equal((const char *)a.data, "branch 7 of order-1");
    assert_int_equal(b.size, 0);
    struct slice wide = effects_printf(&fx, "%0100000d", 0);
    assert_int_equal(wide.size, 100000);
    assert_int_equal(((const char *)wide.data)[99999], '0');
    effects_free(&fx);
}

static void bytes_are_kept_in_it(void **state)
{
    (void)state;
    char bytes[] = {'a', '\0', 'b'};
    struct effects fx;
    effects_init(&fx);
    struct slice kept = effects_keep(&fx, slice_of(bytes, sizeof bytes));
    memset(bytes, 'x', sizeof bytes); // what was kept is its own
    assert_true(slice_equal(kept, slice_of("a\0b", 3)));
    struct slice none = effects_keep(&fx, slice_of(bytes, 0));
    assert_null(none.data);
    assert_int_equal(none.size, 0);
    assert_false(fx.failed);
    none = effects_keep(&fx, slice_of(bytes, SIZE_MAX)); // more than there can be
    assert_null(none.data);
    assert_int_equal(none.size, 0);
    assert_true(fx.failed);
    effects_free(&fx);
}

static void without_memory_it_says_so(void **state)
{
    (void)state;
    struct effects fx;
    effects_init(&fx);
    assert_null(effects_alloc(&fx, SIZE_MAX));
    assert_true(fx.failed);
    effects_reset(&fx);
    assert_false(fx.failed);
    // The items as if an array that cannot be doubled were full.
    struct effects full = {.count = SIZE_MAX / 4, .capacity = SIZE_MAX / 4};
    struct effect *spare = effects_add(&full, EFFECT_STOP);
    assert_ptr_equal(spare, &full.spare);
    assert_int_equal(spare->type, EFFECT_STOP);
    assert_true(full.failed);
    assert_int_equal(full.count, SIZE_MAX / 4);
    effects_free(&fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(effects_come_zeroed_and_in_order),
        cmocka_unit_test(memory_holds_until_the_reset),
        cmocka_unit_test(a_steady_state_allocates_nothing),
        cmocka_unit_test(text_is_formatted_into_it),
        cmocka_unit_test(bytes_are_kept_in_it),
        cmocka_unit_test(without_memory_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
