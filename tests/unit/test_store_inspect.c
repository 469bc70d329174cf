// SPDX-License-Identifier: Apache-2.0
#include "store/inspect.h"

#include "shelf.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char *path_in(const struct shelf *shelf, const char *name)
{
    static char path[512];
    snprintf(path, sizeof path, "%s/%s", shelf->dir, name);
    return path;
}

static void make_log(struct shelf *shelf)
{
    shelf_put(shelf, "a", "1", SHELF_OPEN, 7);
    shelf_put(shelf, "b", "commit", SHELF_DECIDE | SHELF_DECIDED, 8);
    shelf_put(shelf, "a", "2", SHELF_OPEN, 9);
    shelf_put(shelf, "c", "1", 0, 9);
    shelf_put(shelf, "c", "", SHELF_FORGET, 9);
    shelf_reopen(shelf);
    shelf_put(shelf, "d", "1", 0, 10);
    shelf_close(shelf);
}

static void a_sound_log_is_summed_up(void **state)
{
    struct shelf *shelf = *state;
    struct store_info info = shelf_info(shelf);
    struct inspect_summary sum;
    make_log(shelf);
    assert_int_equal(store_verify(shelf->dir, NULL, NULL, &sum, NULL), ASSENT_OK);
    assert_int_equal(sum.id, info.id);
    assert_int_equal(sum.incarnation, 2);
    assert_int_equal(sum.opened_ms, 2000);
    assert_int_equal(sum.first_seq, 1);
    assert_int_equal(sum.last_seq, 8);
    assert_int_equal(sum.records, 8);
    assert_int_equal(sum.keys, 3);
    assert_int_equal(sum.open, 1);
    assert_true(sum.witness_found);
    assert_int_equal(sum.witness_seq, 8);
    assert_string_equal(sum.tear, "");
}

static int note_record(void *arg, const struct inspect_record *r)
{
    char *text = arg;
    size_t used = strlen(text);
    snprintf(text + used, 4096 - used, "%d %s%s%s%s%s%s %.*s=%.*s %d %d;", (int)r->seq,
             r->stands ? "s" : "-", r->open ? "o" : "-", r->decided ? "d" : "-",
             r->forget ? "f" : "-", r->carried ? "c" : "-", r->opened ? "i" : "-", (int)r->key.size,
             (const char *)r->key.data, r->opened ? 0 : (int)r->value.size,
             (const char *)r->value.data, (int)r->stamp, (int)r->incarnation);
    assert_non_null(r->file);
    return 0;
}

static void records_are_shown_as_they_lie(void **state)
{
    struct shelf *shelf = *state;
    char text[4096] = "";
    make_log(shelf);
    assert_int_equal(store_dump(shelf->dir, 0, note_record, text, NULL, NULL), ASSENT_OK);
    assert_string_equal(text, "1 -----i = 0 1;"
                              "2 -o---- a=1 7 0;"
                              "3 s-d--- b=commit 8 0;"
                              "4 so---- a=2 9 0;"
                              "5 ------ c=1 9 0;"
                              "6 ---f-- c= 9 0;"
                              "7 -----i = 0 2;"
                              "8 s----- d=1 10 0;");
    text[0] = 0;
    assert_int_equal(store_dump(shelf->dir, 8, note_record, text, NULL, NULL), ASSENT_OK);
    assert_string_equal(text, "8 s----- d=1 10 0;");
}

static int note_first(void *arg, const struct inspect_record *record)
{
    uint64_t *seen = arg;
    *seen = *seen * 100 + record->seq;
    return 1;
}

static void a_dump_ends_when_the_visitor_says_so(void **state)
{
    struct shelf *shelf = *state;
    uint64_t seen = 0;
    make_log(shelf);
    assert_int_equal(store_dump(shelf->dir, 3, note_first, &seen, NULL, NULL), ASSENT_OK);
    assert_int_equal(seen, 3);
}

static void a_log_in_use_is_left_alone(void **state)
{
    struct shelf *shelf = *state;
    struct inspect_summary sum;
    assent_error error;
    char word[64];
    snprintf(word, sizeof word, "process %ld", (long)getpid());
    assert_int_equal(store_verify(shelf->dir, NULL, NULL, &sum, &error), ASSENT_LOCKED);
    assert_non_null(strstr(error.message, word));
}

static void where_there_is_no_log_there_is_none(void **state)
{
    (void)state;
    struct inspect_summary sum;
    char *dir = unit_dir_make();
    assert_int_equal(store_verify(dir, NULL, NULL, &sum, NULL), ASSENT_IO);
    unit_dir_remove(&dir);
    assert_int_equal(store_verify("/no/such/directory", NULL, NULL, &sum, NULL), ASSENT_IO);
}

