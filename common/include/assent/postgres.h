// SPDX-License-Identifier: Apache-2.0
//
// PostgreSQL (11 or later), in libassent-postgres: an XA switch over libpq, the same steps for
// applications that have a PGconn of their own, and the barrier (assent/barrier.h).
// docs/resource-managers.md has what the database promises, its settings and its traps.
//
// A branch is a transaction that PREPARE TRANSACTION keeps under a name, the gid, made from the
// branch's XID: "assent:<gtrid>:<bqual>" for those of Assent, and for others
// "xa:<formatID>:<gtrid>:<bqual>" with both in base64url. Transactions of other names are never
// touched.
//
// Thread-safety: as the connection's: a PGconn is used by one thread at a time.
#ifndef ASSENT_POSTGRES_H
#define ASSENT_POSTGRES_H

#include <stddef.h>
#include <stdint.h>

#include "assent/barrier.h"
#include "assent/xopen/xa.h"

#ifdef __cplusplus
extern "C" {
#endif

struct pg_conn; // libpq's PGconn

// ---- the XA switch ----

// xa_open's string is a conninfo of libpq ("host=... dbname=... user=..." or a URI). Each thread of
// control opens for itself. What is refused at xa_open (XAER_RMERR, or XAER_INVAL for a string that
// is no conninfo): a server older than 11, max_prepared_transactions = 0, a standby; XAER_RMFAIL:
// it cannot be reached. After XAER_RMFAIL, xa_open once more connects anew. Threads that end close
// what they have open.
//
// xa_start: TMNOFLAGS only (no TMJOIN, TMRESUME). xa_end: TMSUCCESS or TMFAIL; XA_RB* where the
// transaction cannot be prepared any more. xa_prepare: XA_RDONLY for a branch that has written
// nothing; XAER_DUPID where another one is prepared under that XID (this one is rolled back);
// XAER_RMFAIL where the connection was lost: then nobody knows whether it is prepared, and
// xa_recover tells. xa_commit and xa_rollback of prepared branches work from any connection, and
// answer XA_RETRY for whatever keeps them from it (busy in another connection; not this user's;
// another database's): the branch is as it was. XAER_NOTA: there is none (any more).
ASSENT_API extern struct xa_switch_t assent_postgres_xa;

// The connection that the calling thread has open for that rmid: between xa_start and xa_end what
// is executed there belongs to the branch. NULL: none, or it is lost. The switch owns it.
// Transactions are the switch's to begin and to end: no BEGIN, COMMIT, ROLLBACK (savepoints are
// fine), and no pipeline mode left on.
ASSENT_API struct pg_conn *assent_postgres_connection(int rmid);

// What the last call of the switch that failed in this thread had to say; "" when there was none.
// Valid until the thread's next call.
ASSENT_API const char *assent_postgres_reason(int rmid);

// ---- branches on a connection of one's own ----
//
// All of them: ASSENT_INVALID for arguments that are none; ASSENT_UNAVAILABLE when the connection
// is lost.

// Begins the transaction. ASSENT_STATE: one is open; ASSENT_INVALID: no XID that can be named;
// ASSENT_CONFIG: max_prepared_transactions is 0.
ASSENT_API int assent_postgres_start(struct pg_conn *conn, const XID *xid, assent_error *error);

// Prepares it: it then outlives connection and server, and is no longer this connection's. On
// ASSENT_OK, and only then, it is. After ASSENT_UNAVAILABLE nobody knows: do not commit, and have
// the branch rolled back. After all others it is rolled back: ASSENT_STATE (no transaction was
// open, or an error had ended it before), ASSENT_CONFLICT (a branch is prepared under that XID, or
// a deferred constraint is violated), ASSENT_BUSY (serialization failure, deadlock, or all of
// max_prepared_transactions are taken: try again), ASSENT_INVALID (it has used what cannot be
// prepared: temporary tables, LISTEN, NOTIFY, WITH HOLD cursors, exported snapshots),
// ASSENT_CONFIG (max_prepared_transactions is 0).
ASSENT_API int assent_postgres_prepare(struct pg_conn *conn, const XID *xid, assent_error *error);

// Commits (commit is 1) or rolls back (0) a prepared branch; outside of a transaction. Any
// connection to the same database will do, of the user who prepared it, or of a superuser.
// ASSENT_UNKNOWN: it is not (any more) prepared; ASSENT_BUSY (another connection is at it: try
// again); ASSENT_DENIED (another user's); ASSENT_CONFIG (another database's); ASSENT_STATE (a
// transaction is open here). With ASSENT_UNAVAILABLE it may be done or not: again, on a new
// connection.
ASSENT_API int assent_postgres_finish(struct pg_conn *conn, const XID *xid, int commit,
                                      assent_error *error);

#define ASSENT_POSTGRES_GID_MAX 200 // bytes, with the NUL

// The gid of an XID; and the XID of a gid, when that is one that would be made from it. Constant
// time, thread-safe, no quoting needed: it has only letters, digits, and the marks ".:_-/".
// ASSENT_INVALID.
ASSENT_API int assent_postgres_gid(const XID *xid, char ret[ASSENT_POSTGRES_GID_MAX],
                                   assent_error *error);
ASSENT_API int assent_postgres_xid(const char *gid, XID *ret, assent_error *error);

// ---- the barrier ----
//
// A table, assent.barrier, of the database in which the business is, entered in the open
// transaction of the caller, whatever its isolation level:
//
//     assent_barrier_postgres_create(conn, &error);   // once
//
//     PQexec(conn, "BEGIN");
//     assent_barrier_postgres_enter(conn, gtid, branch, ASSENT_BARRIER_TRY, &entry, &error);
//     if (entry.verdict == ASSENT_BARRIER_RUN)
//         yes = work(conn);                           // in the same transaction
//     PQexec(conn, yes ? "COMMIT" : "ROLLBACK");      // answer after this has succeeded
//
// (COMMIT of a transaction in which a statement failed answers ROLLBACK and no error: look at
// PQcmdStatus.)
//
// Entering waits while another transaction is at the same branch. In READ COMMITTED (PostgreSQL's
// default) it then sees what that one has committed; with REPEATABLE READ and SERIALIZABLE it is
// refused with ASSENT_BUSY when the snapshot is too old for that. After any error roll back. Do not
// undo the business by a savepoint and commit the rest: the row would say that it was done.
//
// All return ASSENT_INVALID for arguments that are none, ASSENT_BUSY (deadlock, serialization, lock
// or statement timeout: roll back, begin again), ASSENT_UNAVAILABLE (the connection is lost),
// ASSENT_DENIED (no rights on the table, or read-only), ASSENT_CONFIG (the table is missing, or is
// not the barrier's), ASSENT_CORRUPT, ASSENT_IO, ASSENT_LIMIT. All but _create return ASSENT_STATE
// when no transaction is open, or it has failed.

// Makes the table where it is missing (which takes the right to create a schema), and checks what
// must hold: that it is the barrier's and survives crashes, and that this connection's commits are
// on the disk when they return (synchronous_commit). In a transaction of the caller, or without
// one.
ASSENT_API int assent_barrier_postgres_create(struct pg_conn *conn, assent_error *error);

// As assent_barrier_sqlite_enter, _answer, _forget, _seal, _collect (assent/barrier_sqlite.h).
ASSENT_API int assent_barrier_postgres_enter(struct pg_conn *conn, const char *gtid,
                                             uint16_t branch, assent_barrier_operation operation,
                                             assent_barrier_entry *ret, assent_error *error);
ASSENT_API int assent_barrier_postgres_answer(struct pg_conn *conn, const char *gtid,
                                              uint16_t branch, assent_barrier_operation operation,
                                              const void *answer, size_t size, assent_error *error);
ASSENT_API int assent_barrier_postgres_forget(struct pg_conn *conn, const char *gtid,
                                              uint16_t branch, assent_error *error);
ASSENT_API int assent_barrier_postgres_seal(struct pg_conn *conn, const char *gtid, uint16_t branch,
                                            assent_barrier_operation forward, assent_error *error);
ASSENT_API int assent_barrier_postgres_collect(struct pg_conn *conn, uint64_t horizon_ms,
                                               uint64_t rows_max, uint64_t *ret_removed,
                                               assent_error *error);

#ifdef __cplusplus
}
#endif
#endif
