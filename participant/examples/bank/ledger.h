// SPDX-License-Identifier: Apache-2.0
// A bank's own database: accounts, reservations and the prepared state of branches, in LevelDB.
//
// A branch that is prepared holds a *reservation*: what it will debit is set aside, so that other
// branches can use the rest of the account at the same time and none can overdraw it. Nothing
// waits for another branch, so nothing can deadlock.
//
// Thread-safe. Every function that changes something returns when the change is on disk; changes
// of threads that come together share one synced write.
#ifndef BANK_LEDGER_H
#define BANK_LEDGER_H

#include <stdbool.h>
#include <stdint.h>

#include "assent/error.h"
#include "operation.h"
#include "totals.h"

struct ledger;

enum { LEDGER_NAME_MAX = 64, LEDGER_TEXT_MAX = 160 };

// Makes a ledger with accounts 0 .. accounts - 1, each with `balance` cents in checking and as much
// in savings. ASSENT_STATE when there is one already, ASSENT_IO.
int ledger_create(const char *dir, const char *name, uint64_t accounts, int64_t balance,
                  assent_error *error);
// With `history`, the branches that were applied are remembered for audits. ASSENT_LOCKED while
// another process has it open.
int ledger_open(const char *dir, bool history, struct ledger **ret, assent_error *error);
void ledger_close(struct ledger **ledger_p);

const char *ledger_name(const struct ledger *ledger);
uint64_t ledger_accounts(const struct ledger *ledger);
// Once true nothing can be written any more: the process should exit and start again.
bool ledger_failed(struct ledger *ledger);

int64_t ledger_available(struct ledger *ledger, uint64_t account); // checking and savings

// Reserves what `change` needs and keeps it under `branch_id` until commit or rollback. False, with
// a reason in `why` (LEDGER_TEXT_MAX + 1 bytes), when the account has not enough. Preparing the
// same id again is true.
bool ledger_prepare(struct ledger *ledger, const char *branch_id, const struct change *change,
                    char *why);
// Both do nothing for an id that is not prepared. False: could not be written, ask again.
bool ledger_commit(struct ledger *ledger, const char *branch_id);
bool ledger_rollback(struct ledger *ledger, const char *branch_id);

// Work of an application in an enlisted branch, in memory only until it is prepared: everything the
// account has is set aside to be taken out. Returns the amount; -1 when there is no such account.
int64_t ledger_work_drain(struct ledger *ledger, const char *gtid, unsigned branch,
                          uint64_t account);
// Makes that work a prepared branch. False when there is none (it was lost in a crash).
bool ledger_work_prepare(struct ledger *ledger, const char *gtid, unsigned branch,
                         const char *branch_id, char *why);
void ledger_work_drop(struct ledger *ledger, const char *gtid, unsigned branch);

// Calls `visit` with the id of each prepared branch; stops when it returns other than 0.
int ledger_each_prepared(struct ledger *ledger, int (*visit)(void *arg, const char *branch_id),
                         void *arg);
void ledger_totals(struct ledger *ledger, struct totals *ret);
bool ledger_applied(struct ledger *ledger, const char *gtid, unsigned branch);

#endif
