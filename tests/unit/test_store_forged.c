// SPDX-License-Identifier: Apache-2.0
// Damage under a checksum that holds: what was wrong in memory before it was written, or a file
// that somebody edited. LevelDB takes all of it for good; the chain, the index and the witness must
// not.
#include "shelf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/rng.h"
#include "store/ldb_bytes.h"

enum { KEYS = 12, LOG_BLOCK = 32768, LOG_HEADER = 7, FOOTER = 48 };

struct forgery {
    struct shelf *shelf; // closed
    char path[512];      // of the file that is changed
    uint8_t *good;       // owned
    size_t size;
    char good_dir[512];
    unsigned opened, refused;
};

static void remove_dir(const char *path)
{
    char *gone = strdup(path);
    unit_dir_remove(&gone);
}

// Records of every kind: open, closed, decided, forgotten, superseded.
static void make_log(struct shelf *shelf)
{
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        shelf_put(shelf, key, "prepared", SHELF_OPEN, 0);
        if (i % 3)
            shelf_put(shelf, key, "commit", SHELF_DECIDE | SHELF_DECIDED | SHELF_OPEN, 0);
        if (i % 3 == 2)
            shelf_put(shelf, key, "", SHELF_FORGET, 0);
    }
    shelf_collect(shelf, 0);
    shelf_put(shelf, "last", "1", 0, 9);
}

static void check_values(struct shelf *shelf)
{
    for (int i = 0; i < KEYS; i++) {
        char key[16];
        snprintf(key, sizeof key, "k%d", i);
        const char *value = shelf_value(shelf, key);
        if (i % 3 == 2)
            assert_null(value);
        else
            assert_string_equal(value, i % 3 ? "commit" : "prepared");
    }
    assert_string_equal(shelf_value(shelf, "last"), "1");
}

static void begin(struct forgery *f, struct shelf *shelf, const char *file)
{
    struct stat info;
    *f = (struct forgery){.shelf = shelf};
    snprintf(f->path, sizeof f->path, "%s/db/%s", shelf->dir, file);
    snprintf(f->good_dir, sizeof f->good_dir, "%s-good", shelf->dir);
    shelf_copy_dir(shelf->dir, f->good_dir);
    assert_int_equal(stat(f->path, &info), 0);
    f->size = (size_t)info.st_size;
    f->good = malloc(f->size);
    int fd = open(f->path, O_RDONLY);
    assert_int_equal(read(fd, f->good, f->size), f->size);
    close(fd);
}

static void end(struct forgery *f)
{
    print_message("opened %u, refused %u\n", f->opened, f->refused);
    remove_dir(f->good_dir);
    free(f->good);
}

static void write_file(const struct forgery *f, const uint8_t *bytes)
{
    int fd = open(f->path, O_WRONLY | O_TRUNC);
    assert_int_equal(write(fd, bytes, f->size), f->size);
    close(fd);
}

// Opens what is there now: refused, or all as it should be.
static void try(struct forgery *f, const uint8_t *bytes, size_t at)
{
    assent_error error;
    write_file(f, bytes);
    int code = store_open_leveldb(f->shelf->dir, &f->shelf->options, &f->shelf->store, &error);
    if (code != ASSENT_OK) {
        f->refused++;
        if (code != ASSENT_CORRUPT && code != ASSENT_BEHIND && code != ASSENT_VERSION)
            fail_msg("byte %zu: %s", at, error.message);
        write_file(f, f->good);
        return;
    }
    f->opened++;
    check_values(f->shelf);
    shelf_close(f->shelf);
    remove_dir(f->shelf->dir);
    shelf_copy_dir(f->good_dir, f->shelf->dir);
}

static void forge(struct forgery *f, size_t start, size_t size, size_t crc_at)
{
    uint8_t *bytes = malloc(f->size);
    struct rng rng;
    rng_seed(&rng, start);
    for (size_t at = start; at < start + size; at += SHELF_SANITIZED ? 7 : 1) {
        memcpy(bytes, f->good, f->size);
        bytes[at] ^= (uint8_t)(1u << rng_below(&rng, 8));
        put_u32(bytes + crc_at, ldb_mask(crc32c(0, bytes + start, size)));
        try(f, bytes, at);
    }
    free(bytes);
}

