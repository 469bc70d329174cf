// SPDX-License-Identifier: Apache-2.0
// The command line of assent-rm, its environment, and its configuration file: what the first of
// them says counts.
#ifndef RM_RM_OPTIONS_H
#define RM_RM_OPTIONS_H

#include <stdbool.h>

#include "assent/error.h"

enum rm_options_what { RM_OPTIONS_SERVE, RM_OPTIONS_CHECK, RM_OPTIONS_HELP, RM_OPTIONS_VERSION };

// Texts are owned (rm_options_free); NULL: not said.
struct rm_options {
    enum rm_options_what what;
    char *config, *resource, *journal, *database, *procedures;
    char *xa, *open, *close;           // XA: the library and symbol, and its open and close strings
    char *workers_text, *barrier_text; // as they were given
    char *endpoint, *certificate, *server_certificate;
    unsigned workers;
    bool barrier;
};

// Reads all three, and checks them. ASSENT_INVALID: the command line is wrong; ASSENT_CONFIG: the
// file is, or something that is needed is said nowhere; ASSENT_NOMEM. *ret can be freed in any
// case.
int rm_options_read(struct rm_options *ret, int argc, char **argv, assent_error *error);
void rm_options_free(struct rm_options *self);

extern const char rm_options_usage[];

#endif
