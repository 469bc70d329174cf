// SPDX-License-Identifier: Apache-2.0
// libassent's participant in tcc transactions, sagas and messages: which handler is called with
// what, and what its answer becomes; and the content that applications enlist with.
#include "sdk_rm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/client.h"

struct asked {
    enum protocol protocol;
    enum branch_kind kind;
    unsigned flags;
    struct slice inputs;
};
static const struct asked TRY = {PROTOCOL_TCC, BRANCH_CALL, 0, {NULL, 0}};
static const struct asked TRIED = {PROTOCOL_TCC, BRANCH_ENLISTED, 0, {NULL, 0}};
static const struct asked STEP = {PROTOCOL_SAGA, BRANCH_STEP, 0, {NULL, 0}};
static const struct asked LAST_STEP = {PROTOCOL_SAGA, BRANCH_STEP, PREPARE_ONE_PHASE, {NULL, 0}};
static const struct asked SENDER = {PROTOCOL_MESSAGE, BRANCH_SENDER, 0, {NULL, 0}};
static const struct asked CONSUMER = {
    PROTOCOL_MESSAGE, BRANCH_CONSUMER, PREPARE_ONE_PHASE, {NULL, 0}};

static struct gtid gtid_named(const char *text)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text(text), &gtid));
    return gtid;
}

static void ask(struct asked what, const char *gtid, uint64_t attempt, const char *payload)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = gtid_named(gtid),
        .attempt = attempt,
        .branch = 1,
        .protocol = (uint8_t)what.protocol,
        .kind = (uint8_t)what.kind,
        .flags = (uint8_t)what.flags,
        .timeout_ms = 10000,
        .payload = slice_text(payload),
        .inputs = what.inputs,
    };
    rm_say(&msg);
}

static void decide(enum msg_type type, struct asked what, const char *gtid, uint64_t attempt,
                   const char *payload, const char *result)
{
    struct msg msg = {.type = type};
    msg.u.decide = (struct msg_decide){
        .gtid = gtid_named(gtid),
        .attempt = attempt,
        .branch = 1,
        .flags = DECIDE_CONTENT,
        .protocol = (uint8_t)what.protocol,
        .kind = (uint8_t)what.kind,
        .payload = slice_text(payload),
        .result = slice_text(result),
    };
    rm_say(&msg);
}

static void await_vote(const char *gtid, unsigned n, enum vote vote, const char *text)
{
    struct rm_said said = rm_await(MSG_VOTE, gtid, n);
    assert_int_equal(said.msg.u.vote.vote, vote);
    assert_string_equal(said.text, text);
}

static void try_confirm_cancel(void **state)
{
    (void)state;
    rm_open_with(&rm_business);
    ask(TRY, "g", 100, "seat");
    await_vote("g", 1, VOTE_YES, "");
    decide(MSG_COMMIT, TRY, "g", 100, "", "");
    rm_await_done("g", OUTCOME_COMMITTED);
    struct rm_call call = rm_await_call('f', "g", 1);
    assert_string_equal(call.about, "tcc call confirm");
    assert_string_equal(call.payload, "seat");
    assert_string_equal(call.id, "g/1"); // whatever the attempt
    ask(TRY, "h", 101, "no");
    await_vote("h", 1, VOTE_NO, "sold out");
    decide(MSG_ROLLBACK, TRY, "i", 102, "seat", ""); // never tried
    rm_await_done("i", OUTCOME_ABORTED);
    assert_string_equal(rm_await_call('x', "i", 1).about, "tcc call cancel");
    assert_string_equal(rm_await_call('x', "i", 1).payload, "seat");
    ask(TRIED, "j", 103, "");
    await_vote("j", 1, VOTE_YES, "");
    decide(MSG_COMMIT, TRIED, "j", 103, "seat", "");
    rm_await_done("j", OUTCOME_COMMITTED);
    assert_int_equal(rm_await_call('f', "j", 1).enlisted, 1);
    assert_string_equal(rm_await_call('f', "j", 1).payload, "seat");
    assert_string_equal(rm_story("g"), "tf");
    assert_string_equal(rm_story("i"), "x");
}

