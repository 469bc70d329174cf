// SPDX-License-Identifier: Apache-2.0
#include "net/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { PATH_BYTES_MAX = sizeof(((struct sockaddr_un *)0)->sun_path) - 1 };

static const char *after(const char *text, const char *prefix)
{
    size_t size = strlen(prefix);
    return strncmp(text, prefix, size) == 0 ? text + size : NULL;
}

static bool tcp_loopback(const char *address)
{
    const char *colon = strrchr(address, ':');
    char host[INET_ADDRSTRLEN];
    size_t size = colon ? (size_t)(colon - address) : 0;
    if (size == 0 || size >= sizeof host)
        return false;
    memcpy(host, address, size);
    host[size] = '\0';
    struct in_addr numeric;
    if (inet_pton(AF_INET, host, &numeric) == 1)
        return ntohl(numeric.s_addr) >> 24 == IN_LOOPBACKNET;
    return strcmp(host, "localhost") == 0;
}

static int ipc_parse(const char *path, struct endpoint *ret, assent_error *error)
{
    size_t size = strlen(path);
    if (size == 0 || path[0] == '@' || path[0] == '*')
        return error_set(error, ASSENT_CONFIG, "net: %s: an ipc endpoint needs the path of a file",
                         ret->text);
    if (size > PATH_BYTES_MAX)
        return error_set(error, ASSENT_CONFIG,
                         "net: ipc path of %zu bytes; the system allows %d, so use a shorter "
                         "directory: %s",
                         size, PATH_BYTES_MAX, path);
    ret->path = path;
    return ASSENT_OK;
}

int endpoint_parse(const char *text, struct endpoint *ret, assent_error *error)
{
    struct endpoint parsed = {.text = text};
    const char *ipc = after(text, "ipc://");
    const char *tcp = after(text, "tcp://");
    if (ipc) {
        int code = ipc_parse(ipc, &parsed, error);
        if (code != ASSENT_OK)
            return code;
    } else if (tcp && strchr(tcp, ':')) {
        parsed.loopback = tcp_loopback(tcp);
    } else {
        return error_set(error, ASSENT_CONFIG,
                         "net: endpoint '%s' is neither ipc://path nor tcp://address:port", text);
    }
    *ret = parsed;
    return ASSENT_OK;
}

static int directories_make(const char *path, assent_error *error)
{
    char prefix[PATH_BYTES_MAX + 1];
    for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        size_t size = (size_t)(slash - path);
        memcpy(prefix, path, size);
        prefix[size] = '\0';
        if (mkdir(prefix, S_IRWXU) != 0 && errno != EEXIST)
            return error_set(error, ASSENT_IO, "net: mkdir %s: %s", prefix, strerror(errno));
    }
    return ASSENT_OK;
}

// True when a connection is accepted, or would be if the listener were not so busy.
static bool listened_to(const char *path)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return true; // cannot tell, so leave the file alone
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, path, strlen(path) + 1);
    int rc = connect(fd, (const struct sockaddr *)&address, sizeof address);
    bool listened = rc == 0 || (errno != ECONNREFUSED && errno != ENOENT);
    close(fd);
    return listened;
}

int endpoint_prepare(const struct endpoint *endpoint, assent_error *error)
{
    if (!endpoint->path)
        return ASSENT_OK;
    int code = directories_make(endpoint->path, error);
    if (code != ASSENT_OK)
        return code;
    struct stat status;
    if (lstat(endpoint->path, &status) != 0) {
        if (errno == ENOENT)
            return ASSENT_OK;
        return error_set(error, ASSENT_IO, "net: %s: %s", endpoint->path, strerror(errno));
    }
    // libzmq itself would unlink whatever is there.
    if (!S_ISSOCK(status.st_mode))
        return error_set(error, ASSENT_CONFIG, "net: %s exists and is not a socket",
                         endpoint->path);
    if (listened_to(endpoint->path))
        return error_set(error, ASSENT_LOCKED, "net: %s: another process listens there",
                         endpoint->path);
    if (unlink(endpoint->path) != 0 && errno != ENOENT)
        return error_set(error, ASSENT_IO, "net: unlink %s: %s", endpoint->path, strerror(errno));
    return ASSENT_OK;
}

void endpoint_remove(const char *text)
{
    const char *path = after(text, "ipc://");
    if (path)
        unlink(path);
}
