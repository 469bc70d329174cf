// SPDX-License-Identifier: Apache-2.0
// What the ways to end a transaction have in common.
#ifndef TX_END_H
#define TX_END_H

#include "tx_outcome.h"
#include "tx_thread.h"

// Rolls back every branch that is left. Only what cannot be committed any more.
void end_rollback(struct tx_thread *t, struct tally *tally);
// Rolls back a transaction that was not submitted. TX_OK, TX_MIXED, TX_HAZARD; `opposite` where
// heuristics have committed all of it.
int end_undecided(struct tx_thread *t, int opposite);

#endif
