// SPDX-License-Identifier: Apache-2.0
// The truth about the branches of one participant: what its coordinator has decided, what the
// resource manager holds, and what the participant has said. An honest coordinator: it commits only
// what was voted for, decides once, and lets the fence pass only what it is done with.
#ifndef FUZZ_PARTICIPANT_LEDGER_H
#define FUZZ_PARTICIPANT_LEDGER_H

#include "core/participant.h"

enum { LEDGER_KEYS = 4, LEDGER_ATTEMPTS = 512 };

enum held { HELD_NOTHING = 0, HELD_PREPARED, HELD_COMMITTED, HELD_ROLLED_BACK };

struct run { // of the transaction of one key
    uint64_t attempt;
    unsigned key;
    bool one_phase, voted_yes, read_only, acknowledged;
    uint8_t decided; // enum outcome
    uint8_t forced;  // enum outcome: an operator's word
    enum held held;  // at the resource manager
    uint8_t own;     // HEURISTIC_ bits: what that did by a decision of its own,
    bool own_told, own_forgotten;
};

struct ledger {
    bool strict; // the coordinator is honest, so everything must come out right
    uint64_t incarnation, next;
    struct run runs[LEDGER_ATTEMPTS];
    unsigned count;
};

struct gtid ledger_gtid(unsigned key);
uint16_t ledger_branch(unsigned key);
// The run that is meant; NULL: no such attempt. The last of a key: NULL when there was none.
struct run *ledger_find(struct ledger *l, const struct gtid *gtid, unsigned branch,
                        uint64_t attempt);
struct run *ledger_last(struct ledger *l, unsigned key);
// The next run of that key. NULL: the one before is not done, or there is no more room.
struct run *ledger_begin(struct ledger *l, unsigned key, bool one_phase);
void ledger_decide(struct run *run, enum outcome wish); // once; a commit only if it may be
void ledger_restart(struct ledger *l); // the coordinator: what was not decided is aborted
uint64_t ledger_fence(const struct ledger *l);

// What the participant says and does. Each aborts when it is not allowed to.
void ledger_vote(struct ledger *l, const struct msg_vote *vote);
void ledger_done(struct ledger *l, const struct msg_done *done);
void ledger_commit(struct ledger *l, const struct effect_call *call);
void ledger_rollback(struct ledger *l, const struct effect_call *call);
void ledger_forget(struct ledger *l, const struct effect_call *call);
// The resource manager is asked to end a branch, and has a will of its own, if any. Returns what it
// did by itself, now or before; 0: what it was asked for is done.
uint8_t ledger_own(struct ledger *l, const struct effect_call *call, uint8_t will);
// In the end nothing may be left half done.
void ledger_settled(const struct ledger *l);

#endif
