// SPDX-License-Identifier: Apache-2.0
// LevelDB's compactions run in a thread of their own. Here that thread and the program take turns:
// one stands still while the other runs, so that what both do to their files comes in one order,
// which whoever gives the turns decides.
//
// Stands in for the environment of LevelDB that kv.cc asks for.
#ifndef POWER_TURNS_H
#define POWER_TURNS_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// From now on compactions run only in the turns that they are given; then again as they like.
void turns_begin(void);
void turns_end(void); // after turns_finish

// The program lets compactions make so many calls, or as many as they have to make. It must hold
// nothing that LevelDB locks.
void turns_give(uint64_t calls);
void turns_finish(void); // all of them

bool turns_pending(void); // there is something to compact

bool turns_in_compaction(void); // asked by the thread that runs compactions
void turns_take(void);          // by that thread, before each call that counts

#ifdef __cplusplus
}
#endif

#endif
