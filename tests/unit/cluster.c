// SPDX-License-Identifier: Apache-2.0
#include "cluster.h"

#include <stdlib.h>

#include "base/check.h"

bool cluster_in_core;

static struct slice keep(struct slice bytes)
{
    uint8_t *copy = malloc(bytes.size + 1);
    CHECK(copy);
    if (bytes.size)
        memcpy(copy, bytes.data, bytes.size);
    return slice_of(copy, bytes.size);
}

static struct slice keep_buf(struct buf *b)
{
    CHECK(!b->failed);
    struct slice copy = keep(buf_slice(b));
    buf_free(b);
    return copy;
}

static void see(struct actor *a, struct sight sight)
{
    const struct cluster_options *options = &a->cluster->options;
    sight.actor = a;
    if (options->see)
        options->see(options->arg, &sight);
}

// ---- items ----

static struct item *item_new(struct actor *from, enum item_kind kind)
{
    struct item *item = calloc(1, sizeof *item);
    CHECK(item);
    item->kind = kind;
    item->from = from;
    list_append(&from->cluster->items, &item->link);
    return item;
}

void cluster_lose(struct item *item)
{
    list_remove(&item->link);
    free((void *)item->bytes.data);
    free(item);
}

static struct actor *actor_of_peer(struct cluster *c, peer_t peer)
{
    for (unsigned i = 0; i < c->count; i++) {
        if (c->actors[i].peer == peer)
            return &c->actors[i];
    }
    return NULL;
}

static struct item *frame_new(struct actor *from, struct actor *to, peer_t peer,
                              const struct frame_header *header, const struct msg *msg)
{
    struct buf frame;
    buf_init(&frame, LIMIT_FRAME_BYTES);
    wire_begin(&frame);
    assert_int_equal(wire_add(&frame, msg), ASSENT_OK);
    wire_end(&frame, header);
    struct item *item = item_new(from, ITEM_FRAME);
    item->to = to;
    item->peer = peer;
    item->bytes = keep_buf(&frame);
    return item;
}

void cluster_again(struct cluster *c, struct item *item)
{
    struct item *copy = item_new(item->from, ITEM_FRAME);
    copy->to = item->to;
    copy->peer = item->peer;
    copy->bytes = keep(item->bytes);
    (void)c;
}

const struct msg *cluster_message(struct cluster *c, const struct item *item,
                                  struct frame_header *ret)
{
    static struct msg msg;
    assent_error error;
    int code;
    assert_int_equal(wire_open(&c->reader, item->bytes, ret, &error), ASSENT_OK);
    assert_true(wire_next(&c->reader, &msg, &code, &error));
    return &msg;
}

// ---- effects ----

static void apply_send(struct actor *a, peer_t peer, const struct msg *msg)
{
    struct frame_header header;
    if (a->kind == ACTOR_COORDINATOR) {
        struct actor *to = actor_of_peer(a->cluster, peer);
        coordinator_header(a->coordinator, peer, &header);
        if (to) // else the connection is gone
            frame_new(a, to, peer, &header, msg);
        return;
    }
    if (a->kind == ACTOR_PARTICIPANT)
        participant_header(a->participant, &header);
    else
        client_header(a->client, &header);
    assert_true(a->peer); // nothing is said into the void
    frame_new(a, cluster_coordinator(a->cluster), a->peer, &header, msg);
}

// Between participants: on no connection that could be lost, but frames can.
static void apply_tell(struct actor *a, const struct effect_tell *tell)
{
    struct frame_header header;
    char name[LIMIT_NAME_BYTES + 1] = {0};
    memcpy(name, tell->resource.data, tell->resource.size);
    participant_header(a->participant, &header);
    frame_new(a, cluster_actor(a->cluster, name), 0, &header, &tell->msg);
}

static void apply_write(struct actor *a, const struct effect_write *write)
{
    struct item *item = item_new(a, ITEM_WRITE);
    const struct gtid *gtid = write->tx ? &write->tx->gtid : &write->branch->gtid;
    struct slice key = record_key_tx(gtid);
    if (write->branch)
        key = record_key_branch(gtid, write->branch->branch, item->record.key);
    else
        memcpy(item->record.key, key.data, key.size);
    item->record.key[key.size] = '\0';
    item->record.open = write->open;
    item->record.stamp = write->stamp;
    item->token = write->token;
    item->lazy = write->haste == HASTE_LAZY;
    item->decide = write->decide;
    item->forget = write->forget;
    struct buf bytes;
    buf_init(&bytes, LIMIT_RECORD_BYTES);
    int code = write->tx ? record_encode_tx(&bytes, write->tx)
                         : record_encode_branch(&bytes, write->branch);
    assert_int_equal(code, ASSENT_OK);
    item->bytes = keep_buf(&bytes);
    see(a, (struct sight){.seen = SEEN_WRITE, .item = item});
}

