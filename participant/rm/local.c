// SPDX-License-Identifier: Apache-2.0
#include "local.h"

#include <string.h>
#include <time.h>

// 5 ms, twice that each time, half of it by chance: those that met in a deadlock are not to meet
// again.
void local_pause(unsigned tries)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    long ms = tries < 7 ? 5L << tries : 500;
    long ns = ms * 500000;
    nanosleep(&(struct timespec){.tv_nsec = ns + now.tv_nsec % ns}, NULL);
}

static bool may_pass(enum outcome outcome)
{
    return outcome == OUTCOME_BUSY || outcome == OUTCOME_LOST;
}

// An error of the barrier, or of a transaction as such, is nobody's no.
static enum outcome not_now(const assent_error *error, char *why)
{
    enum outcome outcome = script_outcome(error, why);
    return outcome == OUTCOME_NO ? OUTCOME_LOST : outcome;
}

static bool uses_result(const struct call *call)
{
    for (unsigned i = 0; i < call->count; i++)
        if (procedure_uses(call->items[i].procedure, OPERATION_COMPENSATE,
                           (struct argument){.kind = ARGUMENT_RESULT}))
            return true;
    return false;
}

// The coordinator does not always know what an action has answered: not where the process died
// before it could tell. The barrier does, and tells it to a duplicate of the action. Where there is
// none this has begun an action that is not to be: the transaction is rolled back.
static int find_result(struct script_run *run, assent_barrier_entry *action, assent_error *error)
{
    const struct sql_driver *driver = run->driver;
    int code = driver->barrier_enter(run->session, run->branch->gtid, run->branch->branch,
                                     ASSENT_BARRIER_ACTION, action, error);
    if (code)
        return code;
    if (action->verdict == ASSENT_BARRIER_DUPLICATE)
        run->result = slice_of(action->answer, action->answer_bytes); // which may be none
    if (action->verdict != ASSENT_BARRIER_RUN)
        return ASSENT_OK;
    code = driver->rollback(run->session, error);
    return code ? code : driver->begin(run->session, error);
}

// `action` has what `run.result` may point at.
static int enter(struct local *local, assent_barrier_entry *action, assent_barrier_entry *ret,
                 assent_error *error)
{
    struct script_run *run = &local->run;
    int code = ASSENT_OK;
    bool told = run->branch->result_size > 0;
    run->result = slice_of(told ? run->branch->result : NULL, run->branch->result_size);
    if (run->operation == OPERATION_COMPENSATE && !told)
        code = find_result(run, action, error);
    return code ? code
                : run->driver->barrier_enter(run->session, run->branch->gtid, run->branch->branch,
                                             local->barrier, ret, error);
}

static enum outcome work(struct rm *rm, struct local *local)
{
    struct script_run *run = &local->run;
    struct call *call;
    assent_error error;
    int code = call_parse(&rm->procedures, run->operation, run->branch->payload, run->branch->size,
                          &call, run->why);
    if (code)
        return code == ASSENT_INVALID ? OUTCOME_NO : OUTCOME_LOST;
    enum outcome outcome = OUTCOME_NO;
    if (run->operation == OPERATION_COMPENSATE && uses_result(call) && !run->result.data)
        snprintf(run->why, sizeof run->why, "nobody knows what the action has answered");
    else
        outcome = script_execute(run, call);
    call_free(&call);
    if (outcome == OUTCOME_DONE && run->answer.size &&
        run->driver->barrier_answer(run->session, run->branch->gtid, run->branch->branch,
                                    local->barrier, run->answer.data, run->answer.size, &error))
        return not_now(&error, run->why);
    return outcome;
}

// What is in an open transaction.
static enum outcome inside(struct rm *rm, struct local *local)
{
    struct script_run *run = &local->run;
    assent_barrier_entry action, entry;
    assent_error error;
    if (enter(local, &action, &entry, &error))
        return not_now(&error, run->why);
    local->verdict = entry.verdict;
    switch (entry.verdict) {
    case ASSENT_BARRIER_RUN: return work(rm, local);
    case ASSENT_BARRIER_DUPLICATE:
        run->answer.size = entry.answer_bytes;
        memcpy(run->answer.data, entry.answer, entry.answer_bytes);
        return OUTCOME_DONE;
    case ASSENT_BARRIER_EMPTY: return OUTCOME_DONE; // its fence is to be committed
    case ASSENT_BARRIER_REFUSED: break;
    }
    snprintf(run->why, sizeof run->why,
             "refused by the barrier: what this follows has not "
             "happened, or was undone");
    return OUTCOME_NO;
}

static enum outcome attempt(struct rm *rm, struct local *local)
{
    struct script_run *run = &local->run;
    assent_error error;
    run->answer.size = 0;
    if (sessions_mine(&rm->sessions, &run->session, &error) ||
        run->driver->begin(run->session, &error))
        return not_now(&error, run->why);
    enum outcome outcome = inside(rm, local);
    if (outcome != OUTCOME_DONE) {
        run->driver->rollback(run->session, NULL); // fails where the connection is lost: done too
        return outcome;
    }
    int code = run->driver->commit(run->session, &error);
    if (code == ASSENT_OK)
        return OUTCOME_DONE;
    if (code != ASSENT_UNAVAILABLE)
        run->driver->rollback(run->session, NULL);
    // A constraint that is checked here. Where the connection is lost the row of the barrier is
    // there with the work, or neither is: the next attempt will see.
    return code == ASSENT_CONFLICT ? script_outcome(&error, run->why) : not_now(&error, run->why);
}

enum outcome local_run(struct rm *rm, const assent_branch *branch, struct local *local)
{
    local->run.driver = rm->driver;
    local->run.branch = branch;
    enum outcome outcome = attempt(rm, local);
    for (unsigned tries = 0; tries + 1 < LOCAL_TRIES && may_pass(outcome); tries++) {
        local_pause(tries);
        outcome = attempt(rm, local);
    }
    return outcome;
}

enum outcome local_barrier(struct rm *rm, const assent_branch *branch, char *why,
                           int (*step)(const struct rm *rm, struct sql_session *session,
                                       const assent_branch *branch, assent_error *error))
{
    struct sql_session *session;
    assent_error error;
    if (sessions_mine(&rm->sessions, &session, &error) || rm->driver->begin(session, &error))
        return not_now(&error, why);
    int code = step(rm, session, branch, &error);
    if (!code)
        code = rm->driver->commit(session, &error);
    if (code)
        rm->driver->rollback(session, NULL); // a commit that failed has left it open, perhaps
    return code ? not_now(&error, why) : OUTCOME_DONE;
}
