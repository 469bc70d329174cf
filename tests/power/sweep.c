// SPDX-License-Identifier: Apache-2.0
#include "sweep.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "unit.h"

struct run {
    struct sweep *sweep;
    struct image *image;
    struct rng rng;
    struct promised promised;
    size_t point;
};

static const char *const keep_names[] = {
    [KEEP_NONE] = "none", [KEEP_ALL] = "all", [KEEP_SOME] = "some", [KEEP_LAST] = "the last"};

static void try_image(struct run *run, enum keep names, enum keep contents)
{
    struct sweep *s = run->sweep;
    char dir[256], data[300];
    const char *why;
    snprintf(dir, sizeof dir, "%s/image", s->root);
    snprintf(data, sizeof data, "%s/data", dir);
    image_write(run->image, dir, names, contents, &run->rng);
    enum finding found = workload_check(data, s->journal, &run->promised, &why);
    s->images++;
    if (found != FOUND_WELL && s->refused + s->holes == 0)
        snprintf(s->wrong, sizeof s->wrong,
                 "after %zu calls (of what was not synced, names: %s, contents: %s), %llu puts "
                 "acknowledged: %s",
                 run->point + 1, keep_names[names], keep_names[contents],
                 (unsigned long long)run->promised.acknowledged, why);
    s->refused += found == FOUND_REFUSED;
    s->holes += found == FOUND_HOLE;
    char *made = strdup(dir);
    unit_dir_remove(&made);
}

static bool is_common(enum record_kind kind)
{
    return kind == RECORD_WRITE || kind == RECORD_SYNC;
}

static void sweep_point(struct run *run)
{
    const struct sweep *s = run->sweep;
    bool common = is_common(s->recording->records[run->point].kind);
    try_image(run, KEEP_NONE, KEEP_NONE);
    if (s->witness_kept)
        return;
    if (common && run->image->pending_count > 0)
        try_image(run, KEEP_NONE, KEEP_ALL); // contents overtake names
    if (!common) {
        try_image(run, KEEP_ALL, KEEP_ALL);
        try_image(run, KEEP_ALL, KEEP_NONE);
        try_image(run, KEEP_LAST, KEEP_NONE);
    }
    for (unsigned i = 0; i < s->random * (common ? 1 : 4); i++)
        try_image(run, (enum keep)rng_below(&run->rng, 3), KEEP_SOME);
}

static bool is_ignored(const struct sweep *s, enum guard guard)
{
    return guard != GUARD_NONE && (s->without_any || guard == s->without);
}

void sweep_run(struct sweep *self)
{
    static struct image image;
    struct run run = {.sweep = self, .image = &image, .promised = self->promised};
    enum guard *guards = guards_of(self->recording, "data");
    image_init(&image);
    image.witness = self->witness_kept ? "data/head" : NULL;
    rng_seed(&run.rng, self->seed);
    for (; run.point < self->recording->count; run.point++) {
        const struct record *record = &self->recording->records[run.point];
        if (!is_ignored(self, guards[run.point]))
            image_apply(&image, record);
        promised_note(&run.promised, record);
        if (record->kind != RECORD_MARK && run.point >= self->recording->given &&
            (run.promised.acknowledged || !self->until_broken)) {
            sweep_point(&run);
        }
        if (self->until_broken && self->refused + self->holes)
            break;
    }
    self->digest = image_digest(&image);
    image_free(&image);
    free(guards);
}
