// SPDX-License-Identifier: Apache-2.0
// What only the LevelDB back end has: files, and what goes wrong with them.
#include "shelf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/witness.h"

static char *path_in(const struct shelf *shelf, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", shelf->dir, name);
    return path;
}

// Opens, and expects a refusal; the message has all of the words.
static void refuses(const struct shelf *shelf, int code, const char *word, const char *other)
{
    struct store *store = NULL;
    assent_error error = {0};
    assert_int_equal(store_open_leveldb(shelf->dir, &shelf->options, &store, &error), code);
    assert_int_equal(error.code, code);
    assert_null(store);
    if (!strstr(error.message, word) || !strstr(error.message, other))
        fail_msg("neither '%s' nor '%s': %s", word, other, error.message);
}

static void fill(struct shelf *shelf, int count, unsigned flags)
{
    char key[16];
    for (int i = 0; i < count; i++) {
        snprintf(key, sizeof key, "k%d", i);
        shelf_put(shelf, key, "value", SHELF_OPEN | flags, 0);
    }
}

// ---- the lock ----

static void one_process_at_a_time(void **state)
{
    struct shelf *shelf = *state;
    char word[64];
    snprintf(word, sizeof word, "process %ld", (long)getpid());
    refuses(shelf, ASSENT_LOCKED, word, "lock");
    shelf_put(shelf, "a", "1", 0, 0);
    shelf_reopen(shelf);
    assert_string_equal(shelf_value(shelf, "a"), "1");
}

static void only_the_owner_can_read_it(void **state)
{
    struct shelf *shelf = *state;
    struct stat info;
    static const char *const names[] = {"head", "lock", "db"};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(stat(path_in(shelf, names[i]), &info), 0);
        assert_int_equal(info.st_mode & 077, 0);
    }
}

static void a_file_in_the_way_is_an_error(void **state)
{
    struct shelf *shelf = *state;
    struct store *store = NULL;
    assent_error error;
    assert_int_equal(store_open_leveldb(path_in(shelf, "head"), &shelf->options, &store, &error),
                     ASSENT_IO);
    assert_int_equal(store_open_leveldb(path_in(shelf, "no/such"), &shelf->options, &store, &error),
                     ASSENT_IO);
}

// ---- the witness ----

static struct witness read_witness(const struct shelf *shelf)
{
    struct witness witness;
    assert_int_equal(witness_read(shelf->dir, &witness, NULL), ASSENT_OK);
    return witness;
}

static void the_witness_knows_what_is_durable_and_no_more(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 5, 0);
    assert_int_equal(read_witness(shelf).head.seq, 6);
    fill(shelf, 5, SHELF_LAZY);
    assert_int_equal(read_witness(shelf).head.seq, 6);
    shelf_put(shelf, "k", "1", 0, 0);
    assert_int_equal(read_witness(shelf).head.seq, 12);
    assert_int_equal(read_witness(shelf).head.id, shelf_info(shelf).id);
}

static void without_a_witness_it_opens_and_makes_one(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 5, 0);
    shelf_close(shelf);
    unlink(path_in(shelf, "head"));
    shelf_open(shelf);
    assert_string_equal(shelf_value(shelf, "k4"), "value");
    assert_int_equal(read_witness(shelf).head.seq, 7);
}

static void a_torn_witness_has_another_slot(void **state)
{
    struct shelf *shelf = *state;
    for (int slot = 0; slot < 2; slot++) {
        fill(shelf, 5, 0);
        shelf_close(shelf);
        int fd = open(path_in(shelf, "head"), O_WRONLY);
        assert_int_equal(pwrite(fd, "torn", 4, slot * WITNESS_SLOT_OFFSET + 33), 4);
        close(fd);
        assert_true(read_witness(shelf).found);
        shelf_open(shelf);
        assert_string_equal(shelf_value(shelf, "k4"), "value");
    }
}

