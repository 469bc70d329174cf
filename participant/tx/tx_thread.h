// SPDX-License-Identifier: Apache-2.0
// A thread of control: what it has open, and the transaction that it is in. Used by its own thread
// only.
#ifndef TX_THREAD_H
#define TX_THREAD_H

#include "assent/xopen/tx.h"
#include "tx_process.h"
#include "tx_states.h"

enum rm_state {
    RM_CLOSED,
    RM_IDLE,
    RM_STARTED,  // xa_start was answered: work belongs to the branch
    RM_ENDED,    // xa_end was called
    RM_PREPARED, // and xa_prepare was answered XA_OK
};

struct tx_rm {
    enum rm_state state;
    XID xid; // of its branch, from RM_STARTED on
};

struct tx_thread {
    enum tx_state state;
    bool failed; // TX_FAIL was returned: only tx_close is of use
    struct tx_process *process;
    COMMIT_RETURN when_return;
    TRANSACTION_TIMEOUT timeout_s;
    assent_tx *tx;   // from tx_begin on
    uint64_t due_ms; // when its time is up; 0: never
    bool enlisted;   // the coordinator may know of it
    struct tx_rm rms[TX_RESOURCES_MAX];
    char message[ASSENT_ERROR_MESSAGE_MAX];
};

// This thread's own; ended with it. NULL: out of memory.
struct tx_thread *tx_thread_self(void);

// Keeps what there is to say about the present call; the first word stands.
void tx_say(struct tx_thread *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static inline unsigned tx_rm_count(const struct tx_thread *t)
{
    return t->process->config.resource_count;
}

uint64_t tx_now_ms(void);
void tx_pause_ms(uint64_t ms);
bool tx_time_is_up(const struct tx_thread *t);

// ---- tx_rm.c: calls of one resource manager. Each returns its code, and says what was wrong ----

int rm_open(struct tx_thread *t, unsigned rmid);
// Whatever it is in. A branch that it holds prepared is left to the participant, others are gone.
int rm_close(struct tx_thread *t, unsigned rmid);
int rm_start(struct tx_thread *t, unsigned rmid);
int rm_end(struct tx_thread *t, unsigned rmid, long flags); // nothing where it was not started
int rm_prepare(struct tx_thread *t, unsigned rmid);
int rm_commit(struct tx_thread *t, unsigned rmid, long flags);
int rm_rollback(struct tx_thread *t, unsigned rmid);

// ---- tx_open.c ----

int thread_open(struct tx_thread *t);  // TX_OK, TX_ERROR, TX_FAIL: nothing is open
int thread_close(struct tx_thread *t); // TX_OK, TX_ERROR: all the same nothing is open any more

// ---- tx_begin.c, tx_commit.c, tx_rollback.c: code of TX, as for unchained transactions ----

int thread_begin(struct tx_thread *t);
int thread_commit(struct tx_thread *t);
int thread_rollback(struct tx_thread *t);

#endif
