// SPDX-License-Identifier: Apache-2.0
#include "net/cert.h"

#include <czmq.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CERT_FILE_BYTES_MAX = 65536, KEY_TEXT = CERT_KEY_TEXT_BYTES - 1 };

static const char name_bytes[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                 "0123456789._:-";

static bool name_valid(struct slice name)
{
    const char *text = name.data;
    for (size_t i = 0; i < name.size; i++)
        if (!memchr(name_bytes, text[i], sizeof name_bytes - 1))
            return false;
    return name.size > 0 && name.size <= LIMIT_NAME_BYTES;
}

// The next word of *text, which moves past it. Empty at the end.
static struct slice word_next(const char **text)
{
    *text += strspn(*text, " \t");
    size_t size = strcspn(*text, " \t");
    struct slice word = slice_of(*text, size);
    *text += size;
    return word;
}

// ---- metadata: what a holder may do ----

static bool slice_is(struct slice word, const char *text)
{
    return slice_equal(word, slice_text(text));
}

static int resources_parse(const char *text, struct net_grant *ret, assent_error *error)
{
    unsigned room = sizeof ret->resources / sizeof ret->resources[0];
    for (struct slice word; (word = word_next(&text)).size > 0;) {
        if (!slice_is(word, "*") && !name_valid(word))
            return error_set(error, ASSENT_INVALID, "resource '%.*s' is not a name or *",
                             (int)word.size, (const char *)word.data);
        if (ret->resource_count == room)
            return error_set(error, ASSENT_INVALID, "more than %u resources", room);
        char *to = ret->resources[ret->resource_count++];
        memcpy(to, word.data, word.size);
        to[word.size] = '\0';
    }
    return ASSENT_OK;
}

static int grant_parse(const char *role, const char *resources, struct net_grant *ret,
                       assent_error *error)
{
    struct net_grant grant = {0};
    bool participant = false;
    for (struct slice word; (word = word_next(&role)).size > 0;) {
        if (slice_is(word, "client"))
            grant.client = true;
        else if (slice_is(word, "operator"))
            grant.operator_ = true;
        else if (slice_is(word, "participant"))
            participant = true;
        else
            return error_set(error, ASSENT_INVALID,
                             "role '%.*s' is none of client, participant, operator", (int)word.size,
                             (const char *)word.data);
    }
    int code = resources_parse(resources, &grant, error);
    if (code != ASSENT_OK)
        return code;
    if (participant != (grant.resource_count > 0))
        return error_set(error, ASSENT_INVALID,
                         participant ? "a participant without resources"
                                     : "resources without the role participant");
    *ret = grant;
    return ASSENT_OK;
}

static int holder_check(const char *name, assent_error *error)
{
    if (!name_valid(slice_text(name)))
        return error_set(error, ASSENT_INVALID, "name '%s' is not 1..%d bytes of [A-Za-z0-9._:-]",
                         name, LIMIT_NAME_BYTES);
    if (strcmp(name, "local") == 0)
        return error_set(error, ASSENT_INVALID,
                         "the name 'local' stands for those who connect over ipc");
    return ASSENT_OK;
}

bool net_grant_resource(const struct net_grant *grant, struct slice resource)
{
    for (unsigned i = 0; i < grant->resource_count; i++)
        if (slice_is(resource, grant->resources[i]) || strcmp(grant->resources[i], "*") == 0)
            return true;
    return false;
}

// ---- reading ----

// The file's sections; to be freed with zconfig_destroy. NULL when it could not be read.
static zconfig_t *cert_read(const char *path, assent_error *error)
{
    char text[CERT_FILE_BYTES_MAX + 1];
    zconfig_t *root = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set(error, ASSENT_CONFIG, "certificate %s: %s", path, strerror(errno));
        goto done;
    }
    if (!S_ISREG(status.st_mode)) {
        error_set(error, ASSENT_CONFIG, "certificate %s: not a file", path);
        goto done;
    }
    ssize_t size = read(fd, text, sizeof text);
    if (size < 0 || size > CERT_FILE_BYTES_MAX) {
        error_set(error, ASSENT_CONFIG, "certificate %s: %s", path,
                  size < 0 ? strerror(errno) : "too long");
        goto done;
    }
    text[size] = '\0';
    if (strlen(text) == (size_t)size) // zconfig would stop short at a NUL
        root = zconfig_str_load(text);
    if (!root)
        error_set(error, ASSENT_CONFIG, "certificate %s: not a certificate", path);
done:
    if (fd >= 0)
        close(fd);
    explicit_bzero(text, sizeof text);
    return root;
}

static int key_get(zconfig_t *root, const char *path, const char *which, char *ret,
                   assent_error *error)
{
    char name[32];
    snprintf(name, sizeof name, "curve/%s", which);
    const char *key = zconfig_get(root, name, "");
    uint8_t bytes[32];
    if (strlen(key) != KEY_TEXT || !zmq_z85_decode(bytes, key))
        return error_set(error, ASSENT_CONFIG, "certificate %s: no valid %s in section curve", path,
                         which);
    explicit_bzero(bytes, sizeof bytes);
    memcpy(ret, key, CERT_KEY_TEXT_BYTES);
    return ASSENT_OK;
}

