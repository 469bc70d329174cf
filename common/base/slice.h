// SPDX-License-Identifier: Apache-2.0
// A borrowed run of bytes: pointer and length, never owned, not NUL-terminated.
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const void *data;
    size_t size;
};

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){data, size};
}

static inline struct slice slice_text(const char *text)
{
    return (struct slice){text, text ? strlen(text) : 0};
}

// At most that many bytes of its beginning.
static inline struct slice slice_cut(struct slice from, size_t most)
{
    return slice_of(from.data, from.size < most ? from.size : most);
}

// Copies it to where there is room for it and a NUL, and returns the copy.
static inline struct slice slice_to_text(struct slice from, char *to)
{
    if (from.size > 0)
        memcpy(to, from.data, from.size);
    to[from.size] = '\0';
    return slice_of(to, from.size);
}

static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif
