// SPDX-License-Identifier: Apache-2.0
// What is known of transactions and participants, as JSON (docs/admin-schema.md).
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "admin_internal.h"
#include "core/quorum.h"

struct object object_new(void)
{
    json_t *json = json_object();
    return (struct object){.json = json, .failed = !json};
}

void object_set(struct object *o, const char *key, json_t *value)
{
    if (o->failed || !value) {
        json_decref(value);
        o->failed = true;
        return;
    }
    o->failed = json_object_set_new(o->json, key, value) != 0;
}

json_t *json_of(struct slice text)
{
    const char *bytes = text.data;
    if (text.size == 0)
        return json_string("");
    if (!memchr(bytes, 0, text.size)) {
        json_t *json = json_stringn(bytes, text.size);
        if (json)
            return json;
    }
    char *clean = malloc(text.size);
    if (!clean)
        return NULL;
    for (size_t i = 0; i < text.size; i++)
        clean[i] = bytes[i] && !(bytes[i] & 0x80) ? bytes[i] : '?';
    json_t *json = json_stringn(clean, text.size);
    free(clean);
    return json;
}

void object_text(struct object *o, const char *key, struct slice text)
{
    object_set(o, key, json_of(text));
}

void object_count(struct object *o, const char *key, uint64_t value)
{
    object_set(o, key, json_integer(value > INT64_MAX ? INT64_MAX : (json_int_t)value));
}

void object_bool(struct object *o, const char *key, bool value)
{
    object_set(o, key, json_boolean(value));
}

void object_ms(struct object *o, const char *key, uint64_t ms)
{
    if (ms)
        object_count(o, key, ms);
    else
        object_set(o, key, json_null());
}

void object_until(struct object *o, const char *key, uint64_t due_ms, struct now now)
{
    if (due_ms)
        object_count(o, key, due_ms > now.mono_ms ? due_ms - now.mono_ms : 0);
    else
        object_set(o, key, json_null());
}

void object_hex(struct object *o, const char *key, uint64_t id)
{
    char text[17];
    snprintf(text, sizeof text, "%016" PRIx64, id);
    object_set(o, key, id ? json_string(text) : json_null());
}

json_t *object_take(struct object *o)
{
    json_t *json = o->json;
    o->json = NULL;
    if (!o->failed)
        return json;
    json_decref(json);
    return NULL;
}

static const char *const state_names[ADMIN_STATES] = {
    [ADMIN_ADMITTING] = "admitting", [ADMIN_ACTIVE] = "active",
    [ADMIN_HELD] = "held",           [ADMIN_PREPARING] = "preparing",
    [ADMIN_DECIDING] = "deciding",   [ADMIN_COMMITTING] = "committing",
    [ADMIN_ABORTING] = "aborting",   [ADMIN_ENDED] = "ended",
};

static const char *const outcome_names[ADMIN_OUTCOMES] = {
    [ADMIN_COMMITTED] = "committed",
    [ADMIN_ABORTED] = "aborted",
    [ADMIN_MIXED] = "mixed",
};

static bool name_parse(const char *const *names, int count, const char *name, int *ret)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0) {
            *ret = i;
            return true;
        }
    return false;
}

const char *admin_state_name(enum admin_state state)
{
    return state_names[state];
}

bool admin_state_parse(const char *name, enum admin_state *ret)
{
    int found;
    if (!name_parse(state_names, ADMIN_STATES, name, &found))
        return false;
    *ret = (enum admin_state)found;
    return true;
}

const char *admin_outcome_name(enum admin_outcome outcome)
{
    return outcome_names[outcome];
}

bool admin_outcome_parse(const char *name, enum admin_outcome *ret)
{
    int found;
    if (!name_parse(outcome_names, ADMIN_OUTCOMES, name, &found))
        return false;
    *ret = (enum admin_outcome)found;
    return true;
}

