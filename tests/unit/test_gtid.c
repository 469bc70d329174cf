// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/rng.h"
#include "core/gtid.h"

static struct gtid from_text(const char *text)
{
    struct gtid g;
    assert_true(gtid_from(slice_text(text), &g));
    return g;
}

static void valid_ones_are_taken(void **state)
{
    (void)state;
    char longest[LIMIT_GTID_BYTES + 1] = {0};
    memset(longest, 'z', LIMIT_GTID_BYTES);
    const char *const valid[] = {"a", "0", "AZ.az_09:-", "...", longest};
    for (size_t i = 0; i < sizeof valid / sizeof valid[0]; i++) {
        struct gtid g = from_text(valid[i]);
        assert_true(slice_equal(gtid_slice(&g), slice_text(valid[i])));
    }
}

static void invalid_ones_are_refused(void **state)
{
    (void)state;
    char too_long[LIMIT_GTID_BYTES + 1];
    memset(too_long, 'z', sizeof too_long);
    struct gtid g = {.size = 1, .text = "x"};
    assert_false(gtid_from(slice_of(NULL, 0), &g));
    assert_false(gtid_from(slice_of("", 0), &g));
    assert_false(gtid_from(slice_of(too_long, sizeof too_long), &g));
    assert_false(gtid_from(slice_of("a\0", 2), &g));
    for (int c = 0; c < 256; c++) {
        char text[] = {'a', (char)c, 'a'};
        bool good = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                    c == '.' || c == '_' || c == ':' || c == '-';
        assert_int_equal(gtid_valid(slice_of(text, 3)), good);
    }
    assert_int_equal(g.size, 1); // untouched
    assert_int_equal(g.text[0], 'x');
}

static void made_ones_read_as_documented(void **state)
{
    (void)state;
    struct gtid g;
    gtid_make(
        &(struct gtid_parts){.coordinator = 0, .incarnation = 1, .lease_ms = 35, .number = 36}, &g);
    assert_true(slice_equal(gtid_slice(&g), slice_text("00000000.1.z.10")));
    const uint64_t highest = ((uint64_t)1 << 40) - 1;
    gtid_make(&(struct gtid_parts){highest, UINT64_MAX, UINT64_MAX, UINT64_MAX}, &g);
    const char *widest = "zzzzzzzz.3w5e11264sgsf.3w5e11264sgsf.3w5e11264sgsf";
    assert_true(slice_equal(gtid_slice(&g), slice_text(widest)));
    char text[COORDINATOR_TEXT_BYTES];
    coordinator_text((uint64_t)31 << 35 | 10, text);
    assert_string_equal(text, "z000000a");
}

static void made_ones_come_back(void **state)
{
    (void)state;
    struct rng rng;
    rng_seed(&rng, 11);
    for (int i = 0; i < 10000; i++) {
        struct gtid_parts in = {.coordinator = rng_next(&rng) >> 24,
                                .incarnation = rng_next(&rng) >> rng_below(&rng, 64),
                                .lease_ms = rng_next(&rng) >> rng_below(&rng, 64),
                                .number = rng_next(&rng) >> rng_below(&rng, 64)};
        struct gtid_parts out;
        struct gtid g, again;
        gtid_make(&in, &g);
        assert_true(gtid_from(gtid_slice(&g), &again));
        assert_true(gtid_equal(&g, &again));
        assert_true(gtid_parse(&again, &out));
        assert_int_equal(out.coordinator, in.coordinator);
        assert_int_equal(out.incarnation, in.incarnation);
        assert_int_equal(out.lease_ms, in.lease_ms);
        assert_int_equal(out.number, in.number);
    }
}

static void a_clients_own_is_not_parsed(void **state)
{
    (void)state;
    const char *const foreign[] = {
        "order-17",
        "00000000",
        "00000000.1.1",                // too few parts
        "00000000.1.1.1.1",            // too many
        "00000000.1.1.",               // an empty one
        "00000000..1.1",               // likewise
        "00000000.01.1.1",             // padded: another spelling of 1
        "00000000.1.1.00",             // likewise
        "00000000.A.1.1",              // upper case
        "0000000l.1.1.1",              // not a Crockford digit
        "0000000.1.1.1",               // seven characters
        "000000000.1.1.1",             // nine
        "00000000.1.1.3w5e11264sgsg",  // 2^64
        "00000000.1.1.zzzzzzzzzzzzzz", // far beyond
        "00000000-1.1.1",
        "00000000.1.1.1:",
    };
    struct gtid_parts parts = {.number = 99};
    for (size_t i = 0; i < sizeof foreign / sizeof foreign[0]; i++) {
        struct gtid g = from_text(foreign[i]);
        assert_false(gtid_parse(&g, &parts));
    }
    struct gtid none = {0};
    assert_false(gtid_parse(&none, &parts));
    assert_int_equal(parts.number, 99);
}

// Whatever parses is spelled in exactly one way.
static void parsing_is_the_inverse_of_making(void **state)
{
    (void)state;
    static const char letters[] = "019azAl..";
    struct rng rng;
    rng_seed(&rng, 12);
    int parsed = 0;
    for (int i = 0; i < 200000; i++) {
        char text[20] = "00000000.";
        size_t size = 9 + rng_below(&rng, 8);
        for (size_t at = 9; at < size; at++)
            text[at] = letters[rng_below(&rng, sizeof letters - 1)];
        struct gtid g, again;
        struct gtid_parts parts;
        assert_true(gtid_from(slice_of(text, size), &g));
        if (!gtid_parse(&g, &parts))
            continue;
        parsed++;
        gtid_make(&parts, &again);
        assert_true(gtid_equal(&g, &again));
    }
    assert_true(parsed > 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(valid_ones_are_taken),
        cmocka_unit_test(invalid_ones_are_refused),
        cmocka_unit_test(made_ones_read_as_documented),
        cmocka_unit_test(made_ones_come_back),
        cmocka_unit_test(a_clients_own_is_not_parsed),
        cmocka_unit_test(parsing_is_the_inverse_of_making),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
