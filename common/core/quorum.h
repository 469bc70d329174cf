// SPDX-License-Identifier: Apache-2.0
// Three-phase commit that a majority of the branches can finish without the coordinator: E3PC
// (Keidar, Dolev: "Increasing the Resilience of Distributed and Replicated Database Systems", JCSS
// 57(3), 1998). docs/protocols/3pc.md has the protocol and the reasons.
//
// One transaction: a *member* for each branch, at its participant, and one *lead* at the
// coordinator. Both may be electors: they take a number, collect states, attempt an outcome. These
// are cores like the others: functions of their events, without I/O, clock or randomness. They
// allocate nothing, so that no step can fail. Not thread-safe.
#ifndef CORE_QUORUM_H
#define CORE_QUORUM_H

#include "base/limits.h"
#include "base/rng.h"
#include "base/sm.h"
#include "core/message.h"

// ---- numbers ----

// Of an election: round << 32 | who. Higher ones win. 0: none.
typedef uint64_t quorum_number_t;

enum {
    QUORUM_COORDINATOR = LIMIT_BRANCHES, // as a sender, where others are branches
    QUORUM_ROUND_FIRST = 1,              // the coordinator's attempt when all have voted yes
    // A fresh vote's horizon: elections of earlier rounds may be joined without a record of it.
    QUORUM_HORIZON_FRESH = 3,
    QUORUM_ROUND_MAX = 1 << 30, // higher ones are nonsense, and not believed
};

// `who` is a branch, or QUORUM_COORDINATOR and then `run` is its incarnation; others give 0. So no
// number is ever taken twice: a coordinator never uses an incarnation again, and a member that has
// restarted goes on above its horizon.
quorum_number_t quorum_number(uint32_t round, unsigned who, uint64_t run);
uint32_t quorum_round(quorum_number_t number);

// ---- the rule ----

enum quorum_state {
    QUORUM_IDLE = 0, // has not voted, and may still vote no
    QUORUM_VOTING,   // the yes is on its way to the journal
    QUORUM_WAITING,  // in doubt: voted yes
    QUORUM_PRE_COMMITTED,
    QUORUM_PRE_ABORTED,
    QUORUM_REFUSING, // that it will never vote yes is on its way to the journal
    QUORUM_COMMITTED,
    QUORUM_ABORTED,
};
extern const struct sm_table quorum_table;

// What an elector has heard of the members. Only what is durable there may be put into it.
struct quorum_view {
    uint64_t heard;      // a bit for each member
    uint64_t at_top;     // those of them whose last attempt is `top`
    quorum_number_t top; // the highest last attempt, 0: nobody has attempted anything
    bool top_commits;
    bool committed, aborted; // somebody knows the outcome
};
void quorum_view_add(struct quorum_view *view, unsigned member, enum quorum_state state,
                     quorum_number_t attempt);

enum quorum_move {
    QUORUM_BLOCK = 0, // a minority: wait
    QUORUM_COMMIT,
    QUORUM_ABORT,
    QUORUM_TRY_COMMIT,
    QUORUM_TRY_ABORT,
};
unsigned quorum_majority(unsigned members); // the least number that any two of share a member
// Contradictory views (somebody committed, another aborted) block: nothing that could be done would
// make it better.
enum quorum_move quorum_rule(const struct quorum_view *view, unsigned members);

// Who is known to have made durable the highest attempt that was heard of.
struct quorum_tally {
    quorum_number_t number;
    uint64_t members;
    bool commits;
};
// OUTCOME_NONE, or what a majority of that many members has made durable, which is the outcome.
enum outcome quorum_tally_add(struct quorum_tally *tally, unsigned members, unsigned member,
                              enum quorum_state state, quorum_number_t attempt);

// ---- what is said ----

enum quorum_msg_type {
    QUORUM_VOTE = 1, // member -> lead. `outcome`: COMMITTED for yes, ABORTED for no
    QUORUM_ASK,      // elector: join `number` and tell your state. 0: only tell
    QUORUM_STATE,    // member, to an ASK or a TRY: what is durable here
    QUORUM_TRY,      // elector: pre-commit or pre-abort (`outcome`) in `number`
    QUORUM_DECIDE,   // anybody: `outcome` stands
};

struct quorum_msg {
    enum quorum_msg_type type;
    quorum_number_t number;  // ASK, TRY. STATE: nothing below it is joined any more
    quorum_number_t attempt; // STATE: the last that was joined
    enum quorum_state state; // STATE
    enum outcome outcome;    // VOTE, TRY, DECIDE
};
const char *quorum_msg_name(enum quorum_msg_type type);

