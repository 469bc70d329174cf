// SPDX-License-Identifier: Apache-2.0
// Certificates in the format of CZMQ's zcert: a ZPL file with a CURVE key pair (or its public half)
// and metadata. Ours: `name`, the principal; `role`, a list of client, participant, operator;
// `resources`, a list of those that a participant may speak for, or *. Lists are separated by
// spaces.
#ifndef NET_CERT_H
#define NET_CERT_H

#include "net/net.h"

enum { CERT_KEY_TEXT_BYTES = 41 }; // 32 bytes in Z85, and a NUL

// Makes a key pair: the secret file (mode 0600) holds both halves, the public file what others may
// have. Neither may exist. `role` and `resources` may be NULL or empty (the coordinator's own
// certificate needs none). ASSENT_INVALID: name, role or resources are not fit; ASSENT_IO.
int net_keygen(const char *path_public, const char *path_secret, const char *name, const char *role,
               const char *resources, assent_error *error);

// ASSENT_CONFIG when users other than owner and group may read or write the file, or it is not
// there.
int net_secret_check(const char *path, assent_error *error);

struct cert_keys {
    char public_key[CERT_KEY_TEXT_BYTES];
    char secret_key[CERT_KEY_TEXT_BYTES]; // empty when only the public half was asked for
};

// ASSENT_CONFIG with the file and what is wrong with it.
int cert_load_secret(const char *path, struct cert_keys *ret, assent_error *error);
int cert_load_public(const char *path, struct cert_keys *ret, assent_error *error);

struct cert_holder {
    char public_key[CERT_KEY_TEXT_BYTES];
    char name[LIMIT_NAME_BYTES + 1];
    struct net_grant grant;
};

// A certificate of the authorized directory: the key and what its holder may do. The metadata must
// grant something. ASSENT_CONFIG.
int cert_load_holder(const char *path, struct cert_holder *ret, assent_error *error);

#endif
