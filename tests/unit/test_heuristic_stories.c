// SPDX-License-Identifier: Apache-2.0
// Stories of resource managers that decide by themselves: tests/data/stories/manager-*.txt is what
// to read.
#include "play.h"

static const struct play_options TWO_BANKS = {.participants = 2, .clients = 1};
static const struct play_options ONE_BANK = {.by_hand = true, .participants = 1};
static const struct play_options DURABLE_BANK = {
    .by_hand = true, .participants = 1, .rm_durable = true};
static const char BANK[] = "bank-a";

static void decided(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "bank-b's database has rolled back what it had promised. That is in its journal, "
                 "then on");
    play_say(&p, "record, and only then the database may forget it.");
    play_rm(&p, "bank-b", RM_COMMIT, RM_HEURISTIC_ROLLBACK, "", 1);
    struct gtid gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-a bank-b");
    play_run(&p);
    play_ask(&p, "app", ASK_STATUS, gtid);
    play_run(&p);
    play_say(&p, "It had committed, as was decided: nothing is mixed, and it is on record all the "
                 "same.");
    play_rm(&p, "bank-b", RM_COMMIT, RM_HEURISTIC_COMMIT, "", 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_say(&p, "One branch alone: how it ended is the outcome.");
    play_rm(&p, "bank-b", RM_COMMIT, RM_HEURISTIC_ROLLBACK, "", 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-b");
    play_run(&p);
    play_close(&p, "manager-decided");
}

static void crashes(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "The coordinator dies with the end record on its way to the disk: bank-b is asked "
                 "again, and says");
    play_say(&p, "the same; it has forgotten nothing.");
    play_rm(&p, "bank-b", RM_COMMIT, RM_HEURISTIC_MIXED, "", 1);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_hold(&p, "bank-b", MSG_DONE);
    play_run(&p);
    play_hold_disk(&p, "coordinator");
    play_release(&p);
    play_hold_disk(&p, "coordinator");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_release(&p);
    play_start(&p, "coordinator");
    play_pass(&p, 500);
    play_say(&p, "That it is noted is lost, and bank-b dies: it tells it once more.");
    play_rm(&p, "bank-b", RM_COMMIT, RM_HEURISTIC_ROLLBACK, "", 1);
    play_lose(&p, "coordinator", MSG_STANDING);
    play_submit(&p, "app", play_begin(&p, "app"), "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "bank-b");
    play_start(&p, "bank-b");
    play_pass(&p, 40000);
    play_close(&p, "manager-crashes");
}

static void presumed(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "The coordinator dies before it has decided, so it is presumed aborted; bank-a's "
                 "database has");
    play_say(&p, "committed. There was no record, and now there is one.");
    play_rm(&p, "bank-a", RM_ROLLBACK, RM_HEURISTIC_COMMIT, "", 1);
    play_hold_rm(&p, "bank-b");
    struct gtid gtid = play_begin(&p, "app");
    play_submit(&p, "app", gtid, "bank-a bank-b");
    play_run(&p);
    play_crash(&p, "coordinator");
    play_start(&p, "coordinator");
    play_pass(&p, 500);
    play_release(&p);
    play_pass(&p, 5000);
    play_ask(&p, "app", ASK_STATUS, gtid);
    play_run(&p);
    play_close(&p, "manager-presumed");
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

static void note(struct play *p, const char *gtid, uint64_t attempt)
{
    struct msg msg = {.type = MSG_STANDING};
    msg.u.standing = (struct msg_standing){.gtid = play_gtid(gtid),
                                           .attempt = attempt,
                                           .outcome = OUTCOME_COMMITTED,
                                           .flags = STANDING_NOTED};
    play_hand(p, BANK, &msg);
    play_run(p);
}

static void participant(void **state)
{
    (void)state;
    const uint64_t first = play_attempt(1, 1), second = play_attempt(1, 2);
    struct play p;
    play_open(&p, &ONE_BANK);
    play_say(&p, "The database did some of it. The fence passes it, and it is kept all the same, "
                 "and told, also");
    play_say(&p, "after a crash.");
    play_rm(&p, BANK, RM_COMMIT, RM_HEURISTIC_MIXED, "", 1);
    play_hand_prepare(&p, BANK, play_gtid("g"), first, 0);
    play_run(&p);
    play_hand_decide(&p, BANK, MSG_COMMIT, play_gtid("g"), first, 0);
    play_run(&p);
    p.hand.fence = second;
    restart(&p);
    play_pass(&p, 31000);
    play_hand_welcome(&p, BANK);
    play_say(&p, "That the transaction has ended says nothing of this; and no other run of the "
                 "gtid is let in.");
    play_hand_standing(&p, BANK, play_gtid("g"), first, OUTCOME_COMMITTED);
    play_hand_prepare(&p, BANK, play_gtid("g"), second, 0);
    play_run(&p);
    play_say(&p, "It is on record. The database fails to forget it at first.");
    play_rm(&p, BANK, RM_FORGET, RM_RETRY, "", 1);
    note(&p, "g", first);
    play_pass(&p, 500);
    play_say(&p, "That comes twice, and for what was never known.");
    note(&p, "g", first);
    note(&p, "h", first);
    play_close(&p, "manager-participant");
}

static void enlisted_and_durable(void **state)
{
    (void)state;
    const uint64_t attempt = play_attempt(1, 1);
    struct play p;
    play_open(&p, &DURABLE_BANK);
    play_say(&p, "A database that keeps by itself what it has prepared: of a call the journal says "
                 "nothing. What");
    play_say(&p, "an application did there has no run in its name, so the vote is in the journal.");
    struct msg msg = {.type = MSG_PREPARE};
    msg.u.prepare = (struct msg_prepare){.gtid = play_gtid("call"),
                                         .attempt = attempt,
                                         .protocol = PROTOCOL_2PC,
                                         .kind = BRANCH_CALL};
    play_hand(&p, BANK, &msg);
    play_run(&p);
    msg.u.prepare.gtid = play_gtid("work");
    msg.u.prepare.kind = BRANCH_ENLISTED;
    play_hand(&p, BANK, &msg);
    play_run(&p);
    play_close(&p, "manager-durable-enlisted");
}

static void released(void **state)
{
    (void)state;
    struct play p;
    play_open(&p, &TWO_BANKS);
    play_say(&p, "The application worked at both banks, and only looked at bank-b: that is not "
                 "asked, and not waited");
    play_say(&p,
             "for. bank-a is asked as if there were others: the application's connection may hold "
             "the branch until it knows.");
    struct gtid gtid = play_begin(&p, "app");
    play_enlist(&p, "app", gtid, 0, "bank-a");
    play_run(&p);
    play_working(&p, "bank-a", gtid, 0);
    play_enlist(&p, "app", gtid, 1, "bank-b");
    play_run(&p);
    play_working(&p, "bank-b", gtid, 1);
    struct msg_branch branches[] = {
        {.kind = BRANCH_ENLISTED, .resource = slice_text("bank-a")},
        {.kind = BRANCH_READ_ONLY, .resource = slice_text("bank-b")},
    };
    play_submit_as(&p, "app", gtid, (struct msg_submit){.protocol = PROTOCOL_2PC}, branches, 2);
    play_run(&p);
    play_close(&p, "read-only-of-the-application");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(decided),
        cmocka_unit_test(crashes),
        cmocka_unit_test(presumed),
        cmocka_unit_test(participant),
        cmocka_unit_test(enlisted_and_durable),
        cmocka_unit_test(released),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
