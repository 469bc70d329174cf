// SPDX-License-Identifier: Apache-2.0
// Transfers from a CSV file, read as they are needed: lines of from,to,amount (accounts numbered
// over all banks, cents). Empty lines, and a first line of names, are passed over. Thread-safe.
#ifndef BANK_TRANSFERS_H
#define BANK_TRANSFERS_H

#include <stdbool.h>
#include <stdint.h>

#include "mix.h"

struct transfers;

// "-" is standard input. NULL when the file cannot be opened, with errno.
struct transfers *transfers_open(const char *path, uint64_t accounts);
void transfers_close(struct transfers **transfers_p);
// The next good line as a payment; bad ones are reported on standard error by number and counted.
// False at the end, and when the file cannot be read on.
bool transfers_next(struct transfers *transfers, struct job *ret);
uint64_t transfers_bad(const struct transfers *transfers);
// 0, or the errno of what went wrong in reading: the rest was not seen.
int transfers_failed(const struct transfers *transfers);
// How much of the file was read, in percent; -1 when that is not known.
int transfers_progress(struct transfers *transfers);

#endif
