// SPDX-License-Identifier: Apache-2.0
#include "store/ldb_table.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/ldb_filter.h"

enum {
    FOOTER_SIZE = 48,
    BLOCK_TRAILER_SIZE = 5, // type, checksum
    BLOCK_MAX = 64 << 20,
};

struct handle {
    uint64_t offset, size;
};

static int damaged(const struct ldb_table *self, uint64_t offset, const char *what,
                   assent_error *error)
{
    return error_set(error, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": %s", self->name, offset, what);
}

static int read_at(const struct ldb_table *self, uint64_t offset, uint8_t *to, size_t size,
                   assent_error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t n = pread(self->fd, to + done, size - done, (off_t)(offset + done));
        if (n <= 0)
            return error_set(error, ASSENT_IO, "%s at byte %" PRIu64 ": %s", self->name,
                             offset + done, n < 0 ? strerror(errno) : "the file ends early");
        done += (size_t)n;
    }
    return ASSENT_OK;
}

static bool take_handle(struct ldb_input *in, struct handle *ret)
{
    return ldb_take_varint(in, &ret->offset) && ldb_take_varint(in, &ret->size);
}

// ---- blocks ----

static void block_free(struct ldb_block *block)
{
    free(block->data);
    block->data = NULL;
}

// Reads a block and checks its checksum; entries are not looked at.
static int block_read(const struct ldb_table *self, struct handle handle, struct ldb_block *ret,
                      assent_error *error)
{
    if (handle.size > BLOCK_MAX || handle.offset > self->size ||
        self->size - handle.offset < handle.size + BLOCK_TRAILER_SIZE)
        return damaged(self, handle.offset, "a block lies outside of the file", error);
    size_t size = (size_t)handle.size;
    block_free(ret);
    *ret = (struct ldb_block){.data = malloc(size + BLOCK_TRAILER_SIZE), .offset = handle.offset};
    if (!ret->data)
        return error_set(error, ASSENT_NOMEM, "out of memory to read %s", self->name);
    int code = read_at(self, handle.offset, ret->data, size + BLOCK_TRAILER_SIZE, error);
    if (code != ASSENT_OK)
        return code;
    if (ldb_mask(crc32c(0, ret->data, size + 1)) != get_u32(ret->data + size + 1))
        return damaged(self, handle.offset, "a block fails its checksum", error);
    if (ret->data[size] != 0)
        return damaged(self, handle.offset, "a block is compressed, which this log never is",
                       error);
    ret->size = size;
    return ASSENT_OK;
}

// Leaves the restart points at the end of the block out of its entries.
static int block_trim(const struct ldb_table *self, struct ldb_block *block, assent_error *error)
{
    uint64_t restarts = block->size >= 4 ? get_u32(block->data + block->size - 4) : UINT64_MAX;
    if (restarts > block->size / 4 || (restarts + 1) * 4 > block->size)
        return damaged(self, block->offset, "a block is malformed", error);
    block->size -= (size_t)(restarts + 1) * 4;
    block->restarts = (uint32_t)restarts;
    return ASSENT_OK;
}

// LevelDB finds its way in a block by the restart points: they must be entries with whole keys, all
// of them, in order.
static bool restart_good(struct ldb_block *block, uint64_t shared)
{
    if (block->restart == block->restarts ||
        get_u32(block->data + block->size + 4 * (size_t)block->restart) != block->at)
        return block->at != 0;
    block->restart++;
    return shared == 0;
}

static bool restarts_passed(const struct ldb_block *block)
{
    // A block without entries has one that points to where they would be.
    return block->restart == block->restarts || block->size == 0;
}

