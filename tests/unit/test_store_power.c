// SPDX-License-Identifier: Apache-2.0
// The power fails at any moment: of every file only what was synced is sure to be there, what was
// written since is there, or in part, or zeros, or garbage. The log must open again all the same,
// with everything that was acknowledged as durable.
//
// A child process works on a log; it tells in shared memory what it has synced and acknowledged.
// The parent stops it now and then, makes the directory that a power failure would leave, and opens
// it.
#include "shelf.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/rng.h"

enum {
    KEYS = 30,
    OPERATIONS = 6000,
    FAILURES = 100,
    FILES_MAX = 512,
    HEADS_MAX = FAILURES + 1,
    HEAD_SIZE = 1024,
    VALUE_MAX = 120000, // large, so that log files and tables come and go
};

extern char **environ;

struct synced_file {
    char name[32];
    _Atomic uint64_t bytes;
};

struct shared {
    _Atomic uint32_t files; // complete ones
    struct synced_file file[FILES_MAX];
    _Atomic uint64_t begun;  // operations begun
    _Atomic uint64_t synced; // all before this one are durable
    atomic_bool ended;
};

static struct shared *shared; // NULL in the parent's own stores
static const char *log_dir;   // the child's

// ---- what the child does ----

struct operation {
    int key;
    size_t size;
    bool sync, collect;
};

static struct operation operation_of(uint64_t number)
{
    struct rng rng;
    rng_seed(&rng, number + 1);
    return (struct operation){.key = (int)rng_below(&rng, KEYS),
                              .size = 8 + rng_below(&rng, rng_below(&rng, 3) ? 200 : VALUE_MAX),
                              .sync = rng_below(&rng, 4) == 0,
                              .collect = rng_below(&rng, 8) == 0};
}

// Every byte tells of the operation.
static void fill(uint8_t *value, size_t size, uint64_t number)
{
    struct rng rng;
    rng_seed(&rng, number);
    memcpy(value, &number, sizeof number);
    for (size_t i = sizeof number; i < size; i++)
        value[i] = (uint8_t)rng_next(&rng);
}

// One file of which so many bytes are synced; 0: its name is.
static void note_file(const char *name, uint64_t bytes)
{
    uint32_t count = atomic_load(&shared->files);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(shared->file[i].name, name) == 0) {
            if (bytes)
                atomic_store(&shared->file[i].bytes, bytes);
            return;
        }
    if (count < FILES_MAX) { // two threads may add the same place; then one is taken for unsynced
        snprintf(shared->file[count].name, sizeof shared->file[count].name, "%s", name);
        atomic_store(&shared->file[count].bytes, bytes);
        atomic_compare_exchange_strong(&shared->files, &count, count + 1);
    }
}

static void note_names(const char *path)
{
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && (entry = readdir(dir));)
        note_file(entry->d_name, 0);
    if (dir)
        closedir(dir);
}

static void note_synced(int fd)
{
    char link[64], path[512] = {0};
    struct stat info;
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (!shared || readlink(link, path, sizeof path - 1) < 0 || fstat(fd, &info) != 0)
        return;
    if (strncmp(path, log_dir, strlen(log_dir)) != 0)
        return; // the way to it
    if (S_ISDIR(info.st_mode))
        note_names(path);
    else if (S_ISREG(info.st_mode))
        note_file(strrchr(path, '/') + 1, (uint64_t)info.st_size);
}

// These stand in for the C library's in the whole program, LevelDB included.
__attribute__((visibility("default"))) int fdatasync(int fd)
{
    int result = (int)syscall(SYS_fdatasync, fd);
    if (result == 0)
        note_synced(fd);
    return result;
}

__attribute__((visibility("default"))) int fsync(int fd)
{
    int result = (int)syscall(SYS_fsync, fd);
    if (result == 0)
        note_synced(fd);
    return result;
}

static void work(struct store *store)
{
    uint8_t *value = malloc(VALUE_MAX + 300);
    for (uint64_t n = 0; n < OPERATIONS; n++) {
        struct operation op = operation_of(n);
        char key[16];
        bool more;
        snprintf(key, sizeof key, "key%d", op.key);
        fill(value, op.size, n);
        struct store_put put = {
            .key = slice_text(key), .value = slice_of(value, op.size), .open = true};
        atomic_store(&shared->begun, n + 1);
        if (store->ops->apply(store, &put, 1, op.sync, NULL) != ASSENT_OK ||
            (op.collect && store->ops->collect(store, 0, &more, NULL) != ASSENT_OK))
            exit(1);
        if (op.sync)
            atomic_store(&shared->synced, n + 1);
    }
    free(value);
}

