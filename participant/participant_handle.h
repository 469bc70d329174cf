// SPDX-License-Identifier: Apache-2.0
// What the files of the participant's shell share:
//   participant_open.c       life of a participant
//   participant_recover.c    what the journal and the resource manager held
//   participant_engine.c     the engine thread, around the participant's core
//   participant_calls.c      the worker pool that runs the handlers
//   participant_handlers.c   which handler a call is for, and what its answer means
//   participant_nested.c     nested branches
//   participant_peers.c      the way to other participants
//   participant_watch.c      what the application may ask
//   participant_branch_id.c  the text under which a resource manager holds prepared work
//
// Three kinds of threads meet under one lock, held for a few instructions: the engine, the workers
// and the application's own. The log thread has a queue of its own.
#ifndef PARTICIPANT_PARTICIPANT_HANDLE_H
#define PARTICIPANT_PARTICIPANT_HANDLE_H

#include <pthread.h>
#include <stdatomic.h>

#include "assent/participant.h"
#include "base/list.h"
#include "core/participant.h"
#include "shell.h"
#include "store/log_queue.h"

enum { BRANCH_ID_BYTES = 129 }; // with its NUL

// A handler's call, from the effect that asks for it to the event that answers it.
struct call {
    struct list link; // waiting for a worker; then answered
    token_t token;
    enum rm_op op;
    assent_branch branch; // pointers into this structure
    enum rm_result result;
    char gtid[LIMIT_GTID_BYTES + 1];
    char id[BRANCH_ID_BYTES];
    uint8_t protocol;  // enum protocol; 0: not known
    uint8_t kind;      // enum branch_kind; 0: not known
    uint8_t heuristic; // FORGET: as in struct effect_call
    char why[ASSENT_NO_REASON_MAX + 1];
    assent_answer answer; // of an action
    uint8_t content[];    // payload, inputs, result
};

// The application started work: on the stack of the thread that said so, which waits.
struct working {
    struct list link;
    struct gtid gtid;
    uint16_t branch;
    const struct branch_record *held; // NULL: the application has begun work
    int code;
    bool answered;
};

// A handler asks for a nested branch: on the stack of its thread, which waits.
struct nested {
    struct list link;
    struct event_extend extend; // borrows from the caller
    token_t token;
    bool pinned; // the engine is at work on it
    bool answered;
    int code;
    uint16_t number;
    assent_error error; // code 0: it has its number
};

struct assent_participant {
    // constant once open
    struct shell_place place;
    char resource[LIMIT_NAME_BYTES + 1];
    assent_handlers handlers;
    void *context;
    bool rm_durable;
    int wake_bell; // rung for the engine
    int stop_bell; // rung once, when it has stopped for good
    pthread_t engine_thread;
    struct worker *workers; // see participant_calls.c
    unsigned worker_count;

    pthread_mutex_t lock;   // of all that follows down to the next line
    pthread_cond_t changed; // connected, failed, users, works answered, calls all done
    struct list calls;      // for the workers
    struct list answers;    // for the engine
    struct list works;      // for the engine
    struct list nested_new; // for the engine
    struct list nested_asked;
    struct list heard; // for the engine: from other participants
    unsigned heard_count;
    struct list idle; // workers that wait for a call, the one that was busy last at the end
    unsigned running; // calls that workers have
    uint32_t users;   // application threads inside, that close has to wait for
    bool awake;       // the engine will look before it sleeps
    bool closing;     // no new calls begin
    bool workers_leave;
    struct participant_stats stats;
    assent_error failure;    // code 0: it works
    assent_error link_error; // why it is not connected

    // of the engine thread alone, once it runs
    struct participant *core;
    struct effects fx;
    struct log_queue *log;
    struct net_peer *net;
    struct peers *peers; // NULL: no way to other participants
    struct shell_inbox inbox;
    struct buf record;
    struct now now;
    struct list new_calls; // of this turn
    token_t nested_tokens;
    uint64_t writes_due; // records that were not lazy, and are not known to be durable
    bool stopped;
    bool sent_vote, sent_done; // this turn, for the crash points
};

// ---- participant_branch_id.c ----

void branch_id_make(const struct effect_call *call, char ret[BRANCH_ID_BYTES]);
// False, and *ret untouched, when the text is none that branch_id_make writes.
bool branch_id_parse(const char *text, struct branch_record *ret);

// ---- participant_recover.c ----

// Everything up to START: the journal's records into the core, then what the resource manager
// holds. The store is read, and not taken over.
int participant_recover(assent_participant *p, struct store *store, assent_error *error);

// ---- participant_engine.c ----

void *engine_run(void *participant);
void engine_wake(assent_participant *p);                      // lock held
void engine_step(assent_participant *p, struct event *event); // in the engine
// From any thread before the engine runs, later from the engine's alone.
void engine_stop(assent_participant *p, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// ---- participant_watch.c ----

// Lock held: calls from now on may use the participant, which close waits for.
int participant_enter(assent_participant *p, assent_error *error);
void participant_leave(assent_participant *p);

// ---- participant_nested.c ----

void nested_take(assent_participant *p); // lock held, and let go of meanwhile
void nested_answered(assent_participant *p, const struct effect_extended *answer);

// ---- participant_handlers.c ----

// What belongs together must be there. ASSENT_OK or ASSENT_INVALID.
int handlers_check(const assent_handlers *handlers, assent_error *error);
// Whether there are those that an unfinished branch of that protocol needs.
bool handlers_for(const assent_handlers *handlers, unsigned protocol, unsigned kind);
const char *handlers_operation(const struct call *call); // "try"
enum rm_result handlers_run(const assent_participant *p, struct call *call);

// ---- participant_calls.c ----

int calls_open(assent_participant *p, unsigned workers, assent_error *error);
void calls_close(assent_participant *p); // waits for running calls, then for the threads
// False when out of memory. The workers get it with the next calls_flush.
bool calls_add(assent_participant *p, const struct effect_call *call);
void calls_flush(assent_participant *p);

#endif
