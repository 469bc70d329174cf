// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <string.h>

#include "core/message.h"

static void names_are_what_operators_read(void **state)
{
    (void)state;
    assert_string_equal(msg_name(MSG_PREPARE), "PREPARE");
    assert_string_equal(msg_name(MSG_ADMIN_REPLY), "ADMIN_REPLY");
    assert_string_equal(vote_name(VOTE_READ_ONLY), "read-only");
    assert_string_equal(outcome_name(OUTCOME_NONE), "in progress");
    assert_string_equal(outcome_name(OUTCOME_COMMITTED), "committed");
    assert_string_equal(reason_text(REASON_VOTED_NO), "a branch voted no");
    assert_string_equal(protocol_name(PROTOCOL_2PC), "2pc");
}

// Numbers come from the wire, so any value may be asked for.
static void numbers_without_a_name_are_question_marks(void **state)
{
    (void)state;
    int named = 0;
    for (int number = 0; number < 256; number++)
        named += strcmp(msg_name((enum msg_type)number), "?") != 0;
    assert_int_equal(named, 23);
    assert_string_equal(msg_name((enum msg_type)7), "?");
    assert_string_equal(vote_name((enum vote)200), "?");
    assert_string_equal(outcome_name((enum outcome)200), "?");
    assert_string_equal(reason_text((enum abort_reason)200), "?");
    assert_string_equal(protocol_name((enum protocol)0), "?");
}

static void no_two_messages_share_a_name(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = a + 1; b < 256; b++)
            if (strcmp(msg_name((enum msg_type)a), "?") != 0)
                assert_string_not_equal(msg_name((enum msg_type)a), msg_name((enum msg_type)b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_what_operators_read),
        cmocka_unit_test(numbers_without_a_name_are_question_marks),
        cmocka_unit_test(no_two_messages_share_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
