// SPDX-License-Identifier: Apache-2.0
// What goes into a core and what comes out of it: step(event) -> effects.
//
// The three cores (coordinator, participant, client) are functions of their events: no I/O, clock,
// randomness, threads or globals. A step never blocks. Slices and pointers in an effect are valid
// until the next step of the same core, and may borrow from the event: a shell encodes or copies
// each effect before it steps again and before it lets go of what the event pointed to.
#ifndef CORE_STEP_H
#define CORE_STEP_H

#include "assent/error.h"
#include "core/record.h"

struct now {
    uint64_t mono_ms; // never goes back
    uint64_t wall_ms; // since 1970; may jump
};

enum event_type {
    EVENT_RECOVERED = 1, // before START: one open record of the log, or any record of the journal
    EVENT_FOUND,         // participant: the resource manager holds this prepared; also after START
    EVENT_START,
    EVENT_TICK,         // time has passed
    EVENT_CONNECTED,    // participant, client: the transport is up; greet
    EVENT_DISCONNECTED, // coordinator: that peer is gone; participant, client: transport down
    EVENT_RECEIVED,
    EVENT_WRITTEN,   // a WRITE is durable, or what stands in its place
    EVENT_LOOKED_UP, // answer to LOOKUP
    EVENT_CALLED,    // participant: the resource manager answered a CALL
    EVENT_WORKING,   // participant: the application started work for a branch here
    EVENT_OPERATOR,  // coordinator: an operator's order
    EVENT_ASK,       // client: the application asks for something
    EVENT_GIVE_UP,   // client: the application no longer waits for that ask
    EVENT_EXTEND,    // participant: a try that runs asks for a branch nested in its own
    EVENT_TOLD,      // participant: another one says something of a three-phase transaction
};

// The core a peer number or token belongs to chose its meaning; shells only hand it back.
typedef uint64_t peer_t;  // assigned by the transport, never reused, 0: none
typedef uint64_t token_t; // cores never use the top bit: shells mark tokens of their own with it

enum operator_verb { OPERATOR_COMMIT = 1, OPERATOR_ABORT, OPERATOR_FORGET, OPERATOR_RETRY };

struct event_operator {
    token_t token;
    enum operator_verb verb;
    bool lost;        // FORGET: branches that were not heard of will never ask again
    struct gtid gtid; // RETRY: size 0 means everything that waits for a retry
    struct slice who, why;
};

enum rm_op { RM_PREPARE = 1, RM_COMMIT, RM_ROLLBACK, RM_FORGET };

enum rm_result {
    RM_DONE = 0,      // commit, rollback: done. prepare: vote yes
    RM_NO = 1,        // prepare: vote no, and the work is undone
    RM_READ_ONLY = 2, // prepare: nothing to commit, nothing held
    RM_RETRY = 3,     // not now: try again later
    // commit, rollback: it had ended the branch by a decision of its own, and so
    RM_HEURISTIC_COMMIT = 4,
    RM_HEURISTIC_ROLLBACK = 5,
    RM_HEURISTIC_MIXED = 6,
    RM_HEURISTIC_HAZARD = 7,
};

struct event_called {
    token_t token;
    enum rm_result result;
    bool durable;      // prepare: the resource manager itself keeps the prepared state
    struct slice text; // why not; prepare of a STEP: what it returns
};

// Answered by EFFECT_EXTENDED, by a participant that does not stop.
struct event_extend {
    token_t token; // the shell's
    struct gtid gtid;
    uint16_t branch; // whose try runs
    uint16_t index;  // below LIMIT_BRANCHES: tells apart what this branch asks for, in each call
    uint8_t kind;    // CALL or ENLISTED
    struct slice resource;
    struct slice payload;
};

enum ask_kind { ASK_ENLIST = 1, ASK_SUBMIT, ASK_CANCEL, ASK_STATUS };

struct event_ask {
    token_t token;
    enum ask_kind kind;
    uint64_t deadline_ms; // monotonic; UINT64_MAX: none
    union {
        struct msg_enlist enlist;
        struct msg_submit submit;
        struct msg_gtid gtid;
    } u;
};

struct event {
    enum event_type type;
    struct now now;
    union {
        const struct tx_record *tx;         // RECOVERED, coordinator
        const struct branch_record *branch; // RECOVERED, FOUND, WORKING (gtid, branch) participant
        struct {
            peer_t peer;            // coordinator only
            struct slice principal; // coordinator only: who the transport says it is
            const struct frame_header *header;
            const struct msg *msg;
        } received;
        peer_t disconnected; // coordinator only
        struct {
            token_t token;
            uint64_t log_seq;               // highest durable record now
            const struct tx_record *stands; // NULL: what was asked stands; else what stands instead
            bool fenced;
        } written;
        struct {
            token_t token;
            const struct tx_record *found; // NULL: nothing is stored under that gtid
            uint64_t horizon_ms; // ended records with an earlier stamp may have been collected
        } looked_up;
        struct event_called called;
        struct event_operator op;
        struct event_ask ask;
        token_t give_up;
        struct event_extend extend;
        struct {
            const struct msg *msg; // ASK, STATE, TRY or DECIDE. The transport has made sure that it
        } told;                    // comes from whom it says
    } u;
};

