// SPDX-License-Identifier: Apache-2.0
#include "store/leveldb_store.h"

#include <inttypes.h>
#include <stdlib.h>

#include "base/check.h"
#include "base/map.h"
#include "store/bytes.h"
#include "store/dirlock.h"
#include "store/puts.h"

enum { INDEX_KEY_MAX = LIMIT_KEY_BYTES + 1 };

static const struct slice meta_key = {"m", 1};

static struct slice index_key(struct slice key, uint8_t room[INDEX_KEY_MAX])
{
    room[0] = 'g';
    memcpy(room + 1, key.data, key.size);
    return slice_of(room, key.size + 1);
}

int store_fail(struct leveldb_store *self, assent_error *error, const assent_error *why)
{
    if (!self->failed)
        self->failure = *why;
    self->failed = true;
    return error_set(error, self->failure.code, "%s", self->failure.message);
}

int store_index_get(struct leveldb_store *self, struct slice key, uint64_t *ret_seq,
                    uint8_t *ret_flags, assent_error *error)
{
    uint8_t room[INDEX_KEY_MAX];
    struct slice value;
    int code = kv_get(self->kv, index_key(key, room), &value, error);
    *ret_seq = 0;
    *ret_flags = 0;
    if (code == ASSENT_UNKNOWN)
        return ASSENT_OK;
    if (code == ASSENT_OK && !layout_index_decode(value, ret_seq, ret_flags))
        return error_set(error, ASSENT_CORRUPT, "a malformed index entry");
    return code;
}

// Copies the value of record `seq`, which the index names.
static int record_value(struct leveldb_store *self, uint64_t seq, uint8_t **ret, size_t *ret_size,
                        assent_error *error)
{
    uint8_t key[RECORD_KEY_SIZE];
    struct slice bytes;
    struct log_record record;
    layout_record_key(seq, key);
    int code = kv_get(self->kv, slice_of(key, sizeof key), &bytes, error);
    if (code == ASSENT_UNKNOWN)
        return error_set(error, ASSENT_CORRUPT, "record %" PRIu64 " is missing", seq);
    if (code != ASSENT_OK)
        return code;
    if (!layout_record_decode(seq, bytes, &record))
        return error_set(error, ASSENT_CORRUPT, "record %" PRIu64 " is malformed", seq);
    uint8_t *copy = malloc(record.value.size + 1);
    if (!copy)
        return error_set(error, ASSENT_NOMEM, "out of memory for record %" PRIu64, seq);
    memcpy(copy, record.value.data, record.value.size);
    *ret = copy;
    *ret_size = record.value.size;
    return ASSENT_OK;
}

// ---- batches ----

void batch_begin(struct log_batch *batch, struct leveldb_store *self)
{
    kv_abandon(self->kv);
    *batch = (struct log_batch){
        .self = self, .meta = self->meta, .keys = self->keys, .open = self->open};
}

int batch_append(struct log_batch *batch, struct log_record *record, assent_error *error)
{
    struct buf *scratch = &batch->self->scratch;
    uint8_t key[RECORD_KEY_SIZE];
    record->seq = batch->meta.head_seq + 1;
    memcpy(record->prev, batch->meta.head_hash, HASH_BYTES);
    buf_reset(scratch);
    if (!layout_record_encode(scratch, record, batch->meta.head_hash))
        return error_set(error, ASSENT_NOMEM, "out of memory for a record");
    batch->meta.head_seq = record->seq;
    layout_record_key(record->seq, key);
    kv_put(batch->self->kv, slice_of(key, sizeof key), buf_slice(scratch));
    return ASSENT_OK;
}

void batch_index(struct log_batch *batch, const struct log_record *record)
{
    uint8_t key[INDEX_KEY_MAX], value[INDEX_VALUE_SIZE];
    layout_index_encode(record->seq, record->flags, value);
    kv_put(batch->self->kv, index_key(record->key, key), slice_of(value, sizeof value));
}

void batch_unindex(struct log_batch *batch, struct slice key)
{
    uint8_t room[INDEX_KEY_MAX];
    kv_delete(batch->self->kv, index_key(key, room));
}

static int write_witness(struct leveldb_store *self, assent_error *error)
{
    struct witness_head head = {
        .id = self->meta.id, .incarnation = self->meta.incarnation, .seq = self->meta.head_seq};
    memcpy(head.hash, self->meta.head_hash, HASH_BYTES);
    return witness_write(&self->witness, &head, error);
}

int batch_commit(struct log_batch *batch, bool sync, assent_error *error)
{
    struct leveldb_store *self = batch->self;
    uint8_t meta[META_SIZE];
    assent_error why;
    layout_meta_encode(&batch->meta, meta);
    kv_put(self->kv, meta_key, slice_of(meta, sizeof meta));
    // A crash before this returns leaves either all of the batch or nothing of it: LevelDB replays
    // a batch only when all of it is there.
    if (kv_commit(self->kv, sync, &why) != ASSENT_OK)
        return store_fail(self, error, &why);
    self->meta = batch->meta;
    self->keys = batch->keys;
    self->open = batch->open;
    if (!sync)
        return ASSENT_OK;
    self->meta.durable_seq = self->meta.head_seq;
    // A crash here leaves the witness behind the database, which is no contradiction; the next open
    // brings it up.
    if (write_witness(self, &why) != ASSENT_OK)
        return store_fail(self, error, &why);
    return ASSENT_OK;
}

