// SPDX-License-Identifier: Apache-2.0
// libassent with certificates, over TCP.
#include "sdk_rm.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "assent/client.h"
#include "net/cert.h"

static struct {
    char authorized[128], coordinator[128], coordinator_secret[128];
    char shop[128], bank[128], stranger[128];
} certs;

// Makes <dir>/<name>.cert and the secret half beside it, which is what *ret names.
static void make_certificate(const char *name, const char *role, const char *resources,
                             bool authorize, char ret[128])
{
    char public_path[128], link_path[192];
    snprintf(public_path, sizeof public_path, "%s/%s.cert", rm.fake.dir, name);
    snprintf(ret, 128, "%s/%s.secret", rm.fake.dir, name);
    if (net_keygen(public_path, ret, name, role, resources, &rm.error) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
    snprintf(link_path, sizeof link_path, "%s/%s", certs.authorized, name);
    if (authorize)
        assert_int_equal(link(public_path, link_path), 0);
}

static int setup(void **state)
{
    rm_setup(state);
    fake_stop(&rm.fake);
    snprintf(certs.authorized, sizeof certs.authorized, "%s/authorized", rm.fake.dir);
    snprintf(certs.coordinator, sizeof certs.coordinator, "%s/coordinator.cert", rm.fake.dir);
    assert_int_equal(mkdir(certs.authorized, 0700), 0);
    make_certificate("coordinator", NULL, NULL, false, certs.coordinator_secret);
    make_certificate("shop", "client", NULL, true, certs.shop);
    make_certificate("bank", "participant", "bank", true, certs.bank);
    make_certificate("stranger", "client", NULL, false, certs.stranger);
    rm.fake.certificate = certs.coordinator_secret;
    rm.fake.authorized_dir = certs.authorized;
    strcpy(rm.fake.endpoint, "tcp://127.0.0.1:*");
    fake_start(&rm.fake);
    return 0;
}

static int connect_as(const char *certificate)
{
    assent_client *client;
    assent_client_options options = {
        .endpoint = rm.fake.endpoint,
        .certificate = certificate,
        .server_certificate = certs.coordinator,
    };
    int code = assent_client_open(&options, &client, &rm.error);
    if (code != ASSENT_OK)
        return code;
    // Who is not let in is never welcomed, so what is waited for is why.
    do
        code = assent_client_wait(client, 50, &rm.error);
    while (code != ASSENT_OK && !strstr(rm.error.message, ": net: "));
    assent_client_close(&client);
    return code;
}

static void who_is_authorized_is_let_in(void **state)
{
    (void)state;
    if (connect_as(certs.shop) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
}

static void who_is_not_is_told_so(void **state)
{
    (void)state;
    assert_int_equal(connect_as(certs.stranger), ASSENT_UNAVAILABLE);
    assert_non_null(strstr(rm.error.message, "authorized"));
    assert_int_equal(connect_as("/nowhere"), ASSENT_CONFIG);
    assert_int_equal(connect_as(certs.coordinator), ASSENT_CONFIG); // no secret in it
}

static void the_environment_names_certificates_too(void **state)
{
    (void)state;
    assent_participant_options options;
    rm_options(&options);
    setenv("ASSENT_CERTIFICATE", certs.bank, 1);
    setenv("ASSENT_SERVER_CERTIFICATE", certs.coordinator, 1);
    int code =
        assent_participant_open(&options, rm_handlers(false), NULL, &rm.participant, &rm.error);
    unsetenv("ASSENT_CERTIFICATE");
    unsetenv("ASSENT_SERVER_CERTIFICATE");
    assert_int_equal(code, ASSENT_OK);
    if (assent_participant_wait(rm.participant, 60000, &rm.error) != ASSENT_OK)
        fail_msg("%s", rm.error.message);
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, rm_teardown)
        TEST(who_is_authorized_is_let_in),
        TEST(who_is_not_is_told_so),
        TEST(the_environment_names_certificates_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
