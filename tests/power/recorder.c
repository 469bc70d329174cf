// SPDX-License-Identifier: Apache-2.0
#include "recorder.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"
#include "base/rng.h"
#include "turns.h"

#define STANDS_IN __attribute__((visibility("default")))

enum { FDS = 1024, DIR_FD = -2, TURN_CALLS_MAX = 6 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[256];
static size_t root_size;
static atomic_bool on;
static struct recording recording;
static int file_of_fd[FDS];             // plus one; 0: not ours
static char name_of_fd[FDS][NAME_SIZE]; // when it was opened
static struct rng turns_rng;
static uint64_t log_bytes;
static struct {
    char name[NAME_SIZE];
    int file;
} names[512]; // that exist; file < 0: a free place

// ---- the recording ----

static struct record *add(enum record_kind kind)
{
    if (recording.count == recording.capacity) {
        recording.capacity = recording.capacity ? 2 * recording.capacity : 1024;
        recording.records =
            realloc(recording.records, recording.capacity * sizeof *recording.records);
        CHECK(recording.records);
    }
    struct record *record = &recording.records[recording.count++];
    *record = (struct record){.kind = kind, .compaction = turns_in_compaction()};
    return record;
}

// The path relative to the root; NULL: not below it.
static const char *inside(const char *path)
{
    if (!on || strncmp(path, root, root_size) != 0)
        return NULL;
    path += root_size;
    return *path == '/' ? path + 1 : *path ? NULL : path;
}

static int place_of(const char *name)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (names[i].file > 0 && strcmp(names[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

static void set_name(const char *name, int file)
{
    int place = place_of(name);
    for (size_t i = 0; place < 0; i++) {
        CHECK(i < sizeof names / sizeof names[0]);
        if (names[i].file == 0)
            place = (int)i;
    }
    snprintf(names[place].name, NAME_SIZE, "%s", name);
    names[place].file = file;
}

// What is there already, as if it had been made and synced now.
static void adopt_file(const char *path, const char *name)
{
    uint8_t bytes[4096];
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDONLY, 0), file = recording.files++;
    struct record *record = add(RECORD_CREATE);
    CHECK(fd >= 0);
    record->file = file;
    snprintf(record->name, NAME_SIZE, "%s", name);
    set_name(name, file + 1);
    uint64_t at = 0;
    for (ssize_t n; (n = read(fd, bytes, sizeof bytes)) > 0; at += (uint64_t)n) {
        record = add(RECORD_WRITE);
        record->file = file;
        record->at = at;
        record->size = (uint64_t)n;
        record->bytes = malloc((size_t)n);
        CHECK(record->bytes);
        memcpy(record->bytes, bytes, (size_t)n);
    }
    add(RECORD_SYNC)->file = file;
    syscall(SYS_close, fd);
}

static void adopt(const char *dir)
{
    char path[512], name[NAME_SIZE];
    struct dirent **entries;
    snprintf(path, sizeof path, "%s/%s", root, dir);
    int count = scandir(path, &entries, NULL, alphasort);
    CHECK(count >= 0);
    for (int i = 0; i < count; i++) {
        const char *own = entries[i]->d_name;
        bool is_dir = entries[i]->d_type == DT_DIR;
        snprintf(name, sizeof name, "%s%s%s", dir, *dir ? "/" : "", own);
        snprintf(path, sizeof path, "%s/%s", root, name);
        if (is_dir && own[0] != '.') {
            snprintf(add(RECORD_MKDIR)->name, NAME_SIZE, "%s", name);
            adopt(name);
        } else if (!is_dir) {
            adopt_file(path, name);
        }
        free(entries[i]);
    }
    free(entries);
    snprintf(add(RECORD_SYNC_DIR)->name, NAME_SIZE, "%s", dir);
}

void recorder_begin(const char *path, uint64_t seed)
{
    pthread_mutex_lock(&lock);
    snprintf(root, sizeof root, "%s", path);
    root_size = strlen(root);
    memset(file_of_fd, 0, sizeof file_of_fd);
    memset(name_of_fd, 0, sizeof name_of_fd);
    memset(names, 0, sizeof names);
    recording = (struct recording){0};
    rng_seed(&turns_rng, seed);
    log_bytes = 0;
    adopt("");
    recording.given = recording.count;
    on = true;
    pthread_mutex_unlock(&lock);
    turns_begin();
}

void recorder_mark(uint64_t first, uint64_t second)
{
    pthread_mutex_lock(&lock);
    struct record *record = add(RECORD_MARK);
    record->at = first;
    record->size = second;
    pthread_mutex_unlock(&lock);
}

void recorder_end(struct recording *ret)
{
    turns_finish();
    turns_end();
    pthread_mutex_lock(&lock);
    on = false;
    *ret = recording;
    recording = (struct recording){0};
    pthread_mutex_unlock(&lock);
}

void recording_free(struct recording *self)
{
    for (size_t i = 0; i < self->count; i++)
        free(self->records[i].bytes);
    free(self->records);
    *self = (struct recording){0};
}

static void hash_number(crypto_generichash_state *state, uint64_t number)
{
    crypto_generichash_update(state, (const uint8_t *)&number, sizeof number);
}

uint64_t recording_digest(const struct recording *self)
{
    crypto_generichash_state state;
    uint8_t digest[16];
    uint64_t number;
    crypto_generichash_init(&state, NULL, 0, sizeof digest);
    for (size_t i = 0; i < self->count; i++) {
        const struct record *record = &self->records[i];
        hash_number(&state, record->kind);
        hash_number(&state, (uint64_t)record->file);
        hash_number(&state, record->at);
        hash_number(&state, record->size);
        crypto_generichash_update(&state, (const uint8_t *)record->name, strlen(record->name) + 1);
        crypto_generichash_update(&state, (const uint8_t *)record->to, strlen(record->to) + 1);
        if (record->bytes)
            crypto_generichash_update(&state, record->bytes, record->size);
    }
    crypto_generichash_final(&state, digest, sizeof digest);
    memcpy(&number, digest, sizeof number);
    return number;
}

uint64_t recorder_log_bytes(void)
{
    return log_bytes;
}

// ---- turns ----

static bool is_log(const char *name)
{
    size_t size = strlen(name);
    return size > 4 && strcmp(name + size - 4, ".log") == 0;
}

static bool is_ours(int fd)
{
    pthread_mutex_lock(&lock);
    bool ours = on && fd >= 0 && fd < FDS && file_of_fd[fd] != 0;
    pthread_mutex_unlock(&lock);
    return ours;
}

// Before a call that will be recorded.
static void await_turn(bool ours)
{
    if (ours && turns_in_compaction())
        turns_take();
}

// The program is about to write to a log file or to the head, or has: it holds no lock of LevelDB.
// Often compactions stand still meanwhile, so that what they leave half done is met.
static void give_turns(int fd)
{
    if (is_ours(fd) && !turns_in_compaction() && turns_pending())
        turns_give(rng_below(&turns_rng, 2) ? 0 : rng_below(&turns_rng, TURN_CALLS_MAX));
}

// ---- calls ----

static void opened(int fd, const char *name, int flags, bool was_there)
{
    struct stat info;
    CHECK(fd < FDS);
    file_of_fd[fd] = 0;
    snprintf(name_of_fd[fd], NAME_SIZE, "%s", name);
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        file_of_fd[fd] = DIR_FD;
        return;
    }
    int place = place_of(name);
    if ((flags & O_CREAT && !was_there) || (flags & O_TRUNC && (flags & O_ACCMODE) != O_RDONLY)) {
        struct record *record = add(RECORD_CREATE);
        record->file = recording.files++;
        snprintf(record->name, NAME_SIZE, "%s", name);
        set_name(name, record->file + 1);
        place = place_of(name);
        if (is_log(name))
            log_bytes = 0;
    }
    file_of_fd[fd] = place < 0 ? 0 : names[place].file;
}

static int do_open(const char *path, int flags, mode_t mode)
{
    await_turn(flags & (O_CREAT | O_TRUNC) && inside(path));
    pthread_mutex_lock(&lock);
    const char *name = inside(path);
    bool was_there = name && syscall(SYS_access, path, F_OK) == 0;
    int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
    if (fd >= 0 && name)
        opened(fd, name, flags, was_there);
    else if (fd >= 0 && fd < FDS)
        file_of_fd[fd] = 0;
    pthread_mutex_unlock(&lock);
    return fd;
}

#define OPEN(symbol)                                                                               \
    STANDS_IN int symbol(const char *path, int flags, ...)                                         \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                             \
        va_end(arguments);                                                                         \
        return do_open(path, flags, mode);                                                         \
    }
OPEN(open)
int open64(const char *path, int flags, ...);
OPEN(open64)

static void written(int fd, const void *bytes, ssize_t size, off_t at)
{
    if (!on || size <= 0 || fd < 0 || fd >= FDS || file_of_fd[fd] <= 0)
        return;
    struct record *record = add(RECORD_WRITE);
    record->file = file_of_fd[fd] - 1;
    record->at = (uint64_t)at;
    record->size = (uint64_t)size;
    record->bytes = malloc((size_t)size);
    CHECK(record->bytes);
    memcpy(record->bytes, bytes, (size_t)size);
    if (is_log(name_of_fd[fd]))
        log_bytes += (uint64_t)size;
}

STANDS_IN ssize_t write(int fd, const void *bytes, size_t size)
{
    bool log = is_ours(fd) && is_log(name_of_fd[fd]);
    await_turn(is_ours(fd));
    if (log)
        give_turns(fd);
    pthread_mutex_lock(&lock);
    off_t at = on ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t result = syscall(SYS_write, fd, bytes, size);
    written(fd, bytes, result, at);
    pthread_mutex_unlock(&lock);
    if (log)
        give_turns(fd);
    return result;
}

static ssize_t do_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    await_turn(is_ours(fd));
    give_turns(fd);
    pthread_mutex_lock(&lock);
    ssize_t result = syscall(SYS_pwrite64, fd, bytes, size, at);
    written(fd, bytes, result, at);
    pthread_mutex_unlock(&lock);
    return result;
}