static struct shared *map_shared(const char *path)
{
    int fd = open(path, O_RDWR | O_CREAT, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct shared)) != 0)
        return NULL;
    void *at = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    return at == MAP_FAILED ? NULL : at;
}

static int child(const char *dir, const char *shared_path)
{
    struct store_options options = {.create = true, .wall_ms = 1};
    struct store *store;
    prctl(PR_SET_PDEATHSIG, SIGKILL); // the parent may fail while this process is stopped
    log_dir = dir;
    shared = map_shared(shared_path);
    if (!shared || store_open_leveldb(dir, &options, &store, NULL) != ASSENT_OK)
        return 1;
    atomic_store(&shared->synced, 0);
    atomic_store(&shared->begun, 1);
    work(store);
    store->ops->close(store);
    atomic_store(&shared->ended, true);
    return 0;
}

// ---- what a power failure leaves ----

struct power {
    char *root;
    char dir[128], image[128];
    struct shared *shared;
    pid_t child;
    struct rng rng;
    uint8_t heads[HEADS_MAX][HEAD_SIZE]; // the file head as it was at times
    int head_count;
};

static uint8_t *read_whole(const char *path, size_t *ret_size)
{
    struct stat info;
    int fd = open(path, O_RDONLY);
    assert_true(fd >= 0 && fstat(fd, &info) == 0);
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    assert_int_equal(read(fd, bytes, (size_t)info.st_size), info.st_size);
    close(fd);
    *ret_size = (size_t)info.st_size;
    return bytes;
}

static void write_whole(const char *path, const uint8_t *bytes, size_t size)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

// False: not even its name.
static bool synced_bytes(const struct power *p, const char *name, size_t *ret)
{
    *ret = 0;
    for (uint32_t i = 0; i < atomic_load(&p->shared->files); i++)
        if (strcmp(p->shared->file[i].name, name) == 0) {
            *ret = atomic_load(&p->shared->file[i].bytes);
            return true;
        }
    return false;
}

// What was not synced, as the disk may have it. Returns the size that the file then has.
static size_t spoil(struct power *p, uint8_t *bytes, size_t synced, size_t size)
{
    size_t rest = size - synced;
    size_t at = synced + (rest ? rng_below(&p->rng, rest) : 0);
    switch (rng_below(&p->rng, 6)) {
    case 0: return synced;
    case 1: return at;
    case 2: memset(bytes + at, 0, size - at); break;
    case 3: memset(bytes + synced, 0, at - synced); break;
    case 4:
        for (; at < size; at++)
            bytes[at] = (uint8_t)rng_next(&p->rng);
        break;
    default: break;
    }
    return size;
}

static void spoil_db(struct power *p)
{
    char from[512], to[512];
    snprintf(from, sizeof from, "%s/db", p->dir);
    snprintf(to, sizeof to, "%s/db", p->image);
    mkdir(to, 0700);
    DIR *dir = opendir(from);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        size_t size, synced;
        bool named = synced_bytes(p, entry->d_name, &synced);
        if (entry->d_name[0] == '.')
            continue;
        snprintf(from, sizeof from, "%s/db/%s", p->dir, entry->d_name);
        snprintf(to, sizeof to, "%s/db/%s", p->image, entry->d_name);
        uint8_t *bytes = read_whole(from, &size);
        // CURRENT was synced under its temporary name.
        if (strcmp(entry->d_name, "CURRENT") == 0)
            synced = size;
        if (synced || named || rng_below(&p->rng, 2))
            write_whole(to, bytes, spoil(p, bytes, synced, size));
        free(bytes);
    }
    closedir(dir);
}

static void make_image(struct power *p)
{
    char path[512];
    size_t size;
    mkdir(p->image, 0700);
    spoil_db(p);
    snprintf(path, sizeof path, "%s/head", p->dir);
    uint8_t *bytes = read_whole(path, &size);
    assert_true(size <= HEAD_SIZE);
    if (p->head_count < HEADS_MAX) {
        memset(p->heads[p->head_count], 0, HEAD_SIZE);
        memcpy(p->heads[p->head_count++], bytes, size);
    }
    free(bytes);
    snprintf(path, sizeof path, "%s/head", p->image);
    write_whole(path, p->heads[rng_below(&p->rng, (uint64_t)p->head_count)], HEAD_SIZE);
}

