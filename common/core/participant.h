// SPDX-License-Identifier: Apache-2.0
// The participant's core: one resource, one coordinator, any number of branches. Not thread-safe.
//
// It counts on the transport for one thing: what the coordinator sent to an earlier run of this
// process never reaches a later one (a peer number is one connection of one process). It forgets
// what had nothing to commit, and the fence of a new run is heard with the welcome: a PREPARE that
// was meant for an earlier run would be taken up again. coordinator.h says what the other side
// needs.
#ifndef CORE_PARTICIPANT_H
#define CORE_PARTICIPANT_H

#include "base/sm.h"
#include "core/step.h"

struct participant;

struct participant_config {
    char resource[LIMIT_NAME_BYTES + 1];
    char address[LIMIT_ADDRESS_BYTES + 1]; // where other participants reach it; empty: they do not
    uint64_t incarnation;                  // times the journal was opened
    uint64_t journal;                      // its identity
    uint64_t seed;
    uint64_t coordinator; // the one that it belongs to; 0: that of the journal, or the first heard
    bool rm_durable;      // the resource manager itself keeps prepared state: no vote record
    bool rm_forgets;      // it wants to be told when a branch of an admitted protocol may go
    uint32_t ping_ms;     // greet or ping when nothing was said for so long
    uint32_t silent_ms;   // nothing heard for so long: greet again
    uint32_t inquire_min_ms, inquire_max_ms; // in doubt: ask again, with backoff and jitter
    uint32_t retry_min_ms, retry_max_ms; // a commit or rollback that the resource manager failed
    uint32_t
        suspect_ms; // three-phase commit: in doubt and so long no word of the coordinator: elect
    uint32_t stagger_ms;   // and so much later for each branch before it
    uint32_t branches_max; // unfinished, in memory; prepares past it are voted no
    uint32_t finished_max; // finished, and remembered until they may be forgotten; likewise
    uint32_t decided_max;  // decisions remembered for other branches that ask; at least 1
};

void participant_config_defaults(struct participant_config *config);

struct participant *participant_new(const struct participant_config *config);
void participant_destroy(struct participant **self_p);

// Order: RECOVERED* (every record that the journal still holds, closed ones too), FOUND*, START,
// then anything. Appends to *fx; a step that could not be completed for want of memory marks it
// failed. Messages that would need new memory are dropped instead: the coordinator sends them
// again.
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
    PART_FINISHED,     // remembered, to answer duplicates, until it may be forgotten
    PART_FORGETTING,   // the resource manager is asked to forget it, too
};
extern const struct sm_table part_table;

struct participant_stats {
    uint64_t branches, in_doubt, finished; // finished: and those that are being forgotten
    uint64_t acted; // steps of sagas that are done and may be compensated: held like finished ones
    uint64_t prepared, committed, rolled_back, voted_no, read_only;
    uint64_t duplicates, stale, inquiries, retries;
    uint64_t told_by_peers; // decisions of two-phase commit, while the coordinator was silent
    bool connected;         // welcomed
};
void participant_stats(const struct participant *self, struct participant_stats *ret);

struct part_view {
    struct branch_record record;
    enum part_state state;
};
// Iterates over the branches in memory: start with *cursor = 0; false at the end. Payload and
// result are valid until the next step.
bool participant_next(const struct participant *self, size_t *cursor, struct part_view *ret);
// False when that branch is not in memory. After WORKING: no branch means that there was no room,
// another state than WORKING that the branch has gone on or ended.
bool participant_find(const struct participant *self, const struct gtid *gtid, uint16_t branch,
                      struct part_view *ret);

// Why the coordinator refused our greeting: enum assent_code, ASSENT_OK when it did not (any more).
// The text is valid until the next step.
int participant_refused(const struct participant *self, struct slice *ret_text);

#endif
