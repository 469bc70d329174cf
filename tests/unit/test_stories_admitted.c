// SPDX-License-Identifier: Apache-2.0
// Tcc transactions, sagas and messages as stories of whole clusters: tests/data/stories/tcc-*.txt,
// saga-*.txt and message-*.txt are what to read.
#include "play.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static void forgetting(void *arg, struct participant_config *participant,
                       struct coordinator_config *coordinator)
{
    (void)arg, (void)coordinator;
    if (participant)
        participant->rm_forgets = true;
}

static const struct play_options THREE = {.participants = 3, .clients = 1, .configure = forgetting};

static struct gtid begin(struct play *p)
{
    return play_begin(p, "app");
}

// ---- tcc ----

// It crashes with what was held still under way, and is started again.
static void comes_back(struct play *p, const char *who, uint64_t then_ms)
{
    play_crash(p, who);
    play_release(p);
    play_start(p, who);
    play_pass(p, then_ms);
}

static void tcc(struct play *p, struct gtid gtid, const char *first, const char *second)
{
    struct msg_branch branches[] = {
        {.kind = BRANCH_CALL, .resource = slice_text(first), .payload = slice_text("a seat")},
        {.kind = BRANCH_CALL, .resource = slice_text(second), .payload = slice_text("a room")},
    };
    play_submit_as(p, "app", gtid, (struct msg_submit){.protocol = PROTOCOL_TCC}, branches, 2);
}

static void tcc_outcomes(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p,
             "What is to be done is on disk before any of it is tried. All can: confirmed. Once "
             "that");
    play_say(&p, "has ended, the participants are told, and forget.");
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_run(&p);
    play_say(&p, "bank-b cannot: what bank-a has reserved is cancelled. So is bank-b, as a late "
                 "copy of the");
    play_say(&p, "try could still find it.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "sold out", 1);
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_run(&p);
    play_close(&p, "tcc-outcomes");
}

static void tcc_unknown_try(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "bank-b does not answer in time. Whether its try was made is not known; it is "
                 "cancelled");
    play_say(&p, "all the same, when it has come to an end.");
    play_hold_rm(&p, "bank-b");
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_pass(&p, 11000);
    play_release(&p);
    play_run(&p);
    play_say(&p, "The try is lost on its way, and is cancelled where it never was: the barrier "
                 "leaves a fence.");
    play_lose(&p, "coordinator", MSG_PREPARE);
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "sold out", 1);
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_run(&p);
    play_close(&p, "tcc-unknown-try");
}

static void tcc_enlisted(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "The application tries by itself, and has said before what is to be confirmed.");
    struct gtid gtid = begin(&p);
    play_enlist_with(&p, "app", gtid, 0, "bank-a", "seat 12");
    play_run(&p);
    play_working(&p, "bank-a", gtid, 0);
    struct msg_branch branch = {.kind = BRANCH_ENLISTED, .resource = slice_text("bank-a")};
    play_submit_as(&p, "app", gtid, (struct msg_submit){.protocol = PROTOCOL_TCC}, &branch, 1);
    play_run(&p);
    play_say(&p, "It vanishes after its try. When time is up, that is cancelled.");
    gtid = begin(&p);
    play_enlist_with(&p, "app", gtid, 0, "bank-a", "seat 13");
    play_run(&p);
    play_working(&p, "bank-a", gtid, 0);
    play_crash(&p, "app");
    play_pass(&p, 31000);
    play_say(&p, "The coordinator dies, too. It finds the enlistment in its log.");
    play_start(&p, "app");
    play_run(&p);
    gtid = begin(&p);
    play_enlist_with(&p, "app", gtid, 0, "bank-a", "seat 14");
    play_run(&p);
    play_crash(&p, "app");
    play_crash(&p, "coordinator");
    play_start(&p, "coordinator");
    play_pass(&p, 31000);
    play_close(&p, "tcc-enlisted");
}

static void tcc_crashes(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "The coordinator crashes before the admission is on disk: nothing was asked for. "
                 "The gtid is");
    play_say(&p, "of a lease that has ended, so the application hears that it was aborted.");
    play_hold_disk(&p, "coordinator");
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_run(&p);
    comes_back(&p, "coordinator", 3500);
    play_say(&p, "It crashes when one try was made. It tries both again, in a new attempt; who has "
                 "made it says");
    play_say(&p, "so, from its journal.");
    play_hold_rm(&p, "bank-b");
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_run(&p);
    comes_back(&p, "coordinator", 3500);
    play_say(&p, "bank-b crashes when its try was made, and its yes is not in the journal. The try "
                 "comes again;");
    play_say(&p, "the barrier knows it.");
    play_hold_disk(&p, "bank-b");
    tcc(&p, begin(&p), "bank-a", "bank-b");
    play_run(&p);
    comes_back(&p, "bank-b", 1000);
    play_close(&p, "tcc-crashes");
}

// ---- sagas ----

