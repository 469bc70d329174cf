// SPDX-License-Identifier: Apache-2.0
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "barrier_leveldb_internal.h"

static const char horizon_name[] = "horizon"; // no key of a branch: those have slashes

int barrier_leveldb_refuse(char *message, assent_error *error)
{
    bool corrupt = strncmp(message, "Corruption", strlen("Corruption")) == 0;
    int code =
        error_set(error, corrupt ? ASSENT_CORRUPT : ASSENT_IO, "barrier: LevelDB: %s", message);
    leveldb_free(message);
    return code;
}

static size_t key_make(const assent_barrier_leveldb *b, const char *rest,
                       char key[BARRIER_KEY_BYTES])
{
    memcpy(key, b->prefix, b->prefix_bytes);
    int size = snprintf(key + b->prefix_bytes, BARRIER_KEY_BYTES - b->prefix_bytes, "%s", rest);
    return b->prefix_bytes + (size_t)size;
}

static size_t row_key(const assent_barrier_turn *turn, assent_barrier_operation operation,
                      char key[BARRIER_KEY_BYTES])
{
    char rest[BARRIER_KEY_BYTES - LIMIT_BARRIER_PREFIX_BYTES];
    snprintf(rest, sizeof rest, "%.*s/%u/%s", turn->gtid.size, turn->gtid.text, turn->branch,
             assent_barrier_operation_text(operation));
    return key_make(turn->barrier, rest, key);
}

static int value_refuse(const char *key, size_t key_bytes, assent_error *error)
{
    return error_set(error, ASSENT_CORRUPT, "barrier: the value under '%.*s' is not the barrier's",
                     (int)key_bytes, key);
}

static bool state_of(const char *value, size_t size, enum barrier_state *ret)
{
    bool done = size >= 1 && size <= BARRIER_VALUE_BYTES && value[0] == BARRIER_VALUE_DONE;
    bool fenced = size == 1 && value[0] == BARRIER_VALUE_FENCED;
    *ret = done ? BARRIER_DONE : BARRIER_FENCED;
    return done || fenced;
}

// *ret_answer (may be NULL) is filled in when there is such a row.
static int row_read(const assent_barrier_turn *turn, assent_barrier_operation operation,
                    const leveldb_readoptions_t *how, enum barrier_state *ret,
                    assent_barrier_entry *ret_answer, assent_error *error)
{
    char key[BARRIER_KEY_BYTES], *message = NULL;
    size_t key_bytes = row_key(turn, operation, key), size;
    char *value = leveldb_get(turn->barrier->db, how, key, key_bytes, &size, &message);
    if (message)
        return barrier_leveldb_refuse(message, error);
    int code = ASSENT_OK;
    if (!value)
        *ret = BARRIER_ABSENT;
    else if (!state_of(value, size, ret))
        code = value_refuse(key, key_bytes, error);
    else if (ret_answer) {
        ret_answer->answer_bytes = size - 1;
        memcpy(ret_answer->answer, value + 1, size - 1);
    }
    leveldb_free(value);
    return code;
}

static bool horizon_parse(const char *value, size_t size, uint64_t *ret)
{
    char text[24], again[24];
    if (size == 0 || size >= sizeof text)
        return false;
    memcpy(text, value, size);
    text[size] = '\0';
    *ret = strtoull(text, NULL, 10);
    snprintf(again, sizeof again, "%" PRIu64, *ret);
    return strcmp(text, again) == 0;
}

static int horizon_read(const assent_barrier_leveldb *b, const leveldb_readoptions_t *how,
                        uint64_t *ret, assent_error *error)
{
    char key[BARRIER_KEY_BYTES], *message = NULL;
    size_t key_bytes = key_make(b, horizon_name, key), size;
    uint64_t horizon_ms = 0;
    char *value = leveldb_get(b->db, how, key, key_bytes, &size, &message);
    if (message)
        return barrier_leveldb_refuse(message, error);
    int code = ASSENT_OK;
    if (value && !horizon_parse(value, size, &horizon_ms))
        code = value_refuse(key, key_bytes, error);
    leveldb_free(value);
    if (!code)
        *ret = horizon_ms;
    return code;
}

// Of one moment: with a fence that is gone already the horizon has to be seen that it went behind.
int barrier_rows_read(const assent_barrier_turn *turn, struct barrier_rows *ret,
                      assent_error *error)
{
    const assent_barrier_leveldb *b = turn->barrier;
    const leveldb_snapshot_t *moment = leveldb_create_snapshot(b->db);
    leveldb_readoptions_t *how = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(how, 1);
    leveldb_readoptions_set_snapshot(how, moment);
    int code = horizon_read(b, how, &ret->horizon_ms, error);
    // One by one, not by a walk: whatever order the database's keys are in, none is missed.
    for (int i = ASSENT_BARRIER_TRY; i < BARRIER_OPERATIONS && !code; i++)
        code = row_read(turn, (assent_barrier_operation)i, how, &ret->of[i], NULL, error);
    leveldb_readoptions_destroy(how);
    leveldb_release_snapshot(b->db, moment);
    return code;
}

