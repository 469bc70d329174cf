// SPDX-License-Identifier: Apache-2.0
// CURVE: who is let in, as whom, for what, and until when.
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

#include "net/cert.h"
#include "net_world.h"

static struct net_world world, *w = &world;

static void cert_authorize(const char *name)
{
    char *from = world_cert_path(w, name, ".cert"), *link_dir = world_path(w, "authorized/");
    char *to = malloc(strlen(link_dir) + strlen(name) + 1);
    sprintf(to, "%s%s", link_dir, name);
    assert_int_equal(link(from, to), 0);
    free(from);
    free(link_dir);
    free(to);
}

static void cert_revoke(const char *name)
{
    char *dir = world_path(w, "authorized/");
    char *path = malloc(strlen(dir) + strlen(name) + 1);
    sprintf(path, "%s%s", dir, name);
    assert_int_equal(unlink(path), 0);
    free(dir);
    free(path);
}

static void text_write(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int setup(void **state)
{
    (void)state;
    world_init(w);
    char *dir = world_path(w, "authorized");
    assert_int_equal(mkdir(dir, 0700), 0);
    free(dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

static int curve_open(const char *certificate, assent_error *error)
{
    char *dir = world_path(w, "authorized");
    char *path = world_cert_path(w, certificate, ".secret");
    const char *endpoints[] = {"tcp://127.0.0.1:*", w->endpoint, NULL};
    struct net_server_options options = {
        .endpoints = endpoints, .certificate = path, .authorized_dir = dir};
    int code = net_server_open(&options, &w->server, error);
    free(dir);
    free(path);
    return code;
}

// A server with CURVE on loopback, and without on ipc.
static void curve_serve(void)
{
    assent_error error = {0};
    world_keygen(w, "coordinator", NULL, NULL);
    assert_code(ASSENT_OK, curve_open("coordinator", &error), &error);
    snprintf(w->endpoint, sizeof w->endpoint, "%s", net_server_endpoint(w->server, 0));
}

static struct world_peer *curve_join(const char *name, const char *server)
{
    char *own = world_cert_path(w, name, ".secret"), *theirs = world_cert_path(w, server, ".cert");
    struct world_peer *peer =
        world_join(w, (struct net_peer_options){.certificate = own, .server_certificate = theirs});
    free(own);
    free(theirs);
    return peer;
}

static uint64_t refused(void)
{
    struct net_stats stats;
    net_server_stats(w->server, &stats);
    return stats.refused;
}

static uint64_t handshakes_failed(void)
{
    struct net_stats stats;
    net_server_stats(w->server, &stats);
    return stats.handshakes_failed;
}

// ---- who is let in ----

static void a_certificate_says_who_and_for_what(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "bank", "participant", "accounts");
    cert_authorize("shop");
    cert_authorize("bank");
    curve_serve();
    world_check_alive(w, curve_join("shop", "coordinator"));
    assert_string_equal(w->principal, "shop");
    assert_string_equal(w->address, "127.0.0.1");
    assert_true(w->grant.client && !w->grant.operator_);
    assert_false(net_grant_resource(&w->grant, slice_text("accounts")));
    world_check_alive(w, curve_join("bank", "coordinator"));
    assert_string_equal(w->principal, "bank");
    assert_true(!w->grant.client && !w->grant.operator_);
    assert_true(net_grant_resource(&w->grant, slice_text("accounts")));
    assert_false(net_grant_resource(&w->grant, slice_text("cards")));
    // The same server without certificates, from this machine.
    struct net_peer_options ipc = {.endpoint = net_server_endpoint(w->server, 1)};
    world_check_alive(w, world_join(w, ipc));
    assert_string_equal(w->principal, "local");
    assert_int_equal(w->from, 3);
}

static void an_unknown_key_is_not_let_in(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "stranger", "client operator", NULL);
    cert_authorize("shop");
    curve_serve();
    struct world_peer *stranger = curve_join("stranger", "coordinator");
    assent_error error = {0};
    world_until(w, net_peer_last_error(stranger->net, &error) == ASSENT_DENIED);
    assert_non_null(strstr(error.message, "not authorized"));
    world_until(w, handshakes_failed() > 0);
    assert_int_equal(stranger->ups, 0);
    world_check_alive(w, curve_join("shop", "coordinator"));
    // Let in later, it comes by itself.
    cert_authorize("stranger");
    assert_code(ASSENT_OK, net_server_reload(w->server, &error), &error);
    world_check_alive(w, stranger);
    assert_string_equal(w->principal, "stranger");
    assert_true(w->grant.operator_);
}

static void the_wrong_server_key_or_no_certificate_leads_nowhere(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "impostor", NULL, NULL);
    cert_authorize("shop");
    curve_serve();
    struct world_peer *misled = curve_join("shop", "impostor");
    assent_error error = {0};
    world_until(w, net_peer_last_error(misled->net, &error) != ASSENT_OK);
    world_until(w, handshakes_failed() > 0);
    struct world_peer *plain = world_join(w, (struct net_peer_options){0});
    world_until(w, net_peer_last_error(plain->net, &error) == ASSENT_DENIED);
    assert_non_null(strstr(error.message, "one side uses certificates"));
    world_check_alive(w, curve_join("shop", "coordinator"));
    assert_int_equal(misled->ups + plain->ups, 0);
    assert_int_equal(w->frames, 1);
}