static struct msg_branch step(const char *resource, const char *payload, uint64_t after,
                              unsigned flags)
{
    return (struct msg_branch){
        .kind = BRANCH_STEP,
        .resource = slice_text(resource),
        .payload = slice_text(payload),
        .plan = {.after = after, .flags = (uint8_t)flags, .attempts = 3},
    };
}

static void saga(struct play *p, struct gtid gtid, struct msg_branch *steps, unsigned count)
{
    play_submit_as(p, "app", gtid, (struct msg_submit){.protocol = PROTOCOL_SAGA}, steps, count);
}

// A flight, then a hotel for the day on which it arrives, then a car.
static void chain(struct play *p, struct gtid gtid)
{
    struct msg_branch steps[] = {
        step("bank-a", "flight", 0, 0),
        step("bank-b", "hotel", 1, 0),
        step("bank-c", "car", 2, 0),
    };
    saga(p, gtid, steps, COUNT(steps));
}

// The hotel after the flight, a car at the same time; then the card pays; then the ticket.
static void graph(struct play *p, struct gtid gtid)
{
    struct msg_branch steps[] = {
        step("bank-a", "flight", 0, 0), step("bank-b", "hotel", 1, 0),
        step("bank-c", "car", 0, 0),    step("bank-c", "card", 6, STEP_PIVOT),
        step("bank-a", "ticket", 8, 0),
    };
    saga(p, gtid, steps, COUNT(steps));
}

static void saga_forward(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "One after the other; each is told what those before it have returned.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_DONE, "day 4", 1);
    play_rm(&p, "bank-b", RM_PREPARE, RM_DONE, "room 101", 1);
    chain(&p, begin(&p));
    play_run(&p);
    play_say(&p, "A graph: flight and car at once, the hotel when the flight is booked, the card "
                 "when all is.");
    play_say(&p,
             "It is the pivot: with its yes the saga goes forward, and the ticket is only done, "
             "not promised.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_DONE, "day 4", 1);
    graph(&p, begin(&p));
    play_run(&p);
    play_close(&p, "saga-forward");
}

static void saga_compensated(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "There is no car: hotel, then flight are given back, in reverse.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_DONE, "seat 12", 1);
    play_rm(&p, "bank-c", RM_PREPARE, RM_NO, "no cars", 1);
    chain(&p, begin(&p));
    play_run(&p);
    play_say(&p, "Of a graph: the car has nothing that came after it, so it goes at once.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "full", 1);
    graph(&p, begin(&p));
    play_run(&p);
    play_say(&p, "A compensation fails for now: it is called until it is done, and the one before "
                 "it waits.");
    play_rm(&p, "bank-b", RM_ROLLBACK, RM_RETRY, NULL, 2);
    play_rm(&p, "bank-c", RM_PREPARE, RM_NO, "no cars", 1);
    chain(&p, begin(&p));
    play_pass(&p, 1000);
    play_close(&p, "saga-compensated");
}

static void saga_retries(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "The hotel cannot say for now, twice: each time is an attempt of its own.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_RETRY, "the clerk is out", 2);
    chain(&p, begin(&p));
    play_pass(&p, 2000);
    play_say(&p, "Three times are enough, as the plan has it: compensated.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_RETRY, "the clerk is out", 3);
    chain(&p, begin(&p));
    play_pass(&p, 2000);
    play_say(&p, "After the pivot nothing is given up: a no is taken for a not yet.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_DONE, "day 4", 1);
    play_rm(&p, "bank-a", RM_PREPARE, RM_NO, "the printer is broken", 4);
    graph(&p, begin(&p));
    play_pass(&p, 10000);
    play_close(&p, "saga-retries");
}

static void saga_coordinator_crash(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p,
             "The coordinator crashes on the way forward. What was answered it does not know: it "
             "begins anew,");
    play_say(&p, "in new attempts, and the flight says the same as before.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_DONE, "day 4", 1);
    play_hold_rm(&p, "bank-b");
    chain(&p, begin(&p));
    play_run(&p);
    comes_back(&p, "coordinator", 3500);
    play_say(&p, "It crashes on the way back, with the hotel given back and the flight not.");
    play_rm(&p, "bank-c", RM_PREPARE, RM_NO, "no cars", 1);
    play_hold(&p, "bank-b", MSG_DONE);
    chain(&p, begin(&p));
    play_run(&p);
    comes_back(&p, "coordinator", 3500);
    play_say(&p, "It crashes after the pivot, with the ticket not issued.");
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_rm(&p, "bank-a", RM_PREPARE, RM_DONE, "day 4", 1);
    play_rm(&p, "bank-a", RM_PREPARE, RM_RETRY, "no paper", 1);
    graph(&p, begin(&p));
    play_run(&p);
    play_crash(&p, "coordinator");
    play_start(&p, "coordinator");
    play_pass(&p, 3500);
    play_close(&p, "saga-coordinator-crash");
}

static void saga_participant_crash(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "The hotel crashes when it is booked, and its journal does not know. It is asked "
                 "again; the");
    play_say(&p, "barrier has the answer.");
    play_hold_disk(&p, "bank-b");
    chain(&p, begin(&p));
    play_run(&p);
    comes_back(&p, "bank-b", 3500);
    play_say(&p,
             "It crashes when it is given back, and its journal does not know: given back again, "
             "which is nothing.");
    play_rm(&p, "bank-c", RM_PREPARE, RM_NO, "no cars", 1);
    play_hold_rm(&p, "bank-c");
    chain(&p, begin(&p));
    play_run(&p);
    play_release(&p);
    play_hold_disk(&p, "bank-b");
    play_run(&p);
    comes_back(&p, "bank-b", 3500);
    play_close(&p, "saga-participant-crash");
}

// ---- messages ----

enum { CHECK_MS = 5000 };

static void message(struct play *p, struct gtid gtid, unsigned flags, uint32_t delay_ms)
{
    struct msg_branch branches[] = {
        {.kind = BRANCH_SENDER, .resource = slice_text("bank-a")},
        {.kind = BRANCH_CONSUMER, .resource = slice_text("bank-b"), .payload = slice_text("news")},
        {.kind = BRANCH_CONSUMER, .resource = slice_text("bank-c"), .payload = slice_text("news")},
    };
    branches[1].plan.delay_ms = delay_ms;
    struct msg_submit submit = {
        .protocol = PROTOCOL_MESSAGE, .flags = (uint8_t)flags, .timeout_ms = CHECK_MS};
    play_submit_as(p, "app", gtid, submit, branches, COUNT(branches));
}

static void message_submitted(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "Prepared; then the application makes its local transaction, and submits. Both "
                 "consumers take it.");
    struct gtid gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    message(&p, gtid, 0, 0);
    play_run(&p);
    play_say(&p, "bank-b takes it a second later, and not at the first time.");
    gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 1000);
    play_run(&p);
    play_rm(&p, "bank-b", RM_PREPARE, RM_RETRY, "closed", 1);
    message(&p, gtid, 0, 1000);
    play_pass(&p, 3000);
    play_say(&p, "The local transaction could not be made, and the application says so.");
    gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_ask(&p, "app", ASK_CANCEL, gtid);
    play_run(&p);
    play_close(&p, "message-submitted");
}

static void message_checked(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p,
             "The application dies before it submits. Its database says that it was to be sent.");
    struct gtid gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_crash(&p, "app");
    play_pass(&p, CHECK_MS + 1000);
    play_say(&p,
             "It dies before its local transaction: the question leaves a fence, and nothing is "
             "sent.");
    play_start(&p, "app");
    play_run(&p);
    gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_crash(&p, "app");
    play_rm(&p, "bank-a", RM_PREPARE, RM_NO, "never made", 1);
    play_pass(&p, CHECK_MS + 1000);
    play_say(&p, "The database cannot be asked at first: nothing is decided until it can.");
    play_start(&p, "app");
    play_run(&p);
    gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_crash(&p, "app");
    play_rm(&p, "bank-a", RM_PREPARE, RM_RETRY, "locked", 2);
    play_pass(&p, CHECK_MS + 3000);
    play_close(&p, "message-checked");
}

