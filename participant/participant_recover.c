// SPDX-License-Identifier: Apache-2.0
// What the journal and the resource manager held when the last run ended.
#include "base/crash_point.h"
#include "participant_handle.h"
#include "wire/record_codec.h"

struct assent_recovery {
    assent_participant *participant;
    uint64_t found;
    bool failed;
};

// Steps before START have no other effects than to stop.
static int recover_step(assent_participant *p, struct event *event, assent_error *error)
{
    event->now = p->now;
    effects_reset(&p->fx);
    participant_step(p->core, event, &p->fx);
    if (p->fx.failed)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    for (size_t i = 0; i < p->fx.count; i++) {
        const struct effect *effect = &p->fx.items[i];
        if (effect->type == EFFECT_STOP)
            return error_set(error, effect->u.stop.code, "%.*s", (int)effect->u.stop.text.size,
                             (const char *)effect->u.stop.text.data);
    }
    return ASSENT_OK;
}

struct scan {
    assent_participant *participant;
    assent_error *error;
    int code;
    uint64_t in_doubt;
};

static int recover_record(void *arg, const struct store_record *stored)
{
    struct scan *scan = arg;
    struct branch_record record;
    scan->code = record_decode_branch(stored->value, &record, scan->error);
    if (scan->code != ASSENT_OK) {
        error_prefix(scan->error, "record %llu", (unsigned long long)stored->seq);
        return 1;
    }
    const assent_handlers *handlers = &scan->participant->handlers;
    if (record.stage != JOURNAL_FINISHED && !handlers_for(handlers, record.protocol, record.kind)) {
        scan->code =
            error_set(scan->error, ASSENT_STATE, "%.*s is unfinished, and of %s, without handlers",
                      record.gtid.size, record.gtid.text, protocol_name(record.protocol));
        return 1;
    }
    struct event event = {.type = EVENT_RECOVERED, .u.branch = &record};
    scan->in_doubt += record.stage == JOURNAL_PREPARED;
    scan->code = recover_step(scan->participant, &event, scan->error);
    return scan->code != ASSENT_OK;
}

static int recover_journal(assent_participant *p, struct store *store, uint64_t *ret_in_doubt,
                           assent_error *error)
{
    struct scan scan = {.participant = p, .error = error};
    int code = store->ops->scan(store, false, false, 0, recover_record, &scan, error);
    if (scan.code != ASSENT_OK)
        code = scan.code;
    *ret_in_doubt = scan.in_doubt;
    return code;
}

int assent_recovery_add(assent_recovery *recovery, const char *branch_id)
{
    struct branch_record record;
    if (!branch_id || !branch_id_parse(branch_id, &record))
        return ASSENT_INVALID;
    struct event event = {.type = EVENT_FOUND, .u.branch = &record};
    int code = recover_step(recovery->participant, &event, NULL);
    recovery->failed |= code != ASSENT_OK;
    recovery->found++;
    return code;
}

static int recover_resource_manager(assent_participant *p, uint64_t *ret_found, assent_error *error)
{
    struct assent_recovery recovery = {.participant = p};
    int refused = p->handlers.recover(p->context, &recovery);
    if (recovery.failed)
        return error_set(error, ASSENT_NOMEM, "out of memory for prepared branches");
    if (refused)
        return error_set(error, ASSENT_STATE, "the recover handler failed (%d)", refused);
    *ret_found = recovery.found;
    return ASSENT_OK;
}

int participant_recover(assent_participant *p, struct store *store, assent_error *error)
{
    uint64_t in_doubt = 0, found = 0;
    p->now = shell_now();
    int code = recover_journal(p, store, &in_doubt, error);
    if (code == ASSENT_OK && p->handlers.recover)
        code = recover_resource_manager(p, &found, error);
    if (code == ASSENT_OK && in_doubt + found > 0)
        CRASH_POINT(part_in_recovery);
    return code;
}
