// SPDX-License-Identifier: Apache-2.0
// The operator's verbs over the log: what has ended, one transaction wherever it is, and every
// allocation failing in turn.
#include <stdio.h>
#include <stdlib.h>

#include "admin_desk.h"

static uint64_t ago(const struct admin_desk *a, uint64_t ms)
{
    return a->d.now.wall_ms - ms;
}

static void test_finished(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record committed = admin_record("c", OUTCOME_COMMITTED, ago(a, 1000));
    struct tx_record aborted = admin_record("a", OUTCOME_ABORTED, ago(a, 2000));
    struct tx_record open = admin_record("o", OUTCOME_COMMITTED, ago(a, 3000));
    open.stage = STAGE_DECIDED;
    open.ended_ms = 0;
    assert_null(admin_ask(a, "finished", "{}"));
    assert_int_equal(a->scan_from, 0);
    assert_int_equal(admin_visit(a, &committed, 30), 0);
    assert_int_equal(admin_visit(a, &open, 20), 0);
    assert_int_equal(admin_visit(a, &aborted, 10), 0);
    admin_scan_ends(a);
    const json_t *r = a->reply;
    assert_int_equal(json_array_size(at(r, "transactions")), 2);
    assert_string_equal(text_at(r, "transactions.0.gtid"), "c");
    assert_string_equal(text_at(r, "transactions.0.state"), "ended");
    assert_true(json_is_true(at(r, "transactions.0.finished")));
    assert_true(json_is_null(at(r, "transactions.0.reason")));
    assert_string_equal(text_at(r, "transactions.1.outcome"), "aborted");
    assert_string_equal(text_at(r, "transactions.1.reason.code"), "voted_no");
    assert_int_equal(number_at(r, "transactions.1.reason.branch"), 1);
    assert_string_equal(text_at(r, "transactions.1.reason.detail"), "no money");
    assert_true(json_is_null(at(r, "next")));
}

