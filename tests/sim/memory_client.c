// SPDX-License-Identifier: Apache-2.0
// No request is under way at rest; so none is counted.
#include "core/client_internal.h"
#include "memory.h"

size_t memory_of_client(const struct client *c)
{
    return 1 + (c->timers.items != NULL) + (c->by_key.entries != NULL);
}
