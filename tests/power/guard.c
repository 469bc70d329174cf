// SPDX-License-Identifier: Apache-2.0
#include "guard.h"

#include <stdlib.h>
#include <string.h>

#include "base/check.h"

const char *const guard_about[GUARD_COUNT] = {
#define X(identifier, about) [GUARD_##identifier] = about,
    GUARDS(X)
#undef X
};

static bool ends_with(const char *name, const char *end)
{
    size_t size = strlen(name), end_size = strlen(end);
    return size >= end_size && strcmp(name + size - end_size, end) == 0;
}

static enum guard of_file(const char *name, bool newest_log)
{
    if (ends_with(name, ".log"))
        return newest_log ? GUARD_BATCH : GUARD_LOG_LEFT;
    if (ends_with(name, ".ldb"))
        return GUARD_TABLE;
    if (ends_with(name, ".dbtmp"))
        return GUARD_CURRENT;
    if (strstr(name, "/MANIFEST-"))
        return GUARD_MANIFEST;
    CHECK(ends_with(name, "head"));
    return GUARD_HEAD;
}

static enum guard of_dir(const char *name, const char *log_dir, const struct record *before)
{
    if (strcmp(name, log_dir) == 0)
        return GUARD_DIR;
    if (!ends_with(name, "/db"))
        return GUARD_PARENT;
    if (before->kind == RECORD_CREATE && ends_with(before->name, ".log"))
        return GUARD_LOG_NAME;
    if (before->kind == RECORD_CREATE && ends_with(before->name, ".ldb"))
        return GUARD_TABLE_NAME;
    return before->kind == RECORD_RENAME ? GUARD_CURRENT_NAME : GUARD_MANIFEST_NAME;
}

enum guard *guards_of(const struct recording *recording, const char *log_dir)
{
    enum guard *guards = calloc(recording->count + 1, sizeof *guards);
    const char **name_of = calloc((size_t)recording->files + 1, sizeof *name_of);
    const struct record *before[2] = {recording->records, recording->records}; // of each thread
    int newest_log = -1;
    CHECK(guards && name_of);
    for (size_t i = 0; i < recording->count; i++) {
        const struct record *record = &recording->records[i];
        guards[i] = GUARD_NONE;
        if (record->kind == RECORD_CREATE) {
            name_of[record->file] = record->name;
            if (ends_with(record->name, ".log"))
                newest_log = record->file;
        }
        if (i >= recording->given && record->kind == RECORD_SYNC)
            guards[i] = of_file(name_of[record->file], record->file == newest_log);
        else if (i >= recording->given && record->kind == RECORD_SYNC_DIR)
            guards[i] = of_dir(record->name, log_dir, before[record->compaction]);
        before[record->compaction] = record;
    }
    free(name_of);
    return guards;
}
