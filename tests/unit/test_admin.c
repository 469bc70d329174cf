// SPDX-License-Identifier: Apache-2.0
// The operator's verbs: who may ask, what is refused, what memory holds, orders.
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "admin_desk.h"
#include "base/logger.h"

static void test_operators_only(void **state)
{
    struct admin_desk *a = *state;
    const struct net_grant client = {.client = true};
    const struct admin_caller callers[] = {
        {.peer = 9, .role = ROLE_CLIENT, .grant = &a->grant},
        {.peer = 9, .role = ROLE_PARTICIPANT, .grant = &a->grant},
        {.peer = 9, .role = 0, .grant = &a->grant},
        {.peer = 9, .role = ROLE_OPERATOR, .grant = &client},
        {.peer = 9, .role = ROLE_OPERATOR, .grant = NULL},
    };
    for (size_t i = 0; i < 5; i++) {
        const json_t *reply = admin_ask_as(a, &callers[i], "status", "{}");
        assert_string_equal(text_at(reply, "error.code"), "DENIED");
        assert_int_equal(a->code, ASSENT_DENIED);
        assert_int_equal(admin_denied(a->admin), i + 1);
    }
    admin_expect(a, "status", "{}", ASSENT_OK);
}

static void test_nonsense_is_refused(void **state)
{
    struct admin_desk *a = *state;
    static const struct {
        const char *verb, *json;
        int code;
    } cases[] = {
        {"dance", "{}", ASSENT_INVALID},
        {"", "", ASSENT_INVALID},
        {"statu", "{}", ASSENT_INVALID},
        {"status", "{", ASSENT_INVALID},
        {"status", "[1]", ASSENT_INVALID},
        {"status", "\xff\xfe", ASSENT_INVALID},
        {"list", "{\"states\": 5}", ASSENT_INVALID},
        {"list", "{\"states\": [5]}", ASSENT_INVALID},
        {"list", "{\"states\": [\"dancing\"]}", ASSENT_INVALID},
        {"list", "{\"older_ms\": \"long\"}", ASSENT_INVALID},
        {"list", "{\"older_ms\": -1}", ASSENT_INVALID},
        {"list", "{\"in_doubt\": 1}", ASSENT_INVALID},
        {"list", "{\"cursor\": 5}", ASSENT_INVALID},
        {"list", "{\"cursor\": \"5x\"}", ASSENT_INVALID},
        {"list", "{\"cursor\": \"-5\"}", ASSENT_INVALID},
        {"list", "{\"cursor\": \"99999999999999999999\"}", ASSENT_INVALID},
        {"finished", "{\"outcomes\": [\"active\"]}", ASSENT_INVALID},
        {"show", "{}", ASSENT_INVALID},
        {"show", "{\"gtid\": \"with space\"}", ASSENT_INVALID},
        {"show", "{\"gtid\": \"\"}", ASSENT_INVALID},
        {"show", "{\"gtid\": 3}", ASSENT_INVALID},
        {"abort", "{\"gtid\": \"x\"}", ASSENT_INVALID},
        {"commit", "{\"gtid\": \"x\", \"why\": \"\"}", ASSENT_INVALID},
        {"forget", "{}", ASSENT_INVALID},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        admin_expect(a, cases[i].verb, cases[i].json, cases[i].code);
    char json[1000], name[301];
    memset(name, 'n', 300);
    name[300] = '\0';
    snprintf(json, sizeof json, "{\"gtid\": \"x\", \"why\": \"%s\"}", name);
    admin_expect(a, "abort", json, ASSENT_LIMIT);
    snprintf(json, sizeof json, "{\"gtid\": \"x\", \"why\": \"w\", \"by\": \"%s\"}", name);
    admin_expect(a, "abort", json, ASSENT_LIMIT);
    snprintf(json, sizeof json, "{\"participant\": \"%s\"}", name);
    admin_expect(a, "list", json, ASSENT_LIMIT);
    admin_expect(a, "list", "", ASSENT_OK); // no arguments at all is fine
}

static void test_status_and_config(void **state)
{
    struct admin_desk *a = *state;
    const json_t *r = admin_expect(a, "status", "{}", ASSENT_OK);
    assert_string_equal(text_at(r, "verb"), "status");
    assert_string_equal(text_at(r, "coordinator"), "00000007");
    assert_string_equal(text_at(r, "endpoints.1"), "tcp://10.0.0.1:7000");
    assert_int_equal(json_array_size(at(r, "endpoints")), 2);
    assert_int_equal(number_at(r, "incarnation"), 5);
    assert_int_equal(number_at(r, "uptime_ms"), 10000);
    assert_int_equal(number_at(r, "log.head_seq"), 1234);
    assert_int_equal(number_at(r, "messages.garbage"), 3);
    assert_int_equal(number_at(r, "participants.connected"), 2);
    r = admin_expect(a, "config", "{}", ASSENT_OK);
    assert_int_equal(json_array_size(at(r, "config")), 2);
    assert_string_equal(text_at(r, "config.1.from"), "file /etc/assentd.conf:3");
    assert_true(json_is_true(at(r, "config.1.reloadable")));
}

static void vote(struct admin_desk *a, peer_t peer, const char *gtid, unsigned branch)
{
    struct tx_view view;
    struct gtid id = desk_own(gtid);
    assert_true(coordinator_view(a->d.c, &id, &view));
    struct msg_prepare prepare = {
        .gtid = id, .attempt = view.record.attempt, .branch = (uint16_t)branch};
    desk_vote(&a->d, peer, &prepare, VOTE_YES);
}

// bank-a has voted, bank-b has not.
static void test_a_row_of_the_list(void **state)
{
    struct admin_desk *a = *state;
    admin_begin(a, "order-1", "bank-a", "bank-b", NULL);
    vote(a, PEER_A, "order-1", 0);
    a->d.now.mono_ms += 1000;
    a->d.now.wall_ms += 1000;
    const json_t *r = admin_expect(a, "list", "{}", ASSENT_OK);
    assert_int_equal(json_array_size(at(r, "transactions")), 1);
    const json_t *t = at(r, "transactions.0");
    assert_string_equal(text_at(t, "gtid"), "order-1");
    assert_string_equal(text_at(t, "state"), "preparing");
    assert_string_equal(text_at(t, "owner"), "alice");
    assert_true(json_is_null(at(t, "outcome")));
    assert_true(json_is_true(at(t, "in_doubt")));
    assert_int_equal(number_at(t, "age_ms"), 1000);
    assert_int_equal(number_at(t, "deadline_ms"), 9000);
    assert_int_equal(number_at(t, "branch_count"), 2);
    assert_int_equal(number_at(t, "waiting_count"), 1);
    assert_int_equal(json_array_size(at(t, "waiting_for")), 1);
    assert_string_equal(text_at(t, "waiting_for.0"), "bank-b");
    assert_true(json_is_null(at(r, "next")));
    assert_null(json_object_get(t, "branches"));
}

static size_t rows(struct admin_desk *a, const char *json)
{
    return json_array_size(at(admin_expect(a, "list", json, ASSENT_OK), "transactions"));
}

static void test_filters(void **state)
{
    struct admin_desk *a = *state;
    admin_begin(a, "old", "bank-a", "bank-b", NULL);
    desk_pass(&a->d, 5000);
    admin_begin(a, "new", "bank-b", "bank-c", NULL);
    vote(a, PEER_B, "new", 0);
    assert_int_equal(rows(a, "{}"), 2);
    assert_int_equal(rows(a, "{\"states\": [\"preparing\"]}"), 2);
    assert_int_equal(rows(a, "{\"states\": [\"committing\", \"active\"]}"), 0);
    assert_int_equal(rows(a, "{\"in_doubt\": true}"), 1);
    assert_string_equal(text_at(a->reply, "transactions.0.gtid"), "new");
    assert_int_equal(rows(a, "{\"in_doubt\": false}"), 2);
    assert_int_equal(rows(a, "{\"mixed\": true}"), 0);
    assert_int_equal(rows(a, "{\"older_ms\": 5000}"), 1);
    assert_string_equal(text_at(a->reply, "transactions.0.gtid"), "old");
    assert_int_equal(rows(a, "{\"younger_ms\": 4999}"), 1);
    assert_string_equal(text_at(a->reply, "transactions.0.gtid"), "new");
    assert_int_equal(rows(a, "{\"participant\": \"bank-a\"}"), 1);
    assert_int_equal(rows(a, "{\"participant\": \"bank-b\"}"), 2);
    assert_int_equal(rows(a, "{\"participant\": \"bank\"}"), 0);
}

// While the pages are fetched others begin and end: what is there throughout appears exactly once.
static void test_pages(void **state)
{
    struct admin_desk *a = *state;
    enum { STEADY = 700, PASSING = 300 };
    unsigned seen[STEADY] = {0};
    char gtid[40], json[100] = "{\"limit\": 100}";
    for (unsigned i = 0; i < STEADY; i++) {
        snprintf(gtid, sizeof gtid, "steady-%u", i);
        admin_begin(a, gtid, "bank-a", "bank-b", NULL);
        if (i % 3 == 0) {
            snprintf(gtid, sizeof gtid, "passing-%u", i);
            admin_begin(a, gtid, "bank-a", "bank-b", NULL);
        }
    }
    for (unsigned page = 0;; page++) {
        const json_t *r = admin_expect(a, "list", json, ASSENT_OK), *t;
        size_t i;
        json_array_foreach(at(r, "transactions"), i, t)
        {
            unsigned number;
            if (sscanf(text_at(t, "gtid"), "steady-%u", &number) == 1)
                seen[number]++;
        }
        if (json_is_null(at(r, "next")))
            break;
        snprintf(json, sizeof json, "{\"limit\": 100, \"cursor\": \"%s\"}", text_at(r, "next"));
        for (unsigned n = 0; n < 20; n++) {
            struct gtid passing;
            snprintf(gtid, sizeof gtid, "passing-%u", (page * 20 + n) * 3);
            passing = desk_own(gtid);
            struct tx_view view;
            if (coordinator_view(a->d.c, &passing, &view)) {
                desk_ask(&a->d, CLIENT, MSG_CANCEL, &passing);
                a->d.at = a->d.fx.count;
            }
            snprintf(gtid, sizeof gtid, "later-%u-%u", page, n);
            admin_begin(a, gtid, "bank-a", "bank-b", NULL);
        }
    }
    for (unsigned i = 0; i < STEADY; i++)
        assert_int_equal(seen[i], 1);
}

static void test_participants(void **state)
{
    struct admin_desk *a = *state;
    admin_begin(a, "t", "bank-a", "bank-b", "nobody", NULL);
    const json_t *r = admin_expect(a, "participants", "{\"limit\": 2}", ASSENT_OK);
    assert_int_equal(json_array_size(at(r, "participants")), 2);
    assert_string_equal(text_at(r, "participants.0.participant"), "bank-a");
    assert_true(json_is_true(at(r, "participants.0.connected")));
    assert_string_equal(text_at(r, "participants.0.journal"), "0000000000000066");
    assert_int_equal(number_at(r, "participants.0.outstanding"), 1);
    assert_string_equal(text_at(r, "next"), "bank-b");
    r = admin_expect(a, "participants", "{\"limit\": 2, \"cursor\": \"bank-b\"}", ASSENT_OK);
    assert_int_equal(json_array_size(at(r, "participants")), 1);
    assert_string_equal(text_at(r, "participants.0.participant"), "nobody");
    assert_true(json_is_false(at(r, "participants.0.connected")));
    assert_true(json_is_null(at(r, "participants.0.last_heard_at_ms")));
    assert_true(json_is_null(at(r, "next")));
}

static void test_foreign(void **state)
{
    struct admin_desk *a = *state;
    struct gtid gtid = desk_own("elsewhere");
    for (unsigned branch = 0; branch < 12; branch++) {
        desk_inquire(&a->d, PEER_A, &gtid, 8, 5, branch);
        desk_expect(&a->d, PEER_A, MSG_STANDING);
    }
    const json_t *r = admin_expect(a, "foreign", "{\"limit\": 11}", ASSENT_OK);
    assert_int_equal(json_array_size(at(r, "foreign")), 11);
    assert_int_equal(number_at(r, "foreign.2.branch"), 2);
    assert_string_equal(text_at(r, "foreign.0.coordinator"), "00000008");
    assert_string_equal(text_at(r, "foreign.0.participant"), "bank-a");
    char json[200];
    snprintf(json, sizeof json, "{\"cursor\": \"%s\"}", text_at(r, "next"));
    r = admin_expect(a, "foreign", json, ASSENT_OK);
    assert_int_equal(json_array_size(at(r, "foreign")), 1);
    assert_int_equal(number_at(r, "foreign.0.branch"), 11);
}

static void test_orders(void **state)
{
    struct admin_desk *a = *state;
    admin_begin(a, "t", "bank-a", "bank-b", NULL);
    const json_t *r =
        admin_expect(a, "commit", "{\"gtid\": \"t\", \"why\": \"month end\", \"by\": \"ada@db1\"}",
                     ASSENT_STATE);
    assert_true(strlen(text_at(r, "error.message")) > 20);
    assert_string_equal(a->who, "local (ada@db1)");
    assert_string_equal(a->why, "month end");
    // Recorded first: the answer comes when that is durable.
    assert_null(admin_ask(a, "abort", "{\"gtid\": \"t\", \"why\": \"month end\"}"));
    assert_string_equal(a->who, "local");
    unsigned before = a->replies;
    admin_answered(a->admin, ADMIN_TOKEN | 999, ASSENT_OK, slice_text("of nobody"));
    assert_int_equal(a->replies, before);
    admin_answered(a->admin, a->order.token, ASSENT_OK, slice_text("recorded"));
    assert_int_equal(a->replies, before + 1);
    assert_string_equal(text_at(a->reply, "text"), "recorded");
    assert_string_equal(text_at(a->reply, "gtid"), "t");
    assert_string_equal(text_at(a->reply, "verb"), "abort");
    admin_answered(a->admin, a->order.token, ASSENT_OK, slice_text("twice"));
    assert_int_equal(a->replies, before + 1);
    r = admin_expect(a, "retry", "{}", ASSENT_OK);
    assert_true(json_is_null(at(r, "gtid")));
    assert_int_equal(a->order.gtid.size, 0);
}

static void test_too_many_wait(void **state)
{
    struct admin_desk *a = *state;
    a->hold_orders = true;
    const char *json = "{\"gtid\": \"t\", \"why\": \"w\"}";
    for (int i = 0; i < ADMIN_REQUESTS; i++)
        assert_null(admin_ask(a, "abort", json));
    admin_expect(a, "abort", json, ASSENT_BUSY);
    admin_expect(a, "show", "{\"gtid\": \"t\"}", ASSENT_BUSY);
    admin_expect(a, "list", "{}", ASSENT_OK); // waits for nobody
    admin_answered(a->admin, a->order.token, ASSENT_OK, slice_text("done"));
    assert_null(admin_ask(a, "abort", json));
}

int main(void)
{
    logger_setup(LOG_ERROR, LOG_LOGFMT, STDERR_FILENO, "unit"); // orders are logged
#define T(name) cmocka_unit_test_setup_teardown(name, admin_desk_setup, admin_desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_operators_only),
        T(test_nonsense_is_refused),
        T(test_status_and_config),
        T(test_a_row_of_the_list),
        T(test_filters),
        T(test_pages),
        T(test_participants),
        T(test_foreign),
        T(test_orders),
        T(test_too_many_wait),
    };
    return cmocka_run_group_tests_name("admin", tests, NULL, NULL);
}
