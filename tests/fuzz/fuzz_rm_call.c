// SPDX-License-Identifier: Apache-2.0
// Payloads of any content for assent-rm. What is understood names procedures that are allowed, with
// as many values as they take; what is not has a reason.
#include <stdlib.h>
#include <string.h>

#include "base/check.h"
#include "base/limits.h"
#include "call.h"
#include "fuzz.h"

static const char file[] =
    "{\"procedures\": {"
    "\"two\": {\"parameters\": [\"a\", \"b\"], \"prepare\": [\"SELECT $1, $2\"],"
    " \"action\": [\"SELECT $1, $2\"], \"compensate\": [\"SELECT $1\"]},"
    "\"x\": {\"action\": [{\"sql\": \"SELECT 1\", \"answer\": true}], \"deliver\": []}}}";

static struct procedures allowed;

static void check_value(enum operation operation, const struct call_value *value)
{
    if (value->step == CALL_STEP_NONE) {
        CHECK(!value->text || value->text[value->size] == '\0');
        CHECK(!value->text || strlen(value->text) == value->size); // no NUL within
        return;
    }
    CHECK(operation == OPERATION_ACTION || operation == OPERATION_COMPENSATE);
    CHECK(value->step >= 0 && value->step < LIMIT_BRANCHES && !value->text);
}

static void check_call(enum operation operation, const struct call *call)
{
    CHECK(call->count >= 1 && call->count <= CALL_PROCEDURES_MAX);
    for (unsigned i = 0; i < call->count; i++) {
        const struct call_item *item = &call->items[i];
        CHECK(item->procedure >= allowed.all && item->procedure < allowed.all + allowed.count);
        CHECK(item->procedure->scripts[operation].given);
        for (unsigned k = 0; k < item->procedure->parameter_count; k++)
            check_value(operation, &item->values[k]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!allowed.json)
        CHECK(procedures_parse(&allowed, slice_text(file), "f", NULL) == ASSENT_OK);
    for (unsigned o = 0; o < OPERATION_COUNT; o++) {
        char why[ASSENT_NO_REASON_MAX + 1] = "";
        struct call *call = NULL;
        int code = call_parse(&allowed, o, data, size, &call, why);
        if (code == ASSENT_OK)
            check_call(o, call);
        else
            CHECK(code == ASSENT_INVALID && why[0] && !call);
        call_free(&call);
    }
    return 0;
}
