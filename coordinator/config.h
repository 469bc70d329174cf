// SPDX-License-Identifier: Apache-2.0
// The daemon's configuration. One table (config_keys) says of each key its type, default, bounds,
// unit, whether it can change while running, and what it is for; parsing, checking, printing, the
// command line and docs/configuration.md all come from it.
#ifndef COORDINATOR_CONFIG_H
#define COORDINATOR_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/error.h"

struct config_list {
    char **items; // owned, NULL-terminated; NULL while empty
    size_t count;
};

enum { CONFIG_KEYS_MAX = 32, CONFIG_ENDPOINTS_MAX = 15 };

struct config {
    char *from[CONFIG_KEYS_MAX]; // where each key's value is from, owned; NULL: the default
    char *data_dir;              // texts are owned and never NULL
    struct config_list endpoints;
    unsigned log_level;  // enum log_level
    unsigned log_format; // enum log_format
    char *log_file;      // empty: standard error
    char *certificate;   // empty: none
    char *authorized_dir;
    bool allow_loopback, cooperative;
    uint64_t phase_one_ms, default_ms, max_ms;
    uint64_t retry_min_ms, retry_max_ms;
    uint64_t peer_silent_ms;
    uint64_t drain_ms;
    uint64_t check_back_ms;
    struct config_list topics; // "TOPIC RESOURCE ...", see topics.h
    uint64_t transactions, branches, payload_bytes;
    uint64_t peers, peer_queue_bytes, frame_bytes;
    uint64_t retention_seconds, records_max;
    uint64_t lazy_ms, batch_max;
};

enum config_type { CONFIG_TEXT, CONFIG_LIST, CONFIG_NUMBER, CONFIG_BOOL, CONFIG_CHOICE };

struct config_key {
    const char *path; // "section/key", or "key" at the top level
    enum config_type type;
    size_t offset;        // in struct config
    const char *fallback; // the default, as it would be written in the file
    uint64_t min, max;    // NUMBER; LIST: at most `max` items
    const char *unit;     // NUMBER; "" for a plain count
    const char *choices;  // CHOICE: "a|b|c"
    bool reloadable;
    // LIST: may the item be added? NULL: any text may.
    int (*check)(const struct config_list *list, const char *path, const char *text,
                 assent_error *error);
    const char *about;
};

enum { CONFIG_VALUE_BYTES = 900 }; // longest value

// All keys; the path after the last one is NULL.
const struct config_key *config_keys(void);
// NULL when there is none of that path.
const struct config_key *config_find(const char *path);

// All defaults. False: out of memory.
bool config_init(struct config *c);
void config_free(struct config *c);

// Sets one key from its text; a list gains an item. ASSENT_CONFIG, ASSENT_NOMEM.
int config_set(struct config *c, const char *path, const char *text, assent_error *error);
// Notes where the key's value is from, such as "command line". ASSENT_NOMEM.
int config_note(struct config *c, const struct config_key *key, const char *from,
                assent_error *error);
const char *config_from(const struct config *c, const struct config_key *key);
// Empties a list, so that what is set next replaces it; nothing for other types.
void config_clear_list(struct config *c, const struct config_key *key);
// Applies a ZPL file. ASSENT_CONFIG, with "file:line: key: what is wrong"; ASSENT_NOMEM.
int config_load(struct config *c, const char *path, assent_error *error);
// What keys demand of each other. ASSENT_CONFIG.
int config_check(const struct config *c, assent_error *error);
// Fills in what depends on the machine: data directory and endpoint, where they were left open.
int config_resolve(struct config *c, assent_error *error);

// Value of a key as text; the items of a list are separated by spaces.
void config_text(const struct config *c, const struct config_key *key, struct buf *ret);
bool config_same(const struct config *a, const struct config *b, const struct config_key *key);
// Exchanges the values of one key, and where they are from.
void config_swap(struct config *a, struct config *b, const struct config_key *key);

// The whole configuration with comments, as a file that config_load takes.
void config_print(const struct config *c, FILE *out);
// The table of docs/configuration.md.
void config_print_markdown(FILE *out);

#endif
