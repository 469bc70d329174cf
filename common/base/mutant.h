// SPDX-License-Identifier: Apache-2.0
// Deliberately broken variants of the code: the proof that the simulator would find the bug. They
// exist only where ASSENT_MUTANTS is defined, which is assent-sim-mutants and nothing that ships;
// elsewhere the compiler sees a constant, and nothing is left of them.
//
// docs/verification.md lists how many seeds it took to find each, and by which invariant.
#ifndef BASE_MUTANT_H
#define BASE_MUTANT_H

#include <stdbool.h>

// X(identifier, name, what it breaks)
#define MUTANTS(X)                                                                                 \
    X(VOTE_EARLY, "vote-early", "a yes is sent before it is in the journal")                       \
    X(DONE_EARLY, "done-early", "an acknowledgement is sent before the outcome is in the journal") \
    X(DONE_FROM_MEMORY, "done-from-memory",                                                        \
      "a COMMIT that comes twice is acknowledged while the first is being carried out")            \
    X(RESOLVE_FORGOTTEN, "resolve-forgotten",                                                      \
      "the rollback of a branch that was to decide alone is not remembered")                       \
    X(RETRY_IS_DONE, "retry-is-done",                                                              \
      "a resource manager that asks to be called again is taken to have done it")                  \
    X(ROLLBACK_NEEDS_ROOM, "rollback-needs-room",                                                  \
      "a rollback of what is not known is dropped where there is no room")                         \
    X(FINISHED_FORGOTTEN, "finished-forgotten",                                                    \
      "a finished branch is forgotten at once, not when the fence has passed it")                  \
    X(DECISION_OF_ANY_RUN, "decision-of-any-run",                                                  \
      "a participant takes the decision on one run of a gtid for that on another")                 \
    X(VOTES_FORGOTTEN, "votes-forgotten", "votes in the journal are forgotten at a restart")       \
    X(DOUBT_ENDS_IN_ROLLBACK, "doubt-ends-in-rollback",                                            \
      "a branch in doubt that has asked three times in vain rolls back")                           \
    X(DOUBT_NEVER_ASKS, "doubt-never-asks", "a branch in doubt waits to be told, and never asks")  \
    X(FENCE_IGNORED, "fence-ignored", "a PREPARE below the fence is taken up")                     \
    X(ONE_PHASE_UNRECORDED, "one-phase-unrecorded",                                                \
      "one branch alone commits before its decision is in the journal")                            \
    X(ONE_PHASE_NO_FORGOTTEN, "one-phase-no-forgotten",                                            \
      "the no of a branch that decides alone is told and not remembered")                          \
    X(READ_ONLY_MISTAKEN, "read-only-mistaken",                                                    \
      "a prepared branch is taken for a read-only one, and not journaled")                         \
    X(ANSWER_TO_ANY_CALL, "answer-to-any-call",                                                    \
      "an answer that comes twice is taken for the answer to the next call")                       \
    X(HORIZON_EARLY, "horizon-early",                                                              \
      "the journal lets go of finished branches that are still remembered")                        \
    X(DECIDE_EARLY, "decide-early", "the decision is told before it is durable")                   \
    X(DECISION_LAZY, "decision-lazy", "the decision is written without a sync")                    \
    X(ABORT_UNRECORDED, "abort-unrecorded",                                                        \
      "the abort of a client's own gtid is told before it is durable")                             \
    X(READ_ONLY_UNRECORDED, "read-only-unrecorded",                                                \
      "a transaction of read-only branches is told committed, and not recorded")                   \
    X(HEURISTIC_DROPPED, "heuristic-dropped", "the end record drops what an operator did")         \
    X(END_EARLY, "end-early", "the first acknowledgement ends the transaction")                    \
    X(TIMEOUT_IS_YES, "timeout-is-yes",                                                            \
      "a branch that does not vote in time is taken to have voted yes")                            \
    X(DELEGATE_EARLY, "delegate-early",                                                            \
      "one branch alone is asked to commit before that is on record")                              \
    X(COMMIT_SENT_ONCE, "commit-sent-once", "a COMMIT that is lost is not sent again")             \
    X(PRESUMED_COMMIT, "presumed-commit",                                                          \
      "of what is not in the log it is presumed that it committed")                                \
    X(PRESUMED_UNREAD, "presumed-unread", "an abort is presumed before the register was read")     \
    X(OUTCOME_OF_ANY_RUN, "outcome-of-any-run",                                                    \
      "a participant that asks about one run of a gtid hears the outcome of another")              \
    X(VOTE_OF_ANY_RUN, "vote-of-any-run", "a vote on one run of a gtid is counted for another")    \
    X(SHORTER_LOG_SERVED, "shorter-log-served",                                                    \
      "that peers have seen more of the log than there is does not stop the coordinator")          \
    X(FENCE_HIGH, "fence-high", "the fence passes what may still be prepared")                     \
    X(REGISTER_UNREAD, "register-unread",                                                          \
      "a client's own gtid begins without a look at the register")                                 \
    X(CONTENT_IGNORED, "content-ignored",                                                          \
      "a gtid that comes again with another content is answered as if it were the same")           \
    X(CANCEL_AFTER_COMMIT, "cancel-after-commit",                                                  \
      "a second, different decision: a rollback that comes after the commit is obeyed")            \
    X(RUNNING_IS_ABORTED, "running-is-aborted", "what is still running is told as aborted")        \
    X(SILENCE_OF_THIS_RUN, "silence-of-this-run",                                                  \
      "a gtid of the present run that is in no record is told as aborted")                         \
    X(HORIZON_IGNORED, "horizon-ignored",                                                          \
      "a gtid whose record may have been collected is told as aborted")                            \
    X(DELEGATION_FORGOTTEN, "delegation-forgotten",                                                \
      "that one branch alone was to decide is forgotten at a restart")                             \
    X(HEURISTIC_FORGOTTEN, "heuristic-forgotten", "an operator's word is forgotten at a restart")  \
    X(DECISION_FORGOTTEN, "decision-forgotten",                                                    \
      "a decision that was not acknowledged by all is not driven on after a restart")              \
    X(HEURISTIC_EARLY, "heuristic-early", "an operator's word is told before it is on record")     \
    X(REFUSAL_BELIEVED, "refusal-believed",                                                        \
      "a client takes a refusal for certain though an earlier send may have had an effect")        \
    X(ANSWER_TO_ANY_REQUEST, "answer-to-any-request",                                              \
      "a client takes the late answer to an earlier request for that to a later one")              \
    X(TIMEOUT_IS_ABORT, "timeout-is-abort",                                                        \
      "a client that hears nothing in time reports an abort")                                      \
    X(GTID_REUSED, "gtid-reused", "gtids are given out again after a restart of the coordinator")  \
    X(OPEN_COLLECTED, "open-collected", "records that are still needed are collected like others") \
    X(FLIPPED_BIT_BELIEVED, "flipped-bit-believed",                                                \
      "a record that is not what was written is believed")                                         \
    X(WITNESS_IGNORED, "witness-ignored", "a log that ends before its witness is believed")        \
    X(VOTE_FROM_MEMORY, "vote-from-memory",                                                        \
      "a PREPARE that comes twice is answered with a yes that is on its way to the journal")       \
    X(YES_OF_EARLIER_RUN, "yes-of-earlier-run",                                                    \
      "what was prepared for one run of a gtid is promised to the next")                           \
    X(RETRY_IS_YES, "retry-is-yes",                                                                \
      "a resource manager that asks to be called again is taken to have prepared")                 \
    X(ROLLBACK_NOT_AWAITED, "rollback-not-awaited",                                                \
      "a rollback is acknowledged while the resource manager still prepares")                      \
    X(ROLLBACK_UNRECORDED, "rollback-unrecorded",                                                  \
      "the rollback of a branch whose yes is in the journal is not recorded there")                \
    X(WORD_UNRECORDED, "word-unrecorded",                                                          \
      "an operator's word is carried out before it is in the journal")                             \
    X(WORD_FORGOTTEN, "word-forgotten",                                                            \
      "a branch that an operator ended is forgotten like others")                                  \
    X(HEURISTIC_UNHEARD, "heuristic-unheard",                                                      \
      "what a resource manager did by itself is taken for what it was told to do")                 \
    X(HEURISTIC_UNJOURNALED, "heuristic-not-journaled",                                            \
      "what a resource manager did by itself is not in the journal")                               \
    X(FORGOTTEN_UNNOTED, "forget-before-recorded",                                                 \
      "what a resource manager did by itself is forgotten once the fence has passed it")           \
    X(NOTED_EARLY, "noted-early",                                                                  \
      "what a resource manager did by itself is said to be noted before it is durable")            \
    X(MANAGER_BELIEVED, "manager-believed",                                                        \
      "what a resource manager did by itself is not compared with the decision")                   \
    X(HEURISTIC_LET_GO, "heuristic-let-go",                                                        \
      "what a resource manager did by itself, and was decided, is not kept on record")             \
    X(READ_ONLY_ASKED, "read-only-asked-to-vote",                                                  \
      "a branch is asked to vote that its application calls read-only")                            \
    X(ENLISTED_UNJOURNALED, "enlisted-vote-not-journaled",                                         \
      "a durable resource manager is left to keep the vote on what was enlisted")                  \
    X(FENCE_OF_ANOTHER, "fence-of-another",                                                        \
      "what is finished is forgotten by the fence of another coordinator")                         \
    X(UNKNOWN_IS_ROLLBACK, "unknown-is-rollback",                                                  \
      "a branch in doubt rolls back when a coordinator knows nothing of it")                       \
    X(COMMIT_FORGOTTEN, "commit-forgotten",                                                        \
      "a commit in the journal that was not carried out is rolled back at a restart")              \
    X(FINISHED_LET_GO, "finished-let-go",                                                          \
      "after a restart the journal lets go of what is finished too early")                         \
    X(LOSS_IGNORED, "loss-ignored",                                                                \
      "what a resource manager lost after it was finished is not done again")                      \
    X(FOUND_IS_NO_VOTE, "found-is-no-vote",                                                        \
      "a vote that a durable resource manager keeps is rolled back at a restart")                  \
    X(NOTHING_ECHOED, "nothing-echoed",                                                            \
      "a participant does not say how much of the log it has heard of")                            \
    X(CLIENT_ECHOES_NOTHING, "client-echoes-nothing",                                              \
      "a client does not say how much of the log it has heard of")                                 \
    X(ECHO_FORGOTTEN, "echo-forgotten",                                                            \
      "a participant forgets at a restart how much of the log it has heard of")                    \
    X(NO_IGNORED, "no-ignored", "a no is counted as read-only")                                    \
    X(DELEGATION_REVOKED, "delegation-revoked",                                                    \
      "a branch that was to decide alone and is slow is taken to have rolled back")                \
    X(READ_ONLY_TOLD_EARLY, "read-only-told-early",                                                \
      "that one read-only branch alone has committed is told before it is durable")                \
    X(RESOLVE_UNMARKED, "resolve-unmarked",                                                        \
      "a branch that was to decide alone is not asked to remember that it rolled back")            \
    X(DECISION_CLOSED, "decision-closed",                                                          \
      "a decision that is not acknowledged yet is stored like one that has ended")                 \
    X(HEURISTIC_COLLECTED, "heuristic-collected",                                                  \
      "the record of what an operator did is collected like others")                               \
    X(STAMP_MISSING, "stamp-missing", "records do not say when their transactions ended")          \
    X(CLOCK_BELIEVED, "clock-believed", "stamps go back when the clock is set back")               \
    X(CLOCK_FORGOTTEN, "clock-forgotten",                                                          \
      "stamps go back when the clock is set back before a restart")                                \
    X(RUN_NUMBERS_REUSED, "run-numbers-reused",                                                    \
      "a coordinator counts its runs of transactions anew after a restart")                        \
    X(FENCE_FORGOTTEN, "fence-forgotten",                                                          \
      "after a restart the fence passes what one branch alone was to decide")                      \
    X(LEASE_TAKEN_TWICE, "lease-taken-twice",                                                      \
      "a client takes gtids again from a WELCOME that comes twice")                                \
    X(GTID_NOT_MARKED, "gtid-not-marked", "a coordinator does not mark the gtids that were used")  \
    X(MIXED_UNTOLD, "mixed-untold", "clients are not told that branches may differ")               \
    X(FINISHED_TOLD_EARLY, "finished-told-early",                                                  \
      "clients are told that all has ended when it is only decided")                               \
    X(UNDECIDED_IS_ABORTED, "undecided-is-aborted",                                                \
      "a branch in doubt that asks before the decision is rolled back")                            \
    X(CLOSED_COLLECTED, "closed-collected",                                                        \
      "records are collected before their retention is over")                                      \
    X(HORIZON_STAYS, "horizon-stays", "the store does not say what it has collected")              \
    X(CARRY_SKIPPED, "carry-skipped",                                                              \
      "the log lets go of an open record instead of carrying it on")                               \
    X(RUN_CUT_SHORT, "run-cut-short",                                                              \
      "the journal keeps only the lower half of the number of a run")                              \
    X(WHO_FORGOTTEN, "who-forgotten", "the log does not keep which operator had a word")           \
    X(FORCED_UNMARKED, "forced-unmarked",                                                          \
      "of a branch that was forced it is not recorded that it was")                                \
    X(BRANCH_END_FORGOTTEN, "branch-end-forgotten",                                                \
      "how a branch ended is forgotten at a restart")                                              \
    X(REASON_FORGOTTEN, "reason-forgotten", "which branch refused is forgotten at a restart")      \
    X(PAYLOAD_FORGOTTEN, "payload-forgotten", "the journal does not keep what a branch is to do")  \
    X(OWNER_IGNORED, "owner-ignored",                                                              \
      "a client may look at another's transaction, and roll it back")                              \
    X(OWNER_FORGOTTEN, "owner-forgotten", "whose a transaction is is forgotten at a restart")      \
    X(LEASE_OF_ANOTHER, "lease-of-another", "a gtid that was leased to another client begins")     \
    X(BRANCH_OF_ANOTHER, "branch-of-another", "a participant may answer for another's branch")     \
    X(OUTCOME_TO_ANYBODY, "outcome-to-anybody",                                                    \
      "a participant that asks about another's branch is told its outcome")                        \
    X(SEAL_UNREAD, "seal-unread", "a coordinator stops for a record that nobody has sealed")       \
    X(WAITER_LOST, "waiter-lost", "of two who wait for one gtid one is not answered")              \
    X(MARK_MISREAD, "mark-misread", "whether a gtid was used is looked up under that of another")  \
    X(NOT_ASKED_AGAIN, "not-asked-again", "a client that is connected anew does not ask again")    \
    X(QUESTION_DOUBTED, "question-doubted",                                                        \
      "a question that is refused is asked again, as if it had had an effect")                     \
    X(WAIT_IGNORED, "wait-ignored",                                                                \
      "who submits a second time is answered at the decision, though he waits for the end")        \
    X(DRAIN_IGNORED, "drain-ignored", "a coordinator that was told to stop begins something new")  \
    X(TRANSACTIONS_UNBOUNDED, "transactions-unbounded",                                            \
      "a coordinator begins more than it may hold")                                                \
    X(BRANCHES_UNBOUNDED, "branches-unbounded", "a participant takes up more than it may hold")    \
    X(GTID_OF_ANOTHER, "gtid-of-another", "a gtid that another coordinator leased begins")         \
    X(WORK_ELSEWHERE, "work-elsewhere", "enlisted work may be submitted as if it were elsewhere")  \
    X(SYNC_SKIPPED, "sync-skipped", "the disk says durable before the sync")                       \
    X(PAYLOAD_KEPT, "payload-kept", "the payload of a finished branch stays in memory")            \
    X(ENDED_KEPT, "ended-kept", "transactions that have ended stay in memory")                     \
    X(FORGOTTEN_COLLECTED, "forgotten-collected",                                                  \
      "a commit that an operator forgot is collected before all branches have acknowledged")

