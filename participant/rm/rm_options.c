// SPDX-License-Identifier: Apache-2.0
#include "rm_options.h"

#include <errno.h>
#include <getopt.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "options_file.h"

const char rm_options_usage[] =
    "Usage: assent-rm [OPTION]... --resource NAME --journal DIR --database DATABASE\n"
    "  or:  assent-rm [OPTION]... --resource NAME --journal DIR --xa LIBRARY:SYMBOL --open STRING\n"
    "Makes a database a participant of Assent, until SIGTERM or SIGINT.\n"
    "\n"
    "      --config FILE             what is not said here is read from FILE: lines KEY = VALUE,\n"
    "                                with the names of these options as keys\n"
    "  -r, --resource NAME           the name that applications know it by\n"
    "  -j, --journal DIR             votes and outcomes; a directory of its own\n"
    "  -d, --database DATABASE       postgres:CONNINFO or mariadb:WORDS (default:\n"
    "                                $ASSENT_RM_DATABASE)\n"
    "      --xa LIBRARY:SYMBOL       another resource manager: its XA switch\n"
    "      --open STRING             what its xa_open is given (default: $ASSENT_RM_OPEN)\n"
    "      --close STRING            what its xa_close is given\n"
    "  -p, --procedures FILE         what calls may do; without it branches can only be enlisted\n"
    "  -w, --workers N               threads, each with a connection of its own (default 8)\n"
    "      --barrier yes|no          no: two-phase and three-phase commit only, and no table in\n"
    "                                the database (default yes; with --xa no)\n"
    "  -e, --endpoint ENDPOINT       the coordinator (default: $ASSENT_ENDPOINT, else assentd's\n"
    "                                default)\n"
    "      --certificate FILE        own secret certificate\n"
    "      --server-certificate FILE the coordinator's public certificate\n"
    "      --check                   open everything, say what is wrong, and exit\n"
    "  -h, --help                    show this help\n"
    "      --version                 show the version\n"
    "\n"
    "Prints 'ready' when the coordinator has welcomed it.\n"
    "Exit status: 0 good, 1 --check found something wrong, 2 usage, 3 trouble.\n";

enum { OPT_PLAIN = 256, OPT_CHECK, OPT_VERSION };

static const struct option long_options[] = {
    {"config", required_argument, NULL, OPT_PLAIN},
    {"resource", required_argument, NULL, 'r'},
    {"journal", required_argument, NULL, 'j'},
    {"database", required_argument, NULL, 'd'},
    {"xa", required_argument, NULL, OPT_PLAIN},
    {"open", required_argument, NULL, OPT_PLAIN},
    {"close", required_argument, NULL, OPT_PLAIN},
    {"procedures", required_argument, NULL, 'p'},
    {"workers", required_argument, NULL, 'w'},
    {"barrier", required_argument, NULL, OPT_PLAIN},
    {"endpoint", required_argument, NULL, 'e'},
    {"certificate", required_argument, NULL, OPT_PLAIN},
    {"server-certificate", required_argument, NULL, OPT_PLAIN},
    {"check", no_argument, NULL, OPT_CHECK},
    {"help", no_argument, NULL, 'h'},
    {"version", no_argument, NULL, OPT_VERSION},
    {0}};

// NULL: there is no such option, or it takes no value.
static char **text_of(struct rm_options *o, const char *name)
{
    const struct {
        const char *name;
        char **text;
    } all[] = {{"config", &o->config},
               {"resource", &o->resource},
               {"journal", &o->journal},
               {"database", &o->database},
               {"xa", &o->xa},
               {"open", &o->open},
               {"close", &o->close},
               {"procedures", &o->procedures},
               {"workers", &o->workers_text},
               {"barrier", &o->barrier_text},
               {"endpoint", &o->endpoint},
               {"certificate", &o->certificate},
               {"server-certificate", &o->server_certificate}};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strcmp(all[i].name, name) == 0)
            return all[i].text;
    return NULL;
}

// What was said before counts.
static int set(char **text, const char *value, assent_error *error)
{
    if (*text)
        return ASSENT_OK;
    *text = strdup(value);
    return *text ? ASSENT_OK : error_set(error, ASSENT_NOMEM, "out of memory");
}

static const char *name_of(int c, int index)
{
    for (const struct option *o = long_options; o->name && c < OPT_PLAIN; o++)
        if (o->val == c)
            return o->name;
    return long_options[index].name;
}

