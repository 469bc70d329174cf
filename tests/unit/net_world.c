// SPDX-License-Identifier: Apache-2.0
#include "net_world.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "net/cert.h"
#include "wire/wire.h"

enum { STEP_MS = 5 };

uint64_t world_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void world_init(struct net_world *w)
{
    *w = (struct net_world){.dir = unit_dir_make(), .echo = true};
    snprintf(w->endpoint, sizeof w->endpoint, "ipc://%s/s", w->dir);
}

void world_free(struct net_world *w)
{
    for (unsigned i = 0; i < WORLD_PEERS; i++)
        world_leave(&w->peers[i]);
    net_server_close(&w->server);
    unit_dir_remove(&w->dir);
}

char *world_path(struct net_world *w, const char *name)
{
    char *path = malloc(strlen(w->dir) + strlen(name) + 2);
    assert_non_null(path);
    sprintf(path, "%s/%s", w->dir, name);
    return path;
}

char *world_cert_path(struct net_world *w, const char *name, const char *suffix)
{
    char file[128];
    snprintf(file, sizeof file, "%s%s", name, suffix);
    return world_path(w, file);
}

void world_keygen(struct net_world *w, const char *name, const char *role, const char *resources)
{
    char *public = world_cert_path(w, name, ".cert"), *secret = world_cert_path(w, name, ".secret");
    assent_error error = {0};
    assert_code(ASSENT_OK, net_keygen(public, secret, name, role, resources, &error), &error);
    free(public);
    free(secret);
}

void world_serve(struct net_world *w, struct net_server_options options)
{
    const char *endpoints[] = {w->endpoint, NULL};
    assent_error error = {0};
    if (!options.endpoints)
        options.endpoints = endpoints;
    assert_code(ASSENT_OK, net_server_open(&options, &w->server, &error), &error);
    snprintf(w->endpoint, sizeof w->endpoint, "%s", net_server_endpoint(w->server, 0));
}

struct world_peer *world_join(struct net_world *w, struct net_peer_options options)
{
    assent_error error = {0};
    if (!options.endpoint)
        options.endpoint = w->endpoint;
    for (unsigned i = 0; i < WORLD_PEERS; i++) {
        struct world_peer *peer = &w->peers[i];
        if (peer->net)
            continue;
        *peer = (struct world_peer){0};
        assert_code(ASSENT_OK, net_peer_open(&options, &peer->net, &error), &error);
        return peer;
    }
    fail_msg("too many peers");
    return NULL;
}

void world_leave(struct world_peer *peer)
{
    net_peer_close(&peer->net);
}

static void text_copy(char *to, size_t room, struct slice from)
{
    assert_true(from.size < room);
    memcpy(to, from.data, from.size);
    to[from.size] = '\0';
}

static void server_message(struct net_world *w, const struct msg *msg)
{
    w->messages++;
    if (msg->type != MSG_PING)
        return;
    assert_true(w->from < WORLD_GONE);
    assert_true(msg->u.ping.stamp > w->stamp[w->from]);
    w->stamp[w->from] = msg->u.ping.stamp;
    if (!w->echo)
        return;
    struct msg pong = {.type = MSG_PONG, .u.ping.stamp = msg->u.ping.stamp};
    net_server_send(w->server, w->from, &pong);
}

static void server_frame(struct net_world *w, const struct net_frame *frame)
{
    static struct wire_reader reader;
    int code = ASSENT_OK;
    struct msg msg;
    w->from = frame->peer;
    text_copy(w->principal, sizeof w->principal, frame->principal);
    text_copy(w->address, sizeof w->address, frame->address);
    w->grant = *frame->grant;
    if (wire_open(&reader, frame->data, &w->header, NULL) != ASSENT_OK) {
        w->garbage++;
        return;
    }
    w->frames++;
    while (wire_next(&reader, &msg, &code, NULL))
        server_message(w, &msg);
    if (code != ASSENT_OK)
        w->garbage++;
}

static void header_for(void *arg, peer_t peer, struct frame_header *ret)
{
    (void)arg;
    *ret = (struct frame_header){.from_coordinator = 1, .coordinator = 7, .fence = peer};
}

static void server_step(struct net_world *w)
{
    struct net_frame frame;
    net_server_wait(w->server, NULL, 0, w->paused ? 0 : STEP_MS);
    while (!w->paused && net_server_receive(w->server, &frame))
        server_frame(w, &frame);
    peer_t gone;
    do {
        net_server_flush(w->server, header_for, w, &gone);
        if (gone != 0) {
            assert_true(w->gone_count < WORLD_GONE);
            w->gone[w->gone_count++] = gone;
        }
    } while (gone != 0);
}

static void peer_frame(struct world_peer *peer, struct slice data)
{
    static struct wire_reader reader;
    struct frame_header header;
    struct msg msg;
    int code;
    peer->frame_bytes = data.size;
    assert_int_equal(wire_open(&reader, data, &header, NULL), ASSENT_OK);
    assert_int_equal(header.coordinator, 7);
    assert_true(header.fence > 0);
    for (; wire_next(&reader, &msg, &code, NULL); peer->messages++) {
        if (msg.type != MSG_PONG)
            continue;
        assert_true(msg.u.ping.stamp > peer->stamp_heard);
        peer->stamp_heard = msg.u.ping.stamp;
    }
    assert_int_equal(code, ASSENT_OK);
}

void world_flush(struct world_peer *peer)
{
    net_peer_flush(peer->net, &(struct frame_header){.coordinator = 7, .log_seq = 11});
}

static void peer_step(struct world_peer *peer)
{
    net_peer_wait(peer->net, NULL, 0, peer->paused ? 0 : STEP_MS);
    for (enum net_link link; (link = net_peer_link(peer->net)) != NET_LINK_SAME;) {
        peer->up = link == NET_LINK_UP;
        peer->ups += link == NET_LINK_UP;
        peer->downs += link == NET_LINK_DOWN;
    }
    struct slice data;
    while (!peer->paused && net_peer_receive(peer->net, &data))
        peer_frame(peer, data);
    world_flush(peer);
}

void world_step(struct net_world *w)
{
    if (w->server)
        server_step(w);
    for (unsigned i = 0; i < WORLD_PEERS; i++)
        if (w->peers[i].net)
            peer_step(&w->peers[i]);
}

bool world_ping(struct world_peer *peer)
{
    struct msg ping = {.type = MSG_PING, .u.ping.stamp = peer->stamp_sent + 1};
    bool queued = net_peer_send(peer->net, &ping);
    peer->stamp_sent += queued;
    return queued;
}

void world_check_alive(struct net_world *w, struct world_peer *peer)
{
    world_until(w, peer->up);
    assert_true(world_ping(peer));
    world_until(w, peer->stamp_heard == peer->stamp_sent);
}
