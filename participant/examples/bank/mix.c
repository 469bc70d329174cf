// SPDX-License-Identifier: Apache-2.0
#include "mix.h"

#include <stdlib.h>
#include <string.h>

const char *const kind_names[KIND_COUNT] = {
    [KIND_BALANCE] = "balance",
    [KIND_DEPOSIT_CHECKING] = "deposit-checking",
    [KIND_TRANSACT_SAVINGS] = "transact-savings",
    [KIND_AMALGAMATE] = "amalgamate",
    [KIND_WRITE_CHECK] = "write-check",
    [KIND_SEND_PAYMENT] = "send-payment",
};

void mix_defaults(struct mix *mix)
{
    static const unsigned weights[KIND_COUNT] = {15, 15, 15, 15, 15, 25};
    memcpy(mix->weights, weights, sizeof weights);
    mix->weight_sum = 100;
    mix->hot_accounts = 10;
}

static bool mix_weigh(struct mix *mix, const char *name, size_t size, unsigned weight)
{
    for (int i = 0; i < KIND_COUNT; i++) {
        if (strlen(kind_names[i]) == size && strncmp(name, kind_names[i], size) == 0) {
            mix->weight_sum += weight - mix->weights[i];
            mix->weights[i] = weight;
            return true;
        }
    }
    return false;
}

bool mix_parse(struct mix *mix, const char *text)
{
    memset(mix->weights, 0, sizeof mix->weights);
    mix->weight_sum = 0;
    while (*text) {
        const char *equals = strchr(text, '=');
        char *end;
        unsigned long weight = equals ? strtoul(equals + 1, &end, 10) : 0;
        if (!equals || end == equals + 1 || weight > 1000000 || (*end && *end != ',') ||
            !mix_weigh(mix, text, (size_t)(equals - text), (unsigned)weight))
            return false;
        text = *end ? end + 1 : end;
    }
    return mix->weight_sum > 0;
}

// splitmix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014).
static uint64_t draw(uint64_t *state, uint64_t bound)
{
    uint64_t z = (*state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

static uint64_t draw_account(const struct mix *mix, uint64_t *state)
{
    bool hot = draw(state, 100) < mix->hot_percent;
    uint64_t among = hot && mix->hot_accounts < mix->accounts ? mix->hot_accounts : mix->accounts;
    return draw(state, among);
}

void mix_draw(const struct mix *mix, uint64_t *state, struct job *ret)
{
    uint64_t at = draw(state, mix->weight_sum);
    int kind = 0;
    while (at >= mix->weights[kind])
        at -= mix->weights[kind++];
    ret->kind = (enum kind)kind;
    ret->from = draw_account(mix, state);
    do
        ret->to = draw_account(mix, state);
    while (ret->to == ret->from && mix->accounts > 1 &&
           (mix->hot_accounts > 1 || mix->hot_percent < 100));
    ret->amount = (int64_t)draw(state, 10000) + 1;
    if (ret->kind == KIND_TRANSACT_SAVINGS && draw(state, 2))
        ret->amount = -ret->amount;
}
