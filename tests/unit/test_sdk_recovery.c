// SPDX-License-Identifier: Apache-2.0
// libassent's participant: what a crash leaves, and how it is mended. The participants that die are
// processes of their own, this program started anew.
#include "sdk_rm.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

static assent_participant_counts counts(void)
{
    assent_participant_counts ret;
    assent_participant_count(rm.participant, &ret);
    return ret;
}

static void died(pid_t pid)
{
    int status = rm_reap(pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

// A process that has been welcomed.
static pid_t spawn(const char *crash)
{
    unsigned hellos = fake_seen(&rm.fake, MSG_HELLO);
    pid_t pid = rm_spawn(crash, 0);
    fake_wait_seen(&rm.fake, MSG_HELLO, hellos + 1);
    return pid;
}

// ---- at the crash points ----

static void prepared_but_not_in_the_journal_was_never_voted(void **state)
{
    (void)state;
    pid_t pid = spawn("part_after_prepare");
    rm_prepare("g", 100, "pay");
    died(pid);
    rm.prepared[0] = "g/1/000004k7/64";
    rm_open(true, false);
    assert_int_equal(rm.prepared_codes[0], ASSENT_OK);
    rm_await_call('r', "g", 1);
    assert_int_equal(rm_count_said(MSG_VOTE, "g"), 0);
    assert_int_equal(rm_count_said(MSG_INQUIRE, "g"), 0);
}

static void in_the_journal_but_not_sent_is_in_doubt(void **state)
{
    (void)state;
    pid_t pid = spawn("part_after_journal");
    rm_prepare("g", 100, "pay");
    died(pid);
    assert_int_equal(rm_count_said(MSG_VOTE, "g"), 0);
    rm_open(false, false);
    UNTIL(counts().in_doubt == 1);
    struct rm_said asked = rm_await(MSG_INQUIRE, "g", 1);
    assert_int_equal(asked.msg.u.inquire.prepared, 1);
    assert_int_equal(asked.msg.u.inquire.attempt, 100);
    assert_int_equal(asked.msg.u.inquire.coordinator, rm.fake.coordinator);
    // Asked for its vote again, it gives the one in the journal.
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    struct rm_call call = rm_await_call('c', "g", 1);
    assert_string_equal(call.payload, "pay");
    assert_string_equal(call.id, "g/1/000004k7/64");
    assert_string_equal(rm_story("g"), "c");
}

// The moment the vote is heard, its process is killed: the vote must be in the journal.
static pid_t victim;

static void kill_at_vote(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    if (msg->type == MSG_VOTE)
        kill(victim, SIGKILL);
}

static void a_vote_that_was_heard_is_in_the_journal(void **state)
{
    (void)state;
    fake_handler *listen_to = rm.fake.handler;
    victim = spawn(NULL);
    fake_handle(&rm.fake, kill_at_vote);
    rm_prepare("g", 100, "pay");
    died(victim);
    fake_handle(&rm.fake, listen_to);
    rm_open(false, false);
    rm_await(MSG_INQUIRE, "g", 1);
    assert_int_equal(counts().in_doubt, 1);
}

static void committed_but_not_in_the_journal_is_committed_again(void **state)
{
    (void)state;
    pid_t pid = spawn("part_after_commit");
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    rm_commit("g", 100);
    died(pid);
    rm_open(false, false);
    rm_await(MSG_INQUIRE, "g", 1);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_string_equal(rm_story("g"), "c");
}

static void finished_in_the_journal_is_acknowledged_without_a_call(void **state)
{
    (void)state;
    pid_t pid = spawn("part_before_done");
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    rm_commit("g", 100);
    died(pid);
    assert_int_equal(rm_count_said(MSG_DONE, "g"), 0);
    rm_open(false, false);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_string_equal(rm_story("g"), "");
}

static void a_crash_in_recovery_changes_nothing(void **state)
{
    (void)state;
    pid_t pid = spawn("part_after_vote");
    rm_prepare("g", 100, "pay");
    died(pid);
    died(rm_spawn("part_in_recovery", 0));
    died(rm_spawn("part_in_recovery", 0));
    rm_open(false, false);
    rm_await(MSG_INQUIRE, "g", 1);
    rm_rollback("g", 100);
    rm_await_done("g", OUTCOME_ABORTED);
}

// Every crash point of two-phase commit is passed by a transaction that commits, one that is rolled
// back, or a recovery.
static void every_crash_point_is_reached(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool commits;
    } points[] = {
        {"part_after_receive", true},   {"part_before_prepare", true},
        {"part_after_prepare", true},   {"part_after_journal", true},
        {"part_after_vote", true},      {"part_before_commit", true},
        {"part_after_commit", true},    {"part_before_rollback", false},
        {"part_after_rollback", false}, {"part_before_done", true},
        {"part_after_done", true},
    };
    for (unsigned i = 0; i < sizeof points / sizeof points[0]; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "g%u", i);
        pid_t pid = spawn(points[i].name);
        rm_prepare(gtid, 100 + i, "pay");
        int status;
        while (waitpid(pid, &status, WNOHANG) == 0) {
            if (rm_count_said(MSG_VOTE, gtid) > 0 && points[i].commits)
                rm_commit(gtid, 100 + i);
            else if (rm_count_said(MSG_VOTE, gtid) > 0)
                rm_rollback(gtid, 100 + i);
            fake_pause();
        }
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
}

static void a_mistyped_crash_point_is_refused(void **state)
{
    (void)state;
    int status = rm_reap(rm_spawn("part_after_lunch", 0));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ASSENT_INVALID);
}

