// SPDX-License-Identifier: Apache-2.0
// What befalls whole processes, machines and networks; the operators who come to look; and the
// repair of it all.
#include <stdio.h>

#include "base/check.h"
#include "sim.h"

enum {
    EVERY_US = 250000,
    PARTITION_MAX_US = 15000000,
    JUMP_MAX_MS = 3600000,
    DRAIN_US = 8000000,
    FORGET_AGAIN_US = 10000000,
};

static struct actor *victim(struct world *w, enum fault fault)
{
    return &w->actors[faults_below(&w->faults, fault, w->actor_count)];
}

static void block(struct world *w, struct actor *a, enum fault fault, bool up, bool down)
{
    uint64_t until_us = w->now_us + 1 + faults_below(&w->faults, fault, PARTITION_MAX_US);
    if (a->kind == ACTOR_COORDINATOR)
        return;
    if (up && until_us > a->link.blocked_us[UP])
        a->link.blocked_us[UP] = until_us;
    if (down && until_us > a->link.blocked_us[DOWN])
        a->link.blocked_us[DOWN] = until_us;
    story_say(a, "is cut off %s",
              up && down ? "both ways"
              : up       ? "on the way up"
                         : "on the way down");
}

// Participants fall apart, too: this one from some of the others.
static void part_peers(struct world *w, struct actor *a, enum fault fault)
{
    if (!(w->setup.protocols >> PROTOCOL_3PC & 1) || a->kind != ACTOR_PARTICIPANT)
        return;
    uint64_t until_us = w->now_us + 1 + faults_below(&w->faults, fault, PARTITION_MAX_US);
    for (unsigned i = 0; i < w->actor_count; i++) {
        bool up = faults_below(&w->faults, fault, 3) > 0, down = faults_below(&w->faults, fault, 3);
        uint64_t *to = world_apart(w, a, &w->actors[i]), *from = world_apart(w, &w->actors[i], a);
        if (up && *to < until_us)
            *to = until_us;
        if (down && *from < until_us)
            *from = until_us;
    }
    story_say(a, "is cut off from some others");
}

static void strike_network(struct world *w)
{
    if (faults_strike(&w->faults, FAULT_CUT)) {
        struct actor *a = victim(w, FAULT_CUT);
        if (a->kind != ACTOR_COORDINATOR)
            link_cut(a, true);
    }
    if (faults_strike(&w->faults, FAULT_PARTITION)) {
        struct actor *a = victim(w, FAULT_PARTITION);
        part_peers(w, a, FAULT_PARTITION);
        block(w, a, FAULT_PARTITION, true, true);
    }
    if (faults_strike(&w->faults, FAULT_ONE_WAY)) {
        bool up = faults_below(&w->faults, FAULT_ONE_WAY, 2);
        part_peers(w, victim(w, FAULT_ONE_WAY), FAULT_ONE_WAY);
        block(w, victim(w, FAULT_ONE_WAY), FAULT_ONE_WAY, up, !up);
    }
}

static void strike_machines(struct world *w)
{
    struct actor *a;
    if (faults_strike(&w->faults, FAULT_CRASH_IDLE) && (a = victim(w, FAULT_CRASH_IDLE))->alive)
        life_crash(a, "of a sudden");
    if (faults_strike(&w->faults, FAULT_CLOCK_JUMP)) {
        a = victim(w, FAULT_CLOCK_JUMP);
        a->wall_offset_ms +=
            (int64_t)faults_below(&w->faults, FAULT_CLOCK_JUMP, 2 * JUMP_MAX_MS) - JUMP_MAX_MS;
        story_say(a, "has its clock set");
    }
    if (faults_strike(&w->faults, FAULT_DRAIN)) {
        a = victim(w, FAULT_DRAIN);
        if (a->kind == ACTOR_COORDINATOR && a->alive && !a->draining) {
            story_say(a, "is told to stop");
            a->draining = true;
            a->drain_until_us = w->now_us + DRAIN_US;
            coordinator_drain(a->coordinator);
            shell_step(a, &(struct event){.type = EVENT_TICK});
        }
    }
}