// Those of tcc, sagas and messages: found out where these are played.
// X(identifier, name, protocol, what it breaks)
#define MUTANTS_OF_BUSINESS(X)                                                                     \
    X(ADMISSION_LAZY, "admission-lazy", "tcc", "what is admitted is written without a sync")       \
    X(ASKED_EARLY, "asked-early", "tcc",                                                           \
      "branches are asked for before what is admitted is durable")                                 \
    X(ENLISTED_EARLY, "enlisted-early", "tcc",                                                     \
      "a branch is said to be enlisted before that is on record")                                  \
    X(CHANGE_UNWRITTEN, "change-unwritten", "tcc",                                                 \
      "a branch that is enlisted while another one is written down is not")                        \
    X(NESTED_EARLY, "nested-early", "tcc",                                                         \
      "a branch is said to be nested before that is on record")                                    \
    X(NESTED_NOT_AWAITED, "nested-not-awaited", "tcc",                                             \
      "the decision does not wait for the votes of nested branches")                               \
    X(ACCEPTED_EARLY, "accepted-early", "saga",                                                    \
      "a transaction is said to be accepted before its admission is durable")                      \
    X(ADMISSION_FORGOTTEN, "admission-forgotten", "saga",                                          \
      "what was admitted is forgotten at a restart")                                               \
    X(ADMISSION_CLOSED, "admission-closed", "saga",                                                \
      "what is admitted is stored like what has ended")                                            \
    X(ADMISSION_STANDS, "admission-stands", "saga",                                                \
      "an admission is taken for a decision that stands")                                          \
    X(ASKED_FORGOTTEN, "asked-forgotten", "tcc",                                                   \
      "after a restart nothing of what was only admitted is undone")                               \
    X(ASKED_UNRECORDED, "asked-unrecorded", "tcc",                                                 \
      "the decision does not say which branches had been asked")                                   \
    X(CONTENT_UNRECORDED, "content-unrecorded", "saga",                                            \
      "the record of the decision drops what is still to be done")                                 \
    X(PLAN_IGNORED, "plan-ignored", "saga",                                                        \
      "the same steps in another plan pass for the same request")                                  \
    X(TRIED_ALONE, "tried-alone", "tcc",                                                           \
      "one try alone is delegated like a branch of two-phase commit")                              \
    X(NO_NOT_UNDONE, "no-not-undone", "tcc", "who said no to business is not told to undo it")     \
    X(STEP_EARLY, "step-early", "saga",                                                            \
      "a step waits for one of those before it, and not for all")                                  \
    X(PIVOT_EARLY, "pivot-early", "saga",                                                          \
      "the pivot waits only for the steps that it comes after")                                    \
    X(DECISION_NOT_AWAITED, "decision-not-awaited", "saga",                                        \
      "steps after the pivot are asked for before the decision is durable")                        \
    X(COMPENSATED_ANYHOW, "compensated-anyhow", "saga", "steps are compensated all at once")       \
    X(UNSURE_LEFT_OUT, "unsure-left-out", "saga",                                                  \
      "a step that may have been done or not is not compensated")                                  \
    X(KEPT_UNDONE, "kept-undone", "saga", "a step that has no compensation is compensated")        \
    X(ATTEMPT_REUSED, "attempt-reused", "saga",                                                    \
      "a step that failed is asked for again in the same attempt")                                 \
    X(RETRY_IS_PROMISE, "retry-is-promise", "saga",                                                \
      "a step that says that it failed for now is taken to be done")                               \
    X(RESULT_OF_ANOTHER, "result-of-another", "saga",                                              \
      "a step is given the result of the first step as that of all others")                        \
    X(RESULTS_UNREAD, "results-unread", "saga",                                                    \
      "what steps have returned is forgotten at a restart of the coordinator")                     \
    X(SENT_ANYWAY, "sent-anyway", "message",                                                       \
      "a message is sent although its sender says that nothing happened")                          \
    X(SILENCE_IS_NO, "silence-is-no", "message",                                                   \
      "a sender that does not answer is taken to say that nothing happened")                       \
    X(NEVER_ASKED_BACK, "never-asked-back", "message",                                             \
      "the sender of a message of which nothing is heard is not asked")                            \
    X(HELD_DROPPED, "held-dropped", "message",                                                     \
      "messages that are not sent yet are dropped at a shutdown")                                  \
    X(DELAY_IGNORED, "delay-ignored", "message", "a message is delivered before its time")         \
    X(RETRY_IS_DELIVERED, "retry-is-delivered", "message",                                         \
      "a delivery that failed for now is taken to be done")                                        \
    X(END_LAZY, "end-lazy", "tcc",                                                                 \
      "participants are told of an end that is written without a sync")                            \
    X(DECIDED_IS_ENDED, "decided-is-ended", "tcc",                                                 \
      "who asks whether all has ended is told so when it is only decided")                         \
    X(DELIVERED_EARLY, "delivered-early", "message",                                               \
      "a delivery is acknowledged before it is in the journal")                                    \
    X(RENEWED_IS_NEW, "renewed-is-new", "saga",                                                    \
      "a step that is asked for in a newer attempt is rolled back first")                          \
    X(RENEWED_UNFENCED, "renewed-unfenced", "saga",                                                \
      "a newer attempt of a finished branch does not hold it in memory")                           \
    X(RESULT_FORGOTTEN, "result-forgotten", "saga",                                                \
      "a participant forgets at a restart what a step has returned")                               \
    X(END_FORGOTTEN, "end-forgotten", "tcc",                                                       \
      "a participant forgets at a restart what is finished and not ended")                         \
    X(CONTENT_UNUSED, "content-unused", "tcc",                                                     \
      "what a rollback brings with it for a branch that is not known is not used")                 \
    X(KEPT_NOT_BARRED, "kept-not-barred", "saga",                                                  \
      "a step that is kept may be done after it was told that all is over")                        \
    X(BUSY_IS_NO, "busy-is-no", "saga",                                                            \
      "a participant that has no room for a branch says no to it")                                 \
    X(DONE_HOLD_PLACES, "done-hold-places", "saga",                                                \
      "steps that are done hold the places of those that are to come")                             \
    X(FORGOTTEN_AT_END, "forgotten-at-end", "saga",                                                \
      "what has ended is forgotten before the fence has passed it")                                \
    X(END_UNHEARD, "end-unheard", "tcc",                                                           \
      "what the fence has passed is forgotten before it has ended")                                \
    X(END_NEVER_ASKED, "end-never-asked", "tcc",                                                   \
      "a participant that was not told of the end never asks")                                     \
    X(FORGET_ONCE, "forget-once", "saga",                                                          \
      "a resource manager that fails to forget is not asked again")                                \
    X(ACCEPTED_IS_ENOUGH, "accepted-is-enough", "message",                                         \
      "a client that waits for the outcome is content with an admission")                          \
    X(TIMEOUT_IS_ACCEPTED, "timeout-is-accepted", "saga",                                          \
      "a client that hears nothing in time reports that all is accepted")                          \
    X(PLANS_ALIKE, "plans-alike", "saga",                                                          \
      "a client takes another plan for that of a request that it has sent")

