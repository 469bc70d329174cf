// SPDX-License-Identifier: Apache-2.0
// Stories of one participant; the coordinator is played by hand, so that it may say what the real
// one would say only after the worst of days.
#include "play.h"

static const struct play_options ONE_BANK = {.by_hand = true, .participants = 1};
static const struct play_options DURABLE_BANK = {
    .by_hand = true, .participants = 1, .rm_durable = true};

static const char BANK[] = "bank-a";

static void decide(struct play *p, enum msg_type type, const char *gtid, uint64_t attempt,
                   unsigned flags)
{
    play_hand_decide(p, BANK, type, play_gtid(gtid), attempt, flags);
    play_run(p);
}

static void prepare(struct play *p, const char *gtid, uint64_t attempt, unsigned flags)
{
    play_hand_prepare(p, BANK, play_gtid(gtid), attempt, flags);
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

static void newer_attempt(void **state)
{
    (void)state;
    const uint64_t first = play_attempt(1, 1), second = play_attempt(2, 1);
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "In doubt about the first run of g; the coordinator crashes, and its client "
                 "brings g again.");
    play_say(&p, "There would be no second run had the first been committed: it is rolled back.");
    prepare(&p, "g", first, 0);
    p.hand.incarnation = 2;
    p.hand.fence = second;
    play_hand_welcome(&p, BANK);
    play_run(&p);
    prepare(&p, "g", second, 0);
    play_say(&p, "The PREPARE comes again, and is taken up.");
    prepare(&p, "g", second, 0);
    play_say(&p, "Words about the first run come late. None is taken for one about the second.");
    decide(&p, MSG_ROLLBACK, "g", first, 0);
    decide(&p, MSG_COMMIT, "g", first, 0);
    play_hand_standing(&p, BANK, play_gtid("g"), first, OUTCOME_UNKNOWN);
    prepare(&p, "g", first, 0);
    decide(&p, MSG_COMMIT, "g", second, 0);
    play_say(&p, "The first is asked to commit when only the second is remembered: stale. The "
                 "other way");
    play_say(&p, "around it was finished long ago, and forgotten.");
    decide(&p, MSG_COMMIT, "g", first, 0);
    decide(&p, MSG_COMMIT, "g", play_attempt(2, 2), 0);
    play_close(&p, "participant-newer-attempt");
}

static void newer_attempt_while_busy(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "The next run is asked for while the first still prepares.");
    play_hold_rm(&p, BANK);
    prepare(&p, "g", play_attempt(1, 1), 0);
    prepare(&p, "g", play_attempt(1, 2), 0);
    play_release(&p);
    play_run(&p);
    prepare(&p, "g", play_attempt(1, 2), 0);
    play_say(&p, "And while its vote is on its way to the disk: this time its ROLLBACK.");
    decide(&p, MSG_ROLLBACK, "g", play_attempt(1, 2), 0);
    play_hold_disk(&p, BANK);
    prepare(&p, "g", play_attempt(1, 3), 0);
    decide(&p, MSG_ROLLBACK, "g", play_attempt(1, 4), 0);
    play_release(&p);
    play_run(&p);
    decide(&p, MSG_ROLLBACK, "g", play_attempt(1, 4), 0);
    play_close(&p, "participant-newer-attempt-while-busy");
}

static void operators_word(void **state)
{
    (void)state;
    const uint64_t attempt = play_attempt(1, 1);
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "An operator commits what is in doubt. That is recorded before it is done.");
    prepare(&p, "g", attempt, 0);
    decide(&p, MSG_COMMIT, "g", attempt, DECIDE_HEURISTIC);
    play_say(&p, "The coordinator decided otherwise: it is told the truth, now and ever after.");
    decide(&p, MSG_ROLLBACK, "g", attempt, 0);
    p.hand.fence = play_attempt(1, 9);
    restart(&p);
    decide(&p, MSG_ROLLBACK, "g", attempt, 0);
    prepare(&p, "g", play_attempt(1, 9), 0);
    decide(&p, MSG_ROLLBACK, "g", play_attempt(1, 9), 0);
    decide(&p, MSG_ROLLBACK, "g", 0, 0);
    play_say(&p, "The word comes, then a crash with the resource manager not told yet: it still "
                 "counts.");
    prepare(&p, "h", play_attempt(1, 10), 0);
    play_hold_rm(&p, BANK);
    decide(&p, MSG_ROLLBACK, "h", play_attempt(1, 10), DECIDE_HEURISTIC);
    decide(&p, MSG_COMMIT, "h", play_attempt(1, 10), 0);
    restart(&p);
    decide(&p, MSG_COMMIT, "h", play_attempt(1, 10), 0);
    play_say(&p, "The word comes for a branch that was finished as decided, and forgotten.");
    decide(&p, MSG_ROLLBACK, "i", attempt, DECIDE_HEURISTIC);
    decide(&p, MSG_COMMIT, "i", attempt, DECIDE_HEURISTIC);
    play_close(&p, "participant-operators-word");
}

