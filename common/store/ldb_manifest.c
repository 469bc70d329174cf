// SPDX-License-Identifier: Apache-2.0
#include "store/ldb_manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/ldb_log.h"

static const uint64_t FILE_NUMBER_MAX = UINT64_C(1) << 48;

enum edit_tag {
    EDIT_COMPARATOR = 1,
    EDIT_LOG_NUMBER = 2,
    EDIT_NEXT_FILE = 3,
    EDIT_LAST_SEQUENCE = 4,
    EDIT_COMPACT_POINTER = 5,
    EDIT_DELETED_FILE = 6,
    EDIT_NEW_FILE = 7,
    EDIT_PREV_LOG_NUMBER = 9,
};

// The sequence number and type that end a key in a table.
static uint64_t trailer_of(struct slice key)
{
    return get_u64((const uint8_t *)key.data + key.size - 8);
}

int ldb_key_compare(struct slice a, struct slice b)
{
    size_t a_size = a.size - 8, b_size = b.size - 8, both = a_size < b_size ? a_size : b_size;
    int order = both ? memcmp(a.data, b.data, both) : 0;
    if (order == 0 && a_size != b_size)
        order = a_size < b_size ? -1 : 1;
    if (order != 0)
        return order;
    uint64_t a_trailer = trailer_of(a), b_trailer = trailer_of(b);
    return a_trailer == b_trailer ? 0 : a_trailer > b_trailer ? -1 : 1;
}

static int read_fd(int fd, const char *name, uint8_t **ret_data, size_t *ret_size,
                   assent_error *error)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return error_set(error, ASSENT_IO, "%s: %s", name, strerror(errno));
    size_t size = (size_t)info.st_size, done = 0;
    uint8_t *data = malloc(size + 1);
    if (!data)
        return error_set(error, ASSENT_NOMEM, "out of memory to read %s", name);
    while (done < size) {
        ssize_t n = read(fd, data + done, size - done);
        if (n <= 0) {
            free(data);
            return error_set(error, ASSENT_IO, "%s at byte %zu: %s", name, done,
                             n < 0 ? strerror(errno) : "the file ends early");
        }
        done += (size_t)n;
    }
    *ret_data = data;
    *ret_size = size;
    return ASSENT_OK;
}

int ldb_file_read(const char *db, const char *name, uint8_t **ret_data, size_t *ret_size,
                  assent_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", db, name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(error, ASSENT_CORRUPT, "%s is missing", name);
    if (fd < 0)
        return error_set(error, ASSENT_IO, "%s: %s", name, strerror(errno));
    int code = read_fd(fd, name, ret_data, ret_size, error);
    close(fd);
    return code;
}

static bool take_level(struct ldb_input *in, unsigned *ret)
{
    uint64_t level;
    if (!ldb_take_varint(in, &level) || level >= LDB_LEVELS)
        return false;
    *ret = (unsigned)level;
    return true;
}

static bool take_key(struct ldb_input *in, struct ldb_key *ret)
{
    struct slice key;
    if (!ldb_take_string(in, &key) || key.size < 8 || key.size > LDB_KEY_MAX ||
        !ldb_trailer_good(trailer_of(key)))
        return false;
    memcpy(ret->bytes, key.data, key.size);
    ret->size = key.size;
    return true;
}

static struct ldb_table_file *add_table(struct ldb_manifest *self)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 32;
        void *grown = realloc(self->tables, capacity * sizeof *self->tables);
        if (!grown)
            return NULL;
        self->tables = grown;
        self->capacity = capacity;
    }
    return &self->tables[self->count++];
}

static void remove_table(struct ldb_manifest *self, unsigned level, uint64_t number)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->tables[i].level == level && self->tables[i].number == number) {
            self->tables[i] = self->tables[--self->count];
            return;
        }
}

static bool take_new_file(struct ldb_manifest *self, struct ldb_input *in, bool *ret_no_memory)
{
    struct ldb_table_file file;
    if (!take_level(in, &file.level) || !ldb_take_varint(in, &file.number) ||
        !ldb_take_varint(in, &file.size) || !take_key(in, &file.smallest) ||
        !take_key(in, &file.largest))
        return false;
    struct ldb_table_file *added = add_table(self);
    *ret_no_memory = !added;
    if (added)
        *added = file;
    return added;
}

static bool take_edit(struct ldb_manifest *self, struct ldb_input *in, bool *ret_no_memory)
{
    uint64_t tag, number;
    unsigned level;
    struct slice text;
    struct ldb_key key;
    if (!ldb_take_varint(in, &tag))
        return false;
    switch (tag) {
    case EDIT_COMPARATOR:
        return ldb_take_string(in, &text) &&
               slice_equal(text, slice_text("leveldb.BytewiseComparator"));
    case EDIT_LOG_NUMBER: self->begun = true; return ldb_take_varint(in, &self->log_number);
    case EDIT_NEXT_FILE:
        return ldb_take_varint(in, &self->next_file) && self->next_file <= FILE_NUMBER_MAX;
    case EDIT_LAST_SEQUENCE:
        return ldb_take_varint(in, &self->last_sequence) && self->last_sequence <= LDB_SEQUENCE_MAX;
    case EDIT_PREV_LOG_NUMBER: return ldb_take_varint(in, &number) && number == 0;
    case EDIT_COMPACT_POINTER: return take_level(in, &level) && take_key(in, &key);
    case EDIT_DELETED_FILE:
        if (!take_level(in, &level) || !ldb_take_varint(in, &number))
            return false;
        remove_table(self, level, number);
        return true;
    case EDIT_NEW_FILE: return take_new_file(self, in, ret_no_memory);
    default: return false;
    }
}

