// SPDX-License-Identifier: Apache-2.0
// The client's core: its session with the coordinator, and gtids from leases.
#include "client_story.h"

#include <string.h>

static void it_greets_and_greets_again_until_welcomed(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_wait(&s, 60000);
    story_is(&s, "");
    assert_false(client_connected(s.client));
    story_connect(&s);
    story_is(&s, "-> HELLO client\n");
    story_wait(&s, 4000);
    story_is(&s, "-> HELLO client\n");
    story_welcome(&s, 1, 100);
    story_is(&s, "");
    assert_true(client_connected(s.client));
    story_disconnect(&s);
    assert_false(client_connected(s.client));
    story_wait(&s, 60000);
    story_is(&s, "");
    story_end(&s);
}

static void it_pings_when_quiet_and_greets_when_nothing_is_heard(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_wait(&s, 4000);
    story_is(&s, "-> PING\n");
    story_hear(&s, &(struct msg){.type = MSG_PONG});
    story_wait(&s, 4000);
    story_is(&s, "-> PING\n");
    story_wait(&s, 8000);
    story_is(&s, "-> PING\n-> HELLO client\n");
    assert_false(client_connected(s.client));
    story_end(&s);
}

static void a_coordinator_that_forgot_us_is_greeted(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    story_submit(&s, 1, "g", "pay", 0);
    story_skip(&s);
    s.header.incarnation++;
    story_refuse(&s, MSG_SUBMIT, NULL, ASSENT_STATE);
    story_refuse(&s, MSG_PING, NULL, ASSENT_STATE);
    story_is(&s, "-> HELLO client\n");
    story_welcome(&s, 1, 100);
    story_is(&s, "-> SUBMIT g 0:bank=pay\n");
    story_end(&s);
}

static void frames_of_other_peers_are_ignored(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_connect(&s);
    s.header.from_coordinator = 0;
    story_welcome(&s, 1, 100);
    assert_false(client_connected(s.client));
    struct gtid gtid;
    assert_false(client_gtid(s.client, &gtid));
    story_end(&s);
}

static void the_highest_log_position_is_echoed(void **state)
{
    (void)state;
    struct story s;
    struct frame_header header;
    story_begin(&s, NULL);
    client_header(s.client, &header);
    assert_int_equal(header.coordinator, 0);
    assert_int_equal(header.from_coordinator, 0);
    story_ready(&s);
    s.header.log_seq = 39;
    s.header.seal = 78;
    story_hear(&s, &(struct msg){.type = MSG_PONG});
    client_header(s.client, &header);
    assert_int_equal(header.coordinator, STORY_COORDINATOR);
    assert_int_equal(header.incarnation, 5);
    assert_int_equal(header.log_seq, 40);
    assert_int_equal(header.seal, 77);
    // Another coordinator's positions say nothing about this one's.
    s.header.coordinator++;
    story_hear(&s, &(struct msg){.type = MSG_PONG});
    client_header(s.client, &header);
    assert_int_equal(header.log_seq, 39);
    assert_int_equal(header.seal, 78);
    story_end(&s);
}

// ---- leases ----

static uint64_t next_number(struct story *s)
{
    struct gtid gtid;
    struct gtid_parts parts;
    if (!client_gtid(s->client, &gtid))
        return 0;
    assert_true(gtid_parse(&gtid, &parts));
    assert_int_equal(parts.coordinator, s->header.coordinator);
    assert_int_equal(parts.incarnation, s->header.incarnation);
    return parts.number;
}

static void gtids_come_from_the_lease_and_the_next_is_asked_for_in_time(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    assert_int_equal(next_number(&s), 0);
    story_ready(&s);
    for (uint64_t i = 1; i < 75; i++)
        assert_int_equal(next_number(&s), i);
    story_wait(&s, 0);
    story_is(&s, "");
    assert_int_equal(next_number(&s), 75);
    story_wait(&s, 0);
    story_is(&s, "-> LEASE\n");
    story_wait(&s, 0);
    story_is(&s, "");
    story_welcome(&s, 501, 100);
    for (uint64_t i = 76; i <= 100; i++)
        assert_int_equal(next_number(&s), i);
    assert_int_equal(next_number(&s), 501);
    story_end(&s);
}

static void an_unanswered_lease_is_asked_for_again(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_connect(&s);
    story_welcome(&s, 0, 0); // nothing to give just now
    story_skip(&s);
    assert_int_equal(next_number(&s), 0);
    story_wait(&s, 3900);
    story_is(&s, "-> LEASE\n");
    story_refuse(&s, MSG_LEASE, NULL, ASSENT_BUSY);
    story_is(&s, "");
    story_wait(&s, 3900);
    story_is(&s, "-> LEASE\n");
    story_welcome(&s, 7, 100);
    assert_int_equal(next_number(&s), 7);
    story_end(&s);
}

