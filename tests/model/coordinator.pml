// SPDX-License-Identifier: Apache-2.0
// The coordinator's side of register.pml: its memory, its log, and what it says of each branch.
// Every option of a loop is one step of the core, or one effect of a step.

// What may be told of the transaction now: from memory, from the register, or from its silence.
#define SPEAKABLE                                                                                  \
    (c_phase != IDLE -> (c_told -> c_outcome : NONE)                                               \
                     : (r.stage >= DECIDED -> r.outcome                                            \
                                           : (r.stage == 0 && PRESUMED -> ABORTED : NONE)))
// Ours, of an earlier incarnation, and nothing so young was ever collected.
#define PRESUMED (own_gtid && restarted && !collected)

// Where a branch is to end. While an operator's word is on its way to the disk it is the decision
// that is repeated.
#define OBEYS(i) (c_forced != NONE && HAS(c_yes, i) && w_kind != W_HEURISTIC)
#define GOAL(i) (OBEYS(i) -> c_forced : c_outcome)
#define FLAG(i) (OBEYS(i) -> FORCED : 0)
#define SILENT (ALL & ~c_voted)

#ifdef MUTANT_END_EARLY
#define ACKNOWLEDGED true
#else
#define ACKNOWLEDGED (c_owed == 0)
#endif

inline forget_transaction()
{
    c_phase = IDLE;
    c_attempt = 0;
    c_outcome = NONE;
    c_forced = NONE;
    c_operator = 0;
    c_mixed = 0;
    c_forgotten = 0;
    c_resolving = 0;
    c_told = 0;
    c_asked = 0;
    c_voted = 0;
    c_yes = 0;
    c_owed = 0;
    c_acked = 0;
}

inline leave_phase_one(outcome_)
{
    c_outcome = outcome_;
    c_fence = attempts + 1;
}

// Everyone who is owed it is told at once. What is received later stands for what is told later, or
// again. In a trace each is told when it says so.
inline tell_all()
{
#ifndef TRACE
    for (k : 0 .. n - 1) {
        if
        :: !HAS(c_owed, k)
        :: HAS(c_owed, k) && GOAL(k) == COMMITTED && FLAG(k) -> ADD(b[k].commit_forced, c_attempt)
        :: HAS(c_owed, k) && GOAL(k) == COMMITTED && !FLAG(k) -> ADD(b[k].commit, c_attempt)
        :: HAS(c_owed, k) && GOAL(k) == ABORTED && FLAG(k) -> ADD(b[k].rollback_forced, c_attempt)
        :: HAS(c_owed, k) && GOAL(k) == ABORTED && !FLAG(k) -> ADD(b[k].rollback, c_attempt)
        fi
    }
    k = 0
#else
    skip
#endif
}

// The branches are told from now on.
inline drive()
{
    c_told = 1;
    c_phase = (c_outcome == COMMITTED -> COMMITTING : ABORTING);
    if
    :: c_outcome == COMMITTED -> c_owed = c_yes
    // One that was never asked anything is owed nothing; one that voted no has let go.
    :: else -> c_owed = (c_asked | enlisted | c_yes) & ~(c_voted & ~c_yes)
    fi;
#ifndef MUTANT_TELL_BEFORE_DURABLE
    CLAIM(c_outcome != COMMITTED || (r.stage >= DECIDED && r.outcome == COMMITTED));
#endif
    c_asked = 0;
    tell_all();
    speak(c_outcome)
}

// A record of the whole transaction starts on its way to the disk.
inline order(kind_, stage_)
{
    w_kind = kind_;
    w.stage = stage_;
    w.outcome = c_outcome;
    w.attempt = c_attempt;
    w.forced = c_forced;
    w.operator = c_operator;
    w.mixed = c_mixed;
    w.kept = (stage_ != ENDED || (c_mixed && !c_forgotten));
    if
    :: stage_ != ENDED ->
        w.yes = c_yes;
        w.voted = c_voted;
        w.acked = c_acked
    :: else -> w.yes = (c_forced != NONE -> c_yes : 0) // what inquiries need
    fi;
    w_forgotten = c_forgotten
}

inline no_order()
{
    w_kind = 0;
    w.stage = 0;
    w.outcome = NONE;
    w.attempt = 0;
    w.forced = NONE;
    w.operator = 0;
    w.mixed = 0;
    w.kept = 0;
    w.yes = 0;
    w.voted = 0;
    w.acked = 0;
    w_forgotten = 0
}

