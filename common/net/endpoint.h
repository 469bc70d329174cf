// SPDX-License-Identifier: Apache-2.0
// What an endpoint's text says, and making the place of an ipc endpoint fit for binding.
#ifndef NET_ENDPOINT_H
#define NET_ENDPOINT_H

#include <stdbool.h>

#include "base/error.h"

struct endpoint {
    const char *text; // borrowed
    const char *path; // ipc: the socket file, within `text`; NULL for tcp
    bool loopback;    // tcp: 127.0.0.0/8 or localhost
};

// ASSENT_CONFIG: another transport, an empty or abstract path, a path that sun_path cannot hold.
int endpoint_parse(const char *text, struct endpoint *ret, assent_error *error);

// Makes the directories (mode 0700) and removes a socket file on which nobody listens.
// ASSENT_LOCKED when somebody does; ASSENT_CONFIG when the path is something else; ASSENT_IO.
int endpoint_prepare(const struct endpoint *endpoint, assent_error *error);

// Removes the socket file of an ipc endpoint that this process has bound; else does nothing.
void endpoint_remove(const char *text);

#endif