// Puts an older copy of the database in the place of the newer one.
static void go_back(struct shelf *shelf, bool witness_too)
{
    char old[512], gone[512];
    snprintf(old, sizeof old, "%s-old", shelf->dir);
    shelf_close(shelf);
    shelf_copy_dir(shelf->dir, old);
    shelf_open(shelf);
    shelf_put(shelf, "later", "1", 0, 0);
    shelf_close(shelf);
    snprintf(gone, sizeof gone, "%s/%s", shelf->dir, witness_too ? "" : "db");
    char *path = strdup(gone);
    unit_dir_remove(&path);
    snprintf(gone, sizeof gone, "%s%s", old, witness_too ? "" : "/db");
    shelf_copy_dir(gone, witness_too ? shelf->dir : path_in(shelf, "db"));
    path = strdup(old);
    unit_dir_remove(&path);
}

static void an_older_database_is_noticed(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 5, 0);
    go_back(shelf, false);
    refuses(shelf, ASSENT_BEHIND, "record 8 was durable", ".log ends at byte");
    refuses(shelf, ASSENT_BEHIND, "backup", "log verify");
}

// With the witness it is consistent: only peers can tell (they echo what they have seen).
static void an_older_directory_opens(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 5, 0);
    go_back(shelf, true);
    shelf_open(shelf);
    assert_int_equal(shelf_info(shelf).head_seq, 7);
}

static void a_rewritten_record_is_noticed(void **state)
{
    struct shelf *shelf = *state;
    struct witness witness;
    fill(shelf, 5, 0);
    shelf_close(shelf);
    assert_int_equal(witness_open(shelf->dir, false, &witness, NULL), ASSENT_OK);
    struct witness_head head = witness.head;
    head.hash[3] ^= 1;
    assert_int_equal(witness_write(&witness, &head, NULL), ASSENT_OK);
    witness_close(&witness);
    refuses(shelf, ASSENT_CORRUPT, "record 6", "replaced or rewritten");
}

static void another_logs_witness_is_noticed(void **state)
{
    struct shelf *shelf = *state, *other = shelf_new(true, 0);
    shelf_close(shelf);
    shelf_close(other);
    unlink(path_in(shelf, "head"));
    char from[512];
    snprintf(from, sizeof from, "%s/head", other->dir);
    assert_int_equal(rename(from, path_in(shelf, "head")), 0);
    refuses(shelf, ASSENT_CORRUPT, "head", "record 1");
    shelf_destroy(other);
}

static void a_lost_database_is_not_made_anew(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 3, 0);
    shelf_close(shelf);
    char *db = strdup(path_in(shelf, "db"));
    unit_dir_remove(&db);
    refuses(shelf, ASSENT_BEHIND, "database is missing", "backup");
    mkdir(path_in(shelf, "db"), 0700);
    refuses(shelf, ASSENT_BEHIND, "database is missing", "backup");
    // Nor is anything left behind that would look like a log.
    assert_int_equal(access(path_in(shelf, "db/CURRENT"), F_OK), -1);
}

