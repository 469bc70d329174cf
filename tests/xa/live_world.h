// SPDX-License-Identifier: Apache-2.0
// A real assentd, a client, the participant "bank" on the resource manager in memory, and "other",
// which votes yes at once.
#ifndef XA_LIVE_WORLD_H
#define XA_LIVE_WORLD_H

#include "unit.h"

#include "assent/assent.h"
#include "assentd.h"
#include "memory_rm.h"

struct live {
    char *dir;
    struct assentd coordinator;
    assent_client *client;
    assent_xa *xa;
    assent_participant *bank, *other;
    assent_error error;
    _Atomic int mixed_at_forget; // what the coordinator said when forget was called
};
extern struct live live;

int live_setup(void **state); // all but "other"
int live_teardown(void **state);

void live_open_bank(int durable);
void live_close_bank(void);
void live_open_other(void);

assent_tx *live_begin(const char *gtid);
void live_call(assent_tx *tx, const char *resource, const char *payload);
XID live_enlist(assent_tx *tx, const char *gtid); // at "bank"
assent_result live_commit(assent_tx *tx);         // and destroys it

assent_participant_counts live_counts(void); // of "bank"
// Waits until the condition holds; fails when it takes too long.
void live_until(int (*condition)(void *arg), void *arg, const char *what);
void live_until_idle(void); // nothing unfinished at "bank"
void live_until_in_doubt(unsigned count);

#endif
