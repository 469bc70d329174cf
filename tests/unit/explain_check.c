// SPDX-License-Identifier: Apache-2.0
#include "explain_check.h"

#include <string.h>

#include "unit.h"

json_t *reply_of(const char *transaction)
{
    json_t *reply =
        json_pack("{s:I, s:o, s:[], s:{s:s, s:s}}", "now_ms", (json_int_t)1700000100000,
                  "transaction", transaction ? json_loads(transaction, 0, NULL) : json_null(),
                  "foreign", "verdict", "outcome", "unknown", "text", "Nobody knows.");
    assert_non_null(reply);
    assert_true(json_is_object(json_object_get(reply, "transaction")) || !transaction);
    return reply;
}

json_t *story_of(json_t *reply)
{
    json_t *story = explain("order-1", reply);
    assert_non_null(story);
    json_decref(reply);
    return story;
}

static bool is_of(const json_t *sentence, const char *code)
{
    const char *found = json_string_value(json_object_get(sentence, "code"));
    return found && strcmp(found, code) == 0;
}

const json_t *sentence(const json_t *story, const char *where, const char *code)
{
    const json_t *s;
    size_t i;
    json_array_foreach(json_object_get(story, where), i, s)
    {
        if (is_of(s, code))
            return s;
    }
    return NULL;
}

void says(const json_t *story, const char *where, const char *code, const char *part)
{
    const json_t *s;
    const char *last = NULL;
    size_t i;
    json_array_foreach(json_object_get(story, where), i, s)
    {
        if (!is_of(s, code))
            continue;
        last = json_string_value(json_object_get(s, "text"));
        if (last && strstr(last, part))
            return;
    }
    fail_msg("%s: '%s' does not say '%s'", code, last ? last : "nothing", part);
}
