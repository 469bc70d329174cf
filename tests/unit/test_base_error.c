// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "base/error.h"

static void every_code_has_a_name_and_a_text(void **state)
{
    (void)state;
#define X(name, value, text)                                                                       \
    assert_string_equal(assent_code_name(value), #name);                                           \
    assert_string_equal(assent_code_text(value), text);
    ASSENT_ERRORS(X)
#undef X
    assert_string_equal(assent_code_name(-1), "?");
    assert_string_equal(assent_code_text(9999), "unrecognized error code");
}

static void set_returns_the_code_and_formats(void **state)
{
    (void)state;
    assent_error error = {0};
    assert_int_equal(error_set(&error, ASSENT_IO, "store: open %s: %d", "/x", 7), ASSENT_IO);
    assert_int_equal(error.code, ASSENT_IO);
    assert_string_equal(error.message, "store: open /x: 7");
    assert_int_equal(error_set(NULL, ASSENT_BUSY, "nobody listens"), ASSENT_BUSY);
}

static void a_message_may_quote_itself(void **state)
{
    (void)state;
    assent_error error = {0};
    error_set(&error, ASSENT_IO, "disk full");
    error_set(&error, ASSENT_CORRUPT, "journal: %s", error.message);
    assert_string_equal(error.message, "journal: disk full");
}

static void prefix_adds_context_in_front(void **state)
{
    (void)state;
    assent_error error = {0};
    error_set(&error, ASSENT_LOCKED, "in use");
    assert_int_equal(error_prefix(&error, "log %d", 3), ASSENT_LOCKED);
    assert_string_equal(error.message, "log 3: in use");
}

static void long_messages_are_cut(void **state)
{
    (void)state;
    char text[1000];
    memset(text, 'x', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assent_error error;
    memset(&error, 0xff, sizeof error);
    error_set(&error, ASSENT_INVALID, "%s", text);
    assert_int_equal(strlen(error.message), ASSENT_ERROR_MESSAGE_MAX - 1);
    error_prefix(&error, "%s", "before");
    assert_int_equal(strlen(error.message), ASSENT_ERROR_MESSAGE_MAX - 1);
    assert_memory_equal(error.message, "before: xxx", 11);
    error_prefix(&error, "%s", text);
    assert_int_equal(strlen(error.message), ASSENT_ERROR_MESSAGE_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_code_has_a_name_and_a_text),
        cmocka_unit_test(set_returns_the_code_and_formats),
        cmocka_unit_test(a_message_may_quote_itself),
        cmocka_unit_test(prefix_adds_context_in_front),
        cmocka_unit_test(long_messages_are_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
