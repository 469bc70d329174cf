// SPDX-License-Identifier: Apache-2.0
// What the cores hold of the heap, when nothing is to be done, and when they are gone.
#include "memory.h"
#include "sim.h"

static size_t entitled(const struct actor *a)
{
    switch (a->kind) {
    case ACTOR_COORDINATOR: return memory_of_coordinator(a->coordinator);
    case ACTOR_PARTICIPANT: return memory_of_participant(a->participant);
    case ACTOR_CLIENT: return memory_of_client(a->client);
    }
    return 0;
}

// The effects of a step are the shell's, though their memory is allocated in it.
static void drop_effects(struct actor *a)
{
    memory_charge(&a->blocks);
    effects_free(&a->fx);
    memory_charge(NULL);
}

void check_memory(struct actor *a)
{
    if (a->alive) // what a step takes apart is released by the next one
        shell_step(a, &(struct event){.type = EVENT_TICK});
    drop_effects(a);
    size_t may = a->alive ? entitled(a) : 0;
    REQUIRE(a->world, a->blocks == may, "memory back to the baseline",
            "%s holds %zu allocations, and %zu are accounted for", a->name, a->blocks, may);
}
