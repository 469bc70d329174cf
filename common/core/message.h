// SPDX-License-Identifier: Apache-2.0
// What processes say to each other. docs/wire-format.md has the bytes; wire/ encodes and decodes.
// Slices in a decoded message borrow from the frame it came in.
//
// An *attempt* is the coordinator's own number of one run of a transaction: incarnation << 40 |
// counter. A client may bring the same gtid again after a crash; the attempt tells the runs apart,
// so votes, decisions and acknowledgements of one run are never taken for those of another.
#ifndef CORE_MESSAGE_H
#define CORE_MESSAGE_H

#include "core/gtid.h"

enum { ATTEMPT_COUNTER_BITS = 40 };

enum protocol {
    PROTOCOL_2PC = 1,
    PROTOCOL_3PC = 2,
    PROTOCOL_TCC = 3,
    PROTOCOL_SAGA = 4,
    PROTOCOL_MESSAGE = 5,
};

enum role { ROLE_CLIENT = 1, ROLE_PARTICIPANT = 2, ROLE_OPERATOR = 3 };

enum msg_type {
    // session
    MSG_HELLO = 1,   // peer -> coordinator, first on every connection
    MSG_WELCOME = 2, // coordinator -> peer: answer to HELLO and to LEASE, with a gtid lease
    MSG_REFUSED = 3, // coordinator -> peer: a request is refused, and why
    MSG_PING = 4,    // peer -> coordinator
    MSG_PONG = 5,    // coordinator -> peer
    MSG_LEASE = 6,   // client -> coordinator: more gtids, please (answer: WELCOME)
    // client
    MSG_ENLIST = 10,   // the application will work, or worked, at a participant itself
    MSG_ENLISTED = 11, // answer: the coordinator will finish that branch whatever happens
    MSG_SUBMIT = 12,   // commit: all branches, and payloads for those that are calls
    MSG_CANCEL = 13,   // roll back
    MSG_STATUS = 14,   // what became of it?
    MSG_RESULT = 15,   // answer to SUBMIT, CANCEL, STATUS
    // branch
    MSG_PREPARE = 20,  // coordinator -> participant
    MSG_VOTE = 21,     // participant -> coordinator
    MSG_COMMIT = 22,   // coordinator -> participant
    MSG_ROLLBACK = 23, // coordinator -> participant
    MSG_DONE = 24,     // participant -> coordinator: the branch ended so, durably
    MSG_INQUIRE = 25,  // participant -> coordinator: I am in doubt (or active), what stands?
    MSG_STANDING = 26, // coordinator -> participant: undecided yet, or not mine
    MSG_EXTEND = 27,   // participant -> coordinator: my branch needs one more, nested in it
    MSG_EXTENDED = 28, // coordinator -> participant: answer, with its number
    // operator
    MSG_ADMIN = 30,       // a verb and its arguments, JSON
    MSG_ADMIN_REPLY = 31, // JSON
    // three-phase commit: between participants, and between coordinator and participant
    MSG_ASK = 42,    // elector -> member: join my election, and tell your state
    MSG_STATE = 43,  // member -> elector, or to all: what is durable here
    MSG_TRY = 44,    // elector -> member: pre-commit or pre-abort
    MSG_DECIDE = 45, // who knows -> who does not: the outcome
};

enum vote {
    VOTE_NONE = 0,
    VOTE_YES = 1,
    VOTE_NO = 2,
    VOTE_READ_ONLY = 3,
    VOTE_RETRY = 4, // of a step, sender or consumer: not this time; ask again in a new attempt
};

enum outcome {
    OUTCOME_NONE = 0, // in a STANDING or RESULT: in progress
    OUTCOME_COMMITTED = 1,
    OUTCOME_ABORTED = 2,
    OUTCOME_UNKNOWN = 3, // nothing is known of that gtid here
};

enum abort_reason {
    REASON_NONE = 0,
    REASON_VOTED_NO = 1,  // a branch voted no; `branch` says which
    REASON_TIMEOUT = 2,   // the transaction's own time was up
    REASON_NO_VOTE = 3,   // a branch did not vote in time; `branch` says which
    REASON_CANCELLED = 4, // the application rolled back
    REASON_OPERATOR = 5,  // an operator aborted it
    REASON_PRESUMED = 6,  // of an earlier incarnation, and not in the log
    REASON_SHUTDOWN = 7,  // the coordinator was draining
    REASON_MANAGER = 8,   // one branch alone: its resource manager rolled it back by itself
};

