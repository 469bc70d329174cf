// SPDX-License-Identifier: Apache-2.0
// What the files of the engine share:
//   engine.c        a turn, waiting, draining, reloading
//   engine_open.c   start and end: the log, recovery, the sockets
//   engine_apply.c  effects of the core
//   engine_input.c  frames, and who sent them
//   engine_log.c    answers of the log thread
//   engine_admin.c  what the operator's verbs need
#ifndef COORDINATOR_ENGINE_INTERNAL_H
#define COORDINATOR_ENGINE_INTERNAL_H

#include <stdatomic.h>

#include "admin.h"
#include "base/list.h"
#include "base/logger.h"
#include "base/map.h"
#include "engine.h"
#include "topics.h"
#include "wire/record_codec.h"
#include "wire/wire.h"

enum garbage {
    GARBAGE_VERSION,   // frames of another version of the protocol
    GARBAGE_FRAME,     // frames that are none
    GARBAGE_MESSAGE,   // messages that are none; the rest of their frame is lost with them
    GARBAGE_DIRECTION, // what only a coordinator says
    GARBAGE_KINDS
};

// Somebody who has sent a frame. Once it was welcomed it has a role.
struct engine_peer {
    struct list age; // in engine.peers_by_age
    peer_t id;
    uint64_t heard_ms;
    uint8_t role; // enum role; 0: not welcomed yet
    char name[LIMIT_NAME_BYTES + 1];
};

// Asked on the log thread.
struct retention {
    _Atomic uint64_t ms;
    uint64_t wall_ms; // the latest seen; touched by the log thread only
};

struct engine {
    const struct config *config; // borrowed
    struct store_info info;
    struct log_queue *log;
    struct net_server *net;
    struct coordinator *core;
    struct topics topics; // the core borrows them
    struct admin *admin;
    struct now now;
    struct effects fx;
    bool stepping;
    bool busy; // a bound of the turn was hit: there is more to do already
    bool draining;
    bool stopped;
    enum exit_code exit_code;
    struct buf record; // one encoded record
    struct buf text;   // one value of the configuration, for admin
    struct wire_reader reader;
    struct tx_record_storage storage;
    struct map peers;         // id -> engine_peer
    struct list peers_by_age; // silent for longest first
    peer_t hello;             // whose HELLO is being answered; 0: nobody's
    bool welcomed;            // and the answer was WELCOME
    uint64_t messages_in;
    uint64_t garbage[GARBAGE_KINDS];
    uint64_t denied;
    struct log_limit garbage_limit, denied_limit;
    struct retention retention;
    uint64_t started_ms;                // wall clock
    uint64_t recovered;                 // transactions
    uint64_t head_seq;                  // highest durable record heard of
    bool sent_prepare, sent_decide;     // in this turn, for the crash points
    token_t end_token, admission_token; // of writes that crash points wait for; 0: none
};

struct now engine_clock(void);
// Stops for good. Logged here.
void engine_stop(struct engine *e, enum exit_code code, const char *why);
// Steps the core and applies what comes of it. `event->now` is filled in.
void engine_step(struct engine *e, struct event *event);

// engine_apply.c
void engine_apply(struct engine *e);
void engine_crash_written(struct engine *e, token_t token);
void engine_crash_flushed(struct engine *e);

// engine_input.c
void engine_receive(struct engine *e);
void engine_peer_gone(struct engine *e, peer_t peer);
void engine_forget_silent(struct engine *e);
void engine_peers_free(struct engine *e);

// engine_log.c
void engine_log_answers(struct engine *e);

// engine_admin.c
bool engine_admin_open(struct engine *e);

// engine_open.c
void engine_core_config(const struct engine *e, struct coordinator_config *ret);
void engine_retain(struct engine *e);

#endif
