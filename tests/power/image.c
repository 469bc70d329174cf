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
    crypto_generichash_init(&self->digest, NULL, 0, 16);
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
    } else if (record->kind == RECORD_MKDIR) {
        set(names, record->name, IMAGE_DIR);
    } else if (record->kind == RECORD_UNLINK) {
        drop(names, record->name);
    } else {
        drop(names, record->name); // where its making was lost, it is not there
        set(names, record->to, record->file);
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
    case RECORD_MKDIR:
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

static void digest(struct image *self, const void *bytes, size_t size)
{
    crypto_generichash_update(&self->digest, (const uint8_t *)&size, sizeof size);
    crypto_generichash_update(&self->digest, bytes, size);
}

uint64_t image_digest(const struct image *self)
{
    crypto_generichash_state state = self->digest;
    uint8_t bytes[16];
    uint64_t number;
    crypto_generichash_final(&state, bytes, sizeof bytes);
    memcpy(&number, bytes, sizeof number);
    return number;
}

static void write_file(struct image *self, const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    CHECK(fd >= 0);
    CHECK(write(fd, bytes, size) == (ssize_t)size);
    close(fd);
    digest(self, bytes, size);
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

static void write_content(struct image *self, const struct image_file *file, const char *path,
                          enum keep keep, struct rng *rng)
{
    if (keep == KEEP_NONE) {
        write_file(self, path, file->synced, file->synced_size);
    } else if (keep == KEEP_ALL) {
        write_file(self, path, file->now, file->now_size);
    } else {
        uint8_t *bytes = malloc(file->now_size + 1);
        CHECK(bytes);
        write_file(self, path, bytes, spoil(file, rng, bytes));
        free(bytes);
    }
}

static bool is_dir(const struct image_names *names, const char *name, size_t size)
{
    for (int i = 0; i < names->count; i++) {
        const struct image_name *at = &names->items[i];
        if (at->file == IMAGE_DIR && strncmp(at->name, name, size) == 0 && !at->name[size])
            return true;
    }
    return false;
}

// Whether all directories above it are there.
static bool is_reached(const struct image_names *names, const char *name)
{
    for (const char *slash = name; (slash = strchr(slash, '/')); slash++) {
        if (!is_dir(names, name, (size_t)(slash - name)))
            return false;
    }
    return true;
}

static bool is_witness(const struct image *self, const struct image_name *name)
{
    return self->witness && strcmp(self->witness, name->name) == 0;
}

static void write_dirs(const struct image_names *names, const char *dir)
{
    char path[512];
    mkdir(dir, 0700);
    for (int i = 0; i < 2 * names->count; i++) { // twice: they are at most two deep, in any order
        const struct image_name *name = &names->items[i % names->count];
        snprintf(path, sizeof path, "%s/%s", dir, name->name);
        if (name->file == IMAGE_DIR && is_reached(names, name->name))
            mkdir(path, 0700);
    }
}

void image_write(struct image *self, const char *dir, enum keep names, enum keep contents,
                 struct rng *rng)
{
    static struct image_names there;
    char path[512];
    there = self->synced;
    for (int i = 0; i < self->pending_count; i++) {
        const struct record *record = self->pending[i];
        bool kept = names == KEEP_ALL || (names == KEEP_SOME && rng_below(rng, 2)) ||
                    (names == KEEP_LAST && i == self->pending_count - 1) ||
                    (self->witness &&
                     (record->kind == RECORD_MKDIR || strcmp(self->witness, record->name) == 0));
        if (kept)
            change(&there, record);
    }
    write_dirs(&there, dir);
    for (int i = 0; i < there.count; i++) {
        const struct image_name *name = &there.items[i];
        bool missing = !is_reached(&there, name->name);
        digest(self, name->name, missing ? 0 : strlen(name->name));
        if (missing || name->file == IMAGE_DIR)
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, name->name);
        write_content(self, &self->files[name->file], path,
                      is_witness(self, name) ? KEEP_ALL : contents, rng);
    }
}
