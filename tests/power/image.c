// SPDX-License-Identifier: Apache-2.0
#include "image.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"

void image_init(struct image *self)
{
    memset(self, 0, sizeof *self);
}

void image_free(struct image *self)
{
    for (int i = 0; i < IMAGE_FILES; i++) {
        free(self->files[i].now);
        free(self->files[i].synced);
    }
}

// ---- names ----

static int find(const struct image_names *names, const char *name)
{
    for (int i = 0; i < names->count; i++) {
        if (strcmp(names->items[i].name, name) == 0)
            return i;
    }
    return -1;
}

static void set(struct image_names *names, const char *name, int file)
{
    int at = find(names, name);
    if (at < 0) {
        at = names->count++;
        CHECK(at < (int)(sizeof names->items / sizeof names->items[0]));
        snprintf(names->items[at].name, NAME_SIZE, "%s", name);
    }
    names->items[at].file = file;
}

static void drop(struct image_names *names, const char *name)
{
    int at = find(names, name);
    if (at >= 0)
        names->items[at] = names->items[--names->count];
}

static void change(struct image_names *names, const struct record *record)
{
    if (record->kind == RECORD_CREATE) {
        set(names, record->name, record->file);
    } else if (record->kind == RECORD_UNLINK) {
        drop(names, record->name);
    } else {
        int at = find(names, record->name);
        if (at < 0)
            return; // what is renamed was never made
        int file = names->items[at].file;
        drop(names, record->name);
        set(names, record->to, file);
    }
}

static bool lies_in(const char *name, const char *dir)
{
    const char *slash = strrchr(name, '/');
    size_t size = slash ? (size_t)(slash - name) : 0;
    return strlen(dir) == size && memcmp(name, dir, size) == 0;
}

static void sync_dir(struct image *self, const char *dir)
{
    int kept = 0;
    if (self->dirs_unsynced)
        return;
    for (int i = 0; i < self->pending_count; i++) {
        if (lies_in(self->pending[i]->name, dir))
            change(&self->synced, self->pending[i]);
        else
            self->pending[kept++] = self->pending[i];
    }
    self->pending_count = kept;
}

// ---- contents ----

static void put(struct image_file *file, const struct record *record)
{
    size_t end = (size_t)(record->at + record->size);
    if (end > file->now_size) {
        file->now = realloc(file->now, end);
        CHECK(file->now);
        memset(file->now + file->now_size, 0, end - file->now_size);
        file->now_size = end;
    }
    memcpy(file->now + record->at, record->bytes, (size_t)record->size);
}

static void sync_file(struct image_file *file)
{
    file->synced = realloc(file->synced, file->now_size + 1);
    CHECK(file->synced);
    if (file->now_size)
        memcpy(file->synced, file->now, file->now_size);
    file->synced_size = file->now_size;
}

void image_apply(struct image *self, const struct record *record)
{
    struct image_file *file = &self->files[record->file < 0 ? 0 : record->file];
    CHECK(record->file < IMAGE_FILES);
    switch (record->kind) {
    case RECORD_WRITE: put(file, record); break;
    case RECORD_TRUNCATE:
        if (record->size < file->now_size)
            file->now_size = (size_t)record->size;
        break;
    case RECORD_SYNC: sync_file(file); break;
    case RECORD_CREATE:
    case RECORD_RENAME:
    case RECORD_UNLINK:
        CHECK(self->pending_count < IMAGE_PENDING);
        self->pending[self->pending_count++] = record;
        break;
    case RECORD_SYNC_DIR: sync_dir(self, record->name); break;
    case RECORD_MARK: break;
    }
}

// ---- the image ----

static void write_file(const char *dir, const char *name, const uint8_t *bytes, size_t size)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
}

// What was not synced, as the disk may have it: sectors are written in any order, and a file may
// have grown before what it grew by was written.
static size_t spoil(const struct image_file *file, struct rng *rng, uint8_t *bytes)
{
    enum { SECTOR = 512 };
    size_t same = file->synced_size < file->now_size ? file->synced_size : file->now_size;
    size_t size = same + (size_t)rng_below(rng, file->now_size - same + 1);
    unsigned how = (unsigned)rng_below(rng, 5);
    for (size_t at = 0; at < size;) {
        size_t next = (at / SECTOR + 1) * SECTOR < size ? (at / SECTOR + 1) * SECTOR : size;
        bool old = at < same &&
                   memcmp(file->now + at, file->synced + at, (next < same ? next : same) - at) == 0;
        bool lost = how == 1 || (how == 2 && rng_below(rng, 2)) || (how == 3 && next == size) ||
                    (how == 4 && rng_below(rng, 8) == 0);
        memcpy(bytes + at, file->now + at, next - at);
        for (size_t i = at; lost && !old && i < next; i++) {
            if (i < file->synced_size) // never zeros where there was something durable
                bytes[i] = file->synced[i];
            else
                bytes[i] = how == 4 ? (uint8_t)rng_next(rng) : 0;
        }
        at = next;
    }
    return size;
}

static void write_content(const struct image_file *file, const char *dir, const char *name,
                          enum keep keep, struct rng *rng)
{
    if (keep == KEEP_NONE) {
        write_file(dir, name, file->synced, file->synced_size);
    } else if (keep == KEEP_ALL) {
        write_file(dir, name, file->now, file->now_size);
    } else {
        uint8_t *bytes = malloc(file->now_size + 1);
        CHECK(bytes);
        write_file(dir, name, bytes, spoil(file, rng, bytes));
        free(bytes);
    }
}

void image_write(const struct image *self, const char *dir, enum keep names, enum keep contents,
                 struct rng *rng)
{
    static struct image_names there;
    char path[512];
    there = self->synced;
    for (int i = 0; i < self->pending_count; i++) {
        if (names == KEEP_ALL || (names == KEEP_SOME && rng_below(rng, 2)))
            change(&there, self->pending[i]);
    }
    mkdir(dir, 0700);
    snprintf(path, sizeof path, "%s/db", dir);
    mkdir(path, 0700);
    for (int i = 0; i < there.count; i++)
        write_content(&self->files[there.items[i].file], dir, there.items[i].name, contents, rng);
}
