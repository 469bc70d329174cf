// SPDX-License-Identifier: Apache-2.0
// What is known of branches, as JSON (docs/admin-schema.md): in memory, or on record.
#include <stdlib.h>

#include "admin_internal.h"

// Work that a participant has promised, and holds locks for; steps and deliveries hold none.
static bool branch_promises(const struct record_branch *b)
{
    return b->kind == 0 || b->kind == BRANCH_CALL || b->kind == BRANCH_ENLISTED;
}

// The promise may have been made, and the outcome has not been acknowledged.
bool admin_branch_in_doubt(const struct tx_view *view, const struct tx_view_branch *b)
{
    if (!branch_promises(&b->branch))
        return false;
    if (b->state == BRANCH_PREPARING) // electing: an earlier run asked it, and may have had its yes
        return view->state == TX_DELEGATED || view->state == TX_ELECTING;
    return b->state == BRANCH_PREPARED || b->state == BRANCH_COMMITTING ||
           b->state == BRANCH_ABORTING;
}

bool admin_branch_waiting(const struct tx_view *view, const struct tx_view_branch *b)
{
    if (view->state == TX_ELECTING) // any majority will do, so none of them is let off
        return b->state != BRANCH_DONE;
    return b->state == BRANCH_PREPARING || b->state == BRANCH_PAUSED ||
           b->state == BRANCH_COMMITTING || b->state == BRANCH_ABORTING;
}

static const char *vote_code(uint8_t vote)
{
    return vote == VOTE_READ_ONLY ? "read_only"
           : vote == VOTE_NO      ? "no"
           : vote == VOTE_YES     ? "yes"
                                  : "none";
}

static const char *state_name(enum tx_branch_state state)
{
    switch (state) {
    case BRANCH_ACTIVE: return "active";
    case BRANCH_PREPARING: return "preparing";
    case BRANCH_PAUSED: return "paused";
    case BRANCH_PREPARED: return "prepared";
    case BRANCH_COMMITTING: return "committing";
    case BRANCH_ABORTING: return "aborting";
    case BRANCH_DONE: return "done";
    }
    return "done";
}

// ---- how far it is, in the words of its protocol ----

static const char *ended_word(const struct record_branch *b, const char *done, const char *undone)
{
    if (b->vote == VOTE_NO)
        return "refused";
    if (b->outcome == OUTCOME_COMMITTED)
        return done;
    if (b->outcome == OUTCOME_UNKNOWN)
        return "unknown";
    return b->outcome == OUTCOME_ABORTED ? undone : "untouched";
}

static const char *try_word(const struct record_branch *b, enum tx_branch_state state)
{
    switch (state) {
    case BRANCH_ACTIVE:
    case BRANCH_PAUSED: return "waiting";
    case BRANCH_PREPARING: return "trying";
    case BRANCH_PREPARED: return "tried";
    case BRANCH_COMMITTING: return "confirming";
    case BRANCH_ABORTING: return "cancelling";
    case BRANCH_DONE: break;
    }
    return b->vote == VOTE_READ_ONLY ? "tried" : ended_word(b, "confirmed", "cancelled");
}

static const char *step_word(const struct record_branch *b, enum tx_branch_state state,
                             enum outcome decided)
{
    bool back = decided == OUTCOME_ABORTED, kept = b->plan.flags & STEP_KEPT;
    switch (state) {
    case BRANCH_ACTIVE: return back ? "to_compensate" : "waiting";
    case BRANCH_PREPARING: return back ? "to_compensate" : "trying";
    case BRANCH_PAUSED: return back ? "to_compensate" : "pausing";
    case BRANCH_PREPARED: return back ? kept ? "kept" : "to_compensate" : "succeeded";
    case BRANCH_COMMITTING: // back: one that never said that it was done may have been, or not
        return !back ? "succeeded" : b->vote == VOTE_YES ? "kept" : "unknown";
    case BRANCH_ABORTING: return "compensating";
    case BRANCH_DONE: break;
    }
    if (!back && b->outcome == OUTCOME_NONE && b->vote == VOTE_YES)
        return "succeeded";
    return ended_word(b, back && kept ? "kept" : "succeeded", "compensated");
}

