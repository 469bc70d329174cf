// SPDX-License-Identifier: Apache-2.0
// libassent's client against a coordinator that does as its payloads say:
//   commit, abort    answers so
//   late             answers the second SUBMIT of the gtid only
//   busy             refuses the first three with BUSY
//   limit            refuses with LIMIT
//   silent           never answers
#include "sdk_fake.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "assent/client.h"

enum { GTIDS = 64 };

static struct {
    struct fake fake;
    assent_client *client;
    assent_error error;
    // Of the fake's thread.
    struct gtid gtids[GTIDS];
    unsigned submits[GTIDS];
} w;

static unsigned count_submit(const struct gtid *gtid)
{
    unsigned i = 0;
    while (i < GTIDS - 1 && w.gtids[i].size && !gtid_equal(&w.gtids[i], gtid))
        i++;
    w.gtids[i] = *gtid;
    return ++w.submits[i];
}

static void submitted(struct fake *f, peer_t peer, const struct msg_submit *submit)
{
    struct slice payload = submit->branches[0].payload;
    char word[16] = "";
    if (payload.size)
        memcpy(word, payload.data, payload.size < 15 ? payload.size : 15);
    const struct gtid *gtid = &submit->gtid;
    if (strcmp(word, "commit") == 0)
        fake_result(f, peer, MSG_SUBMIT, gtid, OUTCOME_COMMITTED);
    else if (strcmp(word, "late") == 0 && count_submit(gtid) > 1)
        fake_result(f, peer, MSG_SUBMIT, gtid, OUTCOME_COMMITTED);
    else if (strcmp(word, "busy") == 0 && count_submit(gtid) > 3)
        fake_result(f, peer, MSG_SUBMIT, gtid, OUTCOME_COMMITTED);
    else if (strcmp(word, "busy") == 0)
        fake_refuse(f, peer, MSG_SUBMIT, gtid, ASSENT_BUSY, "wait");
    else if (strcmp(word, "limit") == 0)
        fake_refuse(f, peer, MSG_SUBMIT, gtid, ASSENT_LIMIT, "much too much");
    else if (strcmp(word, "abort") == 0) {
        struct msg msg = {.type = MSG_RESULT};
        msg.u.result = (struct msg_result){.request = submit->request,
                                           .gtid = *gtid,
                                           .about = MSG_SUBMIT,
                                           .outcome = OUTCOME_ABORTED,
                                           .reason = REASON_VOTED_NO,
                                           .branch = 1,
                                           .text = slice_text("no money")};
        fake_reply(f, peer, &msg);
    }
}

static void handle(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    if (msg->type == MSG_SUBMIT) {
        submitted(f, peer, &msg->u.submit);
    } else if (msg->type == MSG_STATUS) {
        fake_result(f, peer, MSG_STATUS, &msg->u.gtid.gtid, OUTCOME_UNKNOWN);
    } else if (msg->type == MSG_CANCEL) {
        fake_result(f, peer, MSG_CANCEL, &msg->u.gtid.gtid, OUTCOME_ABORTED);
    } else if (msg->type == MSG_ENLIST) {
        bool silent = slice_equal(msg->u.enlist.resource, slice_text("silent"));
        bool away = slice_equal(msg->u.enlist.resource, slice_text("away"));
        struct msg reply = {.type = MSG_ENLISTED};
        reply.u.enlisted.request = msg->u.enlist.request;
        reply.u.enlisted.gtid = msg->u.enlist.gtid;
        reply.u.enlisted.branch = msg->u.enlist.branch;
        if (away)
            fake_refuse(f, peer, MSG_ENLIST, &msg->u.enlist.gtid, ASSENT_UNAVAILABLE, "away");
        else if (!silent)
            fake_reply(f, peer, &reply);
    }
}

// ---- a world for each test ----

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    fake_init(&w.fake, handle, NULL);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assent_client_close(&w.client);
    fake_free(&w.fake);
    return 0;
}

