// SPDX-License-Identifier: Apache-2.0
// Frames between a server and its peers: what arrives, what waits, what is dropped, who is gone.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "net_world.h"

static struct net_world world, *w = &world;

static int setup(void **state)
{
    (void)state;
    world_init(w);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

static struct net_stats server_stats(void)
{
    struct net_stats stats;
    net_server_stats(w->server, &stats);
    return stats;
}

static struct net_stats peer_stats(const struct world_peer *peer)
{
    struct net_stats stats;
    net_peer_stats(peer->net, &stats);
    return stats;
}

// Valid until the next call.
static const struct msg *admin(size_t size)
{
    static char text[LIMIT_ADMIN_BYTES + 1];
    static struct msg msg;
    memset(text, 'x', sizeof text);
    msg = (struct msg){.type = MSG_ADMIN,
                       .u.admin = {.id = 1, .verb = slice_text("v"), .json = {text, size}}};
    return &msg;
}

static void a_message_goes_there_and_back(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, peer);
    assert_string_equal(w->principal, "local");
    char end[32];
    snprintf(end, sizeof end, ":%d", (int)getpid());
    assert_non_null(strstr(w->address, end));
    assert_true(w->grant.client && w->grant.operator_);
    assert_true(net_grant_resource(&w->grant, slice_text("anything")));
    assert_int_equal(w->header.log_seq, 11);
    assert_int_equal(w->header.from_coordinator, 0);
    assert_int_equal(w->from, 1);
    assert_int_equal(peer->ups, 1);
    assert_int_equal(net_peer_last_error(peer->net, NULL), ASSENT_OK);
    struct net_stats stats = server_stats();
    assert_int_equal(stats.frames_in, 1);
    assert_int_equal(stats.frames_out, 1);
    assert_int_equal(stats.messages_out, 1);
    assert_int_equal(stats.bytes_out, peer->frame_bytes);
    assert_int_equal(stats.peers, 1);
}

static void peers_have_numbers_of_their_own(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    peer_t numbers[3];
    for (unsigned i = 0; i < 3; i++) {
        world_check_alive(w, world_join(w, (struct net_peer_options){0}));
        numbers[i] = w->from;
        for (unsigned j = 0; j < i; j++)
            assert_true(numbers[i] != numbers[j]);
    }
    world_check_alive(w, &w->peers[0]);
    assert_int_equal(w->from, numbers[0]);
}

static void messages_of_one_turn_share_a_frame(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_until(w, peer->up);
    for (unsigned i = 0; i < 1000; i++)
        assert_true(world_ping(peer));
    world_until(w, peer->stamp_heard == 1000);
    assert_int_equal(w->frames, 1);
    assert_int_equal(w->messages, 1000);
    assert_int_equal(server_stats().frames_out, 1);
    assert_int_equal(server_stats().messages_out, 1000);
}

static void a_full_frame_is_followed_by_another(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_until(w, peer->up);
    for (unsigned i = 0; i < LIMIT_FRAME_MESSAGES + 5; i++)
        assert_true(world_ping(peer));
    world_until(w, peer->stamp_heard == LIMIT_FRAME_MESSAGES + 5);
    assert_int_equal(w->frames, 2);
    assert_int_equal(server_stats().frames_out, 2);
}

static void frames_keep_to_their_size(void **state)
{
    (void)state;
    enum { FRAME = 50000, PART = 20000 };
    world_serve(w, (struct net_server_options){.frame_bytes_max = FRAME});
    struct world_peer *peer = world_join(w, (struct net_peer_options){.frame_bytes_max = FRAME});
    world_until(w, peer->up);
    for (unsigned i = 0; i < 7; i++)
        assert_true(net_peer_send(peer->net, admin(PART)));
    // What fits into no frame is refused, and harms nothing else.
    assert_false(net_peer_send(peer->net, admin(FRAME)));
    assert_true(world_ping(peer));
    world_until(w, w->messages == 8);
    assert_int_equal(w->frames, 5); // two, two, two, the seventh, and the ping
    assert_int_equal(peer_stats(peer).dropped, 1);
    assert_int_equal(w->garbage, 0);
}