static const char *sender_word(const struct record_branch *b, enum tx_branch_state state)
{
    if (state == BRANCH_PREPARING)
        return "asked";
    if (state == BRANCH_PAUSED)
        return "pausing";
    if (b->vote == VOTE_YES)
        return "sent";
    if (b->vote == VOTE_NO)
        return "dropped";
    return state == BRANCH_DONE ? "not_asked" : "waiting";
}

static const char *consumer_word(const struct record_branch *b, enum tx_branch_state state,
                                 enum outcome decided, uint32_t failures)
{
    if (decided == OUTCOME_ABORTED)
        return "dropped";
    if (state == BRANCH_DONE)
        return ended_word(b, "delivered", "dropped");
    if (state == BRANCH_PAUSED)
        return failures ? "pausing" : "delayed";
    return state == BRANCH_PREPARING ? "delivering" : "waiting";
}

static const char *progress_word(const struct tx_record *r, const struct record_branch *b,
                                 enum tx_branch_state state, uint32_t failures)
{
    enum outcome decided = (enum outcome)r->outcome;
    switch ((enum branch_kind)b->kind) {
    case BRANCH_STEP: return step_word(b, state, decided);
    case BRANCH_SENDER: return sender_word(b, state);
    case BRANCH_CONSUMER: return consumer_word(b, state, decided, failures);
    case BRANCH_CALL:
    case BRANCH_ENLISTED:
    case BRANCH_READ_ONLY:
    case BRANCH_TOPIC: break;
    }
    return try_word(b, state);
}

// ---- ----

static bool printable(struct slice text)
{
    const unsigned char *bytes = text.data;
    for (size_t i = 0; i < text.size; i++)
        if (bytes[i] < ' ' || bytes[i] == 0x7f)
            return false;
    return true;
}

// As text; what is none, in hexadecimal under another key.
static void object_bytes(struct object *o, const char *key, const char *hex_key, struct slice bytes)
{
    json_t *text = printable(bytes) && bytes.size ? json_stringn(bytes.data, bytes.size) : NULL;
    object_set(o, key, text ? text : json_null());
    char *hex = text || !bytes.size ? NULL : malloc(2 * bytes.size + 1);
    for (size_t i = 0; hex && i < bytes.size; i++)
        snprintf(hex + 2 * i, 3, "%02x", ((const unsigned char *)bytes.data)[i]);
    if (hex)
        object_text(o, hex_key, slice_of(hex, 2 * bytes.size));
    else if (!text && bytes.size)
        o->failed = true;
    free(hex);
}

static void object_after(struct object *o, uint64_t after)
{
    json_t *array = json_array();
    for (unsigned i = 0; i < LIMIT_BRANCHES; i++)
        if (after >> i & 1 && json_array_append_new(array, json_integer(i)) != 0)
            o->failed = true;
    object_set(o, "after", array);
}

static void object_plan(struct object *o, const struct record_branch *b)
{
    const struct branch_plan *plan = &b->plan;
    if (b->kind == BRANCH_CONSUMER)
        object_count(o, "delay_ms", plan->delay_ms);
    if (b->kind != BRANCH_STEP)
        return;
    object_after(o, plan->after);
    object_bool(o, "pivot", plan->flags & STEP_PIVOT);
    object_bool(o, "kept", plan->flags & STEP_KEPT);
    object_count(o, "attempts", plan->attempts);
    object_ms(o, "attempt_timeout_ms", plan->timeout_ms);
    object_ms(o, "backoff_ms", plan->backoff_ms);
    object_ms(o, "backoff_max_ms", plan->backoff_max_ms);
    object_bytes(o, "result", "result_hex", b->result);
}