static void join_with(assent_client_options options)
{
    options.endpoint = w.fake.endpoint;
    if (assent_client_open(&options, &w.client, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
}

static void join(void)
{
    fake_start(&w.fake);
    join_with((assent_client_options){.name = "test"});
    assert_int_equal(assent_client_wait(w.client, 60000, &w.error), ASSENT_OK);
}

static assent_tx *begin(const char *gtid, const char *payload, uint32_t timeout_ms)
{
    assent_tx *tx;
    assent_tx_options options = {.timeout_ms = timeout_ms};
    if (assent_begin(w.client, gtid, &options, &tx, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    if (payload)
        assert_int_equal(assent_call(tx, "bank", payload, strlen(payload), NULL, &w.error),
                         ASSENT_OK);
    return tx;
}

static int commit_once(const char *gtid, const char *payload, uint32_t timeout_ms,
                       assent_result *ret)
{
    assent_tx *tx = begin(gtid, payload, timeout_ms);
    int code = assent_commit(tx, ret, &w.error);
    assent_tx_destroy(&tx);
    assert_null(tx);
    return code;
}

// ---- outcomes ----

static void outcomes_come_back_as_they_are(void **state)
{
    (void)state;
    assent_result result;
    join();
    assert_int_equal(commit_once(NULL, "commit", 0, &result), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_int_equal(result.branch, -1);
    assert_true(result.finished);
    struct gtid gtid;
    struct gtid_parts parts = {0};
    assert_true(gtid_from(slice_text(result.gtid), &gtid) && gtid_parse(&gtid, &parts));
    assert_int_equal(parts.coordinator, w.fake.coordinator);
    assert_int_equal(commit_once("mine", "abort", 0, &result), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_int_equal(result.reason, ASSENT_REASON_VOTED_NO);
    assert_int_equal(result.branch, 1);
    assert_false(result.finished);
    assert_string_equal(result.text, "no money");
    assert_string_equal(result.gtid, "mine");
    assert_int_equal(assent_status(w.client, "mine", &result, &w.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_OUTCOME_UNKNOWN);
}

static void a_lost_reply_is_asked_for_again(void **state)
{
    (void)state;
    assent_result result;
    join();
    assert_int_equal(commit_once("g", "late", 0, &result), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_int_equal(fake_seen(&w.fake, MSG_SUBMIT), 2);
}

static void busy_is_tried_again(void **state)
{
    (void)state;
    assent_result result;
    join();
    assert_int_equal(commit_once("g", "busy", 0, &result), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_int_equal(fake_seen(&w.fake, MSG_SUBMIT), 4);
}

static void a_refusal_is_told_with_its_reason(void **state)
{
    (void)state;
    join();
    assent_result result = {.branch = 77};
    assert_int_equal(commit_once("g", "limit", 0, &result), ASSENT_LIMIT);
    assert_int_equal(w.error.code, ASSENT_LIMIT);
    assert_string_equal(w.error.message, "g: much too much");
    assert_int_equal(result.branch, 77); // untouched
}

// Until it is answered within the short time that the client waits: on a busy machine not at once.
static int roll_back(assent_tx *tx, assent_result *result)
{
    int code;
    do
        code = assent_rollback(tx, result, &w.error);
    while (code == ASSENT_TIMEOUT);
    return code;
}

static void no_answer_in_time_is_no_outcome(void **state)
{
    (void)state;
    fake_start(&w.fake);
    join_with((assent_client_options){.answer_timeout_ms = 50});
    assert_int_equal(assent_client_wait(w.client, 60000, NULL), ASSENT_OK);
    assent_result result;
    assent_tx *tx = begin("g", "silent", 50);
    assert_int_equal(assent_commit(tx, &result, &w.error), ASSENT_TIMEOUT);
    // It may be asked again, or cancelled, but it cannot change any more.
    assert_int_equal(assent_call(tx, "bank", "x", 1, NULL, &w.error), ASSENT_STATE);
    assert_int_equal(assent_commit(tx, &result, NULL), ASSENT_TIMEOUT);
    assert_int_equal(roll_back(tx, &result), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_int_equal(assent_commit(tx, &result, NULL), ASSENT_STATE);
    assent_tx_destroy(&tx);
}

// ---- without a coordinator ----

static void without_a_coordinator_nothing_is_done(void **state)
{
    (void)state;
    join_with((assent_client_options){.connect_timeout_ms = 30, .answer_timeout_ms = 30});
    assent_tx *tx;
    assent_result result;
    assert_int_equal(assent_client_wait(w.client, 30, &w.error), ASSENT_UNAVAILABLE);
    assert_non_null(strstr(w.error.message, w.fake.endpoint));
    assert_int_equal(assent_begin(w.client, NULL, NULL, &tx, &w.error), ASSENT_UNAVAILABLE);
    assert_int_equal(assent_status(w.client, "g", &result, &w.error), ASSENT_UNAVAILABLE);
    assert_int_equal(commit_once("g", "commit", 30, &result), ASSENT_UNAVAILABLE);
}

static void *start_late(void *arg)
{
    (void)arg;
    fake_pause();
    fake_start(&w.fake);
    return NULL;
}

static void begin_waits_for_the_coordinator(void **state)
{
    (void)state;
    join_with((assent_client_options){.connect_timeout_ms = 60000});
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, start_late, NULL), 0);
    assent_result result;
    assert_int_equal(commit_once(NULL, "commit", 0, &result), ASSENT_OK);
    pthread_join(thread, NULL);
}

static void *commit_silent(void *arg)
{
    int *code = arg;
    assent_result result;
    *code = commit_once("g", "late", 0, &result);
    if (*code == ASSENT_OK && result.outcome != ASSENT_COMMITTED)
        *code = -1;
    return NULL;
}

static void a_coordinator_that_comes_back_is_asked_again(void **state)
{
    (void)state;
    join();
    pthread_t thread;
    int code = -1;
    assert_int_equal(pthread_create(&thread, NULL, commit_silent, &code), 0);
    fake_wait_seen(&w.fake, MSG_SUBMIT, 1);
    fake_restart(&w.fake);
    pthread_join(thread, NULL);
    assert_int_equal(code, ASSENT_OK);
    assert_int_equal(fake_seen(&w.fake, MSG_SUBMIT), 2);
    // gtids of the earlier run are no longer handed out.
    UNTIL(assent_client_wait(w.client, 0, NULL) == ASSENT_OK);
    for (int i = 0; i < 600; i++) {
        assent_tx *tx = begin(NULL, NULL, 0);
        struct gtid gtid;
        struct gtid_parts parts = {0};
        assert_true(gtid_from(slice_text(assent_tx_gtid(tx)), &gtid) && gtid_parse(&gtid, &parts));
        assert_int_equal(parts.incarnation, w.fake.incarnation);
        assent_tx_destroy(&tx);
    }
}

// ---- putting together ----

static void branches_are_checked(void **state)
{
    (void)state;
    join();
    static char big[LIMIT_PAYLOAD_BYTES + 1];
    uint16_t branch = 99;
    assent_tx *tx = begin("g", NULL, 0);
    assert_int_equal(assent_commit(tx, NULL, &w.error), ASSENT_INVALID); // no branches
    assert_int_equal(assent_call(tx, "", "x", 1, NULL, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_call(tx, "a b", "x", 1, NULL, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_call(tx, NULL, "x", 1, NULL, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_call(tx, "bank", NULL, 1, NULL, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_call(tx, "bank", big, sizeof big, &branch, &w.error), ASSENT_LIMIT);
    assert_int_equal(branch, 99);
    assert_int_equal(assent_call(tx, "bank", NULL, 0, &branch, &w.error), ASSENT_OK);
    assert_int_equal(branch, 0);
    assert_int_equal(assent_call(tx, "bank", big, LIMIT_PAYLOAD_BYTES, &branch, NULL), ASSENT_OK);
    assert_int_equal(branch, 1);
    for (int i = 2; i < LIMIT_BRANCHES; i++)
        assert_int_equal(assent_call(tx, "bank", "x", 1, NULL, NULL), ASSENT_OK);
    assert_int_equal(assent_call(tx, "bank", "x", 1, NULL, &w.error), ASSENT_LIMIT);
    assent_tx_destroy(&tx);
    assert_int_equal(assent_begin(w.client, "no spaces", NULL, &tx, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_begin(w.client, "", NULL, &tx, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_status(w.client, "", NULL, &w.error), ASSENT_INVALID);
}

// All that one frame can hold, and not a byte more.
static void the_largest_transaction_arrives(void **state)
{
    (void)state;
    join();
    static char big[LIMIT_PAYLOAD_BYTES];
    assent_result result;
    assent_tx *tx = begin("g", NULL, 0);
    int code = ASSENT_OK;
    int calls = 0;
    strcpy(big, "commit");
    while ((code = assent_call(tx, "bank", big, sizeof big, NULL, NULL)) == ASSENT_OK)
        calls++;
    assert_int_equal(code, ASSENT_LIMIT);
    assert_in_range(calls, 60, 63); // more branches would do, but not as large
    size_t left = sizeof big;
    while (left > 0 && assent_call(tx, "bank", big, left, NULL, NULL) != ASSENT_OK)
        left--;
    assert_int_equal(assent_commit(tx, &result, &w.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assent_tx_destroy(&tx);
}

static struct {
    unsigned count;
    char resources[3][16], payloads[3][16];
    uint8_t kinds[3];
    uint32_t timeout_ms;
    uint8_t flags;
} last;

static void keep_submit(struct fake *f, peer_t peer, const struct msg *msg)
{
    if (msg->type == MSG_SUBMIT) {
        const struct msg_submit *submit = &msg->u.submit;
        last.count = submit->branch_count;
        last.timeout_ms = submit->timeout_ms;
        last.flags = submit->flags;
        for (unsigned i = 0; i < last.count && i < 3; i++) {
            const struct msg_branch *b = &submit->branches[i];
            snprintf(last.resources[i], 16, "%.*s", (int)b->resource.size,
                     (const char *)b->resource.data);
            snprintf(last.payloads[i], 16, "%.*s", (int)b->payload.size,
                     (const char *)b->payload.data);
            last.kinds[i] = b->kind;
        }
    }
    handle(f, peer, msg);
}

static void calls_and_enlisted_branches_go_together(void **state)
{
    (void)state;
    w.fake.handler = keep_submit;
    join();
    assent_result result;
    assent_tx *tx;
    uint16_t branch;
    assent_tx_options options = {.timeout_ms = 1234, .wait_done = 1};
    assert_int_equal(assent_begin(w.client, "g", &options, &tx, NULL), ASSENT_OK);
    assert_int_equal(assent_call(tx, "one", "commit", 6, NULL, NULL), ASSENT_OK);
    assert_int_equal(assent_enlist(tx, "two", &branch, &w.error), ASSENT_OK);
    assert_int_equal(branch, 1);
    // Refused: as if it had never been tried.
    assert_int_equal(assent_enlist(tx, "away", &branch, &w.error), ASSENT_UNAVAILABLE);
    assert_int_equal(assent_call(tx, "three", "3", 1, &branch, NULL), ASSENT_OK);
    assert_int_equal(branch, 2);
    assert_int_equal(assent_commit(tx, &result, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    fake_wait_seen(&w.fake, MSG_SUBMIT, 1);
    assert_int_equal(last.count, 3);
    assert_string_equal(last.resources[0], "one");
    assert_string_equal(last.resources[1], "two");
    assert_string_equal(last.resources[2], "three");
    assert_string_equal(last.payloads[0], "commit");
    assert_string_equal(last.payloads[1], "");
    assert_string_equal(last.payloads[2], "3");
    assert_int_equal(last.kinds[1], BRANCH_ENLISTED);
    assert_int_equal(last.kinds[2], BRANCH_CALL);
    assert_int_equal(last.timeout_ms, 1234);
    assert_int_equal(last.flags, SUBMIT_WAIT_DONE);
}

static void an_enlisted_branch_is_said_to_be_read_only(void **state)
{
    (void)state;
    w.fake.handler = keep_submit;
    join();
    assent_result result;
    assent_tx *tx;
    uint16_t branch;
    assert_int_equal(assent_begin(w.client, "g", NULL, &tx, NULL), ASSENT_OK);
    assert_int_equal(assent_call(tx, "one", "commit", 6, NULL, NULL), ASSENT_OK);
    assert_int_equal(assent_enlist(tx, "two", &branch, &w.error), ASSENT_OK);
    assert_int_equal(assent_read_only(tx, 0, &w.error), ASSENT_INVALID); // that one is a call
    assert_int_equal(assent_read_only(tx, 2, &w.error), ASSENT_INVALID);
    assert_int_equal(assent_read_only(tx, branch, &w.error), ASSENT_OK);
    assert_int_equal(assent_read_only(tx, branch, &w.error), ASSENT_OK);
    assert_int_equal(assent_commit(tx, &result, &w.error), ASSENT_OK);
    assert_int_equal(assent_read_only(tx, branch, &w.error), ASSENT_STATE);
    assent_tx_destroy(&tx);
    fake_wait_seen(&w.fake, MSG_SUBMIT, 1);
    assert_int_equal(last.kinds[0], BRANCH_CALL);
    assert_int_equal(last.kinds[1], BRANCH_READ_ONLY);
    const assent_tx_options tcc = {.protocol = ASSENT_TCC};
    assert_int_equal(assent_begin(w.client, "h", &tcc, &tx, NULL), ASSENT_OK);
    assert_int_equal(assent_enlist_with(tx, "two", "x", 1, &branch, &w.error), ASSENT_OK);
    assert_int_equal(assent_read_only(tx, branch, &w.error), ASSENT_INVALID);
    assent_tx_destroy(&tx);
}

static void an_enlist_without_an_answer_spoils_the_transaction(void **state)
{
    (void)state;
    fake_start(&w.fake);
    join_with((assent_client_options){.answer_timeout_ms = 50});
    assert_int_equal(assent_client_wait(w.client, 60000, NULL), ASSENT_OK);
    assent_result result;
    assent_tx *tx = begin(NULL, "commit", 0);
    assert_int_equal(assent_enlist(tx, "silent", NULL, &w.error), ASSENT_TIMEOUT);
    assert_int_equal(assent_call(tx, "bank", "x", 1, NULL, &w.error), ASSENT_STATE);
    assert_int_equal(assent_enlist(tx, "bank", NULL, &w.error), ASSENT_STATE);
    assert_int_equal(assent_commit(tx, &result, &w.error), ASSENT_STATE);
    assert_int_equal(roll_back(tx, &result), ASSENT_OK);
    assert_true(fake_seen(&w.fake, MSG_CANCEL) >= 1);
    assent_tx_destroy(&tx);
}

static void a_rollback_of_what_nobody_knows_costs_nothing(void **state)
{
    (void)state;
    join();
    assent_result result;
    assent_tx *tx = begin(NULL, "commit", 0);
    assert_int_equal(assent_rollback(tx, &result, &w.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_ABORTED);
    assert_int_equal(result.reason, ASSENT_REASON_CANCELLED);
    assert_string_equal(result.gtid, assent_tx_gtid(tx));
    assert_int_equal(assent_rollback(tx, &result, &w.error), ASSENT_STATE);
    assent_tx_destroy(&tx);
    assert_int_equal(fake_seen(&w.fake, MSG_CANCEL), 0);
    // Under a gtid of one's own something may stand already.
    tx = begin("mine", NULL, 0);
    assert_int_equal(assent_rollback(tx, &result, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    assert_int_equal(fake_seen(&w.fake, MSG_CANCEL), 1);
    // The coordinator has heard of what was enlisted.
    tx = begin(NULL, NULL, 0);
    assert_int_equal(assent_enlist(tx, "bank", NULL, &w.error), ASSENT_OK);
    assert_int_equal(assent_rollback(tx, &result, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    assert_int_equal(fake_seen(&w.fake, MSG_CANCEL), 2);
}

static void options_are_checked(void **state)
{
    (void)state;
    assent_client *client = NULL;
    assent_client_options options = {.endpoint = "carrier://pigeon"};
    assert_int_equal(assent_client_open(&options, &client, &w.error), ASSENT_CONFIG);
    options = (assent_client_options){.endpoint = w.fake.endpoint, .name = "bad name"};
    assert_int_equal(assent_client_open(&options, &client, &w.error), ASSENT_INVALID);
    options = (assent_client_options){.endpoint = w.fake.endpoint, .certificate = "/nowhere"};
    assert_int_equal(assent_client_open(&options, &client, &w.error), ASSENT_CONFIG);
    assert_null(client);
    assent_client_close(&client);
    assent_tx *tx = NULL;
    assent_tx_destroy(&tx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(outcomes_come_back_as_they_are, setup, teardown),
        cmocka_unit_test_setup_teardown(a_lost_reply_is_asked_for_again, setup, teardown),
        cmocka_unit_test_setup_teardown(busy_is_tried_again, setup, teardown),
        cmocka_unit_test_setup_teardown(a_refusal_is_told_with_its_reason, setup, teardown),
        cmocka_unit_test_setup_teardown(no_answer_in_time_is_no_outcome, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_coordinator_nothing_is_done, setup, teardown),
        cmocka_unit_test_setup_teardown(begin_waits_for_the_coordinator, setup, teardown),
        cmocka_unit_test_setup_teardown(a_coordinator_that_comes_back_is_asked_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(branches_are_checked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_largest_transaction_arrives, setup, teardown),
        cmocka_unit_test_setup_teardown(calls_and_enlisted_branches_go_together, setup, teardown),
        cmocka_unit_test_setup_teardown(an_enlisted_branch_is_said_to_be_read_only, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(an_enlist_without_an_answer_spoils_the_transaction, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_rollback_of_what_nobody_knows_costs_nothing, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(options_are_checked, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
