// SPDX-License-Identifier: Apache-2.0
// Bytes for frames of messages: versioned, little-endian, bounds-checked (docs/wire-format.md).
#ifndef WIRE_WIRE_H
#define WIRE_WIRE_H

#include "base/buf.h"
#include "base/error.h"
#include "core/message.h"

// ---- writing: begin, add*, end ----

// Starts a frame in an empty buffer. The header is filled in by wire_end.
void wire_begin(struct buf *frame);
// Appends one message. ASSENT_LIMIT when the frame or the message would be too long, ASSENT_INVALID
// when a field is outside of its values (the frame is then as before); ASSENT_NOMEM.
int wire_add(struct buf *frame, const struct msg *msg);
// Writes the header in front, version WIRE_VERSION. The frame then can be sent. Messages may not be
// added any more.
void wire_end(struct buf *frame, const struct frame_header *header);
// Messages added so far.
unsigned wire_count(const struct buf *frame);

// ---- reading: open, next* ----

struct wire_reader {
    const uint8_t *data;
    size_t size, at;
    unsigned left; // messages not read yet
    bool broken;   // garbage was found: nothing more is read
    struct msg_branch branches[LIMIT_BRANCHES];
};

// Checks magic, version, length and header. ASSENT_VERSION or ASSENT_INVALID. The frame is
// borrowed.
int wire_open(struct wire_reader *reader, struct slice frame, struct frame_header *ret,
              assent_error *error);
// The next message. False at the end of the frame and on garbage: then *ret_code is ASSENT_OK or
// ASSENT_INVALID, and nothing more can be read from the frame. Every field of a message that was
// read is within its limits and its enumeration.
bool wire_next(struct wire_reader *reader, struct msg *ret, int *ret_code, assent_error *error);

#endif
