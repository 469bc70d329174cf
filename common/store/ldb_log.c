// SPDX-License-Identifier: Apache-2.0
#include "store/ldb_log.h"

#include "store/ldb_bytes.h"

enum {
    BLOCK_SIZE = 32768,
    HEADER_SIZE = 7, // checksum, length, type
    RECORD_MAX = 64 << 20,
};

enum fragment_type { FRAGMENT_FULL = 1, FRAGMENT_FIRST, FRAGMENT_MIDDLE, FRAGMENT_LAST };

void ldb_log_init(struct ldb_log *self, struct slice file)
{
    *self = (struct ldb_log){.file = file};
    buf_init(&self->joined, RECORD_MAX);
}

void ldb_log_free(struct ldb_log *self)
{
    buf_free(&self->joined);
}

static enum ldb_log_result refuse(struct ldb_log *self, enum ldb_log_result result, const char *why)
{
    self->why = why;
    return result;
}

// One fragment at *at, which moves past it.
static enum ldb_log_result next_fragment(struct ldb_log *self, size_t *at, unsigned *ret_type,
                                         struct slice *ret)
{
    const uint8_t *bytes = self->file.data;
    size_t size = self->file.size, start = *at, left = BLOCK_SIZE - start % BLOCK_SIZE;
    if (left < HEADER_SIZE) { // the writer pads the end of a block with zeros
        for (size_t i = 0; i < left && start + i < size; i++)
            if (bytes[start + i])
                return refuse(self, LDB_LOG_BAD, "the end of a block is not zero");
        start += left;
        left = BLOCK_SIZE;
    }
    if (start >= size)
        return LDB_LOG_END;
    if (size - start < HEADER_SIZE)
        return refuse(self, LDB_LOG_CUT, "the file ends within a record");
    const uint8_t *header = bytes + start;
    size_t length = header[4] | (size_t)header[5] << 8;
    unsigned type = header[6];
    if (type < FRAGMENT_FULL || type > FRAGMENT_LAST)
        return refuse(self, LDB_LOG_BAD, "no record stands there");
    if (HEADER_SIZE + length > left)
        return refuse(self, LDB_LOG_BAD, "a record is longer than its block");
    if (HEADER_SIZE + length > size - start)
        return refuse(self, LDB_LOG_CUT, "the file ends within a record");
    if (ldb_mask(crc32c(0, header + 6, 1 + length)) != get_u32(header))
        return refuse(self, LDB_LOG_BAD, "a record fails its checksum");
    *at = start + HEADER_SIZE + length;
    *ret_type = type;
    *ret = slice_of(header + HEADER_SIZE, length);
    return LDB_LOG_RECORD;
}

static enum ldb_log_result join_rest(struct ldb_log *self, size_t *at, struct slice first)
{
    unsigned type = FRAGMENT_FIRST;
    struct slice part = first;
    buf_reset(&self->joined);
    for (;;) {
        if (!buf_append(&self->joined, part.data, part.size))
            return LDB_LOG_NOMEM;
        if (type == FRAGMENT_LAST)
            return LDB_LOG_RECORD;
        enum ldb_log_result result = next_fragment(self, at, &type, &part);
        if (result == LDB_LOG_END)
            return refuse(self, LDB_LOG_CUT, "the file ends within a record");
        if (result != LDB_LOG_RECORD)
            return result;
        if (type != FRAGMENT_MIDDLE && type != FRAGMENT_LAST)
            return refuse(self, LDB_LOG_BAD, "a record has no end");
    }
}

enum ldb_log_result ldb_log_next(struct ldb_log *self, struct slice *ret, size_t *ret_offset)
{
    size_t at = self->at;
    unsigned type = 0;
    struct slice part;
    enum ldb_log_result result = next_fragment(self, &at, &type, &part);
    if (result != LDB_LOG_RECORD)
        return result;
    if (type == FRAGMENT_MIDDLE || type == FRAGMENT_LAST)
        return refuse(self, LDB_LOG_BAD, "a record has no beginning");
    size_t offset = (size_t)((const uint8_t *)part.data - (const uint8_t *)self->file.data);
    if (type == FRAGMENT_FIRST) {
        result = join_rest(self, &at, part);
        if (result != LDB_LOG_RECORD)
            return result;
        part = buf_slice(&self->joined);
    }
    self->at = at;
    *ret = part;
    *ret_offset = offset - HEADER_SIZE;
    return LDB_LOG_RECORD;
}

bool ldb_log_resume(struct ldb_log *self, struct slice *ret, size_t *ret_offset)
{
    for (self->at++; self->at + HEADER_SIZE <= self->file.size; self->at++)
        if (ldb_log_next(self, ret, ret_offset) == LDB_LOG_RECORD)
            return true;
    return false;
}