// A participant that speaks of a branch which is another's.
static bool forge_branch(struct world *w, const struct actor *a, struct msg *ret)
{
    static struct tx_view view;
    struct gtid gtid;
    bool found = false;
    for (size_t cursor = 0; coordinator_next(a->home->coordinator, &cursor, &gtid);) {
        found = coordinator_view(a->home->coordinator, &gtid, &view) &&
                view.record.branch_count > 0 && view.record.attempt &&
                !slice_equal(view.branches[0].branch.resource, slice_text(a->name));
        if (found && faults_below(&w->faults, FAULT_FORGED, 2))
            break;
    }
    if (!found)
        return false;
    uint16_t branch = view.branches[0].branch.branch;
    uint64_t attempt = view.record.attempt;
    switch (faults_below(&w->faults, FAULT_FORGED, 3)) {
    case 0:
        *ret = (struct msg){.type = MSG_VOTE};
        ret->u.vote =
            (struct msg_vote){.gtid = gtid, .attempt = attempt, .branch = branch, .vote = VOTE_YES};
        return true;
    case 1:
        *ret = (struct msg){.type = MSG_DONE};
        ret->u.done = (struct msg_done){
            .gtid = gtid, .attempt = attempt, .branch = branch, .outcome = OUTCOME_ABORTED};
        if (faults_below(&w->faults, FAULT_FORGED, 2))
            ret->u.done.outcome = OUTCOME_COMMITTED;
        return true;
    default:
        *ret = (struct msg){.type = MSG_INQUIRE};
        ret->u.inquire = (struct msg_inquire){.gtid = gtid,
                                              .attempt = attempt,
                                              .branch = branch,
                                              .coordinator = a->home->id,
                                              .prepared = true};
        return true;
    }
}

static void forge(struct world *w)
{
    struct actor *a = victim(w, FAULT_FORGED);
    struct frame_header header;
    struct msg msg = {.type = MSG_PING};
    if (a->kind == ACTOR_COORDINATOR || !a->alive || !a->home->alive || !a->link.peer)
        return;
    if (a->kind == ACTOR_PARTICIPANT) {
        if (!forge_branch(w, a, &msg))
            return;
        participant_header(a->participant, &header);
    } else {
        client_header(a->client, &header);
        header.coordinator = a->home->id;
        header.log_seq = a->home->disk.head_seq + 1000;
        header.seal = faults_below(&w->faults, FAULT_FORGED, UINT64_MAX);
    }
    story_say(a, "forges a message");
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.peer = a->link.peer;
    event.u.received.principal = slice_text(a->principal);
    event.u.received.header = &header;
    event.u.received.msg = &msg;
    shell_step(a->home, &event);
}

void disaster_turn(struct world *w)
{
    if (faults_strike(&w->faults, FAULT_FORGED))
        forge(w);
    strike_network(w);
    strike_machines(w);
    for (unsigned i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        if (a->alive && a->draining && w->now_us > a->drain_until_us)
            life_crash(a, "because it took too long to stop");
    }
    if (!w->repaired)
        queue_add(&w->queue, queue_item(&w->queue, ITEM_DISASTER), w->now_us + EVERY_US);
}

// ---- operators ----

// The worst moment: something is decided, and not done.
static struct sim_tx *worst(struct world *w, const struct actor *a, struct sim_tx *fallback)
{
    static struct tx_view view;
    struct gtid gtid;
    for (size_t cursor = 0; coordinator_next(a->coordinator, &cursor, &gtid);) {
        if (coordinator_view(a->coordinator, &gtid, &view) &&
            (view.state == TX_COMMITTING || view.state == TX_ABORTING ||
             view.state == TX_DELEGATED) &&
            faults_below(&w->faults, FAULT_OPERATOR, 2))
            return truth_find(w, &gtid);
    }
    return fallback;
}

static void order(struct actor *a, struct sim_tx *tx, enum operator_verb verb, bool lost)
{
    static const char *const verbs[] = {"?", "commit", "abort", "forget", "retry"};
    story_say(a, "an operator orders: %s%s %.*s", verbs[verb], lost ? " --lost" : "", tx->gtid.size,
              tx->gtid.text);
    tx->ordered |= verb != OPERATOR_RETRY;
    tx->forgotten |= verb == OPERATOR_FORGET;
    tx->lost |= lost;
    struct event event = {.type = EVENT_OPERATOR};
    event.u.op.token = tx->index + 1;
    event.u.op.verb = verb;
    event.u.op.lost = lost;
    event.u.op.gtid = tx->gtid;
    event.u.op.who = slice_text(SIM_WHO);
    event.u.op.why = slice_text(SIM_WHY);
    shell_step(a, &event);
}

// What is forgotten is often forgotten once more, because its record is still there.
static void forget_again(struct world *w, struct sim_tx *tx)
{
    uint64_t later_us = faults_below(&w->faults, FAULT_OPERATOR, FORGET_AGAIN_US);
    if (w->repaired || later_us < FORGET_AGAIN_US / 2)
        return;
    struct item *item = queue_item(&w->queue, ITEM_OPERATOR);
    item->tx = tx;
    item->what = OPERATOR_FORGET;
    queue_add(&w->queue, item, w->now_us + later_us);
}

