// SPDX-License-Identifier: Apache-2.0
//
// The participant's side of libassent: a process that owns a resource manager (a database, a queue,
// its own files) and answers for branches of global transactions.
//
// The library keeps the protocol: it receives prepare, commit and rollback, makes votes durable in
// a journal before they are sent, answers duplicates, and after a restart asks what became of the
// branches in doubt. The resource manager supplies handlers, called from a pool of worker threads;
// calls for one branch never overlap.
//
// Each protocol has handlers of its own, and a participant may have those of any: prepare, commit
// and rollback are two-phase commit's, and three-phase commit's, which calls them alike; try_,
// confirm and cancel tcc's; action and compensate are called for the steps of sagas; deliver and
// check_back for transactional messages. What a participant has no handlers for it refuses, with a
// reason.
#ifndef ASSENT_PARTICIPANT_H
#define ASSENT_PARTICIPANT_H

#include <stddef.h>
#include <stdint.h>

#include "assent/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assent_participant assent_participant;
typedef struct assent_recovery assent_recovery;

typedef enum assent_vote {
    ASSENT_VOTE_YES = 1,       // prepared: can commit and can roll back, whatever happens
    ASSENT_VOTE_NO = 2,        // cannot; the work is undone already
    ASSENT_VOTE_READ_ONLY = 3, // nothing was changed and nothing is held: no more calls will come
} assent_vote;

typedef enum assent_done_code {
    ASSENT_DONE = 0,  // done, or had been done before
    ASSENT_RETRY = 1, // failed for now: call again later (with backoff, for ever)
    // Only of `commit` and `rollback`: the resource manager had ended the branch by a decision of
    // its own, and so:
    ASSENT_HEURISTIC_COMMIT = 2,   // all of it is committed
    ASSENT_HEURISTIC_ROLLBACK = 3, // all of it is rolled back
    ASSENT_HEURISTIC_MIXED = 4,    // some of it is committed, some is rolled back
    ASSENT_HEURISTIC_HAZARD = 5,   // it may be any of these
} assent_done_code;

typedef enum assent_action_code {
    ASSENT_ACTION_DONE = 1,   // done, or had been done before
    ASSENT_ACTION_FAILED = 2, // cannot be done, and will not be: nothing of it is left
    ASSENT_ACTION_RETRY = 3,  // failed for now, or nobody knows: ask again, as the saga's plan says
} assent_action_code;

typedef enum assent_check_code {
    ASSENT_CHECK_HAPPENED = 1,       // the message's local transaction was committed
    ASSENT_CHECK_DID_NOT_HAPPEN = 2, // and cannot any more: the barrier sees to it
    ASSENT_CHECK_RETRY = 3,          // it may still be running, or nobody knows: ask again later
} assent_check_code;

#define ASSENT_ANSWER_MAX 512

// What an action returns: for the steps after it, and for its own compensation.
typedef struct assent_answer {
    size_t size; // in bytes, at most ASSENT_ANSWER_MAX
    unsigned char data[ASSENT_ANSWER_MAX];
} assent_answer;

// A branch, as handlers see it. Pointers are valid during the call and never NULL; what is not
// known has the size 0.
typedef struct assent_branch {
    assent_participant *participant; // that has it
    const char *gtid;
    uint16_t branch;
    int enlisted; // 1: the application did the work here itself; in two-phase and three-phase
                  // commit there is no payload then
    const void *payload;
    size_t size;    // of the payload, in bytes
    const char *id; // printable, at most 128 bytes. "2pc" and "3pc": unique to this run of this
                    // branch, the name under which a database should hold the prepared work; other
                    // protocols: "gtid/branch", as a gtid runs only once in them
    unsigned tries; // how often this very call was made before and failed
    // Texts that live for ever. For `ended` of a branch that is not known here: "".
    const char *protocol;  // "2pc", "3pc", "tcc", "saga", "message". One branch alone of
                           // three-phase commit is "2pc": it has nobody to agree with
    const char *kind;      // "call", "enlisted", "step", "sender", "consumer"; "" where not known
    const char *operation; // "prepare", "commit", "rollback", "forget", "try", "confirm",
                           // "cancel", "action", "compensate", "deliver", "check", "ended"
    const void *result;    // compensate: what the action had returned
    size_t result_size;    // in bytes
    const void *inputs;    // action: see assent_branch_input
    size_t inputs_size;
} assent_branch;

