// SPDX-License-Identifier: Apache-2.0
// The store that is opened on a disk in memory.
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

#include "base/check.h"
#include "base/limits.h"
#include "base/mutant.h"
#include "store/memory_internal.h"
#include "store/puts.h"
#include "store/tail_rule.h"

enum { COLLECT_RECORDS = 128 };

// ---- writing ----

static int no_memory(assent_error *error)
{
    return error_set(error, ASSENT_NOMEM, "out of memory for the log in memory");
}

static bool due(uint64_t *countdown)
{
    return *countdown && --*countdown == 0;
}

static int begin_batch(struct memory_store *self, assent_error *error)
{
    struct memory_disk *disk = self->disk;
    if (!self->failed && due(&disk->faults.fail_apply_at))
        self->failed = true;
    if (self->failed)
        return error_set(error, ASSENT_IO, "the disk fails, as was asked for");
    if (disk->unsynced_count == disk->unsynced_capacity) {
        size_t capacity = disk->unsynced_capacity ? disk->unsynced_capacity * 2 : 16;
        void *grown = realloc(disk->unsynced, capacity * sizeof *disk->unsynced);
        if (!grown)
            return no_memory(error);
        disk->unsynced = grown;
        disk->unsynced_capacity = capacity;
    }
    disk->unsynced[disk->unsynced_count] = disk->now;
    return ASSENT_OK;
}

static void end_batch(struct memory_disk *disk)
{
    const struct extent *before = &disk->unsynced[disk->unsynced_count];
    if (before->head_seq != disk->now.head_seq || before->base_seq != disk->now.base_seq)
        disk->unsynced_count++;
}

static int sync_disk(struct memory_store *self, assent_error *error)
{
    const struct memory_faults *faults = &self->disk->faults;
    if (faults->slow_us) {
        struct timespec pause = {faults->slow_us / 1000000,
                                 (long)(faults->slow_us % 1000000) * 1000};
        nanosleep(&pause, NULL);
    }
    if (due(&self->disk->faults.fail_sync_at)) {
        self->failed = true;
        return error_set(error, ASSENT_IO, "the sync fails, as was asked for");
    }
    memory_settle(self->disk);
    return ASSENT_OK;
}

static int answer_other(struct store_put *put, const struct memory_record *standing,
                        assent_error *error)
{
    put->standing = malloc(standing->value.size + 1);
    if (!put->standing)
        return no_memory(error);
    memcpy(put->standing, standing->value.data, standing->value.size);
    put->standing_size = standing->value.size;
    put->answer = STORE_OTHER;
    return ASSENT_OK;
}

static int apply_one(struct memory_disk *disk, struct store_put *put, assent_error *error)
{
    const struct memory_record *old = map_get(&disk->newest, put->key);
    put->answer = STORE_STANDS;
    if (put->decide && old && (old->decided || MUTANT(ADMISSION_STANDS)))
        return answer_other(put, old, error);
    if (put->forget && !old)
        return ASSENT_OK;
    struct memory_record record = {.key = put->key, .stamp = put->stamp, .forget = put->forget};
    if (!put->forget) {
        record.value = put->value;
        record.open = put->open;
        record.decided = put->decided || (old && old->decided);
    }
    struct memory_record *made = memory_append(disk, &record);
    return made && memory_stand(disk, made) ? ASSENT_OK : no_memory(error);
}

static int apply_all(struct memory_store *self, struct store_put *puts, size_t count, bool sync,
                     assent_error *error)
{
    int code = begin_batch(self, error);
    for (size_t i = 0; code == ASSENT_OK && i < count; i++)
        code = apply_one(self->disk, &puts[i], error);
    if (code == ASSENT_OK) {
        end_batch(self->disk);
        code = sync ? sync_disk(self, error) : ASSENT_OK;
    }
    if (code != ASSENT_OK) {
        self->failed = true;
        puts_drop_answers(puts, count);
    }
    return code;
}

