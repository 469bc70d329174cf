// SPDX-License-Identifier: Apache-2.0
// What each branch is told of the others: all members of a three-phase transaction, which finish it
// among themselves; and in two-phase commit, so that a branch in doubt can ask who may know.
#include "core/coordinator_internal.h"

static struct member member_of(const struct branch *b)
{
    return (struct member){
        .journal = b->tx->protocol == PROTOCOL_3PC ? b->journal : 0, // else of no use to them
        .resource = slice_text(b->resource->name),
        .address = slice_text(b->resource->address),
    };
}

static struct slice all_of(struct coordinator *c, const struct tx *tx)
{
    size_t size = 0;
    for (const struct branch *b = tx->branches; b; b = b->next) {
        struct member member = member_of(b);
        size += member_size(&member);
    }
    uint8_t *members = effects_alloc(c->fx, size);
    uint8_t *to = members;
    for (const struct branch *b = tx->branches; members && b; b = b->next) {
        struct member member = member_of(b);
        to = member_put(to, &member);
    }
    return slice_of(members, members ? size : 0);
}

// Somebody else can be asked.
static bool has_peers(const struct tx *tx, const struct branch *asks)
{
    for (const struct branch *b = tx->branches; b; b = b->next) {
        if (b != asks && b->resource->address[0])
            return true;
    }
    return false;
}

struct slice members_for(struct coordinator *c, const struct branch *b)
{
    const struct tx *tx = b->tx;
    bool asks = tx->protocol == PROTOCOL_2PC && c->config.cooperative && tx->branch_count > 1 &&
                has_peers(tx, b);
    return tx->protocol == PROTOCOL_3PC || asks ? all_of(c, tx) : slice_of(NULL, 0);
}