// What an earlier step of the saga has returned to this one, which comes after it: for `action`.
// *ret_size (may be NULL): its size in bytes. Valid during the call. NULL, and *ret_size untouched,
// where this step does not come after that one, directly or not at all. Thread-safe.
ASSENT_API const void *assent_branch_input(const assent_branch *branch, uint16_t step,
                                           size_t *ret_size);

// For `try_` only: the transaction needs one more branch, at `resource`, which is tried, and
// confirmed or cancelled with all the others; so it is even if this process dies now. Call it
// before the work here rests on it. `index`, 0 to 63, is this branch's own name for it: when the
// same try is called again, the same index is the same nested branch, with the same content. The
// payload is copied; at most 64 KiB. *ret_branch (may be NULL): its number.
//   call:   the participant `resource` is given the payload, and does the work
//   enlist: for work that this handler does there itself, under the gtid and the number returned,
//           after this has returned; the payload comes with confirm or cancel
// Waits until the coordinator has answered, or until it has given this try up. Thread-safe. Errors:
// ASSENT_INVALID; ASSENT_LIMIT; ASSENT_STATE (this is no try, or its transaction has gone on
// without it: vote no); ASSENT_BUSY (this index is being asked for in another thread);
// ASSENT_NOMEM; ASSENT_CLOSED (the participant is being closed), or what it stopped for; and what
// the coordinator refuses it for. On failure there may be such a branch all the same, so vote no,
// or ask again.
ASSENT_API int assent_nested_call(const assent_branch *branch, uint16_t index, const char *resource,
                                  const void *payload, size_t size, uint16_t *ret_branch,
                                  assent_error *error);
ASSENT_API int assent_nested_enlist(const assent_branch *branch, uint16_t index,
                                    const char *resource, const void *payload, size_t size,
                                    uint16_t *ret_branch, assent_error *error);

#define ASSENT_NO_REASON_MAX 160

