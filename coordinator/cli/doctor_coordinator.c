// SPDX-License-Identifier: Apache-2.0
// What the coordinator says of the branches that were found: the running one, or its log.
#include <stdlib.h>
#include <string.h>

#include "doctor.h"
#include "store/inspect.h"
#include "wire/record_codec.h"

enum { BY_BYTES = 61 }; // what a coordinator records

static bool wanted(const struct doctor_row *row)
{
    return row->parts.kind != ASSENT_XID_FOREIGN;
}

// Whether a branch of the transaction is the row's: number and resource agree.
static bool is_of(const struct doctor_row *row, uint64_t branch, const char *resource)
{
    char hash[9];
    assent_xid_resource_hash(resource, hash);
    return branch == row->parts.branch && strcmp(hash, row->parts.resource_hash) == 0;
}

// ---- the running one ----

static enum outcome outcome_of(const char *text)
{
    return strcmp(text, "committed") == 0 ? OUTCOME_COMMITTED
           : strcmp(text, "aborted") == 0 ? OUTCOME_ABORTED
           : *text                        ? OUTCOME_UNKNOWN
                                          : OUTCOME_NONE;
}

static void take_transaction(struct doctor_row *row, const json_t *t)
{
    const json_t *b;
    size_t i;
    bool finished = member_bool(t, "finished");
    row->tx = (struct doctor_tx){.found = true,
                                 .attempt = strtoull(member_text(t, "attempt"), NULL, 10),
                                 .started_ms = member_count(t, "started_at_ms"),
                                 .outcome = outcome_of(member_text(t, "outcome"))};
    json_array_foreach(json_object_get(t, "branches"), i, b)
    {
        if (!is_of(row, member_count(b, "branch"), member_text(b, "participant")))
            continue;
        row->tx.member = true;
        row->tx.ended = finished || is(b, "state", "done") || is(b, "state", "forgotten");
        if (member_bool(b, "heuristic"))
            row->tx.branch_outcome = outcome_of(member_text(b, "outcome"));
    }
}

static void coordinator_failed(struct doctor *self, const assent_error *error)
{
    const char *dir = self->cli->data_dir;
    doctor_unasked(self, dir ? "log" : "coordinator", dir ? dir : "", error->message);
    session_close(&self->session);
    self->asked = false;
}

void doctor_coordinator_open(struct doctor *self)
{
    assent_error error;
    json_t *reply = NULL;
    if (self->cli->data_dir)
        return; // its log is read at each look
    int code = session_open(self->cli, &self->session, &error);
    if (code == ASSENT_OK)
        code = session_ask(self->session, "status", NULL, &reply, &error);
    if (code != ASSENT_OK) {
        coordinator_failed(self, &error);
        return;
    }
    snprintf(self->coordinator, sizeof self->coordinator, "%s", member_text(reply, "coordinator"));
    self->incarnation = member_count(reply, "incarnation");
    self->asked = true;
    json_decref(reply);
}

static int ask_one(struct doctor *self, const char *gtid, json_t **ret, assent_error *error)
{
    json_decref(*ret);
    *ret = NULL;
    return session_ask(self->session, "show", json_pack("{s:s}", "gtid", gtid), ret, error);
}

static void ask_running(struct doctor *self)
{
    json_t *reply = NULL; // of the row before, whose gtid is often the same
    const char *last = "";
    assent_error error;
    for (size_t i = 0; i < self->count; i++) {
        struct doctor_row *row = &self->rows[i];
        if (!wanted(row))
            continue;
        if (strcmp(row->parts.gtid, last) != 0 &&
            ask_one(self, row->parts.gtid, &reply, &error) != ASSENT_OK) {
            coordinator_failed(self, &error);
            break;
        }
        last = row->parts.gtid;
        const json_t *t = json_object_get(reply, "transaction");
        if (json_is_object(t))
            take_transaction(row, t);
        else if (member_count(reply, "horizon_at_ms") > self->horizon_ms) // it only ever moves on
            self->horizon_ms = member_count(reply, "horizon_at_ms");
    }
    json_decref(reply);
}

int doctor_retry(struct doctor *self, const char *gtid, assent_error *error)
{
    char by[BY_BYTES];
    json_t *reply = NULL;
    session_by(by, sizeof by);
    int code = session_ask(self->session, "retry", json_pack("{s:s, s:s}", "gtid", gtid, "by", by),
                           &reply, error);
    json_decref(reply);
    return code;
}

// ---- its log ----

static void take_record(struct doctor_row *row, const struct tx_record *record)
{
    char resource[LIMIT_NAME_BYTES + 1];
    row->tx = (struct doctor_tx){.found = true,
                                 .attempt = record->attempt,
                                 .started_ms = record->started_ms,
                                 .outcome = (enum outcome)record->outcome};
    for (unsigned i = 0; i < record->branch_count; i++) {
        const struct record_branch *b = &record->branches[i];
        snprintf(resource, sizeof resource, "%.*s", (int)b->resource.size,
                 (const char *)b->resource.data);
        if (!is_of(row, b->branch, resource))
            continue;
        row->tx.member = true;
        row->tx.ended = record->stage == STAGE_ENDED || b->outcome != OUTCOME_NONE;
        if (b->heuristic)
            row->tx.branch_outcome = (enum outcome)b->outcome;
    }
}

static int visit_record(void *arg, const struct inspect_record *inspected)
{
    static struct tx_record_storage storage;
    struct doctor *self = arg;
    struct tx_record record;
    bool read = false;
    if (!inspected->stands || inspected->forget)
        return 0;
    for (size_t i = 0; i < self->count; i++) {
        struct doctor_row *row = &self->rows[i];
        if (!wanted(row) || !slice_equal(slice_text(row->parts.gtid), inspected->key))
            continue;
        if (!read && record_decode_tx(inspected->value, &storage, &record, NULL) != ASSENT_OK)
            return 0;
        read = true;
        take_record(row, &record);
    }
    return 0;
}

static void read_log(struct doctor *self)
{
    struct inspect_summary summary;
    assent_error error;
    if (store_dump(self->cli->data_dir, 0, visit_record, self, &summary, &error) != ASSENT_OK) {
        // What could be read of a log is no truth: a record that is missing would be an abort.
        coordinator_failed(self, &error);
        return;
    }
    coordinator_text(summary.id, self->coordinator);
    self->incarnation = summary.incarnation;
    self->horizon_ms = summary.horizon;
    self->asked = true;
}

void doctor_coordinator_ask(struct doctor *self)
{
    if (self->cli->data_dir)
        read_log(self);
    else if (self->session)
        ask_running(self);
}
