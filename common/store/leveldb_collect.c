// SPDX-License-Identifier: Apache-2.0
// Cleaning the log's tail. Everything of one call is one batch: records go, open ones are carried
// to the head, and the base moves, all at once or not at all.
#include "store/leveldb_store.h"

#include <inttypes.h>

#include "store/bytes.h"
#include "store/tail_rule.h"

enum {
    COLLECT_RECORDS = 128,     // looked at in one call
    COLLECT_BYTES = 256 << 10, // written in one call
};

struct collecting {
    struct log_batch batch;
    uint64_t horizon;
    bool more;
};

static uint64_t length_of(const struct log_meta *meta)
{
    return meta->head_seq + 1 - meta->base_seq;
}

static enum tail_fate fate_of(const struct collecting *c, const struct log_record *record)
{
    const struct log_batch *batch = &c->batch;
    struct tail_log log = {.length = length_of(&batch->meta),
                           .keys = batch->keys,
                           .open = batch->open,
                           .closed_max = batch->self->records_max,
                           .horizon = c->horizon};
    return tail_fate_of(&log, record->flags & RECORD_OPEN, record->stamp);
}

static int carry(struct collecting *c, const struct log_record *old, assent_error *error)
{
    struct log_record record = *old;
    record.flags |= RECORD_CARRIED;
    int code = batch_append(&c->batch, &record, error);
    if (code == ASSENT_OK)
        batch_index(&c->batch, &record);
    return code;
}

static void expire(struct collecting *c, const struct log_record *record)
{
    batch_unindex(&c->batch, record->key);
    c->batch.keys--;
    // Whoever asks for what is as old must not hear that it never was.
    if (record->stamp >= c->batch.meta.horizon)
        c->batch.meta.horizon = record->stamp + 1;
}

static int judge(struct collecting *c, const struct log_record *record, enum tail_fate *ret,
                 assent_error *error)
{
    *ret = TAIL_DROP;
    if (record->flags & (RECORD_OPENED | RECORD_FORGET))
        return ASSENT_OK;
    uint64_t newest;
    uint8_t flags;
    int code = store_index_get(c->batch.self, record->key, &newest, &flags, error);
    if (code == ASSENT_OK && newest == record->seq)
        *ret = fate_of(c, record);
    return code;
}

// Takes one record off the tail. *ret_stop: the tail stays where it is.
static int take_one(struct collecting *c, struct kv_cursor *at, bool *ret_stop, assent_error *error)
{
    struct log_meta *meta = &c->batch.meta;
    uint64_t seq = meta->base_seq;
    struct slice key = kv_cursor_key(at), value = kv_cursor_value(at);
    struct log_record record;
    enum tail_fate fate;
    if (key.size != RECORD_KEY_SIZE || get_u64_be((const uint8_t *)key.data + 1) != seq ||
        !layout_record_decode(seq, value, &record))
        return error_set(error, ASSENT_CORRUPT, "record %" PRIu64 " is missing or malformed", seq);
    int code = judge(c, &record, &fate, error);
    if (code != ASSENT_OK)
        return code;
    *ret_stop = fate == TAIL_STOP;
    if (fate == TAIL_STOP)
        return ASSENT_OK;
    if (fate == TAIL_EXPIRE)
        expire(c, &record);
    if (fate == TAIL_CARRY)
        code = carry(c, &record, error);
    kv_delete(c->batch.self->kv, key);
    layout_record_hash(seq, value, meta->base_hash);
    meta->base_seq = seq + 1;
    return code;
}

static int take_some(struct collecting *c, struct kv_cursor *at, assent_error *error)
{
    struct leveldb_store *self = c->batch.self;
    uint64_t last = self->meta.durable_seq; // what is not durable yet is left alone
    for (int n = 0; c->batch.meta.base_seq <= last; n++) {
        bool stop = false;
        if (n == COLLECT_RECORDS || kv_pending_bytes(self->kv) > COLLECT_BYTES) {
            c->more = true;
            return ASSENT_OK;
        }
        if (!kv_cursor_valid(at)) {
            int code = kv_cursor_status(at, error);
            return code != ASSENT_OK
                       ? code
                       : error_set(error, ASSENT_CORRUPT, "record %" PRIu64 " is missing",
                                   c->batch.meta.base_seq);
        }
        int code = take_one(c, at, &stop, error);
        if (code != ASSENT_OK || stop)
            return code;
        kv_cursor_next(at);
    }
    return ASSENT_OK;
}

int leveldb_collect(struct store *store, uint64_t horizon, bool *ret_more, assent_error *error)
{
    struct leveldb_store *self = (struct leveldb_store *)store;
    struct collecting c = {.horizon = horizon};
    uint8_t key[RECORD_KEY_SIZE];
    if (self->failed)
        return store_fail(self, error, &self->failure);
    batch_begin(&c.batch, self);
    layout_record_key(c.batch.meta.base_seq, key);
    struct kv_cursor *at = kv_cursor_new(self->kv);
    kv_cursor_seek(at, slice_of(key, sizeof key));
    int code = take_some(&c, at, error);
    kv_cursor_destroy(&at);
    bool changed = c.batch.meta.base_seq != self->meta.base_seq;
    if (code == ASSENT_OK && changed)
        code = batch_commit(&c.batch, false, error);
    else
        kv_abandon(self->kv);
    if (code == ASSENT_OK)
        *ret_more = c.more;
    return code;
}
