// SPDX-License-Identifier: Apache-2.0
// A directory as it could look after the power failed at a point of a recording. Of every file what
// was synced is sure to be there; what was written since is there, or is not, or in part, or is
// zeros or garbage, each file for itself. Names that were made, changed or removed since the
// directory was synced are as they were, or as they became, each for itself.
#ifndef POWER_IMAGE_H
#define POWER_IMAGE_H

#include <stdbool.h>

#include "base/rng.h"
#include "recorder.h"

enum { IMAGE_FILES = 2048, IMAGE_PENDING = 4096 };

enum keep { KEEP_NONE, KEEP_ALL, KEEP_SOME };

struct image_file {
    uint8_t *now, *synced; // owned
    size_t now_size, synced_size;
};

struct image_name {
    char name[NAME_SIZE];
    int file; // -1: a free place
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
    bool dirs_unsynced; // take no sync of a directory for one: the test of the test
};

void image_init(struct image *self);
void image_free(struct image *self);
void image_apply(struct image *self, const struct record *record); // the next one
// Writes the directory. `names`, `contents`: of what was not synced.
void image_write(const struct image *self, const char *dir, enum keep names, enum keep contents,
                 struct rng *rng);

#endif