static int read_line(struct rm_options *o, int argc, char **argv, assent_error *error)
{
    int index = 0, code = ASSENT_OK;
    optind = 1;
    for (int c;
         !code && (c = getopt_long(argc, argv, "r:j:d:p:w:e:h", long_options, &index)) != -1;) {
        switch (c) {
        case 'h': o->what = RM_OPTIONS_HELP; return ASSENT_OK;
        case OPT_VERSION: o->what = RM_OPTIONS_VERSION; return ASSENT_OK;
        case OPT_CHECK: o->what = RM_OPTIONS_CHECK; break;
        case '?': return error_set(error, ASSENT_INVALID, "see assent-rm --help");
        default: code = set(text_of(o, name_of(c, index)), optarg, error); break;
        }
    }
    if (!code && optind != argc)
        code = error_set(error, ASSENT_INVALID, "'%.100s' is no option; see assent-rm --help",
                         argv[optind]);
    return code;
}

static int read_environment(struct rm_options *o, assent_error *error)
{
    const char *database = getenv("ASSENT_RM_DATABASE"), *open = getenv("ASSENT_RM_OPEN");
    int code = database && *database && !o->xa ? set(&o->database, database, error) : ASSENT_OK;
    return code == ASSENT_OK && open && *open ? set(&o->open, open, error) : code;
}

static int take_key(void *arg, const char *key, const char *value, assent_error *error)
{
    struct rm_options *o = arg;
    char **text = text_of(o, key);
    if (!text || text == &o->config)
        return error_set(error, ASSENT_CONFIG, "there is no key '%.64s'", key);
    // One of the two says which database it is: a file's does not stand against the command line's.
    if ((text == &o->database && o->xa) || (text == &o->xa && o->database))
        return ASSENT_OK;
    return set(text, value, error);
}

static int check(struct rm_options *o, assent_error *error)
{
    char *end;
    const char *missing = !o->resource                                 ? "resource"
                          : !o->journal && o->what == RM_OPTIONS_SERVE ? "journal"
                          : !o->database && !o->xa                     ? "database (or --xa)"
                                                                       : NULL;
    if (missing)
        return error_set(error, ASSENT_CONFIG, "--%s is missing; see assent-rm --help", missing);
    if (o->database && o->xa)
        return error_set(error, ASSENT_CONFIG, "--database and --xa: one of them is enough");
    if (o->database && (o->open || o->close))
        return error_set(error, ASSENT_CONFIG, "--open and --close go with --xa");
    if (o->xa && o->procedures)
        return error_set(error, ASSENT_CONFIG, "--procedures are SQL, which --xa knows nothing of");
    errno = 0;
    unsigned long workers = o->workers_text ? strtoul(o->workers_text, &end, 10) : 8;
    if (o->workers_text &&
        (errno || *end || workers < 1 || workers > 256 || *o->workers_text == '-'))
        return error_set(error, ASSENT_CONFIG,
                         "--workers takes a whole number from 1 to 256, not "
                         "'%.40s'",
                         o->workers_text);
    o->workers = (unsigned)workers;
    o->barrier = !o->xa && (!o->barrier_text || strcmp(o->barrier_text, "yes") == 0);
    if (o->barrier_text && strcmp(o->barrier_text, "no") != 0 && !o->barrier)
        return error_set(error, ASSENT_CONFIG, "--barrier takes yes%s or no, not '%.40s'",
                         o->xa ? " (not with --xa)" : "", o->barrier_text);
    return ASSENT_OK;
}

int rm_options_read(struct rm_options *ret, int argc, char **argv, assent_error *error)
{
    *ret = (struct rm_options){0};
    int code = read_line(ret, argc, argv, error);
    if (code || ret->what == RM_OPTIONS_HELP || ret->what == RM_OPTIONS_VERSION)
        return code;
    code = read_environment(ret, error);
    if (!code && ret->config)
        code = options_file_read(ret->config, take_key, ret, error);
    return code ? code : check(ret, error);
}

void rm_options_free(struct rm_options *self)
{
    if (!self)
        return;
    for (const struct option *o = long_options; o->name; o++) {
        char **text = text_of(self, o->name);
        if (text)
            free(*text);
    }
    *self = (struct rm_options){0};
}
