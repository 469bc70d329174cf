// SPDX-License-Identifier: Apache-2.0
// The participant's side of register.pml: its memory, its journal, its resource manager, and what
// it makes of each message. Every option of a loop is one step of the core, or one effect of a step.

inline forget_branch()
{
    b[i].state = NONE;
    b[i].attempt = 0;
    b[i].outcome = NONE;
    b[i].idle = 0;
    b[i].abort = 0;
    b[i].alone = 0;
    b[i].must_keep = 0;
    b[i].answer = 0;
    b[i].forced = 0;
    b[i].forgotten = 0;
    b[i].voted_no = 0;
    b[i].journaled = 0
}

// ---- the resource manager ----

// Idempotent, like every resource manager must be.
inline obey_commit(attempt_)
{
    CLAIM(excused || HAS(b[i].held | b[i].committed, attempt_));
    for (k : 0 .. n - 1) {
        CLAIM(excused || !HAS(b[k].rolled_back, attempt_));
        CLAIM((b[k].committed & ~BIT(attempt_)) == 0);
    }
    k = 0;
    if
    :: HAS(b[i].held, attempt_) ->
        DROP(b[i].held, attempt_);
        ADD(b[i].committed, attempt_)
    :: else
    fi
}

inline obey_rollback(attempt_)
{
    // One that is finished and forgotten may be rolled back in vain, at a late word.
    CLAIM(excused || !HAS(b[i].committed, attempt_) || !b[i].journaled);
    if
    :: HAS(b[i].held, attempt_) ->
        for (k : 0 .. n - 1) {
            CLAIM(excused || !HAS(b[k].committed, attempt_));
        }
        k = 0;
        DROP(b[i].held, attempt_);
        ADD(b[i].rolled_back, attempt_)
    :: else
    fi
}

inline obey_prepare(attempt_)
{
    CLAIM(!HAS(b[i].committed, attempt_)); // what has ended is never prepared again
    DROP(b[i].rolled_back, attempt_);
    ADD(b[i].held, attempt_)
}

#define CALL(op) SEES(K_CALL, i, b[i].attempt, op)
#define CALLED(op, answer) SEES(K_CALLED, i, b[i].attempt, (op) * 4 + (answer))
#define CALLING (b[i].up && OP_OF(b[i].state) && !b[i].idle)

// What it does when it is asked: what is held, and what it did, afterwards.
inline act(op, answer)
{
    if
    :: op == RM_PREPARE && answer == A_DONE -> obey_prepare(b[i].attempt)
    :: op == RM_PREPARE && (answer == A_NO || answer == A_READ_ONLY) ->
        DROP(b[i].held, b[i].attempt) // whatever an earlier try has left
    :: op == RM_PREPARE && answer == A_RETRY && (TRACED || !HAS(b[i].let_go, b[i].attempt)) ->
        obey_prepare(b[i].attempt)
    :: op == RM_COMMIT -> obey_commit(b[i].attempt)
    :: op == RM_ROLLBACK -> obey_rollback(b[i].attempt)
    :: answer == A_RETRY // whatever it did, it is asked again
    fi
}

// It acts, and later the core hears of it; a record is durable, and later the core hears of it. In
// an exhaustive search each is one step, as whatever comes in between could as well come before,
// and if it is a crash, it is one that the call or the record overtakes. A trace tells when it was
// done, and not when the core heard.
#ifdef TRACE
#define DONE_BY_RM(answer) (CALLING && !b[i].unheard && CALLED(OP_OF(b[i].state), answer))
#define HEARS(state_, op, answer) (b[i].up && b[i].state == state_ && b[i].unheard == 1 + (answer))
#define HEARS_DURABLE(state_, stage) (b[i].up && b[i].state == state_ && b[i].unheard)
inline hear(op, answer)
{
    b[i].unheard = 0
}
inline hear_durable(stage)
{
    b[i].unheard = 0
}
#else
#define HEARS(state_, op, answer)                                                                  \
    (CALLING && b[i].state == state_ && CALLED(op, answer))
#define HEARS_DURABLE(state_, stage) (b[i].up && b[i].state == state_)
inline hear(op, answer)
{
    act(op, answer)
}
inline hear_durable(stage)
{
    journal(stage)
}
#endif

// The call that was made follows at once; where it is not seen, this is not what happened.
inline call(op)
{
    CALL(op) -> EAT;
    b[i].idle = 0
}

