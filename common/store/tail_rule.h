// SPDX-License-Identifier: Apache-2.0
// What becomes of the record at the log's tail: one rule for every back end.
#ifndef STORE_TAIL_RULE_H
#define STORE_TAIL_RULE_H

#include <stdbool.h>
#include <stdint.h>

enum tail_fate {
    TAIL_DROP,   // superseded, or nothing but history
    TAIL_EXPIRE, // stands, closed, and its time is over
    TAIL_CARRY,  // stands and must be kept: appended again at the head
    TAIL_STOP,   // stands and need not be touched yet
};

// The log as it is when the rule is asked.
struct tail_log {
    uint64_t length;     // records in it
    uint64_t keys, open; // keys under which a record stands; of these, open
    uint64_t closed_max; // 0: no cap
    uint64_t horizon;
};

enum {
    TAIL_SPARSE_FACTOR = 4,   // a log longer than so many times what stands in it...
    TAIL_SPARSE_SLACK = 1024, // ...and this many records is cleaned even of what must be kept
};

// For a record that stands under its key; all others are dropped.
static inline enum tail_fate tail_fate_of(const struct tail_log *log, bool open, uint64_t stamp)
{
    // Carrying pays when more than half of the log is something else: then each record is carried
    // at most once for one that goes, and a log of nothing but open records rests.
    if (open)
        return log->length > 2 * log->open ? TAIL_CARRY : TAIL_STOP;
    if (stamp < log->horizon || (log->closed_max && log->keys - log->open > log->closed_max))
        return TAIL_EXPIRE;
    // Retained, with little else behind it that stands: its stamp is from a clock that was wrong.
    if (log->length > TAIL_SPARSE_FACTOR * log->keys + TAIL_SPARSE_SLACK)
        return TAIL_CARRY;
    return TAIL_STOP;
}

#endif