// Every byte of every record of the log file: all batches are small and whole.
static void a_forged_log_file(void **state)
{
    struct forgery f;
    make_log(*state);
    shelf_close(*state);
    begin(&f, *state, "000003.log");
    assert_true(f.size < LOG_BLOCK);
    for (size_t at = 0; at < f.size;) {
        size_t length = f.good[at + 4] | (size_t)f.good[at + 5] << 8;
        forge(&f, at + 6, 1 + length, at);
        at += LOG_HEADER + length;
    }
    end(&f);
}

// The newest record, when there is no witness of it: the last that the log file has.
static void a_forged_newest_record(void **state)
{
    struct forgery f;
    struct shelf *shelf = *state;
    char path[512];
    make_log(shelf);
    shelf_close(shelf);
    snprintf(path, sizeof path, "%s/head", shelf->dir);
    unlink(path);
    begin(&f, shelf, "000003.log");
    size_t last = 0;
    for (size_t at = 0; at < f.size;
         at += LOG_HEADER + (f.good[at + 4] | (size_t)f.good[at + 5] << 8))
        last = at;
    forge(&f, last + 6, f.size - last - 6, last);
    assert_true(f.refused > f.opened);
    end(&f);
}

static bool take_handle(struct ldb_input *in, uint64_t *offset, uint64_t *size)
{
    return ldb_take_varint(in, offset) && ldb_take_varint(in, size);
}

// The first entry of a block has an uncompressed key: three lengths, the key, here a handle.
static void first_handle(const struct forgery *f, uint64_t at, uint64_t size, uint64_t *ret_at,
                         uint64_t *ret_size)
{
    struct ldb_input in = {f->good + at, f->good + at + size};
    uint64_t shared, own, value;
    struct slice key;
    assert_true(ldb_take_varint(&in, &shared) && ldb_take_varint(&in, &own) &&
                ldb_take_varint(&in, &value) && ldb_take_bytes(&in, own, &key) &&
                take_handle(&in, ret_at, ret_size));
}

// Every block of a table: data blocks lie one after another from the beginning, then the filter,
// the index of filters, the index.
static void a_forged_table(void **state)
{
    struct forgery f;
    uint64_t meta_at = 0, meta_size = 0, index_at = 0, index_size = 0, at = 0, size = 0;
    make_log(*state);
    shelf_reopen(*state);
    shelf_close(*state);
    begin(&f, *state, "000005.ldb");
    struct ldb_input footer = {f.good + f.size - FOOTER, f.good + f.size};
    assert_true(take_handle(&footer, &meta_at, &meta_size) &&
                take_handle(&footer, &index_at, &index_size));
    first_handle(&f, index_at, index_size, &at, &size);
    assert_int_equal(at, 0);
    forge(&f, 0, size + 1, size + 1);
    first_handle(&f, meta_at, meta_size, &at, &size);
    forge(&f, at, size + 1, at + size + 1);
    forge(&f, meta_at, meta_size + 1, meta_at + meta_size + 1);
    forge(&f, index_at, index_size + 1, index_at + index_size + 1);
    end(&f);
}

static void a_forged_manifest(void **state)
{
    struct forgery f;
    make_log(*state);
    shelf_reopen(*state);
    shelf_close(*state);
    begin(&f, *state, "MANIFEST-000004");
    for (size_t at = 0; at < f.size;) {
        size_t length = f.good[at + 4] | (size_t)f.good[at + 5] << 8;
        forge(&f, at + 6, 1 + length, at);
        at += LOG_HEADER + length;
    }
    end(&f);
}

#define WITH_LEVELDB(test)                                                                         \
    {                                                                                              \
#test, test, shelf_setup_leveldb, shelf_teardown, NULL                                     \
    }

int main(void)
{
    if (access("/dev/shm", W_OK) == 0)
        setenv("TMPDIR", "/dev/shm", 0); // thousands of opens, each with several syncs
    const struct CMUnitTest tests[] = {
        WITH_LEVELDB(a_forged_log_file),
        WITH_LEVELDB(a_forged_newest_record),
        WITH_LEVELDB(a_forged_table),
        WITH_LEVELDB(a_forged_manifest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
