// SPDX-License-Identifier: Apache-2.0
// The command line of assent-sim.
#ifndef SIM_OPTIONS_H
#define SIM_OPTIONS_H

#include "campaign.h"

struct options {
    uint64_t first, last;
    bool seeds_given;
    unsigned jobs;
    unsigned failures_max;
    uint64_t seconds;
    bool json, trace, hashes, minimize, coverage, doubt, quiet;
    const char *mutant;      // NULL: none
    const char *model_trace; // directory; NULL: none wanted
    struct overrides overrides;
    struct strikes only; // owned
    bool dropped[SIM_TXS_MAX];
};

// Reads the command line. -1: go on; else the exit status: everything has been said.
int options_read(int argc, char **argv, struct options *ret);
void options_free(struct options *self);

#endif
