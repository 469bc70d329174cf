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

typedef struct assent_tx_options {
    uint32_t timeout_ms; // the coordinator aborts an undecided transaction then; 0: its default
                         // (commit then waits as if that were 60,000)
    int wait_done; // 1: commit waits until every branch has finished; when its time is up before
                   // that, the outcome is returned with `finished` 0
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
} assent_reason;

#define ASSENT_GTID_MAX 64
#define ASSENT_TEXT_MAX 160

typedef struct assent_result {
    char gtid[ASSENT_GTID_MAX + 1];
    assent_outcome outcome;
    assent_reason reason; // when aborted
    int branch;           // that the reason speaks of; -1: none
    int mixed;            // 1: an operator's heuristic made, or may have made, branches differ
    int finished;         // 1: every branch has reached the outcome
    char text[ASSENT_TEXT_MAX + 1]; // in words, such as a participant's reason for its no
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