// ---- what the resource manager held ----

static void only_texts_of_ours_are_taken(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "g/1/000004k7/64",  "g/1/000004k7/064", "g/01/000004k7/64", "g/1/000004K7/64",
        "g/64/000004k7/64", "g/1/4k7/64",       "g/1/000004k7/64/", "something-else",
    };
    for (unsigned i = 0; i < RM_PREPARED_MAX; i++)
        rm.prepared[i] = texts[i];
    rm_open(true, false);
    assert_int_equal(rm.prepared_codes[0], ASSENT_OK);
    for (unsigned i = 1; i < RM_PREPARED_MAX; i++)
        assert_int_equal(rm.prepared_codes[i], ASSENT_INVALID);
    rm_await_call('r', "g", 1);
}

static void what_a_durable_resource_manager_holds_is_in_doubt(void **state)
{
    (void)state;
    rm_open(true, true);
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    struct rm_call call = rm_await_call('p', "g", 1);
    rm_close();
    // The journal has no word of it; the resource manager has.
    rm.prepared[0] = call.id;
    rm_open(true, true);
    assert_int_equal(rm.prepared_codes[0], ASSENT_OK);
    assert_int_equal(rm_await(MSG_INQUIRE, "g", 1).msg.u.inquire.prepared, 1);
    rm_commit("g", 100);
    rm_await_done("g", OUTCOME_COMMITTED);
    assert_string_equal(rm_story("g"), "pc");
    rm_close();
    // And once finished it is in the journal.
    rm.prepared[0] = NULL;
    rm_open(true, true);
    rm_commit("g", 100);
    rm_await(MSG_DONE, "g", 2);
    assert_string_equal(rm_story("g"), "pc");
}

// ---- the journal ----

static int count_record(void *arg, const struct store_record *record)
{
    unsigned *counts = arg;
    counts[record->open ? 1 : 0]++;
    return 0;
}

// Records in the journal of a participant that is closed: [0] closed ones, [1] open ones.
static void journal_holds(unsigned closed, unsigned open)
{
    assent_participant_options options;
    struct store *store;
    unsigned found[2] = {0};
    rm_options(&options);
    if (store_open_leveldb(options.journal_dir, &(struct store_options){0}, &store, &rm.error) !=
        ASSENT_OK)
        fail_msg("%s", rm.error.message);
    assert_int_equal(store->ops->scan(store, false, false, 0, count_record, found, NULL),
                     ASSENT_OK);
    store->ops->close(store);
    assert_int_equal(found[0], closed);
    assert_int_equal(found[1], open);
}

static void the_journal_keeps_what_is_not_finished(void **state)
{
    (void)state;
    rm_open(false, false);
    rm_prepare("doubt", 100, "pay");
    rm_await_vote("doubt", VOTE_YES);
    rm_prepare("ended", 101, "pay");
    rm_await_vote("ended", VOTE_YES);
    rm_commit("ended", 101);
    rm_await_done("ended", OUTCOME_COMMITTED);
    rm_close();
    journal_holds(1, 1);
}

static void a_durable_resource_manager_needs_no_vote_in_the_journal(void **state)
{
    (void)state;
    rm_open(true, true);
    rm_prepare("g", 100, "pay");
    rm_await_vote("g", VOTE_YES);
    rm_close();
    journal_holds(0, 0);
}

static void each_run_says_which_journal_and_which_run_it_is(void **state)
{
    (void)state;
    rm_open(false, false);
    struct msg_hello first = rm_last_hello();
    rm_close();
    rm_open(false, false);
    struct msg_hello second = rm_last_hello();
    rm_close();
    assert_int_not_equal(first.journal, 0);
    assert_int_equal(first.journal, second.journal);
    assert_int_equal(first.peer_incarnation + 1, second.peer_incarnation);
}

// ---- journals that cannot be served from ----

