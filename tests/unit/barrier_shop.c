// SPDX-License-Identifier: Apache-2.0
#include "barrier_shop.h"

#include "unit.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TRY        ASSENT_BARRIER_TRY
#define CONFIRM    ASSENT_BARRIER_CONFIRM
#define CANCEL     ASSENT_BARRIER_CANCEL
#define ACTION     ASSENT_BARRIER_ACTION
#define COMPENSATE ASSENT_BARRIER_COMPENSATE
#define SEND       ASSENT_BARRIER_SEND
#define CHECK      ASSENT_BARRIER_CHECK
#define DELIVER    ASSENT_BARRIER_DELIVER
#define RUN        ASSENT_BARRIER_RUN
#define DUPLICATE  ASSENT_BARRIER_DUPLICATE
#define EMPTY      ASSENT_BARRIER_EMPTY
#define REFUSED    ASSENT_BARRIER_REFUSED

// Leased 36 and 37 ms after the beginning of 1970.
static const char early[] = "00000000.1.10.0", late[] = "00000000.1.11.0";

static int shop_run(const struct shop_kind *kind, struct shop *shop, const char *gtid,
                    assent_barrier_operation operation, assent_barrier_entry *ret)
{
    struct shop_order order = {.gtid = gtid, .operation = operation};
    return kind->run(shop, &order, ret);
}

assent_barrier_verdict shop_do(const struct shop_kind *kind, struct shop *shop, const char *gtid,
                               assent_barrier_operation operation)
{
    assent_barrier_entry entry;
    assert_int_equal(shop_run(kind, shop, gtid, operation, &entry), ASSENT_OK);
    return entry.verdict;
}

// What was done before, and what is then said of an operation.
struct expectation {
    assent_barrier_operation before[3], operation;
    assent_barrier_verdict verdict;
};

static const struct expectation expectations[] = {
    {{0}, TRY, RUN},
    {{TRY}, TRY, DUPLICATE},
    {{TRY, CONFIRM}, TRY, DUPLICATE},
    {{TRY, CANCEL}, TRY, REFUSED},
    {{CANCEL}, TRY, REFUSED},
    {{CANCEL, TRY}, TRY, REFUSED},
    {{0}, CONFIRM, REFUSED},
    {{TRY}, CONFIRM, RUN},
    {{TRY, CONFIRM}, CONFIRM, DUPLICATE},
    {{TRY, CANCEL}, CONFIRM, REFUSED},
    {{CANCEL}, CONFIRM, REFUSED},
    {{0}, CANCEL, EMPTY},
    {{TRY}, CANCEL, RUN},
    {{TRY, CONFIRM}, CANCEL, REFUSED},
    {{TRY, CANCEL}, CANCEL, DUPLICATE},
    {{CANCEL}, CANCEL, EMPTY},
    {{CANCEL, TRY}, CANCEL, EMPTY},
    {{0}, ACTION, RUN},
    {{ACTION}, ACTION, DUPLICATE},
    {{ACTION, COMPENSATE}, ACTION, REFUSED},
    {{COMPENSATE}, ACTION, REFUSED},
    {{0}, COMPENSATE, EMPTY},
    {{ACTION}, COMPENSATE, RUN},
    {{ACTION, COMPENSATE}, COMPENSATE, DUPLICATE},
    {{COMPENSATE}, COMPENSATE, EMPTY},
    {{0}, SEND, RUN},
    {{SEND}, SEND, DUPLICATE},
    {{CHECK}, SEND, REFUSED},
    {{0}, CHECK, EMPTY},
    {{SEND}, CHECK, DUPLICATE},
    {{SEND, CHECK}, CHECK, DUPLICATE},
    {{CHECK}, CHECK, EMPTY},
    {{0}, DELIVER, RUN},
    {{DELIVER}, DELIVER, DUPLICATE},
    {{DELIVER, DELIVER}, DELIVER, DUPLICATE},
};

enum { EXPECTATIONS = sizeof expectations / sizeof expectations[0] };

