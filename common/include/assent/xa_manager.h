// SPDX-License-Identifier: Apache-2.0
//
// Any resource manager that has an XA switch (assent/xopen/xa.h), as a participant: in
// libassent-xa. The functions below are what the handlers of assent/participant.h do for two-phase
// and three-phase commit; `context` of such handlers leads to the assent_xa.
//
// XA is per thread of control: each worker thread opens the resource manager for itself, the first
// time that it is called. Work is done between xa_start and xa_end on the thread that `work` is
// called on, which is where the resource manager's own interface (its SQL, say) finds its branch.
//
// A branch's XID: formatID ASSENT_XA_FORMAT, gtrid the gtid, bqual what follows it in
// assent_branch.id, then "/" and a hash of the resource's name (8 hexadecimal digits), so that two
// participants at one database leave each other's branches alone. Of an enlisted branch, which
// the application prepares itself and for which it cannot know an attempt, bqual is
// "<branch>/app/<hash>".
#ifndef ASSENT_XA_MANAGER_H
#define ASSENT_XA_MANAGER_H

#include "assent/participant.h"
#include "assent/xopen/xa.h"

#ifdef __cplusplus
extern "C" {
#endif

#define ASSENT_XA_FORMAT 0x41534E54L // "ASNT"

typedef struct assent_xa assent_xa;

typedef struct assent_xa_options {
    const char *resource;                // required: as in assent_participant_options
    const struct xa_switch_t *xa_switch; // the switch; or, when NULL:
    const char *library;                 // the shared object that exports it, as for dlopen(3),
    const char *symbol;                  // and its name there
    const char *open_string;             // at most MAXINFOSIZE - 1 bytes each; NULL: ""
    const char *close_string;
    int rmid; // of this resource manager in this process; each has its own
    // Does the work of a call, between xa_start and xa_end. After other than ASSENT_VOTE_YES the
    // branch is rolled back. NULL: calls are voted no; branches can only be enlisted.
    assent_vote (*work)(void *context, const assent_branch *branch, char *why);
    void *context; // of `work`
} assent_xa_options;

// Loads the switch where that is asked for, checks it, and opens the resource manager once on the
// calling thread. Options are copied. The caller owns *ret. Errors: ASSENT_INVALID, ASSENT_CONFIG
// (no such library or switch, or not fit for this), ASSENT_UNAVAILABLE (xa_open failed),
// ASSENT_NOMEM.
ASSENT_API int assent_xa_open(const assent_xa_options *options, assent_xa **ret,
                              assent_error *error);
// Closes the resource manager on the calling thread; others have closed it when they ended, as the
// participant's do in assent_participant_close, which comes first. Sets *xa_p to NULL.
ASSENT_API void assent_xa_close(assent_xa **xa_p);

// The handlers of assent/participant.h. Thread-safe.
ASSENT_API assent_vote assent_xa_prepare(assent_xa *xa, const assent_branch *branch, char *why);
// After that on the same thread: the answer of the switch that was in the way; XA_OK: none was.
// After a no with XA_RBDEADLOCK or XA_RBTRANSIENT the same branch may be prepared anew.
ASSENT_API int assent_xa_prepare_code(void);
ASSENT_API assent_done_code assent_xa_commit(assent_xa *xa, const assent_branch *branch);
ASSENT_API assent_done_code assent_xa_rollback(assent_xa *xa, const assent_branch *branch);
ASSENT_API assent_done_code assent_xa_forget(assent_xa *xa, const assent_branch *branch);
ASSENT_API int assent_xa_recover(assent_xa *xa, assent_recovery *recovery);

// Tells the participant of what the resource manager holds prepared: of enlisted branches (see
// assent_participant_working), so that those whose application and transaction are gone are rolled
// back, and of others (assent_participant_held), that it has prepared behind our back. To be called
// after assent_participant_open, and every so many seconds. Thread-safe.
ASSENT_API void assent_xa_watch(assent_xa *xa, assent_participant *participant);

// The XID of an enlisted branch of `resource`, for the application's side. ASSENT_INVALID.
ASSENT_API int assent_xid_enlisted(const char *gtid, uint16_t branch, const char *resource,
                                   XID *ret, assent_error *error);
// That of any branch, by assent_branch.id. ASSENT_INVALID.
ASSENT_API int assent_xid_branch(const char *branch_id, const char *resource, XID *ret,
                                 assent_error *error);

#define ASSENT_XID_TEXT_MAX 300
// What an XID says, for people and tools: of ours, ASSENT_XID_* and its parts.
typedef enum assent_xid_kind {
    ASSENT_XID_FOREIGN = 0,
    ASSENT_XID_CALL = 1,     // branch_id is set
    ASSENT_XID_ENLISTED = 2, // gtid, branch
} assent_xid_kind;
typedef struct assent_xid_parts {
    assent_xid_kind kind;
    char gtid[65];
    uint16_t branch;
    char branch_id[129];
    char resource_hash[9];
} assent_xid_parts;
ASSENT_API void assent_xid_parse(const XID *xid, assent_xid_parts *ret);
// The hash of a resource's name that its XIDs carry.
ASSENT_API void assent_xid_resource_hash(const char *resource, char ret[9]);

// "XA_OK", "XAER_NOTA", ...; "?" for no code of the specification. Thread-safe, constant.
ASSENT_API const char *assent_xa_code_text(int code);

#ifdef __cplusplus
}
#endif
#endif