static void apply_call(struct actor *a, const struct effect_call *call)
{
    struct item *item = item_new(a, ITEM_CALL);
    item->call = *call;
    item->token = call->token;
    struct buf bytes;
    buf_init(&bytes, LIMIT_RECORD_BYTES);
    buf_append(&bytes, call->payload.data, call->payload.size);
    buf_append(&bytes, call->inputs.data, call->inputs.size);
    buf_append(&bytes, call->result.data, call->result.size);
    item->bytes = keep_buf(&bytes);
    const uint8_t *at = item->bytes.data;
    item->call.payload.data = at;
    item->call.inputs.data = at + call->payload.size;
    item->call.result.data = at + call->payload.size + call->inputs.size;
}

void cluster_collect(struct actor *a, uint64_t horizon)
{
    size_t kept = 0;
    if (horizon > a->horizon)
        a->horizon = horizon;
    for (size_t i = 0; i < a->record_count; i++) {
        if (a->records[i].open || a->records[i].stamp >= a->horizon)
            a->records[kept++] = a->records[i];
        else
            free((void *)a->records[i].bytes.data);
    }
    a->record_count = kept;
}

static void apply(struct actor *a, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: apply_send(a, effect->u.send.peer, &effect->u.send.msg); return;
    case EFFECT_WRITE: apply_write(a, &effect->u.write); return;
    case EFFECT_CALL: apply_call(a, &effect->u.call); return;
    case EFFECT_LOOKUP: {
        struct item *item = item_new(a, ITEM_LOOKUP);
        item->token = effect->u.lookup.token;
        struct slice key = record_key_tx(&effect->u.lookup.gtid);
        memcpy(item->record.key, key.data, key.size);
        return;
    }
    case EFFECT_HORIZON:
        see(a, (struct sight){.seen = SEEN_HORIZON, .effect = effect});
        cluster_collect(a, effect->u.horizon);
        return;
    case EFFECT_ANSWER: see(a, (struct sight){.seen = SEEN_ANSWER, .effect = effect}); return;
    case EFFECT_COMPLETE: see(a, (struct sight){.seen = SEEN_COMPLETE, .effect = effect}); return;
    case EFFECT_TELL: apply_tell(a, &effect->u.tell); return;
    case EFFECT_EXTENDED: see(a, (struct sight){.seen = SEEN_EXTENDED, .effect = effect}); return;
    case EFFECT_STOP:
        see(a, (struct sight){.seen = SEEN_STOP, .effect = effect});
        cluster_crash(a, 0, false);
        return;
    }
}

void cluster_step(struct actor *a, struct event *event)
{
    if (!a->alive)
        return;
    event->now = a->cluster->now;
    a->steps++;
    if (a->cluster->options.thrifty)
        effects_free(&a->fx);
    effects_reset(&a->fx);
    cluster_in_core = true;
    if (a->kind == ACTOR_COORDINATOR)
        coordinator_step(a->coordinator, event, &a->fx);
    else if (a->kind == ACTOR_PARTICIPANT)
        participant_step(a->participant, event, &a->fx);
    else
        client_step(a->client, event, &a->fx);
    cluster_in_core = false;
    if (a->fx.failed) { // what is missing nobody knows: nothing of it may be done
        cluster_crash(a, 0, false);
        return;
    }
    see(a, (struct sight){.seen = SEEN_STEP});
    uint64_t step = a->steps;
    for (size_t i = 0; i < a->fx.count && a->alive; i++)
        apply(a, &a->fx.items[i]);
    CHECK(step == a->steps);
}

// ---- time ----

static uint64_t deadline_of(const struct actor *a)
{
    if (!a->alive)
        return UINT64_MAX;
    if (a->kind == ACTOR_COORDINATOR)
        return coordinator_deadline(a->coordinator);
    if (a->kind == ACTOR_PARTICIPANT)
        return participant_deadline(a->participant);
    return client_deadline(a->client);
}

uint64_t cluster_deadline(const struct cluster *c)
{
    uint64_t first = UINT64_MAX;
    for (unsigned i = 0; i < c->count; i++) {
        uint64_t deadline = deadline_of(&c->actors[i]);
        if (deadline < first)
            first = deadline;
    }
    return first;
}