// Everything that a member must find again: part of its branch's record in the journal.
struct quorum_record {
    enum quorum_state state; // WAITING, PRE_COMMITTED, PRE_ABORTED, COMMITTED, ABORTED; IDLE: none
    uint32_t horizon;        // "last elected": elections of earlier rounds may have been joined
    quorum_number_t attempt; // "last attempt": what PRE_COMMITTED or PRE_ABORTED was joined in
};

// ---- steps ----

struct quorum_send {
    uint64_t members; // to whom: a bit for each branch
    bool coordinator; // and to the coordinator
    struct quorum_msg msg;
};

enum { QUORUM_SENDS_MAX = 8 };

struct quorum_effects {
    unsigned send_count;
    struct quorum_send sends[QUORUM_SENDS_MAX];
    bool write; // `record`; WRITTEN when it is durable. One at a time
    struct quorum_record record;
    enum outcome decided; // not NONE: the outcome, from now on
};

enum quorum_event_type {
    QUORUM_START = 1, // first
    QUORUM_TICK,
    QUORUM_RECEIVED,
    QUORUM_WRITTEN, // member
    QUORUM_VOTED,   // member: the resource manager answered
    QUORUM_ALIVE,   // member: the coordinator was heard, whatever it said
    QUORUM_CANCEL,  // lead: the application, an operator or a timeout wants an abort
};

struct quorum_event {
    enum quorum_event_type type;
    uint64_t now_ms; // monotonic
    unsigned from;   // RECEIVED: a branch, or QUORUM_COORDINATOR
    struct quorum_msg msg;
    bool yes; // VOTED
};

struct quorum_config {
    unsigned self;         // the branch, or QUORUM_COORDINATOR
    unsigned members;      // branches of the transaction
    uint64_t run;          // lead: its incarnation
    uint64_t seed;         // for jitter
    uint32_t suspect_ms;   // so long in doubt and nothing heard: elect; with backoff, too
    uint32_t stagger_ms;   // member: so much later for each branch before it
    uint32_t step_ms;      // elector: say it again; with backoff
    uint32_t pause_ms_max; // and that ends here
};

// ---- electing, the same for members and lead ----

enum quorum_phase {
    QUORUM_RESTING = 0, // no election of its own
    QUORUM_GATHERING,   // lead: votes are awaited; what is attempted then needs no election
    QUORUM_ASKING,      // states are collected
    QUORUM_TRYING,      // a majority is asked to make the attempt durable
    QUORUM_ENDED,       // the outcome is known
};
extern const struct sm_table quorum_phase_table;

struct quorum_elector {
    enum quorum_phase phase;
    quorum_number_t number;
    uint32_t round_seen; // the highest heard of
    uint32_t tries;
    bool commits; // what TRYING attempts
    struct quorum_view view;
};

struct quorum_member {
    struct quorum_config config;
    struct rng rng;
    enum quorum_state state;
    struct quorum_record kept, put; // durable; on its way
    bool writing;
    uint32_t horizon;        // wanted: answers wait until it is kept
    quorum_number_t elected; // "last elected": nothing below it is joined
    quorum_number_t attempt; // likewise wanted
    uint64_t owed;           // members that wait for a STATE
    bool owed_coordinator;
    struct quorum_elector elector;
    struct quorum_tally tally;
    uint64_t due_ms; // UINT64_MAX: never
    uint64_t stale;  // messages that made no sense here
};

// `found` is what the journal holds of the branch, or NULL.
void quorum_member_init(struct quorum_member *self, const struct quorum_config *config,
                        const struct quorum_record *found);
void quorum_member_step(struct quorum_member *self, const struct quorum_event *event,
                        struct quorum_effects *fx);

struct quorum_lead {
    struct quorum_config config;
    struct rng rng;
    uint64_t yes; // members that voted so
    enum outcome outcome;
    struct quorum_elector elector;
    struct quorum_tally tally;
    uint64_t due_ms;
    uint64_t stale;
};

// `recovered`: this incarnation is not the one that admitted the transaction, so the attempt that
// needs no election may have been made.
void quorum_lead_init(struct quorum_lead *self, const struct quorum_config *config, bool recovered);
void quorum_lead_step(struct quorum_lead *self, const struct quorum_event *event,
                      struct quorum_effects *fx);

#endif
