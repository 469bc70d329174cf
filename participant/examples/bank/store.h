// SPDX-License-Identifier: Apache-2.0
// Where a bank keeps its accounts: in LevelDB (ledger.h, ledger_store.c), or in a database that
// speaks SQL (database.h). Which one, the bank's directory says: in the file "database" there is
// what --rm was told; without that file it is LevelDB.
#ifndef BANK_STORE_H
#define BANK_STORE_H

#include "assent/participant.h"
#include "totals.h"

enum { STORE_NAME_MAX = 64 }; // of a bank

struct bank_new {
    const char *name;
    uint64_t accounts; // 0 .. accounts - 1
    int64_t balance;   // cents in checking, and as much in savings
};

struct bank_store_type {
    const assent_handlers *handlers; // their context is `self`
    bool shared; // others can have it open at the same time; it may be away for a while

    // `address`: what --rm was told. Errors of both: ASSENT_STATE (there is a bank already; it is
    // not loaded), ASSENT_LOCKED, ASSENT_UNAVAILABLE (not now), and others.
    int (*create)(const char *dir, const char *address, const struct bank_new *bank,
                  assent_error *error);
    int (*open)(const char *dir, const char *address, bool history, void **ret_self,
                assent_error *error);
    void (*close)(void *self);

    const char *(*name)(const void *self);
    bool (*failed)(void *self); // nothing can be written any more: exit and start again
    int (*totals)(void *self, struct totals *ret, assent_error *error);
    int (*applied)(void *self, const char *gtid, unsigned branch, bool *ret, assent_error *error);

    // Of a bank that is served. The first, before the participant is opened, and the last, every
    // few seconds, may be NULL.
    int (*participate)(void *self, assent_error *error);
    // Takes all that an account has, under an enlisted branch.
    int (*drain)(void *self, const char *gtid, unsigned branch, uint64_t account,
                 int64_t *ret_amount, assent_error *error);
    void (*watch)(void *self, assent_participant *participant);
};

extern const struct bank_store_type ledger_store, database_store;

struct bank_store {
    const struct bank_store_type *type;
    void *self;
};

// `rm`: what --rm was told; it is written down in `dir`. NULL: as is written there.
int store_create(const char *dir, const char *rm, const struct bank_new *bank, assent_error *error);
int store_open(const char *dir, const char *rm, bool history, struct bank_store *ret,
               assent_error *error);
void store_close(struct bank_store *store);

#endif
