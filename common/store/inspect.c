// SPDX-License-Identifier: Apache-2.0
#include "store/inspect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "store/bytes.h"
#include "store/dirlock.h"
#include "store/image_logs.h"
#include "store/ldb_table.h"
#include "store/log_check.h"

// ---- what both do ----

static void summarize(const struct witness *witness, const struct log_check *check,
                      struct inspect_summary *ret)
{
    const struct log_meta *meta = &check->found.meta;
    const struct image_tear *tear =
        check->log_tear.present ? &check->log_tear : &check->manifest_tear;
    *ret = (struct inspect_summary){.id = meta->id,
                                    .incarnation = meta->incarnation,
                                    .opened_ms = meta->opened_ms,
                                    .first_seq = meta->base_seq,
                                    .last_seq = meta->head_seq,
                                    .records = check->found.records,
                                    .keys = check->found.keys,
                                    .open = check->found.open,
                                    .horizon = meta->horizon,
                                    .witness_found = witness->found,
                                    .witness_seq = witness->found ? witness->head.seq : 0};
    if (tear->present)
        snprintf(ret->tear, sizeof ret->tear, "db/%s at byte %" PRIu64 " of %" PRIu64 ": %s",
                 tear->file, tear->offset, tear->size, tear->why);
}

static int check_locked(const char *dir, log_check_visit *visit, void *arg,
                        struct inspect_summary *ret, assent_error *error)
{
    struct witness witness;
    struct log_check check;
    int code = witness_read(dir, &witness, error);
    if (code == ASSENT_OK)
        code = log_check_dir(dir, &witness, &check, visit, arg, error);
    if (code == ASSENT_OK && check.found.empty)
        code = error_set(error, ASSENT_IO, "%s: there is no log", dir);
    if (code == ASSENT_OK && ret)
        summarize(&witness, &check, ret);
    return code;
}

// ---- verify ----

struct survey {
    const char *db;
    inspect_damage *damage;
    void *arg;
};

static void tell(const struct survey *survey, const char *text)
{
    char line[ASSENT_ERROR_MESSAGE_MAX + 8];
    snprintf(line, sizeof line, "db/%s", text);
    survey->damage(survey->arg, line);
}

static void survey_table(const struct survey *survey, const struct ldb_manifest *manifest,
                         const struct ldb_table_file *file)
{
    struct ldb_table table;
    assent_error why;
    int code = ldb_table_open(survey->db, manifest, file, &table, &why);
    if (code == ASSENT_OK) {
        while (code == ASSENT_OK && table.valid)
            code = ldb_table_next(&table, &why);
        ldb_table_close(&table);
    }
    if (code != ASSENT_OK)
        tell(survey, why.message);
}

static void survey_logs(const struct survey *survey, uint64_t log_number)
{
    struct image_logs logs = {0};
    assent_error why;
    if (image_logs_read(survey->db, log_number, &logs, &why) != ASSENT_OK) {
        tell(survey, why.message);
    } else if (logs.tear.present) {
        error_set(&why, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": %s", logs.tear.file,
                  logs.tear.offset, logs.tear.why);
        tell(survey, why.message);
    }
    image_logs_free(&logs);
}

// Every file by itself: the first damage of each.
static void survey_files(const char *dir, inspect_damage *damage, void *arg)
{
    char db[4096];
    struct survey survey = {db, damage, arg};
    struct ldb_manifest manifest;
    assent_error why;
    snprintf(db, sizeof db, "%s/db", dir);
    if (ldb_manifest_read(db, &manifest, &why) != ASSENT_OK) {
        tell(&survey, why.message);
        return;
    }
    if (manifest.cut) {
        error_set(&why, ASSENT_CORRUPT, "%s at byte %" PRIu64 ": %s", manifest.name,
                  manifest.cut_at, manifest.cut_why);
        tell(&survey, why.message);
    }
    survey_logs(&survey, manifest.log_number);
    for (size_t i = 0; i < manifest.count; i++)
        survey_table(&survey, &manifest, &manifest.tables[i]);
    ldb_manifest_free(&manifest);
}

