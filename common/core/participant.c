// SPDX-License-Identifier: Apache-2.0
// The participant's core: life, dispatch, time, looking in.
#include <stdlib.h>

#include "base/mutant.h"
#include "core/participant_internal.h"

void participant_config_defaults(struct participant_config *config)
{
    *config = (struct participant_config){
        .ping_ms = 2000,
        .silent_ms = 8000,
        .inquire_min_ms = 2000,
        .inquire_max_ms = 30000,
        .suspect_ms = 6000,
        .stagger_ms = 300,
        .retry_min_ms = 100,
        .retry_max_ms = 10000,
        .branches_max = 16384,
        .finished_max = 262144,
        .decided_max = 65536,
    };
}

struct participant *participant_new(const struct participant_config *config)
{
    struct participant *self = calloc(1, sizeof *self);
    if (!self)
        return NULL;
    self->config = *config;
    self->heard.id = config->coordinator;
    // The numbers of each run are above those of all runs before.
    self->number_next = config->incarnation << ATTEMPT_COUNTER_BITS | 1;
    rng_seed(&self->rng, config->seed);
    map_init(&self->parts, rng_next(&self->rng));
    slots_init(&self->slots);
    heap_init(&self->due);
    heap_init(&self->extending);
    heap_init(&self->electing);
    heap_init(&self->finished);
    list_init(&self->numbered);
    if (!part_termination_new(self))
        participant_destroy(&self);
    return self;
}

void participant_destroy(struct participant **self_p)
{
    struct participant *self = *self_p;
    if (!self)
        return;
    size_t cursor = 0;
    for (void *value; map_next(&self->parts, &cursor, &value);) {
        struct part *b = value;
        part_extend_no_more(self, b);
        part_quorum_free(self, b);
        free(b->payload);
        free(b->result);
        free(b->members);
        free(b);
    }
    map_free(&self->parts);
    free(self->lately);
    slots_free(&self->slots);
    heap_free(&self->due);
    heap_free(&self->extending);
    heap_free(&self->electing);
    heap_free(&self->finished);
    free(self);
    *self_p = NULL;
}

void part_stop(struct participant *self, int code, const char *text)
{
    self->stopped = true;
    struct effect *effect = effects_add(self->fx, EFFECT_STOP);
    effect->u.stop.code = code;
    effect->u.stop.text = slice_text(text);
}

// A bounded number a step, so that thousands in doubt do not hold up the rest: the deadline is then
// in the past, and the next tick goes on.
static void run_due(struct participant *self)
{
    struct timer *first;
    for (unsigned n = 0; n < LIMIT_RESEND_BATCH && (first = heap_first(&self->due)) &&
                         first->due_ms <= self->now.mono_ms;
         n++)
        part_due(self, container_of(first, struct part, timer));
    part_extend_due(self);
    part_quorum_due(self);
}

static void tick(struct participant *self)
{
    part_session_tick(self);
    run_due(self);
}

// What is about branches counts only from a coordinator that has welcomed us.
static void received_branch(struct participant *self, const struct msg *msg)
{
    if (!self->welcomed) {
        self->stats.stale++;
        return;
    }
    if (msg->type == MSG_PREPARE)
        part_prepare(self, &msg->u.prepare);
    else if (msg->type == MSG_COMMIT)
        part_commit(self, &msg->u.decide);
    else if (msg->type == MSG_ROLLBACK)
        part_rollback(self, &msg->u.decide);
    else if (msg->type == MSG_EXTENDED)
        part_extended(self, &msg->u.extended);
    else if (msg->type == MSG_ASK || msg->type == MSG_TRY)
        part_quorum_asked(self, msg);
    else
        part_standing(self, &msg->u.standing);
}

static void received(struct participant *self, const struct frame_header *header,
                     const struct msg *msg)
{
    if (!part_heard(self, header, msg)) {
        self->stats.stale++;
        return;
    }
    switch (msg->type) {
    case MSG_WELCOME:
        part_welcome(self, &msg->u.welcome);
        run_due(self);
        return;
    case MSG_REFUSED: part_refused(self, &msg->u.refused); return;
    case MSG_PONG: return; // that it was heard is all it is for
    case MSG_PREPARE:
    case MSG_COMMIT:
    case MSG_ROLLBACK:
    case MSG_STANDING:
    case MSG_EXTENDED:
    case MSG_ASK:
    case MSG_TRY: received_branch(self, msg); return;
    case MSG_HELLO:
    case MSG_PING:
    case MSG_LEASE:
    case MSG_ENLIST:
    case MSG_ENLISTED:
    case MSG_SUBMIT:
    case MSG_CANCEL:
    case MSG_STATUS:
    case MSG_RESULT:
    case MSG_VOTE:
    case MSG_DONE:
    case MSG_INQUIRE:
    case MSG_EXTEND:
    case MSG_ADMIN:
    case MSG_ADMIN_REPLY:
    case MSG_STATE:
    case MSG_DECIDE: self->stats.stale++; return; // not for participants
    }
}

