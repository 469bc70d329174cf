// SPDX-License-Identifier: Apache-2.0
// The log thread of a process, in virtual time, over a store in memory: what has gathered is
// written as one batch and synced; then, and not before, the core hears of it. Lazy records wait
// for company, and are written without a sync when none comes.
#include <stdlib.h>

#include "base/check.h"
#include "base/crash_point.h"
#include "base/mutant.h"
#include "model.h"

enum {
    WRITE_US = 20,
    WRITE_SPREAD_US = 60,
    SYNC_US = 150,
    SYNC_SPREAD_US = 1500,
    SLOW_MAX_US = 3000000,
    LAZY_US = 5000,
    COLLECT_EVERY = 16, // batches
};

static struct slice keep(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.size + 1);
    CHECK(copy);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return slice_of(copy, bytes.size);
}

static void op_free(struct log_op *op)
{
    free((void *)op->value.data);
    free((void *)op->answer.data);
}

// What is written without a sync is not durable before the next one.
static void keep_late(struct disk *disk, struct log_op *op)
{
    if (disk->late_count == disk->late_capacity) {
        disk->late_capacity = disk->late_capacity ? 2 * disk->late_capacity : 16;
        disk->late = realloc(disk->late, disk->late_capacity * sizeof *disk->late);
        CHECK(disk->late);
    }
    disk->late[disk->late_count++] = op->value;
    op->value = slice_of(NULL, 0);
}

static void forget_late(struct disk *disk)
{
    while (disk->late_count > 0)
        free((void *)disk->late[--disk->late_count].data);
}

static struct log_op *op_new(struct disk *disk)
{
    if (disk->count == disk->capacity) {
        disk->capacity = disk->capacity ? 2 * disk->capacity : 64;
        disk->ops = realloc(disk->ops, disk->capacity * sizeof *disk->ops);
        CHECK(disk->ops);
    }
    struct log_op *op = &disk->ops[disk->count++];
    *op = (struct log_op){0};
    return op;
}

void disk_put(struct actor *a, const struct effect_write *write)
{
    struct world *w = a->world;
    struct log_op *op = op_new(&a->disk);
    char storage[RECORD_KEY_BYTES];
    struct slice key =
        write->tx ? record_key_tx(&write->tx->gtid)
                  : record_key_branch(&write->branch->gtid, write->branch->branch, storage);
    memcpy(op->key, key.data, key.size);
    op->key_size = (uint8_t)key.size;
    op->token = write->token;
    op->lazy = write->haste == HASTE_LAZY;
    op->decide = write->decide;
    op->decided = write->tx && tx_stage_decides(write->tx->stage);
    op->forget = write->forget;
    op->open = write->open;
    op->stamp = write->stamp;
    op->ends = write->tx && write->tx->stage == STAGE_ENDED;
    if (write->forget)
        return;
    buf_reset(&w->scratch);
    int code = write->tx ? record_encode_tx(&w->scratch, write->tx)
                         : record_encode_branch(&w->scratch, write->branch);
    REQUIRE(w, code == ASSENT_OK, "codec", "a record cannot be encoded");
    op->value = keep(buf_slice(&w->scratch));
}

void disk_lookup(struct actor *a, token_t token, const struct gtid *gtid)
{
    struct log_op *op = op_new(&a->disk);
    struct slice key = record_key_tx(gtid);
    op->token = token;
    op->lookup = true;
    memcpy(op->key, key.data, key.size);
    op->key_size = (uint8_t)key.size;
}

// ---- the log thread ----

static void later(struct actor *a, uint64_t delay_us)
{
    struct world *w = a->world;
    struct item *item = queue_item(&w->queue, ITEM_DISK);
    item->actor = a;
    item->life = a->life;
    queue_add(&w->queue, item, w->now_us + delay_us);
}

static bool urgent(const struct disk *disk)
{
    for (size_t i = 0; i < disk->count; i++) {
        if (!disk->ops[i].lazy)
            return true;
    }
    return false;
}

static void begin(struct actor *a)
{
    struct world *w = a->world;
    a->disk.busy = true;
    a->disk.applied = false;
    later(a, WRITE_US + rng_below(&w->rng_disk, WRITE_SPREAD_US));
}

