// SPDX-License-Identifier: Apache-2.0
#include "workload.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder.h"
#include "store/store.h"
#include "turns.h"
#include "unit.h"

enum {
    KEYS = 24,
    BATCH_MAX = 5,
    VALUE_MAX = 24000,
    BUFFER_BYTES = 64 << 10, // as little as LevelDB takes, so that log files and tables come and go
};

// ---- what is written: every byte tells which put it is from ----

struct planned {
    int key;
    size_t size;
    bool closed;
};

static struct planned plan_of(uint64_t number)
{
    struct rng rng;
    rng_seed(&rng, number + 77);
    struct planned plan = {.key = (int)rng_below(&rng, KEYS)};
    plan.size = 8 + rng_below(&rng, rng_below(&rng, 4) ? 300 : VALUE_MAX);
    plan.closed = plan.key >= KEYS / 2; // the first half stay open, and must never go
    return plan;
}

static void fill(uint8_t *value, size_t size, uint64_t number)
{
    memcpy(value, &number, sizeof number);
    for (size_t i = sizeof number; i < size; i++)
        value[i] = (uint8_t)(number * 31 + i * 7 + (i >> 8));
}

void workload_init(struct workload *self, bool journal, uint64_t seed)
{
    *self = (struct workload){.journal = journal};
    rng_seed(&self->rng, seed);
}

static struct store *open_store(const char *dir)
{
    struct store_options options = {.create = true, .wall_ms = 1, .buffer_bytes = BUFFER_BYTES};
    struct store *store;
    assent_error error;
    if (store_open_leveldb(dir, &options, &store, &error) != ASSENT_OK)
        fail_msg("%s", error.message);
    return store;
}

// LevelDB waits for a compaction when the next one is due already. It must not, as that one would
// get no turn.
static void leave_room(void)
{
    if (recorder_log_bytes() >= BUFFER_BYTES / 2)
        turns_finish();
}

static void apply_batch(struct workload *self, struct store *store, bool sync)
{
    static uint8_t values[BATCH_MAX][VALUE_MAX + 16];
    struct store_put puts[BATCH_MAX];
    char keys[BATCH_MAX][16];
    size_t count = 1 + rng_below(&self->rng, BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = self->written++;
        struct planned plan = plan_of(number);
        fill(values[i], plan.size, number);
        snprintf(keys[i], sizeof keys[i], "key%d", plan.key);
        puts[i] = (struct store_put){
            .key = slice_text(keys[i]),
            .value = slice_of(values[i], plan.size),
            .open = !plan.closed,
            .stamp = number,
        };
    }
    leave_room();
    recorder_mark(self->written, UINT64_MAX);
    assert_int_equal(store->ops->apply(store, puts, count, sync, NULL), ASSENT_OK);
    if (sync)
        recorder_mark(self->written, self->written);
}

static void collect(struct workload *self, struct store *store)
{
    bool more;
    leave_room();
    assert_int_equal(store->ops->collect(store, self->journal ? self->written : 0, &more, NULL),
                     ASSENT_OK);
}

static void close_store(struct store *store)
{
    turns_finish(); // LevelDB waits for a compaction that runs
    store->ops->close(store);
}

void workload_run(struct workload *self, const char *dir, unsigned rounds)
{
    struct store *store = open_store(dir);
    for (unsigned round = 1; round <= rounds; round++) {
        apply_batch(self, store, rng_below(&self->rng, 3) > 0);
        if (round % 4 == 0)
            collect(self, store);
        if (round % 55 == 0) {
            close_store(store);
            store = open_store(dir);
        }
    }
    close_store(store);
}

// ---- what must be there ----

void promised_note(struct promised *self, const struct record *record)
{
    if (record->kind != RECORD_MARK)
        return;
    self->begun = record->at;
    if (record->size != UINT64_MAX)
        self->acknowledged = record->size;
}

static bool is_whole(const uint8_t *value, size_t size, int key, uint64_t *ret_number)
{
    static uint8_t expected[VALUE_MAX + 16];
    if (size < sizeof *ret_number)
        return false;
    memcpy(ret_number, value, sizeof *ret_number);
    struct planned plan = plan_of(*ret_number);
    fill(expected, plan.size, *ret_number);
    return plan.key == key && plan.size == size && memcmp(value, expected, size) == 0;
}

// The newest put of the key that is sure to be there; UINT64_MAX: none.
static uint64_t newest_of(int key, const struct promised *promised)
{
    for (uint64_t n = promised->acknowledged; n-- > 0;) {
        bool lost = n >= promised->lost_from && n < promised->lost_to;
        if (!lost && plan_of(n).key == key)
            return n;
    }
    return UINT64_MAX;
}

// NULL: all is well.
static const char *check_key(struct store *store, bool journal, int key,
                             const struct promised *promised)
{
    char name[16];
    uint8_t *value;
    size_t size;
    uint64_t number, newest = newest_of(key, promised);
    snprintf(name, sizeof name, "key%d", key);
    int code = store->ops->lookup(store, slice_text(name), &value, &size, NULL);
    bool may_go = journal && key >= KEYS / 2;
    if (code == ASSENT_UNKNOWN)
        return newest == UINT64_MAX || may_go ? NULL : "an acknowledged record is missing";
    if (code != ASSENT_OK)
        return "a record cannot be read";
    bool whole = is_whole(value, size, key, &number);
    free(value);
    if (!whole)
        return "a record is not what was written";
    if (newest != UINT64_MAX && number < newest && !may_go)
        return "an older record stands";
    return number < promised->begun ? NULL : "a record from the future";
}

enum finding workload_check(const char *dir, bool journal, const struct promised *promised,
                            const char **ret_why)
{
    static assent_error error;
    struct store_options options = {.create = true, .wall_ms = 5};
    struct store *store;
    *ret_why = NULL;
    if (store_open_leveldb(dir, &options, &store, &error) != ASSENT_OK) {
        *ret_why = error.message;
        return FOUND_REFUSED;
    }
    for (int key = 0; key < KEYS && !*ret_why; key++)
        *ret_why = check_key(store, journal, key, promised);
    store->ops->close(store);
    return *ret_why ? FOUND_HOLE : FOUND_WELL;
}
