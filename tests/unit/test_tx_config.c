// SPDX-License-Identifier: Apache-2.0
// The configuration of TX programs: what it says, and that every fault is told with its line.
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "tx_config.h"

static struct tx_config config;

static int load(const char *text, assent_error *error)
{
    char *dir = unit_dir_make();
    char path[256];
    snprintf(path, sizeof path, "%s/tx.conf", dir);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    assert_int_equal(fclose(out), 0);
    int code = tx_config_load(&config, path, error);
    unit_dir_remove(&dir);
    return code;
}

static void what_it_says(void **state)
{
    (void)state;
    assent_error error;
    assert_int_equal(load("# of the shop\n"
                          "endpoint = ipc:///run/assent/assentd.sock # here\n"
                          "certificate='a b'\n"
                          "\n"
                          "resource-manager  # the first\n"
                          "    resource = pg\r\n"
                          "    library = libpg.so.0\n"
                          "  # in between\n"
                          "    symbol = pg_xa\n"
                          "    open = \"host=/tmp password='#1'\"\n"
                          "outcome-timeout-ms = 250\n"
                          "resource-manager\n"
                          "    symbol = my_xa\n"
                          "    resource = my\n"
                          "    open = 'say \"please\"'\n"
                          "    close = bye", // without an end of the line
                          &error),
                     ASSENT_OK);
    assert_string_equal(config.endpoint, "ipc:///run/assent/assentd.sock");
    assert_string_equal(config.certificate, "a b");
    assert_string_equal(config.server_certificate, "");
    assert_int_equal(config.connect_timeout_ms, 10000);
    assert_int_equal(config.answer_timeout_ms, 10000);
    assert_int_equal(config.outcome_timeout_ms, 250);
    assert_int_equal(config.resource_count, 2);
    assert_string_equal(config.resources[0].name, "pg");
    assert_string_equal(config.resources[0].library, "libpg.so.0");
    assert_string_equal(config.resources[0].symbol, "pg_xa");
    assert_string_equal(config.resources[0].open, "host=/tmp password='#1'");
    assert_string_equal(config.resources[0].close, "");
    assert_int_equal(config.resources[0].line, 5);
    assert_string_equal(config.resources[1].name, "my");
    assert_string_equal(config.resources[1].library, "");
    assert_string_equal(config.resources[1].open, "say \"please\"");
    assert_string_equal(config.resources[1].close, "bye");
}

#define RM "resource-manager\n    resource = r\n    symbol = x\n"

static void what_it_may_not_say(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", ": there is no section resource-manager"},
        {"colour = blue\n", ":1: colour: no such key"},
        {RM "    colour = blue\n", ":4: colour: no such key"},
        {"\nendpoint = a\nendpoint = b\n", ":3: endpoint: given twice"},
        {"endpoint = a\n" RM "endpoint = b\n", ":5: endpoint: given twice"},
        {RM "    symbol = y\n", ":4: symbol: given twice"},
        {"    symbol = y\n", ":1: symbol: an indented key, but there is no section"},
        {RM "endpoint = a\n    open = b\n", ":5: open: an indented key, but there is no section"},
        {RM "  open = b\n", ":4: a key or a section was expected"},
        {"\tendpoint = a\n", ":1: a key or a section was expected"},
        {"= a\n", ":1: a key or a section was expected"},
        {"endpoint a\n", ":1: '=' was expected"},
        {"endpoint = \"a\n", ":1: the quotes are not closed"},
        {"endpoint = \"a\" b\n", ":1: there is more behind the quotes"},
        {"resource-manager = a\n", ":1: resource-manager: a section, it has no value"},
        {"\nresource-manager\n    symbol = x\n", ":2: resource-manager: 'resource' is 1 to 64"},
        {"resource-manager\n    resource = a b\n    symbol = x\n",
         ":1: resource-manager: 'resource'"},
        {"resource-manager\n    resource = r\nendpoint = a\n", ":1: resource-manager: 'symbol' is"},
        {"resource-manager\n    resource = r\n" RM, ":1: resource-manager: 'symbol' is missing"},
        {RM RM, ":4: r: there is another one of that name"},
        {"connect-timeout-ms = soon\n", ":1: connect-timeout-ms is a number of milliseconds"},
        {"connect-timeout-ms = 0\n", ":1: connect-timeout-ms is a number of milliseconds"},
        {"answer-timeout-ms = -1\n", ":1: answer-timeout-ms is a number of milliseconds"},
        {"outcome-timeout-ms = 86400001\n", ":1: outcome-timeout-ms is a number of milliseconds"},
        {"outcome-timeout-ms = 5 s\n", ":1: outcome-timeout-ms is a number of milliseconds"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assent_error error = {0};
        assert_int_equal(load(cases[i].text, &error), ASSENT_CONFIG);
        if (!strstr(error.message, cases[i].message))
            fail_msg("'%s' is not in '%s'", cases[i].message, error.message);
        assert_int_equal(load(cases[i].text, NULL), ASSENT_CONFIG);
    }
}

static void too_much(void **state)
{
    (void)state;
    static char text[1 << 16];
    assent_error error = {0};
    int used = 0;
    for (int i = 0; i <= TX_RESOURCES_MAX; i++)
        used += snprintf(text + used, sizeof text - (size_t)used,
                         "resource-manager\n    resource = r%d\n    symbol = x\n", i);
    assert_int_equal(load(text, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, ":97: resource-manager: too many of them"));
    memset(text, 0, sizeof text);
    memset(text, 'a', 4096);
    assert_int_equal(load(text, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, ":1: the line is too long"));
    snprintf(text, sizeof text, RM "    open = %0256d\n", 0);
    assert_int_equal(load(text, &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, ":4: open: the value is too long"));
    snprintf(text, sizeof text, RM "    open = %0255d\n", 0);
    assert_int_equal(load(text, &error), ASSENT_OK);
}

static void no_file(void **state)
{
    (void)state;
    assent_error error = {0};
    assert_int_equal(tx_config_load(&config, "/nonexistent/tx.conf", &error), ASSENT_CONFIG);
    assert_non_null(strstr(error.message, "/nonexistent/tx.conf: No such file"));
    assert_int_equal(tx_config_load(&config, "/", &error), ASSENT_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_it_says),
        cmocka_unit_test(what_it_may_not_say),
        cmocka_unit_test(too_much),
        cmocka_unit_test(no_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
