// SPDX-License-Identifier: Apache-2.0
// What is to happen, in the order of virtual time; what is due at the same moment happens in the
// order in which it was queued.
#ifndef SIM_QUEUE_H
#define SIM_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/slice.h"

enum item_kind {
    ITEM_FRAME = 1,
    ITEM_GONE,    // the coordinator learns that a connection is gone
    ITEM_CONNECT, // a process tries to connect
    ITEM_TICK,
    ITEM_FLUSH,
    ITEM_DISK,
    ITEM_CALL,   // a resource manager does what it was asked to
    ITEM_ANSWER, // and says so
    ITEM_START,
    ITEM_APP,
    ITEM_OPERATOR,
    ITEM_DISASTER,
    ITEM_REPAIR,
};

struct actor;
struct sim_tx;

struct item {
    uint64_t due_us, order;
    struct actor *actor; // whose it is: dropped when its life is another
    uint64_t life;       // 0: of any
    struct item *next_free;
    uint64_t peer;      // FRAME, GONE: the connection
    struct slice bytes; // FRAME: owned
    struct sim_tx *tx;  // APP, OPERATOR
    uint64_t number;    // CALL, ANSWER: the call; TICK: when it was due
    uint8_t kind;       // enum item_kind
    uint8_t branch;     // ANSWER to an action of `tx`
    uint8_t what; // APP: enum app_step; OPERATOR: the verb, 0: any; ANSWER: enum rm_result; FRAME:
                  // enum direction
};

struct queue {
    struct item **heap; // owned
    size_t count, capacity;
    uint64_t order_next;
    struct item *free;
    struct item **blocks; // owned
    size_t block_count;
};

void queue_init(struct queue *q);
void queue_free(struct queue *q);
// A zeroed item, not queued yet.
struct item *queue_item(struct queue *q, enum item_kind kind);
void queue_add(struct queue *q, struct item *item, uint64_t due_us);
struct item *queue_take(struct queue *q); // the next one, NULL: none
void queue_release(struct queue *q, struct item *item);
// Drops the frames of a connection.
void queue_drop_frames(struct queue *q, uint64_t peer);

#endif
