// SPDX-License-Identifier: Apache-2.0
// The power fails at every point of what the store does to its files, and the directory is made
// anew as it could look then. Every image must open with the real store, and everything that was
// acknowledged as durable must be in it.
//
// POWER_SEED=n in the environment chooses what is done, and the images: the same ones each time.
// POWER_IMAGES=n makes n images at each point, chosen at random, besides those that keep all or
// nothing (default 1).
#include <inttypes.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sweep.h"
#include "unit.h"

enum { ROUNDS = 140, ROUNDS_AFTER = 5, LOSSES = 8 };

static unsigned seed;

static unsigned number_from(const char *variable, unsigned otherwise)
{
    const char *text = getenv(variable);
    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

// ---- secrets that are the same each time ----

static struct rng secrets;

static const char *secrets_name(void)
{
    return "power";
}

static uint32_t secrets_random(void)
{
    return (uint32_t)rng_next(&secrets);
}

static void secrets_fill(void *const to, const size_t size)
{
    for (size_t i = 0; i < size; i++)
        ((uint8_t *)to)[i] = (uint8_t)rng_next(&secrets);
}

// ---- recordings ----

static void record(struct workload *work, const char *root, unsigned rounds, struct recording *ret)
{
    char dir[256];
    snprintf(dir, sizeof dir, "%s/data", root);
    rng_seed(&secrets, seed);
    recorder_begin(root, rng_next(&work->rng));
    workload_run(work, dir, rounds);
    recorder_end(ret);
}

static void record_new(bool journal, struct recording *ret)
{
    struct workload work;
    char *root = unit_dir_make();
    workload_init(&work, journal, seed + (journal ? 1000 : 0));
    record(&work, root, ROUNDS, ret);
    unit_dir_remove(&root);
}

static void require_well(const struct sweep *s)
{
    if (s->refused + s->holes)
        fail_msg("%" PRIu64 " images do not open, %" PRIu64 " have holes: %s", s->refused, s->holes,
                 s->wrong);
}

static void sweep(struct sweep *s)
{
    char *root = unit_dir_make();
    s->root = root;
    s->seed = s->seed ? s->seed : seed;
    sweep_run(s);
    unit_dir_remove(&root);
}

static void survives(bool journal)
{
    struct recording recording;
    record_new(journal, &recording);
    struct sweep s = {.recording = &recording,
                      .journal = journal,
                      .without = GUARD_NONE,
                      .random = number_from("POWER_IMAGES", 1)};
    sweep(&s);
    print_message("%zu calls (%016" PRIx64 "), %" PRIu64 " images (%016" PRIx64 ")\n",
                  recording.count, recording_digest(&recording), s.images, s.digest);
    require_well(&s);
    assert_true(s.images > 1000);
    recording_free(&recording);
}

static void a_register_survives_at_every_point(void **state)
{
    (void)state;
    survives(false);
}

static void a_journal_survives_at_every_point(void **state)
{
    (void)state;
    survives(true);
}

static void the_same_seed_does_the_same(void **state)
{
    (void)state;
    struct recording one, two;
    record_new(false, &one);
    record_new(false, &two);
    assert_int_equal(one.count, two.count);
    assert_true(recording_digest(&one) == recording_digest(&two));
    recording_free(&one);
    recording_free(&two);
}

// ---- power that is lost again ----

// Takes the image after so many records as what the next start finds, works on from there, and
// sweeps that.
static void lose_again(const struct recording *first, size_t point, uint64_t *images, bool *torn)
{
    static struct image image;
    struct sweep s = {.without = GUARD_NONE, .random = 1, .seed = seed + point};
    struct recording after;
    struct workload work;
    struct rng rng;
    char *root = unit_dir_make();
    image_init(&image);
    for (size_t i = 0; i <= point; i++) {
        image_apply(&image, &first->records[i]);
        promised_note(&s.promised, &first->records[i]);
    }
    rng_seed(&rng, seed + point);
    image_write(&image, root, KEEP_SOME, KEEP_SOME, &rng);
    image_free(&image);
    s.promised.lost_from = s.promised.acknowledged;
    s.promised.lost_to = s.promised.begun;
    workload_init(&work, false, seed + point);
    work.written = s.promised.begun;
    record(&work, root, ROUNDS_AFTER, &after);
    unit_dir_remove(&root);
    for (size_t i = after.given; i < after.count; i++)
        *torn |= after.records[i].kind == RECORD_TRUNCATE && after.records[i].size > 0;
    s.recording = &after;
    sweep(&s);
    require_well(&s);
    *images += s.images;
    recording_free(&after);
}

static void it_survives_a_loss_while_it_recovers_from_one(void **state)
{
    (void)state;
    struct recording first;
    struct rng rng;
    uint64_t images = 0;
    unsigned torn = 0;
    record_new(false, &first);
    rng_seed(&rng, seed);
    for (int i = 0; i < LOSSES; i++) {
        bool cut = false;
        size_t point = first.given + rng_below(&rng, first.count - first.given);
        while (point > first.given &&
               (first.records[point].kind != RECORD_WRITE || first.records[point].compaction))
            point--; // what is written is torn there, perhaps
        lose_again(&first, point, &images, &cut);
        torn += cut;
    }
    print_message("%d losses, after %u of them a torn file is cut; %" PRIu64 " images\n", LOSSES,
                  torn, images);
    assert_true(torn > 0);
    recording_free(&first);
}

// ---- disks that sync nothing ----

static void find_out(const struct recording *recording, bool without_any)
{
    struct sweep s = {.recording = recording,
                      .without = GUARD_BATCH,
                      .without_any = without_any,
                      .witness_kept = true};
    sweep(&s);
    print_message("%" PRIu64 " images, %" PRIu64 " refused\n", s.images, s.refused);
    if (s.holes)
        fail_msg("%" PRIu64 " images have holes: %s", s.holes, s.wrong);
    assert_true(s.refused > s.images / 3);
}

// Where all is lost that was not synced, and nothing was, or only what LevelDB keeps, the log is
// refused: the file head, which the disk has kept, knows better. Never is it opened with a hole.
static void a_disk_that_lies_is_found_out(void **state)
{
    (void)state;
    struct recording recording;
    record_new(false, &recording);
    find_out(&recording, true);
    find_out(&recording, false);
    recording_free(&recording);
}

// What makes the syncs necessary, ours and LevelDB's: were those of one kind none, something that
// was acknowledged would be lost, and the images would show it.
static void without_any_kind_of_sync_it_would_not(void **state)
{
    (void)state;
    struct recording recording;
    record_new(false, &recording);
    unsigned unnoticed = 0;
    for (int guard = 0; guard < GUARD_COUNT; guard++) {
        struct sweep s = {.recording = &recording,
                          .without = (enum guard)guard,
                          .until_broken = true,
                          .random = 1};
        sweep(&s);
        print_message("without syncs of %s: %s\n", guard_about[guard],
                      s.refused + s.holes ? s.wrong : "nothing is lost");
        unnoticed += s.refused + s.holes == 0;
    }
    assert_int_equal(unnoticed, 0);
    recording_free(&recording);
}

int main(void)
{
    static randombytes_implementation implementation = {
        .implementation_name = secrets_name, .random = secrets_random, .buf = secrets_fill};
    randombytes_set_implementation(&implementation);
    assert_true(sodium_init() >= 0); // which draws once
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); // thousands of directories
    seed = number_from("POWER_SEED", 1);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_seed_does_the_same),
        cmocka_unit_test(a_register_survives_at_every_point),
        cmocka_unit_test(a_journal_survives_at_every_point),
        cmocka_unit_test(it_survives_a_loss_while_it_recovers_from_one),
        cmocka_unit_test(a_disk_that_lies_is_found_out),
        cmocka_unit_test(without_any_kind_of_sync_it_would_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
