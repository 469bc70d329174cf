// SPDX-License-Identifier: Apache-2.0
// Stories of one participant of tcc transactions, sagas and messages; the coordinator is played by
// hand.
#include "play.h"

static const char BANK[] = "bank-a";

static void forgetful(void *arg, struct participant_config *participant,
                      struct coordinator_config *coordinator)
{
    (void)arg;
    (void)coordinator;
    if (participant)
        participant->rm_forgets = true;
}

static void few(void *arg, struct participant_config *participant,
                struct coordinator_config *coordinator)
{
    forgetful(arg, participant, coordinator);
    if (participant)
        participant->finished_max = 1;
}

static const struct play_options ONE_BANK = {.by_hand = true, .participants = 1};
static const struct play_options FORGETFUL_BANK = {
    .by_hand = true, .participants = 1, .configure = forgetful};
static const struct play_options DURABLE_BANK = {
    .by_hand = true, .participants = 1, .rm_durable = true};
static const struct play_options SMALL_BANK = {
    .by_hand = true, .participants = 1, .configure = few};

struct kind {
    enum protocol protocol;
    enum branch_kind kind;
    const char *payload;
};
static const struct kind TRY = {PROTOCOL_TCC, BRANCH_CALL, "seat 12"};
static const struct kind TRIED = {PROTOCOL_TCC, BRANCH_ENLISTED, ""};
static const struct kind STEP = {PROTOCOL_SAGA, BRANCH_STEP, "book"};
static const struct kind SENDER = {PROTOCOL_MESSAGE, BRANCH_SENDER, "order 7"};
static const struct kind CONSUMER = {PROTOCOL_MESSAGE, BRANCH_CONSUMER, "order 7"};

// The n-th attempt of the coordinator's present run.
static uint64_t attempt(const struct play *p, uint64_t n)
{
    return play_attempt(p->hand.incarnation, n);
}

static void send(struct play *p, const struct msg *msg)
{
    play_hand(p, BANK, msg);
    play_run(p);
}

static void prepare_with(struct play *p, struct kind kind, const char *gtid, uint64_t n,
                         unsigned flags, struct slice inputs)
{
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){
        .gtid = play_gtid(gtid),
        .attempt = attempt(p, n),
        .protocol = kind.protocol,
        .kind = kind.kind,
        .flags = (uint8_t)flags,
        .timeout_ms = 10000,
        .payload = slice_text(kind.payload),
        .inputs = inputs,
    };
    send(p, &msg);
}

static void prepare(struct play *p, struct kind kind, const char *gtid, uint64_t n, unsigned flags)
{
    prepare_with(p, kind, gtid, n, flags, slice_of(NULL, 0));
}

static void decide_with(struct play *p, enum msg_type type, struct kind kind, const char *gtid,
                        uint64_t n, const char *payload, const char *result)
{
    struct msg msg = {.type = type};
    msg.u.decide = (struct msg_decide){
        .gtid = play_gtid(gtid),
        .attempt = attempt(p, n),
        .flags = DECIDE_CONTENT,
        .protocol = kind.protocol,
        .kind = kind.kind,
        .payload = slice_text(payload),
        .result = slice_text(result),
    };
    send(p, &msg);
}

static void decide(struct play *p, enum msg_type type, struct kind kind, const char *gtid,
                   uint64_t n)
{
    decide_with(p, type, kind, gtid, n, kind.payload, "");
}

static void order(struct play *p, enum msg_type type, struct kind kind, const char *gtid,
                  uint64_t n)
{
    struct msg msg = {.type = type};
    msg.u.decide = (struct msg_decide){
        .gtid = play_gtid(gtid),
        .attempt = attempt(p, n),
        .flags = DECIDE_CONTENT | DECIDE_HEURISTIC,
        .protocol = kind.protocol,
        .kind = kind.kind,
        .payload = slice_text(kind.payload),
    };
    send(p, &msg);
}

static void standing(struct play *p, const char *gtid, uint64_t n, enum outcome outcome)
{
    play_hand_standing(p, BANK, play_gtid(gtid), attempt(p, n), outcome);
    play_run(p);
}

static void fence(struct play *p, uint64_t n)
{
    p->hand.fence = attempt(p, n);
    play_hand_welcome(p, BANK);
    play_run(p);
}

static void restart(struct play *p)
{
    play_crash(p, BANK);
    play_release(p);
    play_start(p, BANK);
    play_run(p);
    play_hand_welcome(p, BANK);
    play_run(p);
}

