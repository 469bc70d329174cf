// SPDX-License-Identifier: Apache-2.0
// What the command's exit status says. Scripts rely on the numbers: they are in assent(1).
#ifndef CLI_EXIT_CODE_H
#define CLI_EXIT_CODE_H

enum exit_code {
    EXIT_OK = 0,
    EXIT_USAGE = 1,
    EXIT_UNREACHABLE = 2,   // no coordinator, or no answer in time
    EXIT_NOT_FOUND = 3,     // nothing is known of that gtid
    EXIT_REFUSED = 4,       // the coordinator refused: not now, or not for you
    EXIT_DAMAGED = 5,       // the log is damaged
    EXIT_NOT_CONFIRMED = 6, // an order was not confirmed; nothing was done
    EXIT_FAILED = 7,        // a file, memory, or an answer that makes no sense
    EXIT_ABORTED = 8,       // what was waited for has ended, and was aborted
    EXIT_FINDINGS = 9,      // doctor: something is wrong
    EXIT_NOT_ASKED = 10,    // doctor: something could not be asked, whatever else was found
};

// The exit status for an enum assent_code that came from the coordinator or a library.
enum exit_code exit_code_of(int code);

#endif
