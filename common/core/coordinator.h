// SPDX-License-Identifier: Apache-2.0
// The coordinator's core: gathers votes, writes one register per gtid, drives the branches to it.
// Presumed abort (Mohan, Lindsay & Obermarck 1986): only commits need a record for the protocol's
// sake; aborts are recorded lazily, for the record, and durably where a client brought the gtid.
// Not thread-safe.
//
// It counts on the transport for one thing: a frame that was sent to an earlier run of this process
// never reaches a later one (a peer number is one connection of one process, and nothing that was
// received on it may be handed to the next). An answer that came so late could contradict what that
// run has told meanwhile: a branch that decided alone and had nothing to commit remembers nothing,
// and asked again it may roll back. The participant's core counts on the same of the coordinator.
#ifndef CORE_COORDINATOR_H
#define CORE_COORDINATOR_H

#include "base/sm.h"
#include "core/step.h"

struct coordinator;

struct coordinator_config {
    uint64_t id;          // 40 bits, from the log
    uint64_t incarnation; // from the log, raised durably at every open
    uint64_t secret[2];   // from the log: key of the seals in frame headers
    uint64_t seed;        // for jitter and hashing
    uint64_t log_seq;     // highest durable record at start
    bool cooperative; // 2pc: branches are told of each other, and may ask each other what stands
    uint32_t phase_one_timeout_ms;
    uint32_t timeout_default_ms, timeout_max_ms; // of whole transactions
    uint32_t retry_min_ms, retry_max_ms;         // phase two, per participant
    uint32_t peer_silent_ms; // a peer that says nothing for so long counts as gone
    uint32_t transactions_max, branches_max, payload_bytes_max, peers_max;
    uint32_t lease_gtids;
    // A message whose application says nothing: its sender is asked after so long.
    uint32_t check_back_ms;
    // Who subscribes to the topics of messages. Borrowed until the next coordinator_configure.
    const struct coordinator_topic *topics;
    size_t topic_count;
};

struct coordinator_topic {
    const char *name;
    const char *const *consumers; // resources
    size_t consumer_count;
};

// Sane values for all but id, incarnation, seed and log_seq.
void coordinator_config_defaults(struct coordinator_config *config);

// NULL when out of memory. The caller owns the result.
struct coordinator *coordinator_new(const struct coordinator_config *config);
void coordinator_destroy(struct coordinator **self_p);
// Takes new timeouts, retry bounds and limits; id, incarnation, seed and log_seq are ignored.
void coordinator_configure(struct coordinator *self, const struct coordinator_config *config);

// Order: RECOVERED*, START, then anything. Appends to *fx.
void coordinator_step(struct coordinator *self, const struct event *event, struct effects *fx);

// When the next TICK is due, monotonic ms; UINT64_MAX: none.
uint64_t coordinator_deadline(const struct coordinator *self);

// What goes into the header of the next frame to that peer (the fence is each participant's own).
void coordinator_header(const struct coordinator *self, peer_t peer, struct frame_header *ret);

// Stops admitting transactions (they are refused with ASSENT_CLOSED); those in phase one go on.
void coordinator_drain(struct coordinator *self);
// True once draining and nothing is in phase one or waiting for a decision to become durable.
bool coordinator_drained(const struct coordinator *self);

struct coordinator_stats {
    uint64_t transactions; // in memory now
    uint64_t undecided, in_phase_two;
    uint64_t peers, participants;
    uint64_t begun, committed, aborted, mixed, refused;
    uint64_t resent, stale, spoofed, inquiries; // messages
};
void coordinator_stats(const struct coordinator *self, struct coordinator_stats *ret);

enum tx_state {
    TX_LOOKING = 0, // reading the register first
    TX_ADMITTING,   // admitted protocols: what is to be done is on its way to the disk
    TX_ACTIVE,      // the application works at enlisted branches, or is to send its message
    TX_PREPARING,
    TX_ELECTING,   // 3pc: its members have it in hand, the coordinator is one elector of several
    TX_DECIDING,   // the decision is on its way to the disk
    TX_DELEGATING, // one branch alone: that it will decide is on its way to the disk
    TX_DELEGATED,  // the branch has been asked to commit in one phase
    TX_COMMITTING,
    TX_ABORTING,
    TX_ENDING, // all acknowledged; the end record is on its way
    TX_ENDED,  // about to leave memory
};
enum tx_branch_state {
    BRANCH_ACTIVE = 0, // enlisted, or a call not sent yet
    BRANCH_PREPARING,
    BRANCH_PAUSED,     // a step or delivery that is asked for later, perhaps again
    BRANCH_PREPARED,   // voted yes
    BRANCH_COMMITTING, // told to commit
    BRANCH_ABORTING,   // told to roll back
    BRANCH_DONE,       // nothing more is owed to it (acknowledged, read-only, or voted no)
};
extern const struct sm_table tx_table;
extern const struct sm_table tx_branch_table;

// A look at one transaction in memory, for operators. Slices are valid until the next step.
struct tx_view {
    struct tx_record record; // branches point into the view's own array
    enum tx_state state;
    uint64_t deadline_ms; // monotonic; 0: none
    struct tx_view_branch {
        struct record_branch branch;
        enum tx_branch_state state;
        uint64_t since_ms;     // wall clock
        uint64_t retry_due_ms; // monotonic; 0: no retry planned
        uint32_t tries;
        uint32_t failures;    // attempts of a step or delivery that failed
        struct slice trouble; // why the last one did
        // Of a step, sender or consumer, monotonic. PAUSED: when it is asked for; PREPARING: when
        // this attempt has failed. 0: neither.
        uint64_t attempt_due_ms;
        bool connected; // its participant is
    } branches[LIMIT_BRANCHES];
    struct record_branch record_branches[LIMIT_BRANCHES];
};
// False when it is not in memory. O(1).
bool coordinator_view(const struct coordinator *self, const struct gtid *gtid, struct tx_view *ret);
// Iterates over the gtids in memory: start with *cursor = 0; false at the end. The cursor stays
// good across steps: a transaction that is there throughout is visited exactly once.
bool coordinator_next(const struct coordinator *self, size_t *cursor, struct gtid *ret);

// What to make of a gtid that is neither in memory nor in the log: OUTCOME_ABORTED (presumed) or
// OUTCOME_UNKNOWN. horizon_ms: ended records with an earlier stamp may have been collected.
enum outcome coordinator_silence(const struct coordinator *self, const struct gtid *gtid,
                                 uint64_t horizon_ms);

struct participant_view {
    struct slice resource;
    bool connected;
    uint64_t last_heard_ms; // wall clock, 0: never
    uint64_t peer_incarnation;
    uint64_t journal;
    uint64_t outstanding; // operations without an answer
    uint32_t retries;     // in a row without an answer
    uint64_t retry_due_ms;
};
bool coordinator_next_participant(const struct coordinator *self, size_t *cursor,
                                  struct participant_view *ret);

// In-doubt branches that participants asked about, of attempts that are not this coordinator's.
struct foreign_view {
    struct gtid gtid;
    uint16_t branch;
    uint64_t coordinator;
    uint64_t attempt;
    uint64_t first_ms, last_ms; // wall clock
    struct slice resource;
};
bool coordinator_next_foreign(const struct coordinator *self, size_t *cursor,
                              struct foreign_view *ret);

#endif
