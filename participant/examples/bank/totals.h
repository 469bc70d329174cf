// SPDX-License-Identifier: Apache-2.0
#ifndef BANK_TOTALS_H
#define BANK_TOTALS_H

#include <stdbool.h>
#include <stdint.h>

struct totals {
    uint64_t accounts;
    int64_t checking, savings, cash; // sums; their sum is constant over all banks together
    int64_t loaded;                  // that sum when the accounts were made
    int64_t reserved;                // set aside by branches that have not ended
    uint64_t prepared;               // branches that have not ended
};

#endif