static int memory_apply(struct store *store, struct store_put *puts, size_t count, bool sync,
                        assent_error *error)
{
    struct memory_store *self = (struct memory_store *)store;
    int code = ASSENT_OK;
    for (size_t i = 0; i < count; i++) {
        puts[i].standing = NULL;
        puts[i].standing_size = 0;
        puts[i].answer = STORE_FENCED;
    }
    for (size_t i = 0; code == ASSENT_OK && i < count; i++)
        code = puts_check(&puts[i], error);
    if (code != ASSENT_OK || self->disk->faults.fenced)
        return code;
    return apply_all(self, puts, count, sync, error);
}

// ---- collecting ----

static int carry(struct memory_disk *disk, const struct memory_record *record, assent_error *error)
{
    struct memory_record *made = memory_append(disk, record);
    return made && memory_stand(disk, made) ? ASSENT_OK : no_memory(error);
}

static int take_one(struct memory_store *self, uint64_t horizon, bool *ret_stop,
                    assent_error *error)
{
    struct memory_disk *disk = self->disk;
    const struct memory_record *record = memory_record_at(disk, disk->now.base_seq);
    struct tail_log log = {.length = disk->now.head_seq + 1 - disk->now.base_seq,
                           .keys = disk->newest.count,
                           .open = disk->open,
                           .closed_max = self->records_max,
                           .horizon = MUTANT(CLOSED_COLLECTED) ? UINT64_MAX : horizon};
    enum tail_fate fate = TAIL_DROP;
    int code = ASSENT_OK;
    if (record->key.size && map_get(&disk->newest, record->key) == record)
        fate = tail_fate_of(&log, record->open && !MUTANT(OPEN_COLLECTED), record->stamp);
    *ret_stop = fate == TAIL_STOP;
    if (fate == TAIL_STOP)
        return ASSENT_OK;
    if (fate == TAIL_EXPIRE) {
        map_remove(&disk->newest, record->key);
        if (record->stamp >= disk->now.horizon && !MUTANT(HORIZON_STAYS))
            disk->now.horizon = record->stamp + 1;
    }
    if (fate == TAIL_CARRY && !MUTANT(CARRY_SKIPPED))
        code = carry(disk, record, error);
    disk->now.base_seq++;
    return code;
}

static uint64_t durable_seq(const struct memory_disk *disk)
{
    return disk->unsynced_count ? disk->unsynced[0].head_seq : disk->now.head_seq;
}

static int memory_collect(struct store *store, uint64_t horizon, bool *ret_more,
                          assent_error *error)
{
    struct memory_store *self = (struct memory_store *)store;
    struct memory_disk *disk = self->disk;
    uint64_t last = durable_seq(disk);
    bool stop = false;
    int looked = 0, code = begin_batch(self, error);
    if (code != ASSENT_OK)
        return code;
    for (; code == ASSENT_OK && !stop && disk->now.base_seq <= last && looked < COLLECT_RECORDS;
         looked++)
        code = take_one(self, horizon, &stop, error);
    if (code != ASSENT_OK) {
        self->failed = true;
        return code;
    }
    end_batch(disk);
    *ret_more = looked == COLLECT_RECORDS;
    return ASSENT_OK;
}

// ---- reading ----

static void memory_info(struct store *store, struct store_info *ret)
{
    const struct memory_disk *disk = ((struct memory_store *)store)->disk;
    *ret = (struct store_info){.id = disk->id,
                               .secret = {disk->id ^ 0x5eedf00d, disk->id * 31},
                               .incarnation = disk->incarnation,
                               .head_seq = durable_seq(disk),
                               .base_seq = disk->now.base_seq,
                               .keys = disk->newest.count,
                               .open = disk->open,
                               .horizon = disk->now.horizon,
                               .opened_ms = disk->opened_ms};
}

static int read_fault(struct memory_store *self, assent_error *error)
{
    if (!due(&self->disk->faults.fail_read_at))
        return ASSENT_OK;
    return error_set(error, ASSENT_IO, "reading fails, as was asked for");
}