static void a_message_that_is_no_message_is_refused(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_until(w, peer->up);
    assert_false(net_peer_send(peer->net, &(struct msg){.type = MSG_CANCEL})); // no gtid
    assert_false(net_peer_send(peer->net, admin(LIMIT_ADMIN_BYTES + 1)));
    world_check_alive(w, peer);
    assert_int_equal(w->messages, 1);
    assert_int_equal(w->frames, 1);
}

static void the_server_bounds_what_waits_for_one_peer(void **state)
{
    (void)state;
    enum { QUEUE = 8 << 20, PART = 1 << 19 };
    world_serve(w, (struct net_server_options){.peer_queue_bytes = QUEUE});
    struct world_peer *slow = world_join(w, (struct net_peer_options){0});
    struct world_peer *good = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, slow);
    peer_t slow_number = w->from;
    slow->paused = true;
    struct msg big = *admin(PART);
    big.type = MSG_ADMIN_REPLY;
    uint64_t queued = 0;
    for (unsigned dropped = 0; dropped < 3; world_step(w)) {
        net_server_send(w->server, slow_number, &big) ? queued++ : dropped++;
        assert_true(queued < 1000);
    }
    assert_int_equal(server_stats().dropped, 3);
    assert_true(queued * PART > QUEUE); // as much, and what is on the peer's side already
    world_check_alive(w, good);         // nobody else is held up
    slow->paused = false;
    world_until(w, slow->messages == 1 + queued);
    world_until(w, net_server_send(w->server, slow_number, &big));
    world_until(w, slow->messages == 2 + queued);
    assert_int_equal(w->gone_count, 0);
}

static void a_peer_bounds_what_waits_for_the_server(void **state)
{
    (void)state;
    enum { QUEUE = 4 << 20, PART = 1 << 18 };
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){.queue_bytes = QUEUE});
    world_check_alive(w, peer);
    w->paused = true;
    uint64_t queued = 0;
    for (unsigned dropped = 0; dropped < 3; world_step(w)) {
        net_peer_send(peer->net, admin(PART)) ? queued++ : dropped++;
        assert_true(queued < 1000);
    }
    assert_int_equal(peer_stats(peer).dropped, 3);
    assert_true(queued * PART > QUEUE);
    w->paused = false;
    world_until(w, w->messages == 1 + queued);
    world_check_alive(w, peer);
    assert_int_equal(peer->downs, 0);
}

static void many_small_frames_wait_when_the_socket_is_full(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    w->echo = false;
    world_until(w, peer->up);
    w->paused = true;
    // More frames than both sockets and the kernel hold; the rest waits in the peer's queue.
    struct net_stats before;
    for (unsigned i = 0; i < 200000; i++) {
        before = peer_stats(peer);
        assert_true(world_ping(peer));
        world_flush(peer);
        if (peer_stats(peer).frames_out == before.frames_out)
            break;
    }
    assert_int_equal(peer_stats(peer).frames_out, before.frames_out);
    for (unsigned i = 0; i < 100; i++) {
        assert_true(world_ping(peer));
        world_flush(peer);
    }
    w->paused = false;
    world_until(w, w->messages == peer->stamp_sent); // the world checks their order
}

static void likewise_for_the_server(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, peer);
    w->paused = peer->paused = true;
    struct msg pong = {.type = MSG_PONG, .u.ping.stamp = 10};
    uint64_t before = 0;
    while (pong.u.ping.stamp < 200000 && server_stats().frames_out != before) {
        before = server_stats().frames_out;
        pong.u.ping.stamp++;
        assert_true(net_server_send(w->server, w->from, &pong));
        world_step(w);
    }
    assert_int_equal(server_stats().frames_out, before);
    for (unsigned i = 0; i < 100; i++) {
        pong.u.ping.stamp++;
        assert_true(net_server_send(w->server, w->from, &pong));
        world_step(w);
    }
    peer->paused = false;
    world_until(w, peer->stamp_heard == pong.u.ping.stamp); // the world checks their order
    assert_int_equal(peer->messages, pong.u.ping.stamp - 9);
    assert_int_equal(server_stats().dropped, 0);
}

