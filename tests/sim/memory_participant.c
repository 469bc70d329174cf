// SPDX-License-Identifier: Apache-2.0
// What is left at rest are branches that an operator ended; of those only the reason of a no is
// kept beside the branch itself.
#include "core/participant_internal.h"
#include "memory.h"

size_t memory_of_participant(const struct participant *p)
{
    size_t blocks = 2 + (p->parts.entries != NULL) + (p->slots.items != NULL) +
                    (p->due.items != NULL) + (p->finished.items != NULL) +
                    (p->extending.items != NULL) + (p->electing.items != NULL) + p->quorums;
    void *value;
    for (size_t cursor = 0; map_next(&p->parts, &cursor, &value);) {
        const struct part *b = value;
        blocks += 1 + (b->voted_no && b->payload) + (b->result != NULL) + (b->members != NULL);
    }
    return blocks;
}
