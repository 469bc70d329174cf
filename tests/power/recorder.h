// SPDX-License-Identifier: Apache-2.0
// Everything that the program does to the files of one directory tree, in order: what a power
// failure leaves depends on nothing else. The recorder stands in for the C library's calls in the
// whole program, LevelDB included. One thread does the program's work; LevelDB's compactions get
// their turns (turns.h) before and after it writes to a log file, and before it writes to the head.
#ifndef POWER_RECORDER_H
#define POWER_RECORDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NAME_SIZE = 64 };

enum record_kind {
    RECORD_CREATE, // a file came to be, or was emptied
    RECORD_MKDIR,
    RECORD_WRITE,
    RECORD_TRUNCATE,
    RECORD_RENAME,
    RECORD_UNLINK,
    RECORD_SYNC,     // of a file
    RECORD_SYNC_DIR, // of a directory: `name` is its path, "" for the root
    RECORD_MARK,     // of the program's own
};

struct record {
    enum record_kind kind;
    int file;             // CREATE, WRITE, TRUNCATE, SYNC, RENAME: which; numbered from 0
    char name[NAME_SIZE]; // relative to the root
    char to[NAME_SIZE];   // RENAME
    uint64_t at, size;    // WRITE, TRUNCATE; MARK: two numbers
    uint8_t *bytes;       // WRITE: owned
    bool compaction;      // whether LevelDB's compactions did it, or the program
};

struct recording {
    struct record *records; // owned
    size_t count, capacity;
    size_t given; // the first so many are what was there before, all of it durable
    int files;
};

// Records from now on, until recorder_end, which hands over what was recorded. The seed decides how
// the program and LevelDB's compactions take turns.
void recorder_begin(const char *root, uint64_t seed);
void recorder_mark(uint64_t first, uint64_t second);
void recorder_end(struct recording *ret);
void recording_free(struct recording *self);
uint64_t recording_digest(const struct recording *self); // of everything in it
// How much has been written to the log file that LevelDB made last.
uint64_t recorder_log_bytes(void);

#endif
