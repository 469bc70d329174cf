// SPDX-License-Identifier: Apache-2.0
// doctor: compares what databases hold prepared with the coordinator and the journals; with --fix
// does what is safe.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "doctor.h"
#include "views.h"

static bool to_fix(const struct doctor_row *row)
{
    return row->verdict.roll_back || row->verdict.retry;
}

// ---- databases that tell no ages ----

static bool needs_watching(const struct doctor *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->rows[i].verdict.kind == DOCTOR_ORPHAN && self->rows[i].truths.age_ms < 0 &&
            self->rows[i].truths.fits && self->rows[i].truths.here)
            return true;
    return false;
}

static void wait_ms(uint64_t ms)
{
    uint64_t until = mono_ms() + ms;
    for (uint64_t now = mono_ms(); now < until; now = mono_ms()) {
        uint64_t left = until - now;
        nanosleep(&(struct timespec){.tv_sec = (time_t)(left / 1000),
                                     .tv_nsec = (long)(left % 1000) * 1000000},
                  NULL);
    }
}

static bool was_orphan(const struct doctor_row *before, size_t count, const struct doctor_row *row)
{
    for (size_t i = 0; i < count; i++)
        if (before[i].held && row->held && before[i].place == row->place &&
            before[i].verdict.kind == DOCTOR_ORPHAN &&
            strcmp(before[i].prepared.name, row->prepared.name) == 0)
            return true;
    return false;
}

// Looks again after as long as what is fixed has to be old: what was an orphan then and is one
// now has been prepared that long at least.
static void look_later(struct doctor *self)
{
    struct doctor_row *before = self->rows;
    size_t count = self->count;
    char age[AGE_TEXT_BYTES];
    fprintf(stderr, "assent: looking again in %s, since a database does not tell ages\n",
            format_age(self->older_ms, age));
    wait_ms(self->older_ms);
    self->rows = NULL;
    self->count = self->capacity = 0;
    doctor_look(self);
    for (size_t i = 0; i < self->count; i++) {
        struct doctor_row *row = &self->rows[i];
        row->truths.watched = was_orphan(before, count, row);
        row->verdict = doctor_judge(&row->truths);
    }
    free(before);
}

// ---- fixing ----

static void fix(struct doctor *self, struct doctor_row *row)
{
    assent_error error;
    int code = row->verdict.roll_back ? doctor_roll_back(row, &error)
                                      : doctor_retry(self, row->parts.gtid, &error);
    if (code == ASSENT_OK)
        row->fixed = row->verdict.roll_back ? "rolled back" : "its participant is asked again";
    else
        snprintf(row->trouble, sizeof row->trouble, "%s", error.message);
}

static void fix_all(struct doctor *self)
{
    if (needs_watching(self) && self->asked && !self->cli->data_dir && self->older_ms > 0)
        look_later(self);
    for (size_t i = 0; i < self->count; i++)
        if (to_fix(&self->rows[i]))
            fix(self, &self->rows[i]);
}

static enum exit_code status_of(const struct doctor *self)
{
    if (json_array_size(self->unasked) > 0)
        return EXIT_NOT_ASKED;
    for (size_t i = 0; i < self->count; i++)
        if (self->rows[i].verdict.finding && !self->rows[i].fixed)
            return EXIT_FINDINGS;
    return EXIT_OK;
}

static enum exit_code examine(struct doctor *self)
{
    doctor_coordinator_open(self);
    doctor_databases_open(self);
    doctor_look(self);
    if (self->cli->fix)
        fix_all(self);
    if (self->memory_out)
        return print_failed_as(self->cli, EXIT_FAILED, "NOMEM", "out of memory");
    enum exit_code exit = doctor_print(self);
    return exit == EXIT_OK ? status_of(self) : exit;
}

enum exit_code verb_doctor(struct cli *cli)
{
    static struct doctor d;
    d = (struct doctor){.cli = cli,
                        .older_ms = cli->older_said ? cli->older_ms : DOCTOR_OLDER_MS,
                        .unasked = json_array()};
    enum exit_code exit = d.unasked ? doctor_places(&d) : EXIT_FAILED;
    if (exit == EXIT_OK)
        exit = examine(&d);
    doctor_databases_close(&d);
    session_close(&d.session);
    doctor_places_free(&d);
    free(d.rows);
    json_decref(d.unasked);
    return exit;
}
