// SPDX-License-Identifier: Apache-2.0
// A hash map from byte strings to pointers. Keys are borrowed: they must stay where they are, and
// unchanged, while their entry is in the map (usually they live in the value). Keyed hashing
// (SipHash-1-3), because clients choose the keys. Not thread-safe.
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/slice.h"

struct map_entry {
    uint64_t hash; // 0 marks a free entry
    struct slice key;
    void *value;
};

struct map {
    struct map_entry *entries; // owned; power-of-two capacity, linear probing
    size_t capacity;
    size_t count;
    uint64_t seed[2];
    bool numbers;
};

void map_init(struct map *m, uint64_t seed);
// For keys of eight bytes that are given out here, one after the other: nobody else chooses what is
// put in, so that a multiplication is hash enough.
void map_init_numbers(struct map *m, uint64_t seed);
void map_free(struct map *m); // values are the caller's
void *map_get(const struct map *m, struct slice key);
// False when out of memory; the map is then unchanged. The key must not be in the map yet; the
// value must not be NULL.
bool map_insert(struct map *m, struct slice key, void *value);
void *map_remove(struct map *m, struct slice key); // the value, or NULL when there was none

// Iterates in an unspecified but repeatable order: start with *cursor = 0; false at the end.
// The map must not change meanwhile.
bool map_next(const struct map *m, size_t *cursor, void **ret_value);

uint64_t map_hash(const uint64_t seed[2], struct slice key);
// Likewise of twice the width, in place of the seed, so that parts can be taken one after the
// other.
void map_hash_wide(uint64_t seed[2], struct slice key);

#endif
