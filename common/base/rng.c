// SPDX-License-Identifier: Apache-2.0
#include "base/rng.h"

#include "base/check.h"

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

// SplitMix64 (Steele, Lea & Flood 2014) spreads a seed over the state, which must not be all zero.
void rng_seed(struct rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        seed += 0x9e3779b97f4a7c15;
        uint64_t z = seed;
        z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
        z = (z ^ z >> 27) * 0x94d049bb133111eb;
        r->state[i] = z ^ z >> 31;
    }
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->state;
    uint64_t result = rotate(s[1] * 5, 7) * 9;
    uint64_t shifted = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= shifted;
    s[3] = rotate(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t bound)
{
    CHECK(bound > 0);
    // 2^64 is no multiple of most bounds: the first 2^64 mod bound values are drawn again.
    uint64_t biased = (0 - bound) % bound;
    uint64_t x;
    do
        x = rng_next(r);
    while (x < biased);
    return x % bound;
}