#define SEES_WRITE(stage_, outcome_, forced_, mixed_, operator_)                                   \
    SEES(K_WRITES, COORD, c_attempt, RECORD(stage_, outcome_, forced_, mixed_, operator_))

// All have voted, none of them no.
#define COMMIT_STAGE(yes) ((yes) == 0 -> ENDED : DECIDED)
inline decide_commit()
{
    for (k : 0 .. n - 1) {
        CLAIM(HAS(b[k].yes | b[k].read_only, c_attempt));
    }
    k = 0;
    leave_phase_one(COMMITTED);
    c_phase = DECIDING;
    order(W_DECISION, COMMIT_STAGE(c_yes));
#ifdef MUTANT_TELL_BEFORE_DURABLE
    drive()
#endif
}

// Presumed abort: of an own gtid nothing has to be written, and the branches are told at once. What
// a client brought may come again after a crash, and the answer must be the same; what an operator
// did is recorded before it is acted upon.
#ifdef MUTANT_ABORT_UNRECORDED
#define UNRECORDED true
#else
#define UNRECORDED (own_gtid && !c_operator)
#endif
inline decide_abort()
{
    leave_phase_one(ABORTED);
    if
    :: UNRECORDED -> drive()
    :: else ->
        EAT;
        c_phase = DECIDING;
        order(W_DECISION, DECIDED)
    fi
}
#define SEES_ABORT(operator_)                                                                      \
    ((own_gtid && !operator_) || SEES_WRITE(DECIDED, ABORTED, NONE, 0, operator_))

inline lose_answers()
{
#ifndef MUTANT_LATE_FRAMES
    for (k : 0 .. n - 1) {
        b[k].yes = 0;
        b[k].no = 0;
        b[k].read_only = 0;
        b[k].done_commit = 0;
        b[k].done_abort = 0;
        b[k].done_commit_forced = 0;
        b[k].done_abort_forced = 0;
        b[k].done_forgotten = 0;
        b[k].inquiry = 0;
    }
    k = 0
#else
    skip
#endif
}

inline recover()
{
    no_order();
    restarted = own_gtid;
    if
    :: own_gtid -> begun = 1
    :: else
    fi;
    c_fence = attempts + 1;
    if
    :: r.stage == 0 || r.stage == ENDED
    :: else ->
        c_attempt = r.attempt;
        c_outcome = r.outcome;
        c_forced = r.forced;
        c_operator = r.operator;
        c_mixed = r.mixed;
        c_yes = r.yes;
        c_voted = r.voted;
        c_acked = r.acked;
        if
        :: r.stage == DELEGATED ->
            c_phase = DELEGATE;
            c_resolving = 1;
            c_asked = 1;
            c_owed = 1;
            c_fence = r.attempt
        :: else ->
            c_phase = (r.outcome == COMMITTED -> COMMITTING : ABORTING);
            c_told = 1;
#ifdef MUTANT_FORGET_VOTES
            c_yes = 0;
#endif
            if
            :: r.outcome == COMMITTED -> c_owed = c_yes & ~r.acked
            // A call that never voted: should its participant have prepared, it will ask.
            :: else -> c_owed = (c_yes | enlisted) & ~(c_voted & ~c_yes) & ~r.acked
            fi;
            c_asked = c_owed
        fi
    fi
}

// One branch alone has said what it did.
inline end_alone(outcome_, keep_quiet)
{
    c_outcome = outcome_;
    c_owed = 0;
    c_phase = ENDING;
    order(W_END, ENDED);
    if
    :: keep_quiet
    :: else ->
        c_told = 1;
        speak(outcome_)
    fi
}

// One branch alone did not answer, or is not to be waited for. It may have committed, so all that
// can be done is to ask: roll back, unless you have committed already.
inline ask_back()
{
    c_resolving = 1
}

inline written()
{
    if
    :: w_kind == W_DELEGATION ->
        c_phase = DELEGATE;
        c_owed = 1
#ifndef MUTANT_TELL_BEFORE_DURABLE
    :: w_kind == W_DECISION -> drive()
#else
    :: w_kind == W_DECISION
#endif
    :: w_kind == W_HEURISTIC && c_phase == DELEGATE ->
        if
        :: c_asked || c_resolving -> ask_back()
        :: else // it was never asked to prepare: that is the end of it
        fi
    :: w_kind == W_HEURISTIC && c_phase != DELEGATE
    :: w_kind == W_END && r.outcome != UNKNOWN ->
        speak(r.outcome);
        c_phase = IDLE
    :: w_kind == W_END && r.outcome == UNKNOWN -> c_phase = IDLE
    :: w_kind == W_LETTING_GO
    fi;
    // All read-only: the decision was the end, too.
    if
    :: w_kind == W_END || (w_kind == W_DECISION && w.stage == ENDED) ->
        c_fence = attempts + 1;
        forget_transaction()
    :: else
    fi
}

