// SPDX-License-Identifier: Apache-2.0
#include "sessions.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"

struct session {
    struct sql_session *sql;
    struct session *next;
};

int sessions_init(struct sessions *self, const struct sql_driver *driver, const char *where,
                  assent_error *error)
{
    *self = (struct sessions){.driver = driver, .where = where};
    int failed = pthread_key_create(&self->mine, NULL);
    if (failed)
        return error_set(error, ASSENT_NOMEM, "thread keys: %s", strerror(failed));
    pthread_mutex_init(&self->lock, NULL);
    return ASSENT_OK;
}

int sessions_mine(struct sessions *self, struct sql_session **ret, assent_error *error)
{
    struct session *session = pthread_getspecific(self->mine);
    if (!session) {
        session = calloc(1, sizeof *session);
        if (!session || pthread_setspecific(self->mine, session)) {
            free(session);
            return error_set(error, ASSENT_NOMEM, "out of memory");
        }
        pthread_mutex_lock(&self->lock);
        session->next = self->all;
        self->all = session;
        pthread_mutex_unlock(&self->lock);
    }
    if (!session->sql) {
        int code = self->driver->connect(self->where, &session->sql, error);
        if (code)
            return code;
    }
    *ret = session->sql;
    return ASSENT_OK;
}

void sessions_close(struct sessions *self)
{
    if (!self->driver)
        return;
    for (struct session *session = self->all, *next; session; session = next) {
        next = session->next;
        if (session->sql)
            self->driver->close(&session->sql);
        free(session);
    }
    pthread_key_delete(self->mine);
    pthread_mutex_destroy(&self->lock);
    *self = (struct sessions){0};
}
