// SPDX-License-Identifier: Apache-2.0
#include "base/check.h"
#include "base/clock.h"
#include "base/crash_point.h"
#include "engine_internal.h"

enum { LOOK_AFTER_PEERS_MS = 1000, WAIT_MS_MAX = 60 * 1000 };

struct now engine_clock(void)
{
    return (struct now){.mono_ms = clock_ms(CLOCK_MONOTONIC), .wall_ms = clock_ms(CLOCK_REALTIME)};
}

void engine_stop(struct engine *e, enum exit_code code, const char *why)
{
    if (e->stopped)
        return;
    e->stopped = true;
    e->exit_code = code;
    log_event(LOG_ERROR, "failed", KV("reason", why), KV("exit", (int)code));
}

void engine_step(struct engine *e, struct event *event)
{
    if (e->stopped)
        return;
    CHECK(!e->stepping);
    e->stepping = true;
    event->now = e->now;
    effects_reset(&e->fx);
    coordinator_step(e->core, event, &e->fx);
    engine_apply(e);
    e->stepping = false;
}

static void tick(struct engine *e)
{
    if (coordinator_deadline(e->core) > e->now.mono_ms)
        return;
    struct event event = {.type = EVENT_TICK};
    engine_step(e, &event);
}

static void header_for(void *arg, peer_t peer, struct frame_header *ret)
{
    const struct engine *e = arg;
    coordinator_header(e->core, peer, ret);
}

static void flush(struct engine *e)
{
    log_queue_flush(e->log);
    peer_t gone;
    do {
        net_server_flush(e->net, header_for, e, &gone);
        if (gone)
            engine_peer_gone(e, gone);
    } while (gone && !e->stopped);
    // What the core wanted written because a peer is gone.
    log_queue_flush(e->log);
    engine_crash_flushed(e);
}

bool engine_turn(struct engine *e, enum exit_code *ret_exit)
{
    e->now = engine_clock();
    e->busy = false;
    engine_log_answers(e);
    if (!e->stopped)
        engine_receive(e);
    if (!e->stopped)
        tick(e);
    if (!e->stopped)
        engine_forget_silent(e);
    if (!e->stopped)
        flush(e);
    if (e->stopped)
        *ret_exit = e->exit_code;
    return !e->stopped;
}

static int wait_ms(const struct engine *e, int limit_ms)
{
    if (e->busy)
        return 0;
    uint64_t now = clock_ms(CLOCK_MONOTONIC);
    uint64_t due = coordinator_deadline(e->core);
    uint64_t most = list_empty(&e->peers_by_age) ? WAIT_MS_MAX : LOOK_AFTER_PEERS_MS;
    uint64_t left = due <= now ? 0 : due - now;
    if (left > most)
        left = most;
    if (limit_ms >= 0 && left > (uint64_t)limit_ms)
        left = (uint64_t)limit_ms;
    return (int)left;
}

void engine_wait(struct engine *e, struct pollfd *extra, int timeout_ms)
{
    struct pollfd fds[2] = {*extra, {.fd = log_queue_fd(e->log), .events = POLLIN}};
    fds[0].revents = 0;
    net_server_wait(e->net, fds, 2, wait_ms(e, timeout_ms));
    extra->revents = fds[0].revents;
}

void engine_drain(struct engine *e)
{
    e->draining = true;
    coordinator_drain(e->core);
}

bool engine_drained(const struct engine *e)
{
    return coordinator_drained(e->core);
}

void engine_retain(struct engine *e)
{
    atomic_store(&e->retention.ms, e->config->retention_seconds * 1000);
}

int engine_reload(struct engine *e, assent_error *error)
{
    struct coordinator_config config;
    struct topics old = e->topics;
    int code = topics_make(&e->config->topics, &e->topics, error);
    engine_core_config(e, &config);
    coordinator_configure(e->core, &config);
    engine_retain(e);
    if (code)
        return code;
    topics_free(&old);
    return *e->config->authorized_dir ? net_server_reload(e->net, error) : ASSENT_OK;
}

void engine_log_listening(const struct engine *e, uint64_t took_ms)
{
    char id[COORDINATOR_TEXT_BYTES];
    coordinator_text(e->info.id, id);
    const char *endpoint;
    if (*e->info.recovered)
        log_event(LOG_WARN, "log_end_cut", KV("data_dir", e->config->data_dir),
                  KV("what", e->info.recovered));
    for (unsigned i = 0; (endpoint = net_server_endpoint(e->net, i)); i++)
        log_event(LOG_INFO, "listening", KV("endpoint", endpoint), KV("coordinator", id),
                  KV("incarnation", e->info.incarnation), KV("recovered", e->recovered),
                  KV("head_seq", e->info.head_seq), KV("data_dir", e->config->data_dir),
                  KV("took_ms", took_ms));
}

void engine_log_stopped(const struct engine *e, const char *why)
{
    struct coordinator_stats stats;
    coordinator_stats(e->core, &stats);
    log_event(LOG_INFO, "stopped", KV("reason", why), KV("committed", stats.committed),
              KV("aborted", stats.aborted), KV("undecided", stats.undecided),
              KV("in_phase_two", stats.in_phase_two), KV("head_seq", e->head_seq));
}
