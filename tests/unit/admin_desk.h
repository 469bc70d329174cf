// SPDX-License-Identifier: Apache-2.0
// The operator's verbs on a desk: a real core below, a host that writes down what it is asked.
#ifndef UNIT_ADMIN_DESK_H
#define UNIT_ADMIN_DESK_H

#include <jansson.h>

#include "admin.h"
#include "desk.h"

struct admin_desk {
    struct desk d;
    struct admin *admin;
    struct net_grant grant;
    // the last reply
    json_t *reply; // owned
    int code;
    uint64_t id;
    peer_t peer;
    unsigned replies;
    size_t reply_bytes;
    // the last order, lookup and scan
    struct event_operator order;
    char who[200], why[300];
    bool hold_orders; // the core is not told: the test answers
    bool answered;    // an order was answered by the core at once
    uint64_t lookup_token, scan_token, scan_from;
    struct gtid lookup_gtid;
    store_visit *visit;
    void *visit_arg;
    bool no_memory; // lookup and scan fail
};

void admin_desk_open(struct admin_desk *a);
void admin_desk_close(struct admin_desk *a);
// For cmocka: an open one in *state.
int admin_desk_setup(void **state);
int admin_desk_teardown(void **state);
// As desk_restart; nobody has said HELLO yet.
void admin_desk_restart(struct admin_desk *a, const struct tx_record *records, size_t count);

// Sends a request of an operator. Returns the reply, borrowed until the next request, or NULL when
// none came yet. At most one comes.
const json_t *admin_ask(struct admin_desk *a, const char *verb, const char *json);
const json_t *admin_ask_as(struct admin_desk *a, const struct admin_caller *caller,
                           const char *verb, const char *json);
// As admin_ask; the reply must be there and have that code.
const json_t *admin_expect(struct admin_desk *a, const char *verb, const char *json, int code);

// Members on a path such as "transactions.0.gtid"; the test fails when there is none.
const json_t *at(const json_t *json, const char *path);
const char *text_at(const json_t *json, const char *path);
long long number_at(const json_t *json, const char *path);

// Begins a transaction at each of the resources (NULL ends them) under a gtid of a client, up to
// its PREPAREs; the effects are not looked at.
void admin_begin(struct admin_desk *a, const char *gtid, ...);
// Answers the lookup or the scan that is waiting. Record NULL: nothing is stored.
void admin_found(struct admin_desk *a, const struct tx_record *record, uint64_t horizon_ms);
void admin_scan_ends(struct admin_desk *a);
// Hands a record to the scan's visitor, as the log thread would; what the visitor returned.
int admin_visit(struct admin_desk *a, const struct tx_record *record, uint64_t seq);

// A record that ended as asked, with two branches.
struct tx_record admin_record(const char *gtid, enum outcome outcome, uint64_t ended_ms);

#endif