static void certificates_come_in_pairs(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    char *own = world_cert_path(w, "shop", ".secret");
    assent_error error = {0};
    struct net_peer *peer = NULL;
    struct net_peer_options options = {.endpoint = "tcp://127.0.0.1:1", .certificate = own};
    assert_code(ASSENT_CONFIG, net_peer_open(&options, &peer, &error), &error);
    options = (struct net_peer_options){.endpoint = "tcp://127.0.0.1:1", .server_certificate = own};
    assert_code(ASSENT_CONFIG, net_peer_open(&options, &peer, &error), &error);
    const char *endpoints[] = {"tcp://127.0.0.1:*", NULL};
    struct net_server_options server = {.endpoints = endpoints, .certificate = own};
    assert_code(ASSENT_CONFIG, net_server_open(&server, &w->server, &error), &error);
    server.authorized_dir = "/nonexistent";
    assert_code(ASSENT_IO, net_server_open(&server, &w->server, &error), &error);
    free(own);
}

// ---- reloading ----

static void a_revoked_certificate_counts_no_more_at_once(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "bank", "participant", "accounts");
    cert_authorize("shop");
    cert_authorize("bank");
    curve_serve();
    struct world_peer *shop = curve_join("shop", "coordinator");
    struct world_peer *bank = curve_join("bank", "coordinator");
    world_check_alive(w, shop);
    peer_t number = w->from;
    world_check_alive(w, bank);
    assent_error error = {0};
    assert_code(ASSENT_OK, net_server_reload(w->server, &error), &error); // nothing changed
    world_check_alive(w, shop);
    assert_int_equal(w->from, number);

    cert_revoke("shop");
    uint64_t frames = w->frames;
    assert_true(world_ping(shop));
    world_flush(shop); // on its way already
    assert_code(ASSENT_OK, net_server_reload(w->server, &error), &error);
    world_until(w, refused() == 1);
    assert_int_equal(w->frames, frames);
    assert_int_equal(w->gone_count, 1);
    assert_int_equal(w->gone[0], number);
    assert_false(net_server_send(w->server, number, &(struct msg){.type = MSG_PONG}));
    world_check_alive(w, bank);
    assert_int_equal(w->gone_count, 1);

    cert_authorize("shop"); // back again, as another peer
    assert_code(ASSENT_OK, net_server_reload(w->server, &error), &error);
    uint64_t before = shop->stamp_sent;
    world_until(w, (world_ping(shop), shop->stamp_heard > before));
    assert_true(w->from > number);
}

