// SPDX-License-Identifier: Apache-2.0
// One transaction under the register protocol: one coordinator, its log, the branches at their
// participants with journals and resource managers, and a network and processes that fail.
// tests/model/README.md says what is modelled, what is not, and how to run it.
//
// What is chosen when it is compiled:
//   BRANCHES            how many
//   OWN_GTID            the gtid is the coordinator's own (leased), else the client's
//   RM_DURABLE          resource managers keep what is prepared, and votes are not journaled
//   ENLISTED            the application works at the participants itself
//   COORDINATOR_CRASHES, PARTICIPANT_CRASHES (of all together), DUPLICATES (late copies of what was
//                       answered already), ORDERS (of operators), RETRIES (calls that fail)
//   MUTANT_...          a broken protocol, that has to be refuted
//   TRACE               the run has to be one whose visible events are those of a trace
#ifndef BRANCHES
#define BRANCHES 2
#endif
#ifndef COORDINATOR_CRASHES
#define COORDINATOR_CRASHES 1
#endif
#ifndef PARTICIPANT_CRASHES
#define PARTICIPANT_CRASHES 1
#endif
#ifndef DUPLICATES
#define DUPLICATES 1
#endif
#ifndef ORDERS
#define ORDERS 0
#endif
#ifndef RETRIES
#define RETRIES 0
#endif

// Attempts are numbered 1, 2, ...; 0 is the attempt of what was never asked to prepare. Sets of
// attempts, and of branches, are bits of a byte.
#ifdef TRACE
#undef BRANCHES
#define BRANCHES 8
#define ATTEMPTS 14
#define SET short
#elif defined(OWN_GTID)
#define ATTEMPTS 1
#else
#define ATTEMPTS (COORDINATOR_CRASHES + 1)
#endif
#ifndef SET
#define SET byte
#endif
#define BIT(n) (1 << (n))
#define HAS(set, n) (((set) >> (n)) & 1)
#define ADD(set, n) set = set | BIT(n)
#define DROP(set, n) set = set & ~BIT(n)

// ---- what is visible, and has to be the next line of a trace ----

#define COORD 15
#define CODE(k, b, a, x) (((k) << 16) | ((b) << 12) | ((a) << 8) | (x))
#define K_PREPARE 1  /* x: alone */
#define K_TOLD 2     /* x: T_... */
#define K_WRITES 3   /* x: record */
#define K_DURABLE 4  /* x: record */
#define K_ANSWERED 5 /* x: outcome */
#define K_CALL 6     /* x: RM_... */
#define K_CALLED 7   /* x: RM_... * 4 + answer */
#define K_VOTE 8     /* x: V_... */
#define K_DONE 9     /* x: outcome + 4 forced + 8 forgotten */
#define K_INQUIRE 10 /* x: prepared */
#define K_CRASH 11
#define K_START 12

#define NONE 0
#define COMMITTED 1
#define ABORTED 2
#define UNKNOWN 3
#define OPPOSITE(outcome) (3 - (outcome))

#define FORCED 4
#define FORGOTTEN 8
#define RESOLVE 8
#define T_UNKNOWN 3

#define V_YES 1
#define V_NO 2
#define V_READ_ONLY 3

#define RM_PREPARE 1
#define RM_COMMIT 2
#define RM_ROLLBACK 3
#define A_DONE 0
#define A_NO 1
#define A_READ_ONLY 2
#define A_RETRY 3

// Stages of records: the coordinator's and the participant's.
#define DELEGATED 1
#define DECIDED 2
#define ENDED 3
#define J_PREPARED 1
#define J_DECIDED 2
#define J_FINISHED 3
#define RECORD(stage, outcome, forced, mixed, operator)                                            \
    ((stage) | ((outcome) << 2) | ((forced) << 4) | ((mixed) << 6) | ((operator) << 7))
#define JOURNAL(stage, outcome, forced) ((stage) | ((outcome) << 2) | ((forced) << 4))

