// SPDX-License-Identifier: Apache-2.0
// What the resource managers made of the outcome, and the word of TX for it.
#ifndef TX_OUTCOME_H
#define TX_OUTCOME_H

#include <stdbool.h>

enum fate {
    FATE_DONE,    // as it was decided
    FATE_AGAINST, // by a heuristic, the opposite
    FATE_MIXED,
    FATE_HAZARD,
    FATE_GONE, // xa_commit found no such branch: the participant was faster, or an operator
    FATE_OPEN, // not done here; the participant goes on until it is
    FATE_COUNT,
};

struct tally {
    unsigned count[FATE_COUNT];
    bool mixed; // as the coordinator says
};

// Of what xa_commit answered for a prepared branch, and xa_rollback for any.
enum fate fate_of_commit(int xa_code);
enum fate fate_of_rollback(int xa_code);

// TX_OK, TX_MIXED, TX_HAZARD; and, where every branch has done the opposite, `opposite`.
int tally_code(const struct tally *tally, int opposite);

#endif