static void who_may_do_less_has_to_come_anew(void **state)
{
    (void)state;
    world_keygen(w, "bank", "participant operator", "accounts");
    world_keygen(w, "shop", "client", NULL);
    cert_authorize("bank");
    cert_authorize("shop");
    curve_serve();
    struct world_peer *shop = curve_join("shop", "coordinator");
    world_check_alive(w, shop);
    peer_t other = w->from;
    struct world_peer *bank = curve_join("bank", "coordinator");
    world_check_alive(w, bank);
    peer_t number = w->from;
    assert_true(w->grant.operator_);
    char *path = world_path(w, "authorized/bank");
    char *text = unit_text_of(path), *role = strstr(text, " operator");
    memmove(role, role + strlen(" operator"), strlen(role + strlen(" operator")) + 1);
    text_write(path, text);
    assent_error error = {0};
    assert_code(ASSENT_OK, net_server_reload(w->server, &error), &error);
    assert_false(net_server_send(w->server, number, &(struct msg){.type = MSG_PONG}));
    world_check_alive(w, bank);
    assert_true(w->from > number);
    assert_false(w->grant.operator_);
    assert_true(net_grant_resource(&w->grant, slice_text("accounts")));
    assert_int_equal(bank->downs, 0);
    world_check_alive(w, shop); // whom it does not concern
    assert_int_equal(w->from, other);
    assert_int_equal(w->gone_count, 1);
    assert_int_equal(w->gone[0], number);
    free(path);
    free(text);
}

static void a_bad_certificate_does_not_keep_a_revoked_one_alive(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "bank", "participant", "accounts");
    cert_authorize("shop");
    cert_authorize("bank");
    curve_serve();
    struct world_peer *shop = curve_join("shop", "coordinator");
    struct world_peer *bank = curve_join("bank", "coordinator");
    world_check_alive(w, shop);
    world_check_alive(w, bank);
    cert_revoke("shop");
    char *path = world_path(w, "authorized/broken");
    text_write(path, "metadata\n");
    assent_error error = {0};
    assert_code(ASSENT_CONFIG, net_server_reload(w->server, &error), &error);
    assert_non_null(strstr(error.message, "broken"));
    assert_true(world_ping(shop));
    world_until(w, refused() == 1);
    world_check_alive(w, bank);
    // But a server does not start so.
    net_server_close(&w->server);
    assert_code(ASSENT_CONFIG, curve_open("coordinator", &error), &error);
    assert_non_null(strstr(error.message, "broken"));
    free(path);
}

static void a_directory_that_cannot_be_read_changes_nothing(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    cert_authorize("shop");
    curve_serve();
    struct world_peer *shop = curve_join("shop", "coordinator");
    world_check_alive(w, shop);
    char *here = world_path(w, "authorized"), *there = world_path(w, "elsewhere");
    assert_int_equal(rename(here, there), 0);
    assent_error error = {0};
    assert_code(ASSENT_IO, net_server_reload(w->server, &error), &error);
    world_check_alive(w, shop);
    free(here);
    free(there);
}

static void only_public_certificates_of_the_directory_count(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    const char *ignored[] = {"authorized/.hidden", "authorized/backup~", "authorized/shop_secret"};
    for (unsigned i = 0; i < 3; i++) {
        char *path = world_path(w, ignored[i]);
        text_write(path, "not a certificate");
        free(path);
    }
    cert_authorize("shop");
    curve_serve();
    world_check_alive(w, curve_join("shop", "coordinator"));
}

static void one_key_under_two_names_is_refused(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "coordinator", NULL, NULL);
    cert_authorize("shop");
    char *from = world_cert_path(w, "shop", ".cert"), *to = world_path(w, "authorized/again");
    char *text = unit_text_of(from), *name = strstr(text, "shop");
    name[2] = '0';
    text_write(to, text);
    assent_error error = {0};
    assert_code(ASSENT_CONFIG, curve_open("coordinator", &error), &error);
    assert_non_null(strstr(error.message, "same key"));
    free(from);
    free(to);
    free(text);
}

// ---- what a certificate's holder may try ----

static void *curve_dealer(void *context, const char *name, const char *identity)
{
    char *own = world_cert_path(w, name, ".secret"),
         *theirs = world_cert_path(w, "coordinator", ".cert");
    struct cert_keys ours, servers;
    assent_error error = {0};
    assert_code(ASSENT_OK, cert_load_secret(own, &ours, &error), &error);
    assert_code(ASSENT_OK, cert_load_public(theirs, &servers, &error), &error);
    void *dealer = zmq_socket(context, ZMQ_DEALER);
    zmq_setsockopt(dealer, ZMQ_CURVE_SERVERKEY, servers.public_key, 40);
    zmq_setsockopt(dealer, ZMQ_CURVE_PUBLICKEY, ours.public_key, 40);
    zmq_setsockopt(dealer, ZMQ_CURVE_SECRETKEY, ours.secret_key, 40);
    zmq_setsockopt(dealer, ZMQ_ROUTING_ID, identity, strlen(identity));
    assert_int_equal(zmq_connect(dealer, w->endpoint), 0);
    free(own);
    free(theirs);
    return dealer;
}

