// SPDX-License-Identifier: Apache-2.0
// Every allocation of libassent fails once, the first in the first run, the second in the second,
// and so on until a run does not get so far; then every call that has to do with the files of the
// journal. Whatever is then said must be true, nothing may hang, fall over or leak, and what a
// participant promised it keeps at its next open.
//
// The library's objects are linked into this program, and their calls of malloc are wrapped.
#include "sdk_rm.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "assent/client.h"
#include "failing_malloc.h"
#include "store/inspect.h"

enum { COMMITS = 3, BIG = 2000 };

static atomic_uint allocations, failing; // counted from 1; 0: none
static atomic_bool files_fail;           // calls on files are counted instead
static _Thread_local bool exempt;        // the fake's thread, and the test's own between calls

char *__real_strdup(const char *text);
char *__wrap_strdup(const char *text);

static bool counted(void)
{
    return !exempt && failing && atomic_fetch_add(&allocations, 1) + 1 == failing;
}

static bool allocation_fails(void)
{
    return !files_fail && counted();
}

char *__wrap_strdup(const char *text)
{
    return allocation_fails() ? NULL : __real_strdup(text);
}

// These stand in for the C library's in the whole program, LevelDB included. Pipes and sockets do
// not fail.

static bool file_fails(int error)
{
    if (!files_fail || !counted())
        return false;
    errno = error;
    return true;
}

static bool is_file(int fd)
{
    struct stat info;
    return files_fail && fstat(fd, &info) == 0 && !S_ISSOCK(info.st_mode) &&
           (S_ISREG(info.st_mode) || S_ISDIR(info.st_mode));
}

#define STANDS_IN __attribute__((visibility("default")))
#define OPEN(symbol)                                                                               \
    int symbol(const char *path, int flags, ...);                                                  \
    STANDS_IN int symbol(const char *path, int flags, ...)                                         \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                             \
        va_end(arguments);                                                                         \
        if (strstr(path, "/journal") && file_fails(EMFILE))                                        \
            return -1;                                                                             \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

#define ON_FILE(type, symbol, parameters, error, ...)                                              \
    type symbol parameters;                                                                        \
    STANDS_IN type symbol parameters                                                               \
    {                                                                                              \
        if (is_file(fd) && file_fails(error))                                                      \
            return (type)-1;                                                                       \
        return (type)syscall(__VA_ARGS__);                                                         \
    }
ON_FILE(ssize_t, write, (int fd, const void *from, size_t size), ENOSPC, SYS_write, fd, from, size)
ON_FILE(ssize_t, pwrite, (int fd, const void *from, size_t size, off_t at), ENOSPC, SYS_pwrite64,
        fd, from, size, at)
ON_FILE(ssize_t, read, (int fd, void *to, size_t size), EIO, SYS_read, fd, to, size)
ON_FILE(int, fsync, (int fd), EIO, SYS_fsync, fd)
ON_FILE(int, fdatasync, (int fd), EIO, SYS_fdatasync, fd)
ON_FILE(int, ftruncate, (int fd, off_t size), EIO, SYS_ftruncate, fd, size)

#define ON_PATH(symbol, parameters, error, ...)                                                    \
    int symbol parameters;                                                                         \
    STANDS_IN int symbol parameters                                                                \
    {                                                                                              \
        return file_fails(error) ? -1 : (int)syscall(__VA_ARGS__);                                 \
    }
ON_PATH(rename, (const char *path, const char *to), EIO, SYS_rename, path, to)
ON_PATH(unlink, (const char *path), EIO, SYS_unlink, path)
ON_PATH(mkdir, (const char *path, mode_t mode), ENOSPC, SYS_mkdir, path, mode)

static void exempt_fake(struct fake *f, void *arg)
{
    (void)f;
    (void)arg;
    exempt = true;
}

static void arm(unsigned k)
{
    fake_do(&rm.fake, exempt_fake, NULL);
    atomic_store(&allocations, 0);
    atomic_store(&failing, k);
}

// True: the run got as far as the allocation that fails.
static bool disarm(unsigned k)
{
    bool reached = atomic_load(&allocations) >= k;
    atomic_store(&failing, 0);
    return reached;
}

// ---- the client ----

static int done_count;

static void commit_everything(struct fake *f, peer_t peer, const struct msg *msg)
{
    fake_manners(f, peer, msg);
    if (msg->type == MSG_SUBMIT)
        fake_result(f, peer, MSG_SUBMIT, &msg->u.submit.gtid, OUTCOME_COMMITTED);
    else if (msg->type == MSG_STATUS)
        fake_result(f, peer, MSG_STATUS, &msg->u.gtid.gtid, OUTCOME_UNKNOWN);
}

// What may be said when something is missing.
static void sane(int code)
{
    assert_true(code == ASSENT_OK || code == ASSENT_NOMEM || code == ASSENT_TIMEOUT ||
                code == ASSENT_UNAVAILABLE || code == ASSENT_INTERNAL);
}

static void done(void *arg, int code, const assent_result *result)
{
    (void)arg;
    done_count++;
    sane(code);
    if (code == ASSENT_OK)
        assert_int_equal(result->outcome, ASSENT_COMMITTED);
}

