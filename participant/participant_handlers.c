// SPDX-License-Identifier: Apache-2.0
// Which handler a call is for, and what its answer means.
#include <stdio.h>

#include "base/crash_point.h"
#include "base/logger.h"
#include "participant_handle.h"

// ---- which there are ----

static unsigned how_many(bool first, bool second, bool third)
{
    return (unsigned)first + second + third;
}

int handlers_check(const assent_handlers *h, assent_error *error)
{
    unsigned two_phase = how_many(h->prepare, h->commit, h->rollback);
    unsigned tcc = how_many(h->try_, h->confirm, h->cancel);
    bool others = tcc > 0 || h->action || h->deliver || h->check_back;
    if (two_phase != 3 && (two_phase > 0 || !others))
        return error_set(error, ASSENT_INVALID,
                         "the handlers prepare, commit and rollback are needed");
    if (tcc != 3 && tcc > 0)
        return error_set(error, ASSENT_INVALID, "the handlers try_, confirm and cancel are needed");
    if (h->compensate && !h->action)
        return error_set(error, ASSENT_INVALID, "compensate needs the handler action");
    return ASSENT_OK;
}

bool handlers_for(const assent_handlers *h, unsigned protocol, unsigned kind)
{
    switch ((enum protocol)(protocol ? protocol : PROTOCOL_2PC)) {
    case PROTOCOL_2PC:
    case PROTOCOL_3PC: return h->prepare != NULL;
    case PROTOCOL_TCC: return h->try_ != NULL;
    case PROTOCOL_SAGA: return h->action != NULL;
    case PROTOCOL_MESSAGE:
        return kind == BRANCH_SENDER ? h->check_back != NULL : h->deliver != NULL;
    }
    return false;
}

const char *handlers_operation(const struct call *call)
{
    bool tcc = call->protocol == PROTOCOL_TCC;
    switch (call->op) {
    case RM_PREPARE:
        if (call->protocol == PROTOCOL_SAGA)
            return "action";
        if (call->protocol == PROTOCOL_MESSAGE)
            return call->kind == BRANCH_SENDER ? "check" : "deliver";
        return tcc ? "try" : "prepare";
    case RM_COMMIT: return tcc ? "confirm" : "commit";
    case RM_ROLLBACK:
        if (call->protocol == PROTOCOL_SAGA)
            return "compensate";
        return tcc ? "cancel" : "rollback";
    case RM_FORGET: break;
    }
    return call->heuristic ? "forget" : "ended";
}

// ---- phase one ----

static enum rm_result vote_result(assent_vote vote)
{
    switch (vote) {
    case ASSENT_VOTE_YES: CRASH_POINT(part_after_prepare); return RM_DONE;
    case ASSENT_VOTE_NO: return RM_NO;
    case ASSENT_VOTE_READ_ONLY: return RM_READ_ONLY;
    }
    // No vote at all: what the handler has done is not known. "Again" settles nothing by itself, so
    // the branch is asked again until it votes or the coordinator rolls it back.
    return RM_RETRY;
}

static enum rm_result run_action(const assent_participant *p, struct call *call)
{
    assent_action_code code =
        p->handlers.action(p->context, &call->branch, &call->answer, call->why);
    if (call->answer.size > ASSENT_ANSWER_MAX)
        call->answer.size = ASSENT_ANSWER_MAX;
    switch (code) {
    case ASSENT_ACTION_DONE: CRASH_POINT(part_after_prepare); return RM_DONE;
    case ASSENT_ACTION_FAILED: return RM_NO;
    case ASSENT_ACTION_RETRY: break;
    }
    return RM_RETRY;
}

static enum rm_result run_check_back(const assent_participant *p, struct call *call)
{
    assent_check_code code = p->handlers.check_back(p->context, &call->branch, call->why);
    // A crash here leaves, where the answer was no, a fence: so it is no again.
    CRASH_POINT(part_after_check);
    switch (code) {
    case ASSENT_CHECK_HAPPENED: return RM_DONE;
    case ASSENT_CHECK_DID_NOT_HAPPEN: return RM_NO;
    case ASSENT_CHECK_RETRY: break;
    }
    return RM_RETRY;
}

static enum rm_result run_deliver(const assent_participant *p, struct call *call)
{
    if (p->handlers.deliver(p->context, &call->branch, call->why) != ASSENT_DONE)
        return RM_RETRY;
    CRASH_POINT(part_after_prepare);
    return RM_DONE;
}

// A no ends a transaction; of a message it would be the sender's word, which nobody has here.
static enum rm_result no_handler(struct call *call)
{
    snprintf(call->why, sizeof call->why, "this participant has no %s handler",
             handlers_operation(call));
    return call->protocol == PROTOCOL_MESSAGE ? RM_RETRY : RM_NO;
}

