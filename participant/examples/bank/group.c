// SPDX-License-Identifier: Apache-2.0
// Group commit: one synced write for all changes that are waiting.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ledger_internal.h"

void group_put(struct ledger *l, const char *key, const char *value)
{
    leveldb_writebatch_put(l->pending, key, strlen(key), value, strlen(value));
}

void group_delete(struct ledger *l, const char *key)
{
    leveldb_writebatch_delete(l->pending, key, strlen(key));
}

static void group_write(struct ledger *l)
{
    leveldb_writebatch_t *batch = l->pending;
    uint64_t number = l->pending_number++;
    l->pending = leveldb_writebatch_create();
    l->writing = true;
    pthread_mutex_unlock(&l->lock);

    char *message = NULL;
    leveldb_write(l->db, l->synced, batch, &message);
    leveldb_writebatch_destroy(batch);

    pthread_mutex_lock(&l->lock);
    l->writing = false;
    if (message) {
        // Memory is ahead of the disk now, so nothing may be answered from it any more.
        fprintf(stderr, "ledger of %s: cannot write: %s\n", l->name, message);
        l->failed = true;
        leveldb_free(message);
    } else {
        l->written_number = number;
    }
    pthread_cond_broadcast(&l->written_changed);
}

bool group_wait(struct ledger *l)
{
    uint64_t mine = l->pending_number;
    while (l->written_number < mine && !l->failed) {
        if (l->writing)
            pthread_cond_wait(&l->written_changed, &l->lock);
        else
            group_write(l);
    }
    return !l->failed;
}

bool ledger_get(struct ledger *l, const char *key, char value[LEDGER_VALUE_MAX])
{
    size_t size;
    char *message = NULL;
    char *found = leveldb_get(l->db, l->reading, key, strlen(key), &size, &message);
    if (message) {
        fprintf(stderr, "ledger of %s: cannot read %s: %s\n", l->name, key, message);
        l->failed = true;
        leveldb_free(message);
        return false;
    }
    if (!found)
        return false;
    snprintf(value, LEDGER_VALUE_MAX, "%.*s", (int)size, found);
    leveldb_free(found);
    return true;
}
