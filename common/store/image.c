// SPDX-License-Identifier: Apache-2.0
#include "store/image.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/image_logs.h"
#include "store/ldb_table.h"

// A run of entries in order: the logs, one table of level 0, or all tables of a deeper level.
struct source {
    const struct ldb_table_file *next, *end; // tables not yet opened
    struct ldb_table table;
    bool table_open;
    // the current entry
    bool valid;
    struct image_raw now;
};

struct image {
    char *db; // owned
    struct ldb_manifest manifest;
    struct image_logs logs;
    size_t log_at;
    struct source *sources; // owned
    size_t source_count;
    struct image_tear manifest_tear;
    uint8_t last_key[LDB_KEY_MAX]; // the key given out last, to leave older entries of it out
    size_t last_size;
    bool started;
};

// ---- sources ----

static void show_table(struct source *s)
{
    s->valid = s->table.valid;
    if (!s->valid)
        return;
    size_t size = s->table.key.size - 8;
    s->now.key = slice_of(s->table.key.data, size);
    s->now.trailer = get_u64((const uint8_t *)s->table.key.data + size);
    s->now.value = s->table.value;
    s->now.where = (struct audit_where){s->table.name, s->table.block.offset};
}

static int open_next(const struct image *self, struct source *s, assent_error *error)
{
    if (s->table_open)
        ldb_table_close(&s->table);
    s->table_open = s->valid = false;
    while (s->next < s->end) {
        int code = ldb_table_open(self->db, &self->manifest, s->next++, &s->table, error);
        if (code != ASSENT_OK)
            return code;
        s->table_open = true;
        if (s->table.valid)
            break;
        ldb_table_close(&s->table);
        s->table_open = false;
    }
    if (s->table_open)
        show_table(s);
    return ASSENT_OK;
}

static int advance_table(const struct image *self, struct source *s, assent_error *error)
{
    uint8_t before[LDB_KEY_MAX];
    size_t before_size = s->now.key.size;
    uint64_t before_trailer = s->now.trailer;
    memcpy(before, s->now.key.data, before_size);
    int code = ldb_table_next(&s->table, error);
    if (code != ASSENT_OK)
        return code;
    show_table(s);
    if (!s->valid)
        code = open_next(self, s, error);
    struct image_raw old = {.key = slice_of(before, before_size), .trailer = before_trailer};
    if (code == ASSENT_OK && s->valid && image_raw_compare(&old, &s->now) >= 0)
        return error_set(error, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": entries are out of order",
                         s->now.where.file, s->now.where.offset);
    return code;
}

static void show_log(struct image *self, struct source *s)
{
    s->valid = self->log_at < self->logs.count;
    if (s->valid)
        s->now = self->logs.entries[self->log_at++];
}

static int advance(struct image *self, struct source *s, assent_error *error)
{
    if (s->table_open)
        return advance_table(self, s, error);
    show_log(self, s);
    return ASSENT_OK;
}

static int make_sources(struct image *self, assent_error *error)
{
    const struct ldb_manifest *manifest = &self->manifest;
    self->sources = calloc(manifest->count + 1, sizeof *self->sources);
    if (!self->sources)
        return error_set(error, ASSENT_NOMEM, "out of memory to read the database");
    struct source *s = &self->sources[self->source_count++];
    show_log(self, s);
    for (size_t i = 0; i < manifest->count;) {
        size_t end = i + 1;
        while (end < manifest->count && manifest->tables[i].level > 0 &&
               manifest->tables[end].level == manifest->tables[i].level)
            end++;
        s = &self->sources[self->source_count++];
        *s = (struct source){.next = manifest->tables + i, .end = manifest->tables + end};
        int code = open_next(self, s, error);
        if (code != ASSENT_OK)
            return code;
        i = end;
    }
    return ASSENT_OK;
}

// ---- the image ----

static void note_manifest(struct image *self)
{
    const struct ldb_manifest *manifest = &self->manifest;
    struct image_tear *tear = &self->manifest_tear;
    if (!manifest->cut)
        return;
    *tear = (struct image_tear){.present = true,
                                .offset = manifest->cut_at,
                                .size = manifest->file_size,
                                .why = manifest->cut_why};
    memcpy(tear->file, manifest->name, sizeof tear->file);
}

