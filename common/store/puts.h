// SPDX-License-Identifier: Apache-2.0
// What every back end does with the puts of a batch: refuses what no log may hold, and takes its
// answers back when the batch has failed.
#ifndef STORE_PUTS_H
#define STORE_PUTS_H

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "store/store.h"

static inline int puts_check(const struct store_put *put, assent_error *error)
{
    if (put->key.size == 0 || put->key.size > LIMIT_KEY_BYTES ||
        memchr(put->key.data, 0, put->key.size))
        return error_set(error, ASSENT_INVALID,
                         "a key of the log has 1 to %d bytes, none of them NUL", LIMIT_KEY_BYTES);
    if (!put->forget && put->value.size > LIMIT_RECORD_BYTES)
        return error_set(error, ASSENT_LIMIT, "a record of %zu bytes, the limit is %d",
                         put->value.size, LIMIT_RECORD_BYTES);
    return ASSENT_OK;
}

static inline void puts_drop_answers(struct store_put *puts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(puts[i].standing);
        puts[i].standing = NULL;
        puts[i].standing_size = 0;
    }
}

#endif
