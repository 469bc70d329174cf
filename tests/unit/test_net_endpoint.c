// SPDX-License-Identifier: Apache-2.0
// Endpoints: which are allowed, how their places are made, and the defaults.
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/defaults.h"
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

static int serve(const char *endpoint, bool allow_loopback, assent_error *error)
{
    const char *endpoints[] = {endpoint, NULL};
    struct net_server_options options = {.endpoints = endpoints, .allow_loopback = allow_loopback};
    return net_server_open(&options, &w->server, error);
}

static int join(const char *endpoint, assent_error *error)
{
    struct net_peer_options options = {.endpoint = endpoint};
    return net_peer_open(&options, &w->peers[0].net, error);
}

static void endpoints_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    const char *bad[] = {
        "",     "ipc://",     "ipc://@hidden",       "ipc://*",         "inproc://x",
        "/tmp", "tcp://",     "tcp://host",          "udp://0.0.0.0:1", "ws://127.0.0.1:1",
        "tcp:", "IPC:///tmp", "tcp://127.0.0.1:port"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assent_error error = {0};
        int code = serve(bad[i], true, &error);
        if (code != ASSENT_CONFIG && code != ASSENT_IO)
            fail_msg("'%s': %s", bad[i], assent_code_name(code));
        assert_null(w->server);
        assert_non_null(strstr(error.message, bad[i]));
        assert_code(ASSENT_CONFIG, join(bad[i], &error), &error);
        assert_null(w->peers[0].net);
    }
    assent_error error = {0};
    assert_code(ASSENT_CONFIG, join(NULL, &error), &error);
    struct net_server_options none = {0};
    assert_code(ASSENT_CONFIG, net_server_open(&none, &w->server, &error), &error);
}

static void tcp_without_a_certificate_is_for_loopback_and_on_request(void **state)
{
    (void)state;
    const char *open[] = {"tcp://0.0.0.0:*", "tcp://*:*",         "tcp://10.1.2.3:7000",
                          "tcp://lo:*",      "tcp://128.0.0.1:*", "tcp://127.0.0.1.example.org:1"};
    for (unsigned i = 0; i < sizeof open / sizeof open[0]; i++) {
        assent_error error = {0};
        assert_code(ASSENT_CONFIG, serve(open[i], true, &error), &error);
        assert_non_null(strstr(error.message, "open to everyone"));
        assert_code(ASSENT_CONFIG, join(open[i], &error), &error);
        assert_non_null(strstr(error.message, "certificate"));
    }
    assent_error error = {0};
    assert_code(ASSENT_CONFIG, serve("tcp://127.0.0.1:*", false, &error), &error);
    assert_non_null(strstr(error.message, "allow loopback"));
    assert_code(ASSENT_OK, serve("tcp://127.0.0.1:*", true, &error), &error);
    assert_null(strchr(net_server_endpoint(w->server, 0), '*'));
}

static void several_endpoints_lead_to_one_server(void **state)
{
    (void)state;
    char second[200];
    snprintf(second, sizeof second, "%s2", w->endpoint);
    const char *endpoints[] = {w->endpoint, "tcp://127.0.0.1:*", second, NULL};
    world_serve(w, (struct net_server_options){.endpoints = endpoints, .allow_loopback = true});
    assert_string_equal(net_server_endpoint(w->server, 0), w->endpoint);
    assert_string_equal(net_server_endpoint(w->server, 2), second);
    assert_null(net_server_endpoint(w->server, 3));
    for (unsigned i = 0; i < 3; i++) {
        struct net_peer_options to = {.endpoint = net_server_endpoint(w->server, i)};
        world_check_alive(w, world_join(w, to));
        assert_int_equal(w->from, i + 1);
        assert_string_equal(w->principal, "local");
    }
}

static void a_path_that_is_too_long_is_refused_with_the_limit(void **state)
{
    (void)state;
    char endpoint[256] = "ipc://";
    memset(endpoint + 6, 'p', 108);
    assent_error error = {0};
    assert_code(ASSENT_CONFIG, serve(endpoint, false, &error), &error);
    assert_non_null(strstr(error.message, "108"));
    assert_non_null(strstr(error.message, "107"));
    assert_code(ASSENT_CONFIG, join(endpoint, &error), &error);
    assert_non_null(strstr(error.message, "107"));

    int length = snprintf(endpoint, sizeof endpoint, "ipc://%s/", w->dir);
    memset(endpoint + length, 'p', (size_t)(6 + 107 - length));
    endpoint[6 + 107] = '\0';
    assert_code(ASSENT_OK, serve(endpoint, false, &error), &error);
    struct net_peer_options to = {.endpoint = endpoint};
    world_check_alive(w, world_join(w, to));
}

static void directories_and_socket_are_the_owners_alone(void **state)
{
    (void)state;
    snprintf(w->endpoint, sizeof w->endpoint, "ipc://%s/a/b/s", w->dir);
    mode_t before = umask(S_IWOTH);
    world_serve(w, (struct net_server_options){0});
    assert_int_equal(umask(before), S_IWOTH); // as it was
    const char *made[] = {"a", "a/b"};
    for (unsigned i = 0; i < 2; i++) {
        struct stat status;
        char *path = world_path(w, made[i]);
        assert_int_equal(stat(path, &status), 0);
        assert_int_equal(status.st_mode & 0777, 0700);
        free(path);
    }
    struct stat status;
    assert_int_equal(stat(w->endpoint + strlen("ipc://"), &status), 0);
    assert_true(S_ISSOCK(status.st_mode));
    assert_int_equal(status.st_mode & 0077, 0);
    world_check_alive(w, world_join(w, (struct net_peer_options){0}));
}