int image_open(const char *db, struct image **ret, assent_error *error)
{
    struct image *self = calloc(1, sizeof *self);
    if (!self || !(self->db = strdup(db))) {
        free(self);
        return error_set(error, ASSENT_NOMEM, "out of memory to read the database");
    }
    int code = ldb_manifest_read(db, &self->manifest, error);
    if (code == ASSENT_OK) {
        note_manifest(self);
        code = image_logs_read(db, self->manifest.log_number, &self->logs, error);
    }
    if (code == ASSENT_OK)
        code = make_sources(self, error);
    if (code != ASSENT_OK) {
        image_close(&self);
        return code;
    }
    *ret = self;
    return ASSENT_OK;
}

void image_close(struct image **self_p)
{
    struct image *self = *self_p;
    if (!self)
        return;
    for (size_t i = 0; i < self->source_count; i++)
        if (self->sources[i].table_open)
            ldb_table_close(&self->sources[i].table);
    free(self->sources);
    image_logs_free(&self->logs);
    ldb_manifest_free(&self->manifest);
    free(self->db);
    free(self);
    *self_p = NULL;
}

static struct source *newest_source(struct image *self)
{
    struct source *best = NULL;
    for (size_t i = 0; i < self->source_count; i++) {
        struct source *s = &self->sources[i];
        if (s->valid && (!best || image_raw_compare(&s->now, &best->now) < 0))
            best = s;
    }
    return best;
}

// Moves past every entry of the key given out last.
static int skip_last(struct image *self, assent_error *error)
{
    struct slice last = slice_of(self->last_key, self->last_size);
    for (size_t i = 0; i < self->source_count; i++) {
        struct source *s = &self->sources[i];
        while (s->valid && slice_equal(s->now.key, last)) {
            int code = advance(self, s, error);
            if (code != ASSENT_OK)
                return code;
        }
    }
    return ASSENT_OK;
}

int image_next(struct image *self, struct image_entry *ret, bool *ret_more, assent_error *error)
{
    for (;;) {
        int code = self->started ? skip_last(self, error) : ASSENT_OK;
        if (code != ASSENT_OK)
            return code;
        const struct source *s = newest_source(self);
        *ret_more = s;
        if (!s)
            return ASSENT_OK;
        self->started = true;
        self->last_size = s->now.key.size;
        memcpy(self->last_key, s->now.key.data, s->now.key.size);
        if ((s->now.trailer & 0xff) == LDB_DELETED)
            continue;
        *ret = (struct image_entry){s->now.key, s->now.value, s->now.where};
        return ASSENT_OK;
    }
}

const struct image_tear *image_log_tear(const struct image *self)
{
    return &self->logs.tear;
}

const struct image_tear *image_manifest_tear(const struct image *self)
{
    return &self->manifest_tear;
}

const char *image_newest_log(const struct image *self, uint64_t *ret_size)
{
    const struct image_logs *logs = &self->logs;
    *ret_size = logs->file_count ? logs->files[logs->file_count - 1].size : 0;
    return logs->file_count ? logs->files[logs->file_count - 1].name : "";
}

bool image_has_tables(const struct image *self)
{
    return self->manifest.count > 0;
}

int image_absent(const char *db, bool *ret, assent_error *error)
{
    DIR *dir = opendir(db);
    bool absent = true;
    if (!dir && errno != ENOENT)
        return error_set(error, ASSENT_IO, "%s: %s", db, strerror(errno));
    for (const struct dirent *entry; dir && absent && (entry = readdir(dir));) {
        const char *dot = strrchr(entry->d_name, '.');
        absent = strcmp(entry->d_name, "CURRENT") != 0 &&
                 !(dot && (strcmp(dot, ".log") == 0 || strcmp(dot, ".ldb") == 0));
    }
    if (dir)
        closedir(dir);
    *ret = absent;
    return ASSENT_OK;
}