static void a_lease_outlives_a_reconnect_but_not_a_restart(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    assert_int_equal(next_number(&s), 1);
    story_disconnect(&s);
    assert_int_equal(next_number(&s), 2);
    story_connect(&s);
    story_welcome(&s, 101, 100);
    assert_int_equal(next_number(&s), 3);
    s.header.incarnation++;
    story_disconnect(&s);
    story_connect(&s);
    story_welcome(&s, 1, 100);
    assert_int_equal(next_number(&s), 1);
    s.header.coordinator++;
    story_welcome(&s, 51, 100);
    assert_int_equal(next_number(&s), 51);
    story_end(&s);
}

static void what_an_earlier_run_said_is_read_too_late(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    s.header.incarnation++;
    story_welcome(&s, 1, 2);
    struct gtid first, again;
    assert_true(client_gtid(s.client, &first));
    assert_true(client_gtid(s.client, &again));
    s.header.incarnation--;
    story_welcome(&s, 1, 100);
    assert_false(client_gtid(s.client, &again));
    s.header.incarnation++;
    story_welcome(&s, 1, 2); // comes twice: those numbers were taken
    assert_false(client_gtid(s.client, &again));
    story_end(&s);
}

static void an_old_lease_is_not_used(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    assert_int_equal(next_number(&s), 1);
    for (int i = 0; i < 200; i++) {
        story_wait(&s, 3000);
        story_hear(&s, &(struct msg){.type = MSG_PONG});
    }
    assert_non_null(strstr((const char *)s.text.data, "-> LEASE\n"));
    assert_int_equal(next_number(&s), 0);
    story_end(&s);
}

static void an_impossible_lease_is_not_used(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_connect(&s);
    story_welcome(&s, UINT64_MAX - 3, 100);
    assert_int_equal(next_number(&s), 0);
    s.header.coordinator = UINT64_MAX;
    story_welcome(&s, 1, 100);
    assert_int_equal(next_number(&s), 0);
    story_end(&s);
}

static void blocks_of_gtids_do_not_overlap(void **state)
{
    (void)state;
    struct story s;
    story_begin(&s, NULL);
    story_ready(&s);
    uint64_t expected = 1;
    struct gtid_block block;
    while (client_gtids(s.client, 30, &block)) {
        assert_int_equal(block.first, expected);
        assert_int_equal(block.count, expected == 91 ? 10 : 30);
        expected += block.count;
        struct gtid gtid;
        struct gtid_parts parts;
        uint64_t first = block.first;
        gtid_block_take(&block, &gtid);
        assert_true(gtid_parse(&gtid, &parts));
        assert_int_equal(parts.number, first);
        assert_int_equal(block.first, first + 1);
    }
    assert_int_equal(expected, 101);
    story_end(&s);
}

static void numbers_that_were_taken_go_bad_too(void **state)
{
    (void)state;
    struct story s;
    struct gtid_block block, other;
    story_begin(&s, NULL);
    story_ready(&s);
    assert_true(client_gtids(s.client, 10, &block));
    assert_true(client_gtids_good(s.client, &block));
    other = block;
    other.count = 0;
    assert_false(client_gtids_good(s.client, &other));
    story_disconnect(&s);
    assert_true(client_gtids_good(s.client, &block));
    s.header.incarnation++;
    story_connect(&s);
    story_welcome(&s, 1, 100);
    assert_false(client_gtids_good(s.client, &block));
    assert_true(client_gtids(s.client, 10, &block));
    for (int i = 0; i < 200; i++) {
        assert_true(client_gtids_good(s.client, &block));
        story_wait(&s, 3000);
        story_hear(&s, &(struct msg){.type = MSG_PONG});
    }
    assert_false(client_gtids_good(s.client, &block));
    story_end(&s);
}

static void operators_lease_nothing(void **state)
{
    (void)state;
    struct story s;
    struct client_config config;
    client_config_defaults(&config);
    config.role = ROLE_OPERATOR;
    story_begin(&s, &config);
    story_connect(&s);
    story_welcome(&s, 0, 0);
    story_skip(&s);
    story_wait(&s, 3999);
    story_is(&s, "");
    story_end(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_greets_and_greets_again_until_welcomed),
        cmocka_unit_test(it_pings_when_quiet_and_greets_when_nothing_is_heard),
        cmocka_unit_test(a_coordinator_that_forgot_us_is_greeted),
        cmocka_unit_test(frames_of_other_peers_are_ignored),
        cmocka_unit_test(the_highest_log_position_is_echoed),
        cmocka_unit_test(gtids_come_from_the_lease_and_the_next_is_asked_for_in_time),
        cmocka_unit_test(an_unanswered_lease_is_asked_for_again),
        cmocka_unit_test(a_lease_outlives_a_reconnect_but_not_a_restart),
        cmocka_unit_test(what_an_earlier_run_said_is_read_too_late),
        cmocka_unit_test(an_old_lease_is_not_used),
        cmocka_unit_test(an_impossible_lease_is_not_used),
        cmocka_unit_test(blocks_of_gtids_do_not_overlap),
        cmocka_unit_test(numbers_that_were_taken_go_bad_too),
        cmocka_unit_test(operators_lease_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