// Those of the quorum's cores, which unit-quorum_random breaks, and the simulator with --mutant, in
// 3pc; the gate does not count them, as not all are found out by seeds alone.
#define MUTANTS_OF_QUORUM(X)                                                                       \
    X(SKEEN, "skeen",                                                                              \
      "textbook 3PC: who does not answer in time is down, and no majority is needed")              \
    X(QUORUM_OF_HALF, "quorum-of-half", "half of the branches pass for a majority")                \
    X(ATTEMPT_IGNORED, "attempt-ignored",                                                          \
      "that somebody has pre-committed counts, and not in which attempt")                          \
    X(TRY_EARLY, "try-early", "a pre-commit is acknowledged before it is in the journal")          \
    X(PROMISE_FORGOTTEN, "promise-forgotten",                                                      \
      "after a restart a branch joins elections below its horizon")                                \
    X(REFUSAL_UNRECORDED, "refusal-unrecorded",                                                    \
      "that a branch will not vote any more is told before it is in the journal")                  \
    X(COORDINATOR_ABORTS_LATE, "coordinator-aborts-late",                                          \
      "the coordinator aborts by itself though it has attempted a commit")

enum mutant {
#define X(identifier, name, about) MUTANT_##identifier,
    MUTANTS(X)
#undef X
#define X(identifier, name, protocol, about) MUTANT_##identifier,
        MUTANTS_OF_BUSINESS(X)
#undef X
            MUTANT_COUNT,
    MUTANT_BEFORE_QUORUM = MUTANT_COUNT - 1,
#define X(identifier, name, about) MUTANT_##identifier,
    MUTANTS_OF_QUORUM(X)
#undef X
};

#ifdef ASSENT_MUTANTS
extern int mutant_active; // -1: none
#define MUTANT(identifier) (mutant_active == MUTANT_##identifier)
#else
#define MUTANT(identifier) false
#endif

#endif