static void steps_return_and_are_compensated(void **state)
{
    (void)state;
    rm_open_with(&rm_business);
    struct asked second = STEP;
    second.inputs = slice_of("\0\0\4\0room\2\0\1\0x", 13);
    ask(second, "g", 100, "book");
    await_vote("g", 1, VOTE_YES, "did book");
    struct rm_call call = rm_await_call('a', "g", 1);
    assert_string_equal(call.about, "saga step action");
    assert_string_equal(call.input, "room");
    rm_close(); // what it returned is in the journal
    rm_open_with(&rm_business);
    ask(STEP, "g", 101, "book");
    await_vote("g", 2, VOTE_YES, "did book");
    decide(MSG_ROLLBACK, STEP, "g", 101, "book", "");
    rm_await_done("g", OUTCOME_ABORTED);
    call = rm_await_call('u', "g", 2);
    assert_string_equal(call.about, "saga step compensate");
    assert_string_equal(call.payload, "book");
    assert_string_equal(call.result, "did book");
    assert_int_equal(call.tries, 1);
    assert_string_equal(rm_story("g"), "auu");
    ask(STEP, "h", 102, "no");
    await_vote("h", 1, VOTE_NO, "no more flights");
    ask(STEP, "i", 103, "later");
    await_vote("i", 1, VOTE_RETRY, "no more flights");
    ask(LAST_STEP, "j", 104, "no");
    await_vote("j", 1, VOTE_RETRY, "no more flights");
    ask(LAST_STEP, "k", 105, "pay");
    struct rm_said done = rm_await(MSG_DONE, "k", 1);
    assert_int_equal(done.msg.u.done.flags, DONE_RESULT);
    assert_string_equal(done.text, "did pay");
    decide(MSG_ROLLBACK, STEP, "l", 106, "book", "did it"); // of an earlier journal
    rm_await_done("l", OUTCOME_ABORTED);
    assert_string_equal(rm_await_call('u', "l", 1).result, "did it");
}

static void messages_are_checked_and_delivered(void **state)
{
    (void)state;
    rm_open_with(&rm_business);
    ask(SENDER, "g", 100, "");
    await_vote("g", 1, VOTE_YES, "");
    assert_string_equal(rm_await_call('k', "g", 1).about, "message sender check");
    ask(SENDER, "h", 101, "no");
    await_vote("h", 1, VOTE_NO, "still at work");
    ask(SENDER, "i", 102, "later");
    await_vote("i", 1, VOTE_RETRY, "still at work");
    ask(CONSUMER, "j", 103, "later");
    await_vote("j", 1, VOTE_RETRY, "closed");
    ask(CONSUMER, "k", 104, "news");
    rm_await_done("k", OUTCOME_COMMITTED);
    assert_string_equal(rm_await_call('d', "k", 1).about, "message consumer deliver");
    decide(MSG_ROLLBACK, CONSUMER, "l", 105, "news", ""); // given up
    rm_await_done("l", OUTCOME_ABORTED);
    assert_string_equal(rm_story("l"), "");
}

static void the_end_is_told(void **state)
{
    (void)state;
    assent_participant_counts counts;
    rm_open_with(&rm_business);
    ask(CONSUMER, "g", 100, "news");
    rm_await_done("g", OUTCOME_COMMITTED);
    rm_fence(101);
    rm_standing("g", 100, OUTCOME_COMMITTED);
    struct rm_call call = rm_await_call('e', "g", 1);
    assert_string_equal(call.about, "message consumer ended");
    assert_string_equal(call.id, "g/1");
    rm_standing("never-heard-of", 100, OUTCOME_ABORTED);
    call = rm_await_call('e', "never-heard-of", 1);
    assert_string_equal(call.about, "  ended");
    assert_string_equal(call.id, "never-heard-of/1");
    UNTIL((assent_participant_count(rm.participant, &counts), counts.unfinished == 0));
    rm_close();
    rm_open_with(&rm_business); // nothing is left in the journal
    ask(CONSUMER, "g", 102, "news");
    rm_await(MSG_DONE, "g", 2);
    rm_await_call('d', "g", 2);
}

