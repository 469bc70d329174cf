// SPDX-License-Identifier: Apache-2.0
// A request to the coordinator and its reply: connects, greets as operator, asks, waits.
#ifndef CLI_SESSION_H
#define CLI_SESSION_H

#include "cli.h"

struct session;

// Does not wait for the coordinator. Errors: ASSENT_CONFIG, ASSENT_IO, ASSENT_NOMEM.
int session_open(const struct cli *cli, struct session **ret, assent_error *error);
void session_close(struct session **self_p);

// Sends the verb with its arguments (takes them; NULL: none) and waits for the reply, at most the
// command's timeout. On ASSENT_OK the caller owns *ret_reply. ASSENT_UNAVAILABLE, ASSENT_TIMEOUT:
// no coordinator, with what to do in the message. Other codes are the coordinator's refusal.
int session_ask(struct session *self, const char *verb, json_t *arguments, json_t **ret_reply,
                assent_error *error);

// Greets as a client instead, and asks nothing: may the holder of this certificate be one?
// ASSENT_OK; ASSENT_DENIED; ASSENT_UNAVAILABLE as above. The session is of no further use.
int session_greet_as_client(struct session *self, assent_error *error);

uint64_t mono_ms(void); // the clock of timeouts

// Who runs this command: "ada@db1", or "ada as root@db1" under sudo.
void session_by(char *ret, size_t size);

#endif
