// SPDX-License-Identifier: Apache-2.0
#include "shelf.h"

#include <fts.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct shelf *shelf_new(bool leveldb, uint64_t id)
{
    struct shelf *self = calloc(1, sizeof *self);
    assert_non_null(self);
    self->options = (struct store_options){.create = true, .wall_ms = 1000, .id = id};
    if (leveldb)
        self->dir = unit_dir_make();
    else
        self->disk = memory_disk_new();
    shelf_open(self);
    return self;
}

void shelf_destroy(struct shelf *self)
{
    shelf_close(self);
    memory_disk_destroy(&self->disk);
    unit_dir_remove(&self->dir);
    free(self);
}

int shelf_setup_leveldb(void **state)
{
    *state = shelf_new(true, 0);
    return 0;
}

int shelf_setup_memory(void **state)
{
    *state = shelf_new(false, 0);
    return 0;
}

int shelf_teardown(void **state)
{
    shelf_destroy(*state);
    return 0;
}

void shelf_open(struct shelf *self)
{
    assent_error error = {0};
    int code = self->dir ? store_open_leveldb(self->dir, &self->options, &self->store, &error)
                         : store_open_memory(self->disk, &self->options, &self->store, &error);
    if (code != ASSENT_OK)
        fail_msg("open: %s: %s", assent_code_name(code), error.message);
}

void shelf_close(struct shelf *self)
{
    if (self->store)
        self->store->ops->close(self->store);
    self->store = NULL;
}

void shelf_reopen(struct shelf *self)
{
    shelf_close(self);
    self->options.wall_ms += 1000;
    shelf_open(self);
}

struct store_put shelf_a_put(const char *key, const char *value, unsigned flags, uint64_t stamp)
{
    return (struct store_put){.key = slice_text(key),
                              .value = slice_text(value),
                              .decide = flags & SHELF_DECIDE,
                              .decided = flags & SHELF_DECIDED,
                              .forget = flags & SHELF_FORGET,
                              .open = flags & SHELF_OPEN,
                              .stamp = stamp};
}

enum store_answer shelf_put(struct shelf *self, const char *key, const char *value, unsigned flags,
                            uint64_t stamp)
{
    assent_error error = {0};
    struct store_put put = shelf_a_put(key, value, flags, stamp);
    if (self->store->ops->apply(self->store, &put, 1, !(flags & SHELF_LAZY), &error) != ASSENT_OK)
        fail_msg("apply: %s", error.message);
    snprintf(self->text, sizeof self->text, "%.*s", (int)put.standing_size,
             put.standing ? (const char *)put.standing : "");
    free(put.standing);
    return put.answer;
}

const char *shelf_value(struct shelf *self, const char *key)
{
    assent_error error = {0};
    uint8_t *value;
    size_t size;
    int code = self->store->ops->lookup(self->store, slice_text(key), &value, &size, &error);
    if (code == ASSENT_UNKNOWN)
        return NULL;
    if (code != ASSENT_OK)
        fail_msg("lookup: %s", error.message);
    snprintf(self->text, sizeof self->text, "%.*s", (int)size, (const char *)value);
    free(value);
    return self->text;
}

static int list_one(void *arg, const struct store_record *record)
{
    struct shelf *self = arg;
    size_t used = strlen(self->text);
    snprintf(self->text + used, sizeof self->text - used, "%s%.*s%s=%.*s", used ? " " : "",
             (int)record->key.size, (const char *)record->key.data, record->open ? "*" : "",
             (int)record->value.size, (const char *)record->value.data);
    return 0;
}

const char *shelf_list(struct shelf *self, bool open_only, bool newest_first, uint64_t from_seq)
{
    assent_error error = {0};
    self->text[0] = 0;
    if (self->store->ops->scan(self->store, open_only, newest_first, from_seq, list_one, self,
                               &error) != ASSENT_OK)
        fail_msg("scan: %s", error.message);
    return self->text;
}

void shelf_collect(struct shelf *self, uint64_t horizon)
{
    assent_error error = {0};
    bool more = true;
    for (int calls = 0; more; calls++) {
        assert_true(calls < 100000); // else it would never rest
        if (self->store->ops->collect(self->store, horizon, &more, &error) != ASSENT_OK)
            fail_msg("collect: %s", error.message);
    }
}

struct store_info shelf_info(const struct shelf *self)
{
    struct store_info info;
    self->store->ops->info(self->store, &info);
    return info;
}

static void copy_file(const char *from, const char *to)
{
    char block[65536];
    FILE *in = fopen(from, "rb"), *out = fopen(to, "wb");
    assert_non_null(in);
    assert_non_null(out);
    for (size_t n; (n = fread(block, 1, sizeof block, in)) > 0;)
        assert_int_equal(fwrite(block, 1, n, out), n);
    fclose(in);
    assert_int_equal(fclose(out), 0);
}

void shelf_copy_dir(const char *from, const char *to)
{
    FTS *tree =
        fts_open((char *[]){(char *)(uintptr_t)from, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    for (FTSENT *entry; (entry = fts_read(tree));) {
        char path[4096];
        snprintf(path, sizeof path, "%s%s", to, entry->fts_path + strlen(from));
        if (entry->fts_info == FTS_D)
            mkdir(path, 0700);
        else if (entry->fts_info == FTS_F)
            copy_file(entry->fts_accpath, path);
    }
    fts_close(tree);
}

uint64_t shelf_dir_bytes(const char *dir)
{
    uint64_t bytes = 0;
    FTS *tree =
        fts_open((char *[]){(char *)(uintptr_t)dir, NULL}, FTS_PHYSICAL | FTS_NOCHDIR, NULL);
    assert_non_null(tree);
    for (FTSENT *entry; (entry = fts_read(tree));)
        if (entry->fts_info == FTS_F)
            bytes += (uint64_t)entry->fts_statp->st_size;
    fts_close(tree);
    return bytes;
}
