// SPDX-License-Identifier: Apache-2.0
// The protocol as stories of whole clusters: tests/data/stories/*.txt is what to read.
#include "play.h"

static const struct play_options TWO_BANKS = {.participants = 2, .clients = 1};

static void no_failure(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "Two branches, nothing fails.");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_pass(&p, 1500);
    play_close(&p, "no-failure");
}

static void a_no(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "bank-b cannot. bank-a, which could, is rolled back; nothing need be recorded.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "insufficient funds", 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_say(&p, "The no comes while bank-a is still at work: it rolls back when it is done.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "insufficient funds", 1);
    play_hold_rm(&p, "bank-a");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_release(&p);
    play_run(&p);
    play_say(&p, "The client brought its own gtid: it may bring it again, so it is told of the "
                 "abort only");
    play_say(&p, "when that is on disk.");
    play_rm(&p, "bank-b", RM_PREPARE, RM_NO, "insufficient funds", 1);
    play_submit(&p, "app", play_gtid("order-7"), "bank-a bank-b");
    play_run(&p);
    play_close(&p, "a-no");
}

static void lost_messages(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "A vote is lost: the coordinator asks again, the participant votes again.");
    play_lose(&p, "bank-b", MSG_VOTE);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_pass(&p, 1000);
    play_say(&p, "A PREPARE and a COMMIT are lost.");
    play_lose(&p, "coordinator", MSG_PREPARE);
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_pass(&p, 1000);
    play_say(&p, "An acknowledgement is lost. The participant has forgotten the branch by then, "
                 "and says so.");
    play_lose(&p, "bank-a", MSG_DONE);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_pass(&p, 1000);
    play_close(&p, "lost-messages");
}

static void no_vote(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "bank-b does not come to an end. When time is up its vote counts as no, and it "
                 "is told");
    play_say(&p, "to roll back what it may yet have done.");
    play_hold_rm(&p, "bank-b");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_pass(&p, 11000);
    play_release(&p);
    play_run(&p);
    play_close(&p, "no-vote");
}

static void duplicates(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "Everything arrives twice.");
    static const enum msg_type coordinator[] = {MSG_PREPARE, MSG_PREPARE, MSG_COMMIT, MSG_COMMIT,
                                                MSG_RESULT};
    for (unsigned i = 0; i < sizeof coordinator / sizeof coordinator[0]; i++)
        play_twice(&p, "coordinator", coordinator[i]);
    play_twice(&p, "bank-a", MSG_VOTE);
    play_twice(&p, "bank-b", MSG_VOTE);
    play_twice(&p, "bank-a", MSG_DONE);
    play_twice(&p, "bank-b", MSG_DONE);
    play_twice(&p, "app", MSG_SUBMIT);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_say(&p, "A PREPARE comes again after all is over: the fence has passed it, it is "
                 "dropped.");
    play_twice(&p, "coordinator", MSG_PREPARE);
    play_hold(&p, "coordinator", MSG_PREPARE);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_pass(&p, 1000);
    play_release(&p);
    play_run(&p);
    play_close(&p, "duplicates");
}

static void read_only(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "bank-a only read: it drops out of phase two.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_READ_ONLY, NULL, 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_say(&p, "All only read: there is no phase two.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_READ_ONLY, NULL, 1);
    play_rm(&p, "bank-b", RM_PREPARE, RM_READ_ONLY, NULL, 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_close(&p, "read-only");
}

static void one_phase(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "One branch alone decides for itself. That it may is recorded first.");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    play_say(&p, "It says no: that is the decision, so it is recorded before it is said.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_NO, "insufficient funds", 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    play_say(&p, "It only read.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_READ_ONLY, NULL, 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    play_say(&p, "Its answer is lost: it is asked again, and remembers.");
    play_lose(&p, "bank-a", MSG_DONE);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_pass(&p, 1000);
    play_close(&p, "one-phase");
}

