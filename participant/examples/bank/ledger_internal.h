// SPDX-License-Identifier: Apache-2.0
#ifndef BANK_LEDGER_INTERNAL_H
#define BANK_LEDGER_INTERNAL_H

#include <leveldb/c.h>
#include <pthread.h>
#include <stddef.h>

#include "ledger.h"

// Keys, all text:  m/name  m/accounts  m/loaded  m/cash
//                  a/<account>               "<checking> <savings>"
//                  p/<branch id>             "<account> <checking> <savings> <cash>": prepared
//                  d/<gtid>/<branch>         "": applied (with history)
enum { LEDGER_KEY_MAX = 192, LEDGER_VALUE_MAX = 128 };

struct account {
    int64_t checking, savings;
    int64_t held_checking, held_savings; // set aside by prepared branches and open work
};

// What an application has done here under an enlisted branch that is not prepared yet.
struct work {
    struct work *next;
    char gtid[65];
    unsigned branch;
    struct change change;
};

struct ledger {
    leveldb_t *db;
    leveldb_options_t *options;
    leveldb_writeoptions_t *synced;
    leveldb_readoptions_t *reading;
    char name[LEDGER_NAME_MAX + 1];
    bool history;
    uint64_t account_count;

    pthread_mutex_t lock; // guards all that follows
    pthread_cond_t written_changed;
    struct account *accounts;
    struct work *work;
    int64_t loaded, cash;
    uint64_t prepared;
    bool failed;

    // Group commit: changes are added to `pending` in the order in which they are made in memory,
    // and whoever finds nobody writing writes all of it.
    leveldb_writebatch_t *pending;
    uint64_t pending_number, written_number;
    bool writing;
};

// With the lock held.
void group_put(struct ledger *l, const char *key, const char *value);
void group_delete(struct ledger *l, const char *key);
bool group_wait(struct ledger *l); // until all that was added so far is on disk; false: failed
bool ledger_get(struct ledger *l, const char *key, char value[LEDGER_VALUE_MAX]);

void hold(struct ledger *l, const struct change *change, int sign);
bool change_parse(const char *text, struct change *ret);

#endif