void disk_flush(struct actor *a)
{
    struct disk *disk = &a->disk;
    if (disk->busy || disk->count == 0)
        return;
    if (urgent(disk)) {
        begin(a);
    } else if (!disk->lazy_waits) {
        disk->lazy_waits = true;
        later(a, LAZY_US);
    }
}

static struct store_put put_of(const struct log_op *op)
{
    return (struct store_put){
        .key = slice_of(op->key, op->key_size),
        .value = op->value,
        .decide = op->decide,
        .decided = op->decided,
        .forget = op->forget,
        .open = op->open,
        .stamp = op->stamp,
    };
}

// All puts of the batch at once: the store keeps all of them or none.
static void apply_puts(struct actor *a)
{
    struct disk *disk = &a->disk;
    struct store_put *puts = calloc(disk->batch + 1, sizeof *puts);
    assent_error error = {0};
    size_t count = 0;
    CHECK(puts);
    for (size_t i = 0; i < disk->batch; i++) {
        if (!disk->ops[i].lookup)
            puts[count++] = put_of(&disk->ops[i]);
    }
    int code = disk->store->ops->apply(disk->store, puts, count, false, &error);
    CHECK(code == ASSENT_OK);
    for (size_t i = 0, n = 0; i < disk->batch; i++) {
        struct log_op *op = &disk->ops[i];
        if (op->lookup)
            continue;
        op->other = puts[n].answer == STORE_OTHER;
        op->answer = slice_of(puts[n].standing, puts[n].standing_size);
        n++;
    }
    free(puts);
}

static void apply_lookup(struct actor *a, struct log_op *op)
{
    uint8_t *value;
    size_t size;
    assent_error error;
    int code = a->disk.store->ops->lookup(a->disk.store, slice_of(op->key, op->key_size), &value,
                                          &size, &error);
    op->found = code == ASSENT_OK;
    if (op->found)
        op->answer = slice_of(value, size);
}

static bool carries_decision(const struct disk *disk)
{
    for (size_t i = 0; i < disk->batch; i++) {
        if (disk->ops[i].decide)
            return true;
    }
    return false;
}

// The batch is written; a process that dies now leaves it, a machine perhaps not.
static void write_batch(struct actor *a)
{
    struct world *w = a->world;
    struct disk *disk = &a->disk;
    disk->batch = disk->count;
    bool decides = a->kind == ACTOR_COORDINATOR && carries_decision(disk);
    if (decides && shell_dies(a, CRASH_coord_before_log))
        return;
    if (faults_strike(&w->faults, FAULT_FAIL_WRITE)) {
        life_crash(a, "because a write failed");
        return;
    }
    apply_puts(a);
    disk->applied = true;
    for (size_t i = 0; i < disk->batch; i++) {
        if (disk->ops[i].lookup)
            apply_lookup(a, &disk->ops[i]);
    }
    if (decides && shell_dies(a, CRASH_coord_after_write))
        return;
    if (!urgent(disk) || MUTANT(SYNC_SKIPPED)) { // lazy ones alone are answered as they are
        for (size_t i = 0; i < disk->batch; i++) {
            if (disk->ops[i].value.size > 0)
                keep_late(disk, &disk->ops[i]);
        }
        disk_turn(a);
        return;
    }
    uint64_t us = SYNC_US + rng_below(&w->rng_disk, SYNC_SPREAD_US);
    if (faults_strike(&w->faults, FAULT_SLOW_DISK))
        us += faults_below(&w->faults, FAULT_SLOW_DISK, SLOW_MAX_US);
    disk->syncing = true;
    later(a, us);
}

static void sync_batch(struct actor *a)
{
    struct disk *disk = &a->disk;
    assent_error error;
    disk->store->ops->apply(disk->store, NULL, 0, true, &error);
    disk->syncing = false;
    disk->synced = true;
    a->world->syncs++;
    struct store_info info;
    disk->store->ops->info(disk->store, &info);
    REQUIRE(a->world, info.head_seq >= disk->head_seq, "dense log",
            "%s: the log goes back from %llu to %llu", a->name, (unsigned long long)disk->head_seq,
            (unsigned long long)info.head_seq);
    disk->head_seq = info.head_seq;
    check_synced(a);
    forget_late(disk);
}

