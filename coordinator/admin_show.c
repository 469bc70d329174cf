// SPDX-License-Identifier: Apache-2.0
// One transaction: in memory, else in the log, else what the log's silence means.
#include "admin_internal.h"

static json_t *verdict_json(const char *outcome, const char *text)
{
    struct object o = object_new();
    object_text(&o, "outcome", slice_text(outcome));
    object_text(&o, "text", slice_text(text));
    return object_take(&o);
}

static json_t *verdict_of(const struct tx_record *record)
{
    if (record->outcome == OUTCOME_NONE)
        return verdict_json(outcome_name(OUTCOME_NONE), "It is not decided yet.");
    if (record->outcome == OUTCOME_UNKNOWN)
        return verdict_json("unknown", "An operator let go of it before its one branch had said "
                                       "what it did.");
    if (record->mixed && record->heuristic.who.size == 0 && admin_manager_differs(record))
        return verdict_json(outcome_name((enum outcome)record->outcome),
                            "That is the decision, but a resource manager ended a branch "
                            "differently, or may have, by a decision of its own.");
    return verdict_json(outcome_name((enum outcome)record->outcome),
                        record->mixed ? "That is the decision, but an operator's word made, or may "
                                        "have made, branches end differently."
                                      : "That is the decision.");
}

// Why nothing is known of it, in words.
static const char *silence_text(const struct coordinator *core, const struct gtid *gtid,
                                enum outcome outcome)
{
    if (outcome == OUTCOME_ABORTED)
        return "This coordinator handed out that gtid in an earlier run and has no record of it, "
               "so it never committed: it counts as aborted.";
    struct frame_header header;
    struct gtid_parts parts;
    coordinator_header(core, 0, &header);
    if (!gtid_parse(gtid, &parts))
        return "No coordinator made that gtid, and no client used it here within the retention. "
               "That does not mean that it aborted.";
    if (parts.coordinator != header.coordinator)
        return "Another coordinator made that gtid: ask that one. Nothing about it is known here.";
    return parts.incarnation == header.incarnation
               ? "It never began, or it ended longer ago than the retention keeps. That does not "
                 "mean that it aborted."
               : "It is older than the retention keeps, so whether it committed is no longer "
                 "known.";
}

static json_t *foreign_of(struct admin *self, const struct gtid *gtid)
{
    json_t *rows = json_array();
    struct now now = self->host.now(self->host.arg);
    struct foreign_view view;
    for (size_t cursor = 0; coordinator_next_foreign(self->host.core, &cursor, &view);)
        if (gtid_equal(&view.gtid, gtid) &&
            json_array_append_new(rows, admin_foreign_json(&view, now)) != 0) {
            json_decref(rows);
            return NULL;
        }
    return rows;
}

// What a member of a three-phase transaction has promised is in the journal that was asked. Its
// participant has another one by now: that one has nothing to say.
static bool journal_lost(const struct coordinator *core, const struct record_branch *b)
{
    struct participant_view view;
    for (size_t cursor = 0; coordinator_next_participant(core, &cursor, &view);)
        if (slice_equal(view.resource, b->resource))
            return b->journal && view.journal && view.journal != b->journal;
    return false;
}

static json_t *transaction_json(struct admin *self, const struct tx_view *view)
{
    json_t *t = admin_view_json(view, true, self->host.now(self->host.arg));
    json_t *branches = json_object_get(t, "branches");
    for (unsigned i = 0; t && i < view->record.branch_count; i++) {
        if (view->record.protocol != PROTOCOL_3PC)
            break;
        bool lost = journal_lost(self->host.core, &view->branches[i].branch);
        if (json_object_set_new(json_array_get(branches, i), "journal_lost", json_boolean(lost))) {
            json_decref(t);
            return NULL;
        }
    }
    return t;
}

// In memory. False when it is not there.
static bool show_live(struct admin *self, const struct request *to)
{
    struct tx_view view;
    if (!coordinator_view(self->host.core, &to->gtid, &view))
        return false;
    struct object o = object_new();
    object_set(&o, "transaction", transaction_json(self, &view));
    object_set(&o, "foreign", foreign_of(self, &to->gtid));
    object_set(&o, "verdict", verdict_of(&view.record));
    admin_reply(self, to->peer, to->id, to->verb, ASSENT_OK, object_take(&o));
    return true;
}

static void show_record(struct admin *self, const struct request *to,
                        const struct tx_record *record)
{
    struct object o = object_new();
    object_set(&o, "transaction", admin_record_json(record, true, self->host.now(self->host.arg)));
    object_set(&o, "foreign", foreign_of(self, &to->gtid));
    object_set(&o, "verdict", verdict_of(record));
    admin_reply(self, to->peer, to->id, to->verb, ASSENT_OK, object_take(&o));
}

static void show_silence(struct admin *self, const struct request *to, uint64_t horizon_ms)
{
    enum outcome outcome = coordinator_silence(self->host.core, &to->gtid, horizon_ms);
    const char *text = silence_text(self->host.core, &to->gtid, outcome);
    struct object o = object_new();
    object_set(&o, "transaction", json_null());
    object_set(&o, "foreign", foreign_of(self, &to->gtid));
    object_set(&o, "verdict", verdict_json(outcome_name(outcome), text));
    object_ms(&o, "horizon_at_ms", horizon_ms);
    admin_reply(self, to->peer, to->id, to->verb, ASSENT_OK, object_take(&o));
}

void admin_show(const struct call *call)
{
    struct admin *self = call->admin;
    struct gtid gtid;
    if (!call_gtid(call, true, &gtid))
        return;
    struct request live = {.peer = call->caller->peer, .id = call->id, .verb = call->verb};
    live.gtid = gtid;
    if (show_live(self, &live))
        return;
    struct request *request = call_wait(call, REQUEST_SHOW);
    if (!request)
        return;
    request->gtid = gtid;
    if (self->host.lookup(self->host.arg, request->token, &gtid))
        return;
    call_reply(call, ASSENT_NOMEM, NULL);
    request_free(self, request);
}

void admin_show_looked_up(struct admin *self, struct request *request,
                          const struct log_answer *answer)
{
    if (show_live(self, request)) // it began meanwhile
        return;
    struct tx_record_storage storage;
    struct tx_record record;
    assent_error error = {0};
    if (answer->code == ASSENT_UNKNOWN) {
        show_silence(self, request, answer->horizon);
    } else if (answer->code != ASSENT_OK) {
        admin_fail(self, request->peer, request->id, request->verb, answer->code,
                   "the log could not be read: %s", assent_code_text(answer->code));
    } else if (record_decode_tx(slice_of(answer->value, answer->value_size), &storage, &record,
                                &error) != ASSENT_OK) {
        admin_fail(self, request->peer, request->id, request->verb, error.code,
                   "the log has a record of it that cannot be read: %s", error.message);
    } else {
        show_record(self, request, &record);
    }
}
