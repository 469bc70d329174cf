// SPDX-License-Identifier: Apache-2.0
// The resource manager: how the branches of global transactions act on a ledger.
#ifndef BANK_BANK_H
#define BANK_BANK_H

#include "assent/participant.h"
#include "ledger.h"

// Handlers whose context is a struct ledger *.
extern const assent_handlers bank_handlers;

#endif
