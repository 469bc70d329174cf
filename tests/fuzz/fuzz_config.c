// SPDX-License-Identifier: Apache-2.0
// Configuration files of any content. One that is accepted keeps every bound that is stated for its
// keys; printed, it is a file that is accepted, and means the same.
#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"
#include "config.h"
#include "fuzz.h"
#include "spill.h"
#include "topics.h"

static int load(struct config *c, const uint8_t *data, size_t size)
{
    char path[SPILL_PATH_BYTES];
    assent_error error = {0};
    FILE *file = spill(data, size, path);
    int code = config_load(c, path, &error);
    fclose(file);
    CHECK(code == ASSENT_OK || error.message[0]); // a refusal says why
    return code;
}

static void check_bounds(const struct config *c)
{
    for (const struct config_key *key = config_keys(); key->path; key++) {
        if (key->type != CONFIG_NUMBER)
            continue;
        uint64_t value;
        memcpy(&value, (const char *)c + key->offset, sizeof value);
        CHECK(value >= key->min && value <= key->max);
    }
    CHECK(c->data_dir && c->log_file && c->certificate && c->authorized_dir);
}

// Whoever subscribes has a name, and is there once; so is each topic.
static void check_topic(const struct coordinator_topic *topic)
{
    CHECK(gtid_valid(slice_text(topic->name)));
    CHECK(topic->consumer_count > 0 && topic->consumer_count < LIMIT_BRANCHES);
    for (size_t i = 0; i < topic->consumer_count; i++) {
        CHECK(gtid_valid(slice_text(topic->consumers[i])));
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(topic->consumers[i], topic->consumers[j]) != 0);
    }
}

static void check_topics(const struct config *c)
{
    struct topics topics;
    CHECK(topics_make(&c->topics, &topics, NULL) == ASSENT_OK);
    CHECK(topics.count == c->topics.count && topics.count <= LIMIT_TOPICS);
    for (size_t i = 0; i < topics.count; i++) {
        check_topic(&topics.items[i]);
        for (size_t j = 0; j < i; j++)
            CHECK(strcmp(topics.items[i].name, topics.items[j].name) != 0);
    }
    topics_free(&topics);
}

static void check_printed(const struct config *c)
{
    struct config again;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    CHECK(out);
    config_print(c, out);
    fclose(out);
    CHECK(config_init(&again));
    CHECK(load(&again, (const uint8_t *)text, size) == ASSENT_OK);
    for (const struct config_key *key = config_keys(); key->path; key++)
        CHECK(config_same(c, &again, key));
    config_free(&again);
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct config config;
    assent_error error;
    CHECK(config_init(&config));
    if (load(&config, data, size) == ASSENT_OK) {
        check_bounds(&config);
        check_topics(&config);
        config_check(&config, &error);
        check_printed(&config);
    }
    config_free(&config);
    return 0;
}
