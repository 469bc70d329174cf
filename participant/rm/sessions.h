// SPDX-License-Identifier: Apache-2.0
// A database session for each thread that asks for one, for local transactions; made when it is
// first asked for.
#ifndef RM_SESSIONS_H
#define RM_SESSIONS_H

#include <pthread.h>

#include "sql/sql_driver.h"

struct sessions {
    const struct sql_driver *driver;
    const char *where; // borrowed
    pthread_key_t mine;
    pthread_mutex_t lock; // of `all`
    struct session *all;
};

int sessions_init(struct sessions *self, const struct sql_driver *driver, const char *where,
                  assent_error *error);
// The calling thread's. ASSENT_UNAVAILABLE: not now. Errors as the driver's `connect`. Thread-safe.
int sessions_mine(struct sessions *self, struct sql_session **ret, assent_error *error);
// Closes them all, when no thread uses one any more.
void sessions_close(struct sessions *self);

#endif