// The record is on the disk. If the process lives, it hears of it.
inline durable()
{
    CLAIM(w_kind != W_DECISION || r.stage == 0);
    CLAIM(r.stage < DECIDED || (w.outcome == r.outcome && w.attempt == r.attempt));
    if
    :: w_kind == W_END && w.outcome == COMMITTED && !w_forgotten && r.yes != 0 ->
        for (k : 0 .. n - 1) {
            CLAIM(!HAS(r.yes, k) || (!HAS(b[k].held, w.attempt) && !(b[k].j_attempt == w.attempt && (b[k].j_stage == J_PREPARED || b[k].j_stage == J_DECIDED))));
            CLAIM(!HAS(r.yes, k) || HAS(b[k].committed, w.attempt) || w.mixed || excused);
        }
        k = 0
    :: else
    fi;
    r.stage = w.stage;
    r.outcome = w.outcome;
    r.attempt = w.attempt;
    r.forced = w.forced;
    r.operator = w.operator;
    r.mixed = w.mixed;
    r.kept = w.kept;
    r.yes = w.yes;
    r.voted = w.voted;
    r.acked = w.acked;
    if
    :: w.forced != NONE || w_forgotten -> excused = 1
    :: else
    fi;
    if
    :: c_up -> written()
    :: else
    fi;
    no_order()
}

// Some of the branches may not have been enlisted yet, and are none of its business, like one that
// has let go.
inline meet_some()
{
    for (k : 0 .. n - 1) {
        if
        :: HAS(enlisted, k) -> ADD(c_voted, k)
        :: true
        fi
    }
    k = 0
}

#define MAY_BEGIN                                                                                  \
    (c_up && c_phase == IDLE && r.stage == 0 && w_kind == 0 && !begun && !collected &&             \
     attempts < ATTEMPTS)
#define UNDECIDED (c_up && c_phase == PREPARING)
#define IN_PHASE_TWO (c_up && (c_phase == COMMITTING || c_phase == ABORTING) && w_kind == 0)

inline begin(state_)
{
    attempts++;
    c_attempt = attempts;
    c_phase = state_;
    // What earlier attempts came to matters no more.
    for (k : 0 .. n - 1) {
        b[k].let_go = 0;
        b[k].rolled_back = 0;
#if !defined(TRACE) && !defined(MUTANT_STALE_VOTE)
        b[k].no = b[k].no | b[k].yes | b[k].read_only;
        b[k].yes = 0;
        b[k].read_only = 0;
        b[k].done_forgotten = b[k].done_forgotten | b[k].done_commit | b[k].done_abort;
        b[k].done_commit = 0;
        b[k].done_abort = 0;
#endif
    }
    k = 0;
    if
    :: own_gtid -> begun = 1
    :: else
    fi
}

