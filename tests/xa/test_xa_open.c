// SPDX-License-Identifier: Apache-2.0
// Which switches and options are taken, and what is said of the others.
#include "stage.h"

#include <stdio.h>
#include <string.h>

static void refused(const assent_xa_options *options, int code, const char *says)
{
    assert_int_equal(assent_xa_open(options, &stage.xa, &stage.error), code);
    assert_int_equal(stage.error.code, code);
    if (!strstr(stage.error.message, says))
        fail_msg("'%s' does not say '%s'", stage.error.message, says);
    assert_null(stage.xa);
}

static void test_libraries(void **state)
{
    (void)state;
    assent_xa_options options;
    char text[160];
    stage_write("%s", "");
    stage_options(&options);
    options.library = "/nonexistent/librm.so";
    refused(&options, ASSENT_CONFIG, "/nonexistent/librm.so");
    snprintf(text, sizeof text, "%s/text.so", stage.dir);
    FILE *file = fopen(text, "w");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
    options.library = text;
    refused(&options, ASSENT_CONFIG, "text.so");
    stage_options(&options);
    options.symbol = "no_such_switch";
    refused(&options, ASSENT_CONFIG, "has no 'no_such_switch'");
}

static void test_switches(void **state)
{
    (void)state;
    static const struct {
        const char *symbol, *says;
    } broken[] = {
        {"scripted_dynamic", "'dynamic' registers branches dynamically (TMREGISTER)"},
        {"scripted_incomplete", "'incomplete' is incomplete"},
        {"scripted_version", "its version is 1"},
        {"scripted_nameless", "no XA switch"},
        {"scripted_note", "no XA switch"}, // a function
    };
    assent_xa_options options;
    stage_write("%s", "");
    stage_options(&options);
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        options.symbol = broken[i].symbol;
        refused(&options, ASSENT_CONFIG, broken[i].says);
    }
    stage_check("nothing was called");
}

static void test_options(void **state)
{
    (void)state;
    assent_xa_options options;
    char string[MAXINFOSIZE + 1];
    stage_write("%s", "");
    stage_options(&options);
    options.resource = "no name";
    refused(&options, ASSENT_INVALID, "a resource has a name");
    options.resource = NULL;
    refused(&options, ASSENT_INVALID, "a resource has a name");
    stage_options(&options);
    options.symbol = NULL;
    refused(&options, ASSENT_INVALID, "a library and a symbol");
    options.library = NULL;
    refused(&options, ASSENT_INVALID, "a library and a symbol");
    refused(NULL, ASSENT_INVALID, "no options");
    memset(string, 'x', MAXINFOSIZE);
    string[MAXINFOSIZE] = '\0';
    stage_options(&options);
    options.open_string = string;
    refused(&options, ASSENT_INVALID, "the open string of an XA resource manager has 256 bytes");
    stage_options(&options);
    options.close_string = string;
    refused(&options, ASSENT_INVALID, "the close string of an XA resource manager has 256 bytes");
}

// The longest there may be, whole; and none.
static void test_strings(void **state)
{
    (void)state;
    assent_xa_options options;
    char string[MAXINFOSIZE];
    memset(string, 'x', MAXINFOSIZE - 1);
    string[MAXINFOSIZE - 1] = '\0';
    stage_write("open 7 -> XA_OK\nclose 7 %s -> XA_OK\nopen 7 -> XA_OK\nclose 7  -> XAER_RMERR\n",
                string);
    stage_options(&options);
    options.close_string = string;
    assert_int_equal(assent_xa_open(&options, &stage.xa, &stage.error), ASSENT_OK);
    assent_xa_close(&stage.xa);
    options.close_string = NULL;
    assert_int_equal(assent_xa_open(&options, &stage.xa, &stage.error), ASSENT_OK);
    stage_close();
    assent_xa_close(&stage.xa); // of none
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, stage_setup, stage_teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_libraries),
        TEST(test_switches),
        TEST(test_options),
        TEST(test_strings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
