// SPDX-License-Identifier: Apache-2.0
// Where a server is, and how to come in: the words of the open string.
#ifndef MARIADB_WHERE_H
#define MARIADB_WHERE_H

#include "assent/error.h"

enum { WHERE_BYTES = 1024, WHERE_PARKED_MAX = 10000, WHERE_PARKED_USUAL = 64 };

struct where {
    // Within `bytes`; NULL: not said.
    const char *host, *socket, *user, *password, *database, *ssl_ca, *ssl_cert, *ssl_key;
    const char *password_file;
    unsigned port, connect_timeout_s, read_timeout_s;
    unsigned parked; // 0: as many as seems sensible
    char bytes[WHERE_BYTES];
    char secret[256]; // what password-file holds
};

// ASSENT_CONFIG: the message names the word that is wrong. Secrets are in no message.
int where_parse(const char *text, struct where *ret, assent_error *error);

#endif
