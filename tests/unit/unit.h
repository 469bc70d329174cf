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

#endif
