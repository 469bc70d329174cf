// SPDX-License-Identifier: Apache-2.0
// Nonsense from where the coordinator should be: neither side of libassent may fall over, and both
// work once a real one is there.
#include "sdk_rm.h"

#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#include "assent/client.h"
#include "base/rng.h"
#include "wire/wire.h"

enum { ROUNDS = 3000, FRAME_MAX = 600 };

static struct rng rng;

// ---- frames ----

static void random_frame(struct buf *frame)
{
    size_t size = 1 + rng_below(&rng, FRAME_MAX);
    uint8_t *at = buf_extend(frame, size);
    for (size_t i = 0; i < size; i++)
        at[i] = (uint8_t)rng_next(&rng);
}

static struct gtid some_gtid(void)
{
    struct gtid gtid;
    assert_true(gtid_from(slice_text("g"), &gtid));
    return gtid;
}

static void random_message(struct msg *msg)
{
    static const enum msg_type types[] = {MSG_WELCOME,  MSG_REFUSED, MSG_PONG,       MSG_ENLISTED,
                                          MSG_RESULT,   MSG_PREPARE, MSG_COMMIT,     MSG_ROLLBACK,
                                          MSG_STANDING, MSG_HELLO,   MSG_SUBMIT,     MSG_VOTE,
                                          MSG_DONE,     MSG_INQUIRE, MSG_ADMIN_REPLY};
    memset(msg, 0, sizeof *msg);
    msg->type = types[rng_below(&rng, sizeof types / sizeof types[0])];
    struct gtid gtid = some_gtid();
    if (msg->type == MSG_REFUSED)
        msg->u.refused = (struct msg_refused){.request = rng_next(&rng),
                                              .about = MSG_SUBMIT,
                                              .code = (uint16_t)(1 + rng_below(&rng, 19)),
                                              .gtid = gtid};
    else if (msg->type == MSG_RESULT)
        msg->u.result = (struct msg_result){.request = rng_next(&rng),
                                            .gtid = gtid,
                                            .about = MSG_STATUS,
                                            .outcome = (uint8_t)rng_below(&rng, 4)};
    else if (msg->type == MSG_ENLISTED)
        msg->u.enlisted = (struct msg_enlisted){.request = rng_next(&rng), .gtid = gtid};
    else if (msg->type == MSG_WELCOME)
        msg->u.welcome = (struct msg_welcome){.lease_first = rng_next(&rng), .lease_count = 5};
    else if (msg->type == MSG_HELLO)
        msg->u.hello = (struct msg_hello){
            .role = ROLE_CLIENT, .version_min = 1, .version_max = 1, .name = slice_text("n")};
    else if (msg->type == MSG_ADMIN_REPLY)
        msg->u.admin.id = 1;
    else
        memcpy(&msg->u, &gtid, sizeof gtid); // where most have theirs
}

// One that was right before a few of its bytes were changed, or its end cut off.
static void damaged_frame(struct buf *frame)
{
    struct frame_header header = {.from_coordinator = 1,
                                  .coordinator =
                                      4712, // not the one that comes back: its runs are counted
                                  .incarnation = rng_below(&rng, 3),
                                  .log_seq = rng_below(&rng, 9)};
    wire_begin(frame);
    for (uint64_t i = rng_below(&rng, 4); i < 4; i++) {
        struct msg msg;
        random_message(&msg);
        wire_add(frame, &msg); // some cannot be encoded: no matter
    }
    wire_end(frame, &header);
    for (uint64_t i = rng_below(&rng, 3); i > 0; i--)
        frame->data[rng_below(&rng, frame->size)] ^= (uint8_t)(1u << rng_below(&rng, 8));
    if (rng_below(&rng, 4) == 0)
        frame->size = 1 + rng_below(&rng, frame->size);
}

// ---- where the coordinator should be ----