static void one_endpoint_is_for_one_server(void **state)
{
    (void)state;
    const char *endpoints[] = {w->endpoint, "tcp://127.0.0.1:*", NULL};
    world_serve(w, (struct net_server_options){.endpoints = endpoints, .allow_loopback = true});
    struct net_server *first = w->server;
    w->server = NULL;
    for (unsigned i = 0; i < 2; i++) {
        assent_error error = {0};
        const char *taken = net_server_endpoint(first, i);
        assert_code(ASSENT_LOCKED, serve(taken, true, &error), &error);
        assert_non_null(strstr(error.message, taken + 6));
    }
    w->server = first;
    for (unsigned i = 0; i < 2; i++) { // and the first still has it
        struct net_peer_options to = {.endpoint = net_server_endpoint(first, i)};
        world_check_alive(w, world_join(w, to));
    }
}

static void a_socket_that_a_dead_process_left_is_replaced(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof address.sun_path, "%s", w->endpoint + strlen("ipc://"));
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof address), 0);
    close(fd);
    world_serve(w, (struct net_server_options){0});
    world_check_alive(w, world_join(w, (struct net_peer_options){0}));
}

static void a_file_that_is_no_socket_is_left_alone(void **state)
{
    (void)state;
    const char *path = w->endpoint + strlen("ipc://");
    FILE *file = fopen(path, "w");
    fputs("precious", file);
    fclose(file);
    assent_error error = {0};
    assert_code(ASSENT_CONFIG, serve(w->endpoint, false, &error), &error);
    assert_non_null(strstr(error.message, "not a socket"));
    char *text = unit_text_of(path);
    assert_string_equal(text, "precious");
    free(text);
    char below[256];
    snprintf(below, sizeof below, "%s/s", w->endpoint);
    assert_code(ASSENT_IO, serve(below, false, &error), &error);
}

static void closing_removes_the_socket(void **state)
{
    (void)state;
    world_serve(w, (struct net_server_options){0});
    assert_int_equal(access(w->endpoint + strlen("ipc://"), F_OK), 0);
    net_server_close(&w->server);
    assert_null(w->server);
    assert_int_not_equal(access(w->endpoint + strlen("ipc://"), F_OK), 0);
    net_server_close(&w->server); // once more does nothing
}

// ---- defaults ----

static void environment_set(const char *name, const char *value)
{
    if (value)
        setenv(name, value, 1);
    else
        unsetenv(name);
}

static void defaults_follow_the_environment(void **state)
{
    (void)state;
    char text[200];
    assent_error error = {0};
    environment_set("ASSENT_ENDPOINT", NULL);
    environment_set("XDG_STATE_HOME", "/x/state");
    environment_set("HOME", "/h");
    bool root = geteuid() == 0;
    const char *dir = root ? "/var/lib/assent" : "/x/state/assent";
    char expected[256];
    snprintf(expected, sizeof expected, "ipc://%s/assentd.sock", dir);
    assert_code(ASSENT_OK, default_data_dir(text, sizeof text, &error), &error);
    assert_string_equal(text, dir);
    assert_code(ASSENT_OK, default_endpoint(NULL, text, sizeof text, &error), &error);
    assert_string_equal(text, expected);
    assert_code(ASSENT_OK, default_client_endpoint(text, sizeof text, &error), &error);
    assert_string_equal(text, expected);
    environment_set("XDG_STATE_HOME", "relative");
    assert_code(ASSENT_OK, default_data_dir(text, sizeof text, &error), &error);
    assert_string_equal(text, root ? "/var/lib/assent" : "/h/.local/state/assent");

    environment_set("ASSENT_ENDPOINT", "tcp://1.2.3.4:5");
    assert_code(ASSENT_OK, default_client_endpoint(text, sizeof text, &error), &error);
    assert_string_equal(text, "tcp://1.2.3.4:5");
    environment_set("ASSENT_ENDPOINT", "");
    assert_code(ASSENT_OK, default_client_endpoint(text, sizeof text, &error), &error);
    assert_memory_equal(text, "ipc://", 6);

    assert_code(ASSENT_OK, default_endpoint("/d", text, sizeof text, &error), &error);
    assert_string_equal(text, "ipc:///d/assentd.sock");
    strcpy(text, "untouched");
    assert_code(ASSENT_LIMIT, default_endpoint("/d", text, strlen("ipc:///d/assentd.sock"), &error),
                &error);
    assert_string_equal(text, "untouched");
    assert_code(ASSENT_OK,
                default_endpoint("/d", text, strlen("ipc:///d/assentd.sock") + 1, &error), &error);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(endpoints_that_make_no_sense_are_refused),
        TEST(tcp_without_a_certificate_is_for_loopback_and_on_request),
        TEST(several_endpoints_lead_to_one_server),
        TEST(a_path_that_is_too_long_is_refused_with_the_limit),
        TEST(directories_and_socket_are_the_owners_alone),
        TEST(one_endpoint_is_for_one_server),
        TEST(a_socket_that_a_dead_process_left_is_replaced),
        TEST(a_file_that_is_no_socket_is_left_alone),
        TEST(closing_removes_the_socket),
        TEST(defaults_follow_the_environment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