static struct shop *shop_new(const struct shop_kind *kind, char **ret_dir)
{
    *ret_dir = unit_dir_make();
    struct shop *shop = kind->open(*ret_dir);
    assert_non_null(shop);
    return shop;
}

static void shop_end(const struct shop_kind *kind, struct shop **shop_p, char **dir_p)
{
    kind->close(shop_p);
    unit_dir_remove(dir_p);
}

// Every line, as a branch of its own, and what it does to the business; then all of it again after
// the database was opened anew.
void shop_test_table(const struct shop_kind *kind)
{
    char *dir, gtid[16];
    struct shop *shop = shop_new(kind, &dir);
    for (int i = 0; i < EXPECTATIONS; i++) {
        const struct expectation *e = &expectations[i];
        snprintf(gtid, sizeof gtid, "g-%d", i);
        for (int k = 0; k < 3 && e->before[k]; k++)
            shop_do(kind, shop, gtid, e->before[k]);
        if (kind->durable) {
            kind->close(&shop);
            shop = kind->open(dir);
        }
        int before = kind->effects(shop, gtid, 0, e->operation);
        assent_barrier_verdict verdict = shop_do(kind, shop, gtid, e->operation);
        if (verdict != e->verdict)
            fail_msg("line %d: %s is '%s', not '%s'", i,
                     assent_barrier_operation_text(e->operation),
                     assent_barrier_verdict_text(verdict), assent_barrier_verdict_text(e->verdict));
        int after = kind->effects(shop, gtid, 0, e->operation);
        assert_int_equal(after - before, verdict == RUN);
        assert_true(after <= 1);
        // Another branch, and another gtid, are not concerned.
        assert_int_equal(kind->effects(shop, gtid, 1, e->operation), 0);
    }
    shop_end(kind, &shop, &dir);
}

// An answer is given again, to the byte; without one there is none.
void shop_test_answers(const struct shop_kind *kind)
{
    char *dir;
    struct shop *shop = shop_new(kind, &dir);
    unsigned char bytes[ASSENT_BARRIER_ANSWER_MAX + 1];
    assent_barrier_entry entry;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (unsigned char)(i * 7);
    static const size_t sizes[] = {0, 1, 255, ASSENT_BARRIER_ANSWER_MAX};
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct shop_order order = {.gtid = "answers",
                                   .branch = (uint16_t)(65535 - i),
                                   .operation = SEND,
                                   .answer = bytes,
                                   .answer_bytes = sizes[i]};
        assert_int_equal(kind->run(shop, &order, &entry), ASSENT_OK);
        assert_int_equal(entry.answer_bytes, 0);
        assert_int_equal(kind->run(shop, &order, &entry), ASSENT_OK);
        assert_int_equal(entry.answer_bytes, sizes[i]);
        assert_memory_equal(entry.answer, bytes, sizes[i]);
        order.operation = CHECK;
        assert_int_equal(kind->run(shop, &order, &entry), ASSENT_OK);
        assert_int_equal(entry.verdict, DUPLICATE);
        assert_int_equal(entry.answer_bytes, sizes[i]);
        assert_memory_equal(entry.answer, bytes, sizes[i]);
    }
    struct shop_order huge = {
        .gtid = "huge", .operation = TRY, .answer = bytes, .answer_bytes = sizeof bytes};
    assert_int_equal(kind->run(shop, &huge, &entry), ASSENT_LIMIT);
    assert_int_equal(kind->effects(shop, "huge", 0, TRY), 0);
    // A no leaves nothing behind.
    struct shop_order no = {.gtid = "no", .operation = TRY, .no = true};
    assert_int_equal(kind->run(shop, &no, &entry), ASSENT_OK);
    assert_int_equal(kind->effects(shop, "no", 0, TRY), 0);
    assert_int_equal(shop_do(kind, shop, "no", CANCEL), EMPTY);
    shop_end(kind, &shop, &dir);
}

