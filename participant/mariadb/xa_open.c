// SPDX-License-Identifier: Apache-2.0
// The switch: opening and closing, the list of what is prepared, and the table itself.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "xa_mariadb.h"

int switch_refuse(struct opened *opened, int code, const char *format, ...)
{
    va_list more;
    va_start(more, format);
    vsnprintf(opened->reason, sizeof opened->reason, format, more);
    va_end(more);
    return code;
}

int switch_refuse_error(struct opened *opened, int code, const assent_error *error)
{
    return switch_refuse(opened, code, "%s", error->message);
}

int switch_refuse_xid(struct opened *opened)
{
    assent_error error = {0};
    char text[ASSENT_MARIADB_XID_MAX];
    assent_mariadb_xid_text(NULL, text, &error); // says what one is
    return switch_refuse_error(opened, XAER_INVAL, &error);
}

struct opened *switch_enter(int rmid, long flags, int *ret_code)
{
    struct opened *opened = opened_of(rmid, false);
    *ret_code = XAER_PROTO;
    if (!opened)
        return NULL;
    opened->reason[0] = '\0';
    if (!opened->manager) {
        switch_refuse(opened, XAER_PROTO, "MariaDB: this thread has not opened rmid %d", rmid);
        return NULL;
    }
    if (flags & TMASYNC) {
        *ret_code = switch_refuse(opened, XAER_ASYNC, "MariaDB: there is no asynchronous XA");
        return NULL;
    }
    return opened;
}

// XAER_INVAL: the string; XAER_RMFAIL: not now; XAER_RMERR: not with this server.
static int open_code(int code)
{
    switch (code) {
    case ASSENT_INVALID: return XAER_INVAL;
    case ASSENT_UNAVAILABLE:
    case ASSENT_BUSY: return XAER_RMFAIL;
    default: return XAER_RMERR;
    }
}

static int switch_open(char *info, int rmid, long flags)
{
    assent_error error = {0};
    if (flags & TMASYNC)
        return XAER_ASYNC;
    struct opened *opened = opened_of(rmid, true);
    if (!opened)
        return XAER_RMERR;
    opened->reason[0] = '\0';
    if (!info || strnlen(info, MAXINFOSIZE) == MAXINFOSIZE)
        return switch_refuse(opened, XAER_INVAL,
                             "MariaDB: an open string has at most %d characters", MAXINFOSIZE - 1);
    if (opened->manager)
        return strcmp(opened->manager->info, info) == 0
                   ? XA_OK
                   : switch_refuse(opened, XAER_INVAL,
                                   "MariaDB: rmid %d is open with another string", rmid);
    int code = manager_open(opened, info, &error);
    return code ? switch_refuse_error(opened, open_code(code), &error) : XA_OK;
}

static int switch_close(char *info, int rmid, long flags)
{
    (void)info;
    if (flags & TMASYNC)
        return XAER_ASYNC;
    struct opened *opened = opened_of(rmid, false);
    if (!opened || !opened->manager)
        return XA_OK;
    opened->reason[0] = '\0';
    if (opened->current)
        return switch_refuse(opened, XAER_PROTO, "MariaDB: xa_end comes first");
    manager_close(opened);
    return XA_OK;
}

// ---- what is prepared ----

static int scan_begin(struct opened *opened)
{
    struct sql_session *session;
    assent_error error = {0};
    unsigned number;
    xids_free(&opened->scan);
    opened->scan_at = 0;
    int code = pool_run(opened->manager, "DO 1", &session, &number, &error); // one that lives
    if (code)
        return switch_refuse_error(opened, XAER_RMFAIL, &error);
    number = xids_recover(session->db, &opened->scan);
    if (number) {
        link_refuse(number, mysql_error(session->db), &error);
        pool_discard(session);
        return switch_refuse_error(opened, link_is_lost(number) ? XAER_RMFAIL : XAER_RMERR, &error);
    }
    pool_give(opened->manager, session);
    opened->scanning = true;
    return XA_OK;
}

static void scan_end(struct opened *opened)
{
    xids_free(&opened->scan);
    opened->scanning = false;
}

int switch_recover(XID *xids, long count, int rmid, long flags)
{
    int code;
    struct opened *opened = switch_enter(rmid, flags, &code);
    if (!opened)
        return code;
    if (count < 0 || (count && !xids) || (flags & ~(TMSTARTRSCAN | TMENDRSCAN)))
        return XAER_INVAL;
    code = flags & TMSTARTRSCAN ? scan_begin(opened) : XA_OK;
    if (code)
        return code;
    if (!opened->scanning)
        return switch_refuse(opened, XAER_INVAL, "MariaDB: xa_recover begins with TMSTARTRSCAN");
    size_t left = opened->scan.count - opened->scan_at;
    size_t given = left < (size_t)count ? left : (size_t)count;
    if (given)
        memcpy(xids, opened->scan.list + opened->scan_at, given * sizeof *xids);
    opened->scan_at += given;
    if (flags & TMENDRSCAN)
        scan_end(opened);
    return (int)given;
}

// MariaDB decides nothing by itself, so there is no heuristic to be forgotten.
static int switch_forget(XID *xid, int rmid, long flags)
{
    int code;
    (void)xid;
    return switch_enter(rmid, flags, &code) ? XAER_NOTA : code;
}

static int switch_complete(int *handle, int *retval, int rmid, long flags)
{
    int code;
    (void)handle, (void)retval;
    return switch_enter(rmid, flags, &code) ? XAER_PROTO : code; // nothing is asynchronous
}

struct xa_switch_t assent_mariadb_xa = {
    .name = "assent-mariadb",
    .flags = TMNOMIGRATE,
    .version = 0,
    .xa_open_entry = switch_open,
    .xa_close_entry = switch_close,
    .xa_start_entry = switch_start,
    .xa_end_entry = switch_end,
    .xa_rollback_entry = switch_rollback,
    .xa_prepare_entry = switch_prepare,
    .xa_commit_entry = switch_commit,
    .xa_recover_entry = switch_recover,
    .xa_forget_entry = switch_forget,
    .xa_complete_entry = switch_complete,
};

MYSQL *assent_mariadb_connection(int rmid)
{
    struct sql_session *session = pool_session_of_thread(rmid);
    return session ? session->db : NULL;
}

const char *assent_mariadb_reason(int rmid)
{
    struct opened *opened = opened_of(rmid, false);
    return opened ? opened->reason : "";
}