static void decode_tx(struct actor *a, struct slice bytes, struct tx_record_storage *storage,
                      struct tx_record *ret)
{
    assent_error error = {0};
    int code = record_decode_tx(bytes, storage, ret, &error);
    REQUIRE(a->world, code == ASSENT_OK, "codec", "a record cannot be decoded: %s", error.message);
}

static void answer(struct actor *a, const struct log_op *op, const struct store_info *info)
{
    static struct tx_record_storage storage;
    struct tx_record record;
    struct event event = {.type = op->lookup ? EVENT_LOOKED_UP : EVENT_WRITTEN};
    if (op->lookup) {
        event.u.looked_up.token = op->token;
        event.u.looked_up.horizon_ms = info->horizon;
        if (op->found) {
            decode_tx(a, op->answer, &storage, &record);
            event.u.looked_up.found = &record;
        }
        a->looked_up = slice_of(op->key, op->key_size);
    } else {
        event.u.written.token = op->token;
        event.u.written.log_seq = info->head_seq;
        if (op->other) {
            decode_tx(a, op->answer, &storage, &record);
            event.u.written.stands = &record;
        }
    }
    if (op->ends && shell_dies(a, CRASH_coord_after_end))
        return;
    shell_step(a, &event);
    a->looked_up = slice_of(NULL, 0);
}

static void collect(struct actor *a)
{
    struct disk *disk = &a->disk;
    bool more;
    assent_error error;
    if (++disk->since_collect < COLLECT_EVERY)
        return;
    disk->since_collect = 0;
    if (a->kind == ACTOR_COORDINATOR) {
        uint64_t wall_ms = shell_now(a).wall_ms, retention_ms = a->world->setup.retention_ms;
        if (wall_ms > retention_ms && wall_ms - retention_ms > disk->horizon)
            disk->horizon = wall_ms - retention_ms;
    }
    struct store_info before, after;
    disk->store->ops->info(disk->store, &before);
    disk->store->ops->collect(disk->store, disk->horizon, &more, &error);
    disk->store->ops->info(disk->store, &after);
    if (after.keys < before.keys)
        check_collected(a);
}

// Hands out the answers. The operations are taken off first: the core asks for new ones meanwhile.
static void answer_batch(struct actor *a)
{
    struct disk *disk = &a->disk;
    struct store_info info;
    size_t count = disk->batch;
    struct log_op *done = malloc((count + 1) * sizeof *done);
    CHECK(done);
    memcpy(done, disk->ops, count * sizeof *done);
    disk->count -= count;
    memmove(disk->ops, disk->ops + count, disk->count * sizeof *disk->ops);
    disk->batch = 0;
    disk->busy = disk->synced = false;
    disk->store->ops->info(disk->store, &info);
    uint64_t life = a->life;
    for (size_t i = 0; i < count; i++) {
        if (a->alive && a->life == life && (done[i].lookup || done[i].token))
            answer(a, &done[i], &info);
        op_free(&done[i]);
    }
    free(done);
    if (a->alive && a->life == life)
        collect(a);
}

void disk_turn(struct actor *a)
{
    struct disk *disk = &a->disk;
    if (!disk->busy) {
        disk->lazy_waits = false;
        if (disk->count > 0)
            begin(a);
        return;
    }
    if (!disk->applied) {
        write_batch(a);
        return;
    }
    bool decides = a->kind == ACTOR_COORDINATOR && carries_decision(disk);
    if (disk->syncing) {
        if (faults_strike(&a->world->faults, FAULT_FAIL_SYNC)) {
            life_crash(a, "because a sync failed");
            return;
        }
        sync_batch(a);
        if (decides && shell_dies(a, CRASH_coord_after_log))
            return;
    }
    answer_batch(a);
    if (a->alive && !disk->busy)
        disk_flush(a);
}

// ---- starts and crashes ----

