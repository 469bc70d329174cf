// SPDX-License-Identifier: Apache-2.0
// The allow-list: procedures that calls may name, each with the SQL that it stands for, an
// operation at a time. A call brings names and values, never SQL.
//
// The file is JSON; docs/resource-managers.md ("assent-rm") describes it.
#ifndef RM_PROCEDURES_H
#define RM_PROCEDURES_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "assent/error.h"
#include "base/slice.h"

enum operation {
    OPERATION_PREPARE, // two-phase and three-phase commit
    OPERATION_TRY,
    OPERATION_CONFIRM,
    OPERATION_CANCEL,
    OPERATION_ACTION,
    OPERATION_COMPENSATE,
    OPERATION_DELIVER,
    OPERATION_COUNT,
};

enum {
    PROCEDURES_FILE_BYTES_MAX = 1 << 20,
    PROCEDURES_MAX = 1000,
    PARAMETERS_MAX = 32,  // of a procedure, and of a statement
    STATEMENTS_MAX = 64,  // of an operation
    SQL_BYTES_MAX = 16384 // of a statement
};

// What stands for $1, $2, ... of a statement.
struct argument {
    enum {
        ARGUMENT_PARAMETER, // `index` of the procedure's parameters
        ARGUMENT_GTID,
        ARGUMENT_BRANCH,
        ARGUMENT_RESULT,   // compensate: what the action had answered
        ARGUMENT_PREVIOUS, // the first column of the first row of the statement before
    } kind;
    unsigned index; // of others: 0
};

struct statement {
    char *sql; // owned
    struct argument arguments[PARAMETERS_MAX];
    unsigned argument_count;
    bool counts; // the rows that it changes, or finds, have to be so many:
    uint64_t rows_least, rows_most;
    const char *reason; // of a no; NULL: none was given
    bool answers;       // its first column is the answer of the action
};

struct script {
    bool given;
    struct statement *statements; // owned
    unsigned count;
};

struct procedure {
    const char *name;
    const char *parameters[PARAMETERS_MAX];
    unsigned parameter_count;
    struct script scripts[OPERATION_COUNT];
};

// Texts live in `json`.
struct procedures {
    json_t *json;
    struct procedure *all; // owned; in the order of the file
    unsigned count;
};

// "prepare", "try", ...
const char *operation_text(enum operation operation);

// Reads a file, or its text; `name` is for messages, which name the procedure, the operation and
// the statement. On success the caller owns *ret (procedures_free). ASSENT_CONFIG, ASSENT_NOMEM.
int procedures_load(struct procedures *ret, const char *path, assent_error *error);
int procedures_parse(struct procedures *ret, struct slice text, const char *name,
                     assent_error *error);
void procedures_free(struct procedures *self);

// NULL: there is none.
const struct procedure *procedures_find(const struct procedures *self, struct slice name);

// Does a statement of that operation use that?
bool procedure_uses(const struct procedure *procedure, enum operation operation,
                    struct argument argument);
// What its action answers comes from a statement of it.
bool procedure_answers(const struct procedure *procedure);

#endif