enum branch_kind {
    BRANCH_CALL = 1,      // the coordinator carries the payload; the participant works, then votes
    BRANCH_ENLISTED = 2,  // the application had the work done there already
    BRANCH_STEP = 3,      // of a saga: an action, perhaps with a compensation
    BRANCH_SENDER = 4,    // of a message, always branch 0: knows whether it is to be sent
    BRANCH_CONSUMER = 5,  // of a message: one that it is delivered to
    BRANCH_TOPIC = 6,     // only in a SUBMIT: all consumers that subscribe to it
    BRANCH_READ_ONLY = 7, // only in a SUBMIT: ENLISTED, and the application says: read-only
};

// Who ended a branch otherwise than by carrying out the decision, in one byte: an operator's word,
// and what the resource manager did by a decision of its own.
enum {
    HEURISTIC_OPERATOR = 1,
    HEURISTIC_COMMIT = 2,   // all of it is committed
    HEURISTIC_ROLLBACK = 4, // all of it is rolled back
    HEURISTIC_MIXED = 6,    // some is committed, some is rolled back
    HEURISTIC_HAZARD = 8,   // it may be any of these
    HEURISTIC_MANAGER = 14, // mask of the four
    HEURISTIC_LAST = HEURISTIC_HAZARD | HEURISTIC_OPERATOR,
};
// What became of a branch that was asked to end so: UNKNOWN where that is neither.
enum outcome heuristic_outcome(unsigned heuristic, enum outcome asked);
// "committed", "rolled back", "mixed", "hazard"; NULL: the resource manager did as it was told.
const char *heuristic_name(unsigned heuristic);

enum {
    STEP_PIVOT = 1, // once it has succeeded, the saga goes forward only
    STEP_KEPT = 2,  // it has no compensation: where the saga is compensated, what it did is kept
};

// When and how often the coordinator asks for a STEP, and when for a CONSUMER; all 0 in others.
struct branch_plan {
    uint64_t after;      // bit n: not before step n has succeeded
    uint8_t flags;       // STEP_
    uint16_t attempts;   // give up after so many; 0: no limit
    uint32_t timeout_ms; // of one attempt; 0: the coordinator's default
    uint32_t backoff_ms; // before the second attempt, then doubled; 0: the coordinator's default
    uint32_t backoff_max_ms; // but no longer than this; likewise
    uint32_t delay_ms;       // a CONSUMER: after the message was submitted
};

// The branches of a transaction are numbered 0, 1, 2, ... without a gap, at most LIMIT_BRANCHES; a
// SUBMIT lists them in that order.
enum { BRANCH_NONE = 0xffff }; // in a RESULT: the reason speaks of no branch

struct msg_hello {
    uint8_t role;        // enum role
    uint8_t version_min; // wire versions it speaks
    uint8_t version_max;
    uint64_t peer_incarnation; // participants: times the journal was opened; others 0
    uint64_t journal;          // participants: identity of the journal; others 0
    struct slice name;         // resource (participant) or program (others)
    struct slice address;      // participants: where their peers reach them; empty: they do not
};

struct msg_welcome {
    uint64_t peer_incarnation; // echoed
    uint64_t lease_first;      // the client may use numbers first .. first + count - 1
    uint32_t lease_count;      // 0 for participants
    uint64_t lease_ms;
    uint32_t payload_bytes_max;
    uint16_t branches_max;
};

// Requests of clients are numbered, each send anew and higher, and the answer says which it
// answers: one that was long under way must not pass for the answer to a later request about the
// same.
struct msg_refused {
    uint64_t request; // 0: what is refused had no number
    uint8_t about;    // enum msg_type of what is refused
    uint16_t code;    // enum assent_code
    struct gtid gtid; // size 0 where none applies
    struct slice text;
};

struct msg_ping {
    uint64_t stamp; // echoed in the PONG
};

struct msg_branch {
    uint16_t branch;
    uint8_t kind; // enum branch_kind
    struct slice resource;
    struct slice payload;
    struct branch_plan plan;
};

enum {
    SUBMIT_WAIT_DONE = 1, // RESULT only after every branch has finished
    SUBMIT_ACCEPT = 2,    // RESULT "in progress" as soon as it is admitted durably
    SUBMIT_HOLD = 4,      // a message: prepare it; the same SUBMIT without HOLD sends it
};

struct msg_submit {
    uint64_t request;
    struct gtid gtid;
    uint8_t protocol;
    uint8_t flags;
    uint32_t timeout_ms; // of the whole transaction, 0: the coordinator's default
    uint16_t branch_count;
    const struct msg_branch *branches; // decoder: valid until its next message
};

struct msg_enlist {
    uint64_t request;
    struct gtid gtid;
    uint8_t protocol;
    uint32_t timeout_ms; // counts from the first ENLIST
    uint16_t branch;
    struct slice resource;
    struct slice payload; // tcc: for confirm and cancel
};

struct msg_gtid { // CANCEL, STATUS
    uint64_t request;
    struct gtid gtid;
};

struct msg_enlisted {
    uint64_t request;
    struct gtid gtid;
    uint16_t branch;
};

