// SPDX-License-Identifier: Apache-2.0
// What the files of the participant's core share. One verb a file:
//   participant.c          life, dispatch, time, looking in
//   participant_session.c  greeting the coordinator, and which one it is
//   participant_branch.c   branches in memory; what they write and call
//   participant_vote.c     phase one
//   participant_step.c     phase one of sagas and messages; asking again in admitted protocols
//   participant_members.c  the other branches of a transaction, and speaking to them
//   participant_quorum.c   three-phase commit: a branch next to its member of the quorum
//   participant_outcome.c  phase two
//   participant_doubt.c    asking what stands
//   participant_termination.c  two-phase commit: branches in doubt ask each other
//   participant_fence.c    remembering what is finished, and for how long
//   participant_extend.c   branches nested in one of ours
//   participant_recover.c  what the journal and the resource manager held at start
#ifndef CORE_PARTICIPANT_INTERNAL_H
#define CORE_PARTICIPANT_INTERNAL_H

#include "base/check.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "core/participant.h"
#include "core/quorum.h"
#include "core/slots.h"

enum {
    PART_STATES = PART_FORGETTING + 1,
    PART_KEY_BYTES = LIMIT_GTID_BYTES + 2,
    PART_HORIZON_STEP = 1000, // finished branches, or
    PART_HORIZON_MS = 1000,   // so long, between two EFFECT_HORIZON
    PART_LOOP = 64,           // messages between branches of our own in one step
    PART_ENDED_PAUSE = 16,    // whether a transaction has ended is asked that much more rarely
};

// What a branch waits for. One thing at a time: calls for one branch never overlap.
enum part_busy { PART_IDLE = 0, PART_CALLING, PART_WRITING };

struct part {
    struct timer timer;     // when to ask or call again
    struct timer fenced;    // FINISHED: by attempt
    struct list numbered;   // closed records, oldest first: what holds the horizon back
    struct list extensions; // that its try waits for
    struct gtid gtid;
    uint16_t branch;
    uint8_t key_size;
    uint8_t key[PART_KEY_BYTES];
    uint64_t attempt;     // 0: not asked to prepare yet
    uint64_t coordinator; // whose attempt; 0: not known yet
    token_t token;
    uint64_t number; // of its closed record
    uint64_t prepared_ms;
    enum part_state state;
    enum part_busy busy;
    uint8_t protocol, kind, outcome;
    uint32_t tries; // of the present call, or of asking
    bool one_phase;
    bool journaled;    // an open record of this attempt is in the journal
    bool abort;        // to be rolled back as soon as what runs has ended
    bool resolve;      // the abort must be remembered
    bool answer;       // the coordinator waits to hear how it ended
    uint8_t heuristic; // HEURISTIC_ bits
    bool forgotten;    // finished and collected before, and only asked about again
    bool voted_no;     // in one phase
    bool pinned;    // finished, with a record that the horizon does not take: forgetting removes it
    bool acted;     // a step of a saga that is done and may be compensated
    bool read_only; // 3pc: voted yes, and has nothing to commit
    bool ended;     // the coordinator says that the whole transaction has ended, or that what the
                    // resource manager did by itself is on record
    uint8_t *payload; // owned: of the call while unfinished, then the reason of a no
    size_t payload_size, inputs_size; // the inputs of a STEP stand behind the payload
    uint8_t *result;                  // owned: that a STEP has returned
    size_t result_size;
    uint8_t *members; // owned: all branches, see member_next
    size_t members_size;
    struct part_quorum *quorum; // owned: 3pc
};

// The coordinator as far as heard of.
struct part_coordinator {
    uint64_t id, incarnation;
    uint64_t log_seq, seal;
    uint64_t fence;
};

