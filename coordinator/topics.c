// SPDX-License-Identifier: Apache-2.0
#include "topics.h"

#include <stdlib.h>
#include <string.h>

// The next word off *text; false when none is left.
static bool next_word(const char **text, struct slice *ret)
{
    *text += strspn(*text, " ");
    size_t size = strcspn(*text, " ");
    *ret = slice_of(*text, size);
    *text += size;
    return size > 0;
}

static struct slice first_word(const char *text)
{
    struct slice word;
    next_word(&text, &word);
    return word;
}

static bool is_among(struct slice word, const char *text, size_t bytes)
{
    const char *end = text + bytes;
    for (struct slice other; next_word(&text, &other) && text <= end;)
        if (slice_equal(word, other))
            return true;
    return false;
}

static int check_name(const char *path, struct slice name, const char *what, assent_error *error)
{
    if (gtid_valid(name))
        return ASSENT_OK;
    return error_set(error, ASSENT_CONFIG,
                     "%s: '%.*s' is no name of a %s: 1 to %d letters, digits and . _ : -", path,
                     (int)name.size, (const char *)name.data, what, LIMIT_NAME_BYTES);
}

static int check_consumers(const char *path, struct slice topic, const char *text,
                           assent_error *error)
{
    const char *from = text;
    size_t count = 0;
    for (struct slice name; next_word(&text, &name); count++) {
        int code = check_name(path, name, "participant", error);
        if (code)
            return code;
        if (is_among(name, from, (size_t)((const char *)name.data - from)))
            return error_set(error, ASSENT_CONFIG, "%s: %.*s subscribes to topic %.*s twice", path,
                             (int)name.size, (const char *)name.data, (int)topic.size,
                             (const char *)topic.data);
    }
    if (count == 0)
        return error_set(error, ASSENT_CONFIG,
                         "%s: nobody subscribes to topic %.*s: TOPIC PARTICIPANT ... is expected",
                         path, (int)topic.size, (const char *)topic.data);
    // One branch of a message is its sender.
    if (count > LIMIT_BRANCHES - 1)
        return error_set(error, ASSENT_CONFIG,
                         "%s: %zu participants subscribe to topic %.*s; at most %d can", path,
                         count, (int)topic.size, (const char *)topic.data, LIMIT_BRANCHES - 1);
    return ASSENT_OK;
}

int topics_check(const struct config_list *list, const char *path, const char *text,
                 assent_error *error)
{
    struct slice topic;
    next_word(&text, &topic);
    int code = check_name(path, topic, "topic", error);
    if (code)
        return code;
    for (size_t i = 0; i < list->count; i++)
        if (slice_equal(first_word(list->items[i]), topic))
            return error_set(error, ASSENT_CONFIG, "%s: topic %.*s is given twice", path,
                             (int)topic.size, (const char *)topic.data);
    return check_consumers(path, topic, text, error);
}

static size_t count_words(const char *text)
{
    size_t count = 0;
    for (struct slice word; next_word(&text, &word);)
        count++;
    return count;
}

size_t topics_most(const struct config_list *list, struct slice *ret_name)
{
    size_t most = 0;
    for (size_t i = 0; i < list->count; i++) {
        size_t count = count_words(list->items[i]) - 1;
        if (count <= most)
            continue;
        most = count;
        *ret_name = first_word(list->items[i]);
    }
    return most;
}

static char *put_word(char **room, struct slice word)
{
    char *at = *room;
    memcpy(at, word.data, word.size);
    at[word.size] = '\0';
    *room += word.size + 1;
    return at;
}

int topics_make(const struct config_list *list, struct topics *ret, assent_error *error)
{
    if (list->count == 0) {
        *ret = (struct topics){0};
        return ASSENT_OK;
    }
    size_t names = 0, bytes = 0;
    for (size_t i = 0; i < list->count; i++) {
        names += count_words(list->items[i]);
        bytes += strlen(list->items[i]) + 1;
    }
    struct topics made = {.count = list->count};
    made.items = malloc(list->count * sizeof *made.items + names * sizeof(char *) + bytes);
    if (!made.items)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    const char **name = (const char **)(made.items + made.count);
    char *room = (char *)(name + names);
    for (size_t i = 0; i < list->count; i++) {
        const char *text = list->items[i];
        struct slice word;
        next_word(&text, &word);
        struct coordinator_topic topic = {.name = put_word(&room, word), .consumers = name};
        while (next_word(&text, &word)) {
            *name++ = put_word(&room, word);
            topic.consumer_count++;
        }
        made.items[i] = topic;
    }
    *ret = made;
    return ASSENT_OK;
}

void topics_free(struct topics *topics)
{
    free(topics->items);
    *topics = (struct topics){0};
}
