// SPDX-License-Identifier: Apache-2.0
// A small deterministic generator (xoshiro256**, Blackman & Vigna 2018) for jitter and simulation.
// Not for secrets.
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include <stdint.h>

struct rng {
    uint64_t state[4];
};

void rng_seed(struct rng *r, uint64_t seed);
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t bound); // uniform in [0, bound); bound > 0

#endif
