// SPDX-License-Identifier: Apache-2.0
// One process to a data directory: <dir>/lock, held for as long as the process has it open.
#ifndef STORE_DIRLOCK_H
#define STORE_DIRLOCK_H

#include <stdbool.h>

#include "base/error.h"

// Takes the lock, writes the process id into the file. *ret_fd: dirlock_release gives it back.
// ASSENT_LOCKED names the holder.
int dirlock_take(const char *dir, int *ret_fd, assent_error *error);
void dirlock_release(int *fd); // -1 is fine

// Looks without touching anything. *ret_pid: the holder; 0 when nobody, -1 when it is not known.
int dirlock_holder(const char *dir, long *ret_pid, assent_error *error);

#endif
