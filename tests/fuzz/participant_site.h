// SPDX-License-Identifier: Apache-2.0
// A participant, its journal, its resource manager, and the line to its coordinator.
#ifndef FUZZ_PARTICIPANT_SITE_H
#define FUZZ_PARTICIPANT_SITE_H

#include "fake_log.h"
#include "input.h"
#include "participant_ledger.h"

enum { CALLS = 64, LINE = 64 };

struct call { // that the resource manager has not answered
    token_t token;
    struct effect_call call; // without its payload
};

struct letter { // on its way to the participant; may come late, twice, or never
    struct frame_header header;
    struct msg msg; // without slices
};

struct site {
    struct input in;
    struct participant *p;
    struct participant_config config;
    struct effects fx;
    struct now now;
    struct fake_log journal;
    struct ledger ledger;
    struct call calls[CALLS];
    unsigned call_count;
    struct letter line[LINE]; // the latest ones
    unsigned line_count;
    struct msg asked[LINE]; // INQUIREs, oldest overwritten
    unsigned asked_count;
    bool greeted;     // a HELLO waits for its WELCOME
    bool linked;      // the transport is up
    bool deaf;        // what the participant says is lost
    uint64_t horizon; // closed records below it may be collected
    uint64_t coordinator;
    struct buf frame;
    bool stopped;
};

void site_open(struct site *s, bool strict, bool rm_durable);
void site_close(struct site *s);
void site_crash(struct site *s,
                bool called); // `called`: what was called has happened all the same
void site_pass(struct site *s, uint64_t ms);
void site_link(struct site *s, bool up);
bool site_sync(struct site *s); // the oldest write; false: none waits
bool site_called(struct site *s, unsigned which, enum rm_result result, struct slice text);
void site_working(struct site *s, unsigned key);
// The coordinator sends. Nothing comes while the line is down.
void site_send(struct site *s, const struct msg *msg, bool arrives);
void site_deliver(struct site *s, unsigned which); // one of those sent, counted from the latest
void site_receive_from(struct site *s, const struct frame_header *header, const struct msg *msg);
void site_look_in(const struct site *s);

#endif
