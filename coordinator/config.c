// SPDX-License-Identifier: Apache-2.0
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "topics.h"

#define TEXT(name, field, fallback_text, reload, about_text)                                       \
    {                                                                                              \
        .path = name, .type = CONFIG_TEXT, .offset = offsetof(struct config, field),               \
        .fallback = fallback_text, .unit = "", .reloadable = reload, .about = about_text           \
    }
#define LIST(name, field, most, check_item, reload, about_text)                                    \
    {                                                                                              \
        .path = name, .type = CONFIG_LIST, .offset = offsetof(struct config, field),               \
        .fallback = "", .max = most, .unit = "", .reloadable = reload, .check = check_item,        \
        .about = about_text                                                                        \
    }
#define NUMBER(name, field, fallback_text, least, most, unit_text, reload, about_text)             \
    {                                                                                              \
        .path = name, .type = CONFIG_NUMBER, .offset = offsetof(struct config, field),             \
        .fallback = fallback_text, .min = least, .max = most, .unit = unit_text,                   \
        .reloadable = reload, .about = about_text                                                  \
    }
#define BOOL(name, field, fallback_text, reload, about_text)                                       \
    {                                                                                              \
        .path = name, .type = CONFIG_BOOL, .offset = offsetof(struct config, field),               \
        .fallback = fallback_text, .unit = "", .reloadable = reload, .about = about_text           \
    }
#define CHOICE(name, field, fallback_text, choice_texts, reload, about_text)                       \
    {                                                                                              \
        .path = name, .type = CONFIG_CHOICE, .offset = offsetof(struct config, field),             \
        .fallback = fallback_text, .unit = "", .choices = choice_texts, .reloadable = reload,      \
        .about = about_text                                                                        \
    }

enum { HOUR_MS = 3600 * 1000, DAY_MS = 24 * HOUR_MS, YEAR_SECONDS = 365 * 24 * 3600 };

