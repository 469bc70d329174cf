// SPDX-License-Identifier: Apache-2.0
//
// Error codes and the error object of libassent. Every function that can fail returns
// ASSENT_OK (0) or one of these codes, and describes the failure in the caller's
// `assent_error`, which may be NULL when only the code is wanted.
#ifndef ASSENT_ERROR_H
#define ASSENT_ERROR_H

#ifdef __cplusplus
extern "C" {
#endif

#ifndef ASSENT_API
#define ASSENT_API __attribute__((visibility("default")))
#endif

// The one list of error codes: X(name, value, text). The values are part of the wire format.
#define ASSENT_ERRORS(X)                                                                           \
    X(OK, 0, "success")                                                                            \
    X(INVALID, 1, "invalid argument or input")                                                     \
    X(LIMIT, 2, "a configured limit was exceeded")                                                 \
    X(NOMEM, 3, "out of memory")                                                                   \
    X(IO, 4, "input/output error")                                                                 \
    X(CORRUPT, 5, "stored data is damaged")                                                        \
    X(LOCKED, 6, "in use by another process")                                                      \
    X(BUSY, 7, "overloaded, try again later")                                                      \
    X(TIMEOUT, 8, "timed out")                                                                     \
    X(UNAVAILABLE, 9, "peer cannot be reached")                                                    \
    X(DENIED, 10, "not authorized")                                                                \
    X(UNKNOWN, 11, "not known here")                                                               \
    X(CONFLICT, 12, "the same gtid was used with other content")                                   \
    X(STATE, 13, "not allowed in the present state")                                               \
    X(FENCED, 14, "this process no longer owns its log")                                           \
    X(BEHIND, 15, "the log is older than what peers have seen of it")                              \
    X(VERSION, 16, "protocol version is not supported")                                            \
    X(CONFIG, 17, "configuration is not valid")                                                    \
    X(CLOSED, 18, "the handle is being closed")                                                    \
    X(INTERNAL, 19, "internal error")

enum assent_code {
#define X(name, value, text) ASSENT_##name = value,
    ASSENT_ERRORS(X)
#undef X
};

#define ASSENT_ERROR_MESSAGE_MAX 384

// An error and its context. Owned by the caller; written only on failure.
typedef struct assent_error {
    int code;                               // enum assent_code
    char message[ASSENT_ERROR_MESSAGE_MAX]; // NUL-terminated, says what to do where that is known
} assent_error;

// The constant text for `code`; "unrecognized error code" for any other number. Thread-safe.
ASSENT_API const char *assent_code_text(int code);

// The constant name of `code`, such as "UNAVAILABLE"; "?" for any other number. Thread-safe.
ASSENT_API const char *assent_code_name(int code);

#ifdef __cplusplus
}
#endif
#endif
