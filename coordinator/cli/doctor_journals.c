// SPDX-License-Identifier: Apache-2.0
// What journals say. One that its participant has open is read from a copy: no file of it is ever
// changed but at its end or by putting another in its place, so that a copy that was taken in the
// right order is the journal as it was a moment ago; what was not is found out, and taken again.
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "doctor.h"
#include "store/inspect.h"
#include "wire/record_codec.h"

enum { COPIES_MAX = 5, COPY_CHUNK = 1 << 16 };

// ---- records ----

struct reader {
    struct doctor *doctor;
    struct doctor_place *place;
    size_t held; // rows of databases; behind them are those made here
};

static void row_take(struct doctor_row *row, const struct branch_record *record)
{
    row->journal = record->stage == JOURNAL_PREPARED  ? DOCTOR_JOURNAL_PREPARED
                   : record->stage == JOURNAL_DECIDED ? DOCTOR_JOURNAL_DECIDED
                                                      : DOCTOR_JOURNAL_FINISHED;
    row->journal_outcome = (enum outcome)record->outcome;
    row->journal_ms = record->prepared_ms;
}

static bool row_is_of(const struct doctor_row *row, const struct branch_record *record)
{
    return slice_equal(slice_text(row->parts.gtid), gtid_slice(&record->gtid)) &&
           row->parts.branch == record->branch &&
           (row->parts.kind == ASSENT_XID_ENLISTED ||
            (row->parts.kind == ASSENT_XID_CALL && row->attempt == record->attempt));
}

// What its participant has not finished, and the database does not hold.
static void row_make(struct reader *r, const struct branch_record *record)
{
    char coordinator[COORDINATOR_TEXT_BYTES];
    struct doctor_row *row = doctor_add(r->doctor, r->place);
    if (!row)
        return;
    bool call = record->kind == BRANCH_CALL;
    row->parts.kind = call ? ASSENT_XID_CALL : ASSENT_XID_ENLISTED;
    row->parts.branch = record->branch;
    row->attempt = record->attempt;
    memcpy(row->parts.gtid, record->gtid.text, record->gtid.size);
    memcpy(row->parts.resource_hash, r->place->hash, sizeof r->place->hash);
    coordinator_text(record->coordinator, coordinator);
    if (call)
        snprintf(row->parts.branch_id, sizeof row->parts.branch_id, "%s/%u/%s/%" PRIx64,
                 row->parts.gtid, record->branch, coordinator, record->attempt);
    row_take(row, record);
}

static int take_record(void *arg, const struct inspect_record *inspected)
{
    struct reader *r = arg;
    struct branch_record record;
    bool taken = false;
    if (!inspected->stands || inspected->forget || inspected->key.size == 0 ||
        record_decode_branch(inspected->value, &record, NULL) != ASSENT_OK ||
        protocol_business(record.protocol))
        return 0;
    for (size_t i = 0; i < r->held; i++)
        if (r->doctor->rows[i].place == r->place && row_is_of(&r->doctor->rows[i], &record)) {
            row_take(&r->doctor->rows[i], &record);
            taken = true;
        }
    if (!taken && record.stage != JOURNAL_FINISHED)
        row_make(r, &record);
    return 0;
}

static int read_dir(struct doctor *self, struct doctor_place *place, const char *dir,
                    assent_error *error)
{
    // Twice, so that a journal that cannot be read to its end leaves nothing half read.
    int code = store_verify(dir, NULL, NULL, NULL, error);
    struct reader reader = {self, place, self->count};
    return code ? code : store_dump(dir, 0, take_record, &reader, NULL, error);
}

// ---- copies ----

static int refuse(assent_error *error, const char *path)
{
    return error_set(error, ASSENT_IO, "%s: %s", path, strerror(errno));
}

static bool pour(int from, int to)
{
    static char chunk[COPY_CHUNK];
    ssize_t got;
    while ((got = read(from, chunk, sizeof chunk)) > 0)
        for (ssize_t put = 0, n; put < got; put += n)
            if ((n = write(to, chunk + put, (size_t)(got - put))) < 0)
                return false;
    return got == 0;
}

