// SPDX-License-Identifier: Apache-2.0
#include "store/leveldb_store.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/audit.h"
#include "store/bytes.h"
#include "store/dirlock.h"

enum { SCRATCH_MAX = LIMIT_RECORD_BYTES + 4096, LOG_ID_BITS = 40 };

static int sync_dir(const char *path, assent_error *error)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0) {
        int code = error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
        if (fd >= 0)
            close(fd);
        return code;
    }
    close(fd);
    return ASSENT_OK;
}

static int make_dir(const char *dir, bool create, assent_error *error)
{
    struct stat info;
    if (stat(dir, &info) == 0)
        return S_ISDIR(info.st_mode) ? ASSENT_OK
                                     : error_set(error, ASSENT_IO, "%s: is not a directory", dir);
    if (errno != ENOENT || !create)
        return error_set(error, ASSENT_IO, "%s: %s", dir, strerror(errno));
    if (mkdir(dir, 0700) != 0)
        return error_set(error, ASSENT_IO, "%s: mkdir: %s", dir, strerror(errno));
    return ASSENT_OK;
}

static int audit_database(struct leveldb_store *self, struct audit_result *ret, assent_error *error)
{
    struct audit audit;
    struct audit_where nowhere = {0};
    audit_init(&audit, &self->witness);
    struct kv_cursor *at = kv_cursor_new(self->kv);
    int code = ASSENT_OK;
    for (kv_cursor_seek(at, slice_of("", 0)); code == ASSENT_OK && kv_cursor_valid(at);
         kv_cursor_next(at))
        code = audit_entry(&audit, kv_cursor_key(at), kv_cursor_value(at), nowhere, error);
    if (code == ASSENT_OK)
        code = kv_cursor_status(at, error);
    if (code == ASSENT_OK)
        code = audit_finish(&audit, ret, error);
    kv_cursor_destroy(&at);
    audit_free(&audit);
    return code;
}

static void make_identity(struct leveldb_store *self, uint64_t id)
{
    struct log_meta *meta = &self->meta;
    *meta = (struct log_meta){.base_seq = 1};
    randombytes_buf(meta->secret, sizeof meta->secret);
    while (!id) {
        randombytes_buf(&id, sizeof id);
        id &= (UINT64_C(1) << LOG_ID_BITS) - 1;
    }
    meta->id = id;
    layout_genesis_hash(id, meta->base_hash);
    memcpy(meta->head_hash, meta->base_hash, HASH_BYTES);
}

// Every open is a record: it numbers the incarnation, and shows later that the log was open then.
static int begin_incarnation(struct leveldb_store *self, uint64_t wall_ms, assent_error *error)
{
    struct log_batch batch;
    uint8_t value[OPENED_SIZE];
    batch_begin(&batch, self);
    batch.meta.durable_seq = batch.meta.head_seq; // LevelDB has synced what it recovered
    batch.meta.incarnation++;
    batch.meta.opened_ms = wall_ms;
    put_u64(value, batch.meta.incarnation);
    put_u64(value + 8, wall_ms);
    struct log_record record = {.flags = RECORD_OPENED, .value = slice_of(value, sizeof value)};
    int code = batch_append(&batch, &record, error);
    return code == ASSENT_OK ? batch_commit(&batch, true, error) : code;
}

static int adopt(struct leveldb_store *self, const struct store_options *options,
                 assent_error *error)
{
    struct audit_result found;
    int code = audit_database(self, &found, error);
    if (code != ASSENT_OK)
        return code;
    if (found.empty && self->witness.found)
        return error_set(error, ASSENT_BEHIND,
                         "the database is empty, but record %" PRIu64 " was durable (file head)",
                         self->witness.head.seq);
    if (found.empty && !options->create)
        return error_set(error, ASSENT_CORRUPT, "the database is empty");
    self->meta = found.meta;
    self->keys = found.keys;
    self->open = found.open;
    if (found.empty)
        make_identity(self, options->id);
    return begin_incarnation(self, options->wall_ms, error);
}

static int open_parts(struct leveldb_store *self, const char *dir,
                      const struct store_options *options, assent_error *error)
{
    char path[4096];
    struct stat info;
    snprintf(path, sizeof path, "%s/db", dir);
    int code = dirlock_take(dir, &self->lock_fd, error);
    if (code == ASSENT_OK)
        code = witness_open(dir, false, &self->witness, error);
    if (code != ASSENT_OK)
        return code;
    bool there = stat(path, &info) == 0;
    if (!there && (self->witness.found || !options->create))
        return error_set(error, ASSENT_BEHIND, "%s is missing", path);
    if (!there && mkdir(path, 0700) != 0)
        return error_set(error, ASSENT_IO, "%s: mkdir: %s", path, strerror(errno));
    code = kv_open(path, options->create && !self->witness.found, &self->kv, error);
    if (code == ASSENT_OK && self->witness.fd < 0)
        code = witness_open(dir, true, &self->witness, error);
    if (code == ASSENT_OK)
        code = adopt(self, options, error);
    if (code == ASSENT_OK)
        code = witness_sync(&self->witness, error);
    return code == ASSENT_OK ? sync_dir(dir, error) : code;
}

int store_open_leveldb(const char *dir, const struct store_options *options, struct store **ret,
                       assent_error *error)
{
    assent_error why;
    if (sodium_init() < 0)
        return error_set(error, ASSENT_INTERNAL, "libsodium cannot be used here");
    int code = make_dir(dir, options->create, error);
    if (code != ASSENT_OK)
        return code;
    struct leveldb_store *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(error, ASSENT_NOMEM, "out of memory to open %s", dir);
    self->store.ops = &leveldb_ops;
    self->lock_fd = self->witness.fd = -1;
    self->records_max = options->records_max;
    buf_init(&self->scratch, SCRATCH_MAX);
    code = open_parts(self, dir, options, &why);
    if (code != ASSENT_OK) {
        leveldb_ops.close(&self->store);
        return error_set(error, code, "%s", why.message);
    }
    *ret = &self->store;
    return ASSENT_OK;
}
