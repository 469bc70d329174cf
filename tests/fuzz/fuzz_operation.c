// SPDX-License-Identifier: Apache-2.0
// What assent-bank is asked to do, of any content. One that is accepted is within its bounds;
// printed, it is accepted, and means the same.
#include "base/check.h"
#include "fuzz.h"
#include "operation.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct operation op, again;
    char text[OPERATION_TEXT_MAX];
    if (!operation_parse(data, size, &op))
        return 0;
    CHECK((unsigned)op.verb < VERB_COUNT);
    CHECK(op.amount <= AMOUNT_MAX);
    CHECK(op.amount >= (op.verb == VERB_TRANSACT ? -AMOUNT_MAX : 0));
    size_t printed = operation_print(&op, text);
    CHECK(printed < sizeof text);
    CHECK(operation_parse(text, printed, &again));
    CHECK(again.verb == op.verb && again.account == op.account && again.amount == op.amount);
    return 0;
}
