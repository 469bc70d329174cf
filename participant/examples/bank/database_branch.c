// SPDX-License-Identifier: Apache-2.0
// What branches do to accounts in a database: between xa_start and xa_end, which libassent-xa
// calls.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "database.h"
#include "kit/pause.h"
#include "operation.h"

enum { PREPARE_TRIES = 3, RETRY_MS = 10 };

// Values: account, checking, savings, cash. The second is for those that may not overdraw.
#define CHANGE                                                                                     \
    "UPDATE accounts SET checking = checking + CAST($2 AS DECIMAL(20)), "                          \
    "savings = savings + CAST($3 AS DECIMAL(20)), cash = cash + CAST($4 AS DECIMAL(20)) "          \
    "WHERE id = $1"
static const char change_any[] = CHANGE;
static const char change_covered[] =
    CHANGE " AND (CAST($2 AS DECIMAL(20)) >= 0 OR checking + CAST($2 AS DECIMAL(20)) >= 0) "
           "AND (CAST($3 AS DECIMAL(20)) >= 0 OR savings + CAST($3 AS DECIMAL(20)) >= 0)";
static const char read_balance[] = "SELECT checking + savings FROM accounts WHERE id = $1";
static const char lock_balance[] =
    "SELECT checking + savings FROM accounts WHERE id = $1 FOR UPDATE";

// Why the last work on this thread was no success, for `prepare`: ASSENT_OK where it was, and where
// the bank itself has said no.
static _Thread_local int work_code;

struct work {
    const struct database *d;
    struct sql_session *session;
    const assent_branch *branch;
    char *why;
};

static assent_vote refuse(const struct work *w, const char *reason, uint64_t account)
{
    snprintf(w->why, ASSENT_NO_REASON_MAX + 1, "%s %" PRIu64, reason, account);
    return ASSENT_VOTE_NO;
}

static assent_vote trouble(const struct work *w, const assent_error *error)
{
    work_code = error->code;
    snprintf(w->why, ASSENT_NO_REASON_MAX + 1, "%s", error->message);
    return ASSENT_VOTE_NO;
}

static int execute(const struct work *w, const char *sql, const char *const *texts, size_t count,
                   struct sql_answer *ret, assent_error *error)
{
    return database_execute(w->d, w->session, sql, texts, count, ret, error);
}

static int limit_waiting(const struct work *w, assent_error *error)
{
    char sql[64];
    struct sql_answer answer;
    bool mariadb = strcmp(w->d->driver->name, "mariadb") == 0;
    snprintf(sql, sizeof sql,
             mariadb ? "SET innodb_lock_wait_timeout = %d" : "SET LOCAL lock_timeout = '%ds'",
             LOCK_WAIT_S);
    return execute(w, sql, NULL, 0, &answer, error);
}

int database_apply(const struct database *d, struct sql_session *session, const char *gtid,
                   unsigned branch, assent_error *error)
{
    char number[16];
    struct sql_answer answer;
    snprintf(number, sizeof number, "%u", branch);
    return database_execute(d, session, "INSERT INTO applied (gtid, branch) VALUES ($1, $2)",
                            (const char *const[]){gtid, number}, 2, &answer, error);
}

static assent_vote change_account(const struct work *w, const struct change *change)
{
    char account[24], checking[24], savings[24], cash[24];
    struct sql_answer answer;
    assent_error error;
    snprintf(account, sizeof account, "%" PRIu64, change->account);
    snprintf(checking, sizeof checking, "%" PRId64, change->checking);
    snprintf(savings, sizeof savings, "%" PRId64, change->savings);
    snprintf(cash, sizeof cash, "%" PRId64, change->cash);
    if (execute(w, change->overdraft ? change_any : change_covered,
                (const char *const[]){account, checking, savings, cash}, 4, &answer, &error))
        return trouble(w, &error);
    if (answer.rows != 1)
        return refuse(w, "insufficient funds, or no such account:", change->account);
    if (database_apply(w->d, w->session, w->branch->gtid, w->branch->branch, &error))
        return trouble(w, &error);
    return ASSENT_VOTE_YES;
}

static assent_vote perform(const struct work *w, const struct operation *op)
{
    int64_t available = 0;
    assent_error error;
    struct sql_answer answer;
    char account[24];
    if (limit_waiting(w, &error))
        return trouble(w, &error);
    if (op->verb == VERB_BALANCE || op->verb == VERB_CHECK) {
        snprintf(account, sizeof account, "%" PRIu64, op->account);
        if (execute(w, op->verb == VERB_CHECK ? lock_balance : read_balance,
                    (const char *const[]){account}, 1, &answer, &error))
            return trouble(w, &error);
        if (!answer.has_first)
            return refuse(w, "there is no account", op->account);
        available = strtoll(answer.first, NULL, 10);
    }
    if (op->verb == VERB_BALANCE)
        return ASSENT_VOTE_READ_ONLY;
    struct change change = operation_change(op, available);
    return change_account(w, &change);
}

static assent_vote do_work(void *context, const assent_branch *branch, char *why)
{
    struct database *d = context;
    struct operation op;
    struct work w = {d, d->driver->of_thread(DATABASE_RMID), branch, why};
    if (!operation_parse(branch->payload, branch->size, &op)) {
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "not an operation of this bank");
        return ASSENT_VOTE_NO;
    }
    if (!w.session) {
        work_code = ASSENT_UNAVAILABLE;
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "the database cannot be reached");
        return ASSENT_VOTE_NO;
    }
    return perform(&w, &op);
}

// After a no nothing of the branch is left, so what only stood in its way for the moment (a lock, a
// deadlock, a connection) can be tried again.
static assent_vote on_prepare(void *context, const assent_branch *branch, char *why)
{
    struct database *d = context;
    for (unsigned tries = 1;; tries++) {
        work_code = ASSENT_OK;
        assent_vote vote = assent_xa_prepare(d->xa, branch, why);
        bool again = work_code == ASSENT_BUSY || work_code == ASSENT_UNAVAILABLE;
        if (vote != ASSENT_VOTE_NO || !again || tries == PREPARE_TRIES)
            return vote;
        pause_ms(RETRY_MS);
    }
}

static assent_done_code on_commit(void *context, const assent_branch *branch)
{
    return assent_xa_commit(((struct database *)context)->xa, branch);
}

static assent_done_code on_rollback(void *context, const assent_branch *branch)
{
    return assent_xa_rollback(((struct database *)context)->xa, branch);
}

static assent_done_code on_forget(void *context, const assent_branch *branch)
{
    return assent_xa_forget(((struct database *)context)->xa, branch);
}

static int on_recover(void *context, assent_recovery *recovery)
{
    return assent_xa_recover(((struct database *)context)->xa, recovery);
}

const assent_handlers database_handlers = {
    .prepare = on_prepare,
    .commit = on_commit,
    .rollback = on_rollback,
    .forget = on_forget,
    .recover = on_recover,
};

int database_participate(void *self, assent_error *error)
{
    struct database *d = self;
    assent_xa_options options = {.resource = d->name,
                                 .xa_switch = d->driver->xa,
                                 .open_string = d->where,
                                 .rmid = DATABASE_RMID,
                                 .work = do_work,
                                 .context = d};
    int code = d->driver->check(d->session, error);
    return code ? code : assent_xa_open(&options, &d->xa, error);
}

void database_watch(void *self, assent_participant *participant)
{
    assent_xa_watch(((struct database *)self)->xa, participant);
}
