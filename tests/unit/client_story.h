// SPDX-License-Identifier: Apache-2.0
// A client's core with a scripted coordinator: what it does is written down as a story, a line an
// effect, and compared with what was expected.
#ifndef UNIT_CLIENT_STORY_H
#define UNIT_CLIENT_STORY_H

#include "unit.h"

#include "base/buf.h"
#include "core/client.h"

enum { STORY_COORDINATOR = 1234567 };

struct story {
    struct client *client;
    struct effects fx;
    struct now now;
    struct frame_header header; // of the scripted coordinator
    struct buf text;
    size_t sends; // since the start, of any kind
};

void story_begin(struct story *s, const struct client_config *config); // NULL: the defaults
void story_end(struct story *s);

// Fails unless this is what happened since the last time, then forgets it.
void story_is(struct story *s, const char *expected);
void story_skip(struct story *s);

void story_connect(struct story *s);
void story_disconnect(struct story *s);
void story_wait(struct story *s, uint64_t ms); // time passes, ticks come when they are due
void story_hear(struct story *s, const struct msg *msg);
void story_welcome(struct story *s, uint64_t first, uint32_t count);
// Up, greeted, welcomed with the numbers 1..100, and that skipped.
void story_ready(struct story *s);

struct gtid story_gtid(const char *text);
// Within `ms`; 0: no deadline. One branch at "bank" carrying the payload.
void story_submit(struct story *s, token_t token, const char *gtid, const char *payload,
                  uint64_t ms);
// At "bank".
void story_enlist(struct story *s, token_t token, const char *gtid, uint16_t branch, uint64_t ms);
// A CANCEL or a STATUS.
void story_ask(struct story *s, enum ask_kind kind, token_t token, const char *gtid, uint64_t ms);
void story_result(struct story *s, enum msg_type about, const char *gtid, enum outcome outcome);
void story_refuse(struct story *s, enum msg_type about, const char *gtid, enum assent_code code);

#endif
