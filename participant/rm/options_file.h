// SPDX-License-Identifier: Apache-2.0
// A configuration file without sections: lines KEY = VALUE, the value bare or in quotes of either
// kind, and comments behind '#'. (ZPL reads it alike; but CZMQ's parser tells neither lines nor
// what is wrong, and cuts long values: coordinator/config_load.c has more to do around it than
// this.)
#ifndef RM_OPTIONS_FILE_H
#define RM_OPTIONS_FILE_H

#include "assent/error.h"

typedef int options_file_take(void *arg, const char *key, const char *value, assent_error *error);

// Calls `take` for each line; what it refuses, and what is no such line, is an error with file and
// line. A key given twice is one, too. ASSENT_CONFIG, ASSENT_NOMEM.
int options_file_read(const char *path, options_file_take *take, void *arg, assent_error *error);

#endif