static void one_phase(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "A commit in one phase; the same PREPARE and a question meet it in every state.");
    const uint64_t first = play_attempt(1, 1);
    play_hold_rm(&p, BANK);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    p.rm_held = NULL;
    play_hold_disk(&p, BANK);
    play_run(&p);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "g", first, DECIDE_RESOLVE);
    play_hold_rm(&p, BANK);
    p.disk_held = NULL;
    play_run(&p);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "g", first, DECIDE_RESOLVE);
    p.rm_held = NULL;
    play_hold_disk(&p, BANK);
    play_run(&p);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "g", first, DECIDE_RESOLVE);
    play_release(&p);
    play_run(&p);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "g", first, DECIDE_RESOLVE);
    play_say(&p, "The question comes while it prepares: rolled back, recorded, and a late PREPARE "
                 "finds that.");
    const uint64_t second = play_attempt(1, 2);
    play_hold_rm(&p, BANK);
    prepare(&p, "h", second, PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "h", second, DECIDE_RESOLVE);
    play_release(&p);
    play_run(&p);
    restart(&p);
    prepare(&p, "h", second, PREPARE_ONE_PHASE);
    play_say(&p, "A no is told as a no, and, to the question, as what it is: aborted.");
    const uint64_t third = play_attempt(1, 3);
    play_rm(&p, BANK, RM_PREPARE, RM_NO, "insufficient funds", 1);
    prepare(&p, "i", third, PREPARE_ONE_PHASE);
    prepare(&p, "i", third, PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "i", third, DECIDE_RESOLVE);
    play_say(&p, "When the fence has passed them all, they are forgotten. A late question changes "
                 "nothing.");
    p.hand.fence = play_attempt(1, 4);
    decide(&p, MSG_ROLLBACK, "g", first, DECIDE_RESOLVE);
    prepare(&p, "g", first, PREPARE_ONE_PHASE);
    play_close(&p, "participant-one-phase");
}

static void retries(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "The resource manager cannot, for now. It is asked again, at growing intervals.");
    play_rm(&p, BANK, RM_PREPARE, RM_RETRY, NULL, 2);
    prepare(&p, "g", play_attempt(1, 1), 0);
    play_pass(&p, 300);
    play_rm(&p, BANK, RM_COMMIT, RM_RETRY, NULL, 4);
    decide(&p, MSG_COMMIT, "g", play_attempt(1, 1), 0);
    play_pass(&p, 2000);
    play_say(&p, "A rollback comes while a prepare waits for its next try: there is nothing to "
                 "wait for.");
    play_rm(&p, BANK, RM_PREPARE, RM_RETRY, NULL, 1);
    prepare(&p, "h", play_attempt(1, 2), 0);
    decide(&p, MSG_ROLLBACK, "h", play_attempt(1, 2), 0);
    play_say(&p, "A commit that answers nonsense has not been done.");
    prepare(&p, "i", play_attempt(1, 3), 0);
    play_rm(&p, BANK, RM_COMMIT, RM_NO, NULL, 1);
    decide(&p, MSG_COMMIT, "i", play_attempt(1, 3), 0);
    play_pass(&p, 200);
    play_close(&p, "participant-retries");
}

static void in_doubt(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "In doubt, and nothing is heard: it asks, less and less often; when the "
                 "coordinator is silent");
    play_say(&p, "it greets instead.");
    prepare(&p, "g", play_attempt(1, 1), 0);
    play_pass(&p, 15000);
    play_say(&p, "Welcomed again, it asks at once. Undecided: it waits. Unknown: it waits longer, "
                 "in doubt.");
    play_hand_welcome(&p, BANK);
    play_run(&p);
    play_hand_standing(&p, BANK, play_gtid("g"), play_attempt(1, 1), OUTCOME_NONE);
    play_pass(&p, 5000);
    play_hand_standing(&p, BANK, play_gtid("g"), play_attempt(1, 1), OUTCOME_UNKNOWN);
    play_pass(&p, 5000);
    play_hand_welcome(&p, BANK);
    play_pass(&p, 5000);
    decide(&p, MSG_ROLLBACK, "g", play_attempt(1, 1), 0);
    play_close(&p, "participant-in-doubt");
}

