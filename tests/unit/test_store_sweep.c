// SPDX-License-Identifier: Apache-2.0
// Damages every file of a log in every way, one at a time: bits flipped across it, cut short, zeros
// at its end, gone. Opening must either refuse, naming the file and what to do and changing
// nothing, or find every record that was ever acknowledged. ASSENT_SWEEP=full flips every byte.
#include "shelf.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

// Flips to a file: every byte of the small ones.
enum { FLIPS = SHELF_SANITIZED ? 100 : 800 };

enum { KEYS = 260, FILES_MAX = 32, LIVES = 3 };

extern char **environ;

enum damage { FLIP, CUT, ZERO, GONE };

static const char *const damage_names[] = {"flip", "cut", "zero", "gone"};

struct file {
    char path[64];  // in the directory
    uint8_t *bytes; // owned
    size_t size;
};

// A data directory as it was, and the copy of it that is damaged.
struct sweep {
    char *root;
    char good[128], bad[128];
    struct file files[FILES_MAX];
    int count;
    const char *values[KEYS]; // acknowledged; NULL: forgotten, or never there
    unsigned opened, refused;
};

// ---- making logs ----

static void put(struct shelf *shelf, const char *values[KEYS], int key, const char *value,
                unsigned flags)
{
    char name[32];
    snprintf(name, sizeof name, "gtid-%d", key);
    if (shelf)
        shelf_put(shelf, name, value, flags, 1000 + (unsigned)key);
    values[key] = flags & SHELF_FORGET ? NULL : value;
}

// The lives of a log, each with tables and log files of its own. Without a shelf: only what they
// come to.
static void live(struct shelf *shelf, const char *values[KEYS])
{
    for (int life = 0; life < LIVES; life++) {
        if (shelf && life)
            shelf_reopen(shelf);
        for (int key = life; key < KEYS; key += life + 1) {
            put(shelf, values, key, "prepared on two branches", SHELF_OPEN);
            if (key % 5)
                put(shelf, values, key, key % 2 ? "committed" : "aborted", SHELF_DECIDED);
            if (key % 31 == 7)
                put(shelf, values, key, "", SHELF_FORGET);
        }
        if (shelf)
            shelf_collect(shelf, 0);
    }
}

// In a process of its own, which makes the log in `dir` and then closes it, or is killed.
static void make_and_end(const char *dir, bool crash)
{
    const char *values[KEYS];
    struct shelf shelf = {.dir = strdup(dir), .options = {.create = true, .wall_ms = 1000}};
    shelf_open(&shelf);
    live(&shelf, values);
    if (crash)
        kill(getpid(), SIGKILL);
    shelf_close(&shelf);
    free(shelf.dir);
}

static void load_files(struct sweep *sweep, const char *below)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", sweep->good, below);
    DIR *dir = opendir(path);
    assert_non_null(dir);
    for (struct dirent *entry; (entry = readdir(dir));) {
        struct stat info;
        snprintf(path, sizeof path, "%s/%s%s", sweep->good, below, entry->d_name);
        assert_int_equal(stat(path, &info), 0);
        if (!S_ISREG(info.st_mode))
            continue;
        assert_true(sweep->count < FILES_MAX);
        struct file *file = &sweep->files[sweep->count++];
        snprintf(file->path, sizeof file->path, "%s%s", below, entry->d_name);
        file->size = (size_t)info.st_size;
        file->bytes = malloc(file->size + 1);
        int fd = open(path, O_RDONLY);
        assert_int_equal(read(fd, file->bytes, file->size), file->size);
        close(fd);
    }
    closedir(dir);
}

static void make_log(struct sweep *sweep, bool crash)
{
    char name[] = "self", crash_word[] = "crash", close_word[] = "close";
    char *arguments[] = {name, crash ? crash_word : close_word, sweep->good, NULL};
    pid_t child;
    int status;
    assert_int_equal(posix_spawn(&child, "/proc/self/exe", NULL, NULL, arguments, environ), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(crash ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL : status == 0);
    live(NULL, sweep->values);
    load_files(sweep, "");
    load_files(sweep, "db/");
}

static void set_up(struct sweep *sweep, bool crash)
{
    *sweep = (struct sweep){.root = unit_dir_make()};
    snprintf(sweep->good, sizeof sweep->good, "%s/good", sweep->root);
    snprintf(sweep->bad, sizeof sweep->bad, "%s/bad", sweep->root);
    make_log(sweep, crash);
    shelf_copy_dir(sweep->good, sweep->bad);
}

static void tear_down(struct sweep *sweep)
{
    print_message("opened %u, refused %u\n", sweep->opened, sweep->refused);
    for (int i = 0; i < sweep->count; i++)
        free(sweep->files[i].bytes);
    unit_dir_remove(&sweep->root);
}

// ---- damaging them ----

static void write_bad(const struct sweep *sweep, const struct file *file, const uint8_t *bytes,
                      size_t size)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", sweep->bad, file->path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes, size), size);
    close(fd);
}