inline roll_back()
{
    b[i].outcome = ABORTED;
    b[i].state = ROLLING_BACK;
    call(RM_ROLLBACK)
}

// ---- the journal ----

#define WRITE(stage) SEES(K_WRITES, i, b[i].attempt, JOURNAL(stage, b[i].outcome, b[i].forced))
inline write(state_, stage)
{
    b[i].state = state_;
    WRITE(stage) -> EAT
}

inline journal(stage)
{
    CLAIM(!b[i].j_forced || b[i].forced);
    b[i].j_stage = stage;
    b[i].j_attempt = b[i].attempt;
    b[i].j_outcome = b[i].outcome;
    b[i].j_forced = b[i].forced;
    b[i].journaled = 1
}

// ---- what it says ----

// What nobody waits for any more is all the same, but that it was said.
#if defined(TRACE) || defined(MUTANT_STALE_VOTE)
#define WAITED_FOR(attempt_) true
#define MISSED(attempt_) false
#else
#define WAITED_FOR(attempt_) (attempt_ == attempts || r.stage == DELEGATED)
#define MISSED(attempt_) (attempt_ != 0 && attempt_ < attempts)
#endif

inline send_vote(set, attempt_, vote)
{
    if
    :: WAITED_FOR(attempt_) && SEES(K_VOTE, i, attempt_, vote) -> EAT; ADD(set, attempt_)
    :: !WAITED_FOR(attempt_) -> ADD(b[i].no, attempt_)
    :: TRACED // nobody listens
    fi
}

inline send_done(attempt_, outcome_, forced_, forgotten_)
{
    if
    :: MISSED(attempt_) -> ADD(b[i].done_forgotten, attempt_)
    :: !MISSED(attempt_) && forgotten_ -> ADD(b[i].done_forgotten, attempt_)
    :: !MISSED(attempt_) && !forgotten_ && outcome_ == COMMITTED && forced_ -> ADD(b[i].done_commit_forced, attempt_)
    :: !MISSED(attempt_) && !forgotten_ && outcome_ == COMMITTED && !forced_ -> ADD(b[i].done_commit, attempt_)
    :: !MISSED(attempt_) && !forgotten_ && outcome_ == ABORTED && forced_ -> ADD(b[i].done_abort_forced, attempt_)
    :: !MISSED(attempt_) && !forgotten_ && outcome_ == ABORTED && !forced_ -> ADD(b[i].done_abort, attempt_)
    fi
}
#define SEES_DONE(attempt_, outcome_, forced_, forgotten_)                                         \
    SEES(K_DONE, i, attempt_, (outcome_) + (forced_ -> FORCED : 0) + (forgotten_ -> FORGOTTEN : 0))
#define DONES                                                                                      \
    (b[i].done_commit | b[i].done_abort | b[i].done_commit_forced | b[i].done_abort_forced |       \
     b[i].done_forgotten)

// The resource manager has done it. What could make the branch ask again must be out of the journal
// before it is acknowledged; an abort of which the journal never knew needs no record.
#ifdef MUTANT_ACKNOWLEDGE_BEFORE_DURABLE
#define FINISH_SILENTLY true
#else
#define FINISH_SILENTLY                                                                            \
    (b[i].outcome != COMMITTED && !b[i].journaled && !b[i].alone && !b[i].must_keep)
#endif
inline finish()
{
    if
    :: FINISH_SILENTLY ->
        if
        :: b[i].answer && SEES_DONE(b[i].attempt, b[i].outcome, 0, b[i].forgotten) ->
            EAT;
            send_done(b[i].attempt, b[i].outcome, 0, b[i].forgotten)
        :: TRACED || !b[i].answer
        fi;
        forget_branch()
    :: else -> write(FINISHING, J_FINISHED)
    fi
}

// ---- phase one ----

inline vote_yes()
{
    b[i].state = PREPARED;
    if
    :: HAS(b[i].prepare, b[i].attempt) -> send_vote(b[i].yes, b[i].attempt, V_YES)
    :: TRACED || !HAS(b[i].prepare, b[i].attempt)
    fi
}

inline prepared_yes()
{
    if
    :: b[i].alone ->
        b[i].outcome = COMMITTED;
        write(P_DECIDING, J_DECIDED)
    :: !b[i].alone && rm_durable -> vote_yes() // the resource manager's own record is the vote
    :: else -> write(VOTING, J_PREPARED)
    fi
}

