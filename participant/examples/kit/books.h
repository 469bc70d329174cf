// SPDX-License-Identifier: Apache-2.0
// What an audit adds up: for each gtid, in which parts (databases) something of it was found; and
// the comparison with what clients were told and what the coordinator says.
#ifndef KIT_BOOKS_H
#define KIT_BOOKS_H

#include <stdbool.h>
#include <stdint.h>

#include "assent/client.h"

enum { BOOKS_FILES_MAX = 64, BOOKS_PARTS_MAX = 8 };

struct account {
    char gtid[ASSENT_GTID_MAX + 1];
    unsigned seen;                    // a bit for each part
    int64_t numbers[BOOKS_PARTS_MAX]; // the caller's
    struct account *next;             // in its bucket
};

struct books;

struct books *books_open(void);
void books_close(struct books **books_p);
// That gtid's account, made when there is none yet.
struct account *books_account(struct books *books, const char *gtid);
void books_each(struct books *books, void (*visit)(void *arg, const struct account *account),
                void *arg);
uint64_t books_count(const struct books *books);
// Is everything in all parts or in none?
bool books_whole(struct books *books, unsigned all);

#define BOOKS_USAGE                                                                                \
    "  -t, --told FILE     also what clients were told (--told); may be given several times\n"     \
    "  -s, --status        also ask the coordinator what became of each\n"                         \
    "  -r, --rows          the barrier has to be empty, too: half a minute after the last crash\n" \
    "  -w, --wait SECONDS  wait so long for what is under way (default 0)\n"                       \
    "      --json          print one JSON object\n"                                                \
    "  -h, --help          show this help\n"                                                       \
    "\n"                                                                                           \
    "Exit status: 0 all is well; 1 something is wrong; 3 a database could not be looked into.\n"

struct books_check {
    unsigned all; // the bits of all parts
    const char *(*part_name)(unsigned bit);
    const char *files[BOOKS_FILES_MAX]; // "<gtid> committed" or "<gtid> aborted", a line each
    unsigned file_count;
    bool status; // ask the coordinator about each gtid
    bool rows;   // the barrier has to be empty
    uint64_t told, asked;
};

// The options of an audit: told, status, rows, wait, json, help; and one directory, the last
// argument. -1: go on; else the exit status.
int books_options(int argc, char **argv, const char *usage, struct books_check *check,
                  int64_t *ret_wait_s, bool *ret_json);
// How many are in some parts only, or not as was told; says which. -1: could not be found out.
int64_t books_check(struct books *books, struct books_check *check);

#endif
