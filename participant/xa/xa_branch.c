// SPDX-License-Identifier: Apache-2.0
// The handlers: two-phase commit as calls of the switch.
#include <stdio.h>
#include <stdlib.h>

#include "xa_internal.h"

// No vote: the branch is asked again, or rolled back when its transaction's time is up.
#define IN_DOUBT ((assent_vote)0)

typedef int entry(XID *xid, int rmid, long flags);

static int call(const assent_xa *xa, entry *function, const XID *xid, long flags)
{
    XID copy = *xid; // switches take one that they could write to
    return function(&copy, xa->rmid, flags);
}

// ---- an enlisted branch: the application did the work, and prepared it ----

static assent_vote prepare_enlisted(assent_xa *xa, const assent_branch *branch, char *why)
{
    XID xid;
    if (assent_xid_enlisted(branch->gtid, branch->branch, xa->resource, &xid, NULL))
        return IN_DOUBT;
    switch (xa_scan_holds(xa, &xid)) {
    case XA_HELD_YES: return ASSENT_VOTE_YES;
    case XA_HELD_NO:
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "not prepared at %s", xa->resource);
        return ASSENT_VOTE_NO;
    case XA_HELD_UNKNOWN: break;
    }
    snprintf(why, ASSENT_NO_REASON_MAX + 1, "%s does not say what it holds prepared", xa->resource);
    return IN_DOUBT;
}

// ---- a call: the work is done here ----

struct run {
    assent_xa *xa;
    XID xid;
    char *why;
};

static _Thread_local int last_said; // XA_OK: nothing

static void say(const struct run *run, enum xa_stage stage, int code)
{
    last_said = code;
    snprintf(run->why, ASSENT_NO_REASON_MAX + 1, "%s answers %d (%s)", xa_stage_name(stage), code,
             assent_xa_code_text(code));
}

// xa_rollback of a branch for which no vote was given. True: certainly nothing is held any more.
// What the resource manager has committed by itself is not: that comes out when the coordinator
// rolls the branch back.
static bool undo_once(const struct run *run, enum xa_deed *ret)
{
    assent_xa *xa = run->xa;
    const struct xa_switch_t *s = xa->xa_switch;
    int code;
    *ret = XA_AGAIN;
    if (!xa_thread_ready(xa, &code))
        return false;
    code = call(xa, s->xa_rollback_entry, &run->xid, TMNOFLAGS);
    *ret = xa_answered(xa, XA_STAGE_ROLLBACK, code, &run->xid);
    if (*ret == XA_LOOK)
        return xa_scan_holds(xa, &run->xid) == XA_HELD_NO;
    if (*ret == XA_ROLLED_BACK)
        return xa_answered(xa, XA_STAGE_FORGET, call(xa, s->xa_forget_entry, &run->xid, TMNOFLAGS),
                           &run->xid) == XA_GO_ON;
    return *ret == XA_GO_ON;
}

static bool undo(const struct run *run)
{
    enum xa_deed deed;
    if (undo_once(run, &deed))
        return true;
    if (deed != XA_REOPEN)
        return false;
    xa_thread_lost(run->xa);
    return undo_once(run, &deed);
}

// A yes here: go on.
static assent_vote start(const struct run *run)
{
    assent_xa *xa = run->xa;
    int code;
    for (int tries = 0; tries < 2; tries++) {
        if (!xa_thread_ready(xa, &code)) {
            say(run, XA_STAGE_OPEN, code);
            return ASSENT_VOTE_NO; // nothing was begun, or what was begun went with its connection
        }
        code = call(xa, xa->xa_switch->xa_start_entry, &run->xid, TMNOFLAGS);
        enum xa_deed deed = xa_answered(xa, XA_STAGE_START, code, &run->xid);
        if (deed == XA_GO_ON)
            return ASSENT_VOTE_YES;
        if (deed != XA_REOPEN)
            break;
        xa_thread_lost(xa);
    }
    say(run, XA_STAGE_START, code);
    return undo(run) ? ASSENT_VOTE_NO : IN_DOUBT;
}