enum admin_state admin_state_of(const struct tx_view *view)
{
    switch (view->state) {
    case TX_ADMITTING: return ADMIN_ADMITTING;
    case TX_LOOKING: return ADMIN_ACTIVE;
    case TX_ACTIVE: return view->record.protocol == PROTOCOL_MESSAGE ? ADMIN_HELD : ADMIN_ACTIVE;
    case TX_PREPARING: return ADMIN_PREPARING;
    case TX_ELECTING:
    case TX_DECIDING:
    case TX_DELEGATING:
    case TX_DELEGATED: return ADMIN_DECIDING;
    case TX_COMMITTING: return ADMIN_COMMITTING;
    case TX_ABORTING: return ADMIN_ABORTING;
    case TX_ENDING:
    case TX_ENDED: return ADMIN_ENDED;
    }
    return ADMIN_ENDED;
}

enum admin_outcome admin_outcome_of(const struct tx_record *record)
{
    if (record->mixed)
        return ADMIN_MIXED;
    return record->outcome == OUTCOME_COMMITTED ? ADMIN_COMMITTED : ADMIN_ABORTED;
}

bool admin_in_doubt(const struct tx_view *view)
{
    for (unsigned i = 0; i < view->record.branch_count; i++)
        if (admin_branch_in_doubt(view, &view->branches[i]))
            return true;
    return false;
}

static const char *reason_code(uint8_t reason)
{
    switch ((enum abort_reason)reason) {
    case REASON_NONE: return "none";
    case REASON_VOTED_NO: return "voted_no";
    case REASON_TIMEOUT: return "timeout";
    case REASON_NO_VOTE: return "no_vote";
    case REASON_CANCELLED: return "cancelled";
    case REASON_OPERATOR: return "operator";
    case REASON_PRESUMED: return "presumed";
    case REASON_SHUTDOWN: return "shutdown";
    case REASON_MANAGER: return "manager";
    }
    return "other";
}

static json_t *reason_json(const struct tx_record *record)
{
    if (record->outcome != OUTCOME_ABORTED || record->reason == REASON_NONE)
        return json_null();
    struct object o = object_new();
    object_text(&o, "code", slice_text(reason_code(record->reason)));
    object_text(&o, "text", slice_text(reason_text((enum abort_reason)record->reason)));
    if (record->reason_branch == BRANCH_NONE)
        object_set(&o, "branch", json_null());
    else
        object_count(&o, "branch", record->reason_branch);
    object_text(&o, "detail", record->reason_text);
    return object_take(&o);
}

json_t *outcome_json(uint8_t outcome)
{
    if (outcome == OUTCOME_NONE)
        return json_null();
    return json_string(outcome_name((enum outcome)outcome));
}

bool admin_manager_differs(const struct tx_record *record)
{
    for (unsigned i = 0; i < record->branch_count; i++) {
        if (record_branch_differs(&record->branches[i], record->outcome))
            return true;
    }
    return false;
}

// Who made branches differ, or may have.
static json_t *mixed_by_json(const struct tx_record *r)
{
    bool manager = admin_manager_differs(r), order = r->heuristic.who.size > 0;
    if (!r->mixed)
        return json_null();
    return json_string(!manager ? "operator" : order ? "both" : "manager");
}

static json_t *heuristic_json(const struct record_heuristic *h)
{
    if (h->forced == OUTCOME_NONE && h->who.size == 0)
        return json_null();
    struct object o = object_new();
    object_set(&o, "forced", outcome_json(h->forced));
    object_text(&o, "by", h->who);
    object_text(&o, "why", h->why);
    object_ms(&o, "at_ms", h->when_ms);
    return object_take(&o);
}

static void object_attempt(struct object *o, uint64_t attempt)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, attempt);
    object_set(o, "attempt", json_string(text));
}