#ifdef TRACE
c_decl {
\#include "trace.h"
};
int next;  // the event that has to come, 0 at the end
short at;  // its place
byte n;    // branches
byte attempts_seen;
bit own_gtid, rm_durable;
byte enlisted;
#define SEES(k, b, a, x) (next == CODE(k, b, a, x))
#define EAT at++; c_code { now.next = trace_at(now.at); }
#define CLAIM(property) skip
#define ATTEMPTS_SEEN attempts_seen
#define ONCE(wanted) true
#define TRACED true
#define UNHEARD b[i].unheard
#else
#define n BRANCHES
#define SEES(k, b, a, x) true
#define EAT skip
#define ATTEMPTS_SEEN ATTEMPTS
// Properties are the model's; of a trace only that it is a run of the model is asked.
#define CLAIM(property) assert(property)
// What would change nothing is not done, so that a run comes to an end, and where it stops is where
// nothing is owed any more, or nothing moves that should.
#define ONCE(wanted) (wanted)
#define TRACED false
#define UNHEARD false
#ifdef OWN_GTID
#define own_gtid 1
#else
#define own_gtid 0
#endif
#ifdef RM_DURABLE
#define rm_durable 1
#else
#define rm_durable 0
#endif
#ifdef ENLISTED
#define enlisted ALL
#else
#define enlisted 0
#endif
#endif
#define ALL (BIT(n) - 1)

// ---- the coordinator ----

#define IDLE 0 /* the transaction is not in memory */
#define PREPARING 1
#define DECIDING 2
#define DELEGATING 3
#define DELEGATE 4 /* delegated: its one branch decides */
#define COMMITTING 5
#define ABORTING 6
#define ENDING 7

bit c_up;
byte c_phase;
byte c_attempt;
byte c_outcome;
byte c_forced;   // outcome that an operator forced
bit c_operator;  // an operator had a hand in it
bit c_mixed;     // branches differ, or may
bit c_forgotten; // an operator let go of it
bit c_resolving; // one branch alone: asked what became of it
bit c_told;      // the outcome may be spoken of
byte c_asked, c_voted, c_yes; // branches: sent a PREPARE; heard from; heard yes from
byte c_owed;                  // branches that have to acknowledge
byte c_acked;                 // and that have

// A record: what is durable (r), and what is on its way to the disk (w).
#define W_DELEGATION 1
#define W_DECISION 2
#define W_HEURISTIC 3
#define W_END 4
#define W_LETTING_GO 5 /* of the record of an ended transaction, that was kept for the operators */

typedef register_t {
    byte stage, outcome, attempt, forced;
    bit operator, mixed, kept;
    byte yes, voted, acked;
};
register_t r, w;
byte w_kind;
bit w_forgotten;

byte attempts;  // made so far
byte c_fence;   // attempts below it will not be prepared any more
bit begun;      // own gtid: it cannot begin (again)
bit collected;  // its record was, and may be so again: what silence means is not known any more
bit restarted;  // own gtid: it is of an earlier incarnation

// ---- a branch: what is under way, its participant, its journal, its resource manager ----

#define WORKING 1
#define P_PREPARING 2
#define VOTING 3
#define PREPARED 4
#define P_DECIDING 5
#define P_COMMITTING 6
#define ROLLING_BACK 7
#define FINISHING 8
#define FINISHED 9

