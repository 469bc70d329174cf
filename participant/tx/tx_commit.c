// SPDX-License-Identifier: Apache-2.0
// tx_commit. What a crash of this process leaves behind:
//
//   before a branch is prepared    the database rolls it back, with the connection
//   prepared, not yet submitted    the coordinator's time is up, or the participant of the resource
//                                  (which looks at what is prepared) learns that there is no such
//                                  transaction: it is rolled back
//   submitted                      the coordinator decides, the participants finish
#include <string.h>

#include "base/crash_point.h"
#include "tx_end.h"

enum { PAUSE_MIN_MS = 2, PAUSE_MAX_MS = 200, ASK_AGAIN_MS = 100 };

// It is rolled back, and says so; or, heuristically, committed all the same.
static int rolled_back(int code)
{
    return code == TX_OK ? TX_ROLLBACK : code == TX_COMMITTED ? TX_OK : code;
}

// ---- one resource manager alone ----

// XA: with TMONEPHASE the resource manager decides. It alone can say what it did.
static int one_phase_code(struct tx_thread *t, int code)
{
    if (code >= XA_RBBASE && code <= XA_RBEND)
        return TX_ROLLBACK;
    switch (code) {
    case XA_OK: return TX_OK;
    case XA_HEURCOM: return TX_OK;
    case XA_HEURRB: return TX_ROLLBACK;
    case XA_HEURMIX: return TX_MIXED;
    case XA_HEURHAZ: return TX_HAZARD;
    case XAER_RMERR: return TX_ROLLBACK; // "the branch's work has been rolled back"
    default: break;
    }
    tx_say(t, "resource %s: nobody knows whether it committed",
           t->process->config.resources[0].name);
    return TX_FAIL;
}

static int one_phase(struct tx_thread *t)
{
    int code = one_phase_code(t, rm_commit(t, 0, TMONEPHASE));
    if (code == TX_FAIL || code == TX_HAZARD)
        rm_close(t, 0);
    assent_tx_destroy(&t->tx);
    return code;
}

// ---- the first phase ----

static bool enlist_all(struct tx_thread *t)
{
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        uint16_t branch;
        assent_error error;
        t->enlisted = true; // whatever comes of it
        if (assent_enlist(t->tx, t->process->config.resources[i].name, &branch, &error) !=
            ASSENT_OK) {
            tx_say(t, "%s", error.message);
            return false;
        }
        if (branch != i) {
            tx_say(t, "branch %u of %s was numbered %u", i, assent_tx_gtid(t->tx), branch);
            return false;
        }
    }
    CRASH_POINT(tx_after_enlist);
    return true;
}

static bool prepare_all(struct tx_thread *t)
{
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        assent_error error;
        int code = rm_prepare(t, i);
        if (code != XA_OK && code != XA_RDONLY)
            return false;
        if (code == XA_RDONLY && assent_read_only(t->tx, (uint16_t)i, &error) != ASSENT_OK) {
            tx_say(t, "%s", error.message);
            return false;
        }
        CRASH_POINT(tx_after_prepare);
    }
    return true;
}

static bool end_all(struct tx_thread *t)
{
    bool good = true;
    for (unsigned i = 0; i < tx_rm_count(t); i++)
        good = rm_end(t, i, TMSUCCESS) == XA_OK && good;
    return good;
}

// ---- the decision ----

enum decision { DECIDED, REFUSED, UNKNOWN };

static bool worth_asking_again(int code)
{
    return code == ASSENT_UNAVAILABLE || code == ASSENT_BUSY;
}

// REFUSED: the coordinator has not heard of a commit, and will not.
static enum decision decide(struct tx_thread *t, assent_result *ret)
{
    uint64_t until_ms = tx_now_ms() + t->process->config.outcome_timeout_ms;
    bool asked = false; // it may have been heard
    for (;;) {
        assent_error error = {0};
        int code = assent_commit(t->tx, ret, &error);
        if (code == ASSENT_OK &&
            (ret->outcome == ASSENT_COMMITTED || ret->outcome == ASSENT_ABORTED))
            return DECIDED;
        asked = asked || code == ASSENT_OK || code == ASSENT_TIMEOUT || code == ASSENT_CLOSED;
        bool again = code == ASSENT_OK || code == ASSENT_TIMEOUT || worth_asking_again(code);
        if (!again || tx_now_ms() >= until_ms) {
            tx_say(t, "%s", code == ASSENT_OK ? "the coordinator has not decided" : error.message);
            return asked ? UNKNOWN : REFUSED;
        }
        if (code != ASSENT_TIMEOUT)
            tx_pause_ms(ASK_AGAIN_MS);
    }
}