// What a row has in common, in memory or in the log.
static struct object record_object(const struct tx_record *r, struct now now)
{
    struct object o = object_new();
    object_text(&o, "gtid", gtid_slice(&r->gtid));
    object_text(&o, "owner", r->owner);
    object_text(&o, "protocol", slice_text(protocol_name((enum protocol)r->protocol)));
    object_set(&o, "outcome", outcome_json(r->outcome));
    object_bool(&o, "mixed", r->mixed);
    object_set(&o, "mixed_by", mixed_by_json(r));
    object_attempt(&o, r->attempt);
    object_ms(&o, "started_at_ms", r->started_ms);
    object_ms(&o, "decided_at_ms", r->decided_ms);
    object_ms(&o, "ended_at_ms", r->ended_ms);
    object_count(&o, "age_ms", now.wall_ms > r->started_ms ? now.wall_ms - r->started_ms : 0);
    object_set(&o, "reason", reason_json(r));
    object_set(&o, "heuristic", heuristic_json(&r->heuristic));
    object_count(&o, "branch_count", r->branch_count);
    if (r->protocol == PROTOCOL_3PC)
        object_count(&o, "majority", quorum_majority(r->branch_count));
    if (protocol_business(r->protocol)) {
        object_bool(&o, "submitted", r->submitted);
        object_ms(&o, "timeout_ms", r->timeout_ms);
    }
    return o;
}

// Names of those that owe an answer, each once, and when the first of them is asked again.
static void object_waiting(struct object *o, const struct tx_view *view, struct now now)
{
    json_t *names = json_array();
    // While it is elected the coordinator asks all together.
    uint64_t due_ms = view->state == TX_ELECTING ? view->deadline_ms : UINT64_MAX;
    unsigned waiting = 0;
    for (unsigned i = 0; i < view->record.branch_count; i++) {
        const struct tx_view_branch *b = &view->branches[i];
        if (!admin_branch_waiting(view, b))
            continue;
        waiting++;
        uint64_t again_ms = b->state == BRANCH_PAUSED ? b->attempt_due_ms : b->retry_due_ms;
        if (again_ms && again_ms < due_ms)
            due_ms = again_ms;
        bool known = json_array_size(names) >= ADMIN_WAITING_NAMES;
        for (unsigned j = 0; j < i && !known; j++)
            known = admin_branch_waiting(view, &view->branches[j]) &&
                    slice_equal(view->branches[j].branch.resource, b->branch.resource);
        if (!known && json_array_append_new(names, json_of(b->branch.resource)) != 0)
            o->failed = true;
    }
    object_set(o, "waiting_for", names);
    object_count(o, "waiting_count", waiting);
    object_until(o, "next_retry_ms", due_ms == UINT64_MAX ? 0 : due_ms, now);
}

// The branch that failed most often, of those that are still to be done.
static void object_trouble(struct object *o, const struct tx_view *view)
{
    const struct tx_view_branch *worst = NULL;
    for (unsigned i = 0; i < view->record.branch_count; i++) {
        const struct tx_view_branch *b = &view->branches[i];
        if (b->failures && admin_branch_waiting(view, b) &&
            (!worst || b->failures > worst->failures))
            worst = b;
    }
    if (!worst) {
        object_set(o, "trouble", json_null());
        return;
    }
    struct object trouble = object_new();
    object_count(&trouble, "branch", worst->branch.branch);
    object_text(&trouble, "participant", worst->branch.resource);
    object_count(&trouble, "failures", worst->failures);
    object_text(&trouble, "text", worst->trouble);
    object_set(o, "trouble", object_take(&trouble));
}

static void object_add_branch(struct object *o, json_t *branches, json_t *branch)
{
    if (json_array_append_new(branches, branch) != 0)
        o->failed = true;
}

// Where the members of a three-phase transaction have it in hand. All votes: this run has asked
// them to pre-commit. None: an earlier run admitted it, and how far they are is for them to say.
static json_t *election_json(const struct tx_view *view)
{
    if (view->state != TX_ELECTING)
        return json_null();
    bool voted = true;
    for (unsigned i = 0; i < view->record.branch_count; i++)
        voted &= view->branches[i].branch.vote == VOTE_YES;
    struct object o = object_new();
    object_text(&o, "asks", slice_text(voted ? "pre_commit" : "states"));
    return object_take(&o);
}

