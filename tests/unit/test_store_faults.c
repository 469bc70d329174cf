// SPDX-License-Identifier: Apache-2.0
// The disk fails: every write, every sync and every other call in turn, and a file system that is
// full; and memory, every allocation in turn. The store says so, writes nothing more, and when it
// is opened again everything that it acknowledged is there.
#include "shelf.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "failing_malloc.h"
#include "store/inspect.h"

// So much in so little room that log files and tables come and go.
enum { PUTS = 90, VALUE_SIZE = 9000, BUFFER_BYTES = 64 << 10, CALLS_MAX = 20000 };

// ---- failing calls ----

static atomic_int writes_left = -1; // so many more writes succeed; negative: all
static atomic_int syncs_left = -1;
static atomic_int others_left = -1;
static atomic_int allocations_left = -1;
static atomic_int failed_calls;

static bool fails(atomic_int *left)
{
    int now = atomic_load(left);
    while (now > 0) // LevelDB's own thread may be counting as well
        if (atomic_compare_exchange_weak(left, &now, now - 1))
            return false;
    if (now < 0)
        return false;
    // Writes and syncs go on failing until the disk is well again, the rest fails once.
    if (left == &others_left || left == &allocations_left)
        atomic_store(left, -1);
    atomic_fetch_add(&failed_calls, 1);
    return true;
}

// These stand in for the C library's in the whole program, LevelDB included.
__attribute__((visibility("default"))) ssize_t write(int fd, const void *bytes, size_t size)
{
    struct stat info;
    bool file = fstat(fd, &info) == 0 && S_ISREG(info.st_mode);
    if (file && fails(&writes_left)) {
        // A full disk takes a part first.
        if (size > 1)
            syscall(SYS_write, fd, bytes, size / 2);
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_write, fd, bytes, size);
}

