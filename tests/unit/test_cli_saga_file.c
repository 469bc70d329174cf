// SPDX-License-Identifier: Apache-2.0
// Sagas in files: what is taken, and that a refusal names the step and the field.
#include <stdlib.h>
#include <string.h>

#include "saga_file.h"
#include "unit.h"

static struct saga_file file;
static assent_error error;

static int parse(const char *text)
{
    error = (assent_error){0};
    return saga_file_parse(&file, slice_text(text), "f", &error);
}

static void refused(const char *text, const char *message)
{
    assert_int_equal(parse(text), ASSENT_INVALID);
    assert_string_equal(error.message, message);
}

#define STEPS(steps) "{\"steps\": [" steps "]}"
#define A            "{\"name\": \"a\", \"resource\": \"ra\"}"

static void test_all_fields(void **state)
{
    (void)state;
    assert_int_equal(
        parse("{\"gtid\": \"trip\", \"timeout_ms\": 5000, \"steps\": ["
              "{\"name\": \"a\", \"resource\": \"ra\", \"payload\": \"2A\"},"
              "{\"name\": \"b\", \"resource\": \"rb\", \"after\": [],"
              " \"payload_json\": {\"x\": [1, 0.1, null, \"y\"]}},"
              "{\"name\": \"c\", \"resource\": \"rc\", \"after\": [\"b\", \"a\"], \"pivot\": true},"
              "{\"name\": \"d\", \"resource\": \"rd\", \"compensate\": false, \"attempts\": 7,"
              " \"timeout_ms\": 1, \"backoff_ms\": 2, \"backoff_max_ms\": 3,"
              " \"payload_json\": \"text\"}]}"),
        ASSENT_OK);
    assert_string_equal(file.gtid, "trip");
    assert_int_equal(file.timeout_ms, 5000);
    assert_int_equal(file.count, 4);
    const struct saga_step *s = file.steps;
    assert_true(slice_equal(s[0].payload, slice_text("2A")));
    assert_true(slice_equal(s[1].payload, slice_text("{\"x\":[1,0.1,null,\"y\"]}")));
    assert_int_equal(s[2].payload.size, 0);
    assert_true(slice_equal(s[3].payload, slice_text("\"text\"")));
    assert_int_equal(s[0].after, 0);
    assert_int_equal(s[1].after, 0);
    assert_int_equal(s[2].after, 3);
    assert_int_equal(s[3].after, 4); // it follows the one before
    assert_true(s[2].pivot && !s[3].pivot && s[3].kept && !s[2].kept);
    assert_int_equal(s[3].attempts, 7);
    assert_int_equal(s[3].timeout_ms, 1);
    assert_int_equal(s[3].backoff_ms, 2);
    assert_int_equal(s[3].backoff_max_ms, 3);
    saga_file_free(&file);
}

// As few digits as it takes to mean the same.
static void test_numbers_are_exact(void **state)
{
    (void)state;
    assert_int_equal(parse(STEPS("{\"name\": \"a\", \"resource\": \"r\", \"payload_json\": "
                                 "[0.1, 1e3, 0.30000000000000004]}")),
                     ASSENT_OK);
    json_t *again = json_loadb(file.steps[0].payload.data, file.steps[0].payload.size, 0, NULL);
    assert_true(json_real_value(json_array_get(again, 2)) == 0.30000000000000004);
    json_decref(again);
    saga_file_free(&file);
}

static void test_the_file(void **state)
{
    (void)state;
    assert_int_equal(parse("{\"steps\": [}"), ASSENT_INVALID);
    assert_non_null(strstr(error.message, "f:1:"));
    assert_int_equal(parse("{\"steps\": [], \"steps\": []}"), ASSENT_INVALID);
    assert_non_null(strstr(error.message, "duplicate"));
    refused("[]", "f: it is not a JSON object");
    refused("{}", "f: 'steps' is missing");
    refused("{\"steps\": {}}", "f: 'steps' is not a list");
    refused(STEPS(""), "f: 'steps' has 0; 1 to 64 are allowed");
    refused("{\"step\": []}", "f: there is no field 'step'");
    refused("{\"gtid\": \"a b\", \"steps\": []}",
            "f: 'gtid' is to have 1 to 64 letters, digits and . _ : -");
    refused("{\"gtid\": 5, \"steps\": []}", "f: 'gtid' is not a text");
    refused("{\"timeout_ms\": -1, \"steps\": []}",
            "f: 'timeout_ms' is not a whole number from 0 to 4294967295");
    refused("{\"timeout_ms\": 1.5, \"steps\": []}",
            "f: 'timeout_ms' is not a whole number from 0 to 4294967295");
}

