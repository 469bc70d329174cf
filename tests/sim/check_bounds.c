// SPDX-License-Identifier: Apache-2.0
// Where limits are small they are met, and held; and who has been told to stop begins nothing new.
#include "sim.h"

void check_count(struct actor *a, struct counts *ret)
{
    struct coordinator_stats stats;
    struct participant_stats part;
    *ret = (struct counts){0};
    if (!a->world->setup.tight && !a->draining)
        return;
    if (a->kind == ACTOR_COORDINATOR) {
        coordinator_stats(a->coordinator, &stats);
        ret->open = stats.transactions;
    } else if (a->kind == ACTOR_PARTICIPANT) {
        participant_stats(a->participant, &part);
        ret->finished = part.finished + part.acted;
        ret->open = part.branches - ret->finished;
    } else {
        ret->open = client_in_flight(a->client);
    }
}

// Recovery and what has to be ended need no room; what is new does.
static bool is_new(const struct event *event, enum msg_type type)
{
    return event->type == EVENT_RECEIVED && event->u.received.msg->type == type;
}

static void coordinator_bounds(struct actor *a, const struct event *event, uint64_t before,
                               uint64_t after)
{
    if (after <= before || (!is_new(event, MSG_SUBMIT) && !is_new(event, MSG_ENLIST)))
        return;
    REQUIRE(a->world, !a->draining, "bounded", "%s takes on work after it was told to stop",
            a->name);
    REQUIRE(a->world, after <= TIGHT_TRANSACTIONS, "bounded", "%s has %llu transactions", a->name,
            (unsigned long long)after);
}

static void participant_bounds(struct actor *a, const struct event *event,
                               const struct counts *before, const struct counts *after)
{
    bool prepare = is_new(event, MSG_PREPARE);
    if (after->open <= before->open || (!prepare && event->type != EVENT_WORKING))
        return;
    REQUIRE(a->world, after->open <= TIGHT_BRANCHES, "bounded", "%s has %llu branches", a->name,
            (unsigned long long)after->open);
    // The oldest is let in all the same, because nothing can be let go of before it has ended.
    if (prepare && event->u.received.msg->u.prepare.attempt <= a->fence)
        return;
    REQUIRE(a->world, after->finished < TIGHT_FINISHED, "bounded",
            "%s remembers %llu branches, and takes on another", a->name,
            (unsigned long long)after->finished);
}

// After a step.
void check_bounds(struct actor *a, const struct event *event, const struct counts *before)
{
    struct counts after;
    if (a->kind == ACTOR_PARTICIPANT && event->type == EVENT_RECEIVED &&
        event->u.received.header->fence > a->fence)
        a->fence = event->u.received.header->fence;
    if (!a->world->setup.tight && !a->draining)
        return;
    check_count(a, &after);
    if (a->kind == ACTOR_COORDINATOR)
        coordinator_bounds(a, event, before->open, after.open);
    else if (a->kind == ACTOR_PARTICIPANT)
        participant_bounds(a, event, before, &after);
    else
        REQUIRE(a->world, after.open <= TIGHT_ASKS, "bounded", "%s has %llu requests in flight",
                a->name, (unsigned long long)after.open);
}
