// SPDX-License-Identifier: Apache-2.0
#include "assent/xa_manager.h"
#include "tx_thread.h"

enum { RETRIES = 7 };

static const struct xa_switch_t *switch_of(const struct tx_thread *t, unsigned rmid)
{
    return t->process->switches[rmid];
}

static int answered(struct tx_thread *t, unsigned rmid, const char *call, int code)
{
    if (code != XA_OK)
        tx_say(t, "resource %s: %s answered %s (%d)", t->process->config.resources[rmid].name, call,
               assent_xa_code_text(code), code);
    return code;
}

int rm_open(struct tx_thread *t, unsigned rmid)
{
    struct tx_resource *resource = &t->process->config.resources[rmid];
    int code = switch_of(t, rmid)->xa_open_entry(resource->open, (int)rmid, TMNOFLAGS);
    if (code == XA_OK)
        t->rms[rmid].state = RM_IDLE;
    return answered(t, rmid, "xa_open", code);
}

int rm_close(struct tx_thread *t, unsigned rmid)
{
    struct tx_resource *resource = &t->process->config.resources[rmid];
    if (t->rms[rmid].state == RM_CLOSED)
        return XA_OK;
    t->rms[rmid].state = RM_CLOSED;
    return answered(t, rmid, "xa_close",
                    switch_of(t, rmid)->xa_close_entry(resource->close, (int)rmid, TMNOFLAGS));
}

int rm_start(struct tx_thread *t, unsigned rmid)
{
    struct tx_rm *rm = &t->rms[rmid];
    int code = switch_of(t, rmid)->xa_start_entry(&rm->xid, (int)rmid, TMNOFLAGS);
    if (code == XA_OK)
        rm->state = RM_STARTED;
    return code == XAER_RMFAIL ? code : answered(t, rmid, "xa_start", code);
}

int rm_end(struct tx_thread *t, unsigned rmid, long flags)
{
    struct tx_rm *rm = &t->rms[rmid];
    if (rm->state != RM_STARTED)
        return XA_OK;
    rm->state = RM_ENDED;
    return answered(t, rmid, "xa_end",
                    switch_of(t, rmid)->xa_end_entry(&rm->xid, (int)rmid, flags));
}

int rm_prepare(struct tx_thread *t, unsigned rmid)
{
    struct tx_rm *rm = &t->rms[rmid];
    int code = switch_of(t, rmid)->xa_prepare_entry(&rm->xid, (int)rmid, TMNOFLAGS);
    if (code == XA_OK)
        rm->state = RM_PREPARED;
    else if (code == XA_RDONLY || (code >= XA_RBBASE && code <= XA_RBEND))
        rm->state = RM_IDLE; // the branch is no more
    return code == XA_RDONLY ? code : answered(t, rmid, "xa_prepare", code);
}

// XA_RETRY: as a rule the participant is at the very branch just now.
static int end_of_branch(int (*entry)(XID *xid, int rmid, long flags), XID *xid, unsigned rmid,
                         long flags)
{
    int code = entry(xid, (int)rmid, flags);
    for (unsigned i = 0; i < RETRIES && code == XA_RETRY && !(flags & TMONEPHASE); i++) {
        tx_pause_ms(1U << i);
        code = entry(xid, (int)rmid, flags);
    }
    return code;
}

int rm_commit(struct tx_thread *t, unsigned rmid, long flags)
{
    struct tx_rm *rm = &t->rms[rmid];
    int code = end_of_branch(switch_of(t, rmid)->xa_commit_entry, &rm->xid, rmid, flags);
    rm->state = RM_IDLE;
    // In the second phase the participant may have been faster.
    if (code == XAER_NOTA && !(flags & TMONEPHASE))
        return code;
    return answered(t, rmid, "xa_commit", code);
}

int rm_rollback(struct tx_thread *t, unsigned rmid)
{
    struct tx_rm *rm = &t->rms[rmid];
    int code = end_of_branch(switch_of(t, rmid)->xa_rollback_entry, &rm->xid, rmid, TMNOFLAGS);
    rm->state = RM_IDLE;
    bool gone = code == XAER_NOTA || (code >= XA_RBBASE && code <= XA_RBEND);
    return gone ? code : answered(t, rmid, "xa_rollback", code);
}