static enum rm_result run_prepare(const assent_participant *p, struct call *call)
{
    const assent_handlers *h = &p->handlers;
    if (!handlers_for(h, call->protocol, call->kind))
        return no_handler(call);
    CRASH_POINT(part_before_prepare);
    if (call->protocol == PROTOCOL_SAGA)
        return run_action(p, call);
    if (call->protocol == PROTOCOL_MESSAGE)
        return call->kind == BRANCH_SENDER ? run_check_back(p, call) : run_deliver(p, call);
    if (call->protocol == PROTOCOL_TCC)
        return vote_result(h->try_(p->context, &call->branch, call->why));
    return vote_result(h->prepare(p->context, &call->branch, call->why));
}

// ---- phase two ----

typedef assent_done_code handler(void *context, const assent_branch *branch);

static handler *commit_of(const assent_handlers *h, const struct call *call)
{
    return call->protocol == PROTOCOL_TCC ? h->confirm : h->commit;
}

static handler *rollback_of(const assent_handlers *h, const struct call *call)
{
    if (call->protocol == PROTOCOL_TCC)
        return h->cancel;
    if (call->protocol == PROTOCOL_SAGA)
        return h->compensate;
    return call->protocol == PROTOCOL_MESSAGE ? NULL : h->rollback;
}

// Of business the core takes a heuristic for no answer.
static enum rm_result done_result(assent_done_code code)
{
    switch (code) {
    case ASSENT_DONE: return RM_DONE;
    case ASSENT_RETRY: break;
    case ASSENT_HEURISTIC_COMMIT: return RM_HEURISTIC_COMMIT;
    case ASSENT_HEURISTIC_ROLLBACK: return RM_HEURISTIC_ROLLBACK;
    case ASSENT_HEURISTIC_MIXED: return RM_HEURISTIC_MIXED;
    case ASSENT_HEURISTIC_HAZARD: return RM_HEURISTIC_HAZARD;
    }
    return RM_RETRY;
}

static enum rm_result run_commit(const assent_participant *p, struct call *call)
{
    handler *commit = commit_of(&p->handlers, call);
    CRASH_POINT(part_before_commit);
    enum rm_result result = commit ? done_result(commit(p->context, &call->branch)) : RM_RETRY;
    // A crash here leaves a branch in doubt that is committed: it is committed once more.
    if (result != RM_RETRY)
        CRASH_POINT(part_after_commit);
    return result;
}

static enum rm_result run_rollback(const assent_participant *p, struct call *call)
{
    handler *rollback = rollback_of(&p->handlers, call);
    CRASH_POINT(part_before_rollback);
    if (!rollback && call->protocol == PROTOCOL_SAGA && p->handlers.action) {
        log_event(LOG_WARN, "compensation_missing", KV("resource", p->resource),
                  KV("gtid", call->gtid));
        return RM_RETRY; // an operator's matter
    }
    // Without handlers nothing was ever done here (see recover_record), and a message that was not
    // delivered leaves nothing.
    enum rm_result result = rollback ? done_result(rollback(p->context, &call->branch)) : RM_DONE;
    if (result != RM_RETRY)
        CRASH_POINT(part_after_rollback);
    return result;
}

// Of what a resource manager did by itself, or of a branch of business.
static enum rm_result run_forget(const assent_participant *p, struct call *call)
{
    handler *forget = call->heuristic ? p->handlers.forget : p->handlers.ended;
    CRASH_POINT(part_before_forget);
    if (forget && forget(p->context, &call->branch) != ASSENT_DONE)
        return RM_RETRY;
    // A crash here leaves a finished branch whose rows are gone: they are forgotten once more.
    CRASH_POINT(part_after_forget);
    return RM_DONE;
}

enum rm_result handlers_run(const assent_participant *p, struct call *call)
{
    enum rm_result result = RM_DONE;
    switch (call->op) {
    case RM_PREPARE: result = run_prepare(p, call); break;
    case RM_COMMIT: result = run_commit(p, call); break;
    case RM_ROLLBACK: result = run_rollback(p, call); break;
    case RM_FORGET: result = run_forget(p, call); break;
    }
    call->why[ASSENT_NO_REASON_MAX] = '\0';
    return result;
}

// ---- for handlers ----

const void *assent_branch_input(const assent_branch *branch, uint16_t step, size_t *ret_size)
{
    struct slice inputs = slice_of(branch->inputs, branch->inputs_size);
    for (struct step_input input; step_input_next(&inputs, &input);) {
        if (input.branch != step)
            continue;
        if (ret_size)
            *ret_size = input.result.size;
        return input.result.data;
    }
    return NULL;
}
