// SPDX-License-Identifier: Apache-2.0
// The table of the documentation is printed from the one in the code. UPDATE_DOCS=1 in the
// environment rewrites it.
#include "unit.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "xa_table.h"

static const char path[] = TEST_DATA "/../../docs/resource-managers.md";
static const char begin[] = "<!-- table: xa codes -->\n";

static void rewrite(const char *text, const char *from, const char *to, const struct buf *fresh)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fprintf(file, "%.*s%.*s%s", (int)(from - text), text, (int)fresh->size,
            (const char *)fresh->data, to);
    assert_int_equal(fclose(file), 0);
}

static void test_documented(void **state)
{
    (void)state;
    struct buf fresh;
    buf_init(&fresh, 1 << 16);
    xa_table_print(&fresh);
    char *text = unit_text_of(path);
    char *from = strstr(text, begin);
    assert_non_null(from);
    from += strlen(begin);
    char *to = strstr(from, "<!-- end -->");
    assert_non_null(to);
    bool same = fresh.size == (size_t)(to - from) && memcmp(from, fresh.data, fresh.size) == 0;
    if (!same && getenv("UPDATE_DOCS"))
        rewrite(text, from, to, &fresh);
    else if (!same)
        fail_msg("%s: the table has changed; run this with UPDATE_DOCS=1", path);
    buf_free(&fresh);
    free(text);
}

// In doubt is the answer to all that is not known, and only XA_OK commits.
static void test_never_committed(void **state)
{
    (void)state;
    for (int code = -200; code <= 200; code++) {
        enum xa_deed deed = xa_deed_of(XA_STAGE_COMMIT, code);
        assert_true(deed != XA_GO_ON || code == XA_OK);
        assert_true(deed != XA_LOOK || code == XAER_NOTA);
        assert_true(deed != XA_COMMITTED || code == XA_HEURCOM);
        assert_true(xa_deed_of(XA_STAGE_PREPARE, code) != XA_GO_ON || code == XA_OK);
        if (assent_xa_code_text(code)[0] == '?')
            assert_int_equal(deed, XA_AGAIN);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documented),
        cmocka_unit_test(test_never_committed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