struct participant {
    struct participant_config config;
    struct participant_stats stats;
    struct rng rng;
    struct now now;
    struct effects *fx; // of the step that runs
    bool started, stopped;
    // session
    struct part_coordinator heard;
    bool linked, welcomed;
    uint64_t heard_ms, sent_ms, greet_due_ms;
    int refused_code;
    size_t refused_size;
    char refused_text[LIMIT_REASON_BYTES];
    // branches
    struct map parts; // (gtid, branch) -> part
    struct slots slots;
    struct heap due;
    struct heap extending;
    size_t extensions;
    size_t quorums, for_peers; // of these, those that were taken up because another one asked
    struct heap electing;      // members of quorums, by when they act
    struct msg loop[PART_LOOP];
    unsigned loop_count;
    struct heap finished; // those that the fence will release, by attempt
    struct list numbered;
    size_t states[PART_STATES];
    struct part_decided *lately; // owned
    size_t acted;                // PREPARED steps of sagas
    uint64_t number_next;
    uint64_t horizon, horizon_ms; // told last, and when
};

// participant.c
void part_stop(struct participant *self, int code, const char *text);

// participant_session.c
void part_connected(struct participant *self);
void part_disconnected(struct participant *self);
// Takes note of a frame's header. False: its messages are not for us.
bool part_heard(struct participant *self, const struct frame_header *header, const struct msg *msg);
void part_welcome(struct participant *self, const struct msg_welcome *welcome);
void part_refused(struct participant *self, const struct msg_refused *refused);
void part_session_tick(struct participant *self);
uint64_t part_session_deadline(const struct participant *self);
// A message to fill in. While the coordinator does not listen it goes nowhere.
struct msg *part_send(struct participant *self, enum msg_type type, struct msg *spare);

// participant_branch.c
struct part *part_find(const struct participant *self, const struct gtid *gtid, unsigned branch);
// NULL: out of memory.
struct part *part_new(struct participant *self, const struct gtid *gtid, unsigned branch,
                      enum part_state state);
void part_free(struct participant *self, struct part *b);
// For one more unfinished branch, of that attempt (0: work that was never prepared).
bool part_room(const struct participant *self, uint64_t attempt);
// Copies the payload, and the inputs of a STEP. False: out of memory, and nothing has changed.
bool part_keep(struct part *b, struct slice payload, struct slice inputs);
void part_keep_reason(struct part *b, struct slice text);   // of a no, in place of the payload
bool part_keep_result(struct part *b, struct slice result); // likewise; cut at its limit
struct slice part_result(struct participant *self, const struct part *b); // for a message
bool part_admitted(const struct part *b);                                 // of a protocol that is
bool part_business(const struct part *b);                                 // likewise
bool part_reports(const struct part *b); // that its resource manager ended it by itself
bool part_steps(const struct part *b);   // of a saga or message: what is done is done, no confirm
void part_move(struct participant *self, struct part *b, enum part_state state);
bool part_ours(const struct participant *self, const struct part *b);
void part_call(struct participant *self, struct part *b);
void part_write(struct participant *self, struct part *b, enum journal_stage stage);
void part_write_aside(struct participant *self, const struct part *b, bool forget);
void part_wait(struct participant *self, struct part *b, uint32_t min_ms, uint32_t max_ms);
// When to try again: the pause doubles with each try, and is drawn from its upper half.
uint64_t part_pause(struct participant *self, uint32_t *tries, uint32_t min_ms, uint32_t max_ms);
void part_due(struct participant *self, struct part *b);
void part_view_of(const struct part *b, struct part_view *ret);

// participant_members.c
bool part_keep_members(struct part *b, struct slice members); // copies; false: out of memory
struct slice part_members(const struct part *b);
// All zero when nothing is known of that branch.
struct member part_member(const struct part *b, unsigned branch);
struct msg part_word(const struct part *b, enum msg_type type, unsigned to);
void part_tell(struct participant *self, const struct member *to, const struct msg *msg);

// participant_vote.c
void part_prepare(struct participant *self, const struct msg_prepare *prepare);
void part_prepared(struct participant *self, struct part *b, const struct event_called *called);
void part_voted(struct participant *self, struct part *b); // the yes is durable
void part_vote(struct participant *self, const struct part *b, enum vote vote, struct slice text);
void part_vote_yes(struct participant *self, const struct part *b);
void part_refuse(struct participant *self, const struct msg_prepare *prepare, const char *text);

