// SPDX-License-Identifier: Apache-2.0
// A disk for one core: what it wrote becomes durable in order and when told to, and a crash loses
// the rest. Every record passes through the codec, as it would in earnest.
#ifndef FUZZ_FAKE_LOG_H
#define FUZZ_FAKE_LOG_H

#include "core/step.h"
#include "wire/record_codec.h"

enum { FAKE_LOG_ENTRIES = 64, FAKE_LOG_WRITES = 256 };

struct fake_entry {
    char key[RECORD_KEY_BYTES]; // "" where free
    uint8_t *bytes;             // owned
    size_t size;
    bool decided, open;
    uint64_t stamp;
};

struct fake_write {
    struct fake_entry entry;
    token_t token;
    bool decide, forget;
};

struct fake_log {
    struct fake_entry entries[FAKE_LOG_ENTRIES]; // durable, one a key
    struct fake_write writes[FAKE_LOG_WRITES];   // not durable yet, oldest first
    unsigned write_count;
    uint64_t head_seq;
    uint64_t horizon;
};

void fake_log_free(struct fake_log *log);
void fake_log_crash(struct fake_log *log); // loses what is not durable
// Takes a WRITE effect over.
void fake_log_write(struct fake_log *log, const struct effect_write *write);
// Makes the oldest write durable. *ret_stands: the decision that stood already; NULL: none.
// False when nothing is waiting.
bool fake_log_sync(struct fake_log *log, token_t *ret_token, const struct fake_entry **ret_stands);
const struct fake_entry *fake_log_find(const struct fake_log *log, const char *key);
// Raises the horizon to one stamp past the oldest closed record and drops what is below it.
// *ret_key: one that went; false when there was none.
bool fake_log_collect(struct fake_log *log, uint64_t below, char ret_key[RECORD_KEY_BYTES]);

// The record of an entry. Good until the next call.
const struct tx_record *fake_log_tx(const struct fake_entry *entry);
const struct branch_record *fake_log_branch(const struct fake_entry *entry);

#endif
