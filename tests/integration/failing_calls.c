// SPDX-License-Identifier: Apache-2.0
// To be preloaded: fails the n-th allocation, or the n-th call that has to do with files, sockets
// and threads, of the program that it is loaded into.
//
//   FAIL_KIND=memory|io FAIL_CALL=n   n from 1
//   FAIL_REPORT=path                  made when the call was reached, and failed; says which it was
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

#define STANDS_IN __attribute__((visibility("default")))

enum kind { NOTHING, MEMORY, IO };

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *memory, size_t size);

static enum kind kind;
static long fail_call;
static const char *report;
static atomic_long calls;

__attribute__((constructor)) static void begin(void)
{
    const char *what = getenv("FAIL_KIND"), *call = getenv("FAIL_CALL");
    report = getenv("FAIL_REPORT");
    fail_call = call ? strtol(call, NULL, 10) : 0;
    kind = !what ? NOTHING : strcmp(what, "memory") == 0 ? MEMORY : IO;
}

static bool fails(enum kind of, const char *name, int error)
{
    if (kind != of || atomic_fetch_add(&calls, 1) + 1 != fail_call)
        return false;
    int fd = report ? (int)syscall(SYS_openat, AT_FDCWD, report, O_WRONLY | O_CREAT, 0600) : -1;
    if (fd >= 0 && syscall(SYS_write, fd, name, strlen(name)) >= 0)
        syscall(SYS_close, fd);
    errno = error;
    return true;
}

STANDS_IN void *malloc(size_t size)
{
    return fails(MEMORY, "malloc", ENOMEM) ? NULL : __libc_malloc(size);
}

STANDS_IN void *calloc(size_t count, size_t size)
{
    return fails(MEMORY, "calloc", ENOMEM) ? NULL : __libc_calloc(count, size);
}

STANDS_IN void *realloc(void *memory, size_t size)
{
    return fails(MEMORY, "realloc", ENOMEM) ? NULL : __libc_realloc(memory, size);
}

#define OPEN(symbol)                                                                               \
    int symbol(const char *path, int flags, ...);                                                  \
    STANDS_IN int symbol(const char *path, int flags, ...)                                         \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                             \
        va_end(arguments);                                                                         \
        if (fails(IO, #symbol, EMFILE))                                                            \
            return -1;                                                                             \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

// What goes through memory of the kernel, between threads and processes, does not fail.
static bool is_file(int fd)
{
    struct stat info;
    return fd > STDERR_FILENO && fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
}

STANDS_IN ssize_t write(int fd, const void *bytes, size_t size)
{
    if (is_file(fd) && fails(IO, "write", ENOSPC))
        return -1;
    return syscall(SYS_write, fd, bytes, size);
}

STANDS_IN ssize_t read(int fd, void *to, size_t size)
{
    if (is_file(fd) && fails(IO, "read", EIO))
        return -1;
    return syscall(SYS_read, fd, to, size);
}

#define CALL(type, symbol, parameters, error, ...)                                                 \
    type symbol parameters;                                                                        \
    STANDS_IN type symbol parameters                                                               \
    {                                                                                              \
        return fails(IO, #symbol, error) ? (type)-1 : (type)syscall(__VA_ARGS__);                  \
    }
CALL(ssize_t, pread, (int fd, void *to, size_t size, off_t at), EIO, SYS_pread64, fd, to, size, at)
CALL(ssize_t, pread64, (int fd, void *to, size_t size, off_t at), EIO, SYS_pread64, fd, to, size,
     at)
CALL(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), ENOSPC, SYS_pwrite64, fd,
     from, size, at)
CALL(ssize_t, pwrite64, (int fd, const void *from, size_t size, off_t at), ENOSPC, SYS_pwrite64, fd,
     from, size, at)
CALL(int, fsync, (int fd), EIO, SYS_fsync, fd)
CALL(int, fdatasync, (int fd), EIO, SYS_fdatasync, fd)
CALL(int, ftruncate, (int fd, off_t size), EIO, SYS_ftruncate, fd, size)
CALL(int, ftruncate64, (int fd, off_t size), EIO, SYS_ftruncate, fd, size)
CALL(int, rename, (const char *from, const char *to), EIO, SYS_rename, from, to)
CALL(int, unlink, (const char *path), EIO, SYS_unlink, path)
CALL(int, mkdir, (const char *path, mode_t mode), ENOSPC, SYS_mkdir, path, mode)
CALL(int, socket, (int domain, int type, int protocol), EMFILE, SYS_socket, domain, type, protocol)
CALL(int, bind, (int fd, const void *address, unsigned size), EADDRINUSE, SYS_bind, fd, address,
     size)
CALL(int, listen, (int fd, int backlog), EADDRINUSE, SYS_listen, fd, backlog)
CALL(int, eventfd, (unsigned value, int flags), EMFILE, SYS_eventfd2, value, flags)
CALL(int, epoll_create1, (int flags), EMFILE, SYS_epoll_create1, flags)