static int memory_lookup(struct store *store, struct slice key, uint8_t **ret_value,
                         size_t *ret_size, assent_error *error)
{
    struct memory_store *self = (struct memory_store *)store;
    int code = read_fault(self, error);
    if (code != ASSENT_OK)
        return code;
    const struct memory_record *record = map_get(&self->disk->newest, key);
    if (!record)
        return ASSENT_UNKNOWN;
    uint8_t *copy = malloc(record->value.size + 1);
    if (!copy)
        return no_memory(error);
    memcpy(copy, record->value.data, record->value.size);
    *ret_value = copy;
    *ret_size = record->value.size;
    return ASSENT_OK;
}

static bool shows(const struct memory_disk *disk, const struct memory_record *record,
                  bool open_only)
{
    return record->key.size && (record->open || !open_only) &&
           map_get(&disk->newest, record->key) == record;
}

static int memory_scan(struct store *store, bool open_only, bool newest_first, uint64_t from_seq,
                       store_visit *visit, void *arg, assent_error *error)
{
    struct memory_store *self = (struct memory_store *)store;
    const struct extent *now = &self->disk->now;
    int code = read_fault(self, error), stop = 0;
    uint64_t seq = newest_first ? now->head_seq : now->base_seq;
    if (from_seq && (newest_first ? from_seq < seq : from_seq > seq))
        seq = from_seq;
    while (code == ASSENT_OK && !stop && seq >= now->base_seq && seq <= now->head_seq) {
        const struct memory_record *record = memory_record_at(self->disk, seq);
        struct store_record visible = {record->key, record->value, record->open, record->stamp,
                                       record->seq};
        if (shows(self->disk, record, open_only))
            stop = visit(arg, &visible);
        seq += newest_first ? UINT64_MAX : 1;
    }
    return code;
}

static void memory_close(struct store *store)
{
    struct memory_store *self = (struct memory_store *)store;
    self->disk->opened = NULL;
    free(self);
}

static const struct store_ops memory_ops = {
    .info = memory_info,
    .apply = memory_apply,
    .lookup = memory_lookup,
    .scan = memory_scan,
    .collect = memory_collect,
    .close = memory_close,
};

static int check_disk(struct memory_disk *disk, assent_error *error)
{
    uint32_t sum = disk->first_sum;
    memory_cut(disk, disk->now.head_seq);
    for (size_t i = 0; i < disk->count; i++) {
        const struct memory_record *record = disk->records[i];
        if (record->seq != disk->first_seq + i ||
            (record->sum != memory_sum_of(record, sum) && !MUTANT(FLIPPED_BIT_BELIEVED)))
            return error_set(error, ASSENT_CORRUPT,
                             "the log in memory: record %" PRIu64 " is not what was written",
                             disk->first_seq + i);
        sum = record->sum;
    }
    if (disk->now.head_seq < disk->witness && !MUTANT(WITNESS_IGNORED))
        return error_set(error, ASSENT_BEHIND,
                         "the log in memory ends at record %" PRIu64
                         ", the witness has seen record %" PRIu64,
                         disk->now.head_seq, disk->witness);
    return ASSENT_OK;
}

static int begin_incarnation(struct memory_disk *disk, const struct store_options *options,
                             assent_error *error)
{
    struct memory_record own = {0};
    disk->torn = 0;
    if (!disk->id)
        disk->id = options->id ? options->id : 1;
    if (!memory_append(disk, &own))
        return no_memory(error);
    disk->incarnation++;
    disk->opened_ms = options->wall_ms;
    memory_settle(disk);
    return ASSENT_OK;
}

int store_open_memory(struct memory_disk *disk, const struct store_options *options,
                      struct store **ret, assent_error *error)
{
    if (disk->opened)
        return error_set(error, ASSENT_LOCKED, "the disk in memory is in use");
    if (!disk->id && !options->create)
        return error_set(error, ASSENT_IO, "the disk in memory is empty");
    struct memory_store *self = calloc(1, sizeof *self);
    if (!self)
        return no_memory(error);
    int code = check_disk(disk, error);
    if (code == ASSENT_OK)
        code = begin_incarnation(disk, options, error);
    if (code != ASSENT_OK) {
        free(self);
        return code;
    }
    self->store.ops = &memory_ops;
    self->disk = disk;
    self->records_max = options->records_max;
    disk->opened = self;
    *ret = &self->store;
    return ASSENT_OK;
}
