// SPDX-License-Identifier: Apache-2.0
//
// The barrier (assent/barrier.h) in a SQLite database, in libassent-sqlite: a table of its own,
// entered within the caller's transaction.
//
//     assent_barrier_sqlite_create(db, &error);   // once for each connection, after its PRAGMAs
//
//     sqlite3_exec(db, "BEGIN IMMEDIATE", ...);
//     assent_barrier_sqlite_enter(db, gtid, branch, ASSENT_BARRIER_TRY, &entry, &error);
//     if (entry.verdict == ASSENT_BARRIER_RUN)
//         yes = work(db);                                     // in the same transaction
//     sqlite3_exec(db, yes ? "COMMIT" : "ROLLBACK", ...);     // answer after this has succeeded
//
// The transaction: the caller's, begun with BEGIN IMMEDIATE. After a plain BEGIN it works just as
// well, but where another connection has written since the transaction first read, it is refused
// with ASSENT_BUSY, as is an immediate BEGIN that waits longer than the connection's busy timeout;
// roll back and begin again. After *any* error the transaction must be rolled back: SQLite may have
// done that already (a full disk), and what is executed then is a transaction of its own, without
// the barrier. Do not undo the business by a savepoint within the transaction, and commit: the row
// would say that it was done.
//
// The table is `main`.assent_barrier; the business has to be in the same database file. (Files that
// are attached are committed together only in some journal modes.)
//
// Thread-safety: as the connection's: a connection in a transaction belongs to one thread.
#ifndef ASSENT_BARRIER_SQLITE_H
#define ASSENT_BARRIER_SQLITE_H

#include "assent/barrier.h"

#ifdef __cplusplus
extern "C" {
#endif

struct sqlite3;

// All functions below return ASSENT_INVALID for arguments that are none, ASSENT_BUSY (busy, locked,
// interrupted: roll back, begin again), ASSENT_IO (also: the disk is full), ASSENT_CORRUPT,
// ASSENT_NOMEM, ASSENT_DENIED (read-only, or not authorized), ASSENT_LIMIT (a limit of SQLite), and
// ASSENT_CONFIG when the table is missing or is not the barrier's. The message is SQLite's, with
// what to do. All but _create return ASSENT_STATE when no transaction is open.

// Makes the table where it is missing, and checks what must hold: that the table is the barrier's,
// and that this connection's commits are on the disk when they return, which takes journal_mode WAL
// (or TRUNCATE, PERSIST) and synchronous FULL, or journal_mode DELETE and synchronous EXTRA; else
// ASSENT_CONFIG. (Databases in memory are taken as they are.) In a transaction of the caller, or
// without one.
ASSENT_API int assent_barrier_sqlite_create(struct sqlite3 *db, assent_error *error);

// Says what is to be done, and writes the barrier's row of it into the open transaction: after RUN
// and EMPTY it has to be committed to hold. Also ASSENT_CONFLICT: the branch has rows of another
// protocol.
ASSENT_API int assent_barrier_sqlite_enter(struct sqlite3 *db, const char *gtid, uint16_t branch,
                                           assent_barrier_operation operation,
                                           assent_barrier_entry *ret, assent_error *error);

// After the verdict RUN, in the same transaction, at most once: keeps an answer (copied; at most
// ASSENT_BARRIER_ANSWER_MAX bytes, which may be any) with the row, to be given to duplicates. Also
// ASSENT_LIMIT (longer), ASSENT_STATE (that operation has not run here, or has an answer already).
ASSENT_API int assent_barrier_sqlite_answer(struct sqlite3 *db, const char *gtid, uint16_t branch,
                                            assent_barrier_operation operation, const void *answer,
                                            size_t size, assent_error *error);

// Removes all rows of a branch. Only when nobody can call for it any more: its transaction has
// ended at the coordinator, the fence has passed its last attempt, and its forward operation was
// called by the coordinator, not run by an application itself (see _seal).
ASSENT_API int assent_barrier_sqlite_forget(struct sqlite3 *db, const char *gtid, uint16_t branch,
                                            assent_error *error);

// Likewise for a branch whose forward operation (ASSENT_BARRIER_TRY, ASSENT_BARRIER_SEND) an
// application ran itself, and might, having been frozen, run again at any time: leaves one row, a
// fence, that keeps it from that.
ASSENT_API int assent_barrier_sqlite_seal(struct sqlite3 *db, const char *gtid, uint16_t branch,
                                          assent_barrier_operation forward, assent_error *error);

// Raises the horizon, and removes fences behind it: those of tries and sends whose gtid a
// coordinator made, and leased before horizon_ms (since 1970, by the coordinator's clock). The
// horizon never falls; a try or send of a gtid behind it that has no row is REFUSED from then on.
// So nothing can run that should not, whatever horizon is chosen; but what is still to run is
// refused, too. So choose one that no transaction in progress is older than: some hours or days
// ago. Fences of gtids that clients made stay until _forget. At most rows_max (0: any number) are
// removed, *ret_removed (may be NULL) says how many. ASSENT_INVALID also for a horizon in the
// future.
ASSENT_API int assent_barrier_sqlite_collect(struct sqlite3 *db, uint64_t horizon_ms,
                                             uint64_t rows_max, uint64_t *ret_removed,
                                             assent_error *error);

#ifdef __cplusplus
}
#endif
#endif
