// SPDX-License-Identifier: Apache-2.0
// Lists that come in pages: asks until the end, and keeps the first `limit` rows of an order, so
// that a coordinator with a million transactions does not fill the memory here.
#ifndef CLI_ROWS_H
#define CLI_ROWS_H

#include "session.h"

struct rows {
    json_t **items; // owned references
    size_t count, capacity;
    uint64_t limit;       // 0: no limit
    uint64_t matched;     // rows that came, kept or not
    const char *sort_key; // ascending by this number; NULL: in order of arrival
};

void rows_init(struct rows *rows, uint64_t limit, const char *sort_key);
void rows_free(struct rows *rows);
// Takes a reference of its own. False: out of memory.
bool rows_add(struct rows *rows, json_t *row);
// Sorts, and drops what is past the limit.
void rows_settle(struct rows *rows);
// The rows as a new array; NULL: out of memory.
json_t *rows_json(const struct rows *rows);

// Asks for all pages of `verb`, adding the member `key` of each. `arguments` is borrowed.
// With stop_at_limit it asks for no more once there are `limit` rows; *ret_next (may be NULL) then
// is the cursor to go on from, owned by the caller, NULL at the end of the list.
int rows_ask(struct rows *rows, struct session *session, const char *verb, const char *key,
             const json_t *arguments, bool stop_at_limit, json_t **ret_next, assent_error *error);

#endif
