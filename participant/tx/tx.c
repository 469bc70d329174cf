// SPDX-License-Identifier: Apache-2.0
// The nine functions: what the state table allows, and where it leads.
#pragma GCC visibility push(default)
#include "assent/xopen/tx.h"
#pragma GCC visibility pop

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/tx_error.h"
#include "tx_thread.h"

static const struct {
    int code;
    const char *text;
} codes[] = {
#define CODE(name)                                                                                 \
    {                                                                                              \
        name, #name                                                                                \
    }
    CODE(TX_NOT_SUPPORTED),
    CODE(TX_OK),
    CODE(TX_OUTSIDE),
    CODE(TX_ROLLBACK),
    CODE(TX_MIXED),
    CODE(TX_HAZARD),
    CODE(TX_PROTOCOL_ERROR),
    CODE(TX_ERROR),
    CODE(TX_FAIL),
    CODE(TX_EINVAL),
    CODE(TX_COMMITTED),
    CODE(TX_NO_BEGIN),
    CODE(TX_ROLLBACK_NO_BEGIN),
    CODE(TX_MIXED_NO_BEGIN),
    CODE(TX_HAZARD_NO_BEGIN),
    CODE(TX_COMMITTED_NO_BEGIN),
#undef CODE
};

const char *assent_tx_code_text(int code)
{
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        if (codes[i].code == code)
            return codes[i].text;
    }
    return "?";
}

const char *assent_tx_error(void)
{
    const struct tx_thread *t = tx_thread_self();
    return t ? t->message : "out of memory";
}

// TX has no word for why: people read it on standard error.
static int told(const struct tx_thread *t, const char *function, int code)
{
    const char *quiet = getenv("ASSENT_TX_QUIET");
    int plain = code > TX_NO_BEGIN / 2 ? code : code - TX_NO_BEGIN; // whatever was begun after it
    bool serious = plain == TX_MIXED || plain == TX_HAZARD || plain == TX_ERROR || plain == TX_FAIL;
    if (serious && !(quiet && *quiet))
        fprintf(stderr, "assent: %s: %s: %s\n", function, assent_tx_code_text(code), t->message);
    return code;
}

// The thread, where it may call this; else *ret_code.
static struct tx_thread *enter(enum tx_row row, int *ret_code)
{
    struct tx_thread *t = tx_thread_self();
    *ret_code = TX_FAIL;
    if (!t)
        return NULL;
    *t->message = '\0';
    if (t->failed && row != TX_ROW_CLOSE) {
        tx_say(t, "an earlier call has failed: call tx_close, then tx_open");
        return NULL;
    }
    if (!t->failed && !tx_allowed(row, t->state)) {
        tx_say(t, "%s is not allowed now: %s", tx_table[row].function, tx_state_about[t->state]);
        *ret_code = TX_PROTOCOL_ERROR;
        return NULL;
    }
    return t;
}

static int leave(struct tx_thread *t, enum tx_row row, int code)
{
    t->state = tx_table[row].next[t->state];
    return told(t, tx_table[row].function, code);
}

int tx_open(void)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_OPEN, &code);
    if (!t)
        return code;
    if (t->state != TX_S0)
        return leave(t, TX_ROW_OPEN, TX_OK);
    code = thread_open(t);
    if (code != TX_OK)
        return told(t, "tx_open", code);
    t->when_return = TX_COMMIT_COMPLETED;
    t->timeout_s = 0;
    return leave(t, TX_ROW_OPEN, TX_OK);
}

int tx_close(void)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_CLOSE, &code);
    if (!t)
        return code;
    code = t->process ? thread_close(t) : TX_OK;
    t->failed = false;
    t->state = TX_S0;
    return told(t, "tx_close", code);
}

int tx_begin(void)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_BEGIN, &code);
    if (!t)
        return code;
    code = thread_begin(t);
    return code == TX_OK ? leave(t, TX_ROW_BEGIN, code) : told(t, "tx_begin", code);
}

// The transaction has ended with `code`; a chained one is followed by the next.
static int ended(struct tx_thread *t, enum tx_row row, enum tx_row row_no_begin, int code)
{
    if (code == TX_FAIL) {
        t->failed = true;
        return told(t, tx_table[row].function, code);
    }
    if (!tx_chained(t->state) || thread_begin(t) == TX_OK)
        return leave(t, row, code);
    return leave(t, row_no_begin, code + TX_NO_BEGIN);
}

int tx_commit(void)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_COMMIT, &code);
    if (!t)
        return code;
    return ended(t, TX_ROW_COMMIT, TX_ROW_COMMIT_NO_BEGIN, thread_commit(t));
}

int tx_rollback(void)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_ROLLBACK, &code);
    if (!t)
        return code;
    return ended(t, TX_ROW_ROLLBACK, TX_ROW_ROLLBACK_NO_BEGIN, thread_rollback(t));
}

// The gtid, without a branch.
static void global_xid(const struct tx_thread *t, XID *ret)
{
    memset(ret, 0, sizeof *ret);
    ret->formatID = -1;
    if (!tx_in_transaction(t->state))
        return;
    ret->formatID = t->rms[0].xid.formatID;
    ret->gtrid_length = t->rms[0].xid.gtrid_length;
    memcpy(ret->data, t->rms[0].xid.data, (size_t)ret->gtrid_length);
}

int tx_info(TXINFO *info)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_INFO, &code);
    if (!t)
        return code;
    if (info) {
        global_xid(t, &info->xid);
        info->when_return = t->when_return;
        info->transaction_control = tx_chained(t->state) ? TX_CHAINED : TX_UNCHAINED;
        info->transaction_timeout = t->timeout_s;
        info->transaction_state =
            tx_in_transaction(t->state) && tx_time_is_up(t) ? TX_TIMEOUT_ROLLBACK_ONLY : TX_ACTIVE;
    }
    return tx_in_transaction(t->state);
}

static int invalid(struct tx_thread *t, const char *what, long value)
{
    tx_say(t, "%ld is no %s", value, what);
    return TX_EINVAL;
}

int tx_set_commit_return(COMMIT_RETURN when_return)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_SET_COMMIT_RETURN, &code);
    if (!t)
        return code;
    if (when_return != TX_COMMIT_COMPLETED && when_return != TX_COMMIT_DECISION_LOGGED)
        return invalid(t, "COMMIT_RETURN", when_return);
    t->when_return = when_return;
    return leave(t, TX_ROW_SET_COMMIT_RETURN, TX_OK);
}

int tx_set_transaction_control(TRANSACTION_CONTROL control)
{
    int code;
    enum tx_row row = control == TX_CHAINED ? TX_ROW_SET_CHAINED : TX_ROW_SET_UNCHAINED;
    struct tx_thread *t = enter(row, &code);
    if (!t)
        return code;
    if (control != TX_CHAINED && control != TX_UNCHAINED)
        return invalid(t, "TRANSACTION_CONTROL", control);
    return leave(t, row, TX_OK);
}

int tx_set_transaction_timeout(TRANSACTION_TIMEOUT timeout)
{
    int code;
    struct tx_thread *t = enter(TX_ROW_SET_TIMEOUT, &code);
    if (!t)
        return code;
    if (timeout < 0 || (uint64_t)timeout > UINT32_MAX / 1000)
        return invalid(t, "TRANSACTION_TIMEOUT: seconds, 0 to 4294967", timeout);
    t->timeout_s = timeout;
    return leave(t, TX_ROW_SET_TIMEOUT, TX_OK);
}
