// SPDX-License-Identifier: Apache-2.0
// The client's core: gtids from the coordinator's lease, requests in flight, and the true outcome
// after a lost reply by asking again. Not thread-safe.
//
// A request is sent again after every reconnection, and after a pause without an answer: the
// coordinator takes the same request for the same transaction. So an ASK completes with
//   ASSENT_OK           what the coordinator answered
//   ASSENT_TIMEOUT      its deadline has passed, or a coordinator with another log answers now, and
//   it
//                       may have had an effect
//   ASSENT_UNAVAILABLE  its deadline has passed, and it was never sent
//   any other           refused: certainly without effect
#ifndef CORE_CLIENT_H
#define CORE_CLIENT_H

#include "core/step.h"

struct client;

struct client_config {
    char name[LIMIT_NAME_BYTES + 1]; // program, for operators
    uint64_t seed;
    uint32_t ping_ms, silent_ms;         // nothing said or heard for so long: ping; greet again
    uint32_t resend_ms;                  // unanswered for so long: sent again, with backoff
    uint32_t retry_min_ms, retry_max_ms; // refused with BUSY: tried again after so long
    uint32_t asks_max;                   // in flight; past it ASSENT_BUSY
    uint8_t role;                        // ROLE_CLIENT or ROLE_OPERATOR
};

void client_config_defaults(struct client_config *config);

// NULL when out of memory. The caller owns the result.
struct client *client_new(const struct client_config *config);
void client_destroy(struct client **self_p);

// Events: CONNECTED, DISCONNECTED, RECEIVED, TICK, ASK, GIVE_UP; no START is needed. Appends to
// *fx. An ASK is answered by exactly one COMPLETE, perhaps in the same step; after a GIVE_UP that
// is ASSENT_CLOSED. The content of an ASK is copied.
void client_step(struct client *self, const struct event *event, struct effects *fx);
uint64_t client_deadline(const struct client *self); // monotonic ms; UINT64_MAX: none
void client_header(const struct client *self, struct frame_header *ret);

bool client_connected(const struct client *self); // welcomed, and heard from lately
size_t client_in_flight(const struct client *self);

// Why the coordinator refused our greeting: enum assent_code, ASSENT_OK when it did not (any more).
// The text is valid until the next step.
int client_refused(const struct client *self, struct slice *ret_text);

// A run of fresh numbers of one lease.
struct gtid_block {
    uint64_t coordinator, incarnation, lease_ms;
    uint64_t first;
    uint32_t count;
    uint64_t stale_ms; // monotonic: not to be begun with from then on
};

// Takes up to `count_max` numbers of one lease. False while none is left: greet or wait, then try
// again (the next lease is asked for in good time by the next step).
bool client_gtids(struct client *self, uint32_t count_max, struct gtid_block *ret);
// Whether its numbers may still be begun with: not stale, and of the coordinator's present run.
bool client_gtids_good(const struct client *self, const struct gtid_block *block);
// One of them as text. The block must not be empty.
void gtid_block_take(struct gtid_block *block, struct gtid *ret);
// A fresh gtid of this coordinator.
bool client_gtid(struct client *self, struct gtid *ret);

#endif