static void nothing_is_changed(void **state)
{
    struct shelf *shelf = *state;
    struct inspect_summary sum;
    char text[4096] = "", command[1200];
    make_log(shelf);
    char *copy = unit_dir_make();
    shelf_copy_dir(shelf->dir, copy);
    assert_int_equal(store_verify(shelf->dir, NULL, NULL, &sum, NULL), ASSENT_OK);
    assert_int_equal(store_dump(shelf->dir, 0, note_record, text, NULL, NULL), ASSENT_OK);
    snprintf(command, sizeof command, "diff -r %s %s", shelf->dir, copy);
    assert_int_equal(system(command), 0);
    unit_dir_remove(&copy);
}

static void half_written_ends_are_told_and_left(void **state)
{
    struct shelf *shelf = *state;
    struct inspect_summary sum;
    shelf_put(shelf, "a", "1", 0, 0);
    shelf_close(shelf);
    int fd = open(path_in(shelf, "db/000003.log"), O_WRONLY | O_APPEND);
    assert_int_equal(write(fd, "garbage", 7), 7);
    close(fd);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(store_verify(shelf->dir, NULL, NULL, &sum, NULL), ASSENT_OK);
        assert_non_null(strstr(sum.tear, "db/000003.log at byte "));
    }
}

struct damages {
    int count;
    char text[8][400];
};

static void note_damage(void *arg, const char *text)
{
    struct damages *damages = arg;
    assert_true(damages->count < 8);
    snprintf(damages->text[damages->count++], sizeof damages->text[0], "%s", text);
}

static void spoil(const struct shelf *shelf, const char *name, off_t at)
{
    int fd = open(path_in(shelf, name), O_WRONLY);
    assert_true(fd >= 0);
    assert_int_equal(pwrite(fd, "\xff\x00\xff", 3, at), 3);
    close(fd);
}

static void every_damaged_file_is_reported(void **state)
{
    struct shelf *shelf = *state;
    struct inspect_summary sum;
    struct damages damages = {0};
    assent_error error;
    make_log(shelf);
    shelf_open(shelf);
    shelf_close(shelf); // now with two tables and a log
    spoil(shelf, "db/000005.ldb", 10);
    spoil(shelf, "db/000008.ldb", 10);
    spoil(shelf, "db/000009.log", 20);
    assert_int_equal(store_verify(shelf->dir, note_damage, &damages, &sum, &error), ASSENT_CORRUPT);
    assert_int_equal(damages.count, 3);
    assert_string_equal(damages.text[0], "db/000009.log at byte 0: a record fails its checksum");
    assert_string_equal(damages.text[1], "db/000005.ldb at byte 0: a block fails its checksum");
    assert_string_equal(damages.text[2], "db/000008.ldb at byte 0: a block fails its checksum");
    assert_non_null(strstr(error.message, "000005.ldb at byte 0"));
}

static void missing_files_are_reported(void **state)
{
    struct shelf *shelf = *state;
    struct inspect_summary sum;
    struct damages damages = {0};
    make_log(shelf);
    unlink(path_in(shelf, "db/000005.ldb"));
    unlink(path_in(shelf, "db/000006.log"));
    assert_int_equal(store_verify(shelf->dir, note_damage, &damages, &sum, NULL), ASSENT_CORRUPT);
    assert_int_equal(damages.count, 2);
    assert_string_equal(damages.text[0], "db/000006.log is missing");
    assert_string_equal(damages.text[1], "db/000005.ldb is missing");
}

static void what_can_be_read_is_dumped(void **state)
{
    struct shelf *shelf = *state;
    char text[4096] = "";
    make_log(shelf);
    unlink(path_in(shelf, "head"));
    spoil(shelf, "db/000006.log", 20); // the second life
    assert_int_equal(store_dump(shelf->dir, 0, note_record, text, NULL, NULL), ASSENT_CORRUPT);
    assert_non_null(strstr(text, "3 s-d--- b=commit 8 0;"));
}

#define WITH_LEVELDB(test)                                                                         \
    {                                                                                              \
#test, test, shelf_setup_leveldb, shelf_teardown, NULL                                     \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_LEVELDB(a_sound_log_is_summed_up),
        WITH_LEVELDB(records_are_shown_as_they_lie),
        WITH_LEVELDB(a_dump_ends_when_the_visitor_says_so),
        WITH_LEVELDB(a_log_in_use_is_left_alone),
        WITH_LEVELDB(where_there_is_no_log_there_is_none),
        WITH_LEVELDB(nothing_is_changed),
        WITH_LEVELDB(half_written_ends_are_told_and_left),
        WITH_LEVELDB(every_damaged_file_is_reported),
        WITH_LEVELDB(missing_files_are_reported),
        WITH_LEVELDB(what_can_be_read_is_dumped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
