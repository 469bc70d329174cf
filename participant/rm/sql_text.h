// SPDX-License-Identifier: Apache-2.0
// As much of SQL as it takes to see mistakes in a procedures file before the database does.
#ifndef RM_SQL_TEXT_H
#define RM_SQL_TEXT_H

#include <stdbool.h>
#include <stdint.h>

// The marks $1, $2, ... outside of quotes and comments: bit n-1 for $n. False: one is out of range
// (1 to 32), or quotes or a comment are not closed.
bool sql_marks(const char *sql, uint32_t *ret);

// Is its first word one that can stand in a transaction without ending it: SELECT, INSERT, UPDATE,
// DELETE, REPLACE, MERGE, WITH or CALL?
bool sql_is_work(const char *sql);

#endif