static const struct config_key keys[] = {
    TEXT("data-dir", data_dir, "", false,
         "The one directory that holds the log, its lock and the default socket. Empty: "
         "/var/lib/assent for root, else $XDG_STATE_HOME/assent, else ~/.local/state/assent."),
    LIST("listen/endpoint", endpoints, CONFIG_ENDPOINTS_MAX, NULL, false,
         "Where to listen: ipc://PATH or tcp://ADDRESS:PORT. May be given several times. None: "
         "ipc://DATA-DIR/assentd.sock."),
    CHOICE("logging/level", log_level, "info", "debug|info|warn|error", true,
           "The least important events that are logged."),
    CHOICE("logging/format", log_format, "logfmt", "logfmt|json", true, "One line an event."),
    TEXT("logging/file", log_file, "", true,
         "Appended to, and opened anew at a reload. Empty: standard error."),
    TEXT("security/certificate", certificate, "", false,
         "The coordinator's secret certificate (assent keygen). Needed for tcp endpoints."),
    TEXT("security/authorized-dir", authorized_dir, "", false,
         "Directory of the public certificates of those who may connect, with what they may do; "
         "read anew at a reload. Needed with a certificate."),
    BOOL("security/allow-loopback", allow_loopback, "no", false,
         "Allow tcp endpoints on loopback addresses without a certificate: every local user may "
         "then do everything."),
    NUMBER("timeouts/phase-one-ms", phase_one_ms, "10000", 10, DAY_MS, "ms", true,
           "How long the votes of a transaction are waited for; then it is aborted."),
    NUMBER("timeouts/default-ms", default_ms, "30000", 10, DAY_MS, "ms", true,
           "Time of a whole transaction, from begin to decision, when its client names none."),
    NUMBER("timeouts/max-ms", max_ms, "86400000", 10, 30ULL * DAY_MS, "ms", true,
           "The longest time that a client may name."),
    NUMBER("timeouts/retry-min-ms", retry_min_ms, "250", 10, HOUR_MS, "ms", true,
           "First pause before a participant that did not answer is asked again. It doubles each "
           "time."),
    NUMBER("timeouts/retry-max-ms", retry_max_ms, "30000", 10, HOUR_MS, "ms", true,
           "Longest such pause."),
    NUMBER("timeouts/peer-silent-ms", peer_silent_ms, "15000", 5000, HOUR_MS, "ms", true,
           "A connection that says nothing for so long counts as gone. Those that are idle say "
           "something every 4 seconds at least."),
    NUMBER("timeouts/drain-ms", drain_ms, "30000", 0, DAY_MS, "ms", true,
           "How long a shutdown waits for transactions that are being voted on."),
    NUMBER("timeouts/check-back-ms", check_back_ms, "10000", 10, DAY_MS, "ms", true,
           "A message that was prepared and neither sent nor dropped: its sender is asked after so "
           "long, unless its client named another time."),
    BOOL(
        "two-phase/cooperative", cooperative, "yes", true,
        "Tell each branch of two-phase commit where the others are, so that those in doubt can ask "
        "each other while the coordinator is away."),
    LIST("topics/subscription", topics, LIMIT_TOPICS, topics_check, true,
         "TOPIC PARTICIPANT ...: who is delivered what is published under a topic. May be given "
         "several times, once for each topic."),
    NUMBER("limits/transactions", transactions, "1048576", 1, LIMIT_TRANSACTIONS, "", true,
           "Transactions in flight; past it new ones are refused."),
    NUMBER("limits/branches", branches, "64", 1, LIMIT_BRANCHES, "", true,
           "Branches of one transaction."),
    NUMBER("limits/payload-bytes", payload_bytes, "65536", 1, LIMIT_PAYLOAD_BYTES, "bytes", true,
           "Payload of one branch."),
    NUMBER("limits/peers", peers, "16384", 1, LIMIT_PEERS, "", false, "Connections."),
    NUMBER("limits/peer-queue-bytes", peer_queue_bytes, "67108864", 1 << 20, LIMIT_PEER_QUEUE_BYTES,
           "bytes", false, "Waiting to be sent to one peer; past it messages to it are dropped."),
    NUMBER("limits/frame-bytes", frame_bytes, "4194304", (1 << 20) + (1 << 17), LIMIT_FRAME_BYTES,
           "bytes", false, "One frame on the wire, in either direction."),
    NUMBER("retention/seconds", retention_seconds, "86400", 1, 10ULL * YEAR_SECONDS, "seconds",
           true, "How long finished transactions can be asked about."),
    NUMBER("retention/records-max", records_max, "1000000", 1000, 1000000000, "", false,
           "Finished transactions kept at most; past it the oldest go before their time."),
    NUMBER("log/lazy-ms", lazy_ms, "50", 0, 60 * 1000, "ms", false,
           "Records that nothing depends on wait at most so long for a batch to ride on."),
    NUMBER("log/batch-max", batch_max, "1024", 1, 1 << 16, "", false,
           "Records to one synced batch."),
    {.path = NULL},
};

_Static_assert(sizeof keys / sizeof keys[0] - 1 <= CONFIG_KEYS_MAX, "room for `from`");

const struct config_key *config_keys(void)
{
    return keys;
}

const struct config_key *config_find(const char *path)
{
    for (const struct config_key *key = keys; key->path; key++)
        if (strcmp(key->path, path) == 0)
            return key;
    return NULL;
}

static void *field_of(const struct config *c, const struct config_key *key)
{
    return (char *)c + key->offset;
}

static size_t field_size(const struct config_key *key)
{
    switch (key->type) {
    case CONFIG_TEXT: return sizeof(char *);
    case CONFIG_LIST: return sizeof(struct config_list);
    case CONFIG_NUMBER: return sizeof(uint64_t);
    case CONFIG_BOOL: return sizeof(bool);
    case CONFIG_CHOICE: return sizeof(unsigned);
    }
    return 0;
}

bool config_init(struct config *c)
{
    *c = (struct config){0};
    for (const struct config_key *key = keys; key->path; key++) {
        if (key->type != CONFIG_LIST && config_set(c, key->path, key->fallback, NULL)) {
            config_free(c);
            return false;
        }
    }
    return true;
}

