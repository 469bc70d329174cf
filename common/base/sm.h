// SPDX-License-Identifier: Apache-2.0
// State machines as tables: the allowed moves are data, every move is checked, and the tables
// print themselves as diagrams for the documentation.
#ifndef BASE_SM_H
#define BASE_SM_H

#include "base/buf.h"

enum { SM_STATES_MAX = 32 };

struct sm_state {
    const char *name;
    uint32_t moves; // bit n: a move to state n is allowed
    const char *about;
};

struct sm_table {
    const char *name;
    int count;
    const struct sm_state *states; // indexed by state
};

#define SM_TO(state) (1u << (state))

// Checks a move and returns `to`: `x->state = sm_move(&x_table, x->state, X_DONE)`. A move that the
// table does not allow is a broken invariant: it aborts.
int sm_move(const struct sm_table *table, int from, int to);
bool sm_allowed(const struct sm_table *table, int from, int to);
const char *sm_name(const struct sm_table *table, int state); // "?" for other numbers

// Appends the table as a Mermaid state diagram, ended by a newline. State 0 is the first; a state
// without moves to others is a last one. False when the buffer failed.
bool sm_diagram(const struct sm_table *table, struct buf *out);

#endif
