// SPDX-License-Identifier: Apache-2.0
// A connection to PostgreSQL, whoever's: the switch's, the driver's, or one that an application
// lent for one call.
#ifndef POSTGRES_SESSION_H
#define POSTGRES_SESSION_H

#include <libpq-fe.h>

#include "assent/postgres.h"
#include "base/error.h"
#include "sql/sql_driver.h"

enum { STATEMENTS_MAX = 256 }; // prepared at the server for a connection; others each time anew

enum branch_state {
    BRANCH_NONE,
    BRANCH_ACTIVE, // xa_start .. xa_end
    BRANCH_ENDED,  // .. xa_prepare, xa_rollback or xa_commit in one phase
};

struct sql_session {
    PGconn *conn;     // NULL: lost, or never made. Owned, unless the session is an application's
    bool own;         // the connection is ours: statements are kept, and it may be closed
    char *where;      // owned
    bool begun;       // a transaction of ours is open
    bool begin_due;   // and its BEGIN is sent with the first statement
    bool escaped;     // a statement has ended it
    bool has_written; // something in it surely has to be prepared
    bool stale;       // the server no longer has the statements, or not as they were
    char sqlstate[6]; // of the last error, "" for none
    char *statements[STATEMENTS_MAX]; // texts; the index is part of the name there
    int statement_count;

    // Of the switch.
    struct sql_session *next; // of the thread
    int rmid;
    bool opened;
    enum branch_state branch;
    bool rollback_only;
    XID xid;
    XID *scan; // of xa_recover: what is left of it; owned
    long scan_count, scan_at;
    bool scanning;
    assent_error reason;
};

// ---- errors ----

// The code for an SQLSTATE; ASSENT_UNAVAILABLE and ASSENT_INTERNAL among them.
int postgres_code(const char *sqlstate);
// XA_RB*: why what was not prepared is rolled back.
int postgres_rollback_code(const char *sqlstate);
// Says what is wrong, notes the SQLSTATE, and lets the connection go where it is lost.
int postgres_refuse(struct sql_session *session, const PGresult *result, assent_error *error);
int postgres_refuse_lost(assent_error *error);

// ---- connections ----

// ASSENT_INVALID: no conninfo; ASSENT_CONFIG, ASSENT_UNAVAILABLE, ASSENT_NOMEM.
int postgres_connect(struct sql_session *session, assent_error *error);
// Whether the server is, as far as can be told from here without asking, still there.
bool postgres_is_alive(struct sql_session *session);
// For a session of ours between transactions: connects anew where the connection is lost.
int postgres_refresh(struct sql_session *session, assent_error *error);
void postgres_drop(struct sql_session *session); // the connection; all that was in it is gone
int postgres_session_new(const char *where, struct sql_session **ret, assent_error *error);
void postgres_session_free(struct sql_session **session_p);
// What must hold for two-phase commit. ASSENT_CONFIG.
int postgres_check(struct sql_session *session, assent_error *error);

// ---- statements ----

// One without parameters and rows, not kept. *ret_tag (may be NULL) gets the command's tag.
int postgres_command(struct sql_session *session, const char *sql, char ret_tag[64],
                     assent_error *error);
bool postgres_is_open(struct sql_session *session); // whether a transaction is
// Begins one with the next statement, and ends it. ASSENT_STATE where a statement has.
void postgres_begin(struct sql_session *session);
int postgres_commit(struct sql_session *session, assent_error *error);
int postgres_rollback(struct sql_session *session, assent_error *error);
int postgres_begin_now(struct sql_session *session, assent_error *error); // where it is due
int postgres_execute(struct sql_session *session, const char *sql, const struct sql_value *values,
                     size_t count, struct sql_answer *ret, assent_error *error);
int postgres_query(struct sql_session *session, const char *sql, const struct sql_value *values,
                   size_t count, void (*visit)(void *arg, int columns, const char *const *values),
                   void *arg, assent_error *error);

// ---- branches ----

enum finish {
    FINISH_DONE,
    FINISH_UNKNOWN, // there is no such prepared transaction
    FINISH_NOT_NOW, // it is as it was
    FINISH_LOST,    // nobody knows
};

// Both say what is wrong. Prepare: ASSENT_UNAVAILABLE: in doubt; all others: rolled back.
int postgres_prepare(struct sql_session *session, const XID *xid, assent_error *error);
enum finish postgres_finish(struct sql_session *session, const XID *xid, bool commit,
                            assent_error *error);

// ---- the barrier, and the thread's sessions ----

struct sql_barrier;
extern const struct sql_barrier postgres_barrier;
int postgres_barrier_create(struct sql_session *session, assent_error *error);
struct sql_session *postgres_of_thread(int rmid);

#endif
