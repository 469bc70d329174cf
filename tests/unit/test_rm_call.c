// SPDX-License-Identifier: Apache-2.0
// Payloads of calls to assent-rm: what is understood, what is refused, with which reason.
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/rng.h"
#include "call.h"
#include "call_numbers.h"
#include "unit.h"

static const char file[] =
    "{\"procedures\": {"
    "\"two\": {\"parameters\": [\"a\", \"b\"], \"prepare\": [\"SELECT $1, $2\"],"
    " \"action\": [\"SELECT $1, $2\"], \"compensate\": [\"SELECT $1\"]},"
    "\"none\": {\"prepare\": [\"SELECT 1\"]},"
    "\"x\": {\"action\": [{\"sql\": \"SELECT 1\", \"answer\": true}]},"
    "\"y\": {\"action\": [{\"sql\": \"SELECT 1\", \"answer\": true}]}}}";

static struct procedures allowed;
static struct call *call;
static char why[ASSENT_NO_REASON_MAX + 1];

static int setup(void **state)
{
    (void)state;
    assent_error error;
    assert_int_equal(procedures_parse(&allowed, slice_text(file), "f", &error), ASSENT_OK);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    procedures_free(&allowed);
    return 0;
}

static int parse(enum operation operation, const char *payload)
{
    strcpy(why, "");
    return call_parse(&allowed, operation, payload, strlen(payload), &call, why);
}

static void refused(enum operation operation, const char *payload, const char *reason)
{
    assert_int_equal(parse(operation, payload), ASSENT_INVALID);
    assert_string_equal(why, reason);
}

static void value_is(const struct call_value *value, const char *text)
{
    assert_int_equal(value->step, CALL_STEP_NONE);
    if (!text) {
        assert_null(value->text);
        return;
    }
    assert_int_equal(value->size, strlen(text));
    assert_memory_equal(value->text, text, value->size);
}

// No number becomes another on its way.
static void test_values(void **state)
{
    (void)state;
    assert_int_equal(parse(OPERATION_PREPARE,
                           "{\"do\": [{\"procedure\": \"two\", \"with\": [7, \"7\"]},"
                           "{\"procedure\": \"two\", \"with\": [-0.10, 1e400]},"
                           "{\"procedure\": \"none\"}, {\"procedure\": \"none\", \"with\": []},"
                           "{\"with\": [null, \"\\\"1\\\\\"], \"procedure\": \"two\"},"
                           "{\"procedure\": \"two\", "
                           "\"with\": [123456789012345678901234567890, \"\\u00fc\"]}]}"),
                     ASSENT_OK);
    assert_int_equal(call->count, 6);
    assert_string_equal(call->items[0].procedure->name, "two");
    value_is(&call->items[0].values[0], "7");
    value_is(&call->items[0].values[1], "7");
    value_is(&call->items[1].values[0], "-0.10");
    value_is(&call->items[1].values[1], "1e400");
    value_is(&call->items[4].values[0], NULL);
    value_is(&call->items[4].values[1], "\"1\\");
    value_is(&call->items[5].values[0], "123456789012345678901234567890");
    value_is(&call->items[5].values[1], "\xc3\xbc");
    call_free(&call);
    assert_null(call);
}

#define TWO(values) "{\"do\": [{\"procedure\": \"two\", \"with\": [" values "]}]}"