static void a_database_half_made_is_made_anew(void **state)
{
    struct shelf *shelf = *state;
    shelf_close(shelf);
    char *db = strdup(path_in(shelf, "db"));
    unit_dir_remove(&db);
    unlink(path_in(shelf, "head"));
    mkdir(path_in(shelf, "db"), 0700);
    int fd = open(path_in(shelf, "db/MANIFEST-000001"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(fd, "half", 4), 4);
    close(fd);
    shelf_open(shelf);
    assert_int_equal(shelf_info(shelf).incarnation, 1);
}

// ---- the end of the newest log file ----

// The log file that is written to now, its path in path_in's room.
static char *live_log(const struct shelf *shelf)
{
    for (int number = 99; number > 0; number--) {
        char name[32];
        snprintf(name, sizeof name, "db/%06d.log", number);
        if (access(path_in(shelf, name), F_OK) == 0)
            return path_in(shelf, name);
    }
    fail_msg("no log file");
    return NULL;
}

static size_t size_of(const char *path)
{
    struct stat info;
    assert_int_equal(stat(path, &info), 0);
    return (size_t)info.st_size;
}

// As a crash leaves it: some records durable, others only written. *ret_durable: bytes of the log
// file that hold the durable ones.
static void crash(struct shelf *shelf, const char *image, size_t *ret_durable, size_t *ret_size)
{
    fill(shelf, 10, 0);
    *ret_durable = size_of(live_log(shelf));
    fill(shelf, 12, SHELF_LAZY);
    *ret_size = size_of(live_log(shelf));
    shelf_copy_dir(shelf->dir, image);
}

static void try_cut(const char *image, size_t at, size_t durable)
{
    char *bad = unit_dir_make();
    shelf_copy_dir(image, bad);
    struct shelf cut = {.dir = bad, .options = {.wall_ms = 1}};
    assert_int_equal(truncate(live_log(&cut), (off_t)at), 0);
    if (at >= durable) {
        shelf_open(&cut);
        for (int i = 0; i < 10; i++) {
            char key[16];
            snprintf(key, sizeof key, "k%d", i);
            assert_string_equal(shelf_value(&cut, key), "value");
        }
        shelf_close(&cut);
    } else {
        refuses(&cut, ASSENT_BEHIND, ".log", "at byte");
    }
    unit_dir_remove(&bad);
}

static void what_was_not_durable_may_be_cut_and_nothing_else(void **state)
{
    struct shelf *shelf = *state;
    char *image = unit_dir_make();
    size_t durable, size;
    crash(shelf, image, &durable, &size);
    // The witness, the first record that is not durable, and what is before the last that is.
    for (size_t at = durable - 60; at <= durable + 400; at++)
        try_cut(image, at, durable);
    for (size_t at = 0; at <= size; at += 173)
        try_cut(image, at, durable);
    unit_dir_remove(&image);
}

static void try_garbage(const char *image, size_t at, size_t size, bool zeros)
{
    char *bad = unit_dir_make();
    shelf_copy_dir(image, bad);
    struct shelf torn = {.dir = bad, .options = {.wall_ms = 1}};
    int fd = open(live_log(&torn), O_WRONLY);
    for (size_t i = at; i < size + 100; i++)
        assert_int_equal(pwrite(fd, zeros ? "\0" : "x", 1, (off_t)i), 1);
    close(fd);
    shelf_open(&torn);
    assert_non_null(strstr(shelf_info(&torn).recovered, ".log: cut at byte "));
    assert_string_equal(shelf_value(&torn, "k9"), "value");
    shelf_reopen(&torn);
    assert_string_equal(shelf_info(&torn).recovered, "");
    shelf_close(&torn);
    unit_dir_remove(&bad);
}

static void garbage_and_zeros_after_what_is_durable_are_cut_off(void **state)
{
    struct shelf *shelf = *state;
    char *image = unit_dir_make();
    size_t durable, size;
    crash(shelf, image, &durable, &size);
    for (size_t at = durable; at <= size; at += 37) {
        try_garbage(image, at, size, true);
        try_garbage(image, at, size, false);
    }
    unit_dir_remove(&image);
}

// After a power failure the witness may be old: then a hole within what was durable shows in what
// follows it.
static void a_hole_is_noticed_when_the_witness_is_old(void **state)
{
    struct shelf *shelf = *state;
    struct witness_head old = read_witness(shelf).head;
    fill(shelf, 4, 0);
    size_t hole = size_of(live_log(shelf));
    fill(shelf, 20, 0);
    shelf_close(shelf);
    struct witness witness;
    assert_int_equal(witness_open(shelf->dir, false, &witness, NULL), ASSENT_OK);
    assert_int_equal(witness_write(&witness, &old, NULL), ASSENT_OK);
    assert_int_equal(witness_write(&witness, &old, NULL), ASSENT_OK);
    witness_close(&witness);
    int fd = open(live_log(shelf), O_WRONLY);
    assert_int_equal(pwrite(fd, "hole", 4, (off_t)hole + 20), 4);
    close(fd);
    char place[32];
    snprintf(place, sizeof place, "at byte %zu", hole);
    refuses(shelf, ASSENT_CORRUPT, "durable records up to", place);
}

// Two live log files, as a crash leaves them while LevelDB makes a table of the older one: that one
// was synced before the other was begun, so that its end cannot be a torn one.
static void only_the_newest_log_file_may_be_torn(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 4, 0);
    size_t half = size_of(live_log(shelf));
    fill(shelf, 8, 0);
    shelf_close(shelf);
    size_t size = size_of(live_log(shelf));
    uint8_t *bytes = malloc(size);
    int fd = open(path_in(shelf, "db/000003.log"), O_RDWR);
    assert_int_equal(pread(fd, bytes, size, 0), size);
    assert_int_equal(ftruncate(fd, (off_t)half), 0);
    int next = open(path_in(shelf, "db/000007.log"), O_WRONLY | O_CREAT, 0600);
    assert_int_equal(write(next, bytes + half, size - half), size - half);
    close(next);
    assert_int_equal(pwrite(fd, "torn", 4, (off_t)half), 4);
    refuses(shelf, ASSENT_CORRUPT, "000003.log at byte", "backup");
    assert_int_equal(ftruncate(fd, (off_t)half), 0);
    close(fd);
    free(bytes);
    shelf_open(shelf);
    assert_int_equal(shelf_info(shelf).head_seq, 14);
    assert_string_equal(shelf_value(shelf, "k7"), "value");
}

