// SPDX-License-Identifier: Apache-2.0
// Private to image: what the live log files of a database hold.
#ifndef STORE_IMAGE_LOGS_H
#define STORE_IMAGE_LOGS_H

#include "store/image.h"

// One entry as it is stored: also those that were deleted or overwritten since.
struct image_raw {
    struct slice key;
    uint64_t trailer; // sequence number << 8 | type
    struct slice value;
    struct audit_where where;
};

struct image_log_file {
    char name[LDB_NAME_SIZE];
    uint64_t number, size;
    uint8_t *payload; // owned: the batches, that entries borrow from
};

struct image_logs {
    struct image_log_file *files; // owned; by number
    size_t file_count, file_capacity;
    struct image_raw *entries; // owned; in order
    size_t count, capacity;
    struct image_tear tear;
    uint64_t next_sequence; // of the batch that follows; 0: there was none yet
};

// By key, then newest first.
int image_raw_compare(const struct image_raw *a, const struct image_raw *b);

// `self` is zero before, and has to be freed whatever happens.
int image_logs_read(const char *db, uint64_t log_number, struct image_logs *self,
                    assent_error *error);
void image_logs_free(struct image_logs *self);

#endif
