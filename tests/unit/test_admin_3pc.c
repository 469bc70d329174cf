// SPDX-License-Identifier: Apache-2.0
// What operators are told of three-phase transactions, stage by stage.
#include <stdio.h>

#include "admin_desk.h"
#include "core/quorum.h"

static const json_t *show(struct admin_desk *a, const struct gtid *gtid)
{
    char json[100];
    snprintf(json, sizeof json, "{\"gtid\": \"%.*s\"}", gtid->size, gtid->text);
    a->d.at = a->d.fx.count;
    return at(admin_expect(a, "show", json, ASSENT_OK), "transaction");
}

static void says(const json_t *json, const char *path, const char *text)
{
    assert_string_equal(text_at(json, path), text);
}

static struct gtid admitted(struct admin_desk *a)
{
    struct gtid gtid = desk_gtid(&a->d);
    const struct msg_branch calls[] = {
        {.kind = BRANCH_CALL, .resource = slice_text("bank-a")},
        {.kind = BRANCH_CALL, .resource = slice_text("bank-b")},
    };
    desk_submit_as(&a->d, CLIENT, &gtid, (struct msg_submit){.protocol = PROTOCOL_3PC}, calls, 2);
    desk_expect_write(&a->d, STAGE_ADMITTED, OUTCOME_NONE, false);
    return gtid;
}

static void in_doubt_count(struct admin_desk *a, size_t count)
{
    admin_expect(a, "list", "{\"in_doubt\": true}", ASSENT_OK);
    assert_int_equal(json_array_size(at(a->reply, "transactions")), count);
}

static void pre_committed(struct admin_desk *a, peer_t peer, const struct msg_quorum *asked,
                          unsigned branch)
{
    struct msg msg = {.type = MSG_STATE, .u.quorum = *asked};
    msg.u.quorum.from = (uint16_t)branch;
    msg.u.quorum.to = BRANCH_NONE;
    msg.u.quorum.last = asked->number;
    msg.u.quorum.state = QUORUM_PRE_COMMITTED;
    msg.u.quorum.outcome = OUTCOME_NONE;
    desk_receive(&a->d, peer, branch ? "bank-b" : "bank-a", &msg);
}

// Votes, pre-commits, the outcome.
static void test_stages(void **state)
{
    struct admin_desk *a = *state;
    struct gtid gtid = admitted(a);
    const json_t *t = show(a, &gtid);
    says(t, "state", "admitting");
    says(t, "protocol", "3pc");
    desk_written(&a->d);
    struct msg_prepare first = desk_expect(&a->d, PEER_A, MSG_PREPARE)->u.prepare;
    struct msg_prepare second = desk_expect(&a->d, PEER_B, MSG_PREPARE)->u.prepare;
    t = show(a, &gtid);
    says(t, "state", "preparing");
    assert_true(number_at(t, "deadline_ms") > 0);
    assert_true(json_is_null(at(t, "election")));
    assert_int_equal(number_at(t, "majority"), 2);
    desk_vote(&a->d, PEER_A, &first, VOTE_YES);
    desk_vote(&a->d, PEER_B, &second, VOTE_YES);
    struct msg_quorum try = desk_expect(&a->d, PEER_A, MSG_TRY)->u.quorum;
    t = show(a, &gtid);
    says(t, "state", "deciding");
    says(t, "election.asks", "pre_commit");
    assert_true(json_is_true(at(t, "in_doubt")));
    assert_true(json_is_null(at(t, "deadline_ms"))); // nothing aborts it when time is up
    assert_true(number_at(t, "next_retry_ms") > 0);
    assert_int_equal(number_at(t, "waiting_count"), 2);
    assert_true(json_is_true(at(t, "branches.1.waiting")));
    assert_true(json_is_false(at(t, "branches.1.journal_lost")));
    pre_committed(a, PEER_A, &try, 0);
    says(show(a, &gtid), "state", "deciding"); // one of two is no majority
    pre_committed(a, PEER_B, &try, 1);
    t = show(a, &gtid);
    says(t, "state", "committing");
    assert_true(json_is_null(at(t, "election")));
    says(t, "outcome", "committed");
}

// An earlier run has admitted it, and may have asked for pre-commits: its branches may be in doubt.
static void test_of_an_earlier_run(void **state)
{
    struct admin_desk *a = *state;
    struct desk_kept kept;
    struct gtid gtid = admitted(a);
    desk_keep(&a->d, &kept);
    desk_written(&a->d);
    a->d.at = a->d.fx.count;
    admin_desk_restart(a, &kept.record, 1);
    const json_t *t = show(a, &gtid);
    says(t, "state", "deciding");
    says(t, "election.asks", "states");
    assert_true(json_is_null(at(t, "deadline_ms")));
    assert_true(json_is_true(at(t, "in_doubt")));
    assert_true(json_is_true(at(t, "branches.0.in_doubt")));
    assert_true(json_is_false(at(t, "branches.0.connected")));
    assert_int_equal(number_at(t, "waiting_count"), 2);
    in_doubt_count(a, 1);
    desk_hello(&a->d, PEER_A, ROLE_PARTICIPANT, "bank-a");
    a->d.at = a->d.fx.count;
    desk_hello_run(&a->d, PEER_B, "bank-b", 0xdead, 1); // a journal that was made anew
    t = show(a, &gtid);
    assert_true(json_is_true(at(t, "branches.0.connected")));
    assert_true(json_is_false(at(t, "branches.0.journal_lost")));
    assert_true(json_is_true(at(t, "branches.1.connected")));
    assert_true(json_is_true(at(t, "branches.1.journal_lost")));
    buf_free(&kept.bytes);
}

static void test_on_record(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record record = admin_record("old", OUTCOME_COMMITTED, a->d.now.wall_ms - 1000);
    record.protocol = PROTOCOL_3PC;
    assert_null(admin_ask(a, "show", "{\"gtid\": \"old\"}"));
    admin_found(a, &record, 0);
    const json_t *t = at(a->reply, "transaction");
    says(t, "state", "ended");
    assert_true(json_is_null(at(t, "election")));
    assert_int_equal(number_at(t, "majority"), 2);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, admin_desk_setup, admin_desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_stages),
        T(test_of_an_earlier_run),
        T(test_on_record),
    };
    return cmocka_run_group_tests_name("admin_3pc", tests, NULL, NULL);
}