static void extended(const char *gtid, uint64_t attempt, enum assent_code code)
{
    struct msg msg = {.type = MSG_EXTENDED};
    msg.u.extended = (struct msg_extended){
        .gtid = gtid_named(gtid),
        .attempt = attempt,
        .branch = 1,
        .index = 7,
        .number = code == ASSENT_OK ? 3 : BRANCH_NONE,
        .code = (uint16_t)code,
        .text = slice_text(code == ASSENT_OK ? "" : "full"),
    };
    rm_say(&msg);
}

static void a_try_asks_for_nested_branches(void **state)
{
    (void)state;
    rm_open_with(&rm_business);
    ask(TRY, "g", 100, "nested");
    const struct msg_extend asked = rm_await(MSG_EXTEND, "g", 1).msg.u.extend;
    assert_int_equal(asked.attempt, 100);
    assert_int_equal(asked.branch, 1);
    assert_int_equal(asked.index, 7);
    assert_int_equal(asked.kind, BRANCH_CALL);
    extended("g", 100, ASSENT_OK);
    await_vote("g", 1, VOTE_YES, "");
    ask(TRY, "h", 101, "nested-enlist");
    assert_int_equal(rm_await(MSG_EXTEND, "h", 1).msg.u.extend.kind, BRANCH_ENLISTED);
    extended("h", 101, ASSENT_LIMIT);
    await_vote("h", 1, VOTE_NO, "a nested branch: full");
    // Rolled back while it waits.
    ask(TRY, "i", 102, "nested");
    rm_await(MSG_EXTEND, "i", 1);
    decide(MSG_ROLLBACK, TRY, "i", 102, "nested", "");
    rm_await_done("i", OUTCOME_ABORTED);
    assert_string_equal(rm_story("i"), "t");
    // Closed while it waits.
    ask(TRY, "j", 103, "nested");
    rm_await(MSG_EXTEND, "j", 1);
    rm_close();
    assert_string_equal(rm_story("j"), "t");
}