inline prepared_no()
{
    if
    :: b[i].alone -> // this no is the decision
        b[i].voted_no = 1;
        b[i].outcome = ABORTED;
        finish()
    :: else ->
        send_vote(b[i].no, b[i].attempt, V_NO);
        forget_branch()
    fi
}

// ---- a crash, and what it leaves ----

inline lose_network()
{
#ifndef MUTANT_LATE_FRAMES
    b[i].prepare = 0;
    b[i].prepare_alone = 0;
    b[i].commit = 0;
    b[i].commit_forced = 0;
    b[i].rollback = 0;
    b[i].rollback_forced = 0;
    b[i].resolve = 0;
    b[i].unknown = 0
#else
    skip
#endif
}

#define OP_OF(state_)                                                                              \
    (state_ == P_PREPARING -> RM_PREPARE                                                           \
                           : (state_ == P_COMMITTING -> RM_COMMIT                                  \
                                                     : (state_ == ROLLING_BACK -> RM_ROLLBACK : 0)))
#define STAGE_OF(state_)                                                                           \
    (state_ == VOTING -> J_PREPARED                                                                \
                      : (state_ == P_DECIDING -> J_DECIDED                                         \
                                              : (state_ == FINISHING -> J_FINISHED : 0)))

// A record on its way to the disk, or a call that is being made, may still get there.
inline crash()
{
    // The record of a finished branch that was released may be collected, or not.
    if
    :: b[i].j_stage == J_FINISHED && !b[i].j_forced && (b[i].state == NONE || b[i].attempt != b[i].j_attempt) ->
        b[i].j_stage = 0;
        b[i].j_attempt = 0;
        b[i].j_outcome = NONE
    :: true
    fi;
    b[i].x_stage = (UNHEARD -> 0 : STAGE_OF(b[i].state));
    b[i].x_call = (b[i].idle || UNHEARD -> 0 : OP_OF(b[i].state));
    if
    :: b[i].x_stage || b[i].x_call ->
        b[i].x_attempt = b[i].attempt;
        b[i].x_outcome = b[i].outcome;
        b[i].x_forced = b[i].forced
    :: else
    fi;
    b[i].up = 0;
    b[i].fence = 1;
#ifdef TRACE
    b[i].unheard = 0;
#endif
    forget_branch();
    lose_network()
}

inline no_remains()
{
    b[i].x_stage = 0;
    b[i].x_call = 0;
    b[i].x_attempt = 0;
    b[i].x_outcome = NONE;
    b[i].x_forced = 0
}

inline redo()
{
    b[i].state = (b[i].outcome == COMMITTED -> P_COMMITTING : ROLLING_BACK);
    b[i].idle = 1
}

inline recover_journal()
{
    if
    :: b[i].j_stage == 0
    :: else ->
        b[i].attempt = b[i].j_attempt;
        b[i].outcome = b[i].j_outcome;
        b[i].forced = b[i].j_forced;
        b[i].journaled = 1;
        b[i].answer = 1;
        if
        :: b[i].j_stage == J_PREPARED -> b[i].state = PREPARED
        :: b[i].j_stage == J_DECIDED -> redo()
        :: b[i].j_stage == J_FINISHED -> b[i].state = FINISHED
        fi
    fi
}

// The resource manager holds this attempt prepared.
inline found(attempt_)
{
    if
    :: b[i].state != NONE && b[i].attempt == attempt_ ->
        if
        :: b[i].state == FINISHED -> redo()
        :: else
        fi
    :: b[i].state == NONE || (b[i].state == FINISHED && !b[i].forced && attempt_ > b[i].attempt) ->
        forget_branch();
        b[i].attempt = attempt_;
        // Without a vote in the journal none was given, and it is rolled back; but where votes are
        // in the resource manager, this is one.
        if
        :: rm_durable -> b[i].state = PREPARED
        :: else ->
#ifdef MUTANT_FOUND_IS_FORGOTTEN
            forget_branch()
#else
            b[i].outcome = ABORTED;
            redo()
#endif
        fi
    :: else // its key is held by one that matters more
    fi
}

// A question is heard when there is an answer; one that is heard late counts as a duplicate.
#define ANSWERABLE (c_up && (c_phase == IDLE || b[i].attempt != c_attempt))