// The next entry. *ret_more false: there was none.
static int block_next(const struct ldb_table *self, struct ldb_block *block, bool *ret_more,
                      assent_error *error)
{
    *ret_more = block->at < block->size;
    if (!*ret_more)
        return restarts_passed(block) ? ASSENT_OK
                                      : damaged(self, block->offset, "a block is malformed", error);
    struct ldb_input in = {block->data + block->at, block->data + block->size};
    uint64_t shared, own, value_size;
    struct slice suffix;
    if (!ldb_take_varint(&in, &shared) || !ldb_take_varint(&in, &own) ||
        !ldb_take_varint(&in, &value_size) || shared > block->key.size ||
        own > LDB_KEY_MAX - shared || !restart_good(block, shared) ||
        !ldb_take_bytes(&in, own, &suffix) || !ldb_take_bytes(&in, value_size, &block->value))
        return damaged(self, block->offset, "a block is malformed", error);
    memcpy(block->key.bytes + shared, suffix.data, suffix.size);
    block->key.size = (size_t)(shared + own);
    block->at = (size_t)(in.at - block->data);
    return ASSENT_OK;
}

// ---- tables ----

static int read_filter(struct ldb_table *self, struct handle metaindex, assent_error *error)
{
    struct ldb_block names = {0};
    struct handle at;
    bool more = false;
    int code = block_read(self, metaindex, &names, error);
    if (code == ASSENT_OK)
        code = block_trim(self, &names, error);
    if (code == ASSENT_OK)
        code = block_next(self, &names, &more, error);
    struct ldb_input in = ldb_input_of(names.value);
    struct slice name = slice_of(names.key.bytes, names.key.size);
    if (code == ASSENT_OK &&
        (!more || !slice_equal(name, slice_text(LDB_FILTER_NAME)) || !take_handle(&in, &at)))
        code = damaged(self, metaindex.offset, "the filter is not named", error);
    if (code == ASSENT_OK)
        code = block_read(self, at, &self->filter, error);
    block_free(&names);
    return code;
}

static int read_footer(struct ldb_table *self, assent_error *error)
{
    static const uint8_t magic[8] = {0x57, 0xfb, 0x80, 0x8b, 0x24, 0x75, 0x47, 0xdb};
    uint8_t footer[FOOTER_SIZE];
    uint64_t at = self->size - FOOTER_SIZE;
    struct handle metaindex, index;
    if (self->size < FOOTER_SIZE)
        return damaged(self, 0, "the file is too short for a table", error);
    int code = read_at(self, at, footer, sizeof footer, error);
    if (code != ASSENT_OK)
        return code;
    struct ldb_input in = {footer, footer + FOOTER_SIZE - sizeof magic};
    if (memcmp(footer + FOOTER_SIZE - sizeof magic, magic, sizeof magic) != 0 ||
        !take_handle(&in, &metaindex) || !take_handle(&in, &index))
        return damaged(self, at, "the footer is damaged", error);
    code = read_filter(self, metaindex, error);
    if (code == ASSENT_OK)
        code = block_read(self, index, &self->index, error);
    return code == ASSENT_OK ? block_trim(self, &self->index, error) : code;
}

// What the index says of the block behind: no key in it is above its entry, none after it below.
static bool index_good(const struct ldb_table *self)
{
    struct slice separator = slice_of(self->index.key.bytes, self->index.key.size);
    return separator.size >= 8 && ldb_key_compare(self->key, separator) <= 0;
}

static int next_block(struct ldb_table *self, bool *ret_more, assent_error *error)
{
    struct handle at;
    if (self->valid && !index_good(self))
        return damaged(self, self->index.offset, "the index does not fit to the entries", error);
    self->behind = self->index.key;
    int code = block_next(self, &self->index, ret_more, error);
    if (code != ASSENT_OK || !*ret_more)
        return code;
    struct ldb_input in = ldb_input_of(self->index.value);
    if (!take_handle(&in, &at))
        return damaged(self, self->index.offset, "a block is malformed", error);
    code = block_read(self, at, &self->block, error);
    return code == ASSENT_OK ? block_trim(self, &self->block, error) : code;
}

static int end_table(struct ldb_table *self, assent_error *error)
{
    struct slice largest = slice_of(self->largest.bytes, self->largest.size);
    bool good = self->valid && slice_equal(self->key, largest);
    self->valid = false;
    return good ? ASSENT_OK
                : damaged(self, self->block.offset, "the last entry is not what the manifest says",
                          error);
}