proctype coordinator()
{
end:
    do
    // ---- a client's request; reading the register and beginning are one ----
    :: atomic { MAY_BEGIN -> begin(PREPARING) }
    :: atomic {
        MAY_BEGIN && n == 1 && SEES(K_WRITES, COORD, attempts + 1, RECORD(DELEGATED, NONE, NONE, 0, 0)) ->
        EAT;
        begin(DELEGATING);
        order(W_DELEGATION, DELEGATED)
    }
    // Cancelled, or timed out, before it was submitted; attempt 0.
    :: atomic {
        MAY_BEGIN && (TRACED || enlisted) && SEES_ABORT(0) ->
        begun = own_gtid;
        meet_some();
        decide_abort()
    }
    :: atomic {
        MAY_BEGIN && (TRACED || enlisted) && MAY(orders, ORDERS) && SEES_WRITE(DECIDED, ABORTED, NONE, 0, 1) ->
        SPEND(orders);
        begun = own_gtid;
        meet_some();
        c_operator = 1;
        decide_abort()
    }
    // Ours, of an earlier incarnation, and the register is silent: aborted. Work that was enlisted
    // may still be there.
    :: atomic {
        c_up && c_phase == IDLE && r.stage == 0 && w_kind == 0 && PRESUMED ->
        meet_some();
        decide_abort()
    }
#ifdef MUTANT_PRESUME_COMMIT
    :: atomic { c_up && c_phase == IDLE && r.stage == 0 && PRESUMED && spoken != COMMITTED -> speak(COMMITTED) }
#endif

    // ---- phase one ends without a decision of the branches ----
    :: atomic { UNDECIDED && SEES_ABORT(0) -> decide_abort() } // no vote in time; cancelled
    :: atomic {
        UNDECIDED && MAY(orders, ORDERS) && SEES_WRITE(DECIDED, ABORTED, NONE, 0, 1) ->
        SPEND(orders);
        c_operator = 1;
        decide_abort()
    }
#ifdef MUTANT_TIMEOUT_IS_YES
    :: atomic { UNDECIDED -> c_yes = ALL; c_voted = ALL; decide_commit() }
#endif
    :: atomic { c_up && c_phase == DELEGATE && !c_resolving && w_kind == 0 && c_asked -> ask_back() }
    :: atomic {
        c_up && c_phase == DELEGATE && !c_resolving && w_kind == 0 && !c_asked &&
            SEES_WRITE(ENDED, ABORTED, NONE, c_mixed, c_operator) ->
        EAT;
        end_alone(ABORTED, false)
    }

    // ---- operators against what stands: recorded first ----
    :: atomic {
        IN_PHASE_TWO && MAY(orders, ORDERS) && c_forced == NONE && (c_owed & c_yes) &&
            SEES_WRITE(DECIDED, c_outcome, OPPOSITE(c_outcome), 1, 1) ->
        EAT;
        SPEND(orders);
        c_forced = OPPOSITE(c_outcome);
        c_operator = 1;
        c_mixed = 1;
        order(W_HEURISTIC, DECIDED)
    }
    :: atomic {
        c_up && c_phase == DELEGATE && w_kind == 0 && MAY(orders, ORDERS) &&
            SEES_WRITE(DELEGATED, NONE, NONE, c_mixed, 1) ->
        EAT;
        SPEND(orders);
        c_operator = 1;
        order(W_HEURISTIC, DELEGATED)
    }
    // To forget it: nobody will drive the branches any more.
    :: atomic {
        c_up && (c_phase == COMMITTING || c_phase == ABORTING || c_phase == DELEGATE) &&
            w_kind == 0 && MAY(orders, ORDERS) &&
            SEES_WRITE(ENDED, (c_phase == DELEGATE -> UNKNOWN : c_outcome), c_forced, 1, 1) ->
        EAT;
        SPEND(orders);
        c_outcome = (c_phase == DELEGATE -> UNKNOWN : c_outcome);
        c_operator = 1;
        c_mixed = 1;
        c_forgotten = 1;
        c_owed = 0;
        c_phase = ENDING;
        order(W_END, ENDED)
    }
    // Of a record that was kept (or was not: it is written anew all the same).
    :: atomic {
        c_up && c_phase == IDLE && w_kind == 0 && r.stage == ENDED && ONCE(r.kept) && MAY(orders, ORDERS) &&
            SEES(K_WRITES, COORD, r.attempt, RECORD(ENDED, r.outcome, r.forced, r.mixed, r.operator)) ->
        EAT;
        SPEND(orders);
        w_kind = W_LETTING_GO;
        w.stage = ENDED;
        w.outcome = r.outcome;
        w.attempt = r.attempt;
        w.forced = r.forced;
        w.operator = r.operator;
        w.mixed = r.mixed;
        w.yes = r.yes;
        w.voted = r.voted;
        w.acked = r.acked
    }

    // ---- the end ----
    :: atomic {
        IN_PHASE_TWO && ACKNOWLEDGED && SEES_WRITE(ENDED, c_outcome, c_forced, c_mixed, c_operator) ->
        EAT;
        c_phase = ENDING;
        order(W_END, ENDED)
    }

    // ---- the log ----
    :: atomic {
        w_kind && SEES(K_DURABLE, COORD, w.attempt, RECORD(w.stage, w.outcome, w.forced, w.mixed, w.operator)) ->
        EAT;
        durable()
    }
    // What has ended may be collected once the retention is over.
    :: atomic { w_kind == 0 && r.stage == ENDED && !r.kept ->
        collected = 1;
        r.stage = 0;
        r.outcome = NONE;
        r.attempt = 0;
        r.forced = NONE;
        r.operator = 0;
        r.mixed = 0;
        r.yes = 0;
        r.voted = 0;
        r.acked = 0
    }

    // ---- clients are answered ----
    :: atomic {
        c_up && ONCE(spoken != SPEAKABLE) && SPEAKABLE != NONE && SPEAKABLE != UNKNOWN &&
            SEES(K_ANSWERED, COORD, 0, SPEAKABLE) ->
        EAT;
        if
        :: SPEAKABLE == COMMITTED -> speak(COMMITTED)
        :: else -> speak(ABORTED)
        fi
    }

    // ---- the process ----
    :: atomic {
        c_up && MAY(coordinator_crashes, COORDINATOR_CRASHES) && SEES(K_CRASH, COORD, 0, 0) ->
        EAT;
        SPEND(coordinator_crashes);
        c_up = 0;
        forget_transaction();
        lose_answers()
    }
    :: atomic {
        !c_up && SEES(K_START, COORD, 0, 0) ->
        EAT;
        c_up = 1;
        recover()
    }
    od
}

