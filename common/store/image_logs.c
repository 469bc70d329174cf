// SPDX-License-Identifier: Apache-2.0
#include "store/image_logs.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/ldb_log.h"

enum { BATCH_HEAD_SIZE = 12 }; // sequence number, count

int image_raw_compare(const struct image_raw *a, const struct image_raw *b)
{
    size_t both = a->key.size < b->key.size ? a->key.size : b->key.size;
    int order = both ? memcmp(a->key.data, b->key.data, both) : 0;
    if (order == 0 && a->key.size != b->key.size)
        order = a->key.size < b->key.size ? -1 : 1;
    if (order != 0)
        return order;
    return a->trailer == b->trailer ? 0 : a->trailer > b->trailer ? -1 : 1;
}

static int compare_entries(const void *a, const void *b)
{
    return image_raw_compare(a, b);
}

static int compare_files(const void *a, const void *b)
{
    const struct image_log_file *x = a, *y = b;
    return x->number < y->number ? -1 : x->number > y->number;
}

static int no_memory(assent_error *error)
{
    return error_set(error, ASSENT_NOMEM, "out of memory to read the log files");
}

// Makes room for one more; NULL: out of memory.
static void *room_for(void *array, size_t count, size_t *capacity, size_t item_size)
{
    if (count < *capacity)
        return array;
    size_t wanted = *capacity ? *capacity * 2 : 64;
    void *grown = realloc(array, wanted * item_size);
    if (grown)
        *capacity = wanted;
    return grown;
}

// ---- batches ----

static bool take_entry(struct ldb_input *in, struct image_raw *ret)
{
    if (in->at == in->end)
        return false;
    unsigned type = *in->at++;
    ret->trailer = type;
    ret->value = slice_of(NULL, 0);
    if (type > LDB_VALUE || !ldb_take_string(in, &ret->key) || ret->key.size > LDB_KEY_MAX - 8)
        return false;
    return type == LDB_DELETED || ldb_take_string(in, &ret->value);
}

static int take_batch(struct image_logs *self, struct slice batch, struct audit_where where,
                      assent_error *error)
{
    struct ldb_input in = ldb_input_of(batch);
    struct slice head;
    bool fits = ldb_take_bytes(&in, BATCH_HEAD_SIZE, &head);
    uint64_t sequence = fits ? get_u64(head.data) : 0;
    uint32_t count = fits ? get_u32((const uint8_t *)head.data + 8) : 0;
    // Each batch goes on where the one before it ended, also in the next file.
    fits = fits && sequence <= LDB_SEQUENCE_MAX &&
           (!self->next_sequence || sequence == self->next_sequence);
    for (uint32_t i = 0; fits && i < count; i++) {
        struct image_raw *grown =
            room_for(self->entries, self->count, &self->capacity, sizeof *grown);
        if (!grown)
            return no_memory(error);
        self->entries = grown;
        struct image_raw *raw = &grown[self->count];
        fits = take_entry(&in, raw);
        if (!fits)
            break;
        raw->trailer |= (sequence + i) << 8;
        raw->where = where;
        self->count++;
    }
    if (!fits || in.at != in.end)
        return error_set(error, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": a batch is malformed",
                         where.file, where.offset);
    self->next_sequence = sequence + count;
    return ASSENT_OK;
}

// The highest record that a batch calls durable.
static uint64_t durable_in(struct slice batch)
{
    struct ldb_input in = ldb_input_of(batch);
    struct slice head;
    struct image_raw raw;
    struct log_meta meta;
    uint64_t durable = 0;
    if (!ldb_take_bytes(&in, BATCH_HEAD_SIZE, &head))
        return 0;
    while (take_entry(&in, &raw))
        if (slice_equal(raw.key, slice_text("m")) &&
            layout_meta_decode(raw.value, &meta, NULL) == ASSENT_OK && meta.durable_seq > durable)
            durable = meta.durable_seq;
    return durable;
}

// ---- files ----