static bool end(const struct run *run, long flags, int *ret_code)
{
    assent_xa *xa = run->xa;
    *ret_code = call(xa, xa->xa_switch->xa_end_entry, &run->xid, flags);
    enum xa_deed deed = xa_answered(xa, XA_STAGE_END, *ret_code, &run->xid);
    if (deed == XA_REOPEN)
        xa_thread_lost(xa);
    return deed == XA_GO_ON;
}

static assent_vote prepare(const struct run *run)
{
    assent_xa *xa = run->xa;
    int code = call(xa, xa->xa_switch->xa_prepare_entry, &run->xid, TMNOFLAGS);
    enum xa_deed deed = xa_answered(xa, XA_STAGE_PREPARE, code, &run->xid);
    if (deed == XA_GO_ON)
        return ASSENT_VOTE_YES;
    if (deed == XA_READ_ONLY)
        return ASSENT_VOTE_READ_ONLY;
    say(run, XA_STAGE_PREPARE, code);
    if (deed == XA_NO)
        return ASSENT_VOTE_NO;
    if (deed == XA_REOPEN)
        xa_thread_lost(xa);
    // A crash here may leave it prepared: no vote was given, so recovery rolls it back; or, where
    // the resource manager keeps the votes, it is one, which nobody has contradicted.
    return undo(run) ? ASSENT_VOTE_NO : IN_DOUBT;
}

static assent_vote work(const struct run *run, const assent_branch *branch)
{
    assent_vote vote = run->xa->work(run->xa->context, branch, run->why);
    return vote == ASSENT_VOTE_YES || vote == ASSENT_VOTE_READ_ONLY ? vote : ASSENT_VOTE_NO;
}

static assent_vote prepare_call(const struct run *run, const assent_branch *branch)
{
    int code;
    if (branch->tries > 0) { // the last time ended in doubt
        snprintf(run->why, ASSENT_NO_REASON_MAX + 1, "%s could not prepare it", run->xa->resource);
        return undo(run) ? ASSENT_VOTE_NO : IN_DOUBT;
    }
    assent_vote vote = start(run);
    if (vote != ASSENT_VOTE_YES)
        return vote;
    vote = work(run, branch);
    bool ended = end(run, vote == ASSENT_VOTE_YES ? TMSUCCESS : TMFAIL, &code);
    if (ended && vote == ASSENT_VOTE_YES)
        return prepare(run);
    if (vote == ASSENT_VOTE_YES) {
        say(run, XA_STAGE_END, code);
        vote = ASSENT_VOTE_NO;
    }
    return undo(run) ? vote : IN_DOUBT;
}

assent_vote assent_xa_prepare(assent_xa *xa, const assent_branch *branch, char *why)
{
    struct run run = {.xa = xa, .why = why};
    last_said = XA_OK;
    if (branch->enlisted)
        return prepare_enlisted(xa, branch, why);
    if (!xa->work) {
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "%s takes no calls: branches are enlisted there",
                 xa->resource);
        return ASSENT_VOTE_NO;
    }
    if (assent_xid_branch(branch->id, xa->resource, &run.xid, NULL)) {
        snprintf(why, ASSENT_NO_REASON_MAX + 1, "no XID can be made for this branch");
        return ASSENT_VOTE_NO;
    }
    return prepare_call(&run, branch);
}

int assent_xa_prepare_code(void)
{
    return last_said;
}

// ---- phase two ----

static entry *entry_of(const assent_xa *xa, enum xa_stage stage)
{
    const struct xa_switch_t *s = xa->xa_switch;
    if (stage == XA_STAGE_FORGET)
        return s->xa_forget_entry;
    return stage == XA_STAGE_COMMIT ? s->xa_commit_entry : s->xa_rollback_entry;
}

// `gone`: what it is when the resource manager does not hold the branch.
static assent_done_code look(assent_xa *xa, const XID *xid, assent_done_code gone)
{
    return xa_scan_holds(xa, xid) == XA_HELD_NO ? gone : ASSENT_RETRY;
}

