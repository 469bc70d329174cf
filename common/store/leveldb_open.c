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

#include "store/dirlock.h"
#include "store/log_check.h"

enum { SCRATCH_MAX = LIMIT_RECORD_BYTES + 4096, LOG_ID_BITS = 40 };

// 0, or an errno.
static int try_sync_dir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int failed = fd < 0 || fsync(fd) != 0 ? errno : 0;
    if (fd >= 0)
        close(fd);
    return failed;
}

static int sync_dir(const char *path, assent_error *error)
{
    int failed = try_sync_dir(path);
    return failed ? error_set(error, ASSENT_IO, "%s: %s", path, strerror(failed)) : ASSENT_OK;
}

// Syncs the directories that lead to it, each of which may be new as well. One that we may not read
// has not been made by us; whoever made what leads through it answers for that. Some file systems,
// higher up, know no syncs of directories, or cannot change.
static int sync_above(const char *dir, assent_error *error)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
        return error_set(error, ASSENT_IO, "%s: the path is too long", dir);
    bool top = false;
    while (!top) {
        char *slash = strrchr(path, '/');
        top = !slash || slash == path;
        if (slash == path)
            path[1] = '\0';
        else if (slash)
            *slash = '\0';
        else
            memcpy(path, ".", sizeof ".");
        int failed = try_sync_dir(path);
        if (failed && failed != EACCES && failed != EINVAL && failed != EROFS)
            return error_set(error, ASSENT_IO, "%s: %s", path, strerror(failed));
    }
    return ASSENT_OK;
}

static int make_dir(const char *dir, bool create, assent_error *error)
{
    struct stat info;
    if (stat(dir, &info) == 0) {
        if (!S_ISDIR(info.st_mode))
            return error_set(error, ASSENT_IO, "%s: is not a directory", dir);
        // Whoever may rename files in it may put another log in place of ours.
        if (info.st_mode & S_IWOTH)
            return error_set(error, ASSENT_IO,
                             "%s: other users may write to it: chmod o-w it, or use a directory "
                             "of its own below it",
                             dir);
        return ASSENT_OK;
    }
    if (errno != ENOENT || !create)
        return error_set(error, ASSENT_IO, "%s: %s", dir, strerror(errno));
    if (mkdir(dir, 0700) != 0)
        return error_set(error, ASSENT_IO, "%s: mkdir: %s", dir, strerror(errno));
    return ASSENT_OK;
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
    layout_opened_encode(batch.meta.incarnation, wall_ms, value);
    struct log_record record = {.flags = RECORD_OPENED, .value = slice_of(value, sizeof value)};
    int code = batch_append(&batch, &record, error);
    return code == ASSENT_OK ? batch_commit(&batch, true, error) : code;
}

// Cuts off what was never durable and would make LevelDB refuse the file. A crash leaves the file
// as it was, or cut, and either opens again; so that needs no sync, and LevelDB goes on in new
// files.
static int cut_tear(const char *db, const struct image_tear *tear, assent_error *error)
{
    char path[4096];
    if (!tear->present)
        return ASSENT_OK;
    snprintf(path, sizeof path, "%s/%s", db, tear->file);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
    int code = ASSENT_OK;
    if (ftruncate(fd, (off_t)tear->offset) != 0)
        code = error_set(error, ASSENT_IO, "%s: cannot be cut at byte %" PRIu64 ": %s", path,
                         tear->offset, strerror(errno));
    close(fd);
    return code;
}

static void note_tear(struct leveldb_store *self, const struct image_tear *tear)
{
    if (tear->present)
        snprintf(self->recovered, sizeof self->recovered,
                 "%s: cut at byte %" PRIu64 " of %" PRIu64 ": %s", tear->file, tear->offset,
                 tear->size, tear->why);
}

// What LevelDB opened must be what was checked.
static int compare_meta(struct leveldb_store *self, const struct audit_result *found,
                        assent_error *error)
{
    struct slice value;
    struct log_meta meta;
    int code = kv_get(self->kv, slice_text("m"), &value, error);
    if (code == ASSENT_UNKNOWN)
        return found->empty
                   ? ASSENT_OK
                   : error_set(error, ASSENT_CORRUPT, "LevelDB lost the log on opening it");
    if (code == ASSENT_OK)
        code = layout_meta_decode(value, &meta, error);
    if (code != ASSENT_OK)
        return code;
    if (found->empty || meta.head_seq != found->meta.head_seq ||
        meta.base_seq != found->meta.base_seq ||
        memcmp(meta.head_hash, found->meta.head_hash, HASH_BYTES) != 0)
        return error_set(error, ASSENT_CORRUPT,
                         "LevelDB opened the log at record %" PRIu64 ", its files hold %" PRIu64,
                         meta.head_seq, found->meta.head_seq);
    return ASSENT_OK;
}

static int open_database(struct leveldb_store *self, const char *dir, const char *db,
                         const struct log_check *check, const struct store_options *options,
                         assent_error *error)
{
    if (check->absent && mkdir(db, 0700) != 0 && errno != EEXIST)
        return error_set(error, ASSENT_IO, "%s: mkdir: %s", db, strerror(errno));
    // Without a way that leads to it, a log that was in use would be taken for one that never was.
    // A crash here leaves no log, and the next open comes here again.
    int code = check->found.empty ? sync_above(dir, error) : ASSENT_OK;
    if (code != ASSENT_OK)
        return code;
    note_tear(self, &check->manifest_tear);
    note_tear(self, &check->log_tear);
    code = cut_tear(db, &check->manifest_tear, error);
    if (code == ASSENT_OK)
        code = cut_tear(db, &check->log_tear, error);
    if (code == ASSENT_OK)
        code = kv_open(db, check->absent, options->buffer_bytes, &self->kv, error);
    if (code == ASSENT_OK)
        code = compare_meta(self, &check->found, error);
    if (code != ASSENT_OK)
        return error_prefix(error, "%s", db);
    self->meta = check->found.meta;
    self->keys = check->found.keys;
    self->open = check->found.open;
    if (check->found.empty)
        make_identity(self, options->id);
    return ASSENT_OK;
}

static int open_parts(struct leveldb_store *self, const char *dir,
                      const struct store_options *options, assent_error *error)
{
    char db[4096];
    struct log_check check;
    snprintf(db, sizeof db, "%s/db", dir);
    int code = dirlock_take(dir, &self->lock_fd, error);
    if (code == ASSENT_OK)
        code = witness_open(dir, false, &self->witness, error);
    // Before LevelDB may touch anything: it rewrites logs and deletes files that it does not know.
    if (code == ASSENT_OK)
        code = log_check_dir(dir, &self->witness, &check, NULL, NULL, error);
    if (code != ASSENT_OK)
        return code;
    if (check.found.empty && !options->create)
        return error_set(error, ASSENT_IO, "%s: there is no log", dir);
    code = open_database(self, dir, db, &check, options, error);
    if (code == ASSENT_OK && self->witness.fd < 0)
        code = witness_open(dir, true, &self->witness, error);
    if (code == ASSENT_OK)
        code = begin_incarnation(self, options->wall_ms, error);
    if (code == ASSENT_OK)
        code = witness_sync(&self->witness, error);
    // The names of db and head are durable before anything that is recorded can be told to anyone.
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
