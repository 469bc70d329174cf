// SPDX-License-Identifier: Apache-2.0
// What is done for a branch.
#include <stdio.h>
#include <string.h>

#include "base/logger.h"
#include "local.h"
#include "rm.h"

// What has to be done, and could not: it will be asked for again, for ever, so it is said the first
// time, and after 1, 2, 4, ... more.
static void complain(const assent_branch *branch, const char *why)
{
    if (branch->tries & (branch->tries - 1))
        return;
    log_event(LOG_WARN, "not_done", KV("gtid", branch->gtid), KV("branch", branch->branch),
              KV("operation", branch->operation), KV("tries", branch->tries + 1), KV("why", why));
}

static void give_reason(char *why, const char *reason)
{
    snprintf(why, ASSENT_NO_REASON_MAX + 1, "%s", reason);
}

// ---- two-phase and three-phase commit ----

// What became of the work of the calling thread's last prepare: the XA manager only sees a no.
static _Thread_local enum outcome work_outcome;

// Between xa_start and xa_end on this thread.
assent_vote rm_work(void *context, const assent_branch *branch, char *why)
{
    struct rm *rm = context;
    struct script_run run = {.driver = rm->driver,
                             .session = rm->driver->of_thread(RM_ID),
                             .branch = branch,
                             .operation = OPERATION_PREPARE};
    struct call *call;
    int code = call_parse(&rm->procedures, OPERATION_PREPARE, branch->payload, branch->size, &call,
                          run.why);
    work_outcome = code == ASSENT_NOMEM || !run.session ? OUTCOME_LOST : OUTCOME_NO;
    if (!run.session)
        give_reason(run.why, "the database cannot be reached");
    if (!code && run.session)
        work_outcome = script_execute(&run, call);
    if (!code)
        call_free(&call);
    give_reason(why, run.why);
    return work_outcome == OUTCOME_DONE ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
}

// A deadlock, a serialization failure, a lost connection; the first two may come out only at the
// end.
static bool may_pass(void)
{
    int code = assent_xa_prepare_code();
    return work_outcome == OUTCOME_BUSY || work_outcome == OUTCOME_LOST || code == XA_RBDEADLOCK ||
           code == XA_RBTRANSIENT;
}

static assent_vote on_prepare(void *context, const assent_branch *branch, char *why)
{
    struct rm *rm = context;
    for (unsigned tries = 0;; tries++) {
        work_outcome = OUTCOME_NO;
        assent_vote vote = assent_xa_prepare(rm->xa, branch, why);
        // After a no nothing of it is left, so it can be done anew.
        if (vote != ASSENT_VOTE_NO || !may_pass() || tries + 1 == LOCAL_TRIES)
            return vote;
        local_pause(tries);
    }
}

static assent_done_code on_commit(void *context, const assent_branch *branch)
{
    return assent_xa_commit(((struct rm *)context)->xa, branch);
}

static assent_done_code on_rollback(void *context, const assent_branch *branch)
{
    return assent_xa_rollback(((struct rm *)context)->xa, branch);
}

static assent_done_code on_forget(void *context, const assent_branch *branch)
{
    return assent_xa_forget(((struct rm *)context)->xa, branch);
}

static int on_recover(void *context, assent_recovery *recovery)
{
    return assent_xa_recover(((struct rm *)context)->xa, recovery);
}

// ---- tcc ----

// Whoever says no to a try is told to cancel it: so this is safe also where nobody knows whether it
// was committed.
static assent_vote on_try(void *context, const assent_branch *branch, char *why)
{
    struct local local = {.run.operation = OPERATION_TRY, .barrier = ASSENT_BARRIER_TRY};
    enum outcome outcome = local_run(context, branch, &local);
    give_reason(why, local.run.why);
    return outcome == OUTCOME_DONE ? ASSENT_VOTE_YES : ASSENT_VOTE_NO;
}

// What cannot be refused.
static assent_done_code finish(struct rm *rm, const assent_branch *branch, enum operation operation,
                               assent_barrier_operation barrier, char *why)
{
    struct local local = {.run.operation = operation, .barrier = barrier};
    if (local_run(rm, branch, &local) == OUTCOME_DONE)
        return ASSENT_DONE;
    if (why)
        give_reason(why, local.run.why); // the coordinator shows it
    else
        complain(branch, local.run.why);
    return ASSENT_RETRY;
}

static assent_done_code on_confirm(void *context, const assent_branch *branch)
{
    return finish(context, branch, OPERATION_CONFIRM, ASSENT_BARRIER_CONFIRM, NULL);
}

static assent_done_code on_cancel(void *context, const assent_branch *branch)
{
    return finish(context, branch, OPERATION_CANCEL, ASSENT_BARRIER_CANCEL, NULL);
}