typedef struct assent_handlers {
    // Do the work of a call (or make firm the work that the application did) so that both commit
    // and rollback remain possible, and vote. With ASSENT_VOTE_NO a reason may be written to `why`
    // (ASSENT_NO_REASON_MAX bytes and a NUL). It may be called again for the same branch id after a
    // crash of this process.
    assent_vote (*prepare)(void *context, const assent_branch *branch, char *why);
    // Must be idempotent: a branch that is not (any more) prepared is ASSENT_DONE.
    assent_done_code (*commit)(void *context, const assent_branch *branch);
    // Likewise; also called for branches of which prepare was never called, or voted no to nobody.
    assent_done_code (*rollback)(void *context, const assent_branch *branch);
    // Optional: a heuristic that commit or rollback answered is recorded at the coordinator, so
    // that the resource manager may forget it. Comes again until it is ASSENT_DONE, and once more
    // after a crash: what is not known (any more) is ASSENT_DONE.
    assent_done_code (*forget)(void *context, const assent_branch *branch);
    // Optional: called once at start, before anything else. Report each branch that the resource
    // manager holds prepared, or has ended by itself and not forgotten (XA lists both), with
    // assent_recovery_add. Those whose vote was never given are rolled
    // back, the others are finished as their coordinator decided. Returns 0, or other than 0 to
    // make assent_participant_open fail.
    int (*recover)(void *context, assent_recovery *recovery);

    // Handlers of the other protocols call business code. Every one of them may be called again
    // for the same branch, and some in an order that surprises; the barrier (assent/barrier.h)
    // deals with that inside the local transaction in which a handler does its work. A reason may
    // be written to `why` (ASSENT_NO_REASON_MAX bytes and a NUL) whenever the answer is not the
    // good one.

    // tcc, all three or none. try_ reserves, and votes as `prepare` does; after a yes both confirm
    // and cancel must be possible, whatever happens. cancel is also called where try_ was never
    // called, or is still to come: that must then do nothing, and vote no.
    assent_vote (*try_)(void *context, const assent_branch *branch, char *why);
    assent_done_code (*confirm)(void *context, const assent_branch *branch);
    assent_done_code (*cancel)(void *context, const assent_branch *branch);

    // Steps of sagas. `answer` is empty when action is called; what it holds after
    // ASSENT_ACTION_DONE is made durable with the vote. compensate undoes what action did, with
    // branch->result at hand; it is also called where it is not known whether action did anything,
    // or was called at all. compensate may be missing where every step that comes here is one that
    // is kept: should a compensation be asked for all the same, it stays unanswered.
    assent_action_code (*action)(void *context, const assent_branch *branch, assent_answer *answer,
                                 char *why);
    assent_done_code (*compensate)(void *context, const assent_branch *branch);

    // Messages. deliver: the consumer takes it; ASSENT_RETRY: not now, it comes again, for ever or
    // until an operator gives it up. check_back: did the local transaction happen that the message
    // goes with? After ASSENT_CHECK_DID_NOT_HAPPEN it must not be able to happen any more.
    assent_done_code (*deliver)(void *context, const assent_branch *branch, char *why);
    assent_check_code (*check_back)(void *context, const assent_branch *branch, char *why);

    // Optional, for all but two-phase and three-phase commit: the whole transaction has ended and
    // nobody will ask about this branch any more, so that its rows of the barrier may go. Also
    // called for branches that this participant knows nothing of (any more), and then not again
    // when it fails.
    assent_done_code (*ended)(void *context, const assent_branch *branch);
} assent_handlers;

typedef struct assent_participant_options {
    const char *resource;           // required: the name that clients use; 1..64 of [A-Za-z0-9._:-]
    const char *journal_dir;        // required: a directory of its own; created when missing, in
                                    // a directory that is there
    const char *endpoint;           // NULL: $ASSENT_ENDPOINT, else assentd's default
    const char *certificate;        // as in assent_client_options
    const char *server_certificate; // as in assent_client_options
    unsigned workers;               // threads that call the handlers; 0: 4
    int rm_durable; // 1: the resource manager itself keeps what it prepared across a crash, and
                    // `recover` (then required) reports it; the journal leaves out the vote
                    // of two-phase commit. It keeps those of enlisted branches, whose work the
                    // resource manager holds under the application's name for it, and those of
                    // three-phase commit

    // How the participants of a transaction speak to each other when the coordinator is silent: in
    // three-phase commit they finish it among themselves, in two-phase commit those in doubt ask
    // who knows. "ipc://PATH" for those of this user on this machine, or
    // "tcp://ADDRESS:PORT" with the certificate above. NULL: $ASSENT_PEER_ENDPOINT, else, where the
    // coordinator is reached over ipc, JOURNAL_DIR.peers (made when it can be). "": none; its
    // branches wait for the coordinator then.
    const char *peer_endpoint;
    const char *peer_address;        // where the others find that, when it is not as they see it
                                     // (tcp://*); NULL: $ASSENT_PEER_ADDRESS, else the endpoint
    const char *peer_authorized_dir; // public certificates of participants that may come in there
                                     // and are spoken to, as in assentd's authorized-dir, read anew
                                     // every ten seconds; NULL: $ASSENT_PEER_AUTHORIZED_DIR
    unsigned suspect_ms; // milliseconds in doubt without a word of the coordinator until the others
                         // are asked; the same at all participants; 0: 6000
} assent_participant_options;