static int copy_file(const char *from, const char *to, assent_error *error)
{
    int in = open(from, O_RDONLY | O_CLOEXEC);
    if (in < 0)
        return refuse(error, from);
    int out = open(to, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    int code = out < 0 || !pour(in, out) ? refuse(error, to) : ASSENT_OK;
    if (out >= 0)
        close(out);
    close(in);
    return code;
}

// The files of the database whose names begin, or do not begin, like the manifest's and the one
// that names it.
static int copy_files(const char *from, const char *to, bool manifest, assent_error *error)
{
    char source[DOCTOR_PATH_BYTES], target[DOCTOR_PATH_BYTES];
    int code = ASSENT_OK;
    DIR *dir = opendir(from);
    if (!dir)
        return refuse(error, from);
    for (const struct dirent *entry; !code && (entry = readdir(dir));) {
        const char *name = entry->d_name;
        bool of_it = strncmp(name, "MANIFEST-", 9) == 0 || strcmp(name, "CURRENT") == 0;
        if (*name == '.' || strcmp(name, "LOCK") == 0 || strncmp(name, "LOG", 3) == 0 ||
            of_it != manifest)
            continue;
        snprintf(source, sizeof source, "%.3000s/%.255s", from, name);
        snprintf(target, sizeof target, "%.3000s/%.255s", to, name);
        code = copy_file(source, target, error);
    }
    closedir(dir);
    return code;
}

// What is known to be durable, then which files there are, then these: each may know more than the
// one before, and none less.
static int copy_journal(const char *journal, const char *copy, assent_error *error)
{
    char from[DOCTOR_PATH_BYTES], to[DOCTOR_PATH_BYTES];
    snprintf(from, sizeof from, "%.3000s/head", journal);
    snprintf(to, sizeof to, "%.3000s/head", copy);
    int code = copy_file(from, to, error);
    snprintf(from, sizeof from, "%.3000s/db", journal);
    snprintf(to, sizeof to, "%.3000s/db", copy);
    if (!code && mkdir(to, 0700) != 0)
        code = refuse(error, to);
    if (!code)
        code = copy_files(from, to, true, error);
    return code ? code : copy_files(from, to, false, error);
}

static void remove_files(const char *dir)
{
    char path[DOCTOR_PATH_BYTES];
    DIR *open = opendir(dir);
    for (const struct dirent *entry; open && (entry = readdir(open));) {
        snprintf(path, sizeof path, "%.3000s/%.255s", dir, entry->d_name);
        if (*entry->d_name != '.')
            unlink(path);
    }
    if (open)
        closedir(open);
    rmdir(dir);
}

static void remove_copy(const char *copy)
{
    char db[DOCTOR_PATH_BYTES];
    snprintf(db, sizeof db, "%.3000s/db", copy);
    remove_files(db);
    remove_files(copy);
}

static int read_copy(struct doctor *self, struct doctor_place *place, assent_error *error)
{
    const char *temporary = getenv("TMPDIR");
    char copy[DOCTOR_PATH_BYTES];
    snprintf(copy, sizeof copy, "%.3000s/assent-doctor-XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!mkdtemp(copy))
        return refuse(error, copy);
    int code = copy_journal(place->journal, copy, error);
    if (!code)
        code = read_dir(self, place, copy, error);
    remove_copy(copy);
    return code;
}

static int read_journal(struct doctor *self, struct doctor_place *place, assent_error *error)
{
    int code = read_dir(self, place, place->journal, error);
    if (code != ASSENT_LOCKED)
        return code;
    for (int tries = 0; code && tries < COPIES_MAX; tries++)
        code = read_copy(self, place, error);
    return code ? error_prefix(error, "it is in use, and a copy could not be read") : ASSENT_OK;
}

void doctor_journals_read(struct doctor *self)
{
    size_t held = self->count;
    for (size_t i = 0; i < self->place_count; i++) {
        struct doctor_place *place = &self->places[i];
        assent_error error;
        // Without the database nothing can be compared.
        place->journal_read =
            place->journal && place->session && read_journal(self, place, &error) == ASSENT_OK;
        if (place->journal && place->session && !place->journal_read)
            doctor_unasked(self, "journal", place->resource, error.message);
    }
    for (size_t i = 0; i < held; i++)
        if (self->rows[i].place->journal_read && self->rows[i].journal == DOCTOR_JOURNAL_UNREAD)
            self->rows[i].journal = DOCTOR_JOURNAL_NOTHING;
}
