// SPDX-License-Identifier: Apache-2.0
// What a client asks of one account, as the payload of a branch: "<verb> <account> <amount>".
#ifndef BANK_OPERATION_H
#define BANK_OPERATION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum verb {
    VERB_BALANCE,  // read only
    VERB_DEBIT,    // checking, to another account
    VERB_CREDIT,   // checking, from another account
    VERB_DEPOSIT,  // checking, from outside
    VERB_TRANSACT, // savings, from or to outside
    VERB_CHECK,    // checking, to outside; with a fee when the account does not cover it
    VERB_COUNT
};

struct operation {
    enum verb verb;
    uint64_t account;
    int64_t amount; // cents
};

// What a branch will do to one account. Amounts in cents; negative ones are debits.
struct change {
    uint64_t account;
    int64_t checking;
    int64_t savings;
    int64_t cash;   // what the outside world pays in (negative) or takes out (positive)
    bool overdraft; // may leave the account below zero
};

enum { OPERATION_TEXT_MAX = 64, OVERDRAFT_FEE = 100, AMOUNT_MAX = 1000000000 };

size_t operation_print(const struct operation *op, char text[OPERATION_TEXT_MAX]);
bool operation_parse(const void *text, size_t size, struct operation *ret);
// `available`: what the account has in all; only VERB_CHECK asks.
struct change operation_change(const struct operation *op, int64_t available);

#endif
