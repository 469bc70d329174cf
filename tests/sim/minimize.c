// SPDX-License-Identifier: Apache-2.0
#include "minimize.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

enum { STRIKES_MAX = 200000 };

struct search {
    uint64_t seed;
    struct minimized *best;
    char invariant[SIM_VERDICT_BYTES];
    bool progress;
};

static struct strikes strikes_new(size_t capacity)
{
    struct strikes strikes = {.items = malloc((capacity + 1) * sizeof(struct strike)),
                              .capacity = capacity};
    CHECK(strikes.items);
    return strikes;
}

static void setup_of(const struct search *s, struct sim_setup *ret)
{
    setup_draw(ret, s->seed);
    overrides_apply(&s->best->overrides, ret);
}

// Does it still break the same?
static bool breaks(struct search *s, const struct sim_setup *setup, struct strikes *log)
{
    struct sim_result result;
    campaign_one(setup, &result, log);
    s->best->trials++;
    bool same = result.failed && strcmp(verdict_invariant(result.verdict), s->invariant) == 0;
    if (same)
        s->best->result = result;
    if (s->progress)
        fprintf(stderr, "\r%u trials, %zu faults, %u transactions ", s->best->trials,
                s->best->strikes.count, s->best->transactions_left);
    return same;
}

// ---- faults ----

// All but those from `at` on, `size` of them.
static struct strikes without(const struct strikes *all, size_t at, size_t size)
{
    struct strikes rest = strikes_new(all->count);
    for (size_t i = 0; i < all->count; i++) {
        if (i < at || i >= at + size)
            rest.items[rest.count++] = all->items[i];
    }
    return rest;
}

// Takes over `rest` if what is left breaks the same.
static bool keep_if_broken(struct search *s, struct strikes rest)
{
    struct sim_setup setup;
    setup_of(s, &setup);
    setup.only = &rest;
    if (!breaks(s, &setup, NULL)) {
        free(rest.items);
        return false;
    }
    free(s->best->strikes.items);
    s->best->strikes = rest;
    return true;
}

static bool drop_chunk(struct search *s, size_t at, size_t size)
{
    return keep_if_broken(s, without(&s->best->strikes, at, size));
}

// All faults of a kind at once: it is easier to read where there are few kinds of them.
static void fewer_kinds(struct search *s)
{
    for (unsigned kind = 0; kind < FAULT_COUNT; kind++) {
        struct strikes rest = without(&s->best->strikes, 0, 0);
        size_t all = rest.count;
        rest.count = 0;
        for (size_t i = 0; i < all; i++) {
            if (rest.items[i].fault != kind)
                rest.items[rest.count++] = rest.items[i];
        }
        if (rest.count == all)
            free(rest.items);
        else
            keep_if_broken(s, rest);
    }
}

static void fewer_faults(struct search *s)
{
    struct strikes *all = &s->best->strikes;
    for (size_t size = (all->count + 1) / 2; size > 0; size = size == 1 ? 0 : (size + 1) / 2) {
        for (size_t at = 0; at < all->count;) {
            if (!drop_chunk(s, at, size))
                at += size;
        }
    }
}

// ---- transactions ----

static bool drop_transactions(struct search *s, unsigned at, unsigned size, unsigned all)
{
    struct sim_setup setup;
    bool before[SIM_TXS_MAX];
    memcpy(before, s->best->dropped, sizeof before);
    unsigned dropped = 0;
    for (unsigned i = at; i < at + size && i < all; i++) {
        dropped += !before[i];
        s->best->dropped[i] = true;
    }
    setup_of(s, &setup);
    if (dropped > 0 && breaks(s, &setup, NULL)) {
        s->best->transactions_left -= dropped;
        return true;
    }
    memcpy(s->best->dropped, before, sizeof before);
    return false;
}

static void fewer_transactions(struct search *s)
{
    struct sim_setup setup;
    setup_of(s, &setup);
    for (unsigned size = (setup.transactions + 1) / 2; size > 0;
         size = size == 1 ? 0 : (size + 1) / 2) {
        for (unsigned at = 0; at < setup.transactions; at += size)
            drop_transactions(s, at, size, setup.transactions);
    }
}

// ---- actors ----

static void lower(struct search *s, unsigned *what, unsigned from)
{
    struct sim_setup setup;
    for (unsigned n = 1; n < from; n++) {
        unsigned before = *what;
        *what = n;
        setup_of(s, &setup);
        if (breaks(s, &setup, NULL))
            return;
        *what = before;
    }
}

static void fewer_actors(struct search *s)
{
    struct overrides *o = &s->best->overrides;
    struct sim_setup setup;
    setup_of(s, &setup);
    lower(s, &o->coordinators, setup.coordinators);
    lower(s, &o->participants, setup.participants);
    lower(s, &o->clients, setup.clients);
}

bool minimize(uint64_t seed, const struct overrides *overrides, bool progress,
              struct minimized *ret)
{
    struct search s = {.seed = seed, .best = ret, .progress = progress};
    struct sim_setup setup;
    *ret = (struct minimized){.overrides = *overrides};
    ret->strikes = strikes_new(STRIKES_MAX);
    setup_of(&s, &setup);
    for (unsigned i = 0; i < setup.transactions; i++) {
        ret->dropped[i] = overrides->dropped && overrides->dropped[i];
        ret->transactions_left += !ret->dropped[i];
    }
    campaign_one(&setup, &ret->result, &ret->strikes);
    if (!ret->result.failed)
        return false;
    snprintf(s.invariant, sizeof s.invariant, "%s", verdict_invariant(ret->result.verdict));
    ret->overrides.only = &ret->strikes;
    ret->overrides.dropped = ret->dropped;
    fewer_actors(&s);
    size_t before;
    do { // what one of them takes away may be what the other needed
        before = ret->strikes.count + ret->transactions_left;
        fewer_kinds(&s);
        fewer_transactions(&s);
        fewer_faults(&s);
    } while (ret->strikes.count + ret->transactions_left < before);
    fewer_actors(&s);
    if (progress)
        fprintf(stderr, "\r%60s\r", "");
    return true;
}

void minimized_free(struct minimized *self)
{
    free(self->strikes.items);
    self->strikes = (struct strikes){0};
}