enum {
    MIXED_BY_OPERATOR = 1,
    MIXED_BY_MANAGER = 2, // a resource manager
};

struct msg_result {
    uint64_t request;
    struct gtid gtid;
    uint8_t about;    // MSG_SUBMIT, MSG_CANCEL or MSG_STATUS
    uint8_t outcome;  // enum outcome
    uint8_t reason;   // enum abort_reason
    uint8_t mixed;    // MIXED_ bits: who made, or may have made, branches differ
    uint8_t finished; // 1: every branch has ended
    uint16_t branch;  // that the reason speaks of, or BRANCH_NONE
    struct slice text;
};

enum {
    PREPARE_ONE_PHASE = 1,
    // 3pc: the application says that nothing was changed; its resource manager is not asked, and it
    // is a member for the others' sake.
    PREPARE_READ_ONLY = 2,
};

struct msg_prepare {
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch;
    uint8_t protocol;
    uint8_t kind;
    uint8_t flags;
    uint32_t timeout_ms; // how long the coordinator will still wait for the vote
    struct slice payload;
    struct slice inputs;  // STEP: what the steps that it comes after returned, see step_input_next
    struct slice members; // 3pc: all branches, in their order, see member_next
};

// A branch of a three-phase transaction: where it is, as the others know it.
struct member {
    uint64_t journal; // that will hold its vote; 0: its participant was not there yet
    struct slice resource;
    struct slice address; // of its participant; empty: its peers cannot reach it
};
// Takes the next member off *members (u64 journal; u8 size, name; u8 size, address; little-endian).
// False: none is left, or (members->size is not 0 then) what is left is none.
bool member_next(struct slice *members, struct member *ret);
enum {
    MEMBER_HEAD_BYTES = 10, // all but the two texts
    MEMBERS_BYTES_MAX =
        LIMIT_BRANCHES * (MEMBER_HEAD_BYTES + LIMIT_NAME_BYTES + LIMIT_ADDRESS_BYTES),
};
// Writes one. Returns where the next one goes.
uint8_t *member_put(uint8_t *to, const struct member *member);
size_t member_size(const struct member *member);

// What an earlier step returned, for a later one.
struct step_input {
    uint16_t branch;
    struct slice result;
};
// Takes the next input off *inputs (u16 branch, u16 size, bytes; little-endian). False: none is
// left, or (inputs->size is not 0 then) what is left is none.
bool step_input_next(struct slice *inputs, struct step_input *ret);
enum { STEP_INPUT_HEAD_BYTES = 4 };
// Writes one, STEP_INPUT_HEAD_BYTES + result.size bytes. Returns where the next one goes.
uint8_t *step_input_put(uint8_t *to, unsigned branch, struct slice result);

struct msg_vote {
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch;
    uint8_t vote;
    struct slice text; // NO, RETRY: why; YES to a STEP: what it returns
};

enum {
    DECIDE_HEURISTIC = 1, // an operator forced it
    DECIDE_RESOLVE = 2,   // ROLLBACK of a one-phase branch: unless you have committed it already
    DECIDE_CONTENT = 4, // what the branch is about comes along, for who does not know it (any more)
};

struct msg_decide { // COMMIT, ROLLBACK
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch;
    uint8_t flags;
    // Only with DECIDE_CONTENT, which decisions of protocols other than 2pc and 3pc have:
    uint8_t protocol;
    uint8_t kind;
    struct slice payload;
    struct slice result; // STEP: what it had returned
};

enum {
    DONE_HEURISTIC = 1, // by an operator's word, or by its resource manager: `heuristic` says it
    // Nothing of it is in the journal: it did as was decided, and was collected. `outcome` is only
    // what was asked for.
    DONE_FORGOTTEN = 2,
    DONE_RESULT = 4, // what a STEP returned that was asked for in one phase comes along
};

struct msg_done {
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch;
    uint8_t outcome; // OUTCOME_COMMITTED or OUTCOME_ABORTED: what the branch really did, or, where
                     // its resource manager did something by itself, was told to do
    uint8_t flags;
    uint8_t heuristic;   // HEURISTIC_ bits; only with DONE_HEURISTIC, and never none then
    struct slice result; // only with DONE_RESULT
};

enum inquire_state {
    INQUIRE_WORKING = 0,  // may still be rolled back freely
    INQUIRE_PREPARED = 1, // in doubt
    INQUIRE_FINISHED = 2, // admitted protocols: may it be forgotten?
};

struct msg_inquire {
    struct gtid gtid;
    uint64_t attempt;     // 0: work that the application started, never prepared
    uint64_t coordinator; // whose attempt that is
    uint16_t branch;
    uint8_t prepared; // enum inquire_state
};

