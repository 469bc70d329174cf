// SPDX-License-Identifier: Apache-2.0
// The command line. Options may stand before the verb, after it, and between its words.
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"
#include "core/gtid.h"

static const struct option_row {
    const char *name, *argument, *about;
    int letter;
} rows[OPT_COUNT_ALL] = {
#define X(id, name, letter, argument, about) [OPT_##id] = {name, argument, about, letter},
    CLI_OPTIONS(X)
#undef X
};

enum { LONG_BASE = 1000, SHORT_BYTES = 3 * OPT_COUNT_ALL + 2 };

static void getopt_tables(struct option longs[OPT_COUNT_ALL + 1], char shorts[SHORT_BYTES])
{
    char *at = shorts;
    *at++ = ':'; // a missing argument is told from an option that does not exist
    for (int i = 0; i < OPT_COUNT_ALL; i++) {
        longs[i] = (struct option){
            .name = rows[i].name,
            .has_arg = rows[i].argument ? required_argument : no_argument,
            .val = LONG_BASE + i,
        };
        if (!rows[i].letter)
            continue;
        *at++ = (char)rows[i].letter;
        if (rows[i].argument)
            *at++ = ':';
    }
    *at = '\0';
    longs[OPT_COUNT_ALL] = (struct option){0};
}

static int option_of(int got)
{
    for (int i = 0; i < OPT_COUNT_ALL; i++)
        if (got == LONG_BASE + i || (rows[i].letter && got == rows[i].letter))
            return i;
    return -1;
}

static void say_usage(const char *format, const char *what, const char *verb)
{
    fprintf(stderr, "assent: ");
    fprintf(stderr, "%s%s", format, what);
    fprintf(stderr, ". See 'assent %s%s--help'.\n", verb ? verb : "", verb ? " " : "");
}

static bool take_age(const char *text, uint64_t *ret, const char *option)
{
    if (parse_age(text, ret))
        return true;
    fprintf(stderr, "assent: --%s: '%s' is no time such as 500ms, 30s, 10m, 2h or 1d\n", option,
            text);
    return false;
}

enum { INTERVAL_MS_MIN = 10 };

// A pause between looks: none at all would keep the daemon, and a core, busy with nothing else.
static bool take_interval(const char *text, uint64_t *ret, const char *option)
{
    if (!take_age(text, ret, option))
        return false;
    if (*ret >= INTERVAL_MS_MIN)
        return true;
    fprintf(stderr, "assent: --%s: %dms is the least\n", option, INTERVAL_MS_MIN);
    return false;
}

static bool take_count(const char *text, uint64_t *ret, const char *option)
{
    char *end;
    errno = 0;
    unsigned long long number = strtoull(text, &end, 10);
    if (errno == 0 && *end == '\0' && *text >= '0' && *text <= '9' && number <= UINT32_MAX) {
        *ret = number;
        return true;
    }
    fprintf(stderr, "assent: --%s: '%s' is no count\n", option, text);
    return false;
}

static bool take_one_more(struct cli_list *list, const char *text, const char *option)
{
    if (list->count == CLI_LIST_MAX) {
        fprintf(stderr, "assent: --%s: at most %d times\n", option, CLI_LIST_MAX);
        return false;
    }
    list->items[list->count++] = text;
    return true;
}

