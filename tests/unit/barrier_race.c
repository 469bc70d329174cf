// SPDX-License-Identifier: Apache-2.0
// Races for one branch, and what must not come of them. Kept apart from assertions, so that broken
// barriers can be shown to be found.
#include "barrier_shop.h"

#include "unit.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/gtid.h"

enum { RACERS = 4 };

struct racer {
    const struct shop_kind *kind;
    struct shop *shop;
    pthread_barrier_t *start;
    assent_barrier_operation operation;
    int rounds;
    bool failed;
    assent_barrier_verdict *verdicts; // of each round
};

static void *race(void *arg)
{
    struct racer *r = arg;
    for (int i = 0; i < r->rounds; i++) {
        char gtid[32];
        assent_barrier_entry entry = {.verdict = 0};
        snprintf(gtid, sizeof gtid, "race-%d", i);
        struct shop_order order = {.gtid = gtid, .operation = r->operation};
        pthread_barrier_wait(r->start);
        if (r->kind->run(r->shop, &order, &entry) != ASSENT_OK)
            r->failed = true;
        r->verdicts[i] = entry.verdict;
    }
    return NULL;
}

// Either the try came first and was undone, once, or the cancel did and there was no try.
static bool one_order(const struct shop_kind *kind, struct shop *shop, const char *gtid,
                      const assent_barrier_verdict verdicts[RACERS])
{
    int tried = kind->effects(shop, gtid, 0, ASSENT_BARRIER_TRY);
    int cancelled = kind->effects(shop, gtid, 0, ASSENT_BARRIER_CANCEL);
    int tries = 0, cancels = 0, empty = 0;
    for (int i = 0; i < RACERS; i++) {
        bool run = verdicts[i] == ASSENT_BARRIER_RUN;
        tries += i % 2 == 0 && run;
        cancels += i % 2 == 1 && run;
        empty += verdicts[i] == ASSENT_BARRIER_EMPTY;
    }
    bool undone = tried == 1 && cancelled == 1 && empty == 0;
    bool never = tried == 0 && cancelled == 0 && empty == RACERS / 2;
    return (undone || never) && tries == tried && cancels == cancelled;
}

bool shop_race(const struct shop_kind *kind, int rounds)
{
    char *dir = unit_dir_make();
    struct shop *first = kind->open(dir);
    pthread_barrier_t start;
    pthread_t threads[RACERS];
    struct racer racers[RACERS];
    bool good = true;
    int undone = 0;
    assert_non_null(first);
    pthread_barrier_init(&start, NULL, RACERS);
    for (int i = 0; i < RACERS; i++) {
        racers[i] = (struct racer){
            .kind = kind,
            .shop = kind->again(first),
            .start = &start,
            .operation = i % 2 == 0 ? ASSENT_BARRIER_TRY : ASSENT_BARRIER_CANCEL,
            .rounds = rounds,
            .verdicts = calloc((size_t)rounds, sizeof *racers[i].verdicts),
        };
        assert_non_null(racers[i].shop);
        assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
    }
    for (int i = 0; i < RACERS; i++) {
        pthread_join(threads[i], NULL);
        good = good && !racers[i].failed;
        kind->close(&racers[i].shop);
    }
    for (int round = 0; round < rounds; round++) {
        char gtid[32];
        assent_barrier_verdict verdicts[RACERS];
        snprintf(gtid, sizeof gtid, "race-%d", round);
        for (int i = 0; i < RACERS; i++)
            verdicts[i] = racers[i].verdicts[round];
        good = good && one_order(kind, first, gtid, verdicts);
        undone += kind->effects(first, gtid, 0, ASSENT_BARRIER_TRY) > 0;
    }
    print_message("%s: in %d of %d races the try came first\n", kind->name, undone, rounds);
    for (int i = 0; i < RACERS; i++)
        free(racers[i].verdicts);
    pthread_barrier_destroy(&start);
    kind->close(&first);
    unit_dir_remove(&dir);
    return good;
}

// A try that comes after its cancel, again and again, however long after.
bool shop_late_tries(const struct shop_kind *kind)
{
    static const assent_barrier_operation story[] = {
        ASSENT_BARRIER_CANCEL, ASSENT_BARRIER_TRY,    ASSENT_BARRIER_TRY,
        ASSENT_BARRIER_TRY,    ASSENT_BARRIER_CANCEL, ASSENT_BARRIER_TRY,
    };
    char *dir = unit_dir_make();
    struct shop *shop = kind->open(dir);
    bool good = shop != NULL;
    for (size_t i = 0; good && i < sizeof story / sizeof story[0]; i++)
        good = shop_do(kind, shop, "late", story[i]) ==
               (story[i] == ASSENT_BARRIER_CANCEL ? ASSENT_BARRIER_EMPTY : ASSENT_BARRIER_REFUSED);
    good = good && kind->effects(shop, "late", 0, ASSENT_BARRIER_TRY) == 0;
    kind->close(&shop);
    unit_dir_remove(&dir);
    return good;
}

// ---- late tries while their fences are collected ----

struct collector {
    const struct shop_kind *kind;
    struct shop *shop;
    atomic_int cancelled, collected; // numbers of gtids, which are their leases' times
    int rounds;
    bool failed;
};

static void *collect(void *arg)
{
    struct collector *c = arg;
    while (c->collected < c->rounds) {
        int number = c->cancelled;
        if (number <= c->collected)
            continue;
        if (c->kind->collect(c->shop, (uint64_t)number + 1, 0, NULL) != ASSENT_OK)
            c->failed = true;
        c->collected = number;
    }
    return NULL;
}

static bool stays_refused(struct collector *c, struct shop *shop, int number)
{
    struct gtid gtid;
    assent_barrier_entry entry;
    char text[LIMIT_GTID_BYTES + 1] = {0};
    gtid_make(&(struct gtid_parts){.lease_ms = (uint64_t)number}, &gtid);
    memcpy(text, gtid.text, gtid.size);
    struct shop_order order = {.gtid = text, .operation = ASSENT_BARRIER_CANCEL};
    bool good = c->kind->run(shop, &order, &entry) == ASSENT_OK;
    order.operation = ASSENT_BARRIER_TRY;
    c->cancelled = number;
    do // before, while and after its fence goes
        good = c->kind->run(shop, &order, &entry) == ASSENT_OK &&
               entry.verdict == ASSENT_BARRIER_REFUSED && good;
    while (c->collected < number);
    return good && c->kind->effects(shop, text, 0, ASSENT_BARRIER_TRY) == 0;
}

bool shop_race_horizon(const struct shop_kind *kind, int rounds)
{
    char *dir = unit_dir_make();
    struct shop *shop = kind->open(dir);
    assert_non_null(shop);
    struct collector c = {.kind = kind, .shop = kind->again(shop), .rounds = rounds};
    pthread_t thread;
    bool good = true;
    assert_int_equal(pthread_create(&thread, NULL, collect, &c), 0);
    for (int number = 1; number <= rounds; number++)
        good = stays_refused(&c, shop, number) && good;
    pthread_join(thread, NULL);
    good = good && !c.failed && kind->rows(shop) == 0;
    kind->close(&c.shop);
    kind->close(&shop);
    unit_dir_remove(&dir);
    return good;
}
