// SPDX-License-Identifier: Apache-2.0
// Work that an application does in a database itself, in a branch that it has enlisted: here by the
// bank's counter for it. It is prepared before the answer is given; the participant then looks
// whether the database holds it.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "database.h"

typedef int entry(XID *xid, int rmid, long flags);

static const char lock_all[] =
    "SELECT CASE WHEN checking > 0 THEN checking ELSE 0 END + "
    "CASE WHEN savings > 0 THEN savings ELSE 0 END FROM accounts WHERE id = $1 FOR UPDATE NOWAIT";
static const char take_all[] =
    "UPDATE accounts SET checking = CASE WHEN checking > 0 THEN 0 ELSE checking END, "
    "savings = CASE WHEN savings > 0 THEN 0 ELSE savings END WHERE id = $1";

static int call(entry *function, const XID *xid, long flags)
{
    XID copy = *xid;
    return function(&copy, DATABASE_RMID, flags);
}

static int call_with(int (*function)(char *, int, long), const char *text)
{
    char copy[MAXINFOSIZE];
    snprintf(copy, sizeof copy, "%s", text);
    return function(copy, DATABASE_RMID, TMNOFLAGS);
}

static int answered(const char *function, int code, assent_error *error)
{
    if (code == XA_OK)
        return ASSENT_OK;
    return error_set(error, ASSENT_UNAVAILABLE, "%s answers %d (%s)", function, code,
                     assent_xa_code_text(code));
}

// Nobody waits for a lock here, as everybody waits for the counter.
static int take(const struct database *d, const char *gtid, unsigned branch, const char *account,
                int64_t *ret_amount, assent_error *error)
{
    struct sql_session *session = d->driver->of_thread(DATABASE_RMID);
    struct sql_answer answer;
    if (!session)
        return error_set(error, ASSENT_UNAVAILABLE, "the database cannot be reached");
    int code = database_execute(d, session, lock_all, &account, 1, &answer, error);
    if (!code && !answer.has_first)
        code = error_set(error, ASSENT_INVALID, "no such account");
    if (!code) {
        *ret_amount = strtoll(answer.first, NULL, 10);
        code = database_execute(d, session, take_all, &account, 1, &answer, error);
    }
    return code ? code : database_apply(d, session, gtid, branch, error);
}

static int work(const struct database *d, const XID *xid, const char *gtid, unsigned branch,
                const char *account, int64_t *ret_amount, assent_error *error)
{
    const struct xa_switch_t *s = d->driver->xa;
    int code = answered("xa_start", call(s->xa_start_entry, xid, TMNOFLAGS), error);
    if (code)
        return code;
    code = take(d, gtid, branch, account, ret_amount, error);
    int ended = call(s->xa_end_entry, xid, code ? TMFAIL : TMSUCCESS);
    if (!code)
        code = answered("xa_end", ended, error);
    if (!code)
        code = answered("xa_prepare", call(s->xa_prepare_entry, xid, TMNOFLAGS), error);
    return code;
}

int database_drain(void *self, const char *gtid, unsigned branch, uint64_t account,
                   int64_t *ret_amount, assent_error *error)
{
    struct database *d = self;
    const struct xa_switch_t *s = d->driver->xa;
    char number[24];
    XID xid;
    snprintf(number, sizeof number, "%" PRIu64, account);
    int code = assent_xid_enlisted(gtid, (uint16_t)branch, d->name, &xid, error);
    if (!code && !d->counter_opened)
        code = answered("xa_open", call_with(s->xa_open_entry, d->where), error);
    if (code)
        return code;
    d->counter_opened = true;
    code = work(d, &xid, gtid, branch, number, ret_amount, error);
    // What this cannot undo, the participant does: it was told of the branch. A connection of which
    // nobody knows is not used again.
    if (code && call(s->xa_rollback_entry, &xid, TMNOFLAGS) != XA_OK) {
        call_with(s->xa_close_entry, "");
        d->counter_opened = false;
    }
    return code;
}