static void acts(struct play *p, enum rm_result result, const char *text)
{
    play_rm(p, BANK, RM_PREPARE, result, text, 1);
}

// ---- tcc ----

static void tcc(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &DURABLE_BANK);
    play_say(&p, "Try, confirm. The resource manager may keep what it prepares, but of this it has "
                 "no list: the vote");
    play_say(&p, "is in the journal.");
    prepare(&p, TRY, "g", 1, 0);
    decide(&p, MSG_COMMIT, TRY, "g", 1);
    play_say(&p, "Try, cancel; both fail for a while.");
    acts(&p, RM_RETRY, "");
    play_rm(&p, BANK, RM_ROLLBACK, RM_RETRY, "", 1);
    prepare(&p, TRY, "h", 2, PREPARE_ONE_PHASE); // which does not exist here
    play_pass(&p, 200);
    decide(&p, MSG_ROLLBACK, TRY, "h", 2);
    play_pass(&p, 200);
    play_say(&p, "A no is forgotten at once. The cancel that comes all the same is made, and "
                 "remembered: its try may");
    play_say(&p, "come late.");
    acts(&p, RM_NO, "sold out");
    prepare(&p, TRY, "i", 3, 0);
    decide(&p, MSG_ROLLBACK, TRY, "i", 3);
    prepare(&p, TRY, "i", 3, 0);
    play_say(&p, "Cancelled while it tries.");
    play_hold_rm(&p, BANK);
    prepare(&p, TRY, "j", 4, 0);
    decide(&p, MSG_ROLLBACK, TRY, "j", 4);
    play_release(&p);
    play_run(&p);
    play_say(&p, "The application worked here. What it is about comes with the decision.");
    play_working(&p, BANK, play_gtid("k"), 0);
    prepare(&p, TRIED, "k", 5, 0);
    decide_with(&p, MSG_COMMIT, TRIED, "k", 5, "seat 13", "");
    play_working(&p, BANK, play_gtid("l"), 0);
    decide_with(&p, MSG_ROLLBACK, TRIED, "l", 6, "seat 14", "");
    play_close(&p, "participant-tcc");
}

// ---- sagas ----

static void steps(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    static const uint8_t inputs[] = {0, 0, 4, 0, 'r', 'o', 'o', 'm', 2, 0, 1, 0, 'x'};
    play_say(&p, "An action, with what the steps before it returned. Its result is in the journal "
                 "before it is told.");
    acts(&p, RM_DONE, "flight 714");
    prepare_with(&p, STEP, "g", 1, 0, slice_of(inputs, sizeof inputs));
    prepare(&p, STEP, "g", 1, 0);
    play_say(&p, "The saga goes forward: nothing is left to do.");
    decide(&p, MSG_COMMIT, STEP, "g", 1);
    decide(&p, MSG_COMMIT, STEP, "g", 1);
    play_say(&p, "Compensated with what it returned, until that is done.");
    acts(&p, RM_DONE, "flight 715");
    prepare(&p, STEP, "h", 2, 0);
    play_rm(&p, BANK, RM_ROLLBACK, RM_RETRY, "", 1);
    decide(&p, MSG_ROLLBACK, STEP, "h", 2);
    play_pass(&p, 200);
    decide(&p, MSG_ROLLBACK, STEP, "h", 2);
    play_say(&p, "Not this time; never; and an action that changed nothing is a step like any "
                 "other.");
    acts(&p, RM_RETRY, "the line is busy");
    prepare(&p, STEP, "i", 3, 0);
    acts(&p, RM_NO, "no such flight");
    prepare(&p, STEP, "i", 4, 0);
    acts(&p, RM_READ_ONLY, "");
    prepare(&p, STEP, "j", 5, 0);
    play_say(&p, "Compensated while it acts: with the result of the action; after \"not this "
                 "time\" without one; a no");
    play_say(&p, "left nothing.");
    static const enum rm_result results[] = {RM_DONE, RM_RETRY, RM_NO};
    static const char *const gtids[] = {"k", "l", "m"};
    for (unsigned i = 0; i < 3; i++) {
        play_hold_rm(&p, BANK);
        acts(&p, results[i], "flight 716");
        prepare(&p, STEP, gtids[i], 6 + i, 0);
        decide(&p, MSG_ROLLBACK, STEP, gtids[i], 6 + i);
        play_release(&p);
        play_run(&p);
    }
    play_say(&p, "Compensated while its vote is on its way to the disk.");
    play_hold_disk(&p, BANK);
    acts(&p, RM_DONE, "flight 717");
    prepare(&p, STEP, "n", 9, 0);
    decide(&p, MSG_ROLLBACK, STEP, "n", 9);
    play_release(&p);
    play_run(&p);
    play_close(&p, "participant-step");
}

