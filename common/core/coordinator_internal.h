// SPDX-License-Identifier: Apache-2.0
// What the files of the coordinator's core share. One verb a file:
//   coordinator.c           life, dispatch, time
//   coordinator_session.c   who is connected, and as what
//   coordinator_begin.c     requests of clients
//   coordinator_admit.c     what is durable before it is begun
//   coordinator_register.c  reading the register, and what its silence means
//   coordinator_prepare.c   phase one: votes
//   coordinator_nested.c    branches that branches ask for
//   coordinator_plan.c      branches that are asked for one by one, and again
//   coordinator_saga.c      which step is next, forward and back
//   coordinator_message.c   checking back, and delivery
//   coordinator_members.c   what each branch is told of the others
//   coordinator_quorum.c    three-phase commit: pre-commits and elections
//   coordinator_decide.c    the decision and its records
//   coordinator_drive.c     phase two: acknowledgements
//   coordinator_resend.c    what was not answered is sent again
//   coordinator_inquire.c   participants that ask
//   coordinator_note.c      what resource managers did by themselves, where all has ended already
//   coordinator_operator.c  operators that order
//   coordinator_recover.c   what the log held at start
//   coordinator_view.c      looking in
#ifndef CORE_COORDINATOR_INTERNAL_H
#define CORE_COORDINATOR_INTERNAL_H

#include "base/check.h"
#include "base/heap.h"
#include "base/list.h"
#include "base/map.h"
#include "base/rng.h"
#include "core/coordinator.h"
#include "core/quorum.h"
#include "core/slots.h"

enum { RESEND_LEVELS = 10 };

enum timer_kind { TIMER_SESSION, TIMER_RESOURCE, TIMER_TX, TIMER_BRANCH };

struct coord_timer {
    struct timer timer; // first: a struct timer * is one of these
    enum timer_kind kind;
};

// A connection that has said HELLO.
struct session {
    struct coord_timer silent;
    peer_t id;
    uint8_t role;
    uint64_t heard_ms;
    struct resource *resource; // participants: the one it is bound to, NULL when another took over
    char name[LIMIT_NAME_BYTES + 1];
    char principal[LIMIT_NAME_BYTES + 1];
};

// A participant, connected or not, as long as it is connected or a branch names it.
struct resource {
    struct coord_timer resend;
    char name[LIMIT_NAME_BYTES + 1];
    char address[LIMIT_ADDRESS_BYTES + 1]; // where its peers reach it; empty: they do not
    struct session *session;               // NULL: not connected
    uint64_t peer_incarnation;
    uint64_t journal;
    uint64_t heard_wall_ms;
    size_t branches; // that name it
    size_t outstanding_count;
    uint32_t unanswered; // resends in a row without any answer
    // Branches that owe an answer, by how often they were sent; within one list by when they were.
    struct list outstanding[RESEND_LEVELS];
    struct list fence; // branches that may be prepared, or owe a one-phase outcome, by attempt
};

struct tx;
struct branch;

// What only branches have that are asked for when their plan says so: steps, senders, consumers.
struct planned {
    struct coord_timer timer; // PREPARING: when this attempt has failed; PAUSED: when to ask
    struct branch *branch;
    struct branch_plan plan;
    struct slice result; // that the step has returned, in the transaction's memory
    uint32_t failures;   // attempts that failed
    uint8_t trouble_size;
    char trouble[LIMIT_REASON_BYTES]; // why the last one failed
};

struct branch {
    struct list link;  // in resource->outstanding
    struct list fence; // in resource->fence
    struct branch *next;
    struct tx *tx;
    struct resource *resource;
    struct slice payload;    // in the transaction's memory
    struct planned *planned; // likewise; NULL in most
    uint64_t attempt;        // in which it was asked last; 0: never
    uint64_t sent_ms;        // monotonic; 0: not sent in this state yet
    uint64_t since_wall_ms;
    uint64_t journal;
    enum tx_branch_state state;
    uint32_t tries; // sends in this state
    uint16_t number;
    uint8_t kind;
    uint8_t vote;
    uint8_t outcome;
    uint8_t heuristic;      // HEURISTIC_ bits
    uint16_t parent, index; // nested in that branch, as the one of that index; else BRANCH_NONE
    bool unadmitted;        // nested: not durable yet,
    bool being_admitted;    // but on its way
    bool read_only;         // the application says so: it is not asked
    bool prepare_sent;      // ever: a participant that was never asked is owed no rollback
};

