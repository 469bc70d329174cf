// SPDX-License-Identifier: Apache-2.0
// Reads LevelDB's log format (its .log and MANIFEST files): blocks of 32 KiB, records in fragments,
// each with a checksum. Stricter than LevelDB: nothing is skipped.
#ifndef STORE_LDB_LOG_H
#define STORE_LDB_LOG_H

#include "base/buf.h"

enum ldb_log_result {
    LDB_LOG_RECORD,
    LDB_LOG_END, // exactly after a record
    LDB_LOG_CUT, // the file ends within a record
    LDB_LOG_BAD, // what stands there is no record
    LDB_LOG_NOMEM,
};

struct ldb_log {
    struct slice file; // borrowed
    size_t at;         // the next record, or the one that could not be read
    const char *why;   // CUT, BAD: what is wrong there
    struct buf joined; // a record made of fragments
};

void ldb_log_init(struct ldb_log *self, struct slice file);
void ldb_log_free(struct ldb_log *self);
// The next record, valid until the next call, and where it begins. After anything but RECORD the
// position stays where it was.
enum ldb_log_result ldb_log_next(struct ldb_log *self, struct slice *ret, size_t *ret_offset);
// After BAD or CUT: goes on to the next intact record that lies further on. False: there is none.
bool ldb_log_resume(struct ldb_log *self, struct slice *ret, size_t *ret_offset);

#endif
