// SPDX-License-Identifier: Apache-2.0
// A coordinator on a desk: events are fed by hand, and the effects looked at one by one.
#ifndef UNIT_DESK_H
#define UNIT_DESK_H

#include "core/coordinator.h"
#include "unit.h"
#include "wire/record_codec.h"

struct desk {
    struct coordinator *c;
    struct coordinator_config config;
    struct effects fx;
    size_t at; // the next effect that was not looked at
    struct now now;
    uint64_t log_seq;
    struct msg msg; // the last one taken
    peer_t msg_peer;
    struct effect_write write; // likewise
    struct tx_record record;   // a copy of what it wrote, but for slices
    struct gtid lease_gtid;    // first of the last lease seen
    struct gtid_parts lease;
};

enum { CLIENT = 1, PEER_A = 2, PEER_B = 3, OTHER_CLIENT = 4, OPERATOR_PEER = 5 };

// For cmocka: a desk in *state, to which a client and two participants have said HELLO.
int desk_setup(void **state);
int desk_teardown(void **state);

void desk_open(struct desk *d);
void desk_open_leasing(struct desk *d, uint32_t lease_gtids);
void desk_close(struct desk *d);
// A crash: nothing of memory is left. The next incarnation is started, with these open records.
void desk_restart(struct desk *d, const struct tx_record *records, size_t count);

// What was written last, as it comes back from the disk: good beyond the life of the coordinator.
struct desk_kept {
    struct buf bytes;
    struct tx_record_storage storage;
    struct tx_record record;
};
void desk_keep(struct desk *d, struct desk_kept *ret); // to be ended with buf_free(&ret->bytes)

void desk_step(struct desk *d, struct event *event);
void desk_receive(struct desk *d, peer_t peer, const char *principal, const struct msg *msg);
void desk_hello(struct desk *d, peer_t peer, enum role role, const char *name);
void desk_hello_run(struct desk *d, peer_t peer, const char *name, uint64_t journal,
                    uint64_t incarnation);
void desk_pass(struct desk *d, uint64_t ms); // time passes, in one tick
void desk_gone(struct desk *d, peer_t peer);
// The next gtid of the lease that the client was given.
struct gtid desk_gtid(struct desk *d);
struct gtid desk_own(const char *text);
// A call at each resource; NULL ends them.
void desk_submit(struct desk *d, peer_t peer, const struct gtid *gtid, const char *payload, ...);
// Any SUBMIT; `submit` lacks only gtid and branches, which are numbered here.
void desk_submit_as(struct desk *d, peer_t peer, const struct gtid *gtid, struct msg_submit submit,
                    const struct msg_branch *branches, size_t count);
void desk_enlist(struct desk *d, const struct gtid *gtid, unsigned branch, const char *resource);
void desk_ask(struct desk *d, peer_t peer, enum msg_type type, const struct gtid *gtid);
void desk_vote(struct desk *d, peer_t peer, const struct msg_prepare *prepare, enum vote vote);
void desk_vote_text(struct desk *d, peer_t peer, const struct msg_prepare *prepare, enum vote vote,
                    const char *text);
// DONE to a PREPARE in one phase.
void desk_did(struct desk *d, peer_t peer, const struct msg_prepare *prepare, const char *result);
void desk_finish(struct desk *d, peer_t peer, const struct msg_decide *decide, enum outcome outcome,
                 unsigned flags);
void desk_inquire(struct desk *d, peer_t peer, const struct gtid *gtid, uint64_t coordinator,
                  uint64_t attempt, unsigned branch);
void desk_order(struct desk *d, enum operator_verb verb, const struct gtid *gtid);

// The next effect must be that message to that peer; it is in d->msg.
const struct msg *desk_expect(struct desk *d, peer_t peer, enum msg_type type);
void desk_expect_result(struct desk *d, peer_t peer, enum outcome outcome);
void desk_expect_refused(struct desk *d, peer_t peer, int code);
void desk_expect_write(struct desk *d, enum tx_stage stage, enum outcome outcome, bool lazy);
void desk_expect_answer(struct desk *d, int code);
void desk_expect_stop(struct desk *d, int code);
token_t desk_expect_lookup(struct desk *d); // its token
void desk_quiet(struct desk *d);            // nothing more

void desk_written(struct desk *d); // the last write is durable
void desk_found(struct desk *d, const struct tx_record *found,
                uint64_t horizon_ms); // expects LOOKUP

#endif