void config_clear_list(struct config *c, const struct config_key *key)
{
    if (key->type != CONFIG_LIST)
        return;
    struct config_list *list = field_of(c, key);
    for (size_t i = 0; i < list->count; i++)
        free(list->items[i]);
    free(list->items);
    *list = (struct config_list){0};
}

void config_free(struct config *c)
{
    for (const struct config_key *key = keys; key->path; key++) {
        config_clear_list(c, key);
        if (key->type == CONFIG_TEXT)
            free(*(char **)field_of(c, key));
        free(c->from[key - keys]);
    }
    *c = (struct config){0};
}

// What can be written in a ZPL file, between quotes of one kind or the other.
static int check_text(const char *path, const char *text, assent_error *error)
{
    size_t size = strlen(text);
    if (size > CONFIG_VALUE_BYTES)
        return error_set(error, ASSENT_CONFIG, "%s: the value is longer than %d bytes", path,
                         CONFIG_VALUE_BYTES);
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            return error_set(error, ASSENT_CONFIG, "%s: the value has a control character", path);
    if (strchr(text, '"') && strchr(text, '\''))
        return error_set(error, ASSENT_CONFIG, "%s: the value has quotes of both kinds", path);
    return ASSENT_OK;
}

static int set_text(char **field, const char *text, assent_error *error)
{
    char *copy = strdup(text);
    if (!copy)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    free(*field);
    *field = copy;
    return ASSENT_OK;
}

static int add_item(struct config_list *list, const struct config_key *key, const char *text,
                    assent_error *error)
{
    if (!*text)
        return error_set(error, ASSENT_CONFIG, "%s: the value is empty", key->path);
    if (list->count >= key->max)
        return error_set(error, ASSENT_CONFIG, "%s: more than %" PRIu64 " values", key->path,
                         key->max);
    int code = key->check ? key->check(list, key->path, text, error) : ASSENT_OK;
    if (code)
        return code;
    char **items = realloc(list->items, (list->count + 2) * sizeof *items);
    if (!items)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    list->items = items;
    char *copy = strdup(text);
    items[list->count] = copy;
    if (!copy)
        return error_set(error, ASSENT_NOMEM, "out of memory");
    items[++list->count] = NULL;
    return ASSENT_OK;
}

static int set_number(uint64_t *field, const struct config_key *key, const char *text,
                      assent_error *error)
{
    errno = 0;
    char *end;
    uint64_t number = strtoull(text, &end, 10);
    if (text[0] < '0' || text[0] > '9' || *end || errno || number < key->min || number > key->max)
        return error_set(error, ASSENT_CONFIG,
                         "%s: '%s' is not a number from %" PRIu64 " to %" PRIu64 "%s%s", key->path,
                         text, key->min, key->max, *key->unit ? " " : "", key->unit);
    *field = number;
    return ASSENT_OK;
}

static int set_bool(bool *field, const struct config_key *key, const char *text,
                    assent_error *error)
{
    bool yes = strcmp(text, "yes") == 0 || strcmp(text, "true") == 0 || strcmp(text, "1") == 0;
    bool no = strcmp(text, "no") == 0 || strcmp(text, "false") == 0 || strcmp(text, "0") == 0;
    if (!yes && !no)
        return error_set(error, ASSENT_CONFIG, "%s: '%s' is neither yes nor no", key->path, text);
    *field = yes;
    return ASSENT_OK;
}

// The index of `text` among "a|b|c"; -1 when it is none of them.
static int choice_of(const char *choices, const char *text)
{
    size_t size = strlen(text);
    for (int i = 0;; i++) {
        size_t length = strcspn(choices, "|");
        if (length == size && memcmp(choices, text, size) == 0)
            return i;
        if (!choices[length])
            return -1;
        choices += length + 1;
    }
}

static struct slice choice_name(const char *choices, unsigned index)
{
    for (; index > 0; index--)
        choices += strcspn(choices, "|") + 1;
    return slice_of(choices, strcspn(choices, "|"));
}

static int set_choice(unsigned *field, const struct config_key *key, const char *text,
                      assent_error *error)
{
    int found = choice_of(key->choices, text);
    if (found < 0)
        return error_set(error, ASSENT_CONFIG, "%s: '%s' is not one of %s", key->path, text,
                         key->choices);
    *field = (unsigned)found;
    return ASSENT_OK;
}

