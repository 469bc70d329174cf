// SPDX-License-Identifier: Apache-2.0
// The operator's verbs inside assentd: MSG_ADMIN in, MSG_ADMIN_REPLY out. docs/admin-schema.md has
// the verbs and their JSON. Belongs to the engine's thread and never waits: what the core or the
// log thread has to answer comes back through admin_answered, admin_looked_up and admin_scanned.
//
// A request costs the engine a bounded time: lists are given in pages of at most
// ADMIN_PAGE_ROWS rows, and a page ends early once ADMIN_PAGE_VISITS transactions were looked at.
#ifndef COORDINATOR_ADMIN_H
#define COORDINATOR_ADMIN_H

#include "base/buf.h"
#include "core/coordinator.h"
#include "net/net.h"
#include "store/log_queue.h"

enum {
    ADMIN_PAGE_ROWS = LIMIT_LIST_ROWS,
    ADMIN_PAGE_VISITS = 2048,
    ADMIN_REQUESTS = 64, // waiting for the core or the log at once; past it ASSENT_BUSY
};

// Set in every token that goes to the host, so that the engine can tell whose an answer is.
#define ADMIN_TOKEN ((uint64_t)1 << 63)

struct admin;

// What the daemon knows of itself. Texts are valid until the engine's next turn.
struct admin_daemon {
    const char *data_dir;
    const char *endpoints[16]; // NULL-terminated; those really bound
    const char *store;         // the back end: "leveldb"
    uint64_t pid;
    uint64_t started_ms; // wall clock
    bool draining;
    uint64_t messages_in; // that could be read
    uint64_t garbage;     // frames and messages that were dropped because they made no sense
    struct store_info info;
    struct log_queue_stats log;
    struct net_stats net;
};

// One key of the configuration, as it is in force.
struct admin_config {
    const char *key;   // "retry/min-ms"
    const char *value; // as it would be written in the file; "" for an empty one
    const char *from;  // "default", "file /etc/assent/assentd.conf:12", "command line"
    const char *about; // one line
    bool reloadable;   // SIGHUP takes a new value
};

// What the engine provides. Functions are called on the engine's thread, inside an admin_ function.
struct admin_host {
    void *arg; // handed to each of them
    const struct coordinator *core;
    // Queues an ADMIN_REPLY. That the peer is gone is no error.
    void (*reply)(void *arg, peer_t peer, uint64_t id, int code, struct slice json);
    // Steps the core with EVENT_OPERATOR; its EFFECT_ANSWER goes to admin_answered, before this
    // returns or later.
    void (*order)(void *arg, const struct event_operator *order);
    // log_queue_lookup of record_key_tx(gtid); the answer goes to admin_looked_up. False: no
    // memory.
    bool (*lookup)(void *arg, uint64_t token, const struct gtid *gtid);
    // log_queue_scan of all records, newest first; the answer goes to admin_scanned. False: no
    // memory.
    bool (*scan)(void *arg, uint64_t token, uint64_t from_seq, store_visit *visit, void *visit_arg);
    struct now (*now)(void *arg);
    void (*daemon)(void *arg, struct admin_daemon *ret);
    // The index-th key of the configuration; false past the last one.
    bool (*config)(void *arg, unsigned index, struct admin_config *ret);
};

// The host is copied. NULL: out of memory.
struct admin *admin_new(const struct admin_host *host);
// The log queue must have been destroyed: a scan may be running over memory of a request.
void admin_destroy(struct admin **self_p);

// Who sent a request.
struct admin_caller {
    peer_t peer;
    uint8_t role;                  // as its HELLO said and the core welcomed; 0: no HELLO yet
    const struct net_grant *grant; // of its certificate; NULL: not known, nothing is allowed
    struct slice principal;
};

// Answers, now or later, with exactly one host->reply: also to garbage and to callers that are no
// operators (ASSENT_DENIED, counted by admin_denied).
void admin_receive(struct admin *self, const struct admin_caller *caller,
                   const struct msg_admin *request);
uint64_t admin_denied(const struct admin *self);

// EFFECT_ANSWER of the core. Text is copied.
void admin_answered(struct admin *self, uint64_t token, int code, struct slice text);
// Answers of the log queue whose token has ADMIN_TOKEN. The caller frees `answer` afterwards.
void admin_looked_up(struct admin *self, const struct log_answer *answer);
void admin_scanned(struct admin *self, const struct log_answer *answer);

#endif