static void test_steps(void **state)
{
    (void)state;
    refused(STEPS("5"), "f: step 0: it is not an object");
    refused(STEPS("{}"), "f: step 0: 'name' is missing");
    refused(STEPS("{\"name\": \"a\"}"), "f: step 0 (a): 'resource' is missing");
    refused(STEPS("{\"name\": \"a\", \"resource\": \"\"}"),
            "f: step 0 (a): 'resource' is to have 1 to 64 letters, digits and . _ : -");
    refused(STEPS(A "," A), "f: step 1 (a): 'name': step 0 has the same");
    refused(STEPS("{\"name\": \"a\", \"resource\": \"r\", \"retries\": 3}"),
            "f: step 0 (a): there is no field 'retries'");
#define B(more) STEPS(A ",{\"name\": \"b\", \"resource\": \"r\", " more "}")
    refused(B("\"payload\": {}"),
            "f: step 1 (b): 'payload' is not a text; any other JSON goes into 'payload_json'");
    refused(B("\"payload\": \"\", \"payload_json\": 1"),
            "f: step 1 (b): it has 'payload' and 'payload_json'; one of them is enough");
    refused(B("\"after\": \"a\""), "f: step 1 (b): 'after' is not a list of names of steps");
    refused(B("\"after\": [0]"), "f: step 1 (b): 'after' is not a list of names of steps");
    refused(B("\"after\": [\"c\"]"), "f: step 1 (b): 'after': there is no step c");
    refused(B("\"after\": [\"b\"]"), "f: step 1 (b): 'after': it cannot come after itself");
    refused(STEPS("{\"name\": \"x\", \"resource\": \"r\", \"after\": [\"a\"]}," A),
            "f: step 0 (x): 'after': a stands further down: put it before this step");
    refused(B("\"pivot\": 1"), "f: step 1 (b): 'pivot' is neither true nor false");
    refused(B("\"compensate\": \"no\""), "f: step 1 (b): 'compensate' is neither true nor false");
    refused(B("\"attempts\": 65536"),
            "f: step 1 (b): 'attempts' is not a whole number from 0 to 65535");
    refused(B("\"backoff_ms\": 9, \"backoff_max_ms\": 8"),
            "f: step 1 (b): 'backoff_max_ms' is less than 'backoff_ms'");
    refused(STEPS("{\"name\": \"a\", \"resource\": \"r\", \"pivot\": true},"
                  "{\"name\": \"b\", \"resource\": \"r\", \"pivot\": true}"),
            "f: step 1 (b): 'pivot': step 0 (a) is the pivot already; there is one at most");
}

static char *with_payloads(unsigned count, size_t bytes)
{
    char *text = malloc(count * (bytes + 100) + 100), *at = text;
    assert_non_null(text);
    at += sprintf(at, "{\"steps\": [");
    for (unsigned i = 0; i < count; i++) {
        at += sprintf(at, "%s{\"name\": \"s%u\", \"resource\": \"r\", \"payload\": \"",
                      i ? "," : "", i);
        memset(at, 'x', bytes);
        at += bytes;
        at += sprintf(at, "\"}");
    }
    sprintf(at, "]}");
    return text;
}

static void test_limits(void **state)
{
    (void)state;
    char *text = with_payloads(LIMIT_BRANCHES, 1);
    assert_int_equal(parse(text), ASSENT_OK);
    assert_int_equal(file.steps[63].after, UINT64_C(1) << 62);
    saga_file_free(&file);
    free(text);
    text = with_payloads(LIMIT_BRANCHES + 1, 1);
    refused(text, "f: 'steps' has 65; 1 to 64 are allowed");
    free(text);
    text = with_payloads(1, LIMIT_PAYLOAD_BYTES + 1);
    refused(text, "f: step 0 (s0): its payload has 65537 bytes; at most 65536 are carried");
    free(text);
    text = with_payloads(2, 50000);
    refused(text, "f: the payloads have 100000 bytes together; at most 98304 are allowed");
    free(text);
}

static void test_reading(void **state)
{
    (void)state;
    FILE *in = tmpfile();
    assert_non_null(in);
    fputs(STEPS(A), in);
    rewind(in);
    assert_int_equal(saga_file_read(&file, in, "f", &error), ASSENT_OK);
    assert_string_equal(file.steps[0].resource, "ra");
    saga_file_free(&file);
    for (int i = 0; i <= SAGA_FILE_BYTES_MAX; i++)
        fputc(' ', in);
    rewind(in);
    assert_int_equal(saga_file_read(&file, in, "f", &error), ASSENT_INVALID);
    assert_string_equal(error.message, "f: longer than 1048576 bytes");
    fclose(in);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_fields), cmocka_unit_test(test_numbers_are_exact),
        cmocka_unit_test(test_the_file),   cmocka_unit_test(test_steps),
        cmocka_unit_test(test_limits),     cmocka_unit_test(test_reading),
    };
    return cmocka_run_group_tests_name("cli_saga_file", tests, NULL, NULL);
}
