// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/logger.h"
#include "core/coordinator.h"
#include "options.h"
#include "topics.h"
#include "unit.h"

struct desk {
    char *dir;
    char path[512]; // of a file in it
    struct config config;
    assent_error error;
};

static int setup(void **state)
{
    struct desk *d = calloc(1, sizeof *d);
    assert_non_null(d);
    d->dir = unit_dir_make();
    snprintf(d->path, sizeof d->path, "%s/assentd.conf", d->dir);
    assert_true(config_init(&d->config));
    *state = d;
    return 0;
}

static int teardown(void **state)
{
    struct desk *d = *state;
    config_free(&d->config);
    unit_dir_remove(&d->dir);
    free(d);
    return 0;
}

static void write_bytes(const struct desk *d, const void *data, size_t size)
{
    FILE *out = fopen(d->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static int load(struct desk *d, const char *text)
{
    write_bytes(d, text, strlen(text));
    d->error = (assent_error){0};
    config_free(&d->config);
    assert_true(config_init(&d->config));
    return config_load(&d->config, d->path, &d->error);
}

// The text is refused, and the message ends in `what` behind the file's name.
static void assert_refused(struct desk *d, const char *text, const char *what)
{
    char expected[600];
    snprintf(expected, sizeof expected, "%s:%s", d->path, what);
    assert_int_equal(load(d, text), ASSENT_CONFIG);
    assert_string_equal(d->error.message, expected);
}

static void test_defaults_are_the_cores(void **state)
{
    const struct config *c = &((struct desk *)*state)->config;
    struct coordinator_config core;
    coordinator_config_defaults(&core);
    assert_int_equal(c->phase_one_ms, core.phase_one_timeout_ms);
    assert_int_equal(c->default_ms, core.timeout_default_ms);
    assert_int_equal(c->max_ms, core.timeout_max_ms);
    assert_int_equal(c->retry_min_ms, core.retry_min_ms);
    assert_int_equal(c->retry_max_ms, core.retry_max_ms);
    assert_int_equal(c->peer_silent_ms, core.peer_silent_ms);
    assert_int_equal(c->transactions, core.transactions_max);
    assert_int_equal(c->branches, core.branches_max);
    assert_int_equal(c->payload_bytes, core.payload_bytes_max);
    assert_int_equal(c->peers, core.peers_max);
    assert_int_equal(c->check_back_ms, core.check_back_ms);
    assert_int_equal(config_check(c, NULL), ASSENT_OK);
}

static void test_no_key_exceeds_a_hard_limit(void **state)
{
    (void)state;
    const struct {
        const char *path;
        uint64_t limit;
    } caps[] = {
        {"limits/transactions", LIMIT_TRANSACTIONS},
        {"limits/branches", LIMIT_BRANCHES},
        {"limits/payload-bytes", LIMIT_PAYLOAD_BYTES},
        {"limits/peers", LIMIT_PEERS},
        {"limits/peer-queue-bytes", LIMIT_PEER_QUEUE_BYTES},
        {"limits/frame-bytes", LIMIT_FRAME_BYTES},
    };
    unsigned found = 0;
    for (size_t i = 0; i < sizeof caps / sizeof caps[0]; i++)
        assert_int_equal(config_find(caps[i].path)->max, caps[i].limit);
    for (const struct config_key *key = config_keys(); key->path; key++)
        found += strncmp(key->path, "limits/", 7) == 0;
    assert_int_equal(found, sizeof caps / sizeof caps[0]); // a new one belongs into the list above
    // One administrative answer, and one payload, fit into the smallest frame.
    assert_true(config_find("limits/frame-bytes")->min > LIMIT_ADMIN_BYTES + 4096);
    assert_true(config_find("limits/frame-bytes")->min > LIMIT_PAYLOAD_BYTES + 4096);
}

static void test_a_file(void **state)
{
    struct desk *d = *state;
    assert_int_equal(load(d, "# a comment\r\n"
                             "data-dir = \"/srv/with space # and hash\"\n"
                             "\n"
                             "listen\n"
                             "    endpoint = ipc:///run/a.sock\n"
                             "    # between\n"
                             "    endpoint = 'tcp://127.0.0.1:7201'\n"
                             "logging\n"
                             "    level = debug\n"
                             "    format = json\n"
                             "security\n"
                             "    allow-loopback = yes\n"
                             "timeouts\n"
                             "    phase-one-ms=500"),
                     ASSENT_OK);
    const struct config *c = &d->config;
    assert_string_equal(c->data_dir, "/srv/with space # and hash");
    assert_int_equal(c->endpoints.count, 2);
    assert_string_equal(c->endpoints.items[0], "ipc:///run/a.sock");
    assert_string_equal(c->endpoints.items[1], "tcp://127.0.0.1:7201");
    assert_null(c->endpoints.items[2]);
    assert_int_equal(c->log_level, LOG_DEBUG);
    assert_int_equal(c->log_format, LOG_JSON);
    assert_true(c->allow_loopback);
    assert_int_equal(c->phase_one_ms, 500);
    assert_int_equal(c->default_ms, 30000);
}

static void test_where_a_value_is_from(void **state)
{
    struct desk *d = *state;
    char expected[600];
    assert_int_equal(load(d, "# one\n\nlimits\n    # two\n\n    branches = 8\n"), ASSENT_OK);
    snprintf(expected, sizeof expected, "file %s:6", d->path);
    assert_string_equal(config_from(&d->config, config_find("limits/branches")), expected);
    assert_string_equal(config_from(&d->config, config_find("limits/peers")), "default");
}

static void test_empty_files(void **state)
{
    struct desk *d = *state;
    assert_int_equal(load(d, ""), ASSENT_OK);
    assert_int_equal(load(d, "\n"), ASSENT_OK);
    assert_int_equal(load(d, "# nothing"), ASSENT_OK);
    assert_int_equal(load(d, "timeouts\n"), ASSENT_OK);
    assert_int_equal(d->config.phase_one_ms, 10000);
}

static void test_refusals_name_line_and_key(void **state)
{
    struct desk *d = *state;
    assert_refused(d, "\nlimits\n    branches = 65\n",
                   "3: limits/branches: '65' is not a number from 1 to 64");
    assert_refused(d, "limits\n    branches = 0\n",
                   "2: limits/branches: '0' is not a number from 1 to 64");
    assert_refused(d, "limits\n    branches = -1\n",
                   "2: limits/branches: '-1' is not a number from 1 to 64");
    assert_refused(d, "limits\n    branches = 6x\n",
                   "2: limits/branches: '6x' is not a number from 1 to 64");
    assert_refused(d, "limits\n    branches =\n",
                   "2: limits/branches: '' is not a number from 1 to 64");
    assert_refused(d, "limits\n    branches = 99999999999999999999999\n",
                   "2: limits/branches: '99999999999999999999999' is not a number from 1 to 64");
    assert_refused(d, "timeouts\n    drain-ms = soon\n",
                   "2: timeouts/drain-ms: 'soon' is not a number from 0 to 86400000 ms");
    assert_refused(d, "logging\n    level = loud\n",
                   "2: logging/level: 'loud' is not one of debug|info|warn|error");
    assert_refused(d, "security\n    allow-loopback = maybe\n",
                   "2: security/allow-loopback: 'maybe' is neither yes nor no");
    assert_refused(d, "listen\n    endpoint =\n", "2: listen/endpoint: the value is empty");
    assert_refused(d, "limits\n    branchs = 3\n",
                   "2: limits/branchs: there is no such key; did you mean limits/branches?");
    assert_refused(d, "\n\nquite-something-else = 3\n",
                   "3: quite-something-else: there is no such key");
    assert_refused(d, "limits\n    peers = 9\n    branches = 8\n    peers = 10\n",
                   "4: limits/peers: given twice");
    assert_refused(d, "limits = 9\n", "1: limits: a section, it has no value");
    assert_refused(d, "data-dir = x\n    deeper = 9\n", "1: data-dir: a key, not a section");
    assert_refused(d, "limits\n    peers\n        deeper = 9\n",
                   "2: limits/peers: a key, not a section");
}

static void test_refusals_of_what_is_no_zpl(void **state)
{
    struct desk *d = *state;
    assert_refused(d, "data-dir = /a\nnot a pair\n", "2: '=' was expected behind the key");
    assert_refused(d, "limits\n  branches = 3\n", "2: sections are indented by four spaces");
    assert_refused(d, "limits\n\tbranches = 3\n", "2: sections are indented by four spaces");
    assert_refused(d, "limits\n        branches = 3\n", "2: sections are indented by four spaces");
    assert_refused(d, "Data-Dir = 3\n", "1: a key or a section was expected");
    assert_refused(d, "= 3\n", "1: a key or a section was expected");
    assert_refused(d, "data-dir = \"a\n", "1: the quotes are not closed");
    assert_refused(d, "data-dir = 'a' b\n", "1: there is more behind the quotes");
    assert_refused(d, "data-dir = \"/a\x01\"\n", "1: the line has a control character");

    static const char nul[] = "data-dir = /a\n\0limits\n";
    write_bytes(d, nul, sizeof nul - 1);
    assert_int_equal(config_load(&d->config, d->path, &d->error), ASSENT_CONFIG);
    assert_non_null(strstr(d->error.message, "assentd.conf:2: the line has a control character"));

    char *longer = calloc(1, 2048);
    assert_non_null(longer);
    memset(longer, 'x', 2000);
    memcpy(longer, "data-dir = ", 11);
    assert_refused(d, longer, "1: the line is too long");
    longer[950] = '\0';
    assert_refused(d, longer, "1: data-dir: the value is longer than 900 bytes");
    free(longer);

    char *huge = malloc((2 << 20) + 1);
    assert_non_null(huge);
    memset(huge, '\n', 2 << 20);
    huge[2 << 20] = '\0';
    assert_int_equal(load(d, huge), ASSENT_CONFIG);
    assert_non_null(strstr(d->error.message, "longer than 1048576 bytes"));
    free(huge);
}

static void test_files_that_cannot_be_read(void **state)
{
    struct desk *d = *state;
    assert_int_equal(config_load(&d->config, d->path, &d->error), ASSENT_CONFIG);
    assert_non_null(strstr(d->error.message, "assentd.conf: No such file or directory"));
    assert_int_equal(config_load(&d->config, d->dir, &d->error), ASSENT_CONFIG);
    assert_non_null(strstr(d->error.message, "Is a directory"));
    assert_int_equal(config_load(&d->config, d->path, NULL), ASSENT_CONFIG);
}

static void test_no_garbage_is_taken(void **state)
{
    struct desk *d = *state;
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        static const char alphabet[] = " \n\t=#\"'/-abelst01\r\0\xff{}";
        char text[200];
        size_t size = (seed = seed * 1664525 + 1013904223) >> 24;
        size = size > sizeof text ? sizeof text : size;
        for (size_t i = 0; i < size; i++)
            text[i] =
                alphabet[((seed = seed * 1664525 + 1013904223) >> 16) % (sizeof alphabet - 1)];
        write_bytes(d, text, size);
        int code = config_load(&d->config, d->path, &d->error);
        assert_true(code == ASSENT_OK || code == ASSENT_CONFIG);
    }
    // Whatever was taken, no key can be named with those letters.
    struct config untouched;
    assert_true(config_init(&untouched));
    for (const struct config_key *key = config_keys(); key->path; key++)
        assert_true(config_same(&untouched, &d->config, key));
    config_free(&untouched);
}

static void test_checks_between_keys(void **state)
{
    struct desk *d = *state;
    const struct {
        const char *text, *what;
    } cases[] = {
        {"timeouts\n    retry-min-ms = 500\n    retry-max-ms = 400\n",
         "timeouts/retry-min-ms (500) is more than timeouts/retry-max-ms (400)"},
        {"timeouts\n    max-ms = 1000\n",
         "timeouts/default-ms (30000) is more than timeouts/max-ms (1000)"},
        {"limits\n    peer-queue-bytes = 1048576\n",
         "limits/frame-bytes (4194304) is more than limits/peer-queue-bytes (1048576)"},
        {"limits\n    branches = 3\ntopics\n    subscription = a x\n    subscription = b x y z\n",
         "topics/subscription: 3 participants subscribe to topic b; with a sender that is more "
         "than "
         "limits/branches (3)"},
        {"security\n    certificate = a\n",
         "security/certificate is set, but not security/authorized-dir: nobody could connect"},
        {"security\n    authorized-dir = a\n",
         "security/authorized-dir is set, but not security/certificate: it would not be looked at"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(load(d, cases[i].text), ASSENT_OK);
        assert_int_equal(config_check(&d->config, &d->error), ASSENT_CONFIG);
        assert_string_equal(d->error.message, cases[i].what);
    }
}

static void print_to(const struct desk *d, const struct config *c)
{
    FILE *out = fopen(d->path, "w");
    assert_non_null(out);
    config_print(c, out);
    assert_int_equal(fclose(out), 0);
}

static void assert_round_trip(struct desk *d)
{
    struct config again;
    print_to(d, &d->config);
    assert_true(config_init(&again));
    if (config_load(&again, d->path, &d->error))
        fail_msg("%s", d->error.message);
    for (const struct config_key *key = config_keys(); key->path; key++)
        if (!config_same(&d->config, &again, key))
            fail_msg("%s came back with another value", key->path);
    config_free(&again);
}

static void test_what_is_printed_can_be_read(void **state)
{
    struct desk *d = *state;
    assert_round_trip(d);
    const char *const values[][2] = {
        {"data-dir", "/srv/\"quoted\" # path "},
        {"listen/endpoint", "ipc:///run/it's here"},
        {"listen/endpoint", "tcp://*:1"},
        {"topics/subscription", "orders  shop mail"},
        {"topics/subscription", "stock shop"},
        {"logging/level", "error"},
        {"logging/format", "json"},
        {"security/allow-loopback", "yes"},
        {"limits/branches", "1"},
        {"retention/seconds", "315360000"},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++)
        assert_int_equal(config_set(&d->config, values[i][0], values[i][1], NULL), ASSENT_OK);
    assert_round_trip(d);
}

static void test_values_that_no_file_can_hold(void **state)
{
    struct desk *d = *state;
    assert_int_equal(config_set(&d->config, "data-dir", "a'b\"c", &d->error), ASSENT_CONFIG);
    assert_int_equal(config_set(&d->config, "data-dir", "a\nb", &d->error), ASSENT_CONFIG);
    assert_string_equal(d->config.data_dir, "");
    for (int i = 0; i < CONFIG_ENDPOINTS_MAX; i++)
        assert_int_equal(config_set(&d->config, "listen/endpoint", "tcp://*:*", NULL), ASSENT_OK);
    assert_int_equal(config_set(&d->config, "listen/endpoint", "tcp://*:*", &d->error),
                     ASSENT_CONFIG);
}

// ---- topics ----

static void test_topics(void **state)
{
    struct desk *d = *state;
    struct topics topics = {0};
    assert_int_equal(load(d, "topics\n    subscription = orders shop mail stock\n"
                             "    subscription = \"  news   mail \"\n"),
                     ASSENT_OK);
    assert_int_equal(config_check(&d->config, NULL), ASSENT_OK);
    assert_int_equal(topics_make(&d->config.topics, &topics, NULL), ASSENT_OK);
    assert_int_equal(topics.count, 2);
    assert_string_equal(topics.items[0].name, "orders");
    assert_int_equal(topics.items[0].consumer_count, 3);
    assert_string_equal(topics.items[0].consumers[0], "shop");
    assert_string_equal(topics.items[0].consumers[2], "stock");
    assert_string_equal(topics.items[1].name, "news");
    assert_int_equal(topics.items[1].consumer_count, 1);
    assert_string_equal(topics.items[1].consumers[0], "mail");
    topics_free(&topics);
    assert_int_equal(load(d, ""), ASSENT_OK);
    assert_int_equal(topics_make(&d->config.topics, &topics, NULL), ASSENT_OK);
    assert_int_equal(topics.count, 0);
    topics_free(&topics);
}

static void test_topics_that_make_no_sense(void **state)
{
    struct desk *d = *state;
    assert_refused(d, "topics\n    subscription = orders\n",
                   "2: topics/subscription: nobody subscribes to topic orders: TOPIC PARTICIPANT "
                   "... is expected");
    assert_refused(
        d, "topics\n    subscription = \"  \"\n",
        "2: topics/subscription: '' is no name of a topic: 1 to 64 letters, digits and . "
        "_ : -");
    assert_refused(d, "topics\n    subscription = or/ders shop\n",
                   "2: topics/subscription: 'or/ders' is no name of a topic: 1 to 64 letters, "
                   "digits and . _ : -");
    assert_refused(d, "topics\n    subscription = orders shop, mail\n",
                   "2: topics/subscription: 'shop,' is no name of a participant: 1 to 64 letters, "
                   "digits and . _ : -");
    assert_refused(d, "topics\n    subscription = orders shop mail shop\n",
                   "2: topics/subscription: shop subscribes to topic orders twice");
    assert_refused(d, "topics\n    subscription = a shop\n    subscription = a mail\n",
                   "3: topics/subscription: topic a is given twice");
    char text[900] = "topics\n    subscription = t";
    size_t size = strlen(text);
    for (int i = 0; i < LIMIT_BRANCHES; i++)
        size += (size_t)snprintf(text + size, sizeof text - size, " p%d", i);
    assert_refused(d, text,
                   "2: topics/subscription: 64 participants subscribe to topic t; at most 63 can");
    for (int i = 0; i < LIMIT_TOPICS; i++) {
        snprintf(text, sizeof text, "t%d shop", i);
        assert_int_equal(config_set(&d->config, "topics/subscription", text, NULL), ASSENT_OK);
    }
    assert_int_equal(config_set(&d->config, "topics/subscription", "more shop", &d->error),
                     ASSENT_CONFIG);
    assert_string_equal(d->error.message, "topics/subscription: more than 64 values");
}

// ---- the command line ----

static int parse(struct desk *d, struct options *ret, const char *const *argv)
{
    int argc = 0;
    while (argv[argc])
        argc++;
    d->error = (assent_error){0};
    return options_parse(ret, argc, (char **)(uintptr_t)argv, &d->error);
}
#define PARSE(d, ret, ...) parse(d, ret, (const char *const[]){"assentd", __VA_ARGS__, NULL})

static void take(struct desk *d, const struct options *options)
{
    config_free(&d->config);
    if (options_config(options, &d->config, &d->error))
        fail_msg("%s", d->error.message);
}

static void test_the_command_line_wins(void **state)
{
    struct desk *d = *state;
    struct options o;
    assert_int_equal(load(d, "listen\n    endpoint = ipc:///a\nlimits\n    branches = 8\n"
                             "    peers = 9\n"),
                     ASSENT_OK);
    assert_int_equal(PARSE(d, &o, "--limits-branches=7", "--config", d->path, "--listen",
                           "ipc:///b", "--set", "timeouts/drain-ms=5", "--listen=ipc:///c",
                           "--log-level=warn", "--data-dir", "/d", "--ready-fd", "3"),
                     ASSENT_OK);
    assert_int_equal(o.what, OPTIONS_RUN);
    assert_int_equal(o.ready_fd, 3);
    take(d, &o);
    assert_int_equal(d->config.branches, 7);
    assert_int_equal(d->config.peers, 9);
    assert_int_equal(d->config.drain_ms, 5);
    assert_int_equal(d->config.log_level, LOG_WARN);
    assert_string_equal(d->config.data_dir, "/d");
    assert_int_equal(d->config.endpoints.count, 2);
    assert_string_equal(d->config.endpoints.items[0], "ipc:///b");
    assert_string_equal(d->config.endpoints.items[1], "ipc:///c");
    assert_string_equal(config_from(&d->config, config_find("limits/branches")), "command line");
    options_free(&o);
}

static void test_every_key_is_an_option(void **state)
{
    struct desk *d = *state;
    for (const struct config_key *key = config_keys(); key->path; key++) {
        char option[100], value[64];
        snprintf(value, sizeof value, "%s", *key->fallback ? key->fallback : "text");
        if (key->type == CONFIG_NUMBER)
            snprintf(value, sizeof value, "%llu", (unsigned long long)key->max);
        snprintf(option, sizeof option, "--%s=%s", key->path, value);
        for (char *at = option; *at && *at != '='; at++)
            *at = *at == '/' ? '-' : *at;
        struct options o;
        assert_int_equal(PARSE(d, &o, option), ASSENT_OK);
        assert_int_equal(o.count, 1);
        assert_string_equal(o.settings[0].path, key->path);
        assert_string_equal(o.settings[0].value, value);
        options_free(&o);
    }
}

static void test_usage_errors(void **state)
{
    struct desk *d = *state;
    const char *const cases[][3] = {
        {"--nonsense"},
        {"positional"},
        {"--set"},
        {"--set", "no-equals"},
        {"--set", "=value"},
        {"--config"},
        {"--ready-fd", "x"},
        {"--ready-fd=-1"},
        {"--version=1"},
        {"--print-config=html"},
        {"--timeouts"},
        {"--limits-branches-more=1"},
        {"--limits/branches=1"},
        {"-"},
        {"--"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct options o;
        const char *const argv[] = {"assentd", cases[i][0], cases[i][1], NULL};
        if (parse(d, &o, argv) != ASSENT_INVALID)
            fail_msg("%s was taken", cases[i][0]);
        assert_non_null(strstr(d->error.message, "assentd --help"));
        options_free(&o);
    }
    struct options o;
    assert_int_equal(PARSE(d, &o, "--set", "limits/branches=0"), ASSENT_OK);
    assert_int_equal(options_config(&o, &d->config, &d->error), ASSENT_CONFIG);
    assert_string_equal(d->error.message,
                        "command line: limits/branches: '0' is not a number from 1 to 64");
    options_free(&o);
}

// ---- the documentation ----

static void test_documentation_is_the_table(void **state)
{
    (void)state;
    char *table = NULL;
    size_t table_size = 0;
    FILE *out = open_memstream(&table, &table_size);
    assert_non_null(out);
    config_print_markdown(out);
    assert_int_equal(fclose(out), 0);
    char *page = unit_text_of(TEST_DATA "/../../docs/configuration.md");
    if (!strstr(page, table))
        fail_msg("docs/configuration.md does not hold what assentd --print-config=markdown prints");
    free(page);
    free(table);
    char *man = unit_text_of(TEST_DATA "/../../docs/man/assentd.conf.5");
    for (const struct config_key *key = config_keys(); key->path; key++) {
        char entry[100] = "\n.B ";
        size_t size = strlen(entry);
        for (const char *at = key->path; *at; at++)
            size += (size_t)snprintf(entry + size, sizeof entry - size, "%s%c",
                                     *at == '-' ? "\\" : "", *at);
        snprintf(entry + size, sizeof entry - size, "\n");
        if (!strstr(man, entry))
            fail_msg("docs/man/assentd.conf.5 has no entry for %s", key->path);
    }
    free(man);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(test_defaults_are_the_cores),
        T(test_no_key_exceeds_a_hard_limit),
        T(test_a_file),
        T(test_where_a_value_is_from),
        T(test_empty_files),
        T(test_refusals_name_line_and_key),
        T(test_refusals_of_what_is_no_zpl),
        T(test_files_that_cannot_be_read),
        T(test_no_garbage_is_taken),
        T(test_checks_between_keys),
        T(test_what_is_printed_can_be_read),
        T(test_values_that_no_file_can_hold),
        T(test_topics),
        T(test_topics_that_make_no_sense),
        T(test_the_command_line_wins),
        T(test_every_key_is_an_option),
        T(test_usage_errors),
        T(test_documentation_is_the_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
