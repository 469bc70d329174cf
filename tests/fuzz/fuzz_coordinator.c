// SPDX-License-Identifier: Apache-2.0
// A coordinator among peers that say whatever the bytes tell them, with a disk that is slow and a
// process that crashes. What it says is judged by coordinator_oracle; in the end everybody is
// honest, and every transaction must come to its end.
#include "base/check.h"
#include "coordinator_world.h"
#include "fuzz.h"

enum { STEPS_MAX = 4000 };

// ---- what peers do ----

static unsigned pick_peer(struct world *w)
{
    return input_below(&w->in, PEERS);
}

static struct gtid pick_gtid(struct world *w)
{
    return w->gtids[input_below(&w->in, GTIDS)];
}

static void hello(struct world *w, unsigned slot, enum role role, unsigned resource,
                  uint64_t journal, uint64_t incarnation)
{
    struct msg msg = {.type = MSG_HELLO};
    msg.u.hello = (struct msg_hello){
        .role = (uint8_t)role,
        .version_min = 1,
        .version_max = 1,
        .peer_incarnation = incarnation,
        .journal = journal,
        .name = slice_text(role == ROLE_PARTICIPANT ? world_resources[resource] : "program"),
    };
    w->hello_resource = role == ROLE_PARTICIPANT ? (int)resource : -1;
    world_receive(w, slot, &msg);
}

static void do_hello(struct world *w)
{
    unsigned slot = pick_peer(w);
    enum role role = slot < 3 ? ROLE_CLIENT : slot < 6 ? ROLE_PARTICIPANT : ROLE_OPERATOR;
    uint8_t how = input_byte(&w->in);
    if (how & 0x80) // a role that is not its own
        role = (enum role)(ROLE_CLIENT + how % 3);
    hello(w, slot, role, how >> 1 & 0x40 ? how % 3u : slot % 3u, 1 + (how >> 3 & 1),
          1 + (how >> 4 & 3));
}

static void do_submit(struct world *w)
{
    static struct msg_branch branches[8];
    struct msg msg = {.type = MSG_SUBMIT};
    unsigned slot = pick_peer(w);
    struct msg_submit *m = &msg.u.submit;
    *m = (struct msg_submit){.gtid = pick_gtid(w), .protocol = PROTOCOL_2PC, .branches = branches};
    uint8_t how = input_byte(&w->in);
    m->branch_count = how % 6;
    m->flags = how >> 3 & SUBMIT_WAIT_DONE;
    m->timeout_ms = how & 0x10 ? 500 : 0;
    uint8_t kinds = how & 0x20 ? input_byte(&w->in) : 0;
    for (unsigned i = 0; i < m->branch_count; i++) {
        bool enlisted = kinds >> i & 1;
        branches[i] = (struct msg_branch){
            .branch = (uint16_t)i,
            .kind = !enlisted      ? BRANCH_CALL
                    : kinds & 0x80 ? BRANCH_READ_ONLY
                                   : BRANCH_ENLISTED,
            .resource = slice_text(world_resources[(i + (how >> 6)) % ORACLE_RESOURCES]),
            .payload = slice_of("payload", enlisted ? 0 : how >> 5),
        };
    }
    world_receive(w, slot, &msg);
}

static void do_enlist(struct world *w)
{
    struct msg msg = {.type = MSG_ENLIST};
    unsigned slot = pick_peer(w);
    msg.u.enlist.gtid = pick_gtid(w);
    uint8_t how = input_byte(&w->in);
    msg.u.enlist.protocol = PROTOCOL_2PC;
    msg.u.enlist.branch = how & 7;
    msg.u.enlist.resource = slice_text(world_resources[(how + (how >> 6)) % ORACLE_RESOURCES]);
    msg.u.enlist.timeout_ms = how & 0x20 ? 700 : 0;
    world_receive(w, slot, &msg);
}

static void do_ask(struct world *w)
{
    static const enum msg_type asks[] = {MSG_CANCEL, MSG_STATUS, MSG_LEASE, MSG_PING};
    unsigned slot = pick_peer(w);
    struct msg msg = {.type = asks[input_below(&w->in, 4)]};
    if (msg.type == MSG_CANCEL || msg.type == MSG_STATUS)
        msg.u.gtid.gtid = pick_gtid(w);
    world_receive(w, slot, &msg);
}