int barrier_answer_read(const assent_barrier_turn *turn, assent_barrier_operation operation,
                        assent_barrier_entry *ret, assent_error *error)
{
    enum barrier_state state;
    leveldb_readoptions_t *how = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(how, 1);
    int code = row_read(turn, operation, how, &state, ret, error);
    leveldb_readoptions_destroy(how);
    return code;
}

void barrier_row_put(const assent_barrier_turn *turn, assent_barrier_operation operation,
                     size_t value_bytes, leveldb_writebatch_t *batch)
{
    char key[BARRIER_KEY_BYTES];
    size_t key_bytes = row_key(turn, operation, key);
    leveldb_writebatch_put(batch, key, key_bytes, turn->value, value_bytes);
}

void barrier_row_delete(const assent_barrier_turn *turn, assent_barrier_operation operation,
                        leveldb_writebatch_t *batch)
{
    char key[BARRIER_KEY_BYTES];
    size_t key_bytes = row_key(turn, operation, key);
    leveldb_writebatch_delete(batch, key, key_bytes);
}

int barrier_horizon_put(const assent_barrier_leveldb *b, uint64_t horizon_ms,
                        leveldb_writebatch_t *batch, assent_error *error)
{
    char key[BARRIER_KEY_BYTES], value[24];
    uint64_t standing_ms = 0;
    leveldb_readoptions_t *how = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(how, 1);
    int code = horizon_read(b, how, &standing_ms, error);
    leveldb_readoptions_destroy(how);
    if (code)
        return code;
    size_t key_bytes = key_make(b, horizon_name, key);
    int size = snprintf(value, sizeof value, "%" PRIu64,
                        horizon_ms > standing_ms ? horizon_ms : standing_ms);
    leveldb_writebatch_put(batch, key, key_bytes, value, (size_t)size);
    return ASSENT_OK;
}

// ---- the walk over fences ----

struct barrier_fences {
    const assent_barrier_leveldb *barrier;
    leveldb_readoptions_t *how;
    leveldb_iterator_t *at;
};

struct barrier_fences *barrier_fences_new(const assent_barrier_leveldb *b)
{
    struct barrier_fences *fences = calloc(1, sizeof *fences);
    if (!fences)
        return NULL;
    fences->barrier = b;
    fences->how = leveldb_readoptions_create();
    leveldb_readoptions_set_verify_checksums(fences->how, 1);
    leveldb_readoptions_set_fill_cache(fences->how, 0);
    fences->at = leveldb_create_iterator(b->db, fences->how);
    leveldb_iter_seek(fences->at, b->prefix, b->prefix_bytes);
    return fences;
}

void barrier_fences_destroy(struct barrier_fences **fences_p)
{
    if (!*fences_p)
        return;
    leveldb_iter_destroy((*fences_p)->at);
    leveldb_readoptions_destroy((*fences_p)->how);
    free(*fences_p);
    *fences_p = NULL;
}

// Whether "<gtid>/<branch>/<operation>" is the name of a row that may be a fence behind the
// horizon.
static bool is_behind(struct slice rest, uint64_t horizon_ms)
{
    const char *text = rest.data;
    const char *first = memchr(text, '/', rest.size);
    const char *last =
        first ? memchr(first + 1, '/', rest.size - (size_t)(first + 1 - text)) : NULL;
    struct gtid gtid;
    if (!last || !gtid_from(slice_of(text, (size_t)(first - text)), &gtid))
        return false;
    struct slice name = slice_of(last + 1, rest.size - (size_t)(last + 1 - text));
    uint64_t lease_ms = barrier_lease_ms(&gtid);
    return barrier_is_fenceable(barrier_operation_of(name)) && lease_ms && lease_ms < horizon_ms;
}

int barrier_fences_next(struct barrier_fences *fences, uint64_t horizon_ms, uint64_t most,
                        leveldb_writebatch_t *batch, uint64_t *ret, assent_error *error)
{
    if (!fences)
        return error_set(error, ASSENT_NOMEM, "barrier: out of memory");
    struct slice prefix = slice_of(fences->barrier->prefix, fences->barrier->prefix_bytes);
    uint64_t found = 0;
    for (; found < most && leveldb_iter_valid(fences->at); leveldb_iter_next(fences->at)) {
        size_t key_bytes, value_bytes;
        const char *key = leveldb_iter_key(fences->at, &key_bytes);
        const char *value = leveldb_iter_value(fences->at, &value_bytes);
        if (key_bytes < prefix.size || !slice_equal(slice_of(key, prefix.size), prefix))
            break;
        struct slice rest = slice_of(key + prefix.size, key_bytes - prefix.size);
        // Once a fence, it is one until it is removed, so it does not matter that this is a look at
        // the past.
        if (value_bytes == 1 && value[0] == BARRIER_VALUE_FENCED && is_behind(rest, horizon_ms)) {
            leveldb_writebatch_delete(batch, key, key_bytes);
            found++;
        }
    }
    char *message = NULL;
    leveldb_iter_get_error(fences->at, &message);
    if (message)
        return barrier_leveldb_refuse(message, error);
    *ret = found;
    return ASSENT_OK;
}
