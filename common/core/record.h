// SPDX-License-Identifier: Apache-2.0
// What is written to disk: the coordinator's register of transactions, and a participant's journal
// of branches. docs/disk-format.md has the bytes; wire/record_codec encodes and decodes. A record
// is the whole durable state of its key, so the newest one of a key is all that matters.
#ifndef CORE_RECORD_H
#define CORE_RECORD_H

#include "core/message.h"

enum { DIGEST_BYTES = 16 };

enum {
    ASKED = 1,        // its participant may have been asked for something
    ASKED_NESTED = 2, // tcc: it is nested in another branch
};

struct record_branch {
    uint16_t branch;
    uint8_t kind;
    uint8_t vote;      // enum vote
    uint8_t outcome;   // enum outcome: what the participant said it did; NONE: not heard; UNKNOWN:
                       // it has forgotten, and the journal that held the vote is another one; or
                       // its resource manager did some of both, or nobody knows
    uint8_t heuristic; // HEURISTIC_ bits: by whom, where it was not the decision
    uint64_t journal;  // identity of the journal that holds the vote; of an earlier run: which
    struct slice resource;
    // Only in admitted protocols:
    uint8_t asked;          // ASKED_ bits
    uint16_t parent, index; // ASKED_NESTED: the branch whose try asked for this one, and as which
    struct branch_plan plan;
    struct slice payload; // until the transaction has ended
    struct slice result;  // STEP: what it has returned
};

// A branch of an earlier run of the gtid, which was never committed, and whose resource manager
// ended it by itself all the same: it stands for itself under a number that is free, without a
// kind.
static inline bool record_branch_earlier(const struct record_branch *b)
{
    return b->kind == 0 && b->journal != 0 && b->heuristic & HEURISTIC_MANAGER;
}

// Whether a resource manager ended it otherwise than was decided, or may have.
static inline bool record_branch_differs(const struct record_branch *b, unsigned decided)
{
    return b->heuristic & HEURISTIC_MANAGER &&
           b->outcome != (record_branch_earlier(b) ? (unsigned)OUTCOME_ABORTED : decided);
}

enum tx_stage {
    STAGE_DELEGATED = 1, // one-phase: the single branch decides
    STAGE_DECIDED = 2,   // the outcome stands; branches are being driven to it
    STAGE_ENDED = 3,     // every branch has acknowledged, or an operator gave up waiting
    STAGE_ADMITTED = 4,  // admitted protocols: what is to be done; nothing is decided
};

// Whether a record of that stage is a decision, which stands from then on.
static inline bool tx_stage_decides(unsigned stage)
{
    return stage == STAGE_DECIDED || stage == STAGE_ENDED;
}

struct record_heuristic {
    uint8_t forced;   // enum outcome the operator asked for; NONE: no heuristic
    uint64_t when_ms; // since 1970
    struct slice who;
    struct slice why;
};

// The register of one gtid.
struct tx_record {
    struct gtid gtid;
    uint64_t attempt;
    uint8_t protocol;
    uint8_t stage;   // enum tx_stage
    uint8_t outcome; // enum outcome; NONE while delegated; UNKNOWN: forgotten while delegated
    uint8_t reason;
    uint8_t mixed;
    uint16_t reason_branch;       // or BRANCH_NONE
    uint8_t digest[DIGEST_BYTES]; // of the request, to tell a repetition from another content
    uint64_t started_ms, decided_ms, ended_ms; // since 1970; 0: not yet
    struct slice owner;                        // principal that began it
    struct slice reason_text;
    struct record_heuristic heuristic;
    // Only in admitted protocols:
    uint8_t submitted;   // 1: nothing more is expected from the application
    uint32_t timeout_ms; // of the whole transaction
    uint16_t branch_count;
    const struct record_branch *branches;
};

enum journal_stage {
    JOURNAL_PREPARED = 1, // voted yes: in doubt
    JOURNAL_DECIDED = 2,  // outcome known and durable, resource manager not yet told for certain
    JOURNAL_FINISHED = 3, // the resource manager has done it
};

// One branch at a participant.
struct branch_record {
    struct gtid gtid;
    uint64_t attempt;
    uint64_t coordinator; // whose attempt
    uint16_t branch;
    uint8_t protocol;
    uint8_t kind;
    uint8_t stage;     // enum journal_stage
    uint8_t outcome;   // enum outcome: what the resource manager is, or was, told to do
    uint8_t heuristic; // HEURISTIC_ bits; what the resource manager did by itself only if FINISHED
    uint64_t log_seq;  // the highest coordinator record heard of, to be echoed
    uint64_t seal;     // that came with it
    uint64_t prepared_ms; // since 1970
    struct slice payload; // kept while prepared, for resource managers that need it to commit
    struct slice result;  // STEP: what it has returned
    // 3pc, see core/quorum.h: what it has promised and attempted; and the branches, in their order.
    uint8_t quorum_state;
    uint32_t quorum_horizon;
    uint64_t quorum_attempt;
    struct slice members; // empty: it was asked by another member before it was asked to prepare
};

#endif
