// SPDX-License-Identifier: Apache-2.0
// Ages, times and texts as the operator reads them.
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "format.h"
#include "unit.h"

static void test_ages(void **state)
{
    (void)state;
    static const struct {
        uint64_t ms;
        const char *text;
    } cases[] = {
        {0, "0ms"},
        {850, "850ms"},
        {999, "999ms"},
        {1000, "1.0s"},
        {12345, "12.3s"},
        {59999, "59.9s"},
        {60000, "1m 00s"},
        {192000, "3m 12s"},
        {3599999, "59m 59s"},
        {3600000, "1h 00m"},
        {14700000, "4h 05m"},
        {86400000, "1d 00h"},
        {529200000, "6d 03h"},
        {UINT64_MAX, "213503982334d 14h"},
    };
    char text[AGE_TEXT_BYTES];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(format_age(cases[i].ms, text), cases[i].text);
}

static void test_ages_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t ms;
    } cases[] = {
        {"0", 0},           {"5", 5000},
        {"500ms", 500},     {"90s", 90000},
        {"10m", 600000},    {"2h", 7200000},
        {"3d", 259200000},  {"1h30m", 5400000},
        {"1m500ms", 60500}, {"10000d", 864000000000},
    };
    uint64_t ms;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        ms = 77;
        assert_true(parse_age(cases[i].text, &ms));
        assert_int_equal(ms, cases[i].ms);
    }
    static const char *const bad[] = {
        "",
        " ",
        "s",
        "5x",
        "-5",
        "+5",
        "5 s",
        "1.5s",
        "5s ",
        "1h30",
        "1h2m3s",
        "10001d",
        "10000d1s",
        "213503982335d",
        "99999999999999999999",
        "m5",
        "5ss",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ms = 77;
        if (parse_age(bad[i], &ms))
            fail_msg("'%s' was taken for a time", bad[i]);
        assert_int_equal(ms, 77);
    }
}

static void test_times(void **state)
{
    (void)state;
    char text[TIME_TEXT_BYTES];
    setenv("TZ", "UTC", 1);
    tzset();
    assert_string_equal(format_time(1700000000123, text), "2023-11-14 22:13:20.123");
    assert_string_equal(format_time(0, text), "1970-01-01 00:00:00.000");
    format_time(UINT64_MAX, text); // no date at all, but no harm either
    assert_true(strlen(text) < TIME_TEXT_BYTES);
}

static void test_texts_are_made_safe(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
    } cases[] = {
        {"plain text", "plain text"},
        {"", ""},
        {"gr\xc3\xbc\xc3\x9f", "gr\xc3\xbc\xc3\x9f"},
        {"\xe2\x82\xac \xf0\x9f\x98\x80", "\xe2\x82\xac \xf0\x9f\x98\x80"},
        {"red\033[31m", "red?[31m"},
        {"two\nlines\r\t", "two?lines??"},
        {"\x7f", "?"},
        {"\xc2\x9b"
         "31m",
         "?31m"}, // CSI as one character
        {"\xe2\x80\xae"
         "txt",
         "?txt"}, // right-to-left override
        {"\xe2\x81\xa6"
         "x",
         "?x"},                       // isolate
        {"\xff\xfe", "??"},           // no UTF-8
        {"\xc3", "?"},                // cut short
        {"\xc0\xaf", "??"},           // overlong '/'
        {"\xed\xa0\x80", "???"},      // half a surrogate pair
        {"\xf4\x90\x80\x80", "????"}, // past the last character
    };
    char text[100];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(format_clean(cases[i].from, text, sizeof text), cases[i].to);
}

static void test_long_texts_are_cut_between_characters(void **state)
{
    (void)state;
    char text[8];
    memset(text, 'x', sizeof text);
    assert_string_equal(format_clean("1234567", text, 8), "1234567");
    assert_string_equal(format_clean("12345678", text, 8), "1234567");
    assert_string_equal(format_clean("123456\xc3\xbc", text, 8), "123456");
    assert_string_equal(format_clean("12345\xc3\xbcz", text, 8), "12345\xc3\xbc");
    assert_string_equal(format_clean("abc", text, 1), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ages),
        cmocka_unit_test(test_ages_are_read),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_texts_are_made_safe),
        cmocka_unit_test(test_long_texts_are_cut_between_characters),
    };
    return cmocka_run_group_tests_name("cli_format", tests, NULL, NULL);
}
