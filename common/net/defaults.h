// SPDX-License-Identifier: Apache-2.0
// Where things are when nobody says otherwise; the daemon, the library and the command agree here.
#ifndef NET_DEFAULTS_H
#define NET_DEFAULTS_H

#include <stddef.h>

#include "base/error.h"

// "/var/lib/assent" for root, else "$XDG_STATE_HOME/assent", else "~/.local/state/assent".
// ASSENT_CONFIG: there is no home directory; ASSENT_LIMIT: `size` bytes do not hold the answer.
int default_data_dir(char *ret, size_t size, assent_error *error);

// "ipc://<data_dir>/assentd.sock"; data_dir NULL: the default one.
int default_endpoint(const char *data_dir, char *ret, size_t size, assent_error *error);

// Where clients connect: $ASSENT_ENDPOINT when set and not empty, else the default endpoint.
int default_client_endpoint(char *ret, size_t size, assent_error *error);

#endif