__attribute__((visibility("default"))) ssize_t pwrite(int fd, const void *bytes, size_t size,
                                                      off_t at)
{
    if (fails(&writes_left)) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

__attribute__((visibility("default"))) int fdatasync(int fd)
{
    if (fails(&syncs_left)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    if (fails(&syncs_left)) {
        errno = EIO;
        return -1;
    }
    return (int)syscall(SYS_fsync, fd);
}

#define OPEN(symbol)                                                                               \
    int symbol(const char *path, int flags, ...);                                                  \
    __attribute__((visibility("default"))) int symbol(const char *path, int flags, ...)            \
    {                                                                                              \
        va_list arguments;                                                                         \
        va_start(arguments, flags);                                                                \
        mode_t mode = flags & O_CREAT ? va_arg(arguments, mode_t) : 0;                             \
        va_end(arguments);                                                                         \
        if (fails(&others_left)) {                                                                 \
            errno = EMFILE;                                                                        \
            return -1;                                                                             \
        }                                                                                          \
        return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);                              \
    }
OPEN(open)
OPEN(open64)

#define OTHER(type, symbol, parameters, error, ...)                                                \
    type symbol parameters;                                                                        \
    __attribute__((visibility("default"))) type symbol parameters                                  \
    {                                                                                              \
        if (fails(&others_left)) {                                                                 \
            errno = error;                                                                         \
            return (type)-1;                                                                       \
        }                                                                                          \
        return (type)syscall(__VA_ARGS__);                                                         \
    }
OTHER(ssize_t, read, (int fd, void *to, size_t size), EIO, SYS_read, fd, to, size)
OTHER(ssize_t, pread, (int fd, void *to, size_t size, off_t at), EIO, SYS_pread64, fd, to, size, at)
OTHER(ssize_t, pread64, (int fd, void *to, size_t size, off_t at), EIO, SYS_pread64, fd, to, size,
      at)
OTHER(int, ftruncate, (int fd, off_t size), EIO, SYS_ftruncate, fd, size)
OTHER(int, ftruncate64, (int fd, off_t size), EIO, SYS_ftruncate, fd, size)
OTHER(int, rename, (const char *from, const char *to), EIO, SYS_rename, from, to)
OTHER(int, unlink, (const char *path), EIO, SYS_unlink, path)
OTHER(int, mkdir, (const char *path, mode_t mode), ENOSPC, SYS_mkdir, path, mode)

// Those of the store; not of LevelDB, which dies without memory.
static bool allocation_fails(void)
{
    return fails(&allocations_left);
}

static void all_is_well(void)
{
    atomic_store(&others_left, -1);
    atomic_store(&allocations_left, -1);
    atomic_store(&writes_left, -1);
    atomic_store(&syncs_left, -1);
}

// ---- what is done meanwhile ----

struct run {
    struct store_options options;
    char *dir;
    uint8_t *value;
    atomic_int *left; // which calls fail
    int acknowledged; // puts known to be durable
    int code;
    assent_error error;
};

static int put_number(struct run *run, struct store *store, int number, assent_error *error)
{
    char key[16];
    snprintf(key, sizeof key, "k%d", number);
    memset(run->value, number, VALUE_SIZE);
    struct store_put put = {
        .key = slice_text(key), .value = slice_of(run->value, VALUE_SIZE), .open = true};
    return store->ops->apply(store, &put, 1, number % 3 != 1, error);
}

static int look_up(struct run *run, struct store *store, int number, assent_error *error)
{
    char key[16];
    uint8_t *value;
    size_t size;
    snprintf(key, sizeof key, "k%d", number);
    int code = store->ops->lookup(store, slice_text(key), &value, &size, error);
    if (code != ASSENT_OK)
        return code;
    memset(run->value, number, VALUE_SIZE);
    assert_int_equal(size, VALUE_SIZE);
    assert_memory_equal(value, run->value, size);
    free(value);
    return ASSENT_OK;
}

// A decision that another one precedes, a look at what was written, a step of collection.
static int do_more(struct run *run, struct store *store, int number, assent_error *error)
{
    bool more;
    struct store_put put = {.key = slice_text("d"),
                            .value = slice_of(&number, sizeof number),
                            .decide = true,
                            .decided = true};
    int code = store->ops->apply(store, &put, 1, true, error);
    if (code != ASSENT_OK)
        return code;
    free(put.standing);
    code = look_up(run, store, number / 2, error);
    return code == ASSENT_OK ? store->ops->collect(store, 0, &more, error) : code;
}

// Opens, writes until something fails, closes. True: nothing failed.
static bool work(struct run *run)
{
    struct store *store;
    run->acknowledged = 0;
    run->code = store_open_leveldb(run->dir, &run->options, &store, &run->error);
    if (run->code != ASSENT_OK)
        return false;
    for (int i = 0; run->code == ASSENT_OK && i < PUTS; i++) {
        run->code = put_number(run, store, i, &run->error);
        if (run->code == ASSENT_OK && i % 3 != 1)
            run->acknowledged = i + 1;
        if (run->code == ASSENT_OK && i % 5 == 4)
            run->code = do_more(run, store, i, &run->error);
    }
    if (run->code != ASSENT_OK && (run->left == &writes_left || run->left == &syncs_left)) {
        // It stays so: the next one fails with the same words, though the disk is well again.
        assent_error again;
        bool more;
        all_is_well();
        assert_int_equal(put_number(run, store, 0, &again), run->code);
        assert_string_equal(again.message, run->error.message);
        assert_int_equal(store->ops->collect(store, 0, &more, NULL), run->code);
    }
    store->ops->close(store);
    return run->code == ASSENT_OK;
}

static void check_acknowledged(struct run *run)
{
    struct store *store;
    struct inspect_summary summary;
    assent_error error = {0};
    if (run->acknowledged && store_verify(run->dir, NULL, NULL, &summary, &error) != ASSENT_OK)
        fail_msg("after '%s': verify: %s", run->error.message, error.message);
    if (store_open_leveldb(run->dir, &run->options, &store, &error) != ASSENT_OK)
        fail_msg("after '%s': %s", run->error.message, error.message);
    for (int i = 0; i < run->acknowledged; i++)
        assert_int_equal(look_up(run, store, i, NULL), ASSENT_OK);
    store->ops->close(store);
}

static const struct store_options usual = {
    .create = true, .wall_ms = 1, .buffer_bytes = BUFFER_BYTES};

// Fails the k-th call for every k, until a run gets through untouched. Returns the last k.
static int fail_each(atomic_int *left, int expected)
{
    struct run run = {.options = usual, .left = left, .value = malloc(VALUE_SIZE)};
    bool through = false;
    int k = 0;
    for (; !through; k++) {
        assert_true(k < CALLS_MAX);
        run.dir = unit_dir_make();
        atomic_store(&failed_calls, 0);
        atomic_store(left, k);
        bool worked = work(&run);
        all_is_well();
        through = worked && atomic_load(&failed_calls) == 0;
        if (!worked) {
            if (run.code != expected || strlen(run.error.message) <= 10)
                fail_msg("call %d: %d: %s", k, run.code, run.error.message);
        }
        check_acknowledged(&run);
        unit_dir_remove(&run.dir);
    }
    free(run.value);
    print_message("%d runs\n", k);
    return k;
}

static void every_write_fails_once(void **state)
{
    (void)state;
    assert_true(fail_each(&writes_left, ASSENT_IO) > PUTS);
}

static void every_sync_fails_once(void **state)
{
    (void)state;
    assert_true(fail_each(&syncs_left, ASSENT_IO) > PUTS / 2);
}

static void every_other_call_fails_once(void **state)
{
    (void)state;
    assert_true(fail_each(&others_left, ASSENT_IO) > 40);
}

static void every_allocation_fails_once(void **state)
{
    (void)state;
    assert_true(fail_each(&allocations_left, ASSENT_NOMEM) > 40);
}

static void a_failed_sync_is_not_tried_again(void **state)
{
    (void)state;
    struct run run = {.options = usual, .dir = unit_dir_make(), .value = malloc(VALUE_SIZE)};
    struct store *store;
    assert_int_equal(store_open_leveldb(run.dir, &run.options, &store, NULL), ASSENT_OK);
    atomic_store(&failed_calls, 0);
    atomic_store(&syncs_left, 0);
    assert_int_equal(put_number(&run, store, 0, &run.error), ASSENT_IO);
    store->ops->close(store);
    assert_int_equal(atomic_load(&failed_calls), 1);
    all_is_well();
    unit_dir_remove(&run.dir);
    free(run.value);
}

// ---- a file system that takes no more ----

static int full_child(const char *dir)
{
    struct rlimit limit = {60000, 60000}; // of any one file
    struct run run = {.options = usual, .dir = strdup(dir), .value = malloc(VALUE_SIZE)};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
    bool through = work(&run);
    printf("%d %d %s\n", run.acknowledged, run.code, through ? "" : run.error.message);
    free(run.value);
    free(run.dir);
    return 0;
}

static void a_full_file_system_loses_nothing_acknowledged(void **state)
{
    (void)state;
    struct run run = {.options = usual, .dir = unit_dir_make(), .value = malloc(VALUE_SIZE)};
    char command[256], line[512];
    snprintf(command, sizeof command, "/proc/%ld/exe full %s", (long)getpid(), run.dir);
    FILE *child = popen(command, "r");
    assert_non_null(child);
    assert_non_null(fgets(line, sizeof line, child));
    assert_int_equal(pclose(child), 0);
    assert_int_equal(
        sscanf(line, "%d %d %300[^\n]", &run.acknowledged, &run.code, run.error.message), 3);
    assert_int_equal(run.code, ASSENT_IO);
    assert_non_null(strstr(run.error.message, "File too large"));
    assert_true(run.acknowledged >= 3 && run.acknowledged < PUTS);
    check_acknowledged(&run);
    unit_dir_remove(&run.dir);
    free(run.value);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return full_child(argv[2]);
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); // hundreds of runs, each with many syncs
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_write_fails_once),
        cmocka_unit_test(every_sync_fails_once),
        cmocka_unit_test(every_other_call_fails_once),
        cmocka_unit_test(every_allocation_fails_once),
        cmocka_unit_test(a_failed_sync_is_not_tried_again),
        cmocka_unit_test(a_full_file_system_loses_nothing_acknowledged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