static void one_phase_crashes(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "The coordinator crashes before the answer comes. It asks what became of it.");
    play_hold(&p, "bank-a", MSG_DONE);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_start(&p, "coordinator");
    play_pass(&p, 3500);
    play_say(&p, "The same, but the branch never heard of it: the abort is recorded.");
    play_lose(&p, "coordinator", MSG_PREPARE);
    struct gtid second = play_begin(&p, "app");
    play_submit(&p, "app", second, "bank-a");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_start(&p, "coordinator");
    play_pass(&p, 3500);
    play_say(&p, "The participant crashes after its commit is on disk, before its resource "
                 "manager did it.");
    play_hold_rm(&p, "bank-a");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    p.rm_held = NULL;
    play_one(&p); // prepared
    play_one(&p); // decided
    play_crash(&p, "bank-a");
    play_start(&p, "bank-a");
    play_pass(&p, 1000);
    play_say(&p, "It only read, and remembers nothing: the client is told when that is on disk, "
                 "and not before.");
    play_rm(&p, "bank-a", RM_PREPARE, RM_READ_ONLY, NULL, 1);
    play_hold(&p, "bank-a", MSG_VOTE);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a");
    play_run(&p);
    play_release(&p);
    play_hold_disk(&p, "coordinator");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_release(&p);
    play_start(&p, "coordinator");
    play_pass(&p, 1000);
    play_close(&p, "one-phase-crashes");
}

static void coordinator_crash_before(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "All have voted yes; the coordinator crashes with the decision on its way to the "
                 "disk.");
    play_say(&p, "Nobody was told, nothing is recorded: presumed abort.");
    play_hold_disk(&p, "coordinator");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_release(&p);
    play_pass(&p, 100);
    play_start(&p, "coordinator");
    play_pass(&p, 3500);
    play_close(&p, "coordinator-crash-before-decision");
}

static void coordinator_crash_after(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "The decision is on disk; the coordinator crashes before anyone hears of it.");
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_lose(&p, "coordinator", MSG_RESULT);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_pass(&p, 100);
    play_start(&p, "coordinator");
    play_pass(&p, 3500);
    play_close(&p, "coordinator-crash-after-decision");
}

static void participant_crash_in_doubt(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "bank-b votes yes and crashes. It wakes in doubt, and the decision finds it.");
    play_hold(&p, "coordinator", MSG_COMMIT);
    play_hold(&p, "coordinator", MSG_COMMIT);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "bank-b");
    play_release(&p);
    play_pass(&p, 1000);
    play_start(&p, "bank-b");
    play_pass(&p, 1000);
    play_say(&p, "bank-b crashes before its vote is on disk: it never voted. What it prepared is "
                 "rolled back,");
    play_say(&p, "it is asked to prepare again, and votes.");
    play_hold_disk(&p, "bank-b");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "bank-b");
    play_release(&p);
    play_start(&p, "bank-b");
    play_pass(&p, 1000);
    play_say(&p, "bank-b crashes when its resource manager has committed, and the journal does not "
                 "know.");
    play_hold(&p, "coordinator", MSG_COMMIT);
    play_hold(&p, "coordinator", MSG_COMMIT);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_release(&p);
    play_hold_disk(&p, "bank-b");
    play_run(&p);
    play_crash(&p, "bank-b");
    play_release(&p);
    play_start(&p, "bank-b");
    play_pass(&p, 1000);
    play_close(&p, "participant-crash-in-doubt");
}

static void heuristic(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "Committed; bank-b is gone. An operator gives it up and aborts.");
    play_hold(&p, "coordinator", MSG_COMMIT);
    play_hold(&p, "coordinator", MSG_COMMIT);
    struct gtid gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "bank-b");
    play_release(&p);
    play_run(&p);
    play_order(&p, OPERATOR_ABORT, gtid);
    play_run(&p);
    play_ask(&p, "app", ASK_STATUS, gtid);
    play_run(&p);
    play_say(&p, "bank-b comes back, and hears the operator's word. It remembers whose it was.");
    play_start(&p, "bank-b");
    play_pass(&p, 1000);
    play_ask(&p, "app", ASK_STATUS, gtid);
    play_run(&p);
    play_say(&p, "This time bank-b had committed before, and only its answer was lost. It cannot "
                 "be undone.");
    play_lose(&p, "bank-b", MSG_DONE);
    gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-a bank-b");
    play_run(&p);
    play_order(&p, OPERATOR_ABORT, gtid);
    play_run(&p);
    play_close(&p, "heuristic");
}