static void recovery(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "One in doubt, one decided, one finished, one prepared without a vote; then a "
                 "crash.");
    prepare(&p, "doubt", play_attempt(1, 1), 0);
    prepare(&p, "done", play_attempt(1, 2), PREPARE_ONE_PHASE);
    play_hold_rm(&p, BANK);
    prepare(&p, "decided", play_attempt(1, 3), PREPARE_ONE_PHASE);
    p.rm_held = NULL;
    play_one(&p);
    play_hold_rm(&p, BANK);
    play_run(&p);
    p.rm_held = NULL;
    play_hold_disk(&p, BANK);
    prepare(&p, "never", play_attempt(1, 4), 0);
    play_crash(&p, BANK);
    play_release(&p);
    play_say(&p, "Back again: what is decided is done, what never voted is rolled back, what is "
                 "in doubt waits.");
    play_start(&p, BANK);
    play_run(&p);
    play_say(&p, "The coordinator is there.");
    play_hand_welcome(&p, BANK);
    play_run(&p);
    prepare(&p, "done", play_attempt(1, 2), PREPARE_ONE_PHASE);
    decide(&p, MSG_ROLLBACK, "decided", play_attempt(1, 3), DECIDE_RESOLVE);
    decide(&p, MSG_COMMIT, "doubt", play_attempt(1, 1), 0);
    prepare(&p, "never", play_attempt(1, 4), 0);
    play_close(&p, "participant-recovery");
}

static void durable_manager(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &DURABLE_BANK);
    play_say(&p, "This resource manager keeps what it prepared: no vote in the journal. After a "
                 "crash what it");
    play_say(&p, "holds is in doubt.");
    prepare(&p, "g", play_attempt(1, 1), 0);
    restart(&p);
    decide(&p, MSG_COMMIT, "g", play_attempt(1, 1), 0);
    play_say(&p, "It committed, and the journal does not know: there is nothing to find any more, "
                 "so it was done.");
    prepare(&p, "h", play_attempt(1, 2), 0);
    play_hold_disk(&p, BANK);
    decide(&p, MSG_COMMIT, "h", play_attempt(1, 2), 0);
    restart(&p);
    decide(&p, MSG_COMMIT, "h", play_attempt(1, 2), 0);
    play_say(&p, "It crashes before a commit in one phase is recorded: it is not known that it "
                 "may decide alone");
    play_say(&p, "until the PREPARE comes again.");
    play_hold_disk(&p, BANK);
    prepare(&p, "i", play_attempt(1, 3), PREPARE_ONE_PHASE);
    restart(&p);
    prepare(&p, "i", play_attempt(1, 3), PREPARE_ONE_PHASE);
    play_say(&p, "The same, and the question comes instead.");
    play_hold_disk(&p, BANK);
    prepare(&p, "j", play_attempt(1, 4), PREPARE_ONE_PHASE);
    restart(&p);
    decide(&p, MSG_ROLLBACK, "j", play_attempt(1, 4), DECIDE_RESOLVE);
    play_close(&p, "participant-durable-manager");
}

static void two_coordinators(void **state)
{
    (void)state;
    const uint64_t attempt = play_attempt(7, 1);
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "One in doubt, one finished. Then the coordinator's disk is lost, and another "
                 "answers in its place.");
    p.hand.incarnation = 7;
    p.hand.fence = attempt;
    play_hand_welcome(&p, BANK);
    play_run(&p);
    prepare(&p, "doubt", attempt, 0);
    prepare(&p, "done", attempt, PREPARE_ONE_PHASE);
    struct frame_header old = p.hand;
    p.hand.coordinator = 0x2b2b2b2b2b;
    p.hand.incarnation = 1;
    p.hand.fence = play_attempt(1, 1);
    play_say(&p, "Nobody listens to it before it has said welcome.");
    prepare(&p, "new", play_attempt(1, 1), 0);
    play_say(&p, "Its own work is done; the old branch stays in doubt, and it says whose it is. "
                 "The finished");
    play_say(&p, "one is kept by itself, for the day the old coordinator comes back.");
    play_hand_welcome(&p, BANK);
    play_run(&p);
    play_hand_standing(&p, BANK, play_gtid("doubt"), attempt, OUTCOME_UNKNOWN);
    prepare(&p, "new", play_attempt(1, 1), 0);
    decide(&p, MSG_COMMIT, "new", play_attempt(1, 1), 0);
    p.hand.fence = play_attempt(1, 2);
    play_say(&p, "It cannot decide what is not its own, or reuse its name; an operator can.");
    decide(&p, MSG_COMMIT, "doubt", attempt, 0);
    prepare(&p, "doubt", play_attempt(1, 2), 0);
    decide(&p, MSG_COMMIT, "doubt", play_attempt(1, 2), DECIDE_HEURISTIC);
    decide(&p, MSG_COMMIT, "doubt", attempt, DECIDE_HEURISTIC);
    play_say(&p, "The old one is found again. What it delegated is still remembered, also after a "
                 "crash.");
    p.hand = old;
    restart(&p);
    decide(&p, MSG_ROLLBACK, "done", attempt, DECIDE_RESOLVE);
    decide(&p, MSG_ROLLBACK, "doubt", attempt, 0);
    p.hand.fence = play_attempt(7, 2);
    play_hand_welcome(&p, BANK);
    play_run(&p);
    play_close(&p, "participant-two-coordinators");
}

