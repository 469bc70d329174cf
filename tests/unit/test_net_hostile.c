// SPDX-License-Identifier: Apache-2.0
// What others may throw at a server, and a server at a peer: it is dropped and counted, memory
// stays bounded, and who behaves is served.
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zmq.h>

#include "base/rng.h"
#include "net_world.h"

static struct net_world world, *w = &world;
static void *context, *sockets[64]; // the hostile ones
static unsigned socket_count;
static struct world_peer *good;

enum { FRAME_MAX = 100000, SOCKETS = 40 };

static void serve(uint32_t peers_max)
{
    const char *endpoints[] = {"tcp://127.0.0.1:*", NULL};
    world_serve(w, (struct net_server_options){.endpoints = endpoints,
                                               .allow_loopback = true,
                                               .peers_max = peers_max,
                                               .frame_bytes_max = FRAME_MAX});
    good = world_join(w, (struct net_peer_options){.frame_bytes_max = FRAME_MAX});
    world_check_alive(w, good);
}

static int setup(void **state)
{
    (void)state;
    world_init(w);
    context = zmq_ctx_new();
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    while (socket_count > 0)
        zmq_close(sockets[--socket_count]);
    zmq_ctx_term(context);
    world_free(w);
    return 0;
}

static struct net_stats stats(void)
{
    struct net_stats s;
    net_server_stats(w->server, &s);
    return s;
}

// Closed when the test ends.
static void *raw_new(int type)
{
    void *socket = zmq_socket(context, type);
    int none = 0;
    zmq_setsockopt(socket, ZMQ_LINGER, &none, sizeof none);
    sockets[socket_count++] = socket;
    return socket;
}

static void *raw_socket(int type)
{
    void *socket = raw_new(type);
    assert_int_equal(zmq_connect(socket, w->endpoint), 0);
    return socket;
}

static int tcp_connect(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons((uint16_t)atoi(strrchr(w->endpoint, ':') + 1));
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void tcp_send(int fd, const void *data, size_t size)
{
    while (send(fd, data, size, MSG_NOSIGNAL) < 0 && errno == EINTR)
        continue; // whether the server still listens to it does not matter
}

// The ZMTP 3.0 greeting of a client without security, and READY with a routing id.
static void zmtp_hello(int fd, struct slice identity)
{
    uint8_t greeting[64] = {0xff, 0, 0, 0, 0, 0, 0, 0, 0, 0x7f, 3, 0, 'N', 'U', 'L', 'L'};
    tcp_send(fd, greeting, sizeof greeting);
    assert_int_equal(recv(fd, greeting, sizeof greeting, MSG_WAITALL), sizeof greeting);
    char ready[300] = "\x04\0\x05READY\x0bSocket-Type\0\0\0\x06"
                      "DEALER\x08Identity\0\0\0";
    size_t size = 2 + 6 + 12 + 4 + 6 + 9 + 3;
    ready[size++] = (char)identity.size;
    memcpy(ready + size, identity.data, identity.size);
    size += identity.size;
    ready[1] = (char)(size - 2);
    tcp_send(fd, ready, size);
}

static void routing_ids_cannot_be_guessed(void **state)
{
    (void)state;
    // What rand() returns first when it is not seeded, and the following.
    serve(0);
    int fds[8];
    for (uint32_t i = 0; i < 8; i++) {
        uint32_t next = htonl(0x6b8b4567 + i);
        uint8_t identity[5] = {0};
        memcpy(identity + 1, &next, sizeof next);
        fds[i] = tcp_connect();
        zmtp_hello(fds[i], slice_of(identity, sizeof identity));
        tcp_send(fds[i], "\0\2hi", 4);
    }
    world_until(w, w->garbage == 8);
    world_check_alive(w, world_join(w, (struct net_peer_options){0}));
    world_check_alive(w, good);
    for (unsigned i = 0; i < 8; i++)
        close(fds[i]);
}

static void bytes_that_are_not_zmtp_are_counted(void **state)
{
    (void)state;
    serve(0);
    struct rng rng;
    rng_seed(&rng, 1);
    uint8_t bytes[4096];
    for (unsigned i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)rng_next(&rng);
    for (unsigned i = 0; i < 50; i++) {
        int fd = tcp_connect();
        // Every other one begins like a greeting of ZMTP 3, but for a security that nobody knows.
        static const char greeting[] = "\xff\0\0\0\0\0\0\0\0\x7f\3\0NONSENSE";
        if (i % 2)
            tcp_send(fd, greeting, sizeof greeting);
        tcp_send(fd, bytes + rng_below(&rng, 2048), 100 + rng_below(&rng, 1900));
        close(fd);
        world_step(w);
    }
    world_until(w, stats().handshakes_failed >= 25);
    world_check_alive(w, good);
}

static void garbage_after_the_handshake_ends_the_connection(void **state)
{
    (void)state;
    serve(0);
    static const struct {
        const char *bytes;
        size_t size;
    } garbage[] = {
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 10}, // flags that do not exist
        {"\x02\xff\xff\xff\xff\xff\xff\xff\xff", 9},      // a frame of 2^64 - 1 bytes
        {"\x02\x7f\0\0\0\0\0\0\0", 9},                    // a frame of 2^63 - 1 bytes
        {"\x04\x05\x04PING", 7},                          // a PING that is too short
        {"\x04\x01\xff", 3},                              // a command without its name
        {"\x04\x06\x05READY", 8},                         // READY again
    };
    for (unsigned i = 0; i < sizeof garbage / sizeof garbage[0]; i++) {
        int fd = tcp_connect();
        zmtp_hello(fd, slice_of("", 0));
        tcp_send(fd, garbage[i].bytes, garbage[i].size);
        tcp_send(fd, "\0\2hi", 4);
        world_check_alive(w, good);
        shutdown(fd, SHUT_WR);
        char answer[512];
        while (recv(fd, answer, sizeof answer, MSG_DONTWAIT) != 0)
            world_step(w); // until the server closes its side as well
        close(fd);
    }
    world_check_alive(w, good);
}