static struct object branch_object(const struct tx_record *r, const struct record_branch *b)
{
    struct object o = object_new();
    object_count(&o, "branch", b->branch);
    object_text(&o, "participant", b->resource);
    enum branch_kind kind = b->kind ? (enum branch_kind)b->kind : BRANCH_CALL;
    object_text(&o, "kind", slice_text(branch_kind_name(kind)));
    object_text(&o, "vote", slice_text(vote_code(b->vote)));
    object_set(&o, "outcome", outcome_json(b->outcome));
    object_bool(&o, "heuristic", b->heuristic);
    const char *by_manager = heuristic_name(b->heuristic);
    object_set(&o, "by_manager", by_manager ? json_string(by_manager) : json_null());
    object_hex(&o, "journal", b->journal);
    if (protocol_business(r->protocol)) {
        if (r->ended_ms) // it went with the end
            object_set(&o, "payload_bytes", json_null());
        else
            object_count(&o, "payload_bytes", b->payload.size);
        object_plan(&o, b);
    }
    return o;
}

// What only branches have that are asked for one by one.
static void object_attempts(struct object *o, const struct tx_view_branch *b, struct now now)
{
    object_count(o, "failures", b->failures);
    if (b->trouble.size)
        object_text(o, "trouble", b->trouble);
    else
        object_set(o, "trouble", json_null());
    object_until(o, "next_attempt_ms", b->state == BRANCH_PAUSED ? b->attempt_due_ms : 0, now);
    object_until(o, "attempt_ends_ms", b->state == BRANCH_PREPARING ? b->attempt_due_ms : 0, now);
}

json_t *admin_view_branch_json(const struct tx_view *view, const struct tx_view_branch *b,
                               struct now now)
{
    const struct tx_record *r = &view->record;
    struct object o = branch_object(r, &b->branch);
    object_text(&o, "state", slice_text(state_name(b->state)));
    if (protocol_business(r->protocol))
        object_text(&o, "progress",
                    slice_text(progress_word(r, &b->branch, b->state, b->failures)));
    object_bool(&o, "in_doubt", admin_branch_in_doubt(view, b));
    object_bool(&o, "waiting", admin_branch_waiting(view, b));
    object_bool(&o, "connected", b->connected);
    object_ms(&o, "since_at_ms", b->since_ms);
    object_count(&o, "tries", b->tries);
    object_until(&o, "next_retry_ms", b->retry_due_ms, now);
    if (!branch_promises(&b->branch))
        object_attempts(&o, b, now);
    return object_take(&o);
}

// An operator let it go: something was owed to it, and it never said more.
static bool branch_forgotten(const struct tx_record *r, const struct record_branch *b)
{
    if (b->outcome != OUTCOME_NONE || b->kind == BRANCH_SENDER)
        return false;
    if (!protocol_business(r->protocol))
        return b->vote == VOTE_YES || r->outcome == OUTCOME_UNKNOWN;
    if (b->vote == VOTE_NO || b->vote == VOTE_READ_ONLY)
        return false;
    return b->vote == VOTE_YES ||
           (r->outcome == OUTCOME_COMMITTED ? !branch_promises(b) : b->asked & ASKED);
}

json_t *admin_record_branch_json(const struct tx_record *r, const struct record_branch *b)
{
    struct object o = branch_object(r, b);
    bool forgotten = branch_forgotten(r, b);
    object_text(&o, "state", slice_text(forgotten ? "forgotten" : "done"));
    if (protocol_business(r->protocol))
        object_text(&o, "progress",
                    slice_text(forgotten ? "forgotten" : progress_word(r, b, BRANCH_DONE, 0)));
    object_bool(&o, "in_doubt", false);
    object_bool(&o, "waiting", false);
    object_set(&o, "connected", json_null());
    object_set(&o, "since_at_ms", json_null());
    object_count(&o, "tries", 0);
    object_set(&o, "next_retry_ms", json_null());
    if (!branch_promises(b))
        object_attempts(&o, &(struct tx_view_branch){.state = BRANCH_DONE}, (struct now){0});
    return object_take(&o);
}