static int no_memory(assent_error *error)
{
    return error_set(error, ASSENT_NOMEM, "out of memory to read the manifest");
}

static int take_edits(struct ldb_manifest *self, struct slice record, size_t offset,
                      assent_error *error)
{
    struct ldb_input in = ldb_input_of(record);
    bool lacks_memory = false;
    while (in.at < in.end)
        if (!take_edit(self, &in, &lacks_memory))
            return lacks_memory
                       ? no_memory(error)
                       : error_set(error, ASSENT_CORRUPT, "%s at byte %zu: an entry is malformed",
                                   self->name, offset);
    return ASSENT_OK;
}

// Whether the entries make sense together: LevelDB trusts them, whatever they say.
static int check_edits(const struct ldb_manifest *self, assent_error *error)
{
    bool good = self->log_number < self->next_file;
    for (size_t i = 0; good && i < self->count; i++) {
        const struct ldb_table_file *file = &self->tables[i];
        good = file->number < self->next_file &&
               ldb_key_compare(slice_of(file->smallest.bytes, file->smallest.size),
                               slice_of(file->largest.bytes, file->largest.size)) <= 0;
        for (size_t j = 0; good && j < i; j++)
            good = self->tables[j].number != file->number;
    }
    return good ? ASSENT_OK
                : error_set(error, ASSENT_CORRUPT,
                            "%s at byte 0: its entries contradict each other", self->name);
}

static int by_level_and_key(const void *a, const void *b)
{
    const struct ldb_table_file *x = a, *y = b;
    if (x->level != y->level)
        return x->level < y->level ? -1 : 1;
    int order = ldb_key_compare(slice_of(x->smallest.bytes, x->smallest.size),
                                slice_of(y->smallest.bytes, y->smallest.size));
    if (order != 0)
        return order;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int read_edits(struct ldb_manifest *self, struct ldb_log *log, assent_error *error)
{
    struct slice record;
    size_t offset;
    enum ldb_log_result result;
    while ((result = ldb_log_next(log, &record, &offset)) == LDB_LOG_RECORD) {
        int code = take_edits(self, record, offset, error);
        if (code != ASSENT_OK)
            return code;
    }
    if (result == LDB_LOG_NOMEM)
        return no_memory(error);
    if (!self->begun)
        return error_set(error, ASSENT_CORRUPT, "%s at byte %zu: %s", self->name, log->at,
                         result == LDB_LOG_END ? "the file ends early" : log->why);
    if (result == LDB_LOG_END)
        return ASSENT_OK;
    // An entry that was being written when the machine stopped was not synced, and nothing was done
    // that relied on it. What comes before an intact entry was synced.
    self->cut = true;
    self->cut_at = log->at;
    self->cut_why = log->why;
    if (ldb_log_resume(log, &record, &offset))
        return error_set(error, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": %s", self->name,
                         self->cut_at, self->cut_why);
    return ASSENT_OK;
}

static int read_current(const char *db, char ret[LDB_NAME_SIZE], assent_error *error)
{
    uint8_t *data;
    size_t size;
    int code = ldb_file_read(db, "CURRENT", &data, &size, error);
    if (code != ASSENT_OK)
        return code;
    size_t at = 9;
    bool fits = size > 10 && size < LDB_NAME_SIZE && memcmp(data, "MANIFEST-", 9) == 0;
    while (fits && data[at] >= '0' && data[at] <= '9')
        at++;
    fits = fits && at + 1 == size && data[at] == '\n';
    if (fits) {
        memcpy(ret, data, at);
        ret[at] = 0;
    }
    free(data);
    return fits ? ASSENT_OK
                : error_set(error, ASSENT_CORRUPT, "CURRENT at byte 0: it names no manifest");
}

int ldb_manifest_read(const char *db, struct ldb_manifest *ret, assent_error *error)
{
    struct ldb_manifest self = {0};
    uint8_t *data;
    size_t size;
    int code = read_current(db, self.name, error);
    if (code != ASSENT_OK)
        return code;
    code = ldb_file_read(db, self.name, &data, &size, error);
    if (code != ASSENT_OK)
        return error_prefix(error, "CURRENT names a manifest");
    struct ldb_log log;
    self.file_size = size;
    ldb_log_init(&log, slice_of(data, size));
    code = read_edits(&self, &log, error);
    if (code == ASSENT_OK)
        code = check_edits(&self, error);
    ldb_log_free(&log);
    free(data);
    if (code != ASSENT_OK) {
        ldb_manifest_free(&self);
        return code;
    }
    if (self.count)
        qsort(self.tables, self.count, sizeof *self.tables, by_level_and_key);
    *ret = self;
    return ASSENT_OK;
}

void ldb_manifest_free(struct ldb_manifest *self)
{
    free(self->tables);
    *self = (struct ldb_manifest){0};
}
