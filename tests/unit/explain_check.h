// SPDX-License-Identifier: Apache-2.0
// What tests of the sentences of `assent explain` share.
#ifndef UNIT_EXPLAIN_CHECK_H
#define UNIT_EXPLAIN_CHECK_H

#include "cli/explain.h"

// A reply to `show` with that transaction (NULL: none), told as that of order-1 at a fixed time:
// 1700000100000.
json_t *reply_of(const char *transaction);
// Takes the reply. The caller owns the story.
json_t *story_of(json_t *reply);
// The first sentence of that code in "facts" or "advice"; NULL: there is none.
const json_t *sentence(const json_t *story, const char *where, const char *code);
// One of the sentences of that code says the part.
void says(const json_t *story, const char *where, const char *code, const char *part);

#endif