json_t *admin_view_json(const struct tx_view *view, bool branches, struct now now)
{
    const struct tx_record *r = &view->record;
    struct object o = record_object(r, now);
    enum admin_state state = admin_state_of(view);
    object_text(&o, "state", slice_text(admin_state_name(state)));
    object_bool(&o, "in_doubt", admin_in_doubt(view));
    object_bool(&o, "one_phase", view->state == TX_DELEGATING || view->state == TX_DELEGATED);
    object_bool(&o, "finished", false);
    // While it is elected that is when the members are asked again, and nothing ends by it.
    bool due = view->deadline_ms && r->outcome == OUTCOME_NONE && view->state != TX_ELECTING;
    object_until(&o, "deadline_ms", due && state != ADMIN_HELD ? view->deadline_ms : 0, now);
    if (r->protocol == PROTOCOL_MESSAGE)
        object_until(&o, "check_back_ms", due && state == ADMIN_HELD ? view->deadline_ms : 0, now);
    object_waiting(&o, view, now);
    if (r->protocol == PROTOCOL_3PC)
        object_set(&o, "election", election_json(view));
    if (protocol_business(r->protocol))
        object_trouble(&o, view);
    if (branches) {
        json_t *array = json_array();
        for (unsigned i = 0; i < r->branch_count; i++)
            object_add_branch(&o, array, admin_view_branch_json(view, &view->branches[i], now));
        object_set(&o, "branches", array);
    }
    return object_take(&o);
}

json_t *admin_record_json(const struct tx_record *r, bool branches, struct now now)
{
    struct object o = record_object(r, now);
    object_text(&o, "state", slice_text(admin_state_name(ADMIN_ENDED)));
    object_bool(&o, "in_doubt", false);
    object_bool(&o, "one_phase", false);
    object_bool(&o, "finished", true);
    object_set(&o, "deadline_ms", json_null());
    object_set(&o, "waiting_for", json_array());
    object_count(&o, "waiting_count", 0);
    object_set(&o, "next_retry_ms", json_null());
    if (r->protocol == PROTOCOL_3PC)
        object_set(&o, "election", json_null());
    if (branches) {
        json_t *array = json_array();
        for (unsigned i = 0; i < r->branch_count; i++)
            object_add_branch(&o, array, admin_record_branch_json(r, &r->branches[i]));
        object_set(&o, "branches", array);
    }
    return object_take(&o);
}

json_t *admin_foreign_json(const struct foreign_view *view, struct now now)
{
    char coordinator[COORDINATOR_TEXT_BYTES];
    coordinator_text(view->coordinator, coordinator);
    struct object o = object_new();
    object_text(&o, "gtid", gtid_slice(&view->gtid));
    object_count(&o, "branch", view->branch);
    object_text(&o, "participant", view->resource);
    object_text(&o, "coordinator", slice_text(coordinator));
    object_attempt(&o, view->attempt);
    object_ms(&o, "first_at_ms", view->first_ms);
    object_ms(&o, "last_at_ms", view->last_ms);
    object_count(&o, "age_ms", now.wall_ms > view->first_ms ? now.wall_ms - view->first_ms : 0);
    return object_take(&o);
}

json_t *admin_participant_json(const struct participant_view *view, struct now now)
{
    struct object o = object_new();
    object_text(&o, "participant", view->resource);
    object_bool(&o, "connected", view->connected);
    object_ms(&o, "last_heard_at_ms", view->last_heard_ms);
    object_count(&o, "incarnation", view->peer_incarnation);
    object_hex(&o, "journal", view->journal);
    object_count(&o, "outstanding", view->outstanding);
    object_count(&o, "retries", view->retries);
    object_until(&o, "next_retry_ms", view->retry_due_ms, now);
    return object_take(&o);
}
