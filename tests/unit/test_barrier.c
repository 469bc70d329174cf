// SPDX-License-Identifier: Apache-2.0
// The barrier's table, alone: every set of rows; the documentation's copy of it; and that the tests
// of back ends find barriers that are broken in the well-known ways.
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "barrier_shop.h"
#include "base/buf.h"
#include "core/barrier.h"

static struct gtid gtid_of(const char *text)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

static int rule(assent_barrier_operation operation, const struct barrier_rows *rows,
                struct barrier_ruling *ret)
{
    struct gtid gtid = gtid_of("00000000.1.10.0"); // leased at 36 ms
    assent_error error = {0};
    int code = barrier_rule(operation, &gtid, rows, ret, &error);
    assert_int_equal(code, error.code);
    assert_true(!code || strncmp(error.message, "barrier: ", 9) == 0);
    return code;
}

static struct barrier_rows rows_of(int number)
{
    struct barrier_rows rows = {.horizon_ms = 0};
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++, number /= 3)
        rows.of[i] = (enum barrier_state)(number % 3);
    return rows;
}

// All 6,561 sets of rows, for each operation: an answer for each, and whatever is written leads to
// rows that have an answer, too, and the right one: what ran is a duplicate, what was empty stays
// so, and what was kept from running never runs.
static void every_set_of_rows_has_an_answer(void **state)
{
    (void)state;
    int good = 0;
    for (int number = 0; number < 6561; number++) {
        struct barrier_rows rows = rows_of(number);
        for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++) {
            assent_barrier_operation operation = (assent_barrier_operation)i;
            struct barrier_ruling ruling, again;
            int code = rule(operation, &rows, &ruling);
            if (code) {
                assert_true(code == ASSENT_CONFLICT || code == ASSENT_CORRUPT);
                continue;
            }
            good++;
            assert_int_equal(ruling.writes != 0, ruling.state != BARRIER_ABSENT);
            assert_int_equal(ruling.answer != 0, ruling.verdict == ASSENT_BARRIER_DUPLICATE);
            if (ruling.verdict == ASSENT_BARRIER_RUN)
                assert_int_equal(ruling.writes, operation);
            if (!ruling.writes)
                continue;
            assert_int_equal(rows.of[ruling.writes], BARRIER_ABSENT);
            struct barrier_rows after = rows;
            after.of[ruling.writes] = ruling.state;
            assert_int_equal(rule(operation, &after, &again), ASSENT_OK);
            assert_int_equal(again.writes, 0);
            assert_int_equal(again.verdict, ruling.verdict == ASSENT_BARRIER_RUN
                                                ? ASSENT_BARRIER_DUPLICATE
                                                : ASSENT_BARRIER_EMPTY);
            if (ruling.state == BARRIER_FENCED) {
                assert_int_equal(rule(ruling.writes, &after, &again), ASSENT_OK);
                assert_int_equal(again.verdict, ASSENT_BARRIER_REFUSED);
            }
        }
    }
    // Standings of a branch, times the operations that belong to it: 5 * 3 tcc, 4 * 2 saga, 3 * 2
    // sender, 2 consumer.
    assert_int_equal(good, 15 + 8 + 6 + 2);
}

// Whatever order the operations of a branch come in, and however often: a brute-force search.
static void no_order_breaks_the_promises(void **state)
{
    (void)state;
    enum { STEPS = 7, ORDERS = 2187 }; // 3^7
    for (int number = 0; number < ORDERS; number++) {
        struct barrier_rows rows = {.horizon_ms = 0};
        int ran[BARRIER_OPERATIONS] = {0}, rest = number;
        bool cancelled = false;
        for (int step = 0; step < STEPS; step++, rest /= 3) {
            assent_barrier_operation operation = (assent_barrier_operation)(1 + rest % 3);
            struct barrier_ruling ruling;
            assert_int_equal(rule(operation, &rows, &ruling), ASSENT_OK);
            if (ruling.writes)
                rows.of[ruling.writes] = ruling.state;
            bool runs = ruling.verdict == ASSENT_BARRIER_RUN;
            assert_false(runs && operation == ASSENT_BARRIER_TRY && cancelled);
            ran[operation] += runs;
            cancelled = cancelled || (operation == ASSENT_BARRIER_CANCEL &&
                                      ruling.verdict != ASSENT_BARRIER_REFUSED);
            int tries = ran[ASSENT_BARRIER_TRY];
            int ends = ran[ASSENT_BARRIER_CONFIRM] + ran[ASSENT_BARRIER_CANCEL];
            assert_true(tries <= 1 && ends <= tries);
            if (cancelled)
                assert_int_equal(ran[ASSENT_BARRIER_CANCEL], tries);
        }
    }
}

static void behind_the_horizon_nothing_is_as_good_as_a_fence(void **state)
{
    (void)state;
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++) {
        assent_barrier_operation operation = (assent_barrier_operation)i;
        struct barrier_rows rows = {.horizon_ms = 37}, fenced = {.horizon_ms = 0};
        struct barrier_ruling behind, expected;
        bool tcc = i <= ASSENT_BARRIER_CANCEL;
        bool sender = i == ASSENT_BARRIER_SEND || i == ASSENT_BARRIER_CHECK;
        fenced.of[tcc ? ASSENT_BARRIER_TRY : ASSENT_BARRIER_SEND] =
            tcc || sender ? BARRIER_FENCED : BARRIER_ABSENT;
        assert_int_equal(rule(operation, &rows, &behind), ASSENT_OK);
        assert_int_equal(rule(operation, &fenced, &expected), ASSENT_OK);
        assert_memory_equal(&behind, &expected, sizeof behind);
        rows.horizon_ms = 36; // not behind it
        assert_int_equal(rule(operation, &rows, &behind), ASSENT_OK);
        rows.horizon_ms = 0;
        assert_int_equal(rule(operation, &rows, &expected), ASSENT_OK);
        assert_memory_equal(&behind, &expected, sizeof behind);
    }
    struct gtid own = gtid_of("00000000.1.10.0"), client = gtid_of("order-42");
    struct gtid far = gtid_of("00000000.1.3w5e11264sgsf.0");
    assert_int_equal(barrier_lease_ms(&own), 36);
    assert_int_equal(barrier_lease_ms(&client), 0);
    assert_int_equal(barrier_lease_ms(&far), 0); // past what databases can compare
    struct barrier_rows rows = {.horizon_ms = INT64_MAX};
    struct barrier_ruling ruling;
    assert_int_equal(barrier_rule(ASSENT_BARRIER_TRY, &client, &rows, &ruling, NULL), ASSENT_OK);
    assert_int_equal(ruling.verdict, ASSENT_BARRIER_RUN);
}

static void words(void **state)
{
    (void)state;
    assert_string_equal(assent_barrier_operation_text(ASSENT_BARRIER_COMPENSATE), "compensate");
    assert_string_equal(assent_barrier_operation_text((assent_barrier_operation)0), "?");
    assert_string_equal(assent_barrier_operation_text((assent_barrier_operation)9), "?");
    assert_string_equal(assent_barrier_verdict_text(ASSENT_BARRIER_REFUSED), "refused");
    assert_string_equal(assent_barrier_verdict_text((assent_barrier_verdict)0), "?");
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++)
        assert_int_equal(barrier_operation_of(slice_text(
                             assent_barrier_operation_text((assent_barrier_operation)i))),
                         i);
    assert_int_equal(barrier_operation_of(slice_text("tr")), 0);
    assert_int_equal(barrier_operation_of(slice_text("")), 0);
    assert_int_equal(barrier_horizon_check(5, 5, NULL), ASSENT_OK);
    assert_int_equal(barrier_horizon_check(6, 5, NULL), ASSENT_INVALID);
}

// ---- the documentation's table ----

static struct barrier_rows standing(const assent_barrier_operation family[3], int which)
{
    struct barrier_rows rows = {.horizon_ms = 0};
    rows.of[family[0]] = which == BARRIER_STANDS_NOTHING  ? BARRIER_ABSENT
                         : which == BARRIER_STANDS_FENCED ? BARRIER_FENCED
                                                          : BARRIER_DONE;
    if (which == BARRIER_STANDS_CONFIRMED && family[1])
        rows.of[family[1]] = BARRIER_DONE;
    if (which == BARRIER_STANDS_UNDONE && family[2])
        rows.of[family[2]] = BARRIER_DONE;
    return rows;
}

static void print_cell(struct buf *out, const assent_barrier_operation family[3],
                       assent_barrier_operation operation, int which)
{
    bool possible = (which != BARRIER_STANDS_CONFIRMED || family[1]) &&
                    (which != BARRIER_STANDS_UNDONE || family[2]);
    struct barrier_rows rows = standing(family, which);
    struct barrier_ruling ruling;
    if (!possible || rule(operation, &rows, &ruling) != ASSENT_OK) {
        buf_printf(out, " - |");
        return;
    }
    buf_printf(out, " %s", assent_barrier_verdict_text(ruling.verdict));
    if (ruling.writes)
        buf_printf(out, ", writes %s %s", assent_barrier_operation_text(ruling.writes),
                   ruling.state == BARRIER_DONE ? "done" : "fenced");
    buf_printf(out, " |");
}

static void print_table(struct buf *out)
{
    static const assent_barrier_operation families[][3] = {
        {ASSENT_BARRIER_TRY, ASSENT_BARRIER_CONFIRM, ASSENT_BARRIER_CANCEL},
        {ASSENT_BARRIER_ACTION, 0, ASSENT_BARRIER_COMPENSATE},
        {ASSENT_BARRIER_SEND, 0, 0},
        {ASSENT_BARRIER_DELIVER, 0, 0},
    };
    static const int family_of[BARRIER_OPERATIONS] = {0, 0, 0, 0, 1, 1, 2, 2, 3};
    buf_printf(out,
               "| called | no rows | forward done | and confirmed | and undone | forward fenced "
               "|\n|---|---|---|---|---|---|\n");
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS; i++) {
        assent_barrier_operation operation = (assent_barrier_operation)i;
        buf_printf(out, "| %s |", assent_barrier_operation_text(operation));
        for (int which = 0; which < BARRIER_STANDINGS; which++)
            print_cell(out, families[family_of[i]], operation, which);
        buf_printf(out, "\n");
    }
}

// UPDATE_DOCS=1 in the environment prints it anew.
static void the_documentation_has_the_table(void **state)
{
    (void)state;
    static const char path[] = TEST_DATA "/../../docs/barrier.md";
    static const char begin[] = "<!-- table -->\n";
    struct buf fresh;
    buf_init(&fresh, 1 << 14);
    print_table(&fresh);
    char *text = unit_text_of(path);
    char *from = strstr(text, begin);
    assert_non_null(from);
    from += strlen(begin);
    char *to = strstr(from, "<!-- end -->");
    assert_non_null(to);
    bool same = slice_equal(slice_of(from, (size_t)(to - from)), buf_slice(&fresh));
    if (!same && getenv("UPDATE_DOCS")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fprintf(file, "%.*s%.*s%s", (int)(from - text), text, (int)fresh.size, (char *)fresh.data,
                to);
        assert_int_equal(fclose(file), 0);
    } else if (!same) {
        fail_msg("%s: the table has changed; run this with UPDATE_DOCS=1", path);
    }
    buf_free(&fresh);
    free(text);
}

// ---- broken barriers ----

// A shop in memory, with the faults of barriers that are written by hand.
static enum fault {
    SOUND,
    CHECK_THEN_WRITE, // the rows are read in one transaction, and written in the next
    FENCE_DELETED,    // a try that finds a fence takes it for its own row, and "cleans up"
    ROWS_EXPIRE,      // rows go after some time
    ROW_APART,        // the row is committed before the work
    FENCE_UNWRITTEN,  // a cancel that finds nothing to do does nothing
} fault;

enum { BRANCHES = 2048 };

static struct entry {
    char gtid[16];
    struct barrier_rows rows;
    int effects[BARRIER_OPERATIONS];
    int age;
} entries[BRANCHES];
static int entry_count;
static pthread_mutex_t entry_lock = PTHREAD_MUTEX_INITIALIZER;

static struct shop *toy_open(const char *dir)
{
    (void)dir;
    memset(entries, 0, sizeof entries);
    entry_count = 0;
    return (struct shop *)entries;
}

static struct shop *toy_again(struct shop *shop)
{
    return shop;
}

