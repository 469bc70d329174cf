// SPDX-License-Identifier: Apache-2.0
#include "store/ldb_filter.h"

enum { STRETCH_BITS = 11, PROBES_MAX = 30 };

static uint32_t hash_of(struct slice key)
{
    const uint32_t m = 0xc6a4a793;
    const uint8_t *at = key.data;
    size_t left = key.size;
    uint32_t h = 0xbc9f1d34 ^ ((uint32_t)key.size * m);
    for (; left >= 4; left -= 4, at += 4) {
        h = (h + get_u32(at)) * m;
        h ^= h >> 16;
    }
    if (!left)
        return h;
    for (size_t i = left; i-- > 0;)
        h += (uint32_t)at[i] << (8 * i);
    h *= m;
    return h ^ h >> 24;
}

// A Bloom filter: bits, then the number of probes in one byte.
static bool bloom_has(struct slice filter, struct slice key)
{
    const uint8_t *bits = filter.data;
    if (filter.size < 2)
        return false;
    size_t count = (filter.size - 1) * 8;
    unsigned probes = bits[filter.size - 1];
    if (probes > PROBES_MAX) // LevelDB lets everything pass
        return true;
    uint32_t h = hash_of(key), step = h >> 17 | h << 15;
    for (unsigned i = 0; i < probes; i++, h += step)
        if (!(bits[h % count / 8] & 1u << h % count % 8))
            return false;
    return true;
}

bool ldb_filter_has(struct slice filters, uint64_t offset, struct slice key)
{
    const uint8_t *bytes = filters.data;
    if (filters.size < 5 || bytes[filters.size - 1] != STRETCH_BITS)
        return false;
    size_t array = get_u32(bytes + filters.size - 5), end = filters.size - 5;
    if (array > end)
        return false;
    uint64_t index = offset >> STRETCH_BITS;
    if (index >= (end - array) / 4)
        return false;
    // The offset behind the last filter is that of the array itself.
    size_t start = get_u32(bytes + array + 4 * index),
           limit = get_u32(bytes + array + 4 * index + 4);
    if (start > limit || limit > array)
        return false;
    return bloom_has(slice_of(bytes + start, limit - start), key);
}
