// SPDX-License-Identifier: Apache-2.0
// A participant under test: handlers that do as the payload says and remember every call, a
// coordinator made of strings, and what the participant said to it.
//
// prepare:  "no" votes no, "read" votes read-only, "slow..." waits to be let go, others vote yes
// commit:   "retry" fails three times first, "slow-commit" waits to be let go, "heur2" and so on
//           answer that heuristic; forget ('o') fails once
// try_:     as prepare, "nested" and "nested-enlist" ask for a branch first and vote no with the
//           reason if they get none; action, deliver, check_back: "no" fails (where that can be),
//           "later" is to come again, "slow" waits to be let go, others are done. An action returns
//           "did " and its payload
#ifndef UNIT_SDK_RM_H
#define UNIT_SDK_RM_H

#include "sdk_fake.h"

#include "assent/participant.h"

enum { RM_CALLS_MAX = 512, RM_SAID_MAX = 1024, RM_PREPARED_MAX = 8 };

struct rm_call {
    char op; // 'p', 'c', 'r'; try 't', confirm 'f', cancel 'x'; action 'a', compensate 'u';
             // deliver 'd', check_back 'k'; ended 'e'
    char gtid[65];
    char id[129];
    char payload[32];
    char about[64];  // protocol, kind, operation
    char result[32]; // compensate
    char input[32];  // action: from step 0
    unsigned branch, tries;
    int enlisted;
};

struct rm_said {
    struct msg msg; // slices cut off, but for:
    char text[LIMIT_RESULT_BYTES + 1];
};

struct rm_world {
    struct fake fake;
    assent_participant *participant;
    assent_error error;
    const char *prepared[RM_PREPARED_MAX]; // ids that `recover` reports
    int prepared_codes[RM_PREPARED_MAX];   // and what it was told
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct rm_call calls[RM_CALLS_MAX];
    unsigned call_count;
    unsigned inside, slow_inside, overlaps; // handlers now; slow ones; two of one branch at once
    bool let_go;
    struct rm_said said[RM_SAID_MAX];
    unsigned said_count;
    struct msg_hello hello; // the last, without its name
};

extern struct rm_world rm;

int rm_setup(void **state); // coordinator up, no participant
int rm_teardown(void **state);

const assent_handlers *rm_handlers(bool with_recover);
extern const assent_handlers rm_business; // all but two-phase commit's
void rm_options(assent_participant_options *ret);
void rm_open(bool with_recover, bool durable);      // and welcomed
void rm_open_with(const assent_handlers *handlers); // likewise
void rm_close(void);

// ---- the coordinator speaks ----
void rm_prepare(const char *gtid, uint64_t attempt, const char *payload);
void rm_prepare_flags(const char *gtid, uint64_t attempt, const char *payload, unsigned flags,
                      enum branch_kind kind);
void rm_commit(const char *gtid, uint64_t attempt);
void rm_rollback(const char *gtid, uint64_t attempt);
void rm_standing(const char *gtid, uint64_t attempt, enum outcome outcome);
void rm_noted(const char *gtid, uint64_t attempt); // what the resource manager did by itself
void rm_fence(uint64_t fence);                     // rises with the next frame
void rm_say(const struct msg *msg);

// Waits for the n-th (from 1) message of the type about the gtid.
struct rm_said rm_await(enum msg_type type, const char *gtid, unsigned n);
struct msg_hello rm_last_hello(void);
unsigned rm_count_said(enum msg_type type, const char *gtid);
void rm_await_vote(const char *gtid, enum vote vote);
void rm_await_done(const char *gtid, enum outcome outcome);

// ---- the handlers ----
// "pcr": the operations that were called for the gtid so far, in order.
const char *rm_story(const char *gtid);
struct rm_call rm_await_call(char op, const char *gtid, unsigned n);
void rm_await_slow(unsigned count); // so many wait to be let go
void rm_let_go(void);

// ---- another process ----
// main() of a test with such processes calls this first: it serves, with these handlers, at
// argv[2] with the journal argv[3] until it is killed, and returns only when not asked to.
void rm_maybe_serve(int argc, char **argv);
// A process that does so; `crash` may be NULL. `file_bytes_max` 0: no limit to what files may grow.
pid_t rm_spawn(const char *crash, unsigned file_bytes_max);
int rm_reap(pid_t pid); // its wait status

#endif