static void damage_without_a_witness_is_refused(void **state)
{
    struct shelf *shelf = *state;
    fill(shelf, 4, 0);
    shelf_close(shelf);
    unlink(path_in(shelf, "head"));
    const char *path = live_log(shelf);
    assert_int_equal(truncate(path, (off_t)size_of(path) - 3), 0);
    refuses(shelf, ASSENT_CORRUPT, "without the file head", ".log at byte");
}

// The machine stopped while the log was being made: nobody has been told of it.
static void a_torn_beginning_is_begun_anew(void **state)
{
    struct shelf *shelf = *state;
    shelf_close(shelf);
    assert_int_equal(truncate(live_log(shelf), 10), 0);
    refuses(shelf, ASSENT_BEHIND, "record 1 was durable", ".log at byte 0");
    unlink(path_in(shelf, "head"));
    shelf_open(shelf);
    assert_int_equal(shelf_info(shelf).incarnation, 1);
    assert_string_equal(shelf_list(shelf, false, false, 0), "");
}

#define WITH_LEVELDB(test)                                                                         \
    {                                                                                              \
#test, test, shelf_setup_leveldb, shelf_teardown, NULL                                     \
    }

int main(void)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); // a thousand opens, each with several syncs
    const struct CMUnitTest tests[] = {
        WITH_LEVELDB(one_process_at_a_time),
        WITH_LEVELDB(only_the_owner_can_read_it),
        WITH_LEVELDB(a_file_in_the_way_is_an_error),
        WITH_LEVELDB(the_witness_knows_what_is_durable_and_no_more),
        WITH_LEVELDB(without_a_witness_it_opens_and_makes_one),
        WITH_LEVELDB(a_torn_witness_has_another_slot),
        WITH_LEVELDB(an_older_database_is_noticed),
        WITH_LEVELDB(an_older_directory_opens),
        WITH_LEVELDB(a_rewritten_record_is_noticed),
        WITH_LEVELDB(another_logs_witness_is_noticed),
        WITH_LEVELDB(a_lost_database_is_not_made_anew),
        WITH_LEVELDB(a_database_half_made_is_made_anew),
        WITH_LEVELDB(what_was_not_durable_may_be_cut_and_nothing_else),
        WITH_LEVELDB(garbage_and_zeros_after_what_is_durable_are_cut_off),
        WITH_LEVELDB(a_hole_is_noticed_when_the_witness_is_old),
        WITH_LEVELDB(only_the_newest_log_file_may_be_torn),
        WITH_LEVELDB(damage_without_a_witness_is_refused),
        WITH_LEVELDB(a_torn_beginning_is_begun_anew),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