static void one_phase_steps(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "Behind the pivot: done is done.");
    acts(&p, RM_DONE, "ticket 1");
    prepare(&p, STEP, "g", 1, PREPARE_ONE_PHASE);
    prepare(&p, STEP, "g", 1, PREPARE_ONE_PHASE);
    play_say(&p, "Neither a no nor \"not this time\" ends it.");
    acts(&p, RM_NO, "no such flight");
    prepare(&p, STEP, "h", 2, PREPARE_ONE_PHASE);
    acts(&p, RM_RETRY, "the line is busy");
    prepare(&p, STEP, "h", 3, PREPARE_ONE_PHASE);
    play_say(&p, "A crash with the record on its way: nothing is known of it; it is asked for "
                 "again.");
    acts(&p, RM_DONE, "ticket 2");
    play_hold_disk(&p, BANK);
    prepare(&p, STEP, "h", 4, PREPARE_ONE_PHASE);
    restart(&p);
    acts(&p, RM_DONE, "ticket 2");
    prepare(&p, STEP, "h", 5, PREPARE_ONE_PHASE);
    play_say(&p, "And behind the record: it answers from the journal.");
    restart(&p);
    prepare(&p, STEP, "h", 6, PREPARE_ONE_PHASE);
    play_say(&p, "Asked for before the pivot, and again after it: in each state the answer is "
                 "final.");
    acts(&p, RM_DONE, "ticket 3");
    prepare(&p, STEP, "i", 7, 0);
    prepare(&p, STEP, "i", 8, PREPARE_ONE_PHASE);
    acts(&p, RM_DONE, "ticket 4");
    play_hold_rm(&p, BANK);
    prepare(&p, STEP, "j", 9, 0);
    prepare(&p, STEP, "j", 10, PREPARE_ONE_PHASE);
    play_release(&p);
    play_run(&p);
    acts(&p, RM_DONE, "ticket 5");
    play_hold_disk(&p, BANK);
    prepare(&p, STEP, "k", 11, 0);
    prepare(&p, STEP, "k", 12, PREPARE_ONE_PHASE);
    play_release(&p);
    play_run(&p);
    play_close(&p, "participant-step-one-phase");
}

// ---- messages ----

static void messages(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &FORGETFUL_BANK);
    play_say(&p, "A sender knows, or does not know yet. Nothing of it is kept.");
    prepare(&p, SENDER, "g", 1, 0);
    acts(&p, RM_NO, "rolled back");
    prepare(&p, SENDER, "h", 2, 0);
    acts(&p, RM_RETRY, "still at work");
    prepare(&p, SENDER, "i", 3, 0);
    play_say(&p, "It has ended: the barrier may forget, if it can.");
    standing(&p, "g", 1, OUTCOME_COMMITTED);
    play_rm(&p, BANK, RM_FORGET, RM_RETRY, "", 1);
    standing(&p, "h", 2, OUTCOME_ABORTED);
    play_pass(&p, 1000);
    play_say(&p, "Undecided, or unknown: nothing to forget.");
    standing(&p, "g", 1, OUTCOME_NONE);
    standing(&p, "g", 1, OUTCOME_UNKNOWN);
    play_say(&p, "Delivered, at the second try; in doubt it is delivered again.");
    acts(&p, RM_RETRY, "the shop is closed");
    prepare(&p, CONSUMER, "j", 4, PREPARE_ONE_PHASE);
    play_hold_disk(&p, BANK);
    prepare(&p, CONSUMER, "j", 5, PREPARE_ONE_PHASE);
    restart(&p);
    prepare(&p, CONSUMER, "j", 6, PREPARE_ONE_PHASE);
    play_say(&p, "An operator gives a delivery up: before it was made, and too late.");
    order(&p, MSG_ROLLBACK, CONSUMER, "k", 7);
    play_hold_rm(&p, BANK);
    prepare(&p, CONSUMER, "l", 8, PREPARE_ONE_PHASE);
    order(&p, MSG_ROLLBACK, CONSUMER, "l", 8);
    play_release(&p);
    play_run(&p);
    play_close(&p, "participant-message");
}

// ---- again, and in the end ----

