// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <jansson.h>

#include "base/logger.h"

static FILE *out;

static int open_out(void **state)
{
    (void)state;
    out = tmpfile();
    return out ? 0 : -1;
}

static int close_out(void **state)
{
    (void)state;
    logger_setup(LOG_INFO, LOG_LOGFMT, STDERR_FILENO, "unit");
    return fclose(out);
}

static void begin(enum log_level least, enum log_format format)
{
    rewind(out);
    assert_int_equal(ftruncate(fileno(out), 0), 0);
    logger_setup(least, format, fileno(out), "unit");
}

// What was written since begin, NUL-terminated; the caller frees it.
static char *written(void)
{
    long size = lseek(fileno(out), 0, SEEK_END);
    char *text = calloc(1, (size_t)size + 1);
    assert_non_null(text);
    assert_int_equal(pread(fileno(out), text, (size_t)size, 0), size);
    return text;
}

// The written line without its time, whose form is checked.
static char *written_after_time(void)
{
    char *text = written();
    int year, month, day, hour, minute, second, ms, used = 0;
    assert_int_equal(sscanf(text, "ts=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ %n", &year, &month, &day, &hour,
                            &minute, &second, &ms, &used),
                     7);
    assert_int_equal(used, 28);
    assert_true(year >= 2024 && month <= 12 && day <= 31 && hour < 24 && minute < 60);
    memmove(text, text + used, strlen(text + used) + 1);
    return text;
}

static void logfmt_quotes_only_where_needed(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_LOGFMT);
    const char *absent = NULL;
    const bool ok = true;
    log_event(LOG_WARN, "opened", KV("path", "/var/lib/x"), KV("count", 3u), KV("delta", -4),
              KV("ok", ok), KV("load", 0.25), KV("why", "two words"), KV("eq", "a=b"),
              KV("quote", "say \"x\" \\"), KV("empty", ""), KV("absent", absent),
              KV("part", slice_of("abcdef", 3)), KV("wide", UINT64_MAX));
    char *text = written_after_time();
    assert_string_equal(text, "level=warn program=unit event=opened path=/var/lib/x count=3 "
                              "delta=-4 ok=true load=0.25 why=\"two words\" eq=\"a=b\" "
                              "quote=\"say \\\"x\\\" \\\\\" empty=\"\" absent=\"\" part=abc "
                              "wide=18446744073709551615\n");
    free(text);
}

static void an_event_needs_no_fields(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_LOGFMT);
    log_event(LOG_ERROR, "stopping");
    char *text = written_after_time();
    assert_string_equal(text, "level=error program=unit event=stopping\n");
    free(text);
}

static int evaluated(int *count)
{
    return ++*count;
}

static void levels_below_the_least_cost_nothing(void **state)
{
    (void)state;
    int count = 0;
    begin(LOG_WARN, LOG_LOGFMT);
    log_event(LOG_INFO, "quiet", KV("n", evaluated(&count)));
    assert_int_equal(count, 0);
    char *text = written();
    assert_string_equal(text, "");
    free(text);
    assert_true(logger_on(LOG_ERROR) && logger_on(LOG_WARN));
    assert_false(logger_on(LOG_INFO) || logger_on(LOG_DEBUG));
}

// Every byte value, lone and in bad company, in both forms: always one line; JSON always parses.
static void hostile_bytes_are_made_safe(void **state)
{
    (void)state;
    static const char *const bad[] = {"\xff",
                                      "\xc3",
                                      "\xc0\xaf",
                                      "\xed\xa0\x80",
                                      "\xe2\x82",
                                      "\xf4\x90\x80\x80",
                                      "\xf0\x80\x80\x80",
                                      "\x80x",
                                      "\xe0\x80\xaf",
                                      "\xf4\x90\x80"};
    for (int c = 0; c < 256 + 10; c++) {
        char byte = (char)c;
        struct slice value = c < 256 ? slice_of(&byte, 1) : slice_text(bad[c - 256]);
        begin(LOG_INFO, LOG_JSON);
        log_event(LOG_INFO, "x", KV("v", value));
        char *text = written();
        assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
        json_t *json = json_loads(text, JSON_ALLOW_NUL, NULL);
        assert_non_null(json);
        const char *v = json_string_value(json_object_get(json, "v"));
        if (c > 0 && c < 128)
            assert_true(v && v[0] == byte && v[1] == '\0');
        else if (c >= 128)
            assert_memory_equal(v, "\xef\xbf\xbd", 3);
        json_decref(json);
        free(text);
        begin(LOG_INFO, LOG_LOGFMT);
        log_event(LOG_INFO, "x", KV("v", value));
        text = written();
        for (const char *p = text; p[1]; p++)
            assert_true(*p >= ' ' && *p <= '~');
        free(text);
    }
}

static void good_utf8_stays(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_LOGFMT);
    log_event(LOG_INFO, "x", KV("v", "Zürich \xe2\x82\xac \xf0\x9f\x98\x80"),
              KV("c1", "a\xc2\x9bZ\x1b[2J\x7f"));
    char *text = written_after_time();
    assert_string_equal(text, "level=info program=unit event=x "
                              "v=\"Zürich \xe2\x82\xac \xf0\x9f\x98\x80\" "
                              "c1=\"a\\u009bZ\\u001b[2J\\u007f\"\n");
    free(text);
}