static int keys_load(const char *path, bool secret, struct cert_keys *ret, assent_error *error)
{
    zconfig_t *root = cert_read(path, error);
    if (!root)
        return ASSENT_CONFIG;
    struct cert_keys keys = {0};
    int code = key_get(root, path, "public-key", keys.public_key, error);
    if (code == ASSENT_OK && secret)
        code = key_get(root, path, "secret-key", keys.secret_key, error);
    if (code == ASSENT_OK)
        *ret = keys;
    explicit_bzero(&keys, sizeof keys);
    zconfig_destroy(&root);
    return code;
}

int cert_load_public(const char *path, struct cert_keys *ret, assent_error *error)
{
    return keys_load(path, false, ret, error);
}

int cert_load_secret(const char *path, struct cert_keys *ret, assent_error *error)
{
    int code = net_secret_check(path, error);
    return code == ASSENT_OK ? keys_load(path, true, ret, error) : code;
}

int cert_load_holder(const char *path, struct cert_holder *ret, assent_error *error)
{
    zconfig_t *root = cert_read(path, error);
    if (!root)
        return ASSENT_CONFIG;
    struct cert_holder holder = {0};
    const char *name = zconfig_get(root, "metadata/name", "");
    const char *role = zconfig_get(root, "metadata/role", "");
    assent_error why = {0};
    int code = key_get(root, path, "public-key", holder.public_key, error);
    if (code != ASSENT_OK)
        goto done;
    code = holder_check(name, &why);
    if (code == ASSENT_OK)
        code = grant_parse(role, zconfig_get(root, "metadata/resources", ""), &holder.grant, &why);
    if (code == ASSENT_OK && role[strspn(role, " \t")] == '\0')
        code = error_set(&why, ASSENT_INVALID, "no role, so it would grant nothing");
    if (code != ASSENT_OK) {
        code = error_set(error, ASSENT_CONFIG, "certificate %s: metadata: %s", path, why.message);
        goto done;
    }
    memcpy(holder.name, name, strlen(name) + 1);
    *ret = holder;
done:
    zconfig_destroy(&root);
    return code;
}

int net_secret_check(const char *path, assent_error *error)
{
    struct stat status;
    if (stat(path, &status) != 0)
        return error_set(error, ASSENT_CONFIG, "certificate %s: %s", path, strerror(errno));
    if (status.st_mode & (S_IROTH | S_IWOTH))
        return error_set(error, ASSENT_CONFIG,
                         "certificate %s: other users may read or write this secret; chmod 600 it",
                         path);
    return ASSENT_OK;
}

// ---- making ----

struct cert_text {
    const char *name, *role, *resources;
    char public_key[CERT_KEY_TEXT_BYTES], secret_key[CERT_KEY_TEXT_BYTES];
};

static void cert_print(FILE *out, const struct cert_text *cert, bool secret)
{
    fprintf(out, secret ? "#   Assent certificate, both halves: keep this file secret.\n"
                        : "#   Assent certificate, public half: may be given to others.\n");
    fprintf(out, "metadata\n    name = \"%s\"\n", cert->name);
    if (cert->role[0] != '\0')
        fprintf(out, "    role = \"%s\"\n", cert->role);
    if (cert->resources[0] != '\0')
        fprintf(out, "    resources = \"%s\"\n", cert->resources);
    fprintf(out, "curve\n    public-key = \"%s\"\n", cert->public_key);
    if (secret)
        fprintf(out, "    secret-key = \"%s\"\n", cert->secret_key);
}

// A crash here leaves a file that is short; nothing reads it as a certificate, and making another
// refuses to overwrite it, so it is seen.
static int cert_write(const char *path, const struct cert_text *cert, bool secret,
                      assent_error *error)
{
    mode_t mode = secret ? S_IRUSR | S_IWUSR : S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    FILE *out = fd >= 0 ? fdopen(fd, "w") : NULL;
    if (!out) {
        error_set(error, ASSENT_IO, "certificate %s: %s", path, strerror(errno));
        if (fd >= 0) {
            close(fd);
            unlink(path);
        }
        return ASSENT_IO;
    }
    cert_print(out, cert, secret);
    bool written = fflush(out) == 0 && fsync(fd) == 0;
    int failure = errno;
    if (fclose(out) != 0 && written) {
        written = false;
        failure = errno;
    }
    if (written)
        return ASSENT_OK;
    unlink(path);
    return error_set(error, ASSENT_IO, "certificate %s: %s", path, strerror(failure));
}

int net_keygen(const char *path_public, const char *path_secret, const char *name, const char *role,
               const char *resources, assent_error *error)
{
    struct cert_text cert = {
        .name = name, .role = role ? role : "", .resources = resources ? resources : ""};
    struct net_grant grant;
    assent_error why = {0};
    int code = holder_check(name, &why);
    if (code == ASSENT_OK)
        code = grant_parse(cert.role, cert.resources, &grant, &why);
    if (code != ASSENT_OK)
        return error_set(error, code, "certificate %s: %s", path_public, why.message);
    if (zmq_curve_keypair(cert.public_key, cert.secret_key) != 0)
        return error_set(error, ASSENT_INTERNAL, "certificate %s: %s", path_public,
                         zmq_strerror(errno));
    code = cert_write(path_secret, &cert, true, error);
    if (code == ASSENT_OK) {
        code = cert_write(path_public, &cert, false, error);
        if (code != ASSENT_OK)
            unlink(path_secret);
    }
    explicit_bzero(&cert, sizeof cert);
    return code;
}