// ---- one branch, at the coordinator ----

#define DUE(i) (c_up && (c_phase == COMMITTING || c_phase == ABORTING) && HAS(c_owed, i))
// Branches are alike, so the first that is asked may be called the first.
#define IN_TURN(i) (TRACED || enlisted || i == 0 || HAS(c_asked, i) || HAS(c_asked, i - 1))
#define LACKS(set) ONCE(!HAS(set, c_attempt))

// What a vote is worth: of the present attempt, from one that has not voted.
#ifdef MUTANT_STALE_VOTE
#define VOTED(set) ((set) != 0)
#else
#define VOTED(set) HAS(set, c_attempt)
#endif
#define LAST(i) ((c_voted | BIT(i)) == ALL)
#define VOTES(i, set) (UNDECIDED && !HAS(c_voted, i) && VOTED(set))

inline acknowledged(i, outcome_)
{
    if
    :: outcome_ != c_outcome -> c_mixed = 1
    :: else
    fi;
    CLAIM(excused || outcome_ == c_outcome);
    DROP(c_owed, i);
    if
    :: TRACED || ORDERS -> ADD(c_acked, i) // else it matters nowhere
    :: else
    fi
}

proctype desk(byte i)
{
end:
    do
    // ---- phase one ----
    :: atomic {
        UNDECIDED && !HAS(c_voted, i) && LACKS(b[i].prepare) && IN_TURN(i) && SEES(K_PREPARE, i, c_attempt, 0) ->
        EAT;
        ADD(b[i].prepare, c_attempt);
        ADD(c_asked, i)
    }
    :: atomic { // yes
        VOTES(i, b[i].yes) && (!LAST(i) || SEES_WRITE(DECIDED, COMMITTED, NONE, 0, 0)) ->
        ADD(c_voted, i);
        ADD(c_yes, i);
        if
        :: c_voted == ALL ->
            EAT;
            decide_commit()
        :: else
        fi
    }
    :: atomic { // read-only: it has let go, and drops out
        VOTES(i, b[i].read_only) && (!LAST(i) || SEES_WRITE(COMMIT_STAGE(c_yes), COMMITTED, NONE, 0, 0)) ->
        ADD(c_voted, i);
        if
        :: c_voted == ALL ->
            EAT;
            decide_commit()
        :: else
        fi
    }
    :: atomic { // no
        VOTES(i, b[i].no) && SEES_ABORT(0) ->
        ADD(c_voted, i);
        decide_abort()
    }

    // ---- one branch alone ----
    :: atomic {
        n == 1 && c_up && c_phase == DELEGATE && !c_resolving && LACKS(b[i].prepare_alone) &&
            SEES(K_PREPARE, i, c_attempt, 1) ->
        EAT;
        ADD(b[i].prepare_alone, c_attempt);
        ADD(c_asked, i)
    }
    :: atomic {
        n == 1 && c_up && c_phase == DELEGATE && c_resolving && LACKS(b[i].resolve) &&
            SEES(K_TOLD, i, c_attempt, ABORTED + RESOLVE) ->
        EAT;
        ADD(b[i].resolve, c_attempt)
    }
    :: atomic {
        n == 1 && c_up && c_phase == DELEGATE && w_kind == 0 && HAS(b[i].no | b[i].done_abort, c_attempt) &&
            SEES_WRITE(ENDED, ABORTED, NONE, c_mixed, c_operator) ->
        EAT;
        end_alone(ABORTED, false)
    }
    :: atomic {
        n == 1 && c_up && c_phase == DELEGATE && w_kind == 0 && HAS(b[i].done_commit, c_attempt) &&
            SEES_WRITE(ENDED, COMMITTED, NONE, c_mixed, c_operator) ->
        EAT;
        CLAIM(HAS(b[i].committed, c_attempt));
        end_alone(COMMITTED, false)
    }
    // It remembers nothing of it, so it is told only when it is durable here.
    :: atomic {
        n == 1 && c_up && c_phase == DELEGATE && w_kind == 0 && HAS(b[i].read_only, c_attempt) &&
            SEES_WRITE(ENDED, COMMITTED, NONE, c_mixed, c_operator) ->
        EAT;
#ifdef MUTANT_READ_ONLY_TOLD
        end_alone(COMMITTED, false)
#else
        end_alone(COMMITTED, true)
#endif
    }

    // ---- phase two ----
    :: atomic {
        DUE(i) && GOAL(i) == COMMITTED && LACKS((FLAG(i) -> b[i].commit_forced : b[i].commit)) &&
            SEES(K_TOLD, i, c_attempt, COMMITTED + FLAG(i)) ->
        EAT;
        if
        :: FLAG(i) -> ADD(b[i].commit_forced, c_attempt)
        :: else -> ADD(b[i].commit, c_attempt)
        fi
    }
    :: atomic {
        DUE(i) && GOAL(i) == ABORTED && LACKS((FLAG(i) -> b[i].rollback_forced : b[i].rollback)) &&
            SEES(K_TOLD, i, c_attempt, ABORTED + FLAG(i)) ->
        EAT;
        if
        :: FLAG(i) -> ADD(b[i].rollback_forced, c_attempt)
        :: else -> ADD(b[i].rollback, c_attempt)
        fi
    }
    :: atomic { DUE(i) && HAS(b[i].done_commit | b[i].done_commit_forced, c_attempt) -> acknowledged(i, COMMITTED) }
    :: atomic { DUE(i) && HAS(b[i].done_abort | b[i].done_abort_forced, c_attempt) -> acknowledged(i, ABORTED) }
    // Finished and collected before: it did what was decided.
    :: atomic { DUE(i) && HAS(b[i].done_forgotten, c_attempt) -> acknowledged(i, c_outcome) }
    od
}

