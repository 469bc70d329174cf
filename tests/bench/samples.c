// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>

#include "bench.h"

void samples_add(struct samples *s, uint64_t us)
{
    if (s->count == s->capacity) {
        size_t capacity = s->capacity ? 2 * s->capacity : 65536;
        uint32_t *grown = realloc(s->us, capacity * sizeof *grown);
        if (!grown)
            bench_die("out of memory");
        s->us = grown;
        s->capacity = capacity;
    }
    s->us[s->count++] = us < UINT32_MAX ? (uint32_t)us : UINT32_MAX;
}

static int by_size(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return left < right ? -1 : left > right;
}

void samples_sort(struct samples *s)
{
    if (s->count)
        qsort(s->us, s->count, sizeof *s->us, by_size);
}

uint32_t samples_percentile(const struct samples *s, double percent)
{
    if (s->count == 0)
        return 0;
    size_t at = (size_t)((double)s->count * percent / 100);
    return s->us[at < s->count ? at : s->count - 1];
}

void samples_free(struct samples *s)
{
    free(s->us);
    *s = (struct samples){0};
}
