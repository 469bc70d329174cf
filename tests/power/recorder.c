// SPDX-License-Identifier: Apache-2.0
#include "recorder.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/check.h"

#define STANDS_IN __attribute__((visibility("default")))

enum { FDS = 1024, DIR_FD = -2 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char root[256];
static size_t root_size;
static bool on;
static struct recording recording;
static int file_of_fd[FDS]; // plus one; 0: not ours
static char dir_of_fd[FDS][NAME_SIZE];
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
    *record = (struct record){.kind = kind};
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

void recorder_begin(const char *path)
{
    pthread_mutex_lock(&lock);
    snprintf(root, sizeof root, "%s", path);
    root_size = strlen(root);
    memset(file_of_fd, 0, sizeof file_of_fd);
    memset(dir_of_fd, 0, sizeof dir_of_fd);
    memset(names, 0, sizeof names);
    recording = (struct recording){0};
    on = true;
    pthread_mutex_unlock(&lock);
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

// ---- calls ----

static void opened(int fd, const char *name, int flags, bool was_there)
{
    struct stat info;
    CHECK(fd < FDS);
    file_of_fd[fd] = 0;
    dir_of_fd[fd][0] = '\0';
    if (fstat(fd, &info) == 0 && S_ISDIR(info.st_mode)) {
        file_of_fd[fd] = DIR_FD;
        snprintf(dir_of_fd[fd], NAME_SIZE, "%s", name);
        return;
    }
    int place = place_of(name);
    if ((flags & O_CREAT && !was_there) || (flags & O_TRUNC && (flags & O_ACCMODE) != O_RDONLY)) {
        struct record *record = add(RECORD_CREATE);
        record->file = recording.files++;
        snprintf(record->name, NAME_SIZE, "%s", name);
        set_name(name, record->file + 1);
        place = place_of(name);
    }
    file_of_fd[fd] = place < 0 ? 0 : names[place].file;
}

static int do_open(const char *path, int flags, mode_t mode)
{
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
}

STANDS_IN ssize_t write(int fd, const void *bytes, size_t size)
{
    pthread_mutex_lock(&lock);
    off_t at = on ? lseek(fd, 0, SEEK_CUR) : 0;
    ssize_t result = syscall(SYS_write, fd, bytes, size);
    written(fd, bytes, result, at);
    pthread_mutex_unlock(&lock);
    return result;
}

static ssize_t do_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
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
    pthread_mutex_lock(&lock);
    if (on && fd < FDS && file_of_fd[fd] != 0) {
        bool dir = file_of_fd[fd] == DIR_FD;
        struct record *record = add(dir ? RECORD_SYNC_DIR : RECORD_SYNC);
        record->file = file_of_fd[fd] - 1;
        snprintf(record->name, NAME_SIZE, "%s", dir_of_fd[fd]);
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

STANDS_IN int rename(const char *from, const char *to)
{
    pthread_mutex_lock(&lock);
    const char *name = inside(from), *name_to = inside(to);
    int result = (int)syscall(SYS_rename, from, to);
    int place = name ? place_of(name) : -1;
    if (result == 0 && place >= 0 && name_to) {
        struct record *record = add(RECORD_RENAME);
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
