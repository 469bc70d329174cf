// SPDX-License-Identifier: Apache-2.0
// Drives the XA switch for MariaDB by lines of its standard input, each thread of control on its
// own: "THREAD VERB [WORD...]". For each line one of output: the code, a tab, and what there is to
// say. A line that begins with '&' is not waited for; "THREAD wait" is answered by what it gave.
//
//     open STRING | close | start XID FLAGS | end XID FLAGS | prepare XID | commit XID FLAGS
//     rollback XID | recover | forget XID | sql TEXT | connection | exit
//
// XID: gtrid/bqual (formatID 1095978580). FLAGS: a number, hexadecimal.
#include <mysql.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/mariadb.h"
#include "assent/xa_manager.h"

enum { THREADS = 16, LINE = 1024, RMID = 7 };

struct thread {
    char name[16], line[LINE], said[LINE];
    bool asked, done, used;
    pthread_t handle;
    pthread_mutex_t lock;
    pthread_cond_t changed;
};

static XID xid_of(const char *text)
{
    XID xid = {.formatID = ASSENT_XA_FORMAT};
    const char *slash = strchr(text, '/');
    xid.gtrid_length = slash ? slash - text : (long)strlen(text);
    memcpy(xid.data, text, (size_t)xid.gtrid_length);
    if (slash) {
        xid.bqual_length = (long)strlen(slash + 1);
        memcpy(xid.data + xid.gtrid_length, slash + 1, (size_t)xid.bqual_length);
    }
    return xid;
}

static void list(int count, const XID *xids, char *ret)
{
    for (int i = 0; i < count; i++) {
        char text[ASSENT_MARIADB_XID_MAX];
        if (!assent_mariadb_xid_text(&xids[i], text, NULL))
            snprintf(ret + strlen(ret), LINE - strlen(ret), "%s%s", i ? " " : "", text);
    }
}

static int recover(char *ret)
{
    XID xids[2];
    int total = 0;
    long flags = TMSTARTRSCAN;
    for (int count = 2; count == 2; flags = TMNOFLAGS) { // two at a time
        count = assent_mariadb_xa.xa_recover_entry(xids, 2, RMID, flags);
        if (count < 0)
            return count;
        if (total && count)
            strcat(ret, " ");
        list(count, xids, ret);
        total += count;
    }
    int more = assent_mariadb_xa.xa_recover_entry(xids, 0, RMID, TMENDRSCAN);
    return more < 0 ? more : total;
}

static int query(const char *sql, char *ret)
{
    MYSQL *db = assent_mariadb_connection(RMID);
    if (!db)
        return -1;
    if (mysql_query(db, sql)) {
        snprintf(ret, LINE, "%s", mysql_error(db));
        return (int)mysql_errno(db);
    }
    MYSQL_RES *rows = mysql_store_result(db);
    MYSQL_ROW row = rows ? mysql_fetch_row(rows) : NULL;
    snprintf(ret, LINE, "%s", row && row[0] ? row[0] : "");
    mysql_free_result(rows);
    return (int)mysql_errno(db);
}

static int branch_call(const char *verb, const char *rest)
{
    char name[160] = "";
    unsigned long flags = 0;
    const struct xa_switch_t *xa = &assent_mariadb_xa;
    sscanf(rest, "%159s %lx", name, &flags);
    XID xid = xid_of(name);
    return strcmp(verb, "start") == 0      ? xa->xa_start_entry(&xid, RMID, (long)flags)
           : strcmp(verb, "end") == 0      ? xa->xa_end_entry(&xid, RMID, (long)flags)
           : strcmp(verb, "prepare") == 0  ? xa->xa_prepare_entry(&xid, RMID, (long)flags)
           : strcmp(verb, "commit") == 0   ? xa->xa_commit_entry(&xid, RMID, (long)flags)
           : strcmp(verb, "rollback") == 0 ? xa->xa_rollback_entry(&xid, RMID, (long)flags)
           : strcmp(verb, "forget") == 0   ? xa->xa_forget_entry(&xid, RMID, (long)flags)
                                           : -99;
}

static int call(const char *verb, char *rest, char *ret)
{
    if (strcmp(verb, "recover") == 0)
        return recover(ret);
    if (strcmp(verb, "sql") == 0)
        return query(rest, ret);
    if (strcmp(verb, "connection") == 0) {
        MYSQL *db = assent_mariadb_connection(RMID);
        return db ? (int)mysql_thread_id(db) : 0;
    }
    int code = strcmp(verb, "open") == 0 ? assent_mariadb_xa.xa_open_entry(rest, RMID, TMNOFLAGS)
               : strcmp(verb, "close") == 0
                   ? assent_mariadb_xa.xa_close_entry(rest, RMID, TMNOFLAGS)
                   : branch_call(verb, rest);
    snprintf(ret, LINE, "%s", assent_mariadb_reason(RMID));
    return code;
}

static void *live(void *arg)
{
    struct thread *t = arg;
    for (bool on = true; on;) {
        char verb[16] = "", said[LINE] = "", answer[LINE + 32];
        pthread_mutex_lock(&t->lock);
        while (!t->asked)
            pthread_cond_wait(&t->changed, &t->lock);
        pthread_mutex_unlock(&t->lock);
        int at = 0;
        sscanf(t->line, "%15s %n", verb, &at);
        on = strcmp(verb, "exit") != 0;
        int code = on ? call(verb, t->line + at, said) : 0;
        snprintf(answer, sizeof answer, "%d\t%s", code, said);
        pthread_mutex_lock(&t->lock);
        snprintf(t->said, LINE, "%s", answer);
        t->asked = false;
        t->done = true;
        pthread_cond_broadcast(&t->changed);
        pthread_mutex_unlock(&t->lock);
    }
    return NULL;
}

static struct thread *thread_of(const char *name)
{
    static struct thread threads[THREADS];
    struct thread *t = NULL;
    for (int i = 0; i < THREADS; i++) {
        if (threads[i].used && strcmp(threads[i].name, name) == 0)
            return &threads[i];
        if (!threads[i].used)
            t = &threads[i];
    }
    if (t) {
        t->used = true;
        snprintf(t->name, sizeof t->name, "%s", name);
        t->asked = t->done = false;
        pthread_mutex_init(&t->lock, NULL);
        pthread_cond_init(&t->changed, NULL);
        pthread_create(&t->handle, NULL, live, t);
    }
    return t;
}

static void answer(struct thread *t)
{
    pthread_mutex_lock(&t->lock);
    while (!t->done)
        pthread_cond_wait(&t->changed, &t->lock);
    pthread_mutex_unlock(&t->lock);
    puts(t->said);
    fflush(stdout);
}

int main(void)
{
    char line[LINE], name[16];
    while (fgets(line, sizeof line, stdin)) {
        int at = 0;
        bool later = line[0] == '&';
        line[strcspn(line, "\n")] = '\0';
        if (sscanf(line + later, "%15s %n", name, &at) != 1)
            continue;
        struct thread *t = thread_of(name);
        if (!t)
            return 1;
        const char *rest = line + later + at;
        if (strcmp(rest, "wait") != 0) {
            pthread_mutex_lock(&t->lock);
            snprintf(t->line, LINE, "%s", rest);
            t->asked = true;
            t->done = false;
            pthread_cond_broadcast(&t->changed);
            pthread_mutex_unlock(&t->lock);
        }
        if (!later)
            answer(t);
        if (strcmp(rest, "exit") == 0) {
            pthread_join(t->handle, NULL);
            t->used = false;
        }
    }
    return 0;
}