static void test_finished_filters(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record records[] = {
        admin_record("c", OUTCOME_COMMITTED, ago(a, 1000)),
        admin_record("a", OUTCOME_ABORTED, ago(a, 2000)),
        admin_record("m", OUTCOME_COMMITTED, ago(a, 3000)),
    };
    records[2].mixed = 1;
    static const struct {
        const char *json, *found;
    } cases[] = {
        {"{\"outcomes\": [\"committed\"]}", "c"},
        {"{\"outcomes\": [\"aborted\"]}", "a"},
        {"{\"outcomes\": [\"mixed\"]}", "m"},
        {"{\"older_ms\": 2500}", "m"},
        {"{\"younger_ms\": 1500, \"participant\": \"bank-b\"}", "c"},
        {"{\"participant\": \"bank-c\"}", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_null(admin_ask(a, "finished", cases[i].json));
        for (unsigned n = 0; n < 3; n++)
            assert_int_equal(admin_visit(a, &records[n], 3 - n), 0);
        admin_scan_ends(a);
        size_t count = json_array_size(at(a->reply, "transactions"));
        assert_int_equal(count, *cases[i].found ? 1 : 0);
        if (count)
            assert_string_equal(text_at(a->reply, "transactions.0.gtid"), cases[i].found);
    }
}

// A page ends at its limit or after so many visits; the next begins with what was not handled.
static void test_finished_pages(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record record = admin_record("c", OUTCOME_COMMITTED, ago(a, 1000));
    assert_null(admin_ask(a, "finished", "{\"limit\": 2, \"cursor\": \"77\"}"));
    assert_int_equal(a->scan_from, 77);
    assert_int_equal(admin_visit(a, &record, 77), 0);
    assert_int_equal(admin_visit(a, &record, 70), 0);
    assert_int_not_equal(admin_visit(a, &record, 60), 0);
    admin_scan_ends(a);
    assert_int_equal(json_array_size(at(a->reply, "transactions")), 2);
    assert_string_equal(text_at(a->reply, "next"), "60");

    assert_null(admin_ask(a, "finished", "{\"outcomes\": [\"mixed\"]}"));
    uint64_t seq = 100000;
    while (admin_visit(a, &record, seq) == 0)
        seq--;
    assert_int_equal(100000 - seq, ADMIN_PAGE_VISITS);
    admin_scan_ends(a);
    assert_int_equal(json_array_size(at(a->reply, "transactions")), 0);
    assert_int_equal(atoll(text_at(a->reply, "next")), (long long)seq);
}

// The longest texts there can be, of bytes that JSON writes as six: a full page is short enough.
static void test_largest_page(void **state)
{
    struct admin_desk *a = *state;
    char text[LIMIT_WHY_BYTES], gtid[LIMIT_GTID_BYTES + 1];
    struct record_branch branches[LIMIT_BRANCHES];
    memset(text, 1, sizeof text);
    snprintf(gtid, sizeof gtid, "%064d", 7);
    struct tx_record record = admin_record(gtid, OUTCOME_ABORTED, ago(a, 1000));
    record.owner = slice_of(text, LIMIT_NAME_BYTES);
    record.reason_text = slice_of(text, LIMIT_REASON_BYTES);
    record.heuristic = (struct record_heuristic){OUTCOME_COMMITTED, 1, slice_of(text, 128),
                                                 slice_of(text, LIMIT_WHY_BYTES)};
    assert_null(admin_ask(a, "finished", "{}"));
    for (unsigned i = 0; i < ADMIN_PAGE_ROWS; i++)
        assert_int_equal(admin_visit(a, &record, 1000 - i), 0);
    assert_int_not_equal(admin_visit(a, &record, 1), 0);
    admin_scan_ends(a);
    assert_int_equal(json_array_size(at(a->reply, "transactions")), ADMIN_PAGE_ROWS);
    assert_true(a->reply_bytes > LIMIT_ADMIN_BYTES / 3); // else this test tests nothing
    // One with all its branches, too.
    for (unsigned i = 0; i < LIMIT_BRANCHES; i++)
        branches[i] = (struct record_branch){.branch = (uint16_t)i,
                                             .kind = BRANCH_CALL,
                                             .resource = slice_text(gtid),
                                             .journal = ~i};
    record.branches = branches;
    record.branch_count = LIMIT_BRANCHES;
    char json[100];
    snprintf(json, sizeof json, "{\"gtid\": \"%s\"}", gtid);
    assert_null(admin_ask(a, "show", json));
    admin_found(a, &record, 0);
    assert_int_equal(json_array_size(at(a->reply, "transaction.branches")), LIMIT_BRANCHES);
}

static void test_finished_damaged(void **state)
{
    struct admin_desk *a = *state;
    assert_null(admin_ask(a, "finished", "{}"));
    const struct store_record stored = {
        .key = slice_text("x"), .value = slice_text("garbage"), .seq = 9};
    assert_int_not_equal(a->visit(a->visit_arg, &stored), 0);
    admin_scan_ends(a);
    assert_true(a->code == ASSENT_CORRUPT || a->code == ASSENT_VERSION);
    assert_non_null(strstr(text_at(a->reply, "error.message"), "log"));
}

static void test_show_in_memory(void **state)
{
    struct admin_desk *a = *state;
    admin_begin(a, "t", "bank-a", "bank-b", NULL);
    const json_t *r = admin_expect(a, "show", "{\"gtid\": \"t\"}", ASSENT_OK);
    assert_string_equal(text_at(r, "verdict.outcome"), "in progress");
    assert_int_equal(json_array_size(at(r, "transaction.branches")), 2);
    assert_string_equal(text_at(r, "transaction.branches.1.participant"), "bank-b");
    assert_string_equal(text_at(r, "transaction.branches.1.state"), "preparing");
    assert_string_equal(text_at(r, "transaction.branches.1.kind"), "call");
    assert_string_equal(text_at(r, "transaction.branches.1.vote"), "none");
    assert_true(json_is_true(at(r, "transaction.branches.1.waiting")));
    assert_true(json_is_false(at(r, "transaction.branches.1.in_doubt")));
    assert_int_equal(number_at(r, "transaction.branches.1.tries"), 1);
}

static void test_show_from_the_log(void **state)
{
    struct admin_desk *a = *state;
    struct tx_record record = admin_record("t", OUTCOME_COMMITTED, ago(a, 1000));
    record.mixed = 1;
    record.heuristic = (struct record_heuristic){OUTCOME_ABORTED, ago(a, 1500),
                                                 slice_text("ops (ada@db1)"), slice_text("why\n")};
    assert_null(admin_ask(a, "show", "{\"gtid\": \"t\"}"));
    assert_true(a->lookup_gtid.size == 1);
    admin_found(a, &record, 0);
    assert_int_equal(a->code, ASSENT_OK);
    assert_string_equal(text_at(a->reply, "verdict.outcome"), "committed");
    assert_true(json_is_true(at(a->reply, "transaction.mixed")));
    assert_string_equal(text_at(a->reply, "transaction.heuristic.forced"), "aborted");
    assert_string_equal(text_at(a->reply, "transaction.heuristic.by"), "ops (ada@db1)");
    assert_string_equal(text_at(a->reply, "transaction.branches.0.outcome"), "committed");
    assert_true(json_is_null(at(a->reply, "transaction.branches.0.connected")));
    // It began while the log was being read: what memory says is newer.
    assert_null(admin_ask(a, "show", "{\"gtid\": \"u\"}"));
    admin_begin(a, "u", "bank-a", "bank-b", NULL);
    admin_found(a, NULL, 0);
    assert_string_equal(text_at(a->reply, "transaction.state"), "preparing");
}

static void show_silence(struct admin_desk *a, const struct gtid *gtid, uint64_t horizon_ms,
                         const char *outcome, const char *word)
{
    char json[100];
    snprintf(json, sizeof json, "{\"gtid\": \"%.*s\"}", gtid->size, gtid->text);
    assert_null(admin_ask(a, "show", json));
    admin_found(a, NULL, horizon_ms);
    assert_int_equal(a->code, ASSENT_OK);
    assert_true(json_is_null(at(a->reply, "transaction")));
    assert_string_equal(text_at(a->reply, "verdict.outcome"), outcome);
    assert_non_null(strstr(text_at(a->reply, "verdict.text"), word));
    assert_int_equal(json_integer_value(at(a->reply, "horizon_at_ms")), horizon_ms);
}

// Silence is told as what it is, and unknown never as aborted.
static void test_show_of_what_is_nowhere(void **state)
{
    struct admin_desk *a = *state;
    uint64_t lease_ms = ago(a, 5000);
    struct gtid gtid = desk_own("my-own");
    show_silence(a, &gtid, 0, "unknown", "does not mean that it aborted");
    gtid_make(&(struct gtid_parts){8, 1, lease_ms, 1}, &gtid);
    show_silence(a, &gtid, 0, "unknown", "Another coordinator");
    gtid_make(&(struct gtid_parts){7, 1, lease_ms, 1}, &gtid);
    show_silence(a, &gtid, 0, "unknown", "never began");
    gtid_make(&(struct gtid_parts){7, 0, lease_ms, 1}, &gtid);
    show_silence(a, &gtid, 0, "aborted", "never committed");
    show_silence(a, &gtid, lease_ms + 1, "unknown", "no longer known");
}

static void test_no_memory_for_the_log(void **state)
{
    struct admin_desk *a = *state;
    a->no_memory = true;
    admin_expect(a, "show", "{\"gtid\": \"t\"}", ASSENT_NOMEM);
    admin_expect(a, "finished", "{}", ASSENT_NOMEM);
    a->no_memory = false;
    for (int i = 0; i < ADMIN_REQUESTS; i++) // nothing of them is left
        assert_null(admin_ask(a, "show", "{\"gtid\": \"t\"}"));
}

// ---- every allocation of the JSON library fails in turn ----

static long allocations_left;

static void *failing_malloc(size_t size)
{
    return allocations_left > 0 && allocations_left-- > 0 ? malloc(size) : NULL;
}

static bool ask_with_failures(struct admin_desk *a, const char *verb, const char *json, long k)
{
    unsigned before = a->replies;
    allocations_left = k;
    json_set_alloc_funcs(failing_malloc, free);
    const struct admin_caller caller = {
        .peer = OPERATOR_PEER, .role = ROLE_OPERATOR, .grant = &a->grant};
    const struct msg_admin request = {.id = 1, .verb = slice_text(verb), .json = slice_text(json)};
    admin_receive(a->admin, &caller, &request);
    json_set_alloc_funcs(malloc, free);
    assert_int_equal(a->replies, before + 1);
    return a->code == ASSENT_OK;
}

// The host parses replies: with the library failing it gets none, but knows the code.
static void test_memory_runs_out(void **state)
{
    struct admin_desk *a = *state;
    static const struct {
        const char *verb, *json;
    } cases[] = {
        {"status", "{}"},       {"list", "{\"states\": [\"preparing\"]}"},
        {"participants", "{}"}, {"foreign", "{}"},
        {"config", "{}"},       {"show", "{\"gtid\": \"t\"}"},
    };
    struct gtid gtid = desk_own("elsewhere");
    desk_inquire(&a->d, PEER_A, &gtid, 8, 5, 0);
    desk_expect(&a->d, PEER_A, MSG_STANDING);
    admin_begin(a, "t", "bank-a", "bank-b", NULL);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        long k = 0;
        while (!ask_with_failures(a, cases[i].verb, cases[i].json, k)) {
            assert_true(a->code == ASSENT_NOMEM || a->code == ASSENT_INVALID);
            k++;
        }
        assert_true(k > 5);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, admin_desk_setup, admin_desk_teardown)
    const struct CMUnitTest tests[] = {
        T(test_finished),          T(test_finished_filters),        T(test_finished_pages),
        T(test_largest_page),      T(test_finished_damaged),        T(test_show_in_memory),
        T(test_show_from_the_log), T(test_show_of_what_is_nowhere), T(test_no_memory_for_the_log),
        T(test_memory_runs_out),
    };
    return cmocka_run_group_tests_name("admin_log", tests, NULL, NULL);
}