proctype participant(byte i)
{
end:
    do
#ifdef TRACE
    :: atomic { b[i].up && b[i].state == NONE -> b[i].state = WORKING } // the application does
#endif
    // ---- the resource manager is asked, again, and answers ----
    :: atomic { b[i].up && b[i].idle && CALL(OP_OF(b[i].state)) -> EAT; b[i].idle = 0 }
#ifdef TRACE
    :: atomic { DONE_BY_RM(A_DONE) -> EAT; act(OP_OF(b[i].state), A_DONE); b[i].unheard = 1 + A_DONE }
    :: atomic { DONE_BY_RM(A_NO) -> EAT; act(OP_OF(b[i].state), A_NO); b[i].unheard = 1 + A_NO }
    :: atomic { DONE_BY_RM(A_READ_ONLY) -> EAT; act(OP_OF(b[i].state), A_READ_ONLY); b[i].unheard = 1 + A_READ_ONLY }
    :: atomic { DONE_BY_RM(A_RETRY) -> EAT; act(OP_OF(b[i].state), A_RETRY); b[i].unheard = 1 + A_RETRY }
#endif
    :: atomic {
        HEARS(P_PREPARING, RM_PREPARE, A_DONE) && (TRACED || !HAS(b[i].let_go, b[i].attempt)) ->
        hear(RM_PREPARE, A_DONE);
        if
        :: b[i].abort -> roll_back() // too late
        :: else -> prepared_yes()
        fi
    }
    :: atomic {
        HEARS(P_PREPARING, RM_PREPARE, A_NO) ->
        hear(RM_PREPARE, A_NO);
        if
        :: b[i].abort ->
            b[i].outcome = ABORTED;
            finish()
        :: else -> prepared_no()
        fi
    }
    :: atomic {
        HEARS(P_PREPARING, RM_PREPARE, A_READ_ONLY) ->
        hear(RM_PREPARE, A_READ_ONLY);
        if
        :: b[i].abort ->
            b[i].outcome = ABORTED;
            finish()
        :: else ->
            ADD(b[i].let_go, b[i].attempt);
            DROP(b[i].rolled_back, b[i].attempt); // before it had promised anything
            send_vote(b[i].read_only, b[i].attempt, V_READ_ONLY);
            forget_branch()
        fi
    }
    :: atomic { // it may have prepared all the same
        HEARS(P_PREPARING, RM_PREPARE, A_RETRY) && MAY(retries, RETRIES) ->
        SPEND(retries);
        hear(RM_PREPARE, A_RETRY);
        if
        :: b[i].abort -> roll_back()
        :: else -> b[i].idle = 1
        fi
    }
    :: atomic {
        HEARS(P_COMMITTING, RM_COMMIT, A_DONE) ->
        hear(RM_COMMIT, A_DONE);
        finish()
    }
    :: atomic {
        HEARS(ROLLING_BACK, RM_ROLLBACK, A_DONE) ->
        hear(RM_ROLLBACK, A_DONE);
        finish()
    }
    :: atomic {
        HEARS(P_COMMITTING, RM_COMMIT, A_RETRY) && MAY(retries, RETRIES) ->
        SPEND(retries);
        hear(RM_COMMIT, A_RETRY);
        b[i].idle = 1
    }
    :: atomic {
        HEARS(ROLLING_BACK, RM_ROLLBACK, A_RETRY) && MAY(retries, RETRIES) ->
        SPEND(retries);
        hear(RM_ROLLBACK, A_RETRY);
        b[i].idle = 1
    }

    // ---- the journal ----
#ifdef TRACE
    :: atomic {
        b[i].up && STAGE_OF(b[i].state) && !b[i].unheard &&
            SEES(K_DURABLE, i, b[i].attempt, JOURNAL(STAGE_OF(b[i].state), b[i].outcome, b[i].forced)) ->
        EAT;
        journal(STAGE_OF(b[i].state));
        b[i].unheard = 1
    }
#endif
    :: atomic {
        HEARS_DURABLE(VOTING, J_PREPARED) ->
        hear_durable(J_PREPARED);
        if
        :: b[i].abort -> roll_back()
        :: else -> vote_yes()
        fi
    }
    :: atomic {
        HEARS_DURABLE(P_DECIDING, J_DECIDED) ->
        hear_durable(J_DECIDED);
        if
        :: b[i].outcome == COMMITTED ->
            b[i].state = P_COMMITTING;
            call(RM_COMMIT)
        :: else -> roll_back()
        fi
    }
    :: atomic {
        HEARS_DURABLE(FINISHING, J_FINISHED) ->
        hear_durable(J_FINISHED);
        b[i].state = FINISHED;
        b[i].abort = 0;
        b[i].must_keep = 0;
        b[i].alone = 0;
        if
        :: b[i].answer && !b[i].voted_no && SEES_DONE(b[i].attempt, b[i].outcome, b[i].forced, b[i].forgotten) ->
            EAT;
            send_done(b[i].attempt, b[i].outcome, b[i].forced, b[i].forgotten)
        :: TRACED || !b[i].answer || b[i].voted_no
        fi
    }

    // ---- what it says ----
    :: atomic {
#ifdef MUTANT_VOTE_BEFORE_DURABLE
        b[i].up && (b[i].state == PREPARED || b[i].state == VOTING) &&
#else
        b[i].up && b[i].state == PREPARED &&
#endif
            HAS(b[i].prepare, b[i].attempt) &&
            ONCE(!HAS(b[i].yes | b[i].no, b[i].attempt)) && SEES(K_VOTE, i, b[i].attempt, V_YES) ->
        EAT;
#ifndef MUTANT_VOTE_BEFORE_DURABLE
        CLAIM(rm_durable || (b[i].j_stage == J_PREPARED && b[i].j_attempt == b[i].attempt));
#endif
        ADD(b[i].yes, b[i].attempt)
    }
    :: atomic {
        b[i].up && (b[i].state == PREPARED || b[i].state == WORKING) &&
            ONCE(!HAS(b[i].inquiry, b[i].attempt) && (ANSWERABLE || MAY(duplicates, DUPLICATES))) &&
            SEES(K_INQUIRE, i, b[i].attempt, b[i].state == PREPARED) ->
        EAT;
        if
        :: ANSWERABLE
        :: else -> SPEND(duplicates)
        fi;
        ADD(b[i].inquiry, b[i].attempt)
    }
    :: atomic {
        b[i].up && b[i].state == FINISHED && b[i].voted_no && ONCE(!HAS(b[i].no, b[i].attempt)) &&
            SEES(K_VOTE, i, b[i].attempt, V_NO) ->
        EAT;
        ADD(b[i].no, b[i].attempt)
    }
    :: atomic {
        b[i].up && b[i].state == FINISHED &&
            (!b[i].voted_no || HAS(b[i].rollback | b[i].resolve, b[i].attempt)) &&
            (b[i].answer || HAS(b[i].commit | b[i].commit_forced | b[i].rollback | b[i].rollback_forced | b[i].resolve | b[i].prepare_alone, b[i].attempt)) &&
            ONCE(!HAS(DONES, b[i].attempt)) &&
            SEES_DONE(b[i].attempt, b[i].outcome, b[i].forced, b[i].forgotten) ->
        EAT;
        CLAIM(b[i].j_stage == J_FINISHED && b[i].j_attempt == b[i].attempt);
        send_done(b[i].attempt, b[i].outcome, b[i].forced, b[i].forgotten)
    }

    // ---- what is remembered, and for how long ----
    // Every frame tells the fence. It matters when a finished branch is released by it, and what is
    // heard later or lower lets more happen, so it is heard then, and as low as can be.
    :: atomic {
        b[i].up && b[i].state == FINISHED && !b[i].forced &&
            (b[i].attempt < c_fence || b[i].attempt < b[i].fence) &&
            (TRACED || !b[i].answer || HAS(DONES | b[i].no, b[i].attempt)) ->
#ifndef MUTANT_NO_FENCE
        b[i].fence = (b[i].fence > b[i].attempt -> b[i].fence : b[i].attempt + 1);
#endif
        forget_branch()
    }

    // ---- the process ----
    :: atomic {
        b[i].up && MAY(participant_crashes, PARTICIPANT_CRASHES) && SEES(K_CRASH, i, 0, 0) ->
        EAT;
        SPEND(participant_crashes);
        crash()
    }
    :: atomic {
        !b[i].up && b[i].x_stage &&
            SEES(K_DURABLE, i, b[i].x_attempt, JOURNAL(b[i].x_stage, b[i].x_outcome, b[i].x_forced)) ->
        EAT;
        b[i].j_stage = b[i].x_stage;
        b[i].j_attempt = b[i].x_attempt;
        b[i].j_outcome = b[i].x_outcome;
        b[i].j_forced = b[i].x_forced;
        no_remains()
    }
    :: atomic {
        !b[i].up && b[i].x_call == RM_PREPARE && (TRACED || !HAS(b[i].let_go, b[i].x_attempt)) && SEES(K_CALLED, i, b[i].x_attempt, RM_PREPARE * 4 + A_DONE) ->
        EAT;
        obey_prepare(b[i].x_attempt);
        no_remains()
    }
    :: atomic {
        !b[i].up && b[i].x_call == RM_COMMIT && SEES(K_CALLED, i, b[i].x_attempt, RM_COMMIT * 4 + A_DONE) ->
        EAT;
        obey_commit(b[i].x_attempt);
        no_remains()
    }
    :: atomic {
        !b[i].up && b[i].x_call == RM_ROLLBACK && SEES(K_CALLED, i, b[i].x_attempt, RM_ROLLBACK * 4 + A_DONE) ->
        EAT;
        obey_rollback(b[i].x_attempt);
        no_remains()
    }
#ifdef TRACE
    :: atomic { // nothing is held
        !b[i].up && b[i].x_call == RM_PREPARE &&
            (SEES(K_CALLED, i, b[i].x_attempt, RM_PREPARE * 4 + A_NO) ||
             SEES(K_CALLED, i, b[i].x_attempt, RM_PREPARE * 4 + A_READ_ONLY)) ->
        EAT;
        DROP(b[i].held, b[i].x_attempt);
        no_remains()
    }
    :: atomic { // it may have done it all the same
        !b[i].up && b[i].x_call && SEES(K_CALLED, i, b[i].x_attempt, b[i].x_call * 4 + A_RETRY) ->
        EAT;
        if
        :: b[i].x_call == RM_PREPARE -> obey_prepare(b[i].x_attempt)
        :: b[i].x_call == RM_COMMIT -> obey_commit(b[i].x_attempt)
        :: b[i].x_call == RM_ROLLBACK -> obey_rollback(b[i].x_attempt)
        :: true
        fi;
        no_remains()
    }
#endif
    :: atomic {
        !b[i].up && SEES(K_START, i, 0, 0) ->
        EAT;
        no_remains();
        b[i].up = 1;
        recover_journal();
        for (k : 1 .. ATTEMPTS) {
            if
            :: HAS(b[i].held, k) -> found(k)
            :: else
            fi
        }
        k = 0
    }
    od
}

