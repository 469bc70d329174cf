// SPDX-License-Identifier: Apache-2.0
// What waits to be sent to one peer: messages gathered into frames, bounded in bytes. Frames are
// handed to libzmq without copying, and count as waiting until it has let go of them.
#ifndef NET_OUTBOX_H
#define NET_OUTBOX_H

#include <stdatomic.h>

#include "net/net.h"
#include "wire/wire.h"

// Bytes that wait at all outboxes that share it; it must outlive the context that they send in.
struct outbox_total {
    atomic_size_t bytes;
    size_t max;
};

struct outbox {
    struct buf open;                   // the frame to which messages are added now
    struct outbox_frame *first, *last; // full ones, oldest first
    struct outbox_account *account;    // NULL until something is added
    struct outbox_total *total;
    size_t queue_bytes, frame_bytes; // limits
    size_t frame_before;             // bytes in the frame before: that much is asked for at once
};

void outbox_init(struct outbox *o, struct outbox_total *total, uint32_t queue_bytes,
                 uint32_t frame_bytes);
void outbox_free(struct outbox *o); // what libzmq holds still goes out
bool outbox_empty(const struct outbox *o);

// ASSENT_BUSY: the peer has its share of bytes waiting. ASSENT_LIMIT, ASSENT_INVALID: the message
// cannot be encoded. ASSENT_NOMEM.
int outbox_add(struct outbox *o, const struct msg *msg);

enum outbox_result { OUTBOX_SENT, OUTBOX_BLOCKED, OUTBOX_GONE };

// Sends as much as `socket` takes now, each frame that was not tried before with this header.
// `route` goes in front: the routing id for a ROUTER, empty for a DEALER. GONE: no such peer there.
enum outbox_result outbox_send(struct outbox *o, void *socket, struct slice route,
                               const struct frame_header *header, struct net_stats *stats);

// Messages that wait here (not in libzmq): those that outbox_free would lose.
uint64_t outbox_messages(const struct outbox *o);

#endif