static void frames_that_are_no_frames_are_counted(void **state)
{
    (void)state;
    serve(0);
    void *dealer = raw_socket(ZMQ_DEALER);
    zmq_send(dealer, "one", 3, ZMQ_SNDMORE);
    zmq_send(dealer, "two", 3, 0);
    zmq_send(dealer, "", 0, 0);
    for (unsigned i = 0; i < 1000; i++)
        zmq_send(dealer, "x", 1, i < 999 ? ZMQ_SNDMORE : 0);
    void *req = raw_socket(ZMQ_REQ);
    zmq_send(req, "x", 1, 0);
    world_until(w, stats().malformed == 4);
    assert_int_equal(stats().peers, 1);
    assert_int_equal(w->garbage, 0);
    zmq_send(dealer, "ASNTjunk", 8, 0); // one part: the codec's to judge
    world_until(w, w->garbage == 1);
    assert_int_equal(stats().malformed, 4);
    world_check_alive(w, good);
}

static void a_flood_of_garbage_leaves_turns_for_others(void **state)
{
    (void)state;
    serve(0);
    void *dealer = raw_socket(ZMQ_DEALER);
    int none = 0;
    zmq_setsockopt(dealer, ZMQ_SNDHWM, &none, sizeof none);
    enum { FLOOD = 20000 };
    for (unsigned i = 0; i < FLOOD; i++) {
        zmq_send(dealer, "x", 1, ZMQ_SNDMORE);
        zmq_send(dealer, "y", 1, 0);
    }
    world_until(w, stats().malformed > 0);
    uint64_t before = stats().malformed;
    struct net_frame frame;
    if (!net_server_receive(w->server, &frame))
        assert_true(stats().malformed - before <= 64); // then it lets the caller do other things
    world_check_alive(w, good);
    world_until(w, stats().malformed == FLOOD);
}

static void a_frame_that_is_too_long_ends_the_connection(void **state)
{
    (void)state;
    serve(0);
    void *dealer = raw_socket(ZMQ_DEALER);
    void *monitor = raw_new(ZMQ_PAIR);
    assert_int_equal(zmq_socket_monitor(dealer, "inproc://m", ZMQ_EVENT_DISCONNECTED), 0);
    assert_int_equal(zmq_connect(monitor, "inproc://m"), 0);
    static char bytes[FRAME_MAX + 1];
    zmq_send(dealer, bytes, FRAME_MAX, 0); // just fits
    world_until(w, w->garbage == 1);
    zmq_send(dealer, bytes, FRAME_MAX + 1, 0);
    char event[6];
    world_until(w, zmq_recv(monitor, event, sizeof event, ZMQ_DONTWAIT) == 6);
    world_check_alive(w, good);
    assert_int_equal(w->garbage, 1);
    zmq_socket_monitor(dealer, NULL, 0);
}

static void a_peer_whose_frame_was_too_long_comes_back(void **state)
{
    (void)state;
    serve(0);
    struct world_peer *big = world_join(w, (struct net_peer_options){0}); // thinks more is allowed
    world_check_alive(w, big);
    static char text[FRAME_MAX + 1];
    struct msg msg = {.type = MSG_ADMIN,
                      .u.admin = {.verb = slice_text("v"), .json = {text, sizeof text}}};
    assert_true(net_peer_send(big->net, &msg));
    world_until(w, big->downs == 1);
    uint64_t before = big->stamp_sent;
    world_until(w, big->ups == 2);
    world_until(w, (world_ping(big), big->stamp_heard > before));
    world_check_alive(w, good);
}

static void many_connections_take_bounded_memory(void **state)
{
    (void)state;
    serve(8);
    for (unsigned i = 0; i < SOCKETS; i++)
        zmq_send(raw_socket(ZMQ_DEALER), "ASNT", 4, 0);
    world_until(w, w->garbage + stats().refused == SOCKETS);
    assert_int_equal(stats().peers, 8);
    assert_int_equal(w->garbage, 7);
    world_check_alive(w, good);
    while (socket_count > 0)
        zmq_close(sockets[--socket_count]);
    struct world_peer *late = world_join(w, (struct net_peer_options){0});
    world_until(w, late->up);
    world_until(w, (world_ping(late), late->stamp_heard > 0)); // once the others are found gone
    world_check_alive(w, good);
    assert_true(stats().peers <= 8);
}

