// SPDX-License-Identifier: Apache-2.0
// Who is connected, as what, and the gtids that are leased to them.
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "core/coordinator_internal.h"

enum { LIMIT_LEASES = 16384 };

struct session *session_find(const struct coordinator *c, peer_t peer)
{
    return map_get(&c->sessions, slice_of(&peer, sizeof peer));
}

struct resource *resource_find(const struct coordinator *c, struct slice name)
{
    return map_get(&c->resources, name);
}

struct resource *resource_get(struct coordinator *c, struct slice name)
{
    struct resource *r = resource_find(c, name);
    if (r)
        return r;
    if (!coord_timer_reserve(c))
        return NULL;
    r = calloc(1, sizeof *r);
    if (!r)
        goto no_memory;
    memcpy(r->name, name.data, name.size);
    r->resend.kind = TIMER_RESOURCE;
    for (int i = 0; i < RESEND_LEVELS; i++)
        list_init(&r->outstanding[i]);
    list_init(&r->fence);
    if (!map_insert(&c->resources, slice_of(r->name, name.size), r))
        goto no_entry;
    c->stats.participants++;
    return r;
no_entry:
    free(r);
no_memory:
    c->timer_count--;
    return NULL;
}

void resource_release(struct coordinator *c, struct resource *r)
{
    if (r->branches || r->session)
        return;
    heap_disarm(&c->timers, &r->resend.timer);
    c->timer_count--;
    map_remove(&c->resources, slice_text(r->name));
    c->stats.participants--;
    free(r);
}

static void session_unbind(struct coordinator *c, struct session *s)
{
    struct resource *r = s->resource;
    if (!r)
        return;
    s->resource = NULL;
    r->session = NULL;
    heap_disarm(&c->timers, &r->resend.timer);
    resource_release(c, r);
}

void session_free(struct coordinator *c, struct session *s)
{
    session_unbind(c, s);
    heap_disarm(&c->timers, &s->silent.timer);
    c->timer_count--;
    map_remove(&c->sessions, slice_of(&s->id, sizeof s->id));
    c->stats.peers--;
    free(s);
}

static struct session *session_new(struct coordinator *c, peer_t peer)
{
    if (c->stats.peers >= c->config.peers_max || !coord_timer_reserve(c))
        return NULL;
    struct session *s = calloc(1, sizeof *s);
    if (!s)
        goto no_memory;
    s->id = peer;
    s->silent.kind = TIMER_SESSION;
    if (!map_insert(&c->sessions, slice_of(&s->id, sizeof s->id), s))
        goto no_entry;
    c->stats.peers++;
    heap_arm(&c->timers, &s->silent.timer, c->now.mono_ms + c->config.peer_silent_ms);
    return s;
no_entry:
    free(s);
no_memory:
    c->timer_count--;
    return NULL;
}

// May this participant speak for the resource from now on? Two runs of one participant share its
// journal, and the newer one is the one that is alive. Two journals are two participants: the
// second has to wait until the first is gone.
static bool resource_may_bind(struct coordinator *c, const struct resource *r,
                              const struct session *s, const struct msg_hello *hello)
{
    if (!r->session || r->session == s)
        return true;
    if (r->journal == hello->journal)
        return hello->peer_incarnation >= r->peer_incarnation;
    return c->now.mono_ms - r->session->heard_ms >= c->config.peer_silent_ms;
}

static void resource_bind(struct coordinator *c, struct session *s, const struct msg_hello *hello)
{
    struct resource *r = resource_get(c, hello->name);
    if (!r) {
        coord_refuse(c, s->id, MSG_HELLO, NULL, ASSENT_NOMEM, "out of memory");
        return;
    }
    if (!resource_may_bind(c, r, s, hello)) {
        coord_refuse(c, s->id, MSG_HELLO, NULL, ASSENT_CONFLICT, "another participant serves %s",
                     r->name);
        return;
    }
    if (r->session && r->session != s)
        r->session->resource = NULL;
    if (s->resource && s->resource != r)
        session_unbind(c, s);
    s->resource = r;
    r->session = s;
    r->peer_incarnation = hello->peer_incarnation;
    r->journal = hello->journal;
    slice_to_text(slice_cut(hello->address, LIMIT_ADDRESS_BYTES), r->address);
    r->heard_wall_ms = c->now.wall_ms;
    r->unanswered = 0;
    coord_send(c, s->id, MSG_WELCOME)->u.welcome = (struct msg_welcome){
        .peer_incarnation = hello->peer_incarnation,
        .payload_bytes_max = c->config.payload_bytes_max,
        .branches_max = (uint16_t)c->config.branches_max,
    };
    resend_now(c, r);
}

