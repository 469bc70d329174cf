// SPDX-License-Identifier: Apache-2.0
// libassent's client, asynchronous and from many threads, against a coordinator that commits all
// but what is called "hold": that waits until it is let go.
#include "sdk_fake.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/client.h"

enum { HELD_MAX = 4096 };

static struct {
    struct fake fake;
    assent_client *client;
    assent_error error;
    // Of the fake's thread.
    struct gtid held[HELD_MAX];
    unsigned held_count;
    peer_t held_by;
    // Of the test's.
    int done, committed, closed, failed;
} w;

static void handle(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    if (msg->type != MSG_SUBMIT)
        return;
    if (slice_equal(msg->u.submit.branches[0].payload, slice_text("hold"))) {
        w.held[w.held_count++ % HELD_MAX] = msg->u.submit.gtid;
        w.held_by = peer;
        return;
    }
    fake_result(f, peer, MSG_SUBMIT, &msg->u.submit.gtid, OUTCOME_COMMITTED);
}

static void let_go(struct fake *f, void *arg)
{
    (void)arg;
    for (unsigned i = 0; i < w.held_count; i++)
        fake_result(f, w.held_by, MSG_SUBMIT, &w.held[i], OUTCOME_COMMITTED);
    w.held_count = 0;
}

static void drop_held(struct fake *f, void *arg)
{
    (void)f;
    (void)arg;
    w.held_count = 0;
}

static void lease_less(struct fake *f, void *arg)
{
    f->lease_count = *(uint32_t *)arg;
}

static int setup(void **state)
{
    (void)state;
    memset(&w, 0, sizeof w);
    fake_init(&w.fake, handle, NULL);
    fake_start(&w.fake);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    assent_client_close(&w.client);
    fake_free(&w.fake);
    return 0;
}

static void join(uint32_t in_flight_max)
{
    assent_client_options options = {
        .endpoint = w.fake.endpoint, .in_flight_max = in_flight_max, .answer_timeout_ms = 50};
    if (assent_client_open(&options, &w.client, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    assert_int_equal(assent_client_wait(w.client, 60000, &w.error), ASSENT_OK);
}

static void done(void *arg, int code, const assent_result *result)
{
    w.done++;
    w.committed += code == ASSENT_OK && result->outcome == ASSENT_COMMITTED;
    w.closed += code == ASSENT_CLOSED && result->gtid[0] && result->text[0];
    w.failed += code != ASSENT_OK;
    if (arg)
        snprintf(arg, ASSENT_GTID_MAX + 1, "%s", result->gtid);
}

static assent_tx *begin_within(const char *payload, uint32_t timeout_ms)
{
    assent_tx *tx;
    assent_tx_options options = {.timeout_ms = timeout_ms};
    if (assent_begin(w.client, NULL, &options, &tx, &w.error) != ASSENT_OK)
        fail_msg("%s", w.error.message);
    assert_int_equal(assent_call(tx, "bank", payload, strlen(payload), NULL, NULL), ASSENT_OK);
    return tx;
}

static assent_tx *begin(const char *payload)
{
    return begin_within(payload, 0);
}

static int commit_async(const char *payload)
{
    assent_tx *tx = begin(payload);
    int code = assent_commit_async(tx, done, NULL, &w.error);
    assent_tx_destroy(&tx);
    return code;
}

static bool readable(void)
{
    struct pollfd fd = {.fd = assent_client_fd(w.client), .events = POLLIN};
    return poll(&fd, 1, 0) == 1;
}

static void thousands_are_in_flight_at_once(void **state)
{
    (void)state;
    enum { MANY = 3000 };
    join(0);
    for (int i = 0; i < MANY; i++)
        assert_int_equal(commit_async("hold"), ASSENT_OK);
    fake_wait_seen(&w.fake, MSG_SUBMIT, MANY);
    assert_int_equal(assent_client_dispatch(w.client, 0), 0);
    fake_do(&w.fake, let_go, NULL);
    int dispatched = 0;
    while (w.done < MANY)
        dispatched += assent_client_dispatch(w.client, -1);
    assert_int_equal(dispatched, MANY);
    assert_int_equal(w.committed, MANY);
}

static void the_descriptor_tells_when_there_is_something_to_do(void **state)
{
    (void)state;
    char gtid[ASSENT_GTID_MAX + 1];
    join(0);
    assert_false(readable());
    assent_tx *tx = begin("hold");
    assert_int_equal(assent_commit_async(tx, done, gtid, &w.error), ASSENT_OK);
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_STATE);
    assert_int_equal(assent_rollback(tx, NULL, &w.error), ASSENT_STATE);
    fake_wait_seen(&w.fake, MSG_SUBMIT, 1);
    assert_false(readable());
    fake_do(&w.fake, let_go, NULL);
    UNTIL(readable());
    assert_int_equal(w.done, 0); // never outside of dispatch
    assert_int_equal(assent_client_dispatch(w.client, 0), 1);
    assert_string_equal(gtid, assent_tx_gtid(tx));
    assert_false(readable());
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_STATE);
    assent_tx_destroy(&tx);
}

