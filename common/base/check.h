// SPDX-License-Identifier: Apache-2.0
// Assertions that stay on in release builds. They guard invariants of our own; bad input from
// outside must return an error and never reach one.
#ifndef BASE_CHECK_H
#define BASE_CHECK_H

#define CHECK(condition)                                                                           \
    ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, __func__, #condition))

// Says which invariant broke on standard error and aborts.
_Noreturn void check_failed(const char *file, int line, const char *function,
                            const char *condition);

#endif
