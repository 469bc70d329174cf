// SPDX-License-Identifier: Apache-2.0
// The barrier of one branch: try, confirm and cancel (or send and check-back) as a coordinator, an
// application and a network let them come, the local transactions in which they run, and the
// collection of their rows. tests/model/README.md says how to run it; docs/barrier.md what it is for.
//
// What is chosen when it is compiled:
//   APPLICATION  the application runs the try itself, at any time: no fence of the coordinator's
//                keeps it from that
//   HORIZON      the gtid is one of a coordinator, so there is a horizon; it is raised at any time
//   SENDER       a message: the try is the sender's local transaction, and the coordinator asks for
//                it (check-back) instead of confirming or cancelling
//   HANDLERS     calls that are under way at a time
//   CRASHES      calls that end within their local transaction, or before their answer
//   LATE         calls that come though their answer was heard, or the transaction has ended
//   MUTANT_...   a broken barrier, that has to be refuted
#ifndef HANDLERS
#define HANDLERS 2
#endif
#ifndef CRASHES
#define CRASHES 2
#endif
#ifndef LATE
#define LATE 3
#endif
#ifdef SENDER
#define APPLICATION
#endif

#define NONE 0
#define TRY 1
#define CONFIRM 2
#define CANCEL 3
#define CHECK 4

// ---- the database: the barrier's rows, and what the business did ----

#define DONE 1
#define FENCED 2
byte row_try;
bit row_confirm, row_cancel;
bit horizon; // the gtid lies behind it
bit locked;  // a call is within its local transaction
byte did_try, did_confirm, did_cancel;

// ---- coordinator, network, and what is owed ----

byte decision; // CONFIRM or CANCEL; of a message: submitted or dropped
bit yes, acknowledged; // heard
bit ended;     // the coordinator has ended the transaction
bit fenced;    // and no late try of its own is taken up any more
bit forgotten; // the rows are forgotten, or sealed
byte trying;   // calls of a try that are under way
byte crashes, late;

bit cancel_handled; // it was answered, or may have been

// ---- the table ----

#define RUN 1
#define DUPLICATE 2
#define EMPTY 3
#define REFUSED 4

// From the rows as they were read.
inline rule()
{
    if
    :: op == TRY && seen_try == NONE && !seen_horizon -> verdict = RUN
    :: op == TRY && seen_try == NONE && seen_horizon -> verdict = REFUSED
    :: op == TRY && seen_try == DONE && !seen_cancel -> verdict = DUPLICATE
    :: op == TRY && (seen_try == FENCED || seen_cancel) -> verdict = REFUSED
    :: op == CONFIRM && seen_confirm -> verdict = DUPLICATE
    :: op == CONFIRM && seen_try == DONE && !seen_cancel && !seen_confirm -> verdict = RUN
    :: op == CONFIRM && !seen_confirm && (seen_try != DONE || seen_cancel) -> verdict = REFUSED
    :: op == CANCEL && seen_cancel -> verdict = DUPLICATE
    :: op == CANCEL && seen_try == DONE && !seen_cancel && !seen_confirm -> verdict = RUN
    :: op == CANCEL && seen_try != DONE && !seen_cancel -> verdict = EMPTY
    :: op == CANCEL && seen_confirm -> verdict = REFUSED
    :: op == CHECK && seen_try == DONE -> verdict = DUPLICATE
    :: op == CHECK && seen_try != DONE -> verdict = EMPTY
    fi
}

// The business, with everything that must not be.
inline work()
{
    if
    :: verdict == RUN && op == TRY ->
        assert(did_try == 0 && !cancel_handled);
        did_try++
    :: verdict == RUN && op == CONFIRM ->
        assert(did_try == 1 && did_confirm == 0 && did_cancel == 0);
        did_confirm++
    :: verdict == RUN && op == CANCEL ->
        assert(did_try == 1 && did_confirm == 0 && did_cancel == 0);
        did_cancel++
    :: else
    fi
}

inline write_rows()
{
    if
    :: verdict == RUN && op == TRY -> row_try = DONE
    :: verdict == RUN && op == CONFIRM -> row_confirm = 1
    :: verdict == RUN && op == CANCEL -> row_cancel = 1
#ifndef MUTANT_FENCE_UNWRITTEN
    :: verdict == EMPTY && seen_try == NONE && !seen_horizon -> row_try = FENCED
#endif
#ifdef MUTANT_FENCE_DELETED_ON_DUPLICATE
    // A try that finds the fence takes it for the row of an earlier try, and rolls that back.
    :: verdict == REFUSED && op == TRY -> row_try = NONE
#endif
    :: else
    fi
}

// What holds as soon as it is committed: a compensation undid what was there, and all of it.
inline committed()
{
    if
    :: op == CANCEL || (op == CHECK && verdict == EMPTY) ->
        assert(forgotten || (verdict != REFUSED && did_cancel == did_try));
        cancel_handled = 1
    :: op == CONFIRM -> assert(verdict != REFUSED || forgotten)
    :: else
    fi
}

inline answer()
{
    if
    :: op == TRY && (verdict == RUN || verdict == DUPLICATE) ->
        assert(did_try == 1);
        yes = 1
    :: op == CHECK && verdict == DUPLICATE -> yes = 1
    :: op == CHECK && verdict == EMPTY && decision == NONE -> decision = CANCEL
    :: (op == CONFIRM || op == CANCEL) && verdict != REFUSED -> acknowledged = 1
    :: else
    fi
}