void session_hello(struct coordinator *c, peer_t peer, struct slice principal,
                   const struct msg_hello *hello)
{
    if (hello->version_min > WIRE_VERSION || hello->version_max < WIRE_VERSION) {
        coord_refuse(c, peer, MSG_HELLO, NULL, ASSENT_VERSION, "this coordinator speaks version %d",
                     WIRE_VERSION);
        return;
    }
    struct session *s = session_find(c, peer);
    if (!s)
        s = session_new(c, peer);
    if (!s) {
        coord_refuse(c, peer, MSG_HELLO, NULL, ASSENT_BUSY, "too many connections");
        return;
    }
    s->heard_ms = c->now.mono_ms;
    s->role = hello->role;
    slice_to_text(slice_cut(hello->name, LIMIT_NAME_BYTES), s->name);
    slice_to_text(slice_cut(principal, LIMIT_NAME_BYTES), s->principal);
    if (hello->role == ROLE_PARTICIPANT) {
        resource_bind(c, s, hello);
        return;
    }
    session_unbind(c, s);
    session_lease(c, s);
}

void session_gone(struct coordinator *c, peer_t peer)
{
    struct session *s = session_find(c, peer);
    if (s)
        session_free(c, s);
}

void session_silent(struct coordinator *c, struct session *s)
{
    uint64_t due = s->heard_ms + c->config.peer_silent_ms;
    if (due > c->now.mono_ms)
        heap_arm(&c->timers, &s->silent.timer, due);
    else
        session_free(c, s);
}

// ---- leases ----

static void lease_free(struct coordinator *c, struct lease *lease)
{
    list_remove(&lease->age);
    map_remove(&c->leases, slice_of(&lease->index, sizeof lease->index));
    free(lease);
}

static struct lease *lease_new(struct coordinator *c, const char *principal)
{
    if (c->leases.count >= LIMIT_LEASES)
        lease_free(c, container_of(c->leases_by_age.next, struct lease, age));
    size_t words = (c->config.lease_gtids + 63) / 64;
    struct lease *lease = calloc(1, sizeof *lease + words * sizeof lease->used[0]);
    if (!lease)
        return NULL;
    lease->index = c->lease_index_next;
    lease->lease_ms = c->stamp_ms;
    slice_to_text(slice_cut(slice_text(principal), LIMIT_NAME_BYTES), lease->principal);
    if (!map_insert(&c->leases, slice_of(&lease->index, sizeof lease->index), lease)) {
        free(lease);
        return NULL;
    }
    list_append(&c->leases_by_age, &lease->age);
    c->lease_index_next++;
    return lease;
}

void session_lease(struct coordinator *c, struct session *s)
{
    struct msg_welcome welcome = {
        .payload_bytes_max = c->config.payload_bytes_max,
        .branches_max = (uint16_t)c->config.branches_max,
    };
    struct lease *lease = s->role == ROLE_CLIENT ? lease_new(c, s->principal) : NULL;
    if (lease) {
        welcome.lease_first = lease->index * c->config.lease_gtids + 1;
        welcome.lease_count = c->config.lease_gtids;
        welcome.lease_ms = lease->lease_ms;
    }
    coord_send(c, s->id, MSG_WELCOME)->u.welcome = welcome;
}

// Marks a gtid of this incarnation as used. FRESH: it never was, so there is nothing to look up.
enum lease_use lease_use(struct coordinator *c, const struct gtid_parts *parts,
                         const char *principal)
{
    uint64_t position = (parts->number - 1) % c->config.lease_gtids;
    uint64_t index = (parts->number - 1) / c->config.lease_gtids;
    struct lease *lease = map_get(&c->leases, slice_of(&index, sizeof index));
    if (!lease || (lease->lease_ms != parts->lease_ms && !MUTANT(GTID_REUSED)))
        return LEASE_USED;
    if (strcmp(lease->principal, principal) != 0 && !MUTANT(LEASE_OF_ANOTHER))
        return LEASE_DENIED;
    uint64_t bit = UINT64_C(1) << position % 64;
    if (lease->used[MUTANT(MARK_MISREAD) ? 0 : position / 64] & bit)
        return LEASE_USED;
    lease->used[position / 64] |= MUTANT(GTID_NOT_MARKED) ? 0 : bit;
    if (++lease->used_count == c->config.lease_gtids)
        lease_free(c, lease);
    return LEASE_FRESH;
}
