// SPDX-License-Identifier: Apache-2.0
// A service's own database, in SQLite, and local transactions in it that go through the barrier.
//
// Thread-safe: a lock, held from begin to commit or rollback, gives the connection to one thread at
// a time. SQLite writes one transaction at a time anyway; other processes are kept out by the file.
#ifndef KIT_LOCAL_H
#define KIT_LOCAL_H

#include <stdbool.h>
#include <stdint.h>

#include "assent/barrier.h"
#include "assent/participant.h"

struct local;

// Opens the database, makes it and the barrier's table where they are missing, and runs `setup`,
// which has to be fit to be run again. The caller owns *ret.
int local_open(const char *path, const char *setup, struct local **ret, assent_error *error);
// Opens one that there is.
int local_look(const char *path, struct local **ret, assent_error *error);
void local_close(struct local **local_p);

// Begins a local transaction, and enters the barrier in it. False: nothing was begun; not now.
bool local_enter(struct local *local, const char *gtid, uint16_t branch,
                 assent_barrier_operation operation, assent_barrier_entry *ret);
// Keeps an answer with the barrier's row, for duplicates.
bool local_keep(struct local *local, const assent_branch *branch,
                assent_barrier_operation operation, const void *answer, size_t size);
bool local_begin(struct local *local); // a transaction without the barrier
// Both end the transaction. It is on the disk when local_commit returns; where that fails nobody
// knows what is, and the process ends: the next one will see.
void local_commit(struct local *local);
void local_rollback(struct local *local);

// One statement within a transaction, in the words of sqlite3_mprintf (%lld, %Q). False: it failed.
bool local_run(struct local *local, const char *format, ...);
// Likewise; true if it changed, or made, exactly one row.
bool local_change(struct local *local, const char *format, ...);
// The first column of the first row; false, and *ret untouched, where there is none.
bool local_number(struct local *local, int64_t *ret, const char *format, ...);
// Calls `visit` for each row, with its columns as text ("" for NULL). False: it failed.
bool local_each(struct local *local,
                void (*visit)(void *arg, int columns, const char *const *values), void *arg,
                const char *format, ...);

// The rows of the barrier of a branch that nobody will ask about any more go.
bool local_forget(struct local *local, const assent_branch *branch);
// Likewise where an application ran the forward operation itself: a fence stays, until the horizon
// has passed it.
bool local_seal(struct local *local, const char *gtid, uint16_t branch,
                assent_barrier_operation forward);
// Fences older than so many seconds go.
void local_collect(struct local *local, int64_t age_s);

#endif
