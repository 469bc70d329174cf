// SPDX-License-Identifier: Apache-2.0
// Tests of the barrier, the same for every back end: a shop is a database with a business behind a
// barrier, and the business counts how often each operation of a branch had its effect.
#ifndef UNIT_BARRIER_SHOP_H
#define UNIT_BARRIER_SHOP_H

#include <stdbool.h>
#include <stdint.h>

#include "assent/barrier.h"

enum shop_crash {
    SHOP_LIVES,
    SHOP_DIES_ENTERED, // the process ends right after the barrier was entered
    SHOP_DIES_WORKED,  // after the work was done, before the commit
    SHOP_DIES_DONE,    // after the commit
};

struct shop_order {
    const char *gtid;
    uint16_t branch;
    assent_barrier_operation operation;
    enum shop_crash crash;
    bool no;            // the business refuses: the local transaction is rolled back
    const void *answer; // kept with RUN; NULL: none
    size_t answer_bytes;
};

// A connection to a database that has been opened, for one thread.
struct shop;

struct shop_kind {
    const char *name;
    struct shop *(*open)(const char *dir);    // makes the database where it is missing
    struct shop *(*again)(struct shop *shop); // for another thread
    void (*close)(struct shop **shop_p);
    // One local transaction, tried again while the database is busy. An error code of assent_error;
    // ASSENT_OK: `ret` has the verdict.
    int (*run)(struct shop *shop, const struct shop_order *order, assent_barrier_entry *ret);
    int (*forget)(struct shop *shop, const char *gtid, uint16_t branch);
    int (*seal)(struct shop *shop, const char *gtid, uint16_t branch,
                assent_barrier_operation forward);
    int (*collect)(struct shop *shop, uint64_t horizon_ms, uint64_t rows_max, uint64_t *ret);
    // How often that operation had its effect, and how many rows of the barrier there are.
    int (*effects)(struct shop *shop, const char *gtid, uint16_t branch,
                   assent_barrier_operation operation);
    int (*rows)(struct shop *shop);
    bool durable; // what was committed is there when it is opened again
};

// The tests. Each takes a kind and makes what it needs; failing is cmocka's. Those that return bool
// say false where a barrier is found broken, so that broken ones can be shown to be found.
void shop_test_table(const struct shop_kind *kind);
void shop_test_answers(const struct shop_kind *kind);
void shop_test_collection(const struct shop_kind *kind);
void shop_test_garbage(const struct shop_kind *kind);
void shop_test_crash_points(const struct shop_kind *kind);
void shop_test_kills(const struct shop_kind *kind, int rounds);
bool shop_race(const struct shop_kind *kind, int rounds);
bool shop_late_tries(const struct shop_kind *kind);
bool shop_race_horizon(const struct shop_kind *kind, int rounds);

// Those of them that take nothing but a kind, as cmocka's: it is in *state.
void shop_table(void **state);
void shop_answers(void **state);
void shop_collection(void **state);
void shop_garbage(void **state);
void shop_crash_points(void **state);
#define SHOP_TESTS(kind)                                                                           \
    cmocka_unit_test_prestate(shop_table, kind), cmocka_unit_test_prestate(shop_answers, kind),    \
        cmocka_unit_test_prestate(shop_collection, kind),                                          \
        cmocka_unit_test_prestate(shop_garbage, kind),                                             \
        cmocka_unit_test_prestate(shop_crash_points, kind)

// One call that has to go well; the verdict.
assent_barrier_verdict shop_do(const struct shop_kind *kind, struct shop *shop, const char *gtid,
                               assent_barrier_operation operation);

#endif
