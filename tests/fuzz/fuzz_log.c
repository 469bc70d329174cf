// SPDX-License-Identifier: Apache-2.0
// The files of a log, of any content: those that read them before LevelDB may, so that it is never
// handed what it trusts and must not. Damage is told in words; of a log that is called sound all
// records can be shown, in order, as many as it is said to have, each time the same.
//
// The bytes are files one after the other: kind, number, size (2 bytes), content. No checksum hides
// anything: they are all 0 here, in the inputs and for the code. The hashes of records are real.
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/check.h"
#include "fuzz.h"
#include "input.h"
#include "store/inspect.h"

enum { FILES_MAX = 8, PATH_BYTES = 200 };

enum kind { KIND_HEAD, KIND_MANIFEST, KIND_LOG, KIND_TABLE, KINDS };

uint32_t __wrap_crc32c(uint32_t before, const void *data, size_t size);

uint32_t __wrap_crc32c(uint32_t before, const void *data, size_t size)
{
    (void)before, (void)data, (void)size;
    return 0;
}

// ---- the directory ----

static char dir[64];
static char written[FILES_MAX + 1][PATH_BYTES]; // what is in it
static unsigned written_count;

static void empty(const char *path)
{
    char inner[PATH_BYTES + 300];
    DIR *at = opendir(path);
    for (struct dirent *entry; at && (entry = readdir(at));) {
        snprintf(inner, sizeof inner, "%.*s/%s", PATH_BYTES, path, entry->d_name);
        unlink(inner);
    }
    if (at)
        closedir(at);
}

static void remove_dir(void)
{
    char db[80];
    snprintf(db, sizeof db, "%s/db", dir);
    empty(db);
    rmdir(db);
    empty(dir);
    rmdir(dir);
}

// A process that waits for the end of this one, which may come in any way, and removes what it
// left.
static void remove_dir_at_last(void)
{
    int ends[2];
    char end;
    CHECK(pipe(ends) == 0);
    pid_t child = fork();
    CHECK(child >= 0);
    if (child == 0) {
        setsid(); // what ends this process from a terminal is not for that one
        close(ends[1]);
        for (int fd = 0; fd <= STDERR_FILENO; fd++)
            close(fd); // or who waits for their end waits for it as well
        while (read(ends[0], &end, 1) < 0)
            ;
        remove_dir();
        _exit(0);
    }
    close(ends[0]); // the other end is open as long as this process lives
}

static void make_dir(void)
{
    const char *parent = getenv("TMPDIR");
    char db[80];
    snprintf(dir, sizeof dir, "%.40s/fuzz-log-XXXXXX", parent ? parent : "/tmp");
    CHECK(mkdtemp(dir));
    snprintf(db, sizeof db, "%s/db", dir);
    CHECK(mkdir(db, 0700) == 0);
    remove_dir_at_last();
}

static void write_file(const char *name, const void *data, size_t size)
{
    char *path = written[written_count++];
    snprintf(path, PATH_BYTES, "%s/%s", dir, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    close(fd);
}

static void write_part(struct input *in, char current[32])
{
    char name[32];
    enum kind kind = (enum kind)input_below(in, KINDS);
    unsigned number = input_byte(in);
    size_t size = input_byte(in);
    size |= (size_t)input_byte(in) << 8;
    if (size > in->size - in->at)
        size = in->size - in->at;
    switch (kind) {
    case KIND_HEAD: snprintf(name, sizeof name, "head"); break;
    case KIND_MANIFEST:
        snprintf(current, 32, "MANIFEST-%06u\n", number);
        snprintf(name, sizeof name, "db/MANIFEST-%06u", number);
        break;
    case KIND_LOG: snprintf(name, sizeof name, "db/%06u.log", number); break;
    case KIND_TABLE:
    case KINDS: snprintf(name, sizeof name, "db/%06u.ldb", number); break;
    }
    write_file(name, in->data + in->at, size);
    in->at += size;
}

// ---- what is said of it ----

struct shown {
    uint64_t count, last_seq, sum;
};

static int see_record(void *arg, const struct inspect_record *record)
{
    struct shown *shown = arg;
    CHECK(record->seq > shown->last_seq || shown->count == 0);
    CHECK(record->opened == (record->key.size == 0));
    CHECK(record->file && record->file[0]);
    shown->last_seq = record->seq;
    shown->count++;
    for (size_t i = 0; i < record->value.size; i++)
        shown->sum = shown->sum * 31 + ((const uint8_t *)record->value.data)[i];
    return 0;
}

static void see_damage(void *arg, const char *text)
{
    CHECK(text[0]);
    ++*(unsigned *)arg;
}

static int dump(struct shown *ret, struct inspect_summary *summary)
{
    assent_error error = {0};
    *ret = (struct shown){0};
    int code = store_dump(dir, 0, see_record, ret, summary, &error);
    CHECK(code == ASSENT_OK || error.message[0]);
    return code;
}

static void inspect(void)
{
    struct inspect_summary summary, again;
    struct shown first, second;
    assent_error error = {0};
    unsigned damage = 0;
    int code = store_verify(dir, see_damage, &damage, &summary, &error);
    CHECK(code == ASSENT_OK || (error.code == code && error.message[0]));
    if (getenv("FUZZ_TRACE"))
        fprintf(stderr, "%s: %s\n", assent_code_name(code), error.message);
    CHECK(dump(&first, &again) == code);
    if (code != ASSENT_OK)
        return;
    CHECK(damage == 0);
    CHECK(first.count == summary.records && first.last_seq <= summary.last_seq);
    CHECK(summary.first_seq <= summary.last_seq && summary.open <= summary.keys);
    CHECK(summary.keys <= summary.records);
    CHECK(dump(&second, &again) == ASSENT_OK);
    CHECK(second.count == first.count && second.sum == first.sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = {data, size, 0};
    char current[32] = "MANIFEST-000001\n";
    if (!dir[0])
        make_dir();
    while (input_left(&in) && written_count < FILES_MAX)
        write_part(&in, current);
    write_file("db/CURRENT", current, strlen(current));
    inspect();
    while (written_count > 0)
        unlink(written[--written_count]);
    return 0;
}
