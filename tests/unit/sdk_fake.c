// SPDX-License-Identifier: Apache-2.0
#include "sdk_fake.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "wire/wire.h"

enum { PATIENCE_S = 60 };

void fake_pause(void)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static void header_for(void *arg, peer_t peer, struct frame_header *ret)
{
    struct fake *f = arg;
    (void)peer;
    *ret = (struct frame_header){
        .version = WIRE_VERSION,
        .from_coordinator = 1,
        .coordinator = f->coordinator,
        .incarnation = f->incarnation,
        .log_seq = f->log_seq,
        .seal = f->log_seq * 3,
        .fence = f->fence,
    };
}

void fake_reply(struct fake *f, peer_t peer, const struct msg *msg)
{
    net_server_send(f->server, peer, msg);
}

void fake_result(struct fake *f, peer_t peer, enum msg_type about, const struct gtid *gtid,
                 enum outcome outcome)
{
    struct msg msg = {.type = MSG_RESULT};
    msg.u.result = (struct msg_result){.request = UINT64_MAX, // whatever was sent last
                                       .gtid = *gtid,
                                       .about = (uint8_t)about,
                                       .outcome = (uint8_t)outcome,
                                       .branch = BRANCH_NONE,
                                       .finished = outcome != OUTCOME_NONE};
    fake_reply(f, peer, &msg);
}

void fake_refuse(struct fake *f, peer_t peer, enum msg_type about, const struct gtid *gtid,
                 enum assent_code code, const char *text)
{
    struct msg msg = {.type = MSG_REFUSED};
    msg.u.refused = (struct msg_refused){.request = UINT64_MAX,
                                         .about = (uint8_t)about,
                                         .code = (uint16_t)code,
                                         .text = slice_text(text)};
    if (gtid)
        msg.u.refused.gtid = *gtid;
    fake_reply(f, peer, &msg);
}

static void fake_welcome(struct fake *f, peer_t peer, bool client, uint64_t peer_incarnation)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    struct msg msg = {.type = MSG_WELCOME};
    msg.u.welcome = (struct msg_welcome){
        .peer_incarnation = peer_incarnation,
        .payload_bytes_max = LIMIT_PAYLOAD_BYTES,
        .branches_max = LIMIT_BRANCHES,
    };
    if (client) {
        msg.u.welcome.lease_first = f->lease_next;
        msg.u.welcome.lease_count = f->lease_count;
        msg.u.welcome.lease_ms = (uint64_t)now.tv_sec * 1000;
        f->lease_next += f->lease_count;
    }
    fake_reply(f, peer, &msg);
}

void fake_manners(struct fake *f, peer_t peer, const struct msg *msg)
{
    if (msg->type == MSG_HELLO) {
        if (msg->u.hello.role == ROLE_PARTICIPANT)
            f->participant = peer;
        fake_welcome(f, peer, msg->u.hello.role == ROLE_CLIENT, msg->u.hello.peer_incarnation);
    } else if (msg->type == MSG_LEASE) {
        fake_welcome(f, peer, true, 0);
    } else if (msg->type == MSG_PING) {
        struct msg pong = {.type = MSG_PONG, .u.ping = msg->u.ping};
        fake_reply(f, peer, &pong);
    }
}

static void fake_receive(struct fake *f)
{
    static _Thread_local struct wire_reader reader;
    struct net_frame frame;
    while (net_server_receive(f->server, &frame)) {
        struct frame_header header;
        struct msg msg;
        int code = wire_open(&reader, frame.data, &header, NULL);
        while (code == ASSENT_OK && wire_next(&reader, &msg, &code, NULL)) {
            f->handler(f, frame.peer, &msg);
            pthread_mutex_lock(&f->lock);
            f->seen[msg.type]++;
            pthread_cond_broadcast(&f->changed);
            pthread_mutex_unlock(&f->lock);
        }
    }
}