static void collect(const struct shop_kind *kind, struct shop *shop, uint64_t horizon_ms,
                    uint64_t rows_max, uint64_t expected)
{
    uint64_t removed = 77;
    assert_int_equal(kind->collect(shop, horizon_ms, rows_max, &removed), ASSENT_OK);
    assert_int_equal(removed, expected);
}

void shop_test_collection(const struct shop_kind *kind)
{
    char *dir;
    struct shop *shop = shop_new(kind, &dir);
    // A branch that the coordinator called is forgotten without a trace, one of the application's
    // leaves a fence.
    shop_do(kind, shop, "own", TRY);
    shop_do(kind, shop, "own", CONFIRM);
    assert_int_equal(kind->rows(shop), 2);
    assert_int_equal(kind->forget(shop, "own", 0), ASSENT_OK);
    assert_int_equal(kind->forget(shop, "own", 0), ASSENT_OK);
    assert_int_equal(kind->rows(shop), 0);
    for (int i = 0; i < 2; i++) {
        const char *gtid = i == 0 ? early : late;
        shop_do(kind, shop, gtid, TRY);
        shop_do(kind, shop, gtid, CANCEL);
        assert_int_equal(kind->seal(shop, gtid, 0, TRY), ASSENT_OK);
        assert_int_equal(kind->seal(shop, gtid, 0, TRY), ASSENT_OK);
    }
    assert_int_equal(kind->seal(shop, "own", 0, SEND), ASSENT_OK);
    assert_int_equal(kind->seal(shop, "own", 1, ACTION), ASSENT_INVALID);
    assert_int_equal(kind->rows(shop), 3);
    assert_int_equal(shop_do(kind, shop, "own", SEND), REFUSED);
    assert_int_equal(shop_do(kind, shop, early, TRY), REFUSED);
    // What stands, and a fence that belongs to the participant alone, is not collected.
    struct shop_order order = {.gtid = early, .branch = 1, .operation = TRY};
    assent_barrier_entry entry;
    assert_int_equal(kind->run(shop, &order, &entry), ASSENT_OK);
    order = (struct shop_order){.gtid = early, .branch = 2, .operation = COMPENSATE};
    assert_int_equal(kind->run(shop, &order, &entry), ASSENT_OK);
    assert_int_equal(kind->rows(shop), 5);
    collect(kind, shop, 36, 0, 0);
    collect(kind, shop, 37, 0, 1);
    assert_int_equal(shop_do(kind, shop, early, TRY), REFUSED);
    assert_int_equal(shop_do(kind, shop, early, CANCEL), EMPTY);
    assert_int_equal(shop_do(kind, shop, early, TRY), REFUSED);
    assert_int_equal(shop_do(kind, shop, "00000000.1.11.1", TRY), RUN); // not behind it
    collect(kind, shop, 0, 0, 0);
    assert_int_equal(shop_do(kind, shop, early, TRY), REFUSED); // it never falls
    if (kind->durable) {
        kind->close(&shop);
        shop = kind->open(dir);
        assert_int_equal(shop_do(kind, shop, early, TRY), REFUSED);
    }
    order = (struct shop_order){.gtid = early, .branch = 1, .operation = TRY};
    assert_int_equal(kind->run(shop, &order, &entry), ASSENT_OK);
    assert_int_equal(entry.verdict, DUPLICATE);
    // The horizon concerns what an application may run; the coordinator's calls go on behind it.
    assert_int_equal(shop_do(kind, shop, "00000000.1.9.0", ACTION), RUN);
    assert_int_equal(shop_do(kind, shop, "00000000.1.8.0", DELIVER), RUN);
    assert_int_equal(shop_do(kind, shop, "00000000.1.7.0", CHECK), EMPTY);
    assert_int_equal(shop_do(kind, shop, "00000000.1.7.0", SEND), REFUSED);
    assert_int_equal(kind->collect(shop, UINT64_MAX, 0, NULL), ASSENT_INVALID);
    shop_end(kind, &shop, &dir);
    // Many, a part at a time.
    shop = shop_new(kind, &dir);
    for (int i = 0; i < 25; i++) {
        char gtid[32];
        snprintf(gtid, sizeof gtid, "00000000.1.10.%d", i % 10 + i / 10 * 100);
        shop_do(kind, shop, gtid, CANCEL);
    }
    collect(kind, shop, 1000, 10, 10);
    assert_int_equal(kind->rows(shop), 15);
    collect(kind, shop, 1000, 0, 15);
    assert_int_equal(kind->rows(shop), 0);
    shop_end(kind, &shop, &dir);
}