enum {
    // What the resource manager did by itself is on record, durably: it may forget that.
    STANDING_NOTED = 1,
    // Its application says that it is read-only: work that was begun there is not waited for.
    STANDING_RELEASED = 2,
};

struct msg_standing {
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch;
    // OUTCOME_NONE: undecided yet, or not ended; OUTCOME_UNKNOWN: not this coordinator's; else, in
    // admitted protocols: the transaction has ended so, and its branches may be forgotten
    uint8_t outcome;
    uint8_t flags;
};

// A branch of a tcc transaction, while its try runs, asks for one more. Its `index` tells those
// that it asks for apart, so that the same EXTEND twice is one branch.
struct msg_extend {
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch; // that asks
    uint16_t index;
    uint8_t kind; // CALL or ENLISTED
    struct slice resource;
    struct slice payload;
};

struct msg_extended {
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch; // that asked
    uint16_t index;
    uint16_t number; // of the new branch, or BRANCH_NONE
    uint16_t code;   // enum assent_code
    struct slice text;
};

// ASK, STATE, TRY, DECIDE: see core/quorum.h. From a branch, or the coordinator (BRANCH_NONE), to
// one of both; not both from and to the coordinator. Between branches it is said by whom, and where
// that one is reached: who never heard of the transaction could not answer otherwise.
struct msg_quorum {
    struct gtid gtid;
    uint64_t attempt;
    uint64_t coordinator; // whose attempt that is
    uint16_t from, to;
    uint64_t number;  // ASK, TRY: of the election. STATE: nothing below it is joined any more
    uint64_t last;    // STATE: of the last election in which it made an attempt durable; 0: none
    uint64_t journal; // ASK: of whom is asked, as far as the elector knows; 0: it does not
    uint8_t state;    // STATE: enum quorum_state
    uint8_t outcome;  // TRY, DECIDE: OUTCOME_COMMITTED or OUTCOME_ABORTED
    struct slice resource, address; // of whom it comes from; empty from and to the coordinator
};

struct msg_admin {
    uint64_t id;       // echoed in the reply
    uint16_t code;     // reply: enum assent_code
    struct slice verb; // request
    struct slice json;
};

struct msg {
    enum msg_type type;
    union {
        struct msg_hello hello;
        struct msg_welcome welcome;
        struct msg_refused refused;
        struct msg_ping ping; // PING, PONG
        struct msg_enlist enlist;
        struct msg_enlisted enlisted;
        struct msg_submit submit;
        struct msg_gtid gtid; // CANCEL, STATUS
        struct msg_result result;
        struct msg_prepare prepare;
        struct msg_vote vote;
        struct msg_decide decide;
        struct msg_done done;
        struct msg_inquire inquire;
        struct msg_standing standing;
        struct msg_extend extend;
        struct msg_extended extended;
        struct msg_admin admin;   // ADMIN, ADMIN_REPLY
        struct msg_quorum quorum; // ASK, STATE, TRY, DECIDE
    } u;
};

// What stands before the messages of a frame.
//
// `seal` is the coordinator's keyed hash of (id, log_seq), its key known to itself alone. A peer
// keeps the highest log_seq that it has heard of with its seal, and echoes both in every frame: so
// a coordinator whose log came back shorter learns it from any peer, and no peer can make it up.
struct frame_header {
    uint8_t version;
    uint8_t from_coordinator;
    uint64_t coordinator; // its id; from a peer: the one it last heard from, 0 for none
    uint64_t incarnation; // likewise
    uint64_t log_seq;     // coordinator: its highest durable record; peer: the highest it has heard
    uint64_t seal;        // that came with log_seq
    uint64_t fence;       // coordinator: attempts below it are past phase one at this peer; peer: 0
};

enum { WIRE_VERSION = 1 };

// The number of a client's request; 0: it is none.
uint64_t msg_request(const struct msg *msg);

const char *msg_name(enum msg_type type);            // "PREPARE"; "?" for other numbers
const char *vote_name(enum vote vote);               // "yes"
const char *outcome_name(enum outcome outcome);      // "committed", "in progress"
const char *reason_text(enum abort_reason reason);   // "a branch voted no"
const char *protocol_name(enum protocol protocol);   // "2pc"
const char *branch_kind_name(enum branch_kind kind); // "step"

// Protocols that are *admitted*: that it is to be done is durable at the coordinator before
// anything of it is asked for, so that a gtid runs once only, through every crash; and what is
// finished is remembered by participants until the transaction has ended.
bool protocol_admitted(unsigned protocol);
// Those of them that call business code: their content is in records and decisions, and what is
// asked for again is asked in a new attempt. (3pc is the other one: it has one attempt, for ever.)
bool protocol_business(unsigned protocol);
// Whether branches of that kind belong into transactions of that protocol.
bool protocol_has_kind(unsigned protocol, unsigned kind);

#endif
