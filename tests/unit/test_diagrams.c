// SPDX-License-Identifier: Apache-2.0
// The state diagrams of the documentation are printed from the state tables: they cannot drift.
// UPDATE_DOCS=1 in the environment rewrites them.
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "core/coordinator.h"
#include "core/participant.h"
#include "core/quorum.h"

static void diagram(struct buf *out, const struct sm_table *table)
{
    buf_printf(out, "```mermaid\n");
    sm_diagram(table, out);
    buf_printf(out, "```\n\n| state | meaning |\n|---|---|\n");
    for (int state = 0; state < table->count; state++)
        buf_printf(out, "| %s | %s |\n", table->states[state].name, table->states[state].about);
}

static void rewrite(const char *path, const char *text, const char *from, const char *to,
                    const struct buf *fresh)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%.*s%s", (int)(from - text), text, (int)fresh->size,
            (const char *)fresh->data, to);
    assert_int_equal(fclose(file), 0);
}

// What stands between "<!-- states: NAME -->" and "<!-- end -->" must be the table's own words.
static void check(const char *path, const struct sm_table *table)
{
    char begin[64];
    struct buf fresh;
    buf_init(&fresh, 1 << 16);
    buf_printf(&fresh, "\n");
    diagram(&fresh, table);
    char *text = unit_text_of(path);
    snprintf(begin, sizeof begin, "<!-- states: %s -->\n", table->name);
    char *from = strstr(text, begin);
    if (!from)
        fail_msg("%s has no line %s", path, begin);
    from += strlen(begin);
    char *to = strstr(from, "<!-- end -->");
    assert_non_null(to);
    bool same = fresh.size == (size_t)(to - from) && memcmp(from, fresh.data, fresh.size) == 0;
    if (!same && getenv("UPDATE_DOCS"))
        rewrite(path, text, from, to, &fresh);
    else if (!same)
        fail_msg("%s: the states of '%s' have changed; run this with UPDATE_DOCS=1", path,
                 table->name);
    buf_free(&fresh);
    free(text);
}

static void test_2pc(void **state)
{
    (void)state;
    static const char path[] = TEST_DATA "/../../docs/protocols/2pc.md";
    check(path, &tx_table);
    check(path, &tx_branch_table);
    check(path, &part_table);
}

static void test_3pc(void **state)
{
    (void)state;
    static const char path[] = TEST_DATA "/../../docs/protocols/3pc.md";
    check(path, &quorum_table);
    check(path, &quorum_phase_table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_2pc), cmocka_unit_test(test_3pc)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
