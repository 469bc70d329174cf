// SPDX-License-Identifier: Apache-2.0
// What the resource manager holds prepared, by xa_recover. Calls that come while a scan runs wait
// for the next one, which one of them makes for all: with many branches in flight a scan is shared.
#include <stdlib.h>
#include <string.h>

#include "xa_internal.h"

enum { CHUNK = 128, HELD_MAX = 1 << 20 };

static int xid_compare(const void *left, const void *right)
{
    const XID *a = left, *b = right; // all of one format
    if (a->gtrid_length != b->gtrid_length)
        return a->gtrid_length < b->gtrid_length ? -1 : 1;
    if (a->bqual_length != b->bqual_length)
        return a->bqual_length < b->bqual_length ? -1 : 1;
    return memcmp(a->data, b->data, (size_t)(a->gtrid_length + a->bqual_length));
}

// ---- one scan ----

static bool list_add(struct xid_list *list, const XID *xid)
{
    if (list->count == list->room) {
        size_t room = list->room ? list->room * 2 : CHUNK;
        XID *xids = realloc(list->xids, room * sizeof *xids);
        if (!xids)
            return false;
        list->xids = xids;
        list->room = room;
    }
    list->xids[list->count++] = *xid;
    return true;
}

static bool add_ours(const assent_xa *xa, const XID *xids, int count, struct xid_list *ret)
{
    assent_xid_parts parts;
    for (int i = 0; i < count; i++) {
        assent_xid_parse(&xids[i], &parts);
        bool ours = strcmp(parts.resource_hash, xa->hash) == 0; // of a foreign one it is ""
        if (ours && !list_add(ret, &xids[i]))
            return false;
    }
    return true;
}

static enum xa_deed scan_chunks(const assent_xa *xa, struct xid_list *ret)
{
    int (*recover)(XID *, long, int, long) = xa->xa_switch->xa_recover_entry;
    XID xids[CHUNK];
    long flags = TMSTARTRSCAN;
    int count;
    ret->count = 0;
    memset(xids, 0, sizeof xids);
    for (size_t seen = 0;; flags = TMNOFLAGS) {
        count = recover(xids, CHUNK, xa->rmid, flags);
        if (count < 0 || count > CHUNK)
            return xa_answered(xa, XA_STAGE_RECOVER, count < 0 ? count : XAER_RMERR, NULL);
        seen += (size_t)count;
        // A switch that never comes to an end is one that forgets where it was.
        if (seen > HELD_MAX || !add_ours(xa, xids, count, ret))
            return xa_answered(xa, XA_STAGE_RECOVER, XAER_RMERR, NULL);
        if (count < CHUNK)
            break;
    }
    recover(xids, 0, xa->rmid, TMENDRSCAN); // what was found is found, whatever it says
    if (ret->count)
        qsort(ret->xids, ret->count, sizeof *ret->xids, xid_compare);
    return XA_GO_ON;
}

static bool scan_once(assent_xa *xa, struct xid_list *ret)
{
    for (int tries = 0; tries < 2; tries++) {
        int code;
        if (!xa_thread_ready(xa, &code))
            return false;
        enum xa_deed deed = scan_chunks(xa, ret);
        if (deed == XA_REOPEN)
            xa_thread_lost(xa);
        else
            return deed == XA_GO_ON;
    }
    return false;
}

// ---- one for all who wait ----

// Lock held, but not while it runs.
static void scan_lead(assent_xa *xa)
{
    struct xid_list found = {.xids = NULL};
    xa->scanning = true;
    xa->scans_begun++;
    pthread_mutex_unlock(&xa->lock);
    bool good = scan_once(xa, &found);
    pthread_mutex_lock(&xa->lock);
    free(xa->held.xids);
    xa->held = found;
    xa->scan_good = good;
    xa->scanning = false;
    xa->scans_done = xa->scans_begun;
    pthread_cond_broadcast(&xa->scanned);
}

// Lock held. True: xa->held is of a scan that began after the call.
static bool scan_fresh(assent_xa *xa)
{
    uint64_t wanted = xa->scans_begun + 1; // one that runs already may have passed it by
    while (xa->scans_done < wanted) {
        if (!xa->scanning) {
            scan_lead(xa);
            continue;
        }
        xa->scan_waiters++;
        pthread_cond_wait(&xa->scanned, &xa->lock);
        xa->scan_waiters--;
    }
    return xa->scan_good;
}

enum xa_held xa_scan_holds(assent_xa *xa, const XID *xid)
{
    enum xa_held held = XA_HELD_UNKNOWN;
    pthread_mutex_lock(&xa->lock);
    if (scan_fresh(xa)) {
        bool found = xa->held.count && bsearch(xid, xa->held.xids, xa->held.count,
                                               sizeof *xa->held.xids, xid_compare);
        held = found ? XA_HELD_YES : XA_HELD_NO;
    }
    pthread_mutex_unlock(&xa->lock);
    return held;
}

bool xa_scan_all(assent_xa *xa, struct xid_list *ret)
{
    struct xid_list copy = {.xids = NULL};
    pthread_mutex_lock(&xa->lock);
    bool good = scan_fresh(xa);
    for (size_t i = 0; good && i < xa->held.count; i++)
        good = list_add(&copy, &xa->held.xids[i]);
    pthread_mutex_unlock(&xa->lock);
    if (!good) {
        free(copy.xids);
        return false;
    }
    *ret = copy;
    return true;
}
