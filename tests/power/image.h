// SPDX-License-Identifier: Apache-2.0
// A directory as it could look after the power failed at a point of a recording. Of every file what
// was synced is sure to be there; what was written since is there, or is not, or in part, or is
// zeros or garbage, each file for itself. Names that were made, changed or removed since the
// directory was synced are as they were, or as they became, each for itself. A directory that is
// missing takes with it what is in it.
#ifndef POWER_IMAGE_H
#define POWER_IMAGE_H

#include <sodium.h>
#include <stdbool.h>

#include "base/rng.h"
#include "guard.h"
#include "recorder.h"

enum { IMAGE_FILES = 2048, IMAGE_PENDING = 4096, IMAGE_DIR = -1 };

enum keep { KEEP_NONE, KEEP_ALL, KEEP_SOME, KEEP_LAST };

struct image_file {
    uint8_t *now, *synced; // owned
    size_t now_size, synced_size;
};

struct image_name {
    char name[NAME_SIZE];
    int file; // IMAGE_DIR: a directory
};

struct image_names {
    struct image_name items[256];
    int count;
};

struct image {
    struct image_file files[IMAGE_FILES];
    struct image_names synced;                   // durable
    const struct record *pending[IMAGE_PENDING]; // what happened to names since, in order
    int pending_count;
    const char *witness;             // a file that is kept, synced or not; NULL: none
    crypto_generichash_state digest; // of all images written
};

void image_init(struct image *self);
void image_free(struct image *self);
void image_apply(struct image *self, const struct record *record); // the next one
// Writes the directory. `names`, `contents`: of what was not synced. KEEP_LAST: of the names, only
// what happened last, as if it had overtaken the rest.
void image_write(struct image *self, const char *dir, enum keep names, enum keep contents,
                 struct rng *rng);
uint64_t image_digest(const struct image *self);

#endif
