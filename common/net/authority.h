// SPDX-License-Identifier: Apache-2.0
// Who may connect: the certificates of a directory, and the ZAP handler that libzmq asks about each
// CURVE connection before it is let in (RFC 27). The handler runs on a thread of its own; all
// functions here are for the thread that owns the server.
#ifndef NET_AUTHORITY_H
#define NET_AUTHORITY_H

#include "net/cert.h"

struct authority;

// Reads the directory and starts answering in `context`, which must have no other ZAP handler.
// Every file counts except hidden ones and those that end in "_secret" or "~". ASSENT_CONFIG: a
// certificate is not valid, two have one key, or the directory cannot be read.
int authority_open(void *context, const char *directory, struct authority **ret,
                   assent_error *error);

// Would authority_open like the directory? Reads it and forgets it. Errors: those.
int authority_check(const char *directory, assent_error *error);

// Reads the directory again. ASSENT_CONFIG: a certificate is not valid and was left out, the others
// apply. Any other code: nothing has changed. When something has, holders returned before can be
// read until the next reload, and stand no more.
int authority_reload(struct authority *self, bool *ret_changed, assent_error *error);

// NULL when no certificate has that key (Z85 text).
const struct cert_holder *authority_find(const struct authority *self, const char *public_key);

// To be called after zmq_ctx_shutdown(context), which is what ends the thread, and before
// zmq_ctx_term.
void authority_close(struct authority **self_p);

#endif