static void who_left_is_reported_once(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *leaver = world_join(w, (struct net_peer_options){0});
    struct world_peer *stayer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, leaver);
    peer_t number = w->from;
    world_check_alive(w, stayer);
    world_leave(leaver);
    struct msg pong = {.type = MSG_PONG, .u.ping.stamp = 99};
    world_until(w, (net_server_send(w->server, number, &pong), w->gone_count > 0));
    assert_int_equal(w->gone[0], number);
    assert_false(net_server_send(w->server, number, &pong));
    assert_false(net_server_send(w->server, 12345, &pong));
    assert_false(net_server_send(w->server, 0, &pong));
    world_check_alive(w, stayer);
    assert_int_equal(w->gone_count, 1);
    assert_int_equal(server_stats().peers, 1);
}

static void a_forgotten_peer_makes_place(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){.peers_max = 1});
    struct world_peer *first = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, first);
    peer_t number = w->from;
    struct msg last = {.type = MSG_PONG, .u.ping.stamp = 50};
    assert_true(net_server_send(w->server, number, &last));
    net_server_forget(w->server, number);
    net_server_forget(w->server, 777);
    world_until(w, first->stamp_heard == 50); // what was queued before still leaves
    assert_int_equal(server_stats().peers, 0);
    world_check_alive(w, world_join(w, (struct net_peer_options){0}));
    assert_true(w->from > number);
    assert_int_equal(w->gone_count, 0);
}

static void past_peers_max_frames_are_refused_until_one_leaves(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){.peers_max = 2});
    struct world_peer *busy = world_join(w, (struct net_peer_options){0});
    struct world_peer *leaver = world_join(w, (struct net_peer_options){0});
    struct world_peer *late = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, busy);
    world_check_alive(w, leaver);
    peer_t number = w->from;
    world_until(w, late->up);
    assert_true(world_ping(late));
    world_until(w, server_stats().refused == 1);
    assert_int_equal(w->from, number);
    world_check_alive(w, leaver);
    world_leave(leaver);
    // It retransmits; the server looks after the silent one, and finds it gone.
    world_until(w, (world_ping(busy), world_ping(late), late->stamp_heard > 0));
    assert_int_equal(w->gone_count, 1);
    assert_int_equal(w->gone[0], number);
    assert_int_equal(server_stats().peers, 2);
    world_until(w, busy->stamp_heard == busy->stamp_sent);
    world_check_alive(w, late);
    assert_true(w->from > number);
}

static void the_link_comes_back_with_the_server(void **state)
{
    (void)state;
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    assent_error error = {0};
    world_until(w, net_peer_last_error(peer->net, &error) != ASSENT_OK);
    assert_int_equal(error.code, ASSENT_UNAVAILABLE);
    assert_non_null(strstr(error.message, w->endpoint));
    assert_false(world_ping(peer)); // nothing queues for nobody
    for (unsigned round = 1; round <= 3; round++) {
        memset(w->stamp, 0, sizeof w->stamp);
        world_serve(w, (struct net_server_options){0});
        world_check_alive(w, peer);
        assert_int_equal(peer->ups, round);
        assert_int_equal(net_peer_last_error(peer->net, &error), ASSENT_OK);
        net_server_close(&w->server);
        assert_true(world_ping(peer)); // it does not know yet
        world_until(w, !peer->up);
        assert_int_equal(peer->downs, round);
        assert_int_equal(net_peer_last_error(peer->net, NULL), ASSENT_UNAVAILABLE);
        assert_false(world_ping(peer));
    }
}

