// SPDX-License-Identifier: Apache-2.0
#include "tx_process.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/crash_point.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct tx_process *shared; // guarded by the lock
static pthread_once_t crash_once = PTHREAD_ONCE_INIT;
static assent_error crash_error;

static void crash_arm(void)
{
    crash_point_arm(&crash_error);
}

static bool switch_complete(const struct xa_switch_t *s)
{
    return s->xa_open_entry && s->xa_close_entry && s->xa_start_entry && s->xa_end_entry &&
           s->xa_rollback_entry && s->xa_prepare_entry && s->xa_commit_entry;
}

// Libraries stay loaded: what they have started in the background cannot be stopped.
static int switch_load(const struct tx_config *config, const struct tx_resource *resource,
                       const struct xa_switch_t **ret, assent_error *error)
{
    void *library = dlopen(*resource->library ? resource->library : NULL, RTLD_NOW | RTLD_LOCAL);
    if (!library)
        return error_set(error, ASSENT_CONFIG, "%s:%u: resource %s: %s", config->path,
                         resource->line, resource->name, dlerror());
    const struct xa_switch_t *found = dlsym(library, resource->symbol);
    if (!found)
        return error_set(error, ASSENT_CONFIG, "%s:%u: resource %s: no XA switch %s in %s",
                         config->path, resource->line, resource->name, resource->symbol,
                         *resource->library ? resource->library : "the program");
    if (found->version != 0 || !switch_complete(found))
        return error_set(error, ASSENT_CONFIG,
                         "%s:%u: resource %s: %s is not an XA switch of version 0", config->path,
                         resource->line, resource->name, resource->symbol);
    if (found->flags & TMREGISTER)
        return error_set(error, ASSENT_CONFIG,
                         "%s:%u: resource %s: %s registers dynamically, which is not supported; "
                         "take the static switch of that resource manager",
                         config->path, resource->line, resource->name, resource->symbol);
    *ret = found;
    return ASSENT_OK;
}

static int client_open(struct tx_process *p, assent_error *error)
{
    const struct tx_config *c = &p->config;
    assent_client_options options = {
        .endpoint = *c->endpoint ? c->endpoint : NULL,
        .certificate = *c->certificate ? c->certificate : NULL,
        .server_certificate = *c->server_certificate ? c->server_certificate : NULL,
        .connect_timeout_ms = c->connect_timeout_ms,
        .answer_timeout_ms = c->answer_timeout_ms,
    };
    return assent_client_open(&options, &p->client, error);
}

static int process_make(struct tx_process **ret, assent_error *error)
{
    const char *path = getenv("ASSENT_TX_CONFIG");
    pthread_once(&crash_once, crash_arm);
    if (crash_error.code)
        return error_set(error, ASSENT_CONFIG, "%s", crash_error.message);
    if (!path || !*path)
        return error_set(error, ASSENT_CONFIG,
                         "ASSENT_TX_CONFIG is not set in the environment; "
                         "it names the file that lists the resource managers");
    struct tx_process *p = calloc(1, sizeof *p);
    if (!p)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    int code = tx_config_load(&p->config, path, error);
    for (unsigned i = 0; i < p->config.resource_count && !code; i++)
        code = switch_load(&p->config, &p->config.resources[i], &p->switches[i], error);
    if (!code)
        code = client_open(p, error);
    if (code)
        free(p);
    else
        *ret = p;
    return code;
}

int tx_process_take(struct tx_process **ret, assent_error *error)
{
    int code = ASSENT_OK;
    pthread_mutex_lock(&lock);
    if (!shared)
        code = process_make(&shared, error);
    if (!code) {
        shared->users++;
        *ret = shared;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

void tx_process_give(struct tx_process **process_p)
{
    struct tx_process *p = *process_p;
    *process_p = NULL;
    pthread_mutex_lock(&lock);
    if (p && --p->users == 0) {
        assent_client_close(&p->client);
        free(p);
        shared = NULL;
    }
    pthread_mutex_unlock(&lock);
}
