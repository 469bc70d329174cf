// SPDX-License-Identifier: Apache-2.0
// What the operator's verbs need of the engine.
#include <string.h>
#include <unistd.h>

#include "base/check.h"
#include "engine_internal.h"

static void host_reply(void *arg, peer_t peer, uint64_t id, int code, struct slice json)
{
    struct engine *e = arg;
    struct msg msg = {.type = MSG_ADMIN_REPLY};
    msg.u.admin.id = id;
    msg.u.admin.code = (uint16_t)code;
    msg.u.admin.json = json;
    net_server_send(e->net, peer, &msg);
}

static void host_order(void *arg, const struct event_operator *order)
{
    struct engine *e = arg;
    struct event event = {.type = EVENT_OPERATOR, .u.op = *order};
    engine_step(e, &event);
}

static bool host_lookup(void *arg, uint64_t token, const struct gtid *gtid)
{
    struct engine *e = arg;
    return log_queue_lookup(e->log, token, record_key_tx(gtid));
}

static bool host_scan(void *arg, uint64_t token, uint64_t from_seq, store_visit *visit,
                      void *visit_arg)
{
    struct engine *e = arg;
    return log_queue_scan(e->log, token, false, true, from_seq, visit, visit_arg);
}

static struct now host_now(void *arg)
{
    struct engine *e = arg;
    return e->now;
}

static void host_daemon(void *arg, struct admin_daemon *ret)
{
    struct engine *e = arg;
    *ret = (struct admin_daemon){
        .data_dir = e->config->data_dir,
        .store = "leveldb",
        .pid = (uint64_t)getpid(),
        .started_ms = e->started_ms,
        .draining = e->draining,
        .messages_in = e->messages_in,
        .info = e->info,
    };
    ret->info.head_seq = e->head_seq;
    unsigned most = sizeof ret->endpoints / sizeof ret->endpoints[0] - 1;
    for (unsigned i = 0; i < most; i++) {
        ret->endpoints[i] = net_server_endpoint(e->net, i);
        if (!ret->endpoints[i])
            break;
    }
    for (int i = 0; i < GARBAGE_KINDS; i++)
        ret->garbage += e->garbage[i];
    log_queue_stats(e->log, &ret->log);
    net_server_stats(e->net, &ret->net);
}

static bool host_config(void *arg, unsigned index, struct admin_config *ret)
{
    struct engine *e = arg;
    const struct config_key *key = config_keys();
    while (key->path && index > 0) {
        key++;
        index--;
    }
    if (!key->path)
        return false;
    buf_reset(&e->text);
    config_text(e->config, key, &e->text);
    if (!buf_append(&e->text, "", 1))
        return false;
    *ret = (struct admin_config){
        .key = key->path,
        .value = (const char *)e->text.data,
        .from = config_from(e->config, key),
        .about = key->about,
        .reloadable = key->reloadable,
    };
    return true;
}

bool engine_admin_open(struct engine *e)
{
    const struct admin_host host = {
        .arg = e,
        .core = e->core,
        .reply = host_reply,
        .order = host_order,
        .lookup = host_lookup,
        .scan = host_scan,
        .now = host_now,
        .daemon = host_daemon,
        .config = host_config,
    };
    e->admin = admin_new(&host);
    return e->admin != NULL;
}
