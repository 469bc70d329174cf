// SPDX-License-Identifier: Apache-2.0
#include "authorize.h"

static int denied(assent_error *error, const char *what)
{
    return error_set(error, ASSENT_DENIED, "the certificate does not allow %s", what);
}

static int authorize_role(const struct net_grant *grant, uint8_t role, struct slice name,
                          assent_error *error)
{
    switch ((enum role)role) {
    case ROLE_CLIENT: return grant->client ? ASSENT_OK : denied(error, "to act as a client");
    case ROLE_OPERATOR:
        return grant->operator_ ? ASSENT_OK : denied(error, "to act as an operator");
    case ROLE_PARTICIPANT:
        return net_grant_resource(grant, name) ? ASSENT_OK
                                               : denied(error, "to speak for that resource");
    }
    return denied(error, "that role");
}

int authorize(const struct net_grant *grant, uint8_t role, struct slice name, const struct msg *msg,
              assent_error *error)
{
    if (!grant)
        return denied(error, "anything");
    if (msg->type == MSG_HELLO)
        return authorize_role(grant, msg->u.hello.role, msg->u.hello.name, error);
    // Nothing but HELLO means anything before HELLO; the core says so.
    return role == 0 ? ASSENT_OK : authorize_role(grant, role, name, error);
}

bool authorize_direction(enum msg_type type)
{
    switch (type) {
    case MSG_HELLO:
    case MSG_PING:
    case MSG_LEASE:
    case MSG_ENLIST:
    case MSG_SUBMIT:
    case MSG_CANCEL:
    case MSG_STATUS:
    case MSG_VOTE:
    case MSG_DONE:
    case MSG_INQUIRE:
    case MSG_EXTEND:
    case MSG_ASK:
    case MSG_STATE:
    case MSG_DECIDE:
    case MSG_ADMIN: return true;
    case MSG_WELCOME:
    case MSG_REFUSED:
    case MSG_PONG:
    case MSG_ENLISTED:
    case MSG_RESULT:
    case MSG_PREPARE:
    case MSG_COMMIT:
    case MSG_ROLLBACK:
    case MSG_STANDING:
    case MSG_EXTENDED:
    case MSG_TRY:
    case MSG_ADMIN_REPLY: return false;
    }
    return false;
}
