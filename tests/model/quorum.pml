// SPDX-License-Identifier: Apache-2.0
// One transaction under three-phase commit with a quorum: three branches at their participants, each
// a member, and the coordinator; a network and processes that fail. docs/protocols/3pc.md has the
// protocol, README.md how it is modelled.
//
// What is chosen when it is compiled:
//   NUMBERS             elections are numbered 2 .. NUMBERS; 1 is the coordinator's attempt
//   FREE                elections below it are joined without a record (3; 2: none)
//   COORDINATOR_CRASHES, MEMBER_CRASHES (of all together)
//   SPLITS_ONLY         that a majority could go on is not asked
//   MUTANT_...          a broken protocol, that has to be refuted, and by a split outcome
#ifndef NUMBERS
#define NUMBERS 3
#endif
#ifndef COORDINATOR_CRASHES
#define COORDINATOR_CRASHES 1
#endif
#ifndef MEMBER_CRASHES
#define MEMBER_CRASHES 1
#endif

#define MEMBERS 3
#define ALL 7
#define COORDINATOR 3
#define BIT(m) (1 << (m))
#define HAS(set, m) (((set) >> (m)) & 1)
#define COUNT(set) (HAS(set, 0) + HAS(set, 1) + HAS(set, 2))
#ifdef MUTANT_QUORUM_OF_HALF
#define MAJORITY 1
#else
#define MAJORITY 2
#endif

// A horizon is the first number that it does not cover. Rounds have one election each here: what
// orders the elections of a round is only who comes first.
#define FIRST 1
#ifndef FREE
#define FREE 3 /* that of a fresh vote */
#endif
#define COVER(number) ((number) + 1)
// "Nothing below it is joined": twice a number, or one less than that, below the number itself.
#define OF(number) (2 * (number))
#define BELOW(number) (2 * (number) - 1)

#define IDLE 0 /* has not voted */
#define WAITING 1
#define PRE_COMMITTED 2
#define PRE_ABORTED 3
#define REFUSED 4 /* will never vote yes */

typedef member_t {
    byte state, attempt, horizon;
    byte kept_state, kept_attempt, kept_horizon; // durable
    byte elected; // nothing below it is joined; in memory
    byte number;  // of the election in which it collects states; in memory
};
member_t p[MEMBERS];

// What is said stays receivable: so it may be late, out of order, doubled, or lost, between any two
// and for as long as it likes. Nothing needs to be said late, then: what is said at once may be heard
// later. Sets are bits of members.
byte voted;             // yes
bit asked[NUMBERS + 1]; // ASK
bit try_commit[NUMBERS + 1], try_abort[NUMBERS + 1];
byte did_commit[NUMBERS + 1], did_abort[NUMBERS + 1]; // who said that it is durable there
typedef reports_t { byte by[MEMBERS] };
reports_t report[NUMBERS + 1]; // STATE: 1 + 2 * attempt + whether to commit; 0: none
byte owner[NUMBERS + 1];       // 1 + who took the number

#define GATHERING 0
#define TRYING 1 /* has attempted to commit without an election, or comes after one that may have */
#define OUT 2    /* has aborted by itself */
byte c_phase;
byte c_number; // of its election

byte coordinator_crashes, member_crashes;

// ---- outcomes: of all the same, for ever; commit only where all have promised ----

bit committed, aborted; // somebody may know it so

inline know_commit()
{
    committed = 1;
    assert(!aborted);
    assert(voted == ALL)
}

inline know_abort()
{
    aborted = 1;
    assert(!committed)
}

// ---- the rule, for the reports in election e of the members in `quorum` ----

byte top, k;
bit top_commits, pre_committed;

#define REPORTED_ATTEMPT(e, m) ((report[e].by[m] - 1) / 2)
#define REPORTED_COMMIT(e, m) ((report[e].by[m] - 1) % 2)

#if defined(MUTANT_NO_LAST_ATTEMPT) || defined(MUTANT_SKEEN)
#define COMMITTABLE pre_committed
#else
#define COMMITTABLE top_commits
#endif

inline follow_rule(e, quorum)
{
    for (k : 0 .. MEMBERS - 1) {
        if
        :: HAS(quorum, k) && REPORTED_ATTEMPT(e, k) > top ->
            top = REPORTED_ATTEMPT(e, k);
            top_commits = REPORTED_COMMIT(e, k)
        :: else
        fi;
        if
        :: HAS(quorum, k) && REPORTED_ATTEMPT(e, k) > 0 && REPORTED_COMMIT(e, k) ->
            pre_committed = 1
        :: else
        fi
    }
    if
    :: COMMITTABLE -> try_commit[e] = 1
    :: else -> try_abort[e] = 1
    fi;
    k = 0;
    top = 0;
    top_commits = 0;
    pre_committed = 0
}

