// SPDX-License-Identifier: Apache-2.0
// SQL with parameters $1, $2, ..., as statements that the server has prepared.
#ifndef MARIADB_STATEMENT_H
#define MARIADB_STATEMENT_H

#include <mysql.h>

#include "sql/sql_driver.h"

enum { STATEMENT_KEPT_MAX = 64 };

struct statement; // prepared at the server

// Those that a connection has prepared, the one used last first; at most STATEMENT_KEPT_MAX.
struct statements {
    struct statement *first;
    unsigned count;
};
void statements_free(struct statements *statements);

struct statement_answer {
    uint64_t rows;                                                    // changed, or found
    void (*visit)(void *arg, int columns, const char *const *values); // may be NULL
    void *arg;
};

// Executes it; what is not prepared yet is, and is kept. *ret_number: the server's number of the
// error, if it was the server's. Codes as sql_driver's execute.
int statement_execute(MYSQL *db, struct statements *kept, const char *sql,
                      const struct sql_value *values, size_t count, struct statement_answer *ret,
                      unsigned *ret_number, assent_error *error);
// Only prepares it, and lets it go.
int statement_check(MYSQL *db, const char *sql, size_t count, unsigned *ret_number,
                    assent_error *error);

#endif
