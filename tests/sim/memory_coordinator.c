// SPDX-License-Identifier: Apache-2.0
// Transactions, and what is looked up for anybody, are gone at rest; so none of them is counted.
#include "core/coordinator_internal.h"
#include "memory.h"

size_t memory_of_coordinator(const struct coordinator *c)
{
    const struct map *maps[] = {&c->sessions, &c->resources, &c->txs,
                                &c->leases,   &c->foreign,   &c->notes};
    size_t blocks = 1 + (c->timers.items != NULL) + (c->slots.items != NULL);
    for (unsigned i = 0; i < sizeof maps / sizeof maps[0]; i++)
        blocks += maps[i]->entries != NULL;
    return blocks + c->sessions.count + c->resources.count + c->leases.count + c->foreign.count;
}
