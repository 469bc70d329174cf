// SPDX-License-Identifier: Apache-2.0
#include "kit/command.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assent/assent.h"

static const char *program_name = "example";

int complain(int code, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "%s: %s\n", program_name, text);
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

int command_main(const char *program, const char *usage, const struct command *commands, int argc,
                 char **argv)
{
    program_name = program;
    if (argc < 2) {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        fputs(usage, stdout);
        return EXIT_GOOD;
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("%s %s\n", program, assent_version());
        return EXIT_GOOD;
    }
    for (const struct command *c = commands; c->name; c++) {
        if (strcmp(argv[1], c->name) == 0)
            return c->run(argc - 1, argv + 1);
    }
    return complain(EXIT_USAGE, "there is no command '%s'; see %s --help", argv[1], program);
}
