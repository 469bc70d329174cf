// SPDX-License-Identifier: Apache-2.0
// The barrier's one table: from an operation and the rows that a branch has, the verdict and the
// row to be written. Every back end reads the rows, asks here, and writes that row in the local
// transaction of the business; nobody else may change the branch's rows in between.
#ifndef CORE_BARRIER_H
#define CORE_BARRIER_H

#include "assent/barrier.h"
#include "base/slice.h"
#include "core/gtid.h"

enum { BARRIER_OPERATIONS = ASSENT_BARRIER_DELIVER + 1 }; // 0 is none

enum barrier_state {
    BARRIER_ABSENT = 0,
    BARRIER_DONE = 1,
    BARRIER_FENCED = 2, // of a forward operation that did not run, and never will
};

struct barrier_rows {
    enum barrier_state of[BARRIER_OPERATIONS];
    uint64_t horizon_ms; // fences of gtids leased before it may have been collected
};

struct barrier_ruling {
    assent_barrier_verdict verdict;
    assent_barrier_operation writes; // the row to be written; 0: none
    enum barrier_state state;        // and what it says
    assent_barrier_operation answer; // whose answer is to be given again; 0: none
};

// Where a branch stands, for the documentation.
enum barrier_standing {
    BARRIER_STANDS_NOTHING,
    BARRIER_STANDS_DONE,
    BARRIER_STANDS_CONFIRMED,
    BARRIER_STANDS_UNDONE,
    BARRIER_STANDS_FENCED,
    BARRIER_STANDINGS
};

// When a gtid was leased, in ms since 1970; 0 for a client's own.
uint64_t barrier_lease_ms(const struct gtid *gtid);

// ASSENT_INVALID: no such operation; ASSENT_CONFLICT: rows of another protocol; ASSENT_CORRUPT:
// rows that no run leaves behind. *ret is written only on success.
int barrier_rule(assent_barrier_operation operation, const struct gtid *gtid,
                 const struct barrier_rows *rows, struct barrier_ruling *ret, assent_error *error);

// The gtid and operation of a call. ASSENT_INVALID.
int barrier_arguments(const char *gtid, assent_barrier_operation operation, struct gtid *ret,
                      assent_error *error);
// Whether an application may run this forward operation itself, so that its fence is collected only
// behind the horizon.
bool barrier_is_fenceable(assent_barrier_operation operation);
// Whether a branch may be sealed by a fence of that operation. ASSENT_INVALID.
int barrier_seal_check(assent_barrier_operation forward, assent_error *error);
// Whether these bytes can be kept as an answer. ASSENT_INVALID, ASSENT_LIMIT.
int barrier_answer_check(const void *answer, size_t size, assent_error *error);
// ASSENT_STATE: what was answered does not run now, or has its answer.
int barrier_answer_refuse(assent_error *error);

// Whether the horizon may be raised to that, now_ms being the time. ASSENT_INVALID.
int barrier_horizon_check(uint64_t horizon_ms, uint64_t now_ms, assent_error *error);

// 0 when the text is no operation's. What assent_barrier_operation_text gives is stored.
assent_barrier_operation barrier_operation_of(struct slice text);

#endif
