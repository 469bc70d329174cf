// SPDX-License-Identifier: Apache-2.0
// Start and end. The order at start is a promise: the log is locked, checked and raised to a new
// incarnation, every open transaction is recovered, and only then anybody can connect.
#include <errno.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "base/crash_point.h"
#include "engine_internal.h"

enum {
    TEXT_BYTES_MAX = 64 << 10,
    GARBAGE_BURST = 10,
    GARBAGE_PER_MS = 10 * 1000,
    SLOW_SYNC_MS = 1000
};

void engine_core_config(const struct engine *e, struct coordinator_config *ret)
{
    const struct config *c = e->config;
    coordinator_config_defaults(ret);
    ret->id = e->info.id;
    ret->incarnation = e->info.incarnation;
    memcpy(ret->secret, e->info.secret, sizeof ret->secret);
    ret->log_seq = e->info.head_seq;
    ret->cooperative = c->cooperative;
    ret->phase_one_timeout_ms = (uint32_t)c->phase_one_ms;
    ret->timeout_default_ms = (uint32_t)c->default_ms;
    ret->timeout_max_ms = (uint32_t)c->max_ms;
    ret->retry_min_ms = (uint32_t)c->retry_min_ms;
    ret->retry_max_ms = (uint32_t)c->retry_max_ms;
    ret->peer_silent_ms = (uint32_t)c->peer_silent_ms;
    ret->transactions_max = (uint32_t)c->transactions;
    ret->branches_max = (uint32_t)c->branches;
    ret->payload_bytes_max = (uint32_t)c->payload_bytes;
    ret->peers_max = (uint32_t)c->peers;
    ret->check_back_ms = (uint32_t)c->check_back_ms;
    ret->topics = e->topics.items;
    ret->topic_count = e->topics.count;
}

static int random_bytes(void *to, size_t size, assent_error *error)
{
    if (getrandom(to, size, 0) == (ssize_t)size)
        return ASSENT_OK;
    return error_set(error, ASSENT_IO, "getrandom: %s", strerror(errno));
}

// Makes the directory and those above it, for its owner alone.
static int make_dir(const char *path, assent_error *error)
{
    char *copy = strdup(path);
    if (!copy)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    int failed = 0;
    for (char *at = copy + 1; !failed && *at; at++) {
        if (*at != '/')
            continue;
        *at = '\0';
        failed = mkdir(copy, 0700) && errno != EEXIST ? errno : 0;
        *at = '/';
    }
    if (!failed)
        failed = mkdir(copy, 0700) && errno != EEXIST ? errno : 0;
    free(copy);
    struct stat status;
    if (!failed && stat(path, &status))
        failed = errno;
    else if (!failed && !S_ISDIR(status.st_mode))
        failed = ENOTDIR;
    return failed ? error_set(error, ASSENT_IO, "data-dir: %s: %s", path, strerror(failed))
                  : ASSENT_OK;
}

static int open_store(struct engine *e, struct store **ret, assent_error *error)
{
    const char *dir = e->config->data_dir;
    const struct store_options options = {
        .create = true,
        .records_max = e->config->records_max,
        .wall_ms = e->now.wall_ms,
    };
    int code = make_dir(dir, error);
    if (!code)
        code = store_open_leveldb(dir, &options, ret, error);
    if (code)
        return code;
    (*ret)->ops->info(*ret, &e->info);
    return ASSENT_OK;
}

struct recovery {
    struct engine *engine;
    assent_error *error;
    int code;
};

static void unreadable(struct recovery *r, const struct store_record *stored)
{
    error_prefix(r->error, "%s: record %llu", r->engine->config->data_dir,
                 (unsigned long long)stored->seq);
}

static int recover_record(void *arg, const struct store_record *stored)
{
    struct recovery *r = arg;
    struct engine *e = r->engine;
    struct tx_record record;
    r->code = record_decode_tx(stored->value, &e->storage, &record, r->error);
    if (r->code) {
        unreadable(r, stored);
        return 1;
    }
    struct event event = {.type = EVENT_RECOVERED, .u.tx = &record};
    engine_step(e, &event);
    e->recovered++;
    return e->stopped;
}

// The newest record of all says whose log this is.
static int check_kind(void *arg, const struct store_record *stored)
{
    struct recovery *r = arg;
    struct tx_record record;
    r->code = record_decode_tx(stored->value, &r->engine->storage, &record, r->error);
    if (r->code == ASSENT_CORRUPT)
        error_set(r->error, r->code,
                  "%s: this is not a coordinator's log; is it a participant's journal?",
                  r->engine->config->data_dir);
    else if (r->code)
        unreadable(r, stored);
    return 1;
}

