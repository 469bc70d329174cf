// SPDX-License-Identifier: Apache-2.0
// Connections that were lost while they prepared a branch, whoever has its rmid open by now. The
// last so many: who comes later than that finds no connection of then at the server.
#include <stdio.h>

#include "base/error.h"
#include "pool.h"

enum { LOSSES = 256 };

static struct loss {
    int rmid;
    XID xid;
    unsigned long id; // of the connection; 0: none
    long long connected_ms;
} losses[LOSSES];
static unsigned next;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

void losses_add(struct manager *manager, const struct branch *branch)
{
    pthread_mutex_lock(&lock);
    losses[next++ % LOSSES] = (struct loss){manager->rmid, branch->xid, branch->session->id,
                                            branch->session->connected_ms};
    pthread_mutex_unlock(&lock);
}

static struct loss *find(int rmid, const XID *xid)
{
    for (unsigned i = 0; i < LOSSES; i++)
        if (losses[i].id && losses[i].rmid == rmid && xids_equal(&losses[i].xid, xid))
            return &losses[i];
    return NULL;
}

static bool look_up(int rmid, const XID *xid, struct loss *ret)
{
    pthread_mutex_lock(&lock);
    const struct loss *loss = find(rmid, xid);
    if (loss)
        *ret = *loss;
    pthread_mutex_unlock(&lock);
    return loss != NULL;
}

static void settle(const struct loss *settled)
{
    pthread_mutex_lock(&lock);
    struct loss *loss = find(settled->rmid, &settled->xid);
    if (loss && loss->id == settled->id)
        loss->id = 0;
    pthread_mutex_unlock(&lock);
}

// A user sees the connections of that user. Of a server that was started since, the number may be
// another connection's.
static unsigned ask(MYSQL *db, const struct loss *loss, long long *ret_open)
{
    char sql[320];
    snprintf(sql, sizeof sql,
             "SELECT COUNT(*) FROM information_schema.PROCESSLIST p, "
             "information_schema.GLOBAL_STATUS s WHERE p.ID = %lu AND s.VARIABLE_NAME = 'UPTIME' "
             "AND CAST(s.VARIABLE_VALUE AS UNSIGNED) + 2 >= %lld",
             loss->id, (pool_now_ms() - loss->connected_ms) / 1000);
    return link_numbers(db, sql, ret_open, 1);
}

int losses_check(struct manager *manager, const XID *xid, assent_error *error)
{
    struct loss loss;
    struct sql_session *session;
    unsigned number;
    long long open;
    if (!look_up(manager->rmid, xid, &loss))
        return ASSENT_OK;
    int code = pool_run(manager, "DO 1", &session, &number, error); // a connection that lives
    if (code)
        return code;
    number = ask(session->db, &loss, &open);
    if (number)
        code = link_refuse(number, mysql_error(session->db), error);
    else if (open)
        code = error_set(error, ASSENT_BUSY,
                         "MariaDB: connection %lu, lost while it prepared this branch, is still "
                         "open at the server",
                         loss.id);
    else
        settle(&loss);
    if (number)
        pool_discard(session);
    else
        pool_give(manager, session);
    return code;
}
