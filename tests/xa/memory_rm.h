// SPDX-License-Identifier: Apache-2.0
// A resource manager in memory with an XA switch: it lives on when the participant that uses it is
// closed, as a database does. Branches that are not prepared go with the connection (thread) that
// began them.
#ifndef XA_MEMORY_RM_H
#define XA_MEMORY_RM_H

#include <stdbool.h>

#include "assent/xa_manager.h"

extern const struct xa_switch_t memory_rm_switch;

void memory_rm_reset(void);
// As an application would, on a connection of its own.
void memory_rm_prepare(const XID *xid);
bool memory_rm_holds(const XID *xid);
unsigned memory_rm_held(void); // how many branches
// From now on commit, or rollback, answers so, until the branch is forgotten.
void memory_rm_heuristic(int code);
// "prepare T1;commit T1;forget T1;": what was done, in order. Valid until the next call.
const char *memory_rm_story(void);

#endif
