// SPDX-License-Identifier: Apache-2.0
// Life of a client.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "client_handle.h"

enum { CONNECT_TIMEOUT_MS = 10000, ANSWER_TIMEOUT_MS = 10000, IN_FLIGHT_MAX = 65536 };

static char name_character(char c)
{
    bool fits = gtid_valid(slice_of(&c, 1));
    return fits ? c : '_';
}

// The name that the kernel shows for this process, made fit for the wire.
static void own_name(char ret[LIMIT_NAME_BYTES + 1])
{
    char line[LIMIT_NAME_BYTES + 1] = "";
    FILE *comm = fopen("/proc/self/comm", "re");
    if (comm) {
        if (!fgets(line, sizeof line, comm))
            line[0] = '\0';
        fclose(comm);
    }
    line[strcspn(line, "\n")] = '\0';
    if (!line[0])
        strcpy(line, "client");
    size_t size = strlen(line);
    for (size_t i = 0; i < size; i++)
        ret[i] = name_character(line[i]);
    ret[size] = '\0';
}

static int core_open(assent_client *c, const assent_client_options *options, assent_error *error)
{
    struct client_config config;
    client_config_defaults(&config);
    config.seed = shell_seed();
    config.asks_max = c->in_flight_max;
    own_name(config.name);
    if (options->name) {
        if (!gtid_valid(slice_text(options->name)))
            return error_set(error, ASSENT_INVALID, "a client's name is 1 to %d of [A-Za-z0-9._:-]",
                             LIMIT_NAME_BYTES);
        snprintf(config.name, sizeof config.name, "%s", options->name);
    }
    c->core = client_new(&config);
    return c->core ? ASSENT_OK : error_set(error, ASSENT_NOMEM, "out of memory");
}

static void client_free(assent_client *c)
{
    if (c->wake_bell >= 0)
        close(c->wake_bell);
    if (c->ready_bell >= 0)
        close(c->ready_bell);
    net_peer_close(&c->net);
    client_destroy(&c->core);
    effects_free(&c->fx);
    pthread_cond_destroy(&c->changed);
    pthread_mutex_destroy(&c->lock);
    free(c);
}

static uint32_t or_default(uint32_t told, uint32_t otherwise)
{
    return told ? told : otherwise;
}

// Constant fields and empty lists; the thread is not running yet.
static int client_make(assent_client *c, const assent_client_options *options, assent_error *error)
{
    c->connect_timeout_ms = or_default(options->connect_timeout_ms, CONNECT_TIMEOUT_MS);
    c->answer_timeout_ms = or_default(options->answer_timeout_ms, ANSWER_TIMEOUT_MS);
    c->in_flight_max = or_default(options->in_flight_max, IN_FLIGHT_MAX);
    list_init(&c->submitted);
    list_init(&c->ready);
    list_init(&c->in_flight_list);
    list_init(&c->complete);
    effects_init(&c->fx);
    c->wake_bell = shell_bell(error);
    c->ready_bell = c->wake_bell < 0 ? -1 : shell_bell(error);
    if (c->ready_bell < 0)
        return ASSENT_IO;
    int code = shell_place(options->endpoint, options->certificate, options->server_certificate,
                           &c->place, error);
    if (code == ASSENT_OK)
        code = core_open(c, options, error);
    return code == ASSENT_OK ? shell_dial(&c->place, &c->net, error) : code;
}

int assent_client_open(const assent_client_options *options, assent_client **ret,
                       assent_error *error)
{
    static const assent_client_options defaults;
    assent_error ignored;
    if (!error)
        error = &ignored;
    assent_client *c = calloc(1, sizeof *c);
    if (!c || !shell_cond_init(&c->changed)) {
        free(c);
        return error_set(error, ASSENT_NOMEM, "out of memory");
    }
    pthread_mutex_init(&c->lock, NULL);
    c->wake_bell = c->ready_bell = -1;
    int code = shell_crash_points(error);
    if (code == ASSENT_OK)
        code = client_make(c, options ? options : &defaults, error);
    if (code == ASSENT_OK)
        code = shell_thread(&c->thread, client_run, c, error);
    if (code == ASSENT_OK)
        *ret = c;
    else
        client_free(c);
    return code;
}

void assent_client_close(assent_client **client_p)
{
    assent_client *c = *client_p;
    if (!c)
        return;
    *client_p = NULL;
    pthread_mutex_lock(&c->lock);
    c->stopping = true;
    client_wake(c);
    pthread_cond_broadcast(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    pthread_mutex_lock(&c->lock);
    while (c->users > 0)
        pthread_cond_wait(&c->changed, &c->lock);
    pthread_mutex_unlock(&c->lock);
    while (assent_client_dispatch(c, 0) > 0)
        continue;
    client_free(c);
}

int assent_client_wait(assent_client *c, int timeout_ms, assent_error *error)
{
    uint64_t until_ms = timeout_ms < 0 ? UINT64_MAX : shell_now().mono_ms + (uint64_t)timeout_ms;
    pthread_mutex_lock(&c->lock);
    int code = client_enter(c, error);
    if (code != ASSENT_OK)
        goto out;
    c->waiting++;
    while (!c->connected && !c->stopping)
        if (!shell_cond_wait(&c->changed, &c->lock, until_ms))
            break;
    c->waiting--;
    if (c->stopping)
        code = error_set(error, ASSENT_CLOSED, "the client is being closed");
    else if (!c->connected)
        code = error_set(error, ASSENT_UNAVAILABLE, "no coordinator answers at %s%s%s",
                         c->place.endpoint, c->link_error.code ? ": " : "", c->link_error.message);
    client_leave(c);
out:
    pthread_mutex_unlock(&c->lock);
    return code;
}