static void toy_close(struct shop **shop_p)
{
    *shop_p = NULL;
}

static struct entry *entry_of(const char *gtid)
{
    for (int i = 0; i < entry_count; i++)
        if (strcmp(entries[i].gtid, gtid) == 0)
            return &entries[i];
    assert_true(entry_count < BRANCHES);
    snprintf(entries[entry_count].gtid, sizeof entries[0].gtid, "%s", gtid);
    return &entries[entry_count++];
}

static int toy_run(struct shop *shop, const struct shop_order *order, assent_barrier_entry *ret)
{
    (void)shop;
    pthread_mutex_lock(&entry_lock);
    struct entry *e = entry_of(order->gtid);
    struct barrier_ruling ruling;
    if (fault == ROWS_EXPIRE && e->age++ % 4 == 3)
        memset(&e->rows, 0, sizeof e->rows);
    int code = rule(order->operation, &e->rows, &ruling);
    if (fault == CHECK_THEN_WRITE) {
        pthread_mutex_unlock(&entry_lock);
        sched_yield();
        pthread_mutex_lock(&entry_lock);
    }
    if (!code && ruling.writes && !(fault == FENCE_UNWRITTEN && ruling.state == BARRIER_FENCED))
        e->rows.of[ruling.writes] = ruling.state;
    if (fault == FENCE_DELETED && ruling.verdict == ASSENT_BARRIER_REFUSED)
        e->rows.of[order->operation] = BARRIER_ABSENT;
    bool dies = fault == ROW_APART && order->crash == SHOP_DIES_WORKED;
    if (!code && ruling.verdict == ASSENT_BARRIER_RUN && !dies)
        e->effects[order->operation]++;
    pthread_mutex_unlock(&entry_lock);
    if (!code)
        ret->verdict = ruling.verdict;
    return code;
}

static int toy_effects(struct shop *shop, const char *gtid, uint16_t branch,
                       assent_barrier_operation operation)
{
    (void)shop;
    pthread_mutex_lock(&entry_lock);
    int count = branch ? 0 : entry_of(gtid)->effects[operation];
    pthread_mutex_unlock(&entry_lock);
    return count;
}

static const struct shop_kind toy = {
    .name = "in memory",
    .open = toy_open,
    .again = toy_again,
    .close = toy_close,
    .run = toy_run,
    .effects = toy_effects,
};

static void a_sound_one_passes(void **state)
{
    (void)state;
    fault = SOUND;
    shop_test_table(&toy);
    assert_true(shop_race(&toy, 500));
    assert_true(shop_late_tries(&toy));
}

static void broken_ones_are_found(void **state)
{
    (void)state;
    fault = CHECK_THEN_WRITE;
    bool found = false;
    for (int i = 0; i < 200 && !found; i++)
        found = !shop_race(&toy, 500);
    assert_true(found);
    fault = FENCE_DELETED;
    assert_false(shop_late_tries(&toy));
    fault = ROWS_EXPIRE;
    assert_false(shop_late_tries(&toy));
    fault = FENCE_UNWRITTEN;
    assert_false(shop_late_tries(&toy));
    // What the tests of crashes see: the effect is not there, and yet it is a duplicate.
    fault = ROW_APART;
    struct shop *shop = toy_open(NULL);
    struct shop_order order = {
        .gtid = "g", .operation = ASSENT_BARRIER_TRY, .crash = SHOP_DIES_WORKED};
    assent_barrier_entry entry;
    assert_int_equal(toy_run(shop, &order, &entry), ASSENT_OK);
    assert_int_equal(shop_do(&toy, shop, "g", ASSENT_BARRIER_TRY), ASSENT_BARRIER_DUPLICATE);
    assert_int_equal(toy_effects(shop, "g", 0, ASSENT_BARRIER_TRY), 0);
    fault = SOUND;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_set_of_rows_has_an_answer),
        cmocka_unit_test(no_order_breaks_the_promises),
        cmocka_unit_test(behind_the_horizon_nothing_is_as_good_as_a_fence),
        cmocka_unit_test(words),
        cmocka_unit_test(the_documentation_has_the_table),
        cmocka_unit_test(a_sound_one_passes),
        cmocka_unit_test(broken_ones_are_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