int disk_open(struct actor *a, assent_error *error)
{
    struct store_options options = {
        .create = true,
        .wall_ms = shell_now(a).wall_ms,
        .id = a->id,
    };
    struct store_info info;
    int code = store_open_memory(a->disk.memory, &options, &a->disk.store, error);
    if (code != ASSENT_OK)
        return code;
    a->disk.store->ops->info(a->disk.store, &info);
    a->disk.head_seq = info.head_seq;
    a->incarnation = info.incarnation;
    a->disk.since_collect = 0;
    check_opened(a);
    return ASSENT_OK;
}

static void forget_ops(struct disk *disk)
{
    for (size_t i = 0; i < disk->count; i++)
        op_free(&disk->ops[i]);
    forget_late(disk);
    disk->count = disk->batch = 0;
    disk->busy = disk->applied = disk->syncing = disk->synced = disk->lazy_waits = false;
}

static void keep_copy(struct disk *disk)
{
    memory_disk_destroy(&disk->copy);
    disk->copy = memory_disk_copy(disk->memory);
    CHECK(disk->copy);
}

// What is done to the log while nobody looks. The true one is kept aside, for the operator to find.
static void damage(struct actor *a)
{
    struct world *w = a->world;
    struct disk *disk = &a->disk;
    if (a->kind != ACTOR_COORDINATOR || disk->damage)
        return;
    if (faults_strike(&w->faults, FAULT_SHORTER)) {
        keep_copy(disk);
        if (memory_disk_lose(disk->memory, 1 + faults_below(&w->faults, FAULT_SHORTER, 8)))
            disk->damage = DAMAGE_SHORTER;
    } else if (faults_strike(&w->faults, FAULT_FLIPPED)) {
        keep_copy(disk);
        if (memory_disk_flip(disk->memory, faults_below(&w->faults, FAULT_FLIPPED, 1 << 30)))
            disk->damage = DAMAGE_FLIPPED;
    } else if (faults_strike(&w->faults, FAULT_OLDER)) {
        uint64_t lost = 1 + faults_below(&w->faults, FAULT_OLDER, 12);
        if (disaster_knows(a,
                           disk->head_seq + 1 - (lost < disk->head_seq ? lost : disk->head_seq))) {
            keep_copy(disk);
            memory_disk_roll_back(disk->memory, lost);
            disk->damage = DAMAGE_OLDER;
        }
    }
}

// What was written and not synced outlives the process, if not the machine.
static void tell_survivors(const struct actor *a)
{
    const struct disk *disk = &a->disk;
    for (size_t i = 0; i < disk->late_count; i++)
        model_durable(a, disk->late[i], true);
    for (size_t i = 0; i < disk->batch && disk->applied && !disk->synced; i++) {
        const struct log_op *op = &disk->ops[i];
        if (!op->lookup && !op->forget && !op->other && op->value.size)
            model_durable(a, op->value, op->lazy);
    }
}

void disk_crash(struct actor *a, bool power)
{
    struct world *w = a->world;
    struct disk *disk = &a->disk;
    tell_survivors(a);
    forget_ops(disk);
    disk->horizon = 0; // the next log thread hears it anew
    uint64_t kept = UINT64_MAX;
    if (power)
        kept = faults_below(&w->faults, FAULT_POWER, memory_disk_unsynced(disk->memory) + 1);
    if (power && faults_strike(&w->faults, FAULT_TORN))
        memory_disk_tear(disk->memory, kept);
    else
        memory_disk_crash(disk->memory, kept);
    disk->store = NULL;
    damage(a);
}

void disk_repair(struct actor *a)
{
    struct disk *disk = &a->disk;
    CHECK(!disk->store && disk->copy);
    memory_disk_destroy(&disk->memory);
    disk->memory = disk->copy;
    disk->copy = NULL;
    disk->damage = DAMAGE_NONE;
}

void disk_free(struct disk *disk)
{
    forget_ops(disk);
    free(disk->ops);
    free(disk->late);
    if (disk->store)
        disk->store->ops->close(disk->store);
    memory_disk_destroy(&disk->memory);
    memory_disk_destroy(&disk->copy);
}
