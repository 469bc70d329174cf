// SPDX-License-Identifier: Apache-2.0
// A world for a TX program: a real assentd, and two resource managers in memory, each with a
// participant. The resource managers have an XA switch that records what it is asked, and can be
// told what to answer. A branch is bound to the connection that works on it, also when it is
// prepared; until that has ended the branch, or was closed, its participant cannot.
#ifndef TX_WORLD_H
#define TX_WORLD_H

#include "unit.h"

#include <assent/assent.h>
#include <stdbool.h>

enum { WORLD_RESOURCES = 2, WORLD_PATIENCE_MS = 60000 };

// Starts the coordinator and the participants rm-0 and rm-1, and sets ASSENT_TX_CONFIG to a
// configuration of the first `count`; `more` are further lines of it.
void world_open(unsigned count, const char *more);
void world_configure(unsigned count, const char *more);
void world_close(void);
void world_coordinator_start(void);
void world_coordinator_kill(void);
// The coordinator dies when the participant is next asked to prepare, before it votes.
void world_kill_at_prepare(int rmid);
assent_result world_status(const char *gtid);
void world_pause(void);  // a few milliseconds
void world_settle(void); // until nothing is unfinished at the participants

// What was called since the last time, such as "start 0, start 1, end 0". Valid until the next call
// of it.
const char *recorded(void);
// The next call of that name at that resource manager answers so. A heuristic is what then became
// of the branch, and its participant is answered the same until it forgets it.
void answer_next(const char *call, int rmid, int code);
// 'a' active, 'e' ended, 'p' prepared, 'c' committed, 'r' rolled back; '-' none of that name. After
// a heuristic 'C', 'R', 'M' or 'H', and 'f' once it is forgotten.
char branch_state(int rmid, const char *gtid);
unsigned opens(int rmid); // by all threads, not closed

#endif
