// SPDX-License-Identifier: Apache-2.0
// A fake cluster around the real cores: one coordinator, some participants, some clients, with
// their logs and journals in memory. Whatever is under way (a frame, a record on its way to the
// disk, a call of a resource manager) is an item in one list; who drives the cluster chooses which
// of them happens next, is lost, happens twice, or waits. Time stands still until it is told to
// pass.
#ifndef UNIT_CLUSTER_H
#define UNIT_CLUSTER_H

#include "base/list.h"
#include "base/rng.h"
#include "core/client.h"
#include "core/coordinator.h"
#include "core/participant.h"
#include "unit.h"
#include "wire/record_codec.h"
#include "wire/wire.h"

enum { CLUSTER_ACTORS_MAX = 8 };

enum actor_kind { ACTOR_COORDINATOR, ACTOR_PARTICIPANT, ACTOR_CLIENT };

struct stored { // a record on disk
    char key[RECORD_KEY_BYTES];
    struct slice bytes; // owned
    bool open, decided;
    uint64_t stamp;
};

// What a resource manager holds of one branch of one attempt.
enum held { HELD_PREPARED = 1, HELD_COMMITTED, HELD_ROLLED_BACK };
struct holding {
    struct gtid gtid;
    uint16_t branch;
    uint64_t attempt, coordinator;
    enum held held;
    unsigned commits; // that found it prepared
};

struct actor {
    struct cluster *cluster;
    enum actor_kind kind;
    char name[LIMIT_NAME_BYTES + 1];
    bool alive;
    bool rm_durable;
    struct coordinator *coordinator;
    struct participant *participant;
    struct client *client;
    peer_t peer; // the connection to the coordinator; 0: none
    struct effects fx;
    uint64_t steps;
    // what a crash leaves
    uint64_t id; // of the log or journal
    uint64_t incarnation;
    uint64_t log_seq, horizon;
    struct stored *records;
    size_t record_count;
    struct holding *holdings;
    size_t holding_count;
};

enum item_kind { ITEM_FRAME, ITEM_WRITE, ITEM_LOOKUP, ITEM_CALL };

struct item {
    struct list link;
    enum item_kind kind;
    struct actor *from;
    struct actor *to;   // frames
    peer_t peer;        // frames: the connection they travel on
    struct slice bytes; // owned: the frame, the record, or what comes with a call
    token_t token;
    struct stored record; // WRITE: but for its bytes; LOOKUP: the key
    bool lazy, decide, forget;
    struct effect_call call;
    bool waits; // the driver's: leave it for now
};

enum seen {
    SEEN_STEP,     // an actor took a step
    SEEN_WRITE,    // it wants a record written (item)
    SEEN_RECEIVE,  // a message is about to be received (item, msg)
    SEEN_DURABLE,  // a record is on disk (item)
    SEEN_CALLED,   // a resource manager is about to answer (item, result)
    SEEN_HORIZON,  // effect
    SEEN_COMPLETE, // effect: a client's request has its answer
    SEEN_ANSWER,   // effect: an operator has theirs
    SEEN_EXTENDED, // effect: a try that asked for a nested branch has its answer
    SEEN_STOP,     // effect: it must stop, and is gone
};

struct sight {
    enum seen seen;
    struct actor *actor;
    const struct item *item;
    const struct msg *msg;
    const struct frame_header *header;
    enum rm_result result;
    const struct effect *effect;
};

struct cluster_options {
    bool coordinator; // false: its part is played by hand
    unsigned participants, clients;
    bool rm_durable;
    bool thrifty; // no memory is kept for the effects of the next step
    uint64_t seed;
    // How a resource manager answers a prepare or a call; NULL: always well. For a no, *ret_text.
    enum rm_result (*rm)(void *arg, const struct actor *actor, const struct effect_call *call,
                         struct slice *ret_text);
    void (*see)(void *arg, const struct sight *sight);
    // Lets a test change what is started.
    void (*configure)(void *arg, struct participant_config *participant,
                      struct coordinator_config *coordinator);
    void *arg;
};

struct cluster {
    struct cluster_options options;
    struct actor copy;                       // of a disk
    struct actor actors[CLUSTER_ACTORS_MAX]; // the coordinator, if any, first
    unsigned count;
    struct now now;
    peer_t peer_next;
    struct list items;
    struct wire_reader reader;
};

extern bool cluster_in_core; // while a core takes a step

void cluster_open(struct cluster *c, const struct cluster_options *options);
void cluster_close(struct cluster *c);
struct actor *cluster_actor(struct cluster *c, const char *name); // fails the test
struct actor *cluster_coordinator(struct cluster *c);             // NULL: played by hand

// From its disk: a new incarnation recovers, starts, and is connected where that is possible. It
// dies again when there is no memory.
void cluster_start(struct actor *a);
// Memory and what was on its way to its disk are lost, but for the first `kept` records; frames to
// it are lost, frames from it still travel. With `calls`, calls under way still take effect.
// The others notice when its connections are cut, at the latest when it starts again.
void cluster_crash(struct actor *a, size_t kept, bool calls);
void cluster_cut(struct actor *a); // its connections are gone; what it sent may still arrive
void cluster_connect(struct actor *a);
void cluster_disconnect(struct actor *a); // the connection is gone, and all that travelled on it

void cluster_step(struct actor *a, struct event *event); // the time is filled in
// Ticks everyone whose deadline has come. False: nobody's had.
bool cluster_tick(struct cluster *c);
uint64_t cluster_deadline(const struct cluster *c);

// The item happens, and is gone. Records become durable in order: an older one may take its place.
void cluster_happen(struct cluster *c, struct item *item);
void cluster_again(struct cluster *c, struct item *item); // a copy of a frame, at the end
void cluster_lose(struct item *item);
// The message of a frame; valid until the next.
const struct msg *cluster_message(struct cluster *c, const struct item *item,
                                  struct frame_header *ret);
// A frame from the coordinator that is played by hand.
void cluster_hand(struct actor *to, const struct frame_header *header, const struct msg *msg);

// The disk is lost while the actor is down: it starts with an empty one, which is another's.
void cluster_wipe(struct actor *a);
// A copy of the disk, and its return while the actor is down. One copy at a time.
void cluster_copy(const struct actor *a);
void cluster_restore(struct actor *a);
// Closed records with a stamp below the horizon go; it never falls.
void cluster_collect(struct actor *a, uint64_t horizon);
struct stored *cluster_stored(const struct actor *a, const char *key); // NULL: none
const struct holding *cluster_holding(const struct actor *a, const struct gtid *gtid,
                                      unsigned branch, uint64_t attempt);

#endif
