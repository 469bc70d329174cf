// SPDX-License-Identifier: Apache-2.0
//
// The barrier (assent/barrier.h) in a LevelDB of the participant's own, in libassent. LevelDB has
// no transactions: what one has instead is a batch, written at once and synced. So a call takes a
// *turn* of its branch, within which no other call for that branch gets past the barrier, collects
// its changes in a batch, and commits batch and row together:
//
//     assent_barrier_turn *turn;
//     assent_barrier_entry entry;
//     leveldb_writebatch_t *batch = NULL;
//     assent_barrier_leveldb_enter(b, gtid, branch, ASSENT_BARRIER_TRY, &turn, &entry, &error);
//     if (entry.verdict == ASSENT_BARRIER_RUN)
//         batch = work();     // NULL if the answer is no: then assent_barrier_leveldb_abandon
//     assent_barrier_leveldb_commit(&turn, batch, &error);
//
// The types are those of leveldb/c.h. The database must be one that this process opened through the
// same libleveldb that libassent is linked with. Open it with paranoid_checks: by default LevelDB
// opens a damaged log with part of it missing.
//
// Thread-safety: a barrier may be used by any number of threads; a turn belongs to the thread that
// entered. Turns of different branches do not wait for each other.
#ifndef ASSENT_BARRIER_LEVELDB_H
#define ASSENT_BARRIER_LEVELDB_H

#include "assent/barrier.h"

#ifdef __cplusplus
extern "C" {
#endif

struct leveldb_t;
struct leveldb_writebatch_t;

typedef struct assent_barrier_leveldb assent_barrier_leveldb;
typedef struct assent_barrier_turn assent_barrier_turn;

// Puts a barrier into `db`, which stays the caller's and must outlive it. One at a time for a
// database and prefix: turns of two do not see each other. Every key of the barrier begins with
// `prefix` (copied; at most 64 bytes; NULL: "assent_barrier/"), no key of the business may. The
// caller owns *ret. Errors: ASSENT_INVALID, ASSENT_NOMEM.
ASSENT_API int assent_barrier_leveldb_open(struct leveldb_t *db, const char *prefix,
                                           assent_barrier_leveldb **ret, assent_error *error);

// Releases it and sets *barrier_p to NULL. No turn may be open any more.
ASSENT_API void assent_barrier_leveldb_close(assent_barrier_leveldb **barrier_p);

// Waits for the branch's turn and says what is to be done in it. On success the caller owns *ret,
// and must end it with assent_barrier_leveldb_commit or _abandon; others wait for that. Errors:
// ASSENT_INVALID, ASSENT_NOMEM, ASSENT_STATE (this thread is in a turn of that branch already),
// ASSENT_CONFLICT (the branch has rows of another protocol), ASSENT_CORRUPT, ASSENT_IO (also when a
// write has failed before, see _commit).
ASSENT_API int assent_barrier_leveldb_enter(assent_barrier_leveldb *barrier, const char *gtid,
                                            uint16_t branch, assent_barrier_operation operation,
                                            assent_barrier_turn **ret, assent_barrier_entry *entry,
                                            assent_error *error);

// After the verdict RUN: keeps an answer (copied; at most ASSENT_BARRIER_ANSWER_MAX bytes, which
// may be any) with the row, to be given to duplicates. At most once a turn. Errors: ASSENT_INVALID,
// ASSENT_LIMIT, ASSENT_STATE (another verdict, or it has an answer already).
ASSENT_API int assent_barrier_leveldb_answer(assent_barrier_turn *turn, const void *answer,
                                             size_t size, assent_error *error);

// Ends the turn and sets *turn_p to NULL. What the verdict asks for is written, synced: after RUN
// the business of `batch` (may be NULL: there is none) and the row, after EMPTY the fence (`batch`
// must be NULL), after DUPLICATE and REFUSED nothing (likewise). Answer the coordinator only after
// ASSENT_OK. `batch` stays the caller's; the row has been added to it, so clear it before another
// use. Errors: ASSENT_STATE (a batch where nothing may run), ASSENT_NOMEM: nothing was written.
// ASSENT_IO, ASSENT_CORRUPT: whether it was written is not known, and after a write that failed
// LevelDB cannot be trusted with more: everything is refused with ASSENT_IO from then on. Close the
// database, or exit; what the disk holds is seen at the next open.
ASSENT_API int assent_barrier_leveldb_commit(assent_barrier_turn **turn_p,
                                             struct leveldb_writebatch_t *batch,
                                             assent_error *error);

// Ends the turn without a trace and sets *turn_p to NULL: the business said no, or failed.
ASSENT_API void assent_barrier_leveldb_abandon(assent_barrier_turn **turn_p);

// Removes all rows of a branch. Only when nobody can call for it any more: its transaction has
// ended at the coordinator, the fence has passed its last attempt, and its forward operation was
// called by the coordinator, not run by an application itself (see _seal). A power failure may
// bring rows back, which does no harm. Errors: ASSENT_INVALID, ASSENT_NOMEM, ASSENT_STATE,
// ASSENT_IO.
ASSENT_API int assent_barrier_leveldb_forget(assent_barrier_leveldb *barrier, const char *gtid,
                                             uint16_t branch, assent_error *error);

// Likewise for a branch whose forward operation (ASSENT_BARRIER_TRY, ASSENT_BARRIER_SEND) an
// application ran itself, and might, having been frozen, run again at any time: leaves one row, a
// fence, that keeps it from that.
ASSENT_API int assent_barrier_leveldb_seal(assent_barrier_leveldb *barrier, const char *gtid,
                                           uint16_t branch, assent_barrier_operation forward,
                                           assent_error *error);

// Raises the horizon, and removes fences behind it: those of tries and sends whose gtid a
// coordinator made, and leased before horizon_ms (since 1970, by the coordinator's clock). The
// horizon is durable before anything is removed and never falls; a try or send of a gtid behind it
// that has no row is REFUSED from then on. So nothing can run that should not, whatever horizon is
// chosen; but what is still to run is refused, too. So choose one that no transaction in progress
// is older than: some hours or days ago. Fences of gtids that clients made stay until _forget. At
// most rows_max (0: any number) are removed, *ret_removed (may be NULL) says how many. Errors:
// ASSENT_INVALID (also: a horizon in the future), ASSENT_CORRUPT, ASSENT_IO.
ASSENT_API int assent_barrier_leveldb_collect(assent_barrier_leveldb *barrier, uint64_t horizon_ms,
                                              uint64_t rows_max, uint64_t *ret_removed,
                                              assent_error *error);

#ifdef __cplusplus
}
#endif
#endif
