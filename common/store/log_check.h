// SPDX-License-Identifier: Apache-2.0
// Judges a data directory from its files, changing nothing: is every durable record there,
// unchanged?
#ifndef STORE_LOG_CHECK_H
#define STORE_LOG_CHECK_H

#include "store/image.h"

struct log_check {
    bool absent; // there is no database, and nothing says that there was one
    struct audit_result found;
    struct image_tear log_tear, manifest_tear; // ends that were never durable and may be cut off
};

// Called for each entry, after it was checked: as image_next gives them. Returns an error code.
typedef int log_check_visit(void *arg, const struct image_entry *entry, assent_error *error);

// ASSENT_CORRUPT, ASSENT_BEHIND, ASSENT_VERSION, with file, position and what to do; ASSENT_IO,
// ASSENT_NOMEM. `visit` may be NULL.
int log_check_dir(const char *dir, const struct witness *witness, struct log_check *ret,
                  log_check_visit *visit, void *arg, assent_error *error);

// Says what to do about an error that blames the stored data.
void log_check_advise(assent_error *error);

#endif
