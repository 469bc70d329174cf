// SPDX-License-Identifier: Apache-2.0
// What became of the transactions: counts and latencies. Not thread-safe.
#ifndef BANK_TALLY_H
#define BANK_TALLY_H

#include <stdint.h>

enum { TALLY_REASONS = 8, TALLY_BUCKETS = 512 };

struct tally {
    uint64_t committed, aborted, mixed;
    uint64_t unresolved; // the outcome could not be learned
    uint64_t refused;    // had no effect
    uint64_t resolved;   // of those counted: the answer was lost, and learned by asking again
    uint64_t reasons[TALLY_REASONS]; // of the aborted, by assent_reason
    uint64_t latency[TALLY_BUCKETS]; // of commits, in buckets 1/16 wide
};

void tally_latency(struct tally *tally, uint64_t us);
void tally_add(struct tally *to, const struct tally *from);
// The latency in us below which `percent` of the commits were; 0 when there were none.
uint64_t tally_percentile(const struct tally *tally, double percent);
uint64_t tally_total(const struct tally *tally);

#endif
