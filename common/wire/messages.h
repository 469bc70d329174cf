// SPDX-License-Identifier: Apache-2.0
// The fields of every message, each named once, in the order of their bytes (docs/wire-format.md).
#ifndef WIRE_MESSAGES_H
#define WIRE_MESSAGES_H

#include "core/message.h"
#include "wire/codec.h"

// Walks the fields of msg->type. False when there is no such message. Reading a SUBMIT fills
// `branches`, which has LIMIT_BRANCHES places; writing leaves it alone.
bool messages_walk(struct codec *c, struct msg *msg, struct msg_branch *branches);

#endif
