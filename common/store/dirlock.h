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

// For readers: nobody can take the lock meanwhile, other readers can read. Changes nothing in the
// directory. *ret_fd is -1 when there is no lock file, so that nobody can hold it. ASSENT_LOCKED.
int dirlock_share(const char *dir, int *ret_fd, assent_error *error);

#endif
