// SPDX-License-Identifier: Apache-2.0
#include "store/audit.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/map.h"
#include "store/bytes.h"

// What is known of one key: keys are told apart by 128 bits of hash.
struct audit_key {
    uint64_t print[2];   // both 0: free
    uint64_t index_seq;  // what the index says; 0: nothing
    uint64_t record_seq; // newest record; 0: none seen yet
    uint8_t index_flags;
    uint8_t record_flags;
};

enum { KEYS_FIRST_CAPACITY = 1024 };

void audit_init(struct audit *self, const struct witness *witness)
{
    *self = (struct audit){.witness = witness, .result.empty = true};
}

void audit_free(struct audit *self)
{
    free(self->keys);
    self->keys = NULL;
}

static const char *place(struct audit_where where, char room[200])
{
    if (where.file)
        snprintf(room, 200, "%s at byte %" PRIu64 ": ", where.file, where.offset);
    else
        room[0] = 0;
    return room;
}

static int damaged(assent_error *error, struct audit_where where, const char *what, uint64_t seq)
{
    char room[200];
    return error_set(error, ASSENT_CORRUPT, "%srecord %" PRIu64 " %s", place(where, room), seq,
                     what);
}

static struct audit_key *find(struct audit_key *keys, size_t capacity, const uint64_t print[2])
{
    size_t at = print[0] & (capacity - 1);
    while ((keys[at].print[0] || keys[at].print[1]) &&
           (keys[at].print[0] != print[0] || keys[at].print[1] != print[1]))
        at = (at + 1) & (capacity - 1);
    return &keys[at];
}

static bool grow(struct audit *self)
{
    size_t capacity = self->capacity ? self->capacity * 2 : KEYS_FIRST_CAPACITY;
    struct audit_key *keys = calloc(capacity, sizeof *keys);
    if (!keys)
        return false;
    for (size_t i = 0; i < self->capacity; i++)
        if (self->keys[i].print[0] || self->keys[i].print[1])
            *find(keys, capacity, self->keys[i].print) = self->keys[i];
    free(self->keys);
    self->keys = keys;
    self->capacity = capacity;
    return true;
}

static struct audit_key *key_of(struct audit *self, struct slice key)
{
    static const uint64_t seed_a[2] = {0x61737365, 1}, seed_b[2] = {0x6e74, 2};
    uint64_t print[2] = {map_hash(seed_a, key), map_hash(seed_b, key)};
    if (self->count * 2 >= self->capacity && !grow(self))
        return NULL;
    struct audit_key *at = find(self->keys, self->capacity, print);
    if (!at->print[0] && !at->print[1]) {
        at->print[0] = print[0];
        at->print[1] = print[1];
        self->count++;
    }
    return at;
}

static int no_memory(assent_error *error)
{
    return error_set(error, ASSENT_NOMEM, "out of memory while checking the log");
}

static int index_entry(struct audit *self, struct slice key, struct slice value,
                       struct audit_where where, assent_error *error)
{
    char room[200];
    uint64_t seq;
    uint8_t flags;
    if (key.size < 2 || key.size > LIMIT_KEY_BYTES + 1 || !layout_index_decode(value, &seq, &flags))
        return error_set(error, ASSENT_CORRUPT, "%sa malformed index entry", place(where, room));
    struct audit_key *at = key_of(self, slice_of((const char *)key.data + 1, key.size - 1));
    if (!at)
        return no_memory(error);
    at->index_seq = seq;
    at->index_flags = flags;
    self->result.keys++;
    self->result.open += flags & RECORD_OPEN ? 1 : 0;
    return ASSENT_OK;
}

static int meta_entry(struct audit *self, struct slice key, struct slice value,
                      struct audit_where where, assent_error *error)
{
    char room[200];
    struct log_meta *meta = &self->result.meta;
    if (key.size != 1)
        return error_set(error, ASSENT_CORRUPT, "%san unknown entry", place(where, room));
    int code = layout_meta_decode(value, meta, error);
    if (code != ASSENT_OK)
        return where.file ? error_prefix(error, "%s at byte %" PRIu64, where.file, where.offset)
                          : code;
    self->meta_seen = true;
    self->next_seq = meta->base_seq;
    memcpy(self->hash, meta->base_hash, HASH_BYTES);
    uint8_t genesis[HASH_BYTES];
    layout_genesis_hash(meta->id, genesis);
    if (meta->base_seq == 1 && memcmp(genesis, meta->base_hash, HASH_BYTES) != 0)
        return error_set(error, ASSENT_CORRUPT, "%sthe meta entry is of another log",
                         place(where, room));
    return ASSENT_OK;
}

// The chain has reached the witness's record: its hash must be the one that was witnessed.
static int meet_witness(struct audit *self, struct audit_where where, assent_error *error)
{
    const struct witness *witness = self->witness;
    if (!witness || !witness->found || witness->head.seq + 1 != self->next_seq)
        return ASSENT_OK;
    self->result.witness_within = true;
    if (memcmp(witness->head.hash, self->hash, HASH_BYTES) != 0)
        return damaged(error, where,
                       "is not the one that the file head has seen: the log was "
                       "replaced or rewritten",
                       witness->head.seq);
    return ASSENT_OK;
}