static bool take_option(struct cli *cli, enum option_id id, const char *value)
{
    const char *name = rows[id].name;
    switch (id) {
    case OPT_ENDPOINT: cli->endpoint = value; break;
    case OPT_CERTIFICATE: cli->certificate = value; break;
    case OPT_SERVER_CERTIFICATE: cli->server_certificate = value; break;
    case OPT_JSON: cli->json = true; break;
    case OPT_NO_COLOR: cli->no_color = true; break;
    case OPT_TIMEOUT: cli->patient = true; return take_age(value, &cli->timeout_ms, name);
    case OPT_HELP: cli->help = true; break;
    case OPT_VERSION: break;
    case OPT_STATE: cli->states = value; break;
    case OPT_PROTOCOL: cli->protocols = value; break;
    case OPT_IN_DOUBT: cli->in_doubt = true; break;
    case OPT_FINISHED: cli->finished = true; break;
    case OPT_PARTICIPANT: cli->participant = value; break;
    case OPT_OLDER: cli->older_said = true; return take_age(value, &cli->older_ms, name);
    case OPT_YOUNGER: return take_age(value, &cli->younger_ms, name);
    case OPT_LIMIT: return take_count(value, &cli->limit, name);
    case OPT_AFTER: cli->after = value; break;
    case OPT_REASON: cli->reason = value; break;
    case OPT_YES: cli->yes = true; break;
    case OPT_LOST: cli->lost = true; break;
    case OPT_ALL: cli->all = true; break;
    case OPT_INTERVAL: return take_interval(value, &cli->interval_ms, name);
    case OPT_COUNT: return take_count(value, &cli->count, name);
    case OPT_NAME: cli->name = value; break;
    case OPT_ROLE: cli->role = value; break;
    case OPT_RESOURCES: cli->resources = value; break;
    case OPT_WAIT: cli->wait = true; break;
    case OPT_GTID: cli->gtid = value; break;
    case OPT_DOT: cli->dot = true; break;
    case OPT_DATABASE: return take_one_more(&cli->databases, value, name);
    case OPT_CONFIG: return take_one_more(&cli->configs, value, name);
    case OPT_JOURNAL: return take_one_more(&cli->journals, value, name);
    case OPT_DATA_DIR: cli->data_dir = value; break;
    case OPT_FIX: cli->fix = true; break;
    case OPT_COUNT_ALL: return false;
    }
    return true;
}

// The verb that the first words name: one word, or two ("log verify").
static const struct verb *find_verb(const char *const *words, int count, int *ret_used)
{
    for (const struct verb *v = cli_verbs; v->name; v++) {
        const char *space = strchr(v->name, ' ');
        size_t first = space ? (size_t)(space - v->name) : strlen(v->name);
        if (count < 1 || strlen(words[0]) != first || strncmp(words[0], v->name, first) != 0)
            continue;
        if (space && (count < 2 || strcmp(words[1], space + 1) != 0))
            continue;
        *ret_used = space ? 2 : 1;
        return v;
    }
    return NULL;
}

enum { HELP_LEFT = 27, HELP_WIDTH = 96 };

// Text in a column of its own, broken between words.
static void print_wrapped(const char *text)
{
    size_t width = HELP_WIDTH - HELP_LEFT - 3;
    while (strlen(text) > width) {
        size_t length = width;
        while (length > 0 && text[length] != ' ')
            length--;
        if (length == 0)
            break;
        printf("%.*s\n  %-*s ", (int)length, text, HELP_LEFT, "");
        text += length + 1;
    }
    printf("%s\n", text);
}

static void print_option(int id)
{
    char left[64], letter[8] = "    ";
    if (rows[id].letter)
        snprintf(letter, sizeof letter, "-%c, ", rows[id].letter);
    snprintf(left, sizeof left, "%s--%s%s%s", letter, rows[id].name, rows[id].argument ? " " : "",
             rows[id].argument ? rows[id].argument : "");
    if (strlen(left) > HELP_LEFT)
        printf("  %s\n  %-*s ", left, HELP_LEFT, "");
    else
        printf("  %-*s ", HELP_LEFT, left);
    print_wrapped(rows[id].about);
}

static void print_options(uint64_t bits)
{
    for (int i = 0; i < OPT_COUNT_ALL; i++)
        if (bits & UINT64_C(1) << i)
            print_option(i);
}

static void print_help(const struct verb *verb)
{
    if (verb) {
        printf("Usage: assent %s %s%s[options]\n\n%s.\n", verb->name, verb->words,
               *verb->words ? " " : "", verb->about);
        if (verb->more)
            printf("\n%s\n", verb->more);
        if (verb->options & ~OPT_COMMON) {
            printf("\nOptions:\n");
            print_options(verb->options & ~OPT_COMMON);
        }
        printf("\nCommon options:\n");
        print_options(verb->options & OPT_COMMON);
        return;
    }
    printf("Usage: assent VERB [options]\n\n"
           "Looks into a coordinator (assentd) and its transactions, and gives it orders.\n\n");
    for (const struct verb *v = cli_verbs; v->name; v++) {
        char left[64];
        snprintf(left, sizeof left, "%s %s", v->name, v->words);
        printf("  %-*s ", HELP_LEFT, left);
        print_wrapped(v->about);
    }
    printf("\nCommon options:\n");
    print_options(OPT_COMMON);
    printf(
        "\n'assent VERB --help' says more of each. Exit status: 0 done, 1 usage, 2 no coordinator "
        "or no\nanswer, 3 not found, 4 refused, 5 log damaged, 6 not confirmed, 7 failed, 8 "
        "aborted.\n");
}