// ---- sagas ----

static assent_action_code on_action(void *context, const assent_branch *branch,
                                    assent_answer *answer, char *why)
{
    struct local local = {.run.operation = OPERATION_ACTION, .barrier = ASSENT_BARRIER_ACTION};
    enum outcome outcome = local_run(context, branch, &local);
    give_reason(why, local.run.why);
    if (outcome == OUTCOME_DONE) {
        *answer = local.run.answer;
        return ASSENT_ACTION_DONE;
    }
    return outcome == OUTCOME_NO ? ASSENT_ACTION_FAILED : ASSENT_ACTION_RETRY;
}

static assent_done_code on_compensate(void *context, const assent_branch *branch)
{
    return finish(context, branch, OPERATION_COMPENSATE, ASSENT_BARRIER_COMPENSATE, NULL);
}

// ---- messages ----

static assent_done_code on_deliver(void *context, const assent_branch *branch, char *why)
{
    return finish(context, branch, OPERATION_DELIVER, ASSENT_BARRIER_DELIVER, why);
}

static assent_check_code on_check_back(void *context, const assent_branch *branch, char *why)
{
    struct local local = {.run.operation = OPERATION_DELIVER, .barrier = ASSENT_BARRIER_CHECK};
    if (local_run(context, branch, &local) != OUTCOME_DONE) {
        complain(branch, local.run.why);
        give_reason(why, local.run.why);
        return ASSENT_CHECK_RETRY;
    }
    return local.verdict == ASSENT_BARRIER_DUPLICATE ? ASSENT_CHECK_HAPPENED
                                                     : ASSENT_CHECK_DID_NOT_HAPPEN;
}

// ---- the end ----

// Enters, only to see the verdict; the transaction is another one then, with nothing in it.
static int look(const struct rm *rm, struct sql_session *session, const assent_branch *branch,
                assent_barrier_operation operation, assent_barrier_verdict *ret,
                assent_error *error)
{
    assent_barrier_entry entry;
    int code =
        rm->driver->barrier_enter(session, branch->gtid, branch->branch, operation, &entry, error);
    if (code != ASSENT_OK && code != ASSENT_CONFLICT)
        return code;
    *ret = code == ASSENT_OK ? entry.verdict : 0; // 0: its rows are of another protocol
    code = rm->driver->rollback(session, error);
    return code ? code : rm->driver->begin(session, error);
}

// What an application may have run itself, and might run again whenever it wakes up, keeps a fence.
// Of a branch that is not known here any more only its rows tell; a fence too many does no harm.
static int find_forward(const struct rm *rm, struct sql_session *session,
                        const assent_branch *branch, assent_barrier_operation *ret,
                        assent_error *error)
{
    assent_barrier_verdict verdict;
    *ret = strcmp(branch->kind, "enlisted") == 0 ? ASSENT_BARRIER_TRY
           : strcmp(branch->kind, "sender") == 0 ? ASSENT_BARRIER_SEND
                                                 : 0;
    if (*branch->kind)
        return ASSENT_OK;
    int code = look(rm, session, branch, ASSENT_BARRIER_CHECK, &verdict, error);
    if (code || verdict) {
        *ret = ASSENT_BARRIER_SEND; // or there are no rows at all
        return code;
    }
    code = look(rm, session, branch, ASSENT_BARRIER_TRY, &verdict, error);
    if (!code && verdict)
        *ret = ASSENT_BARRIER_TRY;
    return code;
}

static int end(const struct rm *rm, struct sql_session *session, const assent_branch *branch,
               assent_error *error)
{
    assent_barrier_operation forward;
    int code = find_forward(rm, session, branch, &forward, error);
    if (code)
        return code;
    return forward ? rm->driver->barrier_seal(session, branch->gtid, branch->branch, forward, error)
                   : rm->driver->barrier_forget(session, branch->gtid, branch->branch, error);
}

static assent_done_code on_ended(void *context, const assent_branch *branch)
{
    char why[ASSENT_NO_REASON_MAX + 1];
    if (local_barrier(context, branch, why, end) == OUTCOME_DONE)
        return ASSENT_DONE;
    complain(branch, why);
    return ASSENT_RETRY;
}

void rm_handlers(const struct rm *rm, assent_handlers *ret)
{
    *ret = (assent_handlers){
        .prepare = on_prepare,
        .commit = on_commit,
        .rollback = on_rollback,
        .forget = on_forget,
        .recover = on_recover,
    };
    if (!rm->options->barrier)
        return;
    ret->try_ = on_try;
    ret->confirm = on_confirm;
    ret->cancel = on_cancel;
    ret->action = on_action;
    ret->compensate = on_compensate;
    ret->deliver = on_deliver;
    ret->check_back = on_check_back;
    ret->ended = on_ended;
}