// ---- a member ----

#ifdef MUTANT_SKEEN
// Textbook: whoever has not answered is down, and the others do as the elector says.
#define ENOUGH(quorum) ((quorum) != 0)
#define CHOSEN(set) ((set) != 0)
#else
#define ENOUGH(quorum) (COUNT(quorum) >= MAJORITY)
#define CHOSEN(set) (COUNT(set) >= MAJORITY)
#endif

#define IN_DOUBT(m) (p[m].state >= WAITING && p[m].state <= PRE_ABORTED)
#define REPORT_OF(m) (1 + 2 * p[m].attempt + (p[m].state == PRE_COMMITTED))

inline keep(m)
{
    p[m].kept_state = p[m].state;
    p[m].kept_attempt = p[m].attempt;
    p[m].kept_horizon = p[m].horizon
}

// Durable before it is said. A crash between the two is one that comes before both: nobody knows.
inline tell_attempt(m)
{
    if
    :: p[m].state == PRE_COMMITTED ->
        did_commit[p[m].attempt] = did_commit[p[m].attempt] | BIT(m);
        if
        :: CHOSEN(did_commit[p[m].attempt]) -> know_commit()
        :: else
        fi
    :: p[m].state == PRE_ABORTED ->
        did_abort[p[m].attempt] = did_abort[p[m].attempt] | BIT(m);
        if
        :: CHOSEN(did_abort[p[m].attempt]) -> know_abort()
        :: else
        fi
    :: else
    fi
}

inline join(m, e)
{
    p[m].elected = OF(e);
    if
    :: e >= p[m].horizon -> p[m].horizon = COVER(e)
    :: else
    fi;
    if
    :: p[m].number != e -> p[m].number = 0
    :: else
    fi
}

inline accept(m, e, to)
{
    join(m, e);
    p[m].attempt = e;
    p[m].state = to;
    if
    :: true -> keep(m)
#ifdef MUTANT_PRECOMMIT_BEFORE_DURABLE
    :: true
#endif
    fi;
    tell_attempt(m)
}

proctype member(byte m)
{
end:
    do
    :: atomic {
        p[m].state == IDLE ->
        p[m].state = WAITING;
        keep(m);
        voted = voted | BIT(m)
    }
    :: atomic { // a no; or asked by a peer before it has voted
        p[m].state == IDLE ->
        p[m].state = REFUSED;
        if
        :: true -> keep(m)
#ifdef MUTANT_REFUSAL_UNRECORDED
        :: true
#endif
        fi;
        know_abort()
    }
    :: atomic { // it dies, and is back
        member_crashes < MEMBER_CRASHES && p[m].state != IDLE &&
            (p[m].number != 0 || p[m].elected < BELOW(p[m].horizon) ||
             p[m].state != p[m].kept_state) ->
        member_crashes++;
        p[m].state = p[m].kept_state;
        p[m].attempt = p[m].kept_attempt;
        p[m].horizon = p[m].kept_horizon;
        p[m].number = 0;
#ifdef MUTANT_PROMISE_FORGOTTEN
        p[m].elected = OF(p[m].attempt)
#else
        p[m].elected = (p[m].state == IDLE -> 0 : BELOW(p[m].horizon))
#endif
    }
    od
}

// What member m does about election e.
proctype line(byte m, e)
{
end:
    do
    :: atomic {
        IN_DOUBT(m) && asked[e] && OF(e) > p[m].elected ->
        join(m, e);
#ifdef MUTANT_PROMISE_UNRECORDED
        p[m].horizon = FREE;
#endif
        keep(m);
        report[e].by[m] = REPORT_OF(m)
    }
    :: atomic {
        IN_DOUBT(m) && try_commit[e] && OF(e) >= p[m].elected && e > p[m].attempt ->
        accept(m, e, PRE_COMMITTED)
    }
    :: atomic {
        IN_DOUBT(m) && try_abort[e] && OF(e) >= p[m].elected && e > p[m].attempt ->
        accept(m, e, PRE_ABORTED)
    }
    // As an elector. It says so before it has joined, which may need a record; so after a crash it
    // may take the same number again.
    :: atomic {
        e > FIRST && IN_DOUBT(m) && OF(e) > p[m].elected && p[m].number == 0 &&
            (owner[e] == 0 || owner[e] == 1 + m) ->
        owner[e] = 1 + m;
        p[m].number = e;
        asked[e] = 1
    }
    od
}