static void note_tear(struct image_logs *self, const struct image_log_file *file,
                      struct ldb_log *log)
{
    struct slice batch;
    size_t offset;
    struct image_tear *tear = &self->tear;
    *tear = (struct image_tear){
        .present = true, .offset = log->at, .size = file->size, .why = log->why};
    memcpy(tear->file, file->name, sizeof tear->file);
    while (ldb_log_resume(log, &batch, &offset)) {
        do {
            uint64_t durable = durable_in(batch);
            tear->later_durable = durable > tear->later_durable ? durable : tear->later_durable;
        } while (ldb_log_next(log, &batch, &offset) == LDB_LOG_RECORD);
    }
}

static int take_batches(struct image_logs *self, struct image_log_file *file, struct ldb_log *log,
                        assent_error *error)
{
    struct slice batch;
    size_t offset, used = 0;
    enum ldb_log_result result;
    while ((result = ldb_log_next(log, &batch, &offset)) == LDB_LOG_RECORD) {
        struct audit_where where = {file->name, offset};
        memcpy(file->payload + used, batch.data, batch.size);
        int code = take_batch(self, slice_of(file->payload + used, batch.size), where, error);
        if (code != ASSENT_OK)
            return code;
        used += batch.size;
    }
    if (result == LDB_LOG_NOMEM)
        return no_memory(error);
    if (result != LDB_LOG_END)
        note_tear(self, file, log);
    return ASSENT_OK;
}

static int take_file(struct image_logs *self, const char *db, struct image_log_file *file,
                     assent_error *error)
{
    uint8_t *data;
    size_t size;
    int code = ldb_file_read(db, file->name, &data, &size, error);
    if (code != ASSENT_OK)
        return code;
    file->size = size;
    // A log is synced before the next one is written to, so only the last may be torn.
    if (size && self->tear.present)
        code = error_set(error, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": %s", self->tear.file,
                         self->tear.offset, self->tear.why);
    file->payload = code == ASSENT_OK ? malloc(size + 1) : NULL;
    if (file->payload) {
        struct ldb_log log;
        ldb_log_init(&log, slice_of(data, size));
        code = take_batches(self, file, &log, error);
        ldb_log_free(&log);
    } else if (code == ASSENT_OK) {
        code = no_memory(error);
    }
    free(data);
    return code;
}

static bool log_number_of(const char *name, uint64_t *ret)
{
    char *end;
    if (*name < '0' || *name > '9' || strlen(name) >= LDB_NAME_SIZE)
        return false;
    *ret = strtoull(name, &end, 10);
    return strcmp(end, ".log") == 0;
}

static int list_files(struct image_logs *self, const char *db, uint64_t log_number,
                      assent_error *error)
{
    DIR *dir = opendir(db);
    if (!dir)
        return error_set(error, ASSENT_IO, "%s: %s", db, strerror(errno));
    int code = ASSENT_OK;
    for (const struct dirent *entry; code == ASSENT_OK && (entry = readdir(dir));) {
        uint64_t number;
        if (!log_number_of(entry->d_name, &number) || number < log_number)
            continue;
        struct image_log_file *grown =
            room_for(self->files, self->file_count, &self->file_capacity, sizeof *grown);
        if (!grown) {
            code = no_memory(error);
            break;
        }
        self->files = grown;
        grown[self->file_count] = (struct image_log_file){.number = number};
        memcpy(grown[self->file_count++].name, entry->d_name, strlen(entry->d_name) + 1);
    }
    closedir(dir);
    return code;
}

int image_logs_read(const char *db, uint64_t log_number, struct image_logs *self,
                    assent_error *error)
{
    int code = list_files(self, db, log_number, error);
    if (code != ASSENT_OK)
        return code;
    if (self->file_count)
        qsort(self->files, self->file_count, sizeof *self->files, compare_files);
    if (log_number && (!self->file_count || self->files[0].number != log_number))
        return error_set(error, ASSENT_CORRUPT, "%06" PRIu64 ".log is missing", log_number);
    for (size_t i = 0; code == ASSENT_OK && i < self->file_count; i++)
        code = take_file(self, db, &self->files[i], error);
    if (code == ASSENT_OK && self->count)
        qsort(self->entries, self->count, sizeof *self->entries, compare_entries);
    return code;
}

void image_logs_free(struct image_logs *self)
{
    for (size_t i = 0; i < self->file_count; i++)
        free(self->files[i].payload);
    free(self->files);
    free(self->entries);
    *self = (struct image_logs){0};
}