static void written(struct participant *self, token_t token, bool fenced)
{
    struct part *b = slots_get(&self->slots, token);
    if (fenced) {
        part_stop(self, ASSENT_FENCED, "the journal is no longer ours");
        return;
    }
    if (!b || b->busy != PART_WRITING)
        return; // nothing waits for it
    b->busy = PART_IDLE;
    b->journaled = true;
    bool quorum = b->quorum; // others may be gone after it
    switch (b->state) {
    case PART_VOTING:
        part_move(self, b, PART_PREPARED);
        if (b->quorum)
            part_quorum_voted(self, b);
        else
            part_voted(self, b);
        break;
    case PART_DECIDING: part_drive(self, b); break;
    case PART_FINISHING: part_finished(self, b); break;
    case PART_PREPARED:
    case PART_FINISHED: CHECK(b->quorum); break;
    case PART_WORKING:
    case PART_PREPARING:
    case PART_COMMITTING:
    case PART_ROLLING_BACK:
    case PART_FORGETTING: CHECK(!"a record in a state that writes none");
    }
    if (!quorum || MUTANT(FINISHED_FORGOTTEN))
        return;
    part_quorum_written(self, b);
    part_let_go_again(self, b);
}

static void called(struct participant *self, const struct event_called *answer)
{
    struct part *b = slots_get(&self->slots, answer->token);
    if (!b || b->busy != PART_CALLING)
        return;
    struct event_called called = *answer;
    bool ends = b->state == PART_COMMITTING || b->state == PART_ROLLING_BACK;
    if (!ends && called.result > RM_RETRY)
        called.result = RM_RETRY; // a heuristic is no answer to anything else
    b->busy = PART_IDLE;
    if (b->state == PART_PREPARING)
        part_prepared(self, b, &called);
    else if (b->state == PART_FORGETTING)
        part_forgot(self, b, &called);
    else
        part_driven(self, b, &called);
}

static void dispatch(struct participant *self, const struct event *event)
{
    switch (event->type) {
    case EVENT_RECOVERED: part_recovered(self, event->u.branch); return;
    case EVENT_FOUND:
        if (self->started)
            part_held(self, event->u.branch);
        else
            part_found(self, event->u.branch);
        return;
    case EVENT_START:
        part_start(self);
        tick(self);
        return;
    case EVENT_TICK: tick(self); return;
    case EVENT_CONNECTED: part_connected(self); return;
    case EVENT_DISCONNECTED: part_disconnected(self); return;
    case EVENT_RECEIVED: received(self, event->u.received.header, event->u.received.msg); return;
    case EVENT_WRITTEN: written(self, event->u.written.token, event->u.written.fenced); return;
    case EVENT_CALLED: called(self, &event->u.called); return;
    case EVENT_WORKING: part_working(self, &event->u.branch->gtid, event->u.branch->branch); return;
    case EVENT_EXTEND: part_extend(self, &event->u.extend); return;
    case EVENT_TOLD: part_quorum_met(self, event->u.told.msg); return;
    case EVENT_LOOKED_UP:
    case EVENT_OPERATOR:
    case EVENT_ASK:
    case EVENT_GIVE_UP: return; // of the other cores
    }
}

void participant_step(struct participant *self, const struct event *event, struct effects *fx)
{
    if (self->stopped)
        return;
    CHECK(self->started ? event->type != EVENT_RECOVERED && event->type != EVENT_START
                        : event->type <= EVENT_START);
    self->now = event->now;
    self->fx = fx;
    dispatch(self, event);
    part_quorum_loop(self);
    if (self->started)
        part_horizon(self);
    self->fx = NULL;
}

uint64_t participant_deadline(const struct participant *self)
{
    const struct timer *first = heap_first(&self->due);
    uint64_t deadline = first ? first->due_ms : UINT64_MAX;
    const struct timer *extending = heap_first(&self->extending);
    if (extending && extending->due_ms < deadline)
        deadline = extending->due_ms;
    const struct timer *electing = heap_first(&self->electing);
    if (electing && electing->due_ms < deadline)
        deadline = electing->due_ms;
    uint64_t session = part_session_deadline(self);
    uint64_t horizon = part_horizon_deadline(self);
    if (session < deadline)
        deadline = session;
    return horizon < deadline ? horizon : deadline;
}

void participant_header(const struct participant *self, struct frame_header *ret)
{
    *ret = (struct frame_header){
        .version = WIRE_VERSION,
        .coordinator = self->heard.id,
        .incarnation = self->heard.incarnation,
        .log_seq = MUTANT(NOTHING_ECHOED) ? 0 : self->heard.log_seq,
        .seal = self->heard.seal,
    };
}

void participant_stats(const struct participant *self, struct participant_stats *ret)
{
    *ret = self->stats;
    ret->branches = self->parts.count;
    ret->in_doubt = self->states[PART_PREPARED];
    ret->finished = part_finished_count(self);
    ret->acted = self->acted;
    ret->connected = self->welcomed;
}

bool participant_next(const struct participant *self, size_t *cursor, struct part_view *ret)
{
    void *value;
    if (!map_next(&self->parts, cursor, &value))
        return false;
    part_view_of(value, ret);
    return true;
}

bool participant_find(const struct participant *self, const struct gtid *gtid, uint16_t branch,
                      struct part_view *ret)
{
    const struct part *b = part_find(self, gtid, branch);
    if (b)
        part_view_of(b, ret);
    return b != NULL;
}

int participant_refused(const struct participant *self, struct slice *ret_text)
{
    *ret_text = slice_of(self->refused_text, self->refused_code ? self->refused_size : 0);
    return self->refused_code;
}
