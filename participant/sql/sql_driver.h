// SPDX-License-Identifier: Apache-2.0
// What a database offers to the programs that drive any (assent-rm, assent-bank, assent doctor):
// libassent-postgres exports assent_sql_postgres, libassent-mariadb assent_sql_mariadb. Programs
// load them with dlopen(3), so that nobody links what they do not use; `sql_driver_load` does.
//
// "WHERE" is the part after the colon of "postgres:..." and "mariadb:...": what the database's own
// client library takes (a conninfo string or URI of libpq; for MariaDB key=value words: host, port,
// socket, user, password, database, ...). It is the XA open string too.
#ifndef SQL_DRIVER_H
#define SQL_DRIVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "assent/barrier.h"
#include "assent/xopen/xa.h"

// One connection, used by one thread at a time.
struct sql_session;

struct sql_value {
    const char *text; // NULL: SQL's null. Owned by the caller
    size_t size;      // bytes
};

struct sql_answer {
    uint64_t rows;   // changed, or found
    char first[256]; // the first column of the first row as text; "" where there is none
    bool has_first;  // and it is not null
};

// A branch that the database holds prepared.
struct sql_prepared {
    XID xid;          // formatID -1: its name is none that a switch of ours makes
    char name[300];   // as the database calls it
    int64_t age_s;    // -1: the database does not say
    char owner[64];   // "" likewise
    bool here;        // it can be ended from this connection (its own database, its owner)
    char commit[700]; // the very commands for the database's own client
    char rollback[700];
};

struct sql_driver {
    const char *name; // "postgres", "mariadb"
    struct xa_switch_t *xa;

    // The session of the calling thread for an rmid that it has opened by xa_open; inside
    // xa_start .. xa_end statements executed there belong to the branch. NULL: there is none.
    struct sql_session *(*of_thread)(int rmid);

    // A session of one's own, for local transactions. Errors: ASSENT_CONFIG (wrong settings; the
    // message says what to do), ASSENT_UNAVAILABLE, ASSENT_NOMEM.
    int (*connect)(const char *where, struct sql_session **ret, assent_error *error);
    void (*close)(struct sql_session **session_p);
    // What must hold for two-phase commit: settings, versions, rights. ASSENT_CONFIG.
    int (*check)(struct sql_session *session, assent_error *error);

    // Local transactions. A session whose connection was lost connects anew at `begin`.
    // ASSENT_UNAVAILABLE: the connection is lost; after commit nobody knows what became of it.
    // ASSENT_BUSY: deadlock, serialization failure, lock timeout: roll back and try again.
    int (*begin)(struct sql_session *session, assent_error *error);
    int (*commit)(struct sql_session *session, assent_error *error);
    int (*rollback)(struct sql_session *session, assent_error *error);

    // One statement, prepared at the server on first use and kept; parameters are $1, $2, ... in
    // `sql` whatever the database's own marks are. Errors: as above; ASSENT_INVALID (the statement
    // is not SQL, or a parameter is not what it takes); ASSENT_CONFLICT (a constraint is violated).
    int (*execute)(struct sql_session *session, const char *sql, const struct sql_value *values,
                   size_t count, struct sql_answer *ret, assent_error *error);
    // As execute, and calls `visit` for each row, columns as text (NULL: SQL's null).
    int (*query)(struct sql_session *session, const char *sql, const struct sql_value *values,
                 size_t count, void (*visit)(void *arg, int columns, const char *const *values),
                 void *arg, assent_error *error);

    // The barrier, in the session's open transaction; as assent/barrier_sqlite.h.
    int (*barrier_create)(struct sql_session *session, assent_error *error);
    int (*barrier_enter)(struct sql_session *session, const char *gtid, uint16_t branch,
                         assent_barrier_operation operation, assent_barrier_entry *ret,
                         assent_error *error);
    int (*barrier_answer)(struct sql_session *session, const char *gtid, uint16_t branch,
                          assent_barrier_operation operation, const void *answer, size_t size,
                          assent_error *error);
    int (*barrier_forget)(struct sql_session *session, const char *gtid, uint16_t branch,
                          assent_error *error);
    int (*barrier_seal)(struct sql_session *session, const char *gtid, uint16_t branch,
                        assent_barrier_operation forward, assent_error *error);
    int (*barrier_collect)(struct sql_session *session, uint64_t horizon_ms, uint64_t rows_max,
                           uint64_t *ret_removed, assent_error *error);

    // All branches that the database holds prepared, whoever made them. Outside of a transaction.
    int (*prepared)(struct sql_session *session,
                    void (*visit)(void *arg, const struct sql_prepared *prepared), void *arg,
                    assent_error *error);

    // Could `execute` do that with so many values, as far as the database can tell without doing
    // it? Outside of a transaction. As `execute`.
    int (*prepare)(struct sql_session *session, const char *sql, size_t count, assent_error *error);
};

// Loads the driver that "postgres:..." or "mariadb:..." asks for; *ret_where: what follows the
// colon. Drivers stay loaded. ASSENT_INVALID (no such database), ASSENT_CONFIG (its library is not
// installed; the message says which).
int sql_driver_load(const char *address, const struct sql_driver **ret, const char **ret_where,
                    assent_error *error);

#endif
