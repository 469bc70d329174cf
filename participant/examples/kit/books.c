// SPDX-License-Identifier: Apache-2.0
#include "kit/books.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kit/command.h"

enum { BUCKETS = 16384 };

struct books {
    struct account *buckets[BUCKETS];
    uint64_t count;
};

struct books *books_open(void)
{
    struct books *b = calloc(1, sizeof *b);
    if (!b)
        exit(complain(EXIT_TROUBLE, "out of memory"));
    return b;
}

void books_close(struct books **books_p)
{
    struct books *b = *books_p;
    if (!b)
        return;
    *books_p = NULL;
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (struct account *a = b->buckets[i], *next; a; a = next) {
            next = a->next;
            free(a);
        }
    }
    free(b);
}

static struct account **place(struct books *b, const char *gtid)
{
    unsigned hash = 5381;
    for (const char *c = gtid; *c; c++)
        hash = hash * 33 + (unsigned char)*c;
    struct account **at = &b->buckets[hash % BUCKETS];
    while (*at && strcmp((*at)->gtid, gtid) != 0)
        at = &(*at)->next;
    return at;
}

struct account *books_account(struct books *b, const char *gtid)
{
    struct account **at = place(b, gtid);
    if (*at)
        return *at;
    *at = calloc(1, sizeof **at);
    if (!*at)
        exit(complain(EXIT_TROUBLE, "out of memory"));
    snprintf((*at)->gtid, sizeof(*at)->gtid, "%s", gtid);
    b->count++;
    return *at;
}

void books_each(struct books *b, void (*visit)(void *arg, const struct account *account), void *arg)
{
    for (unsigned i = 0; i < BUCKETS; i++) {
        for (const struct account *a = b->buckets[i]; a; a = a->next)
            visit(arg, a);
    }
}

uint64_t books_count(const struct books *b)
{
    return b->count;
}

struct check {
    struct books_check *about;
    assent_client *client;
    int64_t wrong;
    bool failed;
};

static void count_partial(void *arg, const struct account *account)
{
    struct check *c = arg;
    c->wrong += account->seen != c->about->all;
}

bool books_whole(struct books *b, unsigned all)
{
    struct books_check about = {.all = all};
    struct check c = {.about = &about};
    books_each(b, count_partial, &c);
    return c.wrong == 0;
}

// ---- what was told ----

static void compare(struct check *c, const char *gtid, unsigned seen, bool committed,
                    const char *whose)
{
    unsigned expected = committed ? c->about->all : 0;
    for (unsigned bit = 0; c->about->all >> bit; bit++) {
        if (!((seen ^ expected) >> bit & 1))
            continue;
        c->wrong++;
        complain(EXIT_FOUND_WRONG, "%s is %s, says %s, but %s has %s of it", gtid,
                 committed ? "committed" : "aborted", whose, c->about->part_name(bit),
                 committed ? "nothing" : "something");
    }
}

static bool check_file(struct books *b, struct check *c, const char *path)
{
    FILE *file = fopen(path, "r");
    if (!file) {
        complain(EXIT_TROUBLE, "%s: %s", path, strerror(errno));
        return false;
    }
    char line[256], gtid[ASSENT_GTID_MAX + 1], told[16];
    // A line without an end is of a client that was killed while it wrote it: it promised nothing.
    while (fgets(line, sizeof line, file) && strchr(line, '\n')) {
        if (sscanf(line, "%64s %15s", gtid, told) != 2)
            continue;
        struct account *account = *place(b, gtid);
        compare(c, gtid, account ? account->seen : 0, strcmp(told, "committed") == 0, path);
        c->about->told++;
    }
    fclose(file);
    return true;
}

static void check_status(void *arg, const struct account *account)
{
    struct check *c = arg;
    assent_result result;
    if (c->failed)
        return;
    if (assent_status(c->client, account->gtid, &result, NULL) != ASSENT_OK) {
        complain(EXIT_TROUBLE, "the coordinator does not say what became of %s", account->gtid);
        c->failed = true;
        return;
    }
    c->about->asked++;
    // What it has ended it may not remember, and what is in progress may become either: no answers.
    if (result.outcome == ASSENT_COMMITTED || result.outcome == ASSENT_ABORTED)
        compare(c, account->gtid, account->seen, result.outcome == ASSENT_COMMITTED,
                "the coordinator");
}

static void check_whole(void *arg, const struct account *account)
{
    struct check *c = arg;
    if (account->seen != c->about->all)
        compare(c, account->gtid, account->seen, true, "a part");
}

int64_t books_check(struct books *b, struct books_check *about)
{
    struct check c = {.about = about};
    assent_error error;
    about->told = about->asked = 0;
    books_each(b, check_whole, &c);
    for (unsigned i = 0; i < about->file_count; i++) {
        if (!check_file(b, &c, about->files[i]))
            return -1;
    }
    if (!about->status)
        return c.wrong;
    if (assent_client_open(NULL, &c.client, &error) != ASSENT_OK) {
        complain(EXIT_TROUBLE, "%s", error.message);
        return -1;
    }
    if (assent_client_wait(c.client, 10000, &error) != ASSENT_OK) {
        complain(EXIT_TROUBLE, "%s", error.message);
        c.failed = true;
    }
    books_each(b, check_status, &c);
    assent_client_close(&c.client);
    return c.failed ? -1 : c.wrong;
}

int books_options(int argc, char **argv, const char *usage, struct books_check *check,
                  int64_t *ret_wait_s, bool *ret_json)
{
    static const struct option options[] = {{"told", required_argument, NULL, 't'},
                                            {"status", no_argument, NULL, 's'},
                                            {"rows", no_argument, NULL, 'r'},
                                            {"wait", required_argument, NULL, 'w'},
                                            {"json", no_argument, NULL, 'j'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    for (int c; (c = getopt_long(argc, argv, "t:srw:h", options, NULL)) != -1;) {
        switch (c) {
        case 't':
            if (check->file_count == BOOKS_FILES_MAX)
                return complain(EXIT_USAGE, "at most %d files", BOOKS_FILES_MAX);
            check->files[check->file_count++] = optarg;
            break;
        case 's': check->status = true; break;
        case 'r': check->rows = true; break;
        case 'w':
            if (!number_parse("wait", optarg, 0, 86400, ret_wait_s))
                return EXIT_USAGE;
            break;
        case 'j': *ret_json = true; break;
        case 'h': fputs(usage, stdout); return EXIT_GOOD;
        default: return EXIT_USAGE;
        }
    }
    if (optind + 1 != argc)
        return complain(EXIT_USAGE, "audit needs one directory; see --help");
    return -1;
}
