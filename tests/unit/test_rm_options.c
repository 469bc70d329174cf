// SPDX-License-Identifier: Apache-2.0
// The command line of assent-rm, its environment and its configuration file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rm_options.h"
#include "unit.h"

static struct rm_options options;
static assent_error error;
static char *dir, path[200];

static int read_args(size_t count, const char *const *more)
{
    char name[] = "assent-rm", *argv[16] = {name};
    for (size_t i = 0; i < count; i++)
        argv[i + 1] = (char *)more[i]; // getopt_long changes nothing but their order
    error = (assent_error){0};
    return rm_options_read(&options, (int)count + 1, argv, &error);
}
#define READ(...)                                                                                  \
    read_args(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *), (const char *[]){__VA_ARGS__})

static void refused(int code, int wanted, const char *message)
{
    assert_int_equal(code, wanted);
    assert_string_equal(error.message, message);
    rm_options_free(&options);
}

static void write_file(const char *text)
{
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static int setup(void **state)
{
    (void)state;
    unsetenv("ASSENT_RM_DATABASE");
    unsetenv("ASSENT_RM_OPEN");
    dir = unit_dir_make();
    snprintf(path, sizeof path, "%s/rm.conf", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    unit_dir_remove(&dir);
    return 0;
}

static void test_line(void **state)
{
    (void)state;
    assert_int_equal(
        READ("-r", "orders", "--journal=j", "-d", "postgres:x", "-w3", "--barrier", "no"),
        ASSENT_OK);
    assert_string_equal(options.resource, "orders");
    assert_string_equal(options.journal, "j");
    assert_string_equal(options.database, "postgres:x");
    assert_int_equal(options.workers, 3);
    assert_false(options.barrier);
    assert_int_equal(options.what, RM_OPTIONS_SERVE);
    rm_options_free(&options);
    assert_int_equal(READ("--check", "-r", "r", "-d", "x"), ASSENT_OK); // needs no journal
    assert_int_equal(options.what, RM_OPTIONS_CHECK);
    assert_true(options.barrier && options.workers == 8);
    rm_options_free(&options);
    assert_int_equal(READ("--xa", "lib.so:sw", "--open", "o", "-r", "r", "-j", "j"), ASSENT_OK);
    assert_false(options.barrier);
    rm_options_free(&options);
    assert_int_equal(READ("--help"), ASSENT_OK);
    assert_int_equal(options.what, RM_OPTIONS_HELP);
    rm_options_free(&options);
}

static void test_refusals(void **state)
{
    (void)state;
    refused(READ("-r", "r", "-j", "j", "-d", "x", "more"), ASSENT_INVALID,
            "'more' is no option; see assent-rm --help");
    refused(READ("-r", "r", "-j", "j"), ASSENT_CONFIG,
            "--database (or --xa) is missing; see assent-rm --help");
    refused(READ("-j", "j", "-d", "x"), ASSENT_CONFIG,
            "--resource is missing; see assent-rm --help");
    refused(READ("-r", "r", "-d", "x"), ASSENT_CONFIG,
            "--journal is missing; see assent-rm --help");
    refused(READ("-r", "r", "-j", "j", "-d", "x", "--xa", "y"), ASSENT_CONFIG,
            "--database and --xa: one of them is enough");
    refused(READ("-r", "r", "-j", "j", "-d", "x", "--open", "y"), ASSENT_CONFIG,
            "--open and --close go with --xa");
    refused(READ("-r", "r", "-j", "j", "--xa", "x", "-p", "y"), ASSENT_CONFIG,
            "--procedures are SQL, which --xa knows nothing of");
    refused(READ("-r", "r", "-j", "j", "-d", "x", "-w", "0"), ASSENT_CONFIG,
            "--workers takes a whole number from 1 to 256, not '0'");
    refused(READ("-r", "r", "-j", "j", "-d", "x", "-w", "-1"), ASSENT_CONFIG,
            "--workers takes a whole number from 1 to 256, not '-1'");
    refused(READ("-r", "r", "-j", "j", "--xa", "x", "--barrier", "yes"), ASSENT_CONFIG,
            "--barrier takes yes (not with --xa) or no, not 'yes'");
}

// Line before environment before file.
static void test_order(void **state)
{
    (void)state;
    write_file("# comment\n\nresource = \"r # 1\" # more\n  journal=j\ndatabase = 'f'\n"
               "workers = 5  # threads\n");
    assert_int_equal(READ("--config", path), ASSENT_OK);
    assert_string_equal(options.resource, "r # 1");
    assert_string_equal(options.journal, "j");
    assert_string_equal(options.database, "f");
    assert_int_equal(options.workers, 5);
    rm_options_free(&options);
    setenv("ASSENT_RM_DATABASE", "e", 1);
    assert_int_equal(READ("--config", path, "-r", "line"), ASSENT_OK);
    assert_string_equal(options.resource, "line");
    assert_string_equal(options.database, "e");
    rm_options_free(&options);
    assert_int_equal(READ("--config", path, "-d", "line"), ASSENT_OK);
    assert_string_equal(options.database, "line");
    rm_options_free(&options);
    assert_int_equal(READ("--config", path, "--xa", "l:s"), ASSENT_OK);
    assert_null(options.database);
    rm_options_free(&options);
    unsetenv("ASSENT_RM_DATABASE");
}

static void refused_file(const char *text, const char *message)
{
    char expected[300];
    write_file(text);
    snprintf(expected, sizeof expected, "%s:%s", path, message);
    refused(READ("--config", path), ASSENT_CONFIG, expected);
}

static void test_file(void **state)
{
    (void)state;
    refused_file("resource = r\nresources = s\n", "2: there is no key 'resources'");
    refused_file("resource = r\n\nresource = s\n", "3: 'resource' is given twice");
    refused_file("config = other\n", "1: there is no key 'config'");
    refused_file("resource\n", "1: not a line KEY = VALUE");
    refused_file("= r\n", "1: not a line KEY = VALUE");
    refused_file("resource = \"r\n", "1: not a line KEY = VALUE");
    refused_file("resource = \"r\" s\n", "1: not a line KEY = VALUE");
    char *text = malloc(5001);
    memset(text, 'x', 5000);
    memcpy(text, "open = ", 7);
    text[5000] = '\0';
    refused_file(text, "1: the line is longer than 4096 bytes");
    memcpy(text + 4095, "\n=", 3); // so long one may be
    refused_file(text, "2: not a line KEY = VALUE");
    free(text);
    refused(READ("--config", "/nowhere/at/all"), ASSENT_CONFIG,
            "/nowhere/at/all: No such file or directory");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_file),
    };
    return cmocka_run_group_tests_name("rm_options", tests, setup, teardown);
}
