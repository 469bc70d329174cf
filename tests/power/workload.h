// SPDX-License-Identifier: Apache-2.0
// What is written to the log while it is recorded, and what must be in it when it is opened after
// power was lost.
#ifndef POWER_WORKLOAD_H
#define POWER_WORKLOAD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/rng.h"
#include "recorder.h"

// What is known of the puts at a point: those below `acknowledged` are durable, but for those that
// power was lost over before; those below `begun` may be there.
struct promised {
    uint64_t acknowledged, begun;
    uint64_t lost_from, lost_to; // begun before an earlier loss of power, and not acknowledged
};

struct workload {
    bool journal; // a participant's: records end, are forgotten, and the horizon follows
    struct rng rng;
    uint64_t written; // puts begun
};

// The next of a recording.
void promised_note(struct promised *self, const struct record *record);

void workload_init(struct workload *self, bool journal, uint64_t seed);
// Opens the log (makes it, where there is none), works, opens it again now and then. Tells the
// recorder what is begun and what is acknowledged: `begun` and `acknowledged`, or UINT64_MAX.
void workload_run(struct workload *self, const char *dir, unsigned rounds);

enum finding {
    FOUND_WELL,
    FOUND_REFUSED, // the log does not open
    FOUND_HOLE,    // it opens, and something that was acknowledged is not in it, or is not right
};

// Opens the log as a coordinator does. *ret_why: what is wrong, until the next call.
enum finding workload_check(const char *dir, bool journal, const struct promised *promised,
                            const char **ret_why);

#endif
