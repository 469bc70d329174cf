// SPDX-License-Identifier: Apache-2.0
// The few things that the store asks of LevelDB. The only file that knows LevelDB's interface is
// kv.cc, which adds what LevelDB leaves out:
// - a log file that LevelDB leaves behind is synced before the next one is written to, so that a
//   synced write really makes everything before it durable;
// - the name of a new log file or table is durable before it is used, and so is that of a new
//   CURRENT;
// - no LOG files, which would grow without bound.
//
// One thread at a time.
#ifndef STORE_KV_H
#define STORE_KV_H

#include "base/error.h"
#include "base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kv;
struct kv_cursor;

// Opens the database with every check that LevelDB has. ASSENT_CORRUPT, ASSENT_LOCKED, ASSENT_IO.
// So many bytes of changes are kept in memory and one log file before they become a table; 0: the
// usual.
int kv_open(const char *dir, bool create, size_t buffer_bytes, struct kv **ret,
            assent_error *error);
void kv_close(struct kv **self_p);

// ASSENT_UNKNOWN (error untouched) when there is none. The slice is valid until the next kv_get.
int kv_get(struct kv *self, struct slice key, struct slice *ret, assent_error *error);

// Collects changes, which kv_commit then writes as one.
void kv_put(struct kv *self, struct slice key, struct slice value);
void kv_delete(struct kv *self, struct slice key);
size_t kv_pending_bytes(const struct kv *self);
void kv_abandon(struct kv *self); // forgets the changes collected
// After a failure nothing more may be written.
int kv_commit(struct kv *self, bool sync, assent_error *error);

// A cursor sees the database as it was when the cursor was made.
struct kv_cursor *kv_cursor_new(struct kv *self);
void kv_cursor_destroy(struct kv_cursor **self_p);
// The first entry at or after the key; the last one before or at it.
void kv_cursor_seek(struct kv_cursor *self, struct slice key);
void kv_cursor_seek_last(struct kv_cursor *self, struct slice key);
bool kv_cursor_valid(const struct kv_cursor *self);
void kv_cursor_next(struct kv_cursor *self);
void kv_cursor_prev(struct kv_cursor *self);
struct slice kv_cursor_key(const struct kv_cursor *self); // valid until the cursor moves
struct slice kv_cursor_value(const struct kv_cursor *self);
// Why the cursor is not valid: ASSENT_OK at the end.
int kv_cursor_status(const struct kv_cursor *self, assent_error *error);

#ifdef __cplusplus
}
#endif

#endif
