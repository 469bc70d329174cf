// SPDX-License-Identifier: Apache-2.0
// LevelDB's filters: for each stretch of a table, a set that holds at least the keys that are
// there. A filter that denies one hides it from every lookup.
#ifndef STORE_LDB_FILTER_H
#define STORE_LDB_FILTER_H

#include "store/ldb_bytes.h"

#define LDB_FILTER_NAME "filter.leveldb.BuiltinBloomFilter2"

// Whether a key of the block at `offset` passes. `filters`: the table's filter block.
bool ldb_filter_has(struct slice filters, uint64_t offset, struct slice key);

#endif