static void test_steps(void **state)
{
    (void)state;
    assert_int_equal(parse(OPERATION_ACTION, TWO("1, {\"step\": 3}")), ASSENT_OK);
    assert_int_equal(call->items[0].values[1].step, 3);
    call_free(&call);
    assert_int_equal(parse(OPERATION_COMPENSATE, TWO("1, {\"step\": 3}")), ASSENT_OK);
    call_free(&call);
    refused(OPERATION_ACTION, TWO("{\"step\": 3}, 1"),
            "two: 'a' is used by compensate: it cannot be a step's answer");
    refused(OPERATION_PREPARE, TWO("1, {\"step\": 3}"),
            "two: 'b': only an action has the answers of other steps");
    static const char *const wrong[] = {"{\"step\": 64}",
                                        "{\"step\": -1}",
                                        "{\"step\": 1.0}",
                                        "{\"step\": 1, \"x\": 1}",
                                        "{}",
                                        "[]",
                                        "true"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char payload[100];
        snprintf(payload, sizeof payload, TWO("1, %s"), wrong[i]);
        refused(OPERATION_ACTION, payload, "two: 'b' is no number, text, null or {\"step\": N}");
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const char *const garbage[] = {"",
                                          " ",
                                          "{",
                                          "nonsense",
                                          "{\"do\": [01]}",
                                          "{\"do\": [1.]}",
                                          "{\"do\": [-]}",
                                          "{\"do\": [1e]}",
                                          "{\"do\": [.5]}",
                                          "{\"do\": [1 2]}",
                                          "{\"do\": [\"open]}",
                                          "{\"do\": [], \"do\": []}",
                                          "{\"do\": [\"\\u0000\"]}",
                                          "{\"do\": [\"\xff\"]}",
                                          "\"\\"};
    for (size_t i = 0; i < sizeof garbage / sizeof garbage[0]; i++)
        refused(OPERATION_PREPARE, garbage[i], "the payload is not valid JSON");
    refused(OPERATION_PREPARE, "[]", "a call is {\"do\": [...]}, and nothing else");
    refused(OPERATION_PREPARE, "{\"do\": {}}", "a call is {\"do\": [...]}, and nothing else");
    refused(OPERATION_PREPARE, "{\"do\": [], \"sql\": \"DROP TABLE t\"}",
            "a call is {\"do\": [...]}, and nothing else");
    refused(OPERATION_PREPARE, "{\"do\": []}", "'do' has 0 entries; 1 to 64 are allowed");
    refused(OPERATION_PREPARE, "{\"do\": [5]}", "an entry of 'do' has no 'procedure'");
    refused(OPERATION_PREPARE, "{\"do\": [{\"procedure\": \"none\", \"sql\": \"DROP TABLE t\"}]}",
            "an entry of 'do' has other fields than 'procedure' and 'with'");
    refused(OPERATION_PREPARE, "{\"do\": [{\"procedure\": \"DROP TABLE t\"}]}",
            "'procedure' is no name");
    refused(OPERATION_PREPARE, "{\"do\": [{\"procedure\": \"three\"}]}",
            "there is no procedure three");
    refused(OPERATION_DELIVER, "{\"do\": [{\"procedure\": \"two\"}]}",
            "procedure two has no deliver");
    refused(OPERATION_PREPARE, "{\"do\": [{\"procedure\": \"two\"}]}", "two takes 2 values, not 0");
    refused(OPERATION_PREPARE, TWO("1, 2, 3"), "two takes 2 values, not 3");
    refused(OPERATION_PREPARE, "{\"do\": [{\"procedure\": \"two\", \"with\": 5}]}",
            "two: 'with' is not a list");
    refused(OPERATION_ACTION, "{\"do\": [{\"procedure\": \"x\"}, {\"procedure\": \"y\"}]}",
            "x and y both answer: an action has one answer");
}

static void test_sizes(void **state)
{
    (void)state;
    struct buf payload;
    buf_init(&payload, 1 << 20);
    buf_printf(&payload, "{\"do\": [");
    for (int i = 0; i < CALL_PROCEDURES_MAX + 1; i++)
        buf_printf(&payload, "%s{\"procedure\": \"none\"}", i ? "," : "");
    buf_printf(&payload, "]}");
    assert_int_equal(
        call_parse(&allowed, OPERATION_PREPARE, payload.data, payload.size, &call, why),
        ASSENT_INVALID);
    assert_string_equal(why, "'do' has 65 entries; 1 to 64 are allowed");
    buf_reset(&payload);
    memset(buf_extend(&payload, LIMIT_PAYLOAD_BYTES), '1', LIMIT_PAYLOAD_BYTES);
    struct buf texts;
    assert_int_equal(numbers_to_texts(payload.data, payload.size, &texts), ASSENT_OK);
    assert_int_equal(texts.size, LIMIT_PAYLOAD_BYTES + 2);
    buf_free(&texts);
    for (size_t i = 0; i < payload.size; i += 2)
        payload.data[i] = ',';
    assert_int_equal(numbers_to_texts(payload.data, payload.size, &texts), ASSENT_OK);
    buf_free(&texts);
    memset(payload.data, '[', payload.size); // as deep as it gets
    assert_int_equal(
        call_parse(&allowed, OPERATION_PREPARE, payload.data, payload.size, &call, why),
        ASSENT_INVALID);
    buf_append(&payload, " ", 1);
    assert_int_equal(numbers_to_texts(payload.data, payload.size, &texts), ASSENT_INVALID);
    buf_free(&texts);
    buf_free(&payload);
}

// A byte or three of a good payload are others: it is understood or refused, and no memory is
// touched that is not its own.
static void test_damage(void **state)
{
    (void)state;
    static const char good[] = TWO("-12.5e3, {\"step\": 3}");
    struct rng rng;
    rng_seed(&rng, 5);
    unsigned understood = 0;
    for (int i = 0; i < 20000; i++) {
        size_t size = 1 + rng_below(&rng, sizeof good - 1);
        char *payload = malloc(size); // of that very size, for those who watch
        memcpy(payload, good, size);
        for (int k = 0; k < 3; k++)
            payload[rng_below(&rng, size)] = (char)rng_below(&rng, 256);
        memset(why, 0, sizeof why);
        int code = call_parse(&allowed, OPERATION_ACTION, payload, size, &call, why);
        assert_true(code == ASSENT_OK || (code == ASSENT_INVALID && *why));
        understood += code == ASSENT_OK;
        if (code == ASSENT_OK)
            call_free(&call);
        free(payload);
    }
    assert_true(understood < 20000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_steps),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests_name("rm_call", tests, setup, teardown);
}
