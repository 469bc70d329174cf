// SPDX-License-Identifier: Apache-2.0
#include "tally.h"

// Values below 16 have a bucket each; above, each doubling has 16.
static unsigned bucket_of(uint64_t us)
{
    unsigned shift = 0;
    while (us >> shift >= 32)
        shift++;
    unsigned bucket = us < 16 ? (unsigned)us : 16 * (shift + 1) + (unsigned)(us >> shift) - 16;
    return bucket < TALLY_BUCKETS ? bucket : TALLY_BUCKETS - 1;
}

static uint64_t bucket_top(unsigned bucket)
{
    if (bucket < 32)
        return bucket;
    unsigned shift = bucket / 16 - 1;
    return ((uint64_t)(bucket % 16 + 17) << shift) - 1;
}

void tally_latency(struct tally *t, uint64_t us)
{
    t->latency[bucket_of(us)]++;
}

void tally_add(struct tally *to, const struct tally *from)
{
    to->committed += from->committed;
    to->aborted += from->aborted;
    to->mixed += from->mixed;
    to->unresolved += from->unresolved;
    to->refused += from->refused;
    to->resolved += from->resolved;
    for (int i = 0; i < TALLY_REASONS; i++)
        to->reasons[i] += from->reasons[i];
    for (int i = 0; i < TALLY_BUCKETS; i++)
        to->latency[i] += from->latency[i];
}

uint64_t tally_percentile(const struct tally *t, double percent)
{
    uint64_t count = 0, seen = 0;
    for (int i = 0; i < TALLY_BUCKETS; i++)
        count += t->latency[i];
    for (unsigned i = 0; i < TALLY_BUCKETS && count; i++) {
        seen += t->latency[i];
        if ((double)seen >= (double)count * percent / 100)
            return bucket_top(i);
    }
    return 0;
}

uint64_t tally_total(const struct tally *t)
{
    return t->committed + t->aborted + t->unresolved + t->refused;
}