void disaster_operator(struct world *w, const struct item *item)
{
    struct sim_tx *tx = item->tx;
    struct actor *a = &w->actors[tx->coordinator];
    enum operator_verb verb = (enum operator_verb)item->what;
    if (!verb) {
        verb = (enum operator_verb)(OPERATOR_COMMIT + faults_below(&w->faults, FAULT_OPERATOR, 4));
        if (a->alive && faults_below(&w->faults, FAULT_OPERATOR, 2))
            tx = worst(w, a, tx);
    }
    if (!a->alive || tx->gtid.size == 0 || tx->probe)
        return;
    bool lost = verb == OPERATOR_FORGET && faults_below(&w->faults, FAULT_OPERATOR, 4) == 0;
    order(a, tx, verb, lost);
    if (verb == OPERATOR_FORGET)
        forget_again(w, tx);
}

void disaster_answer(struct actor *a, token_t token, int code, struct slice text)
{
    CHECK(token >= 1 && token <= a->world->tx_count);
    story_say(a, "answers the operator: %s: %.*s", assent_code_name(code), (int)text.size,
              (const char *)text.data);
    check_ordered(a, &a->world->txs[token - 1], code, text);
}

// ---- an older copy of a log ----

void disaster_stopped(struct actor *a, int code, struct slice text)
{
    struct world *w = a->world;
    REQUIRE(w,
            a->kind == ACTOR_COORDINATOR && code == ASSENT_BEHIND && a->disk.damage == DAMAGE_OLDER,
            "honest log", "%s stops: %.*s", a->name, (int)text.size, (const char *)text.data);
    life_crash(a, "because a peer has seen more of its log");
}

struct actor *disaster_knows(const struct actor *coordinator, uint64_t log_seq)
{
    struct world *w = coordinator->world;
    for (unsigned i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        struct frame_header header;
        if (a->kind != ACTOR_PARTICIPANT || !a->alive || a->home != coordinator)
            continue;
        participant_header(a->participant, &header);
        if (header.coordinator == coordinator->id && header.log_seq > log_seq)
            return a;
    }
    return NULL;
}

// The first that is heard is one who has seen more. That it must be is an assumption: a coordinator
// that is put back cannot know what nobody tells it.
void disaster_show_more(struct actor *a)
{
    struct world *w = a->world;
    struct actor *knows = disaster_knows(a, a->disk.head_seq);
    if (!knows) { // whoever knew has died meanwhile: the operator finds out by himself
        life_crash(a, "because an operator finds its log too short");
        disk_repair(a);
        return;
    }
    struct frame_header header;
    struct msg msg = {.type = MSG_HELLO};
    participant_header(knows->participant, &header);
    msg.u.hello = (struct msg_hello){
        .role = ROLE_PARTICIPANT,
        .version_min = WIRE_VERSION,
        .version_max = WIRE_VERSION,
        .peer_incarnation = knows->incarnation,
        .journal = knows->id,
        .name = slice_text(knows->name),
    };
    struct event event = {.type = EVENT_RECEIVED};
    event.u.received.peer = world_peer(w, knows);
    event.u.received.principal = slice_text(knows->principal);
    event.u.received.header = &header;
    event.u.received.msg = &msg;
    shell_step(a, &event);
    REQUIRE(w, !a->alive, "honest log",
            "%s serves from an older copy of its log, of %llu records, "
            "though %s has seen record %llu",
            a->name, (unsigned long long)a->disk.head_seq, knows->name,
            (unsigned long long)header.log_seq);
    disk_repair(a);
}

// ---- the repair ----

void disaster_repair(struct world *w)
{
    w->faults.over = true;
    w->repaired = true;
    memset(w->apart_us, 0, (size_t)w->actor_count * w->actor_count * sizeof *w->apart_us);
    for (unsigned i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        story_say(a, "is repaired");
        a->link.blocked_us[UP] = a->link.blocked_us[DOWN] = 0;
        life_start(a); // where it is down
    }
    for (unsigned i = 0; i < w->actor_count; i++) {
        struct actor *a = &w->actors[i];
        if (a->alive && a->draining) // one that was told to stop is started anew
            life_crash(a, "to be started anew");
        if (a->alive && a->home != a->first_home)
            life_crash(a, "to be started under its own coordinator");
    }
}
