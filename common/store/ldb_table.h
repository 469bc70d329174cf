// SPDX-License-Identifier: Apache-2.0
// Reads the tables of a LevelDB database (.ldb files), block by block, each checked.
#ifndef STORE_LDB_TABLE_H
#define STORE_LDB_TABLE_H

#include "store/ldb_manifest.h"

struct ldb_block {
    uint8_t *data; // owned, with its trailer
    size_t size;   // of the entries; the restart points follow
    uint64_t offset;
    size_t at;                  // the next entry
    uint32_t restarts, restart; // how many restart points there are; how many were passed
    struct ldb_key key;
    struct slice value;
};

struct ldb_table {
    char name[LDB_NAME_SIZE];
    int fd;
    uint64_t size;
    uint64_t last_sequence; // of the whole database: LevelDB does not see what is above it
    struct ldb_block index;
    struct ldb_block filter;
    struct ldb_block block;           // the current one
    struct ldb_key smallest, largest; // as the manifest says
    struct ldb_key behind;            // of the index, for the block before the current one
    // the current entry
    bool valid;
    struct ldb_key last;     // its key
    struct slice key, value; // valid until the table moves
};

// Opens the table, checks its footer, index and filter, and moves to its first entry.
// ASSENT_CORRUPT with file and position, ASSENT_IO, ASSENT_NOMEM.
int ldb_table_open(const char *db, const struct ldb_manifest *manifest,
                   const struct ldb_table_file *file, struct ldb_table *ret, assent_error *error);
void ldb_table_close(struct ldb_table *self);
int ldb_table_next(struct ldb_table *self, assent_error *error);

#endif