int store_verify(const char *dir, inspect_damage *damage, void *arg, struct inspect_summary *ret,
                 assent_error *error)
{
    int lock;
    int code = dirlock_share(dir, &lock, error);
    if (code != ASSENT_OK)
        return code;
    code = check_locked(dir, NULL, NULL, ret, error);
    if (damage && (code == ASSENT_CORRUPT || code == ASSENT_BEHIND || code == ASSENT_IO))
        survey_files(dir, damage, arg);
    dirlock_release(&lock);
    return code;
}

// ---- dump ----

struct dump {
    uint64_t from_seq;
    inspect_visit *visit;
    void *arg;
    bool stopped; // the visitor has seen enough
    // Sequence numbers of the records that stand: the index comes before the records.
    uint64_t *standing; // owned
    size_t count, capacity, at;
};

static int note_standing(struct dump *dump, struct slice value, assent_error *error)
{
    if (dump->count == dump->capacity) {
        size_t capacity = dump->capacity ? dump->capacity * 2 : 1024;
        uint64_t *grown = realloc(dump->standing, capacity * sizeof *grown);
        if (!grown)
            return error_set(error, ASSENT_NOMEM, "out of memory to read the index");
        dump->standing = grown;
        dump->capacity = capacity;
    }
    uint8_t flags;
    if (layout_index_decode(value, &dump->standing[dump->count], &flags))
        dump->count++;
    return ASSENT_OK;
}

static int compare_numbers(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool stands(struct dump *dump, uint64_t seq)
{
    while (dump->at < dump->count && dump->standing[dump->at] < seq)
        dump->at++;
    return dump->at < dump->count && dump->standing[dump->at] == seq;
}

static void show(struct dump *dump, uint64_t seq, const struct image_entry *entry)
{
    struct log_record record;
    if (dump->stopped || seq < dump->from_seq || !layout_record_decode(seq, entry->value, &record))
        return;
    struct inspect_record shown = {.seq = seq,
                                   .key = record.key,
                                   .value = record.value,
                                   .stamp = record.stamp,
                                   .stands = stands(dump, seq),
                                   .open = record.flags & RECORD_OPEN,
                                   .decided = record.flags & RECORD_DECIDED,
                                   .forget = record.flags & RECORD_FORGET,
                                   .carried = record.flags & RECORD_CARRIED,
                                   .opened = record.flags & RECORD_OPENED,
                                   .file = entry->where.file,
                                   .offset = entry->where.offset};
    if (shown.opened) {
        shown.incarnation = get_u64(record.value.data);
        shown.wall_ms = get_u64((const uint8_t *)record.value.data + 8);
    }
    dump->stopped = dump->visit(dump->arg, &shown) != 0;
}

static int dump_entry(void *arg, const struct image_entry *entry, assent_error *error)
{
    struct dump *dump = arg;
    const uint8_t *key = entry->key.data;
    if (key[0] == 'g')
        return note_standing(dump, entry->value, error);
    if (key[0] == 'm' && dump->count)
        qsort(dump->standing, dump->count, sizeof *dump->standing, compare_numbers);
    if (key[0] == 'r')
        show(dump, get_u64_be(key + 1), entry);
    return ASSENT_OK;
}

int store_dump(const char *dir, uint64_t from_seq, inspect_visit *visit, void *arg,
               struct inspect_summary *ret, assent_error *error)
{
    struct dump dump = {.from_seq = from_seq, .visit = visit, .arg = arg};
    int lock;
    int code = dirlock_share(dir, &lock, error);
    if (code != ASSENT_OK)
        return code;
    code = check_locked(dir, dump_entry, &dump, ret, error);
    free(dump.standing);
    dirlock_release(&lock);
    return code;
}
