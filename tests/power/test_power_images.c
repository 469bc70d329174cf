// SPDX-License-Identifier: Apache-2.0
// The power fails at every point of what the store does to its files, and the directory is made
// anew as it could look then. Every image must open with the real store, and everything that was
// acknowledged as durable must be in it.
//
// POWER_IMAGES=n in the environment makes n images at each point, chosen at random, besides those
// that keep all or nothing (default 1); POWER_SEED=n chooses others.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "image.h"
#include "recorder.h"
#include "store/store.h"
#include "unit.h"

enum {
    KEYS = 24,
    ROUNDS = 160,
    BATCH_MAX = 5,
    VALUE_MAX = 60000, // large now and then, so that log files and tables come and go
};

struct world {
    struct store *store;
    struct rng rng;
    uint64_t written; // puts begun
    bool journal;     // a participant's: records end, are forgotten, and the horizon follows
    uint8_t value[VALUE_MAX + 16];
};

static struct world w;

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

static void open_store(const char *dir, bool create)
{
    struct store_options options = {.create = create, .wall_ms = 1};
    assent_error error;
    if (store_open_leveldb(dir, &options, &w.store, &error) != ASSENT_OK)
        fail_msg("%s", error.message);
}

static void apply_batch(bool sync)
{
    static uint8_t values[BATCH_MAX][VALUE_MAX + 16];
    struct store_put puts[BATCH_MAX];
    char keys[BATCH_MAX][16];
    size_t count = 1 + rng_below(&w.rng, BATCH_MAX);
    for (size_t i = 0; i < count; i++) {
        uint64_t number = w.written++;
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
    recorder_mark(w.written, UINT64_MAX); // begun
    assert_int_equal(w.store->ops->apply(w.store, puts, count, sync, NULL), ASSENT_OK);
    if (sync)
        recorder_mark(w.written, w.written); // acknowledged
}

static void work(const char *dir)
{
    bool more;
    open_store(dir, true);
    for (int round = 0; round < ROUNDS; round++) {
        apply_batch(rng_below(&w.rng, 3) > 0);
        if (round % 4 == 0)
            assert_int_equal(w.store->ops->collect(w.store, w.journal ? w.written : 0, &more, NULL),
                             ASSENT_OK);
        if (round % 97 == 96) {
            w.store->ops->close(w.store);
            open_store(dir, false);
        }
    }
    w.store->ops->close(w.store);
}

// ---- what must be there ----

static bool is_whole(const uint8_t *value, size_t size, int key, uint64_t *ret_number)
{
    if (size < sizeof *ret_number)
        return false;
    memcpy(ret_number, value, sizeof *ret_number);
    struct planned plan = plan_of(*ret_number);
    fill(w.value, plan.size, *ret_number);
    return plan.key == key && plan.size == size && memcmp(value, w.value, size) == 0;
}

// NULL: all is well; else what is wrong with the image.
static const char *check_key(struct store *store, int key, uint64_t acknowledged, uint64_t begun)
{
    char name[16];
    uint8_t *value;
    size_t size;
    uint64_t number, newest = UINT64_MAX;
    for (uint64_t n = acknowledged; n-- > 0 && newest == UINT64_MAX;) {
        if (plan_of(n).key == key)
            newest = n;
    }
    snprintf(name, sizeof name, "key%d", key);
    int code = store->ops->lookup(store, slice_text(name), &value, &size, NULL);
    bool may_go = w.journal && key >= KEYS / 2;
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
    return number < begun ? NULL : "a record from the future";
}

static const char *check_image(const char *dir, uint64_t acknowledged, uint64_t begun)
{
    static assent_error error;
    struct store_options options = {.create = acknowledged == 0, .wall_ms = 5};
    struct store *store;
    const char *wrong = NULL;
    if (store_open_leveldb(dir, &options, &store, &error) != ASSENT_OK)
        return error.message;
    for (int key = 0; key < KEYS && !wrong; key++)
        wrong = check_key(store, key, acknowledged, begun);
    store->ops->close(store);
    return wrong;
}

// ---- images ----

struct sweep {
    struct recording recording;
    struct image image;
    struct rng rng;
    const char *root;
    unsigned random;         // images at each point
    uint64_t images, broken; // made; wrong
    char wrong[300];         // the first
};

static void empty(const char *dir)
{
    char path[512];
    DIR *at = opendir(dir);
    for (struct dirent *entry; at && (entry = readdir(at));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", dir, entry->d_name);
        if (unlink(path) != 0) {
            empty(path);
            rmdir(path);
        }
    }
    if (at)
        closedir(at);
}

static void try_image(struct sweep *s, size_t point, enum keep names, enum keep contents,
                      uint64_t acknowledged, uint64_t begun)
{
    char dir[256];
    if (s->image.dirs_unsynced && acknowledged == 0)
        return; // to be shown is that what was acknowledged would be lost
    snprintf(dir, sizeof dir, "%s/image", s->root);
    image_write(&s->image, dir, names, contents, &s->rng);
    const char *wrong = check_image(dir, acknowledged, begun);
    s->images++;
    if (wrong && s->broken++ == 0)
        snprintf(s->wrong, sizeof s->wrong,
                 "after %zu calls (names %d, contents %d), %llu puts acknowledged: %s", point + 1,
                 names, contents, (unsigned long long)acknowledged, wrong);
    empty(dir);
}

static bool is_rare(enum record_kind kind)
{
    return kind != RECORD_WRITE && kind != RECORD_SYNC && kind != RECORD_MARK;
}

static void sweep_point(struct sweep *s, size_t point, uint64_t acknowledged, uint64_t begun)
{
    unsigned random = s->random * (is_rare(s->recording.records[point].kind) ? 4 : 1);
    try_image(s, point, KEEP_NONE, KEEP_NONE, acknowledged, begun);
    if (is_rare(s->recording.records[point].kind)) {
        try_image(s, point, KEEP_ALL, KEEP_ALL, acknowledged, begun);
        try_image(s, point, KEEP_ALL, KEEP_NONE, acknowledged, begun);
    }
    for (unsigned i = 0; i < random; i++)
        try_image(s, point, (enum keep)rng_below(&s->rng, 3), KEEP_SOME, acknowledged, begun);
}

static void sweep(struct sweep *s)
{
    uint64_t acknowledged = 0, begun = 0;
    for (size_t i = 0; i < s->recording.count && !(s->image.dirs_unsynced && s->broken); i++) {
        const struct record *record = &s->recording.records[i];
        image_apply(&s->image, record);
        if (record->kind == RECORD_MARK) {
            begun = record->at;
            if (record->size != UINT64_MAX)
                acknowledged = record->size;
            continue;
        }
        sweep_point(s, i, acknowledged, begun);
    }
}

static unsigned number_from(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static struct sweep *run(bool journal, bool dirs_unsynced)
{
    static struct sweep s;
    static char dir[256];
    char *root = unit_dir_make();
    unsigned seed = number_from("POWER_SEED", 1);
    memset(&s, 0, sizeof s);
    w = (struct world){.journal = journal};
    rng_seed(&w.rng, seed + (journal ? 1000 : 0));
    rng_seed(&s.rng, seed);
    s.root = root;
    s.random = number_from("POWER_IMAGES", 1);
    image_init(&s.image);
    s.image.dirs_unsynced = dirs_unsynced;
    snprintf(dir, sizeof dir, "%s/data", root);
    recorder_begin(dir);
    work(dir);
    recorder_end(&s.recording);
    sweep(&s);
    print_message("%zu calls recorded, %llu images, %llu puts\n", s.recording.count,
                  (unsigned long long)s.images, (unsigned long long)w.written);
    image_free(&s.image);
    recording_free(&s.recording);
    unit_dir_remove(&root);
    return &s;
}

static void a_register_survives_at_every_point(void **state)
{
    (void)state;
    const struct sweep *s = run(false, false);
    if (s->broken)
        fail_msg("%llu images are broken: %s", (unsigned long long)s->broken, s->wrong);
    assert_true(s->images > 1000);
}

static void a_journal_survives_at_every_point(void **state)
{
    (void)state;
    const struct sweep *s = run(true, false);
    if (s->broken)
        fail_msg("%llu images are broken: %s", (unsigned long long)s->broken, s->wrong);
    assert_true(s->images > 1000);
}

// What kv.cc adds to LevelDB is needed: were the syncs of directories none, records would be lost.
static void without_syncs_of_directories_it_would_not(void **state)
{
    (void)state;
    const struct sweep *s = run(false, true);
    assert_true(s->broken > 0);
    print_message("an image is broken then, %s\n", s->wrong);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_register_survives_at_every_point),
        cmocka_unit_test(a_journal_survives_at_every_point),
        cmocka_unit_test(without_syncs_of_directories_it_would_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
