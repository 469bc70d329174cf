// SPDX-License-Identifier: Apache-2.0
// Life of a participant.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "participant_handle.h"
#include "participant_peers.h"

enum { WORKERS = 4, WORKERS_MAX = 1024, LAZY_MS = 50, PATIENT_MS = 5, STAGGERS = 20, PINGS = 3 };

// ---- opening ----

static int options_check(const assent_participant_options *options, const assent_handlers *handlers,
                         assent_error *error)
{
    if (!options->resource || !gtid_valid(slice_text(options->resource)))
        return error_set(error, ASSENT_INVALID, "a resource is 1 to %d of [A-Za-z0-9._:-]",
                         LIMIT_NAME_BYTES);
    if (!options->journal_dir || !options->journal_dir[0])
        return error_set(error, ASSENT_INVALID, "a participant needs a journal_dir");
    int code = handlers_check(handlers, error);
    if (code != ASSENT_OK)
        return code;
    if (options->rm_durable && !handlers->recover)
        return error_set(error, ASSENT_INVALID, "rm_durable needs the handler recover");
    if (options->workers > WORKERS_MAX)
        return error_set(error, ASSENT_INVALID, "at most %d workers", WORKERS_MAX);
    return shell_crash_points(error);
}

static assent_participant *participant_alloc(const assent_participant_options *options,
                                             const assent_handlers *handlers, void *context)
{
    assent_participant *p = calloc(1, sizeof *p);
    if (!p)
        return NULL;
    if (!shell_cond_init(&p->changed)) {
        free(p);
        return NULL;
    }
    pthread_mutex_init(&p->lock, NULL);
    list_init(&p->new_calls);
    list_init(&p->calls);
    list_init(&p->answers);
    list_init(&p->works);
    list_init(&p->nested_new);
    list_init(&p->nested_asked);
    list_init(&p->heard);
    list_init(&p->idle);
    effects_init(&p->fx);
    buf_init(&p->record, LIMIT_RECORD_BYTES);
    snprintf(p->resource, sizeof p->resource, "%s", options->resource);
    p->handlers = *handlers;
    p->context = context;
    p->rm_durable = options->rm_durable != 0;
    p->wake_bell = p->stop_bell = -1;
    return p;
}

// All but the threads, which are gone.
static void participant_free(assent_participant *p)
{
    peers_close(p);
    net_peer_close(&p->net);
    log_queue_destroy(&p->log);
    participant_destroy(&p->core);
    effects_free(&p->fx);
    buf_free(&p->record);
    if (p->wake_bell >= 0)
        close(p->wake_bell);
    if (p->stop_bell >= 0)
        close(p->stop_bell);
    pthread_cond_destroy(&p->changed);
    pthread_mutex_destroy(&p->lock);
    free(p);
}

static int core_open(assent_participant *p, struct store *store,
                     const assent_participant_options *options, assent_error *error)
{
    struct store_info info;
    struct participant_config config;
    store->ops->info(store, &info);
    participant_config_defaults(&config);
    memcpy(config.resource, p->resource, sizeof config.resource);
    config.incarnation = info.incarnation;
    config.journal = info.id;
    config.seed = shell_seed();
    config.rm_durable = p->rm_durable;
    config.rm_forgets = p->handlers.ended != NULL;
    if (options->suspect_ms > 0) {
        config.suspect_ms = options->suspect_ms;
        config.stagger_ms = options->suspect_ms / STAGGERS;
        if (config.ping_ms > options->suspect_ms / PINGS)
            config.ping_ms = options->suspect_ms / PINGS + 1;
    }
    // The journal is locked by now, so the door that is named after it is nobody else's.
    int code = peers_open(p, options, config.address, error);
    if (code != ASSENT_OK)
        return code;
    p->core = participant_new(&config);
    if (!p->core)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    return participant_recover(p, store, error);
}

static int journal_open(assent_participant *p, const assent_participant_options *options,
                        assent_error *error)
{
    static const struct log_queue_options queue_options = {.lazy_ms = LAZY_MS,
                                                           .patient_ms = PATIENT_MS};
    const struct store_options store_options = {.create = true, .wall_ms = shell_now().wall_ms};
    struct store *store = NULL;
    int code = store_open_leveldb(options->journal_dir, &store_options, &store, error);
    if (code != ASSENT_OK)
        return code;
    code = core_open(p, store, options, error);
    if (code == ASSENT_OK) {
        p->log = log_queue_new(store, &queue_options, error);
        if (p->log)
            return ASSENT_OK;
        code = ASSENT_NOMEM;
    } else {
        error_prefix(error, "journal %s", options->journal_dir);
    }
    store->ops->close(store);
    return code;
}

static int threads_open(assent_participant *p, unsigned workers, assent_error *error)
{
    int code = calls_open(p, workers ? workers : WORKERS, error);
    if (code != ASSENT_OK)
        return code;
    code = peers_start(p, error);
    if (code == ASSENT_OK)
        code = shell_thread(&p->engine_thread, engine_run, p, error);
    if (code != ASSENT_OK)
        calls_close(p);
    return code;
}

static int participant_start(assent_participant *p, const assent_participant_options *options,
                             assent_error *error)
{
    p->wake_bell = shell_bell(error);
    p->stop_bell = p->wake_bell < 0 ? -1 : shell_bell(error);
    if (p->stop_bell < 0)
        return ASSENT_IO;
    int code = shell_place(options->endpoint, options->certificate, options->server_certificate,
                           &p->place, error);
    if (code == ASSENT_OK)
        code = shell_dial(&p->place, &p->net, error);
    if (code == ASSENT_OK)
        code = journal_open(p, options, error);
    return code == ASSENT_OK ? threads_open(p, options->workers, error) : code;
}

int assent_participant_open(const assent_participant_options *options,
                            const assent_handlers *handlers, void *context,
                            assent_participant **ret, assent_error *error)
{
    assent_error ignored;
    if (!error)
        error = &ignored;
    int code = options_check(options, handlers, error);
    if (code != ASSENT_OK)
        return code;
    assent_participant *p = participant_alloc(options, handlers, context);
    if (!p)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    code = participant_start(p, options, error);
    if (code == ASSENT_OK)
        *ret = p;
    else
        participant_free(p);
    return code;
}

// ---- closing ----

void assent_participant_close(assent_participant **participant_p)
{
    assent_participant *p = *participant_p;
    if (!p)
        return;
    *participant_p = NULL;
    pthread_mutex_lock(&p->lock);
    p->closing = true;
    engine_wake(p);
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    pthread_join(p->engine_thread, NULL);
    calls_close(p);
    pthread_mutex_lock(&p->lock);
    while (p->users > 0)
        pthread_cond_wait(&p->changed, &p->lock);
    pthread_mutex_unlock(&p->lock);
    participant_free(p);
}
