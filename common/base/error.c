// SPDX-License-Identifier: Apache-2.0
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/check.h"

const char *assent_code_text(int code)
{
    switch (code) {
#define X(name, value, text)                                                                       \
    case value: return text;
        ASSENT_ERRORS(X)
#undef X
    }
    return "unrecognized error code";
}

const char *assent_code_name(int code)
{
    switch (code) {
#define X(name, value, text)                                                                       \
    case value: return #name;
        ASSENT_ERRORS(X)
#undef X
    }
    return "?";
}

#undef error_set
int error_set(assent_error *error, int code, const char *format, ...)
{
    CHECK(code != ASSENT_OK);
    if (!error)
        return code;
    // The arguments may point into error->message.
    char message[ASSENT_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    error->code = code;
    memcpy(error->message, message, sizeof message);
    return code;
}

int error_prefix(assent_error *error, const char *format, ...)
{
    CHECK(error);
    char message[ASSENT_ERROR_MESSAGE_MAX];
    va_list args;
    va_start(args, format);
    int written = vsnprintf(message, sizeof message, format, args);
    va_end(args);
    size_t used = written < 0 ? 0 : (size_t)written;
    if (used >= sizeof message)
        used = sizeof message - 1;
    snprintf(message + used, sizeof message - used, ": %.*s", ASSENT_ERROR_MESSAGE_MAX,
             error->message);
    memcpy(error->message, message, sizeof message);
    return error->code;
}