static void message_crashes(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE);
    play_say(&p, "The coordinator crashes with the message prepared. The time until it asks back "
                 "goes on.");
    struct gtid gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_crash(&p, "app");
    play_crash(&p, "coordinator");
    play_pass(&p, 4000);
    play_start(&p, "coordinator");
    play_pass(&p, 4000);
    play_say(&p,
             "It crashes when the submission is on disk: it delivers, and so it does where bank-b "
             "has taken");
    play_say(&p, "it before, from whose journal it is answered.");
    play_start(&p, "app");
    play_run(&p);
    gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_hold_rm(&p, "bank-c");
    play_lose(&p, "bank-b", MSG_DONE);
    message(&p, gtid, 0, 0);
    play_run(&p);
    comes_back(&p, "coordinator", 4000);
    play_say(&p, "bank-b crashes when it has taken it, and its journal does not know: the barrier "
                 "does.");
    gtid = begin(&p);
    message(&p, gtid, SUBMIT_HOLD, 0);
    play_run(&p);
    play_hold_disk(&p, "bank-b");
    message(&p, gtid, 0, 0);
    play_run(&p);
    comes_back(&p, "bank-b", 1000);
    play_close(&p, "message-crashes");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tcc_outcomes),           cmocka_unit_test(tcc_unknown_try),
        cmocka_unit_test(tcc_enlisted),           cmocka_unit_test(tcc_crashes),
        cmocka_unit_test(saga_forward),           cmocka_unit_test(saga_compensated),
        cmocka_unit_test(saga_retries),           cmocka_unit_test(saga_coordinator_crash),
        cmocka_unit_test(saga_participant_crash), cmocka_unit_test(message_submitted),
        cmocka_unit_test(message_checked),        cmocka_unit_test(message_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
