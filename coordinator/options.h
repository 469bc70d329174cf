// SPDX-License-Identifier: Apache-2.0
// assentd's command line.
#ifndef COORDINATOR_OPTIONS_H
#define COORDINATOR_OPTIONS_H

#include "config.h"

enum options_what {
    OPTIONS_RUN,
    OPTIONS_CHECK,
    OPTIONS_PRINT_CONFIG,
    OPTIONS_PRINT_MARKDOWN,
    OPTIONS_LIST_CRASH_POINTS,
    OPTIONS_VERSION,
    OPTIONS_HELP,
};

struct options_setting {
    char *path;        // owned
    const char *value; // borrowed from argv
};

struct options {
    enum options_what what;
    const char *config_file;          // NULL: none
    int ready_fd;                     // -1: none
    struct options_setting *settings; // owned, in the order given
    size_t count;
};

// ASSENT_INVALID: usage; ASSENT_NOMEM. *ret is to be freed also then.
int options_parse(struct options *ret, int argc, char **argv, assent_error *error);
void options_free(struct options *o);
void options_usage(FILE *out);

// Defaults, then the file, then the command line, then the checks. The caller frees *ret.
// ASSENT_CONFIG, ASSENT_NOMEM.
int options_config(const struct options *o, struct config *ret, assent_error *error);

#endif