static void what_was_meant_for_a_lost_connection_is_not_sent_on_the_next(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, peer);
    net_server_close(&w->server);
    for (unsigned i = 0; i < 10; i++)
        assert_true(world_ping(peer)); // queued, not flushed
    enum net_link link;
    while ((link = net_peer_link(peer->net)) == NET_LINK_SAME)
        net_peer_wait(peer->net, NULL, 0, 1000);
    assert_int_equal(link, NET_LINK_DOWN);
    peer->up = false;
    assert_int_equal(peer_stats(peer).dropped, 10);
    w->messages = 0;
    world_serve(w, (struct net_server_options){0});
    world_check_alive(w, peer);
    assert_int_equal(w->messages, 1);
}

static void frames_flushed_before_close_arrive(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, peer);
    // More than the kernel takes at once.
    for (unsigned i = 0; i < 50; i++) {
        assert_true(net_peer_send(peer->net, admin(200000)));
        world_flush(peer);
    }
    world_leave(peer);
    world_until(w, w->messages == 51);
}

// ---- waiting ----

static volatile sig_atomic_t alarms;

static void on_alarm(int number)
{
    (void)number;
    alarms++;
}

static void waiting_ends_for_descriptors_signals_and_time(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, peer);
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    struct pollfd extra[2] = {{.fd = fds[0], .events = POLLIN}, {.fd = fds[1], .events = POLLOUT}};
    assert_true(net_server_wait(w->server, extra, 1, 0));
    assert_int_equal(extra[0].revents, 0);
    assert_true(net_server_wait(w->server, extra, 2, -1));
    assert_int_equal(extra[0].revents, 0);
    assert_int_equal(extra[1].revents, POLLOUT);
    assert_int_equal(write(fds[1], "x", 1), 1);
    assert_true(net_server_wait(w->server, extra, 1, -1));
    assert_int_equal(extra[0].revents, POLLIN);
    assert_true(net_peer_wait(peer->net, extra, 1, -1));
    assert_int_equal(extra[0].revents, POLLIN);

    struct sigaction action = {.sa_handler = on_alarm}, before;
    sigaction(SIGALRM, &action, &before);
    // Again and again, in case the first comes before the wait.
    struct itimerval often = {{0, 20000}, {0, 20000}}, never = {0};
    setitimer(ITIMER_REAL, &often, NULL);
    while (net_server_wait(w->server, NULL, 0, -1))
        continue;
    while (net_peer_wait(peer->net, NULL, 0, -1))
        continue;
    setitimer(ITIMER_REAL, &never, NULL);
    sigaction(SIGALRM, &before, NULL);
    assert_true(alarms > 0);
    world_check_alive(w, peer);
    close(fds[0]);
    close(fds[1]);
}

static void a_frame_wakes_the_waiting(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    struct world_peer *peer = world_join(w, (struct net_peer_options){0});
    world_check_alive(w, peer);
    for (unsigned i = 0; i < 200; i++) { // edges of libzmq's descriptor must not be lost
        struct net_frame frame;
        assert_true(world_ping(peer));
        world_flush(peer);
        while (!net_server_receive(w->server, &frame))
            assert_true(net_server_wait(w->server, NULL, 0, -1));
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_goes_there_and_back),
        TEST(peers_have_numbers_of_their_own),
        TEST(messages_of_one_turn_share_a_frame),
        TEST(a_full_frame_is_followed_by_another),
        TEST(frames_keep_to_their_size),
        TEST(a_message_that_is_no_message_is_refused),
        TEST(the_server_bounds_what_waits_for_one_peer),
        TEST(a_peer_bounds_what_waits_for_the_server),
        TEST(many_small_frames_wait_when_the_socket_is_full),
        TEST(likewise_for_the_server),
        TEST(who_left_is_reported_once),
        TEST(a_forgotten_peer_makes_place),
        TEST(past_peers_max_frames_are_refused_until_one_leaves),
        TEST(the_link_comes_back_with_the_server),
        TEST(what_was_meant_for_a_lost_connection_is_not_sent_on_the_next),
        TEST(frames_flushed_before_close_arrive),
        TEST(waiting_ends_for_descriptors_signals_and_time),
        TEST(a_frame_wakes_the_waiting),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
