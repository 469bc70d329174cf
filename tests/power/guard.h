// SPDX-License-Identifier: Apache-2.0
// What each sync in a recording is for. Taken for none, one kind at a time, they show that the
// images would tell if it were missing.
#ifndef POWER_GUARD_H
#define POWER_GUARD_H

#include <stdbool.h>

#include "recorder.h"

// X(identifier, what is synced). Ours first, then LevelDB's own.
#define GUARDS(X)                                                                                  \
    X(BATCH, "batches that are to be durable")                                                     \
    X(LOG_LEFT, "a log file that the next one takes over from")                                    \
    X(LOG_NAME, "the name of a new log file")                                                      \
    X(TABLE_NAME, "the name of a new table")                                                       \
    X(CURRENT_NAME, "the new name of CURRENT")                                                     \
    X(HEAD, "the file head, when the log is opened")                                               \
    X(DIR, "the names of db and head")                                                             \
    X(PARENT, "the name of the log's directory, when it is new")                                   \
    X(CURRENT, "the content of CURRENT")                                                           \
    X(TABLE, "tables")                                                                             \
    X(MANIFEST, "manifests")                                                                       \
    X(MANIFEST_NAME, "the names of manifests")

enum guard {
#define X(identifier, about) GUARD_##identifier,
    GUARDS(X)
#undef X
        GUARD_COUNT,
    GUARD_NONE = GUARD_COUNT, // not a sync
};

extern const char *const guard_about[GUARD_COUNT];

// Of each record of a recording in which the log is in <log_dir>; to be freed.
enum guard *guards_of(const struct recording *recording, const char *log_dir);

#endif
