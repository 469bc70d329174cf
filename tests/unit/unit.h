// SPDX-License-Identifier: Apache-2.0
// What every unit test includes: cmocka with its prerequisites, and a few helpers.
#ifndef UNIT_UNIT_H
#define UNIT_UNIT_H

// cmocka.h needs these first.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

// The whole file, NUL-terminated, malloc'ed. Fails the test when it cannot be read.
char *unit_text_of(const char *path);

// A new temporary directory, malloc'ed; and the end of it with all that is in it, nulling *dir_p.
char *unit_dir_make(void);
void unit_dir_remove(char **dir_p);

#endif