void shop_test_garbage(const struct shop_kind *kind)
{
    char *dir, longest[66] = {0};
    struct shop *shop = shop_new(kind, &dir);
    assent_barrier_entry entry = {.verdict = 77};
    memset(longest, 'z', 65);
    const char *const wrong[] = {NULL, "", "a b", "a/b", "\xc3\xa9", "';--", "a\n", longest};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_int_equal(shop_run(kind, shop, wrong[i], TRY, &entry), ASSENT_INVALID);
        assert_int_equal(kind->forget(shop, wrong[i], 0), ASSENT_INVALID);
        assert_int_equal(kind->seal(shop, wrong[i], 0, TRY), ASSENT_INVALID);
    }
    static const int operations[] = {-1, 0, 9, 1000};
    for (size_t i = 0; i < 4; i++) {
        assent_barrier_operation operation = (assent_barrier_operation)operations[i];
        assert_int_equal(shop_run(kind, shop, "g", operation, &entry), ASSENT_INVALID);
        assert_int_equal(kind->seal(shop, "g", 0, operation), ASSENT_INVALID);
    }
    longest[64] = '\0';
    assert_int_equal(entry.verdict, 77); // untouched
    assert_int_equal(shop_do(kind, shop, longest, TRY), RUN);
    assert_int_equal(shop_do(kind, shop, longest, TRY), DUPLICATE);
    // A branch has one protocol.
    shop_do(kind, shop, "mixed", ACTION);
    assert_int_equal(shop_run(kind, shop, "mixed", CANCEL, &entry), ASSENT_CONFLICT);
    assert_int_equal(shop_run(kind, shop, "mixed", SEND, &entry), ASSENT_CONFLICT);
    assert_int_equal(shop_run(kind, shop, "mixed", DELIVER, &entry), ASSENT_CONFLICT);
    assert_int_equal(shop_do(kind, shop, "mixed", COMPENSATE), RUN);
    shop_end(kind, &shop, &dir);
}

// ---- crashes ----

// Runs the order in a process of its own, which may die of it.
static void in_a_child(const struct shop_kind *kind, const char *dir,
                       const struct shop_order *order)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct shop *shop = kind->open(dir);
        assent_barrier_entry entry;
        int code = shop ? kind->run(shop, order, &entry) : -1;
        if (shop)
            kind->close(&shop);
        _exit(code == ASSENT_OK ? 0 : 1);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    if (order->crash == SHOP_LIVES)
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    else
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// At each point of each operation: the effect and the row are both there, or neither is, so that
// the call that comes again does what is left to do and no more.
static void crash_at(const struct shop_kind *kind, const struct expectation *e,
                     enum shop_crash crash)
{
    char *dir;
    struct shop *shop = shop_new(kind, &dir);
    for (int k = 0; k < 3 && e->before[k]; k++)
        shop_do(kind, shop, "g", e->before[k]);
    int before = kind->effects(shop, "g", 0, e->operation);
    kind->close(&shop); // nothing of it may be open while a process is forked
    struct shop_order order = {.gtid = "g", .operation = e->operation, .crash = crash};
    in_a_child(kind, dir, &order);
    shop = kind->open(dir);
    bool done = crash == SHOP_DIES_DONE && e->verdict == RUN;
    assert_int_equal(kind->effects(shop, "g", 0, e->operation), before + done);
    assert_int_equal(shop_do(kind, shop, "g", e->operation), done ? DUPLICATE : e->verdict);
    assert_int_equal(kind->effects(shop, "g", 0, e->operation), before + (e->verdict == RUN));
    shop_end(kind, &shop, &dir);
}