static void send_vote(struct world *w, unsigned slot, const struct command *about, enum vote vote)
{
    struct msg msg = {.type = MSG_VOTE};
    msg.u.vote = (struct msg_vote){
        .gtid = about->gtid,
        .attempt = about->attempt,
        .branch = about->branch,
        .vote = (uint8_t)vote,
        .text = slice_text(vote == VOTE_NO ? "no" : ""),
    };
    world_receive(w, slot, &msg);
}

// A heuristic is an operator's word, or whatever a resource manager may have done by itself.
static void send_done(struct world *w, unsigned slot, const struct command *about, uint8_t outcome,
                      uint8_t flags)
{
    uint8_t own = flags & DONE_HEURISTIC ? input_byte(&w->in) % (HEURISTIC_LAST + 1) : 0;
    struct msg msg = {.type = MSG_DONE};
    msg.u.done = (struct msg_done){
        .gtid = about->gtid,
        .attempt = about->attempt,
        .branch = about->branch,
        .outcome = outcome,
        .flags = flags,
        .heuristic = own ? own : (flags & DONE_HEURISTIC ? HEURISTIC_OPERATOR : 0),
    };
    world_receive(w, slot, &msg);
}

static bool command_alone(const struct command *command)
{
    return (command->type == MSG_PREPARE && command->flags & PREPARE_ONE_PHASE) ||
           (command->type == MSG_ROLLBACK && command->flags & DECIDE_RESOLVE);
}

// The only branch of a transaction, and the truth about it, which does not change. A read-only one
// remembers nothing and says that it rolled back.
static void answer_alone(struct world *w, const struct command *command, uint8_t how)
{
    uint8_t wish = how & 1 && command->type == MSG_PREPARE ? OUTCOME_COMMITTED : OUTCOME_ABORTED;
    bool fresh =
        oracle_did(&w->oracle, &command->gtid, command->attempt, OUTCOME_NONE) == OUTCOME_NONE;
    if (how % 5 == 4 && command->type == MSG_PREPARE && fresh) {
        send_vote(w, command->peer, command, VOTE_READ_ONLY);
        return;
    }
    uint8_t did = oracle_did(&w->oracle, &command->gtid, command->attempt, wish);
    if (how & 2 && did == OUTCOME_ABORTED)
        send_vote(w, command->peer, command, VOTE_NO);
    else
        send_done(w, command->peer, command, did, 0);
}

static void answer(struct world *w, const struct command *command, uint8_t how)
{
    if (command_alone(command))
        answer_alone(w, command, how);
    else if (command->type == MSG_PREPARE)
        send_vote(w, command->peer, command, how % 5 < 3 ? VOTE_YES : VOTE_NO + how % 2u);
    else if (how & 0x40) // not what it was told
        send_done(w, command->peer, command, 1 + how % 2u, how >> 1 & 3);
    else
        send_done(w, command->peer, command,
                  command->type == MSG_COMMIT ? OUTCOME_COMMITTED : OUTCOME_ABORTED, 0);
}

static const struct command *pick_command(struct world *w)
{
    unsigned count = w->command_count < COMMANDS ? w->command_count : COMMANDS;
    return count ? &w->commands[(w->command_count - 1 - input_below(&w->in, count)) % COMMANDS]
                 : NULL;
}

static void do_answer(struct world *w)
{
    const struct command *command = pick_command(w);
    if (command) {
        struct command copy = *command; // its place may be taken by what comes of it
        answer(w, &copy, input_byte(&w->in));
    }
}

// Made up: any participant about any branch. Not about attempts that have one branch alone, whose
// participant is the one that decides, and has to be believed.
static void do_spoof(struct world *w)
{
    const struct command *command = pick_command(w);
    struct command made = command ? *command : (struct command){.gtid = w->gtids[0]};
    uint8_t how = input_byte(&w->in);
    if (how & 1)
        made.gtid = pick_gtid(w);
    if (how & 2)
        made.branch = input_below(&w->in, 5);
    if (how & 4)
        made.attempt += (uint64_t)input_byte(&w->in) - 128;
    unsigned slot = pick_peer(w);
    if (oracle_alone(&w->oracle, &made.gtid, made.attempt))
        return;
    if (how & 8)
        send_vote(w, slot, &made, (enum vote)(VOTE_YES + (how >> 4) % 3));
    else
        send_done(w, slot, &made, 1 + (how >> 4 & 1), how >> 5 & 3);
}

