// SPDX-License-Identifier: Apache-2.0
//
// The client's side of libassent: global transactions over branches at any number of participants.
//
//     assent_client *client;
//     assent_tx *tx;
//     assent_result result;
//     assent_client_open(NULL, &client, &error);
//     assent_begin(client, NULL, NULL, &tx, &error);
//     assent_call(tx, "bank-a", "debit 7 100", 11, NULL, &error);
//     assent_call(tx, "bank-b", "credit 9 100", 12, NULL, &error);
//     assent_commit(tx, &result, &error);       // result.outcome: committed or aborted
//     assent_tx_destroy(&tx);
//     assent_client_close(&client);
//
// Thread-safety: an assent_client may be used by any number of threads. An assent_tx belongs to one
// thread at a time. Callbacks run only inside assent_client_dispatch, on the thread that calls it.
#ifndef ASSENT_CLIENT_H
#define ASSENT_CLIENT_H

#include <stddef.h>
#include <stdint.h>

#include "assent/error.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct assent_client assent_client;
typedef struct assent_tx assent_tx;

typedef struct assent_client_options {
    const char *endpoint;    // NULL: $ASSENT_ENDPOINT, else assentd's default
    const char *name;        // program, shown to operators. NULL: the process's own
    const char *certificate; // CURVE secret certificate file; NULL: $ASSENT_CERTIFICATE, none
    const char
        *server_certificate; // coordinator's public certificate; NULL: $ASSENT_SERVER_CERTIFICATE
    uint32_t connect_timeout_ms; // how long begin waits for a coordinator; 0: 10,000
    uint32_t answer_timeout_ms;  // how long enlist, rollback and status wait for their answer, and
                                 // commit past the transaction's own timeout; 0: 10,000
    uint32_t in_flight_max; // requests whose answer was not delivered yet; past it ASSENT_BUSY; 0:
                            // 65,536
} assent_client_options;

// What a transaction does, and what its branches are added with. docs/protocols has a chapter each.
typedef enum assent_protocol {
    ASSENT_2PC = 0,     // two-phase commit: assent_call, assent_enlist
    ASSENT_3PC = 2,     // three-phase commit: likewise; a majority of the branches can finish it
    ASSENT_TCC = 3,     // try, confirm, cancel: assent_call, assent_enlist_with
    ASSENT_SAGA = 4,    // actions with compensations: assent_step
    ASSENT_MESSAGE = 5, // a transactional message: assent_sender, assent_deliver, assent_publish
} assent_protocol;

typedef struct assent_tx_options {
    uint32_t timeout_ms; // the coordinator aborts an undecided transaction then; 0: its default, a
                         // saga: no limit (commit then waits as if that were 60,000). A message:
                         // when its sender is asked whether it is to be sent
    int wait_done; // 1: commit waits until every branch has finished; when its time is up before
                   // that, the outcome is returned with `finished` 0
    assent_protocol protocol;
} assent_tx_options;

typedef enum assent_outcome {
    ASSENT_IN_PROGRESS = 0, // not decided yet, or not known in time: ask again with assent_status
    ASSENT_COMMITTED = 1,
    ASSENT_ABORTED = 2,
    ASSENT_OUTCOME_UNKNOWN = 3, // the coordinator knows nothing of that gtid
} assent_outcome;

typedef enum assent_reason {
    ASSENT_REASON_NONE = 0,
    ASSENT_REASON_VOTED_NO = 1,  // `branch` voted no
    ASSENT_REASON_TIMEOUT = 2,   // the transaction's own time was up
    ASSENT_REASON_NO_VOTE = 3,   // `branch` did not vote in time
    ASSENT_REASON_CANCELLED = 4, // the application rolled back
    ASSENT_REASON_OPERATOR = 5,  // an operator aborted it
    ASSENT_REASON_PRESUMED = 6,  // the coordinator restarted before it was decided
    ASSENT_REASON_SHUTDOWN = 7,  // the coordinator was shutting down
    ASSENT_REASON_MANAGER = 8,   // `branch` was alone, and its resource manager rolled it back
                                 // although it had promised to commit
} assent_reason;

#define ASSENT_GTID_MAX 64
#define ASSENT_TEXT_MAX 160

// Bits of assent_result.mixed.
#define ASSENT_MIXED_BY_OPERATOR 1 // an operator's word
#define ASSENT_MIXED_BY_MANAGER  2 // a resource manager, by a decision of its own

typedef struct assent_result {
    char gtid[ASSENT_GTID_MAX + 1];
    assent_outcome outcome;
    assent_reason reason; // when aborted
    int branch;           // that the reason speaks of; -1: none
    int mixed;    // not 0: a heuristic made, or may have made, branches differ; whose it was
                  // say the bits ASSENT_MIXED_BY_
    int finished; // 1: every branch has reached the outcome
    char text[ASSENT_TEXT_MAX + 1]; // in words, such as a participant's reason for its no, or which
                                    // branch its resource manager ended by itself
} assent_result;