static void damage_file(const struct sweep *sweep, const struct file *file, enum damage damage,
                        size_t at, unsigned bit)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", sweep->bad, file->path);
    uint8_t *bytes = malloc(file->size + 1);
    memcpy(bytes, file->bytes, file->size);
    switch (damage) {
    case FLIP:
        bytes[at] ^= (uint8_t)(1u << bit);
        write_bad(sweep, file, bytes, file->size);
        break;
    case CUT: write_bad(sweep, file, bytes, at); break;
    case ZERO:
        memset(bytes + at, 0, file->size - at);
        write_bad(sweep, file, bytes, file->size);
        break;
    case GONE: unlink(path); break;
    }
    free(bytes);
}

static void check_values(struct sweep *sweep, struct store *store)
{
    for (int key = 0; key < KEYS; key++) {
        char name[32];
        uint8_t *value = NULL;
        size_t size = 0;
        snprintf(name, sizeof name, "gtid-%d", key);
        int code = store->ops->lookup(store, slice_text(name), &value, &size, NULL);
        const char *expected = sweep->values[key];
        if (code != (expected ? ASSENT_OK : ASSENT_UNKNOWN) ||
            (expected && (size != strlen(expected) || memcmp(value, expected, size) != 0)))
            fail_msg("lost: %s", name);
        free(value);
    }
}

// Nothing but the lock may have been touched, and the damage itself.
static void check_unchanged(const struct sweep *sweep, const struct file *damaged)
{
    char path[256];
    for (int i = 0; i < sweep->count; i++) {
        const struct file *file = &sweep->files[i];
        if (file == damaged || strcmp(file->path, "lock") == 0)
            continue;
        snprintf(path, sizeof path, "%s/%s", sweep->bad, file->path);
        uint8_t *bytes = malloc(file->size + 2);
        int fd = open(path, O_RDONLY);
        assert_true(fd >= 0);
        assert_int_equal(read(fd, bytes, file->size + 1), file->size);
        assert_memory_equal(bytes, file->bytes, file->size);
        close(fd);
        free(bytes);
    }
}

static void check_message(const struct file *file, const assent_error *error)
{
    const char *name = strrchr(file->path, '/') ? strrchr(file->path, '/') + 1 : file->path;
    assert_true(error->code == ASSENT_CORRUPT || error->code == ASSENT_BEHIND ||
                error->code == ASSENT_VERSION);
    if (!strstr(error->message, name))
        fail_msg("%s is not named: %s", file->path, error->message);
    if (!strstr(error->message, " at byte ") && !strstr(error->message, " is missing"))
        fail_msg("no position: %s", error->message);
    assert_non_null(strstr(error->message, "backup"));
}

static void try(struct sweep *sweep, const struct file *file, enum damage damage, size_t at,
                unsigned bit)
{
    struct store_options options = {.wall_ms = 5000};
    struct store *store = NULL;
    assent_error error = {0};
    damage_file(sweep, file, damage, at, bit);
    if (getenv("ASSENT_SWEEP_TRACE"))
        print_message("%s %s %zu\n", damage_names[damage], file->path, at);
    int code = store_open_leveldb(sweep->bad, &options, &store, &error);
    if (code != ASSENT_OK) {
        sweep->refused++;
        check_message(file, &error);
        if (sweep->refused % 16 == 0)
            check_unchanged(sweep, file);
        write_bad(sweep, file, file->bytes, file->size);
        return;
    }
    sweep->opened++;
    check_values(sweep, store);
    store->ops->close(store);
    char *gone = strdup(sweep->bad);
    unit_dir_remove(&gone);
    shelf_copy_dir(sweep->good, sweep->bad);
}

static void sweep_file(struct sweep *sweep, const struct file *file)
{
    const char *mode = getenv("ASSENT_SWEEP");
    size_t stride = mode && strcmp(mode, "full") == 0 ? 1 : file->size / FLIPS + 1;
    for (size_t at = 0; at < file->size; at += stride)
        try(sweep, file, FLIP, at, (unsigned)(at / stride) % 8);
    for (size_t at = 0; at < file->size; at += stride * 5)
        try(sweep, file, CUT, at, 0);
    for (size_t at = 0; at < file->size; at += stride * 11)
        try(sweep, file, ZERO, at, 0);
    try(sweep, file, GONE, 0, 0);
}

static void sweep_all(struct sweep *sweep)
{
    for (int i = 0; i < sweep->count; i++) {
        unsigned opened = sweep->opened, refused = sweep->refused;
        sweep_file(sweep, &sweep->files[i]);
        print_message("%-22s %7zu bytes: opened %u, refused %u\n", sweep->files[i].path,
                      sweep->files[i].size, sweep->opened - opened, sweep->refused - refused);
    }
}

static void a_log_that_was_closed(void **state)
{
    (void)state;
    struct sweep sweep;
    set_up(&sweep, false);
    sweep_all(&sweep);
    tear_down(&sweep);
}

static void a_log_that_was_left_by_a_crash(void **state)
{
    (void)state;
    struct sweep sweep;
    set_up(&sweep, true);
    sweep_all(&sweep);
    tear_down(&sweep);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        make_and_end(argv[2], strcmp(argv[1], "crash") == 0);
        return 0;
    }
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); // thousands of opens, each with several syncs
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_that_was_closed),
        cmocka_unit_test(a_log_that_was_left_by_a_crash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