// ---- apply ----

// What a key will be once the batch is written.
struct pending {
    uint64_t seq; // 0: forgotten
    uint8_t flags;
    struct slice value;
};

struct applying {
    struct log_batch batch;
    struct map by_key; // to struct pending
    struct pending *pending;
    size_t used;
};

static int current_of(struct applying *a, struct slice key, struct pending *ret,
                      assent_error *error)
{
    struct pending *in_batch = map_get(&a->by_key, key);
    if (in_batch) {
        *ret = *in_batch;
        return ASSENT_OK;
    }
    *ret = (struct pending){0};
    return store_index_get(a->batch.self, key, &ret->seq, &ret->flags, error);
}

static bool remember(struct applying *a, const struct store_put *put, struct pending now)
{
    struct pending *in_batch = map_get(&a->by_key, put->key);
    if (!in_batch) {
        in_batch = &a->pending[a->used++];
        if (!map_insert(&a->by_key, put->key, in_batch))
            return false;
    }
    *in_batch = now;
    return true;
}

static int answer_other(struct applying *a, struct store_put *put, const struct pending *standing,
                        assent_error *error)
{
    int code = ASSENT_OK;
    if (standing->seq <= a->batch.self->meta.head_seq) {
        code =
            record_value(a->batch.self, standing->seq, &put->standing, &put->standing_size, error);
    } else {
        put->standing = malloc(standing->value.size + 1);
        if (!put->standing)
            return error_set(error, ASSENT_NOMEM, "out of memory for an answer");
        memcpy(put->standing, standing->value.data, standing->value.size);
        put->standing_size = standing->value.size;
    }
    if (code == ASSENT_OK)
        put->answer = STORE_OTHER;
    return code;
}

static void count_change(struct log_batch *batch, const struct pending *was, uint8_t now)
{
    if (was->seq)
        batch->keys--;
    if (was->flags & RECORD_OPEN)
        batch->open--;
    if (!(now & RECORD_FORGET))
        batch->keys++;
    if (now & RECORD_OPEN)
        batch->open++;
}

static int apply_one(struct applying *a, struct store_put *put, assent_error *error)
{
    struct pending current;
    int code = current_of(a, put->key, &current, error);
    if (code != ASSENT_OK)
        return code;
    put->answer = STORE_STANDS;
    if (put->decide && (current.flags & RECORD_DECIDED))
        return answer_other(a, put, &current, error);
    if (put->forget && !current.seq)
        return ASSENT_OK;
    struct log_record record = {.key = put->key, .stamp = put->stamp};
    if (put->forget) {
        record.flags = RECORD_FORGET;
    } else {
        record.value = put->value;
        record.flags =
            (uint8_t)((put->open ? RECORD_OPEN : 0) | (put->decided ? RECORD_DECIDED : 0) |
                      (current.flags & RECORD_DECIDED));
    }
    code = batch_append(&a->batch, &record, error);
    if (code != ASSENT_OK)
        return code;
    if (put->forget)
        batch_unindex(&a->batch, put->key);
    else
        batch_index(&a->batch, &record);
    count_change(&a->batch, &current, record.flags);
    struct pending now = {put->forget ? 0 : record.seq, put->forget ? 0 : record.flags, put->value};
    return remember(a, put, now)
               ? ASSENT_OK
               : error_set(error, ASSENT_NOMEM, "out of memory for a batch of the log");
}

static int apply_all(struct applying *a, struct store_put *puts, size_t count, bool sync,
                     assent_error *error)
{
    struct leveldb_store *self = a->batch.self;
    for (size_t i = 0; i < count; i++) {
        int code = apply_one(a, &puts[i], error);
        if (code != ASSENT_OK)
            return code;
    }
    bool wrote = a->batch.meta.head_seq != self->meta.head_seq;
    if (!wrote && !(sync && self->meta.durable_seq != self->meta.head_seq))
        return ASSENT_OK; // nothing to write, nothing waiting to be synced
    return batch_commit(&a->batch, sync, error);
}

static int leveldb_apply(struct store *store, struct store_put *puts, size_t count, bool sync,
                         assent_error *error)
{
    struct leveldb_store *self = (struct leveldb_store *)store;
    if (self->failed)
        return store_fail(self, error, &self->failure);
    for (size_t i = 0; i < count; i++) {
        puts[i].standing = NULL;
        puts[i].standing_size = 0;
    }
    for (size_t i = 0; i < count; i++) {
        int code = puts_check(&puts[i], error);
        if (code != ASSENT_OK)
            return code;
    }
    struct applying a = {.pending = calloc(count + 1, sizeof *a.pending)};
    if (!a.pending)
        return error_set(error, ASSENT_NOMEM, "out of memory for a batch of the log");
    batch_begin(&a.batch, self);
    map_init(&a.by_key, self->meta.secret[0]);
    int code = apply_all(&a, puts, count, sync, error);
    if (code != ASSENT_OK) {
        kv_abandon(self->kv);
        puts_drop_answers(puts, count);
    }
    map_free(&a.by_key);
    free(a.pending);
    return code;
}

