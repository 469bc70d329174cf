// SPDX-License-Identifier: Apache-2.0
// The participant's core: one resource, one coordinator, any number of branches. Not thread-safe.
#ifndef CORE_PARTICIPANT_H
#define CORE_PARTICIPANT_H

#include "base/sm.h"
#include "core/step.h"

struct participant;

struct participant_config {
    char resource[LIMIT_NAME_BYTES + 1];
    uint64_t incarnation; // times the journal was opened
    uint64_t journal;     // its identity
    uint64_t seed;
    uint64_t fence;       // the journal's horizon at open
    uint64_t coordinator; // the one that the journal belongs to; 0: the first that answers
    bool rm_durable;      // the resource manager itself keeps prepared state: no vote record
    uint32_t ping_ms;     // greet or ping when nothing was said for so long
    uint32_t silent_ms;   // nothing heard for so long: greet again
    uint32_t inquire_min_ms, inquire_max_ms; // in doubt: ask again, with backoff and jitter
    uint32_t retry_min_ms, retry_max_ms; // a commit or rollback that the resource manager failed
    uint32_t branches_max;               // in memory; prepares past it are voted no
};

void participant_config_defaults(struct participant_config *config);

struct participant *participant_new(const struct participant_config *config);
void participant_destroy(struct participant **self_p);

// Order: RECOVERED*, FOUND*, START, then anything. Appends to *fx.
void participant_step(struct participant *self, const struct event *event, struct effects *fx);
uint64_t participant_deadline(const struct participant *self);
void participant_header(const struct participant *self, struct frame_header *ret);

enum part_state {
    PART_WORKING = 0,  // the application works here; nothing was promised
    PART_PREPARING,    // the resource manager is asked to prepare
    PART_VOTING,       // the yes is on its way to the journal
    PART_PREPARED,     // in doubt
    PART_DECIDING,     // one phase: our own commit is on its way to the journal
    PART_COMMITTING,   // the resource manager is asked to commit
    PART_ROLLING_BACK, // the resource manager is asked to roll back
    PART_FINISHING,    // the outcome is on its way to the journal
    PART_FINISHED,     // remembered, to answer duplicates, until the fence has passed it
};
extern const struct sm_table part_table;

struct participant_stats {
    uint64_t branches, in_doubt, finished;
    uint64_t prepared, committed, rolled_back, voted_no, read_only;
    uint64_t duplicates, stale, inquiries, retries;
    bool connected; // welcomed
};
void participant_stats(const struct participant *self, struct participant_stats *ret);

struct part_view {
    struct branch_record record;
    enum part_state state;
};
bool participant_next(const struct participant *self, size_t *cursor, struct part_view *ret);

#endif
