// SPDX-License-Identifier: Apache-2.0
#include "tx_thread.h"

int thread_open(struct tx_thread *t)
{
    assent_error error;
    int code = tx_process_take(&t->process, &error);
    if (code) {
        tx_say(t, "%s", error.message);
        return code == ASSENT_CONFIG || code == ASSENT_INVALID ? TX_FAIL : TX_ERROR;
    }
    code = XA_OK;
    for (unsigned i = 0; i < tx_rm_count(t) && code == XA_OK; i++)
        code = rm_open(t, i);
    if (code == XA_OK)
        return TX_OK;
    thread_close(t);
    return code == XAER_INVAL || code == XAER_PROTO ? TX_FAIL : TX_ERROR;
}

int thread_close(struct tx_thread *t)
{
    int code = TX_OK;
    assent_tx_destroy(&t->tx);
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        if (rm_close(t, i) != XA_OK)
            code = TX_ERROR;
    }
    tx_process_give(&t->process);
    return code;
}
