// SPDX-License-Identifier: Apache-2.0
// The state table of the TX specification (its chapter "State Tables"), as data: what a thread of
// control may call, and where that leads.
#ifndef TX_STATES_H
#define TX_STATES_H

#include <stdbool.h>

enum tx_state {
    TX_S0, // no resource managers are open
    TX_S1, // open, not in a transaction, unchained
    TX_S2, // open, not in a transaction, chained
    TX_S3, // in a transaction, unchained
    TX_S4, // in a transaction, chained
    TX_STATE_COUNT,
    TX_NOWHERE = -1, // TX_PROTOCOL_ERROR, and the state remains
};

// A function, by what it returned or was given where that makes a difference.
enum tx_row {
    TX_ROW_BEGIN,
    TX_ROW_CLOSE,
    TX_ROW_COMMIT,
    TX_ROW_COMMIT_NO_BEGIN,
    TX_ROW_INFO,
    TX_ROW_OPEN,
    TX_ROW_ROLLBACK,
    TX_ROW_ROLLBACK_NO_BEGIN,
    TX_ROW_SET_COMMIT_RETURN,
    TX_ROW_SET_CHAINED,
    TX_ROW_SET_UNCHAINED,
    TX_ROW_SET_TIMEOUT,
    TX_ROW_COUNT,
};

struct tx_table_row {
    const char *function;
    const char *condition; // "" where there is none
    enum tx_state next[TX_STATE_COUNT];
};

extern const struct tx_table_row tx_table[TX_ROW_COUNT];
extern const char *const tx_state_about[TX_STATE_COUNT];

// Whether the function may be called in that state.
static inline bool tx_allowed(enum tx_row row, enum tx_state state)
{
    return tx_table[row].next[state] != TX_NOWHERE;
}

static inline bool tx_in_transaction(enum tx_state state)
{
    return state == TX_S3 || state == TX_S4;
}

static inline bool tx_chained(enum tx_state state)
{
    return state == TX_S2 || state == TX_S4;
}

#endif
