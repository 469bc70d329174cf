// SPDX-License-Identifier: Apache-2.0
// Making, opening and closing a ledger.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "ledger_internal.h"

static int fail(assent_error *error, int code, const char *dir, const char *message)
{
    if (error) {
        error->code = code;
        snprintf(error->message, sizeof error->message, "ledger %s: %s", dir, message);
    }
    return code;
}

static struct ledger *ledger_new(bool history)
{
    struct ledger *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->history = history;
    l->options = leveldb_options_create();
    leveldb_options_set_paranoid_checks(l->options, 1);
    leveldb_options_set_compression(l->options, leveldb_no_compression);
    l->synced = leveldb_writeoptions_create();
    leveldb_writeoptions_set_sync(l->synced, 1);
    l->reading = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(l->reading, 1);
    l->pending = leveldb_writebatch_create();
    l->pending_number = 1;
    pthread_mutex_init(&l->lock, NULL);
    pthread_cond_init(&l->written_changed, NULL);
    return l;
}

void ledger_close(struct ledger **ledger_p)
{
    struct ledger *l = *ledger_p;
    if (!l)
        return;
    *ledger_p = NULL;
    if (l->db)
        leveldb_close(l->db);
    while (l->work) {
        struct work *work = l->work;
        l->work = work->next;
        free(work);
    }
    leveldb_writebatch_destroy(l->pending);
    leveldb_readoptions_destroy(l->reading);
    leveldb_writeoptions_destroy(l->synced);
    leveldb_options_destroy(l->options);
    pthread_cond_destroy(&l->written_changed);
    pthread_mutex_destroy(&l->lock);
    free(l->accounts);
    free(l);
}

static int ledger_open_db(struct ledger *l, const char *dir, assent_error *error)
{
    char path[4096], *message = NULL;
    snprintf(path, sizeof path, "%s/ledger", dir);
    l->db = leveldb_open(l->options, path, &message);
    if (l->db)
        return ASSENT_OK;
    int code = fail(error, strstr(message, "lock ") ? ASSENT_LOCKED : ASSENT_IO, dir, message);
    leveldb_free(message);
    return code;
}

int ledger_create(const char *dir, const char *name, uint64_t accounts, int64_t balance,
                  assent_error *error)
{
    if (mkdir(dir, 0700) != 0 && errno != EEXIST)
        return fail(error, ASSENT_IO, dir, strerror(errno));
    struct ledger *l = ledger_new(false);
    if (!l)
        return fail(error, ASSENT_NOMEM, dir, "out of memory");
    leveldb_options_set_create_if_missing(l->options, 1);
    leveldb_options_set_error_if_exists(l->options, 1);
    int code = ledger_open_db(l, dir, error);
    if (code)
        goto close;
    char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
    pthread_mutex_lock(&l->lock);
    for (uint64_t i = 0; i < accounts; i++) {
        snprintf(key, sizeof key, "a/%010" PRIu64, i);
        snprintf(value, sizeof value, "%" PRId64 " %" PRId64, balance, balance);
        group_put(l, key, value);
        if (i % 10000 == 9999)
            group_wait(l);
    }
    group_put(l, "m/name", name);
    snprintf(value, sizeof value, "%" PRIu64, accounts);
    group_put(l, "m/accounts", value);
    group_put(l, "m/cash", "0");
    // Last, and alone: a ledger without it was not finished, and is not opened.
    if (group_wait(l)) {
        snprintf(value, sizeof value, "%" PRId64, 2 * balance * (int64_t)accounts);
        group_put(l, "m/loaded", value);
    }
    bool written = group_wait(l);
    pthread_mutex_unlock(&l->lock);
    if (!written)
        code = fail(error, ASSENT_IO, dir, "cannot write");
close:
    ledger_close(&l);
    return code;
}

static int load_meta(struct ledger *l, const char *dir, assent_error *error)
{
    char value[LEDGER_VALUE_MAX];
    if (!ledger_get(l, "m/loaded", value))
        return fail(error, ASSENT_STATE, dir, "not loaded completely: remove it and load again");
    l->loaded = strtoll(value, NULL, 10);
    if (ledger_get(l, "m/cash", value))
        l->cash = strtoll(value, NULL, 10);
    if (ledger_get(l, "m/accounts", value))
        l->account_count = strtoull(value, NULL, 10);
    if (ledger_get(l, "m/name", value))
        snprintf(l->name, sizeof l->name, "%.*s", LEDGER_NAME_MAX, value);
    l->accounts = calloc(l->account_count + 1, sizeof *l->accounts);
    return l->accounts ? ASSENT_OK : fail(error, ASSENT_NOMEM, dir, "out of memory");
}

static bool load_account(struct ledger *l, const char *key, const char *value)
{
    uint64_t number = strtoull(key + 2, NULL, 10);
    if (number >= l->account_count)
        return false;
    struct account *a = &l->accounts[number];
    return sscanf(value, "%" SCNd64 " %" SCNd64, &a->checking, &a->savings) == 2;
}

static bool load_prepared(struct ledger *l, const char *value)
{
    struct change change;
    if (!change_parse(value, &change) || change.account >= l->account_count)
        return false;
    hold(l, &change, 1);
    l->prepared++;
    return true;
}

static int load_all(struct ledger *l, const char *dir, assent_error *error)
{
    int code = ASSENT_OK;
    leveldb_iterator_t *it = leveldb_create_iterator(l->db, l->reading);
    for (leveldb_iter_seek_to_first(it); leveldb_iter_valid(it) && !code; leveldb_iter_next(it)) {
        size_t key_size, value_size;
        const char *key_data = leveldb_iter_key(it, &key_size);
        const char *value_data = leveldb_iter_value(it, &value_size);
        char key[LEDGER_KEY_MAX], value[LEDGER_VALUE_MAX];
        snprintf(key, sizeof key, "%.*s", (int)key_size, key_data);
        snprintf(value, sizeof value, "%.*s", (int)value_size, value_data);
        bool good = true;
        if (key[0] == 'a')
            good = load_account(l, key, value);
        else if (key[0] == 'p')
            good = load_prepared(l, value);
        if (!good)
            code = fail(error, ASSENT_CORRUPT, dir, key);
    }
    char *message = NULL;
    leveldb_iter_get_error(it, &message);
    if (message) {
        code = fail(error, ASSENT_CORRUPT, dir, message);
        leveldb_free(message);
    }
    leveldb_iter_destroy(it);
    return code;
}

int ledger_open(const char *dir, bool history, struct ledger **ret, assent_error *error)
{
    struct ledger *l = ledger_new(history);
    if (!l)
        return fail(error, ASSENT_NOMEM, dir, "out of memory");
    int code = ledger_open_db(l, dir, error);
    if (!code)
        code = load_meta(l, dir, error);
    if (!code)
        code = load_all(l, dir, error);
    if (code) {
        ledger_close(&l);
        return code;
    }
    *ret = l;
    return ASSENT_OK;
}
