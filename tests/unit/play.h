// SPDX-License-Identifier: Apache-2.0
// Golden stories: a fake cluster, a script, and a text of what happened, a line an event, that is
// compared with tests/data/stories/<name>.txt. UPDATE_STORIES=1 in the environment writes the files
// anew: read every line of what changed.
#ifndef UNIT_PLAY_H
#define UNIT_PLAY_H

#include "base/buf.h"
#include "cluster.h"

enum { PLAY_RULES_MAX = 16, PLAY_GTIDS_MAX = 16, PLAY_STATES_MAX = 512 };

enum fate { FATE_LOST = 1, FATE_TWICE, FATE_HELD };

struct play_rule { // what becomes of the next frames of that type from that actor
    const struct actor *from;
    enum msg_type type;
    enum fate fate;
    unsigned count;
};

struct play_answer { // of a resource manager, next time
    const struct actor *actor;
    enum rm_op op;
    enum rm_result result;
    const char *text;
    unsigned count;
};

struct play_state { // as last told
    const struct actor *actor;
    struct gtid gtid;
    int branch; // -1: a transaction
    int state;
    bool seen;
};

struct play {
    struct cluster cluster;
    struct buf text;
    bool silent, chatty; // chatty: PING and PONG, too
    size_t said_size;    // of the text, after the last remark
    uint64_t told_ms;
    struct play_rule rules[PLAY_RULES_MAX];
    struct play_answer answers[PLAY_RULES_MAX];
    struct gtid gtids[PLAY_GTIDS_MAX]; // told as T1, T2, ...
    unsigned gtid_count;
    struct play_state states[PLAY_STATES_MAX];
    unsigned state_count;
    struct actor *disk_held;  // records on their way to its disk wait
    struct actor *rm_held;    // calls of its resource manager wait
    struct frame_header hand; // of the coordinator, when it is played by hand
    token_t token_next;
};

struct play_options {
    bool by_hand; // no coordinator: play_hand
    unsigned participants, clients;
    bool rm_durable;
    void (*configure)(void *arg, struct participant_config *participant,
                      struct coordinator_config *coordinator);
};

// Everyone is started and has greeted; the story begins after that, at 0 ms.
void play_open(struct play *p, const struct play_options *options);
// Compares the story with the file, and closes everything.
void play_close(struct play *p, const char *name);

// A remark. Several in a row are one.
void play_say(struct play *p, const char *format, ...) __attribute__((format(printf, 2, 3)));
// Everything that is under way happens, in order, but for what is held.
void play_run(struct play *p);
// Time passes, and everything happens that comes to be due.
void play_pass(struct play *p, uint64_t ms);
// One thing happens: the first that is under way.
void play_one(struct play *p);

void play_crash(struct play *p, const char *actor); // and what was on its way to its disk is lost
void play_start(struct play *p, const char *actor);

// What becomes of the next frame of that type from that actor.
void play_lose(struct play *p, const char *actor, enum msg_type type);
void play_twice(struct play *p, const char *actor, enum msg_type type);
void play_hold(struct play *p, const char *actor, enum msg_type type);
void play_hold_disk(struct play *p, const char *actor);
void play_hold_rm(struct play *p, const char *actor);
void play_release(struct play *p); // all that is held may happen
// How the resource manager answers such a call next time (`count` times).
void play_rm(struct play *p, const char *actor, enum rm_op op, enum rm_result result,
             const char *text, unsigned count);

// The application.
struct gtid play_begin(struct play *p, const char *actor); // the coordinator's next gtid
struct gtid play_gtid(const char *text);
void play_submit(struct play *p, const char *actor, struct gtid gtid, const char *resources);
void play_submit_three(struct play *p, const char *actor, struct gtid gtid, const char *resources);
void play_submit_enlisted(struct play *p, const char *actor, struct gtid gtid,
                          const char *resources);
void play_enlist(struct play *p, const char *actor, struct gtid gtid, unsigned branch,
                 const char *resource);
// Likewise, of a tcc transaction.
void play_enlist_with(struct play *p, const char *actor, struct gtid gtid, unsigned branch,
                      const char *resource, const char *payload);
// Of any protocol; the branches are numbered here.
void play_submit_as(struct play *p, const char *actor, struct gtid gtid, struct msg_submit submit,
                    struct msg_branch *branches, unsigned branch_count);
void play_ask(struct play *p, const char *actor, enum ask_kind kind, struct gtid gtid);
void play_working(struct play *p, const char *actor, struct gtid gtid, unsigned branch);
void play_order(struct play *p, enum operator_verb verb, struct gtid gtid);

// The coordinator by hand: its next message, under the header p->hand.
void play_hand(struct play *p, const char *to, const struct msg *msg);
void play_hand_welcome(struct play *p, const char *to);
void play_hand_prepare(struct play *p, const char *to, struct gtid gtid, uint64_t attempt,
                       unsigned flags);
void play_hand_decide(struct play *p, const char *to, enum msg_type type, struct gtid gtid,
                      uint64_t attempt, unsigned flags);
void play_hand_standing(struct play *p, const char *to, struct gtid gtid, uint64_t attempt,
                        enum outcome outcome);

// play_text.c
const char *play_gtid_text(const struct play *p, const struct gtid *gtid);
void play_describe(struct play *p, const struct msg *msg);
void play_describe_record(struct play *p, const struct item *item);
void play_line(struct play *p, const char *who); // starts a line
void play_see(void *arg, const struct sight *sight);

static inline uint64_t play_attempt(uint64_t incarnation, uint64_t counter)
{
    return incarnation << ATTEMPT_COUNTER_BITS | counter;
}

#endif