static void there_is_a_limit_until_answers_are_taken(void **state)
{
    (void)state;
    join(3);
    for (int i = 0; i < 3; i++)
        assert_int_equal(commit_async("go"), ASSENT_OK);
    UNTIL(readable());
    fake_wait_seen(&w.fake, MSG_SUBMIT, 3);
    assent_tx *tx = begin("go");
    // Answered, perhaps, but not delivered: what waits in memory counts.
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_BUSY);
    assert_int_equal(assent_commit(tx, NULL, &w.error), ASSENT_BUSY);
    while (w.done < 3)
        assent_client_dispatch(w.client, -1);
    // A refused commit may be tried again.
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    assert_int_equal(assent_client_dispatch(w.client, -1), 1);
    assert_int_equal(w.committed, 4);
    // Those that wait for their answer take it at once.
    for (int i = 0; i < 10; i++) {
        tx = begin("go");
        assert_int_equal(assent_commit(tx, NULL, &w.error), ASSENT_OK);
        assent_tx_destroy(&tx);
    }
}

static void what_was_not_answered_may_be_committed_again(void **state)
{
    (void)state;
    join(0);
    assent_tx *tx = begin_within("hold", 50);
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_OK);
    assert_int_equal(assent_client_dispatch(w.client, -1), 1);
    assert_int_equal(w.failed, 1);
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    assert_int_equal(assent_client_dispatch(w.client, -1), 1);
    assert_int_equal(w.failed, 2);
}

