// SPDX-License-Identifier: Apache-2.0
#include "authorize.h"

#include <string.h>

#include "unit.h"

static struct net_grant participant_of(const char *resource)
{
    struct net_grant grant = {.resource_count = 1};
    strcpy(grant.resources[0], resource);
    return grant;
}

static int hello(const struct net_grant *grant, enum role role, const char *name)
{
    struct msg msg = {.type = MSG_HELLO};
    msg.u.hello.role = (uint8_t)role;
    msg.u.hello.name = slice_text(name);
    return authorize(grant, 0, slice_text(""), &msg, NULL);
}

static int says(const struct net_grant *grant, enum role role, const char *name, enum msg_type type)
{
    struct msg msg = {.type = type};
    return authorize(grant, (uint8_t)role, slice_text(name), &msg, NULL);
}

static void test_roles_that_may_be_claimed(void **state)
{
    (void)state;
    const struct net_grant client = {.client = true}, operator_ = {.operator_ = true};
    const struct net_grant bank = participant_of("bank-a");
    const struct {
        const struct net_grant *grant;
        enum role role;
        const char *name;
        int code;
    } cases[] = {
        {&client, ROLE_CLIENT, "shop", ASSENT_OK},
        {&client, ROLE_OPERATOR, "shop", ASSENT_DENIED},
        {&client, ROLE_PARTICIPANT, "shop", ASSENT_DENIED},
        {&operator_, ROLE_OPERATOR, "assent", ASSENT_OK},
        {&operator_, ROLE_CLIENT, "assent", ASSENT_DENIED},
        {&bank, ROLE_PARTICIPANT, "bank-a", ASSENT_OK},
        {&bank, ROLE_PARTICIPANT, "bank-b", ASSENT_DENIED},
        {&bank, ROLE_PARTICIPANT, "bank-", ASSENT_DENIED},
        {&bank, ROLE_CLIENT, "bank-a", ASSENT_DENIED},
        {&bank, (enum role)9, "bank-a", ASSENT_DENIED},
        {NULL, ROLE_CLIENT, "shop", ASSENT_DENIED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(hello(cases[i].grant, cases[i].role, cases[i].name), cases[i].code);
}

static void test_grants_are_looked_at_again(void **state)
{
    (void)state;
    struct net_grant grant = participant_of("bank-a");
    assert_int_equal(says(&grant, ROLE_PARTICIPANT, "bank-a", MSG_VOTE), ASSENT_OK);
    strcpy(grant.resources[0], "bank-b"); // narrowed, while it is connected
    assert_int_equal(says(&grant, ROLE_PARTICIPANT, "bank-a", MSG_VOTE), ASSENT_DENIED);
    assert_int_equal(says(&grant, ROLE_PARTICIPANT, "bank-a", MSG_PING), ASSENT_DENIED);
    grant = (struct net_grant){.client = true};
    assert_int_equal(says(&grant, ROLE_CLIENT, "shop", MSG_SUBMIT), ASSENT_OK);
    grant.client = false;
    assert_int_equal(says(&grant, ROLE_CLIENT, "shop", MSG_SUBMIT), ASSENT_DENIED);
    assert_int_equal(says(NULL, ROLE_CLIENT, "shop", MSG_SUBMIT), ASSENT_DENIED);
}

static void test_before_hello_the_core_answers(void **state)
{
    (void)state;
    const struct net_grant nothing = {0};
    assert_int_equal(says(&nothing, (enum role)0, "", MSG_SUBMIT), ASSENT_OK);
    assert_int_equal(says(NULL, (enum role)0, "", MSG_SUBMIT), ASSENT_DENIED);
}

static void test_what_only_a_coordinator_says(void **state)
{
    (void)state;
    static const enum msg_type theirs[] = {MSG_HELLO,  MSG_PING,    MSG_LEASE,  MSG_ENLIST,
                                           MSG_SUBMIT, MSG_CANCEL,  MSG_STATUS, MSG_VOTE,
                                           MSG_DONE,   MSG_INQUIRE, MSG_EXTEND, MSG_ADMIN,
                                           MSG_ASK,    MSG_STATE,   MSG_DECIDE};
    unsigned allowed = 0;
    for (size_t i = 0; i < sizeof theirs / sizeof theirs[0]; i++)
        assert_true(authorize_direction(theirs[i]));
    for (int type = 0; type < 256; type++)
        allowed += authorize_direction((enum msg_type)type);
    assert_int_equal(allowed, sizeof theirs / sizeof theirs[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_roles_that_may_be_claimed),
        cmocka_unit_test(test_grants_are_looked_at_again),
        cmocka_unit_test(test_before_hello_the_core_answers),
        cmocka_unit_test(test_what_only_a_coordinator_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