// ---- reading ----

static void leveldb_info(struct store *store, struct store_info *ret)
{
    const struct leveldb_store *self = (struct leveldb_store *)store;
    *ret = (struct store_info){.id = self->meta.id,
                               .secret = {self->meta.secret[0], self->meta.secret[1]},
                               .incarnation = self->meta.incarnation,
                               .head_seq = self->meta.durable_seq,
                               .base_seq = self->meta.base_seq,
                               .keys = self->keys,
                               .open = self->open,
                               .horizon = self->meta.horizon,
                               .opened_ms = self->meta.opened_ms};
    memcpy(ret->recovered, self->recovered, sizeof ret->recovered);
}

static int leveldb_lookup(struct store *store, struct slice key, uint8_t **ret_value,
                          size_t *ret_size, assent_error *error)
{
    struct leveldb_store *self = (struct leveldb_store *)store;
    uint64_t seq;
    uint8_t flags;
    if (key.size == 0 || key.size > LIMIT_KEY_BYTES)
        return ASSENT_UNKNOWN;
    int code = store_index_get(self, key, &seq, &flags, error);
    if (code != ASSENT_OK || !seq)
        return code == ASSENT_OK ? ASSENT_UNKNOWN : code;
    return record_value(self, seq, ret_value, ret_size, error);
}

struct scanning {
    struct leveldb_store *self;
    bool open_only;
    store_visit *visit;
    void *arg;
    int stop; // what the visitor returned
};

static int scan_one(struct scanning *s, struct kv_cursor *at, assent_error *error)
{
    uint64_t seq = get_u64_be((const uint8_t *)kv_cursor_key(at).data + 1), newest;
    uint8_t flags;
    struct log_record record;
    if (!layout_record_decode(seq, kv_cursor_value(at), &record))
        return error_set(error, ASSENT_CORRUPT, "record %" PRIu64 " is malformed", seq);
    if ((record.flags & (RECORD_OPENED | RECORD_FORGET)) ||
        (s->open_only && !(record.flags & RECORD_OPEN)))
        return ASSENT_OK;
    int code = store_index_get(s->self, record.key, &newest, &flags, error);
    if (code != ASSENT_OK || newest != seq)
        return code;
    struct store_record visible = {.key = record.key,
                                   .value = record.value,
                                   .open = record.flags & RECORD_OPEN,
                                   .stamp = record.stamp,
                                   .seq = seq};
    s->stop = s->visit(s->arg, &visible);
    return ASSENT_OK;
}

static bool at_record(const struct kv_cursor *at)
{
    if (!kv_cursor_valid(at))
        return false;
    struct slice key = kv_cursor_key(at);
    return key.size == RECORD_KEY_SIZE && *(const char *)key.data == 'r';
}

static int leveldb_scan(struct store *store, bool open_only, bool newest_first, uint64_t from_seq,
                        store_visit *visit, void *arg, assent_error *error)
{
    struct scanning s = {
        .self = (struct leveldb_store *)store, .open_only = open_only, .visit = visit, .arg = arg};
    const struct log_meta *meta = &s.self->meta;
    uint8_t key[RECORD_KEY_SIZE];
    uint64_t from = newest_first ? meta->head_seq : meta->base_seq;
    // Seeking to the base, and not to the first 'r', does not walk over what was deleted before it.
    if (from_seq && (newest_first ? from_seq < from : from_seq > from))
        from = from_seq;
    layout_record_key(from, key);
    struct kv_cursor *at = kv_cursor_new(s.self->kv);
    int code = ASSENT_OK;
    (newest_first ? kv_cursor_seek_last : kv_cursor_seek)(at, slice_of(key, sizeof key));
    while (code == ASSENT_OK && !s.stop && at_record(at)) {
        code = scan_one(&s, at, error);
        (newest_first ? kv_cursor_prev : kv_cursor_next)(at);
    }
    if (code == ASSENT_OK && !s.stop)
        code = kv_cursor_status(at, error);
    kv_cursor_destroy(&at);
    return code;
}

static void leveldb_close(struct store *store)
{
    struct leveldb_store *self = (struct leveldb_store *)store;
    kv_close(&self->kv);
    if (self->witness.fd >= 0 && !self->failed)
        witness_sync(&self->witness, NULL);
    witness_close(&self->witness);
    dirlock_release(&self->lock_fd);
    buf_free(&self->scratch);
    free(self);
}

const struct store_ops leveldb_ops = {
    .info = leveldb_info,
    .apply = leveldb_apply,
    .lookup = leveldb_lookup,
    .scan = leveldb_scan,
    .collect = leveldb_collect,
    .close = leveldb_close,
};
