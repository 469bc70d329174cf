// SPDX-License-Identifier: Apache-2.0
// A bank in a database that speaks SQL, which holds its branches prepared itself. Its tables:
//
//   accounts (id, checking, savings, cash)  cash: what the outside world has paid in (negative) or
//                                           taken out over this account
//   applied  (gtid, branch)                 written by the branch itself: every one that was
//                                           committed
//   meta     (name, accounts, loaded)       one row
//
// A branch locks the rows that it changes until it has ended, so two banks can keep each other's
// transactions waiting: nobody waits longer than LOCK_WAIT_S.
#ifndef BANK_DATABASE_H
#define BANK_DATABASE_H

#include "assent/xa_manager.h"
#include "sql/sql_driver.h"
#include "store.h"

enum { DATABASE_RMID = 1, LOCK_WAIT_S = 1, STATEMENT_VALUES_MAX = 4 };

struct database {
    char *address; // "postgres:..."
    const struct sql_driver *driver;
    const char *where;           // in `address`
    struct sql_session *session; // for looking in, by one thread at a time
    char name[STORE_NAME_MAX + 1];
    int64_t loaded;
    assent_xa *xa;       // while it participates
    bool counter_opened; // xa_open was called by the thread that drains
};

// One statement with texts as values. Errors as those of sql_driver's `execute`.
int database_execute(const struct database *d, struct sql_session *session, const char *sql,
                     const char *const *texts, size_t count, struct sql_answer *ret,
                     assent_error *error);

// What a database's branches do (database_branch.c).
extern const assent_handlers database_handlers;
int database_participate(void *self, assent_error *error);
void database_watch(void *self, assent_participant *participant);
// What applications do there themselves (database_drain.c). On one thread.
int database_drain(void *self, const char *gtid, unsigned branch, uint64_t account,
                   int64_t *ret_amount, assent_error *error);

// The row of `applied`.
int database_apply(const struct database *d, struct sql_session *session, const char *gtid,
                   unsigned branch, assent_error *error);

#endif
