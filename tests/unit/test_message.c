// SPDX-License-Identifier: Apache-2.0
#include "unit.h"

#include <stdlib.h>
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
    assert_string_equal(msg_name(MSG_EXTEND), "EXTEND");
    assert_string_equal(msg_name(MSG_EXTENDED), "EXTENDED");
    assert_string_equal(vote_name(VOTE_RETRY), "retry");
    assert_string_equal(protocol_name(PROTOCOL_2PC), "2pc");
    assert_string_equal(protocol_name(PROTOCOL_TCC), "tcc");
    assert_string_equal(protocol_name(PROTOCOL_SAGA), "saga");
    assert_string_equal(protocol_name(PROTOCOL_MESSAGE), "message");
    assert_string_equal(branch_kind_name(BRANCH_CALL), "call");
    assert_string_equal(branch_kind_name(BRANCH_ENLISTED), "enlisted");
    assert_string_equal(branch_kind_name(BRANCH_STEP), "step");
    assert_string_equal(branch_kind_name(BRANCH_SENDER), "sender");
    assert_string_equal(branch_kind_name(BRANCH_CONSUMER), "consumer");
    assert_string_equal(branch_kind_name(BRANCH_TOPIC), "topic");
    assert_string_equal(branch_kind_name(BRANCH_READ_ONLY), "read-only");
}

// Numbers come from the wire, so any value may be asked for.
static void numbers_without_a_name_are_question_marks(void **state)
{
    (void)state;
    int named = 0;
    for (int number = 0; number < 256; number++)
        named += strcmp(msg_name((enum msg_type)number), "?") != 0;
    assert_int_equal(named, 27);
    assert_string_equal(msg_name((enum msg_type)7), "?");
    assert_string_equal(vote_name((enum vote)200), "?");
    assert_string_equal(outcome_name((enum outcome)200), "?");
    assert_string_equal(reason_text((enum abort_reason)200), "?");
    assert_string_equal(protocol_name((enum protocol)0), "?");
    assert_string_equal(branch_kind_name((enum branch_kind)0), "?");
    assert_string_equal(branch_kind_name((enum branch_kind)8), "?");
}

static void what_a_resource_manager_did_by_itself_is_how_a_branch_ended(void **state)
{
    (void)state;
    const struct {
        unsigned heuristic;
        enum outcome outcome; // where it was asked to commit
        const char *name;
    } all[] = {
        {0, OUTCOME_COMMITTED, NULL},
        {HEURISTIC_OPERATOR, OUTCOME_COMMITTED, NULL},
        {HEURISTIC_COMMIT, OUTCOME_COMMITTED, "committed"},
        {HEURISTIC_ROLLBACK, OUTCOME_ABORTED, "rolled back"},
        {HEURISTIC_ROLLBACK | HEURISTIC_OPERATOR, OUTCOME_ABORTED, "rolled back"},
        {HEURISTIC_MIXED, OUTCOME_UNKNOWN, "mixed"},
        {HEURISTIC_HAZARD, OUTCOME_UNKNOWN, "hazard"},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_equal(heuristic_outcome(all[i].heuristic, OUTCOME_COMMITTED), all[i].outcome);
        if (all[i].name)
            assert_string_equal(heuristic_name(all[i].heuristic), all[i].name);
        else
            assert_null(heuristic_name(all[i].heuristic));
    }
    assert_int_equal(heuristic_outcome(0, OUTCOME_ABORTED), OUTCOME_ABORTED);
}

static void no_two_messages_share_a_name(void **state)
{
    (void)state;
    for (int a = 0; a < 256; a++)
        for (int b = a + 1; b < 256; b++)
            if (strcmp(msg_name((enum msg_type)a), "?") != 0)
                assert_string_not_equal(msg_name((enum msg_type)a), msg_name((enum msg_type)b));
}

static void inputs_are_taken_off_one_by_one(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {3, 0, 2, 0, 'o', 'k', 0x3f, 0, 0, 0, 0, 1, 1, 0, 'x'};
    struct slice left = slice_of(bytes, sizeof bytes);
    struct step_input input;
    assert_true(step_input_next(&left, &input));
    assert_int_equal(input.branch, 3);
    assert_true(slice_equal(input.result, slice_text("ok")));
    assert_true(step_input_next(&left, &input));
    assert_int_equal(input.branch, 63);
    assert_int_equal(input.result.size, 0);
    assert_true(step_input_next(&left, &input));
    assert_int_equal(input.branch, 256);
    assert_true(slice_equal(input.result, slice_text("x")));
    assert_false(step_input_next(&left, &input));
    assert_int_equal(left.size, 0); // that was all
}

static void no_inputs_are_none(void **state)
{
    (void)state;
    struct step_input input = {.branch = 7};
    struct slice none = {0};
    assert_false(step_input_next(&none, &input));
    assert_int_equal(none.size, 0);
    assert_int_equal(input.branch, 7); // untouched
}

// Every way to cut an input short: nothing is taken, and what is left is told from the end.
static void an_input_that_is_cut_short_is_none(void **state)
{
    (void)state;
    static const uint8_t bytes[] = {1, 0, 3, 0, 'a', 'b', 'c'};
    for (size_t size = 1; size < sizeof bytes; size++) {
        uint8_t *copy = malloc(size); // so that a sanitizer sees any step past its end
        assert_non_null(copy);
        memcpy(copy, bytes, size);
        struct slice left = slice_of(copy, size);
        struct step_input input = {.branch = 7};
        assert_false(step_input_next(&left, &input));
        assert_int_equal(left.size, size);
        assert_ptr_equal(left.data, copy);
        assert_int_equal(input.branch, 7);
        free(copy);
    }
}

static void kinds_of_branches_belong_to_protocols(void **state)
{
    (void)state;
    static const char *const kinds[] = {
        [PROTOCOL_2PC] = "127", [PROTOCOL_3PC] = "127",     [PROTOCOL_TCC] = "12",
        [PROTOCOL_SAGA] = "3",  [PROTOCOL_MESSAGE] = "456", [PROTOCOL_MESSAGE + 1] = "",
    };
    for (unsigned protocol = 0; protocol <= PROTOCOL_MESSAGE + 1; protocol++) {
        for (unsigned kind = 0; kind < 10; kind++) {
            bool belongs = kinds[protocol] && strchr(kinds[protocol], (int)('0' + kind));
            assert_int_equal(protocol_has_kind(protocol, kind), belongs);
        }
        bool business = protocol >= PROTOCOL_TCC && protocol <= PROTOCOL_MESSAGE;
        assert_int_equal(protocol_business(protocol), business);
        assert_int_equal(protocol_admitted(protocol), business || protocol == PROTOCOL_3PC);
    }
    assert_false(protocol_has_kind(PROTOCOL_2PC, 255));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_what_operators_read),
        cmocka_unit_test(numbers_without_a_name_are_question_marks),
        cmocka_unit_test(what_a_resource_manager_did_by_itself_is_how_a_branch_ended),
        cmocka_unit_test(no_two_messages_share_a_name),
        cmocka_unit_test(inputs_are_taken_off_one_by_one),
        cmocka_unit_test(no_inputs_are_none),
        cmocka_unit_test(an_input_that_is_cut_short_is_none),
        cmocka_unit_test(kinds_of_branches_belong_to_protocols),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
