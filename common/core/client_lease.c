// SPDX-License-Identifier: Apache-2.0
// gtids: numbers that the coordinator leases in runs, so that beginning costs no round trip.
#include "base/mutant.h"
#include "core/client_internal.h"

// A gtid carries the time of its lease, and one whose lease is older than the coordinator's
// retention can no longer be told "aborted" from "collected". So old numbers are thrown away.
enum { LEASE_AGE_MAX_MS = 10 * 60 * 1000, COORDINATOR_ID_BITS = 40 };

static void lease_tidy(struct client *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->leases[i].stale_ms <= c->now.mono_ms)
            c->leases[i].count = 0;
    }
    if (c->leases[0].count == 0) {
        c->leases[0] = c->leases[1];
        c->leases[1].count = 0;
    }
}

void lease_drop_all(struct client *c)
{
    c->leases[0].count = c->leases[1].count = 0;
    c->lease_due_ms = 0;
}

// Numbers that were taken before must never be taken again, whatever the network repeats: within a
// run of the coordinator the leases of one client only rise.
static bool lease_is_new(struct client *c, const struct msg_welcome *welcome)
{
    bool same_run =
        c->lease_coordinator == c->coordinator && c->lease_incarnation == c->incarnation;
    if (same_run && welcome->lease_first < c->lease_next && !MUTANT(LEASE_TAKEN_TWICE))
        return false;
    c->lease_coordinator = c->coordinator;
    c->lease_incarnation = c->incarnation;
    c->lease_next = welcome->lease_first + welcome->lease_count;
    return true;
}

void lease_welcome(struct client *c, const struct msg_welcome *welcome)
{
    // One that gave nothing is out of resources: ask again, but not at once.
    c->lease_due_ms =
        welcome->lease_count ? 0 : c->now.mono_ms + client_backoff(c, c->config.resend_ms, 0);
    lease_tidy(c);
    struct gtid_block *place = c->leases[0].count == 0 ? &c->leases[0] : &c->leases[1];
    bool sane = c->coordinator >> COORDINATOR_ID_BITS == 0 &&
                welcome->lease_first <= UINT64_MAX - welcome->lease_count;
    if (welcome->lease_count == 0 || !sane || !lease_is_new(c, welcome))
        return;
    *place = (struct gtid_block){
        .coordinator = c->coordinator,
        .incarnation = c->incarnation,
        .lease_ms = welcome->lease_ms,
        .first = welcome->lease_first,
        .count = welcome->lease_count,
        .stale_ms = c->now.mono_ms + LEASE_AGE_MAX_MS,
    };
    c->lease_size = welcome->lease_count;
}

bool lease_wanted(const struct client *c)
{
    uint64_t left = 0;
    for (int i = 0; i < 2; i++) {
        if (c->leases[i].stale_ms > c->now.mono_ms)
            left += c->leases[i].count;
    }
    return c->config.role == ROLE_CLIENT && c->link == LINK_WELCOMED && left * 4 <= c->lease_size;
}

void lease_tick(struct client *c)
{
    if (!lease_wanted(c) || c->lease_due_ms > c->now.mono_ms)
        return;
    client_send(c, MSG_LEASE);
    c->lease_due_ms = c->now.mono_ms + client_backoff(c, c->config.resend_ms, 0);
}

bool client_gtids(struct client *c, uint32_t count_max, struct gtid_block *ret)
{
    lease_tidy(c);
    struct gtid_block *lease = &c->leases[0];
    if (lease->count == 0 || count_max == 0)
        return false;
    *ret = *lease;
    if (ret->count > count_max)
        ret->count = count_max;
    lease->first += ret->count;
    lease->count -= ret->count;
    lease_tidy(c);
    return true;
}

bool client_gtids_good(const struct client *c, const struct gtid_block *block)
{
    return block->count > 0 && block->stale_ms > c->now.mono_ms &&
           block->coordinator == c->coordinator && block->incarnation == c->incarnation;
}

void gtid_block_take(struct gtid_block *block, struct gtid *ret)
{
    struct gtid_parts parts = {
        .coordinator = block->coordinator,
        .incarnation = block->incarnation,
        .lease_ms = block->lease_ms,
        .number = block->first,
    };
    block->first++;
    block->count--;
    if (MUTANT(GTID_REUSED))
        parts.incarnation = parts.lease_ms = 1;
    gtid_make(&parts, ret);
}

bool client_gtid(struct client *c, struct gtid *ret)
{
    struct gtid_block one;
    if (!client_gtids(c, 1, &one))
        return false;
    gtid_block_take(&one, ret);
    return true;
}
