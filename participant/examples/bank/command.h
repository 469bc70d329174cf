// SPDX-License-Identifier: Apache-2.0
// What the commands of assent-bank share.
#ifndef BANK_COMMAND_H
#define BANK_COMMAND_H

#include <stdbool.h>
#include <stdint.h>

enum exit_code {
    EXIT_GOOD = 0,
    EXIT_FOUND_WRONG = 1, // audit: money is missing, reserved at rest, or an outcome was not kept
    EXIT_USAGE = 2,
    EXIT_TROUBLE = 3, // a ledger, the coordinator or a file could not be used
};

int command_load(int argc, char **argv);
int command_serve(int argc, char **argv);
int command_run(int argc, char **argv);
int command_audit(int argc, char **argv);

// Parses a whole number between least and most; says what is wrong on standard error otherwise.
bool number_parse(const char *option, const char *text, int64_t least, int64_t most, int64_t *ret);
// Says it on standard error, after the program's name. Returns `code`.
int complain(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