static void a_silent_peer_is_probed_without_harm(void **state)
{
    (void)state;
    serve(2);
    void *silent = raw_socket(ZMQ_DEALER);
    zmq_send(silent, "x", 1, 0);
    world_until(w, w->garbage == 1);
    peer_t number = w->from;
    struct world_peer *late = world_join(w, (struct net_peer_options){0});
    world_until(w, late->up);
    char answer[256] = "untouched";
    // Somebody asks for the place, so the server looks whether it is free: an empty frame.
    world_until(w, (world_ping(late), zmq_recv(silent, answer, sizeof answer, ZMQ_DONTWAIT)) == 0);
    assert_true(net_server_send(w->server, number, &(struct msg){.type = MSG_PONG}));
    world_until(w, zmq_recv(silent, answer, sizeof answer, ZMQ_DONTWAIT) > 0);
    assert_memory_equal(answer, "ASNT", 4);
    world_check_alive(w, good);
    assert_int_equal(w->gone_count, 0);
    assert_int_equal(late->stamp_heard, 0);
}

static void a_routing_id_may_be_as_long_as_zeromq_allows(void **state)
{
    (void)state;
    serve(0);
    char identity[255];
    memset(identity, 'i', sizeof identity);
    void *dealer = raw_new(ZMQ_DEALER);
    zmq_setsockopt(dealer, ZMQ_ROUTING_ID, identity, sizeof identity);
    assert_int_equal(zmq_connect(dealer, w->endpoint), 0);
    zmq_send(dealer, "x", 1, 0);
    world_until(w, w->garbage == 1);
    peer_t number = w->from;
    zmq_send(dealer, "x", 1, 0);
    world_until(w, w->garbage == 2);
    assert_int_equal(w->from, number);
    assert_true(net_server_send(w->server, number, &(struct msg){.type = MSG_PONG}));
    char answer[256];
    world_until(w, zmq_recv(dealer, answer, sizeof answer, ZMQ_DONTWAIT) > 0);
}

// ---- the other way round ----

static void a_peer_survives_a_server_that_talks_nonsense(void **state)
{
    (void)state;
    void *router = raw_new(ZMQ_ROUTER);
    assert_int_equal(zmq_bind(router, w->endpoint), 0);
    struct world_peer *peer =
        world_join(w, (struct net_peer_options){.frame_bytes_max = FRAME_MAX});
    world_until(w, peer->up);
    assert_true(world_ping(peer));
    char id[256], frame[256];
    int id_size;
    world_until(w, (id_size = zmq_recv(router, id, sizeof id, ZMQ_DONTWAIT)) > 0);
    assert_true(zmq_recv(router, frame, sizeof frame, 0) > 0);
    size_t size = (size_t)id_size;
    zmq_send(router, id, size, ZMQ_SNDMORE);
    zmq_send(router, "a", 1, ZMQ_SNDMORE);
    zmq_send(router, "b", 1, 0);
    zmq_send(router, id, size, ZMQ_SNDMORE);
    zmq_send(router, "", 0, 0); // nothing, and not counted
    zmq_send(router, id, size, ZMQ_SNDMORE);
    zmq_send(router, "nonsense", 8, 0);
    struct slice data;
    uint64_t limit_ms = world_now_ms() + WORLD_WAIT_MS;
    while (!net_peer_receive(peer->net, &data) && world_now_ms() < limit_ms)
        net_peer_wait(peer->net, NULL, 0, 100);
    assert_true(slice_equal(data, slice_text("nonsense")));
    struct net_stats s;
    net_peer_stats(peer->net, &s);
    assert_int_equal(s.malformed, 1);
    assert_int_equal(s.frames_in, 1);
    static char long_frame[FRAME_MAX + 1];
    zmq_send(router, id, size, ZMQ_SNDMORE);
    zmq_send(router, long_frame, sizeof long_frame, 0);
    world_until(w, peer->downs == 1);
    world_until(w, peer->ups == 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(routing_ids_cannot_be_guessed), // first: nothing else has called rand() yet
        TEST(bytes_that_are_not_zmtp_are_counted),
        TEST(garbage_after_the_handshake_ends_the_connection),
        TEST(frames_that_are_no_frames_are_counted),
        TEST(a_flood_of_garbage_leaves_turns_for_others),
        TEST(a_frame_that_is_too_long_ends_the_connection),
        TEST(a_peer_whose_frame_was_too_long_comes_back),
        TEST(many_connections_take_bounded_memory),
        TEST(a_silent_peer_is_probed_without_harm),
        TEST(a_routing_id_may_be_as_long_as_zeromq_allows),
        TEST(a_peer_survives_a_server_that_talks_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
