// SPDX-License-Identifier: Apache-2.0
// Certificate files: making them, reading them, refusing what is none.
#include <czmq.h>
#include <sys/stat.h>

#include "net/cert.h"
#include "net_world.h"

static struct net_world world, *w = &world;

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
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    world_free(w);
    return 0;
}

static void keygen_makes_two_files_and_overwrites_none(void **state)
{
    (void)state;
    world_keygen(w, "bank", "client participant", "accounts cards");
    char *public = world_cert_path(w, "bank", ".cert"),
         *secret = world_cert_path(w, "bank", ".secret");
    struct stat status;
    assert_int_equal(stat(secret, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
    char *text = unit_text_of(public);
    assert_null(strstr(text, "secret-key"));
    free(text);

    struct cert_holder holder;
    struct cert_keys ours, theirs;
    assent_error error = {0};
    assert_code(ASSENT_OK, cert_load_holder(public, &holder, &error), &error);
    assert_string_equal(holder.name, "bank");
    assert_true(holder.grant.client);
    assert_false(holder.grant.operator_);
    assert_int_equal(holder.grant.resource_count, 2);
    assert_true(net_grant_resource(&holder.grant, slice_text("cards")));
    assert_false(net_grant_resource(&holder.grant, slice_text("card")));
    assert_code(ASSENT_OK, cert_load_secret(secret, &ours, &error), &error);
    assert_code(ASSENT_OK, cert_load_public(public, &theirs, &error), &error);
    assert_string_equal(ours.public_key, theirs.public_key);
    assert_string_equal(theirs.secret_key, "");
    char derived[CERT_KEY_TEXT_BYTES];
    assert_int_equal(zmq_curve_public(derived, ours.secret_key), 0);
    assert_string_equal(derived, ours.public_key);

    assert_code(ASSENT_IO, net_keygen(public, secret, "bank", NULL, NULL, &error), &error);
    char *other = world_cert_path(w, "other", ".secret");
    assert_code(ASSENT_IO, net_keygen(public, other, "bank", NULL, NULL, &error), &error);
    assert_int_not_equal(access(other, F_OK), 0); // half a pair is not left behind
    struct cert_keys again;
    assert_code(ASSENT_OK, cert_load_secret(secret, &again, &error), &error);
    assert_string_equal(again.secret_key, ours.secret_key);
    free(public);
    free(secret);
    free(other);
}

static void keygen_refuses_what_the_server_would_refuse(void **state)
{
    (void)state;
    static const char long_name[] =
        "1234567890123456789012345678901234567890123456789012345678901234x";
    const struct {
        const char *name, *role, *resources, *says;
    } bad[] = {
        {"", "client", "", "name"},
        {"a b", "client", "", "name"},
        {"a\"", "client", "", "name"},
        {long_name, "client", "", "name"},
        {"local", "client", "", "local"},
        {"a", "clint", "", "clint"},
        {"a", "participant", "", "without resources"},
        {"a", "client", "r", "without the role"},
        {"a", "participant", "r\"", "r\""},
        {"a", "participant", "1 2 3 4 5 6 7 8 9", "more than 8"},
    };
    char *public = world_cert_path(w, "x", ".cert"), *secret = world_cert_path(w, "x", ".secret");
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assent_error error = {0};
        assert_code(ASSENT_INVALID,
                    net_keygen(public, secret, bad[i].name, bad[i].role, bad[i].resources, &error),
                    &error);
        if (!strstr(error.message, bad[i].says))
            fail_msg("%u: %s", i, error.message);
        assert_int_not_equal(access(public, F_OK), 0);
        assert_int_not_equal(access(secret, F_OK), 0);
    }
    free(public);
    free(secret);
}

static void certificates_are_those_of_czmq(void **state)
{
    (void)state;
    assent_error error = {0};
    // Theirs, read by us.
    zcert_t *cert = zcert_new();
    zcert_set_meta(cert, "name", "%s", "theirs");
    zcert_set_meta(cert, "role", "%s", "operator");
    char *path = world_path(w, "zcert");
    assert_int_equal(zcert_save(cert, path), 0);
    char *secret_path = world_path(w, "zcert_secret");
    struct cert_holder holder;
    struct cert_keys keys;
    assert_code(ASSENT_OK, cert_load_holder(path, &holder, &error), &error);
    assert_string_equal(holder.name, "theirs");
    assert_true(holder.grant.operator_);
    assert_string_equal(holder.public_key, zcert_public_txt(cert));
    assert_code(ASSENT_OK, cert_load_secret(secret_path, &keys, &error), &error);
    assert_string_equal(keys.secret_key, zcert_secret_txt(cert));
    zcert_destroy(&cert);
    // Ours, read by them.
    world_keygen(w, "ours", "participant", "*");
    char *ours = world_cert_path(w, "ours", ".secret");
    cert = zcert_load(ours);
    assert_non_null(cert);
    assert_string_equal(zcert_meta(cert, "name"), "ours");
    assert_string_equal(zcert_meta(cert, "resources"), "*");
    assert_code(ASSENT_OK, cert_load_secret(ours, &keys, &error), &error);
    assert_string_equal(zcert_secret_txt(cert), keys.secret_key);
    zcert_destroy(&cert);
    free(path);
    free(secret_path);
    free(ours);
}

static void what_is_no_certificate_is_refused_by_name(void **state)
{
    (void)state;
    char *path = world_path(w, "bad");
    static const char key[] =
        "\ncurve\n    public-key = \"rq:rM>}U?@Lns47E1%kR.o@n%FcmmsL/@{H8]yf7\"\n";
    const struct {
        const char *text, *says;
    } bad[] = {
        {"", "public-key"},
        {"metadata\n    name = \"a\"\n    role = \"client\"\n", "public-key"},
        {"metadata\n    name = \"a\"\ncurve\n    public-key = \"short\"\n", "public-key"},
        {"metadata\n    name = \"a b\"\n    role = \"client\"%s", "name"},
        {"metadata\n    role = \"client\"%s", "name"},
        {"metadata\n    name = \"local\"\n    role = \"client\"%s", "local"},
        {"metadata\n    name = \"a\"%s", "no role"},
        {"metadata\n    name = \"a\"\n    role = \"admin\"%s", "admin"},
        {"metadata\n    name = \"a\"\n    role = \"participant\"%s", "without resources"},
    };
    struct cert_holder holder;
    struct cert_keys keys;
    assent_error error = {0};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[512];
        const char *mark = strstr(bad[i].text, "%s");
        size_t size = mark ? (size_t)(mark - bad[i].text) : strlen(bad[i].text);
        snprintf(text, sizeof text, "%.*s%s", (int)size, bad[i].text, mark ? key : "");
        text_write(path, text);
        assert_code(ASSENT_CONFIG, cert_load_holder(path, &holder, &error), &error);
        if (!strstr(error.message, bad[i].says) || !strstr(error.message, path))
            fail_msg("%u: %s", i, error.message);
    }
    text_write(path, "\x01\x02\x03garbage\n\n\t= = =");
    assert_code(ASSENT_CONFIG, cert_load_holder(path, &holder, &error), &error);
    assert_code(ASSENT_CONFIG, cert_load_holder(w->dir, &holder, &error), &error);
    assert_code(ASSENT_CONFIG, cert_load_public("/nonexistent/x", &keys, &error), &error);
    free(path);
}