// Starts a client: one I/O thread that connects, and reconnects, in the background. `options` may
// be NULL; it is copied. On success the caller owns *ret. Does not wait for the coordinator.
// Errors: ASSENT_INVALID, ASSENT_NOMEM, ASSENT_IO, ASSENT_CONFIG.
ASSENT_API int assent_client_open(const assent_client_options *options, assent_client **ret,
                                  assent_error *error);

// Stops the client and sets *client_p to NULL. Requests in flight complete with ASSENT_CLOSED
// (their callbacks run here); the transactions themselves go on at the coordinator. Transactions
// must have been destroyed, or not be used any more other than by assent_tx_destroy. Threads that
// wait in other functions are woken with ASSENT_CLOSED, but none may be in assent_client_dispatch.
ASSENT_API void assent_client_close(assent_client **client_p);

// Waits until the coordinator has answered, at most timeout_ms (-1: no limit). ASSENT_OK,
// ASSENT_UNAVAILABLE (the message says what is in the way), ASSENT_CLOSED.
ASSENT_API int assent_client_wait(assent_client *client, int timeout_ms, assent_error *error);

// Begins a transaction. With gtid NULL the coordinator's next gtid is taken (no round trip while
// the lease lasts); else `gtid` is the caller's own: 1..64 bytes of [A-Za-z0-9._:-], the same
// request under the same gtid is the same transaction, as long as the coordinator remembers
// outcomes (its configured retention). The caller owns *ret. `options` may be NULL. Errors:
// ASSENT_INVALID, ASSENT_UNAVAILABLE (no coordinator in time), ASSENT_NOMEM, ASSENT_CLOSED.
ASSENT_API int assent_begin(assent_client *client, const char *gtid,
                            const assent_tx_options *options, assent_tx **ret, assent_error *error);

// NUL-terminated, valid as long as tx.
ASSENT_API const char *assent_tx_gtid(const assent_tx *tx);

// Adds a branch whose work the coordinator carries: on commit, the participant `resource` is given
// the payload (copied; at most 64 KiB), does the work and votes, in one round trip. No I/O here.
// *ret_branch (may be NULL): its number. Errors: ASSENT_INVALID, ASSENT_LIMIT, ASSENT_NOMEM,
// ASSENT_STATE (already committed or rolled back).
ASSENT_API int assent_call(assent_tx *tx, const char *resource, const void *payload, size_t size,
                           uint16_t *ret_branch, assent_error *error);

// Adds a branch for work that the application does at `resource` itself, under this gtid and the
// branch number returned. Call it before that work: once it returns ASSENT_OK the coordinator will
// finish the branch even if this process dies. One round trip. Errors: as assent_call, and
// ASSENT_UNAVAILABLE, ASSENT_DENIED, ASSENT_CONFLICT, ASSENT_BUSY: without effect; ASSENT_TIMEOUT,
// ASSENT_CLOSED: not answered, and then the transaction can only be rolled back.
ASSENT_API int assent_enlist(assent_tx *tx, const char *resource, uint16_t *ret_branch,
                             assent_error *error);

// Says of an enlisted branch of two-phase or three-phase commit that nothing was changed and
// nothing is held there any more (an XA resource manager answered XA_RDONLY): the participant is
// not asked for its vote. No I/O here; it travels with assent_commit. Errors: ASSENT_INVALID (no
// such enlisted branch), ASSENT_STATE (already committed or rolled back).
ASSENT_API int assent_read_only(assent_tx *tx, uint16_t branch, assent_error *error);

// As assent_enlist, for a tcc transaction: the payload (copied; at most 64 KiB) is what the
// participant is given with confirm or cancel. Durable at the coordinator once it returns.
ASSENT_API int assent_enlist_with(assent_tx *tx, const char *resource, const void *payload,
                                  size_t size, uint16_t *ret_branch, assent_error *error);

// How a step of a saga is taken. All 0: after the step that was added before it, tried for ever.
typedef struct assent_step_options {
    const uint16_t *after; // numbers of the steps that must have succeeded before it begins,
    size_t after_count;    // so many; see `anywhere`
    int anywhere;          // 1: `after` is all it waits for, with none it begins at once. 0, and no
                           // `after`: it waits for the step that was added before it
    int pivot; // 1: once it has succeeded the saga only goes forward; at most one step. It waits
               // for every step that does not come after it
    int kept;  // 1: it cannot be compensated; where the saga is, what it did is kept
    uint16_t attempts;       // compensate after so many that failed; 0: no limit. After the pivot,
                             // or after the decision, steps are tried for ever
    uint32_t timeout_ms;     // of one attempt; 0: the coordinator's phase-one timeout
    uint32_t backoff_ms;     // before the second attempt, then doubled; 0: the coordinator's
    uint32_t backoff_max_ms; // but at most so long; 0: the coordinator's
} assent_step_options;

// Adds a step to a saga: an action that the participant `resource` is asked for with the payload
// (copied; 96 KiB for all steps together), and, should the saga be given up after it, its
// compensation. *ret_step (may be NULL): its number. `options` may be NULL. Errors as assent_call.
ASSENT_API int assent_step(assent_tx *tx, const char *resource, const void *payload, size_t size,
                           const assent_step_options *options, uint16_t *ret_step,
                           assent_error *error);

