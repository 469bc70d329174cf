// SPDX-License-Identifier: Apache-2.0
// A coordinator, its disk, and the connections of its peers; every step is judged by the oracle.
#ifndef FUZZ_COORDINATOR_WORLD_H
#define FUZZ_COORDINATOR_WORLD_H

#include "coordinator_oracle.h"
#include "input.h"

enum { PEERS = 7, GTIDS = 10, COMMANDS = 32, LOOKUPS = 128 };

struct peer {
    peer_t id;    // 0: not connected
    int resource; // participants that were welcomed; else -1
};

struct command { // PREPARE, COMMIT or ROLLBACK on its way to a participant
    unsigned peer;
    enum msg_type type;
    struct gtid gtid;
    uint64_t attempt;
    uint16_t branch;
    uint8_t flags;
};

struct lookup {
    token_t token;
    struct gtid gtid;
};

struct world {
    struct input in;
    struct coordinator *c;
    struct coordinator_config config;
    struct effects fx;
    struct now now;
    struct fake_log log;
    struct oracle oracle;
    struct frame_header heard; // of the coordinator's latest frame; peers echo it
    struct peer peers[PEERS];
    peer_t peer_next;
    int hello_resource; // of the HELLO that is being answered
    struct gtid gtids[GTIDS];
    unsigned gtid_next;
    struct command commands[COMMANDS]; // the latest ones
    unsigned command_count;
    struct lookup lookups[LOOKUPS];
    unsigned lookup_count;
    token_t order_next;
    unsigned orders_open;
    bool draining, fenced, stopped;
};

extern const char *const world_resources[ORACLE_RESOURCES];

void world_open(struct world *w);
void world_close(struct world *w);
void world_step(struct world *w, struct event *event); // which gets its time here
void world_receive(struct world *w, unsigned slot, const struct msg *msg); // connects it first
void world_disconnect(struct world *w, unsigned slot);
void world_order(struct world *w, enum operator_verb verb, bool lost, const struct gtid *gtid,
                 struct slice why);
void world_pass(struct world *w, uint64_t ms);
bool world_sync(struct world *w);                    // the oldest write; false: none waits
bool world_look_up(struct world *w, unsigned which); // likewise a lookup
void world_fence(struct world *w);                   // another one took the log over
void world_collect(struct world *w);
void world_crash(struct world *w); // and starts the next run
void world_look_in(struct world *w);

#endif
