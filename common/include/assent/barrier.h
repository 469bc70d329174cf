// SPDX-License-Identifier: Apache-2.0
//
// The barrier: what makes business code that a coordinator calls (TCC, sagas, messages) safe
// against calls that come twice, too late, or in the wrong order. It is a table of the
// participant's own database. A handler enters it at the start of the local transaction in which it
// does its work, with the operation of the branch it was called for, and is told a verdict:
//
//     RUN        do the work now, in this same local transaction, and commit
//     DUPLICATE  it was done before: commit or roll back, and answer as then
//     EMPTY      a compensation whose forward operation never ran: nothing is to be undone, and the
//                forward operation cannot run any more. Commit, and answer done
//     REFUSED    must not run: a forward operation after its compensation (answer no), or what
//                cannot be (docs/barrier.md)
//
// The row that remembers it is written with the work, so either both are there or neither is.
// docs/barrier.md has the whole table of verdicts, and programs.
//
// The back ends: assent/barrier_leveldb.h (in libassent), assent/barrier_sqlite.h (in
// libassent-sqlite), assent/postgres.h (in libassent-postgres), assent/mariadb.h (in
// libassent-mariadb).
#ifndef ASSENT_BARRIER_H
#define ASSENT_BARRIER_H

#include <stddef.h>
#include <stdint.h>

#include "assent/error.h"

#ifdef __cplusplus
extern "C" {
#endif

// What is done for a branch. A branch belongs to one protocol: rows of two of these groups under
// one (gtid, branch) are refused with ASSENT_CONFLICT.
typedef enum assent_barrier_operation {
    // TCC
    ASSENT_BARRIER_TRY = 1,
    ASSENT_BARRIER_CONFIRM = 2,
    ASSENT_BARRIER_CANCEL = 3,
    // saga
    ASSENT_BARRIER_ACTION = 4,
    ASSENT_BARRIER_COMPENSATE = 5,
    // message, at its sender: the local transaction that sends it, and the check-back that asks
    // whether that transaction was made
    ASSENT_BARRIER_SEND = 6,
    ASSENT_BARRIER_CHECK = 7,
    // message, at a consumer
    ASSENT_BARRIER_DELIVER = 8,
} assent_barrier_operation;

typedef enum assent_barrier_verdict {
    ASSENT_BARRIER_RUN = 1,
    ASSENT_BARRIER_DUPLICATE = 2,
    ASSENT_BARRIER_EMPTY = 3,
    ASSENT_BARRIER_REFUSED = 4,
} assent_barrier_verdict;

#define ASSENT_BARRIER_ANSWER_MAX 512

// What entering gives. Owned by the caller, written only on success.
typedef struct assent_barrier_entry {
    assent_barrier_verdict verdict;
    // DUPLICATE: the answer that was kept with the work; of a CHECK that of the SEND. Otherwise, or
    // where none was kept, 0 bytes.
    size_t answer_bytes;
    unsigned char answer[ASSENT_BARRIER_ANSWER_MAX];
} assent_barrier_entry;

// "try", "confirm", ...; "?" for any other number. Thread-safe, constant.
ASSENT_API const char *assent_barrier_operation_text(assent_barrier_operation operation);
// "run", "duplicate", "empty", "refused"; "?" for any other number. Thread-safe, constant.
ASSENT_API const char *assent_barrier_verdict_text(assent_barrier_verdict verdict);

#ifdef __cplusplus
}
#endif
#endif