// ---- one attempt of one branch: it asks what stands ----

#define ASKED (c_up && HAS(b[i].inquiry, a))
#define TOLD(set, x) (ONCE(!HAS(set, a)) && SEES(K_TOLD, i, a, x))
#define SAME (a == 0 || a == c_attempt)
#define DECISION_STANDS                                                                            \
    ((c_phase == COMMITTING || c_phase == ABORTING || c_phase == ENDING) && c_told &&              \
     w_kind != W_HEURISTIC)

// The answer: 0 none (in progress, or it is being told anyway), COMMITTED, ABORTED, UNKNOWN, with
// FORCED or RESOLVE. Silence about a branch that was prepared means abort, because a commit stays
// in the register until all branches have acknowledged it.
#define IN_MEMORY                                                                                  \
    (SAME -> (DECISION_STANDS && !HAS(c_owed, i)                                                   \
                  -> (c_outcome == UNKNOWN -> ABORTED : GOAL(i) + (c_forced != NONE -> FORCED : 0))                            \
                  : 0)                                                                             \
          : (a < c_attempt || c_attempt == 0 -> ABORTED : 0))
#define R_GOAL (r.forced != NONE && HAS(r.yes, i) -> r.forced : r.outcome)
#define ON_RECORD                                                                                  \
    (a != 0 && a != r.attempt                                                                      \
         -> ABORTED                                                                                \
         : (R_GOAL == COMMITTED || R_GOAL == ABORTED                                               \
                -> R_GOAL + (r.forced != NONE -> FORCED : 0)                                       \
                : ABORTED + (a != 0 -> RESOLVE : 0)))
#ifdef MUTANT_SILENCE_COMMITS
#define OF_SILENCE (a != 0 || own_gtid -> COMMITTED : UNKNOWN)
#else
#define OF_SILENCE (a != 0 || own_gtid -> ABORTED : UNKNOWN)
#endif
#define STANDING                                                                                   \
    (c_phase != IDLE -> IN_MEMORY : (r.stage != 0 -> ON_RECORD : OF_SILENCE))