typedef branch_t {
    // The network: sets of attempts for which such a message was sent. It stays receivable, so it
    // may be late, out of order and doubled; one that is never received was lost. What was sent to
    // an earlier run of a process does not reach a later one.
    SET prepare, prepare_alone, commit, commit_forced, rollback, rollback_forced, resolve, unknown;
    SET yes, no, read_only;
    SET done_commit, done_abort, done_commit_forced, done_abort_forced, done_forgotten;
    SET inquiry;
    // The participant's memory.
    bit up;
    byte state, attempt, outcome, fence;
    bit idle;      // the resource manager has to be called (again)
    bit abort;     // to be rolled back as soon as what runs has ended
    bit alone;     // one-phase
    bit must_keep; // asked to resolve: the abort must be remembered
    bit answer;    // the coordinator waits to hear how it ended
    bit forced;    // by an operator's word
    bit forgotten; // finished and collected before
    bit voted_no;  // alone
    bit journaled;
#ifdef TRACE
    byte unheard; // 1 + what the resource manager has answered; 1: a record is durable
#endif
    // What a crash leaves: the journal's record, what is on its way to it, and what the resource
    // manager holds and did, by attempt.
    byte j_stage, j_attempt, j_outcome;
    bit j_forced;
    byte x_stage, x_call, x_attempt, x_outcome;
    bit x_forced;
    SET held, committed, rolled_back;
    SET let_go; // was read-only, and is so whenever it is asked
};
branch_t b[BRANCHES];

// ---- the environment ----

byte coordinator_crashes, participant_crashes, duplicates, orders, retries;
byte spoken;  // outcome that somebody may have been told
bit excused;  // an operator's word against the decision, or to forget, is on record

#ifdef TRACE
#define MAY(count, limit) true
#define SPEND(count) skip
#else
#define MAY(count, limit) (count < limit)
#define SPEND(count) count++
#endif

// What was told stands. A client may ask at any time, so it is as good as told when it may be.
inline speak(told_)
{
    CLAIM(spoken == NONE || spoken == told_ || excused);
    spoken = told_;
}

byte k; // for loops within one atomic step; always 0 between two

#include "coordinator.pml"
#include "participant.pml"

// ---- properties that are claimed where something happens ----
// - a decision to commit is written only when every branch voted yes or read-only (coordinator.pml,
//   decide_commit)
// - the register is written once: a second decision never meets a first one (durable)
// - nobody hears of a commit that is not durable (tell, speak)
// - a vote is durable before it is sent, an end before it is acknowledged (participant.pml)
// - a resource manager is never asked for the opposite of what it did, and no branch commits where
//   another was rolled back (obey)
// - the end of a commit is written only after every branch that voted yes has ended durably
//   (durable), and with what is known of branches that differ
// - whoever is told an outcome, or reads one from the register's silence, is told the same (speak)
// And at the end, when nothing can happen any more: everything is up, nothing is held, in doubt or
// owed, and all branches did what was told.

inline claim_rest()
{
    assert(c_up && c_phase == IDLE && w_kind == 0 && r.stage != DECIDED && r.stage != DELEGATED);
    for (k : 0 .. n - 1) {
        assert(b[k].up && b[k].held == 0);
        assert(b[k].state == NONE || (b[k].state == FINISHED && b[k].forced));
        assert(b[k].j_stage == 0 || b[k].j_stage == J_FINISHED);
        assert(excused || spoken != COMMITTED || b[k].committed || b[k].let_go);
        assert(excused || spoken != ABORTED || b[k].committed == 0);
    }
    k = 0;
}

init
{
    atomic {
#ifdef TRACE
        c_code {
            trace_load();
            now.n = trace_header.branches;
            now.attempts_seen = trace_header.attempts;
            now.own_gtid = trace_header.own_gtid;
            now.rm_durable = trace_header.rm_durable;
            now.enlisted = trace_header.enlisted;
            now.next = trace_at(0);
        };
#endif
        c_up = 1;
        c_fence = 1;
        for (k : 0 .. n - 1) {
            b[k].up = 1;
            b[k].fence = 1;
#ifdef ENLISTED
            if
            :: b[k].state = WORKING
            :: skip
            fi;
#endif
        }
        k = 0;
        run coordinator();
        byte i = 0, a;
        do
        :: i < n ->
            run desk(i);
            run participant(i);
            a = 0;
            do
            :: a <= ATTEMPTS_SEEN -> run line(i, a); a++
            :: else -> break
            od;
            i++
        :: else -> break
        od;
        i = 0;
        a = 0
    }
#ifndef TRACE
    atomic { timeout -> claim_rest() }
#endif
}
