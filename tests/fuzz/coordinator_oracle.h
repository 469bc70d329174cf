// SPDX-License-Identifier: Apache-2.0
// What a coordinator may and may not say, whatever its peers do to it, judged by what is durable.
#ifndef FUZZ_COORDINATOR_ORACLE_H
#define FUZZ_COORDINATOR_ORACLE_H

#include "core/coordinator.h"
#include "fake_log.h"

enum {
    ORACLE_RESOURCES = 3,
    ORACLE_ATTEMPTS = 1024,
    ORACLE_GTIDS = 128,
    ORACLE_INQUIRIES = 256,
    ORACLE_MADE_UP_MAX = 63, // attempts up to this one no coordinator has made
};

struct oracle_attempt {
    uint64_t attempt;
    struct gtid gtid;
    bool commit, rollback; // was told to a branch as the coordinator's own decision
    bool collected;        // its record is gone: what it said binds no more
    bool alone;            // its only branch decides,
    uint8_t did;           // and said that it did this: enum outcome
};

struct oracle_gtid {
    struct gtid gtid;
    uint8_t told; // enum outcome, as a RESULT said; NONE: nothing final yet
};

struct oracle_inquiry {
    peer_t peer; // 0: answered
    struct msg_inquire msg;
};

struct oracle {
    struct oracle_attempt attempts[ORACLE_ATTEMPTS]; // the latest ones
    struct oracle_gtid gtids[ORACLE_GTIDS];
    unsigned attempt_count, gtid_count;
    uint64_t fences[ORACLE_RESOURCES];                 // highest that its participants were shown
    struct oracle_inquiry inquiries[ORACLE_INQUIRIES]; // the latest ones
    unsigned inquiry_count;
    bool inquiry_lost;    // one had to make room before it was answered
    uint64_t coordinator; // that is judged
    struct buf frame;
};

void oracle_init(struct oracle *o, uint64_t coordinator);
void oracle_free(struct oracle *o);
// A participant asks what became of a branch.
void oracle_asked(struct oracle *o, peer_t peer, const struct msg_inquire *inquiry);
// Whoever asked over that connection is not there to be answered.
void oracle_gone(struct oracle *o, peer_t peer);
// A message that leaves. `resource`: of the participant it goes to, or -1.
void oracle_sent(struct oracle *o, const struct fake_log *log, peer_t peer, int resource,
                 const struct msg *msg);
// A record that is to be written.
void oracle_writing(struct oracle *o, const struct tx_record *record);
// The fence of the next frame to the participant that is bound to a resource; 0 where none is.
void oracle_fence(struct oracle *o, int resource, uint64_t fence);
// Nothing that was told of this gtid binds any more: its record was collected.
void oracle_collected(struct oracle *o, const char *key);
// Does the only branch of that attempt decide? What it says that it did is the same ever after:
// `wish`, the first time.
bool oracle_alone(struct oracle *o, const struct gtid *gtid, uint64_t attempt);
uint8_t oracle_did(struct oracle *o, const struct gtid *gtid, uint64_t attempt, uint8_t wish);

#endif
