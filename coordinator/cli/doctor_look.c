// SPDX-License-Identifier: Apache-2.0
// One look: the databases, the journals and the coordinator, and the databases again after each.
// What is held has been held all the time. What a journal has promised and no database held, before
// the coordinator was asked, was not there while it was undecided.
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "core/gtid.h"
#include "doctor.h"

void doctor_unasked(struct doctor *self, const char *what, const char *name, const char *message)
{
    const json_t *known;
    size_t i;
    json_array_foreach(self->unasked, i, known) // once is enough, however often it is looked at
        if (is(known, "what", what) && is(known, "name", name)) return;
    if (json_array_append_new(self->unasked, json_pack("{s:s, s:s, s:s}", "what", what, "name",
                                                       name, "message", clean(message))) != 0)
        self->memory_out = true;
}

struct doctor_row *doctor_add(struct doctor *self, struct doctor_place *place)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 64;
        struct doctor_row *rows = realloc(self->rows, capacity * sizeof *rows);
        if (!rows) {
            self->memory_out = true;
            return NULL;
        }
        self->rows = rows;
        self->capacity = capacity;
    }
    struct doctor_row *row = &self->rows[self->count++];
    memset(row, 0, sizeof *row);
    row->place = place;
    return row;
}

static int by_gtid(const void *a, const void *b)
{
    const struct doctor_row *x = a, *y = b;
    int order = strcmp(x->parts.gtid, y->parts.gtid);
    if (order == 0)
        order = x->parts.branch - y->parts.branch;
    return order ? order : strcmp(x->prepared.name, y->prepared.name);
}

// ---- what is known of one, for the judge ----

// Which coordinator the branch's name speaks of, and of which run: a call's id, or the gtid.
static bool names_coordinator(const struct doctor_row *row, char ret[COORDINATOR_TEXT_BYTES],
                              uint64_t *ret_incarnation)
{
    struct gtid gtid;
    struct gtid_parts parts;
    if (row->parts.kind == ASSENT_XID_CALL) {
        const char *last = strrchr(row->parts.branch_id, '/');
        if (!last || last - row->parts.branch_id < COORDINATOR_TEXT_BYTES)
            return false;
        snprintf(ret, COORDINATOR_TEXT_BYTES, "%s", last - (COORDINATOR_TEXT_BYTES - 1));
        *ret_incarnation = row->attempt >> ATTEMPT_COUNTER_BITS;
        return true;
    }
    if (!gtid_from(slice_text(row->parts.gtid), &gtid) || !gtid_parse(&gtid, &parts))
        return false;
    coordinator_text(parts.coordinator, ret);
    *ret_incarnation = parts.incarnation;
    return true;
}

// It was not prepared before, so that it did not end before: by its age, else by its gtid.
static uint64_t not_before_ms(const struct doctor_row *row)
{
    struct gtid gtid;
    struct gtid_parts parts;
    uint64_t now_ms = clock_ms(CLOCK_REALTIME);
    if (row->held && row->prepared.age_s >= 0)
        return now_ms - 1000 * ((uint64_t)row->prepared.age_s + 1);
    bool made = gtid_from(slice_text(row->parts.gtid), &gtid) && gtid_parse(&gtid, &parts);
    return made ? parts.lease_ms : 0;
}

static int64_t age_ms(const struct doctor_row *row)
{
    uint64_t now_ms = clock_ms(CLOCK_REALTIME);
    uint64_t since_ms = row->journal_ms ? row->journal_ms : row->tx.started_ms;
    if (row->held && row->prepared.age_s >= 0)
        return row->prepared.age_s * 1000;
    if (!since_ms)
        return -1;
    return now_ms > since_ms ? (int64_t)(now_ms - since_ms) : 0;
}

static enum doctor_run run_of(const struct doctor_row *row)
{
    if (row->parts.kind != ASSENT_XID_CALL || row->attempt == row->tx.attempt)
        return DOCTOR_RUN_SAME;
    return row->attempt < row->tx.attempt || row->tx.attempt == 0 ? DOCTOR_RUN_EARLIER
                                                                  : DOCTOR_RUN_LATER;
}

static void judge(const struct doctor *self, struct doctor_row *row)
{
    char coordinator[COORDINATOR_TEXT_BYTES] = "";
    uint64_t incarnation = 0;
    struct doctor_truths t = {
        .older_ms = self->older_ms,
        .held = row->held,
        .here = row->prepared.here,
        .age_ms = age_ms(row),
        .xid = row->parts.kind,
        .fits = strcmp(row->parts.resource_hash, row->place->hash) == 0,
        .asked = !self->asked    ? DOCTOR_UNASKED
                 : row->tx.found ? DOCTOR_KNOWN
                                 : DOCTOR_SILENT,
        .collected = not_before_ms(row) < self->horizon_ms,
        .offline = self->cli->data_dir != NULL,
        .outcome = row->tx.branch_outcome ? row->tx.branch_outcome : row->tx.outcome,
        .run = run_of(row),
        .member = row->tx.member,
        .ended = row->tx.ended,
        .journal = row->journal,
        .journal_outcome = row->journal_outcome,
    };
    t.named = t.xid != ASSENT_XID_FOREIGN && names_coordinator(row, coordinator, &incarnation);
    t.same = t.named && strcmp(coordinator, self->coordinator) == 0;
    t.later = t.same && incarnation > self->incarnation;
    row->truths = t;
    row->verdict = doctor_judge(&t);
}

void doctor_look(struct doctor *self)
{
    self->count = 0;
    doctor_databases_read(self);
    doctor_journals_read(self);
    doctor_databases_again(self);
    if (self->count > 0)
        qsort(self->rows, self->count, sizeof *self->rows, by_gtid);
    doctor_coordinator_ask(self);
    doctor_databases_again(self);
    for (size_t i = 0; i < self->count; i++)
        judge(self, &self->rows[i]);
}
