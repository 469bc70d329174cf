// SPDX-License-Identifier: Apache-2.0
// Where the parameters $1, $2, ... of a statement are: not in quotes and comments.
#ifndef MARIADB_MARKS_H
#define MARIADB_MARKS_H

#include <stdbool.h>
#include <stddef.h>

#include "assent/error.h"

enum { MARKS_MAX = 64 }; // parameters of one statement, and places where they stand

struct mark {
    const char *from, *to; // the text of it
    unsigned number;       // from 1
};
struct marks {
    struct mark list[MARKS_MAX];
    size_t count;
};

// `backslashes`: whether a backslash in quotes escapes, which is a setting of the session's.
// ASSENT_INVALID: a parameter beyond `values`, or the database's own mark.
int marks_find(const char *sql, size_t values, bool backslashes, struct marks *ret,
               assent_error *error);

#endif