static void renewed(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "The coordinator restarts, and asks again for what it has no votes of: the answer "
                 "is in the journal.");
    acts(&p, RM_DONE, "flight 714");
    prepare(&p, STEP, "g", 1, 0);
    prepare(&p, TRY, "h", 2, 0);
    p.hand.incarnation = 2;
    fence(&p, 1);
    prepare(&p, STEP, "g", 1, 0);
    prepare(&p, TRY, "h", 2, 0);
    play_say(&p, "So it is after a crash of our own, which knows of the first attempt only. What "
                 "was said to earlier");
    play_say(&p, "attempts counts no more.");
    restart(&p);
    prepare(&p, STEP, "g", 3, 0);
    decide(&p, MSG_ROLLBACK, STEP, "g", 1);
    decide(&p, MSG_COMMIT, STEP, "g", 4);
    decide(&p, MSG_ROLLBACK, TRY, "h", 5);
    play_say(&p, "Finished: it says again how it ended, and what it returned, to whoever asks.");
    prepare(&p, STEP, "g", 6, 0);
    decide(&p, MSG_COMMIT, STEP, "g", 7);
    prepare(&p, TRY, "h", 8, 0);
    play_say(&p, "While it acts: that action is the answer to the newer attempt. While its vote is "
                 "written: likewise.");
    play_hold_rm(&p, BANK);
    prepare(&p, STEP, "i", 9, 0);
    prepare(&p, STEP, "i", 10, 0);
    play_release(&p);
    play_hold_disk(&p, BANK);
    play_run(&p);
    prepare(&p, STEP, "i", 11, 0);
    play_release(&p);
    play_run(&p);
    play_say(&p, "An older attempt comes late.");
    prepare(&p, STEP, "i", 10, 0);
    decide(&p, MSG_COMMIT, STEP, "i", 9);
    play_say(&p, "Its gtid comes as something else.");
    prepare(&p, TRY, "i", 12, 0);
    prepare(&p, SENDER, "i", 12, 0);
    play_hand_prepare(&p, BANK, play_gtid("i"), attempt(&p, 12), 0);
    play_run(&p);
    play_close(&p, "participant-renewed");
}

static void unknown(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "Nothing is known of the branch: it is compensated with what the coordinator "
                 "knows, and remembered, so");
    play_say(&p, "that its action, should it come late, finds it ended.");
    decide_with(&p, MSG_ROLLBACK, STEP, "g", 1, "book", "flight 714");
    prepare(&p, STEP, "g", 1, 0);
    restart(&p);
    prepare(&p, STEP, "g", 2, 0);
    play_say(&p, "To be committed: it must have been finished and forgotten, which the coordinator "
                 "checks.");
    decide(&p, MSG_COMMIT, STEP, "h", 3);
    play_say(&p, "What the journal has is not replaced.");
    acts(&p, RM_DONE, "flight 715");
    prepare(&p, STEP, "i", 4, 0);
    decide_with(&p, MSG_ROLLBACK, STEP, "i", 4, "book twice", "flight 999");
    play_close(&p, "participant-unknown-branch");
}

static void forgetting(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &FORGETFUL_BANK);
    play_say(&p, "Finished. The fence passes it, but its saga goes on: it is remembered, also "
                 "after a crash.");
    acts(&p, RM_DONE, "flight 714");
    prepare(&p, STEP, "g", 1, PREPARE_ONE_PHASE);
    fence(&p, 3);
    restart(&p);
    prepare(&p, STEP, "g", 3, PREPARE_ONE_PHASE);
    play_say(&p, "It asks now and then, more and more rarely, and once after each welcome.");
    for (int i = 0; i < 30; i++) {
        play_pass(&p, 4000);
        play_hand_welcome(&p, BANK);
    }
    standing(&p, "g", 3, OUTCOME_NONE);
    standing(&p, "g", 3, OUTCOME_UNKNOWN);
    cluster_disconnect(cluster_actor(&p.cluster, BANK));
    cluster_connect(cluster_actor(&p.cluster, BANK));
    play_hand_welcome(&p, BANK);
    for (int i = 0; i < 8; i++) {
        play_pass(&p, 4000);
        play_hand_welcome(&p, BANK);
    }
    play_say(&p, "The saga has ended; but a copy of the last PREPARE may still be on its way. It "
                 "finds it finished.");
    standing(&p, "g", 2, OUTCOME_COMMITTED);
    standing(&p, "g", 3, OUTCOME_COMMITTED);
    prepare(&p, STEP, "g", 3, PREPARE_ONE_PHASE);
    play_say(&p, "The fence passes it: the resource manager forgets, then we do. Meanwhile nothing "
                 "is said of it any more.");
    play_rm(&p, BANK, RM_FORGET, RM_RETRY, "", 2);
    fence(&p, 4);
    prepare(&p, STEP, "g", 4, PREPARE_ONE_PHASE);
    decide(&p, MSG_COMMIT, STEP, "g", 4);
    decide(&p, MSG_ROLLBACK, STEP, "g", 4);
    standing(&p, "g", 4, OUTCOME_COMMITTED);
    play_pass(&p, 1000);
    play_say(&p, "The fence first. A crash while it is forgotten: it asks, and is told once more.");
    prepare(&p, TRY, "h", 5, 0);
    decide(&p, MSG_COMMIT, TRY, "h", 5);
    fence(&p, 6);
    play_hold_rm(&p, BANK);
    standing(&p, "h", 5, OUTCOME_COMMITTED);
    restart(&p);
    play_pass(&p, 7000);
    play_hand_welcome(&p, BANK);
    play_pass(&p, 7000);
    play_hand_welcome(&p, BANK);
    play_pass(&p, 7000);
    play_hand_welcome(&p, BANK);
    play_pass(&p, 7000);
    play_hand_welcome(&p, BANK);
    standing(&p, "h", 5, OUTCOME_COMMITTED);
    play_close(&p, "participant-forgetting");
}

