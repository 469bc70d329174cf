// SPDX-License-Identifier: Apache-2.0
#include "store/dirlock.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

// 0: not known. Readers do not leave their number, so the one in the file may be of one long gone.
static long holder_of(int fd)
{
    char text[24] = {0};
    ssize_t n = pread(fd, text, sizeof text - 1, 0);
    long pid = n > 0 ? strtol(text, NULL, 10) : 0;
    return pid > 0 && (kill((pid_t)pid, 0) == 0 || errno == EPERM) ? pid : 0;
}

static int refuse_locked(int fd, const char *dir, assent_error *error)
{
    long pid = holder_of(fd);
    if (pid > 0)
        return error_set(error, ASSENT_LOCKED,
                         "%s/lock: in use by process %ld: stop it first, or use another directory",
                         dir, pid);
    return error_set(error, ASSENT_LOCKED,
                     "%s/lock: in use by another process: stop it first, or use another directory",
                     dir);
}

int dirlock_take(const char *dir, int *ret_fd, assent_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        int code = errno == EWOULDBLOCK
                       ? refuse_locked(fd, dir, error)
                       : error_set(error, ASSENT_IO, "%s: flock: %s", path, strerror(errno));
        close(fd);
        return code;
    }
    char text[24];
    int size = snprintf(text, sizeof text, "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) != 0 || pwrite(fd, text, (size_t)size, 0) != size) {
        int code = error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return ASSENT_OK;
}

void dirlock_release(int *fd)
{
    if (*fd >= 0)
        close(*fd); // the lock goes with it
    *fd = -1;
}

int dirlock_share(const char *dir, int *ret_fd, assent_error *error)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/lock", dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno != ENOENT)
        return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) != 0) {
        int code = errno == EWOULDBLOCK
                       ? refuse_locked(fd, dir, error)
                       : error_set(error, ASSENT_IO, "%s: flock: %s", path, strerror(errno));
        close(fd);
        return code;
    }
    *ret_fd = fd;
    return ASSENT_OK;
}
