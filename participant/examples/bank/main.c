// SPDX-License-Identifier: Apache-2.0
// assent-bank: SmallBank over any number of banks, each a participant with a ledger of its own.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/assent.h"
#include "command.h"

static const char usage[] =
    "Usage: assent-bank COMMAND [OPTION]... [DIR]...\n"
    "SmallBank over any number of banks: participants of Assent, each with a ledger of its own.\n"
    "\n"
    "Commands:\n"
    "  load    make a bank's ledger\n"
    "  serve   run a bank\n"
    "  run     be the banks' clients: the SmallBank mix, or transfers from a CSV file\n"
    "  audit   is all money still there, and nothing reserved?\n"
    "\n"
    "  -h, --help     show this help; after a command, that command's\n"
    "      --version  show the version\n"
    "\n"
    "Exit status: 0 good, 1 the audit found something wrong, 2 usage, 3 trouble.\n";

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"load", command_load},
    {"serve", command_serve},
    {"run", command_run},
    {"audit", command_audit},
};

int complain(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fputs("assent-bank: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

bool number_parse(const char *option, const char *text, int64_t least, int64_t most, int64_t *ret)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (errno || end == text || *end || value < least || value > most) {
        complain(EXIT_USAGE, "--%s takes a whole number from %lld to %lld, not '%s'", option,
                 (long long)least, (long long)most, text);
        return false;
    }
    *ret = value;
    return true;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(usage, stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("assent-bank %s\n", assent_version());
        return EXIT_GOOD;
    }
    for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
        if (strcmp(argv[1], commands[i].name) == 0)
            return commands[i].run(argc - 1, argv + 1);
    }
    return complain(EXIT_USAGE, "there is no command '%s'; see assent-bank --help", argv[1]);
}
