// SPDX-License-Identifier: Apache-2.0
#include "net/outbox.h"

#include <errno.h>
#include <stdlib.h>
#include <zmq.h>

#include "base/check.h"

// A frame costs this much besides its bytes: here, in the allocator, and in libzmq.
enum { FRAME_OVERHEAD_BYTES = 256, RESERVE_BYTES_MAX = 65536 };

// Bytes that wait for one peer. It outlives the outbox for as long as libzmq holds a frame of it.
struct outbox_account {
    atomic_size_t bytes;
    atomic_uint references;
    struct outbox_total *total;
};

struct outbox_frame {
    struct outbox_frame *next;
    struct outbox_account *account;
    uint8_t *data;
    size_t size;
    unsigned messages;
    bool ended;       // the header is written
    bool kept;        // libzmq did not take it: still ours
    atomic_bool sent; // orders our writes before libzmq's thread frees them
};

static struct outbox_account *account_new(struct outbox_total *total)
{
    struct outbox_account *a = calloc(1, sizeof *a);
    if (a) {
        atomic_init(&a->references, 1);
        a->total = total;
    }
    return a;
}

static void account_release(struct outbox_account *a)
{
    if (a && atomic_fetch_sub_explicit(&a->references, 1, memory_order_acq_rel) == 1)
        free(a);
}

static void account_add(struct outbox_account *a, size_t bytes)
{
    atomic_fetch_add_explicit(&a->bytes, bytes, memory_order_relaxed);
    atomic_fetch_add_explicit(&a->total->bytes, bytes, memory_order_relaxed);
}

static void account_subtract(struct outbox_account *a, size_t bytes)
{
    atomic_fetch_sub_explicit(&a->bytes, bytes, memory_order_relaxed);
    atomic_fetch_sub_explicit(&a->total->bytes, bytes, memory_order_relaxed);
}

// A peer may have as much waiting as is left for all, so that however many peers do not read,
// something is left for those who do.
static bool account_full(const struct outbox *o)
{
    if (!o->account)
        return false;
    size_t used = atomic_load_explicit(&o->account->bytes, memory_order_relaxed);
    size_t all = atomic_load_explicit(&o->total->bytes, memory_order_relaxed);
    size_t left = all < o->total->max ? o->total->max - all : 0;
    return used >= o->queue_bytes || used >= left;
}

static void frame_free(struct outbox_frame *frame)
{
    account_subtract(frame->account, frame->size + FRAME_OVERHEAD_BYTES);
    account_release(frame->account);
    free(frame->data);
    free(frame);
}

// Called by libzmq when it needs the bytes no more, mostly on its I/O thread.
static void frame_released(void *data, void *hint)
{
    (void)data;
    struct outbox_frame *frame = hint;
    if (atomic_load_explicit(&frame->sent, memory_order_acquire) && !frame->kept)
        frame_free(frame);
}

void outbox_init(struct outbox *o, struct outbox_total *total, uint32_t queue_bytes,
                 uint32_t frame_bytes)
{
    *o = (struct outbox){.total = total, .queue_bytes = queue_bytes, .frame_bytes = frame_bytes};
    buf_init(&o->open, frame_bytes);
}

static void open_free(struct outbox *o)
{
    if (o->open.size > 0)
        account_subtract(o->account, o->open.size + FRAME_OVERHEAD_BYTES);
    buf_free(&o->open);
}

void outbox_free(struct outbox *o)
{
    open_free(o);
    for (struct outbox_frame *frame = o->first, *next; frame; frame = next) {
        next = frame->next;
        frame_free(frame);
    }
    o->first = o->last = NULL;
    account_release(o->account);
    o->account = NULL;
}

bool outbox_empty(const struct outbox *o)
{
    return !o->first && o->open.size == 0;
}

uint64_t outbox_messages(const struct outbox *o)
{
    uint64_t count = wire_count(&o->open);
    for (const struct outbox_frame *frame = o->first; frame; frame = frame->next)
        count += frame->messages;
    return count;
}

// ---- adding ----