// ---- one attempt of one branch: what comes in ----

#define IN(state_) (b[i].up && b[i].state == state_)
#define SAME_AS(a) (b[i].attempt == a)
// Below the fence phase one is over: a late duplicate.
#define PREPARE_COMES(set) (b[i].up && HAS(set, a) && a >= b[i].fence)
#define ANSWERED (b[i].yes | b[i].no | b[i].read_only | DONES)
// What was answered already comes again only as often as duplicates are allowed.
#define AGAIN(answers) (TRACED || !HAS(answers, a) || MAY(duplicates, DUPLICATES))
#define ROLLBACK_SETS (b[i].rollback | b[i].rollback_forced | b[i].resolve)
#define FREE                                                                                       \
    (b[i].up && (b[i].state == NONE || b[i].state == WORKING ||                                    \
                 (b[i].state == FINISHED && !b[i].forced && a > b[i].attempt)))

inline spend_duplicate(answers)
{
    if
    :: HAS(answers, a) -> SPEND(duplicates)
    :: else
    fi
}

inline take_up(alone_)
{
    spend_duplicate(ANSWERED);
    forget_branch();
    b[i].attempt = a;
    b[i].alone = alone_;
    b[i].answer = alone_;
    b[i].state = P_PREPARING;
    call(RM_PREPARE)
}

