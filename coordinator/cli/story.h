// SPDX-License-Identifier: Apache-2.0
// What the files of `assent explain` share:
//   explain.c          transactions of two-phase commit, and tcc, which is like it
//   explain_saga.c     sagas
//   explain_message.c  transactional messages
//   explain_three_phase.c  what three-phase commit has besides two-phase commit
//   story.c            sentences, and parts of them
// Sentences are built from what the coordinator says and from nothing else: what it does not know
// is called unknown.
#ifndef CLI_STORY_H
#define CLI_STORY_H

#include "cli.h"

enum { PART_BYTES = 100, LIST_TEXT_BYTES = 400 };

struct story {
    const char *gtid;
    const json_t *t; // the transaction, NULL when there is none
    uint64_t now_ms;
    json_t *facts, *advice;
    bool failed;
};

// The sentence, borrowed, for members to be added; NULL is fine for jansson.
json_t *fact(struct story *s, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void advise(struct story *s, const char *code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

const json_t *story_branches(const struct story *s);

// Parts of sentences; they return ret.
// "for 3m 12s (since 12:00:01)"
const char *since(const struct story *s, uint64_t at_ms, char *ret, size_t size);
// "It is asked again in 4.0s."
const char *retry(const json_t *branch, char *ret, size_t size);
const char *connected(const json_t *branch);                  // "connected", "not connected"
const char *ordinal(uint64_t number, char *ret, size_t size); // "3rd"
const char *plural(uint64_t count);                           // "s", or "" for one

// Participants whose branches are that far: "mail, stock"; at most as many as fit. Returns how many
// there are.
unsigned names_of(const struct story *s, const char *progress, char *ret, size_t size);
// Likewise, of the branches of which that is true.
typedef bool branch_test(const json_t *branch, const void *arg);
unsigned names_where(const struct story *s, branch_test *test, const void *arg, char *ret,
                     size_t size);

// Hands members of the branch on to the sentence, for programs.
void about_branch(json_t *sentence, const json_t *branch);

struct count {
    unsigned all, waiting, connected, paused, yes, done;
};
struct count branches_count(const struct story *s);

// A branch that is asked again and again, and failed before: "step" at its participant, what it
// does ("is tried"). Told as `code`, with when the next attempt is, or for how long this one runs.
void tell_attempt(struct story *s, const json_t *branch, const char *code, const char *what,
                  const char *is_done);

// What helps a participant along, whatever it owes.
void advise_participants(struct story *s);
void advise_forget(struct story *s);
// Its decision, or its content, is on its way to the disk.
void tell_disk(struct story *s, const char *what);

// explain_saga.c, explain_message.c: all states but `deciding` and `ended`.
void tell_saga(struct story *s);
void tell_saga_ended(struct story *s);
void tell_message(struct story *s);
// explain_three_phase.c: what is told besides; all of it while the branches have it in hand.
void tell_three_preparing(struct story *s);
void tell_three_electing(struct story *s);
void tell_three_decided(struct story *s);
void advise_three_forget(struct story *s);
void advise_three_reconcile(struct story *s);

#endif