static void chain(void *arg, int code, const assent_result *result)
{
    int *left = arg;
    done(NULL, code, result);
    if (--*left <= 0)
        return;
    assent_tx *tx = begin("go");
    assert_int_equal(assent_commit_async(tx, chain, left, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
}

static void callbacks_may_begin_the_next(void **state)
{
    (void)state;
    int left = 50;
    join(0);
    assent_tx *tx = begin("go");
    assert_int_equal(assent_commit_async(tx, chain, &left, &w.error), ASSENT_OK);
    assent_tx_destroy(&tx);
    while (left > 0)
        assert_int_equal(assent_client_dispatch(w.client, -1), 1);
    assert_int_equal(w.committed, 50);
}

static void closing_completes_what_is_in_flight(void **state)
{
    (void)state;
    join(0);
    for (int i = 0; i < 100; i++)
        assert_int_equal(commit_async("hold"), ASSENT_OK);
    assert_int_equal(commit_async("go"), ASSENT_OK);
    UNTIL(readable());
    assent_tx *tx = begin("hold");
    assert_int_equal(assent_commit_async(tx, done, NULL, &w.error), ASSENT_OK);
    assent_client_close(&w.client);
    assert_null(w.client);
    assert_int_equal(w.done, 102);
    assert_int_equal(w.committed, 1);
    assert_int_equal(w.closed, 101);
    assent_tx_destroy(&tx);
}

struct waiter {
    pthread_t thread;
    assent_tx *tx;
    int code;
};

static void *commit_held(void *arg)
{
    struct waiter *waiter = arg;
    waiter->code = assent_commit(waiter->tx, NULL, NULL);
    assent_tx_destroy(&waiter->tx);
    return NULL;
}

static void closing_wakes_those_who_wait(void **state)
{
    (void)state;
    enum { WAITERS = 4 };
    struct waiter waiters[WAITERS];
    join(0);
    for (int i = 0; i < WAITERS; i++) {
        waiters[i].tx = begin("hold");
        assert_int_equal(pthread_create(&waiters[i].thread, NULL, commit_held, &waiters[i]), 0);
    }
    fake_wait_seen(&w.fake, MSG_SUBMIT, WAITERS);
    assent_client_close(&w.client);
    for (int i = 0; i < WAITERS; i++) {
        pthread_join(waiters[i].thread, NULL);
        assert_int_equal(waiters[i].code, ASSENT_CLOSED);
    }
}

enum { THREADS = 8, EACH = 200 };

static void *commit_many(void *arg)
{
    atomic_int *committed = arg;
    for (int i = 0; i < EACH; i++) {
        assent_result result;
        assent_tx *tx = begin("go");
        int code = assent_commit(tx, &result, NULL);
        if (code == ASSENT_OK && result.outcome == ASSENT_COMMITTED &&
            strcmp(result.gtid, assent_tx_gtid(tx)) == 0)
            atomic_fetch_add(committed, 1);
        assent_tx_destroy(&tx);
    }
    return NULL;
}

static void many_threads_share_a_client(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    atomic_int committed = 0;
    uint32_t few = 300; // so that leases run out, and are fetched, all the time
    fake_do(&w.fake, lease_less, &few);
    join(0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, commit_many, &committed), 0);
    int own = 0;
    for (; own < 500; own++)
        assert_int_equal(commit_async("go"), ASSENT_OK);
    while (w.done < own)
        assent_client_dispatch(w.client, -1);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(committed, THREADS * EACH);
    assert_int_equal(w.committed, own);
}

static void *begin_many(void *arg)
{
    struct gtid *gtids = arg;
    for (int i = 0; i < EACH; i++) {
        assent_tx *tx;
        assert_int_equal(assent_begin(w.client, NULL, NULL, &tx, NULL), ASSENT_OK);
        assert_true(gtid_from(slice_text(assent_tx_gtid(tx)), &gtids[i]));
        assent_tx_destroy(&tx);
    }
    return NULL;
}

static int compare(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct gtid));
}

static void no_gtid_is_handed_out_twice(void **state)
{
    (void)state;
    pthread_t threads[THREADS];
    static struct gtid gtids[THREADS * EACH];
    uint32_t few = 64;
    fake_do(&w.fake, lease_less, &few);
    join(0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, begin_many, &gtids[i * EACH]), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    qsort(gtids, THREADS * EACH, sizeof gtids[0], compare);
    for (int i = 1; i < THREADS * EACH; i++)
        assert_true(compare(&gtids[i - 1], &gtids[i]) != 0);
}

static void a_restart_under_load_loses_nothing(void **state)
{
    (void)state;
    enum { MANY = 2000 };
    join(0);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(commit_async(i % 3 ? "go" : "hold"), ASSENT_OK);
        if (i % 500 == 499) {
            fake_restart(&w.fake);
            fake_do(&w.fake, drop_held, NULL);
        }
    }
    // The last run of the coordinator hears of everything that is not answered.
    while (w.done < MANY) {
        fake_do(&w.fake, let_go, NULL);
        assent_client_dispatch(w.client, 10);
    }
    assert_int_equal(w.committed, MANY);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(thousands_are_in_flight_at_once, setup, teardown),
        cmocka_unit_test_setup_teardown(the_descriptor_tells_when_there_is_something_to_do, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(there_is_a_limit_until_answers_are_taken, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_not_answered_may_be_committed_again, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(callbacks_may_begin_the_next, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_completes_what_is_in_flight, setup, teardown),
        cmocka_unit_test_setup_teardown(closing_wakes_those_who_wait, setup, teardown),
        cmocka_unit_test_setup_teardown(many_threads_share_a_client, setup, teardown),
        cmocka_unit_test_setup_teardown(no_gtid_is_handed_out_twice, setup, teardown),
        cmocka_unit_test_setup_teardown(a_restart_under_load_loses_nothing, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
