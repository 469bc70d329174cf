// SPDX-License-Identifier: Apache-2.0
// A connection, and what its errors mean.
#ifndef MARIADB_LINK_H
#define MARIADB_LINK_H

#include <mysql.h>
#include <stdbool.h>

#include "assent/xopen/xa.h"
#include "where.h"

// The server's numbers of errors that are looked at by name.
enum {
    ER_NONE = 0,
    ER_CHECKREAD_NUMBER = 1020,
    ER_CON_COUNT_NUMBER = 1040,
    ER_LOCK_WAIT_TIMEOUT_NUMBER = 1205,
    ER_LOCK_DEADLOCK_NUMBER = 1213,
    ER_UNKNOWN_STMT_HANDLER_NUMBER = 1243,
    ER_UNSUPPORTED_PS_NUMBER = 1295,
    ER_XAER_NOTA_NUMBER = 1397,
    ER_XAER_INVAL_NUMBER = 1398,
    ER_XAER_RMFAIL_NUMBER = 1399,
    ER_XAER_OUTSIDE_NUMBER = 1400,
    ER_XAER_RMERR_NUMBER = 1401,
    ER_XA_RBROLLBACK_NUMBER = 1402,
    ER_XAER_DUPID_NUMBER = 1440,
    ER_XA_RBTIMEOUT_NUMBER = 1613,
    ER_XA_RBDEADLOCK_NUMBER = 1614,
};

// Connects, and sees that autocommit is on. ASSENT_CONFIG (refused: the message says what to do),
// ASSENT_UNAVAILABLE (not reached, or no connection is left: error->code only), ASSENT_NOMEM.
// *ret_number (may be NULL): the server's number of the error.
// `tracked` (may be NULL): told of what the server says of the transaction's state from then on.
struct link_track {
    bool reported; // the server has said something: it does
    bool wrote;    // since the caller made it false, a table was locked to be written
};
int link_open(const struct where *where, struct link_track *tracked, MYSQL **ret,
              unsigned *ret_number, assent_error *error);
// Whether the server can be relied on: version, InnoDB, commits that are durable. ASSENT_CONFIG,
// ASSENT_UNAVAILABLE. *ret_connections (may be NULL): its max_connections.
int link_check(MYSQL *db, unsigned *ret_connections, assent_error *error);
// Of a connection of the application's, too: what makes commits durable. As link_check.
int link_check_durable(MYSQL *db, assent_error *error);

// One statement; what it gives is thrown away. The server's number of the error, ER_NONE.
unsigned link_run(MYSQL *db, const char *sql);
// One statement that gives one row: its columns, as numbers, into ret[count].
unsigned link_numbers(MYSQL *db, const char *sql, long long *ret, unsigned count);

bool link_is_lost(unsigned number); // the connection is gone with it
int link_code(unsigned number);     // the code of assent_error
// Says what went wrong, from an error's number and the server's message.
int link_refuse(unsigned number, const char *message, assent_error *error);
// XA_RB* for errors that say that the branch is rolled back, else 0.
int link_rollback_code(unsigned number);
// Whether it is one of these by its name: the branch is rolled back, and there is nothing left of
// it.
bool link_says_rolled_back(unsigned number);
// Whether the last error was that the connection's branch is rolled back already, and has to be
// ended as such: after a deadlock the server keeps it, and refuses everything but XA ROLLBACK.
bool link_is_rolled_back(MYSQL *db);
// Whether a transaction is open, by what the server said last.
bool link_is_open(MYSQL *db);

#endif
