// SPDX-License-Identifier: Apache-2.0
#include "net/authority.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <zmq.h>

enum { HOLDERS_MAX = LIMIT_PEERS, KEY_BYTES = 32 };

struct table {
    struct cert_holder *holders; // sorted by key
    size_t count, capacity;
};

struct authority {
    char *directory;
    // Written by the owner under the mutex; so the owner reads it without.
    struct table table;
    struct table before; // the last reload
    pthread_mutex_t mutex;
    pthread_t thread;
    void *zap; // the handler's socket, used by its thread once that runs
};

// ---- the table ----

static int holder_compare(const void *a, const void *b)
{
    const struct cert_holder *x = a, *y = b;
    return strcmp(x->public_key, y->public_key);
}

static const struct cert_holder *table_find(const struct table *t, const char *public_key)
{
    struct cert_holder wanted = {0};
    if (t->count == 0 || strlen(public_key) >= sizeof wanted.public_key)
        return NULL;
    memcpy(wanted.public_key, public_key, strlen(public_key));
    return bsearch(&wanted, t->holders, t->count, sizeof wanted, holder_compare);
}

static int table_add(struct table *t, const struct cert_holder *holder, assent_error *error)
{
    if (t->count == HOLDERS_MAX)
        return error_set(error, ASSENT_LIMIT, "net: more than %d certificates", HOLDERS_MAX);
    if (t->count == t->capacity) {
        size_t capacity = t->capacity ? 2 * t->capacity : 16;
        struct cert_holder *holders = realloc(t->holders, capacity * sizeof *holders);
        if (!holders)
            return error_set(error, ASSENT_NOMEM, "net: out of memory for certificates");
        t->holders = holders;
        t->capacity = capacity;
    }
    t->holders[t->count++] = *holder;
    return ASSENT_OK;
}

// One key under two names could be either; so it is neither.
static int table_finish(struct table *t, assent_error *error)
{
    int code = ASSENT_OK;
    size_t kept = 0;
    if (t->count > 0)
        qsort(t->holders, t->count, sizeof *t->holders, holder_compare);
    for (size_t i = 0, next; i < t->count; i = next) {
        for (next = i + 1; next < t->count; next++)
            if (holder_compare(&t->holders[i], &t->holders[next]) != 0)
                break;
        if (next - i == 1)
            t->holders[kept++] = t->holders[i];
        else
            code = error_set(error, ASSENT_CONFIG,
                             "certificates of %s and %s hold the same key; neither is admitted",
                             t->holders[i].name, t->holders[i + 1].name);
    }
    t->count = kept;
    return code;
}

static bool table_equal(const struct table *a, const struct table *b)
{
    return a->count == b->count &&
           (a->count == 0 || memcmp(a->holders, b->holders, a->count * sizeof *a->holders) == 0);
}

static bool name_counts(const char *name)
{
    size_t size = strlen(name);
    const char *secret = "_secret";
    return name[0] != '.' && name[size - 1] != '~' &&
           (size < strlen(secret) || strcmp(name + size - strlen(secret), secret) != 0);
}

static int file_read(struct table *t, const char *directory, const char *name, assent_error *error)
{
    char path[PATH_MAX];
    int length = snprintf(path, sizeof path, "%s/%s", directory, name);
    if (length < 0 || (size_t)length >= sizeof path)
        return error_set(error, ASSENT_CONFIG, "certificate %s: path too long", name);
    struct cert_holder holder;
    int code = cert_load_holder(path, &holder, error);
    return code == ASSENT_OK ? table_add(t, &holder, error) : code;
}

// ASSENT_CONFIG: *ret holds those that are valid, `error` speaks of one that is not.
static int table_read(const char *directory, struct table *ret, assent_error *error)
{
    struct table table = {0};
    int code = ASSENT_OK, worst = ASSENT_OK;
    DIR *stream = opendir(directory);
    if (!stream)
        return error_set(error, ASSENT_IO, "net: authorized directory %s: %s", directory,
                         strerror(errno));
    for (struct dirent *entry; errno = 0, (entry = readdir(stream));) {
        code = name_counts(entry->d_name) ? file_read(&table, directory, entry->d_name, error)
                                          : ASSENT_OK;
        if (code == ASSENT_CONFIG)
            worst = code;
        else if (code != ASSENT_OK)
            goto failed;
    }
    if (errno != 0) {
        code = error_set(error, ASSENT_IO, "net: authorized directory %s: %s", directory,
                         strerror(errno));
        goto failed;
    }
    closedir(stream);
    code = table_finish(&table, error);
    *ret = table;
    return worst != ASSENT_OK ? worst : code;
failed:
    closedir(stream);
    free(table.holders);
    return code;
}

int authority_check(const char *directory, assent_error *error)
{
    struct table table = {0};
    int code = table_read(directory, &table, error);
    free(table.holders);
    return code;
}

// ---- the ZAP handler ----

enum { ZAP_VERSION, ZAP_REQUEST, ZAP_DOMAIN, ZAP_ADDRESS, ZAP_IDENTITY, ZAP_MECHANISM, ZAP_KEY };
enum { ZAP_FRAMES = ZAP_KEY + 1, ZAP_FRAME_BYTES = 256 };

struct zap_request {
    struct {
        char data[ZAP_FRAME_BYTES];
        size_t size;
    } frames[ZAP_FRAMES];
    bool valid; // so many frames, none too long
};