struct waiter {
    struct waiter *next;
    peer_t peer;
    uint64_t request;
    uint8_t about;
    bool accept; // SUBMIT: that it is admitted is all it waits for
};

enum tx_writing {
    WRITING_NONE = 0,
    WRITING_ADMISSION,
    WRITING_DELEGATION,
    WRITING_DECISION,
    WRITING_HEURISTIC,
    WRITING_END,
};

struct heuristic {
    uint8_t forced;
    uint64_t when_ms;
    struct slice who, why;
};

enum pending_kind { PENDING_TX, PENDING_ASK, PENDING_INQUIRY, PENDING_OPERATOR, PENDING_NOTE };

// What a token stands for; first member of what it stands for.
struct pending {
    enum pending_kind kind;
    token_t token;
};

// A STATUS or CANCEL whose gtid is being looked up.
struct ask {
    struct pending pending;
    peer_t peer;
    uint64_t request;
    uint8_t about;
    struct gtid gtid;
};

// An INQUIRE whose gtid is being looked up.
struct inquiry {
    struct pending pending;
    peer_t peer;
    struct msg_inquire msg;
};

// What a resource manager did by itself, to be recorded where the transaction has left memory.
struct note {
    struct pending pending;
    peer_t peer;
    struct msg_done done;
    uint8_t outcome; // of the record that is being written
};

// An operator's order whose gtid is being looked up.
struct order {
    struct pending pending;
    struct event_operator order; // slices point to the texts below
    char who[2 * LIMIT_NAME_BYTES + 1];
    char why[LIMIT_WHY_BYTES + 1];
};

struct tx {
    struct coord_timer deadline;
    struct pending pending;
    struct gtid gtid;
    uint64_t attempt; // 0 until phase one begins
    enum tx_state state;
    enum tx_writing writing;
    uint8_t protocol;
    uint8_t outcome;
    uint8_t reason;
    uint8_t mixed;
    uint16_t reason_branch;
    uint16_t branch_count;
    uint16_t voting; // branches that have not voted
    uint16_t owing;  // branches that have not acknowledged
    bool own_gtid;   // made by this coordinator
    bool wait_done;
    bool submitted;
    bool admitted;  // an ADMITTED record stands, or is being written
    bool changed;   // while that is written: it must be written again
    bool doomed;    // likewise: abort with `reason` as soon as it is written
    bool cancelled; // while looking
    bool told;      // the outcome can no longer change and may be spoken of
    bool one_phase;
    bool resolving; // one phase: asking what became of it, no longer to prepare
    bool foreign;   // another coordinator's, ended by an operator's word
    bool keep;      // its record stays until an operator lets go of it
    uint32_t timeout_ms;
    uint64_t timeout_due_ms; // monotonic, of the whole transaction
    uint64_t started_ms, decided_ms, ended_ms;
    uint8_t digest[DIGEST_BYTES];
    struct slice owner;
    struct slice reason_text;
    struct heuristic *heuristic;
    struct quorum_lead *lead; // 3pc, from phase one on, in the transaction's memory
    token_t operator_token;   // to be answered when what is being written is durable; 0: none
    struct branch *branches;
    struct waiter *waiters;
    struct tx_block *blocks;
    struct tx *next_dead;
};

struct lease {
    struct list age; // in coordinator.leases_by_age
    uint64_t index;
    uint64_t lease_ms;
    uint32_t used_count;
    char principal[LIMIT_NAME_BYTES + 1];
    uint64_t used[]; // bits
};

struct foreign {
    struct foreign_view view;
    char resource[LIMIT_NAME_BYTES + 1];
    char key[LIMIT_GTID_BYTES + 8];
};

