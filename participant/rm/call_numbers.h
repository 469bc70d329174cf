// SPDX-License-Identifier: Apache-2.0
#ifndef RM_CALL_NUMBERS_H
#define RM_CALL_NUMBERS_H

#include "base/buf.h"

// JSON in which each number has become a text of the same characters, so that a parser that knows
// only floats and 64 bits cannot change it. The caller owns *ret (buf_free), also on failure.
// ASSENT_INVALID: something that begins like a number is none. ASSENT_NOMEM.
int numbers_to_texts(const void *json, size_t size, struct buf *ret);

#endif
