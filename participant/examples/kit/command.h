// SPDX-License-Identifier: Apache-2.0
// Commands of an example program, their options and exit statuses.
#ifndef KIT_COMMAND_H
#define KIT_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_FOUND_WRONG = 1, // audit: something is missing, left over or there twice
    EXIT_USAGE = 2,
    EXIT_TROUBLE = 3, // a database, the coordinator or a file could not be used
};

struct command {
    const char *name;
    int (*run)(int argc, char **argv); // argv[0]: the command's name
};

// main of such a program. `commands` ends with one without a name.
int command_main(const char *program, const char *usage, const struct command *commands, int argc,
                 char **argv);

// Parses a whole number between least and most; says what is wrong on standard error otherwise.
bool number_parse(const char *option, const char *text, int64_t least, int64_t most, int64_t *ret);
// Says it on standard error, after the program's name. Returns `code`.
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