static assent_done_code finish(assent_xa *xa, enum xa_stage stage, const XID *xid)
{
    int code;
    if (!xa_thread_ready(xa, &code))
        return ASSENT_RETRY;
    code = call(xa, entry_of(xa, stage), xid, TMNOFLAGS);
    switch (xa_answered(xa, stage, code, xid)) {
    case XA_GO_ON: return ASSENT_DONE;
    case XA_LOOK: return look(xa, xid, ASSENT_DONE);
    // The resource manager does not remember it: a crash before this is in the journal leaves what
    // looks like one that is done.
    case XA_LOOK_GONE: return look(xa, xid, ASSENT_HEURISTIC_ROLLBACK);
    case XA_COMMITTED: return ASSENT_HEURISTIC_COMMIT;
    case XA_ROLLED_BACK: return ASSENT_HEURISTIC_ROLLBACK;
    case XA_MIXED: return ASSENT_HEURISTIC_MIXED;
    case XA_HAZARD: return ASSENT_HEURISTIC_HAZARD;
    case XA_REOPEN: xa_thread_lost(xa); return ASSENT_RETRY;
    case XA_COUNT:
    case XA_NO:
    case XA_UNDO:
    case XA_READ_ONLY:
    case XA_AGAIN:
    case XA_DEEDS: break;
    }
    return ASSENT_RETRY;
}

static assent_done_code finish_call(assent_xa *xa, const assent_branch *branch, enum xa_stage stage)
{
    XID xid;
    if (assent_xid_branch(branch->id, xa->resource, &xid, NULL))
        return ASSENT_RETRY;
    return finish(xa, stage, &xid);
}

static assent_done_code finish_enlisted(assent_xa *xa, const assent_branch *branch,
                                        enum xa_stage stage)
{
    XID xid;
    if (assent_xid_enlisted(branch->gtid, branch->branch, xa->resource, &xid, NULL))
        return ASSENT_RETRY;
    return finish(xa, stage, &xid);
}

// Of a branch that nothing is known of it may be either.
static assent_done_code finish_any(assent_xa *xa, const assent_branch *branch, enum xa_stage stage)
{
    if (branch->enlisted)
        return finish_enlisted(xa, branch, stage);
    assent_done_code done = finish_call(xa, branch, stage);
    return done == ASSENT_DONE && !*branch->kind ? finish_enlisted(xa, branch, stage) : done;
}

assent_done_code assent_xa_commit(assent_xa *xa, const assent_branch *branch)
{
    // One that nothing is known of was found prepared at start: a call.
    return branch->enlisted ? finish_enlisted(xa, branch, XA_STAGE_COMMIT)
                            : finish_call(xa, branch, XA_STAGE_COMMIT);
}

assent_done_code assent_xa_rollback(assent_xa *xa, const assent_branch *branch)
{
    return finish_any(xa, branch, XA_STAGE_ROLLBACK);
}

assent_done_code assent_xa_forget(assent_xa *xa, const assent_branch *branch)
{
    return finish_any(xa, branch, XA_STAGE_FORGET);
}

// ---- what is held ----

int assent_xa_recover(assent_xa *xa, assent_recovery *recovery)
{
    struct xid_list held;
    assent_xid_parts parts;
    if (!xa_scan_all(xa, &held))
        return 1;
    for (size_t i = 0; i < held.count; i++) {
        assent_xid_parse(&held.xids[i], &parts);
        if (parts.kind == ASSENT_XID_CALL)
            assent_recovery_add(recovery, parts.branch_id);
    }
    free(held.xids);
    return 0;
}

void assent_xa_watch(assent_xa *xa, assent_participant *participant)
{
    struct xid_list held;
    assent_xid_parts parts;
    if (!xa_scan_all(xa, &held))
        return; // the next time
    for (size_t i = 0; i < held.count; i++) {
        assent_xid_parse(&held.xids[i], &parts);
        // One that has gone on is refused, and all is well.
        if (parts.kind == ASSENT_XID_ENLISTED)
            assent_participant_working(participant, parts.gtid, parts.branch, NULL);
        else
            assent_participant_held(participant, parts.branch_id, NULL);
    }
    free(held.xids);
}