static int open_journal(const char *dir)
{
    assent_participant_options options;
    assent_participant *p = NULL;
    rm_options(&options);
    options.journal_dir = dir;
    int code = assent_participant_open(&options, rm_handlers(false), NULL, &p, &rm.error);
    assent_participant_close(&p);
    return code;
}

static void a_journal_that_is_no_directory_is_refused(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof path, "%s/file", rm.fake.dir);
    int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(open_journal(path), ASSENT_IO);
    assert_non_null(strstr(rm.error.message, path));
    snprintf(path, sizeof path, "%s/no/such/parent", rm.fake.dir);
    assert_int_equal(open_journal(path), ASSENT_IO);
}

// Flips a byte in the middle of every log file of the database. How many there were.
static int damage(const char *db)
{
    int count = 0;
    DIR *dir = opendir(db);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        char path[512];
        struct stat about;
        snprintf(path, sizeof path, "%s/%s", db, entry->d_name);
        const char *dot = strrchr(entry->d_name, '.');
        if (!dot || (strcmp(dot, ".log") != 0 && strcmp(dot, ".ldb") != 0) || stat(path, &about) ||
            about.st_size == 0)
            continue;
        int fd = open(path, O_RDWR | O_CLOEXEC);
        unsigned char byte;
        assert_int_equal(pread(fd, &byte, 1, about.st_size / 2), 1);
        byte ^= 0x10;
        assert_int_equal(pwrite(fd, &byte, 1, about.st_size / 2), 1);
        close(fd);
        count++;
    }
    closedir(dir);
    return count;
}

static void a_damaged_journal_is_refused(void **state)
{
    (void)state;
    assent_participant_options options;
    char db[160];
    rm_open(false, false);
    for (int i = 0; i < 10; i++) {
        char gtid[16];
        snprintf(gtid, sizeof gtid, "g%d", i);
        rm_prepare(gtid, 100 + (uint64_t)i, "pay");
        rm_await_vote(gtid, VOTE_YES);
    }
    rm_close();
    rm_options(&options);
    snprintf(db, sizeof db, "%s/db", options.journal_dir);
    assert_true(damage(db) > 0);
    int code = open_journal(options.journal_dir);
    assert_true(code == ASSENT_CORRUPT || code == ASSENT_BEHIND);
    assert_non_null(strstr(rm.error.message, options.journal_dir));
}

// Files that cannot grow: the journal fails, nothing more is answered, and the process is told.
static void a_journal_that_cannot_be_written_stops_the_participant(void **state)
{
    (void)state;
    unsigned hellos = fake_seen(&rm.fake, MSG_HELLO);
    pid_t pid = rm_spawn(NULL, 64 << 10);
    fake_wait_seen(&rm.fake, MSG_HELLO, hellos + 1);
    unsigned voted = 0;
    char gtid[16];
    char payload[8 << 10];
    memset(payload, 'x', sizeof payload - 1);
    payload[sizeof payload - 1] = '\0';
    int status;
    unsigned asked = 0;
    while (waitpid(pid, &status, WNOHANG) == 0) {
        if (voted == asked) {
            snprintf(gtid, sizeof gtid, "g%u", ++asked);
            rm_prepare(gtid, 100 + asked, payload);
        }
        voted += rm_count_said(MSG_VOTE, gtid) > 0;
        fake_pause();
    }
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), ASSENT_IO);
    assert_int_equal(rm_count_said(MSG_VOTE, gtid), 0);
    assert_in_range(voted, 1, 16);
    // What was voted yes is in doubt; the one that could not be written was never voted.
    rm_open(false, false);
    UNTIL(counts().in_doubt == voted);
}

int main(int argc, char **argv)
{
    rm_maybe_serve(argc, argv);
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_setup, rm_teardown)
        TEST(prepared_but_not_in_the_journal_was_never_voted),
        TEST(in_the_journal_but_not_sent_is_in_doubt),
        TEST(a_vote_that_was_heard_is_in_the_journal),
        TEST(committed_but_not_in_the_journal_is_committed_again),
        TEST(finished_in_the_journal_is_acknowledged_without_a_call),
        TEST(a_crash_in_recovery_changes_nothing),
        TEST(every_crash_point_is_reached),
        TEST(a_mistyped_crash_point_is_refused),
        TEST(only_texts_of_ours_are_taken),
        TEST(what_a_durable_resource_manager_holds_is_in_doubt),
        TEST(the_journal_keeps_what_is_not_finished),
        TEST(a_durable_resource_manager_needs_no_vote_in_the_journal),
        TEST(each_run_says_which_journal_and_which_run_it_is),
        TEST(a_journal_that_is_no_directory_is_refused),
        TEST(a_damaged_journal_is_refused),
        TEST(a_journal_that_cannot_be_written_stops_the_participant),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
