// SPDX-License-Identifier: Apache-2.0
// A switch that plays a script: the file that the open string names. Its lines are the calls that
// have to come, and what they answer:
//
//     [N:] open RMID -> CODE
//     [N:] close RMID STRING -> CODE
//     [N:] start XID FLAGS -> CODE        likewise end, rollback, prepare, commit, forget
//     [N:] recover COUNT FLAGS -> ANSWER [XID]...
//     [N:] WORD -> CODE                   of scripted_note
//
// N: the thread, counted from 1 in the order in which they first call; 1 where it is left out. Each
// thread has the lines of its own in their order. XID: GTRID|BQUAL, of another format than ours
// FORMAT:GTRID|BQUAL. FLAGS: names with '+' between them. CODE: a name or a number. A call is
// compared by fnmatch(3): '*' stands for anything. Where an answer to recover is more than there
// are XIDs, the last one is repeated.
//
// A call that should not have come, or not so, is answered with SCRIPTED_WRONG.
#ifndef XA_SCRIPTED_H
#define XA_SCRIPTED_H

#include <stddef.h>

#include "assent/error.h"

enum { SCRIPTED_WRONG = -99 };

// Exported: struct xa_switch_t scripted_xa, and broken ones: scripted_dynamic, scripted_incomplete,
// scripted_version, scripted_nameless. And:

// Something that happens between the calls.
typedef int scripted_note_function(const char *word);
// Ends the script. The first thing that was wrong with what was called, or ""; valid until the next
// script begins.
typedef const char *scripted_end_function(void);

#endif