// False when the context is shut down.
static bool zap_receive(void *socket, struct zap_request *ret)
{
    int more = 1;
    ret->valid = true;
    for (unsigned i = 0; more; i++) {
        char spare[ZAP_FRAME_BYTES];
        char *to = i < ZAP_FRAMES ? ret->frames[i].data : spare;
        int size;
        while ((size = zmq_recv(socket, to, ZAP_FRAME_BYTES, 0)) < 0)
            if (errno != EINTR)
                return false;
        if (i >= ZAP_FRAMES || size > ZAP_FRAME_BYTES)
            ret->valid = false;
        else
            ret->frames[i].size = (size_t)size;
        size_t more_size = sizeof more;
        zmq_getsockopt(socket, ZMQ_RCVMORE, &more, &more_size);
        if (!more && i + 1 < ZAP_FRAMES)
            ret->valid = false;
    }
    return true;
}

static bool zap_frame_is(const struct zap_request *r, unsigned frame, const char *text)
{
    return slice_equal(slice_of(r->frames[frame].data, r->frames[frame].size), slice_text(text));
}

// The key as text in `ret` when its holder may come in.
static bool zap_admit(struct authority *self, const struct zap_request *r,
                      char ret[CERT_KEY_TEXT_BYTES])
{
    if (!r->valid || !zap_frame_is(r, ZAP_VERSION, "1.0") ||
        !zap_frame_is(r, ZAP_MECHANISM, "CURVE") || r->frames[ZAP_KEY].size != KEY_BYTES ||
        !zmq_z85_encode(ret, (const uint8_t *)r->frames[ZAP_KEY].data, KEY_BYTES))
        return false;
    pthread_mutex_lock(&self->mutex);
    bool known = table_find(&self->table, ret) != NULL;
    pthread_mutex_unlock(&self->mutex);
    return known;
}

// False when the context is shut down.
static bool zap_send(void *socket, struct slice part, bool more)
{
    while (zmq_send(socket, part.data, part.size, more ? ZMQ_SNDMORE : 0) < 0)
        if (errno != EINTR)
            return false;
    return true;
}

static void *zap_run(void *arg)
{
    struct authority *self = arg;
    struct zap_request request;
    while (zap_receive(self->zap, &request)) {
        char key[CERT_KEY_TEXT_BYTES] = "";
        bool admitted = zap_admit(self, &request, key);
        const struct slice reply[] = {
            slice_text("1.0"),
            request.valid
                ? slice_of(request.frames[ZAP_REQUEST].data, request.frames[ZAP_REQUEST].size)
                : slice_text(""),
            slice_text(admitted ? "200" : "400"),
            slice_text(admitted ? "OK" : "no authorized certificate has this key"),
            slice_text(admitted ? key : ""),
            slice_text(""),
        };
        enum { PARTS = sizeof reply / sizeof reply[0] };
        bool sent = true;
        for (unsigned i = 0; i < PARTS && sent; i++)
            sent = zap_send(self->zap, reply[i], i + 1 < PARTS);
        if (!sent)
            break;
    }
    zmq_close(self->zap);
    return NULL;
}

// Signals are for the threads of the program, not for this one.
static int zap_start(struct authority *self)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&self->thread, NULL, zap_run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc;
}

// ---- the owner's side ----

int authority_open(void *context, const char *directory, struct authority **ret,
                   assent_error *error)
{
    struct authority *self = calloc(1, sizeof *self);
    if (!self)
        return error_set(error, ASSENT_NOMEM, "net: out of memory");
    int code = table_read(directory, &self->table, error);
    if (code != ASSENT_OK)
        goto free_self;
    self->directory = strdup(directory);
    if (!self->directory) {
        code = error_set(error, ASSENT_NOMEM, "net: out of memory");
        goto free_self;
    }
    int none = 0; // an answer to a connection that is being closed holds up nothing
    self->zap = zmq_socket(context, ZMQ_REP);
    if (!self->zap || zmq_setsockopt(self->zap, ZMQ_LINGER, &none, sizeof none) != 0 ||
        zmq_bind(self->zap, "inproc://zeromq.zap.01") != 0) {
        code = error_set(error, ASSENT_INTERNAL, "net: ZAP handler: %s", zmq_strerror(errno));
        goto close_zap;
    }
    pthread_mutex_init(&self->mutex, NULL);
    int rc = zap_start(self);
    if (rc == 0) {
        *ret = self;
        return ASSENT_OK;
    }
    code = error_set(error, ASSENT_INTERNAL, "net: ZAP handler: %s", strerror(rc));
    pthread_mutex_destroy(&self->mutex);
close_zap:
    if (self->zap)
        zmq_close(self->zap);
free_self:
    free(self->directory);
    free(self->table.holders);
    free(self);
    return code;
}

int authority_reload(struct authority *self, bool *ret_changed, assent_error *error)
{
    struct table table = {0};
    int code = table_read(self->directory, &table, error);
    if (code != ASSENT_OK && code != ASSENT_CONFIG)
        return code;
    *ret_changed = !table_equal(&table, &self->table);
    if (*ret_changed) {
        struct table oldest = self->before;
        self->before = self->table;
        pthread_mutex_lock(&self->mutex);
        self->table = table;
        pthread_mutex_unlock(&self->mutex);
        table = oldest;
    }
    free(table.holders);
    return code;
}

const struct cert_holder *authority_find(const struct authority *self, const char *public_key)
{
    return table_find(&self->table, public_key);
}

void authority_close(struct authority **self_p)
{
    struct authority *self = *self_p;
    if (!self)
        return;
    pthread_join(self->thread, NULL);
    pthread_mutex_destroy(&self->mutex);
    free(self->directory);
    free(self->table.holders);
    free(self->before.holders);
    free(self);
    *self_p = NULL;
}