// ---- what must be there ----

// The number of the operation that a value is from.
static uint64_t origin_of(const uint8_t *value, size_t size, int key)
{
    uint64_t number;
    static uint8_t expected[VALUE_MAX + 300];
    assert_true(size >= sizeof number);
    memcpy(&number, value, sizeof number);
    struct operation op = operation_of(number);
    fill(expected, op.size, number);
    assert_int_equal(op.key, key);
    assert_int_equal(op.size, size);
    assert_memory_equal(value, expected, size);
    return number;
}

static void check_key(struct store *store, int key, uint64_t synced, uint64_t begun)
{
    char name[16];
    uint8_t *value;
    size_t size;
    uint64_t newest = UINT64_MAX;
    for (uint64_t n = synced; n-- > 0 && newest == UINT64_MAX;)
        if (operation_of(n).key == key)
            newest = n;
    snprintf(name, sizeof name, "key%d", key);
    int code = store->ops->lookup(store, slice_text(name), &value, &size, NULL);
    if (code == ASSENT_UNKNOWN) {
        assert_int_equal(newest, UINT64_MAX);
        return;
    }
    assert_int_equal(code, ASSENT_OK);
    uint64_t number = origin_of(value, size, key);
    assert_true(newest == UINT64_MAX || number >= newest);
    assert_true(number < begun);
    free(value);
}

static void open_image(struct power *p, uint64_t synced, uint64_t begun)
{
    struct store_options options = {.wall_ms = 5};
    struct store *store;
    struct store_info info;
    assent_error error;
    if (store_open_leveldb(p->image, &options, &store, &error) != ASSENT_OK)
        fail_msg("after %llu synced operations: %s", (unsigned long long)synced, error.message);
    store->ops->info(store, &info);
    if (info.recovered[0])
        print_message("%s\n", info.recovered);
    for (int key = 0; key < KEYS; key++)
        check_key(store, key, synced, begun);
    store->ops->close(store);
}

static void fail_power(struct power *p)
{
    int status;
    struct timespec pause = {0, (long)rng_below(&p->rng, 20000000)};
    nanosleep(&pause, NULL); // so that the child gets on: any moment will do
    kill(p->child, SIGSTOP);
    assert_int_equal(waitpid(p->child, &status, WUNTRACED), p->child);
    // A child that has ended already leaves everything synced: as good a moment as any, but the
    // last one.
    bool stopped = WIFSTOPPED(status);
    if (!stopped)
        p->child = 0;
    uint64_t synced = atomic_load(&p->shared->synced), begun = atomic_load(&p->shared->begun);
    if (begun) { // else the log is still being made, and was promised to nobody
        make_image(p);
        open_image(p, synced, begun);
        char *image = strdup(p->image);
        unit_dir_remove(&image);
    }
    if (stopped)
        kill(p->child, SIGCONT);
}

static void start_child(struct power *p)
{
    char name[] = "self", path[256];
    snprintf(path, sizeof path, "%s/shared", p->root);
    snprintf(p->dir, sizeof p->dir, "%s/dir", p->root);
    snprintf(p->image, sizeof p->image, "%s/image", p->root);
    p->shared = map_shared(path);
    assert_non_null(p->shared);
    char *arguments[] = {name, p->dir, path, NULL};
    assert_int_equal(posix_spawn(&p->child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
}

static void the_power_fails_at_any_moment(void **state)
{
    (void)state;
    static struct power p;
    int failures = 0;
    rng_seed(&p.rng, 5);
    p.root = unit_dir_make();
    start_child(&p);
    for (; failures < FAILURES && p.child; failures++)
        fail_power(&p);
    if (p.child) {
        kill(p.child, SIGKILL);
        waitpid(p.child, NULL, 0);
    }
    print_message("%d failures, %llu of %d operations synced\n", failures,
                  (unsigned long long)atomic_load(&p.shared->synced), OPERATIONS);
    assert_true(atomic_load(&p.shared->synced) > 0);
    munmap(p.shared, sizeof *p.shared);
    unit_dir_remove(&p.root);
}

int main(int argc, char **argv)
{
    if (argc == 3)
        return child(argv[1], argv[2]);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_power_fails_at_any_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