bool cluster_tick(struct cluster *c)
{
    bool any = false;
    for (unsigned i = 0; i < c->count; i++) {
        if (deadline_of(&c->actors[i]) > c->now.mono_ms)
            continue;
        any = true;
        cluster_step(&c->actors[i], &(struct event){.type = EVENT_TICK});
    }
    return any;
}

// ---- disks ----

static struct stored *stored_find(const struct actor *a, const char *key)
{
    for (size_t i = 0; i < a->record_count; i++) {
        if (strcmp(a->records[i].key, key) == 0)
            return &a->records[i];
    }
    return NULL;
}

static void stored_remove(struct actor *a, const char *key)
{
    struct stored *old = stored_find(a, key);
    if (!old)
        return;
    free((void *)old->bytes.data);
    memmove(old, old + 1, (size_t)(&a->records[a->record_count] - old - 1) * sizeof *old);
    a->record_count--;
}

// Puts the record on disk. Returns what stands instead, if its key was decided before.
static struct stored *store(struct item *item)
{
    struct actor *a = item->from;
    struct stored *old = stored_find(a, item->record.key);
    bool decided = old && old->decided;
    if (item->decide && decided)
        return old;
    stored_remove(a, item->record.key);
    a->log_seq++;
    if (item->forget)
        return NULL;
    a->records = realloc(a->records, (a->record_count + 1) * sizeof *a->records);
    CHECK(a->records);
    struct stored *record = &a->records[a->record_count++];
    *record = item->record;
    record->decided = item->decide || decided;
    record->bytes = keep(item->bytes);
    return NULL;
}

static void load_tx(const struct stored *from, struct tx_record_storage *storage,
                    struct tx_record *ret)
{
    assent_error error;
    assert_int_equal(record_decode_tx(from->bytes, storage, ret, &error), ASSENT_OK);
}

static void happen_write(struct item *item)
{
    struct actor *a = item->from;
    struct tx_record_storage storage;
    struct tx_record record;
    struct stored *stands = store(item);
    struct event event = {.type = EVENT_WRITTEN};
    event.u.written.token = item->token;
    event.u.written.log_seq = a->log_seq;
    if (stands) {
        load_tx(stands, &storage, &record);
        event.u.written.stands = &record;
    }
    see(a, (struct sight){.seen = SEEN_DURABLE, .item = item});
    cluster_step(a, &event);
}

static void happen_lookup(struct item *item)
{
    struct tx_record_storage storage;
    struct tx_record record;
    struct stored *found = stored_find(item->from, item->record.key);
    struct event event = {.type = EVENT_LOOKED_UP};
    event.u.looked_up.token = item->token;
    event.u.looked_up.horizon_ms = item->from->horizon;
    if (found) {
        load_tx(found, &storage, &record);
        event.u.looked_up.found = &record;
    }
    cluster_step(item->from, &event);
}

// ---- resource managers ----

static struct holding *holding_of(const struct actor *a, const struct gtid *gtid, unsigned branch,
                                  uint64_t attempt)
{
    for (size_t i = 0; i < a->holding_count; i++) {
        struct holding *h = &a->holdings[i];
        if (gtid_equal(&h->gtid, gtid) && h->branch == branch && h->attempt == attempt)
            return h;
    }
    return NULL;
}

static void hold(struct actor *a, const struct effect_call *call)
{
    struct holding *h = holding_of(a, &call->gtid, call->branch, call->attempt);
    if (!h) {
        a->holdings = realloc(a->holdings, (a->holding_count + 1) * sizeof *a->holdings);
        CHECK(a->holdings);
        h = &a->holdings[a->holding_count++];
        *h = (struct holding){
            .gtid = call->gtid,
            .branch = call->branch,
            .attempt = call->attempt,
            .coordinator = call->coordinator,
        };
    }
    h->held = HELD_PREPARED;
}

// What the database does. Idempotent, like every resource manager must be.
static enum rm_result rm_obey(struct actor *a, const struct effect_call *call,
                              struct slice *ret_text)
{
    const struct cluster_options *options = &a->cluster->options;
    enum rm_result result = RM_DONE;
    if (options->rm)
        result = options->rm(options->arg, a, call, ret_text);
    struct holding *h = holding_of(a, &call->gtid, call->branch, call->attempt);
    if (result > RM_RETRY && h && h->held == HELD_PREPARED) // by a decision of its own
        h->held = result == RM_HEURISTIC_COMMIT ? HELD_COMMITTED : HELD_ROLLED_BACK;
    // Of admitted protocols it holds nothing that it could list.
    if (result != RM_DONE || protocol_business(call->protocol) || call->op == RM_FORGET)
        return result;
    if (call->op == RM_PREPARE) {
        hold(a, call);
    } else if (h && h->held == HELD_PREPARED) {
        h->held = call->op == RM_COMMIT ? HELD_COMMITTED : HELD_ROLLED_BACK;
        h->commits += call->op == RM_COMMIT;
    }
    return result;
}