static void json_has_types(void **state)
{
    (void)state;
    const bool no = false;
    begin(LOG_DEBUG, LOG_JSON);
    log_event(LOG_DEBUG, "x", KV("n", -7), KV("b", no), KV("d", 1.5), KV("nan", (double)NAN),
              KV("s", "a\nb\t\"\\"));
    char *text = written();
    json_t *json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_string_equal(json_string_value(json_object_get(json, "level")), "debug");
    assert_string_equal(json_string_value(json_object_get(json, "event")), "x");
    assert_int_equal(json_integer_value(json_object_get(json, "n")), -7);
    assert_true(json_is_false(json_object_get(json, "b")));
    assert_true(json_is_null(json_object_get(json, "nan")));
    assert_string_equal(json_string_value(json_object_get(json, "s")), "a\nb\t\"\\");
    assert_int_equal(strlen(json_string_value(json_object_get(json, "ts"))), 24);
    json_decref(json);
    free(text);
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    for (int shift = 0; shift < 4; shift++) {
        char value[9000] = "xyz";
        for (size_t at = (size_t)shift; at + 3 < sizeof value; at += 3)
            memcpy(value + at, "\xe2\x82\xac", 4);
        begin(LOG_INFO, LOG_JSON);
        log_event(LOG_INFO, "x", KV("v", (const char *)value));
        char *text = written();
        json_t *json = json_loads(text, 0, NULL);
        assert_non_null(json);
        const char *v = json_string_value(json_object_get(json, "v"));
        assert_null(strstr(v, "\xef\xbf\xbd"));
        size_t size = strlen(v);
        assert_in_range(size, 2045, 2051);
        assert_string_equal(v + size - 3, "...");
        assert_memory_equal(v, value, size - 3);
        json_decref(json);
        free(text);
    }
}

static void a_full_line_says_that_it_is_cut(void **state)
{
    (void)state;
    char value[2001];
    memset(value, 1, 2000); // six characters each when escaped
    value[2000] = '\0';
    for (int format = LOG_LOGFMT; format <= LOG_JSON; format++) {
        begin(LOG_INFO, (enum log_format)format);
        log_event(LOG_INFO, "x", KV("a", (const char *)value), KV("b", (const char *)value),
                  KV("c", 5));
        char *text = written();
        assert_null(strstr(text, "\"b\""));
        const char *end = format == LOG_JSON ? ",\"truncated\":true}\n" : " truncated=true\n";
        assert_string_equal(text + strlen(text) - strlen(end), end);
        if (format == LOG_JSON) {
            json_t *json = json_loads(text, 0, NULL);
            assert_int_equal(json_string_length(json_object_get(json, "a")), 2000);
            json_decref(json);
        }
        free(text);
    }
}

static void *write_many(void *argument)
{
    for (int i = 0; i < 500; i++)
        log_event(LOG_INFO, "tick", KV("thread", *(int *)argument), KV("i", i));
    return NULL;
}

static void lines_of_threads_do_not_mix(void **state)
{
    (void)state;
    begin(LOG_INFO, LOG_JSON);
    int pipe_ends[2];
    assert_int_equal(pipe(pipe_ends), 0);
    logger_setup(LOG_INFO, LOG_JSON, pipe_ends[1], "unit");
    pthread_t threads[4];
    int numbers[4] = {0, 1, 2, 3}, next[4] = {0};
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, write_many, &numbers[i]), 0);
    FILE *in = fdopen(pipe_ends[0], "r");
    char line[512];
    for (int i = 0; i < 2000; i++) {
        assert_non_null(fgets(line, sizeof line, in));
        json_t *json = json_loads(line, 0, NULL);
        assert_non_null(json);
        json_int_t thread = json_integer_value(json_object_get(json, "thread"));
        assert_int_equal(json_integer_value(json_object_get(json, "i")), next[thread]++);
        json_decref(json);
    }
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    fclose(in);
    close(pipe_ends[1]);
}

static void names_are_parsed(void **state)
{
    (void)state;
    enum log_level level = LOG_ERROR;
    enum log_format format = LOG_JSON;
    assert_true(logger_level_parse("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_false(logger_level_parse("loud", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_true(logger_format_parse("logfmt", &format));
    assert_int_equal(format, LOG_LOGFMT);
    assert_false(logger_format_parse("", &format));
}

static void the_limiter_lets_a_burst_pass(void **state)
{
    (void)state;
    struct log_limit limit = {.burst = 3, .per_ms = 1000};
    uint64_t suppressed = 99;
    for (int i = 0; i < 3; i++) {
        assert_true(log_limit_allow(&limit, 5000, &suppressed));
        assert_int_equal(suppressed, 0);
    }
    for (int i = 0; i < 10; i++)
        assert_false(log_limit_allow(&limit, 5999, &suppressed));
    assert_true(log_limit_allow(&limit, 6000, &suppressed));
    assert_int_equal(suppressed, 10);
    assert_true(log_limit_allow(&limit, 6001, &suppressed));
    assert_int_equal(suppressed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(logfmt_quotes_only_where_needed),
        cmocka_unit_test(an_event_needs_no_fields),
        cmocka_unit_test(levels_below_the_least_cost_nothing),
        cmocka_unit_test(hostile_bytes_are_made_safe),
        cmocka_unit_test(good_utf8_stays),
        cmocka_unit_test(json_has_types),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(a_full_line_says_that_it_is_cut),
        cmocka_unit_test(lines_of_threads_do_not_mix),
        cmocka_unit_test(names_are_parsed),
        cmocka_unit_test(the_limiter_lets_a_burst_pass),
    };
    return cmocka_run_group_tests(tests, open_out, close_out);
}