static void another_coordinator(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &FORGETFUL_BANK);
    play_say(&p, "One finished, one in doubt. Another coordinator answers: the one in doubt asks "
                 "on, the finished one");
    play_say(&p, "waits. It is none of the other's, who may have the same gtid.");
    prepare(&p, STEP, "g", 1, PREPARE_ONE_PHASE);
    prepare(&p, TRY, "h", 2, 0);
    struct frame_header old = p.hand;
    p.hand.coordinator = 0x2b2b2b2b2b;
    fence(&p, 9);
    prepare(&p, STEP, "g", 9, PREPARE_ONE_PHASE);
    standing(&p, "g", 9, OUTCOME_COMMITTED);
    play_say(&p, "The old one is back, and has ended it.");
    p.hand = old;
    fence(&p, 3);
    standing(&p, "g", 1, OUTCOME_COMMITTED);
    play_say(&p, "An operator's word on an admitted branch is kept until the transaction has "
                 "ended.");
    order(&p, MSG_COMMIT, TRY, "h", 2);
    decide(&p, MSG_ROLLBACK, TRY, "h", 2);
    acts(&p, RM_DONE, "flight 714");
    prepare(&p, STEP, "i", 3, 0);
    play_hold_disk(&p, BANK);
    order(&p, MSG_COMMIT, STEP, "i", 3);
    play_release(&p);
    play_run(&p);
    fence(&p, 4);
    restart(&p);
    standing(&p, "h", 2, OUTCOME_ABORTED);
    standing(&p, "i", 3, OUTCOME_COMMITTED);
    play_close(&p, "participant-admitted-coordinators");
}

static void busy(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &SMALL_BANK);
    play_say(&p, "Room for one finished branch. What comes past it is to come again: a no would be "
                 "the end of it.");
    prepare(&p, STEP, "g", 2, PREPARE_ONE_PHASE);
    prepare(&p, TRY, "h", 3, 0);
    prepare(&p, STEP, "h", 4, 0);
    prepare(&p, STEP, "h", 5, PREPARE_ONE_PHASE);
    prepare(&p, CONSUMER, "h", 6, PREPARE_ONE_PHASE);
    play_say(&p, "The oldest attempt always has room, or all would wait for each other.");
    p.hand.fence = attempt(&p, 7);
    prepare(&p, STEP, "h", 7, PREPARE_ONE_PHASE);
    play_say(&p, "The first has ended.");
    standing(&p, "g", 2, OUTCOME_COMMITTED);
    standing(&p, "unheard-of", 2, OUTCOME_COMMITTED);
    p.hand.fence = attempt(&p, 8);
    standing(&p, "h", 7, OUTCOME_COMMITTED);
    standing(&p, "unheard-of", 2, OUTCOME_COMMITTED);
    prepare(&p, TRY, "i", 9, 0);
    play_close(&p, "participant-admitted-busy");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcc),        cmocka_unit_test(steps),
        cmocka_unit_test(messages),   cmocka_unit_test(one_phase_steps),
        cmocka_unit_test(renewed),    cmocka_unit_test(unknown),
        cmocka_unit_test(forgetting), cmocka_unit_test(another_coordinator),
        cmocka_unit_test(busy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