// Opens the journal (checked in full), runs recovery, starts the threads and connects in the
// background. Options and handlers are copied; `context` is handed to every handler. The caller
// owns *ret. `recover` runs on the calling thread, the other handlers on others, perhaps before
// this returns. Errors: ASSENT_INVALID (also: handlers of no protocol, or only some of those that
// belong together), ASSENT_CONFIG (the endpoint or a certificate), ASSENT_CORRUPT, ASSENT_BEHIND,
// ASSENT_LOCKED, ASSENT_IO, ASSENT_STATE (`recover` failed, or the journal has unfinished branches
// of a protocol that there are no handlers for), ASSENT_NOMEM.
ASSENT_API int assent_participant_open(const assent_participant_options *options,
                                       const assent_handlers *handlers, void *context,
                                       assent_participant **ret, assent_error *error);

// Waits for handler calls that are running (no new ones begin), makes what they did durable, stops
// and sets *participant_p to NULL. Branches in doubt stay in doubt and are finished after the next
// open. Not to be called from a handler.
ASSENT_API void assent_participant_close(assent_participant **participant_p);

// Waits until the coordinator has welcomed this participant, at most timeout_ms (-1: no limit).
// ASSENT_OK, ASSENT_UNAVAILABLE (the message says what is in the way), ASSENT_CLOSED, or what it
// stopped for. Thread-safe.
ASSENT_API int assent_participant_wait(assent_participant *participant, int timeout_ms,
                                       assent_error *error);

// Tells the library that the application started work here for an enlisted branch. If the
// coordinator then says that the transaction was aborted, or knows nothing of it, `rollback` is
// called. Optional, but without it work whose application and coordinator both died stays until the
// resource manager's own timeout. Thread-safe, also from handlers. Errors: ASSENT_INVALID,
// ASSENT_STATE (that branch has gone on or ended here), ASSENT_BUSY, ASSENT_CLOSED, or what it
// stopped for.
ASSENT_API int assent_participant_working(assent_participant *participant, const char *gtid,
                                          uint16_t branch, assent_error *error);

// Tells the library that the resource manager holds `branch_id` (the text of assent_branch.id)
// prepared, as `recover` does at start. What is known here goes its way; what is not, because the
// resource manager went on preparing when its connection was lost and the branch was given up, is
// rolled back, or asked about where the resource manager keeps the votes. Optional: else that waits
// for the next start. Thread-safe. Errors: ASSENT_INVALID, ASSENT_BUSY, ASSENT_CLOSED, or what it
// stopped for.
ASSENT_API int assent_participant_held(assent_participant *participant, const char *branch_id,
                                       assent_error *error);

typedef struct assent_participant_counts {
    uint64_t in_doubt;   // voted yes, decision not known
    uint64_t unfinished; // in memory and not finished, those in doubt included
    uint64_t prepared, committed, rolled_back, voted_no, read_only; // since open
    uint64_t records, syncs; // written to the journal since open; each sync makes many durable
    int connected;
    int failed; // ASSENT_OK, or why it stopped for good (the journal could not be written, ...)
} assent_participant_counts;
// Thread-safe.
ASSENT_API void assent_participant_count(const assent_participant *participant,
                                         assent_participant_counts *ret);

// Why the participant has stopped for good: the code, and *ret (may be NULL). ASSENT_OK, and *ret
// untouched, while it works. Thread-safe.
ASSENT_API int assent_participant_failure(const assent_participant *participant, assent_error *ret);

// Readable once the participant has stopped for good: nothing is answered any more, and the process
// should exit and start again. Owned by the participant.
ASSENT_API int assent_participant_fd(const assent_participant *participant);

// For `recover`: the resource manager holds `branch_id` (the text of assent_branch.id) prepared.
// ASSENT_INVALID when the text is none of ours (foreign prepared work: leave it alone).
ASSENT_API int assent_recovery_add(assent_recovery *recovery, const char *branch_id);

#ifdef __cplusplus
}
#endif
#endif
