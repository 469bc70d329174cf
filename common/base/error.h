// SPDX-License-Identifier: Apache-2.0
// Filling in an assent_error; the codes themselves are public (assent/error.h).
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include "assent/error.h"

#ifdef __cplusplus
extern "C" {
#endif

// Writes `code` and the formatted message to `error` (ignored when NULL; truncated when too long)
// and returns `code`, so that a failing function can end in `return error_set(...)`.
int error_set(assent_error *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#ifdef __clang_analyzer__
// Static analysis of a caller does not see that a failing function returns what is not ASSENT_OK.
#define error_set(error, code, ...) (error_set(error, code, __VA_ARGS__), (code))
#endif

// Puts "context: " before the message that `error` already holds. Returns error->code.
int error_prefix(assent_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
