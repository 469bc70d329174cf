// SPDX-License-Identifier: Apache-2.0
#include "tx_states.h"

#define S0   TX_S0
#define S1   TX_S1
#define S2   TX_S2
#define S3   TX_S3
#define S4   TX_S4
#define NONE TX_NOWHERE

// clang-format off
const struct tx_table_row tx_table[TX_ROW_COUNT] = {
    //                             function                      condition              S0    S1    S2    S3    S4
    [TX_ROW_BEGIN] =             {"tx_begin",                   "",                   {NONE, S3,   S4,   NONE, NONE}},
    [TX_ROW_CLOSE] =             {"tx_close",                   "",                   {S0,   S0,   S0,   NONE, NONE}},
    [TX_ROW_COMMIT] =            {"tx_commit",                  "",                   {NONE, NONE, NONE, S1,   S4}},
    [TX_ROW_COMMIT_NO_BEGIN] =   {"tx_commit",                  "*_NO_BEGIN",         {NONE, NONE, NONE, NONE, S2}},
    [TX_ROW_INFO] =              {"tx_info",                    "",                   {NONE, S1,   S2,   S3,   S4}},
    [TX_ROW_OPEN] =              {"tx_open",                    "",                   {S1,   S1,   S2,   S3,   S4}},
    [TX_ROW_ROLLBACK] =          {"tx_rollback",                "",                   {NONE, NONE, NONE, S1,   S4}},
    [TX_ROW_ROLLBACK_NO_BEGIN] = {"tx_rollback",                "*_NO_BEGIN",         {NONE, NONE, NONE, NONE, S2}},
    [TX_ROW_SET_COMMIT_RETURN] = {"tx_set_commit_return",       "",                   {NONE, S1,   S2,   S3,   S4}},
    [TX_ROW_SET_CHAINED] =       {"tx_set_transaction_control", "TX_CHAINED",         {NONE, S2,   S2,   S4,   S4}},
    [TX_ROW_SET_UNCHAINED] =     {"tx_set_transaction_control", "TX_UNCHAINED",       {NONE, S1,   S1,   S3,   S3}},
    [TX_ROW_SET_TIMEOUT] =       {"tx_set_transaction_timeout", "",                   {NONE, S1,   S2,   S3,   S4}},
};
// clang-format on

const char *const tx_state_about[TX_STATE_COUNT] = {
    [TX_S0] = "no resource managers are open",
    [TX_S1] = "open, not in a transaction, unchained",
    [TX_S2] = "open, not in a transaction, chained",
    [TX_S3] = "in a transaction, unchained",
    [TX_S4] = "in a transaction, chained",
};