// Answers each frame, of whomever, with many that make no sense. Ends when it has sent enough.
static void babble(void (*make)(struct buf *frame))
{
    void *context = zmq_ctx_new();
    void *router = zmq_socket(context, ZMQ_ROUTER);
    int all = 0, patience_ms = 60000;
    // Nothing is left out, and everything has left when the socket is closed.
    zmq_setsockopt(router, ZMQ_SNDHWM, &all, sizeof all);
    zmq_setsockopt(router, ZMQ_LINGER, &patience_ms, sizeof patience_ms);
    zmq_setsockopt(router, ZMQ_RCVTIMEO, &patience_ms, sizeof patience_ms);
    assert_int_equal(zmq_bind(router, rm.fake.endpoint), 0);
    char peer[256];
    int size = zmq_recv(router, peer, sizeof peer, 0);
    assert_true(size > 0);
    struct buf frame;
    buf_init(&frame, 1 << 20);
    for (int i = 0; i < ROUNDS; i++) {
        buf_reset(&frame);
        make(&frame);
        if (zmq_send(router, peer, (size_t)size, ZMQ_SNDMORE) > 0)
            zmq_send(router, frame.data, frame.size, 0);
    }
    buf_free(&frame);
    zmq_close(router);
    zmq_ctx_term(context);
}

static void a_client_survives(void (*make)(struct buf *frame), uint64_t seed)
{
    assent_client *client;
    assent_tx *tx;
    assent_result result;
    assent_client_options options = {.endpoint = rm.fake.endpoint, .answer_timeout_ms = 60000};
    fake_stop(&rm.fake);
    rng_seed(&rng, seed);
    assert_int_equal(assent_client_open(&options, &client, &rm.error), ASSENT_OK);
    assert_int_equal(assent_begin(client, "g", NULL, &tx, &rm.error), ASSENT_OK);
    babble(make);
    fake_start(&rm.fake);
    assert_int_equal(assent_status(client, "other", &result, &rm.error), ASSENT_OK);
    assert_int_equal(result.outcome, ASSENT_OUTCOME_UNKNOWN);
    assent_tx_destroy(&tx);
    assent_client_close(&client);
}

static void answer_status(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    if (msg->type == MSG_STATUS)
        fake_result(f, peer, MSG_STATUS, &msg->u.gtid.gtid, OUTCOME_UNKNOWN);
}

static void the_client_survives_noise(void **state)
{
    (void)state;
    rm.fake.handler = answer_status;
    for (uint64_t seed = 1; seed <= 3; seed++)
        a_client_survives(random_frame, seed);
}

static void the_client_survives_damaged_frames(void **state)
{
    (void)state;
    rm.fake.handler = answer_status;
    for (uint64_t seed = 1; seed <= 8; seed++)
        a_client_survives(damaged_frame, seed);
}

static void open_unwelcomed(const char *resource)
{
    assent_participant_options options;
    rm_options(&options);
    options.resource = resource;
    if (assent_participant_open(&options, rm_handlers(false), NULL, &rm.participant, &rm.error) !=
        ASSENT_OK)
        fail_msg("%s", rm.error.message);
}

static void the_participant_survives_noise(void **state)
{
    (void)state;
    fake_stop(&rm.fake);
    rng_seed(&rng, 7);
    open_unwelcomed("bank");
    babble(random_frame);
    fake_start(&rm.fake);
    assert_int_equal(assent_participant_wait(rm.participant, 60000, &rm.error), ASSENT_OK);
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
}

// What is damaged may still say something: here it is only for the participant not to fall over, to
// end in order, and to open again.
static void the_participant_survives_damaged_frames(void **state)
{
    (void)state;
    fake_stop(&rm.fake);
    for (uint64_t seed = 1; seed <= 5; seed++) {
        rng_seed(&rng, seed);
        open_unwelcomed("bank");
        babble(damaged_frame);
        assent_participant_counts counts;
        assent_participant_count(rm.participant, &counts);
        assert_int_equal(counts.failed, ASSENT_OK);
        rm_close();
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_setup, rm_teardown)
        TEST(the_client_survives_noise),
        TEST(the_client_survives_damaged_frames),
        TEST(the_participant_survives_noise),
        TEST(the_participant_survives_damaged_frames),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
