// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "base/rng.h"

struct item {
    char key[24];
    size_t size;
    bool in;
    bool seen;
};

static struct slice key_of(const struct item *item)
{
    return slice_of(item->key, item->size);
}

// Message n of the vectors is the bytes 00 01 .. n-1, the key 00 01 .. 0f.
static void hash_is_siphash_1_3(void **state)
{
    (void)state;
    const uint64_t seed[2] = {0x0706050403020100, 0x0f0e0d0c0b0a0908};
    static const uint64_t expected[] = {
        0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb,
        0xcf75576088d38328, 0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140,
        0x369095118d299a8e, 0x25a48eb36c063de4, 0x79de85ee92ff097f, 0x70c118c1f94dc352,
        0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34,
    };
    uint8_t message[15];
    for (size_t i = 0; i < 15; i++) {
        assert_int_equal(map_hash(seed, slice_of(message, i)), expected[i]);
        message[i] = (uint8_t)i;
    }
}

static void an_empty_map_knows_nothing(void **state)
{
    (void)state;
    struct map m;
    map_init(&m, 7);
    size_t cursor = 0;
    void *value;
    assert_null(map_get(&m, slice_text("a")));
    assert_null(map_remove(&m, slice_text("a")));
    assert_false(map_next(&m, &cursor, &value));
    map_free(&m);
}

static void the_empty_key_is_a_key(void **state)
{
    (void)state;
    struct map m;
    int value = 1;
    map_init(&m, 7);
    assert_true(map_insert(&m, slice_of(NULL, 0), &value));
    assert_ptr_equal(map_get(&m, slice_text("")), &value);
    assert_null(map_get(&m, slice_of("\0", 1)));
    assert_ptr_equal(map_remove(&m, slice_text("")), &value);
    assert_int_equal(m.count, 0);
    map_free(&m);
}

static void check_all(struct map *m, struct item *items, size_t count)
{
    size_t cursor = 0, found = 0, in = 0;
    for (void *value; map_next(m, &cursor, &value); found++) {
        struct item *item = value;
        assert_true(item->in);
        assert_false(item->seen);
        item->seen = true;
    }
    for (size_t i = 0; i < count; i++) {
        assert_ptr_equal(map_get(m, key_of(&items[i])), items[i].in ? &items[i] : NULL);
        in += items[i].in;
        items[i].seen = false;
    }
    assert_int_equal(found, in);
    assert_int_equal(m->count, in);
}

// Random inserts and removals against an array of what should be in. Small key sets make long
// runs and wrap-arounds, where backward shifting goes wrong if it does.
static void agrees_with_a_model(void **state)
{
    (void)state;
    enum { ITEMS = 200 };
    static struct item items[ITEMS];
    for (uint64_t seed = 1; seed <= 60; seed++) {
        struct rng rng;
        struct map m;
        rng_seed(&rng, seed);
        bool numbers = seed % 2; // or texts
        (numbers ? map_init_numbers : map_init)(&m, rng_next(&rng));
        size_t count = 1 + rng_below(&rng, ITEMS);
        for (size_t i = 0; i < count; i++) {
            uint64_t number = seed + i;
            items[i] = (struct item){.in = false, .size = sizeof number};
            memcpy(items[i].key, &number, sizeof number);
            if (!numbers)
                items[i].size =
                    (size_t)snprintf(items[i].key, sizeof items[i].key, "%zu", i * seed);
        }
        for (int step = 0; step < 3000; step++) {
            struct item *item = &items[rng_below(&rng, count)];
            if (item->in)
                assert_ptr_equal(map_remove(&m, key_of(item)), item);
            else
                assert_true(map_insert(&m, key_of(item), item));
            item->in = !item->in;
            if (step % 100 == 0)
                check_all(&m, items, count);
        }
        check_all(&m, items, count);
        map_free(&m);
    }
}

static void a_million_entries(void **state)
{
    (void)state;
    enum { MANY = 1000000 };
    struct item *items = calloc(MANY, sizeof *items);
    struct map m;
    assert_non_null(items);
    map_init(&m, 42);
    for (size_t i = 0; i < MANY; i++) {
        items[i].size = (size_t)snprintf(items[i].key, sizeof items[i].key, "%zx", i);
        assert_true(map_insert(&m, key_of(&items[i]), &items[i]));
    }
    assert_int_equal(m.count, MANY);
    assert_true(m.capacity / 4 * 3 >= MANY);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&m, key_of(&items[i])), &items[i]);
    for (size_t i = 0; i < MANY; i += 2)
        assert_ptr_equal(map_remove(&m, key_of(&items[i])), &items[i]);
    for (size_t i = 0; i < MANY; i++)
        assert_ptr_equal(map_get(&m, key_of(&items[i])), i % 2 ? &items[i] : NULL);
    map_free(&m);
    free(items);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hash_is_siphash_1_3),    cmocka_unit_test(an_empty_map_knows_nothing),
        cmocka_unit_test(the_empty_key_is_a_key), cmocka_unit_test(agrees_with_a_model),
        cmocka_unit_test(a_million_entries),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
