// SPDX-License-Identifier: Apache-2.0
// What databases hold prepared, by their drivers.
#include <stdlib.h>
#include <string.h>

#include "doctor.h"

static void database_failed(struct doctor *self, struct doctor_place *place,
                            const assent_error *error)
{
    doctor_unasked(self, "database", place->resource, error->message);
    if (place->session)
        place->driver->close(&place->session);
    place->session = NULL;
}

void doctor_databases_open(struct doctor *self)
{
    for (size_t i = 0; i < self->place_count; i++) {
        struct doctor_place *place = &self->places[i];
        assent_error error;
        int code = sql_driver_load(place->address, &place->driver, &place->where, &error);
        if (code == ASSENT_OK)
            code = place->driver->connect(place->where, &place->session, &error);
        if (code != ASSENT_OK) {
            place->session = NULL;
            database_failed(self, place, &error);
        }
    }
}

void doctor_databases_close(struct doctor *self)
{
    for (size_t i = 0; i < self->place_count; i++)
        if (self->places[i].session)
            self->places[i].driver->close(&self->places[i].session);
}

// ---- the first look ----

struct visitor {
    struct doctor *doctor;
    struct doctor_place *place;
};

static uint64_t attempt_of(const assent_xid_parts *parts)
{
    const char *slash = strrchr(parts->branch_id, '/');
    return slash ? strtoull(slash + 1, NULL, 16) : 0;
}

static void visit_first(void *arg, const struct sql_prepared *prepared)
{
    const struct visitor *v = arg;
    struct doctor_row *row = doctor_add(v->doctor, v->place);
    if (!row)
        return;
    row->prepared = *prepared;
    row->held = true;
    assent_xid_parse(&prepared->xid, &row->parts);
    row->attempt = attempt_of(&row->parts);
}

static bool same_branch(const struct doctor_row *row, const struct sql_prepared *prepared)
{
    return row->held && strcmp(row->prepared.name, prepared->name) == 0;
}

// Both list what the whole server holds: is it at home in the other one?
static bool is_better(const struct doctor_row *a, const struct doctor_row *b)
{
    bool home_a = strcmp(a->parts.resource_hash, a->place->hash) == 0;
    bool home_b = strcmp(b->parts.resource_hash, b->place->hash) == 0;
    return home_a != home_b ? home_b : !a->prepared.here && b->prepared.here;
}

static void drop_repeated(struct doctor *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++) {
        const struct doctor_row *row = &self->rows[i];
        bool better = false;
        for (size_t j = 0; !better && self->place_count > 1 && j < self->count; j++)
            better = self->rows[j].place != row->place &&
                     self->rows[j].place->driver == row->place->driver &&
                     same_branch(&self->rows[j], &row->prepared) && is_better(row, &self->rows[j]);
        self->rows[i].still = !better;
    }
    for (size_t i = 0; i < self->count; i++)
        if (self->rows[i].still)
            self->rows[kept++] = self->rows[i];
    self->count = kept;
}

void doctor_databases_read(struct doctor *self)
{
    for (size_t i = 0; i < self->place_count; i++) {
        struct doctor_place *place = &self->places[i];
        struct visitor visitor = {self, place};
        assent_error error;
        if (place->session &&
            place->driver->prepared(place->session, visit_first, &visitor, &error) != ASSENT_OK)
            database_failed(self, place, &error);
    }
    drop_repeated(self);
}

// ---- the later ones ----

static void visit_again(void *arg, const struct sql_prepared *prepared)
{
    const struct visitor *v = arg;
    for (size_t i = 0; i < v->doctor->count; i++) {
        struct doctor_row *row = &v->doctor->rows[i];
        if (row->place == v->place && same_branch(row, prepared))
            row->still = true;
        // Prepared meanwhile, for a branch that only the journal knew.
        else if (row->place == v->place && !row->held) {
            assent_xid_parts parts;
            assent_xid_parse(&prepared->xid, &parts);
            row->still &= strcmp(parts.gtid, row->parts.gtid) != 0;
        }
    }
}

void doctor_databases_again(struct doctor *self)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->count; i++)
        self->rows[i].still = !self->rows[i].held;
    for (size_t i = 0; i < self->place_count; i++) {
        struct doctor_place *place = &self->places[i];
        struct visitor visitor = {self, place};
        assent_error error;
        if (place->session &&
            place->driver->prepared(place->session, visit_again, &visitor, &error) != ASSENT_OK)
            database_failed(self, place, &error);
    }
    for (size_t i = 0; i < self->count; i++)
        if (self->rows[i].still)
            self->rows[kept++] = self->rows[i];
    self->count = kept;
}

// ---- ending an orphan ----

int doctor_roll_back(struct doctor_row *row, assent_error *error)
{
    const struct xa_switch_t *xa = row->place->driver->xa;
    char info[MAXINFOSIZE];
    enum { RMID = 1 };
    if (snprintf(info, sizeof info, "%s", row->place->where) >= (int)sizeof info)
        return error_set(error, ASSENT_CONFIG, "the database's address is too long for XA");
    int code = xa->xa_open_entry(info, RMID, TMNOFLAGS);
    if (code != XA_OK)
        return error_set(error, ASSENT_UNAVAILABLE, "xa_open answered %s",
                         assent_xa_code_text(code));
    code = xa->xa_rollback_entry(&row->prepared.xid, RMID, TMNOFLAGS);
    xa->xa_close_entry(info, RMID, TMNOFLAGS);
    if (code == XA_OK || (code >= XA_RBBASE && code <= XA_RBEND))
        return ASSENT_OK;
    if (code == XAER_NOTA)
        return error_set(error, ASSENT_UNKNOWN, "it is gone");
    if (code == XA_RETRY)
        return error_set(error, ASSENT_BUSY,
                         "not now: the connection that prepared it is open (XA_RETRY)");
    return error_set(error, ASSENT_STATE, "xa_rollback answered %s", assent_xa_code_text(code));
}
