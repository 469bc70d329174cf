// SPDX-License-Identifier: Apache-2.0
// Life, dispatch and time of the coordinator's core.
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mutant.h"
#include "core/coordinator_internal.h"

void coordinator_config_defaults(struct coordinator_config *config)
{
    *config = (struct coordinator_config){
        .cooperative = true,
        .phase_one_timeout_ms = 10000,
        .timeout_default_ms = 30000,
        .timeout_max_ms = 24 * 3600 * 1000,
        .retry_min_ms = 250,
        .retry_max_ms = 30000,
        .peer_silent_ms = 15000,
        .transactions_max = LIMIT_TRANSACTIONS,
        .branches_max = LIMIT_BRANCHES,
        .payload_bytes_max = LIMIT_PAYLOAD_BYTES,
        .peers_max = LIMIT_PEERS,
        .lease_gtids = 1024,
        .check_back_ms = 10000,
    };
}

void coord_seal(struct coordinator *c)
{
    uint64_t what[2] = {c->config.id, c->log_seq};
    c->seal = map_hash(c->config.secret, slice_of(what, sizeof what));
}

struct coordinator *coordinator_new(const struct coordinator_config *config)
{
    CHECK(config->incarnation > 0 && config->lease_gtids > 0 && config->retry_min_ms > 0);
    struct coordinator *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->config = *config;
    rng_seed(&c->rng, config->seed);
    heap_init(&c->timers);
    map_init_numbers(&c->sessions, rng_next(&c->rng));
    map_init(&c->resources, rng_next(&c->rng));
    map_init(&c->txs, rng_next(&c->rng));
    map_init_numbers(&c->leases, rng_next(&c->rng));
    map_init(&c->foreign, rng_next(&c->rng));
    map_init(&c->notes, config->seed);
    list_init(&c->leases_by_age);
    slots_init(&c->slots);
    c->log_seq = config->log_seq;
    coord_seal(c);
    c->attempt_next =
        (MUTANT(RUN_NUMBERS_REUSED) ? 1 : config->incarnation) << ATTEMPT_COUNTER_BITS | 1;
    return c;
}

static void coord_free_dead(struct coordinator *c)
{
    while (c->dead) {
        struct tx *tx = c->dead;
        c->dead = tx->next_dead;
        tx_free(c, tx);
    }
}

void coordinator_destroy(struct coordinator **self_p)
{
    struct coordinator *c = *self_p;
    if (!c)
        return;
    *self_p = NULL;
    void *value;
    coord_free_dead(c);
    for (uint32_t i = 0; i < c->slots.count; i++) {
        struct pending *pending = c->slots.items[i].value;
        if (pending && pending->kind != PENDING_TX)
            free(pending);
    }
    for (size_t cursor = 0; map_next(&c->txs, &cursor, &value);)
        tx_free(c, value);
    for (size_t cursor = 0; map_next(&c->sessions, &cursor, &value);)
        free(value);
    for (size_t cursor = 0; map_next(&c->resources, &cursor, &value);)
        free(value);
    for (size_t cursor = 0; map_next(&c->leases, &cursor, &value);)
        free(value);
    foreign_free(c);
    map_free(&c->notes);
    map_free(&c->sessions);
    map_free(&c->resources);
    map_free(&c->txs);
    map_free(&c->leases);
    heap_free(&c->timers);
    slots_free(&c->slots);
    free(c);
}

void coordinator_configure(struct coordinator *c, const struct coordinator_config *config)
{
    struct coordinator_config old = c->config;
    c->config = *config;
    c->config.id = old.id;
    c->config.incarnation = old.incarnation;
    c->config.seed = old.seed;
    memcpy(c->config.secret, old.secret, sizeof old.secret);
    c->config.log_seq = old.log_seq;
    c->config.lease_gtids = old.lease_gtids; // leases are numbered in blocks of it
}

