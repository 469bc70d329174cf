// SPDX-License-Identifier: Apache-2.0
// What clients do: the six transactions of SmallBank (Alomari, Cahill, Fekete, Roehm: "The Cost of
// Serializability on Platforms That Use Snapshot Isolation", ICDE 2008), drawn at random.
#ifndef BANK_MIX_H
#define BANK_MIX_H

#include <stdbool.h>
#include <stdint.h>

enum kind {
    KIND_BALANCE,
    KIND_DEPOSIT_CHECKING,
    KIND_TRANSACT_SAVINGS,
    KIND_AMALGAMATE,
    KIND_WRITE_CHECK,
    KIND_SEND_PAYMENT,
    KIND_COUNT
};

struct job {
    enum kind kind;
    uint64_t from, to; // accounts, numbered over all banks
    int64_t amount;
};

struct mix {
    unsigned weights[KIND_COUNT];
    unsigned weight_sum;
    uint64_t accounts;
    uint64_t hot_accounts; // the first so many ...
    unsigned hot_percent;  // ... are drawn so often
};

extern const char *const kind_names[KIND_COUNT];

// Weights of SmallBank as commonly run: 15 for each but SendPayment, which has 25.
void mix_defaults(struct mix *mix);
// "balance=1,send-payment=3": the kinds that are not named have weight 0. False: not understood.
bool mix_parse(struct mix *mix, const char *text);
// *state is the caller's own random state, seeded with anything but 0.
void mix_draw(const struct mix *mix, uint64_t *state, struct job *ret);

#endif