static void happen_call(struct item *item)
{
    struct actor *a = item->from;
    struct slice text = slice_of(NULL, 0);
    enum rm_result result = rm_obey(a, &item->call, &text);
    see(a, (struct sight){.seen = SEEN_CALLED, .item = item, .result = result});
    struct event event = {.type = EVENT_CALLED};
    event.u.called = (struct event_called){
        .token = item->token,
        .result = result,
        .durable = a->rm_durable,
        .text = text,
    };
    cluster_step(a, &event);
}

// ---- the network ----

static void happen_frame(struct cluster *c, struct item *item)
{
    struct frame_header header;
    const struct msg *msg = cluster_message(c, item, &header);
    bool told = item->to && item->peer == 0; // by another participant
    bool to_peer = item->to && item->to->kind != ACTOR_COORDINATOR && !told;
    // What was sent to an earlier connection does not arrive on a later one.
    if (item->to && (!item->to->alive || (to_peer && item->to->peer != item->peer)))
        return;
    struct actor *seer = item->to ? item->to : item->from;
    see(seer, (struct sight){.seen = SEEN_RECEIVE, .item = item, .msg = msg, .header = &header});
    if (!item->to)
        return;
    struct event event = {.type = EVENT_TOLD};
    if (told) {
        event.u.told.msg = msg;
        cluster_step(item->to, &event);
        return;
    }
    event.type = EVENT_RECEIVED;
    event.u.received.peer = to_peer ? 0 : item->peer;
    event.u.received.principal = slice_text("local");
    event.u.received.header = &header;
    event.u.received.msg = msg;
    cluster_step(item->to, &event);
}

void cluster_hand(struct actor *to, const struct frame_header *header, const struct msg *msg)
{
    struct item *item = frame_new(to, to, to->peer, header, msg);
    cluster_happen(to->cluster, item);
}

// The oldest thing on its way to the same disk.
static struct item *oldest(struct cluster *c, struct item *item)
{
    for (struct list *l = c->items.next; l != &c->items; l = l->next) {
        struct item *other = container_of(l, struct item, link);
        bool disk = other->kind == ITEM_WRITE || other->kind == ITEM_LOOKUP;
        if (disk && other->from == item->from)
            return other;
    }
    return item;
}

void cluster_happen(struct cluster *c, struct item *item)
{
    if (item->kind == ITEM_WRITE || item->kind == ITEM_LOOKUP)
        item = oldest(c, item);
    list_remove(&item->link); // so that a crash meanwhile does not meet it
    switch (item->kind) {
    case ITEM_FRAME: happen_frame(c, item); break;
    case ITEM_WRITE: happen_write(item); break;
    case ITEM_LOOKUP: happen_lookup(item); break;
    case ITEM_CALL: happen_call(item); break;
    }
    cluster_lose(item);
}

void cluster_connect(struct actor *a)
{
    struct cluster *c = a->cluster;
    bool listening = !c->options.coordinator || c->actors[0].alive;
    if (!a->alive || !listening || a->peer || a->kind == ACTOR_COORDINATOR)
        return;
    a->peer = c->peer_next++;
    cluster_step(a, &(struct event){.type = EVENT_CONNECTED});
}

static void lose_frames(struct cluster *c, peer_t peer)
{
    for (struct list *l = c->items.next, *next; l != &c->items; l = next) {
        next = l->next;
        struct item *item = container_of(l, struct item, link);
        if (item->kind == ITEM_FRAME && item->peer == peer)
            cluster_lose(item);
    }
}

// Both ends learn that the connection is gone.
static void hang_up(struct actor *a)
{
    struct actor *coordinator = cluster_coordinator(a->cluster);
    struct event event = {.type = EVENT_DISCONNECTED, .u.disconnected = a->peer};
    if (!a->peer)
        return;
    a->peer = 0;
    cluster_step(a, &(struct event){.type = EVENT_DISCONNECTED});
    if (coordinator)
        cluster_step(coordinator, &event);
}

void cluster_disconnect(struct actor *a)
{
    if (!a->peer)
        return;
    lose_frames(a->cluster, a->peer);
    hang_up(a);
}

void cluster_cut(struct actor *a)
{
    struct cluster *c = a->cluster;
    if (a->kind != ACTOR_COORDINATOR) {
        hang_up(a);
        return;
    }
    for (unsigned i = 1; i < c->count; i++)
        hang_up(&c->actors[i]);
}