static assent_done_code nested_confirm(void *context, const assent_branch *branch)
{
    (void)context;
    assent_branch other = *branch;
    assert_int_equal(assent_nested_call(branch, 0, "hotel", "", 0, NULL, NULL), ASSENT_STATE);
    other.operation = "try"; // it is not
    assert_int_equal(assent_nested_call(&other, 0, "hotel", "", 0, NULL, NULL), ASSENT_STATE);
    assert_int_equal(assent_nested_call(&other, 64, "hotel", "", 0, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_nested_call(&other, 0, "a hotel", "", 0, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_nested_enlist(&other, 0, "hotel", "", 1 << 20, NULL, NULL),
                     ASSENT_LIMIT);
    assert_int_equal(assent_nested_call(&other, 0, "hotel", NULL, 4, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_nested_enlist(&other, 0, "hotel", NULL, 4, NULL, NULL), ASSENT_INVALID);
    assert_int_equal(assent_nested_call(&other, 0, "hotel", NULL, 0, NULL, NULL), ASSENT_STATE);
    return ASSENT_DONE;
}

static void only_a_try_may(void **state)
{
    (void)state;
    assent_handlers handlers = rm_business;
    handlers.confirm = nested_confirm;
    rm_open_with(&handlers);
    ask(TRY, "g", 100, "seat");
    await_vote("g", 1, VOTE_YES, "");
    decide(MSG_COMMIT, TRY, "g", 100, "", "");
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_int_equal(rm_count_said(MSG_EXTEND, "g"), 0);
}

// Each protocol's handlers are a set of their own.
static void what_has_no_handler_is_refused(void **state)
{
    (void)state;
    rm_open(false, false);
    ask(TRY, "g", 100, "seat");
    await_vote("g", 1, VOTE_NO, "this participant has no try handler");
    ask(STEP, "h", 101, "book");
    await_vote("h", 1, VOTE_NO, "this participant has no action handler");
    ask(SENDER, "i", 102, "");
    await_vote("i", 1, VOTE_RETRY, "this participant has no check handler");
    ask(CONSUMER, "j", 103, "news");
    await_vote("j", 1, VOTE_RETRY, "this participant has no deliver handler");
    decide(MSG_ROLLBACK, TRY, "k", 104, "seat", ""); // nothing was ever tried here
    rm_await_done("k", OUTCOME_ABORTED);
    decide(MSG_ROLLBACK, STEP, "l", 105, "book", "");
    rm_await_done("l", OUTCOME_ABORTED);
    rm_close();
    assent_handlers few = {.action = rm_business.action};
    rm_open_with(&few);
    rm_prepare("m", 106, "pay");
    await_vote("m", 1, VOTE_NO, "this participant has no prepare handler");
    // What was kept cannot be undone, and nobody says that it was.
    decide(MSG_ROLLBACK, STEP, "n", 107, "book", "");
    ask(STEP, "o", 108, "book");
    await_vote("o", 1, VOTE_YES, "did book");
    assert_int_equal(rm_count_said(MSG_DONE, "n"), 0);
}

static void sets_of_handlers_are_checked(void **state)
{
    (void)state;
    assent_participant_options options;
    assent_participant *p = NULL;
    assent_handlers none = {.ended = rm_business.ended}, half = rm_business, alone = {0};
    rm_options(&options);
    assert_int_equal(assent_participant_open(&options, &none, NULL, &p, NULL), ASSENT_INVALID);
    half.cancel = NULL;
    assert_int_equal(assent_participant_open(&options, &half, NULL, &p, NULL), ASSENT_INVALID);
    half = rm_business;
    half.prepare = rm_handlers(false)->prepare;
    assert_int_equal(assent_participant_open(&options, &half, NULL, &p, NULL), ASSENT_INVALID);
    alone.deliver = rm_business.deliver;
    alone.compensate = rm_business.compensate;
    assert_int_equal(assent_participant_open(&options, &alone, NULL, &p, NULL), ASSENT_INVALID);
    // What is in the journal, unfinished, must have its handlers.
    rm_open_with(&rm_business);
    ask(TRY, "g", 100, "seat");
    await_vote("g", 1, VOTE_YES, "");
    rm_close();
    alone.compensate = NULL;
    assert_int_equal(assent_participant_open(&options, &alone, NULL, &p, &rm.error), ASSENT_STATE);
    assert_non_null(strstr(rm.error.message, "tcc"));
    assert_null(p);
    rm_open_with(&rm_business);
    decide(MSG_COMMIT, TRY, "g", 100, "", "");
    rm_await_done("g", OUTCOME_COMMITTED);
    rm_close();
    rm_open_with(&alone); // what is finished needs none
}

// ---- an application that does the try itself ----

struct heard {
    struct msg_enlist enlist; // slices cut off, but for:
    char resource[16], payload[16];
    size_t submitted_bytes; // of the branch's payload
    uint8_t submitted_kind;
};

static pthread_mutex_t heard_lock = PTHREAD_MUTEX_INITIALIZER;
static struct heard heard;

static struct heard what_was_heard(void)
{
    pthread_mutex_lock(&heard_lock);
    struct heard copy = heard;
    pthread_mutex_unlock(&heard_lock);
    return copy;
}

static void hear_client(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    if (msg->type == MSG_ENLIST) {
        const struct msg_enlist *enlist = &msg->u.enlist;
        struct msg reply = {.type = MSG_ENLISTED};
        pthread_mutex_lock(&heard_lock);
        heard.enlist = *enlist;
        snprintf(heard.resource, sizeof heard.resource, "%.*s", (int)enlist->resource.size,
                 (const char *)enlist->resource.data);
        snprintf(heard.payload, sizeof heard.payload, "%.*s", (int)enlist->payload.size,
                 (const char *)enlist->payload.data);
        pthread_mutex_unlock(&heard_lock);
        reply.u.enlisted.request = enlist->request;
        reply.u.enlisted.gtid = enlist->gtid;
        reply.u.enlisted.branch = enlist->branch;
        fake_reply(f, peer, &reply);
    } else if (msg->type == MSG_SUBMIT) {
        pthread_mutex_lock(&heard_lock);
        heard.submitted_bytes = msg->u.submit.branches[0].payload.size;
        heard.submitted_kind = msg->u.submit.branches[0].kind;
        pthread_mutex_unlock(&heard_lock);
        fake_result(f, peer, MSG_SUBMIT, &msg->u.submit.gtid, OUTCOME_COMMITTED);
    }
}

static assent_client *open_client(void)
{
    assent_client *client;
    assent_client_options options = {.endpoint = rm.fake.endpoint, .name = "test"};
    memset(&heard, 0, sizeof heard);
    fake_handle(&rm.fake, hear_client);
    if (assent_client_open(&options, &client, &rm.error) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
    return client;
}

static assent_tx *begin(assent_client *client, assent_protocol protocol)
{
    assent_tx *tx;
    assent_tx_options options = {.protocol = protocol};
    if (assent_begin(client, NULL, &options, &tx, &rm.error) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
    return tx;
}

static void a_try_is_enlisted_with_its_content(void **state)
{
    (void)state;
    uint16_t branch = 99;
    assent_result result;
    assent_client *client = open_client();
    assent_tx *tx = begin(client, ASSENT_TCC);
    assert_int_equal(assent_enlist_with(tx, "hotel", NULL, 4, &branch, &rm.error), ASSENT_INVALID);
    assert_int_equal(branch, 99);
    assert_int_equal(fake_seen(&rm.fake, MSG_ENLIST), 0);
    assert_int_equal(assent_enlist_with(tx, "hotel", "room", 4, &branch, &rm.error), ASSENT_OK);
    assert_int_equal(branch, 0);
    assert_int_equal(what_was_heard().enlist.protocol, PROTOCOL_TCC);
    assert_int_equal(what_was_heard().enlist.branch, 0);
    assert_string_equal(what_was_heard().resource, "hotel");
    assert_string_equal(what_was_heard().payload, "room");
    assert_int_equal(assent_commit(tx, &result, &rm.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_COMMITTED);
    assert_int_equal(what_was_heard().submitted_kind, BRANCH_ENLISTED);
    assert_int_equal(what_was_heard().submitted_bytes, 0); // the coordinator has it already
    assent_tx_destroy(&tx);
    assent_client_close(&client);
}

// What they do on commit is known where they were done.
static void branches_of_two_phase_commit_have_no_content(void **state)
{
    (void)state;
    uint16_t branch = 99;
    assent_client *client = open_client();
    assent_tx *tx = begin(client, ASSENT_2PC);
    assert_int_equal(assent_enlist_with(tx, "bank", "", 0, &branch, &rm.error), ASSENT_INVALID);
    assert_non_null(strstr(rm.error.message, "only a tcc transaction"));
    assert_int_equal(branch, 99);
    assert_int_equal(fake_seen(&rm.fake, MSG_ENLIST), 0);
    assert_int_equal(assent_enlist(tx, "bank", &branch, &rm.error), ASSENT_OK);
    assert_int_equal(branch, 0); // as if it had never been tried
    assert_string_equal(what_was_heard().payload, "");
    assent_tx_destroy(&tx);
    assent_client_close(&client);
}

int main(int argc, char **argv)
{
    rm_maybe_serve(argc, argv);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_setup, rm_teardown)
        TEST(try_confirm_cancel),
        TEST(steps_return_and_are_compensated),
        TEST(messages_are_checked_and_delivered),
        TEST(the_end_is_told),
        TEST(a_try_asks_for_nested_branches),
        TEST(only_a_try_may),
        TEST(what_has_no_handler_is_refused),
        TEST(sets_of_handlers_are_checked),
        TEST(a_try_is_enlisted_with_its_content),
        TEST(branches_of_two_phase_commit_have_no_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
