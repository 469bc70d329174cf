// SPDX-License-Identifier: Apache-2.0
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { BUF_FIRST_BYTES = 64 };

void buf_init(struct buf *b, size_t cap_bytes)
{
    *b = (struct buf){.cap = cap_bytes};
}

void buf_free(struct buf *b)
{
    free(b->data);
    buf_init(b, b->cap);
}

void buf_reset(struct buf *b)
{
    b->size = 0;
    b->failed = false;
}

static bool buf_grow(struct buf *b, size_t need)
{
    size_t capacity = b->capacity ? b->capacity : BUF_FIRST_BYTES;
    while (capacity < need)
        capacity = capacity > SIZE_MAX / 2 ? need : capacity * 2;
    if (capacity > b->cap)
        capacity = b->cap;
    uint8_t *data = realloc(b->data, capacity);
    if (!data)
        return false;
    b->data = data;
    b->capacity = capacity;
    return true;
}

// True when `size` more bytes have room; otherwise the buffer is marked failed.
static bool buf_room(struct buf *b, size_t size)
{
    if (b->failed)
        return false;
    bool fits = b->size <= b->cap && size <= b->cap - b->size;
    if (fits && size > b->capacity - b->size)
        fits = buf_grow(b, b->size + size);
    b->failed = !fits;
    return fits;
}

uint8_t *buf_extend(struct buf *b, size_t size)
{
    // An empty extension of a buffer that has no memory yet still needs an address to return.
    if (!buf_room(b, size) || (!b->data && !buf_room(b, 1)))
        return NULL;
    uint8_t *at = b->data + b->size;
    b->size += size;
    return at;
}

bool buf_append(struct buf *b, const void *data, size_t size)
{
    if (size == 0)
        return !b->failed;
    uint8_t *at = buf_extend(b, size);
    if (at)
        memcpy(at, data, size);
    return at != NULL;
}

bool buf_printf(struct buf *b, const char *format, ...)
{
    if (b->failed)
        return false;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    size_t room = b->capacity - b->size;
    char *at = b->data ? (char *)b->data + b->size : NULL;
    int written = vsnprintf(at, room, format, args);
    va_end(args);
    size_t size = written < 0 ? 0 : (size_t)written;
    if (written < 0 || size > b->cap - b->size)
        b->failed = true;
    else if (size >= room) {
        // vsnprintf wants a byte for its NUL, for which the cap need not leave room.
        char *text = malloc(size + 1);
        if (text)
            vsnprintf(text, size + 1, format, again);
        b->failed = !text || !buf_append(b, text, size);
        free(text);
    } else
        b->size += size;
    va_end(again);
    return !b->failed;
}