static int open_begin(struct outbox *o)
{
    if (!o->account)
        o->account = account_new(o->total);
    if (!o->account)
        return ASSENT_NOMEM;
    size_t reserve =
        o->frame_before < RESERVE_BYTES_MAX ? o->frame_before : (size_t)RESERVE_BYTES_MAX;
    buf_extend(&o->open, reserve); // only asks for memory: the next line empties it again
    buf_reset(&o->open);
    wire_begin(&o->open);
    if (o->open.failed) {
        buf_free(&o->open);
        return ASSENT_NOMEM;
    }
    account_add(o->account, o->open.size + FRAME_OVERHEAD_BYTES);
    return ASSENT_OK;
}

static int open_add(struct outbox *o, const struct msg *msg)
{
    if (o->open.size == 0) {
        int code = open_begin(o);
        if (code != ASSENT_OK)
            return code;
    }
    size_t before = o->open.size;
    int code = wire_add(&o->open, msg);
    o->open.failed = false; // then the frame is as before, and as good
    account_add(o->account, o->open.size - before);
    if (wire_count(&o->open) == 0)
        open_free(o);
    return code;
}

// The frame being built joins those that wait, and the next message begins another.
static int open_close(struct outbox *o)
{
    struct outbox_frame *frame = calloc(1, sizeof *frame);
    if (!frame)
        return ASSENT_NOMEM;
    frame->account = o->account;
    frame->data = o->open.data;
    frame->size = o->open.size;
    frame->messages = wire_count(&o->open);
    atomic_init(&frame->sent, false);
    atomic_fetch_add_explicit(&o->account->references, 1, memory_order_relaxed);
    o->frame_before = o->open.size;
    buf_init(&o->open, o->frame_bytes);
    if (o->last)
        o->last->next = frame;
    else
        o->first = frame;
    o->last = frame;
    return ASSENT_OK;
}

int outbox_add(struct outbox *o, const struct msg *msg)
{
    if (account_full(o))
        return ASSENT_BUSY;
    int code = open_add(o, msg);
    if (code != ASSENT_LIMIT || o->open.size == 0)
        return code;
    // Full, or the message is too long for any frame: an empty one will tell.
    code = open_close(o);
    return code == ASSENT_OK ? open_add(o, msg) : code;
}

// ---- sending ----

static void frame_end(struct outbox_frame *frame, const struct frame_header *header)
{
    if (frame->ended)
        return;
    struct buf whole = {
        .data = frame->data, .size = frame->size, .capacity = frame->size, .cap = frame->size};
    wire_end(&whole, header);
    CHECK(!whole.failed && whole.size == frame->size);
    frame->ended = true;
}

// Once the route has been taken, the frame is taken too; a DEALER may refuse it.
static bool frame_hand_over(struct outbox_frame *frame, void *socket)
{
    zmq_msg_t msg;
    if (zmq_msg_init_data(&msg, frame->data, frame->size, frame_released, frame) != 0)
        return false;
    frame->kept = false;
    atomic_store_explicit(&frame->sent, true, memory_order_release);
    int rc;
    do
        rc = zmq_msg_send(&msg, socket, ZMQ_DONTWAIT);
    while (rc < 0 && errno == EINTR);
    if (rc >= 0)
        return true;
    frame->kept = true;
    zmq_msg_close(&msg);
    return false;
}

static enum outbox_result frame_send(struct outbox_frame *frame, void *socket, struct slice route)
{
    if (route.size > 0 && zmq_send(socket, route.data, route.size, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EHOSTUNREACH ? OUTBOX_GONE : OUTBOX_BLOCKED;
    if (frame_hand_over(frame, socket))
        return OUTBOX_SENT;
    if (route.size > 0) // out of memory: an empty frame, which means nothing, ends the message
        zmq_send(socket, "", 0, ZMQ_DONTWAIT);
    return OUTBOX_BLOCKED;
}

enum outbox_result outbox_send(struct outbox *o, void *socket, struct slice route,
                               const struct frame_header *header, struct net_stats *stats)
{
    if (o->open.size > 0 && open_close(o) != ASSENT_OK)
        return OUTBOX_BLOCKED;
    while (o->first) {
        struct outbox_frame *frame = o->first;
        struct outbox_frame *next = frame->next;
        size_t size = frame->size;
        unsigned messages = frame->messages;
        frame_end(frame, header);
        enum outbox_result result = frame_send(frame, socket, route);
        if (result != OUTBOX_SENT)
            return result;
        o->first = next; // `frame` may be freed already
        if (!next)
            o->last = NULL;
        stats->frames_out++;
        stats->messages_out += messages;
        stats->bytes_out += size;
    }
    return OUTBOX_SENT;
}