STANDS_IN ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    return do_pwrite(fd, bytes, size, at);
}

STANDS_IN ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at);
ssize_t pwrite64(int fd, const void *bytes, size_t size, off_t at)
{
    return do_pwrite(fd, bytes, size, at);
}

static int do_truncate(int fd, off_t size)
{
    await_turn(is_ours(fd));
    pthread_mutex_lock(&lock);
    int result = (int)syscall(SYS_ftruncate, fd, size);
    if (result == 0 && on && fd < FDS && file_of_fd[fd] > 0) {
        struct record *record = add(RECORD_TRUNCATE);
        record->file = file_of_fd[fd] - 1;
        record->size = (uint64_t)size;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

STANDS_IN int ftruncate(int fd, off_t size)
{
    return do_truncate(fd, size);
}

STANDS_IN int ftruncate64(int fd, off_t size);
int ftruncate64(int fd, off_t size)
{
    return do_truncate(fd, size);
}

// Nothing is really synced: the recording knows what would be.
static int do_sync(int fd)
{
    await_turn(is_ours(fd));
    pthread_mutex_lock(&lock);
    if (on && fd < FDS && file_of_fd[fd] != 0) {
        bool dir = file_of_fd[fd] == DIR_FD;
        struct record *record = add(dir ? RECORD_SYNC_DIR : RECORD_SYNC);
        record->file = file_of_fd[fd] - 1;
        snprintf(record->name, NAME_SIZE, "%s", dir ? name_of_fd[fd] : "");
    }
    pthread_mutex_unlock(&lock);
    return 0;
}

STANDS_IN int fsync(int fd)
{
    return do_sync(fd);
}

STANDS_IN int fdatasync(int fd)
{
    return do_sync(fd);
}

STANDS_IN int mkdir(const char *path, mode_t mode)
{
    pthread_mutex_lock(&lock);
    const char *name = inside(path);
    int result = (int)syscall(SYS_mkdir, path, mode);
    if (result == 0 && name)
        snprintf(add(RECORD_MKDIR)->name, NAME_SIZE, "%s", name);
    pthread_mutex_unlock(&lock);
    return result;
}

STANDS_IN int rename(const char *from, const char *to)
{
    await_turn(inside(from));
    pthread_mutex_lock(&lock);
    const char *name = inside(from), *name_to = inside(to);
    int result = (int)syscall(SYS_rename, from, to);
    int place = name ? place_of(name) : -1;
    if (result == 0 && place >= 0 && name_to) {
        struct record *record = add(RECORD_RENAME);
        record->file = names[place].file - 1;
        snprintf(record->name, NAME_SIZE, "%s", name);
        snprintf(record->to, NAME_SIZE, "%s", name_to);
        set_name(name_to, names[place].file);
        names[place].file = 0;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

STANDS_IN int unlink(const char *path)
{
    await_turn(inside(path));
    pthread_mutex_lock(&lock);
    const char *name = inside(path);
    int result = (int)syscall(SYS_unlink, path);
    int place = name ? place_of(name) : -1;
    if (result == 0 && place >= 0) {
        snprintf(add(RECORD_UNLINK)->name, NAME_SIZE, "%s", name);
        names[place].file = 0;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

STANDS_IN int close(int fd)
{
    pthread_mutex_lock(&lock);
    if (fd >= 0 && fd < FDS)
        file_of_fd[fd] = 0;
    int result = (int)syscall(SYS_close, fd);
    pthread_mutex_unlock(&lock);
    return result;
}

// What is recorded must not depend on which process it was.
STANDS_IN pid_t getpid(void)
{
    return 4711;
}