// The entry that was just read, as LevelDB would look for it.
static int check_entry(const struct ldb_table *self, bool first_of_block, assent_error *error)
{
    struct slice key = slice_of(self->block.key.bytes, self->block.key.size);
    struct slice behind = slice_of(self->behind.bytes, self->behind.size);
    struct slice smallest = slice_of(self->smallest.bytes, self->smallest.size);
    uint64_t trailer = key.size < 8 ? UINT64_MAX : get_u64(self->block.key.bytes + key.size - 8);
    if (!ldb_trailer_good(trailer) || trailer >> 8 > self->last_sequence)
        return damaged(self, self->block.offset, "a block is malformed", error);
    if (!self->valid && !slice_equal(key, smallest))
        return damaged(self, self->block.offset, "the first entry is not what the manifest says",
                       error);
    if (first_of_block && self->valid && ldb_key_compare(behind, key) >= 0)
        return damaged(self, self->index.offset, "the index does not fit to the entries", error);
    if (!ldb_filter_has(slice_of(self->filter.data, self->filter.size), self->block.offset,
                        slice_of(key.data, key.size - 8)))
        return damaged(self, self->filter.offset, "the filter denies an entry that is there",
                       error);
    return ASSENT_OK;
}

int ldb_table_next(struct ldb_table *self, assent_error *error)
{
    bool more = false, first_of_block = false;
    int code = self->block.data ? block_next(self, &self->block, &more, error) : ASSENT_OK;
    while (code == ASSENT_OK && !more) {
        bool block_more;
        code = next_block(self, &block_more, error);
        if (code == ASSENT_OK && !block_more)
            return end_table(self, error);
        if (code == ASSENT_OK)
            code = block_next(self, &self->block, &more, error);
        first_of_block = true;
    }
    if (code == ASSENT_OK)
        code = check_entry(self, first_of_block, error);
    if (code != ASSENT_OK)
        return code;
    self->valid = true;
    self->last = self->block.key;
    self->key = slice_of(self->last.bytes, self->last.size);
    self->value = self->block.value;
    return ASSENT_OK;
}

static int open_file(struct ldb_table *self, const char *db, const struct ldb_table_file *file,
                     assent_error *error)
{
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%s/%s", db, self->name);
    self->fd = open(path, O_RDONLY | O_CLOEXEC);
    if (self->fd < 0 && errno == ENOENT)
        return error_set(error, ASSENT_CORRUPT, "%s is missing", self->name);
    if (self->fd < 0 || fstat(self->fd, &info) != 0)
        return error_set(error, ASSENT_IO, "%s: %s", self->name, strerror(errno));
    self->size = (uint64_t)info.st_size;
    if (self->size != file->size)
        return error_set(error, ASSENT_CORRUPT,
                         "%s at byte %" PRIu64 ": the file ends there, it should have %" PRIu64
                         " bytes",
                         self->name, self->size, file->size);
    return read_footer(self, error);
}

int ldb_table_open(const char *db, const struct ldb_manifest *manifest,
                   const struct ldb_table_file *file, struct ldb_table *ret, assent_error *error)
{
    struct ldb_table self = {.fd = -1,
                             .last_sequence = manifest->last_sequence,
                             .smallest = file->smallest,
                             .largest = file->largest};
    snprintf(self.name, sizeof self.name, "%06" PRIu64 ".ldb", file->number);
    int code = open_file(&self, db, file, error);
    if (code == ASSENT_OK)
        code = ldb_table_next(&self, error);
    if (code != ASSENT_OK) {
        ldb_table_close(&self);
        return code;
    }
    // The current entry's key lies in the structure itself.
    *ret = self;
    ret->key.data = ret->last.bytes;
    return ASSENT_OK;
}

void ldb_table_close(struct ldb_table *self)
{
    if (self->fd >= 0)
        close(self->fd);
    self->fd = -1;
    block_free(&self->index);
    block_free(&self->filter);
    block_free(&self->block);
}
