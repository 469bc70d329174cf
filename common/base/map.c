// SPDX-License-Identifier: Apache-2.0
#include "base/map.h"

#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "base/check.h"

enum { MAP_FIRST_CAPACITY = 16 };

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static uint64_t load_le64(const uint8_t *p)
{
    uint64_t x;
    memcpy(&x, p, sizeof x);
    return le64toh(x);
}

struct sip {
    uint64_t a, b, c, d;
};

static inline struct sip sip_round(struct sip v)
{
    v.a += v.b;
    v.b = rotate(v.b, 13) ^ v.a;
    v.a = rotate(v.a, 32);
    v.c += v.d;
    v.d = rotate(v.d, 16) ^ v.c;
    v.a += v.d;
    v.d = rotate(v.d, 21) ^ v.a;
    v.c += v.b;
    v.b = rotate(v.b, 17) ^ v.c;
    v.c = rotate(v.c, 32);
    return v;
}

// SipHash (Aumasson & Bernstein 2012) with one round a word and three at the end.
static inline struct sip sip_take(struct sip v, struct slice key)
{
    const uint8_t *p = key.data;
    size_t left = key.size;
    for (; left >= 8; left -= 8, p += 8) {
        uint64_t word = load_le64(p);
        v.d ^= word;
        v = sip_round(v);
        v.a ^= word;
    }
    uint64_t last = (uint64_t)(key.size & 0xff) << 56;
    for (size_t i = 0; i < left; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v.d ^= last;
    v = sip_round(v);
    v.a ^= last;
    return v;
}

static inline struct sip sip_begin(const uint64_t seed[2])
{
    return (struct sip){
        .a = seed[0] ^ 0x736f6d6570736575,
        .b = seed[1] ^ 0x646f72616e646f6d,
        .c = seed[0] ^ 0x6c7967656e657261,
        .d = seed[1] ^ 0x7465646279746573,
    };
}

static inline struct sip sip_end(struct sip v)
{
    return sip_round(sip_round(sip_round(v)));
}

static inline uint64_t sip_fold(struct sip v)
{
    return v.a ^ v.b ^ v.c ^ v.d;
}

uint64_t map_hash(const uint64_t seed[2], struct slice key)
{
    struct sip v = sip_take(sip_begin(seed), key);
    v.c ^= 0xff;
    return sip_fold(sip_end(v));
}

void map_hash_wide(uint64_t seed[2], struct slice key)
{
    struct sip v = sip_begin(seed);
    v.b ^= 0xee;
    v = sip_take(v, key);
    v.c ^= 0xee;
    v = sip_end(v);
    seed[0] = sip_fold(v);
    v.b ^= 0xdd;
    seed[1] = sip_fold(sip_end(v));
}

static uint64_t number_hash(const struct map *m, struct slice key)
{
    CHECK(key.size == sizeof(uint64_t));
    uint64_t hash = (load_le64(key.data) ^ m->seed[0]) * 0x9e3779b97f4a7c15;
    return hash ^ hash >> 32;
}

static uint64_t entry_hash(const struct map *m, struct slice key)
{
    uint64_t hash = m->numbers ? number_hash(m, key) : map_hash(m->seed, key);
    return hash ? hash : 1;
}

void map_init(struct map *m, uint64_t seed)
{
    // The second half only has to differ; the golden ratio spreads small seeds.
    *m = (struct map){.seed = {seed, seed * 0x9e3779b97f4a7c15 + 0x2545f4914f6cdd1d}};
}

void map_init_numbers(struct map *m, uint64_t seed)
{
    map_init(m, seed);
    m->numbers = true;
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