enum effect_type {
    EFFECT_SEND = 1,
    EFFECT_WRITE,
    EFFECT_LOOKUP,   // coordinator: read the register of a gtid
    EFFECT_CALL,     // participant: call the resource manager
    EFFECT_HORIZON,  // participant: closed records with a stamp below it may be collected
    EFFECT_ANSWER,   // coordinator: to an OPERATOR event
    EFFECT_COMPLETE, // client: to an ASK event
    EFFECT_EXTENDED, // participant: to an EXTEND event
    EFFECT_TELL,     // participant: say it to another one; may be lost, like any message
    EFFECT_STOP,     // this process must stop now, writing nothing more
};

// How soon what is written has to be durable.
enum haste {
    HASTE_NOW,     // is synced at once
    HASTE_PATIENT, // is awaited, but nobody is in a hurry: not before others come, or a moment
    HASTE_LAZY,    // is not synced for its own sake; nothing visible depends on it
};

struct effect_write {
    token_t token;
    bool decide; // write-once: if a decision already stands for the key, that one is the answer
    enum haste haste;
    bool open; // must be kept; otherwise it may be collected once the horizon passes `stamp`
    uint64_t stamp;
    bool forget;                        // remove the key instead of writing a record
    const struct tx_record *tx;         // coordinator
    const struct branch_record *branch; // participant
};

struct effect_call {
    token_t token;
    enum rm_op op;
    struct gtid gtid;
    uint16_t branch;
    uint8_t kind; // enum branch_kind; 0 where not known (ROLLBACK of something never seen)
    uint8_t protocol;
    uint64_t attempt;
    uint64_t coordinator;
    struct slice payload;
    struct slice inputs; // of a STEP, see step_input_next
    struct slice result; // rollback of a STEP: what it had returned
    uint8_t heuristic; // FORGET: what the resource manager did by itself, HEURISTIC_ bits; 0: it is
                       // a branch of business, whose transaction has ended
    uint32_t tries;    // how often this has been tried before
};

struct effect_complete {
    token_t token;
    int code; // ASSENT_OK: `result` (or ENLISTED) holds; else why not, with `text`
    struct msg_result result;
    struct slice text;
};

// A shell that knows no way to the others lets it go: three-phase commit is then as safe, and waits
// for its coordinator.
struct effect_tell {
    struct slice resource, address; // whom, and where that is reached
    struct msg msg;                 // ASK, STATE, TRY or DECIDE
};

struct effect_extended {
    token_t token;
    int code;        // ASSENT_OK: `number` holds; else why not, with `text`
    uint16_t number; // of the new branch
    struct slice text;
};

struct effect {
    enum effect_type type;
    union {
        struct {
            peer_t peer; // coordinator only
            struct msg msg;
        } send;
        struct effect_write write;
        struct {
            token_t token;
            struct gtid gtid;
        } lookup;
        struct effect_call call;
        uint64_t horizon;
        struct {
            token_t token;
            int code;
            struct slice text;
        } answer;
        struct effect_complete complete;
        struct effect_extended extended;
        struct effect_tell tell;
        struct {
            int code;
            struct slice text;
        } stop;
    } u;
};

// The effects of a step, in order, and the memory that they borrow from.
struct effects {
    struct effect *items; // owned
    size_t count;
    size_t capacity;
    struct effects_block *blocks;  // owned, in order of use
    struct effects_block *current; // the one that is being filled; those behind it are free
    struct effect spare;           // what effects_add returns when there is no memory
    bool failed;                   // out of memory: effects are missing, so the process must stop
};

void effects_init(struct effects *fx);
void effects_free(struct effects *fx);
void effects_reset(struct effects *fx); // forgets the effects, keeps the memory
// A new zeroed effect at the end. Never NULL: out of memory it returns a spare one and sets failed.
// The pointer is good until the next effects_add, which may move the effects.
struct effect *effects_add(struct effects *fx, enum effect_type type);
// Memory, not zeroed, aligned for any type, that lives until effects_reset; NULL (and failed) when
// there is none.
void *effects_alloc(struct effects *fx, size_t size);
// A copy of the bytes in such memory, for what may be let go of in this very step; an empty slice
// of none, and (with failed) without memory.
struct slice effects_keep(struct effects *fx, struct slice bytes);
// Text in such memory, NUL-terminated behind the slice; an empty slice (and failed) without memory.
struct slice effects_printf(struct effects *fx, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif
