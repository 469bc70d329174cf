// SPDX-License-Identifier: Apache-2.0
// One transaction, as the coordinator tells of it.
#ifndef CLI_SHOW_H
#define CLI_SHOW_H

#include "session.h"

// Asks for the transaction that the command's first word names. The caller owns *ret_reply.
int show_ask(const struct cli *cli, struct session *session, json_t **ret_reply,
             assent_error *error);
// Is anything known of it: here, in the log, or by a participant in doubt?
bool show_known(const json_t *reply);

#endif