struct coordinator {
    struct coordinator_config config;
    struct coordinator_stats stats;
    struct rng rng;
    struct now now;
    uint64_t stamp_ms; // wall clock that never goes back, for records
    uint64_t log_seq, seal;
    uint64_t attempt_next;
    uint64_t lease_index_next;
    struct heap timers;
    size_t timer_count;
    struct map sessions;  // peer -> session
    struct map resources; // name -> resource
    struct map txs;       // gtid -> tx
    struct map leases;    // index -> lease
    struct list leases_by_age;
    struct map foreign; // key -> foreign
    struct map notes;   // gtid -> note; one at a time, as each writes the whole record
    struct slots slots; // token -> pending
    struct tx *dead;    // freed at the next step: effects may still point into them
    bool started;
    bool draining, drain_begun;
    bool stopped;
    struct effects *fx; // of the step that runs
    uint64_t request;   // of a client, that is being answered; 0: none
};

// coordinator.c
void coord_stop(struct coordinator *c, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
bool coord_timer_reserve(struct coordinator *c); // room for one more timer
void coord_seal(struct coordinator *c);
bool pending_add(struct coordinator *c, struct pending *pending, enum pending_kind kind);
// A zeroed one of `size` bytes that begins with a struct pending; NULL: no memory, or too many.
void *pending_new(struct coordinator *c, size_t size, enum pending_kind kind);
void pending_free(struct coordinator *c, struct pending *pending);
void coord_lookup(struct coordinator *c, token_t token, const struct gtid *gtid);

// coordinator_tx.c
struct tx *tx_new(struct coordinator *c, const struct gtid *gtid, struct slice owner,
                  enum tx_state state);
struct tx *tx_find(const struct coordinator *c, const struct gtid *gtid);
// Whether this coordinator made that gtid; *ret is written where any has made it.
bool tx_made_here(const struct coordinator *c, const struct gtid *gtid, struct gtid_parts *ret);
void tx_bury(struct coordinator *c, struct tx *tx);
void tx_free(struct coordinator *c, struct tx *tx);
void *tx_alloc(struct tx *tx, size_t size);
struct slice tx_copy(struct tx *tx, struct slice from); // {NULL, 0} when out of memory
void tx_move(struct tx *tx, enum tx_state state);
struct branch *tx_branch(const struct tx *tx, unsigned number);
// Of those that the application does not call read-only the only one; NULL: there are more, or
// none.
struct branch *tx_alone(const struct tx *tx);
// A new branch at the end; NULL: out of memory.
struct branch *tx_add_branch(struct coordinator *c, struct tx *tx, unsigned number, unsigned kind,
                             struct slice resource);
void branch_move(struct coordinator *c, struct branch *b, enum tx_branch_state state);
// NULL: too many wait, or no memory.
struct waiter *tx_add_waiter(struct coordinator *c, struct tx *tx, peer_t peer, uint8_t about);

// coordinator_session.c
struct session *session_find(const struct coordinator *c, peer_t peer);
struct resource *resource_get(struct coordinator *c, struct slice name); // finds or makes
struct resource *resource_find(const struct coordinator *c, struct slice name);
void resource_release(struct coordinator *c, struct resource *r); // frees it when nothing needs it
void session_hello(struct coordinator *c, peer_t peer, struct slice principal,
                   const struct msg_hello *hello);
void session_lease(struct coordinator *c, struct session *s);
void session_gone(struct coordinator *c, peer_t peer);
void session_silent(struct coordinator *c, struct session *s);
void session_free(struct coordinator *c, struct session *s);
enum lease_use { LEASE_FRESH, LEASE_USED, LEASE_DENIED };
enum lease_use lease_use(struct coordinator *c, const struct gtid_parts *parts,
                         const char *principal);

// coordinator_reply.c
struct msg *coord_send(struct coordinator *c, peer_t peer, enum msg_type type);
void coord_refuse(struct coordinator *c, peer_t peer, enum msg_type about, const struct gtid *gtid,
                  int code, const char *format, ...) __attribute__((format(printf, 6, 7)));
struct msg_result *coord_result(struct coordinator *c, peer_t peer, uint8_t about,
                                const struct gtid *gtid, enum outcome outcome);
void coord_result_of_tx(struct coordinator *c, peer_t peer, uint8_t about, const struct tx *tx);
void coord_result_of_record(struct coordinator *c, peer_t peer, uint8_t about,
                            const struct tx_record *record);
void coord_answer_waiters(struct coordinator *c, struct tx *tx);
void coord_answer_operator(struct coordinator *c, token_t token, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

// coordinator_begin.c
void begin_submit(struct coordinator *c, struct session *s, const struct msg_submit *submit);
void begin_enlist(struct coordinator *c, struct session *s, const struct msg_enlist *enlist);
void begin_cancel(struct coordinator *c, struct session *s, const struct gtid *gtid);
void begin_status(struct coordinator *c, struct session *s, const struct gtid *gtid);
bool begin_foreign_gtid(const struct coordinator *c, const struct gtid *gtid);
void begin_go(struct coordinator *c, struct tx *tx);
void begin_on(struct coordinator *c, struct tx *tx); // it may be gone on with
void begin_found(struct coordinator *c, struct tx *tx, const struct tx_record *record);
void begin_silent(struct coordinator *c, struct tx *tx, enum outcome outcome);

// coordinator_admit.c
bool admit_size(const struct tx *tx, size_t more); // whether so many bytes more may be admitted
void admit(struct coordinator *c, struct tx *tx);  // write it, then go on
void admit_changed(struct coordinator *c, struct tx *tx); // write it as it is now
void admit_written(struct coordinator *c, struct tx *tx);
void admit_recovered(struct coordinator *c, struct tx *tx);

// coordinator_nested.c
void nested_extend(struct coordinator *c, struct branch *parent, peer_t peer,
                   const struct msg_extend *x);
// Nothing is known of the branch that asks: it must not wait for that.
void nested_refuse(struct coordinator *c, peer_t peer, const struct msg_extend *x);
void nested_writing(struct tx *tx); // all that are there are on their way to the disk
void nested_written(struct coordinator *c, struct tx *tx);
void nested_prepare(struct coordinator *c, struct branch *b); // if its time has come
void nested_voted(struct coordinator *c, const struct branch *parent);

// coordinator_plan.c
bool plan_branch(struct coordinator *c, struct branch *b, const struct branch_plan *plan);
void plan_ask(struct coordinator *c, struct branch *b); // in a new attempt
void plan_ask_after(struct coordinator *c, struct branch *b, uint64_t pause_ms);
void plan_vote(struct coordinator *c, struct branch *b, const struct msg_vote *vote);
void plan_done(struct coordinator *c, struct branch *b, const struct msg_done *done);
void plan_timer(struct coordinator *c, struct branch *b);
void plan_answered(struct coordinator *c, struct branch *b); // of this attempt nothing is awaited
void plan_bury(struct coordinator *c, struct branch *b);
struct slice plan_inputs(struct coordinator *c, const struct branch *b);

// coordinator_saga.c
uint64_t saga_before(const struct branch *b);
bool saga_sound(const struct msg_submit *submit, const char **ret_why);
void saga_advance(struct coordinator *c, struct tx *tx);
void saga_succeeded(struct coordinator *c, struct branch *b);
bool saga_may_compensate(const struct branch *b); // now: all that come after it have been
void saga_compensated(struct coordinator *c, struct tx *tx);

// coordinator_message.c
void message_check_back(struct coordinator *c, struct tx *tx);
void message_deliver(struct coordinator *c, struct branch *b);
// False, and the client was told why: an unknown topic, or too many consumers.
bool message_valid(struct coordinator *c, struct session *s, const struct msg_submit *submit);
const struct coordinator_topic *message_topic(const struct coordinator *c, struct slice name);

// coordinator_register.c
void register_answered(struct coordinator *c, struct pending *pending,
                       const struct tx_record *found, uint64_t horizon_ms);

// coordinator_prepare.c
void prepare_begin(struct coordinator *c, struct tx *tx);
void prepare_send(struct coordinator *c, struct branch *b);
void prepare_vote(struct coordinator *c, struct branch *b, const struct msg_vote *vote);
void prepare_timeout(struct coordinator *c, struct tx *tx);
void prepare_delegated(struct coordinator *c, struct tx *tx);
void prepare_arm(struct coordinator *c, struct tx *tx); // the timer of phase one
void fence_insert(struct branch *b);

// coordinator_members.c
struct slice members_for(struct coordinator *c, const struct branch *b); // for its PREPARE

// coordinator_quorum.c
void elect_admit(struct coordinator *c, struct tx *tx);
void elect_begin(struct coordinator *c, struct tx *tx);
void elect_recovered(struct coordinator *c, struct tx *tx);
bool elect_may_ask(const struct branch *b); // to prepare, whoever is connected for it now
void elect_vote(struct coordinator *c, struct branch *b); // yes
void elect_heard(struct coordinator *c, struct session *s, const struct msg *msg);
void elect_timer(struct coordinator *c, struct tx *tx);

// coordinator_decide.c
// Of 3pc: it stands already, in the journals of a majority.
void decide_elected(struct coordinator *c, struct tx *tx, enum outcome outcome);
void decide_commit(struct coordinator *c, struct tx *tx);
void decide_abort(struct coordinator *c, struct tx *tx, enum abort_reason reason, unsigned branch,
                  struct slice text);
void decide_written(struct coordinator *c, struct tx *tx, const struct tx_record *stands);
void tx_write(struct coordinator *c, struct tx *tx, enum tx_writing what, enum tx_stage stage,
              bool lazy);

struct record_branch record_branch_of(const struct branch *b);
void tx_record_of(const struct tx *tx, struct tx_record *ret); // all but stage and branches

// coordinator_drive.c
void drive_ended(struct coordinator *c, struct tx *tx);
void drive_begin(struct coordinator *c, struct tx *tx);
void drive_branches(struct coordinator *c, struct tx *tx);  // all that are owed something
void drive_branch(struct coordinator *c, struct branch *b); // to the outcome that it is meant for
void drive_send(struct coordinator *c, struct branch *b);
// STANDING, where its participant is there.
void drive_standing(struct coordinator *c, const struct branch *b, enum outcome outcome,
                    unsigned flags);
void drive_done(struct coordinator *c, struct branch *b, const struct msg_done *done);
void drive_one_phase(struct coordinator *c, struct branch *b, enum outcome outcome,
                     enum abort_reason reason, struct slice text);
void drive_check_end(struct coordinator *c, struct tx *tx);
bool drive_forced(const struct branch *b); // by an operator, and not as was decided
enum outcome drive_goal(const struct branch *b);

// coordinator_resend.c
void resend_expect(struct coordinator *c, struct branch *b); // it owes an answer from now on
void resend_answered(struct coordinator *c, struct branch *b);
void resend_now(struct coordinator *c, struct resource *r);
void resend_branch_now(struct coordinator *c, struct branch *b);
void resend_due(struct coordinator *c, struct resource *r);
uint64_t resend_due_ms(const struct coordinator *c, const struct branch *b);
void branch_send(struct coordinator *c, struct branch *b); // what its state asks for

// coordinator_inquire.c
void inquire(struct coordinator *c, struct session *s, const struct msg_inquire *inquiry);
void inquire_answer(struct coordinator *c, struct inquiry *pending, const struct tx_record *found);
void foreign_drop(struct coordinator *c, const struct gtid *gtid, unsigned branch);
void foreign_free(struct coordinator *c);

// coordinator_note.c
bool note_is(const struct msg_done *done); // that a resource manager did something by itself
void note_done(struct coordinator *c, struct session *s, const struct msg_done *done);
void note_looked_up(struct coordinator *c, struct note *note, const struct tx_record *found);
void note_written(struct coordinator *c, struct note *note);
// Nobody's record: no client of ours began it, and no operator had a word.
bool note_only(const struct tx_record *record);

// coordinator_operator.c
void operator_order(struct coordinator *c, const struct event_operator *order);
void operator_looked_up(struct coordinator *c, struct order *pending,
                        const struct tx_record *found);
void operator_written(struct coordinator *c, struct tx *tx);

// coordinator_recover.c
void recover_record(struct coordinator *c, const struct tx_record *record);
void recover_start(struct coordinator *c);

#endif
