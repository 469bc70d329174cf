// SPDX-License-Identifier: Apache-2.0
// One transfer between a PostgreSQL and a MariaDB, done in two ways: by Assent, and by a client
// that does prepare and commit in both itself, with no coordinator and no log. The second is what
// the databases can do at best; a crash of it may leave one half.
#ifndef TRANSFER_TRANSFER_H
#define TRANSFER_TRANSFER_H

#include <stdbool.h>
#include <stdint.h>

enum { TRANSFER_ACCOUNTS = 10000 };

struct transfer_place {
    const char *postgres;                            // conninfo
    const char *socket, *user, *password, *database; // of MariaDB
};

// What one client thread has of its own.
struct transfer_way {
    void *(*open)(const struct transfer_place *place,
                  unsigned thread); // ends the process if it cannot
    // False: it did not happen (two that wait for each other, one at each database, end by
    // timeout).
    bool (*once)(void *self, unsigned account, int amount, uint64_t number);
    void (*close)(void *self);
};

extern const struct transfer_way transfer_plain;
extern const struct transfer_way transfer_assent; // the participants "pg" and "my"

// Says it on standard error and ends the process with 3.
_Noreturn void transfer_die(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