void shop_test_crash_points(const struct shop_kind *kind)
{
    for (int i = 0; i < EXPECTATIONS; i++)
        for (int crash = SHOP_DIES_ENTERED; crash <= SHOP_DIES_DONE; crash++)
            if (crash != SHOP_DIES_WORKED || expectations[i].verdict == RUN)
                crash_at(kind, &expectations[i], (enum shop_crash)crash);
}

// A child works through branches until it is killed, at any moment, and tells when it has begun:
// try, then confirm or cancel; every third branch is cancelled before its try.
static void work_until_killed(const struct shop_kind *kind, const char *dir, int tell)
{
    struct shop *shop = kind->open(dir);
    for (int i = 0;; i++) {
        char gtid[32];
        assent_barrier_entry entry;
        snprintf(gtid, sizeof gtid, "g-%d", i);
        const assent_barrier_operation order[] = {i % 3 == 2 ? CANCEL : TRY,
                                                  i % 3 == 0 ? CONFIRM : CANCEL, TRY, TRY};
        for (int k = 0; k < 4; k++)
            if (shop_run(kind, shop, gtid, order[k], &entry) != ASSENT_OK)
                _exit(1);
        if (i == 0 && write(tell, "", 1) != 1)
            _exit(1);
    }
}

// For every branch that was touched effects and rows agree. Returns how many there are.
static int audit(const struct shop_kind *kind, struct shop *shop)
{
    int i = 0;
    for (;; i++) {
        char gtid[32];
        snprintf(gtid, sizeof gtid, "g-%d", i);
        int tried = kind->effects(shop, gtid, 0, TRY);
        int confirmed = kind->effects(shop, gtid, 0, CONFIRM);
        int cancelled = kind->effects(shop, gtid, 0, CANCEL);
        assert_true(tried <= 1 && confirmed + cancelled <= tried);
        // What the barrier says has to be what the business did.
        assent_barrier_verdict verdict = shop_do(kind, shop, gtid, TRY);
        assert_int_equal(verdict == DUPLICATE, tried && !cancelled);
        assert_int_equal(kind->effects(shop, gtid, 0, TRY), tried + (verdict == RUN));
        if (verdict == RUN)
            break; // it came so far
        assent_barrier_verdict cancel = shop_do(kind, shop, gtid, CANCEL);
        assert_int_equal(cancel, !tried      ? EMPTY
                                 : confirmed ? REFUSED
                                 : cancelled ? DUPLICATE
                                             : RUN);
        assert_int_equal(kind->effects(shop, gtid, 0, CANCEL), tried && !confirmed);
    }
    return i;
}

void shop_test_kills(const struct shop_kind *kind, int rounds)
{
    int branches = 0;
    for (int round = 0; round < rounds; round++) {
        char *dir = unit_dir_make();
        char byte;
        int told[2], status;
        assert_int_equal(pipe(told), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0)
            work_until_killed(kind, dir, told[1]);
        close(told[1]);
        assert_int_equal(read(told[0], &byte, 1), 1); // it has begun
        usleep((useconds_t)(round * 17333 % 50000));
        assert_int_equal(kill(child, SIGKILL), 0);
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        close(told[0]);
        struct shop *shop = kind->open(dir);
        assert_non_null(shop);
        branches += audit(kind, shop);
        shop_end(kind, &shop, &dir);
    }
    print_message("%d branches in %d killed runs\n", branches, rounds);
}

void shop_table(void **state)
{
    shop_test_table(*state);
}

void shop_answers(void **state)
{
    shop_test_answers(*state);
}

void shop_collection(void **state)
{
    shop_test_collection(*state);
}

void shop_garbage(void **state)
{
    shop_test_garbage(*state);
}

void shop_crash_points(void **state)
{
    shop_test_crash_points(*state);
}