void coord_stop(struct coordinator *c, int code, const char *format, ...)
{
    if (c->stopped)
        return;
    c->stopped = true;
    char text[ASSENT_ERROR_MESSAGE_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    struct slice kept = effects_printf(c->fx, "%s", text);
    struct effect *effect = effects_add(c->fx, EFFECT_STOP);
    effect->u.stop.code = code;
    effect->u.stop.text = kept;
}

bool coord_timer_reserve(struct coordinator *c)
{
    if (!heap_reserve(&c->timers, c->timer_count + 1))
        return false;
    c->timer_count++;
    return true;
}

bool pending_add(struct coordinator *c, struct pending *pending, enum pending_kind kind)
{
    if (c->slots.used >= 2 * c->config.transactions_max)
        return false;
    pending->kind = kind;
    pending->token = slots_add(&c->slots, pending);
    return pending->token != 0;
}

void *pending_new(struct coordinator *c, size_t size, enum pending_kind kind)
{
    struct pending *pending = calloc(1, size);
    if (pending && !pending_add(c, pending, kind)) {
        free(pending);
        return NULL;
    }
    return pending;
}

void pending_free(struct coordinator *c, struct pending *pending)
{
    slots_release(&c->slots, pending->token);
    free(pending);
}

void coord_lookup(struct coordinator *c, token_t token, const struct gtid *gtid)
{
    struct effect *effect = effects_add(c->fx, EFFECT_LOOKUP);
    effect->u.lookup.token = token;
    effect->u.lookup.gtid = *gtid;
}

// A peer that has heard of more of this log than there is: what is missing may have been decisions.
static bool coord_echo(struct coordinator *c, const struct frame_header *header)
{
    if (header->coordinator != c->config.id || header->log_seq <= c->log_seq ||
        MUTANT(SHORTER_LOG_SERVED))
        return true;
    uint64_t what[2] = {c->config.id, header->log_seq};
    if (header->seal != map_hash(c->config.secret, slice_of(what, sizeof what)) &&
        !MUTANT(SEAL_UNREAD)) {
        c->stats.spoofed++;
        return false;
    }
    coord_stop(c, ASSENT_BEHIND,
               "a peer has seen record %llu of this log, which ends at %llu: records are missing. "
               "Restore the newest copy of the data directory; do not serve from this one",
               (unsigned long long)header->log_seq, (unsigned long long)c->log_seq);
    return false;
}

// The branch that a participant's message speaks of, if that participant may speak of it.
static struct branch *coord_branch_of(struct coordinator *c, const struct session *s,
                                      const struct gtid *gtid, uint64_t attempt, unsigned number)
{
    struct tx *tx = tx_find(c, gtid);
    // Branches of admitted protocols have attempts of their own.
    bool admitted = tx && protocol_admitted(tx->protocol);
    bool same = tx && (admitted || tx->attempt == attempt || MUTANT(VOTE_OF_ANY_RUN));
    if (!same || tx->state == TX_LOOKING) {
        c->stats.stale++;
        return NULL;
    }
    struct branch *b = tx_branch(tx, number);
    if (!b || !s->resource || (b->resource != s->resource && !MUTANT(BRANCH_OF_ANOTHER))) {
        c->stats.spoofed++;
        return NULL;
    }
    if (admitted && b->attempt != attempt) {
        c->stats.stale++;
        return NULL;
    }
    s->resource->unanswered = 0;
    return b;
}

static void coord_from_participant(struct coordinator *c, struct session *s, const struct msg *msg)
{
    struct branch *b;
    if (msg->type == MSG_VOTE) {
        b = coord_branch_of(c, s, &msg->u.vote.gtid, msg->u.vote.attempt, msg->u.vote.branch);
        if (b)
            prepare_vote(c, b, &msg->u.vote);
    } else if (msg->type == MSG_DONE && note_is(&msg->u.done) && !tx_find(c, &msg->u.done.gtid)) {
        note_done(c, s, &msg->u.done);
    } else if (msg->type == MSG_DONE) {
        b = coord_branch_of(c, s, &msg->u.done.gtid, msg->u.done.attempt, msg->u.done.branch);
        if (b)
            drive_done(c, b, &msg->u.done);
    } else if (msg->type == MSG_EXTEND) {
        const struct msg_extend *x = &msg->u.extend;
        b = coord_branch_of(c, s, &x->gtid, x->attempt, x->branch);
        if (b)
            nested_extend(c, b, s->id, x);
        else
            nested_refuse(c, s->id, x);
    } else if (msg->type == MSG_INQUIRE) {
        inquire(c, s, &msg->u.inquire);
    } else {
        elect_heard(c, s, msg);
    }
}

static void coord_from_client(struct coordinator *c, struct session *s, const struct msg *msg)
{
    if (msg->type == MSG_LEASE)
        session_lease(c, s);
    else if (msg->type == MSG_ENLIST)
        begin_enlist(c, s, &msg->u.enlist);
    else if (msg->type == MSG_SUBMIT)
        begin_submit(c, s, &msg->u.submit);
    else if (msg->type == MSG_CANCEL)
        begin_cancel(c, s, &msg->u.gtid.gtid);
    else
        begin_status(c, s, &msg->u.gtid.gtid);
}

// Who may send what; 0: nobody may send that to a coordinator.
static unsigned coord_roles(enum msg_type type)
{
    switch (type) {
    case MSG_PING: return 1u << ROLE_CLIENT | 1u << ROLE_PARTICIPANT | 1u << ROLE_OPERATOR;
    case MSG_STATUS: return 1u << ROLE_CLIENT | 1u << ROLE_OPERATOR;
    case MSG_LEASE:
    case MSG_ENLIST:
    case MSG_SUBMIT:
    case MSG_CANCEL: return 1u << ROLE_CLIENT;
    case MSG_VOTE:
    case MSG_DONE:
    case MSG_EXTEND:
    case MSG_ASK:
    case MSG_STATE:
    case MSG_DECIDE:
    case MSG_INQUIRE: return 1u << ROLE_PARTICIPANT;
    case MSG_HELLO:
    case MSG_WELCOME:
    case MSG_REFUSED:
    case MSG_PONG:
    case MSG_ENLISTED:
    case MSG_RESULT:
    case MSG_PREPARE:
    case MSG_COMMIT:
    case MSG_ROLLBACK:
    case MSG_STANDING:
    case MSG_EXTENDED:
    case MSG_ADMIN:
    case MSG_ADMIN_REPLY:
    case MSG_TRY: return 0;
    }
    return 0;
}

static void coord_receive(struct coordinator *c, const struct event *event)
{
    const struct msg *msg = event->u.received.msg;
    peer_t peer = event->u.received.peer;
    if (!coord_echo(c, event->u.received.header))
        return;
    c->request = msg_request(msg);
    if (msg->type == MSG_HELLO) {
        session_hello(c, peer, event->u.received.principal, &msg->u.hello);
        return;
    }
    struct session *s = session_find(c, peer);
    if (!s) {
        coord_refuse(c, peer, msg->type, NULL, ASSENT_STATE, "say HELLO first");
        return;
    }
    s->heard_ms = c->now.mono_ms;
    if (s->resource)
        s->resource->heard_wall_ms = c->now.wall_ms;
    unsigned roles = coord_roles(msg->type);
    if (!(roles & 1u << s->role)) {
        c->stats.spoofed++;
        coord_refuse(c, peer, msg->type, NULL, ASSENT_DENIED, "%s is not for this role",
                     msg_name(msg->type));
    } else if (s->role == ROLE_PARTICIPANT && !s->resource) {
        // Another connection has taken its place, perhaps an older one of its own whose HELLO came
        // late: it must say again that it is there, or nobody would speak to it any more.
        coord_refuse(c, peer, msg->type, NULL, ASSENT_STATE, "say HELLO again");
    } else if (msg->type == MSG_PING) {
        coord_send(c, peer, MSG_PONG)->u.ping = msg->u.ping;
    } else if (roles & 1u << ROLE_CLIENT) {
        coord_from_client(c, s, msg);
    } else {
        coord_from_participant(c, s, msg);
    }
}

static void coord_written(struct coordinator *c, const struct event *event)
{
    if (event->u.written.log_seq > c->log_seq) {
        c->log_seq = event->u.written.log_seq;
        coord_seal(c);
    }
    if (event->u.written.fenced) {
        coord_stop(c, ASSENT_FENCED, "another coordinator has taken over this log");
        return;
    }
    struct pending *pending = slots_get(&c->slots, event->u.written.token);
    if (pending && pending->kind == PENDING_TX)
        decide_written(c, container_of(pending, struct tx, pending), event->u.written.stands);
    else if (pending && pending->kind == PENDING_NOTE)
        note_written(c, container_of(pending, struct note, pending));
}

static void coord_looked_up(struct coordinator *c, const struct event *event)
{
    struct pending *pending = slots_get(&c->slots, event->u.looked_up.token);
    if (pending)
        register_answered(c, pending, event->u.looked_up.found, event->u.looked_up.horizon_ms);
}

static void coord_tx_timeout(struct coordinator *c, struct tx *tx)
{
    if (tx->state == TX_ACTIVE && tx->protocol == PROTOCOL_MESSAGE && MUTANT(NEVER_ASKED_BACK))
        return;
    if (tx->state == TX_ACTIVE && tx->protocol == PROTOCOL_MESSAGE)
        message_check_back(c, tx);
    else if (tx->state == TX_ADMITTING || tx->state == TX_ACTIVE)
        decide_abort(c, tx, REASON_TIMEOUT, BRANCH_NONE,
                     slice_text("the application did not commit in time"));
    else if (tx->state == TX_ELECTING)
        elect_timer(c, tx);
    else
        prepare_timeout(c, tx);
}

static void coord_tick(struct coordinator *c)
{
    for (struct timer *t; (t = heap_first(&c->timers)) && t->due_ms <= c->now.mono_ms;) {
        heap_disarm(&c->timers, t);
        struct coord_timer *timer = (struct coord_timer *)t;
        if (timer->kind == TIMER_SESSION)
            session_silent(c, container_of(timer, struct session, silent));
        else if (timer->kind == TIMER_RESOURCE)
            resend_due(c, container_of(timer, struct resource, resend));
        else if (timer->kind == TIMER_BRANCH)
            plan_timer(c, container_of(timer, struct planned, timer)->branch);
        else
            coord_tx_timeout(c, container_of(timer, struct tx, deadline));
    }
}

static void coord_begin_drain(struct coordinator *c)
{
    c->drain_begun = true;
    void *value;
    for (size_t cursor = 0; map_next(&c->txs, &cursor, &value);) {
        struct tx *tx = value;
        if (tx->state == TX_ACTIVE && (tx->protocol != PROTOCOL_MESSAGE || MUTANT(HELD_DROPPED)))
            decide_abort(c, tx, REASON_SHUTDOWN, BRANCH_NONE,
                         slice_text("the coordinator is shutting down"));
    }
}

void coordinator_step(struct coordinator *c, const struct event *event, struct effects *fx)
{
    c->fx = fx;
    if (!MUTANT(ENDED_KEPT))
        coord_free_dead(c);
    c->request = 0;
    c->now = event->now;
    if (c->now.wall_ms > c->stamp_ms || MUTANT(CLOCK_BELIEVED))
        c->stamp_ms = c->now.wall_ms;
    if (c->stopped)
        return;
    if (c->draining && !c->drain_begun && c->started)
        coord_begin_drain(c);
    switch (event->type) {
    case EVENT_RECOVERED: recover_record(c, event->u.tx); break;
    case EVENT_START: recover_start(c); break;
    case EVENT_TICK: break;
    case EVENT_DISCONNECTED: session_gone(c, event->u.disconnected); break;
    case EVENT_RECEIVED: coord_receive(c, event); break;
    case EVENT_WRITTEN: coord_written(c, event); break;
    case EVENT_LOOKED_UP: coord_looked_up(c, event); break;
    case EVENT_OPERATOR: operator_order(c, &event->u.op); break;
    case EVENT_FOUND:
    case EVENT_CONNECTED:
    case EVENT_CALLED:
    case EVENT_WORKING:
    case EVENT_ASK:
    case EVENT_EXTEND:
    case EVENT_TOLD:
    case EVENT_GIVE_UP: CHECK(!"an event for a coordinator"); break;
    }
    coord_tick(c);
    if (fx->failed)
        coord_stop(c, ASSENT_NOMEM, "out of memory");
}

uint64_t coordinator_deadline(const struct coordinator *c)
{
    if (c->draining && !c->drain_begun)
        return 0;
    struct timer *first = heap_first(&c->timers);
    return first ? first->due_ms : UINT64_MAX;
}

void coordinator_header(const struct coordinator *c, peer_t peer, struct frame_header *ret)
{
    const struct session *s = session_find(c, peer);
    uint64_t fence = 0;
    if (s && s->resource) {
        const struct list *first = s->resource->fence.next;
        fence = list_empty(&s->resource->fence) || MUTANT(FENCE_HIGH)
                    ? c->attempt_next
                    : container_of(first, struct branch, fence)->attempt;
    }
    *ret = (struct frame_header){
        .version = WIRE_VERSION,
        .from_coordinator = 1,
        .coordinator = c->config.id,
        .incarnation = c->config.incarnation,
        .log_seq = c->log_seq,
        .seal = c->seal,
        .fence = fence,
    };
}

void coordinator_drain(struct coordinator *c)
{
    c->draining = true;
}

bool coordinator_drained(const struct coordinator *c)
{
    if (!c->draining || !c->drain_begun)
        return false;
    void *value;
    for (size_t cursor = 0; map_next(&c->txs, &cursor, &value);) {
        const struct tx *tx = value;
        // Sagas and messages are gone on with after the next start.
        bool lasting = tx->admitted && tx->protocol != PROTOCOL_TCC &&
                       tx->protocol != PROTOCOL_3PC && tx->state != TX_DECIDING;
        if ((tx->state < TX_DELEGATED && !lasting) || tx->writing)
            return false;
    }
    return true;
}