static int chain_entry(struct audit *self, uint64_t seq, const struct log_record *record,
                       struct slice value, struct audit_where where, assent_error *error)
{
    if (memcmp(record->prev, self->hash, HASH_BYTES) != 0)
        return damaged(error, where,
                       "does not fit to the record before it: one of the two was "
                       "changed",
                       seq);
    layout_record_hash(seq, value, self->hash);
    self->next_seq = seq + 1;
    self->result.records++;
    return meet_witness(self, where, error);
}

static int record_entry(struct audit *self, struct slice key, struct slice value,
                        struct audit_where where, assent_error *error)
{
    char room[200];
    if (key.size != RECORD_KEY_SIZE)
        return error_set(error, ASSENT_CORRUPT, "%san unknown entry", place(where, room));
    uint64_t seq = get_u64_be((const uint8_t *)key.data + 1);
    struct log_record record;
    if (!self->meta_seen)
        return damaged(error, where, "is there, but the meta entry is missing", seq);
    if (seq < self->next_seq)
        return damaged(error, where, "should have been collected", seq);
    if (seq > self->result.meta.head_seq)
        return damaged(error, where, "lies past the head that the meta entry names", seq);
    if (seq > self->next_seq)
        return error_set(error, ASSENT_CORRUPT,
                         "%srecord %" PRIu64 " follows record %" PRIu64 " (%s): those between are "
                         "missing",
                         place(where, room), seq, self->next_seq - 1,
                         self->last[0] ? self->last : "the base");
    if (!layout_record_decode(seq, value, &record))
        return damaged(error, where, "is malformed", seq);
    int code = chain_entry(self, seq, &record, value, where, error);
    if (code != ASSENT_OK)
        return code;
    if (where.file)
        snprintf(self->last, sizeof self->last, "%s at byte %" PRIu64, where.file, where.offset);
    if (record.flags & RECORD_OPENED)
        return ASSENT_OK;
    struct audit_key *at = key_of(self, record.key);
    if (!at)
        return no_memory(error);
    at->record_seq = seq;
    at->record_flags = record.flags;
    return ASSENT_OK;
}

int audit_entry(struct audit *self, struct slice key, struct slice value, struct audit_where where,
                assent_error *error)
{
    char room[200];
    self->result.empty = false;
    char kind = key.size ? *(const char *)key.data : 0;
    if (kind == 'g')
        return index_entry(self, key, value, where, error);
    if (kind == 'm') {
        int code = meta_entry(self, key, value, where, error);
        return code == ASSENT_OK ? meet_witness(self, where, error) : code;
    }
    if (kind == 'r')
        return record_entry(self, key, value, where, error);
    return error_set(error, ASSENT_CORRUPT, "%san unknown entry", place(where, room));
}

static int check_index(const struct audit *self, assent_error *error)
{
    for (size_t i = 0; i < self->capacity; i++) {
        const struct audit_key *at = &self->keys[i];
        bool gone = !at->record_seq || (at->record_flags & RECORD_FORGET);
        uint64_t newest = gone ? 0 : at->record_seq;
        if (at->index_seq != newest)
            return error_set(error, ASSENT_CORRUPT,
                             "the index names record %" PRIu64 " where record %" PRIu64
                             " is the newest of its key (0: none)",
                             at->index_seq, newest);
        if (newest && at->index_flags != at->record_flags)
            return error_set(error, ASSENT_CORRUPT, "the index misstates record %" PRIu64, newest);
    }
    return ASSENT_OK;
}

static int check_head(const struct audit *self, assent_error *error)
{
    const struct log_meta *meta = &self->result.meta;
    if (self->next_seq != meta->head_seq + 1)
        return error_set(error, ASSENT_CORRUPT,
                         "the log ends at record %" PRIu64 " (%s), the meta entry says %" PRIu64,
                         self->next_seq - 1, self->last[0] ? self->last : "the base",
                         meta->head_seq);
    if (memcmp(self->hash, meta->head_hash, HASH_BYTES) != 0)
        return error_set(error, ASSENT_CORRUPT,
                         "record %" PRIu64 " (%s), the newest, is not the one that the meta entry "
                         "names",
                         meta->head_seq, self->last[0] ? self->last : "the base");
    return ASSENT_OK;
}

static int check_witness(const struct audit *self, assent_error *error)
{
    const struct witness *witness = self->witness;
    const struct log_meta *meta = &self->result.meta;
    if (!witness || !witness->found)
        return ASSENT_OK;
    if (witness->head.id != meta->id)
        return error_set(error, ASSENT_CORRUPT,
                         "the file head is of log %010" PRIx64 ", the database of log %010" PRIx64
                         ": they were mixed up",
                         witness->head.id, meta->id);
    if (witness->head.seq > meta->head_seq)
        return error_set(error, ASSENT_BEHIND,
                         "the log ends at record %" PRIu64 ", but record %" PRIu64
                         " was durable (file head): a file of db is older, cut short or missing",
                         meta->head_seq, witness->head.seq);
    return ASSENT_OK;
}

int audit_finish(struct audit *self, struct audit_result *ret, assent_error *error)
{
    int code = ASSENT_OK;
    if (!self->result.empty && !self->meta_seen)
        return error_set(error, ASSENT_CORRUPT, "the meta entry is missing");
    if (self->meta_seen) {
        code = check_head(self, error);
        code = code == ASSENT_OK ? check_index(self, error) : code;
        code = code == ASSENT_OK ? check_witness(self, error) : code;
    }
    if (code == ASSENT_OK)
        *ret = self->result;
    return code;
}