int config_note(struct config *c, const struct config_key *key, const char *from,
                assent_error *error)
{
    return set_text(&c->from[key - keys], from, error);
}

const char *config_from(const struct config *c, const struct config_key *key)
{
    const char *from = c->from[key - keys];
    return from ? from : "default";
}

static size_t min_size(size_t a, size_t b)
{
    return a < b ? a : b;
}

// Edit distance (Levenshtein), of texts that are cut at 63 bytes.
static size_t distance(const char *a, const char *b)
{
    enum { MOST = 63 };
    size_t row[MOST + 1], width = min_size(strlen(b), MOST);
    for (size_t j = 0; j <= width; j++)
        row[j] = j;
    for (size_t i = 1; a[i - 1] && i <= MOST; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= width; j++) {
            size_t change = diagonal + (a[i - 1] != b[j - 1]);
            diagonal = row[j];
            row[j] = min_size(change, 1 + min_size(row[j], row[j - 1]));
        }
    }
    return row[width];
}

static int unknown_key(const char *path, assent_error *error)
{
    const struct config_key *best = keys;
    for (const struct config_key *key = keys; key->path; key++)
        if (distance(path, key->path) < distance(path, best->path))
            best = key;
    if (distance(path, best->path) <= strlen(path) / 3 + 1)
        return error_set(error, ASSENT_CONFIG, "%s: there is no such key; did you mean %s?", path,
                         best->path);
    return error_set(error, ASSENT_CONFIG, "%s: there is no such key", path);
}

int config_set(struct config *c, const char *path, const char *text, assent_error *error)
{
    const struct config_key *key = config_find(path);
    if (!key)
        return unknown_key(path, error);
    int code = check_text(path, text, error);
    if (code)
        return code;
    void *field = field_of(c, key);
    switch (key->type) {
    case CONFIG_TEXT: return set_text(field, text, error);
    case CONFIG_LIST: return add_item(field, key, text, error);
    case CONFIG_NUMBER: return set_number(field, key, text, error);
    case CONFIG_BOOL: return set_bool(field, key, text, error);
    case CONFIG_CHOICE: return set_choice(field, key, text, error);
    }
    return ASSENT_OK;
}

void config_text(const struct config *c, const struct config_key *key, struct buf *ret)
{
    const void *field = field_of(c, key);
    const struct config_list *list = field;
    struct slice name;
    switch (key->type) {
    case CONFIG_TEXT: buf_printf(ret, "%s", *(char *const *)field); break;
    case CONFIG_LIST:
        for (size_t i = 0; i < list->count; i++)
            buf_printf(ret, "%s%s", i ? " " : "", list->items[i]);
        break;
    case CONFIG_NUMBER: buf_printf(ret, "%" PRIu64, *(const uint64_t *)field); break;
    case CONFIG_BOOL: buf_printf(ret, "%s", *(const bool *)field ? "yes" : "no"); break;
    case CONFIG_CHOICE:
        name = choice_name(key->choices, *(const unsigned *)field);
        buf_append(ret, name.data, name.size);
        break;
    }
}

static bool same_list(const struct config_list *a, const struct config_list *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = strcmp(a->items[i], b->items[i]) == 0;
    return same;
}

bool config_same(const struct config *a, const struct config *b, const struct config_key *key)
{
    const void *x = field_of(a, key), *y = field_of(b, key);
    if (key->type == CONFIG_LIST)
        return same_list(x, y);
    if (key->type == CONFIG_TEXT)
        return strcmp(*(char *const *)x, *(char *const *)y) == 0;
    return memcmp(x, y, field_size(key)) == 0;
}

void config_swap(struct config *a, struct config *b, const struct config_key *key)
{
    char spare[sizeof(struct config_list)];
    size_t size = field_size(key);
    memcpy(spare, field_of(a, key), size);
    memcpy(field_of(a, key), field_of(b, key), size);
    memcpy(field_of(b, key), spare, size);
    char *from = a->from[key - keys];
    a->from[key - keys] = b->from[key - keys];
    b->from[key - keys] = from;
}