// False: stop.
static bool fake_obey(struct fake *f)
{
    uint64_t count;
    if (read(f->bell, &count, sizeof count) < 0)
        count = 0;
    pthread_mutex_lock(&f->lock);
    bool go_on = !f->stop;
    void (*order)(struct fake *, void *) = f->order;
    pthread_mutex_unlock(&f->lock);
    if (!order)
        return go_on;
    order(f, f->order_arg);
    pthread_mutex_lock(&f->lock);
    f->order = NULL;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return go_on;
}

static void *fake_run(void *arg)
{
    struct fake *f = arg;
    while (fake_obey(f)) {
        peer_t gone;
        fake_receive(f);
        do
            net_server_flush(f->server, header_for, f, &gone);
        while (gone);
        struct pollfd bell = {.fd = f->bell, .events = POLLIN};
        net_server_wait(f->server, &bell, 1, 200);
    }
    return NULL;
}

static void ring(struct fake *f)
{
    uint64_t one = 1;
    assert_int_equal(write(f->bell, &one, sizeof one), sizeof one);
}

void fake_start(struct fake *f)
{
    const char *endpoints[] = {f->endpoint, NULL};
    struct net_server_options options = {
        .endpoints = endpoints, .certificate = f->certificate, .authorized_dir = f->authorized_dir};
    assent_error error;
    if (net_server_open(&options, &f->server, &error) != ASSENT_OK)
        fail_msg("%s", error.message);
    // The port that stands for "any".
    snprintf(f->endpoint, sizeof f->endpoint, "%s", net_server_endpoint(f->server, 0));
    f->stop = false;
    assert_int_equal(pthread_create(&f->thread, NULL, fake_run, f), 0);
    f->up = true;
}

void fake_stop(struct fake *f)
{
    if (!f->up)
        return;
    pthread_mutex_lock(&f->lock);
    f->stop = true;
    pthread_mutex_unlock(&f->lock);
    ring(f);
    pthread_join(f->thread, NULL);
    net_server_close(&f->server);
    f->up = false;
}

void fake_restart(struct fake *f)
{
    fake_stop(f);
    f->incarnation++;
    fake_start(f);
}

void fake_init(struct fake *f, fake_handler *handler, void *arg)
{
    *f = (struct fake){
        .handler = handler,
        .arg = arg,
        .coordinator = 4711,
        .incarnation = 3,
        .lease_count = 1000,
        .lease_next = 1,
    };
    f->dir = unit_dir_make();
    snprintf(f->endpoint, sizeof f->endpoint, "ipc://%s/c.sock", f->dir);
    pthread_mutex_init(&f->lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&f->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    f->bell = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    assert_true(f->bell >= 0);
}

void fake_free(struct fake *f)
{
    fake_stop(f);
    close(f->bell);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->lock);
    unit_dir_remove(&f->dir);
}

static void handler_order(struct fake *f, void *arg)
{
    f->handler = *(fake_handler **)arg;
}

void fake_handle(struct fake *f, fake_handler *handler)
{
    fake_do(f, handler_order, &handler);
}

// Lock held.
static void fake_wait(struct fake *f, const char *what)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += PATIENCE_S;
    if (pthread_cond_timedwait(&f->changed, &f->lock, &until) != 0) {
        pthread_mutex_unlock(&f->lock);
        fail_msg("never: %s", what);
    }
}

void fake_do(struct fake *f, void (*order)(struct fake *f, void *arg), void *arg)
{
    pthread_mutex_lock(&f->lock);
    f->order = order;
    f->order_arg = arg;
    ring(f);
    while (f->order)
        fake_wait(f, "the order is carried out");
    pthread_mutex_unlock(&f->lock);
}

void fake_wait_seen(struct fake *f, enum msg_type type, unsigned count)
{
    pthread_mutex_lock(&f->lock);
    while (f->seen[type] < count)
        fake_wait(f, msg_name(type));
    pthread_mutex_unlock(&f->lock);
}

unsigned fake_seen(struct fake *f, enum msg_type type)
{
    pthread_mutex_lock(&f->lock);
    unsigned count = f->seen[type];
    pthread_mutex_unlock(&f->lock);
    return count;
}
