// SPDX-License-Identifier: Apache-2.0
// Beginning: a gtid of the coordinator's, and a branch at each resource manager.
//
// Branches are numbered by the coordinator as they are enlisted, which is only when the transaction
// is committed. Their XIDs are wanted now. Both go by rmid: either every resource manager has its
// branch, or none has and nothing was begun; so the branch of rmid n will be enlisted as number n.
#include "assent/xa_manager.h"
#include "base/crash_point.h"
#include "tx_thread.h"

// Nobody else knows of the branches yet.
static void undo(struct tx_thread *t)
{
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        if (t->rms[i].state != RM_STARTED)
            continue;
        rm_end(t, i, TMFAIL);
        int code = rm_rollback(t, i);
        if (code == XAER_RMFAIL || code == XAER_RMERR || code == XAER_PROTO)
            rm_close(t, i);
    }
    assent_tx_destroy(&t->tx);
}

// A connection that was lost since the last transaction is no reason to fail this one.
static int start_anew(struct tx_thread *t, unsigned rmid)
{
    rm_close(t, rmid);
    int code = rm_open(t, rmid);
    if (code == XA_OK)
        code = rm_start(t, rmid);
    if (code == XAER_RMFAIL)
        tx_say(t, "resource %s: it cannot be reached", t->process->config.resources[rmid].name);
    return code;
}

static int start(struct tx_thread *t, unsigned rmid)
{
    const char *resource = t->process->config.resources[rmid].name;
    assent_error error;
    if (assent_xid_enlisted(assent_tx_gtid(t->tx), (uint16_t)rmid, resource, &t->rms[rmid].xid,
                            &error) != ASSENT_OK) {
        tx_say(t, "%s", error.message);
        return XAER_INVAL;
    }
    int code = t->rms[rmid].state == RM_CLOSED ? XAER_RMFAIL : rm_start(t, rmid);
    return code == XAER_RMFAIL ? start_anew(t, rmid) : code;
}

int thread_begin(struct tx_thread *t)
{
    assent_error error;
    assent_tx_options options = {.timeout_ms = (uint32_t)(t->timeout_s * 1000)};
    if (assent_begin(t->process->client, NULL, &options, &t->tx, &error) != ASSENT_OK) {
        tx_say(t, "%s", error.message);
        return TX_ERROR;
    }
    t->enlisted = false;
    t->due_ms = t->timeout_s ? tx_now_ms() + options.timeout_ms : 0;
    int code = XA_OK;
    for (unsigned i = 0; i < tx_rm_count(t) && code == XA_OK; i++)
        code = start(t, i);
    if (code != XA_OK) {
        undo(t);
        return code == XAER_OUTSIDE ? TX_OUTSIDE : TX_ERROR;
    }
    CRASH_POINT(tx_after_begin);
    return TX_OK;
}