static void do_inquire(struct world *w)
{
    const struct command *command = pick_command(w);
    struct msg msg = {.type = MSG_INQUIRE};
    unsigned slot = pick_peer(w);
    uint8_t how = input_byte(&w->in);
    msg.u.inquire = (struct msg_inquire){
        .gtid = how & 1 || !command ? pick_gtid(w) : command->gtid,
        .attempt = how & 2 || !command ? how >> 4 : command->attempt,
        .coordinator = how & 4 ? 99 : w->config.id,
        .branch = how & 8 || !command ? how >> 6 : command->branch,
        .prepared = how >> 5 & 1,
    };
    world_receive(w, slot, &msg);
}

static void do_order(struct world *w)
{
    uint8_t how = input_byte(&w->in);
    enum operator_verb verb = (enum operator_verb)(OPERATOR_COMMIT + how % 4);
    struct gtid gtid = {0};
    if (verb != OPERATOR_RETRY || how & 0x20)
        gtid = pick_gtid(w);
    bool lost = verb == OPERATOR_FORGET && how & 0x40;
    world_order(w, verb, lost, &gtid, slice_text(how & 0x10 ? "" : "because"));
}

static void do_pass(struct world *w)
{
    static const uint32_t spans[] = {1, 10, 100, 300, 1000, 3000, 10000, 40000};
    uint8_t how = input_byte(&w->in);
    world_pass(w, spans[how % 8]);
    if (how == 0xff)
        w->now.wall_ms -= 5000; // somebody set the clock
}

static void do_disconnect(struct world *w)
{
    world_disconnect(w, pick_peer(w));
}

static void do_rare(struct world *w)
{
    struct msg msg = {.type = MSG_PONG};
    switch (input_below(&w->in, 6)) {
    case 0: world_crash(w); break;
    case 1: world_collect(w); break;
    case 2:
        coordinator_drain(w->c);
        w->draining = true;
        break;
    case 3: world_receive(w, pick_peer(w), &msg); break; // not for a coordinator
    case 4:                                              // a log position that was never sealed
        w->heard.log_seq += 1u + input_byte(&w->in);
        world_receive(w, pick_peer(w), &(struct msg){.type = MSG_PING});
        break;
    case 5:
        if (input_byte(&w->in) == 0xff)
            world_fence(w);
        break;
    }
}

static void play(struct world *w)
{
    switch (input_below(&w->in, 16)) {
    case 0: do_hello(w); break;
    case 1: do_submit(w); break;
    case 2: do_enlist(w); break;
    case 3: do_ask(w); break;
    case 4:
    case 5:
    case 6: do_answer(w); break;
    case 7: do_spoof(w); break;
    case 8: do_inquire(w); break;
    case 9:
    case 10: world_sync(w); break;
    case 11: world_look_up(w, input_byte(&w->in)); break;
    case 12: do_pass(w); break;
    case 13: do_disconnect(w); break;
    case 14: do_order(w); break;
    case 15: do_rare(w); break;
    }
}

// ---- the end: everybody is honest, and everything must end ----

static void settle_turn(struct world *w)
{
    unsigned first = w->command_count;
    world_pass(w, 500);
    while (world_sync(w) || world_look_up(w, 0)) {
    }
    for (unsigned i = first; i < w->command_count; i++) {
        struct command command = w->commands[i % COMMANDS];
        answer(w, &command, 1);
    }
    for (unsigned slot = 3; slot < 6; slot++)
        world_receive(w, slot, &(struct msg){.type = MSG_PING});
}

static void settle(struct world *w, bool crashed)
{
    struct coordinator_stats stats;
    if (crashed)
        world_crash(w);
    for (unsigned slot = 0; slot < PEERS; slot++)
        world_disconnect(w, slot);
    for (unsigned slot = 3; slot < 6; slot++)
        hello(w, slot, ROLE_PARTICIPANT, slot - 3, 1, 9);
    for (unsigned turn = 0; turn < 400; turn++) {
        settle_turn(w);
        coordinator_stats(w->c, &stats);
        if (stats.transactions == 0)
            break;
    }
    CHECK(stats.transactions == 0);
    CHECK(w->orders_open == 0);
    world_look_in(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    world_open(&w);
    w.in = (struct input){data, size, 0};
    for (unsigned n = 0; n < STEPS_MAX && input_left(&w.in) && !w.stopped; n++) {
        play(&w);
        if (n % 16 == 0)
            world_look_in(&w);
    }
    if (!w.stopped)
        settle(&w, size % 2);
    world_close(&w);
    return 0;
}
