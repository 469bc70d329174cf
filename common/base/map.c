// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <stdlib.h>

#include "base/check.h"

enum { MAP_FIRST_CAPACITY = 16 };

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t x = 0;
    for (int i = 0; i < 8; i++)
        x |= (uint64_t)p[i] << (8 * i);
    return x;
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

// SipHash (Aumasson & Bernstein 2012) with one round a word and three at the end.
uint64_t map_hash(const uint64_t seed[2], struct slice key)
{
    uint64_t v[4] = {
        seed[0] ^ 0x736f6d6570736575,
        seed[1] ^ 0x646f72616e646f6d,
        seed[0] ^ 0x6c7967656e657261,
        seed[1] ^ 0x7465646279746573,
    };
    const uint8_t *p = key.data;
    size_t left = key.size;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word = load_le64(p);
        v[3] ^= word;
        sip_round(v);
        v[0] ^= word;
    }
    uint64_t last = (uint64_t)(key.size & 0xff) << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_round(v);
    v[0] ^= last;
    v[2] ^= 0xff;
    for (int i = 0; i < 3; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

static uint64_t entry_hash(const struct map *m, struct slice key)
{
    uint64_t hash = map_hash(m->seed, key);
    return hash ? hash : 1;
}

void map_init(struct map *m, uint64_t seed)
{
    // The second half only has to differ; the golden ratio spreads small seeds.
    *m = (struct map){.seed = {seed, seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d}};
}

void map_free(struct map *m)
{
    free(m->entries);
    m->entries = NULL;
    m->capacity = m->count = 0;
}

// The entry of the key, or the free one where it would go. Needs a capacity above zero; never full,
// so the search ends.
static struct map_entry *map_seek(const struct map *m, uint64_t hash, struct slice key)
{
    size_t mask = m->capacity - 1;
    size_t i = hash & mask;
    while (m->entries[i].hash != 0 &&
           (m->entries[i].hash != hash || !slice_equal(m->entries[i].key, key)))
        i = (i + 1) & mask;
    return &m->entries[i];
}

void *map_get(const struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    return map_seek(m, entry_hash(m, key), key)->value;
}

static void map_rehash(const struct map *from, struct map *to)
{
    size_t mask = to->capacity - 1;
    for (size_t i = 0; i < from->capacity; i++) {
        if (from->entries[i].hash == 0)
            continue;
        size_t at = from->entries[i].hash & mask;
        while (to->entries[at].hash != 0)
            at = (at + 1) & mask;
        to->entries[at] = from->entries[i];
    }
}

static bool map_grow(struct map *m)
{
    struct map wider = *m;
    wider.capacity = m->capacity ? m->capacity * 2 : MAP_FIRST_CAPACITY;
    wider.entries = calloc(wider.capacity, sizeof *wider.entries);
    if (!wider.entries)
        return false;
    map_rehash(m, &wider);
    free(m->entries);
    *m = wider;
    return true;
}

bool map_insert(struct map *m, struct slice key, void *value)
{
    CHECK(value);
    if (m->count >= m->capacity / 4 * 3 && !map_grow(m))
        return false;
    uint64_t hash = entry_hash(m, key);
    struct map_entry *entry = map_seek(m, hash, key);
    CHECK(entry->hash == 0);
    *entry = (struct map_entry){hash, key, value};
    m->count++;
    return true;
}

// Fills the hole at `hole` with the next entry of the run that may stand there, and so on, so that
// no tombstones are needed.
static void map_close(struct map *m, size_t hole)
{
    size_t mask = m->capacity - 1;
    for (size_t i = (hole + 1) & mask; m->entries[i].hash != 0; i = (i + 1) & mask) {
        size_t home = m->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            m->entries[hole] = m->entries[i];
            hole = i;
        }
    }
    m->entries[hole] = (struct map_entry){0};
}

void *map_remove(struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    struct map_entry *entry = map_seek(m, entry_hash(m, key), key);
    void *value = entry->value;
    if (entry->hash != 0) {
        map_close(m, (size_t)(entry - m->entries));
        m->count--;
    }
    return value;
}

bool map_next(const struct map *m, size_t *cursor, void **ret_value)
{
    while (*cursor < m->capacity) {
        const struct map_entry *entry = &m->entries[(*cursor)++];
        if (entry->hash != 0) {
            *ret_value = entry->value;
            return true;
        }
    }
    return false;
}
