// SPDX-License-Identifier: Apache-2.0
// The barrier in a database that speaks SQL, whichever: what is asked, in which order, and what
// follows from it. The statements, and how they are executed, are the database's own.
#ifndef SQL_BARRIER_H
#define SQL_BARRIER_H

#include "sql/sql_driver.h"

// Parameters are those of sql_driver's execute and query. $1 gtid, $2 branch wherever a branch is
// concerned; what else is said at each.
struct sql_barrier {
    const char *table;                            // as messages call it
    bool (*is_open)(struct sql_session *session); // whether a transaction is
    int (*execute)(struct sql_session *session, const char *sql, const struct sql_value *values,
                   size_t count, struct sql_answer *ret, assent_error *error);
    int (*query)(struct sql_session *session, const char *sql, const struct sql_value *values,
                 size_t count, void (*visit)(void *arg, int columns, const char *const *values),
                 void *arg, assent_error *error);

    const char *const *make; // executed in order: make what is missing; the last is NULL
    const char *read_shape;  // gives one value, which has to be:
    const char *shape;

    // From here on to the end of the transaction no other one enters this branch, and what is read
    // next is what the last one that did has committed. Where the transaction reads an older
    // snapshot than that, it gives a first column that is not empty, and `guard` is executed: it
    // has to fail (ASSENT_BUSY) where a row of the branch, or the horizon, has changed since.
    // NULL: read_rows does that.
    const char *take_turn;
    const char *guard;
    // Gives the rows of the branch, and the horizon: operation, state, leased_ms, answer in hex.
    const char *read_rows;
    // $3 operation, $4 state, $5 leased_ms. ASSENT_CONFLICT where it is there, which only `guard`
    // could have seen.
    const char *add_row;
    const char *keep_answer;   // $3 operation, $4 answer in hex; changes one row, or none
    const char *forget_rows;   // of the branch
    const char *raise_horizon; // $1 to what; it never falls
    const char *remove_fences; // $1 the horizon, $2 at most how many; of try and send only
};

int sql_barrier_create(const struct sql_barrier *barrier, struct sql_session *session,
                       assent_error *error);
int sql_barrier_enter(const struct sql_barrier *barrier, struct sql_session *session,
                      const char *gtid, uint16_t branch, assent_barrier_operation operation,
                      assent_barrier_entry *ret, assent_error *error);
int sql_barrier_answer(const struct sql_barrier *barrier, struct sql_session *session,
                       const char *gtid, uint16_t branch, assent_barrier_operation operation,
                       const void *answer, size_t size, assent_error *error);
int sql_barrier_forget(const struct sql_barrier *barrier, struct sql_session *session,
                       const char *gtid, uint16_t branch, assent_error *error);
int sql_barrier_seal(const struct sql_barrier *barrier, struct sql_session *session,
                     const char *gtid, uint16_t branch, assent_barrier_operation forward,
                     assent_error *error);
int sql_barrier_collect(const struct sql_barrier *barrier, struct sql_session *session,
                        uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret_removed,
                        assent_error *error);

#endif