static enum exit_code say_no_verb(const char *const *words, int count)
{
    if (count == 0)
        say_usage("say what to do", "", NULL);
    else if (strcmp(words[0], "log") == 0)
        say_usage("say what to do with the log: verify or dump", "", NULL);
    else if (strcmp(words[0], "saga") == 0)
        say_usage("say what to do with the saga: submit or show", "", NULL);
    else
        say_usage("there is no verb ", words[0], NULL);
    return EXIT_USAGE;
}

// The word that is a gtid, if this verb takes one and it was said.
static const char *gtid_word(const struct cli *cli)
{
    const char *of = strstr(cli->verb->words, "GTID");
    int at = of && strncmp(cli->verb->words, "DIR", 3) == 0;
    return of && at < cli->word_count ? cli->words[at] : NULL;
}

static enum exit_code settle(struct cli *cli, uint64_t given, const char *const *words, int count,
                             bool *ret_done)
{
    int used = 0;
    cli->verb = find_verb(words, count, &used);
    if (cli->help || (given & OPT_BIT(VERSION))) {
        if (given & OPT_BIT(VERSION))
            printf("assent %s\n", ASSENT_VERSION_TEXT);
        else
            print_help(cli->verb);
        *ret_done = true;
        return EXIT_OK;
    }
    if (!cli->verb)
        return say_no_verb(words, count);
    cli->word_count = count - used;
    if (cli->word_count < cli->verb->words_min) {
        say_usage("this takes ", cli->verb->words, cli->verb->name);
        return EXIT_USAGE;
    }
    if (cli->word_count > cli->verb->words_max) {
        say_usage("one word too many: ", words[used + cli->verb->words_max], cli->verb->name);
        return EXIT_USAGE;
    }
    for (int i = 0; i < cli->word_count; i++)
        cli->words[i] = words[used + i];
    const char *gtid = gtid_word(cli);
    if (gtid && !gtid_valid(slice_text(gtid))) {
        say_usage("a gtid has 1 to 64 letters, digits and . _ : -", "", cli->verb->name);
        return EXIT_USAGE;
    }
    for (int i = 0; i < OPT_COUNT_ALL; i++)
        if ((given & UINT64_C(1) << i) && !(cli->verb->options & UINT64_C(1) << i)) {
            say_usage("this does not take --", rows[i].name, cli->verb->name);
            return EXIT_USAGE;
        }
    return EXIT_OK;
}

static bool wants_color(const struct cli *cli)
{
    const char *none = getenv("NO_COLOR"), *term = getenv("TERM");
    return !cli->no_color && !cli->json && !(none && *none) && isatty(STDOUT_FILENO) && term &&
           strcmp(term, "dumb") != 0;
}

enum exit_code cli_parse(struct cli *cli, int argc, char **argv, bool *ret_done)
{
    struct option longs[OPT_COUNT_ALL + 1];
    char shorts[SHORT_BYTES];
    uint64_t given = 0;
    getopt_tables(longs, shorts);
    *cli = (struct cli){.timeout_ms = 5000, .interval_ms = 2000, .limit = 100};
    opterr = 0;
    for (int got; (got = getopt_long(argc, argv, shorts, longs, NULL)) != -1;) {
        int id = option_of(got);
        if (id < 0) {
            say_usage(got == ':' ? "a value is missing after " : "there is no option ",
                      argv[optind - 1], NULL);
            return EXIT_USAGE;
        }
        given |= UINT64_C(1) << id;
        if (!take_option(cli, (enum option_id)id, optarg))
            return EXIT_USAGE;
    }
    cli->color = wants_color(cli);
    return settle(cli, given, (const char *const *)argv + optind, argc - optind, ret_done);
}
