// SPDX-License-Identifier: Apache-2.0
#include "fake_log.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/check.h"

static void entry_free(struct fake_entry *entry)
{
    free(entry->bytes);
    *entry = (struct fake_entry){0};
}

void fake_log_crash(struct fake_log *log)
{
    for (unsigned i = 0; i < log->write_count; i++)
        entry_free(&log->writes[i].entry);
    log->write_count = 0;
}

void fake_log_free(struct fake_log *log)
{
    fake_log_crash(log);
    for (unsigned i = 0; i < FAKE_LOG_ENTRIES; i++)
        entry_free(&log->entries[i]);
}

static void entry_key(struct fake_entry *entry, const struct effect_write *write)
{
    char storage[RECORD_KEY_BYTES];
    struct slice key =
        write->tx ? record_key_tx(&write->tx->gtid)
                  : record_key_branch(&write->branch->gtid, write->branch->branch, storage);
    CHECK(key.size > 0 && key.size < sizeof entry->key);
    memcpy(entry->key, key.data, key.size);
}

void fake_log_write(struct fake_log *log, const struct effect_write *write)
{
    CHECK(log->write_count < FAKE_LOG_WRITES);
    CHECK(!write->tx != !write->branch);
    struct fake_write *to = &log->writes[log->write_count++];
    *to = (struct fake_write){
        .token = write->token, .decide = write->decide, .forget = write->forget};
    entry_key(&to->entry, write);
    to->entry.open = write->open;
    to->entry.stamp = write->stamp;
    to->entry.decided = write->tx && tx_stage_decides(write->tx->stage);
    if (write->forget)
        return;
    struct buf bytes;
    buf_init(&bytes, LIMIT_RECORD_BYTES);
    CHECK((write->tx ? record_encode_tx(&bytes, write->tx)
                     : record_encode_branch(&bytes, write->branch)) == ASSENT_OK);
    to->entry.bytes = bytes.data;
    to->entry.size = bytes.size;
}

static struct fake_entry *entry_of(struct fake_log *log, const char *key)
{
    for (unsigned i = 0; i < FAKE_LOG_ENTRIES; i++)
        if (strcmp(log->entries[i].key, key) == 0)
            return &log->entries[i];
    return NULL;
}

const struct fake_entry *fake_log_find(const struct fake_log *log, const char *key)
{
    return entry_of((struct fake_log *)(uintptr_t)log, key);
}

bool fake_log_sync(struct fake_log *log, token_t *ret_token, const struct fake_entry **ret_stands)
{
    if (log->write_count == 0)
        return false;
    struct fake_write write = log->writes[0];
    log->write_count--;
    memmove(log->writes, log->writes + 1, log->write_count * sizeof log->writes[0]);
    struct fake_entry *entry = entry_of(log, write.entry.key);
    *ret_token = write.token;
    *ret_stands = NULL;
    log->head_seq++;
    if (write.decide && entry && entry->decided) {
        *ret_stands = entry;
        entry_free(&write.entry);
        return true;
    }
    if (!entry)
        entry = entry_of(log, "");
    CHECK(entry); // the harness uses fewer keys than there are places
    entry_free(entry);
    if (write.forget) {
        entry_free(&write.entry);
        return true;
    }
    *entry = write.entry;
    return true;
}

bool fake_log_collect(struct fake_log *log, uint64_t below, char ret_key[RECORD_KEY_BYTES])
{
    struct fake_entry *oldest = NULL;
    for (unsigned i = 0; i < FAKE_LOG_ENTRIES; i++) {
        struct fake_entry *entry = &log->entries[i];
        if (entry->key[0] && !entry->open && entry->stamp < below &&
            (!oldest || entry->stamp < oldest->stamp))
            oldest = entry;
    }
    if (!oldest)
        return false;
    if (oldest->stamp >= log->horizon)
        log->horizon = oldest->stamp + 1;
    snprintf(ret_key, RECORD_KEY_BYTES, "%s", oldest->key);
    entry_free(oldest);
    return true;
}

const struct tx_record *fake_log_tx(const struct fake_entry *entry)
{
    static struct tx_record_storage storage;
    static struct tx_record record;
    CHECK(record_decode_tx(slice_of(entry->bytes, entry->size), &storage, &record, NULL) ==
          ASSENT_OK);
    return &record;
}

const struct branch_record *fake_log_branch(const struct fake_entry *entry)
{
    static struct branch_record record;
    CHECK(record_decode_branch(slice_of(entry->bytes, entry->size), &record, NULL) == ASSENT_OK);
    return &record;
}