static void a_secret_that_others_can_read_is_refused(void **state)
{
    (void)state;
    world_keygen(w, "coordinator", NULL, NULL);
    char *secret = world_cert_path(w, "coordinator", ".secret"),
         *public = world_cert_path(w, "coordinator", ".cert");
    assent_error error = {0};
    assert_code(ASSENT_OK, net_secret_check(secret, &error), &error);
    assert_int_equal(chmod(secret, 0640), 0);
    assert_code(ASSENT_OK, net_secret_check(secret, &error), &error);
    assert_int_equal(chmod(secret, 0604), 0);
    assert_code(ASSENT_CONFIG, net_secret_check(secret, &error), &error);
    assert_non_null(strstr(error.message, "chmod"));
    struct cert_keys keys;
    assert_code(ASSENT_CONFIG, cert_load_secret(secret, &keys, &error), &error);
    assert_code(ASSENT_CONFIG, cert_load_secret("/nonexistent/x", &keys, &error), &error);
    assert_non_null(strstr(error.message, "/nonexistent/x"));
    assert_int_equal(chmod(public, 0600), 0);
    assert_code(ASSENT_CONFIG, cert_load_secret(public, &keys, &error), &error);
    assert_non_null(strstr(error.message, "secret-key"));
    free(secret);
    free(public);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keygen_makes_two_files_and_overwrites_none),
        TEST(keygen_refuses_what_the_server_would_refuse),
        TEST(certificates_are_those_of_czmq),
        TEST(what_is_no_certificate_is_refused_by_name),
        TEST(a_secret_that_others_can_read_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
