// SPDX-License-Identifier: Apache-2.0
// The connections that a server knows: from routing id to number and back.
#ifndef NET_PEERS_H
#define NET_PEERS_H

#include "base/list.h"
#include "base/map.h"
#include "net/cert.h"
#include "net/outbox.h"

struct server_peer {
    peer_t number;
    const struct cert_holder *holder; // NULL without CURVE; borrowed from the authority
    char address[64];
    bool forgotten;    // leaves after the next flush
    uint64_t alive_ms; // when it was last known to be connected
    struct outbox out;
    struct list dirty;  // linked while something waits for the next flush
    struct list member; // of `alive` (longest silent first) or of `gone`
    uint8_t door;       // which socket
    size_t key_size;
    uint8_t key[]; // door, then the routing id
};

struct peers {
    struct map by_key, by_number;
    struct list alive, gone, dirty;
    size_t count; // alive and gone
    peer_t next_number;
};

int peers_init(struct peers *p, assent_error *error);
void peers_free(struct peers *p);

struct server_peer *peers_find(const struct peers *p, uint8_t door, struct slice route);
struct server_peer *peers_number(const struct peers *p, peer_t number); // NULL when gone
// A new one. NULL when there is no memory.
struct server_peer *peers_add(struct peers *p, uint8_t door, struct slice route);
struct slice peers_route(const struct server_peer *peer);

void peers_alive(struct peers *p, struct server_peer *peer, uint64_t now_ms);
// It cannot be reached, or may not be: to be told by peers_take_gone. Drops what waits for it.
void peers_lose(struct peers *p, struct server_peer *peer);
peer_t peers_take_gone(struct peers *p); // 0 when there is none
void peers_remove(struct peers *p, struct server_peer *peer);

#endif