static void working(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "The application works here, and is heard of no more. It asks now and then; "
                 "undecided: it waits.");
    play_working(&p, BANK, play_gtid("g"), 0);
    play_run(&p);
    for (int i = 0; i < 8; i++) {
        play_pass(&p, 4000);
        play_hand_welcome(&p, BANK);
    }
    play_hand_standing(&p, BANK, play_gtid("g"), 0, OUTCOME_NONE);
    play_say(&p, "Unknown: nothing was promised, so it is rolled back.");
    play_hand_standing(&p, BANK, play_gtid("g"), 0, OUTCOME_UNKNOWN);
    play_run(&p);
    play_say(&p, "It is rolled back; it is told twice that work has started.");
    play_working(&p, BANK, play_gtid("h"), 0);
    play_working(&p, BANK, play_gtid("h"), 0);
    decide(&p, MSG_ROLLBACK, "h", 0, 0);
    play_say(&p, "It is asked to prepare: from then on it is a branch like any other. The answer "
                 "to an earlier");
    play_say(&p, "question comes late, and changes nothing.");
    play_working(&p, BANK, play_gtid("i"), 0);
    prepare(&p, "i", play_attempt(1, 1), 0);
    decide(&p, MSG_ROLLBACK, "i", 0, 0);
    play_hand_standing(&p, BANK, play_gtid("i"), 0, OUTCOME_UNKNOWN);
    play_run(&p);
    play_working(&p, BANK, play_gtid("i"), 0);
    decide(&p, MSG_COMMIT, "i", play_attempt(1, 1), 0);
    play_say(&p, "Work that starts under a gtid that has been committed is in nobody's hands.");
    p.hand.fence = play_attempt(1, 2);
    play_hand_welcome(&p, BANK);
    play_working(&p, BANK, play_gtid("i"), 0);
    decide(&p, MSG_COMMIT, "i", play_attempt(1, 1), 0);
    play_close(&p, "participant-working");
}

static void session(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &ONE_BANK);
    p.chatty = true;
    play_say(&p, "With nothing to say it pings; with nothing to hear it greets, until it is "
                 "welcomed.");
    play_pass(&p, 20000);
    play_hand_welcome(&p, BANK);
    play_pass(&p, 2000);
    play_say(&p, "The coordinator does not know it (any more): it greets again.");
    struct msg refused = {.type = MSG_REFUSED};
    refused.u.refused.about = MSG_PING;
    refused.u.refused.code = ASSENT_STATE;
    refused.u.refused.text = slice_text("say HELLO first");
    play_hand(&p, BANK, &refused);
    play_pass(&p, 200);
    play_say(&p, "It is not welcome: it asks again, but rarely, and keeps its mouth shut.");
    refused.u.refused.about = MSG_HELLO;
    refused.u.refused.code = ASSENT_DENIED;
    refused.u.refused.text = slice_text("bank-a is another's");
    play_hand(&p, BANK, &refused);
    prepare(&p, "g", play_attempt(1, 1), 0);
    play_pass(&p, 40000);
    play_hand_welcome(&p, BANK);
    play_say(&p, "The coordinator is of a later run: it has to say welcome before anything else.");
    p.hand.incarnation = 2;
    prepare(&p, "g", play_attempt(2, 1), 0);
    play_pass(&p, 10);
    play_hand_welcome(&p, BANK);
    play_say(&p, "What an earlier run of it said comes late.");
    p.hand.incarnation = 1;
    prepare(&p, "g", play_attempt(1, 1), 0);
    play_say(&p, "The connection is lost with a vote on its way to the disk: no word into the "
                 "void; it is asked");
    play_say(&p, "again.");
    p.hand.incarnation = 2;
    play_hold_disk(&p, BANK);
    prepare(&p, "g", play_attempt(2, 1), 0);
    cluster_disconnect(cluster_actor(&p.cluster, BANK));
    play_release(&p);
    play_pass(&p, 20000);
    cluster_connect(cluster_actor(&p.cluster, BANK));
    play_hand_welcome(&p, BANK);
    prepare(&p, "g", play_attempt(2, 1), 0);
    play_close(&p, "participant-session");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newer_attempt),    cmocka_unit_test(newer_attempt_while_busy),
        cmocka_unit_test(operators_word),   cmocka_unit_test(one_phase),
        cmocka_unit_test(retries),          cmocka_unit_test(in_doubt),
        cmocka_unit_test(recovery),         cmocka_unit_test(durable_manager),
        cmocka_unit_test(two_coordinators), cmocka_unit_test(working),
        cmocka_unit_test(session),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
