// SPDX-License-Identifier: Apache-2.0
#include "base/crash_point.h"
#include "tx_end.h"

void end_rollback(struct tx_thread *t, struct tally *tally)
{
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        if (t->rms[i].state == RM_STARTED)
            rm_end(t, i, TMFAIL);
        if (t->rms[i].state != RM_ENDED && t->rms[i].state != RM_PREPARED)
            continue;
        enum fate fate = fate_of_rollback(rm_rollback(t, i));
        CRASH_POINT(tx_after_rollback);
        // A connection that lives may keep the branch from its participant; the end of it does not.
        if (fate == FATE_OPEN)
            rm_close(t, i);
        tally->count[fate]++;
    }
}

int end_undecided(struct tx_thread *t, int opposite)
{
    struct tally tally = {0};
    assent_result result;
    assent_error error;
    // Not answered: nothing was submitted, so the coordinator will abort it by itself.
    if (t->enlisted && assent_rollback(t->tx, &result, &error) == ASSENT_OK)
        tally.mixed = result.mixed;
    end_rollback(t, &tally);
    assent_tx_destroy(&t->tx);
    return tally_code(&tally, opposite);
}

int thread_rollback(struct tx_thread *t)
{
    return end_undecided(t, TX_COMMITTED);
}