static void enlisted(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "The application works at the banks itself, and then commits.");
    struct gtid gtid = play_begin(&p, "app");
    play_enlist(&p, "app", gtid, 0, "bank-a");
    play_run(&p);
    play_working(&p, "bank-a", gtid, 0);
    play_enlist(&p, "app", gtid, 1, "bank-b");
    play_run(&p);
    play_working(&p, "bank-b", gtid, 1);
    play_submit_enlisted(&p, "app", gtid, "bank-a bank-b");
    play_run(&p);
    play_say(&p, "The application dies before it commits: its time runs out.");
    gtid = play_begin(&p, "app");
    play_enlist(&p, "app", gtid, 0, "bank-a");
    play_run(&p);
    play_working(&p, "bank-a", gtid, 0);
    play_crash(&p, "app");
    play_pass(&p, 31000);
    play_say(&p, "The coordinator dies, too: the participant asks, and learns of the abort.");
    play_start(&p, "app");
    play_run(&p);
    gtid = play_begin(&p, "app");
    play_enlist(&p, "app", gtid, 0, "bank-a");
    play_run(&p);
    play_working(&p, "bank-a", gtid, 0);
    play_crash(&p, "app");
    play_crash(&p, "coordinator");
    play_start(&p, "coordinator");
    play_pass(&p, 31000);
    play_close(&p, "enlisted");
}

static void log_lost_and_one_knows(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "Committed, but bank-b has not heard of it, when the coordinator and its log are "
                 "lost.");
    play_lose(&p, "coordinator", MSG_COMMIT);
    struct gtid gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-b bank-a");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_say(&p, "A new one, with a new log, cannot know. bank-a does, though it has forgotten "
                 "the branch itself.");
    cluster_wipe(cluster_actor(&p.cluster, "coordinator"));
    play_start(&p, "coordinator");
    play_pass(&p, 1000);
    play_close(&p, "log-lost-and-one-knows");
}

static void log_lost(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "Committed, but neither bank has heard of it, when the coordinator and its log "
                 "are lost.");
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_lose(&p, "coordinator", MSG_COMMIT);
    struct gtid gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-b bank-a");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_say(&p, "A new one, with a new log, cannot know. They ask each other, in vain, stay in "
                 "doubt, and say so.");
    cluster_wipe(cluster_actor(&p.cluster, "coordinator"));
    play_start(&p, "coordinator");
    play_pass(&p, 1000);
    play_say(&p, "An operator, who has asked the application, decides.");
    play_order(&p, OPERATOR_COMMIT, gtid);
    play_pass(&p, 1000);
    play_say(&p, "Life goes on.");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_close(&p, "log-lost");
}

static void log_behind(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "A transaction like any other.");
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    cluster_copy(cluster_actor(&p.cluster, "coordinator"));
    play_say(&p, "The log is copied here. Then a transaction commits, and somebody brings the old "
                 "copy back.");
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_lose(&p, "coordinator", MSG_COMMIT);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "coordinator");
    cluster_restore(cluster_actor(&p.cluster, "coordinator"));
    play_say(&p, "The participants have seen more of that log than there is.");
    play_start(&p, "coordinator");
    play_run(&p);
    play_close(&p, "log-behind");
}

static void journal_lost(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "Committed, but bank-b has not heard of it, when its journal is lost: what it "
                 "prepared nobody");
    play_say(&p, "claims any more, so it is rolled back.");
    play_lose(&p, "coordinator", MSG_COMMIT);
    struct gtid gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-b bank-a");
    play_run(&p);
    play_crash(&p, "bank-b");
    cluster_wipe(cluster_actor(&p.cluster, "bank-b"));
    play_start(&p, "bank-b");
    play_pass(&p, 1000);
    play_ask(&p, "app", ASK_STATUS, gtid);
    play_run(&p);
    play_close(&p, "journal-lost");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_failure),
        cmocka_unit_test(a_no),
        cmocka_unit_test(lost_messages),
        cmocka_unit_test(no_vote),
        cmocka_unit_test(duplicates),
        cmocka_unit_test(read_only),
        cmocka_unit_test(one_phase),
        cmocka_unit_test(one_phase_crashes),
        cmocka_unit_test(coordinator_crash_before),
        cmocka_unit_test(coordinator_crash_after),
        cmocka_unit_test(participant_crash_in_doubt),
        cmocka_unit_test(heuristic),
        cmocka_unit_test(enlisted),
        cmocka_unit_test(log_lost_and_one_knows),
        cmocka_unit_test(log_lost),
        cmocka_unit_test(log_behind),
        cmocka_unit_test(journal_lost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
