// SPDX-License-Identifier: Apache-2.0
// A transaction in the coordinator's memory: its parts live and die with it.
#include <stdlib.h>

#include "core/coordinator_internal.h"

struct tx_block {
    struct tx_block *next;
    size_t size, used;
    _Alignas(max_align_t) char data[];
};

enum { TX_BLOCK_BYTES = 512 };

void *tx_alloc(struct tx *tx, size_t size)
{
    size = (size + 15) & ~(size_t)15;
    struct tx_block *block = tx->blocks;
    if (!block || block->size - block->used < size) {
        size_t room = size > TX_BLOCK_BYTES ? size : TX_BLOCK_BYTES;
        block = malloc(sizeof *block + room);
        if (!block)
            return NULL;
        *block = (struct tx_block){.next = tx->blocks, .size = room};
        tx->blocks = block;
    }
    void *memory = block->data + block->used;
    block->used += size;
    return memset(memory, 0, size);
}

struct slice tx_copy(struct tx *tx, struct slice from)
{
    if (from.size == 0)
        return (struct slice){0};
    void *copy = tx_alloc(tx, from.size);
    if (!copy)
        return (struct slice){0};
    memcpy(copy, from.data, from.size);
    return slice_of(copy, from.size);
}

bool tx_made_here(const struct coordinator *c, const struct gtid *gtid, struct gtid_parts *ret)
{
    return gtid_parse(gtid, ret) && ret->coordinator == c->config.id;
}

struct tx *tx_new(struct coordinator *c, const struct gtid *gtid, struct slice owner,
                  enum tx_state state)
{
    struct tx *tx = calloc(1, sizeof *tx);
    if (!tx)
        return NULL;
    tx->gtid = *gtid;
    tx->state = state;
    tx->protocol = PROTOCOL_2PC;
    tx->reason_branch = BRANCH_NONE;
    tx->deadline.kind = TIMER_TX;
    tx->started_ms = c->stamp_ms;
    struct gtid_parts parts;
    tx->own_gtid = tx_made_here(c, gtid, &parts);
    tx->owner = tx_copy(tx, owner);
    if (owner.size && !tx->owner.size)
        goto no_room;
    if (!coord_timer_reserve(c))
        goto no_room;
    if (!pending_add(c, &tx->pending, PENDING_TX))
        goto no_token;
    if (!map_insert(&c->txs, gtid_slice(&tx->gtid), tx))
        goto no_entry;
    return tx;
no_entry:
    slots_release(&c->slots, tx->pending.token);
no_token:
    c->timer_count--;
no_room:
    tx_free(c, tx);
    return NULL;
}

struct tx *tx_find(const struct coordinator *c, const struct gtid *gtid)
{
    return map_get(&c->txs, gtid_slice(gtid));
}

// Takes it out of everything; its memory goes at the next step, as effects may point into it.
void tx_bury(struct coordinator *c, struct tx *tx)
{
    tx_move(tx, TX_ENDED);
    heap_disarm(&c->timers, &tx->deadline.timer);
    c->timer_count--;
    slots_release(&c->slots, tx->pending.token);
    map_remove(&c->txs, gtid_slice(&tx->gtid));
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (b->planned)
            plan_bury(c, b);
        resend_answered(c, b);
        list_remove(&b->fence);
        b->resource->branches--;
        resource_release(c, b->resource);
        b->resource = NULL;
    }
    tx->next_dead = c->dead;
    c->dead = tx;
}

void tx_free(struct coordinator *c, struct tx *tx)
{
    (void)c;
    while (tx->blocks) {
        struct tx_block *block = tx->blocks;
        tx->blocks = block->next;
        free(block);
    }
    free(tx);
}

void tx_move(struct tx *tx, enum tx_state state)
{
    tx->state = (enum tx_state)sm_move(&tx_table, tx->state, state);
}

struct branch *tx_branch(const struct tx *tx, unsigned number)
{
    struct branch *b = tx->branches;
    while (b && b->number != number)
        b = b->next;
    return b;
}

struct branch *tx_alone(const struct tx *tx)
{
    struct branch *alone = NULL;
    for (struct branch *b = tx->branches; b; b = b->next) {
        if (b->read_only)
            continue;
        if (alone)
            return NULL;
        alone = b;
    }
    return alone;
}

struct branch *tx_add_branch(struct coordinator *c, struct tx *tx, unsigned number, unsigned kind,
                             struct slice resource)
{
    struct branch *b = tx_alloc(tx, sizeof *b);
    if (!b)
        return NULL;
    b->resource = resource_get(c, resource);
    if (!b->resource)
        return NULL;
    b->resource->branches++;
    list_init(&b->link);
    list_init(&b->fence);
    b->tx = tx;
    b->number = (uint16_t)number;
    b->kind = (uint8_t)kind;
    b->parent = BRANCH_NONE;
    b->state = BRANCH_ACTIVE;
    b->since_wall_ms = c->now.wall_ms;
    struct branch **end = &tx->branches;
    while (*end && (*end)->number < number)
        end = &(*end)->next;
    b->next = *end;
    *end = b;
    tx->branch_count++;
    return b;
}

void branch_move(struct coordinator *c, struct branch *b, enum tx_branch_state state)
{
    b->state = (enum tx_branch_state)sm_move(&tx_branch_table, b->state, state);
    b->since_wall_ms = c->now.wall_ms;
    b->sent_ms = 0;
    b->tries = 0;
    if (b->planned)
        heap_disarm(&c->timers, &b->planned->timer.timer);
    resend_answered(c, b);
}

struct waiter *tx_add_waiter(struct coordinator *c, struct tx *tx, peer_t peer, uint8_t about)
{
    unsigned count = 0;
    for (struct waiter *w = tx->waiters; w; w = w->next, count++) {
        if (w->peer == peer && w->about == about) {
            if (w->request < c->request)
                w->request = c->request; // the newest is the one to answer
            return w;
        }
    }
    struct waiter *w = count < LIMIT_WAITERS ? tx_alloc(tx, sizeof *w) : NULL;
    if (!w)
        return NULL;
    *w = (struct waiter){.next = tx->waiters, .peer = peer, .request = c->request, .about = about};
    tx->waiters = w;
    return w;
}
