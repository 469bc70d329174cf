// SPDX-License-Identifier: Apache-2.0
// The client's core: gtids from the coordinator's lease, requests in flight, and the true outcome
// after a lost reply by asking again. Not thread-safe.
#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include "core/step.h"

struct client;

struct client_config {
    char name[LIMIT_NAME_BYTES + 1]; // program, for operators
    uint64_t seed;
    uint32_t ping_ms, silent_ms;
    uint32_t retry_min_ms, retry_max_ms; // an unanswered or BUSY request is sent again
    uint32_t asks_max;                   // in flight; past it ASSENT_BUSY
    uint8_t role;                        // ROLE_CLIENT or ROLE_OPERATOR
};

void client_config_defaults(struct client_config *config);

struct client *client_new(const struct client_config *config);
void client_destroy(struct client **self_p);

// Appends to *fx. An ASK is answered by exactly one COMPLETE, perhaps in the same step.
void client_step(struct client *self, const struct event *event, struct effects *fx);
uint64_t client_deadline(const struct client *self);
void client_header(const struct client *self, struct frame_header *ret);

bool client_connected(const struct client *self); // welcomed, and heard from lately
size_t client_in_flight(const struct client *self);

// A fresh gtid of this coordinator. False while no lease is left: greet or wait, then try again
// (a new lease is asked for in good time by itself).
bool client_gtid(struct client *self, struct gtid *ret);

#endif
