// SPDX-License-Identifier: Apache-2.0
// Every point of a recording, the images of the directory there, and what is found in them.
#ifndef POWER_SWEEP_H
#define POWER_SWEEP_H

#include "guard.h"
#include "image.h"
#include "workload.h"

struct sweep {
    // to be set
    const struct recording *recording;
    const char *root; // images are made below it
    bool journal;
    struct promised promised; // before the recording
    unsigned random;          // images at each point, chosen at random
    uint64_t seed;
    enum guard without; // syncs of this kind are taken for none
    bool without_any;   // all are
    bool witness_kept;  // and all but the file head is lost
    bool until_broken;  // and no further; only where something was acknowledged
    // found
    uint64_t images, refused, holes;
    uint64_t digest;
    char wrong[400]; // the first
};

void sweep_run(struct sweep *self);

#endif
