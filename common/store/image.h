// SPDX-License-Identifier: Apache-2.0
// A LevelDB database as its files say, read without LevelDB and without changing anything: so it
// can be judged before LevelDB opens it, which rewrites logs and deletes what it has no use for.
// Everything is checked that has a checksum; what is wrong is named by file and position.
//
// What a power failure may leave is told apart from damage: the end of the newest log file, or of
// the manifest, that was not synced. It is reported as a tear; whether anything durable is lost in
// it is for the caller to judge.
#ifndef STORE_IMAGE_H
#define STORE_IMAGE_H

#include "store/audit.h"
#include "store/ldb_manifest.h"

struct image_tear {
    bool present;
    char file[LDB_NAME_SIZE];
    uint64_t offset, size; // where it begins; size of the file
    const char *why;
    uint64_t later_durable; // highest record that intact batches behind the tear call durable
};

struct image_entry {
    struct slice key, value; // valid until the next image_next
    struct audit_where where;
};

struct image;

// ASSENT_CORRUPT, ASSENT_IO, ASSENT_NOMEM.
int image_open(const char *db, struct image **ret, assent_error *error);
void image_close(struct image **self_p);
// Entries in the order of their keys, what was deleted or overwritten left out. *ret_more false:
// there are no more.
int image_next(struct image *self, struct image_entry *ret, bool *ret_more, assent_error *error);

const struct image_tear *image_log_tear(const struct image *self);
const struct image_tear *image_manifest_tear(const struct image *self);
// The newest log file, and its size; "" when there is none.
const char *image_newest_log(const struct image *self, uint64_t *ret_size);
bool image_has_tables(const struct image *self);

// True when there is no database: no directory, or one in which a database was begun to be made and
// has neither tables nor logs.
int image_absent(const char *db, bool *ret, assent_error *error);

#endif