// How many callbacks are owed.
static int commit_some(assent_client *client)
{
    static const char big[BIG];
    int owed = 0;
    for (int i = 0; i < COMMITS; i++) {
        assent_tx *tx = NULL;
        assent_tx_options options = {.timeout_ms = 50};
        int code = assent_begin(client, i ? NULL : "mine", &options, &tx, NULL);
        sane(code);
        for (int j = 0; code == ASSENT_OK && j < 6; j++)
            sane(assent_call(tx, "bank", big, sizeof big, NULL, NULL));
        if (code == ASSENT_OK && assent_call(tx, "bank", "x", 1, NULL, NULL) == ASSENT_OK) {
            code = assent_commit_async(tx, done, NULL, NULL);
            sane(code);
            owed += code == ASSENT_OK;
        }
        assent_tx_destroy(&tx);
    }
    return owed;
}

static void live_as_client(void)
{
    assent_client *client = NULL;
    assent_result result;
    assent_client_options options = {
        .endpoint = rm.fake.endpoint, .connect_timeout_ms = 200, .answer_timeout_ms = 200};
    int code = assent_client_open(&options, &client, NULL);
    sane(code);
    if (code != ASSENT_OK) {
        assert_null(client);
        return;
    }
    done_count = 0;
    int owed = commit_some(client);
    code = assent_status(client, "other", &result, NULL);
    sane(code);
    if (code == ASSENT_OK)
        assert_int_equal(result.outcome, ASSENT_OUTCOME_UNKNOWN);
    while (done_count < owed)
        assent_client_dispatch(client, -1);
    assert_int_equal(done_count, owed);
    assent_client_close(&client);
}

static void a_client_lives_with_any_allocation_failing(void **state)
{
    (void)state;
    fake_stop(&rm.fake);
    rm.fake.handler = commit_everything;
    fake_start(&rm.fake);
    unsigned k = 1;
    bool reached = true;
    for (; reached; k++) {
        arm(k);
        live_as_client();
        reached = disarm(k);
    }
    assert_true(k > 30); // or nothing was tested
}

// ---- the participant ----

static bool live_yet(void)
{
    return rm.participant && assent_participant_failure(rm.participant, NULL) == ASSENT_OK;
}

// Says it again until it is heard or the participant gives up, as a coordinator would.
static void drive(const char *gtid, uint64_t attempt, bool vote)
{
    enum msg_type answer = vote ? MSG_VOTE : MSG_DONE;
    for (int tries = 0; live_yet() && rm_count_said(answer, gtid) == 0; tries++) {
        if (tries % 64 == 0 && vote)
            rm_prepare(gtid, attempt, "pay");
        else if (tries % 64 == 0)
            rm_commit(gtid, attempt);
        exempt = true;
        fake_pause();
        exempt = false;
    }
}

static void open_participant(void)
{
    assent_participant_options options;
    rm_options(&options);
    int code = assent_participant_open(&options, rm_handlers(true), NULL, &rm.participant, NULL);
    assert_true(code == ASSENT_OK || code == ASSENT_NOMEM || code == ASSENT_IO ||
                code == ASSENT_INTERNAL);
    assert_int_equal(code == ASSENT_OK, rm.participant != NULL);
}

// A life of two transactions, the second left in doubt; then one without failures, that ends both.
static bool once(unsigned k)
{
    assent_participant_options options;
    struct inspect_summary summary;
    assent_error error;
    char first[16], second[16];
    uint64_t attempt = (uint64_t)k * 10;
    snprintf(first, sizeof first, "a%u", k);
    snprintf(second, sizeof second, "b%u", k);
    arm(k);
    open_participant();
    if (live_yet())
        assent_participant_working(rm.participant, first, 1, NULL);
    drive(first, attempt, true);
    drive(first, attempt, false);
    drive(second, attempt + 1, true);
    rm_close();
    bool reached = disarm(k);
    bool promised = rm_count_said(MSG_VOTE, second) > 0;
    rm_options(&options);
    if (promised && store_verify(options.journal_dir, NULL, NULL, &summary, &error) != ASSENT_OK)
        fail_msg("call %u: %s", k, error.message);
    open_participant();
    if (promised)
        rm_await(MSG_INQUIRE, second, 1);
    else
        drive(second, attempt + 1, true);
    drive(first, attempt, true);
    drive(first, attempt, false);
    drive(second, attempt + 1, false);
    rm_await_done(first, OUTCOME_COMMITTED);
    rm_await_done(second, OUTCOME_COMMITTED);
    rm_fence(attempt + 9);
    rm_close();
    rm.said_count = rm.call_count = 0;
    return reached;
}

static unsigned keep_promises(bool files)
{
    unsigned k = 1;
    atomic_store(&files_fail, files);
    while (once(k))
        k++;
    atomic_store(&files_fail, false);
    print_message("%u runs\n", k);
    return k;
}

static void a_participant_keeps_its_promises_with_any_allocation_failing(void **state)
{
    (void)state;
    assert_true(keep_promises(false) > 60); // or nothing was tested
}

static void a_participant_keeps_its_promises_with_any_call_on_files_failing(void **state)
{
    (void)state;
    assert_true(keep_promises(true) > 60); // or nothing was tested
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, rm_setup, rm_teardown)
        TEST(a_client_lives_with_any_allocation_failing),
        TEST(a_participant_keeps_its_promises_with_any_allocation_failing),
        TEST(a_participant_keeps_its_promises_with_any_call_on_files_failing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
