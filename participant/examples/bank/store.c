// SPDX-License-Identifier: Apache-2.0
#include "store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"

enum { ADDRESS_MAX = 1024 };

static const char leveldb[] = "leveldb:";

static int path_of(const char *dir, const char *file, char path[4096], assent_error *error)
{
    if (snprintf(path, 4096, "%s/%s", dir, file) >= 4096)
        return error_set(error, ASSENT_INVALID, "the directory's name is too long");
    return ASSENT_OK;
}

// What is written down in `dir`; "leveldb:" where nothing is.
static int address_read(const char *dir, char address[ADDRESS_MAX], assent_error *error)
{
    char path[4096];
    int code = path_of(dir, "database", path, error);
    if (code)
        return code;
    FILE *file = fopen(path, "r");
    if (!file && errno == ENOENT)
        return snprintf(address, ADDRESS_MAX, "%s", leveldb), ASSENT_OK;
    if (!file)
        return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
    bool good = fgets(address, ADDRESS_MAX, file) && strchr(address, '\n');
    fclose(file);
    if (!good)
        return error_set(error, ASSENT_CORRUPT,
                         "%s has to hold one line, as --rm takes it: postgres:..., mariadb:...",
                         path);
    *strchr(address, '\n') = '\0';
    return ASSENT_OK;
}

static bool write_all(int fd, const char *text)
{
    size_t size = strlen(text);
    return write(fd, text, size) == (ssize_t)size && write(fd, "\n", 1) == 1;
}

// Only for its owner: there may be a password in it. A crash leaves the old one, or the new.
static int address_write(const char *dir, const char *address, assent_error *error)
{
    char path[4096], half[4096];
    int code = path_of(dir, "database", path, error);
    if (!code)
        code = path_of(dir, "database.new", half, error);
    if (code)
        return code;
    int fd = open(half, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = fd >= 0 && write_all(fd, address) && fsync(fd) == 0;
    if (fd >= 0)
        good = close(fd) == 0 && good;
    if (!good || rename(half, path) != 0)
        return error_set(error, ASSENT_IO, "%s: %s", half, strerror(errno));
    return ASSENT_OK;
}

// `rm`, or what is written down. *ret_new: it is not written down yet.
static int address_choose(const char *dir, const char *rm, char address[ADDRESS_MAX], bool *ret_new,
                          assent_error *error)
{
    int code = address_read(dir, address, error);
    *ret_new = !code && rm && strcmp(rm, address) != 0;
    if (!*ret_new)
        return code;
    if (strlen(rm) >= ADDRESS_MAX - 1 || strchr(rm, '\n'))
        return error_set(error, ASSENT_INVALID, "--rm takes one line of at most %d bytes",
                         ADDRESS_MAX - 2);
    if (strcmp(rm, leveldb) == 0)
        return error_set(error, ASSENT_STATE,
                         "%s says that the bank is in a database: remove %s/database if it is not",
                         dir, dir);
    snprintf(address, ADDRESS_MAX, "%s", rm);
    return ASSENT_OK;
}

static const struct bank_store_type *type_of(const char *address)
{
    return strcmp(address, leveldb) == 0 ? &ledger_store : &database_store;
}

int store_create(const char *dir, const char *rm, const struct bank_new *bank, assent_error *error)
{
    char address[ADDRESS_MAX];
    bool new;
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return error_set(error, ASSENT_IO, "%s: %s", dir, strerror(errno));
    int code = address_choose(dir, rm, address, &new, error);
    if (!code)
        code = type_of(address)->create(dir, address, bank, error);
    // A crash here leaves a database with a bank, of which `serve --rm` makes this its directory.
    return code || !new ? code : address_write(dir, address, error);
}

int store_open(const char *dir, const char *rm, bool history, struct bank_store *ret,
               assent_error *error)
{
    char address[ADDRESS_MAX];
    bool new;
    int code = address_choose(dir, rm, address, &new, error);
    if (code)
        return code;
    struct bank_store store = {.type = type_of(address)};
    code = store.type->open(dir, address, history, &store.self, error);
    if (!code && new)
        code = address_write(dir, address, error);
    if (code)
        store_close(&store);
    else
        *ret = store;
    return code;
}

void store_close(struct bank_store *store)
{
    if (store->self)
        store->type->close(store->self);
    store->self = NULL;
}
