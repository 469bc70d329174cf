// SPDX-License-Identifier: Apache-2.0
// A growable byte buffer with a cap. Once an append fails (cap or memory) the buffer is marked
// failed and ignores further appends, so that a run of appends needs one check at its end.
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/slice.h"

struct buf {
    uint8_t *data; // owned; NULL while nothing was appended
    size_t size;
    size_t capacity;
    size_t cap; // appends past this many bytes fail
    bool failed;
};

void buf_init(struct buf *b, size_t cap_bytes);
void buf_free(struct buf *b);  // releases the memory; the buffer may be initialised again
void buf_reset(struct buf *b); // empties it, keeps the memory, clears `failed`
bool buf_append(struct buf *b, const void *data, size_t size);
bool buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Room for `size` more bytes at the end, already counted in b->size; NULL when that fails.
uint8_t *buf_extend(struct buf *b, size_t size);

static inline struct slice buf_slice(const struct buf *b)
{
    return slice_of(b->data, b->size);
}

#endif
