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

// Callers that see only the declaration cannot know that what comes back is not ASSENT_OK, and warn
// of outputs that are not set. `code` is evaluated twice.
#define error_set(error, code, ...) error_code((code), error_set(error, code, __VA_ARGS__))

static inline int error_code(int code, int returned)
{
    (void)returned;
    return code;
}

// Puts "context: " before the message that `error` already holds. Returns error->code.
int error_prefix(assent_error *error, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#ifdef __cplusplus
}
#endif

#endif