// ---- the second phase ----

// Until the participants have done what was left to them.
static void await_others(struct tx_thread *t, struct tally *tally)
{
    const char *gtid = assent_tx_gtid(t->tx);
    uint64_t until_ms = tx_now_ms() + t->process->config.outcome_timeout_ms;
    uint64_t pause_ms = PAUSE_MIN_MS;
    while (tx_now_ms() < until_ms) {
        assent_result result;
        if (assent_status(t->process->client, gtid, &result, NULL) == ASSENT_OK &&
            result.finished) {
            tally->mixed = tally->mixed || result.mixed;
            return;
        }
        tx_pause_ms(pause_ms);
        pause_ms = pause_ms * 2 < PAUSE_MAX_MS ? pause_ms * 2 : PAUSE_MAX_MS;
    }
    tx_say(t, "%s is committed, but not at every resource manager yet: see 'assent explain %s'",
           gtid, gtid);
}

// Heuristics are not forgotten here: the participants are answered the same, and have them recorded
// first.
static int commit_all(struct tx_thread *t, const assent_result *result)
{
    struct tally tally = {.mixed = result->mixed};
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        if (t->rms[i].state != RM_PREPARED)
            continue;
        enum fate fate = fate_of_commit(rm_commit(t, i, TMNOFLAGS));
        CRASH_POINT(tx_after_commit);
        // A connection that lives may keep the branch from its participant; the end of it does not.
        if (fate == FATE_OPEN)
            rm_close(t, i);
        tally.count[fate]++;
    }
    if (tally_code(&tally, TX_ROLLBACK) == TX_OK) // what was in the way is no matter any more
        *t->message = '\0';
    if (t->when_return == TX_COMMIT_COMPLETED && (tally.count[FATE_GONE] || tally.count[FATE_OPEN]))
        await_others(t, &tally);
    assent_tx_destroy(&t->tx);
    return tally_code(&tally, TX_ROLLBACK);
}

static int aborted(struct tx_thread *t, const assent_result *result)
{
    struct tally tally = {.mixed = result->mixed};
    tx_say(t, "%s was rolled back: %s%s%s", assent_tx_gtid(t->tx),
           assent_reason_text(result->reason), *result->text ? ": " : "", result->text);
    end_rollback(t, &tally);
    assent_tx_destroy(&t->tx);
    return rolled_back(tally_code(&tally, TX_COMMITTED));
}

// Nothing may be claimed. What is prepared is let go of, so that the participants can finish it.
static int unknown(struct tx_thread *t)
{
    bool prepared = false;
    char gtid[ASSENT_GTID_MAX + 1];
    char why[ASSENT_ERROR_MESSAGE_MAX];
    strcpy(gtid, assent_tx_gtid(t->tx));
    strcpy(why, t->message);
    *t->message = '\0';
    tx_say(t, "it is not known whether %s was committed; 'assent show %s' tells, once it can: %s",
           gtid, gtid, why);
    for (unsigned i = 0; i < tx_rm_count(t); i++) {
        prepared = prepared || t->rms[i].state == RM_PREPARED;
        if (t->rms[i].state == RM_PREPARED)
            rm_close(t, i);
    }
    assent_tx_destroy(&t->tx);
    return prepared ? TX_FAIL : TX_OK; // nothing was changed, so it makes no difference
}

static int two_phases(struct tx_thread *t)
{
    assent_result result;
    if (!enlist_all(t) || !prepare_all(t))
        return rolled_back(end_undecided(t, TX_COMMITTED));
    enum decision decision = decide(t, &result);
    if (decision == UNKNOWN)
        return unknown(t);
    if (decision == REFUSED)
        return rolled_back(end_undecided(t, TX_COMMITTED));
    CRASH_POINT(tx_after_decision);
    return result.outcome == ASSENT_COMMITTED ? commit_all(t, &result) : aborted(t, &result);
}

int thread_commit(struct tx_thread *t)
{
    if (tx_time_is_up(t)) {
        tx_say(t, "%s was rolled back: its time was up (%ld s)", assent_tx_gtid(t->tx),
               t->timeout_s);
        return rolled_back(end_undecided(t, TX_COMMITTED));
    }
    if (!end_all(t))
        return rolled_back(end_undecided(t, TX_COMMITTED));
    CRASH_POINT(tx_after_end);
    return tx_rm_count(t) == 1 ? one_phase(t) : two_phases(t);
}