static void a_routing_id_does_not_carry_a_principal(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client operator", NULL);
    world_keygen(w, "thief", "client", NULL);
    cert_authorize("shop");
    cert_authorize("thief");
    curve_serve();
    void *context = zmq_ctx_new();
    void *shop = curve_dealer(context, "shop", "same");
    assert_int_equal(zmq_send(shop, "x", 1, 0), 1);
    world_until(w, w->garbage == 1);
    assert_string_equal(w->principal, "shop");
    peer_t number = w->from;
    int none = 0;
    zmq_setsockopt(shop, ZMQ_LINGER, &none, sizeof none);
    zmq_close(shop);
    // The thief takes the routing id as soon as it is free.
    void *thief = NULL;
    for (uint64_t before = w->garbage; w->garbage == before; world_step(w)) {
        if (thief) {
            zmq_setsockopt(thief, ZMQ_LINGER, &none, sizeof none);
            zmq_close(thief);
        }
        thief = curve_dealer(context, "thief", "same");
        zmq_send(thief, "x", 1, 0);
        for (unsigned i = 0; i < 40 && w->garbage == before; i++)
            world_step(w);
    }
    assert_string_equal(w->principal, "thief");
    assert_true(w->from > number);
    assert_false(w->grant.operator_);
    world_until(w, w->gone_count >= 1);
    assert_int_equal(w->gone[0], number);
    zmq_setsockopt(thief, ZMQ_LINGER, &none, sizeof none);
    zmq_close(thief);
    zmq_ctx_term(context);
}

static void closing_in_the_middle_of_handshakes_ends(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    world_keygen(w, "stranger", "client", NULL);
    world_keygen(w, "coordinator", NULL, NULL);
    cert_authorize("shop");
    for (unsigned round = 0; round < 20; round++) {
        assent_error error = {0};
        assert_code(ASSENT_OK, curve_open("coordinator", &error), &error);
        snprintf(w->endpoint, sizeof w->endpoint, "%s", net_server_endpoint(w->server, 0));
        for (unsigned i = 0; i < WORLD_PEERS; i++)
            curve_join(i % 2 ? "stranger" : "shop", "coordinator");
        for (unsigned i = 0; i < round; i++)
            world_step(w);
        net_server_close(&w->server);
        for (unsigned i = 0; i < WORLD_PEERS; i++)
            world_leave(&w->peers[i]);
        snprintf(w->endpoint, sizeof w->endpoint, "ipc://%s/s", w->dir);
    }
}

static void signal_handlers_stay_the_programs(void **state)
{
    (void)state;
    world_keygen(w, "shop", "client", NULL);
    cert_authorize("shop");
    curve_serve();
    world_check_alive(w, curve_join("shop", "coordinator"));
    for (int i = 0; i < 2; i++) {
        struct sigaction action;
        assert_int_equal(sigaction(i ? SIGTERM : SIGINT, NULL, &action), 0);
        assert_ptr_equal(action.sa_handler, SIG_DFL);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(signal_handlers_stay_the_programs),
        TEST(a_certificate_says_who_and_for_what),
        TEST(an_unknown_key_is_not_let_in),
        TEST(the_wrong_server_key_or_no_certificate_leads_nowhere),
        TEST(certificates_come_in_pairs),
        TEST(a_revoked_certificate_counts_no_more_at_once),
        TEST(who_may_do_less_has_to_come_anew),
        TEST(a_bad_certificate_does_not_keep_a_revoked_one_alive),
        TEST(a_directory_that_cannot_be_read_changes_nothing),
        TEST(only_public_certificates_of_the_directory_count),
        TEST(one_key_under_two_names_is_refused),
        TEST(a_routing_id_does_not_carry_a_principal),
        TEST(closing_in_the_middle_of_handshakes_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
