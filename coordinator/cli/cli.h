// SPDX-License-Identifier: Apache-2.0
// The operator's command: what its files share.
//   main.c         which verb
//   options.c      the command line; help comes from the same tables
//   session.c      a request to the coordinator and its reply
//   print.c        results and failures, for people or as JSON; colours
//   table.c        aligned tables
//   rows.c         lists that come in pages
//   verb_*.c       one verb, or one family, each
//   explain*.c     why a transaction is not finished, in sentences; story.h has what they share
//   log_content.c  what records of a log say
//   doctor*.c      what databases hold prepared, against the coordinator and the journals
//   saga_*.c       a saga in a file; the graph of one
#ifndef CLI_CLI_H
#define CLI_CLI_H

#include <jansson.h>
#include <stdio.h>

#include "base/error.h"
#include "exit_code.h"
#include "format.h"

enum { CLI_SCHEMA = 1, CLI_WORDS_MAX = 4, CLI_LIST_MAX = 32, CLEAN_BYTES = 1200 };

// Values of an option that can be given several times.
struct cli_list {
    const char *items[CLI_LIST_MAX];
    size_t count;
};

// What the command line said. Texts borrow from it.
struct cli {
    const struct verb *verb;
    const char *words[CLI_WORDS_MAX]; // after the options
    int word_count;
    // common
    const char *endpoint, *certificate, *server_certificate; // NULL: not said
    bool json, no_color, help;
    uint64_t timeout_ms;
    bool patient; // --timeout was said: wait so long even where nobody listens
    // verbs
    const char *states;                  // --state
    const char *protocols;               // --protocol
    const char *participant;             // --participant
    const char *reason;                  // --reason
    const char *after;                   // --after
    const char *name, *role, *resources; // keygen
    const char *gtid;                    // --gtid
    struct cli_list databases, configs, journals;
    const char *data_dir; // --data-dir
    uint64_t older_ms, younger_ms;
    uint64_t limit, count; // 0: no limit
    uint64_t interval_ms;
    bool in_doubt, finished, yes, all, wait, dot, lost, fix, older_said;
    // derived
    bool color; // standard output may have colours
};

struct verb {
    const char *name;  // "log verify" is one
    const char *words; // "GTID"
    int words_min, words_max;
    uint64_t options;  // bits of enum option_id
    const char *about; // one line
    const char *more;  // for --help
    enum exit_code (*run)(struct cli *cli);
};

// main.c
extern const struct verb cli_verbs[]; // ends with a NULL name

// options.c
// EXIT_OK: go on with cli->verb. Else: exit with it (usage; help and version have been printed when
// cli->help, with EXIT_OK in *ret_done).
enum exit_code cli_parse(struct cli *cli, int argc, char **argv, bool *ret_done);

// print.c
// The verb's result as JSON, on one line; takes it. Adds schema and verb.
enum exit_code print_json(const struct cli *cli, json_t *result);
// A failure: the message to standard error, and as JSON when asked for. Returns the exit status of
// the code, or `exit` for print_failed_as.
enum exit_code print_failed(const struct cli *cli, const assent_error *error);
enum exit_code print_failed_as(const struct cli *cli, enum exit_code exit, const char *code,
                               const char *format, ...) __attribute__((format(printf, 4, 5)));
enum paint { PAINT_NONE, PAINT_BOLD, PAINT_GOOD, PAINT_WARN, PAINT_BAD, PAINT_DIM };
// Escape sequences; "" without colours.
const char *paint(const struct cli *cli, enum paint paint);
const char *unpaint(const struct cli *cli);
// Text that came from elsewhere, made safe for the terminal; the result lives until the fourth
// next call.
const char *clean(const char *text);

// Reading replies: never NULL, "" or 0 where a member is missing or of another type.
const char *member_text(const json_t *object, const char *key);
uint64_t member_count(const json_t *object, const char *key);
bool member_bool(const json_t *object, const char *key);
bool member_present(const json_t *object, const char *key);        // there and not null
bool is(const json_t *object, const char *key, const char *value); // that text

#endif