// ---- a call: enter, work, commit, answer; it may end between any two ----

inline read_rows()
{
    seen_try = row_try;
    seen_confirm = row_confirm;
    seen_cancel = row_cancel
}

inline leave()
{
#ifndef MUTANT_CHECK_THEN_WRITE
    locked = 0;
#endif
    trying = trying - (op == TRY);
    verdict = NONE;
    op = NONE;
    seen_try = NONE;
    seen_confirm = 0;
    seen_cancel = 0;
    seen_horizon = 0
}

#define TRY_COMES ((decision == NONE && !yes) || late < LATE)
#define SPEND_LATE(heard)                                                                          \
    if                                                                                             \
    :: heard -> late++                                                                             \
    :: else                                                                                        \
    fi

proctype handler()
{
    byte op, seen_try, verdict;
    bit seen_confirm, seen_cancel, seen_horizon;
end:
    do
    :: atomic {
        // Of the coordinator's calls none is taken up behind its fence; the application's own are
        // kept by nothing but the barrier.
#ifdef APPLICATION
        op == NONE && TRY_COMES ->
#else
        op == NONE && TRY_COMES && !fenced ->
#endif
        SPEND_LATE(decision != NONE || yes);
        trying++;
        op = TRY
       }
#ifdef SENDER
    :: atomic {
        op == NONE && decision == NONE && !yes -> op = CHECK
       }
    :: atomic {
        op == NONE && (decision != NONE || yes) && late < LATE -> late++; op = CHECK
       }
#else
    :: atomic {
        op == NONE && decision != NONE && (!acknowledged || late < LATE) ->
        SPEND_LATE(acknowledged);
        op = decision
       }
#endif
    // enter
#ifdef MUTANT_CHECK_THEN_WRITE
    :: atomic { op != NONE && verdict == NONE -> seen_horizon = horizon; read_rows(); rule() }
#elif defined(MUTANT_READS_APART)
    :: atomic {
        op != NONE && verdict == NONE && !locked -> locked = 1; seen_horizon = horizon
       };
       atomic { read_rows(); rule() }
#else
    :: atomic {
        op != NONE && verdict == NONE && !locked ->
        locked = 1;
        seen_horizon = horizon;
        read_rows();
        rule()
       }
#endif
    // work and commit
#ifdef MUTANT_ROW_APART
    :: atomic { verdict != NONE -> work() };
       if
       :: atomic { write_rows(); committed() }
       :: atomic { crashes < CRASHES -> crashes++; leave(); goto end }
       fi;
#else
    :: atomic { verdict != NONE -> work(); write_rows(); committed() };
#endif
       if
       :: atomic { answer(); leave() }
       :: atomic { crashes < CRASHES -> crashes++; leave() }
       fi
    // The local transaction is rolled back: the process ended, or the business says no.
    :: atomic { verdict != NONE && crashes < CRASHES -> crashes++; leave() }
    od
}

// ---- the coordinator, and the end ----

proctype coordinator()
{
end:
    do
    :: atomic { decision == NONE && yes -> decision = CONFIRM }
#ifdef SENDER
    :: atomic { decision != NONE && !ended -> ended = 1 }
#else
    :: atomic { decision == NONE -> decision = CANCEL }
    :: atomic { acknowledged && !ended -> ended = 1 }
#endif
#ifdef APPLICATION
    :: atomic { ended && !fenced -> fenced = 1 }
#else
    // What the participant has taken up it knows of.
    :: atomic { ended && !fenced && trying == 0 -> fenced = 1 }
#endif
#ifdef MUTANT_FORGET_EARLY
    :: atomic { ended && !forgotten && !locked ->
#else
    :: atomic { fenced && !forgotten && !locked ->
#endif
        forgotten = 1;
        row_confirm = 0;
        row_cancel = 0;
#if defined(APPLICATION) && !defined(MUTANT_FORGOTTEN_NOT_SEALED)
        row_try = FENCED
#else
        row_try = NONE
#endif
       }
    od
}

// The horizon, and fences behind it: whenever, whatever else goes on, and in no transaction with it.
proctype collector()
{
end:
    do
#ifdef HORIZON
    :: atomic { !horizon -> horizon = 1 }
#ifdef MUTANT_FENCE_BEFORE_HORIZON
    :: atomic { row_try == FENCED -> row_try = NONE }
#else
    :: atomic { horizon && row_try == FENCED -> row_try = NONE }
#endif
#endif
#ifdef MUTANT_ROWS_EXPIRE
    :: atomic { row_try != NONE -> row_try = NONE; row_confirm = 0; row_cancel = 0 }
#endif
    :: false
    od
}

// At the end, when nothing comes any more: decided and ended, and the business has done what was
// decided.
inline claim_rest()
{
    assert(!locked && ended && fenced && forgotten);
    assert(decision != CONFIRM || did_try == 1);
#ifdef SENDER
    assert(decision != CANCEL || did_try == 0);
#else
    assert(decision != CONFIRM || (did_confirm == 1 && did_cancel == 0));
    assert(decision != CANCEL || (did_confirm == 0 && did_cancel == did_try));
#endif
}

init
{
    atomic {
        byte i = 0;
        do
        :: i < HANDLERS -> run handler(); i++
        :: else -> break
        od;
        i = 0;
        run coordinator();
        run collector()
    }
    atomic { timeout -> claim_rest() }
}
