// SPDX-License-Identifier: Apache-2.0
// Reads CURRENT and the MANIFEST that it names: which files make up a LevelDB database.
#ifndef STORE_LDB_MANIFEST_H
#define STORE_LDB_MANIFEST_H

#include "base/error.h"
#include "store/ldb_bytes.h"

enum { LDB_LEVELS = 7, LDB_KEY_MAX = 128 }; // a key with its trailer of 8 bytes

struct ldb_key {
    uint8_t bytes[LDB_KEY_MAX];
    size_t size;
};

struct ldb_table_file {
    unsigned level;
    uint64_t number, size;
    struct ldb_key smallest, largest;
};

struct ldb_manifest {
    char name[LDB_NAME_SIZE];
    uint64_t file_size;
    struct ldb_table_file *tables; // owned; by level, then in the order of their keys
    size_t count, capacity;
    uint64_t log_number;    // logs from here on are live
    uint64_t next_file;     // no file that it names has this number or a higher one
    uint64_t last_sequence; // no entry of its tables has a higher one
    bool begun;             // it has an entry that makes a database
    bool cut;               // it ends in what is no record: at `cut_at`, because of `cut_why`
    uint64_t cut_at;
    const char *cut_why;
};

// ASSENT_CORRUPT with file and position, ASSENT_IO, ASSENT_NOMEM.
int ldb_manifest_read(const char *db, struct ldb_manifest *ret, assent_error *error);
void ldb_manifest_free(struct ldb_manifest *self);

// The order of keys in tables: by key, then newest first.
int ldb_key_compare(struct slice a, struct slice b);

// The whole file, malloc'ed, at *ret_data (also when empty). ASSENT_CORRUPT when it is missing.
int ldb_file_read(const char *db, const char *name, uint8_t **ret_data, size_t *ret_size,
                  assent_error *error);

#endif
