// SPDX-License-Identifier: Apache-2.0
// Three-phase commit as stories of whole clusters: tests/data/stories/three-*.txt is what to read.
#include "play.h"

static void soon(void *arg, struct participant_config *participant,
                 struct coordinator_config *coordinator)
{
    (void)arg;
    (void)coordinator;
    if (participant) {
        participant->suspect_ms = 1000;
        participant->stagger_ms = 100;
        participant->inquire_min_ms = participant->inquire_max_ms = 60000; // out of the way
    }
}

static const struct play_options THREE_BANKS = {.participants = 3, .clients = 1, .configure = soon};

static void no_failure(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE_BANKS);
    play_say(&p, "Three branches, nothing fails. Two of three that have pre-committed are enough.");
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-a bank-b bank-c");
    play_run(&p);
    play_say(&p, "A no: it is remembered, because the others may ask.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "insufficient funds", 1);
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-a bank-b bank-c");
    play_run(&p);
    play_say(&p, "Read-only is a yes, and there is nothing to commit.");
    play_rm(&p, "bank-c", RM_PREPARE, RM_READ_ONLY, "", 1);
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-b bank-c");
    play_run(&p);
    play_say(&p, "One branch alone decides for itself, as in two-phase commit.");
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    play_pass(&p, 1500);
    play_close(&p, "three-no-failure");
}

static void killed_after_votes(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE_BANKS);
    play_say(&p, "The coordinator dies before the last vote comes. After their patience the "
                 "branches end it themselves.");
    play_lose(&p, "bank-c", MSG_VOTE);
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-a bank-b bank-c");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_pass(&p, 3000);
    play_say(&p, "It is back, asks, and is told.");
    play_start(&p, "coordinator");
    play_pass(&p, 10000);
    play_close(&p, "three-killed-after-votes");
}

static void killed_after_pre_commit(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE_BANKS);
    play_say(&p,
             "One branch hears the pre-commit, and the coordinator dies. The first of the others "
             "that hears of it commits, and all with it.");
    play_lose(&p, "coordinator", MSG_TRY);
    play_lose(&p, "coordinator", MSG_TRY);
    play_lose(&p, "bank-c", MSG_STATE);
    play_lose(&p, "bank-b", MSG_STATE);
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-a bank-b bank-c");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_pass(&p, 3000);
    play_start(&p, "coordinator");
    play_pass(&p, 10000);
    play_close(&p, "three-killed-after-pre-commit");
}

static void never_asked(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &THREE_BANKS);
    play_say(&p,
             "bank-c is never asked to prepare, and the coordinator dies. Asked by the others it "
             "refuses, for ever.");
    for (int i = 0; i < 2; i++)
        play_lose(&p, "bank-a", MSG_VOTE);
    play_hold(&p, "coordinator", MSG_PREPARE);
    play_submit_three(&p, "app", play_begin(&p, "app"), "bank-c bank-a bank-b");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_pass(&p, 3000);
    play_start(&p, "coordinator");
    play_pass(&p, 10000);
    play_close(&p, "three-never-asked");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failure),
        cmocka_unit_test(killed_after_votes),
        cmocka_unit_test(killed_after_pre_commit),
        cmocka_unit_test(never_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
