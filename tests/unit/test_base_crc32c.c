// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/crc32c.h"
#include "base/rng.h"

// RFC 3720, appendix B.4.
static void rfc_3720_vectors(void **state)
{
    (void)state;
    uint8_t block[32];
    memset(block, 0, sizeof block);
    assert_int_equal(crc32c(0, block, 32), 0x8a9136aa);
    memset(block, 0xff, sizeof block);
    assert_int_equal(crc32c(0, block, 32), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++)
        block[i] = i;
    assert_int_equal(crc32c(0, block, 32), 0x46dd794e);
    for (uint8_t i = 0; i < 32; i++)
        block[i] = (uint8_t)(31 - i);
    assert_int_equal(crc32c(0, block, 32), 0x113fdb5c);
    static const uint8_t iscsi_read[48] = {
        0x01, 0xc0, 0, 0,    0, 0, 0, 0,    0,    0, 0, 0, 0, 0, 0, 0, 0x14, 0, 0, 0, 0, 0, 4, 0,
        0,    0,    0, 0x14, 0, 0, 0, 0x18, 0x28, 0, 0, 0, 0, 0, 0, 0, 2,    0, 0, 0, 0, 0, 0, 0};
    assert_int_equal(crc32c(0, iscsi_read, 48), 0xd9963a56);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

// The definition, a bit at a time.
static uint32_t by_bits(const uint8_t *p, size_t size)
{
    uint32_t crc = 0xffffffff;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
    }
    return ~crc;
}

static void any_length_alignment_and_split(void **state)
{
    (void)state;
    uint8_t bytes[300];
    struct rng rng;
    rng_seed(&rng, 3);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (int i = 0; i < 2000; i++) {
        size_t from = rng_below(&rng, 16), size = rng_below(&rng, sizeof bytes - 16);
        uint32_t expected = by_bits(bytes + from, size);
        assert_int_equal(crc32c(0, bytes + from, size), expected);
        size_t split = rng_below(&rng, size + 1);
        uint32_t first = crc32c(0, bytes + from, split);
        assert_int_equal(crc32c(first, bytes + from + split, size - split), expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc_3720_vectors),
        cmocka_unit_test(any_length_alignment_and_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