// ---- the electors' attempts in election e, by what they have heard from `quorum` ----

#define REPORTED(e, m) (report[e].by[m] != 0)
#define ALL_REPORTED(e, quorum)                                                                    \
    ((!HAS(quorum, 0) || REPORTED(e, 0)) && (!HAS(quorum, 1) || REPORTED(e, 1)) &&                 \
     (!HAS(quorum, 2) || REPORTED(e, 2)))
#ifdef MUTANT_OWN_PROMISE_LATE
#define SELF_IN(quorum, m) true
#else
#define SELF_IN(quorum, m) HAS(quorum, m)
#endif
#define TRIES(m, e, quorum)                                                                        \
    (IN_DOUBT(m) && p[m].number == e && ALL_REPORTED(e, quorum) && SELF_IN(quorum, m))

proctype elector(byte e, quorum)
{
end:
    do
    :: atomic { TRIES(0, e, quorum) -> follow_rule(e, quorum); p[0].number = 0 }
    :: atomic { TRIES(1, e, quorum) -> follow_rule(e, quorum); p[1].number = 0 }
    :: atomic { TRIES(2, e, quorum) -> follow_rule(e, quorum); p[2].number = 0 }
    :: atomic {
        c_number == e && ALL_REPORTED(e, quorum) ->
        follow_rule(e, quorum);
        c_number = 0
    }
    od
}

// ---- the coordinator; the transaction is admitted, durably ----

#ifdef MUTANT_COORDINATOR_ABORTS_LATE
#define MAY_ABORT true
#else
#define MAY_ABORT (c_phase == GATHERING)
#endif

proctype coordinator()
{
end:
    do
    :: atomic {
        c_phase == GATHERING && voted == ALL ->
        c_phase = TRYING;
        try_commit[FIRST] = 1
    }
    :: atomic { // a no, a timeout, the application or an operator
        c_phase != OUT && MAY_ABORT ->
        c_phase = OUT;
        know_abort()
    }
    :: atomic {
        coordinator_crashes < COORDINATOR_CRASHES && (c_phase != TRYING || c_number != 0) ->
        coordinator_crashes++;
#ifdef MUTANT_COORDINATOR_BEGINS_AGAIN
        c_phase = GATHERING;
#else
        c_phase = TRYING;
#endif
        c_number = 0
    }
    od
}

proctype coordinator_elects(byte e)
{
end:
    do
    :: atomic {
        c_phase == TRYING && c_number == 0 && owner[e] == 0 ->
        owner[e] = 1 + COORDINATOR;
        c_number = e;
        asked[e] = 1
    }
    od
}

// ---- a connected majority, without further failures, decides ----

// In every state: an election above all others, by any two members on their own, is joined by both
// and comes to an outcome, and to that which anybody may have known before.
#define ABOVE (NUMBERS + 4)
#define JOINS(m)                                                                                   \
    (!IN_DOUBT(m) || (OF(ABOVE) > p[m].elected && ABOVE > p[m].attempt))
#define NEVER_YES(m) (p[m].state == REFUSED || p[m].state == IDLE)
#define LAST_COMMITS(a, b)                                                                         \
    (p[a].attempt >= p[b].attempt -> p[a].state == PRE_COMMITTED : p[b].state == PRE_COMMITTED)
#define COMMITS(a, b) (!NEVER_YES(a) && !NEVER_YES(b) && LAST_COMMITS(a, b))
#define SETTLES(a, b)                                                                              \
    (JOINS(a) && JOINS(b) && !(COMMITS(a, b) && aborted) && !(!COMMITS(a, b) && committed))

proctype settling()
{
end:
    atomic {
        !SETTLES(0, 1) || !SETTLES(0, 2) || !SETTLES(1, 2) ->
        assert(false) // a majority is stuck, or would split the outcome
    }
}

init
{
    atomic {
        byte i = 0, e = 1;
        for (i : 0 .. MEMBERS - 1) {
            p[i].horizon = FREE;
            p[i].kept_horizon = FREE;
            run member(i)
        }
        run coordinator();
        for (e : 1 .. NUMBERS) {
            for (i : 0 .. MEMBERS - 1) {
                run line(i, e)
            }
            if
            :: e > FIRST -> run coordinator_elects(e)
            :: else
            fi;
            for (i : 1 .. ALL) {
                if
                :: e > FIRST && ENOUGH(i) -> run elector(e, i)
                :: else
                fi
            }
        }
#ifndef SPLITS_ONLY
        run settling();
#endif
        i = 0;
        e = 0
    }
}
