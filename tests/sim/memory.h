// SPDX-License-Identifier: Apache-2.0
// What the cores hold of the heap. While a core runs, each of its allocations is counted for its
// process; at rest it must hold what the structures that it still needs are made of, and no
// allocation more; and when it is taken apart, none. Where a structure has a capacity (maps, heaps,
// slots), that may be as large as it has come to be: it is one allocation.
#ifndef SIM_MEMORY_H
#define SIM_MEMORY_H

#include <stddef.h>

struct coordinator;
struct participant;
struct client;

// Allocations and releases count for *blocks until it is called again; NULL: for nobody.
void memory_charge(size_t *blocks);

// What the core has to hold when it has nothing to do, in allocations.
size_t memory_of_coordinator(const struct coordinator *c);
size_t memory_of_participant(const struct participant *p);
size_t memory_of_client(const struct client *c);

#endif
