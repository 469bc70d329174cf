// SPDX-License-Identifier: Apache-2.0
#include "tx_outcome.h"

#include "assent/xopen/tx.h"

enum fate fate_of_commit(int xa_code)
{
    switch (xa_code) {
    case XA_OK: return FATE_DONE;
    case XA_HEURCOM: return FATE_DONE;
    case XA_HEURRB: return FATE_AGAINST;
    case XA_HEURMIX: return FATE_MIXED;
    case XA_HEURHAZ: return FATE_HAZARD;
    case XAER_NOTA: return FATE_GONE;
    default: return FATE_OPEN; // whatever it means, the decision stands
    }
}

enum fate fate_of_rollback(int xa_code)
{
    if (xa_code >= XA_RBBASE && xa_code <= XA_RBEND)
        return FATE_DONE;
    switch (xa_code) {
    case XA_OK: return FATE_DONE;
    case XA_HEURRB: return FATE_DONE;
    case XAER_NOTA: return FATE_DONE; // nobody can have committed it
    case XA_HEURCOM: return FATE_AGAINST;
    case XA_HEURMIX: return FATE_MIXED;
    case XA_HEURHAZ: return FATE_HAZARD;
    default: return FATE_OPEN;
    }
}

int tally_code(const struct tally *tally, int opposite)
{
    unsigned against = tally->count[FATE_AGAINST];
    unsigned unseen = tally->count[FATE_GONE] + tally->count[FATE_OPEN];
    if (tally->count[FATE_MIXED] || (against && tally->count[FATE_DONE]))
        return TX_MIXED;
    if (tally->count[FATE_HAZARD] || (against && unseen) || tally->mixed)
        return TX_HAZARD;
    return against ? opposite : TX_OK;
}
