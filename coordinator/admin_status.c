// SPDX-License-Identifier: Apache-2.0
// The daemon itself: its counts and its configuration.
#include "admin_internal.h"

static json_t *transactions_json(const struct coordinator_stats *s)
{
    struct object o = object_new();
    object_count(&o, "now", s->transactions);
    object_count(&o, "undecided", s->undecided);
    object_count(&o, "in_phase_two", s->in_phase_two);
    object_count(&o, "begun", s->begun);
    object_count(&o, "committed", s->committed);
    object_count(&o, "aborted", s->aborted);
    object_count(&o, "mixed", s->mixed);
    object_count(&o, "refused", s->refused);
    return object_take(&o);
}

static json_t *participants_json(const struct coordinator *core, const struct coordinator_stats *s)
{
    struct object o = object_new();
    struct participant_view view;
    uint64_t connected = 0;
    for (size_t cursor = 0; coordinator_next_participant(core, &cursor, &view);)
        connected += view.connected;
    object_count(&o, "known", s->participants);
    object_count(&o, "connected", connected);
    object_count(&o, "peers", s->peers);
    return object_take(&o);
}

static json_t *messages_json(const struct coordinator_stats *s, uint64_t garbage, uint64_t denied)
{
    struct object o = object_new();
    object_count(&o, "resent", s->resent);
    object_count(&o, "stale", s->stale);
    object_count(&o, "spoofed", s->spoofed);
    object_count(&o, "inquiries", s->inquiries);
    object_count(&o, "garbage", garbage);
    object_count(&o, "denied", denied);
    return object_take(&o);
}

static json_t *log_json(const struct admin_daemon *daemon)
{
    const struct log_queue_stats *s = &daemon->log;
    struct object o = object_new();
    object_count(&o, "head_seq", daemon->info.head_seq);
    object_ms(&o, "horizon_at_ms", daemon->info.horizon);
    object_count(&o, "batches", s->batches);
    object_count(&o, "syncs", s->syncs);
    object_count(&o, "puts", s->puts);
    object_count(&o, "lookups", s->lookups);
    object_count(&o, "bytes", s->bytes);
    object_count(&o, "oldest_seq", s->base_seq);
    object_count(&o, "transactions", s->keys);
    object_count(&o, "open", s->open);
    object_count(&o, "waiting", s->depth);
    return object_take(&o);
}

static json_t *net_json(const struct admin_daemon *daemon)
{
    const struct net_stats *s = &daemon->net;
    struct object o = object_new();
    object_count(&o, "frames_in", s->frames_in);
    object_count(&o, "frames_out", s->frames_out);
    object_count(&o, "messages_in", daemon->messages_in);
    object_count(&o, "messages_out", s->messages_out);
    object_count(&o, "bytes_in", s->bytes_in);
    object_count(&o, "bytes_out", s->bytes_out);
    object_count(&o, "dropped", s->dropped);
    object_count(&o, "malformed", s->malformed);
    object_count(&o, "refused", s->refused);
    object_count(&o, "handshakes_failed", s->handshakes_failed);
    return object_take(&o);
}

static json_t *endpoints_json(const struct admin_daemon *daemon)
{
    json_t *array = json_array();
    for (size_t i = 0; i < 16 && daemon->endpoints[i]; i++)
        if (json_array_append_new(array, json_of(slice_text(daemon->endpoints[i]))) != 0) {
            json_decref(array);
            return NULL;
        }
    return array;
}

void admin_status(const struct call *call)
{
    const struct admin_host *host = &call->admin->host;
    struct admin_daemon daemon = {0};
    struct coordinator_stats stats;
    host->daemon(host->arg, &daemon);
    coordinator_stats(host->core, &stats);
    uint64_t wall_ms = host->now(host->arg).wall_ms;
    struct object o = object_new();
    object_text(&o, "version", slice_text(ASSENT_VERSION_TEXT));
    object_count(&o, "pid", daemon.pid);
    object_text(&o, "data_dir", slice_text(daemon.data_dir));
    object_set(&o, "endpoints", endpoints_json(&daemon));
    object_text(&o, "store", slice_text(daemon.store));
    object_ms(&o, "started_at_ms", daemon.started_ms);
    object_count(&o, "uptime_ms", wall_ms > daemon.started_ms ? wall_ms - daemon.started_ms : 0);
    object_count(&o, "incarnation", daemon.info.incarnation);
    object_bool(&o, "draining", daemon.draining);
    object_set(&o, "transactions", transactions_json(&stats));
    object_set(&o, "participants", participants_json(host->core, &stats));
    object_set(&o, "messages", messages_json(&stats, daemon.garbage, call->admin->denied));
    object_set(&o, "log", log_json(&daemon));
    object_set(&o, "net", net_json(&daemon));
    call_reply(call, ASSENT_OK, object_take(&o));
}

static json_t *config_json(const struct admin_config *config)
{
    struct object o = object_new();
    object_text(&o, "key", slice_text(config->key));
    object_text(&o, "value", slice_text(config->value));
    object_text(&o, "from", slice_text(config->from));
    object_text(&o, "about", slice_text(config->about));
    object_bool(&o, "reloadable", config->reloadable);
    return object_take(&o);
}

void admin_config(const struct call *call)
{
    const struct admin_host *host = &call->admin->host;
    json_t *rows = json_array();
    struct admin_config config;
    struct object o = object_new();
    for (unsigned i = 0; host->config(host->arg, i, &config); i++)
        if (json_array_append_new(rows, config_json(&config)) != 0)
            o.failed = true;
    object_set(&o, "config", rows);
    call_reply(call, ASSENT_OK, object_take(&o));
}