// Says on whose behalf a message is sent: the participant `resource` is asked whether the local
// transaction of this gtid happened when the application does not say so in time. To be called
// before any consumer is added. Errors as assent_call.
ASSENT_API int assent_sender(assent_tx *tx, const char *resource, assent_error *error);
// Adds a consumer: the payload (copied) is delivered to the participant `resource`, delay_ms after
// the message was submitted, until it takes it. Errors as assent_call.
ASSENT_API int assent_deliver(assent_tx *tx, const char *resource, const void *payload, size_t size,
                              uint32_t delay_ms, assent_error *error);
// Likewise, to every participant that subscribes to the topic in the coordinator's configuration
// at the time when the message is prepared, or submitted. Errors as assent_call; an unknown topic
// is told by what comes next.
ASSENT_API int assent_publish(assent_tx *tx, const char *topic, const void *payload, size_t size,
                              uint32_t delay_ms, assent_error *error);

// Prepares a message: once it returns ASSENT_OK the coordinator will find out what becomes of it,
// even if this process dies. Then run the local transaction, with the sender's barrier in it, then
// assent_submit or assent_commit, or assent_rollback. Errors as assent_submit.
ASSENT_API int assent_prepare(assent_tx *tx, assent_error *error);

// Hands a saga, a tcc transaction of calls or a message over: once it returns ASSENT_OK it is
// durable at the coordinator and will be gone on with, even if this process dies. The outcome can
// be had by assent_commit (which waits for it) or assent_status. Errors as assent_commit;
// ASSENT_INVALID for two-phase and three-phase commit, whose outcome an application waits for.
ASSENT_API int assent_submit(assent_tx *tx, assent_error *error);

// Commits, and waits for the outcome: at most the transaction's timeout and `answer_timeout_ms`
// more. ASSENT_OK: *ret tells the outcome, which may be ASSENT_ABORTED. ASSENT_TIMEOUT and
// ASSENT_CLOSED: the outcome is not known here; ask again (assent_commit, or assent_status later).
// Any other code: nothing was done, and assent_commit may be tried again: ASSENT_UNAVAILABLE (no
// coordinator was reached, or it is shutting down), ASSENT_BUSY, ASSENT_LIMIT, ASSENT_DENIED,
// ASSENT_CONFLICT, ASSENT_STATE, ASSENT_NOMEM, ASSENT_INVALID (no branches).
ASSENT_API int assent_commit(assent_tx *tx, assent_result *ret, assent_error *error);

// Rolls back, and waits for the answer, which may be ASSENT_COMMITTED where a commit was under way.
// A transaction of which the coordinator has not heard is simply dropped. Errors: as
// assent_status, and ASSENT_STATE (it has ended already).
ASSENT_API int assent_rollback(assent_tx *tx, assent_result *ret, assent_error *error);

// `code` is ASSENT_OK when `result` tells the outcome; otherwise as for assent_commit, and `result`
// has the gtid and, in `text`, the message. The arguments are valid during the call. The callback
// may use any function of this header except assent_client_close and assent_client_dispatch, but
// should not wait (use the asynchronous forms).
typedef void assent_done(void *arg, int code, const assent_result *result);

// As assent_commit, but returns at once; `done` is called once, later, by assent_client_dispatch.
// When it returns other than ASSENT_OK, `done` will not be called. The tx may be destroyed at any
// time after the call.
ASSENT_API int assent_commit_async(assent_tx *tx, assent_done *done, void *arg,
                                   assent_error *error);

// Calls the callbacks of what has completed, waiting at most timeout_ms (0: not at all, -1: no
// limit) for the first. Returns how many were called; 0 also when a signal came. One thread at a
// time.
ASSENT_API int assent_client_dispatch(assent_client *client, int timeout_ms);

// Readable while assent_client_dispatch has something to do: for poll(2) and event loops. Owned by
// the client.
ASSENT_API int assent_client_fd(const assent_client *client);

// What became of a gtid. ASSENT_OUTCOME_UNKNOWN is an answer too. Errors: ASSENT_UNAVAILABLE (no
// coordinator was reached), ASSENT_TIMEOUT, ASSENT_DENIED (another principal's), ASSENT_BUSY,
// ASSENT_INVALID, ASSENT_CLOSED.
ASSENT_API int assent_status(assent_client *client, const char *gtid, assent_result *ret,
                             assent_error *error);

// Releases the handle and sets *tx_p to NULL. One that was neither committed nor rolled back is
// left to the coordinator, which aborts it when its time is up.
ASSENT_API void assent_tx_destroy(assent_tx **tx_p);

// "committed", "aborted", "in progress", "unknown". Thread-safe, constant.
ASSENT_API const char *assent_outcome_text(assent_outcome outcome);
// "a branch voted no", ... Thread-safe, constant.
ASSENT_API const char *assent_reason_text(assent_reason reason);
// The library's version, such as "0.1.0".
ASSENT_API const char *assent_version(void);

#ifdef __cplusplus
}
#endif
#endif
