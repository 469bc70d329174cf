// SPDX-License-Identifier: Apache-2.0
// A process around a core: step, apply the effects in order, and send what has gathered a moment
// later, as the real shells do at the end of a turn.
#include "base/check.h"
#include "base/crash_point.h"
#include "memory.h"
#include "model.h"

enum { TURN_US = 200, MILLION = 1000000, WALL_BEGAN_MS = 1000000, MONO_BEGAN_MS = 1000 };

// ---- time ----

struct now shell_now(const struct actor *a)
{
    uint64_t ran_ms = a->world->now_us * a->speed / MILLION / 1000;
    return (struct now){
        .mono_ms = MONO_BEGAN_MS + ran_ms,
        .wall_ms =
            (uint64_t)((int64_t)(WALL_BEGAN_MS * UINT64_C(1000000) + ran_ms) + a->wall_offset_ms),
    };
}

// The first moment at which the clock of that machine shows so much.
static uint64_t when(const struct actor *a, uint64_t mono_ms)
{
    if (mono_ms <= MONO_BEGAN_MS)
        return 0;
    return ((mono_ms - MONO_BEGAN_MS) * 1000 * MILLION + a->speed - 1) / a->speed;
}

static uint64_t deadline_of(const struct actor *a)
{
    switch (a->kind) {
    case ACTOR_COORDINATOR: return coordinator_deadline(a->coordinator);
    case ACTOR_PARTICIPANT: return participant_deadline(a->participant);
    case ACTOR_CLIENT: return client_deadline(a->client);
    }
    return UINT64_MAX;
}

void shell_arm(struct actor *a)
{
    struct world *w = a->world;
    uint64_t deadline_ms = a->alive ? deadline_of(a) : UINT64_MAX;
    if (deadline_ms == UINT64_MAX)
        return;
    uint64_t due_us = when(a, deadline_ms);
    if (due_us < w->now_us + 1)
        due_us = w->now_us + 1;
    if (due_us >= a->tick_us)
        return;
    a->tick_us = due_us;
    struct item *item = queue_item(&w->queue, ITEM_TICK);
    item->actor = a;
    item->life = a->life;
    item->number = due_us;
    queue_add(&w->queue, item, due_us);
}

void shell_tick(struct actor *a, uint64_t due_us)
{
    if (due_us != a->tick_us)
        return; // an earlier one was queued since
    a->tick_us = UINT64_MAX;
    if (deadline_of(a) <= shell_now(a).mono_ms)
        shell_step(a, &(struct event){.type = EVENT_TICK});
    else
        shell_arm(a);
}

// ---- crash points ----

bool shell_dies(struct actor *a, enum crash_point point)
{
    struct world *w = a->world;
    if (w->coverage)
        w->coverage->points_passed[point]++;
    if (!faults_strike(&w->faults, FAULT_CRASH))
        return false;
    if (w->coverage)
        w->coverage->points_died[point]++;
    life_crash(a, crash_point_name(point));
    return true;
}

static bool dies_before_send(struct actor *a, const struct msg *msg)
{
    switch (msg->type) {
    case MSG_PREPARE: a->sent_prepare = true; return shell_dies(a, CRASH_coord_before_prepare);
    case MSG_COMMIT:
    case MSG_ROLLBACK: a->sent_decide = true; return shell_dies(a, CRASH_coord_before_decide);
    case MSG_RESULT:
        return msg->u.result.about == MSG_SUBMIT && shell_dies(a, CRASH_coord_before_result);
    case MSG_VOTE:
        if (msg->u.vote.vote != VOTE_YES)
            return false;
        a->sent_vote = true;
        return shell_dies(a, CRASH_part_after_journal);
    case MSG_DONE: a->sent_done = true; return shell_dies(a, CRASH_part_before_done);
    default: return false;
    }
}

// ---- effects ----

static void header_of(struct actor *a, peer_t peer, struct frame_header *ret)
{
    switch (a->kind) {
    case ACTOR_COORDINATOR: coordinator_header(a->coordinator, peer, ret); break;
    case ACTOR_PARTICIPANT: participant_header(a->participant, ret); break;
    case ACTOR_CLIENT: client_header(a->client, ret); break;
    }
}

static void apply_send(struct actor *a, peer_t peer, const struct msg *msg)
{
    struct world *w = a->world;
    struct actor *to = a->home;
    if (a->kind == ACTOR_COORDINATOR)
        to = peer ? world_actor_of_peer(w, peer) : NULL;
    else
        peer = a->link.peer;
    check_send(a, peer, msg);
    if (dies_before_send(a, msg))
        return;
    if (!to || !peer)
        return; // the connection is gone
    struct outgoing *out = &a->out[a->kind == ACTOR_COORDINATOR ? to->index : 0];
    struct buf *frame = &out->frame;
    if (frame->size > 0 && out->peer != peer)
        buf_reset(frame); // was meant for a connection that is gone
    if (frame->size == 0)
        wire_begin(frame);
    out->peer = peer;
    int code = wire_add(frame, msg);
    REQUIRE(w, code == ASSENT_OK, "codec", "%s cannot be encoded", msg_name(msg->type));
    w->messages++;
}

