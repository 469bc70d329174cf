// SPDX-License-Identifier: Apache-2.0
// Why a transaction is not finished, on whom it waits, since when, and what an operator can do.
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include "cli.h"

// From a reply to `show`: an object with `facts` and `advice`, arrays of {code, text, ...} as in
// docs/admin-schema.md. The caller owns it; NULL: out of memory.
json_t *explain(const char *gtid, const json_t *reply);

#endif
