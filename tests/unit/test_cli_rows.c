// SPDX-License-Identifier: Apache-2.0
// Lists that come in pages, and the command's tables.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "rows.h"
#include "table.h"
#include "unit.h"

static void add(struct rows *rows, uint64_t key)
{
    json_t *row = json_pack("{s:I}", "started_at_ms", (json_int_t)key);
    assert_true(rows_add(rows, row));
    json_decref(row);
}

// The first of the order are kept, however many come and in whatever order.
static void test_the_first_are_kept(void **state)
{
    (void)state;
    enum { COUNT = 20000, LIMIT = 50 };
    struct rows rows;
    struct rng rng;
    static uint64_t keys[COUNT];
    rng_seed(&rng, 1);
    for (uint64_t i = 0; i < COUNT; i++)
        keys[i] = i;
    for (uint64_t i = COUNT; i > 1; i--) {
        uint64_t j = rng_below(&rng, i), swap = keys[j];
        keys[j] = keys[i - 1];
        keys[i - 1] = swap;
    }
    rows_init(&rows, LIMIT, "started_at_ms");
    for (uint64_t i = 0; i < COUNT; i++) {
        add(&rows, keys[i]);
        assert_true(rows.capacity < 4096); // memory does not grow with what is not kept
    }
    rows_settle(&rows);
    assert_int_equal(rows.matched, COUNT);
    assert_int_equal(rows.count, LIMIT);
    for (uint64_t i = 0; i < LIMIT; i++)
        assert_int_equal(member_count(rows.items[i], "started_at_ms"), i);
    rows_free(&rows);
}

static void test_without_limit_or_order(void **state)
{
    (void)state;
    struct rows rows;
    rows_init(&rows, 0, NULL);
    add(&rows, 5);
    add(&rows, 3);
    rows_settle(&rows);
    assert_int_equal(rows.count, 2);
    assert_int_equal(member_count(rows.items[0], "started_at_ms"), 5);
    json_t *json = rows_json(&rows);
    assert_int_equal(json_array_size(json), 2);
    json_decref(json);
    rows_free(&rows);
}

static void test_members(void **state)
{
    (void)state;
    json_t *o = json_pack("{s:s, s:i, s:b, s:n, s:i}", "text", "x", "count", 7, "yes", 1, "none",
                          "less", -3);
    assert_string_equal(member_text(o, "text"), "x");
    assert_string_equal(member_text(o, "count"), "");
    assert_string_equal(member_text(NULL, "text"), "");
    assert_int_equal(member_count(o, "count"), 7);
    assert_int_equal(member_count(o, "less"), 0);
    assert_int_equal(member_count(o, "text"), 0);
    assert_true(member_bool(o, "yes"));
    assert_false(member_bool(o, "count"));
    assert_true(member_present(o, "text"));
    assert_false(member_present(o, "none"));
    assert_false(member_present(o, "missing"));
    json_decref(o);
}

// What the table printed, malloc'ed.
static char *printed(struct table **table)
{
    char path[500], *dir = unit_dir_make();
    snprintf(path, sizeof path, "%s/table", dir);
    fflush(stdout);
    FILE *real = stdout;
    stdout = fopen(path, "w");
    assert_non_null(stdout);
    bool ok = table_print(table);
    fclose(stdout);
    stdout = real;
    assert_true(ok);
    assert_null(*table);
    char *text = unit_text_of(path);
    unit_dir_remove(&dir);
    return text;
}

static void test_table(void **state)
{
    (void)state;
    static const char *const headings[] = {"NAME", ">COUNT", "AGE", NULL};
    struct cli cli = {.color = false};
    struct table *table = table_new(&cli, headings);
    json_t *row = json_pack("{s:i}", "age_ms", 192000);
    table_row(table);
    table_cell(table, "a\033[31m");
    table_cell_count(table, 12345);
    table_cell_age(table, row, "age_ms");
    table_row(table);
    table_cell_painted(table, PAINT_BAD, "a-rather-long-name");
    table_cell_count(table, 7);
    table_cell_age(table, row, "missing");
    char *text = printed(&table);
    assert_string_equal(text, "NAME               COUNT AGE\n"
                              "a?[31m             12345 3m 12s\n"
                              "a-rather-long-name     7 -\n");
    free(text);
    json_decref(row);
}

static void test_colours(void **state)
{
    (void)state;
    static const char *const headings[] = {"NAME", "B", NULL};
    struct cli cli = {.color = true};
    struct table *table = table_new(&cli, headings);
    table_row(table);
    table_cell_painted(table, PAINT_BAD, "x");
    table_cell(table, "y");
    char *text = printed(&table);
    assert_non_null(strstr(text, "\033["));
    assert_null(strstr(text, "\033[1;31my"));
    free(text);
}

static void test_empty_table_prints_nothing(void **state)
{
    (void)state;
    static const char *const headings[] = {"NAME", NULL};
    struct cli cli = {.color = false};
    struct table *table = table_new(&cli, headings);
    char *text = printed(&table);
    assert_string_equal(text, "");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_are_kept),
        cmocka_unit_test(test_without_limit_or_order),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_colours),
        cmocka_unit_test(test_empty_table_prints_nothing),
    };
    return cmocka_run_group_tests_name("cli_rows", tests, NULL, NULL);
}
