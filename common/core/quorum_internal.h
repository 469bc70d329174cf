// SPDX-License-Identifier: Apache-2.0
// What the files of the quorum's cores share. One part a file:
//   quorum.c          numbers, the rule, names
//   quorum_tables.c   states and moves
//   quorum_elector.c  collecting states, attempting an outcome
//   quorum_member.c   a branch: promises, what is durable, answers
//   quorum_lead.c     the coordinator
#ifndef CORE_QUORUM_INTERNAL_H
#define CORE_QUORUM_INTERNAL_H

#include "core/quorum.h"

// The coordinator has none.
static inline uint64_t quorum_bit(unsigned member)
{
    return member < LIMIT_BRANCHES ? (uint64_t)1 << member : 0;
}

static inline uint64_t quorum_all(unsigned members)
{
    return members >= 64 ? UINT64_MAX : quorum_bit(members) - 1;
}

static inline enum outcome quorum_outcome(bool commits)
{
    return commits ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
}

// Whether it makes sense from that sender: electors speak under their own numbers only.
bool quorum_makes_sense(unsigned from, const struct quorum_msg *msg);

struct quorum_msg *quorum_send(struct quorum_effects *fx, uint64_t members, bool coordinator,
                               enum quorum_msg_type type);
void quorum_decide_to(struct quorum_effects *fx, uint64_t members, bool coordinator,
                      enum outcome outcome);
// How long until it is said again: doubled with each try, capped, and anywhere in the upper half.
uint64_t quorum_pause(struct rng *rng, const struct quorum_config *config, uint32_t tries);
// How long others are left to finish it: doubled with each round that was heard of.
uint64_t quorum_patience(const struct quorum_config *config, const struct quorum_elector *e);

void quorum_elector_saw(struct quorum_elector *e, quorum_number_t number);
// Takes a number above all that were heard of, and forgets what was collected under an earlier one.
void quorum_elector_begin(struct quorum_elector *e, const struct quorum_config *config);
void quorum_elector_gather(struct quorum_elector *e); // the coordinator: awaits the votes
void quorum_elector_first(struct quorum_elector *e, const struct quorum_config *config); // has them
void quorum_elector_rest(struct quorum_elector *e);
void quorum_elector_end(struct quorum_elector *e);
// To the members that have not answered, this one excepted. ASK also to the coordinator.
void quorum_elector_say(const struct quorum_elector *e, const struct quorum_config *config,
                        const struct quorum_tally *tally, struct quorum_effects *fx);

enum quorum_heard {
    QUORUM_HEARD_NOTHING = 0,
    QUORUM_HEARD_LOST,   // a higher number is about
    QUORUM_HEARD_TRY,    // TRYING now: the attempt has to be said
    QUORUM_HEARD_COMMIT, // the outcome is known
    QUORUM_HEARD_ABORT,
};
// A member's STATE, this one's own included.
enum quorum_heard quorum_elector_heard(struct quorum_elector *e, const struct quorum_config *config,
                                       unsigned from, const struct quorum_msg *state);
// Its time is up; what is said then is said again.
enum quorum_heard quorum_elector_tick(struct quorum_elector *e, const struct quorum_config *config);

#endif