static int recover(struct engine *e, struct store *store, assent_error *error)
{
    struct recovery r = {.engine = e, .error = error};
    int code = store->ops->scan(store, false, true, 0, check_kind, &r, error);
    if (!code && !r.code)
        code = store->ops->scan(store, true, false, 0, recover_record, &r, error);
    if (r.code)
        return r.code;
    if (e->stopped)
        return error_set(error, ASSENT_NOMEM, "recovery: out of memory");
    return code;
}

static int open_core(struct engine *e, assent_error *error)
{
    struct coordinator_config config;
    int code = topics_make(&e->config->topics, &e->topics, error);
    if (code)
        return code;
    engine_core_config(e, &config);
    code = random_bytes(&config.seed, sizeof config.seed, error);
    if (code)
        return code;
    map_init(&e->peers, config.seed ^ e->info.secret[0]);
    e->core = coordinator_new(&config);
    if (!e->core || !engine_admin_open(e))
        return error_set(error, ASSENT_NOMEM, "out of memory");
    return ASSENT_OK;
}

// Records are stamped with the wall clock, which may go back; what may be collected never does.
static uint64_t retention_horizon(void *arg)
{
    struct retention *r = arg;
    uint64_t wall = engine_clock().wall_ms, keep = atomic_load(&r->ms);
    if (wall > r->wall_ms)
        r->wall_ms = wall;
    return r->wall_ms > keep ? r->wall_ms - keep : 0;
}

static int open_log(struct engine *e, struct store *store, assent_error *error)
{
    static const struct log_queue_crash crash = {
        .before_write = CRASH_coord_before_log,
        .after_write = CRASH_coord_after_write,
        .after_sync = CRASH_coord_after_log,
    };
    const struct log_queue_options options = {
        .crash = &crash,
        .lazy_ms = (uint32_t)e->config->lazy_ms,
        .batch_max = (uint32_t)e->config->batch_max,
        .slow_ms = SLOW_SYNC_MS,
        .horizon = retention_horizon,
        .horizon_arg = &e->retention,
    };
    engine_retain(e);
    e->head_seq = e->info.head_seq;
    e->log = log_queue_new(store, &options, error);
    return e->log ? ASSENT_OK : ASSENT_NOMEM;
}

static struct net_server_options net_options(const struct config *c)
{
    return (struct net_server_options){
        .endpoints = (const char *const *)c->endpoints.items,
        .certificate = *c->certificate ? c->certificate : NULL,
        .authorized_dir = *c->authorized_dir ? c->authorized_dir : NULL,
        .allow_loopback = c->allow_loopback,
        .peer_queue_bytes = (uint32_t)c->peer_queue_bytes,
        .frame_bytes_max = (uint32_t)c->frame_bytes,
        .peers_max = (uint32_t)c->peers,
    };
}

int engine_check(const struct config *config, assent_error *error)
{
    const struct net_server_options options = net_options(config);
    return net_server_check(&options, error);
}

static int open_net(struct engine *e, assent_error *error)
{
    const struct net_server_options options = net_options(e->config);
    return net_server_open(&options, &e->net, error);
}

static int start(struct engine *e, assent_error *error)
{
    struct store *store = NULL;
    int code = open_store(e, &store, error);
    if (code)
        return code;
    code = open_core(e, error);
    if (!code)
        code = recover(e, store, error);
    if (!code)
        code = open_log(e, store, error);
    if (code) {
        store->ops->close(store);
        return code;
    }
    struct event event = {.type = EVENT_START};
    engine_step(e, &event);
    if (e->stopped)
        return error_set(error, ASSENT_NOMEM, "start: out of memory");
    return open_net(e, error);
}

int engine_open(struct engine **ret, const struct config *config, assent_error *error)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    e->config = config;
    e->now = engine_clock();
    e->started_ms = e->now.wall_ms;
    e->garbage_limit = (struct log_limit){.burst = GARBAGE_BURST, .per_ms = GARBAGE_PER_MS};
    e->denied_limit = e->garbage_limit;
    effects_init(&e->fx);
    buf_init(&e->record, LIMIT_RECORD_BYTES);
    buf_init(&e->text, TEXT_BYTES_MAX);
    map_init(&e->peers, 0);
    list_init(&e->peers_by_age);
    int code = start(e, error);
    if (code)
        engine_close(&e);
    else
        *ret = e;
    return code;
}

void engine_close(struct engine **self_p)
{
    struct engine *e = *self_p;
    if (!e)
        return;
    *self_p = NULL;
    // The log first: what it still holds is synced before anything else can go wrong.
    if (e->log)
        log_queue_destroy(&e->log);
    if (e->net)
        net_server_close(&e->net);
    admin_destroy(&e->admin);
    coordinator_destroy(&e->core);
    topics_free(&e->topics);
    engine_peers_free(e);
    effects_free(&e->fx);
    buf_free(&e->record);
    buf_free(&e->text);
    free(e);
}
