// SPDX-License-Identifier: Apache-2.0
// Who may say what: the grant in a peer's certificate against what its messages claim. The core
// checks roles and ownership of transactions by itself; here it is decided whether the holder of
// the certificate may play that role, and speak for that resource, at all. Asked for each message,
// as a grant may be taken away while its holder is connected.
#ifndef COORDINATOR_AUTHORIZE_H
#define COORDINATOR_AUTHORIZE_H

#include "base/error.h"
#include "core/message.h"
#include "net/net.h"

// `role` and `name` are those of the peer's HELLO: 0 and empty before it. ADMIN is not judged
// here (admin.h does it). ASSENT_DENIED.
int authorize(const struct net_grant *grant, uint8_t role, struct slice name, const struct msg *msg,
              assent_error *error);

// False for what only a coordinator says.
bool authorize_direction(enum msg_type type);

#endif