inline roll_back_unknown(forgotten_, must_keep_)
{
    spend_duplicate(DONES);
    forget_branch();
    b[i].attempt = a;
    b[i].answer = 1;
    b[i].forgotten = forgotten_;
    b[i].must_keep = must_keep_;
    roll_back()
}

inline force(outcome_)
{
    b[i].forced = 1;
    b[i].answer = 1;
    b[i].outcome = outcome_;
    write(P_DECIDING, J_DECIDED)
}

proctype line(byte i; byte a)
{
end:
    do
    // ---- PREPARE ----
    :: atomic {
        PREPARE_COMES(b[i].prepare) && FREE && AGAIN(ANSWERED) && SEES(K_CALL, i, a, RM_PREPARE) ->
        take_up(0)
    }
    :: atomic {
        PREPARE_COMES(b[i].prepare_alone) && FREE && AGAIN(ANSWERED) && SEES(K_CALL, i, a, RM_PREPARE) ->
        take_up(1)
    }
    :: atomic { // refused: an operator ended an earlier run
        PREPARE_COMES(b[i].prepare) && IN(FINISHED) && b[i].forced && a > b[i].attempt &&
            ONCE(!HAS(b[i].no, a)) && SEES(K_VOTE, i, a, V_NO) ->
        EAT;
        ADD(b[i].no, a)
    }
#ifdef TRACE
    :: atomic { // refused: no room
        PREPARE_COMES(b[i].prepare) && FREE && b[i].state != WORKING && SEES(K_VOTE, i, a, V_NO) ->
        EAT;
        ADD(b[i].no, a);
        forget_branch()
    }
#endif
    // A newer run of the transaction: the older one was never committed.
    :: atomic {
        PREPARE_COMES(b[i].prepare | b[i].prepare_alone) && (IN(P_PREPARING) || IN(VOTING)) &&
            a > b[i].attempt && !b[i].alone && !b[i].abort ->
        b[i].abort = 1
    }
    :: atomic {
        PREPARE_COMES(b[i].prepare | b[i].prepare_alone) && IN(PREPARED) && a > b[i].attempt && CALL(RM_ROLLBACK) ->
        roll_back()
    }
    // Held prepared by a resource manager that keeps it, after a crash; the journal has no word.
    :: atomic {
        PREPARE_COMES(b[i].prepare_alone) && IN(PREPARED) && SAME_AS(a) &&
            SEES(K_WRITES, i, a, JOURNAL(J_DECIDED, COMMITTED, 0)) ->
        b[i].alone = 1;
        b[i].answer = 1;
        b[i].outcome = COMMITTED;
        write(P_DECIDING, J_DECIDED)
    }

    // ---- COMMIT ----
    :: atomic {
        b[i].up && HAS(b[i].commit | b[i].commit_forced, a) &&
            (b[i].state == NONE || (b[i].state == FINISHED && a > b[i].attempt)) &&
            ONCE(!HAS(b[i].done_forgotten, a)) && SEES_DONE(a, COMMITTED, 0, 1) ->
        EAT;
        ADD(b[i].done_forgotten, a)
    }
    :: atomic {
        IN(WORKING) && HAS(b[i].commit | b[i].commit_forced, a) && SEES_DONE(a, COMMITTED, 0, 1) ->
        EAT;
        ADD(b[i].done_forgotten, a);
        roll_back()
    }
    :: atomic {
        IN(PREPARED) && SAME_AS(a) && HAS(b[i].commit, a) && CALL(RM_COMMIT) ->
        b[i].answer = 1;
        b[i].outcome = COMMITTED;
        b[i].state = P_COMMITTING;
        call(RM_COMMIT)
    }
    :: atomic {
        IN(PREPARED) && SAME_AS(a) && HAS(b[i].commit_forced, a) &&
            SEES(K_WRITES, i, a, JOURNAL(J_DECIDED, COMMITTED, 1)) ->
        force(COMMITTED)
    }

    // ---- ROLLBACK ----
    :: atomic {
        FREE && HAS(b[i].rollback, a) && AGAIN(DONES) && SEES(K_CALL, i, a, RM_ROLLBACK) ->
        roll_back_unknown(0, 0)
    }
    :: atomic { // an operator's word is for what voted yes: this did as was decided
        FREE && HAS(b[i].rollback_forced, a) && AGAIN(DONES) && SEES(K_CALL, i, a, RM_ROLLBACK) ->
        roll_back_unknown(1, 0)
    }
    :: atomic {
        FREE && HAS(b[i].resolve, a) && (a >= b[i].fence || b[i].state == FINISHED) &&
            AGAIN(DONES) && SEES(K_CALL, i, a, RM_ROLLBACK) ->
        roll_back_unknown(0, 1)
    }
    :: atomic {
        (IN(P_PREPARING) || IN(VOTING)) && !b[i].idle && SAME_AS(a) && HAS(ROLLBACK_SETS, a) &&
            (!b[i].abort || !b[i].answer || (HAS(b[i].resolve, a) && !b[i].must_keep)) ->
        b[i].abort = 1;
        b[i].answer = 1;
        b[i].must_keep = b[i].must_keep || HAS(b[i].resolve, a)
    }
    :: atomic {
        IN(P_PREPARING) && b[i].idle && SAME_AS(a) && HAS(ROLLBACK_SETS, a) && CALL(RM_ROLLBACK) ->
        b[i].abort = 1;
        b[i].answer = 1;
        b[i].must_keep = b[i].must_keep || HAS(b[i].resolve, a);
        roll_back()
    }
    :: atomic {
        IN(PREPARED) && SAME_AS(a) && HAS(b[i].rollback | b[i].resolve, a) && CALL(RM_ROLLBACK) ->
        b[i].answer = 1;
        b[i].must_keep = HAS(b[i].resolve, a);
        roll_back()
    }
    :: atomic {
        IN(PREPARED) && SAME_AS(a) && HAS(b[i].rollback_forced, a) &&
            SEES(K_WRITES, i, a, JOURNAL(J_DECIDED, ABORTED, 1)) ->
        force(ABORTED)
    }
    :: atomic { // of a newer run
        (IN(P_PREPARING) || IN(VOTING)) && a > b[i].attempt && HAS(ROLLBACK_SETS, a) &&
            !b[i].alone && !b[i].abort ->
        b[i].abort = 1
    }
    :: atomic {
        IN(PREPARED) && a > b[i].attempt && HAS(ROLLBACK_SETS, a) && CALL(RM_ROLLBACK) ->
        roll_back()
    }
    :: atomic {
        IN(FINISHED) && b[i].forced && a > b[i].attempt && HAS(ROLLBACK_SETS, a) &&
            ONCE(!HAS(b[i].done_abort, a)) && SEES_DONE(a, ABORTED, 0, 0) ->
        EAT;
        ADD(b[i].done_abort, a)
    }
    :: atomic { // work that was never prepared, under a name that is held for ever
        b[i].up && b[i].forced && a == 0 && b[i].attempt > 0 && HAS(ROLLBACK_SETS, 0) &&
            ONCE(!HAS(b[i].done_abort, 0)) && SEES_DONE(0, ABORTED, 0, 0) ->
        EAT;
        ADD(b[i].done_abort, 0)
    }

    // ---- either, while what was decided is being done ----
    :: atomic {
        b[i].up && SAME_AS(a) && !b[i].answer &&
            (b[i].state == P_DECIDING || b[i].state == P_COMMITTING || b[i].state == FINISHING) &&
            HAS(b[i].commit | b[i].commit_forced | ROLLBACK_SETS, a) ->
        b[i].answer = 1
    }
    :: atomic {
        IN(ROLLING_BACK) && SAME_AS(a) && !b[i].answer &&
            HAS(b[i].commit | b[i].commit_forced | b[i].rollback | b[i].rollback_forced, a) ->
        b[i].answer = 1
    }
    :: atomic {
        IN(ROLLING_BACK) && SAME_AS(a) && HAS(b[i].resolve, a) && !(b[i].must_keep && b[i].answer) ->
        b[i].must_keep = 1;
        b[i].answer = 1
    }

    // ---- STANDING: nothing is known of work that was not prepared ----
    :: atomic {
        a == 0 && IN(WORKING) && b[i].unknown && CALL(RM_ROLLBACK) ->
        roll_back()
    }

    // ---- and the coordinator, asked what stands ----
    :: atomic { ASKED && STANDING == COMMITTED && TOLD(b[i].commit, COMMITTED) -> EAT; ADD(b[i].commit, a) }
    :: atomic { ASKED && STANDING == ABORTED && TOLD(b[i].rollback, ABORTED) -> EAT; ADD(b[i].rollback, a) }
    :: atomic {
        ASKED && STANDING == COMMITTED + FORCED && TOLD(b[i].commit_forced, COMMITTED + FORCED) ->
        EAT;
        ADD(b[i].commit_forced, a)
    }
    :: atomic {
        ASKED && STANDING == ABORTED + FORCED && TOLD(b[i].rollback_forced, ABORTED + FORCED) ->
        EAT;
        ADD(b[i].rollback_forced, a)
    }
    :: atomic {
        ASKED && STANDING == ABORTED + RESOLVE && TOLD(b[i].resolve, ABORTED + RESOLVE) ->
        EAT;
        ADD(b[i].resolve, a)
    }
    :: atomic { ASKED && STANDING == UNKNOWN && TOLD(b[i].unknown, T_UNKNOWN) -> EAT; ADD(b[i].unknown, a) }
    od
}
