// SPDX-License-Identifier: Apache-2.0
// Disks in memory: their records, what befalls them, and what a crash leaves.
#include <stdlib.h>

#include "base/check.h"
#include "base/crc32c.h"
#include "store/memory_internal.h"

struct memory_disk *memory_disk_new(void)
{
    struct memory_disk *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->first_seq = self->now.base_seq = 1;
    map_init(&self->newest, 1);
    return self;
}

void memory_disk_destroy(struct memory_disk **self_p)
{
    struct memory_disk *self = *self_p;
    if (!self)
        return;
    CHECK(!self->opened);
    for (size_t i = 0; i < self->count; i++)
        free(self->records[i]);
    free(self->records);
    free(self->unsynced);
    map_free(&self->newest);
    free(self);
    *self_p = NULL;
}

struct memory_faults *memory_disk_faults(struct memory_disk *self)
{
    return &self->faults;
}

uint64_t memory_disk_unsynced(const struct memory_disk *self)
{
    return self->unsynced_count;
}

struct memory_record *memory_record_at(const struct memory_disk *self, uint64_t seq)
{
    CHECK(seq >= self->first_seq && seq - self->first_seq < self->count);
    return self->records[seq - self->first_seq];
}

bool memory_stand(struct memory_disk *self, struct memory_record *record)
{
    struct memory_record *old = map_remove(&self->newest, record->key);
    self->open -= old && old->open ? 1 : 0;
    if (record->forget)
        return true;
    self->open += record->open ? 1 : 0;
    return map_insert(&self->newest, record->key, record);
}

static void drop_before(struct memory_disk *self, uint64_t seq)
{
    size_t gone = (size_t)(seq - self->first_seq);
    if (gone > 0)
        self->first_sum = self->records[gone - 1]->sum;
    for (size_t i = 0; i < gone; i++)
        free(self->records[i]);
    memmove(self->records, self->records + gone, (self->count - gone) * sizeof *self->records);
    self->count -= gone;
    self->first_seq = seq;
}

void memory_settle(struct memory_disk *self)
{
    self->unsynced_count = 0;
    self->witness = self->now.head_seq;
    // Moving the array costs its length: once for as many records as remain.
    if (self->now.base_seq - self->first_seq > self->count / 2)
        drop_before(self, self->now.base_seq);
}

void memory_cut(struct memory_disk *self, uint64_t head_seq)
{
    while (self->first_seq + self->count > head_seq + 1)
        free(self->records[--self->count]);
}

// Goes back to an extent and builds the index anew from it.
static void return_to(struct memory_disk *self, struct extent extent)
{
    map_free(&self->newest);
    map_init(&self->newest, 1);
    self->open = 0;
    memory_cut(self, extent.head_seq + self->torn);
    self->now = extent;
    for (uint64_t seq = extent.base_seq; seq <= extent.head_seq; seq++) {
        struct memory_record *record = memory_record_at(self, seq);
        bool stands = record->key.size == 0 || memory_stand(self, record);
        CHECK(stands); // there was room before, for as many
    }
}

void memory_disk_crash(struct memory_disk *self, uint64_t keep)
{
    free(self->opened);
    self->opened = NULL;
    if (keep < self->unsynced_count)
        return_to(self, self->unsynced[keep]);
    memory_settle(self);
}

void memory_disk_tear(struct memory_disk *self, uint64_t keep)
{
    if (keep < self->unsynced_count) {
        const struct extent *next =
            keep + 1 < self->unsynced_count ? &self->unsynced[keep + 1] : &self->now;
        self->torn = (size_t)(next->head_seq - self->unsynced[keep].head_seq) / 2;
    }
    memory_disk_crash(self, keep);
}

static void shorten(struct memory_disk *self, uint64_t records)
{
    struct extent extent = self->now;
    uint64_t length = extent.head_seq + 1 - extent.base_seq;
    CHECK(!self->opened);
    self->torn = 0;
    extent.head_seq -= records < length ? records : length;
    return_to(self, extent);
}

void memory_disk_roll_back(struct memory_disk *self, uint64_t records)
{
    shorten(self, records);
    memory_settle(self);
}

bool memory_disk_lose(struct memory_disk *self, uint64_t records)
{
    uint64_t witness = self->witness;
    memory_disk_roll_back(self, records);
    self->witness = witness;
    return self->now.head_seq < witness;
}

bool memory_disk_flip(struct memory_disk *self, uint64_t which)
{
    CHECK(!self->opened);
    for (size_t i = 0; i < self->count; i++) {
        struct memory_record *record = self->records[(which + i) % self->count];
        if (record->value.size == 0 || record->seq < self->now.base_seq ||
            record->seq > self->now.head_seq)
            continue;
        uint8_t *bytes = (uint8_t *)(record + 1) + record->key.size;
        bytes[which / 8 % record->value.size] ^= (uint8_t)(1u << which % 8);
        return true;
    }
    return false;
}

uint32_t memory_sum_of(const struct memory_record *record, uint32_t before)
{
    const uint64_t fields[] = {record->seq, record->stamp, record->key.size,
                               record->open | record->decided << 1 | record->forget << 2};
    uint32_t sum = crc32c(before, fields, sizeof fields);
    // Both lie behind the structure, one after the other.
    return crc32c(sum, record + 1, record->key.size + record->value.size);
}

static uint32_t last_sum(const struct memory_disk *self)
{
    return self->count ? self->records[self->count - 1]->sum : self->first_sum;
}

struct memory_record *memory_append(struct memory_disk *self, const struct memory_record *record)
{
    if (self->count == self->capacity) {
        size_t capacity = self->capacity ? self->capacity * 2 : 64;
        void *grown = realloc(self->records, capacity * sizeof *self->records);
        if (!grown)
            return NULL;
        self->records = grown;
        self->capacity = capacity;
    }
    struct memory_record *made = malloc(sizeof *made + record->key.size + record->value.size);
    if (!made)
        return NULL;
    uint8_t *room = (uint8_t *)(made + 1);
    *made = *record;
    made->seq = ++self->now.head_seq;
    if (record->key.size)
        memcpy(room, record->key.data, record->key.size);
    if (record->value.size)
        memcpy(room + record->key.size, record->value.data, record->value.size);
    made->key.data = room;
    made->value.data = room + record->key.size;
    made->sum = memory_sum_of(made, last_sum(self));
    self->records[self->count++] = made;
    return made;
}

struct memory_disk *memory_disk_copy(const struct memory_disk *self)
{
    struct memory_disk *copy = memory_disk_new();
    const struct extent *durable = self->unsynced_count ? self->unsynced : &self->now;
    if (!copy)
        return NULL;
    copy->id = self->id;
    copy->incarnation = self->incarnation;
    copy->opened_ms = self->opened_ms;
    copy->first_seq = self->first_seq;
    copy->first_sum = self->first_sum;
    copy->now.head_seq = self->first_seq - 1;
    for (size_t i = 0; i < self->count && self->records[i]->seq <= durable->head_seq; i++) {
        if (!memory_append(copy, self->records[i])) {
            memory_disk_destroy(&copy);
            return NULL;
        }
    }
    return_to(copy, *durable);
    memory_settle(copy);
    return copy;
}