// participant_step.c
void part_acted(struct participant *self, struct part *b, const struct event_called *called);
void part_renew(struct participant *self, struct part *b, uint64_t attempt);
void part_asked_again(struct participant *self, struct part *b, const struct msg_prepare *prepare);

// participant_outcome.c
void part_commit(struct participant *self, const struct msg_decide *decide);
void part_rollback(struct participant *self, const struct msg_decide *decide);
void part_roll_back(struct participant *self, struct part *b);
void part_drive(struct participant *self, struct part *b); // to the outcome that it has
void part_driven(struct participant *self, struct part *b, const struct event_called *called);
void part_finish(struct participant *self, struct part *b);
void part_finished(struct participant *self, struct part *b); // the outcome is durable
void part_done(struct participant *self, const struct part *b);

// participant_doubt.c
void part_working(struct participant *self, const struct gtid *gtid, unsigned branch);
void part_standing(struct participant *self, const struct msg_standing *standing);
void part_inquire(struct participant *self, struct part *b);
void part_inquire_all(struct participant *self);
// Asks from time to time whether the transaction of a finished branch has ended.
void part_await_end(struct participant *self, struct part *b);

// participant_termination.c
bool part_termination_new(struct participant *self);                  // false: out of memory
void part_ask_others(struct participant *self, const struct part *b); // where that is the time
// The coordinator is away: those in doubt whose other branches are known will ask them.
void part_forsaken(struct participant *self);
void part_decided(struct participant *self, const struct part *b); // it is FINISHED
// Another branch asks, or tells. False: that is not about two-phase commit. `b` may be NULL.
bool part_met(struct participant *self, struct part *b, const struct msg *msg);

// participant_fence.c
void part_fence(struct participant *self, uint64_t fence);
void part_remember(struct participant *self, struct part *b); // b may be gone after it
void part_forget(struct participant *self, struct part *b);   // b may be gone after it
void part_forget_unknown(struct participant *self, const struct msg_standing *standing);
void part_forgot(struct participant *self, struct part *b, const struct event_called *called);
void part_ended(struct participant *self, struct part *b, uint64_t attempt); // its transaction
void part_let_go_again(struct participant *self, struct part *b); // b may be gone after it
void part_rest(struct participant *self, struct part *b);         // it is PREPARED now
size_t part_finished_count(const struct participant *self);
void part_coordinator_changed(struct participant *self);
void part_horizon(struct participant *self);
uint64_t part_horizon_deadline(const struct participant *self);

// participant_extend.c
void part_extend(struct participant *self, const struct event_extend *extend);
void part_extended(struct participant *self, const struct msg_extended *extended);
void part_extend_no_more(struct participant *self, struct part *b); // they have failed
void part_extend_due(struct participant *self);                     // a bounded number
void part_extend_again(struct participant *self, struct part *b);

// participant_quorum.c
// False: out of memory. `members` may be empty; `found`: what the journal says, or NULL.
bool part_quorum_new(struct participant *self, struct part *b, struct slice members,
                     const struct branch_record *found);
void part_quorum_free(struct participant *self, struct part *b);
void part_quorum_start(struct participant *self, struct part *b); // found in the journal
void part_quorum_describe(const struct part *b, struct branch_record *record);
void part_quorum_recorded(struct part *b);
void part_quorum_prepared(struct participant *self, struct part *b,
                          const struct event_called *called);
void part_quorum_voted(struct participant *self, struct part *b);
void part_quorum_written(struct participant *self, struct part *b); // some record of the branch
void part_quorum_told(struct participant *self, struct part *b, enum outcome outcome);
void part_quorum_again(struct participant *self, struct part *b, const struct msg_prepare *p);
void part_quorum_asked(struct participant *self, const struct msg *msg); // by the coordinator
void part_quorum_met(struct participant *self, const struct msg *msg);
void part_quorum_loop(struct participant *self);
void part_quorum_due(struct participant *self); // a bounded number

// participant_recover.c
void part_recovered(struct participant *self, const struct branch_record *record);
void part_found(struct participant *self, const struct branch_record *record);
void part_held(struct participant *self, const struct branch_record *record); // after START
void part_start(struct participant *self);

#endif