static void apply_write(struct actor *a, const struct effect_write *write)
{
    check_write(a, write);
    if (write->tx && write->tx->stage == STAGE_ENDED && shell_dies(a, CRASH_coord_before_end))
        return;
    disk_put(a, write);
}

static void apply(struct actor *a, const struct effect *effect)
{
    switch (effect->type) {
    case EFFECT_SEND: apply_send(a, effect->u.send.peer, &effect->u.send.msg); return;
    case EFFECT_WRITE: apply_write(a, &effect->u.write); return;
    case EFFECT_CALL: bank_call(a, &effect->u.call); return;
    case EFFECT_LOOKUP: disk_lookup(a, effect->u.lookup.token, &effect->u.lookup.gtid); return;
    case EFFECT_HORIZON:
        if (effect->u.horizon > a->disk.horizon)
            a->disk.horizon = effect->u.horizon;
        return;
    case EFFECT_ANSWER:
        disaster_answer(a, effect->u.answer.token, effect->u.answer.code, effect->u.answer.text);
        return;
    case EFFECT_COMPLETE: app_complete(a, &effect->u.complete); return;
    case EFFECT_EXTENDED: bank_extended(a, &effect->u.extended); return;
    case EFFECT_TELL: link_tell(a, &effect->u.tell); return;
    case EFFECT_STOP: disaster_stopped(a, effect->u.stop.code, effect->u.stop.text); return;
    }
}

static void run_core(struct actor *a, const struct event *event)
{
    memory_charge(&a->blocks);
    switch (a->kind) {
    case ACTOR_COORDINATOR: coordinator_step(a->coordinator, event, &a->fx); break;
    case ACTOR_PARTICIPANT: participant_step(a->participant, event, &a->fx); break;
    case ACTOR_CLIENT: client_step(a->client, event, &a->fx); break;
    }
    memory_charge(NULL);
}

void shell_step(struct actor *a, struct event *event)
{
    struct world *w = a->world;
    if (!a->alive)
        return;
    uint64_t life = a->life;
    struct counts before;
    event->now = shell_now(a);
    w->steps++;
    effects_reset(&a->fx);
    coverage_event(w->coverage, a, event);
    check_count(a, &before);
    run_core(a, event);
    check_bounds(a, event, &before);
    CHECK(!a->fx.failed);
    a->event = event;
    story_effects(a);
    for (size_t i = 0; i < a->fx.count && a->alive && a->life == life; i++) {
        if (faults_strike(&w->faults, FAULT_CRASH_EFFECT)) {
            life_crash(a, "between two effects");
            break;
        }
        model_effect(a, &a->fx.items[i]);
        apply(a, &a->fx.items[i]);
    }
    a->event = NULL;
    if (!a->alive || a->life != life)
        return;
    shell_arm(a);
    if (a->flushing)
        return;
    a->flushing = true;
    struct item *item = queue_item(&w->queue, ITEM_FLUSH);
    item->actor = a;
    item->life = a->life;
    queue_add(&w->queue, item, w->now_us + rng_below(&w->rng_net, TURN_US));
}

// ---- the end of a turn ----

static void send_frame(struct actor *a, struct outgoing *out, struct actor *to)
{
    struct frame_header header;
    header_of(a, out->peer, &header);
    if (a->kind == ACTOR_COORDINATOR && header.log_seq > a->shown_seq)
        a->shown_seq = header.log_seq;
    check_echo(a, &header);
    wire_end(&out->frame, &header);
    link_send(a, to, out->peer, buf_slice(&out->frame));
    buf_reset(&out->frame);
}

static void after_flush(struct actor *a)
{
    bool prepare = a->sent_prepare, decide = a->sent_decide, vote = a->sent_vote,
         done = a->sent_done;
    a->sent_prepare = a->sent_decide = a->sent_vote = a->sent_done = false;
    if ((prepare && shell_dies(a, CRASH_coord_after_prepare)) ||
        (decide && shell_dies(a, CRASH_coord_after_decide)) ||
        (vote && shell_dies(a, CRASH_part_after_vote)) ||
        (done && shell_dies(a, CRASH_part_after_done)))
        return;
    if (a->draining && coordinator_drained(a->coordinator) && a->disk.count == 0)
        life_crash(a, "in good order");
}

void shell_flush(struct actor *a)
{
    struct world *w = a->world;
    a->flushing = false;
    if (a->kind != ACTOR_CLIENT)
        disk_flush(a);
    for (unsigned i = 0; i < a->out_count; i++) {
        if (a->out[i].frame.size == 0)
            continue;
        send_frame(a, &a->out[i], a->kind == ACTOR_COORDINATOR ? &w->actors[i] : a->home);
        if (faults_strike(&w->faults, FAULT_CRASH_EFFECT)) {
            life_crash(a, "between two frames");
            return;
        }
    }
    after_flush(a);
}
