// SPDX-License-Identifier: Apache-2.0
//
// MariaDB (10.5 or later; InnoDB), in libassent-mariadb: an XA switch over libmariadb, the same
// steps for applications that have a MYSQL of their own, and the barrier (assent/barrier.h).
// docs/resource-managers.md has what the database promises, its settings and its traps.
//
// The trap to know: a prepared branch stays bound to the connection that prepared it until that
// connection is closed. Until then nobody else can end it (XAER_NOTA, though XA RECOVER lists it),
// and the connection can do nothing else. So the switch parks that connection under the branch's
// XID, and takes another one for what comes next.
//
// Thread-safety: as the connection's: a MYSQL is used by one thread at a time.
#ifndef ASSENT_MARIADB_H
#define ASSENT_MARIADB_H

#include <stddef.h>
#include <stdint.h>

#include "assent/barrier.h"
#include "assent/xopen/xa.h"

#ifdef __cplusplus
extern "C" {
#endif

struct st_mysql; // libmariadb's MYSQL

// ---- the XA switch ----

// xa_open's string: words key=value with blanks between them, a value with blanks in single quotes
// (\' and \\ within them). my.cnf is not read.
//     host, port; or socket       where the server is; none: the client library's socket
//     user, database
//     password; or password-file  the file's first line, so that it is in no process list
//     ssl-ca, ssl-cert, ssl-key   files. With ssl-ca the server's certificate is verified
//     connect-timeout             seconds; 10
//     read-timeout                seconds; 0: for ever. What takes longer is a lost connection
//     parked                      prepared branches whose connections are kept, at most: past it
//                                 the oldest are closed (the branch stays prepared, and can be
//                                 ended by anybody). 64, and no more than half of the server's
//                                 max_connections
// Each thread of control opens for itself, with the same string; connections are shared by all
// threads that have opened the rmid. XAER_INVAL: the string is none; XAER_RMERR: the server is none
// that this can rely on (too old, or its commits may be lost: docs/resource-managers.md);
// XAER_RMFAIL: it cannot be reached. assent_mariadb_reason says more. Threads that end close what
// they have open.
//
// xa_start: TMNOFLAGS only (no TMJOIN, TMRESUME). xa_end: TMSUCCESS or TMFAIL. xa_prepare:
// XA_RDONLY where it is certain that the branch has changed nothing; XA_RB*: it is rolled back;
// XAER_RMFAIL where the connection was lost: nobody knows whether it is prepared, and xa_recover
// tells. xa_commit and xa_rollback of prepared branches, from any thread and any process: XA_RETRY
// while another connection holds the branch, or keeps the server from it; XAER_RMFAIL: the server
// cannot be reached; XAER_NOTA: no branch is prepared under that XID (any more). With TMONEPHASE
// xa_commit takes only what is ended and not prepared, in the process that did it; after
// XAER_RMFAIL nobody knows what became of that. xa_recover gives all that the server holds, whoever
// prepared it.
ASSENT_API extern struct xa_switch_t assent_mariadb_xa;

// The calling thread's connection, between xa_start and xa_end of that rmid; NULL at other times.
// The switch owns it. What is set for its session is found by whichever branch gets it later.
ASSENT_API struct st_mysql *assent_mariadb_connection(int rmid);

// What the last call of the switch that failed in this thread had to say; "" when there was none.
// Valid until the thread's next call.
ASSENT_API const char *assent_mariadb_reason(int rmid);

// ---- branches on a connection of one's own ----
//
// All of them: ASSENT_INVALID for arguments that are none; ASSENT_UNAVAILABLE when the connection
// is lost.

// Begins the branch. ASSENT_STATE: a transaction is open, or a branch is bound to this connection;
// ASSENT_CONFLICT: there is such a branch.
ASSENT_API int assent_mariadb_start(struct st_mysql *db, const XID *xid, assent_error *error);

// Ends its work and prepares it: on ASSENT_OK, and only then, it is, and outlives connection and
// server. Until its outcome is known keep the connection, and finish the branch there, or close the
// connection: while it is open nobody else can end the branch. After ASSENT_UNAVAILABLE nobody
// knows whether it is prepared: do not commit, and have it rolled back. ASSENT_STATE: no such
// branch is begun here and not ended; nothing was done. After ASSENT_BUSY (deadlock, lock timeout:
// try again) it is rolled back.
ASSENT_API int assent_mariadb_prepare(struct st_mysql *db, const XID *xid, assent_error *error);

// Commits (commit is 1) or rolls back (0) a branch: on the connection that prepared it, or, when
// that one is closed, on any; rolls back one that was begun on this connection and not prepared, as
// well. ASSENT_UNKNOWN: it is not (any more) prepared; ASSENT_BUSY: another connection holds it, or
// keeps the server from it: try again; ASSENT_STATE: a transaction is open here, or the branch is
// not prepared. After ASSENT_UNAVAILABLE it may be done or not: again, on a new connection.
ASSENT_API int assent_mariadb_finish(struct st_mysql *db, const XID *xid, int commit,
                                     assent_error *error);

#define ASSENT_MARIADB_XID_MAX 288 // bytes, with the NUL

// The XID as MariaDB's statements have it: X'..',X'..',n. ASSENT_INVALID: none that MariaDB takes
// (a formatID from 0 to 2147483647; a gtrid of 1 to 64 bytes, a bqual of at most 64).
ASSENT_API int assent_mariadb_xid_text(const XID *xid, char ret[ASSENT_MARIADB_XID_MAX],
                                       assent_error *error);

// ---- the barrier ----
//
// A table, assent_barrier, of the connection's database (which has to be the one of the business;
// both in InnoDB), entered in the open transaction of the caller, whatever its isolation level:
//
//     assent_barrier_mariadb_create(db, &error);   // once
//
//     mysql_query(db, "START TRANSACTION");
//     assent_barrier_mariadb_enter(db, gtid, branch, ASSENT_BARRIER_TRY, &entry, &error);
//     if (entry.verdict == ASSENT_BARRIER_RUN)
//         yes = work(db);                          // in the same transaction
//     mysql_query(db, yes ? "COMMIT" : "ROLLBACK"); // answer after this has succeeded
//
// Entering locks the branch's row before it reads, so it waits while another transaction is at the
// same branch, and then sees what that one has committed, whatever snapshot this one reads.
// Enter before anything else, and after *any* error roll back: after a deadlock the server has done
// that already, and what is executed next is a transaction of its own, without the barrier.
// Statements that commit implicitly (CREATE, ALTER, TRUNCATE, LOCK TABLES, ...) have no place in
// it. Do not undo the business by a savepoint and commit the rest: the row would say that it was
// done.
//
// All return ASSENT_INVALID for arguments that are none, ASSENT_BUSY (deadlock, lock timeout: roll
// back, begin again), ASSENT_UNAVAILABLE (the connection is lost), ASSENT_DENIED (no rights on the
// table, or read-only), ASSENT_CONFIG (the table is missing, or is not the barrier's),
// ASSENT_CORRUPT, ASSENT_IO, ASSENT_LIMIT. All but _create return ASSENT_STATE when no transaction
// is open.

// Makes the table where it is missing (which takes the right to create it), and checks what must
// hold: that it is the barrier's, in InnoDB, and that commits are on the disk when they return
// (innodb_flush_log_at_trx_commit, sync_binlog). Outside of a transaction, else ASSENT_STATE: it
// would commit it.
ASSENT_API int assent_barrier_mariadb_create(struct st_mysql *db, assent_error *error);

// As assent_barrier_sqlite_enter, _answer, _forget, _seal, _collect (assent/barrier_sqlite.h).
ASSENT_API int assent_barrier_mariadb_enter(struct st_mysql *db, const char *gtid, uint16_t branch,
                                            assent_barrier_operation operation,
                                            assent_barrier_entry *ret, assent_error *error);
ASSENT_API int assent_barrier_mariadb_answer(struct st_mysql *db, const char *gtid, uint16_t branch,
                                             assent_barrier_operation operation, const void *answer,
                                             size_t size, assent_error *error);
ASSENT_API int assent_barrier_mariadb_forget(struct st_mysql *db, const char *gtid, uint16_t branch,
                                             assent_error *error);
ASSENT_API int assent_barrier_mariadb_seal(struct st_mysql *db, const char *gtid, uint16_t branch,
                                           assent_barrier_operation forward, assent_error *error);
ASSENT_API int assent_barrier_mariadb_collect(struct st_mysql *db, uint64_t horizon_ms,
                                              uint64_t rows_max, uint64_t *ret_removed,
                                              assent_error *error);

#ifdef __cplusplus
}
#endif
#endif
